"""Pages of an evaluation's result, and the parts of a score card in the card of a model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from evaluated import HOSTILE_NAME, finished_evaluation, full_score_card
from models_page import ModelsPage
from stage import app_of, drawn, play, until
from textual.pilot import Pilot

from weibo_tui.app.evaluation.confusion_matrix import ConfusionMatrix
from weibo_tui.app.evaluation.result_view import ResultView
from weibo_tui.app.evaluation.screen import EvaluationScreen
from weibo_tui.engine.score_card import ScoreCard

PICTURE, TABLE, MATRIX = "Accuracy ↑ by confidence", "baseline", "actual ↓"


async def open_result(pilot: Pilot[None], card: ScoreCard) -> ResultView:
    app = app_of(pilot)
    screen = EvaluationScreen(finished_evaluation(card, app))
    app.push_screen(screen)
    await until(pilot, lambda: screen.query(ResultView) and screen.query_one(ResultView).pages)
    await pilot.pause()
    return screen.query_one(ResultView)


def test_small_terminal_has_pages(home: Path) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        view = await open_result(pilot, full_score_card())
        assert len(view.pages) == 3
        for page, part in ((2, PICTURE), (3, TABLE), (1, MATRIX)):
            await pilot.press("n")
            await until(pilot, lambda: f" {page}/3" in drawn(pilot) and part in drawn(pilot))  # noqa: B023
            assert [one in drawn(pilot) for one in (MATRIX, PICTURE, TABLE)].count(True) == 1
        assert view.query_one(ConfusionMatrix).has_focus
        await pilot.press("p")
        await until(pilot, lambda: TABLE in drawn(pilot))
        assert view.has_focus  # so that the arrow keys scroll

        # All is in view in a larger terminal, and the key is not active.
        await pilot.resize_terminal(200, 50)
        await until(pilot, lambda: len(view.pages) == 1)
        await until(pilot, lambda: all(part in drawn(pilot) for part in (MATRIX, PICTURE, TABLE, "b.csv", "answered")))
        assert not view.screen.check_action("turn", (1,))
        assert view.max_scroll_y == 0

    play(scene, size=(80, 24))


@pytest.mark.parametrize("size", [(42, 12), (120, 40)])
def test_result_without_new_figures_is_one_page(size: tuple[int, int], home: Path) -> None:
    old = ScoreCard(n=0, failed=3, per_label={}, labels=("negative", "positive"), confusion=((0, 0), (0, 0)))

    async def scene(pilot: Pilot[None]) -> None:
        view = await open_result(pilot, old)
        assert len(view.pages) == 1
        assert MATRIX in drawn(pilot)

    play(scene, size=size)


@pytest.mark.parametrize("size", [(42, 12), (60, 20), (124, 30)])
def test_every_page_can_be_reached(size: tuple[int, int], home: Path) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        view = await open_result(pilot, full_score_card())
        seen = ""
        for _page in view.pages:
            for row in range(0, view.max_scroll_y + 3, 3):
                view.scroll_to(y=row, animate=False)
                await pilot.pause()
                seen += drawn(pilot)
            await pilot.press("n")
            await pilot.pause()
        for part in (MATRIX, "Brier", PICTURE, TABLE, "21–60"):
            assert part in seen, part
        assert not set(seen) & set("\x1b\u202e")

    play(scene, size=size)


def test_model_card_shows_pictures_and_tables(furnished: Path) -> None:
    path = furnished / "adapters" / "mood" / "card.json"
    values = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps({**values, "score": full_score_card().to_dict()}), "utf-8")

    async def scene(pilot: Pilot[None]) -> None:
        await ModelsPage.open(pilot, adapter="mood")
        await until(pilot, lambda: all(part in drawn(pilot) for part in (PICTURE, TABLE, "b.csv", "3 seeds")))
        assert HOSTILE_NAME not in drawn(pilot)
        assert "[/哈哈][b]␛[31m" in drawn(pilot)

    play(scene, size=(160, 100))
