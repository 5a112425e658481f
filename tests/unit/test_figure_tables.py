"""Tables of figures, bars of intervals and timelines, for any width."""

from __future__ import annotations

import pytest
from textual.content import Content

from weibo_tui.app.plot.intervals import interval_bar
from weibo_tui.app.plot.timeline import Step, TimelineDay, _Drawing
from weibo_tui.app.widgets.figure_table import Column, Table

NAMES = [Content("positive"), Content("一个很长很长的话题名称，放不下的时候会被截断"), Content("[/哈哈]")]
COLUMNS = [Column("share", ["40.0%", "100.0%", "–"]), Column("rows", ["3", "1,000,000", "12"])]


@pytest.mark.parametrize("width", [1, 8, 20, 42, 80, 200])
def test_table_fits_every_width(width: int) -> None:
    table = Table("label", NAMES, COLUMNS, width, lambda _row, cells: Content("─" * cells))
    lines = [table.header, *map(table.line, range(3))]
    assert all(line.cell_length <= width for line in lines)
    assert ("40.0%" in lines[1].plain) == (width >= 18)
    assert ("1,000,000" in lines[2].plain) == (width >= 29)
    assert len({line.cell_length for line in lines}) == 1


def test_bar_shows_interval_share_and_model() -> None:
    assert interval_bar(11, "", 0.3, 0.5, 0.4, 0.7).plain == "···◇├●─┤···"
    assert interval_bar(11, "", 0.5, 0.5, 0.5, 0.5).plain == "·····●·····"
    assert interval_bar(11, "", 1.0, None, None, None).plain == "··········◇"
    assert interval_bar(5, "", None, 0.0, 0.0, 1.0).plain == "●───┤"


def test_timeline_leaves_gaps_and_marks_selected_days() -> None:
    days = [TimelineDay(day, 0.5, 10) for day in (0, 1, 2, 7, 8, 9)]
    drawing = _Drawing([*days], [Step(0, 10, 0.8, 0.9, 1.0)], range(8, 10), 10)
    rows = list(drawing.shares(8))
    texts = ["".join(sign for sign, _cell in row) for row in rows]
    assert all(len(text) == 10 for text in texts)
    line = next(text for text in texts[2:] if text.strip())
    assert line[3:6].strip() == "" and line[0] != " " and line[9] != " "
    assert all(sign != " " for sign in texts[0])  # the step reaches from end to end
    selected = ["".join(sign for sign, cell in row if cell.selected) for row in rows]
    assert {len(text) for text in selected} == {2}
    volume = "".join(sign for row in drawing.volume(1) for sign, _cell in row)
    assert volume == "███    ███"


def test_timeline_of_one_day_is_drawn() -> None:
    drawing = _Drawing([TimelineDay(738000, 0.0, 1)], [], range(0), 30)
    assert len(list(drawing.shares(5))) == 5
    assert "2021-07-29" in drawing.dates()
