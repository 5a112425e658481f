"""A labeled dataset in memory: the raw posts of one or several files, and the index of each label."""

from __future__ import annotations

import hashlib
import sys
from collections import Counter
from collections.abc import Collection, Generator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from weibo_tui.datasets.label_map import NO_RULES, LabelMap, assign_labels, score_hint
from weibo_tui.datasets.labels import MAX_LABEL_LENGTH, MAX_LABELS, Labels, is_number, sentiments
from weibo_tui.datasets.reading import PostTable, open_table, read_rows
from weibo_tui.datasets.tables import Columns, Report
from weibo_tui.errors import UserInputError
from weibo_tui.locale import gettext as _
from weibo_tui.locale import join_list, join_names
from weibo_tui.progress import Progress
from weibo_tui.text.cleaning import PREPROCESSING, has_content
from weibo_tui.text.terminal import truncate

STEP = 1000  # rows between two steps of progress
MAX_LABELS_IN_MESSAGE = 20


@dataclass(frozen=True, slots=True)
class Dataset:
    """Posts with something to read in them, in the order of the files, and their labels.

    `places[i]` is where post i was read: the index of its file in `sources`, and its row. `skipped` are the places of
    rows whose cleaned post is empty. `digest` is the SHA-256 of posts and label names. `left_out` are numbers of other
    rows by the reason: `predicted` (the label is a model's), `unlabeled`, `several labels`, `dropped` (by the map).
    `labels_read_as` are the names of labels in the files, where these are others.
    """

    posts: list[str]
    labels: list[int]
    label_set: Labels
    sources: tuple[PostTable, ...]
    places: list[tuple[int, int]]
    skipped: list[tuple[int, int]]
    digest: str
    left_out: dict[str, int] = field(default_factory=dict)
    labels_read_as: dict[str, str] = field(default_factory=dict)

    @property
    def unlabeled(self) -> int:
        """The number of rows that no person has labeled."""
        return self.left_out.get("predicted", 0) + self.left_out.get("unlabeled", 0)

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
    label_map: LabelMap | None = NO_RULES,
) -> Generator[Progress, None, Dataset]:
    """Read labeled files and return the dataset.

    `labels` are the names for a new adapter (`--labels`), or the `Labels` of one to evaluate. For `label_map` see
    `assign_labels`. Raise UserInputError where `open_table` does, where no row is left, and for a label that is not in
    the set.
    """
    sources = tuple(open_table(path, columns, need_label=True) for path in paths)
    rows = yield from _read(sources, preprocessing, label_map)
    files = join_list(map(str, paths))
    if label_map is not None:
        unused = label_map.check_used(rows.first)
        yield Progress("reading", len(rows.posts), len(rows.posts), note=unused)
    assigned = assign_labels(rows.first, labels, label_map)
    for label, (file, number) in rows.first.items():
        if label not in assigned.indices and label not in assigned.left_out:
            if hint := score_hint(rows.first):
                raise UserInputError(_("{files}: {problem}").format(files=files, problem=hint))
            raise _not_in_set(assigned.labels, label, rows.first, sources[file], number)
    fractions = [name for name in assigned.labels.names if is_number(name) and not float(name).is_integer()]
    if fractions and label_map is not None and not isinstance(labels, Labels):
        raise UserInputError(_("{files}: {problem}").format(files=files, problem=score_hint(assigned.labels.names)))
    rows.left_out.update(assigned.left_out[label] for label in rows.labels if label in assigned.left_out)
    kept = [index for index, label in enumerate(rows.labels) if label in assigned.indices]
    if rows.left_out and not kept:
        if rows.left_out.keys() == {"predicted"}:
            message = _("No human labels: {files}. Correct labels in the history, then export it again.")
        else:
            message = _("{files}: no row has both a post and a label.")
        raise UserInputError(message.format(files=files))
    posts = [rows.posts[index] for index in kept]
    codes = [assigned.indices[rows.labels[index]] for index in kept]
    digest = yield from _digest(posts, codes, assigned.labels.names)
    places = [rows.places[index] for index in kept]
    left_out = dict(rows.left_out)
    return Dataset(posts, codes, assigned.labels, sources, places, rows.skipped, digest, left_out, assigned.read_as())


@dataclass(slots=True)
class _Rows:
    """Rows with a post and a label: the labels as in the files, and the place of the first row with each of them."""

    posts: list[str] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    places: list[tuple[int, int]] = field(default_factory=list)
    skipped: list[tuple[int, int]] = field(default_factory=list)
    first: dict[str, tuple[int, int]] = field(default_factory=dict)
    left_out: Counter[str] = field(default_factory=Counter)


def _read(
    sources: Sequence[PostTable], preprocessing: int, label_map: LabelMap | None
) -> Generator[Progress, None, _Rows]:
    rows = _Rows()
    classes: set[str | None] = set()
    done = 0
    for file, source in enumerate(sources):
        report = Report()
        for row in read_rows(source, report):
            place = (file, row.number)
            if not has_content(row.text, preprocessing):
                rows.skipped.append(place)
            elif not row.label:
                rows.left_out["predicted" if row.predicted else "unlabeled"] += 1
            else:
                label = sys.intern(row.label)  # one string for all rows of a label
                if label not in rows.first:
                    classes.add(label if label_map is None else label_map.apply(label))
                    _check_label(source, row.number, label, classes)
                    rows.first[label] = place
                rows.posts.append(row.text)
                rows.labels.append(label)
                rows.places.append(place)
            done += 1
            if done % STEP == 0:
                yield Progress("reading", done)
        yield Progress("reading", done, note=source.summary(report))
    yield Progress("reading", done, done)
    return rows


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


def _check_label(source: PostTable, number: int, label: str, classes: Collection[str | None]) -> None:
    if len(label) > MAX_LABEL_LENGTH:
        message = _("{path}, row {row}: column {column} has a label of {number} characters. Is it the right column?")
        raise UserInputError(
            message.format(path=source.path, row=number, column=truncate(source.label_column or ""), number=len(label))
        )
    if len(classes) > MAX_LABELS:
        if hint := score_hint([label for label in classes if label]):
            raise UserInputError(_("{files}: {problem}").format(files=source.path, problem=hint))
        message = _("{path}: column {column} has more than {limit} different labels. Is it the right column?")
        raise UserInputError(message.format(path=source.path, column=source.label_column, limit=MAX_LABELS))


def _not_in_set(labels: Labels, label: str, present: Collection[str], source: PostTable, number: int) -> UserInputError:
    meaning = sentiments(present).get(label)
    message = _(
        "{path}, row {row}: the label {label}{meaning} is not in the set ({labels}). The data has the labels {found}. "
        "Name them as the adapter does, or leave some out as in --map '{label}=', or choose an adapter with these "
        "labels."
    )
    return UserInputError(
        message.format(
            path=source.path,
            row=number,
            label=truncate(label),
            meaning="" if meaning in (None, label) else f" ({meaning})",
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
