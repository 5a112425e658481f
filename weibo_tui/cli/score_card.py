"""Score card as lines of text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.cells import cell_len

from weibo_tui.cli.output import one_line, pad
from weibo_tui.display_names import label_name
from weibo_tui.locale import gettext as _
from weibo_tui.presentation.numbers import interval, number, percent
from weibo_tui.presentation.score_card import ScoreFigures, score_figures, with_interval, with_null
from weibo_tui.presentation.score_parts import Subset, score_parts
from weibo_tui.presentation.score_sentences import score_sentences
from weibo_tui.text.terminal import truncate_cells

_NAME_CELLS = 40


def score_lines(score: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines of a score card (`ScoreCard.to_dict`). A dash stands for a missing figure."""
    figures, parts = score_figures(score), score_parts(score)
    ends = "" if parts.accuracy_ci is None else f"  ({interval(parts.accuracy_ci, percent)})"
    yield _("Posts          {n}, {failed} failed").format(n=f"{figures.posts:,}", failed=figures.failed)
    yield _("Accuracy       {accuracy}").format(accuracy=percent(figures.accuracy)) + ends
    yield _("no emoticons   {accuracy}").format(accuracy=percent(figures.without_emoticons))
    yield _("only emoticons {accuracy}").format(accuracy=percent(figures.only_emoticons))
    macro_f1 = with_interval(figures.macro_f1, parts.macro_f1_ci, percent)
    mcc = with_interval(figures.mcc, parts.mcc_ci, number)
    yield _("Macro F1       {f1}    MCC {mcc}").format(f1=macro_f1, mcc=mcc)
    ece = with_null(figures.ece, parts)
    yield _("Calibration    ECE {ece}    Brier {brier}").format(ece=ece, brier=figures.brier)
    if figures.labels:
        yield ""
        yield from _per_label(figures)
    for title, subsets in ((_("file"), parts.sources), (_("characters"), parts.lengths)):
        if subsets:
            yield ""
            yield from _subsets(title, subsets)
    if sentences := [*score_sentences(score)]:
        yield ""
        yield from sentences


def _subsets(title: str, subsets: Sequence[Subset]) -> Iterator[str]:
    names = [truncate_cells(one_line(one.name), _NAME_CELLS) for one in subsets]
    width = max(map(cell_len, [*names, title])) + 2
    yield _row(title, [_("accuracy"), _("macro F1"), _("posts")], width)
    for name, one in zip(names, subsets, strict=True):
        yield _row(name, [percent(one.accuracy), percent(one.macro_f1), f"{one.n:,}"], width)


def _per_label(figures: ScoreFigures) -> Iterator[str]:
    names = [label_name(label) for label in figures.labels]
    width = max(map(cell_len, [*names, _("label")])) + 2
    header = [_("precision"), _("recall"), "F1", _("posts"), "", *(f"→ {name}" for name in names)]
    yield _row(_("label"), header, width)
    for label, counts in zip(figures.labels, figures.confusion or [()] * len(figures.labels), strict=True):
        yield _row(label_name(label), [*figures.per_label[label], "", *(f"{count:,}" for count in counts)], width)


def _row(name: str, cells: Sequence[str], width: int) -> str:
    line = pad(name, width)
    for cell in cells:
        line += " " * max(1, (11 if cell else 2) - cell_len(cell)) + cell
    return line.rstrip()
