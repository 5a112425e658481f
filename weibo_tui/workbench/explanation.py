"""Explanations of predictions with the names of labels."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import asdict, dataclass, replace
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
    from weibo_tui.engine.prediction import Classifier

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
class ShapleyUnit:
    """A unit of a post with its Shapley value, `weight`, and the standard error of it, 0 where it is exact."""

    text: str
    start: int
    end: int
    weight: float
    error: float


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
    `flips` the characters of the post at which the predicted label changes, and `settled` the last of them.
    `without_emoticons` are the probabilities without any, None for a post that has none or nothing else; `without` are
    those without all occurrences of a unit that occurs more than once. `shapley` are the Shapley values of the units,
    which take more time, where they were asked for.
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
    shapley: tuple[ShapleyUnit, ...] = ()

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
            **({"shapley": [asdict(unit) for unit in self.shapley]} if self.shapley else {}),
        }

    @property
    def shaded(self) -> Sequence[ExplainedUnit | ShapleyUnit]:
        """The units whose weights are shown in the text: with their Shapley values, where these are known."""
        return self.shapley or self.units

    @property
    def strongest(self) -> Sequence[ExplainedUnit | ShapleyUnit]:
        """The parts that are named, in descending order of the size of their weights: the units with a Shapley value,
        otherwise the clauses, or in a post with few of them the units."""
        parts = self.shapley or (self.clauses if len(self.clauses) >= MIN_CLAUSES else self.units)
        return sorted(parts, key=lambda part: -abs(part.weight))

    def _repr_html_(self) -> str:
        spans = [Span(unit.start, unit.end, unit.weight) for unit in self.shaded]
        return f"<p>{shade(self.text, spans)}</p>"


def iter_explain(
    models: ModelLoader,
    post: str,
    adapter: str = "",
    label: str = "",
    machine: ComputeOptions = ComputeOptions(),
    shapley: bool = False,
) -> Generator[Progress, None, Explanation]:
    """Explain the prediction of a post; see `Workbench.explain`. Posts can be predicted between two events."""
    from weibo_tui.engine.explanation import iter_explain as explain_post

    adapter = models.adapter_name(adapter)
    names = models.adapters.card(adapter).labels
    classifier = models.classifier(adapter, machine)
    by_index = yield from explain_post(classifier, post, _explained_label(names, label))
    explanation = _named(by_index, post, adapter, names)
    return (yield from _with_shapley(classifier, explanation)) if shapley else explanation


def _with_shapley(classifier: Classifier, explanation: Explanation) -> Generator[Progress, None, Explanation]:
    """Return an explanation with the Shapley values of its units."""
    from weibo_tui.engine.explanation import parts_of, shapley_values

    units, label = parts_of(explanation.text), [*explanation.probabilities].index(explanation.label)
    shapley = yield from shapley_values(classifier, explanation.text, units, label)
    values = zip(units, shapley.values.tolist(), shapley.errors.tolist(), strict=True)
    named = tuple(ShapleyUnit(unit.text, unit.start, unit.end, value, error) for unit, value, error in values)
    return replace(explanation, shapley=named)


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
