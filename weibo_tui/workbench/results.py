"""Results of the blocking methods of the workbench. Each has `to_dict`; a notebook shows tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, overload

from weibo_tui.engine.score_card import ScoreCard
from weibo_tui.storage.history import Analysis
from weibo_tui.text import html

if TYPE_CHECKING:
    import pandas as pd

MAX_ROWS = 20
"""Predictions that a notebook shows."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """Label of a post, its calibrated probability, and that of each label.

    A post without a prediction has an `error`, the label "" and the confidence None. `uncertain` is a confidence below
    the threshold of the settings. `truncated` tells that the model did not read the whole post."""

    label: str
    confidence: float | None
    probabilities: dict[str, float]
    text: str = field(repr=False)
    adapter: str
    uncertain: bool = False
    truncated: bool = False
    error: str | None = None

    @classmethod
    def from_analysis(cls, analysis: Analysis) -> Prediction:
        """Return the prediction of an entry of the history."""
        return cls(
            label=analysis.label,
            confidence=analysis.confidence,
            probabilities=analysis.probabilities,
            text=analysis.text,
            adapter=analysis.adapter,
            uncertain=analysis.uncertain,
            truncated=analysis.truncated,
            error=analysis.error,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the fields by name."""
        return asdict(self)

    def _repr_html_(self) -> str:
        probabilities = sorted(self.probabilities.items(), key=lambda item: -item[1])
        rows = ((label, f"{probability:.1%}") for label, probability in probabilities)
        return html.table(rows, caption=self.error or self.text)


@dataclass(frozen=True, slots=True, repr=False)
class Predictions(Sequence[Prediction]):
    """Predictions in the order of the posts. `labels` are those of the adapter."""

    items: tuple[Prediction, ...]
    labels: tuple[str, ...]
    series_index: pd.Index[Any] | None = field(default=None, compare=False)
    """The index of the Series that the posts came from."""

    def __len__(self) -> int:
        return len(self.items)

    @overload
    def __getitem__(self, position: int) -> Prediction: ...
    @overload
    def __getitem__(self, position: slice) -> Predictions: ...
    def __getitem__(self, position: int | slice) -> Prediction | Predictions:
        if not isinstance(position, slice):
            return self.items[position]
        return Predictions(
            self.items[position], self.labels, None if self.series_index is None else self.series_index[position]
        )

    def __iter__(self) -> Iterator[Prediction]:
        return iter(self.items)

    def __repr__(self) -> str:
        counts = Counter(prediction.label or "error" for prediction in self.items)
        return f"Predictions({', '.join(f'{label}: {count:,}' for label, count in counts.most_common())})"

    def to_dict(self) -> dict[str, list[Any]]:
        """Return the columns of `to_pandas` as lists."""
        columns: dict[str, list[Any]] = {
            "text": [item.text for item in self.items],
            "predicted": [item.label or None for item in self.items],
            "confidence": [item.confidence for item in self.items],
        }
        for label in self.labels:
            columns[f"prob_{label}"] = [item.probabilities.get(label) for item in self.items]
        return columns | {"error": [item.error for item in self.items]}

    def to_pandas(self) -> pd.DataFrame:
        """Return a DataFrame with the columns text, predicted, confidence, prob_<label> and error.

        Its index is that of the Series that the posts came from."""
        import pandas as pd

        frame = pd.DataFrame(self.to_dict(), index=self.series_index)
        return frame.astype({"text": "str", "predicted": "str", "confidence": float, "error": "str"})

    def _repr_html_(self) -> str:
        rows = (
            (item.text, item.label, "" if item.confidence is None else f"{item.confidence:.1%}", item.error or "")
            for item in self.items[:MAX_ROWS]
        )
        return html.table(rows, ("text", "predicted", "confidence", "error"), caption=repr(self))


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """Name of the new adapter, its score card on the test split, and the id of the run."""

    adapter: str
    score: ScoreCard
    run_id: str

    def to_dict(self) -> dict[str, Any]:
        """Return the fields by name, with the score card as a dictionary."""
        return asdict(self)

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(self.adapter)}</p>{self.score._repr_html_()}"


@dataclass(frozen=True, slots=True)
class PretrainingResult:
    """Name of the new base, the tokens that it was trained on, the loss in nats a token, and the id of the run."""

    base: str
    tokens: int
    validation_loss: float | None
    run_id: str

    def to_dict(self) -> dict[str, Any]:
        """Return the fields by name."""
        return asdict(self)
