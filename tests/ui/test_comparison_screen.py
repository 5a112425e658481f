"""Comparisons in the app: marks in the models, the form, the figures, the posts and their corrections."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import models
import pytest
from commands import write_table
from models_page import ModelsPage, lines, message, screen_of
from stage import app_of, drawn, open_file, play, shows, until
from textual.pilot import Pilot
from textual.widgets import Static

from weibo_tui import ComparisonResult, Workbench
from weibo_tui.app.evaluation.comparison_form import ComparisonForm
from weibo_tui.app.evaluation.comparison_posts import (
    ComparedPostDetails,
    ComparedPostList,
    ComparedPostsPane,
    ComparedPostsScreen,
)
from weibo_tui.app.evaluation.comparison_screen import ComparisonScreen
from weibo_tui.app.evaluation.confusion_matrix import ConfusionMatrix
from weibo_tui.app.evaluation.form import EvaluationForm
from weibo_tui.app.evaluation.screen import EvaluationScreen
from weibo_tui.app.forms.file_list import FileList
from weibo_tui.app.forms.path_dialog import PathDialog
from weibo_tui.app.forms.path_input import PathInput

HOSTILE = "[/哈哈][b]\x1b[31m\u202eevil[doge] 好"


@pytest.fixture
def compared(wb: Workbench) -> Workbench:
    """Add the adapters `other` and `third` of other weights to `wb`."""
    base = wb.bases.open("small")
    models.add_adapter(wb, base, "other", seed=3)
    models.add_adapter(wb, base, "third", seed=4)
    return wb


async def compare(pilot: Pilot[None], path: Path, *adapters: str) -> tuple[ComparisonScreen, ComparisonResult]:
    """Mark adapters, fill in the form, and wait for the result."""
    page = await ModelsPage.open(pilot)
    for name in adapters:
        await page.select(adapter=name)
        await pilot.press("space")
    await pilot.press("c")
    form = await screen_of(pilot, ComparisonForm)
    form.query(PathInput).first().value = str(path)
    await pilot.press("ctrl+s")
    screen: Any = await screen_of(pilot, ComparisonScreen)
    await until(pilot, lambda: screen.has_class("-done") and not app_of(pilot).jobs)
    return screen, screen.comparison.result


def text_of(screen: Any, selector: str) -> str:
    return lines(screen.query_one(selector, Static))


def test_marked_adapters_are_compared_on_a_file(compared: Workbench, few: Path, tmp_path: Path) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        screen, result = await compare(pilot, few, "other", "mood")
        assert [rater.name for rater in result.raters] == ["other", "mood"]
        [pair] = result.pairs
        assert pair.difference is not None
        figures = text_of(screen, "#figures")
        assert all(f"{rater.score.accuracy:.1%}" in figures for rater in result.raters if rater.score is not None)
        assert f"{100 * pair.difference:+.1f}" in figures
        assert "McNemar p" in figures
        matrix = screen.query_one(ConfusionMatrix)
        assert matrix.has_focus
        assert all(str(count) in lines(matrix) for row in pair.table for count in row if count)
        assert matrix.cell[2] == max(pair.table[0][1], pair.table[1][0])
        await pilot.press("enter")
        posts = (await screen_of(pilot, ComparedPostsScreen)).query_one(ComparedPostList)
        await until(pilot, lambda: len(posts.posts) == matrix.cell[2])
        await pilot.press("escape", "d")
        posts = screen.query_one(ComparedPostList)  # there is room on the same screen
        assert posts.has_focus
        await until(pilot, lambda: [post.row for post in posts.posts] == [post.row for post in result.posts()])
        await pilot.press("e")
        dialog = await screen_of(pilot, PathDialog)
        dialog.query_one(PathInput).value = str(tmp_path / "differ.csv")
        await pilot.press("enter")
        await message(pilot, "Written")
        await pilot.press("x")
        dialog = await screen_of(pilot, PathDialog)
        dialog.query_one(PathInput).value = str(tmp_path / "comparison.md")
        await pilot.press("enter")
        await message(pilot, "comparison.md")
        await pilot.press("escape", "l")  # opens it again
        assert (await screen_of(pilot, ComparisonScreen)).comparison is screen.comparison

    play(scene, size=(140, 40))
    assert (tmp_path / "differ.csv").exists()
    assert "# other, mood compared on few.csv" in (tmp_path / "comparison.md").read_text("utf-8")


def test_pairs_of_three_adapters_are_turned(compared: Workbench, few: Path) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        screen, result = await compare(pilot, few, "mood", "other", "third")
        assert "Holm p" in text_of(screen, "#figures")
        names = []
        for _pair in result.pairs:
            names.append(text_of(screen, "#pair").strip())
            await pilot.press("p")
        assert names == ["mood – other", "mood – third", "other – third"]
        assert text_of(screen, "#pair").strip() == names[0]

    play(scene, size=(80, 24))


def test_correction_is_stored_for_the_file(compared: Workbench, few: Path) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        screen, result = await compare(pilot, few, "mood", "other")
        await pilot.press("d")
        posts = (await screen_of(pilot, ComparedPostsScreen)).query_one(ComparedPostList)
        await until(pilot, lambda: posts.posts)
        first, second = posts.posts[:2]
        await pilot.press("1", "2")
        assert posts.corrections == {first.row: "negative", second.row: "positive"}
        await message(pilot, "corrected to positive")
        await pilot.press("home", "0")
        await message(pilot, "removed")
        await until(pilot, lambda: not app_of(pilot).jobs)
        assert posts.corrections == {second.row: "positive"}
        assert screen.comparison.result is result  # its figures stay as they are
        file, _info = await open_file(pilot, few)
        rows = [(row.human, row.human_source) for row in (file.row(second.row), file.row(first.row))]
        assert rows == [("positive", "answer"), (first.label, "file")]

    play(scene, size=(100, 30))


def test_predictions_of_both_adapters_are_explained_in_turn(compared: Workbench, few: Path) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        _screen, result = await compare(pilot, few, "mood", "other")
        await pilot.press("d")
        pane = (await screen_of(pilot, ComparedPostsScreen)).query_one(ComparedPostsPane)
        await until(pilot, lambda: pane.list.posts)
        await pilot.press("w")
        await shows(pilot, "Why: mood", "log odds")
        await pilot.press("n")
        await shows(pilot, "Why: other", "log odds")
        await pilot.press("n")
        await shows(pilot, "Why: mood", "log odds")
        assert pane.list.cursor == 1
        await pilot.press("p", "p", "p")
        await message(pilot, "No more posts")
        assert pane.list.cursor == 0
        assert result.disagreements > 1

    play(scene, size=(100, 30))


def test_evaluation_leads_to_a_comparison(compared: Workbench, few: Path) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        page = await ModelsPage.open(pilot)
        await page.select(adapter="mood")
        await pilot.press("e")
        form = await screen_of(pilot, EvaluationForm)
        form.query_one(FileList).files.append(few)
        await pilot.press("ctrl+s")
        evaluation: Any = await screen_of(pilot, EvaluationScreen)
        await until(pilot, lambda: evaluation.has_class("-done") and not app_of(pilot).jobs)
        await pilot.press("c")
        form = await screen_of(pilot, ComparisonForm)
        assert form.query(PathInput).first().path == few
        form._fields["adapters"].text = "mood, third"
        await pilot.press("ctrl+s")
        screen: Any = await screen_of(pilot, ComparisonScreen)
        await until(pilot, lambda: screen.has_class("-done") and not app_of(pilot).jobs)
        assert [rater.name for rater in screen.comparison.result.raters] == ["mood", "third"]

    play(scene, size=(120, 40))


def test_file_without_labels_shows_agreement_and_hostile_text(compared: Workbench, tmp_path: Path) -> None:
    texts = [f"{HOSTILE}{letter * 3}" for letter in "天地人你我他大小多少上下"]
    data = write_table(tmp_path / "posts.csv", "text", [(text,) for text in texts])

    async def scene(pilot: Pilot[None]) -> None:
        screen, result = await compare(pilot, data, "mood", "other", "third")
        assert "no human labels" in text_of(screen, "#figures")
        assert "McNemar" not in drawn(pilot)
        assert "agree on" in text_of(screen, "#figures")
        assert result.disagreements
        await pilot.press("d")
        await shows(pilot, "[/哈哈][b]")
        await pilot.press("enter")
        details = pilot.app.screen.query_one(ComparedPostDetails)
        await until(pilot, lambda: details.has_focus)
        assert "evil[doge] 好" in drawn(pilot)
        assert "\x1b" not in drawn(pilot)
        await pilot.press("escape")
        assert isinstance(pilot.app.screen, ComparedPostsScreen)

    play(scene, size=(60, 20))


def test_single_adapter_is_compared_with_the_default(compared: Workbench) -> None:
    models.add_adapter(compared, compared.bases.open("small"), "three", labels=("good", "so-so", "bad"))

    async def scene(pilot: Pilot[None]) -> None:
        page = await ModelsPage.open(pilot)
        for adapter, offered in {"other": "other, mood", "mood": "mood", "three": "three"}.items():
            await page.select(adapter=adapter)
            await pilot.press("c")
            form = await screen_of(pilot, ComparisonForm)
            assert form._fields["adapters"].text == offered
            await pilot.press("escape")
            await until(pilot, lambda: not isinstance(pilot.app.screen, ComparisonForm))

    play(scene)


def test_problem_of_a_comparison_is_said_in_its_screen(compared: Workbench, few: Path) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        page = await ModelsPage.open(pilot)
        await page.select(adapter="mood")
        await pilot.press("c")
        form = await screen_of(pilot, ComparisonForm)
        await pilot.press("ctrl+s")
        await shows(pilot, "Choose a file of posts first")
        form.query(PathInput).first().value = str(few)
        await pilot.press("ctrl+s")
        await screen_of(pilot, ComparisonScreen)
        await shows(pilot, "Nothing to compare adapter 'mood' with. Name another one")

    play(scene)
