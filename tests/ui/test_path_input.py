"""The path input: completion, list, dropped files, and the paths that it accepts."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
from stage import until
from textual import events
from textual.app import App, ComposeResult
from textual.containers import VerticalScroll
from textual.pilot import Pilot
from textual.widgets import Input, OptionList, Static

from weibo_tui.app import themes
from weibo_tui.app.forms.path_input import PathInput

TABLES = (".csv", ".tsv", ".jsonl", ".parquet")


class Host(App[None]):
    """A form with two path inputs that records their messages."""

    def __init__(self, save: bool, folders: bool) -> None:
        super().__init__()
        self.messages: list[object] = []
        self._input = PathInput(suffixes=TABLES, save=save, folders=folders)

    def compose(self) -> ComposeResult:
        with VerticalScroll():
            yield self._input
            yield PathInput(id="next")

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return themes.label_colors(self.current_theme.dark)

    def on_path_input_changed(self, message: PathInput.Changed) -> None:
        self.messages.append(message.value)

    def on_path_input_chosen(self, message: PathInput.Chosen) -> None:
        self.messages.append(message.path)


class Line:
    """The first input of the form, driven by a test."""

    def __init__(self, pilot: Pilot[None]) -> None:
        self.pilot = pilot
        assert isinstance(pilot.app, Host)
        self.app = pilot.app
        self.input = pilot.app.query(PathInput).first()
        self.field = self.input.query_one(Input)
        self.list = self.input.query_one(OptionList)

    @property
    def chosen(self) -> list[Path]:
        return [message for message in self.app.messages if isinstance(message, Path)]

    @property
    def names(self) -> list[str]:
        return [str(option.prompt) for option in self.list.options]

    @property
    def message(self) -> str:
        static = self.input.query_one("._message", Static)
        return str(static.content) if self.input.has_class("-noticed") else ""

    async def settle(self) -> None:
        await self.pilot.pause()
        await self.app.workers.wait_for_complete()
        await self.pilot.pause()

    async def set(self, text: str) -> None:
        self.input.close_list()
        self.input.value = text
        self.input.focus()
        await self.settle()

    async def type(self, text: str) -> None:
        self.field.insert_text_at_cursor(text)
        await self.settle()

    async def press(self, *keys: str) -> None:
        """Press keys, each after the completions for the one before."""
        for key in keys:
            await self.pilot.press(key)
            await self.settle()

    async def paste(self, text: str) -> None:
        self.field.post_message(events.Paste(text))
        await self.settle()


Scene = Callable[[Line], Coroutine[Any, Any, None]]


def play(scene: Scene, save: bool = False, folders: bool = False, size: tuple[int, int] = (80, 24)) -> None:
    async def run() -> None:
        async with Host(save, folders).run_test(size=size) as pilot:
            line = Line(pilot)
            line.input.focus()
            await pilot.pause()
            await scene(line)

    asyncio.run(run())


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


def test_path_input_keys_take_suggestions_and_enter_chooses(folder: Path) -> None:
    async def scene(line: Line) -> None:
        await line.press("d", "tab")
        assert line.input.value == "data/"
        await line.press("tab")
        assert line.input.value == "data/a.csv"
        await line.press("enter")
        assert line.chosen == [Path("data/a.csv")]
        await line.set("")
        await line.press("p", "o", "right")
        assert line.input.value == "posts2.csv"
        assert line.app.messages[-3:] == ["p", "po", "posts2.csv"]
        for name in ("[b]x[.csv", "微博 数据.jsonl"):
            await line.set("")
            await line.type(name[:2])
            await line.press("tab", "enter")
            assert line.chosen[-1] == Path(name)
        await line.set("")
        await line.press("~", "tab")
        assert line.input.value == "~/"
        await line.type("posts2")
        await line.press("tab", "enter")
        assert line.chosen[-1] == folder / "posts2.csv"
        # Without a suggestion, tab moves to the next field.
        for text in ("", "posts2.csv"):
            await line.set(text)
            await line.press("tab")
            assert line.app.query_one("#next").has_focus_within
            assert line.input.value == text

    play(scene)


def test_path_input_invalid_path_is_explained_and_stays(folder: Path) -> None:
    async def scene(line: Line) -> None:
        for text, words in (
            ("none.csv", "File not found"),
            ("data", "is a folder"),
            ("posts2.csv/x", "File not found"),
        ):
            await line.set(text)
            await line.press("enter")
            assert words in line.message
            assert line.input.value == text
        await line.press("backspace")
        assert line.message == ""
        assert not line.chosen

    play(scene)


def test_path_input_list_follows_keys_and_typing() -> None:
    async def scene(line: Line) -> None:
        await line.press("down")
        assert line.input.is_open
        assert line.names == ["data/", "[b]x[.csv", "posts2.csv", "posts10.csv", "微博 数据.jsonl"]
        await line.press("down", "down", "enter")
        assert not line.input.is_open
        assert line.chosen == [Path("posts2.csv")]
        await line.set("")
        await line.press("down", "enter")
        assert (line.input.value, line.names) == ("data/", ["a.csv"])
        await line.press("enter")
        assert line.chosen[-1] == Path("data/a.csv")
        await line.set("")
        await line.press("down", "p")
        assert line.names == ["posts2.csv", "posts10.csv"]
        await line.press("down", "up", "z")
        assert line.names == ["no matches here"]
        await line.press("escape")
        assert not line.input.is_open
        assert line.field.has_focus
        assert line.input.value == "pz"
        await line.set("")
        await line.press("full_stop", "down")
        assert line.names == [".hidden.csv"]
        line.app.query_one("#next", PathInput).focus()
        await line.settle()
        assert not line.input.is_open

    play(scene)


def test_path_input_list_works_by_mouse_and_opens_above() -> None:
    async def scene(line: Line) -> None:
        await line.pilot.click("._open")
        await line.settle()
        assert line.input.is_open
        await line.pilot.click(OptionList, offset=(3, 3))
        await line.settle()
        assert line.chosen == [Path("posts10.csv")]
        assert not line.input.is_open
        assert line.field.has_focus
        await line.set("")
        line.app.query_one(VerticalScroll).styles.padding = (10, 0, 0, 0)
        await line.settle()
        await line.press("down")
        assert line.list.region.bottom == line.field.region.y
        assert line.list.region.height == 5

    play(scene, size=(60, 13))


def test_path_input_slow_folder_blocks_neither_keys_nor_exit(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answer, requested = threading.Event(), threading.Event()
    scandir = os.scandir

    def slow_scandir(path: Path) -> Iterator[os.DirEntry[str]]:
        if path == Path("far"):
            requested.set()
            answer.wait()
        return scandir(path)

    monkeypatch.setattr(os, "scandir", slow_scandir)

    async def scene(line: Line) -> None:
        await line.pilot.press(*"far/")
        assert requested.wait(10)
        await line.pilot.press(*"x")
        assert line.input.value == "far/x"
        # The latest text is completed, even while an earlier one still waits.
        line.input.value = "posts1"
        await until(line.pilot, lambda: "posts10.csv" in line.field.render_line(0).text)
        line.input.value = "far/"
        await line.pilot.pause()

    try:
        play(scene)
    finally:
        answer.set()


def test_path_input_accepts_dropped_and_pasted_paths(folder: Path) -> None:
    untypeable = Path(os.fsdecode(b"\xb0\xa1.csv"))
    untypeable.touch()

    async def scene(line: Line) -> None:
        await line.type("pos")
        await line.paste(f"'{folder}/微博 数据.jsonl' ")
        assert line.input.value == f"{folder}/微博 数据.jsonl"
        await line.press("enter")
        assert line.chosen == [folder / "微博 数据.jsonl"]
        await line.set("data/")
        await line.paste("a.csv\n")
        assert line.input.value == "data/a.csv"
        await line.paste("\x1b[2J")
        assert line.input.value == "data/a.csv␛[2J"
        await line.paste(f"'{folder}/posts2.csv' '{folder}/none.csv' '{folder}/posts10.csv'")
        assert line.chosen[1:] == [folder / "posts2.csv", folder / "posts10.csv"]
        assert "none.csv" in line.message
        # A dropped file need not have a name that can be typed.
        await line.paste(f"'{folder / untypeable}'")
        assert line.chosen[-1].samefile(untypeable)

    play(scene)


def test_path_input_save_needs_a_folder_and_warns_of_a_file() -> None:
    async def scene(line: Line) -> None:
        await line.type("data/new.csv")
        assert line.message == ""
        await line.press("enter")
        assert line.chosen == [Path("data/new.csv")]
        await line.set("none/new.csv")
        assert "Folder not found: none" in line.message
        await line.press("enter")
        assert "Folder not found: none" in line.message
        assert line.chosen == [Path("data/new.csv")]
        await line.set("posts2.csv")
        assert "added already" in line.message
        await line.press("enter")
        assert line.chosen[-1] == Path("posts2.csv")
        # Enter takes the typed text although the list has longer names.
        await line.set("posts")
        await line.press("down", "enter")
        assert line.chosen[-1] == Path("posts")
        # A name from the list is only filled in.
        await line.set("posts")
        await line.press("down", "down", "enter")
        assert line.input.value == "posts2.csv"
        assert len(line.chosen) == 3

    play(scene, save=True)


def test_path_input_folders_are_accepted_if_allowed() -> None:
    async def scene(line: Line) -> None:
        await line.type("data")
        await line.press("enter")
        assert line.chosen == [Path("data")]

    play(scene, folders=True)


def test_path_input_folder_of_parts_is_a_table(folder: Path) -> None:
    (folder / "results").mkdir()
    (folder / "results" / "part-0.parquet").touch()

    async def scene(line: Line) -> None:
        await line.type("results")
        await line.press("enter")
        assert line.chosen == [Path("results")]
        await line.type("/")
        await line.press("down", "enter")  # the first choice in the list is the folder itself
        assert line.chosen == [Path("results"), Path("results")]
        await line.press("down", "down", "enter")
        assert line.chosen[-1] == Path("results/part-0.parquet")

    play(scene)
