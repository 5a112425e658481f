"""Measuring an adapter in the app: the form, the work, the score card, the matrix and the posts of its cells."""

from __future__ import annotations

import csv
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import models
import pytest
from stage import play, until
from textual.geometry import Offset
from textual.pilot import Pilot
from textual.widgets import Input, Static
from weibo_tui.app.evaluation.post_list import PostList

from weibo_tui.app.app import WeiboApp
from weibo_tui.app.dialogs import ChoiceDialog
from weibo_tui.app.evaluation.confusion_matrix import ConfusionMatrix
from weibo_tui.app.evaluation.form import EvaluationForm
from weibo_tui.app.evaluation.posts_screen import CellPostsScreen, PostDetails, PostScreen
from weibo_tui.app.evaluation.screen import EvaluationScreen
from weibo_tui.app.forms.data_preview import DataPreview
from weibo_tui.app.forms.file_list import FileList
from weibo_tui.app.forms.path_dialog import PathDialog
from weibo_tui.app.forms.path_input import PathInput
from weibo_tui.app.models.model_list import ModelList
from weibo_tui.app.models.screen import ModelsScreen
from weibo_tui.app.widgets.chrome import StatusMessage
from weibo_tui.app.widgets.score_card import ScoreView
from weibo_tui.text import cell_width
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

Act = Callable[[Pilot[None], ModelsScreen], Coroutine[Any, Any, None]]


def the_app(pilot: Pilot[None]) -> WeiboApp:
    assert isinstance(pilot.app, WeiboApp)
    return pilot.app


async def there(pilot: Pilot[None], kind: type) -> Any:
    await until(pilot, lambda: isinstance(pilot.app.screen, kind))
    await pilot.pause()
    return pilot.app.screen


async def open_form(pilot: Pilot[None], adapter: str = "mood") -> ModelsScreen:
    await pilot.press("f5")
    screen = the_app(pilot).main_screens["models"]
    assert isinstance(screen, ModelsScreen)
    await until(pilot, lambda: adapter in screen.inventory.names("adapter"))
    screen.query_one(ModelList).select("adapter", adapter)
    await pilot.pause()
    await pilot.press("e")
    await there(pilot, EvaluationForm)
    return screen


async def choose_file(pilot: Pilot[None], path: Path) -> None:
    form = pilot.app.screen
    form.query_one(FileList).query_one(Input).value = str(path)
    await pilot.press("enter")
    await until(pilot, lambda: path in form.query_one(FileList).files)


async def measure(pilot: Pilot[None], path: Path, adapter: str = "mood") -> tuple[EvaluationScreen, EvaluationResult]:
    """From the models screen to the result."""
    await open_form(pilot, adapter)
    await choose_file(pilot, path)
    await pilot.press("ctrl+s")
    screen = await there(pilot, EvaluationScreen)
    await until(pilot, lambda: screen.evaluation.result is not None and screen.has_class("-done"))
    await until(pilot, lambda: not the_app(pilot).jobs)
    await pilot.pause()
    return screen, screen.evaluation.result


def lines(widget: Any) -> str:
    return "\n".join(widget.render_line(y).text.rstrip() for y in range(widget.size.height))


def all_text(node: Any) -> str:
    return "\n".join(str(static.render()) for static in node.query(Static))


def text_of(screen: Any, selector: str) -> str:
    return str(screen.query_one(selector, Static).render())


async def message_line(pilot: Pilot[None], words: str) -> None:
    await until(
        pilot,
        lambda: (
            pilot.app.screen.query(StatusMessage) and words in str(pilot.app.screen.query_one(StatusMessage).render())
        ),
    )


def expected(path: Path, adapter: str = "mood") -> EvaluationResult:
    with Workbench.open() as bench:
        *_events, scored = bench.evaluate(EvaluationConfig((path,), adapter))
    assert isinstance(scored, EvaluationResult)
    return scored


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
    with Workbench.open() as bench:
        models.add_adapter(bench, bench.bases.open("tiny"), "seven", labels=NAMES)
    path = tmp_path / "seven.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["label", "review"])
        writer.writerows([number % 7, f"今天的面真好吃{'啊' * (number % 11)}{number}"] for number in range(210))
    return path


# ---- the form


def test_the_form_shows_how_the_file_is_read_and_its_first_rows(furnished: Path, few: Path) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        await open_form(pilot)
        await choose_file(pilot, few)
        form = pilot.app.screen
        await until(pilot, lambda: "posts in 'review', labels in 'label'" in all_text(form.query_one(DataPreview)))
        assert "negative (0), positive (1)" in all_text(form)

    play(scene, size=(140, 40))


def test_the_form_does_not_start_without_a_file(furnished: Path, few: Path) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        screen = await open_form(pilot)
        form = pilot.app.screen
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "Name a file" in all_text(form))
        form.query_one(FileList).query_one(Input).value = str(few)
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "Press Enter behind the path" in all_text(form))
        await pilot.press("escape")
        await until(pilot, lambda: pilot.app.screen is screen)
        assert not screen.app.has_evaluations

    play(scene)


def test_what_was_typed_is_there_again(furnished: Path, few: Path) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        screen = await open_form(pilot)
        await choose_file(pilot, few)
        await pilot.press("escape")
        await until(pilot, lambda: pilot.app.screen is screen)
        await pilot.press("e")
        form = await there(pilot, EvaluationForm)
        assert form.query_one(FileList).files == [few]

    play(scene)


def test_the_wrong_ones_are_written_where_the_form_says(furnished: Path, few: Path, tmp_path: Path) -> None:
    out = tmp_path / "wrong.csv"

    async def scene(pilot: Pilot[None]) -> None:
        await open_form(pilot)
        await choose_file(pilot, few)
        pilot.app.screen.query(PathInput).last().value = str(out)
        await pilot.press("ctrl+s")
        screen = await there(pilot, EvaluationScreen)
        await until(pilot, lambda: screen.has_class("-done"))
        assert str(out) in text_of(screen, ".news")

    play(scene)
    assert out.read_text("utf-8-sig").startswith("text,label,predicted,confidence")


def test_form_asks_before_errors_replace_a_file(furnished: Path, few: Path, tmp_path: Path) -> None:
    out = tmp_path / "wrong.csv"
    out.write_text("mine")

    async def scene(pilot: Pilot[None]) -> None:
        await open_form(pilot)
        await choose_file(pilot, few)
        pilot.app.screen.query(PathInput).last().value = str(out)
        await pilot.press("ctrl+s")
        await there(pilot, ChoiceDialog)
        await pilot.press("enter")
        await there(pilot, EvaluationForm)
        assert out.read_text() == "mine"
        await pilot.press("ctrl+s")
        await there(pilot, ChoiceDialog)
        await pilot.press("down", "enter")
        screen = await there(pilot, EvaluationScreen)
        await until(pilot, lambda: screen.has_class("-done"))

    play(scene)
    assert out.read_text("utf-8-sig").startswith("text,label,predicted,confidence")


# ---- the result


def test_an_evaluation_gives_the_score_card_and_the_matrix(furnished: Path, few: Path) -> None:
    wanted = expected(few)

    async def scene(pilot: Pilot[None]) -> None:
        screen, scored = await measure(pilot, few)
        assert scored.score == wanted.score
        matrix = screen.query_one(ConfusionMatrix)
        assert matrix.has_focus
        drawn = lines(matrix)
        for row in wanted.score.confusion:
            for count in row:
                assert (f"{count:,}" if count else "·") in drawn
        shown = lines(screen.query_one(ScoreView))
        assert f"{100 * (wanted.score.accuracy or 0):.1f} %" in shown
        assert "without emoticons" in shown
        assert "training did not see" not in shown

    play(scene)


def test_it_says_when_the_adapter_was_trained_on_these_very_posts(furnished: Path, posts_file: Path, few: Path) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        screen, _scored = await measure(pilot, few)
        assert "training data" not in text_of(screen, ".news")
        await pilot.press("escape", "e")
        form = await there(pilot, EvaluationForm)
        form.query_one(FileList).files.clear()
        await choose_file(pilot, posts_file)
        await pilot.press("ctrl+s")
        screen = await there(pilot, EvaluationScreen)
        await until(pilot, lambda: screen.has_class("-done"))
        assert "of 1,000 posts are in the adapter's training data" in text_of(screen, ".news")

    play(scene)


def test_the_arrows_go_from_cell_to_cell_and_the_line_below_says_which(furnished: Path, few: Path) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        screen, scored = await measure(pilot, few)
        matrix = screen.query_one(ConfusionMatrix)
        await pilot.press("left", "up")
        for keys, (row, column) in ((["right"], (0, 1)), (["down"], (1, 1)), (["h"], (1, 0)), (["k", "up"], (0, 0))):
            await pilot.press(*keys)
            assert matrix.cursor == Offset(column, row)
            count = scored.score.confusion[row][column]
            await until(pilot, lambda: f"{count} post" in text_of(screen, "#cell"))  # noqa: B023
        await pilot.click(matrix, offset=(matrix.size.width - 1, 0))  # beside the cells
        assert matrix.cursor == Offset(0, 0)

    play(scene)


def test_a_cell_opens_its_posts_the_surest_first(furnished: Path, posts_file: Path) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        screen, scored = await measure(pilot, posts_file)
        matrix = screen.query_one(ConfusionMatrix)
        labels = scored.score.labels
        for row, label in enumerate(labels):
            for column, judged in enumerate(labels):
                matrix.cursor = Offset(column, row)
                wanted = list(scored.posts(label, judged))
                assert len(wanted) == scored.score.confusion[row][column]
                await pilot.press("enter")
                if not wanted:
                    assert pilot.app.screen is screen
                    continue
                listed = (await there(pilot, CellPostsScreen)).query_one(PostList)
                while len(listed.posts) < len(wanted):
                    before = len(listed.posts)
                    await pilot.press("end")
                    await until(pilot, lambda: len(listed.posts) > before)  # noqa: B023
                assert listed.posts == wanted
                confidences = [post.confidence for post in listed.posts]
                assert confidences == sorted(confidences, reverse=True)
                await pilot.press("escape")
                await until(pilot, lambda: pilot.app.screen is screen)

    play(scene)


def test_a_post_is_shown_whole_with_all_probabilities_and_copied(furnished: Path, few: Path) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        screen, _scored = await measure(pilot, few)
        screen.query_one(ConfusionMatrix).cursor = Offset(0, 0)
        await pilot.press("enter")
        opened = await there(pilot, CellPostsScreen)
        listed = opened.query_one(PostList)
        await until(pilot, lambda: listed.post is not None)
        await pilot.press("down", "c")
        post = listed.post
        assert post is not None
        await until(pilot, lambda: the_app(pilot).clipboard == post.text)
        await pilot.press("enter")
        whole = await there(pilot, PostScreen)
        shown = lines(whole.query_one(PostDetails).query_one(Static))
        assert post.text.split("\n")[0][:10] in shown
        for share in post.probabilities.values():
            assert f"{100 * share:.1f} %" in shown
        assert f"{post.row:,}" in shown and post.path.name in shown
        await pilot.press("escape", "escape")
        await until(pilot, lambda: pilot.app.screen is screen)

    play(scene, size=(60, 20))


def test_w_writes_the_wrong_ones(furnished: Path, posts_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"

    async def scene(pilot: Pilot[None]) -> None:
        _screen, scored = await measure(pilot, posts_file)
        await pilot.press("w")
        dialog = await there(pilot, PathDialog)
        dialog.query_one(Input).value = str(out)
        await pilot.press("enter")
        await message_line(pilot, "is written")
        with out.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
        wrong = sum(count for i, row in enumerate(scored.score.confusion) for j, count in enumerate(row) if i != j)
        assert len(rows) == wrong
        assert all(row["label"] != row["predicted"] for row in rows)

    play(scene, size=(140, 40))


def test_the_last_evaluations_stay_reachable(furnished: Path, few: Path, posts_file: Path) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        first, _scored = await measure(pilot, few)
        await pilot.press("escape", "l")
        again = await there(pilot, EvaluationScreen)
        assert again is not first and again.evaluation is first.evaluation
        assert again.has_class("-done")
        await pilot.press("escape", "e")
        form = await there(pilot, EvaluationForm)
        form.query_one(FileList).files.clear()
        await choose_file(pilot, posts_file)
        await pilot.press("ctrl+s")
        second = await there(pilot, EvaluationScreen)
        await until(pilot, lambda: second.has_class("-done"))
        await pilot.press("escape", "l")
        await there(pilot, ChoiceDialog)
        await pilot.press("down", "enter")
        chosen = await there(pilot, EvaluationScreen)
        assert chosen.evaluation is first.evaluation

    play(scene)


# ---- at work


async def begin_paused(pilot: Pilot[None], path: Path) -> EvaluationScreen:
    """Begin an evaluation that waits, as if it were long."""
    await open_form(pilot)
    await choose_file(pilot, path)
    engine = the_app(pilot).engine
    begin = engine.start_job

    def begin_and_pause(job: Any) -> None:
        job.pause()
        begin(job)

    engine.start_job = begin_and_pause  # type: ignore[method-assign]
    await pilot.press("ctrl+s")
    screen: EvaluationScreen = await there(pilot, EvaluationScreen)
    return screen


def test_an_evaluation_is_stopped(furnished: Path, few: Path) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        screen = await begin_paused(pilot, few)
        assert the_app(pilot).jobs == [screen.evaluation.job]
        assert screen.check_action("stop", ())
        await pilot.press("s")
        await until(pilot, lambda: not the_app(pilot).jobs)
        await until(pilot, lambda: "stopped" in text_of(screen, ".news"))
        assert screen.evaluation.result is None
        assert not screen.check_action("stop", ())
        assert not screen.check_action("write", ())

    play(scene)


def test_it_goes_on_when_its_screen_is_closed_and_can_be_stopped_from_the_list(furnished: Path, few: Path) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        screen = await begin_paused(pilot, few)
        await pilot.press("escape")
        models_screen = await there(pilot, ModelsScreen)
        assert the_app(pilot).jobs
        assert models_screen.check_action("stop", ())
        screen.evaluation.job.resume()
        the_app(pilot).wake_workers()
        await until(pilot, lambda: screen.evaluation.result is not None)
        await pilot.press("l")
        again = await there(pilot, EvaluationScreen)
        assert again.has_class("-done")

    play(scene)


def test_progress_is_told_stage_by_stage(furnished: Path, posts_file: Path) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        screen, _scored = await measure(pilot, posts_file)
        shown = "\n".join(str(line) for line in screen.evaluation.lines(100))
        for stage in ("reading", "hashing", "evaluating", "without emoticons", "only emoticons"):
            assert f"✓ {stage}" in shown

    play(scene)


def test_a_file_with_other_labels_is_refused_with_its_row(furnished: Path, tmp_path: Path) -> None:
    path = tmp_path / "other.csv"
    path.write_text("label,review\n1,好\n[b]7,差\n", "utf-8")

    async def scene(pilot: Pilot[None]) -> None:
        await open_form(pilot)
        await choose_file(pilot, path)
        await pilot.press("ctrl+s")
        screen = await there(pilot, EvaluationScreen)
        await until(pilot, lambda: "row 2: the label [b]7 is not in the set" in text_of(screen, ".news"))

    play(scene, size=(160, 40))


# ---- hostile and large


def test_hostile_posts_stay_text(furnished: Path, hostile_file: Path) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        screen, scored = await measure(pilot, hostile_file)
        assert scored.score.failed == 1
        row, column = max(
            ((i, j) for i in range(2) for j in range(2)), key=lambda cell: scored.score.confusion[cell[0]][cell[1]]
        )
        screen.query_one(ConfusionMatrix).cursor = Offset(column, row)
        await pilot.press("enter")
        opened = await there(pilot, CellPostsScreen)
        listed = opened.query_one(PostList)
        await until(pilot, lambda: listed.post is not None)
        await pilot.pause()
        for shown in (lines(listed), lines(opened.query_one(PostDetails).query_one(Static))):
            assert "[/哈哈][b]␛[31m" in shown
            assert "\x1b" not in shown and "\u202e" not in shown and "\x9b" not in shown
        await pilot.press("end", "enter")
        await there(pilot, PostScreen)

    play(scene)


def test_seven_long_labels_fit_a_small_window_by_scrolling(seven: Path) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        screen, scored = await measure(pilot, seven, "seven")
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
        last = lines(matrix)
        assert "▸" in last
        assert "[b]" in last
        count = scored.score.confusion[6][6]
        assert f"{count} post" in text_of(screen, "#cell")
        total = sum(map(sum, scored.score.confusion))
        assert total == 210
        for row in range(7):
            for column in range(7):
                matrix.cursor = Offset(column, row)
                await pilot.pause()
                assert (f"▸{scored.score.confusion[row][column]}" in lines(matrix)) or (
                    "▸·" in lines(matrix) and not scored.score.confusion[row][column]
                )

    play(scene, size=(60, 20))


def test_a_click_goes_to_a_cell_and_a_second_opens_it(seven: Path) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        screen, scored = await measure(pilot, seven, "seven")
        matrix = screen.query_one(ConfusionMatrix)
        rows = scored.score.confusion
        row, column = next((i, j) for i in range(7) for j in range(7) if rows[i][j])
        matrix.cursor = Offset(column, row)
        await pilot.pause()
        place = cell_width(lines(matrix).split("\n")[row + 1].partition("▸")[0])
        matrix.cursor = Offset(column, (row + 1) % 7)
        await pilot.pause()
        await pilot.click(matrix, offset=(place + 1, row + 1))
        await until(pilot, lambda: matrix.cursor == Offset(column, row))
        await pilot.click(matrix, offset=(place + 1, row + 1))
        await there(pilot, CellPostsScreen)

    play(scene, size=(160, 40))
