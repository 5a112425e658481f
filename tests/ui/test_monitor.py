"""The monitor: zoomed charts, axes, overlaid runs, log and score card."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, cast

from stage import drawn, play, until
from textual.pilot import Pilot
from textual.widgets import OptionList, Static

from weibo_tui import Workbench
from weibo_tui.app.app import WeiboApp
from weibo_tui.app.plot.line_chart import LineChart
from weibo_tui.app.train.monitor import ChartGrid, Monitor
from weibo_tui.app.train.probe_panel import ProbePanel
from weibo_tui.app.train.run_metrics import METRICS
from weibo_tui.app.train.run_store import MAX_OVERLAID
from weibo_tui.app.train.screen import TrainScreen
from weibo_tui.app.widgets.chrome import StatusMessage
from weibo_tui.app.widgets.score_card import ScoreView

Scene = Callable[[Pilot[None], TrainScreen], Coroutine[Any, Any, None]]


def play_train(scene: Scene, size: tuple[int, int] = (100, 30)) -> None:
    """Open the train screen with the runs, the adapter's selected and read."""

    async def open_and_play(pilot: Pilot[None]) -> None:
        train = cast(TrainScreen, cast(WeiboApp, pilot.app).main_screens["train"])
        await pilot.press("f3")
        await until(pilot, lambda: train.store.metrics and all(run.step for run in train.store.metrics.values()))
        await pilot.pause()
        await scene(pilot, train)

    play(open_and_play, size)


def visible_charts(train: TrainScreen) -> list[str]:
    return [(chart.id or "").removeprefix("chart-") for chart in train.query(LineChart) if chart.display]


def chart(train: TrainScreen, name: str) -> LineChart:
    return train.query_one(f"#chart-{name}", LineChart)


def create_runs(number: int) -> list[str]:
    """Create runs with a short journal each. Return their ids, the newest first."""
    with Workbench() as wb:
        ids = [wb.runs.create("train", f"run-{index}", {}).id for index in range(number)]
        for run_id in ids:
            step = {"event": "StepDone", "steps": 4, "epoch": 1, "loss": 0.5, "seconds": 0.1, "posts": 8, "tokens": 99}
            wb.runs.append_events(run_id, [step | {"step": number} for number in range(1, 5)])
            wb.runs.finish(run_id, "stopped")
    return ids[::-1]


def test_monitor_zooms_changes_axes_and_follows_the_size(furnished: Path) -> None:
    async def scene(pilot: Pilot[None], train: TrainScreen) -> None:
        def charts_with(attribute: str) -> set[str]:
            return {name for name in visible_charts(train) if getattr(chart(train, name), attribute)}

        assert visible_charts(train) == [metric.name for metric in METRICS]
        await pilot.press("l")
        assert charts_with("log_y") == {"loss", "validation_loss", "learning_rate", "gradient_norm"}
        await pilot.press("l")
        assert not charts_with("log_y")
        smoothed = {"loss", "posts_per_second", "tokens_per_second", "gradient_norm"}
        assert charts_with("smoothing") == smoothed
        await pilot.press("m")
        assert not charts_with("smoothing")
        await pilot.press("m")
        assert charts_with("smoothing") == smoothed
        await pilot.press("z")
        assert visible_charts(train) == ["loss"]
        assert chart(train, "loss").size.height > 15
        await pilot.press("right", "right")
        assert visible_charts(train) == ["accuracy"]
        await pilot.press("left", "left", "left")
        assert visible_charts(train) == ["gradient_norm"]
        await pilot.press("escape")
        assert len(visible_charts(train)) == len(METRICS)
        await pilot.press("z")
        assert visible_charts(train) == ["gradient_norm"]
        await pilot.press("z")
        assert len(visible_charts(train)) == len(METRICS)

        await pilot.resize_terminal(160, 50)
        await check_wide(pilot, train)
        await pilot.resize_terminal(60, 20)
        await check_narrow(pilot, train)

    play_train(scene)


async def check_wide(pilot: Pilot[None], train: TrainScreen) -> None:
    """Check list, log, score card and zoom by click."""
    await pilot.pause()
    runs, monitor = train.query_one("#runs", OptionList), train.query_one(Monitor)
    assert runs.region.right <= monitor.region.x
    log = monitor.query_one(".log", Static)
    lines = [strip.text.strip() for strip in log.render_lines(log.region.reset_offset)]
    assert "Finished. Saved as 'mood'." in lines[0]
    assert "Checkpoint saved at step" in lines[1]
    assert "Epoch 6: validation loss" in " ".join(lines)
    assert "Training started (cpu, float32). Posts: train 800, validation 100, test 100" in " ".join(lines)
    await pilot.click(chart(train, "loss"))
    assert visible_charts(train) == ["loss"]
    await pilot.click(chart(train, "loss"))
    assert len(visible_charts(train)) == len(METRICS)
    score = train.query_one(ScoreView)
    assert score.display
    assert score.region.y < train.query_one(ChartGrid).region.y
    await pilot.press("down")
    await until(pilot, lambda: not score.display)
    assert visible_charts(train) == ["loss", "learning_rate", "tokens_per_second", "memory", "gradient_norm"]
    await pilot.press("enter")
    assert runs.display
    await pilot.press("escape")


async def check_narrow(pilot: Pilot[None], train: TrainScreen) -> None:
    """Check that the monitor is below the list, and Enter opens it."""
    await pilot.pause()
    runs, monitor = train.query_one("#runs", OptionList), train.query_one(Monitor)
    assert runs.region.bottom <= monitor.region.y
    assert monitor.size.height > 8
    await pilot.press("enter")
    assert not runs.display
    assert pilot.app.focused is not runs
    await pilot.press("escape")
    assert runs.display
    assert pilot.app.focused is runs


def test_monitor_overlays_runs_in_their_own_colors(furnished: Path) -> None:
    first, second, *_others = create_runs(MAX_OVERLAID + 1)
    names = [f"run-{number}" for number in range(MAX_OVERLAID, -1, -1)]

    async def scene(pilot: Pilot[None], train: TrainScreen) -> None:
        def colors() -> dict[str, int]:
            return {series.name: series.color for series in chart(train, "loss").series}

        assert colors() == {"": 0}
        await pilot.press("o", "down", "o", "down")
        await until(pilot, lambda: colors() == {names[2]: 2, names[0]: 0, names[1]: 1})
        assert train.store.overlaid == [first, second]
        await until(pilot, lambda: all(series.buckets for series in chart(train, "loss").series))
        await pilot.press("up", "o", "down")
        await until(pilot, lambda: colors() == {names[2]: 1, names[0]: 0})
        await pilot.press("up")
        for _run in range(MAX_OVERLAID):
            await pilot.press("o", "down")
        assert len(train.store.overlaid) == MAX_OVERLAID
        assert "At most 5 runs" in str(train.query_one(StatusMessage).render())

    play_train(scene)


def test_monitor_hostile_names_and_errors_are_shown(furnished: Path) -> None:
    name, error = "[/哈哈][b]a\x1b[31m\u202eb" * 3, "[red]it [/哈哈] failed\x9b31m\nbadly " * 20
    with Workbench() as wb:
        run = wb.runs.create("train", name, {})
        wb.runs.append_events(
            run.id, [{"event": "RunStarted", "base": name, "device": name, "dtype": "[b]", "posts": {}}]
        )
        wb.runs.append_events(run.id, [{"event": "StepDone", "step": 1, "steps": 2, "epoch": 1, "loss": 1.0}])
        wb.runs.append_events(run.id, [{"event": "RunFinished", "name": name}])
        wb.runs.finish(run.id, "failed", {"error": error})

    async def scene(pilot: Pilot[None], train: TrainScreen) -> None:
        await pilot.press("o", "down")
        for size in ((60, 20), (100, 30), (160, 50)):
            await pilot.resize_terminal(*size)
            await pilot.pause()
            assert "[/哈哈][b]a␛[31m" in drawn(pilot)
            assert not {"\x1b", "\x9b"} & set(drawn(pilot))

    play_train(scene)


def create_probed_run(name: str, posts: list[str], *shares: float) -> None:
    """Create a run whose validations predict each post as positive with these probabilities."""
    with Workbench() as wb:
        run = wb.runs.create("train", name, {})
        wb.runs.append_events(
            run.id, [{"event": "RunStarted", "probes": posts, "labels": ["negative", "positive"], "posts": {}}]
        )
        for step, share in enumerate(shares, start=1):
            rows = [[1 - share, share] for _post in posts]
            step_done = {"event": "StepDone", "step": step, "steps": 9, "epoch": 1, "loss": 0.5}
            probed = {"event": "ProbesPredicted", "step": step, "epoch": 1, "probabilities": rows}
            wb.runs.append_events(run.id, [step_done, probed])
        wb.runs.finish(run.id, "stopped")


def test_monitor_shows_probe_posts_with_their_flips(furnished: Path) -> None:
    hostile = "[/哈哈][b]好\x1b[31m\u202e吃"
    create_probed_run("first", ["面真好吃", "服务太差了"], 0.2, 0.9, 0.9, 0.4)
    create_probed_run("second", ["面真好吃", hostile], 0.2, 0.3, 0.9)

    async def scene(pilot: Pilot[None], train: TrainScreen) -> None:
        panel, charts = train.query_one(ProbePanel), train.query_one(ChartGrid)
        await until(pilot, lambda: panel.display)
        assert panel.region.y > charts.region.y
        await pilot.resize_terminal(120, 40)
        await until(pilot, lambda: panel.region.y < charts.region.y)
        lines = drawn(pilot)
        assert "Probe posts  bars: probability of positive  signs: the label changed" in lines
        assert "▂▂▂▂▃▃▃▃▲███ ▲ positive 90.0%  面真好吃  1 change" in lines
        assert "[/哈哈][b]好␛[31m" in lines
        await pilot.press("o", "down")
        await until(pilot, lambda: "服务太差了" in drawn(pilot))
        lines = drawn(pilot)
        assert "  ■ ▂▂▂▲█████▼▄▄ ▼ negative 60.0%  ● ▂▂▂▂▃▃▃▃▲███ ▲ positive 90.0%" in lines
        assert "■ first  ● second" in lines
        await pilot.press("z")
        assert not panel.display
        await pilot.press("z")
        for size in ((42, 12), (60, 20)):
            await pilot.resize_terminal(*size)
            await pilot.pause()
            assert not {"\x1b", "\u202e"} & set(drawn(pilot))
        await pilot.press("up", "o", "down", "down")  # to a run without probe posts
        await until(pilot, lambda: not panel.display)

    play_train(scene)
