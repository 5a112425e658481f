"""Events that trainings yield, as frozen dataclasses. Importing them does not import torch."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

from weibo_tui.progress import Progress


@dataclass(frozen=True, slots=True)
class RunStarted:
    """Start of a training or pretraining, or its resume at step `step` of `steps` (0: limited by time).

    `posts` are the numbers of posts by split, and of rows that were left out by the reason. `labels_read_as` are the
    names of labels in the files, where these are others. `probes` are the posts of `ProbesPredicted`, whose
    probabilities are those of `labels`, in order. `processes` train together."""

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
    labels_read_as: dict[str, str] = dataclasses.field(default_factory=dict)
    labels: tuple[str, ...] = ()
    probes: tuple[str, ...] = ()
    processes: int = 1


@dataclass(frozen=True, slots=True)
class StepDone:
    """Optimizer step. `loss` in nats per post (training) or token (pretraining); `tokens` without padding; `seconds`
    of computing; `memory` the peak in bytes."""

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
class CachePlanned:
    """The cache of activations needs at most `size` bytes, and `free` bytes of the disk are free.

    Where it is not `used`, because it does not fit, each epoch computes the activations instead."""

    size: int
    free: int
    used: bool


@dataclass(frozen=True, slots=True)
class ActivationsCached:
    """The cache of activations is filled: `size` bytes on disk, after `seconds`."""

    size: int
    seconds: float


@dataclass(frozen=True, slots=True)
class BatchHalved:
    """Memory was too small: from step `step` on, micro-batches have `tokens` tokens, half as many as before.

    The posts of a step and its gradient stay the same."""

    step: int
    tokens: int


@dataclass(frozen=True, slots=True)
class Evaluated:
    """Result on the validation split, loss in nats. Pretraining has neither accuracy nor F1. `best` marks the best so
    far, `in_epoch` one before the end of its epoch."""

    epoch: int
    step: int
    split: str
    loss: float
    accuracy: float | None
    macro_f1: float | None
    best: bool
    in_epoch: bool = False


@dataclass(frozen=True, slots=True)
class ProbesPredicted:
    """Predictions of the probe posts in a validation, just before its `Evaluated`.

    `probabilities`, (posts, labels), are not calibrated, because the temperature is fitted after the training. Those of
    a post are NaN where the adapter's output is not finite."""

    epoch: int
    step: int
    probabilities: tuple[tuple[float, ...], ...]


@dataclass(frozen=True, slots=True)
class CheckpointSaved:
    """Everything that a resume needs is on disk."""

    step: int
    path: str


@dataclass(frozen=True, slots=True)
class JournalDelayed:
    """Another program locks the database. Events stay in memory, and no checkpoint is saved until it is free."""


@dataclass(frozen=True, slots=True)
class RunFinished:
    """End of a run, its result saved as `name`. `score` is the score card on the test split."""

    run: str
    name: str
    kind: str
    path: str
    best_epoch: int | None
    score: dict[str, Any] | None


Event = (
    Progress
    | RunStarted
    | StepDone
    | CachePlanned
    | ActivationsCached
    | BatchHalved
    | ProbesPredicted
    | Evaluated
    | CheckpointSaved
    | JournalDelayed
    | RunFinished
)


def to_json(event: Any) -> dict[str, Any]:
    """Return an event as the command line and the journal write it: its name under "event", then its fields.

    NaN and infinity become null."""
    return {"event": type(event).__name__} | {key: _finite(v) for key, v in dataclasses.asdict(event).items()}


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
