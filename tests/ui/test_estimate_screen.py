"""Estimates of a labeled file in the app: shares, what more answers give, and windows."""

from __future__ import annotations

from pathlib import Path

import pytest
from labeled_posts import HEADER, posts, write
from models_page import screen_of
from stage import app_of, drawn, open_file, play, until
from textual.pilot import Pilot

from weibo_tui import Workbench
from weibo_tui.app.dialogs import ChoiceDialog
from weibo_tui.app.files.estimate import EstimateScreen
from weibo_tui.app.files.figures import FigureList
from weibo_tui.presentation.numbers import percent
from weibo_tui.presentation.report.sentences import interval
from weibo_tui.storage.row_filters import RowFilter


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("data") / "data.csv", posts(3000, 600))


async def open_estimates(pilot: Pilot[None], path: Path) -> EstimateScreen:
    pilot.app.push_screen(EstimateScreen(*await open_file(pilot, path)))
    screen: EstimateScreen = await screen_of(pilot, EstimateScreen)
    await until(pilot, lambda: not screen.is_computing)
    return screen


async def split_by(pilot: Pilot[None], screen: EstimateScreen, choice: int) -> None:
    """Choose what the windows are by: 0 for the whole file, 1 day, 2 week, then the columns without a role."""
    await pilot.press("b")
    await screen_of(pilot, ChoiceDialog)
    await pilot.press("home", *["down"] * choice, "enter")
    await until(pilot, lambda: pilot.app.screen is screen and not screen.is_computing)


def text_of(screen: EstimateScreen) -> str:
    return "\n".join(line.draw().plain for line in screen.query_one(FigureList).lines)


def test_shares_equal_those_of_the_workbench(home: Path, data: Path) -> None:
    with Workbench(home) as wb:
        known = wb.open_file(data, progress=False).estimate()

    async def scene(pilot: Pilot[None]) -> None:
        screen = await open_estimates(pilot, data)
        assert screen.result == known
        for one in known.of_file:
            line = next(line for line in text_of(screen).splitlines() if one.label in line)
            assert all(figure in line for figure in (percent(one.share), interval(one), percent(one.uncorrected)))
        assert "+50: ± " in drawn(pilot)
        assert {line.rows for line in screen.query_one(FigureList).lines} == {
            None,
            RowFilter(predicted="negative"),
            RowFilter(predicted="positive"),
        }

    play(scene)


def test_windows_by_week_and_column_name_their_rows(home: Path, data: Path) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        screen = await open_estimates(pilot, data)
        await split_by(pilot, screen, 2)
        assert screen.result is not None and screen.result.by == "week"
        assert "by week" in drawn(pilot)
        filters = [line.rows for line in screen.query_one(FigureList).lines if line.rows is not None]
        assert all(rows.since and rows.until and (rows.until - rows.since).days == 6 for rows in filters[2:])
        assert "▲ positive" in text_of(screen).splitlines()
        await pilot.press("l")
        assert screen.label == "negative" and "▼ negative" in text_of(screen).splitlines()

        columns = [name for name in HEADER if name not in screen.info.roles.values()]
        await split_by(pilot, screen, 3 + columns.index("发布位置"))
        assert "by 发布位置" in drawn(pilot)
        assert RowFilter(columns=(("发布位置", "北京"),)) in [line.rows for line in screen.query_one(FigureList).lines]
        await split_by(pilot, screen, 0)
        assert screen.by is None and "北京" not in text_of(screen)

    play(scene)


@pytest.mark.parametrize("size", [(42, 12), (80, 24)], ids=["small", "usual"])
def test_file_without_answers_has_counts_only(home: Path, tmp_path: Path, size: tuple[int, int]) -> None:
    path = write(tmp_path / "data.csv", posts(300, 0))

    async def scene(pilot: Pilot[None]) -> None:
        screen = await open_estimates(pilot, path)
        assert "not corrected" in " ".join(text_of(screen).split())
        assert "95% interval" not in drawn(pilot) and "positive" in drawn(pilot)
        assert not app_of(pilot).jobs

    play(scene, size)


def test_file_without_dates_says_why_it_has_no_windows(home: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "data.csv", [{"text": "真好吃", "predicted": "positive"}] * 3)

    async def scene(pilot: Pilot[None]) -> None:
        screen = await open_estimates(pilot, path)
        await split_by(pilot, screen, 1)
        assert "no column of dates" in " ".join(text_of(screen).split())
        await split_by(pilot, screen, 0)
        assert "positive" in text_of(screen)

    play(scene)
