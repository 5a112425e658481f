"""The score card in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from weibo_tui.cli.output import percent
from weibo_tui.locale import gettext as _
from weibo_tui.text import cell_width


def score_lines(score: Mapping[str, Any]) -> Iterator[str]:
    """The lines of a score card (`ScoreCard.to_json`)."""
    ci = score["accuracy_ci"]
    around = "" if ci is None else f"  ({percent(ci[0])} – {percent(ci[1])})"
    emoticons = score["emoticons"]
    yield _("Posts          {n}, {failed} unreadable").format(n=f"{score['n']:,}", failed=score["failed"])
    yield _("Accuracy       {accuracy}").format(accuracy=percent(score["accuracy"])) + around
    yield _("  no emoticons {accuracy}").format(accuracy=percent(emoticons["without"]))
    yield _("  only those   {accuracy}").format(accuracy=percent(emoticons["only"]))
    yield _("Macro F1       {f1}    MCC {mcc}").format(f1=percent(score["macro_f1"]), mcc=_number(score["mcc"]))
    yield _("Calibration    ECE {ece}    Brier {brier}").format(
        ece=_number(score["ece"]), brier=_number(score["brier"])
    )
    yield ""
    labels: list[str] = list(score["labels"])
    first = max(map(cell_width, [*labels, _("label")])) + 2
    header = [_("precision"), _("recall"), "F1", _("posts"), "", *(f"→ {label}" for label in labels)]
    yield _row(_("label"), header, first)
    for label, row in zip(labels, score["confusion"], strict=True):
        figures = score["per_label"][label]
        cells = [percent(figures[key]) for key in ("precision", "recall", "f1")]
        yield _row(label, [*cells, f"{figures['support']:,}", "", *(f"{count:,}" for count in row)], first)


def _row(name: str, cells: list[str], first: int) -> str:
    line = name + " " * (first - cell_width(name))
    for cell in cells:
        line += " " * max(1, (11 if cell else 2) - cell_width(cell)) + cell
    return line.rstrip()


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
