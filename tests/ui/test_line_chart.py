"""The widget that shows curves: what it says, in which colors, and how seldom it draws."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest
from textual.app import App, ComposeResult
from textual.pilot import Pilot
from textual.strip import Strip

from weibo_tui.app import themes
from weibo_tui.app.plot.line_chart import LineChart
from weibo_tui.app.plot.series import Series

Scene = Callable[[Pilot[None], "Counted"], Coroutine[Any, Any, None]]


class Counted(LineChart):
    """Counts the lines that it is asked for."""

    asked = 0

    def render_line(self, y: int) -> Strip:
        self.asked += 1
        return super().render_line(y)


class Host(App[None]):
    def __init__(self, curves: Counted) -> None:
        super().__init__()
        self._curves = curves

    def compose(self) -> ComposeResult:
        yield self._curves

    def on_mount(self) -> None:
        for theme in (themes.DARK, themes.LIGHT):
            self.register_theme(theme)
        self.theme = themes.DARK.name

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return themes.label_colors(self.current_theme.dark)


def play(scene: Scene, title: str = "Loss", size: tuple[int, int] = (60, 16)) -> None:
    async def run() -> None:
        curves = Counted(title)
        async with Host(curves).run_test(size=size) as pilot:
            await pilot.pause()
            await scene(pilot, curves)

    asyncio.run(run())


def text(curves: LineChart) -> str:
    return "\n".join(curves.render_line(y).text for y in range(curves.size.height))


def colors(curves: LineChart, drawn: Callable[[str], bool]) -> set[str]:
    """The colors of the pieces whose text is like this."""
    return set(_colors(curves, drawn))


def _colors(curves: LineChart, drawn: Callable[[str], bool]) -> Iterator[str]:
    for y in range(curves.size.height):
        for segment in curves.render_line(y):
            if drawn(segment.text) and segment.style is not None and segment.style.color is not None:
                yield segment.style.color.name


def braille(piece: str) -> bool:
    return any("\u2800" < character < "\u2900" for character in piece)


def test_points_are_drawn_as_they_come_and_named_in_the_legend() -> None:
    async def scene(pilot: Pilot[None], curves: Counted) -> None:
        assert "No values yet" in text(curves)
        for step in range(100):
            curves.add("train", step, 1 / (1 + step))
            curves.add("validation", step, 0.5)
        await pilot.pause()
        seen = text(curves)
        assert seen.startswith("Loss  ● train 0.0")
        assert "▲ validation 0.5" in seen
        assert "99" in seen.splitlines()[-1]
        assert [series.color for series in curves.series] == [0, 1]

    play(scene)


def test_many_points_in_one_go_cost_one_drawing() -> None:
    async def scene(pilot: Pilot[None], curves: Counted) -> None:
        await pilot.pause()
        before = curves.asked
        for step in range(1000):
            curves.add("train", step, step % 7)
        assert curves.asked == before
        await pilot.pause()
        assert curves.asked <= before + 2 * curves.size.height
        # and none where nothing comes in
        before = curves.asked
        await pilot.pause()
        assert curves.asked == before

    play(scene)


def test_a_logarithmic_axis_and_smoothing_are_switched_while_one_looks_on() -> None:
    async def scene(pilot: Pilot[None], curves: Counted) -> None:
        for step in range(1, 200):
            curves.add("train", step, 10.0 ** (-step / 50) * (1.5 if step % 2 else 0.5))
        await pilot.pause()
        linear = text(curves)
        assert len(colors(curves, braille)) == 2
        curves.log_y = True
        await pilot.pause()
        assert text(curves).startswith("Loss (log)")
        assert "0.01┤" in text(curves) and "0.01┤" not in linear
        curves.smoothing = False
        await pilot.pause()
        assert len(colors(curves, braille)) == 1
        curves.log_y, curves.smoothing = False, True
        await pilot.pause()
        assert text(curves) == linear

    play(scene)


def test_the_colors_are_those_of_the_theme() -> None:
    async def scene(pilot: Pilot[None], curves: Counted) -> None:
        curves.set_series([Series("one", 0, smoothing=0), Series("two", 1, smoothing=0)])
        for step in range(50):
            curves.add("one", step, step)
            curves.add("two", step, -step)
        for theme, dark in ((themes.DARK.name, True), (themes.LIGHT.name, False)):
            pilot.app.theme = theme
            await pilot.pause()
            found = themes.label_colors(dark)
            assert colors(curves, braille) == {found["label-1"], found["label-2"]}

    play(scene)


def test_a_series_keeps_its_colour_when_another_leaves() -> None:
    async def scene(pilot: Pilot[None], curves: Counted) -> None:
        for name in ("a", "b", "c"):
            curves.add(name, 1, 1.0)
        curves.set_series([series for series in curves.series if series.name != "a"])
        curves.add("d", 1, 1.0)
        assert {series.name: series.color for series in curves.series} == {"b": 1, "c": 2, "d": 0}

    play(scene)


def test_titles_and_names_from_outside_are_shown_as_they_are() -> None:
    async def scene(pilot: Pilot[None], curves: Counted) -> None:
        curves.add("[red]x[/red][/哈哈]\u202e", 1, 1.0)
        await pilot.pause()
        assert text(curves).splitlines()[0].rstrip() == "[/哈哈] ␛[31m  [red]x[/red][/哈哈]<U+202E> 1"

    play(scene, title="[/哈哈]\n\x1b[31m")


@pytest.mark.parametrize("size", [(10, 3), (1, 1), (3, 2), (40, 10), (160, 40)])
def test_it_fits_any_size(size: tuple[int, int]) -> None:
    async def scene(pilot: Pilot[None], curves: Counted) -> None:
        for step in range(50):
            curves.add("训练", step, 1 / (1 + step))
            curves.add("验证", step, None if step % 3 else 0.5)
        await pilot.pause()
        assert len(text(curves).splitlines()) == curves.size.height
        await pilot.resize_terminal(60, 16)
        await pilot.pause()
        assert "49" in text(curves)

    play(scene, size=size)
