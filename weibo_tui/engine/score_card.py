"""Score card of an evaluation, as it is stored in adapter cards and shown in notebooks. Without NumPy or torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from weibo_tui.locale import gettext as _
from weibo_tui.locale import ngettext
from weibo_tui.text import html

MISSING = "–"


Interval = tuple[float, float]
"""Lower and upper end. All intervals are 95 % confidence intervals."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreCard:
    """Metrics of an evaluation. A metric is None or empty if it is undefined, or older than the program.

    All are fractions except `mcc`, from -1 to 1, and `brier`, from 0 to 1 with two labels and to 2 with more. A label
    that is never predicted has precision 0, a label that never occurs has recall 0.
    """

    n: int  # posts scored
    failed: int  # posts without a prediction, in none of the other metrics
    accuracy: float | None = None
    accuracy_ci: Interval | None = None  # see `uncertainty.accuracy_interval`
    macro_f1: float | None = None
    macro_f1_ci: Interval | None = None  # bootstrap over groups of equal texts, see `uncertainty`
    mcc: float | None = None
    mcc_ci: Interval | None = None
    interval_methods: Mapping[str, str] = field(default_factory=dict)  # of both: "bca", or "percentile" where it fails
    per_label: Mapping[str, Mapping[str, float | None]]  # precision, recall, f1, support
    labels: tuple[str, ...]
    confusion: tuple[tuple[int, ...], ...]  # rows: actual; columns: predicted; in the order of `labels`
    ece: float | None = None  # in the bins of `reliability`
    ece_null: tuple[float, float] | None = None  # mean and 95th percentile of a perfectly calibrated model's ECE
    reliability: tuple[Mapping[str, Any], ...] = ()  # confidence, accuracy, low, high and n of each equal-mass bin
    confidences: tuple[tuple[int, int], ...] = ()  # right and wrong predictions in 20 equal bins of confidence
    brier: float | None = None
    risk_coverage: tuple[tuple[float, float, float], ...] = ()  # coverage, risk and threshold, in ascending coverage
    augrc: float | None = None  # area under the generalized risk-coverage curve
    answering: tuple[Mapping[str, Any], ...] = ()  # accuracy, threshold, coverage and n of each attainable accuracy
    emoticons: Mapping[str, float | None] = field(
        default_factory=lambda: {"with": None, "without": None, "only": None}
    )  # accuracy on the posts themselves, without emoticons, and on emoticons only
    sources: tuple[Mapping[str, Any], ...] = ()  # name, n, accuracy, low, high and macro_f1 of each of several files
    lengths: tuple[Mapping[str, Any], ...] = ()  # the same for each range of characters
    baselines: tuple[Mapping[str, Any], ...] = ()  # simple models on the same posts, see `datasets.baselines`
    seeds: Mapping[str, Any] = field(default_factory=dict)  # figures of equal trainings, see `engine.seeds`
    faithfulness: Mapping[str, Any] = field(default_factory=dict)  # self-test of explanations

    def to_dict(self) -> dict[str, Any]:
        """Return the fields by name."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Return the score card whose `to_dict` gave `values`, also by way of JSON."""
        return cls(**{name: _tuples(value) for name, value in values.items()})

    def _repr_html_(self) -> str:
        """Return the score card as tables for a notebook."""
        posts = ngettext("on {n} post", "on {n} posts", self.n).format(n=f"{self.n:,}")
        if self.failed:
            posts += _("; {failed} failed").format(failed=f"{self.failed:,}")
        shares = ("precision", "recall", "f1")
        per_label = (
            (label, *(percent(figures[name]) for name in shares), f"{figures['support']:,}")
            for label, figures in self.per_label.items()
        )
        parts = [
            html.table(self._figures(), caption=posts),
            html.table(per_label, ("", _("precision"), _("recall"), "F1", _("posts"))),
        ]
        if self.confusion:
            counts = ((label, *row) for label, row in zip(self.labels, self.confusion, strict=True))
            parts.append(html.table(counts, (_("actual ↓ pred. →"), *self.labels)))
        return "".join(parts)

    def _figures(self) -> Iterator[tuple[str, str]]:
        interval = "" if self.accuracy_ci is None else f" ({' – '.join(map(percent, self.accuracy_ci))})"
        yield _("Accuracy"), percent(self.accuracy) + interval
        yield _("without emoticons"), percent(self.emoticons.get("without"))
        yield _("only emoticons"), percent(self.emoticons.get("only"))
        yield _("Macro F1"), percent(self.macro_f1)
        for name, value in (("MCC", self.mcc), ("ECE", self.ece), ("Brier", self.brier)):
            yield name, MISSING if value is None else f"{value:.3f}"


def _tuples(value: Any) -> Any:
    """Return JSON lists as tuples, also those in dictionaries."""
    if isinstance(value, Mapping):
        return {key: _tuples(item) for key, item in value.items()}
    return tuple(map(_tuples, value)) if isinstance(value, list | tuple) else value


def percent(share: float | None) -> str:
    """Return `97.5%` for 0.975, or a dash."""
    return MISSING if share is None else f"{share:.1%}"
