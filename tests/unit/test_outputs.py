"""Output files must not be inputs or files of the home, and are replaced only with --overwrite."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from commands import Command, json_lines, listing
from histories import ANALYSIS

from weibo_tui.errors import UserInputError
from weibo_tui.workbench import Workbench

EXPORTS = {
    "history": ("history", "export", "posts.csv"),
    "runs": ("runs", "export", "RUN", "posts.csv"),
    "journal": ("runs", "export", "RUN", "posts.jsonl"),
    "bases": ("bases", "export", "tiny", "tiny.zip"),
    "adapters": ("adapters", "export", "mood", "mood.tar.gz"),
    "errors": ("evaluate", "few.csv", "--errors", "posts.csv"),
    "predict": ("predict", "--file", "few.csv", "--out", "posts.csv"),
    "data": ("data", "get", "--out", "posts.csv"),
}
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


def words_of(command: Command, name: str) -> list[str]:
    """Return the command, with the id of a run in place of RUN."""
    run = json_lines(command.ok("runs", "list", "--json").out)[0]["id"]
    return [run if word == "RUN" else word for word in EXPORTS[name]]


@pytest.mark.parametrize("name", EXPORTS)
def test_output_is_checked_and_replaced_on_request(name: str, command: Command, folder: Path) -> None:
    words = words_of(command, name)
    out, pipe = folder / words[-1], f"pipe{''.join(Path(words[-1]).suffixes)}"
    own = "home/adapters/mood/card.json"
    out.write_bytes(b"mine")
    os.mkfifo(folder / pipe)
    for path, options, message in (
        (out.name, [], f"File exists: {out.name}. Use --overwrite to replace it."),
        (own, ["--overwrite"], f"File belongs to weibo-tui: {own}. Choose another output file."),
        (pipe, [], f"Not a regular file: {pipe}. Choose another output file."),
        (pipe, ["--overwrite"], f"Not a regular file: {pipe}. Choose another output file."),
    ):
        done = command(*words[:-1], path, *options)
        assert (done.code, done.err) == (2, f"weibo-tui: {message}\n")
    assert out.read_bytes() == b"mine"
    assert (folder / pipe).is_fifo()
    if name != "data":  # needs network access
        command.ok(*words, "--overwrite")
        assert out.read_bytes() != b"mine"


def test_output_in_the_home_is_refused(command: Command, folder: Path) -> None:
    (folder / "link").symlink_to(folder / "home" / "adapters")
    before = listing(folder)
    for own in (*(f"home/{path}" for path in OWN), "link/mood/card.json"):
        done = command("history", "export", own, "--overwrite")
        assert (done.code, done.err) == (
            2,
            f"weibo-tui: File belongs to weibo-tui: {own}. Choose another output file.\n",
        )
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


@pytest.mark.parametrize("name", ["errors", "predict"])
def test_output_that_is_an_input_is_refused(name: str, command: Command, folder: Path) -> None:
    (folder / "link.csv").symlink_to("few.csv")
    (folder / "hard.csv").hardlink_to(folder / "few.csv")
    before = listing(folder)
    for out in ("few.csv", "./few.csv", "home/../few.csv", "link.csv", "hard.csv"):
        for options in ([], ["--overwrite"]):
            done = command(*EXPORTS[name][:-1], out, *options)
            assert done.code == 2
            assert done.err.startswith("weibo-tui: Output and input are the same file: ")
    assert listing(folder) == before


@pytest.mark.parametrize(
    ("out", "code", "message"),
    [
        *((out, 2, "Not a regular file") for out in (".", "/", "")),
        (f"{'x' * 249}.csv", 1, "cannot be written (File name too long)"),
    ],
)
def test_labeled_file_at_invalid_path_is_refused(
    out: str, code: int, message: str, command: Command, folder: Path
) -> None:
    done = command("predict", "--file", "few.csv", "--out", out)
    assert (done.code, message in done.err) == (code, True)


def test_checkpoint_never_replaces_the_input(command: Command, folder: Path) -> None:
    (folder / "few.csv").rename(folder / "out.csv.partial")
    before = listing(folder)
    done = command("predict", "--file", "out.csv.partial", "--out", "out.csv")
    assert done.code == 2
    assert "Output and input are the same file: out.csv.partial" in done.err
    assert listing(folder) == before


def test_python_methods_replace_files_only_on_request(folder: Path) -> None:
    out = folder / "posts.csv"
    out.write_bytes(b"mine")
    with Workbench() as wb:
        run = wb.runs.list()[0].id
        with pytest.raises(UserInputError, match="File exists"):
            list(wb.iter_export_history(out))
        with pytest.raises(UserInputError, match="File exists"):
            wb.export_run(run, out)
        assert out.read_bytes() == b"mine"
        wb.export_run(run, out, overwrite=True)
        list(wb.iter_export_history(out, overwrite=True))
    assert ANALYSIS.text in out.read_text("utf-8-sig")
