"""The line for a path: what it suggests, what it makes of a dropped file, and which path it gives."""

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
    """A form with two such lines, that keeps what they say."""

    def __init__(self, save: bool, folders: bool) -> None:
        super().__init__()
        self.said: list[object] = []
        self._line = PathInput(suffixes=TABLES, save=save, folders=folders)

    def compose(self) -> ComposeResult:
        with VerticalScroll():
            yield self._line
            yield PathInput(id="next")

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return themes.label_colors(self.current_theme.dark)

    def on_path_input_changed(self, message: PathInput.Changed) -> None:
        self.said.append(message.value)

    def on_path_input_chosen(self, message: PathInput.Chosen) -> None:
        self.said.append(message.path)


class SingleLineInput:
    """The first line of the form in the hands of a test."""

    def __init__(self, pilot: Pilot[None]) -> None:
        self.pilot = pilot
        self.app = pilot.app
        self.input = pilot.app.query(PathInput).first()
        self.field = self.input.query_one(Input)
        self.list = self.input.query_one(OptionList)

    @property
    def chosen(self) -> list[Path]:
        assert isinstance(self.app, Host)
        return [said for said in self.app.said if isinstance(said, Path)]

    @property
    def names(self) -> list[str]:
        return [str(option.prompt) for option in self.list.options]

    @property
    def message(self) -> str:
        said = self.input.query_one("._message", Static)
        return str(said.content) if said.display else ""

    async def settle(self) -> None:
        await self.app.workers.wait_for_complete()
        await self.pilot.pause()

    async def type(self, text: str) -> None:
        self.field.insert_text_at_cursor(text)
        await self.pilot.pause()
        await self.settle()

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.settle()

    async def paste(self, text: str) -> None:
        self.field.post_message(events.Paste(text))
        await self.pilot.pause()
        await self.settle()


Scene = Callable[[SingleLineInput], Coroutine[Any, Any, None]]


def play(scene: Scene, save: bool = False, folders: bool = False, size: tuple[int, int] = (80, 24)) -> None:
    async def run() -> None:
        async with Host(save, folders).run_test(size=size) as pilot:
            line = SingleLineInput(pilot)
            line.input.focus()
            await pilot.pause()
            await scene(line)

    asyncio.run(run())


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with files of all sorts."""
    made = tmp_path / "work"
    (made / "data").mkdir(parents=True)
    for name in ("posts2.csv", "posts10.csv", "[b]x[.csv", "微博 数据.jsonl", "notes.txt", ".hidden.csv", "data/a.csv"):
        (made / name).write_text("label,review\n")
    monkeypatch.chdir(made)
    monkeypatch.setenv("HOME", str(made))
    return made


# ---- typing


def test_tab_takes_what_is_suggested_and_enter_chooses_it() -> None:
    async def scene(line: SingleLineInput) -> None:
        await line.press("d", "tab")
        assert line.input.value == "data/"
        await line.press("tab")
        assert line.input.value == "data/a.csv"
        await line.press("enter")
        assert line.chosen == [Path("data/a.csv")]
        assert line.chosen[0].is_file()

    play(scene)


def test_right_takes_what_is_suggested_too() -> None:
    async def scene(line: SingleLineInput) -> None:
        await line.press("p", "o", "right")
        assert line.input.value == "posts2.csv"

    play(scene)


def test_tab_goes_to_the_next_field_where_nothing_is_suggested() -> None:
    async def scene(line: SingleLineInput) -> None:
        await line.press("tab")
        assert line.app.query_one("#next").has_focus_within
        line.input.focus()
        await line.type("posts2.csv")
        await line.press("tab")
        assert line.app.query_one("#next").has_focus_within
        assert line.input.value == "posts2.csv"

    play(scene)


def test_each_change_is_told() -> None:
    async def scene(line: SingleLineInput) -> None:
        await line.press("p", "o")
        line.input.value = "data/a.csv"
        await line.settle()
        assert isinstance(line.app, Host)
        assert line.app.said == ["p", "po", "data/a.csv"]
        assert line.input.path == Path("data/a.csv")

    play(scene)


def test_the_home_folder_is_a_tilde(folder: Path) -> None:
    async def scene(line: SingleLineInput) -> None:
        await line.press("~", "tab")
        assert line.input.value == "~/"
        await line.type("posts2")
        await line.press("tab", "enter")
        assert line.chosen == [folder / "posts2.csv"]

    play(scene)


def test_a_path_that_will_not_do_is_explained_and_stays(folder: Path) -> None:
    async def scene(line: SingleLineInput) -> None:
        for text, words in (("none.csv", "There is no file"), ("data", "is a folder"), ("posts2.csv/x", "no file")):
            line.input.value = text
            await line.settle()
            await line.press("enter")
            assert words in line.message
            assert line.input.value == text
        await line.press("backspace")
        assert line.message == ""
        assert not line.chosen

    play(scene)


# ---- the list


def test_down_opens_a_list_in_natural_order_folders_first() -> None:
    async def scene(line: SingleLineInput) -> None:
        await line.press("down")
        assert line.input.is_open
        assert line.names == ["data/", "[b]x[.csv", "posts2.csv", "posts10.csv", "微博 数据.jsonl"]
        await line.press("down", "down", "enter")
        assert not line.input.is_open
        assert line.chosen == [Path("posts2.csv")]

    play(scene)


def test_a_folder_of_the_list_is_gone_into() -> None:
    async def scene(line: SingleLineInput) -> None:
        await line.press("down", "enter")
        assert line.input.value == "data/"
        assert line.names == ["a.csv"]
        await line.press("enter")
        assert line.chosen == [Path("data/a.csv")]

    play(scene)


def test_typing_narrows_the_open_list_and_escape_closes_it() -> None:
    async def scene(line: SingleLineInput) -> None:
        await line.press("down", "p")
        assert line.names == ["posts2.csv", "posts10.csv"]
        await line.press("down", "up", "z")
        assert line.names == ["nothing here that fits"]
        await line.press("escape")
        assert not line.input.is_open
        assert line.field.has_focus
        assert line.input.value == "pz"

    play(scene)


def test_hidden_files_are_shown_when_a_dot_asks_for_them() -> None:
    async def scene(line: SingleLineInput) -> None:
        await line.press("full_stop", "down")
        assert line.names == [".hidden.csv"]

    play(scene)


def test_the_list_is_used_by_mouse() -> None:
    async def scene(line: SingleLineInput) -> None:
        await line.pilot.click("._open")
        await line.settle()
        assert line.input.is_open
        await line.pilot.click(OptionList, offset=(3, 3))
        await line.settle()
        assert line.chosen == [Path("posts10.csv")]
        assert not line.input.is_open
        assert line.field.has_focus

    play(scene)


def test_the_list_closes_when_the_line_is_left() -> None:
    async def scene(line: SingleLineInput) -> None:
        await line.press("down")
        line.app.query_one("#next", PathInput).focus()
        await line.settle()
        assert not line.input.is_open

    play(scene)


def test_where_there_is_no_room_below_the_list_opens_above() -> None:
    async def scene(line: SingleLineInput) -> None:
        line.app.query_one(VerticalScroll).styles.padding = (10, 0, 0, 0)
        await line.settle()
        await line.press("down")
        assert line.list.region.bottom == line.field.region.y
        assert line.list.region.height == 5

    play(scene, size=(60, 13))


# ---- names


def test_names_are_shown_and_taken_as_they_are() -> None:
    async def scene(line: SingleLineInput) -> None:
        for name in ("[b]x[.csv", "微博 数据.jsonl"):
            line.input.value = ""
            await line.type(name[:2])
            await line.press("tab", "enter")
            assert line.chosen[-1] == Path(name)
            assert line.chosen[-1].is_file()

    play(scene)


def test_names_that_cannot_be_typed_are_left_out_and_counted(folder: Path) -> None:
    Path("esc\x1b[2J.csv").touch()
    Path("line\nbreak.csv").touch()
    Path("\u202evsc.csv").touch()
    Path(os.fsdecode(b"gbk-\xb0\xa1.csv")).touch()

    async def scene(line: SingleLineInput) -> None:
        await line.press("down")
        assert line.names[-1] == "4 names are left out that cannot be typed"
        assert line.list.options[-1].disabled

    play(scene)


# ---- folders that are far away


def test_a_folder_that_does_not_answer_holds_up_neither_keys_nor_leaving(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = threading.Event()
    asked = threading.Event()
    scandir = os.scandir

    def far_away(path: Path) -> Iterator[os.DirEntry[str]]:
        if path == Path("far"):
            asked.set()
            answer.wait()
        return scandir(path)

    monkeypatch.setattr(os, "scandir", far_away)

    async def scene(line: SingleLineInput) -> None:
        await line.pilot.press(*"far/")
        assert asked.wait(10)
        await line.pilot.press(*"x")
        assert line.input.value == "far/x"
        # what was asked for last is answered, whatever else is still waited for
        line.input.value = "posts1"
        await until(line.pilot, lambda: "posts10.csv" in line.field.render_line(0).text)
        line.input.value = "far/"
        await line.pilot.pause()

    try:
        play(scene)
    finally:
        answer.set()


# ---- dropped and pasted paths


def test_a_dropped_file_takes_the_place_of_what_was_typed(folder: Path) -> None:
    async def scene(line: SingleLineInput) -> None:
        await line.type("pos")
        await line.paste(f"'{folder}/微博 数据.jsonl' ")
        assert line.input.value == f"{folder}/微博 数据.jsonl"
        await line.press("enter")
        assert line.chosen == [folder / "微博 数据.jsonl"]

    play(scene)


def test_a_piece_of_a_path_is_pasted_where_the_cursor_is() -> None:
    async def scene(line: SingleLineInput) -> None:
        await line.type("data/")
        await line.paste("a.csv\n")
        assert line.input.value == "data/a.csv"
        await line.paste("\x1b[2J")
        assert line.input.value == "data/a.csv␛[2J"

    play(scene)


def test_of_several_dropped_files_each_is_chosen(folder: Path) -> None:
    odd = Path(os.fsdecode(b"\xb0\xa1.csv"))
    odd.touch()

    async def scene(line: SingleLineInput) -> None:
        await line.paste(f"'{folder}/posts2.csv' '{folder}/none.csv' '{folder}/posts10.csv'")
        assert line.chosen == [folder / "posts2.csv", folder / "posts10.csv"]
        assert "none.csv" in line.message
        # a name that no line can hold needs none when it is dropped
        await line.paste(f"'{folder / odd}'")
        assert line.chosen[-1].samefile(odd)

    play(scene)


# ---- a place to write to


def test_a_place_to_write_to_needs_a_folder(folder: Path) -> None:
    async def scene(line: SingleLineInput) -> None:
        await line.type("data/new.csv")
        assert line.message == ""
        await line.press("enter")
        assert line.chosen == [Path("data/new.csv")]
        line.input.value = "none/new.csv"
        await line.settle()
        assert "There is no folder none" in line.message
        await line.press("enter")
        assert "There is no folder none" in line.message
        assert line.chosen == [Path("data/new.csv")]

    play(scene, save=True)


def test_a_file_that_is_there_is_told_before_it_is_written_over() -> None:
    async def scene(line: SingleLineInput) -> None:
        await line.type("posts2.csv")
        assert "there already" in line.message
        await line.press("enter")
        assert line.chosen == [Path("posts2.csv")]

    play(scene, save=True)


def test_enter_takes_what_is_typed_though_the_list_shows_more() -> None:
    async def scene(line: SingleLineInput) -> None:
        await line.type("posts")
        await line.press("down", "enter")
        assert line.chosen == [Path("posts")]

    play(scene, save=True)


def test_picking_a_file_to_write_over_only_fills_the_line() -> None:
    async def scene(line: SingleLineInput) -> None:
        await line.type("posts")
        await line.press("down", "down", "enter")
        assert line.input.value == "posts2.csv"
        assert not line.chosen

    play(scene, save=True)


# ---- folders


def test_where_a_folder_will_do_too_it_is_chosen() -> None:
    async def scene(line: SingleLineInput) -> None:
        await line.type("data")
        await line.press("enter")
        assert line.chosen == [Path("data")]

    play(scene, folders=True)
