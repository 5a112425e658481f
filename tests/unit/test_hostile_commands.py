"""Hostile texts in every command: they come out unchanged, act on no terminal and break nothing."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from commands import Command, CommandResult, json_lines, table
from hostile import as_argument, as_file_name, spoken, texts
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made_up import numeral

from weibo_tui.text.spreadsheet import unescape_formula

csv.field_size_limit(sys.maxsize)
PLAIN = "今天的面真好吃"
Tour = Callable[[Command, Path, list[str]], None]


def call(command: Command, *words: str | Path) -> CommandResult:
    result = command(*words)
    spoken(result)
    return result


def ok(command: Command, *words: str | Path, stdin: bytes = b"") -> CommandResult:
    result = command(*words, stdin=stdin)
    spoken(result)
    assert result.code == 0, result.err
    return result


def utf_8(hostile: Sequence[str]) -> list[str]:
    """Return the texts without what UTF-8 cannot encode."""
    return [text.encode("utf-8", "ignore").decode() for text in hostile]


def written(path: Path, rows: Sequence[Sequence[str]], delimiter: str = ",") -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter=delimiter).writerows(rows)
    return path


# ---- posts


def predict_arguments(command: Command, folder: Path, hostile: list[str]) -> None:
    posts = [*map(as_argument, hostile), PLAIN]
    posts = ["好", *posts] if posts[0] == "-" else posts
    command.ok("history", "clear", "--yes")
    shown = ok(command, "predict", "--", *posts)
    assert len(shown.out.splitlines()) == len(posts)
    results = json_lines(ok(command, "predict", "--json", "--no-history", "--", *posts).out)
    assert [row["text"] for row in results] == posts
    check_history(command, folder, posts)


def predict_stdin(command: Command, folder: Path, hostile: list[str]) -> None:
    lines = [text.replace("\r", " ").replace("\n", " ") for text in hostile]
    data = "\n".join([PLAIN, *lines, ""]).encode("utf-8", "surrogatepass")
    posts = data.decode("utf-8", "surrogateescape").split("\n")[:-1]
    command.ok("history", "clear", "--yes")
    results = json_lines(ok(command, "predict", "-", "--json", stdin=data).out)
    assert [row["text"] for row in results] == posts
    shown = ok(command, "predict", "-", "--no-history", stdin=data)
    assert len(shown.out.splitlines()) == len(posts)
    check_history(command, folder, posts)


def check_history(command: Command, folder: Path, posts: list[str]) -> None:
    """Check that the history holds exactly these posts, unchanged."""
    listed = ok(command, "history", "list", "--limit", "1000")
    assert len(listed.out.splitlines()) == len(posts) + 1
    results = json_lines(ok(command, "history", "list", "--json", "--limit", "1000").out)
    assert [row["text"] for row in reversed(results)] == posts
    path = folder / (as_file_name(posts[0]) + ".csv")
    ok(command, "history", "export", path, "--overwrite")
    expected = [post.encode("utf-8", "backslashreplace").decode() for post in posts]
    assert [unescape_formula(row["text"]) for row in table(path)] == expected
    ok(command, "history", "export", path, "--no-guard", "--no-bom", "--overwrite")
    assert [row["text"] for row in table(path)] == expected


def predict_files(command: Command, folder: Path, hostile: list[str]) -> None:
    """Label and audit a file of each format, with a hostile name and a hostile column."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    posts = [*utf_8(hostile), PLAIN]
    other = as_argument(utf_8(hostile)[0]).strip() + "也"
    rows = [["review", other], *([post, post] for post in posts)]
    name = as_file_name(posts[0])
    sources = [written(folder / f"{name}.csv", rows), written(folder / f"{name}.tsv", rows, "\t")]
    lines = [json.dumps({"review": post, other: post}) + "\n" for post in [*hostile, PLAIN]]
    sources.append(folder / f"{name}.jsonl")
    sources[-1].write_text("".join(lines), encoding="utf-8")
    sources.append(folder / f"{name}.parquet")
    pq.write_table(pa.table({"review": posts, other: posts}), sources[-1])
    for source in sources:
        out = source.with_name("out" + source.name)
        result = call(command, "predict", "--file", source, "--out", out, "--column", "review", "--overwrite", "--json")
        if result.code == 0:
            kept = [*hostile, PLAIN] if source.suffix == ".jsonl" else posts
            assert posts_of(out) == kept
            assert json_lines(result.out)[0]["rows"] == len(kept)
        else:
            assert source.suffix in (".csv", ".tsv")  # where a cell cannot hold everything, and that is said
        call(command, "audit", source, "--column", "review")
        call(command, "audit", source, "--column", "review", "--json")
        call(command, "predict", "--file", source, "--out", out, "--column", posts[0])
        call(command, "predict", "--file", source, "--out", out, "--encoding", posts[0])


def posts_of(path: Path) -> list[str]:
    if path.suffix == ".parquet":
        import pyarrow.parquet as pq

        posts: list[str] = pq.read_table(path)["review"].to_pylist()
        return posts
    if path.suffix == ".jsonl":
        return [json.loads(line)["review"] for line in path.read_text("utf-8").split("\n") if line]
    with path.open(encoding="utf-8", newline="") as file:
        return [row["review"] for row in csv.DictReader(file, delimiter="\t" if path.suffix == ".tsv" else ",")]


# ---- words that are quoted


def refused_names(command: Command, folder: Path, hostile: list[str]) -> None:
    """Check that unknown names are refused in one line."""
    word = as_argument(hostile[0])
    other = as_argument(hostile[-1]) or "好"
    path = folder / "missing" / as_file_name(word)
    refused: list[Sequence[str | Path]] = [
        [word],
        ["predict", "--no-history", PLAIN, f"--{word}"],
        ["predict", "--no-history", PLAIN, "--adapter", word],
        ["predict", "--no-history", PLAIN, "--device", word, "--dtype", other, "--threads", word],
        ["predict", "--file", path, "--out", path],
        ["train", path, "--name", word, "--labels", other],
        ["train", path, "--epochs", word],
        ["train", "--resume", word],
        ["evaluate", path, "--adapter", word],
        ["audit", path, "--encoding", word],
        *([group, "show", word] for group in ("adapters", "runs")),
        *(["adapters", action, word] for action in ("use", "remove", word)),
        ["adapters", "rename", "--", word, other],
        ["bases", "export", "--", word, f"{path}.zip"],
        ["bases", "import", "--", f"{path}.zip"],
        ["adapters", "export", "mood", path, "--format", word],
        ["bases", "add", path, "--name", word],
        ["bases", "pretrain", path, "--tokens", "9", "--units", word],
        ["runs", "remove", "--", word],
        ["runs", "export", "--", word, path],
        ["history", "list", "--limit", word],
    ]
    for words in refused:
        call(command, *words)


def hostile_settings(command: Command, folder: Path, hostile: list[str]) -> None:
    """Show hostile settings and variables, in a home with a hostile name."""
    home = folder / as_file_name(hostile[0])
    home.mkdir(exist_ok=True)
    value = json.dumps(utf_8([hostile[-1]])[0], ensure_ascii=False)
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("WEIBO_TUI_HOME", str(home))
        monkeypatch.setenv("LC_ALL", as_argument(hostile[0]))
        for setting in ("adapter", "base", "theme", as_argument(hostile[-1]).split("\n")[0]):
            (home / "settings.toml").write_text(f"{setting} = {value}\n", "utf-8", "ignore")
            result = command("doctor")
            assert result.code in (0, 1, 2)
            spoken(CommandResult(min(result.code, 0), result.out, result.err))
            call(command, "adapters", "list")


# ---- labels


def hostile_labels(command: Command, folder: Path, hostile: list[str]) -> None:
    """Train on hostile labels; use, show and export the result."""
    labels = list(dict.fromkeys(label.strip() for label in [*utf_8(hostile), "甲", "乙"] if label.strip()))
    rows = [[label, f"第{numeral(day)}天{label[:20]}"] for label in labels for day in range(4)]
    data = folder / f"{as_file_name(hostile[0])}.jsonl"
    data.write_text("".join(json.dumps({"label": label, "review": text}) + "\n" for label, text in rows), "utf-8")
    small = ("--epochs", "1", "--bottleneck", "2", "--batch-size", "64", "--threads", "1")
    result = call(command, "train", data, "--name", "h", "--overwrite", *small, "--json")
    if result.code:
        return  # too few posts that share no text
    (card,) = json_lines(ok(command, "adapters", "show", "h", "--json").out)
    assert sorted(card["labels"]) == sorted(labels)
    (prediction,) = json_lines(ok(command, "predict", PLAIN, "--adapter", "h", "--json").out)
    assert prediction["label"] in labels
    run = str(card["run"])
    errors, journal, csv_file = (folder / f"{as_file_name(hostile[-1])}.{end}" for end in ("e.csv", "jsonl", "csv"))
    (score,) = json_lines(
        ok(command, "evaluate", data, "--adapter", "h", "--json", "--errors", errors, "--overwrite").out
    )
    assert score["labels"] == card["labels"]
    rows_by_text = {(unescape_formula(row["text"]), unescape_formula(row["label"])) for row in table(errors)}
    assert rows_by_text <= {(text, label) for label, text in rows}
    results: list[list[Any]] = [
        *(["predict", PLAIN, "--adapter", "h"], ["evaluate", data, "--adapter", "h"], ["audit", data]),
        *(["adapters", "list"], ["adapters", "list", "--json"], ["adapters", "show", "h"], ["bases", "list"]),
        *(["runs", "list"], ["runs", "list", "--json"], ["runs", "show", run], ["runs", "show", run, "--json"]),
        *(["runs", "export", run, file, "--overwrite"] for file in (journal, csv_file)),
        ["history", "list"],
        *(["adapters", "export", "h", folder / "h.zip", "--overwrite"], ["adapters", "remove", "h"]),
        ["adapters", "import", folder / "h.zip"],
    ]
    for words in results:
        ok(command, *words)
    (back,) = json_lines(ok(command, "adapters", "show", "h", "--json").out)
    assert back["labels"] == card["labels"]
    for line in journal.read_text("utf-8").splitlines():
        json.loads(line)


QUICK: list[Tour] = [predict_arguments, predict_stdin, predict_files, refused_names, hostile_settings]
HOSTILE = st.lists(texts(), min_size=1, max_size=6)
# All examples of a test share its folder and overwrite each other's files.
SHARED = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


@pytest.mark.parametrize("tour", QUICK, ids=lambda tour: tour.__name__)
@settings(max_examples=1, suppress_health_check=SHARED)
@given(hostile=HOSTILE)
def test_hostile_texts_do_no_harm(
    tour: Tour, hostile: list[str], command: Command, furnished: Path, tmp_path: Path
) -> None:
    tour(command, tmp_path, hostile)


@pytest.mark.slow
@pytest.mark.parametrize("tour", [*QUICK, hostile_labels], ids=lambda tour: tour.__name__)
@settings(max_examples=60, suppress_health_check=SHARED)
@given(hostile=HOSTILE)
def test_many_hostile_texts_do_no_harm(
    tour: Tour, hostile: list[str], command: Command, furnished: Path, tmp_path: Path
) -> None:
    tour(command, tmp_path, hostile)


def test_hostile_labels_do_no_harm(command: Command, furnished: Path, tmp_path: Path) -> None:
    hostile_labels(command, tmp_path, ["=1+1", "\x1b[31m怒\u202e\n[/b]", "9" * 100])
    command.ok("adapters", "show", "h")  # they were not refused
