"""Pictures and tables of score cards in the app, for any width and any card."""

from __future__ import annotations

from typing import Any

import pytest
from evaluated import HOSTILE_NAME, full_score_card

from weibo_tui.app.plot.axes import Axis
from weibo_tui.app.plot.bars import bar_rows
from weibo_tui.app.plot.intervals import dots_bar
from weibo_tui.app.plot.plane import Plane, percent_axis
from weibo_tui.app.widgets.score_blocks import answering_block, picture_lines, picture_rows, table_lines
from weibo_tui.engine.metrics import score
from weibo_tui.presentation.score_parts import score_parts


def shown(values: dict[str, Any], width: int, rows: int = 9) -> list[str]:
    parts = score_parts(values)
    return [line.plain for line in (*picture_lines(parts, width, rows), *table_lines(parts, width))]


@pytest.mark.parametrize("width", [1, 8, 20, 42, 76, 116, 196])
def test_pictures_and_tables_fit_every_width(width: int) -> None:
    parts = score_parts(full_score_card().to_dict())
    for line in (*picture_lines(parts, width, 9), *table_lines(parts, width), *answering_block(parts, width)):
        assert line.cell_length <= width
        assert not set(line.plain) & set("\x1b\u202e")


def test_all_parts_of_a_card_are_shown() -> None:
    text = "\n".join(shown(full_score_card().to_dict(), 196))
    for part in ("Accuracy ↑ by confidence →", "right: ", "wrong: ", "Error rate ↑ by share answered →"):
        assert part in text
    for part in ("linear model", "+1.0", "-1.0 – +3.0", "3 seeds", "82.33% ± 2.52", "b.csv", "21–60", "◆", "●"):
        assert part in text
    assert "From " in text and "of them correctly." in text


def test_pictures_take_the_rows_that_are_forecast() -> None:
    parts = score_parts(full_score_card().to_dict())
    for width in (20, 42, 76, 116, 196):
        rows = picture_rows(parts, width)
        lines = len([*picture_lines(parts, width, 12)])
        assert rows <= 4 and lines <= rows * 13 - 1 + (5 if width < 42 else 0)  # a narrow sentence takes more lines


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"reliability": [{"confidence": 1e300, "accuracy": -5, "low": "x", "high": None, "n": 3}]},
        {"reliability": [{"confidence": 0.9, "accuracy": 2.0, "low": -1, "high": 9, "n": -4}]},
        {"reliability": [{"confidence": 0.9, "accuracy": 0.5, "low": 0.8, "high": 0.1, "n": 4}]},
        {"confidences": [[0, 0]] * 20},
        {"confidences": [[10**30, 1], ["a"], None]},
        {"risk_coverage": [[0.5, float("nan"), 1], [1, 1e9, 0]] * 500},
        {"risk_coverage": [[0.2, 0.0, 0.9], [1.0, 0.0, 0.5]], "answering": [{"accuracy": 0.9, "coverage": 7}]},
        {
            "sources": [{"name": HOSTILE_NAME * 1000, "n": 1}],
            "lengths": [{"name": 5}, {}],
            "baselines": [{"name": "x" * 999}],
        },
        {"seeds": {"seeds": [1, 1], "accuracy": [0.5, 0.5], "kept": 9}},
        {"seeds": {"seeds": [1, 2], "baseline_difference": [0.5, 0.5]}},
    ],
)
def test_cards_from_elsewhere_are_shown(values: dict[str, Any]) -> None:
    for width in (20, 76, 196):
        for line in shown(values, width):
            assert not set(line) & set("\x1b\u202e")


def test_card_of_a_single_post_is_drawn() -> None:
    found = score([1], [[0.2, 0.8]], ["negative", "positive"]).to_dict()
    text = "\n".join(shown(found, 76))
    assert "Accuracy ↑ by confidence →" in text and "right: 1" in text
    assert "Error rate" not in text  # a single point is no curve


# ---- parts of a picture


def test_plane_puts_points_at_their_places() -> None:
    plane = Plane(percent_axis(0, 1, 3), percent_axis(0, 1, 3), 25, 12)
    plane.dashed_line(0, 0, 1, 1)
    plane.bar(0.5, 0.2, 0.8)
    plane.mark(0.0, 0.0, "a")
    plane.mark(1.0, 1.0, "b")
    plane.mark(0.5, 0.5, "c")
    plane.mark(9.0, -9.0, "d")
    lines = [line.plain for line in plane.lines()]
    assert len(lines) == 12 and {len(line) for line in lines} == {25}
    assert lines[0].endswith("b") and lines[0].startswith("100%")
    assert lines[9][5] == "a" and lines[9][-1] == "d"
    assert {line.find("c") for line in lines} == {-1, 15}
    assert all(0x2800 <= ord(line[15]) < 0x2900 for line in (lines[3], lines[7]))  # the bar


def test_percent_axis_ends_at_whole_shares() -> None:
    axis = percent_axis(0.5, 1.0, 6)
    assert (axis.low, axis.high) == (0.5, 1.0)
    assert [label for _position, label in axis.ticks] == ["50%", "60%", "70%", "80%", "90%", "100%"]
    assert isinstance(axis, Axis)


def test_bars_show_every_count_above_zero() -> None:
    assert [*bar_rows([0, 1, 500, 1000], 2)] == ["   █", " ▁██"]
    assert [*bar_rows([0, 0], 1)] == ["  "]


def test_dots_are_at_their_values_with_the_chosen_one() -> None:
    assert dots_bar(11, "", [0.0, 0.5, 1.0], 1).plain == "●····◆····●"
    assert dots_bar(5, "", [0.3, 0.3], 0).plain == "··◆··"
    assert dots_bar(1, "", [0.1, 0.9], None).plain == "●"
