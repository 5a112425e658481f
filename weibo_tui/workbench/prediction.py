"""Prediction of single posts: label, confidence and duration of each, recorded in the history."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from weibo_tui.engine.hyperparameters import ComputeOptions
from weibo_tui.storage.codec import timestamp
from weibo_tui.storage.history import Analysis, History
from weibo_tui.workbench.models import ModelLoader

if TYPE_CHECKING:
    from weibo_tui.engine.prediction import FailedPost, Prediction

WINDOW = 256
"""Posts of a stream that are predicted together: enough to batch by length, few enough to answer soon."""


def predict(
    models: ModelLoader,
    posts: Iterable[str],
    adapter: str,
    get_history: Callable[[], History | None],
    source: str,
    machine: ComputeOptions,
    window: int,
) -> Iterator[Analysis]:
    """Predict posts in windows; see `Workbench.iter_predict`.

    `get_history` is called only if there is something to add."""
    name = models.adapter_name(adapter)
    labels = models.adapters.card(name).labels
    classifier = models.classifier(name, machine)
    remaining = iter(posts)
    uncertain_below = models.settings.uncertain_below
    while texts := list(islice(remaining, window)):
        started = time.perf_counter()
        predictions = classifier.predict(texts)
        milliseconds = (time.perf_counter() - started) * 1000 / len(texts)
        context = {"adapter": name, "source": source, "milliseconds": milliseconds}
        analyses = [
            _analysis(text, prediction, labels, uncertain_below, **context)
            for text, prediction in zip(texts, predictions, strict=True)
        ]
        # An unreadable post is recorded among others; alone it is invalid input and leaves no trace.
        if any(analysis.error is None for analysis in analyses) and (history := get_history()) is not None:
            ids = history.add(analyses)
            analyses = [dataclasses.replace(analysis, id=i) for analysis, i in zip(analyses, ids, strict=True)]
        yield from analyses


def _analysis(
    text: str, prediction: Prediction | FailedPost, labels: Sequence[str], uncertain_below: float, **context: Any
) -> Analysis:
    from weibo_tui.engine.prediction import FailedPost

    values: dict[str, Any] = {"text": text, "created_at": timestamp(), **context}
    if isinstance(prediction, FailedPost):
        values |= {"label": "", "confidence": None, "probabilities": {}, "uncertain": False, "truncated": False}
        return Analysis(**values, characters=len(text), characters_read=0, error=prediction.reason)
    return Analysis(
        **values,
        label=labels[prediction.label],
        confidence=prediction.confidence,
        probabilities=dict(zip(labels, prediction.probabilities, strict=True)),
        uncertain=prediction.confidence < uncertain_below,
        truncated=prediction.characters_read < prediction.characters,
        characters=prediction.characters,
        characters_read=prediction.characters_read,
    )
