"""The score card: three accuracies, how sure they are, what is mistaken for what."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import isfinite
from typing import Any

from textual.content import Content
from textual.widgets import Static

from weibo_tui.app.formatting import SIGNS, bar, label_color, label_name, number, percent, safe_line
from weibo_tui.app.widgets.responsive_text import ResponsiveText
from weibo_tui.locale import gettext as _
from weibo_tui.locale import ngettext
from weibo_tui.text import cell_width, truncate_cells, visible

WIDEST = 72
"""Cells that are used at most: figures far apart are hard to read together."""
_LABEL_CELLS = 15
_MISTAKES = 6


class ScoreView(Static):
    """The score card of an adapter as its card keeps it; empty where there is none. `unseen` says that it was made in
    training, on posts held back from that."""

    DEFAULT_CSS = "ScoreView { height: auto; }"

    def __init__(
        self,
        score: Mapping[str, Any] | None = None,
        unseen: bool = True,
        id: str | None = None,  # noqa: A002
    ) -> None:
        self._score = score or {}
        self._unseen = unseen
        super().__init__(_fitted(self._score, unseen), id=id)

    def show(self, score: Mapping[str, Any]) -> None:
        """Show another score card in its place."""
        if score != self._score:
            self._score = score
            self.update(_fitted(score, self._unseen))


def _fitted(score: Mapping[str, Any], unseen: bool) -> ResponsiveText | str:
    return ResponsiveText(lambda width: score_lines(score, min(width, WIDEST), unseen)) if score else ""


def score_lines(score: Mapping[str, Any], width: int, unseen: bool = True) -> Iterator[Content]:
    """The lines of a score card (`ScoreCard.to_json`). One from elsewhere may lack anything: a dash stands for it."""
    emoticons = _mapping(score.get("emoticons"))
    rows = [
        (_("Accuracy"), _figure(score.get("accuracy")), "bold"),
        (_("without emoticons"), _figure(emoticons.get("without")), ""),
        (_("only emoticons"), _figure(emoticons.get("only")), ""),
    ]
    first = max(cell_width(name) for name, _share, _style in rows) + 2
    around = _interval(score.get("accuracy_ci"))
    for name, share, style in rows:
        room = max(8, min(24, width - first - 12 - len(around)))
        drawn = bar(share, room, "$primary") if share is not None else Content("")
        yield Content.assemble(
            _padded(name, first, style),
            (percent(share).rjust(8), style),
            "  ",
            drawn,
            ("  " + around if style else "", "$text-muted"),
        )
    yield Content("")
    yield _figures(
        [
            (_("Macro F1"), percent(_figure(score.get("macro_f1")))),
            ("MCC", number(_figure(score.get("mcc")))),
            ("ECE", number(_figure(score.get("ece")))),
            ("Brier", number(_figure(score.get("brier")))),
        ]
    )
    yield _about(score, unseen)
    labels = [label for label in _sequence(score.get("labels")) if isinstance(label, str)]
    if labels:
        yield Content("")
        yield from _per_label(labels, _mapping(score.get("per_label")))
    if labels and (confusion := _counts(score.get("confusion"), len(labels))):
        yield Content("")
        yield from _confusion(labels, confusion, width)


def _about(score: Mapping[str, Any], unseen: bool) -> Content:
    posts, failed = int(_figure(score.get("n")) or 0), int(_figure(score.get("failed")) or 0)
    if unseen:
        about = ngettext("on {n} post that training did not see", "on {n} posts that training did not see", posts)
    else:
        about = ngettext("on {n} post", "on {n} posts", posts)
    text = about.format(n=f"{posts:,}")
    if failed:
        text += _("; {failed} could not be read").format(failed=f"{failed:,}")
    return Content.styled(text, "$text-muted")


def _per_label(labels: Sequence[str], figures: Mapping[str, Any]) -> Iterator[Content]:
    columns = (_("precision"), _("recall"), "F1", _("posts"))
    widths = [max(cell_width(column), 7) + 2 for column in columns]
    head = "".join(_right(column, width) for column, width in zip(columns, widths, strict=True))
    yield Content.styled(" " * (_LABEL_CELLS + 2) + head, "$text-muted")
    for label in labels:
        found = _mapping(figures.get(label))
        support = _figure(found.get("support"))
        cells = [percent(_figure(found.get(name))) for name in ("precision", "recall", "f1")]
        cells.append(number(support, 0))
        yield Content.assemble(
            _label(label, labels), "".join(_right(cell, width) for cell, width in zip(cells, widths, strict=True))
        )


def _confusion(labels: Sequence[str], counts: Sequence[Sequence[int]], width: int) -> Iterator[Content]:
    """Rows: the truth; columns: the verdict. Where that is too wide, the commonest mistakes in words."""
    digits = max(len(f"{count:,}") for row in counts for count in row)
    room = (width - _LABEL_CELLS - 2) // len(labels)
    each = min(room, max(digits, *(cell_width(label_name(label)) for label in labels)) + 2)
    if each < max(digits + 1, 6):
        yield from _mistakes(labels, counts)
        return
    heads = [truncate_cells(visible(label_name(label)), each - 1) for label in labels]
    corner = truncate_cells(_("truth ↓ verdict →"), _LABEL_CELLS + 2)
    yield Content.styled(
        corner + " " * (_LABEL_CELLS + 2 - cell_width(corner)) + "".join(_right(head, each) for head in heads),
        "$text-muted",
    )
    for index, (label, row) in enumerate(zip(labels, counts, strict=True)):
        whole = max(1, sum(row))
        cells = [
            (_right(f"{count:,}", each), _shade(count / whole, right=index == column))
            for column, count in enumerate(row)
        ]
        yield Content.assemble(_label(label, labels), *cells)


def _shade(share: float, right: bool) -> str:
    if right:
        return "$text-success bold"
    return "$text-error bold" if share >= 0.1 else "$text-error" if share >= 0.01 else "$text-muted"


def _mistakes(labels: Sequence[str], counts: Sequence[Sequence[int]]) -> Iterator[Content]:
    found = [(count, i, j) for i, row in enumerate(counts) for j, count in enumerate(row) if i != j and count]
    found.sort(key=lambda mistake: -mistake[0])
    yield Content.styled(_("Mistaken most often"), "$text-muted")
    for count, truth, verdict in found[:_MISTAKES]:
        yield Content.assemble(
            _label(labels[truth], labels), ("→ ", "$text-muted"), _label(labels[verdict], labels), f"{count:>7,}"
        )


def _label(label: str, labels: Sequence[str]) -> Content:
    name = truncate_cells(" ".join(visible(label_name(label)).split()), _LABEL_CELLS - 1)
    sign = Content.styled(SIGNS.get(label, "●") + " ", label_color(label, labels))
    return Content.assemble(sign, safe_line(name), " " * (_LABEL_CELLS - cell_width(name)))


def _figures(found: Sequence[tuple[str, str]]) -> Content:
    parts = [Content.assemble((name + " ", "$text-muted"), value) for name, value in found]
    return Content("   ").join(parts)


def _padded(text: str, width: int, style: str) -> Content:
    return Content.styled(text + " " * (width - cell_width(text)), style or "$text-muted")


def _right(text: str, width: int) -> str:
    return " " * max(0, width - cell_width(text)) + text


def _interval(ends: object) -> str:
    low, high = [*map(_figure, _sequence(ends)), None, None][:2]
    return "" if low is None or high is None else f"{percent(low)} – {percent(high)}"


def _figure(value: object) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value) else None


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _sequence(value: object) -> Sequence[Any]:
    return value if isinstance(value, list | tuple) else ()


def _counts(rows: object, labels: int) -> list[list[int]]:
    """A square of counts, or nothing where it is none."""
    found = [[_figure(count) for count in _sequence(row)] for row in _sequence(rows)]
    if len(found) != labels or any(len(row) != labels or None in row for row in found):
        return []
    return [[int(count or 0) for count in row] for row in found]
