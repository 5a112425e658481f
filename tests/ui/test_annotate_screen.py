"""Labeling by hand in the app: one key a post, blind, undone without limit, and stored at once."""

from __future__ import annotations

from pathlib import Path

import pytest
from hostile import TEXTS
from labeled_posts import posts, write
from models_page import lines, message, screen_of
from stage import drawn, open_file, play, press, until
from textual.pilot import Pilot
from textual.widgets import Input, Static, TextArea

from weibo_tui import Workbench
from weibo_tui.app.dialogs import ChoiceDialog, InputDialog
from weibo_tui.app.files.annotate import AnnotateScreen
from weibo_tui.app.files.guideline import GuidelineDialog
from weibo_tui.storage.answers import LoggedAnswer
from weibo_tui.workbench.annotation import Queue, Task


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("data") / "data.csv", posts(300, 0))


async def annotate(pilot: Pilot[None], path: Path, queue: Queue = "sample") -> AnnotateScreen:
    """Open the screen and wait for its first post."""
    pilot.app.push_screen(AnnotateScreen(*await open_file(pilot, path), queue))
    screen: AnnotateScreen = await screen_of(pilot, AnnotateScreen)
    await until(pilot, lambda: screen._shown_at is not None)
    return screen


def task_of(screen: AnnotateScreen) -> Task:
    assert screen._post is not None
    return screen._post.task


def text_of(screen: AnnotateScreen, selector: str) -> str:
    """Return what a part of the screen shows, with single blanks."""
    return " ".join(lines(screen.query_one(selector, Static)).split())


def stored(home: Path, path: Path) -> list[LoggedAnswer]:
    """Return the answers to a file that are in the database, those that are not undone."""
    with Workbench(home) as wb:
        return wb.answers.entries(wb.open_file(path, progress=False).info.posts)


def test_one_key_stores_an_answer_and_shows_the_next_post(home: Path, data: Path) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        screen = await annotate(pilot, data)
        for key in ("1", "2", "space", "1"):
            task = task_of(screen)
            assert task.text[:20] in drawn(pilot)
            await press(pilot, key)
            entry = stored(home, data)[-1]
            assert (entry.row, entry.text, entry.purpose, entry.rank) == (task.row, task.text, "sample", task.rank)
            assert (entry.kind, entry.value) == {
                "1": ("label", "negative"),
                "2": ("label", "positive"),
                "space": ("cannot_tell", None),
            }[key]
            assert task_of(screen).row != task.row
        assert "4 done 296 left" in text_of(screen, ".progress")

    play(scene)


def test_prediction_is_shown_after_the_answer_only(home: Path, data: Path) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        screen = await annotate(pilot, data)
        assert "model" not in drawn(pilot) and "%" not in drawn(pilot)
        await press(pilot, "1")
        agrees = stored(home, data)[-1].predicted == "negative"
        assert "Last: ▼ negative · model" in text_of(screen, ".said")
        assert ("agrees" in text_of(screen, ".said")) == agrees
        await press(pilot, "v")
        assert "model" not in text_of(screen, ".said")
        await press(pilot, "1")
        assert text_of(screen, ".said") == "Last: ▼ negative"

    play(scene)


def test_undo_goes_back_post_by_post_also_after_a_restart(home: Path, data: Path) -> None:
    rows: list[int] = []

    async def first(pilot: Pilot[None]) -> None:
        screen = await annotate(pilot, data)
        for _answer in range(3):
            rows.append(task_of(screen).row)
            await press(pilot, "1")

    async def second(pilot: Pilot[None]) -> None:
        screen = await annotate(pilot, data)
        assert "3 done" in text_of(screen, ".progress") and task_of(screen).row not in rows
        for row in reversed(rows):
            await press(pilot, "backspace")
            assert task_of(screen).row == row
        await press(pilot, "u")
        assert "Nothing to undo" in text_of(screen, ".said")
        assert stored(home, data) == []
        await press(pilot, "2")
        assert stored(home, data)[-1].row == rows[0]

    play(first)
    play(second)


def test_mark_note_and_guideline_are_kept(home: Path, data: Path) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        screen = await annotate(pilot, data)
        row = task_of(screen).row
        await press(pilot, "f")
        assert "flagged" in text_of(screen, ".marks")
        await press(pilot, "n")
        (await screen_of(pilot, InputDialog)).query_one(Input).value = "sarcasm? [b]"
        await press(pilot, "enter")
        await until(pilot, lambda: "Note: sarcasm? [b]" in text_of(screen, ".marks"))
        assert task_of(screen).row == row
        assert [entry.kind for entry in stored(home, data)] == ["flag", "note"]
        await press(pilot, "f")
        assert "flagged" not in text_of(screen, ".marks")

        await press(pilot, "question_mark")
        (await screen_of(pilot, GuidelineDialog)).query_one(TextArea).text = "negative: complaints"
        await press(pilot, "ctrl+s")
        await message(pilot, "Guideline saved")
        await press(pilot, "question_mark")
        assert (await screen_of(pilot, GuidelineDialog)).query_one(TextArea).text == "negative: complaints"

    play(scene)


def test_label_that_the_model_does_not_have_gets_a_digit(home: Path, data: Path) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        screen = await annotate(pilot, data)
        await press(pilot, "3")  # no label has this digit yet
        assert stored(home, data) == []
        await press(pilot, "l")
        await screen_of(pilot, ChoiceDialog)
        await press(pilot, "end", "enter")
        (await screen_of(pilot, InputDialog)).query_one(Input).value = "[/neutral]"
        await press(pilot, "enter")
        await until(pilot, lambda: "3 ● [/neutral]" in drawn(pilot))
        await press(pilot, "3")
        assert [entry.value for entry in stored(home, data)] == ["[/neutral]"] * 2
        assert screen._labels == ("negative", "positive", "[/neutral]")

    play(scene)


def test_keys_before_the_post_is_painted_do_not_count(home: Path, data: Path) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        screen = await annotate(pilot, data)
        first = task_of(screen).row
        screen._answer("negative")
        for label in ("positive", "positive"):
            screen._answer(label)
        screen.action_undo()
        await until(pilot, lambda: screen._shown_at is not None)
        assert [(entry.row, entry.value) for entry in stored(home, data)] == [(first, "negative")]

    play(scene)


def test_failed_store_keeps_the_post_and_says_so(home: Path, data: Path) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        screen = await annotate(pilot, data)
        task = task_of(screen)
        screen._answer("x" * 100_000)
        await message(pilot, "characters")
        assert task_of(screen) == task and stored(home, data) == []
        await press(pilot, "1")
        assert [entry.row for entry in stored(home, data)] == [task.row]

    play(scene)


def test_queues_end_and_share_no_post(home: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "small.csv", posts(12, 0))

    async def scene(pilot: Pilot[None]) -> None:
        screen = await annotate(pilot, path, "teach")
        for _post in range(3):
            await press(pilot, "1")
        await press(pilot, "escape")
        screen = await annotate(pilot, path)
        for _post in range(13):
            await press(pilot, "2")
        assert "No post is left" in drawn(pilot)
        answers = stored(home, path)
        taught, sampled = ({entry.text for entry in answers if entry.purpose == queue} for queue in ("teach", "sample"))
        assert len(taught) == 3 and sampled and not taught & sampled
        await press(pilot, "u")
        assert screen._post is not None

    play(scene)


def test_forecast_appears_with_enough_answers(home: Path, data: Path) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        screen = await annotate(pilot, data)
        await press(pilot, "1")
        assert "forecast after 20 labels" in text_of(screen, ".progress")
        for number in range(20):
            await press(pilot, "12"[number % 2])
        assert "to ± 3" in text_of(screen, ".progress")
        assert "positive" in text_of(screen, ".progress")

    play(scene)


@pytest.mark.parametrize("size", [(42, 12), (80, 24)], ids=["small", "usual"])
def test_hostile_posts_are_shown_as_text(home: Path, tmp_path: Path, size: tuple[int, int]) -> None:
    texts = [text for text in TEXTS if text.strip()]
    path = write(tmp_path / "hostile.csv", [{"text": text, "predicted": "[b]x[/b]"} for text in texts])

    async def scene(pilot: Pilot[None]) -> None:
        screen = await annotate(pilot, path)
        while screen._post is not None:
            assert "\x1b" not in drawn(pilot) and "\u202e" not in drawn(pilot)
            assert "1 ● [b]x[/b]" in drawn(pilot)
            await press(pilot, "1")
        assert len(stored(home, path)) >= len(set(texts)) // 2

    play(scene, size)
