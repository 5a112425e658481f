"""The human labels of an opened file: those in its own column, and over them the answers in the log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from weibo_tui.storage.answers import Answers, RowAnswer
from weibo_tui.storage.file_rows import FileRows
from weibo_tui.storage.row_filters import CANNOT_TELL, CANNOT_TELL_LABEL, NONE, HumanLabels

if TYPE_CHECKING:
    from numpy.typing import NDArray

LabelSource = Literal["file", "text", "answer"]
"""Where a human label is from: the file's own column, an answer to the same text elsewhere, or an answer to the row."""
LABEL_SOURCES: tuple[LabelSource, ...] = ("file", "text", "answer")
PURPOSES = ("sample", "teach", "correction", "file", "text")
"""Why rows have their labels, as in a column `purpose` of a file."""
SAMPLE, TEACH, CORRECTION, FILE, TEXT = range(len(PURPOSES))


@dataclass
class FileAnswers:
    """The human labels of all rows, as they were at `revision` of the log.

    `sources` (rows,) are places in LABEL_SOURCES, and `purposes` (rows,) in PURPOSES; NONE for neither. A corrected
    label of the file's own column has no purpose, because the row stays in the sample that the column may be. `answers`
    are the states of rows in the log, by number.
    """

    revision: tuple[int, ...]
    human: HumanLabels
    sources: NDArray[np.int8]
    purposes: NDArray[np.int8]
    answers: dict[int, RowAnswer] = field(default_factory=dict)

    @cached_property
    def is_answered(self) -> NDArray[np.bool_]:
        """Rows with a human label, or the answer that it cannot be told (rows,)."""
        answered: NDArray[np.bool_] = self.human.codes != NONE
        return answered

    @cached_property
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
    def has_purposes(self) -> bool:
        """True if some answered row has a purpose that an export says."""
        return bool((self.is_answered & (self.purposes != NONE)).any())

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

    def exported_purpose(self, number: int) -> str:
        """Return the purpose of a row by which an estimate from the exported file counts the same rows."""
        purpose = int(self.purposes[number - 1])
        if purpose == NONE:
            return PURPOSES[FILE] if self.has_sample and self.is_answered[number - 1] else ""
        return PURPOSES[purpose]


def read_file_answers(file: FileRows, log: Answers) -> FileAnswers:
    """Return the human labels of a file that is indexed."""
    own = file.array("human")
    words = [*(PURPOSES.index(word) if word in PURPOSES else NONE for word in file.info["purposes"]), NONE]
    labels = FileAnswers(
        revision=log.revision(file.info["posts"]),
        human=HumanLabels(list(file.info["labels"]), own.copy(), np.zeros(len(own), np.bool_)),
        sources=np.where(own == NONE, NONE, LABEL_SOURCES.index("file")).astype(np.int8),
        purposes=np.array(words, np.int8)[file.array("purpose")],
        answers=log.of(file.info["posts"]),
    )
    earlier = [table.posts for table in log.files_at(Path(file.info["path"])) if table.posts != file.info["posts"]]
    _add_kept(labels, file.array("text_key"), log.by_text(earlier))
    _add_answers(labels, own)
    return labels


def _add_kept(labels: FileAnswers, keys: NDArray[np.int64], answers: Mapping[int, RowAnswer]) -> None:
    """Add answers to texts that the file had when its posts were others."""
    if not answers:
        return
    for place in np.flatnonzero(np.isin(keys, np.array([*answers], np.int64))).tolist():
        labels.human.codes[place] = _code(labels.human, answers[int(keys[place])])
        labels.sources[place] = LABEL_SOURCES.index("text")
        labels.purposes[place] = TEXT


def _add_answers(labels: FileAnswers, own: NDArray[np.int16]) -> None:
    """Add the answers to the rows themselves."""
    for number, answer in labels.answers.items():
        place = number - 1
        labels.human.flagged[place] = answer.flagged
        if not answer.is_answered:
            continue
        labels.human.codes[place] = _code(labels.human, answer)
        labels.sources[place] = LABEL_SOURCES.index("answer")
        purpose = PURPOSES.index(answer.purpose or PURPOSES[CORRECTION])
        if purpose != CORRECTION or own[place] == NONE:
            labels.purposes[place] = purpose


def _code(human: HumanLabels, answer: RowAnswer) -> int:
    if answer.label is None:
        return CANNOT_TELL
    if answer.label not in human.names:
        human.names.append(answer.label)
    return human.names.index(answer.label)
