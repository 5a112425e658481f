"""Score card as lines of text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.cells import cell_len

from weibo_tui.cli.output import pad
from weibo_tui.display_names import label_name
from weibo_tui.locale import gettext as _
from weibo_tui.presentation.baselines import baseline_sentence
from weibo_tui.presentation.numbers import percent
from weibo_tui.presentation.score_card import ScoreFigures, score_figures
from weibo_tui.presentation.seeds import seeds_sentence


def score_lines(score: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines of a score card (`ScoreCard.to_dict`). A dash stands for a missing figure."""
    figures = score_figures(score)
    interval = f"  ({figures.interval})" if figures.interval else ""
    yield _("Posts          {n}, {failed} failed").format(n=f"{figures.posts:,}", failed=figures.failed)
    yield _("Accuracy       {accuracy}").format(accuracy=percent(figures.accuracy)) + interval
    yield _("no emoticons   {accuracy}").format(accuracy=percent(figures.without_emoticons))
    yield _("only emoticons {accuracy}").format(accuracy=percent(figures.only_emoticons))
    yield _("Macro F1       {f1}    MCC {mcc}").format(f1=figures.macro_f1, mcc=figures.mcc)
    yield _("Calibration    ECE {ece}    Brier {brier}").format(ece=figures.ece, brier=figures.brier)
    if figures.labels:
        yield ""
        yield from _per_label(figures)
    if sentences := [*filter(None, (baseline_sentence(score), seeds_sentence(score)))]:
        yield ""
        yield from sentences


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
