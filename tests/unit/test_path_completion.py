"""Path completion, dropped files and path checks."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weibo_tui.app.forms.path_completion import MAX_SUGGESTIONS, as_path, check_path, complete, parse_dropped_paths


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with different files."""
    path = tmp_path / "work"
    (path / "data").mkdir(parents=True)
    for name in ("posts2.csv", "posts10.csv", "[b]x[.csv", "微博 数据.jsonl", "notes.txt", ".hidden.csv", "data/a.csv"):
        (path / name).write_text("label,review\n")
    monkeypatch.chdir(path)
    monkeypatch.setenv("HOME", str(path))
    return path


def test_complete_sorts_folders_first_and_numbers_naturally() -> None:
    names = ("data/", "[b]x[.csv", "posts2.csv", "posts10.csv", "微博 数据.jsonl")
    assert complete("", [".csv", ".jsonl"]).names == names
    assert complete("", [".txt"]).names == ("data/", "notes.txt")
    assert complete("POSTS").names == ("posts2.csv", "posts10.csv")
    assert complete("data/").names == ("a.csv",)
    assert complete("none/").names == ()


def test_complete_hidden_files_need_a_dot() -> None:
    assert complete(".").names == (".hidden.csv",)
    assert ".hidden.csv" not in complete("").names


def test_complete_tilde_is_the_home_folder_or_a_name(folder: Path) -> None:
    assert complete("~").names == ("~/",)
    assert "posts2.csv" in complete("~/").names
    assert as_path("~/posts2.csv") == folder / "posts2.csv"
    Path("~draft.csv").touch()
    assert complete("~dr").names == ("~draft.csv",)
    assert as_path("~draft.csv").is_file()


def test_complete_names_that_cannot_be_typed_are_left_out() -> None:
    for name in (b"esc\x1b[2J.csv", b"line\nbreak.csv", "\u202evsc.csv".encode(), b"gbk-\xb0\xa1.csv"):
        Path(os.fsdecode(name)).touch()
    assert complete("", [".csv"]).names == ("data/", "[b]x[.csv", "posts2.csv", "posts10.csv")


def test_complete_ignores_broken_links_and_pipes(folder: Path) -> None:
    Path("gone.csv").symlink_to("nowhere")
    Path("self.csv").symlink_to("self.csv")
    os.mkfifo("pipe.csv")
    Path("link").symlink_to("data")
    names = complete("").names
    assert names[:2] == ("data/", "link/")
    assert not {"gone.csv", "self.csv", "pipe.csv"} & set(names)


@settings(max_examples=40)
@given(text=st.text(st.characters(exclude_categories=[]), max_size=30))
def test_complete_and_check_path_accept_any_text(text: str) -> None:
    complete(text)
    assert check_path(as_path(text), save=True).path == check_path(as_path(text), save=False).path


def test_complete_many_names_gives_the_first(folder: Path) -> None:
    for number in range(MAX_SUGGESTIONS + 50):
        (folder / "data" / f"{number}.csv").touch()
    result = complete("data/")
    assert result.names == tuple(f"{number}.csv" for number in range(MAX_SUGGESTIONS))
    assert result.more


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        ("/a/b.csv", ["/a/b.csv"]),
        ("/a/b c.csv\r\n", ["/a/b c.csv"]),
        ("'/a/b c.csv' ", ["/a/b c.csv"]),
        ('"/a/b c.csv"\n', ["/a/b c.csv"]),
        (r"/a/b\ \[c\].csv", ["/a/b [c].csv"]),
        (r"'/a/it'\''s.csv'", ["/a/it's.csv"]),
        ("/a/it's.csv", ["/a/it's.csv"]),
        ("'/a/open.csv", ["'/a/open.csv"]),
        ("file:///a/b%20c.csv\r\n", ["/a/b c.csv"]),
        ("file://localhost/a/%E5%BE%AE%E5%8D%9A.csv", ["/a/微博.csv"]),
        ("file:/a/b#1?.csv", ["/a/b#1?.csv"]),
        ("'/a.csv' '/b c.csv'", ["/a.csv", "/b c.csv"]),
        ("file:///a.csv file:///b.csv", ["/a.csv", "/b.csv"]),
        ("/a.csv\n/b.csv\n", ["/a.csv", "/b.csv"]),
        (" \n", []),
    ],
)
def test_parse_dropped_paths_reads_what_terminals_paste(text: str, paths: list[str]) -> None:
    assert parse_dropped_paths(text) == paths


@pytest.mark.parametrize(
    ("path", "save", "problem"),
    [
        ("posts2.csv", False, ""),
        ("data", False, "is a folder"),
        ("none.csv", False, "File not found: none.csv"),
        ("pipe", False, "not a regular file"),
        ("none.csv", True, ""),
        ("posts2.csv", True, ""),
        ("none/a.csv", True, "Folder not found: none"),
        ("posts2.csv/a.csv", True, "Folder not found: posts2.csv"),
        ("data", True, "is a folder"),
        ("pipe", True, "Choose another file"),
        ("x" * 300, False, "Cannot open"),
    ],
)
def test_check_path_explains_problems(path: str, save: bool, problem: str) -> None:
    os.mkfifo("pipe")
    message = check_path(Path(path), save).problem
    assert problem in message
    assert bool(problem) == bool(message)
