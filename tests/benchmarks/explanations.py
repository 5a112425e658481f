"""Figures on explanations: exactness, times and faithfulness, on posts of a file or on invented ones."""

from __future__ import annotations

import copy
import csv
import random
import statistics
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import made_up
import numpy as np
import torch
from benchmarks.runner import BenchmarkOptions, Comparison, Events, Sample, Threshold, temp_folder
from numpy.typing import NDArray
from scipy.stats import kendalltau, spearmanr

from weibo_tui import Workbench
from weibo_tui.engine import explanation as explaining
from weibo_tui.engine.device import Compute
from weibo_tui.engine.prediction import Classifier, Floats, Prediction
from weibo_tui.progress import Progress, drain
from weibo_tui.text.cleaning import clean
from weibo_tui.text.units import find_units, without

ADAPTER = "weibo"
TOLERANCES = {"float64": 1e-9, "float32": 1e-4, "bfloat16": 0.01}
POINTS = 12
"""Points of each curve that are compared, drawn at random."""
LONG, UNITS = 140, 60
"""Characters of the post whose curve is timed, and units of the one whose weights are."""
MIN_UNITS, MAX_UNITS = 4, 12
"""Units of the posts of which all subsets are predicted."""
HEADS, ORDERS = 5, 20
SHORTCUT = "魑"
"""A character that decides the label of the posts that it is planted in."""


def measure_explanations(
    options: BenchmarkOptions, curves: int = 1000, faithful: int = 200, planted: int = 1500
) -> Events:
    """Compare curves with separate predictions on `curves` posts, measure times, and test how faithful the weights are:
    on `faithful` short posts, and with a planted shortcut in `planted` posts. The bundled adapter explains."""
    posts = read_posts(options.data)
    with temp_folder() as home, Workbench(home) as wb:
        for dtype, tolerance in TOLERANCES.items():
            yield from _compare_curves(load(wb, dtype), posts[:curves], dtype, tolerance)
        classifier = load(wb, "auto")
        yield from _measure_times(classifier, posts)
        yield from _test_faithfulness(classifier, posts, faithful)
    yield from _find_shortcut(posts, planted)


def read_posts(path: Path | None) -> list[str]:
    """Return the different posts of a CSV file with a column `review`, shuffled; or invented ones."""
    if path is None:
        posts = [text for text, _label in made_up.posts(4000, seed=1)]
    else:
        with path.open(encoding="utf-8", newline="") as file:
            posts = [row["review"] for row in csv.DictReader(file)]
    posts = list(dict.fromkeys(posts))
    random.Random(0).shuffle(posts)
    return posts


def load(wb: Workbench, dtype: str) -> Classifier:
    """Return the bundled adapter in a dtype, on the CPU."""
    compute = Compute.choose("cpu", dtype)
    card = wb.adapters.card(ADAPTER)
    base = wb.open_base(wb.find_base(card.base_fingerprint) or "", compute)
    adapter, _card = wb.adapters.load(ADAPTER, base)
    if dtype == "float64":
        adapter.double()
    return Classifier(
        base.backbone,
        adapter,
        base.tokenizer,
        compute,
        max_length=card.max_length,
        preprocessing=card.preprocessing,
        temperature=card.temperature,
    )


# ---- the curve


def _compare_curves(classifier: Classifier, posts: list[str], dtype: str, tolerance: float) -> Events:
    largest, points, rng = 0.0, 0, random.Random(0)
    for number, post in enumerate(posts):
        if number % 100 == 0:
            yield Progress(f"curves in {dtype}", number, len(posts))
        cleaned = clean(post, classifier.preprocessing)
        places = {cleaned.raw_position(end): end for end in range(len(cleaned.text) + 1)}
        curve = explaining.reading_curve(classifier, post)[1:]
        curve = rng.sample(curve, min(POINTS, len(curve)))
        alone = classifier.predict([cleaned.text[: places[point.end]] for point in curve])
        for point, prediction in zip(curve, alone, strict=True):
            if isinstance(prediction, Prediction):
                differences = np.abs(np.array(prediction.probabilities) - point.probabilities)
                largest, points = max(largest, float(differences.max())), points + 1
    threshold = Threshold(tolerance, at_most=True)
    name = f"curve against separate predictions, {dtype}: largest difference"
    yield _row(name, "", largest, threshold=threshold, posts=len(posts), points=points)


# ---- times


def _measure_times(classifier: Classifier, posts: list[str]) -> Events:
    long = _long_post(posts)
    one, curve = (
        _time(function, 20)
        for function in (
            lambda: classifier.predict([long]),
            lambda: explaining.reading_curve(classifier, long),
        )
    )
    limit = Threshold(2.5, at_most=True)
    name = f"curve of {LONG} characters"
    yield Comparison("explain", name, "ms", curve, Sample("one prediction", one.values), limit)
    units = find_units(long)[:UNITS]
    post = long[: units[-1].end]
    weights = _time(lambda: explaining.explain(classifier, post), 5)
    limit = Threshold(1000.0, at_most=True)
    yield Comparison("explain", f"weights of {len(units)} units", "ms", weights, threshold=limit)
    shapley = _time(lambda: drain(explaining.shapley_values(classifier, post, units, 1)), 3)
    limit = Threshold(3000.0, at_most=True)
    yield Comparison("explain", f"Shapley values of {len(units)} units", "ms", shapley, threshold=limit)


def _long_post(posts: list[str]) -> str:
    """Join posts to one of LONG characters, each of which is a token."""
    return "".join(character for post in posts for character in post if "\u4e00" <= character < "\ua000")[:LONG]


def _time(function: Callable[[], object], rounds: int) -> Sample:
    """Return the milliseconds of some calls, after one that is not counted."""
    function()
    times = []
    for _round in range(rounds):
        began = time.perf_counter()
        function()
        times.append(1000 * (time.perf_counter() - began))
    return Sample("", tuple(times))


# ---- how faithful the weights are


def _test_faithfulness(classifier: Classifier, posts: list[str], number: int) -> Events:
    short = [post for post in posts if MIN_UNITS <= len(find_units(post)) <= MAX_UNITS]
    chosen = islice((post for post in short if isinstance(classifier.predict([post])[0], Prediction)), number)
    rng = np.random.default_rng(0)
    ours, random_orders, taus = list[float](), list[float](), list[float]()
    explained: list[tuple[str, Floats]] = []
    for done, post in enumerate(chosen):
        yield Progress("all subsets", done, number)
        subsets = _Subsets(classifier, post)
        weights = subsets.leave_one_out()
        explained.append((post, weights))
        if (limits := subsets.limits()) is None:
            continue  # no order differs from another
        ours.append(_scale(subsets.aopc(np.argsort(-weights, kind="stable")), *limits))
        orders = [subsets.aopc(rng.permutation(len(weights))) for _order in range(ORDERS)]
        random_orders.append(statistics.mean(_scale(order, *limits) for order in orders))
        taus.append(float(kendalltau(weights, subsets.shapley()).statistic))
    better = statistics.mean(ours) - statistics.mean(random_orders)
    notes = {"posts": len(ours), "ours": statistics.mean(ours), "random_order": statistics.mean(random_orders)}
    yield _row("NAOPC of the weights above that of random orders", "", better, Threshold(0.3), **notes)
    tau = statistics.median(tau for tau in taus if not np.isnan(tau))
    yield _row("Kendall's τ of weights and exact Shapley values, median", "", tau, Threshold(0.5), posts=len(taus))
    yield from _randomize_head(classifier, explained)


def _randomize_head(classifier: Classifier, explained: list[tuple[str, Floats]]) -> Events:
    """Compare weights with those of adapters whose heads have random weights, which they must not resemble."""
    means = []
    for seed in range(HEADS):
        yield Progress("random heads", seed, HEADS)
        other = copy.copy(classifier)
        other.adapter = copy.deepcopy(classifier.adapter)
        head = other.adapter.head.weight
        with torch.no_grad():
            head.copy_(torch.randn(head.shape, generator=torch.Generator().manual_seed(seed)) * head.std())
        pairs = ((weights, _leave_one_out(other, post)) for post, weights in explained)
        correlations = [float(spearmanr(*pair).statistic) for pair in pairs]
        means.append(statistics.mean(value for value in correlations if not np.isnan(value)))
    limit = Threshold(0.2, at_most=True)
    mean = abs(statistics.mean(means))
    name = "rank correlation with the weights of a random head, size of the mean"
    yield _row(name, "", mean, limit, posts=len(explained), heads=means)


def _leave_one_out(classifier: Classifier, post: str) -> Floats:
    """Return the weights of the units for the positive label."""
    return np.array([unit.weight for unit in explaining.explain(classifier, post, 1).units])


class _Subsets:
    """The predictions for all subsets of the units of a post, by a bit mask of the units that are in it."""

    def __init__(self, classifier: Classifier, post: str) -> None:
        units = find_units(post)
        self.number = len(units)
        nothing = np.array(explaining.reading_curve(classifier, post)[0].probabilities)
        masks = np.arange(2**self.number)
        self.is_in = (masks[:, None] >> np.arange(self.number) & 1).astype(bool)
        texts = [without(post, [unit for unit, kept in zip(units, row, strict=True) if not kept]) for row in self.is_in]
        rows = [
            prediction.probabilities if isinstance(prediction, Prediction) else nothing
            for prediction in classifier.predict(texts)
        ]
        probabilities = np.array(rows)
        self.label = int(probabilities[-1].argmax())
        self.shares = probabilities[:, self.label]
        self.margins = explaining.margins(probabilities, self.label)

    def leave_one_out(self) -> Floats:
        whole = len(self.shares) - 1
        weights: Floats = self.margins[whole] - self.margins[whole - 2 ** np.arange(self.number)]
        return weights

    def shapley(self) -> Floats:
        """Return the exact Shapley values of the margin."""

        def evaluate(subsets: NDArray[np.bool_]) -> Floats:
            values: Floats = self.margins[subsets @ 2 ** np.arange(self.number)]
            return values

        return drain(explaining._exact_shapley(evaluate, self.number)).values

    def aopc(self, order: NDArray[np.int64]) -> float:
        """Return the mean fall of the probability while units are removed in this order."""
        masks = len(self.shares) - 1 - np.cumsum(2**order)
        return float(self.shares[-1] - self.shares[masks].mean())

    def limits(self) -> tuple[float, float] | None:
        """Return the smallest and the largest `aopc` of all orders, None where they are equal.

        The sum over a chain of subsets is smallest or largest by that over the chain to each of its predecessors."""
        ends = []
        for best in (np.minimum, np.maximum):
            sums = np.full(len(self.shares), np.nan)
            sums[-1] = 0.0
            for mask in range(len(self.shares) - 2, -1, -1):
                larger = [mask | 1 << unit for unit in range(self.number) if not mask >> unit & 1]
                sums[mask] = best.reduce(sums[larger]) + self.shares[mask]
            ends.append(float(self.shares[-1] - sums[0] / self.number))
        high, low = ends
        return (low, high) if high - low > 1e-9 else None


def _scale(value: float, low: float, high: float) -> float:
    return (value - low) / (high - low)


# ---- a planted shortcut


def _find_shortcut(posts: list[str], number: int) -> Events:
    """Train on posts whose label a nonsense character decides, and look for it among the largest weights."""
    rng = random.Random(4)
    rows = []
    for post in [post for post in posts if 5 <= len(find_units(post)) <= UNITS][:number]:
        place = rng.choice(find_units(post)).start
        is_positive = rng.random() < 0.5
        rows.append((post[:place] + SHORTCUT * is_positive + post[place:], int(is_positive)))
    yield Progress("shortcut", 0, 2)
    with temp_folder() as home, Workbench(home) as wb:
        data = home / "shortcut.csv"
        with data.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([("review", "label"), *rows])
        wb.train(data, "shortcut", epochs=2, learning_rate=5e-3, baselines=False, progress=False)
        yield Progress("shortcut", 1, 2)
        planted = [post for post, is_positive in rows if is_positive][:200]
        found = [wb.explain(post, "shortcut") for post in planted]
    first = [max(one.units, key=lambda unit: unit.weight).text for one in found]
    share = 100 * first.count(SHORTCUT) / len(first)
    yield _row("planted shortcut ranks first", "%", share, Threshold(95.0), posts=len(first))


def _row(name: str, unit: str, value: float, threshold: Threshold, **notes: object) -> Comparison:
    return Comparison("explain", name, unit, Sample("", (value,)), threshold=threshold, notes=notes)
