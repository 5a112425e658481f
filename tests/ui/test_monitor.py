"""The monitor: curves zoomed, on other axes, laid over one another; and what stands beside them."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, cast

import pytest
from stage import play, until
from textual.pilot import Pilot
from textual.widgets import OptionList, Static

from weibo_tui.app.app import WeiboApp
from weibo_tui.app.plot.line_chart import LineChart
from weibo_tui.app.train.chart_grid import ChartGrid
from weibo_tui.app.train.monitor import Monitor
from weibo_tui.app.train.run_metrics import METRICS
from weibo_tui.app.train.run_store import MAX_OVERLAID
from weibo_tui.app.train.screen import TrainScreen
from weibo_tui.app.widgets.chrome import StatusMessage
from weibo_tui.app.widgets.score_card import ScoreView
from weibo_tui.workbench import Workbench

Scene = Callable[[Pilot[None], TrainScreen], Coroutine[Any, Any, None]]


def play_train(scene: Scene, size: tuple[int, int] = (100, 30)) -> None:
    """Open the train screen with its runs, the adapter's chosen and read."""

    async def whole(pilot: Pilot[None]) -> None:
        train = cast(TrainScreen, cast(WeiboApp, pilot.app).main_screens["train"])
        await pilot.press("f3")
        await until(pilot, lambda: train.store.metrics and all(record.step for record in train.store.metrics.values()))
        await pilot.pause()
        await scene(pilot, train)

    play(whole, size)


def seen_charts(train: TrainScreen) -> list[str]:
    return [(chart.id or "").removeprefix("chart-") for chart in train.query(LineChart) if chart.display]


def chart(train: TrainScreen, name: str) -> LineChart:
    return train.query_one(f"#chart-{name}", LineChart)


def more_runs(number: int) -> list[str]:
    """Runs with a short journal each, the newest first."""
    with Workbench.open() as bench:
        made = [bench.runs.create("train", f"run-{index}", {}).id for index in range(number)]
        for run_id in made:
            step = {"event": "StepDone", "steps": 4, "epoch": 1, "loss": 0.5, "seconds": 0.1, "posts": 8, "tokens": 99}
            bench.runs.record(run_id, [step | {"step": at} for at in range(1, 5)])
            bench.runs.finish(run_id, "stopped")
    return made[::-1]


def test_z_gives_a_curve_all_the_room_and_left_and_right_go_through_them(furnished: Path) -> None:
    async def scene(pilot: Pilot[None], train: TrainScreen) -> None:
        assert seen_charts(train) == [one.name for one in METRICS]
        await pilot.press("z")
        assert seen_charts(train) == ["loss"]
        assert chart(train, "loss").size.height > 15
        await pilot.press("right", "right")
        assert seen_charts(train) == ["accuracy"]
        await pilot.press("left", "left", "left")
        assert seen_charts(train) == ["gradient_norm"]
        await pilot.press("escape")
        assert len(seen_charts(train)) == len(METRICS)
        await pilot.press("z")
        assert seen_charts(train) == ["gradient_norm"]
        await pilot.press("z")
        assert len(seen_charts(train)) == len(METRICS)

    play_train(scene)


def test_click_on_a_curve_zooms_it(furnished: Path) -> None:
    async def scene(pilot: Pilot[None], train: TrainScreen) -> None:
        await pilot.click(chart(train, "loss"))
        assert seen_charts(train) == ["loss"]
        await pilot.click(chart(train, "loss"))
        assert len(seen_charts(train)) == len(METRICS)

    play_train(scene, (160, 50))


def test_l_makes_axes_logarithmic_where_values_spread(furnished: Path) -> None:
    async def scene(pilot: Pilot[None], train: TrainScreen) -> None:
        await pilot.press("l")
        assert {name for name in seen_charts(train) if chart(train, name).log_y} == {
            "loss",
            "validation_loss",
            "learning_rate",
            "gradient_norm",
        }
        await pilot.press("l")
        assert not any(chart(train, name).log_y for name in seen_charts(train))

    play_train(scene)


def test_m_turns_smoothing_off_and_on(furnished: Path) -> None:
    async def scene(pilot: Pilot[None], train: TrainScreen) -> None:
        smoothed = {name for name in seen_charts(train) if chart(train, name).smoothing}
        assert smoothed == {"loss", "posts_per_second", "tokens_per_second", "gradient_norm"}
        await pilot.press("m")
        assert not any(chart(train, name).smoothing for name in seen_charts(train))
        await pilot.press("m")
        assert {name for name in seen_charts(train) if chart(train, name).smoothing} == smoothed

    play_train(scene)


def test_o_lays_curves_over_those_of_the_chosen_run_each_in_its_colour(furnished: Path) -> None:
    one, two = more_runs(2)

    async def scene(pilot: Pilot[None], train: TrainScreen) -> None:
        def drawn() -> dict[str, int]:
            return {series.name: series.color for series in chart(train, "loss").series}

        assert drawn() == {"": 0}
        await pilot.press("o", "down", "o", "down")
        await until(pilot, lambda: drawn() == {"mood": 2, "run-1": 0, "run-0": 1})
        assert train.store.overlaid == [one, two]
        await until(pilot, lambda: all(series.buckets for series in chart(train, "loss").series))
        await pilot.press("up", "o", "down")
        await until(pilot, lambda: drawn() == {"mood": 1, "run-1": 0})

    play_train(scene)


def test_only_so_many_runs_are_laid_over(furnished: Path) -> None:
    more_runs(MAX_OVERLAID + 1)

    async def scene(pilot: Pilot[None], train: TrainScreen) -> None:
        for _run in range(MAX_OVERLAID + 1):
            await pilot.press("o", "down")
        assert len(train.store.overlaid) == MAX_OVERLAID
        assert "5 runs at most" in str(train.query_one(StatusMessage).render())

    play_train(scene)


def test_score_card_stands_before_the_curves_of_a_finished_training(furnished: Path) -> None:
    async def scene(pilot: Pilot[None], train: TrainScreen) -> None:
        score = train.query_one(ScoreView)
        assert score.display
        assert score.region.y < train.query_one(ChartGrid).region.y
        await pilot.press("down")
        await until(pilot, lambda: not score.display)
        assert seen_charts(train) == ["loss", "learning_rate", "tokens_per_second", "memory", "gradient_norm"]

    play_train(scene)


def test_log_tells_what_happened_the_newest_first(furnished: Path) -> None:
    async def scene(pilot: Pilot[None], train: TrainScreen) -> None:
        log = train.query_one(Monitor).query_one(".log", Static)
        lines = [strip.text.strip() for strip in log.render_lines(log.size.region)]
        assert "Finished, and kept as 'mood'." in lines[0]
        assert "Checkpoint behind step" in lines[1]
        assert "Epoch 6: validation loss" in " ".join(lines)
        assert "Begun (cpu, float32); posts: train 800, validation 100, test 100" in " ".join(lines)

    play_train(scene, (160, 50))


def test_narrow_terminal_shows_list_over_monitor_and_enter_goes_into_it(furnished: Path) -> None:
    async def scene(pilot: Pilot[None], train: TrainScreen) -> None:
        runs, monitor = train.query_one("#runs", OptionList), train.query_one(Monitor)
        assert runs.region.bottom <= monitor.region.y
        assert monitor.size.height > 8
        await pilot.press("enter")
        assert not runs.display
        assert pilot.app.focused is not runs
        await pilot.press("escape")
        assert runs.display
        assert pilot.app.focused is runs

    play_train(scene, (60, 20))


def test_wide_terminal_shows_the_monitor_beside_the_list(furnished: Path) -> None:
    async def scene(pilot: Pilot[None], train: TrainScreen) -> None:
        runs, monitor = train.query_one("#runs", OptionList), train.query_one(Monitor)
        assert runs.region.right <= monitor.region.x
        await pilot.press("enter")
        assert runs.display

    play_train(scene, (160, 50))


@pytest.mark.parametrize("size", [(60, 20), (100, 30), (160, 50)])
def test_hostile_names_and_errors_are_shown_as_they_are(furnished: Path, size: tuple[int, int]) -> None:
    name, error = "[/哈哈][b]a\x1b[31m\u202eb" * 3, "[red]it [/哈哈] failed\x9b31m\nbadly " * 20
    with Workbench.open() as bench:
        run = bench.runs.create("train", name, {})
        bench.runs.record(run.id, [{"event": "RunStarted", "base": name, "device": name, "dtype": "[b]", "posts": {}}])
        bench.runs.record(run.id, [{"event": "StepDone", "step": 1, "steps": 2, "epoch": 1, "loss": 1.0}])
        bench.runs.record(run.id, [{"event": "RunFinished", "name": name}])
        bench.runs.finish(run.id, "failed", {"error": error})

    async def scene(pilot: Pilot[None], train: TrainScreen) -> None:
        await pilot.press("o", "down")
        screen = "\n".join(strip.text for strip in pilot.app.screen._compositor.render_strips())
        assert "[/哈哈][b]a␛[31m" in screen
        assert "\x1b" not in screen
        assert "\x9b" not in screen

    play_train(scene, size)
