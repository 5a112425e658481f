"""Lines of estimated shares: of labels, and of one label in windows or groups of rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from textual.content import Content

from weibo_tui.app.files.figures import FigureLine, paragraphs
from weibo_tui.app.formatting import label_color, label_content, safe_line
from weibo_tui.app.plot.intervals import interval_bar
from weibo_tui.app.widgets.figure_table import Column, Table
from weibo_tui.display_names import label_name
from weibo_tui.locale import gettext as _
from weibo_tui.locale import join_list
from weibo_tui.presentation.numbers import percent, points
from weibo_tui.presentation.report.sentences import interval
from weibo_tui.storage.row_filters import RowFilter
from weibo_tui.workbench.estimation import Estimate

LineOf = Callable[[Estimate, Callable[[], Content], Callable[[], str]], FigureLine]
"""Function from an estimate, and what draws its line and describes it."""


def label_lines(estimates: Sequence[Estimate], labels: Sequence[str], width: int) -> Iterator[FigureLine]:
    """Yield a header and a line for each label of a file, which opens the rows with this predicted label."""
    names = [label_content(one.label, labels) for one in estimates]

    def line(one: Estimate, draw: Callable[[], Content], about: Callable[[], str]) -> FigureLine:
        return FigureLine(draw, RowFilter(predicted=one.label), about=about)

    yield from share_lines(_("label"), names, estimates, labels, width, line)


def window_lines(
    title: str, names: Sequence[str], estimates: Sequence[Estimate], labels: Sequence[str], width: int, line: LineOf
) -> Iterator[FigureLine]:
    """Yield a header and a line for each window or group of rows."""
    yield from share_lines(title, [safe_line(name) for name in names], estimates, labels, width, line)


def share_lines(
    title: str,
    names: Sequence[Content],
    estimates: Sequence[Estimate],
    labels: Sequence[str],
    width: int,
    line: LineOf,
) -> Iterator[FigureLine]:
    """Yield a header, a line for each estimate, and the meaning of the bars. Columns without figures are left out."""
    has_share = any(one.share is not None for one in estimates)
    columns = [Column(_("model"), [percent(one.uncorrected) for one in estimates])]
    if has_share:
        columns[:0] = [
            Column(_("share"), [percent(one.share) for one in estimates]),
            Column(_("95% interval"), [interval(one) for one in estimates]),
        ]
    columns.append(Column(_("rows"), [f"{one.rows:,}" for one in estimates]))
    if any(one.n for one in estimates):
        columns.append(Column(_("labeled"), [f"{one.n:,}" for one in estimates]))
    if any(one.differs for one in estimates):
        columns.append(Column("", [_(one.differs) if one.differs else "" for one in estimates]))

    def bars(row: int, cells: int) -> Content:
        one = estimates[row]
        color = label_color(one.label, labels)
        return interval_bar(cells, color, one.uncorrected, one.share, one.low, one.high)

    table = Table(title, names, columns, width, bars)
    yield FigureLine.of(table.header)
    for row, one in enumerate(estimates):
        yield line(one, partial(table.line, row), partial(_about, one, names[row].plain))
    if table.has_bars:
        yield from paragraphs([_bar_keys(has_share)], width)


def _about(estimate: Estimate, name: str) -> str:
    """Return all figures of an estimate."""
    parts = [name]
    if estimate.window is not None:
        parts.append(label_name(estimate.label))
    if estimate.share is not None:
        parts.append(_("share {share} ({interval})").format(share=percent(estimate.share), interval=interval(estimate)))
    parts.append(_("model count {share}, uncorrected").format(share=percent(estimate.uncorrected)))
    if estimate.n:
        message = _("{n} of {rows} rows have a human label, {errors} unlike the model's")
        figures = {"n": estimate.n, "rows": estimate.rows, "errors": estimate.disagreements}
        parts.append(message.format(**{key: f"{value:,}" for key, value in figures.items()}))
    else:
        parts.append(_("{rows} rows, none with a human label").format(rows=f"{estimate.rows:,}"))
    if estimate.differs:
        parts.append(_("{differs} than in the rest of the file").format(differs=_(estimate.differs)))
    if estimate.window is None and (more := _more(estimate)):
        parts.append(more)
    return " · ".join(parts)


def _more(estimate: Estimate) -> str:
    """Return the half-width now, and with more answers as far as there are rows for them."""
    halves = {n: half for n, half in (estimate.with_more or {}).items() if estimate.n + n <= estimate.rows}
    if estimate.half_width is None or not halves:
        return ""
    forecast = join_list(f"+{n}: ± {points(half)}" for n, half in halves.items())
    message = _("± {now} points now; with more human labels {forecast}")
    return message.format(now=points(estimate.half_width), forecast=forecast)


def _bar_keys(has_intervals: bool) -> str:
    """Return the meaning of the signs of a bar."""
    if has_intervals:
        return _("├─●─┤ share with 95% interval, ◇ model count, uncorrected; from 0% to 100%")
    return _("◇ model count, uncorrected; from 0% to 100%")
