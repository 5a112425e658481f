"""Texts as nobody should write them, through every command that takes or shows any: they come out as they went in,
act on no terminal, and break nothing."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from commands import Command, Done, objects, table
from hostile import as_argument, as_file_name, spoken, texts
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made_up import numeral

from weibo_tui.text.spreadsheet import unescape_formula

csv.field_size_limit(sys.maxsize)
PLAIN = "今天的面真好吃"
Tour = Callable[[Command, Path, list[str]], None]


def call(command: Command, *words: str | Path) -> Done:
    done = command(*words)
    spoken(done)
    return done


def well(command: Command, *words: str | Path, stdin: bytes = b"") -> Done:
    done = command(*words, stdin=stdin)
    spoken(done)
    assert done.code == 0, done.err
    return done


def utf_8(found: Sequence[str]) -> list[str]:
    """The texts, as far as a file of UTF-8 can hold them."""
    return [text.encode("utf-8", "ignore").decode() for text in found]


def written(path: Path, rows: Sequence[Sequence[str]], delimiter: str = ",") -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter=delimiter).writerows(rows)
    return path


# ---- posts


def posts_given_as_words(command: Command, folder: Path, found: list[str]) -> None:
    posts = [*map(as_argument, found), PLAIN]
    posts = ["好", *posts] if posts[0] == "-" else posts
    command.well("history", "clear", "--yes")
    shown = well(command, "predict", "--", *posts)
    assert len(shown.out.splitlines()) == len(posts)
    told = objects(well(command, "predict", "--json", "--no-history", "--", *posts).out)
    assert [one["text"] for one in told] == posts
    check_history(command, folder, posts)


def posts_on_stdin(command: Command, folder: Path, found: list[str]) -> None:
    lines = [text.replace("\r", " ").replace("\n", " ") for text in found]
    data = "\n".join([PLAIN, *lines, ""]).encode("utf-8", "surrogatepass")
    posts = data.decode("utf-8", "surrogateescape").split("\n")[:-1]
    command.well("history", "clear", "--yes")
    told = objects(well(command, "predict", "-", "--json", stdin=data).out)
    assert [one["text"] for one in told] == posts
    shown = well(command, "predict", "-", "--no-history", stdin=data)
    assert len(shown.out.splitlines()) == len(posts)
    check_history(command, folder, posts)


def check_history(command: Command, folder: Path, posts: list[str]) -> None:
    """The history holds these posts and no others, and gives them back as they were."""
    listed = well(command, "history", "list", "--limit", "1000")
    assert len(listed.out.splitlines()) == len(posts) + 1
    told = objects(well(command, "history", "list", "--json", "--limit", "1000").out)
    assert [one["text"] for one in reversed(told)] == posts
    path = folder / (as_file_name(posts[0]) + ".csv")
    well(command, "history", "export", path, "--overwrite")
    wanted = [post.encode("utf-8", "backslashreplace").decode() for post in posts]
    assert [unescape_formula(row["text"]) for row in table(path)] == wanted
    well(command, "history", "export", path, "--no-guard", "--no-bom", "--overwrite")
    assert [row["text"] for row in table(path)] == wanted


def posts_in_a_file(command: Command, folder: Path, found: list[str]) -> None:
    """A file of each format, under a name and with a column beside the posts that are hostile too."""
    posts = [*utf_8(found), PLAIN]
    other = as_argument(utf_8(found)[0]).strip() + "也"
    rows = [["review", other], *([post, post] for post in posts)]
    name = as_file_name(posts[0])
    sources = [written(folder / f"{name}.csv", rows), written(folder / f"{name}.tsv", rows, "\t")]
    lines = [json.dumps({"review": post, other: post}) + "\n" for post in [*found, PLAIN]]
    sources.append(folder / f"{name}.jsonl")
    sources[-1].write_text("".join(lines), encoding="utf-8")
    sources.append(folder / f"{name}.parquet")
    pq.write_table(pa.table({"review": posts, other: posts}), sources[-1])
    for source in sources:
        out = source.with_name("out" + source.name)
        done = call(command, "predict", "--file", source, "--out", out, "--column", "review", "--overwrite", "--json")
        if done.code == 0:
            kept = [*found, PLAIN] if source.suffix == ".jsonl" else posts
            assert posts_of(out) == kept
            assert objects(done.out)[0]["rows"] == len(kept)
        else:
            assert source.suffix in (".csv", ".tsv")  # where a cell cannot hold everything, and that is said
        call(command, "audit", source, "--column", "review")
        call(command, "audit", source, "--column", "review", "--json")
        call(command, "predict", "--file", source, "--out", out, "--column", posts[0])
        call(command, "predict", "--file", source, "--out", out, "--encoding", posts[0])


def posts_of(path: Path) -> list[str]:
    if path.suffix == ".parquet":
        found: list[str] = pq.read_table(path)["review"].to_pylist()
        return found
    if path.suffix == ".jsonl":
        return [json.loads(line)["review"] for line in path.read_text("utf-8").split("\n") if line]
    with path.open(encoding="utf-8", newline="") as file:
        return [row["review"] for row in csv.DictReader(file, delimiter="\t" if path.suffix == ".tsv" else ",")]


# ---- words that are quoted


def words_that_are_refused(command: Command, folder: Path, found: list[str]) -> None:
    """Whatever is asked for by a name that there is not, it is said so in one line."""
    word = as_argument(found[0])
    other = as_argument(found[-1]) or "好"
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
        *([group, action, word] for group in ("adapters", "bases") for action in ("use", "remove", word)),
        *([group, "rename", "--", word, other] for group in ("adapters", "bases")),
        *([group, "export", "--", word, f"{path}.zip"] for group in ("adapters", "bases")),
        *([group, "import", "--", f"{path}.zip"] for group in ("adapters", "bases")),
        ["adapters", "export", "mood", path, "--format", word],
        ["bases", "add", path, "--name", word],
        ["bases", "pretrain", path, "--tokens", "9", "--units", word],
        ["runs", "remove", "--", word],
        ["runs", "export", "--", word, path],
        ["history", "list", "--limit", word],
    ]
    for words in refused:
        call(command, *words)


def what_is_set(command: Command, folder: Path, found: list[str]) -> None:
    """Settings and variables that the doctor shows, and a home of such a name."""
    home = folder / as_file_name(found[0])
    home.mkdir(exist_ok=True)
    value = json.dumps(utf_8([found[-1]])[0], ensure_ascii=False)
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("WEIBO_TUI_HOME", str(home))
        monkeypatch.setenv("LC_ALL", as_argument(found[0]))
        for setting in ("adapter", "base", "theme", as_argument(found[-1]).split("\n")[0]):
            (home / "settings.toml").write_text(f"{setting} = {value}\n", "utf-8", "ignore")
            done = command("doctor")
            assert done.code in (0, 1, 2)
            spoken(Done(min(done.code, 0), done.out, done.err))
            call(command, "adapters", "list")


# ---- labels


def labels_of_all_kinds(command: Command, folder: Path, found: list[str]) -> None:
    """From a training to its record, its files and the verdicts of what it made."""
    labels = list(dict.fromkeys(label.strip() for label in [*utf_8(found), "甲", "乙"] if label.strip()))
    rows = [[label, f"第{numeral(day)}天{label[:20]}"] for label in labels for day in range(4)]
    data = folder / f"{as_file_name(found[0])}.jsonl"
    data.write_text("".join(json.dumps({"label": one, "review": text}) + "\n" for one, text in rows), "utf-8")
    small = ("--epochs", "1", "--bottleneck", "2", "--batch-size", "64", "--threads", "1")
    done = call(command, "train", data, "--name", "h", "--overwrite", *small, "--json")
    if done.code:
        return  # too few posts that share no text
    (card,) = objects(well(command, "adapters", "show", "h", "--json").out)
    assert sorted(card["labels"]) == sorted(labels)
    (verdict,) = objects(well(command, "predict", PLAIN, "--adapter", "h", "--json").out)
    assert verdict["label"] in labels
    run = str(card["run"])
    errors, journal, csv_file = (folder / f"{as_file_name(found[-1])}.{end}" for end in ("e.csv", "jsonl", "csv"))
    (score,) = objects(
        well(command, "evaluate", data, "--adapter", "h", "--json", "--errors", errors, "--overwrite").out
    )
    assert score["labels"] == card["labels"]
    rows_by_text = {(unescape_formula(row["text"]), unescape_formula(row["label"])) for row in table(errors)}
    assert rows_by_text <= {(text, label) for label, text in rows}
    told: list[list[Any]] = [
        *(["predict", PLAIN, "--adapter", "h"], ["evaluate", data, "--adapter", "h"], ["audit", data]),
        *(["adapters", "list"], ["adapters", "list", "--json"], ["adapters", "show", "h"], ["bases", "list"]),
        *(["runs", "list"], ["runs", "list", "--json"], ["runs", "show", run], ["runs", "show", run, "--json"]),
        *(["runs", "export", run, file, "--overwrite"] for file in (journal, csv_file)),
        ["history", "list"],
        *(["adapters", "export", "h", folder / "h.zip", "--overwrite"], ["adapters", "remove", "h"]),
        ["adapters", "import", folder / "h.zip"],
    ]
    for words in told:
        well(command, *words)
    (back,) = objects(well(command, "adapters", "show", "h", "--json").out)
    assert back["labels"] == card["labels"]
    for line in journal.read_text("utf-8").splitlines():
        json.loads(line)


QUICK: list[Tour] = [posts_given_as_words, posts_on_stdin, posts_in_a_file, words_that_are_refused, what_is_set]
FOUND = st.lists(texts(), min_size=1, max_size=6)
# A test's folder is for all of its examples: they write over each other's files, as a person does.
SHARED = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


@pytest.mark.parametrize("tour", QUICK, ids=lambda tour: tour.__name__)
@settings(max_examples=3, suppress_health_check=SHARED)
@given(found=FOUND)
def test_hostile_texts_are_only_texts(
    tour: Tour, found: list[str], command: Command, furnished: Path, tmp_path: Path
) -> None:
    tour(command, tmp_path, found)


@pytest.mark.slow
@pytest.mark.parametrize("tour", [*QUICK, labels_of_all_kinds], ids=lambda tour: tour.__name__)
@settings(max_examples=60, suppress_health_check=SHARED)
@given(found=FOUND)
def test_many_hostile_texts_are_only_texts(
    tour: Tour, found: list[str], command: Command, furnished: Path, tmp_path: Path
) -> None:
    tour(command, tmp_path, found)


def test_hostile_labels_are_only_words(command: Command, furnished: Path, tmp_path: Path) -> None:
    labels_of_all_kinds(command, tmp_path, ["=1+1", "\x1b[31m怒\u202e\n[/b]", "9" * 5000])
