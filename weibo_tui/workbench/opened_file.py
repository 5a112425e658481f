"""A labeled file that is open: its rows by filter and order, and the human labels over them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING

from weibo_tui.errors import UserInputError
from weibo_tui.locale import gettext as _
from weibo_tui.storage.file_rows import FileRows, StoredRow, cell_text
from weibo_tui.storage.row_filters import (
    ALL_ROWS,
    CANNOT_TELL,
    CANNOT_TELL_LABEL,
    FILE_ORDER,
    MINUTES_OF_DAY,
    NO_DATE,
    NONE,
    OWN_ORDERS,
    HumanLabels,
    RowFilter,
    RowOrder,
    Selection,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from weibo_tui.storage.row_selection import RowSelector

if TYPE_CHECKING:
    pass


@dataclass(frozen=True, slots=True)
class FileInfo:
    """Facts about an opened file.

    `fingerprint` is the SHA-256 of the file, and `posts` that of its posts, by which answers belong to it. `rows` of
    them are read so far, and `is_ready` is true when all are, and filters and orders work. `labels` are those of the
    model, in order, then those of people only. `counts` are rows by predicted label, `answers` those with a human
    label. `roles` are columns by what they are read as: post, predicted, confidence, label, error, purpose, date.
    `warnings` are sentences about what may surprise.
    """

    path: Path
    fingerprint: str
    posts: str
    rows: int
    is_ready: bool
    labels: tuple[str, ...]
    columns: tuple[str, ...]
    roles: Mapping[str, str]
    counts: Mapping[str, int]
    answers: int
    adapter: str
    summary: str
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FileChoices:
    """Labels of some row, by kind, "" for rows without; the columns; and the values of `RowOrder.column`."""

    labels: tuple[str, ...]
    predicted: tuple[str, ...]
    human: tuple[str, ...]
    columns: tuple[str, ...]
    orders: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FileRow:
    """A row of a labeled file, its number from 1.

    `human` is a label, `CANNOT_TELL`, or None, and `human_source` where it is from: an `answer`, the `file`'s own
    column, or an answer to the same `text` in another file. `purpose` is that of the answer: sample, teach or
    correction. `date` is in China. `count` is the number of rows with the same text. `cells` are those of the other
    columns.
    """

    number: int
    text: str
    predicted: str | None
    confidence: float | None
    probabilities: dict[str, float]
    error: str | None
    human: str | None
    human_source: str | None
    purpose: str | None
    date: str | None
    count: int
    flagged: bool
    note: str
    cells: dict[str, str]

    @property
    def label(self) -> str | None:
        """The human label if there is one, otherwise the predicted one."""
        return self.predicted if self.human is None else self.human


class OpenedFile:
    """A labeled file whose rows are in a cache. While it is read, its first rows can be read in the file's order."""

    def __init__(self, file: FileRows, uncertain_below: float) -> None:
        self._file = file
        self._uncertain_below = uncertain_below
        self._selector: RowSelector | None = None
        self._corrections: dict[int, str | None] = {}

    @property
    def info(self) -> FileInfo:
        """Facts about the file, as they are now."""
        info = self._file.info
        return FileInfo(
            path=Path(info["path"]),
            fingerprint=info["fingerprint"],
            posts=info.get("posts", ""),
            rows=self._file.rows,
            is_ready=self._file.is_ready,
            labels=tuple(info["labels"]),
            columns=tuple(info["columns"]),
            roles=info["roles"],
            counts=info.get("counts", {}),
            answers=info.get("answers", 0),
            adapter=info.get("adapter", ""),
            summary=info.get("summary", ""),
            warnings=tuple(info["warnings"]),
        )

    def is_in_place(self, file: FileRows) -> bool:
        """Return whether this is the cache that was opened again as `file`, and not one that was made since."""
        return self._file.inode == file.inode

    def refresh(self) -> None:
        """Read again how many rows there are, and the answers."""
        self._file.refresh()
        self._selector = None

    def select(self, filter: RowFilter = ALL_ROWS, order: RowOrder = FILE_ORDER) -> Selection:  # noqa: A002
        """Return the matching rows in an order. Raise UserInputError for a column that does not exist.

        Until the file is ready, all rows so far are returned, in the file's order.
        """
        import numpy as np

        if not self._file.is_ready:
            return Selection(np.arange(1, self._file.rows + 1, dtype=np.int32))
        return self._ready().select(filter, order)

    def rows(self, selection: Selection, start: int = 0, stop: int | None = None) -> list[FileRow]:
        """Return the rows of a part of a selection."""
        stored = self._file.read(selection.numbers[start:stop].tolist())
        return [self._row(row) if self._file.is_ready else self._raw_row(row) for row in stored]

    def position(self, selection: Selection, number: int) -> int | None:
        """Return the place of a row in a selection, from 0. Return None if it is not selected."""
        return selection.position(number)

    def counts(self, selection: Selection) -> dict[str, int]:
        """Return the selected rows by label, the human one or else the predicted one; "" counts rows without any."""
        import numpy as np

        selector = self._ready()
        codes = selector.labels[selection.numbers - 1]
        values, numbers = np.unique(codes, return_counts=True)
        return {self._name(code) or "": number for code, number in zip(values.tolist(), numbers.tolist(), strict=True)}

    def row(self, number: int) -> FileRow:
        """Return the row of a number. Raise UserInputError if it does not exist."""
        for row in self._file.read([number]):
            return self._row(row)
        message = _("{path} has no row {number}.")
        raise UserInputError(message.format(path=self.info.path, number=f"{number:,}"))

    def choices(self) -> FileChoices:
        """Return what a filter can select and an order can be by."""
        selector = self._ready()
        columns = tuple(self._file.columns)
        return FileChoices(
            labels=self._names(selector.labels),
            predicted=self._names(self._file.array("predicted")),
            human=self._names(selector.human.codes),
            columns=columns,
            orders=(*OWN_ORDERS, *(column for column in columns if column not in OWN_ORDERS)),
        )

    def text_keys(self) -> NDArray[np.int64]:
        """Return the `text_key` of each post (rows,), in the order of the file."""
        return self._file.array("text_key")

    def predicted_codes(self) -> NDArray[np.int16]:
        """Return the place in `info.labels` of each predicted label (rows,), -1 without one."""
        return self._file.array("predicted")

    def margins(self) -> NDArray[np.float32]:
        """Return the difference of the two highest probabilities of each row (rows,).

        Without columns of probabilities it is the confidence, and without that NaN."""
        return self._file.array("margin")

    def correct(self, numbers: Sequence[int], label: str | None) -> None:
        """Give rows a human label, or `CANNOT_TELL`, or None to remove it."""
        self._corrections |= dict.fromkeys(numbers, label)
        self._selector = None

    def close(self) -> None:
        """Close the cache."""
        self._file.close()

    def _ready(self) -> RowSelector:
        from weibo_tui.storage.row_selection import RowSelector

        if self._selector is None:
            self._selector = RowSelector(self._file, self._human_labels(), self._uncertain_below)
        return self._selector

    def _human_labels(self) -> HumanLabels:
        """Return the file's own human labels, overlaid by the answers."""
        import numpy as np

        human = HumanLabels(
            list(self._file.info["labels"]), self._file.array("human").copy(), np.zeros(self._file.rows, np.bool_)
        )
        for number, label in self._corrections.items():
            if label and label != CANNOT_TELL_LABEL and label not in human.names:
                human.names.append(label)
            code = human.code(label or "")
            human.codes[number - 1] = NONE if code is None else code
        return human

    def _names(self, codes: NDArray[np.int16]) -> tuple[str, ...]:
        """Return the labels that some row has, in their order, and "" last where some row has none."""
        import numpy as np

        present = np.bincount(codes.astype(np.int64) - CANNOT_TELL).nonzero()[0] + CANNOT_TELL
        return tuple(self._name(code) or "" for code in sorted(present.tolist(), key=lambda code: (code < 0, code)))

    def _name(self, code: int) -> str | None:
        if code == CANNOT_TELL:
            return CANNOT_TELL_LABEL
        return None if code == NONE else self._ready().human.names[code]

    def _row(self, row: StoredRow) -> FileRow:
        at = row.number - 1
        info = self._file.info
        names, roles = info["columns"], info["roles"]
        cells = dict(zip(names, map(cell_text, row.cells), strict=False))
        confidence = _number(cells.get(roles.get("confidence", ""), ""))
        human = self._name(int(self._ready().human.codes[at]))
        purpose = int(self._file.array("purpose")[at])
        probabilities = {label: _number(cells.get(name, "")) for label, name in info["probabilities"].items()}
        shown = {roles.get(role) for role in ("post", "predicted", "confidence", "error")}
        return FileRow(
            number=row.number,
            text=row.text,
            predicted=self._name(int(self._file.array("predicted")[at])),
            confidence=confidence,
            probabilities={label: value for label, value in probabilities.items() if value is not None},
            error=cells.get(roles.get("error", "")) or None,
            human=human,
            human_source=None if human is None else "answer" if row.number in self._corrections else "file",
            purpose=None if purpose == NONE else info["purposes"][purpose],
            date=_day_time(int(self._file.array("date")[at])),
            count=int(self._file.array("count")[at]),
            flagged=bool(self._ready().human.flagged[at]),
            note="",
            cells={
                name: cell
                for name, cell in cells.items()
                if name not in shown and name not in info["probabilities"].values()
            },
        )

    def _raw_row(self, row: StoredRow) -> FileRow:
        """Return a row of a file that is still being read, whose labels have no names yet."""
        info = self._file.info
        cells = dict(zip(info["columns"], map(cell_text, row.cells), strict=False))
        post = info["roles"]["post"]
        predicted = cells.get(info["roles"].get("predicted", "")) or None
        confidence = _number(cells.get(info["roles"].get("confidence", ""), ""))
        return FileRow(
            *(row.number, row.text, predicted, confidence, {}, None, None, None, None, None, 1, False, ""),
            cells={name: cell for name, cell in cells.items() if name != post},
        )


def _number(cell: str) -> float | None:
    try:
        value = float(cell)
    except ValueError:
        return None
    return None if isnan(value) else value


def _day_time(minutes: int) -> str | None:
    if minutes == NO_DATE:
        return None
    day, minute = divmod(minutes, MINUTES_OF_DAY)
    return f"{date.fromordinal(day).isoformat()} {minute // 60:02}:{minute % 60:02}"
