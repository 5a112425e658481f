"""A labeled file that is open: its rows by filter and order, and the human labels over them."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING

from weibo_tui.datasets.answers import SampledAnswers, read_number
from weibo_tui.errors import UserInputError
from weibo_tui.locale import gettext as _
from weibo_tui.locale import join_list, language_tag, ngettext
from weibo_tui.progress import Progress
from weibo_tui.storage.answers import Answers, Kind, LoggedAnswer, RowAnswer
from weibo_tui.storage.file_rows import FileRows, StoredRow, cell_text
from weibo_tui.storage.row_filters import (
    ALL_ROWS,
    CANNOT_TELL,
    CANNOT_TELL_LABEL,
    FILE_ORDER,
    MINUTES_OF_DAY,
    NO_DATE,
    OWN_ORDERS,
    RowFilter,
    RowOrder,
    Selection,
)
from weibo_tui.text.terminal import truncate
from weibo_tui.workbench.annotation import annotated_file, name_answer
from weibo_tui.workbench.estimation import EstimationResult
from weibo_tui.workbench.file_export import ExportedFile, export_rows, exported_rows

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from weibo_tui.storage.row_selection import RowSelector
    from weibo_tui.workbench.human_labels import FileAnswers


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

    def __init__(
        self,
        file: FileRows,
        answers: Answers,
        annotator: str,
        uncertain_below: Callable[[], float],
        find_adapter: Callable[[Path, Mapping[str, int]], str],
    ) -> None:
        self._file = file
        self._log = answers
        self._annotator = annotator
        self._uncertain_below = uncertain_below
        self._find_adapter = find_adapter
        self._adapter: str | None = None
        self._answers: FileAnswers | None = None

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
            answers=self._num_answers(),
            adapter=self._name_adapter(),
            summary=self._summary(),
            warnings=tuple(self._warnings()),
        )

    def _name_adapter(self) -> str:
        """Return the adapter of the predictions: that of the file's own column, or of the history."""
        info = self._file.info
        if self._adapter is None and self._file.is_ready:
            self._adapter = info.get("adapter", "") or self._find_adapter(Path(info["path"]), info.get("counts", {}))
        return self._adapter or ""

    def _summary(self) -> str:
        """Return the line that says how the file was read, a shorter one if it is stored in another language."""
        info = self._file.info
        if "summary" not in info or info.get("language") == language_tag():
            return str(info.get("summary", ""))
        column = _("posts in {column}").format(column=truncate(str(info["roles"]["post"]).strip()))
        rows = ngettext("{number:,} row", "{number:,} rows", self._file.rows).format(number=self._file.rows)
        name = " ".join(Path(info["path"]).name.splitlines())
        return f"{name}: {join_list([column, rows])}"

    def _num_answers(self) -> int:
        return int(self._current().is_answered.sum()) if self._file.is_ready else 0

    def _warnings(self) -> Iterator[str]:
        yield from self._file.info["warnings"]
        if self._file.is_ready and (kept := self._current().kept):
            yield ngettext(
                "The posts of this file have changed. {number:,} answer is kept by its text, and is not used for "
                "estimates.",
                "The posts of this file have changed. {number:,} answers are kept by their texts, and are not used for "
                "estimates.",
                kept,
            ).format(number=kept)
        try:
            is_changed = not self._file.is_of(Path(self._file.info["path"]))
        except OSError:
            yield _("The file was removed. Its rows are shown as they were.")
        else:
            if is_changed:
                yield _("The file has changed since. Open it again to read it again.")

    def is_in_place(self, file: FileRows) -> bool:
        """Return whether this is the cache that was opened again as `file`, and not one that was made since."""
        return self._file.inode == file.inode

    def refresh(self) -> None:
        """Read again how many rows there are."""
        self._file.refresh()

    def select(self, filter: RowFilter = ALL_ROWS, order: RowOrder = FILE_ORDER) -> Selection:  # noqa: A002
        """Return the matching rows in an order. Raise UserInputError for a column that does not exist.

        Until the file is ready, all rows so far are returned, in the file's order.
        """
        import numpy as np

        if not self._file.is_ready:
            return Selection(np.arange(1, self._file.rows + 1, dtype=np.int32))
        return self._selector().select(filter, order)

    def rows(self, selection: Selection, start: int = 0, stop: int | None = None) -> list[FileRow]:
        """Return the rows of a part of a selection."""
        stored = self._file.read(selection.numbers[start:stop].tolist())
        if not self._file.is_ready:
            return [self._raw_row(row) for row in stored]
        answers = self._current()
        return [self._row(row, answers) for row in stored]

    def position(self, selection: Selection, number: int) -> int | None:
        """Return the place of a row in a selection, from 0. Return None if it is not selected."""
        return selection.position(number)

    def counts(self, selection: Selection) -> dict[str, int]:
        """Return the selected rows by label, the human one or else the predicted one; "" counts rows without any."""
        import numpy as np

        answers = self._current()
        codes = self._selector().labels[selection.numbers - 1]
        values, numbers = np.unique(codes, return_counts=True)
        return {
            answers.name(code) or "": number for code, number in zip(values.tolist(), numbers.tolist(), strict=True)
        }

    def row(self, number: int) -> FileRow:
        """Return the row of a number. Raise UserInputError if it does not exist."""
        for row in self._file.read([number]):
            return self._row(row, self._current())
        message = _("{path} has no row {number}.")
        raise UserInputError(message.format(path=self.info.path, number=f"{number:,}"))

    def choices(self) -> FileChoices:
        """Return what a filter can select and an order can be by."""
        selector = self._selector()
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
        """Give rows a human label, or `CANNOT_TELL_LABEL`, or None to remove it, as one action that `undo` undoes.

        Raise UserInputError as `name_answer` does."""
        if label is not None:
            label = name_answer(label, self._current().human.names)
        kind: Kind = "cleared" if label is None else "cannot_tell" if label == CANNOT_TELL_LABEL else "label"
        self._log.register(annotated_file(self, self._current().human.names))
        self._log.add(self._entries(numbers, kind, label if kind == "label" else None))

    def undo(self) -> list[int]:
        """Undo the last action on the rows of this file. Return the numbers of its rows."""
        return [entry.row for entry in self._log.undo(self.info.posts, self._annotator)]

    def _entries(self, numbers: Sequence[int], kind: Kind, value: str | None) -> Iterator[LoggedAnswer]:
        """Yield an entry of the log for each row, with the purpose for which the row was answered before, if it was."""
        info, answers = self.info, self._current()
        keys, predicted, confidences = map(self._file.array, ("text_key", "predicted", "confidence"))
        for row in self._file.read(numbers):
            at = row.number - 1
            before = answers.answers.get(row.number, RowAnswer())
            confidence = float(confidences[at])
            yield LoggedAnswer(
                posts=info.posts,
                row=row.number,
                text_key=int(keys[at]),
                text=row.text,
                purpose=before.purpose or "correction",
                annotator=self._annotator,
                kind=kind,
                value=value,
                rank=before.rank,
                predicted=answers.name(int(predicted[at])),
                confidence=None if isnan(confidence) else confidence,
                adapter=info.adapter or None,
            )

    def estimate(self, label: str | None = None, by: str | None = None) -> EstimationResult:
        """Return the estimates of the shares of the labels, as `Workbench.estimate` does from the exported file.

        They use the answers to rows that were drawn at random, and without any the file's own column of labels. Raise
        UserInputError without predicted labels, or windows `by` a day, a week or a column that cannot be made."""
        from weibo_tui.workbench.file_estimation import estimate_file

        return estimate_file(self._file, self._current(), label, by)

    @property
    def has_answers(self) -> bool:
        """True if some row has an answer, or its text had one in what the file was before its posts changed."""
        return self._current().is_given

    def sampled_answers(self) -> SampledAnswers:
        """Return the human labels that count in an estimate, for a report."""
        from weibo_tui.workbench.file_estimation import sampled_answers

        return sampled_answers(self._file, self._current())

    def iter_export(
        self,
        out: Path,
        filter: RowFilter = ALL_ROWS,  # noqa: A002 - the usual word
        order: RowOrder = FILE_ORDER,
        overwrite: bool = False,
    ) -> Generator[Progress | ExportedFile, None, None]:
        """Write the matching rows with their labels: progress, then an `ExportedFile`. Raise UserInputError where
        `out` cannot be written."""
        yield from export_rows(self._file, self._current(), self.select(filter, order), out, overwrite)

    def to_pandas(self, filter: RowFilter = ALL_ROWS, order: RowOrder = FILE_ORDER) -> pd.DataFrame:  # noqa: A002
        """Return the matching rows, with the columns of an exported file."""
        import pandas as pd

        return pd.DataFrame(list(exported_rows(self._file, self._current(), self.select(filter, order))))

    def close(self) -> None:
        """Close the cache."""
        self._file.close()

    def _current(self) -> FileAnswers:
        """Return the human labels, with the changes of any program."""
        from weibo_tui.workbench.human_labels import FileAnswers

        if self._answers is None:
            self._answers = FileAnswers(self._file, self._log)
        self._answers.refresh()
        return self._answers

    def _selector(self) -> RowSelector:
        from weibo_tui.storage.row_selection import RowSelector

        return RowSelector(self._file, self._current().human, self._uncertain_below())

    def _names(self, codes: NDArray[np.int16]) -> tuple[str, ...]:
        """Return the labels that some row has, in their order, and "" last where some row has none."""
        import numpy as np

        answers = self._current()
        present = np.bincount(codes.astype(np.int64) - CANNOT_TELL).nonzero()[0] + CANNOT_TELL
        return tuple(answers.name(code) or "" for code in sorted(present.tolist(), key=lambda code: (code < 0, code)))

    def _row(self, row: StoredRow, answers: FileAnswers) -> FileRow:
        at, info = row.number - 1, self._file.info
        cells = dict(zip(info["columns"], map(cell_text, row.cells), strict=False))
        roles, probabilities = info["roles"], info["probabilities"]
        answer = answers.answers.get(row.number, RowAnswer())
        shown = {roles.get(role) for role in ("post", "predicted", "confidence", "error")} | {*probabilities.values()}
        return FileRow(
            number=row.number,
            text=row.text,
            predicted=answers.name(int(self._file.array("predicted")[at])),
            confidence=_number(cells.get(roles.get("confidence", ""), "")),
            probabilities={
                label: value
                for label, name in probabilities.items()
                if (value := _number(cells.get(name, ""))) is not None
            },
            error=cells.get(roles.get("error", "")) or None,
            human=answers.name(int(answers.human.codes[at])),
            human_source=answers.source_name(row.number),
            purpose=answers.purpose_name(row.number),
            date=_day_time(int(self._file.array("date")[at])),
            count=int(self._file.array("count")[at]),
            flagged=answer.flagged,
            note=answer.note,
            cells={name: cell for name, cell in cells.items() if name not in shown},
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
    value = read_number(cell)
    return None if isnan(value) else value


def _day_time(minutes: int) -> str | None:
    if minutes == NO_DATE:
        return None
    day, minute = divmod(minutes, MINUTES_OF_DAY)
    return f"{date.fromordinal(day).isoformat()} {minute // 60:02}:{minute % 60:02}"
