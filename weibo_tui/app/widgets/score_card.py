"""Score card: three accuracies, an interval, calibration and the confusion matrix."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.cells import cell_len
from textual.content import Content
from textual.widgets import Static

from weibo_tui.app.formatting import SIGNS, bar, label_color, safe_line, wrap_parts
from weibo_tui.app.widgets.figure_table import paragraph_lines
from weibo_tui.app.widgets.responsive_text import ResponsiveText
from weibo_tui.display_names import label_name
from weibo_tui.locale import gettext as _
from weibo_tui.locale import ngettext
from weibo_tui.presentation.baselines import baseline_sentence
from weibo_tui.presentation.numbers import interval, number, percent
from weibo_tui.presentation.score_card import ScoreFigures, score_figures, with_interval, with_null
from weibo_tui.presentation.score_parts import ScoreParts, score_parts
from weibo_tui.presentation.seeds import seeds_sentence
from weibo_tui.text.terminal import sanitize, truncate_cells

MAX_WIDTH = 72
"""Cells; figures that are farther apart are hard to compare."""
_LABEL_CELLS = 15
_MAX_MISTAKES = 6


class ScoreView(Static):
    """Score card of an adapter, or nothing. `unseen` says that the posts were held out from its training."""

    DEFAULT_CSS = "ScoreView { height: auto; }"

    def __init__(self, unseen: bool = True) -> None:
        super().__init__()
        self._score: Mapping[str, Any] = {}
        self._unseen = unseen

    def show(self, score: Mapping[str, Any]) -> None:
        """Show another score card."""
        if score != self._score:
            self._score = score
            lines = ResponsiveText(lambda width: score_lines(score, min(width, MAX_WIDTH), self._unseen))
            self.update(lines if score else "")


def score_lines(score: Mapping[str, Any], width: int, unseen: bool = True) -> Iterator[Content]:
    """Yield the lines of a score card (`ScoreCard.to_dict`). A dash stands for a missing figure."""
    figures, parts = score_figures(score), score_parts(score)
    ends = "" if parts.accuracy_ci is None else interval(parts.accuracy_ci, percent)
    rows = [
        (_("Accuracy"), figures.accuracy, "bold"),
        (_("without emoticons"), figures.without_emoticons, ""),
        (_("only emoticons"), figures.only_emoticons, ""),
    ]
    first = max(cell_len(name) for name, _share, _style in rows) + 2
    bar_width = max(8, min(24, width - first - 12 - len(ends)))
    for name, share, style in rows:
        yield Content.assemble(
            (name + " " * (first - cell_len(name)), style or "$text-muted"),
            (percent(share).rjust(8), style),
            "  ",
            bar(share, bar_width, "$primary") if share is not None else "",
            ("  " + ends if style else "", "$text-muted"),
        )
    yield Content("")
    for line in wrap_parts(_pairs(figures, parts), width):
        yield line.truncate(width, ellipsis=True)
    yield _posts(figures, unseen)
    for sentence in filter(None, (baseline_sentence(score), seeds_sentence(score))):
        yield from paragraph_lines(sentence, width)
    if figures.labels:
        yield Content("")
        yield from _per_label(figures)
    if figures.confusion:
        yield Content("")
        yield from _confusion(figures.labels, figures.confusion, width)


def _pairs(figures: ScoreFigures, parts: ScoreParts) -> Iterator[Content]:
    """Yield the other figures, each with its interval, and the ECE with that of a perfectly calibrated model."""
    pairs = [
        (_("Macro F1"), with_interval(figures.macro_f1, parts.macro_f1_ci, percent)),
        ("MCC", with_interval(figures.mcc, parts.mcc_ci, number)),
        ("ECE", with_null(figures.ece, parts)),
        ("Brier", figures.brier),
    ]
    if parts.augrc is not None:
        pairs.append(("AUGRC", number(parts.augrc, 4)))
    for name, value in pairs:
        yield Content.assemble((name + " ", "$text-muted"), value)


def _posts(figures: ScoreFigures, unseen: bool) -> Content:
    posts = figures.posts
    if unseen:
        message = ngettext("on {n} held-out post", "on {n} held-out posts", posts)
    else:
        message = ngettext("on {n} post", "on {n} posts", posts)
    text = message.format(n=f"{posts:,}")
    if figures.failed:
        text += _("; {failed} failed").format(failed=f"{figures.failed:,}")
    return Content.styled(text, "$text-muted")


def _per_label(figures: ScoreFigures) -> Iterator[Content]:
    columns = (_("precision"), _("recall"), "F1", _("posts"))
    widths = [max(cell_len(column), 7) + 2 for column in columns]

    def row(cells: Sequence[str]) -> str:
        return "".join(map(_align_right, cells, widths))

    yield Content.styled(" " * (_LABEL_CELLS + 2) + row(columns), "$text-muted")
    for label in figures.labels:
        yield Content.assemble(_label(label, figures.labels), row(figures.per_label[label]))


def _confusion(labels: Sequence[str], counts: Sequence[Sequence[int]], width: int) -> Iterator[Content]:
    """Yield the confusion matrix: a row for each actual label; or the most frequent mistakes if it is too wide."""
    digits = max(len(f"{count:,}") for row in counts for count in row)
    available = (width - _LABEL_CELLS - 2) // len(labels)
    cell = min(available, max(digits, *(cell_len(label_name(label)) for label in labels)) + 2)
    if cell < max(digits + 1, 6):
        yield from _mistakes(labels, counts)
        return
    heads = [truncate_cells(sanitize(label_name(label)), cell - 1) for label in labels]
    corner = truncate_cells(_("actual ↓ pred. →"), _LABEL_CELLS + 2)
    yield Content.styled(
        corner + " " * (_LABEL_CELLS + 2 - cell_len(corner)) + "".join(_align_right(head, cell) for head in heads),
        "$text-muted",
    )
    for index, (label, row) in enumerate(zip(labels, counts, strict=True)):
        total = max(1, sum(row))
        cells = [
            (_align_right(f"{count:,}", cell), _style(count / total, correct=index == column))
            for column, count in enumerate(row)
        ]
        yield Content.assemble(_label(label, labels), *cells)


def _style(share: float, correct: bool) -> str:
    if correct:
        return "$text-success bold"
    return "$text-error bold" if share >= 0.1 else "$text-error" if share >= 0.01 else "$text-muted"


def _mistakes(labels: Sequence[str], counts: Sequence[Sequence[int]]) -> Iterator[Content]:
    mistakes = [(count, i, j) for i, row in enumerate(counts) for j, count in enumerate(row) if i != j and count]
    mistakes.sort(key=lambda mistake: -mistake[0])
    yield Content.styled(_("Most frequent errors"), "$text-muted")
    for count, actual, predicted in mistakes[:_MAX_MISTAKES]:
        yield Content.assemble(
            _label(labels[actual], labels), ("→ ", "$text-muted"), _label(labels[predicted], labels), f"{count:>7,}"
        )


def _label(label: str, labels: Sequence[str]) -> Content:
    name = truncate_cells(" ".join(sanitize(label_name(label)).split()), _LABEL_CELLS - 1)
    sign = Content.styled(SIGNS.get(label, "●") + " ", label_color(label, labels))
    return Content.assemble(sign, safe_line(name), " " * (_LABEL_CELLS - cell_len(name)))


def _align_right(text: str, width: int) -> str:
    return " " * max(0, width - cell_len(text)) + text
