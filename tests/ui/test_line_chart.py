"""The chart widget: legend, colors, axes, and how often it draws."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from textual.app import App, ComposeResult
from textual.pilot import Pilot
from textual.strip import Strip

from weibo_tui.app import themes
from weibo_tui.app.plot.line_chart import LineChart
from weibo_tui.app.plot.series import SMOOTHING, Series

Scene = Callable[[Pilot[None], "Counted"], Coroutine[Any, Any, None]]


class Counted(LineChart):
    """Counts the lines that are rendered."""

    rendered = 0

    def render_line(self, y: int) -> Strip:
        self.rendered += 1
        return super().render_line(y)


class Host(App[None]):
    def __init__(self, chart: Counted) -> None:
        super().__init__()
        self._chart = chart

    def compose(self) -> ComposeResult:
        yield self._chart

    def on_mount(self) -> None:
        for theme in (themes.DARK, themes.LIGHT):
            self.register_theme(theme)
        self.theme = themes.DARK.name

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return themes.label_colors(self.current_theme.dark)


def play(scene: Scene, title: str = "Loss") -> None:
    async def run() -> None:
        chart = Counted(title)
        async with Host(chart).run_test(size=(60, 16)) as pilot:
            await pilot.pause()
            await scene(pilot, chart)

    asyncio.run(run())


def text(chart: LineChart) -> str:
    return "\n".join(chart.render_line(y).text for y in range(chart.size.height))


def curve_colors(chart: LineChart) -> set[str]:
    """The colors of all texts that contain braille."""
    segments = [segment for y in range(chart.size.height) for segment in chart.render_line(y)]
    curves = [segment for segment in segments if any("\u2800" < character < "\u2900" for character in segment.text)]
    return {segment.style.color.name for segment in curves if segment.style is not None and segment.style.color}


def series(name: str, *values: float | None, color: int = 0, smoothing: float = SMOOTHING) -> Series:
    """Return a series with a point at each of the steps 0, 1, 2, …"""
    result = Series(name, color, smoothing)
    for step, value in enumerate(values):
        result.add(step, value)
    return result


def test_chart_shows_points_and_draws_once_per_frame() -> None:
    async def scene(pilot: Pilot[None], chart: Counted) -> None:
        assert "No values yet" in text(chart)
        await pilot.pause()
        before = chart.rendered
        train, validation = series("train"), series("validation", color=1)
        for step in range(1000):
            train.add(step, 1 / (1 + step))
            validation.add(step, 0.5)
            chart.set_series([train, validation])
        assert chart.rendered == before
        await pilot.pause()
        assert chart.rendered <= before + 2 * chart.size.height
        before = chart.rendered
        await pilot.pause()
        assert chart.rendered == before
        lines = text(chart)
        assert lines.startswith("Loss  ● train 0.0")
        assert "■ validation 0.5" in lines
        assert "999" in lines.splitlines()[-1]

    play(scene)


def test_chart_log_axis_and_smoothing_can_be_toggled() -> None:
    values = [10.0 ** (-step / 50) * (1.5 if step % 2 else 0.5) for step in range(200)]

    async def scene(pilot: Pilot[None], chart: Counted) -> None:
        chart.set_series([series("train", *values)])
        await pilot.pause()
        linear = text(chart)
        assert len(curve_colors(chart)) == 2
        chart.log_y = True
        await pilot.pause()
        assert text(chart).startswith("Loss (log)")
        assert "0.01┤" in text(chart) and "0.01┤" not in linear
        chart.smoothing = False
        await pilot.pause()
        assert len(curve_colors(chart)) == 1
        chart.log_y, chart.smoothing = False, True
        await pilot.pause()
        assert text(chart) == linear

    play(scene)


def test_chart_series_have_their_color_of_the_theme() -> None:
    async def scene(pilot: Pilot[None], chart: Counted) -> None:
        up, down = range(50), range(0, -50, -1)
        chart.set_series([series("one", *up, smoothing=0), series("two", *down, color=1, smoothing=0)])
        for theme, dark in ((themes.DARK.name, True), (themes.LIGHT.name, False)):
            pilot.app.theme = theme
            await pilot.pause()
            colors = themes.label_colors(dark)
            assert curve_colors(chart) == {colors["label-1"], colors["label-2"]}

    play(scene)


def test_chart_fits_any_size_and_shows_hostile_names() -> None:
    async def scene(pilot: Pilot[None], chart: Counted) -> None:
        chart.set_series([series("[red]x[/red][/哈哈]\u202e", 1.0)])
        await pilot.pause()
        assert text(chart).splitlines()[0].rstrip() == "[/哈哈] ␛[31m  [red]x[/red][/哈哈]<U+202E> 1"
        train = series("训练", *(1 / (1 + step) for step in range(50)))
        chart.set_series([train, series("验证", *(None if step % 3 else 0.5 for step in range(50)), color=1)])
        for size in ((10, 3), (1, 1), (3, 2), (40, 10), (160, 40), (60, 16)):
            await pilot.resize_terminal(*size)
            await pilot.pause()
            assert len(text(chart).splitlines()) == chart.size.height
        assert "49" in text(chart)

    play(scene, title="[/哈哈]\n\x1b[31m")
