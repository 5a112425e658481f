"""Pictures and tables of a score card, in as many columns as there is room for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any

from textual.content import Content
from textual.widgets import Static

from weibo_tui.app.formatting import safe_line
from weibo_tui.app.plot.intervals import dots_bar, interval_bar
from weibo_tui.app.plot.score_pictures import pictures
from weibo_tui.app.widgets.figure_table import Column, Table, paragraph_lines
from weibo_tui.app.widgets.responsive_text import ResponsiveText
from weibo_tui.locale import gettext as _
from weibo_tui.locale import ngettext
from weibo_tui.presentation.answering import main_sentence, thresholds
from weibo_tui.presentation.baselines import baseline_name
from weibo_tui.presentation.numbers import interval, p_value, percent, signed_points
from weibo_tui.presentation.score_parts import Baseline, ScoreParts, Seeds, Subset, score_parts
from weibo_tui.presentation.seeds import mean_and_deviation, mean_interval, seed_figures

Block = Sequence[Content]
"""Lines that belong together."""

PICTURE_ROWS = 11
_GAP = 2
_MIN_PICTURE, _MIN_TABLE = 31, 56  # cells


class ScorePictures(Static):
    """Reliability, confidences, errors of confident answers, and the thresholds of wished accuracies.

    `rows` is the height of each. It is empty for a score card without these figures.
    """

    DEFAULT_CSS = "ScorePictures { height: auto; }"

    def show(self, score: Mapping[str, Any], rows: int = PICTURE_ROWS, answering: bool = True) -> None:
        """Show another score card (`ScoreCard.to_dict`), with or without the thresholds."""
        parts = score_parts(score)
        self.update(ResponsiveText(lambda width: picture_lines(parts, width, rows, answering)))


class ScoreTables(Static):
    """The score by file and length, and of baselines, as far as a score card has these figures."""

    DEFAULT_CSS = "ScoreTables { height: auto; }"

    def show(self, score: Mapping[str, Any]) -> None:
        """Show another score card (`ScoreCard.to_dict`)."""
        parts = score_parts(score)
        self.update(ResponsiveText(lambda width: table_lines(parts, width)))


def picture_lines(parts: ScoreParts, width: int, rows: int, answering: bool = True) -> Iterator[Content]:
    """Yield the pictures, and with `answering` the thresholds next to them."""
    yield from _in_columns(lambda cells: _picture_blocks(parts, cells, rows, answering), _MIN_PICTURE, width)


def _picture_blocks(parts: ScoreParts, width: int, rows: int, answering: bool) -> Iterator[Block]:
    yield from pictures(parts, width, rows)
    if answering and (block := [*answering_block(parts, width)]):
        yield block


def picture_rows(parts: ScoreParts, width: int, answering: bool = True) -> int:
    """Return how many rows of pictures `picture_lines` yields."""
    blocks = len([*_picture_blocks(parts, width, PICTURE_ROWS, answering)])
    return -(-blocks // _column_count(blocks, _MIN_PICTURE, width))


def table_lines(parts: ScoreParts, width: int) -> Iterator[Content]:
    """Yield the tables of baselines, seeds, files and lengths."""

    def blocks(cells: int) -> Iterator[Block]:
        if parts.baselines:
            yield _baseline_block(parts.baselines, cells)
        if parts.seeds is not None:
            yield _seeds_block(parts.seeds, cells)
        if parts.sources:
            yield _subset_block(_("file"), parts.sources, cells)
        if parts.lengths:
            yield _subset_block(_("characters"), parts.lengths, cells)

    yield from _in_columns(blocks, _MIN_TABLE, width)


def answering_block(parts: ScoreParts, width: int) -> Iterator[Content]:
    """Yield a sentence and a table of the thresholds of confidence for wished accuracies, nothing without any."""
    known = thresholds(parts)
    if not known:
        return
    for sentence in main_sentence(parts):
        yield from paragraph_lines(sentence, width)
    columns = [
        Column(_("from confidence"), [percent(one.threshold) for one in known]),
        Column(_("answered"), [percent(one.coverage) for one in known]),
        Column(_("posts"), [f"{one.n:,}" for one in known]),
    ]
    table = Table(_("correct"), [Content(percent(one.accuracy, 0)) for one in known], columns, width)
    yield table.header
    yield from map(table.line, range(len(known)))


def _subset_block(title: str, subsets: Sequence[Subset], width: int) -> Block:
    """Return a table of the scores of parts of the posts, with bars of the intervals from 0 to 1."""

    def bars(row: int, cells: int) -> Content:
        one = subsets[row]
        return interval_bar(cells, "$primary", None, one.accuracy, *(one.accuracy_ci or (None, None)))

    columns = [
        Column(_("accuracy"), [percent(one.accuracy) for one in subsets]),
        Column(_("posts"), [f"{one.n:,}" for one in subsets]),
        Column(_("macro F1"), [percent(one.macro_f1) for one in subsets]),
    ]
    table = Table(title, [safe_line(one.name) for one in subsets], columns, width, bars)
    return [table.header, *map(table.line, range(len(subsets)))]


def _baseline_block(baselines: Sequence[Baseline], width: int) -> Block:
    """Return a table of baselines and the difference of the adapter's accuracy to theirs, in points."""
    columns = [
        Column(_("difference"), [signed_points(one.difference) for one in baselines]),
        Column(_("95% interval"), [interval(one.difference_ci, signed_points) for one in baselines]),
        Column("p", [p_value(one.p) for one in baselines]),
        Column(_("accuracy"), [percent(one.accuracy) for one in baselines]),
    ]
    table = Table(_("baseline"), [safe_line(baseline_name(one.name)) for one in baselines], columns, width)
    return [table.header, *map(table.line, range(len(baselines)))]


def _seeds_block(seeds: Seeds, width: int) -> Block:
    """Return the figures of trainings that differ in their seed, with a dot for each; ◆ is the one that was kept."""
    figures = [*seed_figures(seeds)]
    kept = seeds.seeds.index(seeds.kept) if seeds.kept in seeds.seeds else None

    def bars(row: int, cells: int) -> Content:
        return dots_bar(cells, "$primary", figures[row][2], kept)

    columns = [
        Column(_("mean ± sd"), [mean_and_deviation(values, name) for name, _title, values in figures]),
        Column(_("95% interval"), [mean_interval(values, name) for name, _title, values in figures]),
    ]
    count = len(seeds.seeds)
    title = ngettext("{n} seed", "{n} seeds", count).format(n=f"{count:,}")
    table = Table(title, [Content(title) for _name, title, _values in figures], columns, width, bars)
    return [table.header, *map(table.line, range(len(figures)))]


# ---- columns


def _in_columns(blocks: Callable[[int], Iterator[Block]], least: int, width: int) -> Iterator[Content]:
    """Yield the lines of blocks, which are a function of their width, at least `least` cells if there is room."""
    columns = _column_count(len([*blocks(width)]), least, width)
    cells = max(1, (width + _GAP) // columns - _GAP)
    laid_out = [*blocks(cells)]
    for start in range(0, len(laid_out), columns):
        if start:
            yield Content("")
        for line in zip_longest(*laid_out[start : start + columns], fillvalue=Content("")):
            parts = [part.truncate(cells) for part in line]
            yield Content(" " * _GAP).join(part.pad_right(cells - part.cell_length) for part in parts)


def _column_count(blocks: int, least: int, width: int) -> int:
    """Return in how many columns of `least` cells or more to arrange blocks, so that few places are empty."""
    most = max(1, min(blocks, (width + _GAP) // (least + _GAP)))
    rows = -(-blocks // most)
    return max(1, -(-blocks // rows)) if rows else 1
