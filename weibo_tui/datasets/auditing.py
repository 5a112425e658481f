"""Figures about a dataset before training on it, and how far emoticons alone predict its labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Generator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weibo_tui.datasets.label_map import NO_RULES, Assignment, LabelMap, assign_labels, score_hint
from weibo_tui.datasets.labels import MAX_LABELS
from weibo_tui.datasets.near_duplicates import near_duplicates
from weibo_tui.datasets.reading import PostTable, open_table, read_rows
from weibo_tui.datasets.splitting import Split, split_with_progress
from weibo_tui.datasets.tables import Columns, Report
from weibo_tui.errors import UserInputError
from weibo_tui.locale import N_, join_list
from weibo_tui.locale import gettext as _
from weibo_tui.progress import Progress
from weibo_tui.text.boilerplate import split_forwarded
from weibo_tui.text.cleaning import clean, normalize_all, words_only_all
from weibo_tui.text.emoticons import find_emoticons

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MIN_LABELED = 30  # posts; on fewer, the accuracy of emoticons and the majority baseline mean nothing
TOO_FEW_LABELED = N_("too few labeled posts to see how well emoticons predict the labels")
STEP = 1000  # rows between two steps of progress
MAX_CHARACTERS_OF_128 = 126  # that fit into 128 positions with [CLS] and [SEP]


@dataclass(frozen=True, slots=True)
class AuditedFile:
    """A file as it was read, and the number of its rows."""

    path: str
    format: str
    encoding: str
    columns: tuple[str, ...]
    text_column: str
    label_column: str | None
    rows: int


@dataclass(frozen=True, slots=True)
class Lengths:
    """Characters of a cleaned post, None without posts. `over_126` is a share of the posts."""

    mean: float | None
    median: float | None
    p90: float | None
    p99: float | None
    max: int | None
    over_126: float | None


@dataclass(frozen=True, slots=True)
class Emoticons:
    """`share_with` is the share of posts with an emoticon or emoji.

    `linear_accuracy` is that of a logistic regression on the counts of each emoticon in a post, on a hold-out that
    shares no text with its training posts. `majority` is that of always predicting the most frequent label, on the same
    posts. Both are missing without two labels or MIN_LABELED labeled posts.
    """

    share_with: float | None
    linear_accuracy: float | None
    majority: float | None


@dataclass(frozen=True, slots=True)
class Audit:
    """The figures of one or several files together.

    `rows` counts all rows, `empty` those whose cleaned post is empty. All other figures are of the other rows.
    `unlabelled` have no label, or a model's; `several_labels` have more than one; `dropped` are left out by the map.
    `labels_read_as` are the names of labels in the files, where these are others. `duplicates` are posts with the
    normalized text of an earlier one, `contradictions` normalized texts with different labels, `reposts` the share with
    words that are forwarded.
    `word_duplicates` are further posts that equal an earlier one except for emoticons, punctuation, digits and topics,
    and `word_contradictions` texts without these that have different labels. `near_duplicates` are further posts that
    share 80 % of their pairs of characters with an earlier one.
    """

    files: tuple[AuditedFile, ...]
    rows: int
    empty: int
    unlabelled: int
    labels: dict[str, int]
    duplicates: int
    contradictions: int
    length: Lengths
    emoticons: Emoticons
    reposts: float | None
    word_duplicates: int
    word_contradictions: int
    near_duplicates: int
    several_labels: int = 0
    dropped: int = 0
    labels_read_as: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the figures as lists, dictionaries, numbers and None."""
        return asdict(self)


def audit(
    paths: Sequence[Path],
    columns: Columns = Columns(),
    labels: Sequence[str] | None = None,
    *,
    label_map: LabelMap = NO_RULES,
    seed: int = 0,
) -> Generator[Progress, None, Audit]:
    """Return the figures of files with or without labels.

    Raise UserInputError where `open_table` does, and for labels that do not fit the names in `labels`.
    """
    sources = [open_table(path, columns) for path in paths]
    rows = yield from _read(sources)
    counts = Counter(filter(None, rows.labels))
    _check_number(sources, counts, label_map)
    yield Progress("reading", sum(rows.numbers), note=label_map.check_used(counts))
    assigned = assign_labels(counts, labels, label_map)
    left_out: Counter[str] = Counter()
    for label, reason in assigned.left_out.items():
        left_out[reason] += counts[label]
    names = [_name(assigned, label) for label in rows.labels]
    totals = Counter(names)
    labels_by_text = yield from _labels_by_text(rows.posts, names)
    labels_by_words = yield from _labels_by_words(labels_by_text)
    similar = yield from near_duplicates(list(labels_by_words))
    return Audit(
        files=tuple(map(_audited_file, sources, rows.numbers)),
        rows=sum(rows.numbers),
        empty=sum(rows.numbers) - len(rows.posts),
        unlabelled=rows.labels.count("") + left_out["unlabeled"],
        labels={name: totals[name] for name in assigned.labels.names} if counts else {},
        duplicates=len(rows.posts) - len(labels_by_text),
        contradictions=_contradictions(labels_by_text),
        length=_lengths(rows.lengths),
        emoticons=(yield from _emoticons(rows.posts, names, seed)),
        reposts=_share(sum(bool(split_forwarded(post)[1]) for post in rows.posts), len(rows.posts)),
        word_duplicates=len(labels_by_text) - len(labels_by_words),
        word_contradictions=_contradictions(labels_by_words),
        near_duplicates=len({later for _earlier, later in similar}),
        several_labels=left_out["several labels"],
        dropped=left_out["dropped"],
        labels_read_as=assigned.read_as(),
    )


@dataclass(slots=True)
class _Rows:
    """Posts with something to read, their labels as in the files (empty for none), and the rows of each file."""

    posts: list[str] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)


def _read(sources: Sequence[PostTable]) -> Generator[Progress, None, _Rows]:
    rows = _Rows()
    for source in sources:
        rows.numbers.append(0)
        report = Report()
        for row in read_rows(source, report):
            rows.numbers[-1] += 1
            if length := len(clean(row.text).text):
                rows.posts.append(row.text)
                rows.labels.append(row.label or "")
                rows.lengths.append(length)
            if sum(rows.numbers) % STEP == 0:
                yield Progress("reading", sum(rows.numbers))
        yield Progress("reading", sum(rows.numbers), note=source.summary(report))
    return rows


def _labels_by_text(posts: Sequence[str], names: Sequence[str]) -> Generator[Progress, None, dict[str, set[str]]]:
    """Return the labels of each normalized text."""
    labels: dict[str, set[str]] = {}
    for start in range(0, len(posts), STEP):
        part = slice(start, start + STEP)
        for text, name in zip(normalize_all(posts[part]), names[part], strict=True):
            labels.setdefault(text, set()).add(name)
        yield Progress("grouping", min(part.stop, len(posts)), len(posts))
    return labels


def _labels_by_words(labels_by_text: Mapping[str, set[str]]) -> Generator[Progress, None, dict[str, set[str]]]:
    """Return the labels of what `words_only` leaves of each text."""
    labels: dict[str, set[str]] = {}
    texts = list(labels_by_text)
    for start in range(0, len(texts), STEP):
        part = texts[start : start + STEP]
        for text, words in zip(part, words_only_all(part), strict=True):
            labels.setdefault(words or text, set()).update(labels_by_text[text])
        yield Progress("grouping", start + len(part), len(texts))
    return labels


def _name(assigned: Assignment, label: str) -> str:
    index = assigned.indices.get(label)
    return "" if index is None else assigned.labels.names[index]


def _contradictions(labels_by_text: Mapping[str, set[str]]) -> int:
    return sum(len(labels - {""}) > 1 for labels in labels_by_text.values())


def _audited_file(source: PostTable, rows: int) -> AuditedFile:
    file = (str(source.path), source.format, source.encoding)
    return AuditedFile(*file, source.columns, source.text_column, source.label_column, rows)


def _check_number(sources: Sequence[PostTable], labels: Collection[str], label_map: LabelMap) -> None:
    classes = {label_map.apply(label) for label in labels}
    if len(classes) > MAX_LABELS:
        if hint := score_hint([label for label in classes if label]):
            files = join_list(str(source.path) for source in sources)
            raise UserInputError(_("{files}: {problem}").format(files=files, problem=hint))
        columns = join_list(dict.fromkeys(source.label_column for source in sources if source.label_column))
        message = _("Column {column} has more than {limit} different labels. Is it the right column?")
        raise UserInputError(message.format(column=columns, limit=MAX_LABELS))


def _lengths(lengths: Sequence[int]) -> Lengths:
    if not lengths:
        return Lengths(None, None, None, None, None, None)
    import numpy as np

    values = np.array(lengths)
    median, p90, p99 = map(float, np.quantile(values, (0.5, 0.9, 0.99)))
    over = float(np.mean(values > MAX_CHARACTERS_OF_128))
    return Lengths(float(values.mean()), median, p90, p99, int(values.max()), over)


def _share(part: int, total: int) -> float | None:
    return part / total if total else None


def _emoticons(posts: list[str], raw_labels: list[str], seed: int) -> Generator[Progress, None, Emoticons]:
    import numpy as np

    yield Progress("emoticons", 0, len(posts))
    found = [find_emoticons(post) for post in posts]
    share = _share(sum(map(bool, found)), len(posts))
    labeled = [index for index, label in enumerate(raw_labels) if label]
    texts = [posts[index] for index in labeled]
    labels, codes = np.unique([raw_labels[index] for index in labeled], return_inverse=True)
    if len(labels) < 2 or len(labeled) < MIN_LABELED:
        return Emoticons(share, None, None)
    try:
        parts = yield from split_with_progress(texts, codes.tolist(), validation=0.0, test=0.2, seed=seed)
    except UserInputError:  # too few groups for a hold-out
        return Emoticons(share, None, None)
    majority = float(np.mean(codes[parts.test] == np.bincount(codes[parts.train]).argmax()))
    found = [found[index] for index in labeled]
    is_trainable = any(found[index] for index in parts.train) and np.unique(codes[parts.train]).size > 1
    linear = _linear_accuracy(found, codes, parts) if is_trainable else majority
    yield Progress("emoticons", len(posts), len(posts))
    return Emoticons(share, linear, majority)


def _linear_accuracy(emoticons: Sequence[list[str]], codes: NDArray[np.int64], parts: Split) -> float:
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.linear_model import LogisticRegression

    counter = CountVectorizer(analyzer=iter)
    features = counter.fit_transform(emoticons[index] for index in parts.train)
    model = LogisticRegression(max_iter=1000).fit(features, codes[parts.train])
    held_out = counter.transform(emoticons[index] for index in parts.test)
    return float(model.score(held_out, codes[parts.test]))
