"""`report`: the page loads nothing, its numbers are those of `estimate`, and bad input."""

from __future__ import annotations

import csv
import http.server
import json
import random
import re
import shutil
import subprocess
import threading
from collections.abc import Iterable, Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from commands import Command, json_lines
from hostile import PIECES, TEXTS
from labeled_posts import HEADER, posts, write

from weibo_tui import UserInputError, Workbench, locale, write_report
from weibo_tui.datasets import survey
from weibo_tui.presentation.report.page import render

TAGS = {
    *"html head meta title style body header main section h1 h2 h3 p table thead tbody tr th td span div".split(),
    *"figure figcaption svg path rect g details summary ol li small dl dt dd".split(),
}


class Page(HTMLParser):
    """Elements, attributes and words of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(html)
        self.close()

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _value in attributes}
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in ("path", "rect"):  # SVG closes them in the tag itself
            while self.open.pop() in ("path", "rect"):
                pass

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words.append(data)


def figures(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def report(command: Command, data: Path, *words: str) -> tuple[str, list[dict[str, str]]]:
    """Run `report`, and return its page and its numbers."""
    out = data.with_name("report.html")
    shown = command.ok("report", data, "--out", out, "--overwrite", *words)
    assert shown.out.split() == [str(out), str(out.with_suffix(".csv"))]
    return out.read_text("utf-8"), figures(out.with_suffix(".csv"))


# numbers


def test_shares_equal_those_of_estimate(command: Command, tmp_path: Path) -> None:
    data = write(tmp_path / "data.csv", posts(3000, 600))
    html, numbers = report(command, data)
    text = Page(html).text
    sections = {"file": [], "week": ["--by", "week"], "day": ["--by", "day"], "places": ["--by", "发布位置"]}
    for section, words in sections.items():
        rows = [row for row in numbers if row["section"] == section]
        known = json_lines(command.ok("estimate", data, *words, "--json").out)
        expected = {(one["window"] or "", one["label"]): one for one in known if words == [] or one["window"]}
        assert {(row["name"], row["label"]) for row in rows} == expected.keys(), section
        for row in rows:
            one = expected[row["name"], row["label"]]
            keys = ("N", "uncorrected") if section == "day" else ("share", "low", "high", "n", "N", "uncorrected")
            for key in keys:
                assert row[key] == ("" if one[key] is None else str(one[key])), (section, row, key)
            if section != "day" and one["share"] is not None and one["label"] == "positive":
                assert f"{one['share']:.1%}" in text
                assert f"{one['low']:.1%} – {one['high']:.1%}" in text
    positive = next(row for row in numbers if (row["section"], row["label"]) == ("file", "positive"))
    assert f"positive {float(positive['share']):.1%} ({float(positive['low']):.1%} – " in text
    assert "600 of 3,000 rows have a human label" in text
    assert html.count('class="band"') == len([row for row in numbers if row["section"] == "week" and row["share"]]) / 2


def test_sections_have_what_is_in_the_file(command: Command, tmp_path: Path) -> None:
    rows = posts(1200, 200)
    rows += [rows[0] | {"微博正文": rows[0]["微博正文"] + " http://t.cn/x @某人"}] * 2 + [
        rows[0] | {"微博正文": text} for text in ("", "转发微博")
    ]
    rows.append(rows[1] | {"微博正文": "x" * 10_000, "confidence": 0.5, "predicted": "positive"})
    rows.append(rows[1] | {"predicted": ""})
    html, numbers = report(command, write(tmp_path / "data.csv", rows))
    page = Page(html)
    sampling = {row["name"]: row["value"] for row in numbers if row["section"] == "sampling"}
    assert sampling == {
        "rows": "1206",
        "empty": "2",
        "duplicates": "2",
        "texts": "1201",
        "terms_of": "1201",
        "reposts": "304",
        "undated": "0",
        "full_hours": "0",
        "accounts": "50",
        "top_accounts": "0.2033195020746888",
    }
    terms = {(row["label"], row["name"]) for row in numbers if row["section"] == "terms"}
    assert {("positive", "真好吃"), ("positive", "开心"), ("negative", "太差了"), ("negative", "难受")} <= terms
    emoticons = [row for row in numbers if row["section"] == "emoticons" and row["label"] == "positive"]
    assert [row["name"] for row in emoticons] in (["[哈哈]", "😭", ""], ["😭", "[哈哈]", ""])
    assert sum(int(row["N"]) for row in emoticons) == 1205
    assert [row["name"] for row in numbers if row["section"] == "hashtags"] == ["今天的面"] * 2
    assert "3 times" in page.text
    assert "x" * 300 + "…" in page.text
    assert "x" * 301 not in page.text
    assert "1 row without a predicted label is not counted." in page.text
    assert "Repeated texts 2 (0.2%)" in page.text
    assert page.open == []


def test_file_without_answers_has_no_interval(command: Command, tmp_path: Path) -> None:
    html, numbers = report(command, write(tmp_path / "data.csv", posts(500, 0)))
    text = Page(html).text
    assert "Its errors are not corrected, as no post has a human label." in text
    assert "No row has a human label, so nothing here has an interval." in text
    assert 'class="band"' not in html
    assert {row["low"] for row in numbers} == {""}
    html, _numbers = report(command, write(tmp_path / "data.csv", posts(500, 60)))
    assert "No window has 50 human labels of its own" in Page(html).text
    html, _numbers = report(
        command, write(tmp_path / "data.csv", posts(500, 500)), "--label", "negative", "--by", "day"
    )
    assert "Share of negative by day" in html
    assert "the shares are exact" in Page(html).text


def test_page_is_in_the_language_of_the_user(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = write(tmp_path / "data.csv", posts(300, 100))
    assert '<html lang="en">' in report(command, data)[0]
    monkeypatch.setenv("WEIBO_TUI_LANGUAGE", "zh_CN")
    locale.use("auto")
    html, _numbers = report(command, data)
    assert '<html lang="zh-CN">' in html
    assert "Noto Sans CJK SC" in html


def test_python_api_gives_the_report_of_the_command(command: Command, wb: Workbench, tmp_path: Path) -> None:
    data = write(tmp_path / "data.csv", posts(400, 80))
    html, _numbers = report(command, data)
    found = wb.report(data, progress=False)
    assert render(found, "report.csv") == html
    with pytest.raises(UserInputError, match="File exists"):
        write_report(found, tmp_path / "report.html")
    write_report(found, str(tmp_path / "report.html"), overwrite=True)
    with pytest.raises(UserInputError, match="would replace the labeled file"):
        write_report(found, tmp_path / "data.html", overwrite=True)
    with pytest.raises(UserInputError, match="by is hour and must be one of day, week"):
        wb.report(data, by="hour")


# bad input


def test_small_and_odd_files_have_a_report(command: Command, tmp_path: Path) -> None:
    def texts(rows: Iterable[Mapping[str, Any]], *words: str) -> str:
        html, _numbers = report(command, write(tmp_path / "data.csv", rows), *words)
        page = Page(html)
        assert page.open == []
        return page.text

    three = [{"text": "今天的面真好吃", "predicted": "positive"}] * 3
    assert "No row has a date that can be read, so there is no timeline." in texts(three)
    assert "Repeated texts 2 (66.7%)" in texts(three)
    assert "No term is clearly more frequent" in texts(three)
    assert "unreadable" not in texts([row | {"created_at": "?"} for row in three], "--date-column", "created_at")
    assert "2023-02-11" in texts([row | {"created_at": "2023-02-11"} for row in three])
    assert "2023-02-11" in texts(
        [row | {"created_at": day} for row, day in zip(three, ("2023-02-11", "", "2023-02-12"), strict=True)]
    )
    assert "The model alone counts 100.0%." in texts([row | {"label": "1"} for row in three])
    many = [{"text": f"第{at}条", "predicted": f"mood{at % 9}", "label": f"mood{at % 8}"} for at in range(90)]
    assert "mood8" in texts(many)
    exported = [{"text": "'=今天的面真好吃", "predicted": "1", "label": "1", "label_source": "model"}] * 3
    assert "'=" not in texts(exported)
    spread = [{"text": "好", "predicted": "1", "date": f"{1980 + at % 100}-{1 + at % 12}-01"} for at in range(900)]
    assert "Over time" in texts(spread)
    crowded = [
        {"text": f"第{at}条", "predicted": "1", "date": f"2023-02-11 2{at % 999 // 998}:05"} for at in range(999)
    ]
    assert "1 hour has 950 rows or more." in texts(crowded)
    hostile = [row | {"predicted": "<b>x\u202e</b>\x1b[2J"} for row in three]
    assert "<U+202E>" in texts(hostile)


def test_tables_without_a_report_are_refused(command: Command, tmp_path: Path) -> None:
    def refused(rows: Iterable[Mapping[str, Any]], *words: str | Path) -> str:
        result = command("report", write(tmp_path / "data.csv", rows), *words)
        assert (result.code, result.out) == (2, ""), result
        return result.err.splitlines()[-1]

    out = ("--out", tmp_path / "new.html")
    human = [{"text": f"第{at}条真好吃", "label": at % 2} for at in range(9)]
    assert "Label the file first" in refused(human, *out)
    assert "has no labels" in refused([{"text": "好", "predicted": ""}], *out)
    texts = [{"text": "好", "predicted": "1", "label": f"第{at}条"} for at in range(2**16)]
    late = {"text": "好", "predicted": "0", "label": "好"}  # its word has a number of more than two bytes
    assert "has more than 1000 different labels" in refused([*texts, late], *out)
    rows = [row | {"predicted": "1"} for row in human]
    (tmp_path / "empty.csv").write_text("text,predicted\n")
    assert command("report", tmp_path / "empty.csv", *out).code == 2
    assert "has no column nowhere. Choose one with --column" in refused(rows, *out, "--column", "nowhere")
    assert "would replace the labeled file" in refused(rows, "--out", tmp_path / "data.html", "--overwrite")
    assert "Choose one that ends in .html" in refused(rows, "--out", tmp_path / "data.csv", "--overwrite")
    (tmp_path / "new.csv").write_text("mine")
    assert "File exists" in refused(rows, *out)
    assert "by is hour" in refused(rows, "--out", tmp_path / "other.html", "--by", "hour")
    assert (tmp_path / "new.csv").read_text() == "mine"
    assert not (tmp_path / "new.html").exists()


def test_too_many_groups_are_counted_about(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(survey, "MAX_GROUPS", 50)
    monkeypatch.setattr(survey, "MAX_CHARACTERS", 2000)
    rows = [{"text": f"#话题{at}#第{at}条" + "#面#" * (at % 2), "predicted": "1"} for at in range(500)]
    html, numbers = report(command, write(tmp_path / "data.csv", rows))
    sampling = {row["name"]: row["value"] for row in numbers if row["section"] == "sampling"}
    assert sampling["texts"] == "500"
    assert 20 < int(sampling["terms_of"]) < 200
    assert f"a random sample of {sampling['terms_of']} of 500 different ones" in html
    first = next(row for row in numbers if row["section"] == "hashtags")
    assert first["name"] == "面"
    too_low = int(re.search(r"may be up to (\d+) too low", Page(html).text)[1])  # type: ignore[index]
    assert 250 - too_low <= int(first["N"]) <= 250


# what a page may load


ATTACKS = [
    *("<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "</style><link rel=stylesheet href=//a.cn>"),
    *("'\"><svg onload=alert(1)>", "<!--", "]]>", "&lt;b&gt;", "@import url(//a.cn)", "</title><base href=//a.cn>"),
    *(*PIECES, *TEXTS.values()),
]


def hostile_rows(number: int) -> list[dict[str, Any]]:
    rng = random.Random(7)
    rows = []
    for at in range(number):
        one, other, third = rng.choices(ATTACKS, k=3)
        cells = [f"{at}{other}", one, f"{at}{one}{other}#{third}#", third, f"2023-02-{1 + at % 28:02}", other]
        label = ("<i>坏</i>\u202e", "<script>好")[at % 2]
        rows.append(dict(zip(HEADER, [*cells, label, rng.random(), label if at % 9 == 0 else ""], strict=True)))
    return rows


def write_lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> Path:
    """Write JSON lines, which hold lone surrogates as escapes."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "ascii")
    return path


def test_hostile_posts_stay_text_and_load_nothing(command: Command, tmp_path: Path) -> None:
    html, _numbers = report(command, write_lines(tmp_path / "data.jsonl", hostile_rows(4000)))
    page = Page(html)
    assert page.tags <= TAGS
    assert not {name for name in page.attributes if name.startswith("on")} | {"href", "src"} & page.attributes
    assert page.open == []
    assert not {*"\x1b\u202e\u2066\x9b\x00"} & {*html}
    assert html.count("<style>") == html.count("</style>") == 1
    style = html.partition("<style>")[2].partition("</style>")[0]
    assert "url(" not in style
    assert "@import" not in style
    assert "default-src 'none'; style-src 'unsafe-inline'" in html
    assert "&lt;script&gt;" in html
    assert len(html) < 500_000


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs chromium")
def test_browser_requests_nothing_but_the_page(command: Command, tmp_path: Path) -> None:
    report(command, write_lines(tmp_path / "data.jsonl", hostile_rows(500)))
    requests = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments, directory=str(tmp_path))

        def log_message(self, *_arguments: Any) -> None:
            requests.append(self.path)

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/report.html"
        options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1280,2000"]
        options += [f"--user-data-dir={tmp_path / 'profile'}", "--disable-background-networking"]
        picture = tmp_path / "page.png"
        subprocess.run(
            ["chromium", *options, f"--screenshot={picture}", url], check=True, capture_output=True, timeout=120
        )
        shown = subprocess.run(["chromium", *options, "--dump-dom", url], check=True, capture_output=True, timeout=120)
        server.shutdown()
    assert set(requests) == {"/report.html"}
    assert picture.stat().st_size > 10_000
    assert b"<svg" in shown.stdout
    assert b"<script" not in shown.stdout
