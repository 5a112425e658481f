"""Score card of an evaluation, as it is stored in adapter cards and shown in notebooks. Without NumPy or torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from weibo_tui.locale import gettext as _
from weibo_tui.locale import ngettext
from weibo_tui.text import html

_MISSING = "–"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreCard:
    """Metrics of an evaluation. A metric is None if it is undefined.

    All are fractions except `mcc`, from -1 to 1, and `brier`, from 0 to 1 with two labels and to 2 with more. A label
    that is never predicted has precision 0, a label that never occurs has recall 0.
    """

    n: int  # posts scored
    failed: int  # posts without a prediction, in none of the other metrics
    accuracy: float | None = None
    accuracy_ci: tuple[float, float] | None = None  # 95 %, see `metrics.accuracy_interval`
    macro_f1: float | None = None
    mcc: float | None = None
    per_label: Mapping[str, Mapping[str, float | None]]  # precision, recall, f1, support
    labels: tuple[str, ...]
    confusion: tuple[tuple[int, ...], ...]  # rows: actual; columns: predicted; in the order of `labels`
    ece: float | None = None
    brier: float | None = None
    emoticons: Mapping[str, float | None] = field(
        default_factory=lambda: {"with": None, "without": None, "only": None}
    )  # accuracy on the posts themselves, without emoticons, and on emoticons only

    def to_dict(self) -> dict[str, Any]:
        """Return the fields by name."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Return the score card whose `to_dict` gave `values`, also by way of JSON."""
        interval = values.get("accuracy_ci")
        tuples = {
            "accuracy_ci": None if interval is None else tuple(interval),
            "labels": tuple(values["labels"]),
            "confusion": tuple(map(tuple, values["confusion"])),
        }
        return cls(**{**values, **tuples})

    def _repr_html_(self) -> str:
        """Return the score card as tables for a notebook."""
        posts = ngettext("on {n} post", "on {n} posts", self.n).format(n=f"{self.n:,}")
        if self.failed:
            posts += _("; {failed} failed").format(failed=f"{self.failed:,}")
        shares = ("precision", "recall", "f1")
        per_label = (
            (label, *(_percent(figures[name]) for name in shares), f"{figures['support']:,}")
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
        interval = "" if self.accuracy_ci is None else f" ({' – '.join(map(_percent, self.accuracy_ci))})"
        yield _("Accuracy"), _percent(self.accuracy) + interval
        yield _("without emoticons"), _percent(self.emoticons.get("without"))
        yield _("only emoticons"), _percent(self.emoticons.get("only"))
        yield _("Macro F1"), _percent(self.macro_f1)
        for name, value in (("MCC", self.mcc), ("ECE", self.ece), ("Brier", self.brier)):
            yield name, _MISSING if value is None else f"{value:.3f}"


def _percent(share: float | None) -> str:
    return _MISSING if share is None else f"{share:.1%}"
