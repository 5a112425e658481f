"""Forms with data files: columns and sheets are chosen from those of the file, and skipped rows are shown."""

from __future__ import annotations

import csv
from collections.abc import Callable, Coroutine, Iterable
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from models_page import message, screen_of
from pane import Pane, play_predict
from stage import app_of, drawn, play, press, shows, until
from textual.pilot import Pilot
from textual.widgets import Input, OptionList, Select, Static

from weibo_tui.app.forms.choice_field import ChoiceField, typed_form
from weibo_tui.app.forms.data_preview import DataPreview
from weibo_tui.app.forms.file_list import FileList
from weibo_tui.app.forms.path_dialog import PathDialog
from weibo_tui.app.forms.path_input import PathInput
from weibo_tui.app.predict.label_file_form import LabelingForm
from weibo_tui.app.train.training_form import TrainingForm

POSTS = ("今天的早饭真好吃", "快递三天没人通知", "新电影比预告片好看", "末班车改到十一点半了")
LONG = "列" * 100


def play_form(scene: Callable[[Pilot[None], Any], Coroutine[Any, Any, None]]) -> None:
    """Open the form for a training and run `scene`."""

    async def open_and_play(pilot: Pilot[None]) -> None:
        await until(pilot, lambda: app_of(pilot).catalog.bases)
        await press(pilot, "f3")
        await press(pilot, "n")
        await scene(pilot, await screen_of(pilot, TrainingForm))

    play(open_and_play, (150, 40))


async def choose(pilot: Pilot[None], form: TrainingForm, *paths: Path) -> None:
    """Choose these files only."""
    files = form.query_one(FileList)
    files.files.clear()
    for path in paths:
        line = files.query_one(PathInput)
        line.focus()
        line.value = str(path)
        await pilot.pause()
        await press(pilot, "enter")
        await until(pilot, lambda: path in files.files)  # noqa: B023 - called at once


def field(form: Any, name: str) -> ChoiceField:
    entry: ChoiceField = form.query_one(f"#field-{name.replace('_', '-')}", ChoiceField)
    return entry


async def says(pilot: Pilot[None], form: TrainingForm, *texts: str) -> None:
    """Wait until the preview has these texts, wherever its lines are broken."""

    def preview() -> str:
        parts = [part for part in form.query_one(DataPreview).query(Static) if part.display]
        return "".join(strip.text for part in parts for strip in part.render_lines(part.size.region))

    await until(pilot, lambda: all("".join(text.split()) in "".join(preview().split()) for text in texts))


def write_rows(path: Path, rows: Iterable[Iterable[object]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
    return path


def test_typed_form_is_the_name_or_a_number() -> None:
    names = ["text", "Text ", "正文", "a\tb", "  "]
    assert [typed_form(names, number) for number in range(1, 6)] == ["1", "2", "正文", "4", "5"]


def test_columns_in_doubt_are_asked_and_chosen_by_key(furnished: Path, tmp_path: Path) -> None:
    rows = [[number, POSTS[number % 4], POSTS[number % 3], "正面" if number % 2 else "负面"] for number in range(30)]
    doubt = write_rows(tmp_path / "doubt.csv", [["编号", "甲列", "乙列", "倾向列"], *rows])
    names = [*(f"{LONG}{number}" for number in range(150)), *(f"[b]{number}\x1b[31m" for number in range(148))]
    wide_rows = [[number] * 298 + [POSTS[number % 4], number % 2] for number in range(20)]
    wide = write_rows(tmp_path / "wide.csv", [[*names, "text", "label"], *wide_rows])

    async def scene(pilot: Pilot[None], form: TrainingForm) -> None:
        text, label = field(form, "text_column"), field(form, "label_column")
        await choose(pilot, form, doubt)
        await until(pilot, lambda: text.is_open)  # it is asked
        await shows(pilot, "2  甲列    今天的早饭真好吃")
        await says(pilot, form, "text column not detected")
        await press(pilot, "enter")  # the most likely one is the first
        await until(pilot, lambda: label.is_open)
        assert (text.text, text.is_open) == ("甲列", False)
        await press(pilot, "enter")
        await says(pilot, form, "posts in 甲列, labels in 倾向列, 30 rows; also 编号, 乙列")
        form.query_one(FileList).focus()
        await press(pilot, "ctrl+l", "down", "down", "enter")  # the one in use is the first
        await says(pilot, form, "posts in 乙列, labels in 倾向列")
        assert (form.plan().columns.text, form.plan().columns.label) == ("乙列", "倾向列")
        await press(pilot, "ctrl+l", "ctrl+l")
        assert (text.is_open, label.is_open) == (False, True)
        await press(pilot, "escape")
        assert not label.is_open

        text.text = label.text = ""
        await choose(pilot, form, wide)
        await says(pilot, form, "wide.csv: CSV, UTF-8, posts in text, labels in label, 20 rows")
        await press(pilot, "ctrl+l")
        assert text.query_one(OptionList).option_count == 300
        assert "\x1b" not in drawn(pilot)
        await press(pilot, *"[b]14")
        assert text.query_one(OptionList).option_count == 9
        await press(pilot, "enter")  # its name cannot be typed
        assert text.text == "165"
        await says(pilot, form, "labels in label, 20 rows")
        await press(pilot, "ctrl+l")
        wide.unlink()
        await press(pilot, "down", "enter", "ctrl+s")
        await until(pilot, lambda: "File not found" in str(form._hint.render()))
        assert pilot.app.screen is form

    play_form(scene)


def test_sheet_and_header_are_chosen_where_they_apply(furnished: Path, few: Path, tmp_path: Path) -> None:
    workbook = openpyxl.Workbook()
    workbook.worksheets[0].title = "封面"
    for title in ("一月", "二月"):
        sheet = workbook.create_sheet(title)
        sheet.append(["微博正文", "情感倾向"])
        for number in range(20):
            sheet.append([title + POSTS[number % 4], number % 2])
    workbook.save(book := tmp_path / "book.xlsx")

    async def scene(pilot: Pilot[None], form: TrainingForm) -> None:
        sheet = field(form, "sheet")
        await choose(pilot, form, few)
        await says(pilot, form, "few.csv: CSV, UTF-8, posts in review, labels in label")
        assert not sheet.display
        header = form.query_one("#field-header Select", Select)
        header.value = "no"
        await says(pilot, form, "no header, posts in column 2")
        header.value = ""
        await choose(pilot, form, book)
        await until(pilot, lambda: sheet.is_open)  # the first sheet is empty
        await press(pilot, *"二", "enter")
        await says(pilot, form, "sheet 二月 of 3, posts in 微博正文, labels in 情感倾向")
        assert form.plan().columns.sheet == "二月"
        sheet.text = "三月"
        await press(pilot, "ctrl+s")
        await until(pilot, lambda: "Sheet: " in str(form._hint.render()) and sheet.is_open)

    play_form(scene)


def test_skipped_rows_are_shown_saved_and_allowed(furnished: Path, tmp_path: Path) -> None:
    lines = [f"{number % 2},第{number}条{POSTS[number % 4]}" for number in range(30)]
    lines[3] += ",多,出"
    lines[20] += ",多,出"
    bad = tmp_path / "bad.csv"
    bad.write_text("label,text\n" + "\n".join(lines) + "\n", encoding="utf-8")
    out = tmp_path / "bad.skipped.csv"

    async def scene(pilot: Pilot[None], form: TrainingForm) -> None:
        await choose(pilot, form, bad)
        await says(pilot, form, "28 rows, 2 skipped", "2 of 30 rows cannot be read", "2 rows are skipped:")
        await says(pilot, form, "line 5: 4 cells, but the table has 2", "1,第3条末班车改到十一点半了,多,出")
        form.query_one("#save-bad-rows").focus()
        await press(pilot, "enter")
        dialog = await screen_of(pilot, PathDialog)
        assert dialog.query_one(Input).value == str(out)
        await press(pilot, "enter")
        await message(pilot, "2 skipped rows saved")
        form.query_one("#field-max-bad-rows Input", Input).value = "10%"
        await until(pilot, lambda: "cannot be read" not in drawn(pilot))
        await says(pilot, form, "28 rows, 2 skipped")
        assert form.plan().columns.max_bad_rows == 0.1

    play_form(scene)
    assert [row[1] for row in csv.reader(out.read_text("utf-8-sig").splitlines())] == ["line", "5", "22"]


def test_folder_and_files_of_one_label_are_data(furnished: Path, tmp_path: Path) -> None:
    (folder := tmp_path / "bad").mkdir()
    for path in (tmp_path / "good.txt", folder / "1.txt", folder / "2.txt"):
        path.write_text("\n".join(f"第{number}条{path.stem}微博" for number in range(20)), encoding="utf-8")
    (empty := tmp_path / "empty").mkdir()

    async def scene(pilot: Pilot[None], form: TrainingForm) -> None:
        await choose(pilot, form, tmp_path / "good.txt")
        await says(pilot, form, "label column not detected", "press Enter on it in the list")
        form.query_one("_ChosenFiles").focus()
        await press(pilot, "enter")
        await until(pilot, lambda: isinstance(pilot.app.focused, Input) and pilot.app.screen is not form)
        assert pilot.app.screen.query_one(Input).value == "good"  # the file's name is proposed
        await press(pilot, *"fine", "enter")
        await shows(pilot, "good.txt = fine")
        await says(pilot, form, "good.txt: TXT, UTF-8, a post per line, all labeled fine")

        line = form.query_one(PathInput)
        line.focus()
        await pilot.pause()
        line.value = f"{tmp_path}/"
        await press(pilot, "down")
        await shows(pilot, "use this folder")
        line.value = f"{folder}/"
        await until(pilot, lambda: "1.txt" in drawn(pilot))
        await press(pilot, "up", "enter")
        await until(pilot, lambda: folder in form.query_one(FileList).files)
        form.query_one("_ChosenFiles").focus()
        await press(pilot, "end", "l")
        await until(pilot, lambda: isinstance(pilot.app.focused, Input) and pilot.app.screen is not form)
        await press(pilot, "enter")
        await says(pilot, form, "1.txt: TXT, UTF-8, a post per line, all labeled bad", "2.txt: TXT")
        plan = await form.expanded(form.plan())
        assert [path.name for path in plan.data] == ["good.txt", "1.txt", "2.txt"]
        assert [label for _file, label in plan.columns.label_of] == ["fine", "bad", "bad"]
        await choose(pilot, form, empty)
        await says(pilot, form, "contains no tables of posts")

    play_form(scene)


@pytest.mark.parametrize("size", [(80, 24), (60, 20)])
def test_labeling_form_asks_for_the_column(furnished: Path, tmp_path: Path, size: tuple[int, int]) -> None:
    doubt = write_rows(tmp_path / "doubt.csv", [["甲列", "乙列"], *([post, post] for post in POSTS)])

    async def act(pane: Pane) -> None:
        await pane.press("ctrl+o")
        form = await screen_of(pane.pilot, LabelingForm)
        await pane.paste(str(doubt))
        await until(pane.pilot, lambda: form.query_one(DataPreview).readings)
        text = field(form, "text_column")
        assert not text.is_open  # the path may not be complete yet
        await pane.press("enter")
        await until(pane.pilot, lambda: text.is_open)
        await pane.press("down", "enter")
        await until(pane.pilot, lambda: form.query_one(DataPreview).readings[:1] and not text.is_open)
        await until(pane.pilot, lambda: not form.query_one(DataPreview).readings[0].problem)
        assert form.plan().columns.text == "乙列"

    play_predict(act, size)
