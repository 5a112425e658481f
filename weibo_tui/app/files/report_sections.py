"""The sections of a report on the screen: a title, and lines for a width."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial

from textual.content import Content

from weibo_tui.app.files.figures import BLANK, FigureLine, Layout, paragraphs
from weibo_tui.app.files.share_lines import label_lines, window_lines
from weibo_tui.app.formatting import bar, label_color, safe_line
from weibo_tui.app.plot.timeline import Step, TimelineDay
from weibo_tui.app.widgets.figure_table import Column, Table
from weibo_tui.datasets.windows import DAY
from weibo_tui.display_names import label_name
from weibo_tui.locale import gettext as _
from weibo_tui.presentation.estimates import estimation_notes
from weibo_tui.presentation.numbers import number, percent
from weibo_tui.presentation.report.sampling import sampling_figures, sampling_notes
from weibo_tui.presentation.report.sentences import (
    around_term,
    group_note,
    group_title,
    post_facts,
    post_lists,
    summary,
    term_notes,
    timeline_note,
)
from weibo_tui.storage.row_filters import RowFilter
from weibo_tui.workbench.estimation import Estimate
from weibo_tui.workbench.report import Day, Report, ReportedPost, ReportedTerm

_MAX_POST = 300  # characters
_LINK_OR_NAME = re.compile(r"https?://[!-~]+|@[\w·-]{1,30}")


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a report. One of `is_timeline` is about days."""

    title: str
    lines: Layout
    is_timeline: bool = False


def sections(report: Report, label: str) -> Iterator[Section]:
    """Yield the sections of a report. Those by day, emoticon and so on are about one label."""
    yield Section(_("Overview"), partial(_overview, report))
    by = report.estimation.by
    if by is None:
        yield Section(_("Over time"), lambda width: paragraphs([timeline_note(report)], width))
    else:
        yield Section(_("Over time"), partial(_windows, report, label), is_timeline=True)
    if by not in (None, DAY):
        yield Section(_("Days"), partial(_days, report, label), is_timeline=True)
    yield Section(_("Words"), partial(_terms, report))
    for kind, estimates in report.groups.items():
        yield Section(group_title(kind), partial(_group, report, kind, _of_label(estimates, label)))
    if any(post_lists(report)):
        yield Section(_("Posts"), partial(_posts, report))
    yield Section(_("About the data"), partial(_about_data, report))


def timeline_of(report: Report, label: str) -> tuple[list[TimelineDay], list[Step]]:
    """Return what the timeline of a label shows."""
    days = [TimelineDay(_ordinal(day.name), day.uncorrected.get(label, 0.0), day.rows) for day in report.days]
    steps = [
        Step(*_days_of(window.window, report.estimation.by), window.low, window.share, window.high)
        for window in _of_label(report.estimation.estimates, label)
        if window.window is not None and window.low is not None and window.share is not None and window.high is not None
    ]
    return days, steps


def _ordinal(name: str) -> int:
    return date.fromisoformat(name).toordinal()


def _days_of(window: str, by: str | None) -> tuple[int, int]:
    """Return the first day of a window and the day after its last one, as ordinals."""
    first = _ordinal(window)
    return first, first + (1 if by == DAY else 7)


def _of_label(estimates: Sequence[Estimate], label: str) -> list[Estimate]:
    return [estimate for estimate in estimates if estimate.label == label]


def _heading(text: str) -> FigureLine:
    return FigureLine.of(safe_line(text, "bold $primary"))


def _overview(report: Report, width: int) -> Iterator[FigureLine]:
    estimation = report.estimation
    yield from paragraphs([summary(report)], width, "")
    yield from paragraphs(estimation.warnings, width, "$text-warning")
    yield BLANK
    yield from label_lines(estimation.of_file, estimation.labels, width)
    yield BLANK
    yield from paragraphs(estimation_notes(estimation), width)


def _windows(report: Report, label: str, width: int) -> Iterator[FigureLine]:
    by = report.estimation.by
    windows = [one for one in _of_label(report.estimation.estimates, label) if one.window is not None]

    def line(one: Estimate, draw: Callable[[], Content], about: Callable[[], str]) -> FigureLine:
        begin, end = _days_of(str(one.window), by)
        rows = RowFilter(since=date.fromordinal(begin), until=date.fromordinal(end - 1))
        return FigureLine(draw, rows, about=about, days=range(begin, end))

    title = _("day") if by == DAY else _("week from")
    names = [str(one.window) for one in windows]
    yield from window_lines(title, names, windows, report.estimation.labels, width, line)
    if note := timeline_note(report):
        yield from paragraphs([note], width)


def _days(report: Report, label: str, width: int) -> Iterator[FigureLine]:
    days = report.days
    color = label_color(label, report.estimation.labels)

    def share(day: Day) -> float:
        return day.uncorrected.get(label, 0.0)

    columns = [Column(_("model"), [percent(share(day)) for day in days])]
    columns.append(Column(_("rows"), [f"{day.rows:,}" for day in days]))
    names = [safe_line(day.name) for day in days]
    table = Table(_("day"), names, columns, width, lambda row, cells: bar(share(days[row]), cells, color))
    yield FigureLine.of(table.header)
    for row, day in enumerate(days):
        day_of = date.fromisoformat(day.name)
        ordinal = day_of.toordinal()
        rows = RowFilter(since=day_of, until=day_of)
        yield FigureLine(partial(table.line, row), rows, days=range(ordinal, ordinal + 1))
    yield from paragraphs([_("Model count of a day, uncorrected.")], width)


def _terms(report: Report, width: int) -> Iterator[FigureLine]:
    yield from paragraphs([_("Words the model's labels differ by")], width, "bold")
    for label, terms in report.terms.items():
        yield BLANK
        yield _heading(label_name(label))
        yield from _terms_of(label, terms, width)
    yield BLANK
    yield from paragraphs(term_notes(report), width)


def _terms_of(label: str, terms: Sequence[ReportedTerm], width: int) -> Iterator[FigureLine]:
    columns = [
        Column("z", [number(found.term.score, 1) for found in terms]),
        Column(_("posts"), [f"{found.term.posts:,}" for found in terms]),
        Column(_("other posts"), [f"{found.term.others:,}" for found in terms]),
    ]
    names = [safe_line(found.term.text) for found in terms]
    examples = [safe_line(around_term(found), "$text-muted") for found in terms]
    table = Table(_("term"), names, columns, width, tails=examples)
    yield FigureLine.of(table.header)
    for row, found in enumerate(terms):
        rows = RowFilter(text=found.term.text, predicted=label)
        yield FigureLine(partial(table.line, row), rows, about=partial(_example, found))


def _example(found: ReportedTerm) -> str:
    return found.example[:_MAX_POST]


def _group(report: Report, kind: str, estimates: Sequence[Estimate], width: int) -> Iterator[FigureLine]:
    def line(one: Estimate, draw: Callable[[], Content], about: Callable[[], str]) -> FigureLine:
        rows = None if one.window is None else _rows_of_group(report, kind, one.window)
        return FigureLine(draw, rows, about=about)

    names = [_("posts without emoticons") if one.window is None else one.window for one in estimates]
    yield from window_lines(group_title(kind), names, estimates, report.estimation.labels, width, line)
    yield from paragraphs([group_note()], width)


def _rows_of_group(report: Report, kind: str, name: str) -> RowFilter:
    if (column := report.columns.get(kind)) is not None:
        return RowFilter(columns=((column, name),))
    return RowFilter(text=f"#{name}#" if kind == "hashtags" else name)


def _posts(report: Report, width: int) -> Iterator[FigureLine]:
    for at, (title, posts) in enumerate(post_lists(report)):
        if at:
            yield BLANK
        yield _heading(title)
        for post in posts:
            is_copied = posts is report.repeated
            # A copy differs in links and names.
            rows = RowFilter(text=max(_LINK_OR_NAME.split(post.text), key=len).strip()) if is_copied else RowFilter()
            yield FigureLine(partial(_post, post, width), rows, post.row, about=partial(_about_post, post))


def _post(post: ReportedPost, width: int) -> Content:
    facts = f"{post.row:>9,}  "
    facts += f"{post.times:>6,} ×  " if post.times > 1 else f"{percent(post.confidence):>6}    "
    return Content.assemble((facts, "$text-muted"), safe_line(post.text[: 4 * width]))


def _about_post(post: ReportedPost) -> str:
    return "\n".join([" · ".join(post_facts(post)), " ".join(post.text[:_MAX_POST].split())])


def _about_data(report: Report, width: int) -> Iterator[FigureLine]:
    yield from paragraphs(sampling_notes(report.sampling), width, "")
    yield BLANK
    for name, value in sampling_figures(report.sampling):
        yield from paragraphs([_("{name}: {value}").format(name=name, value=value)], width)
