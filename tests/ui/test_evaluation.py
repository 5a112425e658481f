"""Evaluations in the app: the form, the progress, the score card, the matrix, and the posts of its cells."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import models
import pytest
from models_page import ModelsPage, lines, message, screen_of
from rich.cells import cell_len
from stage import app_of, play, until
from textual.geometry import Offset
from textual.pilot import Pilot
from textual.widgets import Input, Static

from weibo_tui.app.dialogs import ChoiceDialog
from weibo_tui.app.evaluation.confusion_matrix import ConfusionMatrix
from weibo_tui.app.evaluation.form import EvaluationForm
from weibo_tui.app.evaluation.posts_screen import CellPostsScreen, PostDetails, PostList, PostScreen
from weibo_tui.app.evaluation.screen import EvaluationScreen
from weibo_tui.app.forms.data_preview import DataPreview
from weibo_tui.app.forms.file_list import FileList
from weibo_tui.app.forms.path_dialog import PathDialog
from weibo_tui.app.forms.path_input import PathInput
from weibo_tui.app.models.screen import ModelsScreen
from weibo_tui.app.widgets.score_card import ScoreView
from weibo_tui.workbench import EvaluationConfig, EvaluationResult, Workbench

HOSTILE = "[/哈哈][b]\x1b[31m\u202eevil\n[doge] //@谁: \x9b2J 好"
NAMES = (
    "anger 非常非常生气的一种情绪",
    "[/joy]",
    "\x1b[2Jfear",
    "sadness",
    "surprise",
    "neutral and nothing else",
    "[b]",
)


async def open_form(pilot: Pilot[None], adapter: str = "mood") -> ModelsScreen:
    page = await ModelsPage.open(pilot, adapter=adapter)
    await pilot.press("e")
    await screen_of(pilot, EvaluationForm)
    return page.screen


async def choose_file(pilot: Pilot[None], path: Path) -> None:
    """Put one file into the open form."""
    files = pilot.app.screen.query_one(FileList)
    files.files.clear()
    files.query_one(Input).value = str(path)
    await pilot.press("enter")
    await until(pilot, lambda: path in files.files)


async def start(pilot: Pilot[None], path: Path) -> EvaluationScreen:
    """Start an evaluation from the open form, and wait for its result."""
    await choose_file(pilot, path)
    await pilot.press("ctrl+s")
    return await result_screen(pilot)


async def result_screen(pilot: Pilot[None]) -> EvaluationScreen:
    screen: EvaluationScreen = await screen_of(pilot, EvaluationScreen)
    await until(pilot, lambda: screen.evaluation.result is not None and screen.has_class("-done"))
    await until(pilot, lambda: not app_of(pilot).jobs)
    return screen


async def evaluate(pilot: Pilot[None], path: Path, adapter: str = "mood") -> tuple[EvaluationScreen, EvaluationResult]:
    """Go from the models screen to the result."""
    await open_form(pilot, adapter)
    screen = await start(pilot, path)
    assert screen.evaluation.result is not None
    return screen, screen.evaluation.result


def all_text(node: Any) -> str:
    return "\n".join(str(static.render()) for static in node.query(Static))


def text_of(screen: Any, selector: str) -> str:
    return str(screen.query_one(selector, Static).render())


@pytest.fixture
def hostile_file(tmp_path: Path) -> Path:
    """Posts with what breaks a screen in them, and some that are long."""
    path = tmp_path / "[b]hostile.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["label", "review"])
        for number in range(40):
            writer.writerow([number % 2, f"{HOSTILE} {number} 真好吃" * (1 + number % 3)])
        writer.writerow([1, "长" * 30_000])
        writer.writerow([0, " "])
    return path


@pytest.fixture
def seven(furnished: Path, tmp_path: Path) -> Path:
    """A file for `seven`, an adapter with seven labels that are long and hostile."""
    with Workbench() as wb:
        models.add_adapter(wb, wb.bases.open("tiny"), "seven", labels=NAMES)
    path = tmp_path / "seven.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["label", "review"])
        writer.writerows([number % 7, f"今天的面真好吃{'啊' * (number % 11)}{number}"] for number in range(210))
    return path


def test_form_shows_and_remembers_the_file(furnished: Path, few: Path) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        screen = await open_form(pilot)
        form = pilot.app.screen
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "Name a file" in all_text(form))
        form.query_one(FileList).query_one(Input).value = str(few)
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "Press Enter behind the path" in all_text(form))
        await choose_file(pilot, few)
        await until(pilot, lambda: "posts in 'review', labels in 'label'" in all_text(form.query_one(DataPreview)))
        assert "negative (0), positive (1)" in all_text(form)
        await pilot.press("escape")
        await until(pilot, lambda: pilot.app.screen is screen)
        assert app_of(pilot).evaluations.items == []
        await pilot.press("e")
        form = await screen_of(pilot, EvaluationForm)
        assert form.query_one(FileList).files == [few]

    play(scene, size=(140, 40))


def test_errors_file_is_replaced_only_after_a_question(furnished: Path, few: Path, tmp_path: Path) -> None:
    out = tmp_path / "wrong.csv"
    out.write_text("mine")

    async def scene(pilot: Pilot[None]) -> None:
        await open_form(pilot)
        await choose_file(pilot, few)
        pilot.app.screen.query(PathInput).last().value = str(out)
        await pilot.press("ctrl+s")
        await screen_of(pilot, ChoiceDialog)
        await pilot.press("enter")
        await screen_of(pilot, EvaluationForm)
        assert out.read_text() == "mine"
        await pilot.press("ctrl+s")
        await screen_of(pilot, ChoiceDialog)
        await pilot.press("down", "enter")
        assert str(out) in text_of(await result_screen(pilot), ".notes")

    play(scene)
    assert out.read_text("utf-8-sig").startswith("text,label,predicted,confidence")


# ---- the result


def test_result_shows_score_card_matrix_and_posts(furnished: Path, few: Path) -> None:
    with Workbench() as wb:
        *_events, expected = wb.iter_evaluate(EvaluationConfig((few,), "mood"))
    assert isinstance(expected, EvaluationResult)
    score = expected.score

    async def scene(pilot: Pilot[None]) -> None:
        screen, result = await evaluate(pilot, few)
        assert result.score == score
        matrix = screen.query_one(ConfusionMatrix)
        assert matrix.has_focus
        drawn = lines(matrix)
        for counts in score.confusion:
            for count in counts:
                assert (f"{count:,}" if count else "·") in drawn
        card = lines(screen.query_one(ScoreView))
        assert f"{100 * (score.accuracy or 0):.1f} %" in card
        assert "without emoticons" in card
        assert "training did not see" not in card
        progress = "\n".join(str(line) for line in screen.evaluation.lines(100))
        for stage in ("reading", "hashing", "evaluating", "without emoticons", "only emoticons"):
            assert f"✓ {stage}" in progress

        await pilot.press("left", "up")
        for keys, (row, column) in ((["right"], (0, 1)), (["down"], (1, 1)), (["h"], (1, 0)), (["k", "up"], (0, 0))):
            await pilot.press(*keys)
            assert matrix.cursor == Offset(column, row)
            count = score.confusion[row][column]
            await until(pilot, lambda: f"{count} post" in text_of(screen, "#cell"))  # noqa: B023
        await pilot.click(matrix, offset=(matrix.size.width - 1, 0))  # next to the cells
        assert matrix.cursor == Offset(0, 0)

        await pilot.press("enter")
        listed = (await screen_of(pilot, CellPostsScreen)).query_one(PostList)
        await until(pilot, lambda: listed.post is not None)
        await pilot.press("down", "c")
        post = listed.post
        assert post is not None
        await until(pilot, lambda: pilot.app.clipboard == post.text)
        await pilot.press("enter")
        opened = await screen_of(pilot, PostScreen)
        text = lines(opened.query_one(PostDetails).query_one(Static))
        assert post.text.split("\n")[0][:10] in text
        for share in post.probabilities.values():
            assert f"{100 * share:.1f} %" in text
        assert f"{post.row:,}" in text and post.path.name in text
        await pilot.press("escape", "escape")
        await until(pilot, lambda: pilot.app.screen is screen)

    play(scene, size=(60, 20))


def test_past_evaluations_cells_and_errors_file(furnished: Path, few: Path, posts_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"

    async def scene(pilot: Pilot[None]) -> None:
        first, _result = await evaluate(pilot, few)
        assert "training data" not in text_of(first, ".notes")
        await pilot.press("escape", "l")
        again = await screen_of(pilot, EvaluationScreen)
        assert again is not first and again.evaluation is first.evaluation
        assert again.has_class("-done")
        await pilot.press("escape", "e")
        await screen_of(pilot, EvaluationForm)
        screen = await start(pilot, posts_file)
        assert "of 1,000 posts are in the adapter's training data" in text_of(screen, ".notes")
        result = screen.evaluation.result
        assert result is not None
        confusion = result.score.confusion

        # Each cell opens its posts, by confidence.
        for row, label in enumerate(result.score.labels):
            for column, predicted in enumerate(result.score.labels):
                screen.query_one(ConfusionMatrix).cursor = Offset(column, row)
                posts = list(result.posts(label, predicted))
                assert len(posts) == confusion[row][column]
                await pilot.press("enter")
                if not posts:
                    assert pilot.app.screen is screen
                    continue
                listed = (await screen_of(pilot, CellPostsScreen)).query_one(PostList)
                while len(listed.posts) < len(posts):
                    before = len(listed.posts)
                    await pilot.press("end")
                    await until(pilot, lambda: len(listed.posts) > before)  # noqa: B023
                assert listed.posts == posts
                confidences = [post.confidence for post in posts]
                assert confidences == sorted(confidences, reverse=True)
                await pilot.press("escape")
                await until(pilot, lambda: pilot.app.screen is screen)

        await pilot.press("w")
        dialog = await screen_of(pilot, PathDialog)
        dialog.query_one(Input).value = str(out)
        await pilot.press("enter")
        await message(pilot, "is written")
        with out.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
        assert len(rows) == sum(map(sum, confusion)) - sum(row[i] for i, row in enumerate(confusion))
        assert all(row["label"] != row["predicted"] for row in rows)

        await pilot.press("escape", "l")
        await screen_of(pilot, ChoiceDialog)
        await pilot.press("down", "enter")
        assert (await screen_of(pilot, EvaluationScreen)).evaluation is first.evaluation

    play(scene, size=(140, 40))


# ---- running


def test_evaluation_is_stopped_or_continues_without_its_screen(
    furnished: Path, few: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other.csv"
    other.write_text("label,review\n1,好\n[b]7,差\n", "utf-8")

    async def start_paused(pilot: Pilot[None]) -> EvaluationScreen:
        await choose_file(pilot, few)
        await pilot.press("ctrl+s")
        screen: EvaluationScreen = await screen_of(pilot, EvaluationScreen)
        assert app_of(pilot).jobs == [screen.evaluation.job]
        return screen

    async def scene(pilot: Pilot[None]) -> None:
        app = app_of(pilot)
        models_screen = await open_form(pilot)
        start_job = app.engine.start_job

        def start_and_pause(job: Any) -> None:
            job.pause()
            start_job(job)

        with monkeypatch.context() as patch:
            patch.setattr(app.engine, "start_job", start_and_pause)
            screen = await start_paused(pilot)
            assert screen.check_action("stop", ())
            await pilot.press("s")
            await until(pilot, lambda: not app.jobs)
            await until(pilot, lambda: "stopped" in text_of(screen, ".notes"))
            assert screen.evaluation.result is None
            assert not screen.check_action("stop", ())
            assert not screen.check_action("write", ())
            await pilot.press("escape", "e")
            await screen_of(pilot, EvaluationForm)
            screen = await start_paused(pilot)
        await pilot.press("escape")
        await screen_of(pilot, ModelsScreen)
        assert app.jobs
        assert models_screen.check_action("stop", ())
        screen.evaluation.job.resume()
        app.wake_workers()
        await until(pilot, lambda: screen.evaluation.result is not None)
        await pilot.press("l")
        await screen_of(pilot, ChoiceDialog)
        await pilot.press("enter")
        assert (await screen_of(pilot, EvaluationScreen)).has_class("-done")

        # A file with other labels is refused.
        await pilot.press("escape", "e")
        await screen_of(pilot, EvaluationForm)
        await choose_file(pilot, other)
        await pilot.press("ctrl+s")
        screen = await screen_of(pilot, EvaluationScreen)
        await until(pilot, lambda: "row 2: the label [b]7 is not in the set" in text_of(screen, ".notes"))

    play(scene, size=(160, 40))


# ---- hostile and large


def test_hostile_posts_are_shown_as_text(furnished: Path, hostile_file: Path) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        screen, result = await evaluate(pilot, hostile_file)
        assert result.score.failed == 1
        cells = [
            (count, row, column)
            for row, counts in enumerate(result.score.confusion)
            for column, count in enumerate(counts)
        ]
        _count, row, column = max(cells)
        screen.query_one(ConfusionMatrix).cursor = Offset(column, row)
        await pilot.press("enter")
        opened = await screen_of(pilot, CellPostsScreen)
        listed = opened.query_one(PostList)
        await until(pilot, lambda: listed.post is not None)
        for text in (lines(listed), lines(opened.query_one(PostDetails).query_one(Static))):
            assert "[/哈哈][b]␛[31m" in text
            assert not set(text) & set("\x1b\u202e\x9b")
        await pilot.press("end", "enter")
        await screen_of(pilot, PostScreen)

    play(scene)


def test_seven_long_labels_scroll_in_a_small_window(seven: Path) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        screen, result = await evaluate(pilot, seven, "seven")
        counts = result.score.confusion
        matrix = screen.query_one(ConfusionMatrix)
        matrix.cursor = Offset(0, 0)
        await pilot.pause()
        assert "truth" in lines(matrix).split("\n")[0]
        assert "anger" in lines(matrix)
        assert "\x1b" not in lines(matrix)
        for _step in range(8):
            await pilot.press("right", "down")
        await pilot.pause()
        assert matrix.cursor == Offset(6, 6)
        assert "▸" in lines(matrix) and "[b]" in lines(matrix)
        assert f"{counts[6][6]} post" in text_of(screen, "#cell")
        assert sum(map(sum, counts)) == 210
        for row in range(7):
            for column in range(7):
                matrix.cursor = Offset(column, row)
                await pilot.pause()
                assert f"▸{counts[row][column] or '·'}" in lines(matrix)

        # A click moves the cursor, and another one opens the cell.
        await pilot.resize_terminal(160, 40)
        row, column = next((i, j) for i in range(7) for j in range(7) if counts[i][j])
        matrix.cursor = Offset(column, row)
        await pilot.pause()
        x = cell_len(lines(matrix).split("\n")[row + 1].partition("▸")[0]) + 1
        matrix.cursor = Offset(column, (row + 1) % 7)
        await pilot.pause()
        await pilot.click(matrix, offset=(x, row + 1))
        await until(pilot, lambda: matrix.cursor == Offset(column, row))
        await pilot.click(matrix, offset=(x, row + 1))
        await screen_of(pilot, CellPostsScreen)

    play(scene, size=(60, 20))
