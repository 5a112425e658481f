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
from weibo_tui.app.plot.series import Series

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


def test_chart_shows_points_and_draws_once_per_frame() -> None:
    async def scene(pilot: Pilot[None], chart: Counted) -> None:
        assert "No values yet" in text(chart)
        await pilot.pause()
        before = chart.rendered
        for step in range(1000):
            chart.add("train", step, 1 / (1 + step))
            chart.add("validation", step, 0.5)
        assert chart.rendered == before
        await pilot.pause()
        assert chart.rendered <= before + 2 * chart.size.height
        before = chart.rendered
        await pilot.pause()
        assert chart.rendered == before
        lines = text(chart)
        assert lines.startswith("Loss  ● train 0.0")
        assert "▲ validation 0.5" in lines
        assert "999" in lines.splitlines()[-1]

    play(scene)


def test_chart_log_axis_and_smoothing_can_be_toggled() -> None:
    async def scene(pilot: Pilot[None], chart: Counted) -> None:
        for step in range(1, 200):
            chart.add("train", step, 10.0 ** (-step / 50) * (1.5 if step % 2 else 0.5))
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


def test_chart_series_keep_their_color_of_the_theme() -> None:
    async def scene(pilot: Pilot[None], chart: Counted) -> None:
        chart.set_series([Series("one", 0, smoothing=0), Series("two", 1, smoothing=0)])
        for step in range(50):
            chart.add("one", step, step)
            chart.add("two", step, -step)
        for theme, dark in ((themes.DARK.name, True), (themes.LIGHT.name, False)):
            pilot.app.theme = theme
            await pilot.pause()
            colors = themes.label_colors(dark)
            assert curve_colors(chart) == {colors["label-1"], colors["label-2"]}
        chart.set_series([series for series in chart.series if series.name == "two"])
        chart.add("three", 1, 1.0)
        assert {series.name: series.color for series in chart.series} == {"two": 1, "three": 0}

    play(scene)


def test_chart_fits_any_size_and_shows_hostile_names() -> None:
    async def scene(pilot: Pilot[None], chart: Counted) -> None:
        chart.add("[red]x[/red][/哈哈]\u202e", 1, 1.0)
        await pilot.pause()
        assert text(chart).splitlines()[0].rstrip() == "[/哈哈] ␛[31m  [red]x[/red][/哈哈]<U+202E> 1"
        chart.set_series([])
        for step in range(50):
            chart.add("训练", step, 1 / (1 + step))
            chart.add("验证", step, None if step % 3 else 0.5)
        for size in ((10, 3), (1, 1), (3, 2), (40, 10), (160, 40), (60, 16)):
            await pilot.resize_terminal(*size)
            await pilot.pause()
            assert len(text(chart).splitlines()) == chart.size.height
        assert "49" in text(chart)

    play(scene, title="[/哈哈]\n\x1b[31m")
