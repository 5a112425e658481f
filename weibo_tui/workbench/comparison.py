"""Comparison of adapters, or of an adapter and a column of predicted labels, on the same posts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

from weibo_tui.datasets.label_map import assign_labels, parse_rules
from weibo_tui.datasets.labeled_rows import FileOptions, LabeledTable, open_labeled_table, read_labeled_rows
from weibo_tui.datasets.labels import Labels
from weibo_tui.datasets.splitting import hash_texts
from weibo_tui.datasets.tables import Report
from weibo_tui.engine.score_card import ScoreCard
from weibo_tui.errors import UserInputError
from weibo_tui.locale import gettext as _
from weibo_tui.locale import join_list, join_names
from weibo_tui.progress import Progress, as_part
from weibo_tui.workbench.comparison_result import ComparedPosts, ComparisonResult, PairComparison, Rater
from weibo_tui.workbench.config import ComparisonConfig, check_output
from weibo_tui.workbench.evaluation import Predictions, predict_probabilities
from weibo_tui.workbench.models import ModelLoader

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from weibo_tui.registry.cards import AdapterCard

_STEP = 1000  # rows between two steps of progress
_MAX_LABELS = 20
_UNKNOWN = -1


def compare(models: ModelLoader, config: ComparisonConfig) -> Iterator[object]:
    """Compare adapters on a table; see `Workbench.iter_compare`."""
    if config.disagreements is not None:
        check_output(models.paths, config.disagreements, config.overwrite, [config.data])
    cards = _adapter_cards(models, config.adapters)
    options = FileOptions(config.columns, config.predicted_column)
    table = open_labeled_table(config.data, options)
    column = _compared_column(table, config, cards)
    rows = yield from _read(table)
    names = _name_labels(rows, cards, config, column)
    rows.keep_named(names, column)
    probabilities = yield from _predict(models, config, cards, rows.texts, names)
    if column is not None:
        probabilities.append(_of_column(rows, names))
    posts, failed = _readable_posts(rows, names, probabilities, column)
    if not posts.texts:
        raise UserInputError(_("{path}: no row is left to compare on.").format(path=config.data))
    raters, pairs = yield from _measure(models, cards, names, posts, column)
    result = ComparisonResult(
        path=config.data,
        options=options,
        labels=names.labels,
        other_labels=names.others,
        n=len(posts.texts),
        failed=failed,
        has_labels=bool(names.answers),
        left_out=dict(rows.left_out),
        labels_read_as=names.read_as,
        raters=raters,
        pairs=pairs,
        disagreements=int((posts.predicted != posts.predicted[0]).any(axis=0).sum()),
        file=None if config.disagreements is None else str(config.disagreements),
        _posts=posts,
    )
    if config.disagreements is not None:
        result.write_disagreements(config.disagreements, config.overwrite)
    yield result


def _adapter_cards(models: ModelLoader, adapters: Sequence[str]) -> list[AdapterCard]:
    names = [models.adapter_name(name) for name in adapters or ("",)]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UserInputError(_("Adapter '{name}' is named twice. Name different adapters.").format(name=twice))
    return [models.adapters.card(name) for name in names]


def _compared_column(table: LabeledTable, config: ComparisonConfig, cards: Sequence[AdapterCard]) -> str | None:
    """Return the column to compare with. Raise UserInputError for one adapter without any."""
    if config.predicted_column is None and len(cards) > 1:
        return None
    if table.predicted is None:
        message = _("Nothing to compare adapter '{name}' with. Name another with --adapters, or a --predicted-column.")
        in_app = _("Nothing to compare adapter '{name}' with. Name another one, or a column of predicted labels.")
        raise UserInputError(message.format(name=cards[0].name), in_app.format(name=cards[0].name))
    return table.predicted


# ---- reading


@dataclass(slots=True)
class _Rows:
    """Rows of the table: the words for their human and predicted labels, empty for none, and what was left out."""

    texts: list[str] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)
    predicted: list[str] = field(default_factory=list)
    confidences: list[float] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)

    def keep_named(self, names: _Names, column: str | None) -> None:
        """Keep the rows whose labels all raters have, and count the others."""
        named = []
        for index, (answer, predicted) in enumerate(zip(self.answers, self.predicted, strict=True)):
            reason = names.reason(answer, predicted if column is not None else None)
            if reason:
                self.left_out[reason] += 1
            else:
                named.append(index)
        self.texts = [self.texts[index] for index in named]
        self.numbers = [self.numbers[index] for index in named]
        self.answers = [self.answers[index] for index in named]
        self.predicted = [self.predicted[index] for index in named]
        self.confidences = [self.confidences[index] for index in named]


def _read(table: LabeledTable) -> Generator[Progress, None, _Rows]:
    rows, report = _Rows(), Report()
    for row in read_labeled_rows(table, report):
        rows.texts.append(row.text)
        rows.numbers.append(row.number)
        rows.answers.append(row.answer)
        rows.predicted.append(row.predicted)
        rows.confidences.append(row.confidence)
        if row.number % _STEP == 0:
            yield Progress("reading", row.number)
    yield Progress("reading", report.rows, report.rows, note=table.source.summary(report))
    return rows


# ---- labels


@dataclass(frozen=True, slots=True)
class _Names:
    """The labels that all raters have, and the place of each word for one of them.

    `own` are the places of each adapter's labels by their index. `left_out` are the reasons for human labels that do
    not count, and `others` labels that some adapter has and another one has not.
    """

    labels: tuple[str, ...]
    others: tuple[str, ...]
    own: list[dict[int, int]]
    answers: dict[str, int]
    predictions: dict[str, int]
    left_out: dict[str, str]
    read_as: dict[str, str]

    def reason(self, answer: str, predicted: str | None) -> str:
        """Return why a row is left out, an empty text for none. `predicted` is None without a column."""
        if self.answers and answer not in self.answers:
            return self.left_out.get(answer, "other labels") if answer else "unlabeled"
        if predicted is not None and predicted not in self.predictions:
            return "other labels" if predicted else "unpredicted"
        return ""


def _name_labels(rows: _Rows, cards: Sequence[AdapterCard], config: ComparisonConfig, column: str | None) -> _Names:
    """Return the labels that all raters have. Raise UserInputError for fewer than two of them.

    Labels are equal by name or meaning. A column has the labels that occur in it."""
    first = Labels(cards[0].labels, cards[0].raw_labels)
    matches = {card.name: first.match(card.labels) for card in cards}
    predictions = {} if column is None else first.match({*rows.predicted} - {""})
    common = _common_places([*matches.items(), *([] if column is None else [(column, predictions)])])
    answers = {*rows.answers} - {""}
    label_map = parse_rules(config.map)
    label_map.check_used(answers)  # raises for rules of which none matches
    assigned = assign_labels(answers, first, label_map)
    names = _Names(
        labels=tuple(first.names[place] for place in common),
        others=_other_labels(cards, matches, common),
        own=[
            {card.labels.index(label): common[place] for label, place in matches[card.name].items() if place in common}
            for card in cards
        ],
        answers={word: common[place] for word, place in assigned.indices.items() if place in common},
        predictions={word: common[place] for word, place in predictions.items() if place in common},
        left_out=assigned.left_out,
        read_as=assigned.read_as(),
    )
    if not names.answers and answers - assigned.left_out.keys():
        raise _unknown_labels(config.data, answers, names.labels)
    return names


def _common_places(matches: Sequence[tuple[str, Mapping[str, int]]]) -> dict[int, int]:
    """Return the place among the common labels of each label of the first adapter that all raters have, in order."""
    places = sorted(set.intersection(*(set(match.values()) for _name, match in matches)))
    if len(places) < 2:
        message = _("{names} have fewer than two labels in common. Compare what predicts the same labels.")
        raise UserInputError(message.format(names=join_list(name for name, _match in matches)))
    return {place: index for index, place in enumerate(places)}


def _other_labels(
    cards: Sequence[AdapterCard], matches: Mapping[str, Mapping[str, int]], common: Mapping[int, int]
) -> tuple[str, ...]:
    """Return the labels of adapters that are not compared, each once."""
    others = (label for card in cards for label in card.labels if matches[card.name].get(label) not in common)
    return tuple(dict.fromkeys(others))


def _unknown_labels(path: Path, present: Collection[str], labels: Sequence[str]) -> UserInputError:
    message = _(
        "{path}: none of the labels {found} is one of those to compare ({labels}). Name them like these, as in "
        "--map '1=positive'."
    )
    in_app = _("{path}: none of the labels {found} is one of those to compare ({labels}). Name them by the label map.")
    values = {
        "path": path,
        "found": join_names(sorted(present), _MAX_LABELS),
        "labels": join_names(labels, _MAX_LABELS),
    }
    return UserInputError(message.format(**values), in_app.format(**values))


# ---- predicting


def _predict(
    models: ModelLoader, config: ComparisonConfig, cards: Sequence[AdapterCard], texts: Sequence[str], names: _Names
) -> Generator[Progress, None, list[NDArray[np.float64]]]:
    """Return each adapter's probabilities of the common labels (rows, labels), NaN for unreadable rows."""
    result = []
    for done, (card, own) in enumerate(zip(cards, names.own, strict=True)):
        classifier = models.classifier(card.name, config.machine)
        steps = predict_probabilities(classifier, texts, len(card.labels), "predicting")
        predictions = yield from as_part(steps, done * len(texts), len(cards) * len(texts))
        result.append(_common_probabilities(predictions, own, len(texts), len(names.labels)))
    return result


def _common_probabilities(
    predictions: Predictions, own: Mapping[int, int], rows: int, labels: int
) -> NDArray[np.float64]:
    """Return the probabilities of an adapter given that the label is a common one (rows, labels)."""
    import numpy as np

    probabilities = np.full((rows, labels), np.nan)
    probabilities[predictions.readable] = 0
    for label, place in own.items():
        probabilities[predictions.readable, place] += predictions.probabilities[:, label]
    # All may be 0 in float32, where another label is certain.
    probabilities += np.finfo(np.float64).tiny
    scaled: NDArray[np.float64] = probabilities / probabilities.sum(axis=1, keepdims=True)
    return scaled


def _of_column(rows: _Rows, names: _Names) -> NDArray[np.float64]:
    """Return the labels of the column as probabilities of 0 and 1 (rows, labels)."""
    import numpy as np

    return np.eye(len(names.labels))[np.array([names.predictions[word] for word in rows.predicted], np.int64)]


def _readable_posts(
    rows: _Rows, names: _Names, probabilities: Sequence[NDArray[np.float64]], column: str | None
) -> tuple[ComparedPosts, int]:
    """Return the posts that all adapters can read, and the number of the others."""
    import numpy as np

    stacked = np.stack(probabilities)
    readable = np.flatnonzero(~np.isnan(stacked).any(axis=(0, 2)))
    stacked = stacked[:, readable]
    confidences = stacked.max(axis=2)
    if column is not None:
        confidences[-1] = np.array(rows.confidences)[readable]
    labels = np.array([names.answers.get(word, _UNKNOWN) for word in rows.answers], np.int64)
    posts = ComparedPosts(
        texts=[rows.texts[index] for index in readable.tolist()],
        rows=np.array(rows.numbers, np.int64)[readable],
        labels=labels[readable],
        probabilities=stacked,
        confidences=confidences,
    )
    return posts, len(rows.texts) - len(readable)


# ---- measuring


def _measure(
    models: ModelLoader, cards: Sequence[AdapterCard], names: _Names, posts: ComparedPosts, column: str | None
) -> Generator[Progress, None, tuple[tuple[Rater, ...], tuple[PairComparison, ...]]]:
    """Return the figures of each rater and of each pair."""
    import numpy as np

    from weibo_tui.engine.comparison import holm

    hashes = {}
    for version in {card.preprocessing for card in cards}:
        hashes[version] = yield from hash_texts(posts.texts, version)
    # Posts that differ only in emoticons and the like are right or wrong together.
    words = hashes[cards[0].preprocessing][1] if names.answers else None
    raters = []
    for place, card in enumerate(cards):
        known = models.adapters.training_texts(card)
        seen = None if known is None else int(np.isin(hashes[card.preprocessing][0], known).sum())
        raters.append(_rate(posts, place, names.labels, words, Rater(card.name, "adapter", {}, seen_in_training=seen)))
    if column is not None:
        raters.append(_rate(posts, len(cards), names.labels, words, Rater(column, "column", {})))
    pairs = [_compare_pair(raters, posts, pair, names.labels, words) for pair in combinations(range(len(raters)), 2)]
    if words is not None and len(pairs) > 1:
        adjusted = holm([pair.p or 0.0 for pair in pairs])
        pairs = [replace(pair, p_holm=p) for pair, p in zip(pairs, adjusted, strict=True)]
    return tuple(raters), tuple(pairs)


def _rate(
    posts: ComparedPosts, place: int, labels: Sequence[str], words: NDArray[np.int64] | None, rater: Rater
) -> Rater:
    """Return a rater with its counts, and with its score where there are human labels."""
    import numpy as np

    from weibo_tui.engine.metrics import score

    numbers = np.bincount(posts.predicted[place], minlength=len(labels)).tolist()
    rater = replace(rater, counts=dict(zip(labels, numbers, strict=True)))
    if words is None:
        return rater
    card = score(posts.labels, posts.probabilities[place], labels, texts=words)
    return replace(rater, score=_without_calibration(card) if rater.kind == "column" else card)


def _without_calibration(card: ScoreCard) -> ScoreCard:
    """Return the score of labels that were predicted without probabilities."""
    return replace(
        card,
        ece=None,
        ece_null=None,
        reliability=(),
        confidences=(),
        brier=None,
        risk_coverage=(),
        augrc=None,
        answering=(),
    )


def _compare_pair(
    raters: Sequence[Rater],
    posts: ComparedPosts,
    pair: tuple[int, int],
    labels: Sequence[str],
    words: NDArray[np.int64] | None,
) -> PairComparison:
    import numpy as np

    from weibo_tui.engine.agreement import agreement_of_counts
    from weibo_tui.engine.comparison import compare_hits

    first, second = posts.predicted[list(pair)]
    cells = np.bincount(first * len(labels) + second, minlength=len(labels) ** 2).reshape(len(labels), -1)
    comparison = PairComparison(
        first=raters[pair[0]].name,
        second=raters[pair[1]].name,
        agreement=agreement_of_counts(cells),
        table=tuple(map(tuple, cells.tolist())),
    )
    if words is None:
        return comparison
    return replace(comparison, **asdict(compare_hits(first == posts.labels, second == posts.labels, words)))
