"""Explanations of predictions with the names of labels, and a self-test of how faithful they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from weibo_tui.engine.hyperparameters import ComputeOptions
from weibo_tui.errors import UserInputError
from weibo_tui.locale import gettext as _
from weibo_tui.locale import join_names
from weibo_tui.progress import Progress
from weibo_tui.text.shading import Span, shade
from weibo_tui.workbench.models import ModelLoader

if TYPE_CHECKING:
    from weibo_tui.engine.explanation import Explanation as EngineExplanation
    from weibo_tui.engine.explanation import UnitWeight

TOP = 5
"""Units that the self-test removes."""
SELF_TEST_POSTS = 200
MIN_CLAUSES = 4
"""Clauses from which on these are named, rather than single units."""


@dataclass(frozen=True, slots=True)
class ExplainedUnit:
    """A part of a post, from `start` to `end` of it, and its weight; see `Explanation`."""

    text: str
    start: int
    end: int
    weight: float
    change: float
    alone: float


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """The probability of each label if the post ended after its first `end` characters."""

    end: int
    probabilities: dict[str, float]


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a post got its label.

    Weights are for `label`: by how much its margin is higher with a unit than without it (leave-one-out). The margin is
    the logarithm of its probability over that of the strongest other label. `change` is the same of the probability,
    and `alone` the margin of the unit as a whole post, over that of no text. `units` are emoticons, words and
    characters, `clauses` runs of them. `curve` are the predictions after every beginning of the post, from no text on,
    `flips` the characters at which the predicted label changes, and `settled` those after which it no longer does.
    `without_emoticons` are the probabilities without any, None for a post that has none or nothing else; `without` are
    those without all occurrences of a unit that occurs more than once.
    """

    text: str
    adapter: str
    predicted: str
    label: str
    probabilities: dict[str, float]
    units: tuple[ExplainedUnit, ...]
    clauses: tuple[ExplainedUnit, ...]
    curve: tuple[CurvePoint, ...]
    flips: tuple[int, ...]
    settled: int
    without_emoticons: dict[str, float] | None
    without: dict[str, dict[str, float]]

    def to_dict(self) -> dict[str, Any]:
        """Return what `weibo-tui predict --explain --json` adds to a prediction."""
        return {
            "explained": self.label,
            "units": [asdict(unit) for unit in self.units],
            "clauses": [asdict(clause) for clause in self.clauses],
            "curve": [{"end": point.end, "probabilities": point.probabilities} for point in self.curve],
            "flips": list(self.flips),
            "settled": self.settled,
            "without_emoticons": self.without_emoticons,
            "without": self.without,
        }

    @property
    def strongest(self) -> list[ExplainedUnit]:
        """The clauses, or in a post with few of them the units, in descending order of the size of their weights."""
        parts = self.clauses if len(self.clauses) >= MIN_CLAUSES else self.units
        return sorted(parts, key=lambda part: -abs(part.weight))

    def _repr_html_(self) -> str:
        spans = [Span(unit.start, unit.end, unit.weight) for unit in self.units]
        return f"<p>{shade(self.text, spans)}</p>"


@dataclass(frozen=True, slots=True)
class FaithfulnessResult:
    """The last event of a self-test of explanations, over `posts` posts with more than `removed` units.

    `strongest` is by how much the probability of the predicted label falls, on average, without the `removed` units of
    the largest weights, and `random` without as many random ones (comprehensiveness; DeYoung et al. 2020, "ERASER").
    """

    adapter: str
    posts: int
    removed: int
    strongest: float
    random: float

    def to_dict(self) -> dict[str, Any]:
        """Return the fields by name."""
        return asdict(self)


def explain(
    models: ModelLoader, post: str, adapter: str = "", label: str = "", machine: ComputeOptions = ComputeOptions()
) -> Explanation:
    """Explain the prediction of a post; see `Workbench.explain`."""
    from weibo_tui.engine.explanation import explain as explain_post

    adapter = models.adapter_name(adapter)
    names = models.adapters.card(adapter).labels
    index = _explained_label(names, label)
    found = explain_post(models.classifier(adapter, machine), post, index)
    return _named(found, post, adapter, names)


def _explained_label(names: Sequence[str], label: str) -> int | None:
    """Return the index of the label to explain: of two labels the positive or the second one, otherwise None."""
    if label:
        if label not in names:
            message = _("The adapter has no label {label}. Its labels are {labels}.")
            raise UserInputError(message.format(label=label, labels=join_names(names, 20)))
        return names.index(label)
    if len(names) == 2:
        return names.index("positive") if "positive" in names else 1
    return None


def _named(found: EngineExplanation, post: str, adapter: str, names: Sequence[str]) -> Explanation:
    def by_label(probabilities: Sequence[float]) -> dict[str, float]:
        return dict(zip(names, probabilities, strict=True))

    probabilities = by_label(found.probabilities)
    groups = {name: by_label(values) for name, values in found.groups.items()}
    return Explanation(
        text=post,
        adapter=adapter,
        predicted=max(probabilities, key=probabilities.__getitem__),
        label=names[found.label],
        probabilities=probabilities,
        units=tuple(map(_part, found.units)),
        clauses=tuple(map(_part, found.clauses)),
        curve=tuple(CurvePoint(point.end, by_label(point.probabilities)) for point in found.curve),
        flips=tuple(found.flips),
        settled=found.settled,
        without_emoticons=groups.pop("", None),
        without=groups,
    )


def _part(found: UnitWeight) -> ExplainedUnit:
    unit = found.unit
    return ExplainedUnit(unit.text, unit.start, unit.end, found.weight, found.change, found.alone)


def self_test(
    models: ModelLoader, posts: Sequence[str], adapter: str = "", machine: ComputeOptions = ComputeOptions()
) -> Iterator[object]:
    """Measure how faithful explanations of an adapter are, on the first suitable posts; see `FaithfulnessResult`."""
    import numpy as np

    from weibo_tui.engine.explanation import removal_effects

    adapter = models.adapter_name(adapter)
    classifier = models.classifier(adapter, machine)
    effects: list[tuple[float, float]] = []
    for post in posts:
        if len(effects) == SELF_TEST_POSTS:
            break
        if (effect := removal_effects(classifier, post, TOP, seed=len(effects))) is not None:
            effects.append(effect)
            yield Progress("explaining", len(effects), SELF_TEST_POSTS)
    if not effects:
        message = _("No post has more than {number} units. Give longer posts.")
        raise UserInputError(message.format(number=TOP))
    strongest, random = np.mean(effects, axis=0).tolist()
    yield FaithfulnessResult(adapter, len(effects), TOP, strongest, random)
