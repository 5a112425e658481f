"""Score cards, adapters and comparisons as Markdown, LaTeX, CSV, JSON, HTML and pictures."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace
from html import unescape
from pathlib import Path

import made_up
import pytest
import scores
from commands import Command, table
from hostile import TEXTS
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from weibo_tui import Document, ScoreCard, TrainingResult, UserInputError, Workbench, document, locale
from weibo_tui.presentation.publication import latex, markdown
from weibo_tui.presentation.publication.document import FORMATS, SUFFIXES
from weibo_tui.presentation.publication.parts import Facts, Part, Table
from weibo_tui.presentation.publication.scores import score_document, scores_document
from weibo_tui.text.terminal import sanitize

ANY_TEXT = st.text() | st.sampled_from([*TEXTS.values(), "a|b", "\\|", "*a*", "<b>", "&amp;", "$x$", "1. a", "# a"])
COMMANDS = (
    r"\\(?:text\w+|char34|rightarrow|downarrow|kappa|geq|pm)(?:\{\})?|\\[&%$#_{}]|\{[\[*]\}"
    r"|\$-\$|\$(?=\\)|(?<=[a-z])\$"
)
"""Commands that `latex.escape` writes."""


def plain(text: str) -> str:
    return " ".join(sanitize(text).split())


def parts() -> list[Part]:
    return [*score_document(scores.score(), "review").parts]


def tables(found: Document) -> dict[str, Table]:
    return {part.title: part for part in found.parts if isinstance(part, Table)}


# contents


def test_score_card_has_all_tables() -> None:
    found = tables(score_document(scores.score(), "review"))
    titles = ["", "Labels", "Confusion matrix", "Baselines on the same posts", "Trainings with 3 seeds"]
    assert [*found] == [*titles, "Answering only confident posts", "Files", "Characters of a post"]
    figures = {name: (value, ends) for name, value, ends in found[""].rows}
    assert figures["Accuracy"] == ("80.0%", "74.0% – 85.0%")
    assert figures["ECE"] == ("0.031", "")
    assert figures["ECE of a perfectly calibrated model"] == ("0.027", "95% below 0.045")
    assert figures["failed"] == ("1", "")
    assert found["Baselines on the same posts"].rows[1] == (
        *("linear model", "78.8%", "70.0% – 85.0%", "75.0%", "+1.2", "+0.2 – +2.2", "0.099"),
    )
    assert [*found["Trainings with 3 seeds"].rows][-2:] == [
        ("mean ± sd", "81.00% ± 1.00", "0.600 ± 0.000"),
        ("95% interval", "78.52% – 83.48%", "0.600 – 0.600"),
    ]


def test_several_cards_are_rows_without_empty_columns() -> None:
    old = scores.score(baselines=(), seeds={}, macro_f1_ci=None, mcc=None)
    found = tables(scores_document({"a": old, "b": old}, "Adapters"))[""]
    assert "Macro F1" in found.header
    assert not {"MCC", "McNemar's p", "mean of seeds"} & {*found.header}
    document_of_both = scores_document({"a": old, "b": scores.score()}, "Adapters")
    assert "80.0% (74.0% – 85.0%)" in document_of_both.to_svg()
    both = tables(document_of_both)[""]
    assert both.rows[0][-1] == "–"
    assert both.rows[1][-4:] == ["0.140", "+1.2 (+0.2 – +2.2)", "0.099", "81.00% ± 1.00 (3)"]


# formats


@given(st.lists(ANY_TEXT, min_size=2, max_size=4))
def test_markdown_shows_any_text_as_it_is(cells: list[str]) -> None:
    page = MarkdownIt().enable("table").render(markdown.render("t", [Table("", cells, [cells])]))
    found = re.findall(r"<t([hd])(?: [^>]*)?>(.*?)</t\1>", page, re.DOTALL)
    assert [unescape(content) for _tag, content in found] == [*map(plain, cells)] * 2


@given(ANY_TEXT)
def test_latex_escapes_any_text(text: str) -> None:
    rest = re.sub(COMMANDS, "", latex.escape(text))
    assert not set(rest) & set("\\{}$&#^_%~\n")


def test_latex_prints_negative_numbers_with_a_minus() -> None:
    assert latex.escape("-1.3 (-5.0 – +2.0) 2026-11-23 a-1") == "$-$1.3 ($-$5.0 -- +2.0) 2026-11-23 a-1"


def test_latex_table_has_the_rules_of_booktabs() -> None:
    text = latex.render(
        "a_b", [Facts([("Base", "100%")]), Table("Labels", ("", "posts"), [("正面 & 负", "1")]), "Note"]
    )
    assert text.startswith("% Preamble: \\usepackage{booktabs,graphicx}\n% For Chinese words: \\usepackage{ctex}")
    lines = [line.strip() for line in text.splitlines()]
    begin = lines.index(r"\begin{tabular}{lr}")
    assert lines[begin - 1] == r"\caption{a\_b: Labels}"
    assert lines[begin + 1 : begin + 7] == [
        *(r"\toprule", r" & posts \\".strip(), r"\midrule", r"正面 \& 负 & 1 \\", r"\bottomrule", r"\end{tabular}"),
    ]
    assert r"Base & 100\% \\" in lines
    assert lines[-1] == "% Note"
    assert "resizebox" not in text
    wide = latex.render("", [Table("", ("x",) * 8, [("y",) * 8])])
    assert r"\resizebox{\linewidth}{!}{%" in wide
    assert wide.count("{") == wide.count("}")


def test_csv_has_the_figures_of_each_part() -> None:
    rows = [*csv.DictReader(io.StringIO(score_document(scores.score(("=1+1", "b")), "review").to_csv()))]
    kinds = [row["part"] for row in rows]
    assert [kinds.count(kind) for kind in "all label confusion bin answering file length baseline seed".split()] == [
        *(1, 2, 4, 2, 1, 1, 1, 2, 3),
    ]
    first = rows[0]
    assert (first["name"], first["accuracy"], first["accuracy_low"], first["ece_null_95"]) == (
        *("review", "0.8", "0.74", "0.045"),
    )
    assert rows[1]["item"] == "'=1+1"
    assert [row["accuracy"] for row in rows if row["part"] == "seed"] == ["0.8", "0.81", "0.82"]


def test_json_is_the_score_card() -> None:
    values = json.loads(score_document(scores.score(), "review").to_json())
    assert values == json.loads(json.dumps(scores.score()))


def test_page_loads_nothing_and_has_pictures() -> None:
    labels = tuple([*TEXTS.values()][:6])
    page = score_document(scores.score(labels), "<script>alert(1)</script>", [("Base", "<img src=x>")]).to_html()
    assert page.count("<svg") == 6
    assert "default-src 'none'" in page
    assert not re.search(r"<(?:script|img|link|iframe|object|use|image)\b|<[^>]*(?:src|href)=", page)
    assert not set("\x1b\u202e\x9b") & set(page)
    page.encode("utf-8")


def test_notebook_shows_tables_and_pictures() -> None:
    page = score_document(scores.score(), "review")._repr_html_()
    assert page.count("<svg") == 6
    assert page.count("<table>") == 8
    assert "<html" not in page


def test_chinese_words_are_in_every_format() -> None:
    locale.use("zh_CN")
    found = score_document(scores.score(), "评估")
    for text in (found.to_markdown(), found.to_latex(), found.to_html(), found.to_svg()):
        assert "准确率" in text


# files


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_suffix_chooses_the_format(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"card{suffix.upper()}"
    found = score_document(scores.score(("a", "b")), "review")
    if suffix == ".png":
        try:
            found.to_png()
        except UserInputError:  # this system has no fonts
            with pytest.raises(UserInputError):
                found.write(path)
            assert not path.exists()
            return
    found.write(path)
    starts = {".md": "# ", ".tex": "% ", ".csv": "\ufeffname", ".json": "{", ".html": "<!DOC", ".svg": "<svg"}
    data = path.read_bytes()
    assert data.startswith(starts.get(suffix, "").encode() or b"\x89PNG")
    with pytest.raises(UserInputError, match="File exists"):
        found.write(path)
    assert path.read_bytes() == data
    found.write(path, overwrite=True)


def test_unknown_format_and_empty_pictures_are_refused(tmp_path: Path) -> None:
    for name in ("card", "card.docx"):
        with pytest.raises(UserInputError, match=r"Choose one of \.md, \.tex"):
            score_document(scores.score(), "review").write(tmp_path / name)
    with pytest.raises(UserInputError, match="nothing to draw"):
        score_document({}, "review").write(tmp_path / "card.svg")
    assert [*tmp_path.glob("card*")] == []


# Python


def test_python_gives_a_document_of_each_result(furnished: Path) -> None:
    card = ScoreCard.from_dict(scores.score())
    with Workbench() as wb:
        mood = wb.adapters.card("mood")
    assert document(card).title == "Score card"
    assert document(TrainingResult("mood", card, "run")).title == "mood"
    assert document({"a": card, "b": card}, "Table 1").title == "Table 1"
    assert document(mood).title == "Adapter mood"
    assert len(tables(document([mood, replace(mood, name="other")]))[""].rows) == 2


def test_several_adapters_say_whether_the_posts_are_the_same(furnished: Path) -> None:
    with Workbench() as wb:
        mood = wb.adapters.card("mood")
    other = replace(mood, data={**mood.data, "sha256": "0" * 64})
    assert "All adapters were tested on the same posts." in document([mood, mood]).parts
    assert any("do not compare them" in part for part in document([mood, other]).parts if isinstance(part, str))


# command line


@pytest.mark.parametrize("name", FORMATS)
def test_card_is_printed_in_each_format(name: str, furnished: Path, command: Command) -> None:
    done = command.ok("adapters", "card", "mood", "--format", name)
    assert "mood" in done.out
    assert "␍" not in done.out
    if name == "html":
        assert command.ok("adapters", "card", "mood", "--html").out == done.out
    if name == "md":
        assert command.ok("adapters", "card", "mood").out == done.out
        assert command.ok("adapters", "card", "mood", "mood", "--format", name).out == done.out


def test_card_refuses_bad_options(furnished: Path, command: Command, tmp_path: Path) -> None:
    out = tmp_path / "card.html"
    assert "The formats are md, latex" in command("adapters", "card", "mood", "--format", "rtf").err
    assert "does not fit the format md" in command("adapters", "card", "mood", "--format", "md", "--out", out).err
    assert "Adapter not found" in command("adapters", "card", "none", "--out", out).err
    own = furnished / "adapters" / "mood" / "card.json"
    assert "File belongs to weibo-tui" in command("adapters", "card", "mood", "--out", own, "--overwrite").err
    assert not out.exists()
    command.ok("adapters", "card", "mood", "--html", "--out", out)
    assert "Use --overwrite" in command("adapters", "card", "mood", "--out", out).err


def test_evaluate_writes_a_score_card(furnished: Path, command: Command, few: Path, tmp_path: Path) -> None:
    out = tmp_path / "score.csv"
    common = ("evaluate", few, "--device", "cpu", "--dtype", "float32")
    assert "same file" in command(*common, "--out", out, "--errors", out).err
    assert "Output and input are the same file" in command(*common, "--out", few, "--overwrite").err
    assert "Choose one of" in command(*common, "--out", "score.txt").err
    done = command.ok(*common, "--out", out, "--json")
    assert f"Written: {out}" in done.err
    rows = table(out)
    score = json.loads(done.out)
    assert float(rows[0]["accuracy"]) == score["accuracy"]
    assert rows[0]["name"] == "mood on few.csv"


def test_compare_writes_a_comparison(furnished: Path, command: Command, few: Path, tmp_path: Path) -> None:
    command.ok("adapters", "export", "mood", tmp_path / "mood.zip")
    command.ok("adapters", "import", tmp_path / "mood.zip", "--name", "other")
    common = ("compare", few, "--adapters", "mood,other", "--device", "cpu", "--dtype", "float32")
    found = command.ok(*common, "--out", tmp_path / "a.md")
    text = (tmp_path / "a.md").read_text("utf-8")
    for expected in (
        "# mood, other compared on few.csv",
        "## Differences of accuracy",
        "| mood – other | +0.0 |",
        "## Agreement",
    ):
        assert expected in text, expected
    unlabeled = tmp_path / "unlabeled.csv"
    unlabeled.write_text("text\n" + "\n".join(post for post, _label in made_up.posts(8, seed=1)), "utf-8")
    command.ok("compare", unlabeled, *common[2:], "--out", tmp_path / "b.html")
    page = (tmp_path / "b.html").read_text("utf-8")
    assert "Predicted labels" in page
    assert "<svg" not in page
    assert "Written:" in found.err
