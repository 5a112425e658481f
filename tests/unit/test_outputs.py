"""Files that the user names for a command's result: no input, no file of the home, and replaced only when told."""

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
    """The folder in which commands run: `few.csv` is in it."""
    monkeypatch.chdir(tmp_path)
    with Workbench.open() as bench:
        bench.history.add([ANALYSIS])
    return tmp_path


def words_of(command: Command, name: str) -> list[str]:
    """The command to run, with a run's id in it."""
    run = json_lines(command.ok("runs", "list", "--json").out)[0]["id"]
    return [run if word == "RUN" else word for word in EXPORTS[name]]


@pytest.mark.parametrize("name", EXPORTS)
def test_existing_output_is_refused_without_overwrite(name: str, command: Command, folder: Path) -> None:
    words = words_of(command, name)
    (folder / words[-1]).write_bytes(b"mine")
    done = command(*words)
    assert (done.code, done.err) == (2, f"weibo-tui: File exists: {words[-1]}. Use --overwrite to replace it.\n")
    assert (folder / words[-1]).read_bytes() == b"mine"
    if name != "data":  # needs a network
        command.ok(*words, "--overwrite")
        assert (folder / words[-1]).read_bytes() != b"mine"


@pytest.mark.parametrize("name", EXPORTS)
def test_output_that_is_no_regular_file_is_refused(name: str, command: Command, folder: Path) -> None:
    words = words_of(command, name)
    os.mkfifo(folder / words[-1])
    for more in ((), ("--overwrite",)):
        done = command(*words, *more)
        assert (done.code, done.err) == (
            2,
            f"weibo-tui: Not a regular file: {words[-1]}. Choose another output file.\n",
        )
    assert (folder / words[-1]).is_fifo()


def test_standard_output_as_a_file_is_refused(folder: Path) -> None:
    reader, writer = os.pipe()
    try:
        with Workbench.open() as bench, pytest.raises(UserInputError, match="Not a regular file"):
            list(bench.export_history(Path(f"/dev/fd/{writer}")))
    finally:
        os.close(reader)
        os.close(writer)


@pytest.mark.parametrize("out", ["few.csv", "./few.csv", "home/../few.csv", "link.csv", "hard.csv"])
@pytest.mark.parametrize("name", ["errors", "predict"])
def test_output_that_is_an_input_is_refused(name: str, out: str, command: Command, folder: Path) -> None:
    (folder / "link.csv").symlink_to("few.csv")
    (folder / "hard.csv").hardlink_to(folder / "few.csv")
    before = listing(folder)
    for more in ((), ("--overwrite",)):
        done = command(*EXPORTS[name][:-1], out, *more)
        assert done.code == 2
        assert done.err.startswith("weibo-tui: Output and input are the same file: ")
    assert listing(folder) == before


@pytest.mark.parametrize("out", [".", "/", ""])
def test_labeled_file_in_place_of_a_folder_is_refused(out: str, command: Command, folder: Path) -> None:
    done = command("predict", "--file", "few.csv", "--out", out)
    assert (done.code, "Not a regular file" in done.err) == (2, True)


def test_name_of_labeled_file_that_is_too_long_is_named(command: Command, folder: Path) -> None:
    done = command("predict", "--file", "few.csv", "--out", f"{'x' * 249}.csv")
    assert (done.code, "cannot be written (File name too long)" in done.err) == (1, True)


def test_unfinished_predictions_never_replace_the_input(command: Command, folder: Path) -> None:
    (folder / "few.csv").rename(folder / "out.csv.partial")
    before = listing(folder)
    done = command("predict", "--file", "out.csv.partial", "--out", "out.csv")
    assert done.code == 2
    assert "Output and input are the same file: out.csv.partial" in done.err
    assert listing(folder) == before


@pytest.mark.parametrize("name", EXPORTS)
def test_output_in_the_home_is_refused(name: str, command: Command, folder: Path) -> None:
    words = words_of(command, name)
    (folder / "link").symlink_to(folder / "home" / "adapters")
    before = listing(folder)
    for own in (*(f"home/{path}" for path in OWN), "link/mood/card.json"):
        done = command(*words[:-1], own, "--overwrite")
        assert (done.code, done.err) == (
            2,
            f"weibo-tui: File belongs to weibo-tui: {own}. Choose another output file.\n",
        )
    assert listing(folder) == before


def test_other_files_may_be_written_into_the_home(command: Command, folder: Path) -> None:
    command.ok("history", "export", "home/posts.csv")
    assert (folder / "home" / "posts.csv").is_file()


def test_python_methods_replace_files_only_when_told(folder: Path) -> None:
    out = folder / "posts.csv"
    out.write_bytes(b"mine")
    with Workbench.open() as bench:
        run = bench.runs.list()[0].id
        with pytest.raises(UserInputError, match="File exists"):
            list(bench.export_history(out))
        with pytest.raises(UserInputError, match="File exists"):
            bench.export_run(run, out)
        assert out.read_bytes() == b"mine"
        bench.export_run(run, out, overwrite=True)
        list(bench.export_history(out, overwrite=True))
    assert ANALYSIS.text in out.read_text("utf-8-sig")
