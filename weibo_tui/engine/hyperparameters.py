"""What training and pretraining can be told, with defaults and ranges. Free of torch: forms check as typed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from weibo_tui.locale import gettext as _

CLASS_WEIGHTS = ("none", "balanced")
# Kept apart from the engine's table of functions, which needs torch; a test holds the two together.
ACTIVATION_NAMES = ("gelu", "gelu_new", "gelu_pytorch_tanh", "relu", "silu", "swish", "tanh")


@dataclass(frozen=True, slots=True)
class Hyperparameters:
    """Hyper-parameters of one training; `problems` names every one that is out of range."""

    epochs: int = 2
    batch_size: int = 32
    accumulation: int = 1
    learning_rate: float = 1e-3
    warmup: float = 0.1
    weight_decay: float = 0.01
    clip: float = 1.0
    max_length: int = 128
    class_weights: str = "none"
    emoticon_dropout: float = 0.0
    patience: int = 0
    seed: int = 0
    bottleneck: int = 64
    blocks: str = "all"
    activation: str = "gelu"
    dropout: float = 0.0
    init: float = 1e-3

    @property
    def posts_per_step(self) -> int:
        """Posts of one optimizer step."""
        return self.batch_size * self.accumulation

    def problems(self) -> Iterator[str]:
        """One sentence for each value that is out of range."""
        yield from _out_of_range(self, RANGES)
        for name, allowed in {"class_weights": CLASS_WEIGHTS, "activation": ACTIVATION_NAMES}.items():
            value = getattr(self, name)
            if value not in allowed:
                yield _("{name} is {value} and must be one of {allowed}").format(
                    name=name.replace("_", "-"), value=value, allowed=", ".join(allowed)
                )


RANGES: dict[str, tuple[float, float]] = {
    "epochs": (1, 1000),
    "batch_size": (1, 4096),
    "accumulation": (1, 1024),
    "learning_rate": (1e-7, 1.0),
    "warmup": (0.0, 1.0),
    "weight_decay": (0.0, 1.0),
    "clip": (1e-3, 1e3),
    "max_length": (4, 131_072),
    "emoticon_dropout": (0.0, 1.0),
    "patience": (0, 1000),
    "seed": (0, 2**32 - 1),
    "bottleneck": (1, 4096),
    "dropout": (0.0, 0.9),
    "init": (0.0, 1.0),
}


@dataclass(frozen=True, slots=True)
class PretrainingHyperparameters:
    """How long and how to pretrain: bounded by `tokens` seen or by `minutes` of computing; the other is 0.

    `recall` weighs what is asked at the suffix against the language model's loss, `hide` is the share of posts
    whose emoticons are hidden and asked for there."""

    minutes: float = 0.0
    tokens: int = 0
    context: int = 128
    batch_size: int = 16
    learning_rate: float = 1e-3
    warmup: float = 0.03
    weight_decay: float = 0.1
    clip: float = 1.0
    recall: float = 0.5
    hide: float = 0.5
    seed: int = 0

    def problems(self) -> Iterator[str]:
        """One sentence for each value that is out of range."""
        if (self.minutes > 0) == (self.tokens > 0):
            yield _("one of --minutes and --tokens must say how long to pretrain")
        yield from _out_of_range(self, PRETRAINING_RANGES)


PRETRAINING_RANGES: dict[str, tuple[float, float]] = {
    "minutes": (0.0, 1e6),
    "tokens": (0, 10**14),
    "context": (2, 131_072),
    "batch_size": (1, 4096),
    "learning_rate": (1e-7, 1.0),
    "warmup": (0.0, 1.0),
    "weight_decay": (0.0, 1.0),
    "clip": (1e-3, 1e3),
    "recall": (0.0, 100.0),
    "hide": (0.0, 1.0),
    "seed": (0, 2**32 - 1),
}


def _out_of_range(values: object, ranges: dict[str, tuple[float, float]]) -> Iterator[str]:
    for name, (low, high) in ranges.items():
        value = getattr(values, name)
        if not low <= value <= high:
            yield _("{name} is {value} and must be from {low} to {high}").format(
                name=name.replace("_", "-"), value=value, low=low, high=high
            )
