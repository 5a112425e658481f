"""Annotation of a table: one post after the other, its answer, and how far the answers go."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Literal, Protocol

from weibo_tui.datasets.answers import CANNOT_TELL, answer_name
from weibo_tui.datasets.labels import normalize_label
from weibo_tui.errors import UserInputError
from weibo_tui.locale import gettext as _
from weibo_tui.locale import join_names
from weibo_tui.storage.answers import ANSWER_KINDS, AnnotatedFile, Answers, Kind, LoggedAnswer, RowAnswer
from weibo_tui.storage.codec import MAX_NAME_LENGTH
from weibo_tui.workbench.estimation import Estimate, estimate_counts

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from weibo_tui.workbench.queues import SampleQueue, TeachQueue

Queue = Literal["sample", "teach"]

TeachBy = Literal["random", "uncertain"]
"""Order of the posts to train on: random, or half of them the most uncertain ones of the model."""

REPEAT_AGE = 200
"""Answers of the same annotator that lie between an answer and its hidden repeat."""

REPEATS = 50
"""Hidden repeats of an annotator, or a tenth of her answers if that is more."""

REPEAT_EVERY = 6
"""One post in this number is a repeat, at random, where one can be repeated."""

RECENT = 20
"""Answers whose seconds give the pace."""


class TableInfo(Protocol):
    """Facts about a table. `posts` is the fingerprint of its posts."""

    @property
    def posts(self) -> str: ...
    @property
    def path(self) -> Path: ...
    @property
    def labels(self) -> tuple[str, ...]: ...
    @property
    def adapter(self) -> str | None: ...


class TableRow(Protocol):
    """A row with its prediction, None without one."""

    @property
    def text(self) -> str: ...
    @property
    def predicted(self) -> str | None: ...
    @property
    def confidence(self) -> float | None: ...


class Table(Protocol):
    """An opened table, whose rows are numbered from 1. See `OpenedFile`."""

    @property
    def info(self) -> TableInfo: ...
    def row(self, number: int) -> TableRow: ...
    def text_keys(self) -> NDArray[np.int64]: ...
    def predicted_codes(self) -> NDArray[np.integer]: ...
    def margins(self) -> NDArray[np.floating]: ...


@dataclass(frozen=True, slots=True)
class Task:
    """A post to answer, without the prediction. `is_repeat` must not be shown: the annotator answered it before."""

    row: int
    text: str
    rank: int | None
    is_repeat: bool = False


@dataclass(frozen=True, slots=True)
class Reveal:
    """The prediction for a post that has an answer now, and `label`, the answer as it is stored.

    `agrees` is None without a label on both sides."""

    label: str
    predicted: str | None
    confidence: float | None
    agrees: bool | None


@dataclass(frozen=True, slots=True)
class AnnotationProgress:
    """`done` and `left` are posts of the queue for this annotator, `seconds` the median of the last answers.

    `estimates` are the shares of the labels in the file so far, from the sample answers of all annotators. `needed`
    more answers narrow the widest of their intervals to ± 3 points, which takes `minutes`.
    """

    done: int
    left: int
    seconds: float | None
    estimates: tuple[Estimate, ...]
    needed: int | None
    minutes: float | None


def annotated_file(table: Table, labels: Iterable[str] = ()) -> AnnotatedFile:
    """Return the table as it is registered with its answers. `labels` are those of answers."""
    import numpy as np

    info = table.info
    names = tuple(dict.fromkeys((*info.labels, *labels)))
    return AnnotatedFile(info.posts, info.path, int(np.count_nonzero(table.text_keys())), names)


def name_answer(label: str, labels: Sequence[str]) -> str:
    """Return a given label as one of `labels` if it means that, CANNOT_TELL for words which say so, or a new label.

    Raise UserInputError for a label without characters, a very long one, and several at once."""
    if label == CANNOT_TELL:
        return label
    word = normalize_label(label)
    if not word or len(word) > MAX_NAME_LENGTH:
        raise UserInputError(_("A label needs 1 to {limit} characters.").format(limit=f"{MAX_NAME_LENGTH:,}"))
    name = answer_name(word, tuple(labels))
    if name is None:
        raise UserInputError(_("{label} is not one label. Give one label.").format(label=join_names([label])))
    return name


class Annotation:
    """The session of an annotator on one queue of a table. Each answer is on disk when the method returns."""

    def __init__(
        self, table: Table, answers: Answers, queue: Queue, annotator: str, teach_by: TeachBy = "random"
    ) -> None:
        self._teach_by = teach_by
        self._table, self._answers = table, answers
        self.queue, self.annotator = queue, annotator
        self.posts = table.info.posts
        stored = answers.file(self.posts)
        self.labels = table.info.labels
        for label in stored.labels if stored else ():  # which may be those of another adapter
            name = answer_name(label, self.labels)
            if name is not None and name not in (CANNOT_TELL, *self.labels):
                self.labels = (*self.labels, name)
        self._end = None if stored is None else stored.reserve
        self._register()
        self._load()

    @property
    def guideline(self) -> str:
        """The meaning of the labels in this table, in the annotator's words."""
        stored = self._answers.file(self.posts)
        return "" if stored is None else stored.guideline

    @guideline.setter
    def guideline(self, text: str) -> None:
        self._answers.set_guideline(self.posts, text)

    def next(self) -> Task | None:
        """Return the next post to answer, None at the end of the queue."""
        if self._answers.revision(self.posts) != self._revision:  # another program has written
            self._load()
        if self.queue == "teach":
            row = self._teach.next(self._answered, len(self._own))
            return None if row is None else Task(row, self._table.row(row).text, None)
        if (repeat := self._repeat()) is not None:
            return Task(repeat, self._table.row(repeat).text, self._sample.rank(repeat), is_repeat=True)
        drawn = self._sample.next(self._own)
        return None if drawn is None else Task(drawn[0], self._table.row(drawn[0]).text, drawn[1])

    def answer(self, task: Task, label: str, seconds: float | None = None) -> Reveal:
        """Store an answer: a label, which may be one that the model does not have, or CANNOT_TELL.

        Raise UserInputError for a label without characters or a very long one."""
        row = self._table.row(task.row)
        label = self._known_label(label)
        kind: Kind = "cannot_tell" if label == CANNOT_TELL else "label"
        self._add(task, kind, None if label == CANNOT_TELL else label, seconds)
        known = row.predicted is not None and label != CANNOT_TELL
        return Reveal(label, row.predicted, row.confidence, row.predicted == label if known else None)

    def flag(self, task: Task, flagged: bool = True) -> None:
        """Mark a post to look at later, or remove the mark."""
        self._add(task, "flag" if flagged else "unflag", None)

    def note(self, task: Task, text: str) -> None:
        """Store a note on a post in place of the one before."""
        self._add(task, "note", text)

    def state(self, task: Task) -> RowAnswer:
        """Return what is known of the post: its answer, mark and note."""
        return self._current.get(task.row, RowAnswer())

    def undo(self) -> Task | None:
        """Undo the annotator's last action in this queue, also one before the last start. Return its post.

        Return None where nothing is left to undo."""
        undone = self._answers.undo(self.posts, self.annotator, self.queue)
        if not undone:
            return None
        if any(entry.kind == "cleared" for entry in undone):
            self._load()  # answers from before count again
        else:
            self._update({entry.row for entry in undone})
            for entry in undone:
                self._forget(entry)
        first = undone[0]
        return Task(first.row, first.text, first.rank, first.repeat)

    def progress(self) -> AnnotationProgress:
        """Return how far the annotator and the answers are."""
        left = self._teach.left(self._answered) if self.queue == "teach" else self._sample.end - len(self._own)
        seconds = median(self._seconds[-RECENT:]) if self._seconds else None
        estimates = self._estimates()
        needed = [one.for_half_width - one.n for one in estimates if one.for_half_width is not None]
        most = max(0, *needed) if needed else None
        minutes = None if most is None or seconds is None else most * seconds / 60
        return AnnotationProgress(len(self._own), max(0, left), seconds, estimates, most, minutes)

    @cached_property
    def _order(self) -> NDArray[np.int32]:
        from weibo_tui.engine.sampling import sample_order

        return sample_order(self.posts, self._table.text_keys())

    @cached_property
    def _sample(self) -> SampleQueue:
        from weibo_tui.workbench.queues import SampleQueue

        return SampleQueue(self._order, self._end)

    @cached_property
    def _teach(self) -> TeachQueue:
        from weibo_tui.workbench.queues import TeachQueue

        margins = self._table.margins() if self._teach_by == "uncertain" else None
        arrays = self._table.text_keys(), self._table.predicted_codes(), margins
        return TeachQueue(self._order, self._end or 0, *arrays, lambda row: self._table.row(row).text)

    @cached_property
    def _predicted(self) -> Mapping[str, int]:
        """The number of rows with each predicted label."""
        import numpy as np

        codes = self._table.predicted_codes()
        counts = np.bincount(codes[codes >= 0], minlength=len(self._table.info.labels)).tolist()
        return dict(zip(self._table.info.labels, counts, strict=True))

    def _register(self) -> None:
        self._answers.register(annotated_file(self._table, self.labels))
        if self.queue == "teach":
            self._end = self._answers.reserve(self.posts, -(-len(self._order) // 2))

    def _known_label(self, label: str) -> str:
        """Return a label in the way it is written already, or as a new one, which is stored."""
        name = name_answer(label, self.labels)
        if name != CANNOT_TELL and name not in self.labels:
            self.labels = (*self.labels, name)
            self._register()
        return name

    def _load(self) -> None:
        """Read the answers of all annotators, and what this one has done in the queue."""
        if self._answers.file(self.posts) is None:  # another program has removed the answers
            self._register()
        self._revision = self._answers.revision(self.posts)
        self._current = self._answers.of(self.posts)
        self._answered = {row for row, state in self._current.items() if state.is_answered}
        self._pairs: Counter[tuple[str, str]] = Counter()
        for row, state in self._current.items():
            self._count(row, state, 1)
        self._own: Counter[int] = Counter()
        """Numbers of answers by row, in the order of the first answers."""
        self._repeated: set[int] = set()
        self._seconds: list[float] = []
        for entry in self._answers.entries(self.posts, self.annotator):
            if entry.purpose == self.queue and entry.row in self._answered:
                self._remember(entry)
        if self.queue == "sample":
            stored = self._answers.file(self.posts)
            if stored is not None and stored.reserve is not None:
                self._sample.end = min(stored.reserve, len(self._order))
            self._sample.rewind()

    def _add(self, task: Task, kind: Kind, value: str | None, seconds: float | None = None) -> None:
        row, adapter = self._table.row(task.row), self._table.info.adapter
        if self._answers.revision(self.posts) != self._revision:
            self._load()
        entry = LoggedAnswer(
            posts=self.posts,
            row=task.row,
            text_key=int(self._table.text_keys()[task.row - 1]),
            text=task.text,
            purpose=self.queue,
            annotator=self.annotator,
            kind=kind,
            value=value,
            repeat=task.is_repeat,
            rank=task.rank,
            predicted=row.predicted,
            confidence=row.confidence,
            adapter=adapter,
            seconds=seconds,
        )
        self._answers.add([entry])
        self._remember(entry)
        self._update({task.row})

    def _remember(self, entry: LoggedAnswer) -> None:
        if entry.kind not in ANSWER_KINDS:
            return
        if entry.kind == "cleared":
            self._own.pop(entry.row, None)
        elif entry.repeat:
            self._repeated.add(entry.row)
        else:
            self._own[entry.row] += 1
        if entry.seconds is not None:
            self._seconds.append(entry.seconds)

    def _forget(self, entry: LoggedAnswer) -> None:
        if entry.kind not in ANSWER_KINDS:
            return
        if entry.repeat:
            self._repeated.discard(entry.row)
        else:
            self._own[entry.row] -= 1
            if self._own[entry.row] <= 0 or entry.row not in self._answered:
                del self._own[entry.row]
                if self.queue == "sample":
                    self._sample.rewind()
        if entry.seconds is not None and self._seconds:
            self._seconds.pop()

    def _update(self, rows: set[int]) -> None:
        """Read the state of some rows again, after an own change."""
        self._revision = self._answers.revision(self.posts)
        changed = self._answers.of(self.posts, rows)
        for row in rows:
            self._count(row, self._current.pop(row, RowAnswer()), -1)
            self._answered.discard(row)
            if row in changed:
                self._current[row] = changed[row]
                self._count(row, changed[row], 1)
                if changed[row].is_answered:
                    self._answered.add(row)

    def _count(self, row: int, state: RowAnswer, number: int) -> None:
        """Add a row to the pairs of predicted label and sample answer, or remove it with -1."""
        if state.purpose != "sample" or not state.is_answered:
            return
        code = int(self._table.predicted_codes()[row - 1])
        answer = CANNOT_TELL if state.label is None else answer_name(state.label, self.labels)
        if code >= 0 and answer is not None:
            self._pairs[self._table.info.labels[code], answer] += number

    def _estimates(self) -> tuple[Estimate, ...]:
        counts = +self._pairs
        if not counts:
            return ()
        answered = Counter[str]()
        for (predicted, _answer), number in counts.items():
            answered[predicted] += number
        for predicted, rows in self._predicted.items():
            counts[predicted, ""] = rows - answered[predicted]
        return tuple(estimate_counts({None: +counts}, self.labels, has_windows=False))

    def _repeat(self) -> int | None:
        """Return a row to ask again, now and then, where an answer is old enough."""
        from weibo_tui.engine.sampling import random_number, seed_of

        old = len(self._own) - REPEAT_AGE
        if old <= 0 or len(self._repeated) >= max(REPEATS, len(self._own) // 10):
            return None
        chance = random_number(seed_of(self.posts), len(self._own) + len(self._repeated))
        if chance % REPEAT_EVERY:
            return None
        candidates = [row for row, _place in zip(self._own, range(old), strict=False) if row not in self._repeated]
        return candidates[chance // REPEAT_EVERY % len(candidates)] if candidates else None
