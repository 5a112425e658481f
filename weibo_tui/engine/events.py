"""What long work tells whoever pulls it. Every event is a frozen dataclass; none needs torch to be imported."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

from weibo_tui.progress import Progress


@dataclass(frozen=True, slots=True)
class RunStarted:
    """A training or pretraining begins, or goes on from step `step` of `steps` (0: bounded by time)."""

    run: str
    name: str
    kind: str
    base: str
    device: str
    dtype: str
    threads: int
    step: int
    steps: int
    epochs: int
    posts: dict[str, int]
    trainable: int
    frozen: int


@dataclass(frozen=True, slots=True)
class StepDone:
    """One optimizer step. `loss` in nats, per post in training and per token in pretraining; `tokens` are real
    tokens, padding not counted; `seconds` of computing; `memory` the peak so far in bytes."""

    step: int
    steps: int
    epoch: int
    loss: float
    learning_rate: float
    gradient_norm: float
    posts: int
    tokens: int
    seconds: float
    memory: int


@dataclass(frozen=True, slots=True)
class BatchHalved:
    """The memory was too small for step `step`: from it on, micro-batches have `tokens` tokens, half as many. The posts
    of a step stay the same, and so does its gradient."""

    step: int
    tokens: int


@dataclass(frozen=True, slots=True)
class Evaluated:
    """The validation split after an epoch (or, in pretraining, after a stretch): loss in nats. Accuracy and F1
    are None in pretraining; `best` says whether this is the best so far."""

    epoch: int
    step: int
    split: str
    loss: float
    accuracy: float | None
    macro_f1: float | None
    best: bool


@dataclass(frozen=True, slots=True)
class CheckpointSaved:
    """All that a resume needs is on disk."""

    step: int
    path: str


@dataclass(frozen=True, slots=True)
class JournalDelayed:
    """Another program holds the database. Events wait in memory, and no checkpoint is saved until it is free."""


@dataclass(frozen=True, slots=True)
class RunFinished:
    """The run is done and its result kept under `name`; `score` is the score card on the test split."""

    run: str
    name: str
    kind: str
    path: str
    best_epoch: int | None
    score: dict[str, Any] | None


Event = Progress | RunStarted | StepDone | BatchHalved | Evaluated | CheckpointSaved | JournalDelayed | RunFinished


def to_json(event: Any) -> dict[str, Any]:
    """An event as the command line and the journal write it: its name under "event", then its fields.

    A number that JSON cannot hold (NaN, infinity) becomes null."""
    return {"event": type(event).__name__} | {key: _finite(v) for key, v in dataclasses.asdict(event).items()}


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
