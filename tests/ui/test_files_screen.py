"""The files screen: the list, a file's table, search, filter, order, corrections and export."""

from __future__ import annotations

import csv
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

import files as labeled_files
import made_up
import parts
import pytest
from browsing import FILE, keep
from stage import app_of, drawn, message_line, play, press, see, until
from textual.pilot import Pilot
from textual.widgets import Input, OptionList, Static

from weibo_tui.app.dialogs import ChoiceDialog
from weibo_tui.app.files.browser import FileBrowser
from weibo_tui.app.files.export import FileExportForm
from weibo_tui.app.files.filter_dialog import FileFilterDialog
from weibo_tui.app.files.screen import FilesScreen
from weibo_tui.app.forms.path_dialog import PathDialog
from weibo_tui.app.forms.path_input import PathInput
from weibo_tui.app.history.details import EntryDetails
from weibo_tui.storage.row_filters import CANNOT_TELL_LABEL
from weibo_tui.workbench.opened_file import FileRow

ROWS = 300
HOSTILE = "[doge] [/哈哈] [b]x \x1b[31m \u202e =1+1"


@pytest.fixture
def labeled(tmp_path: Path) -> Path:
    """Return a labeled file: every third row is negative, every fifth uncertain, and one post is hostile."""
    path = tmp_path / "posts.labeled.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "text", "date", "user", "likes", "predicted", "confidence", "prob_negative", "error"])
        for number, (text, _label) in enumerate(made_up.posts(ROWS, seed=7)):
            label, confidence = "negative" if number % 3 == 0 else "positive", 0.6 if number % 5 == 0 else 0.95
            negative = confidence if label == "negative" else 1 - confidence
            post = HOSTILE if number == 4 else f"{text}#{number}"
            day = f"2026-01-{1 + number // 10:02} {number % 24:02}:00"
            writer.writerow(
                [1000 + number, post, day, f"用户{number % 7}", 7 * number % 100, label, confidence, negative, ""]
            )
    return path


class Files:
    """The open files screen."""

    def __init__(self, pilot: Pilot[None]) -> None:
        self.pilot = pilot
        self.app = app_of(pilot)
        screen = self.app.main_screens["files"]
        assert isinstance(screen, FilesScreen)
        self.screen = screen

    @property
    def browser(self) -> FileBrowser:
        return self.screen.view.browser

    @property
    def row(self) -> FileRow:
        assert self.browser.row is not None
        return self.browser.row

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels of the file, in the order of the digits."""
        assert self.browser.info is not None
        return self.browser.info.labels

    def rows(self, *places: int) -> list[FileRow]:
        """Return the rows at these places of the table."""
        return self.browser.table.loaded(places)

    @property
    def where(self) -> str:
        """The line with the visible range and the total."""
        return str(self.browser.query_one(".range", Static).content)

    @property
    def text(self) -> str:
        return drawn(self.pilot)

    async def press(self, *keys: str) -> None:
        await press(self.pilot, *keys)
        await until(self.pilot, lambda: self.app.screen is not self.screen or not self._waiting())

    def _waiting(self) -> bool:
        nodes = (self.screen, self.screen.view, self.browser, self.screen.list_view.table)
        return any(worker.node in nodes and not worker.is_finished for worker in self.app.workers)

    async def opened(self) -> None:
        """Wait until the file is read and shown."""
        await until(self.pilot, lambda: self.browser.is_ready and self.browser.row is not None and not self.app.jobs)

    async def until_dialog(self, kind: type) -> None:
        await see(self.pilot, lambda: isinstance(self.app.screen, kind))
        await self.pilot.pause()

    async def until_closed(self) -> None:
        await see(self.pilot, lambda: self.app.screen is self.screen)
        await self.press()

    async def choose(self, words: str) -> None:
        """Choose the option with these words in the open dialog."""
        answers = self.app.screen.query_one(OptionList)
        prompts = [str(option.prompt) for option in answers.options]
        answers.highlighted = prompts.index(words)
        await press(self.pilot, "enter")
        await self.until_closed()


def play_files(
    path: Path | None, act: Callable[[Files], Coroutine[Any, Any, None]], size: tuple[int, int] = (100, 30)
) -> None:
    """Run the app, and `act` on its files screen, with a file opened there if `path` is one."""

    async def scene(pilot: Pilot[None]) -> None:
        files = Files(pilot)
        if path is None:
            await files.press("f7")
        else:
            await files.app.open_file_rows(path)
            await files.opened()
        await act(files)

    play(scene, size)


def test_file_is_opened_by_its_path(labeled: Path) -> None:
    async def act(files: Files) -> None:
        assert "No files yet" in files.text
        await files.press("o")
        await files.until_dialog(PathDialog)
        files.app.screen.query_one(Input).value = str(labeled)
        await press(files.pilot, "enter")
        await files.opened()
        assert labeled.name in files.text
        assert f"of {ROWS}" in files.where
        await files.press("escape")
        assert "ready" in files.text
        await files.press("enter")
        await files.opened()
        assert files.row.number == 1

    play_files(None, act)


def test_folder_of_parts_opens_as_one_table(tmp_path: Path) -> None:
    folder = parts.split(tmp_path / "results", labeled_files.rows(300), 4)
    parts.write_plan(folder, 6)

    async def act(files: Files) -> None:
        await files.press("o")
        await files.until_dialog(PathDialog)
        files.app.screen.query_one(Input).value = str(folder)
        await press(files.pilot, "enter")
        await files.opened()
        assert "of 300" in files.where
        await until(files.pilot, lambda: "This folder is not finished: 2 parts are missing." in files.text)
        assert "results: Parquet, 4 files, unfinished (2 parts missing), posts in text" in files.text

    play_files(None, act)


def test_search_shows_matches_as_typed(labeled: Path) -> None:
    async def act(files: Files) -> None:
        await files.press("slash", *"#12")
        numbers = [number + 1 for number in range(ROWS) if f"#{number}".startswith("#12")]
        assert files.browser.total == len(numbers)
        await files.press("escape")
        assert files.app.focused is files.browser.table
        assert files.row.number == numbers[0]
        await files.press("escape")
        assert files.browser.total == ROWS

    play_files(labeled, act)


def test_filter_dialog_counts_and_applies(labeled: Path) -> None:
    async def act(files: Files) -> None:
        await files.press("f")
        await files.until_dialog(FileFilterDialog)
        files.app.screen.query_one("#field-most Input", Input).value = "70"
        files.app.screen.query_one("#field-until Input", Input).value = "2026-01-02"
        await files.pilot.pause()
        outcome = files.app.screen.query_one(".outcome", Static)
        await until(files.pilot, lambda: "4 rows" in str(outcome.content))
        files.app.screen.query_one("#field-most Input", Input).focus()
        await press(files.pilot, "enter")
        await files.until_closed()
        assert files.browser.total == 4
        assert "confidence 0–70% · to 2026-01-02" in files.text
        await files.press("x")
        assert files.browser.total == ROWS

    play_files(labeled, act)


def test_rows_are_sorted_by_any_column(labeled: Path) -> None:
    async def act(files: Files) -> None:
        await files.press("o")
        await files.choose("likes")
        assert [row.cells["likes"] for row in files.rows(0, 1, 3)] == ["0", "0", "1"]
        await files.press("O")
        assert files.row.cells["likes"] == "99"
        assert "likes↓" in files.where

    play_files(labeled, act, (160, 40))


def test_digits_correct_and_undo_restores(labeled: Path) -> None:
    async def act(files: Files) -> None:
        await files.press("1", "2")
        first, second = files.rows(0, 1)
        assert [first.human, second.human] == list(files.labels[:2])
        assert files.row.number == 3
        await files.press("D")  # only where the human label is another one
        disagreeing = [row for row in (first, second) if row.human != row.predicted]
        assert files.browser.total == len(disagreeing)
        await files.press("D", "u")
        assert files.rows(1)[0].human is None
        await files.press("g", "0")
        assert files.row.human is None

    play_files(labeled, act)


def test_label_dialog_offers_cannot_tell(labeled: Path) -> None:
    async def act(files: Files) -> None:
        await files.press("l")
        await files.until_dialog(ChoiceDialog)
        await files.choose("3 cannot tell")
        assert files.row.human == CANNOT_TELL_LABEL
        assert "cannot tell" in files.text
        await files.press("0")
        assert files.row.human is None

    play_files(labeled, act, (120, 40))


def test_marked_rows_are_corrected_together(labeled: Path) -> None:
    async def act(files: Files) -> None:
        await files.press("space", "space", "j", "space")
        assert "3 marked" in files.text
        await files.press("2")
        label = files.labels[1]
        assert [row.human for row in files.rows(*range(5))] == [label, label, None, label, None]
        assert "3 posts corrected" in message_line(files.pilot)
        await files.press("u")
        assert files.rows(0)[0].human is None

    play_files(labeled, act)


def test_hostile_post_is_drawn_as_text(labeled: Path) -> None:
    async def act(files: Files) -> None:
        await files.press("down", "down", "down", "down")
        assert files.row.text == HOSTILE
        assert "[doge] [/哈哈] [b]x" in files.text
        assert "\x1b[31m" not in files.text
        await files.press("enter")
        assert "用户4" in files.text

    play_files(labeled, act, (120, 40))


def test_hostile_names_are_drawn_as_text(tmp_path: Path) -> None:
    path = tmp_path / "[b]x [doge].csv"
    path.write_text("text,[/哈哈],,\x1b[31m\n微博,[red]甲,乙,丙\n微博,丁,戊,己\n", encoding="utf-8")

    async def act(files: Files) -> None:
        assert all(text in files.text for text in ("[b]x [doge].csv", "[/哈哈]", "[red]甲"))
        assert "\x1b" not in files.text
        await files.press("o")
        await files.choose("[/哈哈]")
        assert "[/哈哈]↑" in files.where
        await files.press("f")
        await files.until_dialog(FileFilterDialog)
        await press(files.pilot, "escape")
        await files.until_closed()
        await files.press("escape")
        assert path.name in files.text

    play_files(path, act, (160, 40))


def test_each_text_once_is_shown_with_counts(tmp_path: Path) -> None:
    path = tmp_path / "posts.csv"
    path.write_text("text\n" + "".join(f"同样的微博\n第{number}条\n" for number in range(3)), encoding="utf-8")

    async def act(files: Files) -> None:
        await files.press("T")
        assert files.browser.total == 4
        assert "×3" in files.text

    play_files(path, act)


def test_file_being_read_shows_its_first_rows(tmp_path: Path) -> None:
    path = tmp_path / "long.csv"
    path.write_text(
        "text,label\n" + "".join(f"第{number}条微博,positive\n" for number in range(30_000)), encoding="utf-8"
    )

    async def scene(pilot: Pilot[None]) -> None:
        files = Files(pilot)
        await files.app.open_file_rows(path)
        await see(pilot, lambda: files.browser.row is not None)
        [job] = files.app.jobs
        job.pause()
        await files.press("f", "o", "1")
        assert files.app.screen is files.screen  # no dialog
        assert not files.browser.is_ready
        assert files.row.text == "第0条微博"
        assert "reading" in files.where
        job.resume()
        files.app.wake_workers()
        await files.opened()
        assert files.where == "1–11 of 30,000"
        await files.press("G")
        assert files.row.text == "第29999条微博"

    play(scene)


def test_stopped_reading_goes_back_to_the_list(tmp_path: Path) -> None:
    path = tmp_path / "long.csv"
    path.write_text("text\n" + "微博\n" * 30_000, encoding="utf-8")

    async def scene(pilot: Pilot[None]) -> None:
        files = Files(pilot)
        await files.app.open_file_rows(path)
        await see(pilot, lambda: files.browser.row is not None)
        await press(pilot, "s")
        await until(pilot, lambda: not files.app.jobs)
        assert files.screen.list_view.display
        assert "ready" not in files.text

    play(scene)


def test_export_writes_the_filtered_rows_with_labels(labeled: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"

    async def act(files: Files) -> None:
        await files.press("2", "U", "e")
        await files.until_dialog(FileExportForm)
        files.app.screen.query_one(PathInput).value = str(out)
        await press(files.pilot, "ctrl+s")
        await files.until_closed()
        await until(files.pilot, lambda: "written" in message_line(files.pilot))

    play_files(labeled, act)
    with out.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == ROWS // 5
    assert (rows[0]["label"], rows[0]["label_source"]) == ("positive", "human")
    assert (rows[1]["label"], rows[1]["label_source"]) == (rows[1]["predicted"], "model")


def test_removed_file_leaves_the_list_with_or_without_answers(labeled: Path) -> None:
    async def act(files: Files) -> None:
        await files.press("2", "escape")
        await until(files.pilot, lambda: "ready" in files.text)
        await files.press("d")
        await files.until_dialog(ChoiceDialog)
        await files.choose("Remove, and keep the answers")
        await until(files.pilot, lambda: "No files yet" in files.text)
        assert labeled.exists()
        await files.app.open_file_rows(labeled)
        await files.opened()
        assert files.rows(0)[0].human == files.labels[1]
        await files.press("escape")
        await until(files.pilot, lambda: "ready" in files.text)
        await files.press("d")
        await files.until_dialog(ChoiceDialog)
        await files.choose("Remove, and delete all answers for good")
        await until(files.pilot, lambda: "No files yet" in files.text)
        await files.app.open_file_rows(labeled)
        await files.opened()
        assert files.rows(0)[0].human is None

    play_files(labeled, act)


def test_history_opens_a_labeled_file_as_a_table(home: Path, labeled: Path) -> None:
    keep(home, [replace(FILE, out=labeled)])

    async def scene(pilot: Pilot[None]) -> None:
        files = Files(pilot)
        await press(pilot, "f4")
        await until(pilot, lambda: "▤ file" in drawn(pilot))
        await press(pilot, "i")
        assert isinstance(files.app.focused, EntryDetails)
        await press(pilot, "enter", "enter")
        await files.opened()
        assert files.app.current_mode == "files"

    play(scene)


def test_card_of_a_labeled_file_opens_it(furnished: Path, labeled: Path) -> None:
    keep(furnished, [replace(FILE, out=labeled)])

    async def scene(pilot: Pilot[None]) -> None:
        files = Files(pilot)
        await until(pilot, lambda: labeled.name in drawn(pilot))
        await press(pilot, "escape", "enter")
        await files.opened()
        assert files.app.current_mode == "files"

    play(scene)


def test_changed_file_is_read_again(labeled: Path) -> None:
    async def act(files: Files) -> None:
        await files.press("escape")
        with labeled.open("a", encoding="utf-8") as file:
            file.write("2000,新的一条,,,,positive,0.9,0.1,\n")
        await files.press("f2", "f7")
        assert "changed since" in files.text
        await files.press("enter")
        await files.opened()
        assert files.browser.total == ROWS + 1

    play_files(labeled, act)
