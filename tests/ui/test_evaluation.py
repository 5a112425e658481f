"""Evaluations in the app: the form, the progress, the score card, the matrix, and the posts of its cells."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import models
import pytest
from models_page import ModelsPage, lines, message, screen_of
from rich.cells import cell_len
from stage import app_of, drawn, play, until
from textual.geometry import Offset
from textual.pilot import Pilot
from textual.widgets import Input, Static

from weibo_tui import EvaluationConfig, EvaluationResult, Workbench
from weibo_tui.app.dialogs import ChoiceDialog
from weibo_tui.app.evaluation import post_list
from weibo_tui.app.evaluation.confusion_matrix import ConfusionMatrix
from weibo_tui.app.evaluation.form import EvaluationForm
from weibo_tui.app.evaluation.posts_screen import CellPostsScreen, PostDetails, PostList, PostScreen
from weibo_tui.app.evaluation.screen import EvaluationScreen
from weibo_tui.app.forms.file_list import FileList
from weibo_tui.app.forms.path_dialog import PathDialog
from weibo_tui.app.forms.path_input import PathInput
from weibo_tui.app.models.screen import ModelsScreen
from weibo_tui.app.widgets.explanation_screen import ExplanationScreen
from weibo_tui.app.widgets.score_card import ScoreView

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


async def open_form(pilot: Pilot[None], adapter: str = "mood") -> Any:
    """Open the form from the models screen, wherever the app is."""
    await pilot.press("escape", "escape")
    await ModelsPage.open(pilot, adapter=adapter)
    await pilot.press("e")
    return await screen_of(pilot, EvaluationForm)


async def choose_file(pilot: Pilot[None], path: Path) -> None:
    """Put one file into the open form."""
    files = pilot.app.screen.query_one(FileList)
    files.files.clear()
    files.query_one(Input).value = str(path)
    await pilot.press("enter")
    await until(pilot, lambda: path in files.files)


async def result_screen(pilot: Pilot[None]) -> EvaluationScreen:
    screen: EvaluationScreen = await screen_of(pilot, EvaluationScreen)
    await until(pilot, lambda: screen.evaluation.result is not None and screen.has_class("-done"))
    await until(pilot, lambda: not app_of(pilot).jobs)
    return screen


async def evaluate(pilot: Pilot[None], path: Path, adapter: str = "mood") -> tuple[EvaluationScreen, EvaluationResult]:
    """Open the form, start an evaluation and wait for its result."""
    await open_form(pilot, adapter)
    await choose_file(pilot, path)
    await pilot.press("ctrl+s")
    screen = await result_screen(pilot)
    assert screen.evaluation.result is not None
    return screen, screen.evaluation.result


def all_text(node: Any) -> str:
    return "\n".join(str(static.render()) for static in node.query(Static))


def text_of(screen: Any, selector: str) -> str:
    return str(screen.query_one(selector, Static).render())


def write_posts(path: Path, rows: Iterable[tuple[object, str]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("label", "review"), *rows])
    return path


def test_form_keeps_its_file_and_asks_before_replacing(furnished: Path, few: Path, tmp_path: Path) -> None:
    out = tmp_path / "wrong.csv"
    out.write_text("mine")

    async def scene(pilot: Pilot[None]) -> None:
        form = await open_form(pilot)
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "Choose a file" in all_text(form))
        await choose_file(pilot, few)
        await until(pilot, lambda: "posts in review, labels in label" in drawn(pilot))
        assert "negative (0), positive (1)" in all_text(form)
        await pilot.press("escape")
        assert isinstance(pilot.app.screen, ModelsScreen)
        assert app_of(pilot).evaluations.items == []
        await pilot.press("e")
        form = await screen_of(pilot, EvaluationForm)
        assert form.query_one(FileList).files == [few]

        form.query(PathInput).last().value = str(out)
        await pilot.press("ctrl+s")
        await screen_of(pilot, ChoiceDialog)
        await pilot.press("enter")
        await screen_of(pilot, EvaluationForm)
        assert out.read_text() == "mine"
        await pilot.press("ctrl+s")
        await screen_of(pilot, ChoiceDialog)
        await pilot.press("down", "enter")
        assert str(out) in text_of(await result_screen(pilot), ".notes")

    play(scene, size=(140, 40))
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
        assert f"{100 * (score.accuracy or 0):.1f}%" in card
        assert "without emoticons" in card
        assert "held-out" not in card
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
            assert f"{100 * share:.1f}%" in text
        assert f"{post.row:,}" in text and post.path.name in text
        await until(pilot, lambda: "Curve:" in lines(opened.query_one(PostDetails).query_one(Static)))
        await pilot.press("w")
        await screen_of(pilot, ExplanationScreen)
        await pilot.press("escape", "escape", "w")
        explained = await screen_of(pilot, ExplanationScreen)
        await until(pilot, lambda: "Curve:" in lines(explained.query_one("#why Static", Static)))
        await pilot.press("p")
        assert listed.cursor == 0
        await pilot.press("escape", "escape")
        await until(pilot, lambda: pilot.app.screen is screen)

    play(scene, size=(60, 20))


def test_past_evaluations_cells_and_errors_file(
    furnished: Path, few: Path, posts_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(post_list, "PAGE", 20)
    monkeypatch.setattr(post_list, "PREFETCH", 5)
    out, known = tmp_path / "out.csv", tmp_path / "known.csv"
    known.write_text("".join(posts_file.read_text("utf-8").splitlines(keepends=True)[:101]), "utf-8")

    async def scene(pilot: Pilot[None]) -> None:
        first, _result = await evaluate(pilot, few)
        assert "training data" not in text_of(first, ".notes")
        await pilot.press("escape", "l")
        again = await screen_of(pilot, EvaluationScreen)
        assert again is not first and again.evaluation is first.evaluation
        assert again.has_class("-done")
        screen, result = await evaluate(pilot, known)
        assert "of 100 posts are in the adapter's training data" in text_of(screen, ".notes")
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
        assert max(map(max, confusion)) > 40

        await pilot.press("e")
        dialog = await screen_of(pilot, PathDialog)
        dialog.query_one(Input).value = str(out)
        await pilot.press("enter")
        await message(pilot, "Written: ")
        with out.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
        assert len(rows) == sum(map(sum, confusion)) - sum(row[i] for i, row in enumerate(confusion))
        assert all(row["label"] != row["predicted"] for row in rows)

        await pilot.press("escape", "l")
        await screen_of(pilot, ChoiceDialog)
        await pilot.press("down", "enter")
        assert (await screen_of(pilot, EvaluationScreen)).evaluation is first.evaluation

    play(scene, size=(140, 40))


def test_score_card_is_exported(furnished: Path, few: Path, tmp_path: Path) -> None:
    out = tmp_path / "score.tex"

    async def scene(pilot: Pilot[None]) -> None:
        await evaluate(pilot, few)
        await pilot.press("x")
        dialog = await screen_of(pilot, PathDialog)
        for name, problem in (("score.docx", "Choose one of .md"), (few, "same file")):
            dialog.query_one(Input).value = str(tmp_path / name)
            await pilot.press("enter")
            await until(pilot, lambda: problem in all_text(dialog))  # noqa: B023
        dialog.query_one(Input).value = str(out)
        await pilot.press("enter")
        await message(pilot, f"Written: {out}")

    play(scene, size=(140, 40))
    assert r"\caption{mood on few.csv}" in out.read_text("utf-8")


# ---- running


def test_evaluation_is_stopped_or_continues_without_its_screen(
    furnished: Path, few: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other.csv"
    other.write_text("label,review\n1,好\n[b]7,差\n", "utf-8")

    async def start_paused(pilot: Pilot[None]) -> EvaluationScreen:
        await open_form(pilot)
        await choose_file(pilot, few)
        await pilot.press("ctrl+s")
        screen: EvaluationScreen = await screen_of(pilot, EvaluationScreen)
        assert app_of(pilot).jobs == [screen.evaluation.job]
        return screen

    async def scene(pilot: Pilot[None]) -> None:
        app = app_of(pilot)
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
            await until(pilot, lambda: "Stopped. Nothing was kept." in text_of(screen, ".notes"))
            assert screen.evaluation.result is None
            assert not screen.check_action("stop", ())
            assert not screen.check_action("write", ())
            screen = await start_paused(pilot)
        await pilot.press("escape")
        models_screen = await screen_of(pilot, ModelsScreen)
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
        await open_form(pilot)
        await choose_file(pilot, other)
        await pilot.press("ctrl+s")
        screen = await screen_of(pilot, EvaluationScreen)
        await until(pilot, lambda: "row 2: the label [b]7 is not in the set" in text_of(screen, ".notes"))

    play(scene, size=(160, 40))


# ---- hostile and large


def test_hostile_posts_and_seven_long_labels_are_shown(furnished: Path, tmp_path: Path) -> None:
    hostile = [(number % 2, f"{HOSTILE} {number} 真好吃" * (1 + number % 3)) for number in range(40)]
    hostile_file = write_posts(tmp_path / "[b]hostile.csv", [*hostile, (1, "长" * 30_000), (0, " ")])
    posts = [(number % 7, f"今天的面真好吃{'啊' * (number % 11)}{number}") for number in range(70)]
    seven_file = write_posts(tmp_path / "seven.csv", posts)
    with Workbench() as wb:
        models.add_adapter(wb, wb.bases.open("tiny"), "seven", labels=NAMES)

    async def scene(pilot: Pilot[None]) -> None:
        screen, result = await evaluate(pilot, hostile_file)
        assert result.score.failed == 1
        select_largest_cell(screen.query_one(ConfusionMatrix), result)
        await pilot.press("enter")
        opened = await screen_of(pilot, CellPostsScreen)
        listed = opened.query_one(PostList)
        await until(pilot, lambda: listed.post is not None)
        for text in (lines(listed), lines(opened.query_one(PostDetails).query_one(Static))):
            assert "[/哈哈][b]␛[31m" in text
            assert not set(text) & set("\x1b\u202e\x9b")
        await pilot.press("end", "enter")
        await screen_of(pilot, PostScreen)
        await pilot.press("escape")

        await pilot.resize_terminal(60, 20)
        screen, result = await evaluate(pilot, seven_file, "seven")
        counts = result.score.confusion
        assert sum(map(sum, counts)) == 70
        matrix = screen.query_one(ConfusionMatrix)
        matrix.cursor = Offset(0, 0)
        await pilot.pause()
        assert "actual ↓" in lines(matrix).split("\n")[0]
        assert "anger" in lines(matrix)
        assert "\x1b" not in lines(matrix)
        for step in range(1, 7):
            await pilot.press("right", "down")
            assert matrix.cursor == Offset(step, step)
            assert f"▸{counts[step][step] or '·'}" in lines(matrix)
        await pilot.press("right", "down")
        assert matrix.cursor == Offset(6, 6)
        assert "[b]" in lines(matrix)
        assert f"{counts[6][6]} post" in text_of(screen, "#cell")

        # A click moves the cursor, and another one opens the cell.
        await pilot.resize_terminal(160, 40)
        column, row = select_largest_cell(matrix, result)
        await pilot.pause()
        x = cell_len(lines(matrix).split("\n")[row + 1].partition("▸")[0]) + 1
        matrix.cursor = Offset(column, (row + 1) % 7)
        await pilot.pause()
        await pilot.click(matrix, offset=(x, row + 1))
        await until(pilot, lambda: matrix.cursor == Offset(column, row))
        await pilot.click(matrix, offset=(x, row + 1))
        await screen_of(pilot, CellPostsScreen)

    play(scene)


def select_largest_cell(matrix: ConfusionMatrix, result: EvaluationResult) -> Offset:
    """Put the cursor on the cell with most posts."""
    rows = enumerate(result.score.confusion)
    _count, row, column = max((count, row, column) for row, counts in rows for column, count in enumerate(counts))
    matrix.cursor = Offset(column, row)
    return matrix.cursor
