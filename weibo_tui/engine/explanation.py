"""Explanations of one prediction: the reading curve, leave-one-out and Shapley values of the units of a post.

All are differences of the *margin* of a label, the logarithm of its probability over that of the strongest other label:
probabilities saturate near 0 and 1, and the margin does not. With two labels it is the difference of the calibrated
logits.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import factorial

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from weibo_tui.engine.attention import ROW_STEP, round_up
from weibo_tui.engine.prediction import Classifier, Floats, Prediction, softmax
from weibo_tui.errors import UserInputError
from weibo_tui.progress import Progress, drain
from weibo_tui.text.cleaning import MAX_POST_LENGTH, clean
from weibo_tui.text.emoticons import without_emoticons
from weibo_tui.text.units import Unit, find_clauses, find_units, repeated_groups, without

MAX_UNITS = 160
"""Units of a post that are weighed one by one. A post with more is weighed by clauses."""
EXACT_UNITS = 8
"""Units up to which Shapley values are exact, from all 256 subsets."""
SHAPLEY_ERROR = 0.05
"""Standard error at which sampling stops, as a share of the margin that all units explain together."""
MAX_PAIRS = 64
_PAIRS_AT_ONCE = 4
_CHUNK = 32
"""Texts that are predicted between two events of an explanation."""
_SMALLEST = 1e-300
_WHOLE = ("emoticon", "name", "url")  # kinds of units that are read as one

Evaluate = Callable[[NDArray[np.bool_]], Floats]
"""Function from subsets of the units, bool (subsets, units), to the margin of the post with these units only."""


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """The probabilities if the post ended after the first `end` characters of the raw post."""

    end: int
    probabilities: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class UnitWeight:
    """The weight of a unit: by how much the margin of the explained label is higher with it than without.

    `change` is the same of the probability. `alone` is the margin of the unit as a whole post, over that of no text.
    """

    unit: Unit
    weight: float
    change: float
    alone: float


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a post got its label: `label` is the index of the explained one.

    `curve` begins with no text. `units` and `clauses` are in order. `groups` are the probabilities without all
    occurrences of a unit, by its text, and under "" without emoticons; one without which no text is left is missing.
    """

    label: int
    probabilities: tuple[float, ...]
    curve: tuple[CurvePoint, ...]
    units: tuple[UnitWeight, ...]
    clauses: tuple[UnitWeight, ...]
    groups: dict[str, tuple[float, ...]]

    @property
    def settled(self) -> int:
        """The characters after which the predicted label no longer changes, 0 if it never does."""
        return self.flips[-1] if self.flips else 0

    @property
    def flips(self) -> list[int]:
        """The ends of the beginnings at which the predicted label changes.

        The curve begins with the prediction for no text, which does not count."""
        labels = [(point.end, int(np.argmax(point.probabilities))) for point in self.curve[1:]]
        return [end for (_end, before), (end, label) in pairwise(labels) if label != before]


@dataclass(frozen=True, slots=True)
class ShapleyValues:
    """Shapley values (units,) of the margin and their standard errors (units,), 0 where they are exact."""

    values: Floats
    errors: Floats


def margins(probabilities: Floats, label: int) -> Floats:
    """Return the margins (posts,) of a label, from probabilities (posts, labels)."""
    logs = np.log(np.maximum(probabilities, _SMALLEST))
    others = np.delete(logs, label, axis=1)
    result: Floats = logs[:, label] - others.max(axis=1)
    return result


def reading_curve(classifier: Classifier, post: str) -> list[CurvePoint]:
    """Return the predictions after every beginning of a post, in one pass of about twice its length.

    A causal model reads a suffix token after the post. So a row for every token, and after the post one copy of the
    suffix for every beginning, which sees that beginning only, give the same as separate predictions ("tree
    attention" with one leaf for each beginning). The differences of the margin between two points are asymmetric
    Shapley values in reading order (Frye et al., arXiv 1910.06358). Beginnings that end inside an emoticon, a name or a
    link, or that the tokenizer encodes otherwise than as a part of the post, have no point.
    """
    cleaned = clean(post[:MAX_POST_LENGTH], classifier.preprocessing)
    ids, beginnings = classifier.tokenizer.encode_prefixes(cleaned.text, classifier.max_length)
    prefix, suffix = classifier.tokenizer.special_tokens.prefix, classifier.tokenizer.special_tokens.suffix
    units = [unit for unit in find_units(post) if unit.kind in _WHOLE]
    inside = {position for unit in units for position in range(unit.start + 1, unit.end)}
    # By the place in the raw post: of several with the same place, the last has all of its text.
    numbers = {cleaned.raw_position(end) if end else 0: number for number, end in beginnings}
    points = {end: number for end, number in numbers.items() if end not in inside}
    if not prefix and not suffix:
        del points[0]  # there is nothing to read
    inputs = _curve_inputs(prefix, ids, suffix, [*points.values()], classifier.backbone.device)
    was_training = classifier.adapter.training
    classifier.adapter.eval()
    try:
        with torch.inference_mode():
            states = classifier.backbone.hidden_states(*inputs[:3], classifier.adapter)[0]
            logits = classifier.adapter(states[inputs[3]]).cpu().double().numpy()
    finally:
        classifier.adapter.train(was_training)
    rows = softmax(logits, classifier.temperature).tolist()
    return [CurvePoint(end, tuple(row)) for end, row in zip(points, rows, strict=True)]


def _curve_inputs(
    prefix: Sequence[int], ids: Sequence[int], suffix: Sequence[int], numbers: Sequence[int], device: torch.device
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return ids and positions (1, rows), the mask (1, 1, rows, rows), and the row that each prediction is read at.

    `numbers` are those of the content tokens of the beginnings."""
    content, tail = len(prefix) + len(ids), len(suffix)
    first = torch.tensor([len(prefix) + number for number in numbers])
    order = torch.arange(tail)
    positions = torch.cat([torch.arange(content), (first[:, None] + order).flatten()])
    used = len(positions)
    rows = round_up(used, ROW_STEP)
    mask = torch.eye(rows, dtype=torch.bool)  # rows that fill up see themselves
    mask[:content, :content] = torch.ones(content, content, dtype=torch.bool).tril()
    mask[content:used, :content] = (torch.arange(content) < first[:, None]).repeat_interleave(tail, 0)
    copies = torch.arange(content, used)
    same = (copies[:, None] - content) // max(tail, 1) == (copies - content) // max(tail, 1)
    mask[content:used, content:used] = same & (copies <= copies[:, None])
    read_at = content + tail * torch.arange(len(numbers)) + tail - 1 if tail else first - 1
    all_ids = torch.tensor([*prefix, *ids, *([*suffix] * len(numbers))])
    filling = (0, rows - used)
    inputs = F.pad(all_ids, filling)[None], F.pad(positions, filling)[None], mask[None, None], read_at
    return tuple(tensor.to(device) for tensor in inputs)  # type: ignore[return-value]  # four


def explain(classifier: Classifier, post: str, label: int | None = None) -> Explanation:
    """Explain the prediction of a post at once; see `iter_explain`."""
    return drain(iter_explain(classifier, post, label))


def iter_explain(classifier: Classifier, post: str, label: int | None = None) -> Generator[Progress, None, Explanation]:
    """Explain the prediction of a post. `label` is the index of the explained label (default: the predicted one).

    Raise UserInputError for a post without a prediction."""
    predicted = _predict(classifier, post)
    label = predicted.label if label is None else label
    curve = reading_curve(classifier, post)
    units, clauses = parts_of(post), find_clauses(post[:MAX_POST_LENGTH])[:MAX_UNITS]
    groups = dict(repeated_groups(units))
    parts = [*dict.fromkeys([*units, *clauses])]  # in a long post the units are the clauses
    texts = [*(without(post, [part]) for part in parts), *(part.text for part in parts)]
    for name, indices in groups.items():
        texts.append(without(post, [units[index] for index in indices]) if name else without_emoticons(post))
    nothing = np.array(curve[0].probabilities)
    probabilities, is_text = yield from _predict_in_chunks(classifier, texts, nothing)
    (whole,) = margins(np.array([predicted.probabilities]), label)
    (empty,) = margins(nothing[None], label)
    values = margins(probabilities, label)
    weights = {
        part: UnitWeight(
            part,
            weight=float(whole - values[index]),
            change=float(predicted.probabilities[label] - probabilities[index, label]),
            alone=float(values[len(parts) + index] - empty),
        )
        for index, part in enumerate(parts)
    }
    of_groups = {
        name: tuple(probabilities[index].tolist())
        for index, name in enumerate(groups, 2 * len(parts))
        if is_text[index]
    }
    of_units, of_clauses = (tuple(weights[part] for part in some) for some in (units, clauses))
    return Explanation(label, predicted.probabilities, tuple(curve), of_units, of_clauses, of_groups)


def parts_of(post: str) -> list[Unit]:
    """Return the units of a post that are weighed: clauses where there are more than MAX_UNITS units."""
    units = find_units(post[:MAX_POST_LENGTH])
    return units if len(units) <= MAX_UNITS else find_clauses(post[:MAX_POST_LENGTH])[:MAX_UNITS]


def _predict(classifier: Classifier, post: str) -> Prediction:
    (predicted,) = classifier.predict([post])
    if not isinstance(predicted, Prediction):
        raise UserInputError(predicted.reason)
    return predicted


def _probabilities(classifier: Classifier, texts: Sequence[str], nothing: Floats) -> tuple[Floats, list[bool]]:
    """Return the probabilities (texts, labels), and where a text can be read. What cannot has the ones of no text,
    `nothing`."""
    predictions = classifier.predict(texts)
    is_text = [isinstance(prediction, Prediction) for prediction in predictions]
    rows = [
        prediction.probabilities if isinstance(prediction, Prediction) else nothing.tolist()
        for prediction in predictions
    ]
    return np.array(rows).reshape(len(texts), len(nothing)), is_text


def _predict_in_chunks(
    classifier: Classifier, texts: Sequence[str], nothing: Floats
) -> Generator[Progress, None, tuple[Floats, list[bool]]]:
    """Return what `_probabilities` does, with an event after each chunk of the texts."""
    rows, is_text = [nothing[None][:0]], list[bool]()
    for start in range(0, len(texts), _CHUNK):
        yield Progress("step", start, len(texts))
        probabilities, readable = _probabilities(classifier, texts[start : start + _CHUNK], nothing)
        rows.append(probabilities)
        is_text += readable
    return np.concatenate(rows), is_text


def shapley_values(
    classifier: Classifier, post: str, units: Sequence[Unit], label: int, seed: int = 0
) -> Generator[Progress, None, ShapleyValues]:
    """Return the Shapley values of some units: the mean weight of each over all orders in which units can be added.

    What is in no unit, such as white space, stays. Exact for up to EXACT_UNITS units, otherwise from antithetic pairs
    of permutations (Mitchell et al., arXiv 2104.12199) until the standard error is small or MAX_PAIRS are done."""
    nothing = np.array(reading_curve(classifier, post)[0].probabilities)

    def evaluate(subsets: NDArray[np.bool_]) -> Floats:
        texts = [
            without(post, [unit for unit, is_in in zip(units, subset, strict=True) if not is_in]) for subset in subsets
        ]
        return margins(_probabilities(classifier, texts, nothing)[0], label)

    if len(units) <= EXACT_UNITS:
        return (yield from _exact_shapley(evaluate, len(units)))
    return (yield from _sampled_shapley(evaluate, len(units), np.random.default_rng(seed)))


def _exact_shapley(evaluate: Evaluate, number: int) -> Generator[Progress, None, ShapleyValues]:
    codes = np.arange(2**number)
    subsets = (codes[:, None] >> np.arange(number) & 1).astype(bool)
    chunks = []
    for start in range(0, len(codes), _CHUNK):
        yield Progress("step", start, len(codes))
        chunks.append(evaluate(subsets[start : start + _CHUNK]))
    values, sizes = np.concatenate(chunks), subsets.sum(axis=1)
    share = np.array([factorial(size) * factorial(number - size - 1) for size in range(number)]) / factorial(number)
    result = np.zeros(number)
    for unit in range(number):
        before = codes[~subsets[:, unit]]
        result[unit] = (share[sizes[before]] * (values[before | 1 << unit] - values[before])).sum()
    return ShapleyValues(result, np.zeros(number))


def _sampled_shapley(
    evaluate: Evaluate, number: int, rng: np.random.Generator
) -> Generator[Progress, None, ShapleyValues]:
    pairs: list[Floats] = []
    ends = evaluate(np.array([[False] * number, [True] * number]))
    target = SHAPLEY_ERROR * abs(ends[1] - ends[0])
    errors = np.full(number, np.inf)
    while len(pairs) < MAX_PAIRS and errors.max() > target:
        for _pair in range(_PAIRS_AT_ONCE):
            yield Progress("step", len(pairs), MAX_PAIRS)
            one, other = (_contributions(evaluate, order, ends) for order in _pair_of(rng.permutation(number)))
            pairs.append((one + other) / 2)
        errors = np.std(pairs, axis=0, ddof=1) / len(pairs) ** 0.5
    return ShapleyValues(np.mean(pairs, axis=0), errors)


def _pair_of(order: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    yield order
    yield order[::-1]


def _contributions(evaluate: Evaluate, order: NDArray[np.int64], ends: Floats) -> Floats:
    """Return what each unit adds to the margin when units are added in this order."""
    number = len(order)
    rank = np.empty(number, np.int64)
    rank[order] = np.arange(number)
    subsets = rank[None, :] < np.arange(1, number)[:, None]
    values = np.concatenate([ends[:1], evaluate(subsets), ends[1:]])
    steps: Floats = np.diff(values)[rank]
    return steps


def removal_effects(
    classifier: Classifier, post: str, number: int, seed: int = 0
) -> Generator[Progress, None, tuple[float, float] | None]:
    """Return by how much the probability of the predicted label falls without the `number` units of the largest
    weights, and without as many random units, on average of five draws. None for a post with no more units."""
    units = find_units(post[:MAX_POST_LENGTH])
    if not number < len(units) <= MAX_UNITS or not isinstance(classifier.predict([post])[0], Prediction):
        return None
    explanation = yield from iter_explain(classifier, post)
    order = np.argsort([-weight.weight for weight in explanation.units], kind="stable")
    rng = np.random.default_rng(seed)
    removed = [order[:number], *(rng.permutation(len(units))[:number] for _draw in range(5))]
    texts = [without(post, [units[index] for index in sorted(chosen)]) for chosen in removed]
    nothing = np.array(explanation.curve[0].probabilities)
    label = explanation.label
    falls = explanation.probabilities[label] - _probabilities(classifier, texts, nothing)[0][:, label]
    return float(falls[0]), float(falls[1:].mean())
