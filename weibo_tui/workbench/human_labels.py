"""The human labels of an opened file: those in its own column, and over them the answers in the log."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from weibo_tui.datasets.answers import CANNOT_TELL_WORD, PURPOSES, answer_name
from weibo_tui.storage.answers import Answers, RowAnswer
from weibo_tui.storage.file_rows import FileRows
from weibo_tui.storage.row_filters import CANNOT_TELL, CANNOT_TELL_LABEL, NONE, HumanLabels

if TYPE_CHECKING:
    from numpy.typing import NDArray

LabelSource = Literal["file", "text", "answer"]
"""Where a human label is from: the file's own column, an answer to the same text elsewhere, or an answer to the row."""
LABEL_SOURCES: tuple[LabelSource, ...] = ("file", "text", "answer")
SAMPLE, TEACH, CORRECTION, FILE, TEXT = range(len(PURPOSES))


@dataclass(frozen=True, slots=True)
class _FileLabels:
    """The labels without the answers to the rows themselves: codes, sources and purposes (rows,), as in `FileAnswers`.

    `is_own` says which rows have a label in the file's own column (rows,)."""

    codes: NDArray[np.int16]
    sources: NDArray[np.int8]
    purposes: NDArray[np.int8]
    is_own: NDArray[np.bool_]


class FileAnswers:
    """The human labels of all rows.

    `human` has their codes and flags. `sources` (rows,) are places in LABEL_SOURCES, and `purposes` (rows,) in
    PURPOSES; NONE for neither. A corrected label of the file's own column has no purpose, because the row stays in the
    sample that the column may be. `answers` are the states of rows in the log, by number.
    """

    def __init__(self, file: FileRows, log: Answers) -> None:
        """Read the labels of a file that is indexed."""
        self._log = log
        self._posts: str = file.info["posts"]
        names = list(file.info["labels"])
        self._base = _read_file_labels(file, names, log)
        self.human = HumanLabels(names, self._base.codes.copy(), np.zeros(file.rows, np.bool_))
        self.sources, self.purposes = self._base.sources.copy(), self._base.purposes.copy()
        self._revision = log.revision(self._posts)
        self.answers = log.of(self._posts)
        for number in self.answers:
            self._apply(number)

    def refresh(self) -> None:
        """Read what has changed in the log."""
        revision = self._log.revision(self._posts)
        if revision == self._revision:
            return
        last, first, *_others = self._revision
        is_removed = revision[0] < last or revision[1] > first > 0
        rows = None if is_removed else self._log.changed_rows(self._posts, self._revision)
        states = self._log.of(self._posts, rows)
        changed = {*self.answers, *states} if rows is None else rows
        self._revision = revision
        for number in changed:
            self.answers[number] = states.get(number, RowAnswer())
            self._apply(number)

    def _apply(self, number: int) -> None:
        """Set the values of a row by its state in the log."""
        place, answer, base = number - 1, self.answers[number], self._base
        self.human.flagged[place] = answer.flagged
        self.human.codes[place], self.sources[place] = base.codes[place], base.sources[place]
        self.purposes[place] = base.purposes[place]
        if answer.is_answered:
            self.human.codes[place] = _code(self.human.names, answer)
            self.sources[place] = LABEL_SOURCES.index("answer")
            if answer.purpose != PURPOSES[CORRECTION] or not base.is_own[place]:
                self.purposes[place] = PURPOSES.index(answer.purpose or PURPOSES[CORRECTION])

    @property
    def is_answered(self) -> NDArray[np.bool_]:
        """Rows with a human label, or the answer that it cannot be told (rows,)."""
        answered: NDArray[np.bool_] = self.human.codes != NONE
        return answered

    @property
    def is_given(self) -> bool:
        """True if some human label is not one of the file's own column."""
        return bool((self.sources > LABEL_SOURCES.index("file")).any())

    @property
    def has_sample(self) -> bool:
        """True if some answered row was drawn at random. The file's own column is no such sample."""
        return bool((self.is_answered & (self.purposes == SAMPLE)).any())

    @property
    def is_sampled(self) -> NDArray[np.bool_]:
        """Rows whose human label counts in an estimate (rows,).

        These are the answers to rows that were drawn at random, and without any those in the file's own column."""
        purpose = SAMPLE if self.has_sample else NONE
        sampled: NDArray[np.bool_] = self.is_answered & (self.purposes == purpose)
        return sampled

    @property
    def exported_purposes(self) -> NDArray[np.int8]:
        """The places in PURPOSES (rows,), NONE for none, by which an estimate from the exported file counts the same
        rows."""
        others = FILE if self.has_sample else NONE
        purposes = np.where(self.is_answered & (self.purposes == NONE), others, self.purposes)
        return purposes.astype(np.int8)

    @property
    def kept(self) -> int:
        """The number of rows with an answer to their text in what the file was before its posts changed."""
        return int((self.sources == LABEL_SOURCES.index("text")).sum())

    def name(self, code: int) -> str | None:
        """Return the label of a code, None for NONE."""
        if code == CANNOT_TELL:
            return CANNOT_TELL_LABEL
        return None if code == NONE else self.human.names[code]

    def source_name(self, number: int) -> LabelSource | None:
        """Return where the label of a row is from."""
        source = int(self.sources[number - 1])
        return None if source == NONE else LABEL_SOURCES[source]

    def purpose_name(self, number: int) -> str | None:
        """Return why a row has its label."""
        answer = self.answers.get(number)
        if answer is not None and answer.purpose is not None:
            return answer.purpose
        purpose = int(self.purposes[number - 1])
        return None if purpose == NONE else PURPOSES[purpose]


def _read_file_labels(file: FileRows, names: list[str], log: Answers) -> _FileLabels:
    """Return the labels in the file's own column, and over them the answers to its texts when its posts were others.

    New labels are added to `names`."""
    own = file.array("human")
    words = [*(PURPOSES.index(word) if word in PURPOSES else NONE for word in file.info["purposes"]), NONE]
    labels = _FileLabels(
        codes=own.copy(),
        sources=np.where(own == NONE, NONE, LABEL_SOURCES.index("file")).astype(np.int8),
        purposes=np.array(words, np.int8)[file.array("purpose")],
        is_own=own != NONE,
    )
    posts = file.info["posts"]
    kept = log.by_text(table.posts for table in log.files_at(Path(file.info["path"])) if table.posts != posts)
    if kept:
        keys = file.array("text_key")
        for place in np.flatnonzero(np.isin(keys, np.array([*kept], np.int64))).tolist():
            labels.codes[place] = _code(names, kept[int(keys[place])])
            labels.sources[place] = LABEL_SOURCES.index("text")
            labels.purposes[place] = TEXT
    return labels


def _code(names: list[str], answer: RowAnswer) -> int:
    """Return the code of an answer, whose label is added to `names` if it is new.

    It is read as a label in a file is, since it may have been given before another adapter labeled the posts."""
    name = CANNOT_TELL_WORD if answer.label is None else answer.label
    label = answer_name(name, tuple(names))
    if label is None:
        return NONE
    if label == CANNOT_TELL_LABEL:
        return CANNOT_TELL
    if label not in names:
        names.append(label)
    return names.index(label)
