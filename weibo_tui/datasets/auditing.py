"""What a data set is like before anybody trains on it, and how far emoticons alone give its labels away."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weibo_tui.datasets.labels import MAX_LABELS, find_labels
from weibo_tui.datasets.near_duplicates import near_duplicates
from weibo_tui.datasets.reading import PostTable, open_source, rows
from weibo_tui.datasets.splitting import Split, split_steps
from weibo_tui.errors import UserInputError
from weibo_tui.locale import gettext as _
from weibo_tui.progress import Progress
from weibo_tui.text.cleaning import clean, is_repost, normalize, words_only
from weibo_tui.text.emoticons import find_emoticons

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

STEP = 1000  # rows between two steps of progress
READ_WITHIN_128 = 126  # characters that fit into 128 positions beside [CLS] and [SEP]


@dataclass(frozen=True, slots=True)
class AuditedFile:
    path: str
    format: str
    encoding: str
    columns: tuple[str, ...]
    text_column: str
    label_column: str | None
    rows: int


@dataclass(frozen=True, slots=True)
class Lengths:
    """Characters of a post after cleaning, None without posts. `over_126` is a share of the posts."""

    mean: float | None
    median: float | None
    p90: float | None
    p99: float | None
    max: int | None
    over_126: float | None


@dataclass(frozen=True, slots=True)
class Emoticons:
    """`share_with` is the share of posts that hold an emoticon or emoji.

    `linear_accuracy` is that of a logistic regression which sees only how often each emoticon stands in a
    post, on a hold-out that shares no text with what it learnt from; `majority` that of always saying the
    most frequent label, on the same posts. Both None without two labels to tell apart.
    """

    share_with: float | None
    linear_accuracy: float | None
    majority: float | None


@dataclass(frozen=True, slots=True)
class Audit:
    """The figures of one or several files together.

    `rows` counts all rows, `empty` those whose post is empty once cleaned; the rest is of the other rows.
    `unlabelled` have no label, or one of a model. `duplicates` are posts whose normalised text stood in an earlier one,
    `contradictions` normalised texts with different labels, `reposts` the share with a `//@name` mark.
    `word_duplicates` are further posts that equal an earlier one but for emoticons, punctuation, digits and topics, and
    `word_contradictions` texts without these that have different labels. `near_duplicates` are further posts that share
    80 % of their pairs of characters with an earlier one.
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

    def to_json(self) -> dict[str, Any]:
        """Plain lists, dictionaries, numbers and None."""
        return asdict(self)


def audit(
    paths: Sequence[Path],
    column: str | None = None,
    label_column: str | None = None,
    encoding: str | None = None,
    labels: Sequence[str] | None = None,
    *,
    seed: int = 0,
) -> Generator[Progress, None, Audit]:
    """Read files, with labels or without, and work out their figures, which are the generator's result.

    UserInputError for whatever `open_source` refuses, and for labels that do not fit the names in `labels`.
    """
    sources = [open_source(path, column, label_column, encoding) for path in paths]
    posts: list[str] = []
    found: list[str] = []  # the labels as they stand in the files, empty for none
    lengths: list[int] = []
    bearing: dict[str, set[str]] = {}  # normalised text: the labels it bears
    read = [0] * len(sources)
    for file, source in enumerate(sources):
        for row in rows(source):
            read[file] += 1
            length = len(clean(row.text).text)
            if length:
                posts.append(row.text)
                found.append(row.label or "")
                lengths.append(length)
                bearing.setdefault(normalize(row.text), set()).update(found[-1:])
            if sum(read) % STEP == 0:
                yield Progress("reading", sum(read))
    words: dict[str, set[str]] = {}  # what words alone leave of the texts: the labels that it bears
    for text, given in bearing.items():
        words.setdefault(words_only(text) or text, set()).update(given)
    similar = yield from near_duplicates(list(words))
    return Audit(
        files=tuple(map(_file, sources, read)),
        rows=sum(read),
        empty=sum(read) - len(posts),
        unlabelled=found.count(""),
        labels=_counts(sources, found, labels),
        duplicates=len(posts) - len(bearing),
        contradictions=_contradictions(bearing),
        length=_lengths(lengths),
        emoticons=(yield from _emoticons(posts, found, seed)),
        reposts=_share(sum(map(is_repost, posts)), len(posts)),
        word_duplicates=len(bearing) - len(words),
        word_contradictions=_contradictions(words),
        near_duplicates=len({later for _earlier, later in similar}),
    )


def _contradictions(bearing: Mapping[str, set[str]]) -> int:
    return sum(len(given - {""}) > 1 for given in bearing.values())


def _file(source: PostTable, read: int) -> AuditedFile:
    place = (str(source.path), source.format, source.encoding)
    return AuditedFile(*place, source.columns, source.text_column, source.label_column, read)


def _counts(sources: Sequence[PostTable], found: Sequence[str], named: Sequence[str] | None) -> dict[str, int]:
    counts = Counter(label for label in found if label)
    if len(counts) > MAX_LABELS:
        columns = ", ".join(dict.fromkeys(source.label_column for source in sources if source.label_column))
        message = _("{column} holds more than {limit} different labels; is it the right column?")
        raise UserInputError(message.format(column=columns, limit=MAX_LABELS))
    if not counts:
        return {}
    known = find_labels(counts, named)
    numbers = [0] * len(known.names)
    for label, number in counts.items():
        index = known.index(label)
        assert index is not None  # find_labels has seen every one
        numbers[index] += number
    return dict(zip(known.names, numbers, strict=True))


def _lengths(lengths: Sequence[int]) -> Lengths:
    if not lengths:
        return Lengths(None, None, None, None, None, None)
    import numpy as np

    values = np.array(lengths)
    median, p90, p99 = map(float, np.quantile(values, (0.5, 0.9, 0.99)))
    over = float(np.mean(values > READ_WITHIN_128))
    return Lengths(float(values.mean()), median, p90, p99, int(values.max()), over)


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _emoticons(posts: list[str], found: list[str], seed: int) -> Generator[Progress, None, Emoticons]:
    import numpy as np

    yield Progress("emoticons", 0, len(posts))
    share = _share(sum(bool(find_emoticons(post)) for post in posts), len(posts))
    labelled = [index for index, label in enumerate(found) if label]
    texts = [posts[index] for index in labelled]
    truth, codes = np.unique([found[index] for index in labelled], return_inverse=True)
    if len(truth) < 2:
        return Emoticons(share, None, None)
    try:
        parts = yield from split_steps(texts, codes.tolist(), validation=0.0, test=0.2, seed=seed)
    except UserInputError:  # too few groups for a hold-out: nothing to say
        return Emoticons(share, None, None)
    majority = float(np.mean(codes[parts.test] == np.bincount(codes[parts.train]).argmax()))
    seen = any(find_emoticons(texts[index]) for index in parts.train)
    linear = _linear_accuracy(texts, codes, parts) if seen else majority
    yield Progress("emoticons", len(posts), len(posts))
    return Emoticons(share, linear, majority)


def _linear_accuracy(texts: Sequence[str], codes: NDArray[np.int64], parts: Split) -> float:
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.linear_model import LogisticRegression

    counter = CountVectorizer(analyzer=find_emoticons)
    known = counter.fit_transform(texts[index] for index in parts.train)
    model = LogisticRegression(max_iter=1000).fit(known, codes[parts.train])
    held_out = counter.transform(texts[index] for index in parts.test)
    return float(model.score(held_out, codes[parts.test]))
