"""The score card in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.cells import cell_len

from weibo_tui.cli.output import percent
from weibo_tui.locale import gettext as _


def score_lines(score: Mapping[str, Any]) -> Iterator[str]:
    """The lines of a score card (`ScoreCard.to_json`). A dash stands for what one from elsewhere lacks."""
    ci = score.get("accuracy_ci")
    around = f"  ({percent(ci[0])} – {percent(ci[1])})" if ci else ""
    emoticons = score.get("emoticons") or {}
    posts, failed = f"{score.get('n', 0):,}", score.get("failed", 0)
    yield _("Posts          {n}, {failed} unreadable").format(n=posts, failed=failed)
    yield _("Accuracy       {accuracy}").format(accuracy=percent(score.get("accuracy"))) + around
    yield _("  no emoticons {accuracy}").format(accuracy=percent(emoticons.get("without")))
    yield _("  only those   {accuracy}").format(accuracy=percent(emoticons.get("only")))
    f1, mcc = percent(score.get("macro_f1")), _number(score.get("mcc"))
    yield _("Macro F1       {f1}    MCC {mcc}").format(f1=f1, mcc=mcc)
    ece, brier = _number(score.get("ece")), _number(score.get("brier"))
    yield _("Calibration    ECE {ece}    Brier {brier}").format(ece=ece, brier=brier)
    labels: list[str] = list(score.get("labels") or ())
    if labels:
        yield ""
        yield from _per_label(score, labels)


def _per_label(score: Mapping[str, Any], labels: list[str]) -> Iterator[str]:
    first = max(map(cell_len, [*labels, _("label")])) + 2
    header = [_("precision"), _("recall"), "F1", _("posts"), "", *(f"→ {label}" for label in labels)]
    yield _row(_("label"), header, first)
    for label, row in zip(labels, score.get("confusion") or [()] * len(labels), strict=True):
        figures = (score.get("per_label") or {}).get(label, {})
        cells = [percent(figures.get(key)) for key in ("precision", "recall", "f1")]
        yield _row(label, [*cells, f"{figures.get('support', 0):,}", "", *(f"{count:,}" for count in row)], first)


def _row(name: str, cells: list[str], first: int) -> str:
    line = name + " " * (first - cell_len(name))
    for cell in cells:
        line += " " * max(1, (11 if cell else 2) - cell_len(cell)) + cell
    return line.rstrip()


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
