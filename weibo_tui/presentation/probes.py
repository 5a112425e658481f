"""The predictions of probe posts over a training, as small curves, from the JSON objects of its journal."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from rich.cells import cell_len

from weibo_tui.display_names import label_name
from weibo_tui.locale import gettext as _
from weibo_tui.locale import ngettext
from weibo_tui.presentation.explanation import BARS
from weibo_tui.presentation.numbers import figure, percent, sequence
from weibo_tui.text.probes import MAX_PROBES
from weibo_tui.text.terminal import sanitize, truncate_cells

MAX_VALIDATIONS = 512
"""Validations that are kept, more than a line has cells."""
MAX_CELLS = 4
"""Cells of a validation. With few validations, a curve is shorter than its room."""
GAP = "·"
"""Stands for a missing probability."""
_LINE_CELLS = 16
_POST_CELLS = 40
_LABEL_CELLS = 24

Row = tuple[float, ...] | None
"""The probabilities of a post in a validation, None where one is missing."""


class CurveCell(NamedTuple):
    """A cell of a curve: a bar, the label that is predicted there, and whether the prediction flips to it."""

    bar: str
    label: str
    is_flip: bool


class ProbeCurve(NamedTuple):
    """The predictions of a post, and the last label with its probability. `flips` counts the changes of the label."""

    cells: tuple[CurveCell, ...]
    label: str
    probability: float | None
    flips: int


class ProbeHistory:
    """The probe posts of a run and their probabilities in each validation. A damaged journal may lack any value."""

    def __init__(self) -> None:
        self.posts: tuple[str, ...] = ()
        self.labels: tuple[str, ...] = ()
        self._validations: deque[tuple[float, list[Row]]] = deque(maxlen=MAX_VALIDATIONS)

    def __bool__(self) -> bool:
        return bool(self._validations)

    def apply(self, event: Mapping[str, Any]) -> None:
        """Add a `RunStarted` or a `ProbesPredicted`. A step that a resumed run repeats replaces the earlier ones."""
        if event.get("event") == "RunStarted":
            posts, labels = _texts(event.get("probes"))[:MAX_PROBES], _texts(event.get("labels"))
            if (posts, labels) != (self.posts, self.labels):  # a resumed run has the same ones
                self._validations.clear()
            self.posts, self.labels = posts, labels
            return
        step, rows = figure(event.get("step")), event.get("probabilities")
        if step is None or not isinstance(rows, list | tuple) or len(rows) != len(self.posts):
            return
        while self._validations and self._validations[-1][0] >= step:
            self._validations.pop()
        self._validations.append((step, [_row(row, len(self.labels)) for row in rows]))

    def curve(self, post: str, width: int) -> ProbeCurve | None:
        """Return the predictions of a post in at most `width` cells, None if the run has none.

        A bar is the probability of the second of two labels, or of the last predicted one of more."""
        if post not in self.posts:
            return None
        index = self.posts.index(post)
        rows = [probabilities[index] for _step, probabilities in self._validations]
        predicted = [row.index(max(row)) for row in rows if row is not None]
        if not predicted:
            return None
        last = predicted[-1]
        shown = 1 if len(self.labels) == 2 else last
        final = rows[-1]
        return ProbeCurve(
            tuple(_cells(rows, shown, self.labels, width)),
            self.labels[last],
            None if final is None else final[last],
            sum(before != after for before, after in pairwise(predicted)),
        )

    @property
    def legend(self) -> str:
        """The meaning of a bar."""
        if len(self.labels) == 2:
            label = one_line(label_name(self.labels[1]), _LABEL_CELLS)
            return _("bars: probability of {label}").format(label=label)
        return _("bars: probability of the last label")


def probe_lines(history: ProbeHistory) -> Iterator[str]:
    """Yield the predictions of all probe posts as lines of text."""
    curves = [(post, curve) for post in history.posts if (curve := history.curve(post, _LINE_CELLS)) is not None]
    if not curves:
        return
    yield _("Probe posts at each validation ({legend})").format(legend=history.legend)
    length = max(len(curve.cells) for _post, curve in curves)
    predictions = [f"{label_name(curve.label)} {percent(curve.probability)}" for _post, curve in curves]
    width = max(map(cell_len, predictions))
    for (post, curve), prediction in zip(curves, predictions, strict=True):
        bars = "".join(cell.bar for cell in curve.cells).ljust(length)
        line = f"  {bars}  {prediction}{' ' * (width - cell_len(prediction))}  {one_line(post, _POST_CELLS)}"
        yield f"{line}  {changes(curve)}".rstrip()


def changes(curve: ProbeCurve) -> str:
    """Return the number of changes of the label, an empty text for none."""
    return ngettext("{n} change", "{n} changes", curve.flips).format(n=curve.flips) if curve.flips else ""


def one_line(post: str, width: int) -> str:
    """Return the start of a post in at most `width` cells."""
    return truncate_cells(" ".join(sanitize(post).split()), width)


def _cells(rows: Sequence[Row], shown: int, labels: Sequence[str], width: int) -> Iterator[CurveCell]:
    """Yield the cells of a curve of the probability of the label `shown`.

    Where several validations share a cell, it has the last probability, and marks a flip in any of them."""
    cells = max(1, min(len(rows), width))
    repeated = max(1, min(MAX_CELLS, width // cells))
    label: int | None = None
    for cell in range(cells):
        is_flip, bar = False, GAP
        for row in rows[cell * len(rows) // cells : (cell + 1) * len(rows) // cells]:
            bar = GAP if row is None else _bar(row[shown])
            if row is not None:
                before, label = label, row.index(max(row))
                is_flip |= before not in (None, label)
        name = "" if label is None else labels[label]
        yield CurveCell(bar, name, is_flip)
        yield from [CurveCell(bar, name, False)] * (repeated - 1)


def _bar(probability: float) -> str:
    return BARS[min(max(int(probability * len(BARS)), 0), len(BARS) - 1)]


def _row(values: object, labels: int) -> Row:
    numbers = [number for value in sequence(values) if (number := figure(value)) is not None]
    return tuple(numbers) if numbers and len(numbers) == labels else None


def _texts(values: object) -> tuple[str, ...]:
    return tuple(map(str, sequence(values)))
