"""Charts: series in bounded memory, and how they are drawn."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from itertools import pairwise
from math import inf, nan
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from weibo_tui.app.plot.axes import format_number, linear, logarithmic
from weibo_tui.app.plot.line_chart import entries, legend
from weibo_tui.app.plot.render import StyledRow, draw
from weibo_tui.app.plot.series import MAX_BUCKETS, Series

Point = tuple[float, float | None]

NUMBERS = st.floats() | st.sampled_from([0.0, -0.0, 5e-324, 1e-310, 1.7e308, -1.7e308, 1e308, 0.1, 1.0])
POINTS = st.lists(st.tuples(NUMBERS, NUMBERS | st.none()), max_size=30)
STEPS = st.lists(NUMBERS | st.none(), max_size=60).map(lambda values: list(enumerate(values)))
ORDINARY = st.floats(-1e9, 1e9)


def series(points: Iterable[Point], name: str = "loss", color: int = 0, smoothing: float = 0.95) -> Series:
    result = Series(name, color, smoothing)
    for x, y in points:
        result.add(x, y)
    return result


def steps(values: Iterable[float | None], **options: Any) -> Series:
    return series(enumerate(values), **options)


def lines(rows: Sequence[StyledRow]) -> list[str]:
    return ["".join(piece.text for piece in row) for row in rows]


def dots(text: str) -> int:
    """Count the dots of the braille characters in `text`."""
    return sum((ord(character) - 0x2800).bit_count() for character in text if 0x2800 <= ord(character) < 0x2900)


def plot(rows: Sequence[StyledRow]) -> list[str]:
    """Return the parts of the rows right of the axis."""
    return [line[line.index(side[0]) + 1 :] for line in lines(rows) if (side := re.findall("[┤│]", line))]


def inked(rows: Sequence[StyledRow]) -> list[bool]:
    """Return for each column of the plot whether it has dots."""
    return ["".join(column).strip() != "" for column in zip(*plot(rows), strict=True)]


# ---- series


def test_series_long_stays_bounded_and_keeps_spikes() -> None:
    long = steps(100.0 if step == 44_321 else -3.0 if step == 23_456 else 1.0 for step in range(50_000))
    assert len(long.buckets) <= MAX_BUCKETS
    assert (long.low, long.high) == (-3.0, 100.0)
    assert sum(bucket.high == 100.0 for bucket in long.buckets) == 1
    assert sum(bucket.low == -3.0 for bucket in long.buckets) == 1
    assert (long.first, long.buckets[-1].x) == (0, 49_999)
    assert dots(plot(draw([long], 60, 20))[0])  # the highest value is drawn


@settings(max_examples=40)
@given(points=POINTS)
def test_series_bounds_are_those_of_finite_values(points: list[Point]) -> None:
    result = series(points)
    expected: list[Point] = []
    for x, y in points:
        if math.isfinite(x):
            expected = [point for point in expected if point[0] < x] + [(x, y)]
    assert [bucket.x for bucket in result.buckets] == [x for x, _y in expected]
    values = [y for _x, y in expected if y is not None and math.isfinite(y)]
    assert (result.low, result.high) == (min(values, default=inf), max(values, default=-inf))
    assert result.min_positive == min((value for value in values if value > 0), default=inf)
    assert math.isnan(result.smooth) or result.low <= result.smooth <= result.high


@given(values=st.lists(ORDINARY, min_size=1, max_size=50), smoothing=st.floats(0, 0.999))
def test_series_smooth_is_the_exponential_mean(values: list[float], smoothing: float) -> None:
    weights = [smoothing**age for age in range(len(values))][::-1]
    mean = sum(weight * value for weight, value in zip(weights, values, strict=True)) / sum(weights)
    size = max(map(abs, values))
    assert steps(values, smoothing=smoothing).smooth == pytest.approx(mean, rel=1e-6, abs=1e-6 * size)


def test_series_gap_does_not_change_smooth() -> None:
    assert steps([1.0, nan, 3.0, None, inf]).smooth == steps([1.0, 3.0]).smooth


def test_series_resumed_run_overwrites_later_points() -> None:
    undisturbed = steps([1.0, 0.9, 0.8, 0.7])
    killed = series([(0, 1.0), (1, 0.9), (2, 7.0), (3, None), (4, 9.0), (2, 0.8), (3, 0.7)])
    assert killed.buckets[:2] == undisturbed.buckets[:2]
    assert (killed.low, killed.high, killed.value) == (0.7, 1.0, 0.7)
    assert killed.smooth == pytest.approx(undisturbed.smooth)


# ---- drawing


@settings(max_examples=40)
@given(
    points=st.lists(POINTS | STEPS, max_size=4),
    width=st.integers(-1, 60),
    height=st.integers(-1, 20),
    log_y=st.booleans(),
    smoothing=st.booleans(),
)
def test_draw_fills_its_cells_exactly(
    points: list[list[Point]], width: int, height: int, log_y: bool, smoothing: bool
) -> None:
    curves = [series(each, color=number) for number, each in enumerate(points)]
    rows = lines(draw(curves, width, height, log_y, smoothing))
    assert [cell_len(row) for row in rows] == [width] * (height if width > 0 else 0) * (height > 0)


def test_draw_single_value_is_a_dot() -> None:
    for width, height in ((10, 3), (11, 30), (60, 20), (100, 4)):
        assert dots("".join(lines(draw([steps([0.5])], width, height)))) == 1


@settings(max_examples=40)
@given(value=st.floats(-1e300, 1e300), height=st.integers(3, 30), log_y=st.booleans())
def test_draw_constant_series_is_in_the_middle(value: float, height: int, log_y: bool) -> None:
    assume(value > 0 or not log_y)
    rows = plot(draw([steps([value] * 9)], 40, height, log_y))
    (drawn,) = (number for number, row in enumerate(rows) if dots(row))
    assert drawn in ((len(rows) - 1) // 2, len(rows) // 2)


@pytest.mark.parametrize(
    ("values", "log_y", "words"),
    [
        ([], False, "No values yet"),
        ([nan, None, inf], False, "Only gaps"),
        ([0.0, -1.0], True, "No positive values"),
    ],
)
def test_draw_without_values_says_why(values: list[float | None], log_y: bool, words: str) -> None:
    assert words in "".join(lines(draw([steps(values)], 60, 9, log_y)))
    assert "No values yet" in "".join(lines(draw([], 60, 9)))


def test_draw_gap_is_not_bridged() -> None:
    values = [0.1 * step if step < 40 or step > 60 else nan for step in range(101)]
    for smoothing in (True, False):
        drawn = inked(draw([steps(values)], 80, 20, smoothing=smoothing))
        assert all(drawn[: int(0.38 * len(drawn))])
        assert not any(drawn[int(0.42 * len(drawn)) : int(0.58 * len(drawn))])
        assert all(drawn[int(0.62 * len(drawn)) :])


def test_draw_gap_in_a_long_series_is_visible() -> None:
    drawn = inked(draw([steps(1.0 if step < 8000 or step > 12_000 else None for step in range(20_000))], 80, 20))
    blank = [number for number, has_dots in enumerate(drawn) if not has_dots]
    assert blank == list(range(blank[0], blank[-1] + 1))
    assert (blank[0] / len(drawn), blank[-1] / len(drawn)) == pytest.approx((0.4, 0.6), abs=0.03)


def test_draw_log_axis_has_gaps_for_values_below_zero() -> None:
    values = [1.0] * 40 + [0.0] * 20 + [-2.0] * 20 + [10.0] * 40
    drawn = inked(draw([steps(values, smoothing=0)], 80, 20, log_y=True))
    assert drawn[5] and not drawn[len(drawn) // 2] and drawn[-5]


def test_draw_steep_curve_has_no_holes() -> None:
    for values in ([0.0, 1.0], [1.0, 0.0], [0.0, 1.0, 0.0] * 30, [0.0] * 50 + [1.0] + [0.0] * 50):
        rows = plot(draw([steps(values, smoothing=0)], 60, 20))
        assert all(dots(row) for row in rows)


def test_draw_smoothed_curve_has_raw_values_below() -> None:
    noisy = steps([step % 7 for step in range(500)])
    parts = {piece.style.part for row in draw([noisy], 60, 20) for piece in row}
    assert parts == {"axis", "label", "raw", "curve"}
    assert "raw" not in {piece.style.part for row in draw([noisy], 60, 20, smoothing=False) for piece in row}
    assert "raw" not in {piece.style.part for row in draw([steps([1, 2], smoothing=0)], 60, 20) for piece in row}


def test_draw_several_curves_have_markers() -> None:
    up, down = steps([1.0, 2.0, 3.0]), steps([3.0, 2.0, 1.0], color=1)
    both = "".join(lines(draw([up, down], 60, 20)))
    assert "●" in both and "■" in both
    assert "●" not in "".join(lines(draw([up], 60, 20)))


def test_draw_x_axis_labels_ends_and_whole_numbers() -> None:
    for last, width, labels in ((1234, 80, "1 500 1000 1234"), (3, 120, "1 2 3")):
        below = lines(draw([series((step, 1 / step) for step in range(1, last + 1))], width, 20))[-1]
        assert " ".join(below.split()) == labels


# ---- axes


@given(low=ORDINARY, span=st.floats(1e-3, 1e9), most=st.integers(2, 10))
def test_linear_ticks_are_multiples_of_1_2_or_5(low: float, span: float, most: int) -> None:
    high = low + span
    assume(span > 1e-5 * max(abs(low), abs(high)))
    axis = linear(low, high, most)
    assert axis.low <= low + 1e-6 * span and axis.high >= high - 1e-6 * span
    assert axis.high - axis.low < 1.3 * span
    gaps = [right[0] - left[0] for left, right in pairwise(axis.ticks)]
    step = gaps[0] if gaps else 0.0
    assert gaps == pytest.approx([step] * len(gaps), rel=1e-6)
    assert f"{step:.0e}"[0] in "125"
    assert step == pytest.approx(float(f"{step:.0e}"), rel=1e-6)
    assert 3 <= len(linear(low, high, 5).ticks) <= 7


@given(low=st.floats(1e-290, 1e300), factor=st.floats(1.001, 1e290))
def test_logarithmic_ticks_are_on_the_axis(low: float, factor: float) -> None:
    assume(low * factor < 1e305)
    axis = logarithmic(low, low * factor, 5)
    assert axis.low <= math.log10(low) + 1e-6 and axis.high >= math.log10(low * factor) - 1e-6
    assert 2 <= len(axis.ticks) <= 8
    assert all(axis.low - 1e-9 <= place <= axis.high + 1e-9 for place, _label in axis.ticks)
    assert len({label for _place, label in axis.ticks}) == len(axis.ticks)


@pytest.mark.parametrize(
    ("low", "high", "labels"),
    [
        (0.21, 0.693, "0.3 0.4 0.5 0.6 0.7"),
        (0.5, 0.97, "0.5 0.6 0.7 0.8 0.9"),
        (0, 5e-5, "0 2e-5 4e-5"),
        (0, 940, "0 200 400 600 800"),
        (11_000, 14_200, "11000 12000 13000 14000"),
        (1_200_000, 2_600_000, "1.5M 2.0M 2.5M"),
        (-1, 1, "-1.0 -0.5 0 0.5 1.0"),
        (3, 3, "3"),
    ],
)
def test_linear_labels_have_enough_digits(low: float, high: float, labels: str) -> None:
    assert " ".join(label for _place, label in linear(low, high, 5).ticks) == labels


@pytest.mark.parametrize(
    ("low", "high", "labels"),
    [
        (0.02, 8, "0.1 1 10"),
        (0.2, 1.1, "0.2 0.4 0.6 0.8 1.0"),
        (0.2, 3, "0.2 0.5 1 2"),
        (1e-5, 1, "1e-4 0.01 1"),
        (2.1, 4.3, "2.5 3.0 3.5 4.0"),
    ],
)
def test_logarithmic_labels_are_decades(low: float, high: float, labels: str) -> None:
    assert " ".join(label for _place, label in logarithmic(low, high, 5).ticks) == labels


@pytest.mark.parametrize(
    ("value", "text"),
    [
        *((0, "0"), (-3, "-3"), (1234567, "1234567"), (0.123456, "0.1235"), (12345.6, "12346")),
        *((250_000.5, "250k"), (2.5e9, "2.5G"), (4.999e-5, "4.999e-5"), (1e300, "1e300")),
    ],
)
def test_format_number_is_short(value: float, text: str) -> None:
    assert format_number(value) == text


def test_high_first_values_do_not_flatten_the_rest() -> None:
    falling = [12.0, 9.0, 5.0, *(1 - step / 200 for step in range(100))]
    rows = lines(draw([steps(falling)], 40, 10))
    assert rows[0].lstrip().startswith("↑12┤")
    assert sum("⠀" < character < "⣿" for row in rows[4:] for character in row) > 20
    for values in (falling[:30], falling[3:], falling[:3] + [1.0] * 100):
        assert "↑" not in "".join(lines(draw([steps(values)], 40, 10)))


# ---- the legend


def test_legend_shows_names_and_last_values() -> None:
    curves = [steps([0.5, 0.25], name="mood", smoothing=0), steps([1.0, None], name="other", color=1)]
    assert lines(legend("Loss", entries(curves), 80, 1)) == ["Loss  ● mood 0.25  ■ other –"]
    assert lines(legend("Loss", entries(curves, named=False), 80, 1)) == ["Loss  ● 0.25  ■ –"]
    hostile = [steps([1.0], name="[red]a[/red]\x1b[2J\nb\u202e")]
    assert lines(legend("[/b]\n", entries(hostile), 80, 1)) == ["[/b]  [red]a[/red]␛[2J b<U+202E> 1"]


@settings(max_examples=40)
@given(
    title=st.text(st.characters(exclude_categories=[]), max_size=20),
    names=st.lists(st.text(st.characters(exclude_categories=[]), max_size=50), max_size=6),
    width=st.integers(10, 60),
    most=st.integers(1, 4),
)
def test_legend_fits_its_rows(title: str, names: list[str], width: int, most: int) -> None:
    curves = [steps([0.123456], name=name, color=number) for number, name in enumerate(names)]
    rows = legend(title, entries(curves), width, most)
    assert len(rows) <= most
    for row in rows:
        assert sum(cell_len(piece.text) for piece in row) <= width


def test_legend_counts_curves_without_room() -> None:
    curves = [steps([0.5], name=f"run-{number}", color=number) for number in range(5)]
    rows = lines(legend("Loss", entries(curves), 30, 2))
    assert len(rows) == 2
    assert rows[-1].endswith("+1")
