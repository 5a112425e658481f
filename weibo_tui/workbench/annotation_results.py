"""Uses of the answers to a table: agreement, posts to train on, and adapters measured on its sample."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weibo_tui.datasets.answers import answer_name
from weibo_tui.datasets.reading import LABEL_SOURCE
from weibo_tui.datasets.splitting import hash_texts
from weibo_tui.engine.score_card import ScoreCard
from weibo_tui.errors import UserInputError
from weibo_tui.locale import gettext as _
from weibo_tui.locale import join_names
from weibo_tui.progress import Progress
from weibo_tui.registry.cards import AdapterCard
from weibo_tui.storage.answers import Answers, LoggedAnswer
from weibo_tui.storage.export import write_csv
from weibo_tui.text.cleaning import normalize
from weibo_tui.workbench.evaluation import score_posts
from weibo_tui.workbench.models import ModelLoader

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from weibo_tui.engine.agreement import Agreement

STABLE_KAPPA = 0.99
"""Agreement of an adapter's predictions with those of the one before, from which a round brought little."""

STABLE_ROUNDS = 3


@dataclass(frozen=True, slots=True)
class AnnotatorAgreement:
    """Agreement of two annotators, or of one with herself at another time, then both names are the same.

    `cannot_tell` counts further rows where one of the two could not tell.
    """

    first: str
    second: str
    agreement: Agreement
    cannot_tell: int

    def to_dict(self) -> dict[str, Any]:
        """Return the object that `weibo-tui annotations agreement --json` prints."""
        names = {"first": self.first, "second": self.second}
        return names | self.agreement.to_dict() | {"cannot_tell": self.cannot_tell}


@dataclass(frozen=True, slots=True)
class TrainingRows:
    """Answers that were written to train on, by label. `barred` are left out, because their text is in a sample."""

    path: Path
    labels: dict[str, int]
    barred: int


@dataclass(frozen=True, slots=True)
class Forecast:
    """Accuracy to expect with a number of training `posts`, and its limits of 95 %."""

    posts: int
    accuracy: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class SampleMeasurement:
    """Score cards of adapters on the same posts of a sample.

    `n` answers count. `cannot_tell` and those with `other_labels`, which some adapter does not have, do not, nor those
    `seen` in training by one of the adapters. `kappas` are of the predictions of each adapter and the one before.
    `forecast` is the accuracy to expect of twice as many posts as the largest training had, by a learning curve through
    the adapters, with enough of them.
    """

    scores: dict[str, ScoreCard]
    n: int
    cannot_tell: int
    other_labels: int
    seen: int
    kappas: tuple[float | None, ...]
    forecast: Forecast | None = None

    @property
    def is_stable(self) -> bool:
        """True if the last rounds changed next to nothing, so that more answers of this kind will not either."""
        last = self.kappas[-STABLE_ROUNDS:]
        return len(last) == STABLE_ROUNDS and all(kappa is not None and kappa >= STABLE_KAPPA for kappa in last)


def agreements(entries: Iterable[LoggedAnswer]) -> list[AnnotatorAgreement]:
    """Return the agreement of each annotator with her hidden repeats, then of each two annotators."""
    first: dict[str, dict[int, LoggedAnswer]] = {}
    again: dict[str, dict[int, LoggedAnswer]] = {}
    for entry in entries:
        if entry.kind in ("label", "cannot_tell"):
            (again if entry.repeat else first).setdefault(entry.annotator, {})[entry.row] = entry
    result = [_compare(name, name, first.get(name, {}), repeats) for name, repeats in again.items()]
    names = list(dict.fromkeys((*first, *again)))
    for one, other in combinations(names, 2):
        # An imported second opinion is stored as a repeat, and has no first answer.
        result.append(_compare(one, other, *(again.get(name, {}) | first.get(name, {}) for name in (one, other))))
    return [one for one in result if one.agreement.n or one.cannot_tell]


def _compare(
    first: str, second: str, answers: dict[int, LoggedAnswer], others: dict[int, LoggedAnswer]
) -> AnnotatorAgreement:
    from weibo_tui.engine.agreement import agreement

    rows = [row for row in answers if row in others]
    pairs = [
        (answers[row].value or "", others[row].value or "")
        for row in rows
        if answers[row].kind == others[row].kind == "label"
    ]
    return AnnotatorAgreement(first, second, agreement(pairs), len(rows) - len(pairs))


def write_training_rows(answers: Answers, posts: str, out: Path, overwrite: bool = False) -> TrainingRows:
    """Write the posts of a table that were answered to train on, or corrected, with their labels, as CSV.

    Raise UserInputError without any.
    """
    barred = {key for sample in answers.sample_texts() for key in sample.keys.tolist()}
    states = answers.of(posts)
    rows: dict[int, tuple[str, str]] = {}
    left_out: set[int] = set()
    for entry in answers.entries(posts):
        label = states[entry.row].label
        if label is None or states[entry.row].purpose == "sample" or not normalize(entry.text):
            continue  # there is nothing to learn from a post without words
        if entry.text_key in barred:
            left_out.add(entry.text_key)
        else:
            rows[entry.text_key] = entry.text, label
    if not rows:
        raise UserInputError(_("No answers to train on. Annotate posts for training, or correct predictions first."))
    # By the third column those who read the file know that formulas are escaped. Otherwise a post such as "@ada …" is
    # trained on with an apostrophe, and not recognized where it is in a sample.
    write_csv(out, ["text", "label", LABEL_SOURCE], [(*row, "human") for row in rows.values()], overwrite)
    return TrainingRows(out, dict(Counter(label for _text, label in rows.values())), len(left_out))


def measure_on_sample(
    models: ModelLoader, answers: Answers, posts: str, adapters: Sequence[str]
) -> Generator[object, None, None]:
    """Score adapters on the sample answers of a table; see `Workbench.iter_measure_on_sample`."""
    names = [models.adapter_name(name) for name in adapters]
    cards = [models.adapters.card(name) for name in names]
    common = set(cards[0].labels).intersection(*(card.labels for card in cards))
    states = {row: state for row, state in answers.of(posts).items() if state.purpose == "sample" and state.is_answered}
    texts = {entry.row: entry.text for entry in answers.entries(posts)}
    names_of = {row: answer_name(state.label or "", tuple(sorted(common))) for row, state in states.items()}
    known = [row for row, name in names_of.items() if name in common]
    seen = yield from _seen_in_training(models, cards, [texts[row] for row in known])
    rows = [row for row, is_seen in zip(known, seen.tolist(), strict=True) if not is_seen]
    if not rows:
        message = _("No sample answers to measure adapters {names} on. Annotate a random sample first.")
        raise UserInputError(message.format(names=join_names(names, 20)))
    labels = [str(names_of[row]) for row in rows]
    scores: dict[str, ScoreCard] = {}
    predicted = []
    for name, card in zip(names, cards, strict=True):
        score, codes = yield from _score(models, card, [texts[row] for row in rows], labels)
        scores[name] = score
        predicted.append([card.labels[code] for code in codes])
    yield SampleMeasurement(
        scores=scores,
        n=len(rows),
        cannot_tell=sum(state.cannot_tell for state in states.values()),
        other_labels=sum(state.label is not None for state in states.values()) - len(known),
        seen=len(known) - len(rows),
        kappas=tuple(_kappa(before, after) for before, after in pairwise(predicted)),
        forecast=_forecast(cards, [scores[card.name].accuracy for card in cards], len(rows)),
    )


def _forecast(cards: Sequence[AdapterCard], scores: Sequence[float | None], tested: int) -> Forecast | None:
    from weibo_tui.engine.learning_curve import fit_learning_curve

    numbers = [card.data.get("train", 0) for card in cards]
    accuracies = [score for score in scores if score is not None]
    if len(accuracies) < len(cards) or not all(isinstance(number, int) and number > 0 for number in numbers):
        return None  # an adapter from elsewhere may not say
    curve = fit_learning_curve(numbers, accuracies, tested)
    more = 2 * max(numbers)
    return None if curve is None else Forecast(more, curve.accuracy(more), *curve.interval(more))


def _score(
    models: ModelLoader, card: AdapterCard, posts: Sequence[str], labels: Sequence[str]
) -> Generator[Progress, None, tuple[ScoreCard, list[int]]]:
    """Return the score card of an adapter, and its predicted label of each post, the first one where it has none."""
    classifier = models.classifier(card.name)
    _texts, words = yield from hash_texts(posts, card.preprocessing)
    codes = [card.labels.index(label) for label in labels]
    score, predictions = yield from score_posts(classifier, posts, words, codes, card.labels)
    predicted = [0] * len(posts)
    for index, code in zip(predictions.readable.tolist(), predictions.probabilities.argmax(axis=1), strict=True):
        predicted[index] = int(code)
    return score, predicted


def _seen_in_training(
    models: ModelLoader, cards: Sequence[AdapterCard], posts: Sequence[str]
) -> Generator[Progress, None, NDArray[np.bool_]]:
    """Return which posts are among the training texts of one of the adapters (posts,)."""
    import numpy as np

    seen = np.zeros(len(posts), np.bool_)
    for card in cards:
        texts, _words = yield from hash_texts(posts, card.preprocessing)
        known = models.adapters.training_texts(card)
        if known is not None:
            seen |= np.isin(texts, known)
    return seen


def _kappa(before: Sequence[str], after: Sequence[str]) -> float | None:
    from weibo_tui.engine.agreement import agreement

    found = agreement(list(zip(before, after, strict=True)))
    return 1.0 if found.agreeing == found.n else found.kappa
