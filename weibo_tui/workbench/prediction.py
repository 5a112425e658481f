"""Posts to analyses: verdicts in words, with how long they took, kept in the history."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from weibo_tui.engine.hyperparameters import ComputeOptions
from weibo_tui.storage.codec import timestamp
from weibo_tui.storage.history import Analysis
from weibo_tui.workbench.home import Home

if TYPE_CHECKING:
    from weibo_tui.engine.prediction import EmptyPost, Prediction

# Posts that are judged together in a stream: enough to fill batches of like length, few enough to answer soon.
WINDOW = 256


def predict(
    home: Home,
    posts: Iterable[str],
    adapter: str,
    record: bool | None,
    source: str,
    machine: ComputeOptions,
    window: int,
) -> Iterator[Analysis]:
    """`Workbench.predict`."""
    name = home.adapter_name(adapter)
    labels = home.adapters.card(name).labels
    classifier = home.classifier(name, machine)
    waiting = iter(posts)
    uncertain_below = home.settings.uncertain_below
    while some := list(islice(waiting, window)):
        started = time.perf_counter()
        verdicts = classifier.verdicts(some)
        milliseconds = (time.perf_counter() - started) * 1000 / len(some)
        analyses = [
            analysis(
                post,
                verdict,
                labels,
                uncertain_below,
                adapter=name,
                source=source,
                milliseconds=milliseconds,
            )
            for post, verdict in zip(some, verdicts, strict=True)
        ]
        wanted = home.settings.history if record is None else record
        # Among others a post that nobody could read is a row of the history; alone it is bad input and leaves none.
        if wanted and any(one.error is None for one in analyses):
            ids = home.history.add(analyses)
            analyses = [dataclasses.replace(one, id=i) for one, i in zip(analyses, ids, strict=True)]
        yield from analyses


def analysis(
    post: str, verdict: Prediction | EmptyPost, labels: Sequence[str], uncertain_below: float, **about: Any
) -> Analysis:
    """A verdict in words, as the history keeps it."""
    from weibo_tui.engine.prediction import EmptyPost

    if isinstance(verdict, EmptyPost):
        return Analysis(
            text=post,
            label="",
            confidence=None,
            probabilities={},
            uncertain=False,
            truncated=False,
            characters=len(post),
            characters_read=0,
            created_at=timestamp(),
            error=verdict.reason,
            **about,
        )
    return Analysis(
        text=post,
        label=labels[verdict.label],
        confidence=verdict.confidence,
        probabilities=dict(zip(labels, verdict.probabilities, strict=True)),
        uncertain=verdict.confidence < uncertain_below,
        truncated=verdict.characters_read < verdict.characters,
        characters=verdict.characters,
        characters_read=verdict.characters_read,
        created_at=timestamp(),
        **about,
    )
