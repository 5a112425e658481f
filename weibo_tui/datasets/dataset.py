"""A labeled dataset in memory: the raw posts of one or several files, and the index of each label."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from weibo_tui.datasets.labels import MAX_LABEL_LENGTH, MAX_LABELS, Labels, resolve_labels
from weibo_tui.datasets.reading import PostTable, open_table, read_rows
from weibo_tui.datasets.tables import Columns, Report
from weibo_tui.errors import UserInputError
from weibo_tui.locale import gettext as _
from weibo_tui.locale import join_list, join_names
from weibo_tui.progress import Progress
from weibo_tui.text.cleaning import PREPROCESSING, clean
from weibo_tui.text.terminal import truncate

STEP = 1000  # rows between two steps of progress
MAX_LABELS_IN_MESSAGE = 20


@dataclass(frozen=True, slots=True)
class Dataset:
    """Posts with something to read in them, in the order of the files, and their labels.

    `places[i]` is where post i was read: the index of its file in `sources`, and its row. `skipped` are the places of
    rows whose cleaned post is empty. `digest` is the SHA-256 of posts and label names. `unlabeled` is the number of
    rows left out because their label is a model's.
    """

    posts: list[str]
    labels: list[int]
    label_set: Labels
    sources: tuple[PostTable, ...]
    places: list[tuple[int, int]]
    skipped: list[tuple[int, int]]
    digest: str
    unlabeled: int = 0

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the labels in order. `labels` are indices into it."""
        return self.label_set.names

    def counts(self) -> dict[str, int]:
        """Return the number of posts of each label, in order, zeros too."""
        counts = Counter(self.labels)
        return {name: counts[index] for index, name in enumerate(self.names)}


def load_dataset(
    paths: Sequence[Path],
    columns: Columns = Columns(),
    labels: Labels | Sequence[str] | None = None,
    *,
    preprocessing: int = PREPROCESSING,
) -> Generator[Progress, None, Dataset]:
    """Read labeled files and return the dataset.

    `labels` are the names for a new adapter (`--labels`), or the `Labels` of one to evaluate. Raise UserInputError
    where `open_table` does, for a row with a post and no label, and for a label that is not in the set.
    """
    sources = tuple(open_table(path, columns, need_label=True) for path in paths)
    posts: list[str] = []
    codes: list[int] = []  # of the raw labels, numbered in the order of their first occurrence
    places: list[tuple[int, int]] = []
    skipped: list[tuple[int, int]] = []
    first: dict[str, tuple[int, int]] = {}  # the place of each raw label's first occurrence
    numbers: dict[str, int] = {}  # raw label to code
    done = unlabeled = 0
    for file, source in enumerate(sources):
        report = Report()
        for row in read_rows(source, report):
            place = (file, row.number)
            if not clean(row.text, preprocessing).text.strip():
                skipped.append(place)
            elif row.predicted:
                unlabeled += 1
            else:
                label = _check_label(source, row.number, row.label)
                if label not in numbers:
                    numbers[label] = _next_number(source, numbers)
                    first[label] = place
                posts.append(row.text)
                codes.append(numbers[label])
                places.append(place)
            done += 1
            if done % STEP == 0:
                yield Progress("reading", done)
        yield Progress("reading", done, note=source.summary(report))
    yield Progress("reading", done, done)
    if unlabeled and not posts:
        message = _("No human labels: {files}. Correct labels in the history, then export it again.")
        raise UserInputError(message.format(files=join_list(map(str, paths))))
    label_set = labels if isinstance(labels, Labels) else resolve_labels(numbers, labels)
    indices = [label_set.index(label) for label in numbers]
    for label, index in zip(numbers, indices, strict=True):
        if index is None:
            raise _not_in_set(label_set, label, numbers, sources[first[label][0]], first[label][1])
    codes = [index for code in codes if (index := indices[code]) is not None]
    digest = yield from _digest(posts, codes, label_set.names)
    return Dataset(posts, codes, label_set, sources, places, skipped, digest, unlabeled)


def check_trainable(dataset: Dataset, posts: int | None = None) -> None:
    """Raise UserInputError unless the first `posts` (default: all) have two labels, and every label in the set."""
    indices = set(dataset.labels[:posts])
    present = [name for index, name in enumerate(dataset.names) if index in indices]
    files = join_list(str(source.path) for source in dataset.sources)
    if not present:
        raise UserInputError(_("{files}: no row has both a post and a label.").format(files=files))
    if len(present) == 1:
        message = _("{files}: all posts have the label {label}. Training needs at least two labels.")
        raise UserInputError(message.format(files=files, label=present[0]))
    missing = [name for name in dataset.names if name not in present]
    if missing:
        message = _(
            "{files}: no post for training has the label {labels}. Add posts with it, or remove it from --labels."
        )
        raise UserInputError(message.format(files=files, labels=join_list(missing)))


def _check_label(source: PostTable, number: int, label: str | None) -> str:
    if not label:
        message = _("{path}, row {row}: the post has no label. Add one in column {column}, or remove the row.")
        raise UserInputError(message.format(path=source.path, row=number, column=source.label_column))
    if len(label) > MAX_LABEL_LENGTH:
        message = _("{path}, row {row}: column {column} has a label of {number} characters. Is it the right column?")
        raise UserInputError(
            message.format(path=source.path, row=number, column=truncate(source.label_column or ""), number=len(label))
        )
    return label


def _next_number(source: PostTable, numbers: dict[str, int]) -> int:
    if len(numbers) == MAX_LABELS:
        message = _("{path}: column {column} has more than {limit} different labels. Is it the right column?")
        raise UserInputError(message.format(path=source.path, column=source.label_column, limit=MAX_LABELS))
    return len(numbers)


def _not_in_set(labels: Labels, label: str, present: Iterable[str], source: PostTable, number: int) -> UserInputError:
    message = _(
        "{path}, row {row}: the label {label} is not in the set ({labels}). The data has the labels {found}. Name them "
        "as the adapter does, or choose an adapter with these labels."
    )
    return UserInputError(
        message.format(
            path=source.path,
            row=number,
            label=truncate(label),
            labels=join_names(labels.names, MAX_LABELS_IN_MESSAGE),
            found=join_names(present, MAX_LABELS_IN_MESSAGE),
        )
    )


def _digest(posts: Sequence[str], labels: Sequence[int], names: Sequence[str]) -> Generator[Progress, None, str]:
    digest = hashlib.sha256()
    encoded = [name.encode("utf-8", "surrogatepass") for name in names]
    for number, (post, label) in enumerate(zip(posts, labels, strict=True), start=1):
        text = post.encode("utf-8", "surrogatepass")
        digest.update(b"%d %d\n%b%b" % (len(text), len(encoded[label]), text, encoded[label]))
        if number % STEP == 0:
            yield Progress("hashing", number, len(posts))
    return digest.hexdigest()
