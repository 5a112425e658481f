"""Output files must not be inputs or files of the home, and are replaced only with --overwrite."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from commands import Command, json_lines, listing
from histories import ANALYSIS

from weibo_tui import Workbench
from weibo_tui.errors import UserInputError

EXPORTS = (
    "history export posts.csv",
    "runs export RUN posts.csv",
    "runs export RUN posts.jsonl",
    "bases export tiny tiny.zip",
    "adapters export mood mood.tar.gz",
    "evaluate few.csv --errors posts.csv",
    "predict --file few.csv --out posts.csv",
    "data get --out posts.csv",
)
OWN = (
    *("weibo-tui.db", "weibo-tui.db-wal", "settings.toml", "weibo-tui.log", "bases/new.csv", "runs/x/checkpoint"),
    *("adapters/mood/card.json", "adapters/mood/adapter.safetensors", "bases/tiny/card.json"),
)


@pytest.fixture
def folder(furnished: Path, few: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the current folder of the commands, which contains `few.csv`."""
    monkeypatch.chdir(tmp_path)
    with Workbench() as wb:
        wb.history.add([ANALYSIS])
    return tmp_path


def test_output_is_checked_and_replaced_on_request(command: Command, folder: Path) -> None:
    run = json_lines(command.ok("runs", "list", "--json").out)[0]["id"]
    own = "home/adapters/mood/card.json"
    for line in EXPORTS:
        *words, name = line.replace("RUN", run).split()
        out, pipe = folder / name, f"pipe{''.join(Path(name).suffixes)}"
        out.write_bytes(b"mine")
        os.mkfifo(folder / pipe)
        for path, options, message in (
            (name, [], f"File exists: {name}. Use --overwrite to replace it."),
            (own, ["--overwrite"], f"File belongs to weibo-tui: {own}. Choose another output file."),
            (pipe, [], f"Not a regular file: {pipe}. Choose another output file."),
            (pipe, ["--overwrite"], f"Not a regular file: {pipe}. Choose another output file."),
        ):
            result = command(*words, path, *options)
            assert (result.code, result.err) == (2, f"weibo-tui: {message}\n"), line
        assert out.read_bytes() == b"mine"
        assert (folder / pipe).is_fifo()
        (folder / pipe).unlink()
        if words[0] != "data":  # needs network access
            command.ok(*words, name, "--overwrite")
            assert out.read_bytes() != b"mine"


def test_output_in_the_home_is_refused(command: Command, folder: Path) -> None:
    (folder / "link").symlink_to(folder / "home" / "adapters")
    before = listing(folder)
    for own in (*(f"home/{path}" for path in OWN), "link/mood/card.json"):
        result = command("history", "export", own, "--overwrite")
        message = f"weibo-tui: File belongs to weibo-tui: {own}. Choose another output file.\n"
        assert (result.code, result.err) == (2, message)
    assert listing(folder) == before
    command.ok("history", "export", "home/posts.csv")
    assert (folder / "home" / "posts.csv").is_file()


def test_standard_output_as_output_file_is_refused(folder: Path) -> None:
    reader, writer = os.pipe()
    try:
        with Workbench() as wb, pytest.raises(UserInputError, match="Not a regular file"):
            list(wb.iter_export_history(Path(f"/dev/fd/{writer}")))
    finally:
        os.close(reader)
        os.close(writer)


def test_output_that_is_an_input_is_refused(command: Command, folder: Path) -> None:
    (folder / "link.csv").symlink_to("few.csv")
    (folder / "hard.csv").hardlink_to(folder / "few.csv")
    shutil.copy("few.csv", "out.csv.partial")
    before = listing(folder)
    message = "Output and input are the same file: "
    for out in ("few.csv", "./few.csv", "home/../few.csv", "link.csv", "hard.csv"):
        for words in ("evaluate few.csv --errors", "predict --file few.csv --out"):
            for options in ([], ["--overwrite"]):
                result = command(*words.split(), out, *options)
                assert result.code == 2
                assert result.err.startswith(f"weibo-tui: {message}")
    # The checkpoint of a labeled file must not replace the input either.
    assert f"{message}out.csv.partial" in command("predict", "--file", "out.csv.partial", "--out", "out.csv").err
    assert listing(folder) == before


def test_labeled_file_at_invalid_path_is_refused(command: Command, folder: Path) -> None:
    cases = {".": "Not a regular file", "/": "Not a regular file", "": "Not a regular file"}
    long = f"{'x' * 249}.csv"
    for out, message in {**cases, long: f"Cannot write {long}.partial (File name too long)"}.items():
        result = command("predict", "--file", "few.csv", "--out", out)
        assert (result.code, message in result.err) == (2 if out in cases else 1, True)
