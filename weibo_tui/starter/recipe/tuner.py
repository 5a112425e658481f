"""Supervised training of a whole base on posts with known labels, predicted labels and hidden emoticons.

After pretraining, the state at a post's suffix predicts its emoticons (Felbo et al. 2017, "DeepMoji") and its labels,
with a head for each set of labels (Liu et al. 2019, "MT-DNN"). Some posts have labels that another model predicted (Xie
et al. 2020, "Self-training with Noisy Student"). The heads are not kept; adapters are trained on it as on others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from weibo_tui.engine.batches import Indices, micro_batches, pad, training_steps
from weibo_tui.engine.device import Compute, to_device
from weibo_tui.engine.gpt2 import GPT2
from weibo_tui.engine.optimizers import make_muon
from weibo_tui.engine.saved_tensors import SavedTensors
from weibo_tui.engine.tokenizer import EncodedPosts
from weibo_tui.errors import WeiboTuiError

Targets = NDArray[np.float32]
"""A share for each label, (posts, labels). The shares of a post add up to its weight: 0 if it has no label."""

MICRO_BATCH = 4
"""Micro-batches of a training of adapters in one of the tuner, which has only one gradient to keep."""


@dataclass(frozen=True, slots=True)
class TuningHyperparameters:
    """Settings of a tuning. `hide` is the share of posts without their emoticons, `mask` that of masked tokens."""

    epochs: int
    batch_size: int = 256
    learning_rate: float = 1e-3
    warmup: float = 0.05
    weight_decay: float = 0.1
    clip: float = 1.0
    hide: float = 0.5
    mask: float = 0.2
    seed: int = 0


@dataclass(frozen=True, slots=True)
class TuningPosts:
    """Encoded posts, the same posts without emoticons, whether a post is only seen without them, (posts,), and the
    targets of each head."""

    encoded: EncodedPosts
    emoticon_free: EncodedPosts
    hidden: NDArray[np.bool_]
    targets: Mapping[str, Targets]


class Tuner:
    """Trains `model` in place: the backbone, and `heads`, linear layers on its final state, by name."""

    def __init__(
        self,
        backbone: GPT2,
        posts: TuningPosts,
        hyper: TuningHyperparameters,
        compute: Compute,
        padding: int,
        mask: int,
    ) -> None:
        """`padding` and `mask` are the ids of these tokens."""
        self.backbone = backbone.requires_grad_(True)
        self.posts = posts
        self.hyper = hyper
        self.compute = compute
        self.padding = padding
        self.mask = mask
        self.step = 0
        self._variants = EncodedPosts.join([posts.encoded, posts.emoticon_free])
        self._saved = SavedTensors()
        torch.manual_seed(hyper.seed)
        width = backbone.config.width
        self.heads = nn.ModuleDict({name: nn.Linear(width, rows.shape[1]) for name, rows in posts.targets.items()})
        self.model = nn.ModuleDict({"backbone": self.backbone, "heads": self.heads})
        self._optimizers = make_muon(backbone.blocks, self.model, hyper.learning_rate, hyper.weight_decay, 0.98)

    @property
    def steps_per_epoch(self) -> int:
        """Number of optimizer steps in an epoch."""
        return -(-len(self.posts.encoded) // self.hyper.batch_size)

    def losses(self) -> Iterator[float]:
        """Train from the current step to the end, and yield the loss of each step."""
        size = len(self.posts.encoded)
        while (epoch := self.step // self.steps_per_epoch) < self.hyper.epochs:
            random = np.random.default_rng([self.hyper.seed, epoch, 1])
            hidden = self.posts.hidden | (random.random(size) < self.hyper.hide)
            variants = np.arange(size) + np.where(hidden, size, 0)
            lengths = self._variants.lengths_of(variants)
            steps = training_steps(lengths, self.hyper.batch_size, self.hyper.seed, epoch)
            for posts in steps[self.step % self.steps_per_epoch :]:
                yield self._train_step(posts, variants, lengths)

    def state(self) -> dict[str, Any]:
        """Return what `restore` needs to continue after the last step."""
        return {
            "step": self.step,
            "model": self.model.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self._optimizers],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from a state of a tuning with the same posts and hyper-parameters."""
        self.step = state["step"]
        self.model.load_state_dict(state["model"])
        for optimizer, values in zip(self._optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(values)

    def _train_step(self, posts: Indices, variants: Indices, lengths: NDArray[np.int64]) -> float:
        self.compute.activate()
        for optimizer in self._optimizers:
            optimizer.zero_grad()
            for group in optimizer.param_groups:
                group["lr"] = self._learning_rate()
        random = np.random.default_rng([self.hyper.seed, self.step, 2])
        loss = 0.0
        for batch in micro_batches(posts, lengths, MICRO_BATCH * self.compute.micro_tokens):
            with self._saved.collect():
                part = self._loss(batch, variants[batch], random) / len(posts)
            part.backward()
            loss += float(part.detach())
        norm = float(nn.utils.clip_grad_norm_(self.model.parameters(), self.hyper.clip))
        if not np.isfinite(norm):
            raise WeiboTuiError(f"Loss became NaN at step {self.step + 1}. Lower the learning rate.")
        for optimizer in self._optimizers:
            optimizer.step()
        self.step += 1
        return loss

    def _loss(self, posts: Indices, variants: Indices, random: np.random.Generator) -> Tensor:
        """Return the sum of the cross-entropies of posts (posts,) over all heads."""
        ids, lengths = pad(self._variants, variants, self.padding, self.compute.device)
        column = torch.arange(ids.shape[1])
        # Prefix and suffix are one token each, and are not masked.
        inside = (column > 0) & (column < lengths[:, None] - 1)
        masked = inside & to_device(random.random(ids.shape) < self.hyper.mask, self.compute.device)
        with torch.autocast(self.compute.device.type, torch.bfloat16, self.compute.dtype == torch.bfloat16):
            states = self.backbone(ids.masked_fill(masked, self.mask), lengths).float()
        losses = []
        for name, head in self.heads.items():
            targets = to_device(self.posts.targets[name][posts], self.compute.device)
            losses.append(-(targets * head(states).log_softmax(-1)).sum())
        return torch.stack(losses).sum()

    def _learning_rate(self) -> float:
        """Return the rate of a linear warm-up followed by a cosine decay to zero."""
        done = (self.step + 1) / (self.steps_per_epoch * self.hyper.epochs)
        if done < self.hyper.warmup:
            return self.hyper.learning_rate * done / self.hyper.warmup
        cosine = np.cos(np.pi * (done - self.hyper.warmup) / (1 - self.hyper.warmup))
        return float(self.hyper.learning_rate * 0.5 * (1 + cosine))


def predict_targets(
    backbone: GPT2, heads: nn.ModuleDict, posts: EncodedPosts, compute: Compute, padding: int
) -> dict[str, Targets]:
    """Return the probabilities of each head for posts."""
    found: dict[str, Targets] = {}
    with torch.inference_mode():
        for batch in micro_batches(np.arange(len(posts)), posts.lengths, MICRO_BATCH * compute.micro_tokens):
            ids, lengths = pad(posts, batch, padding, compute.device)
            with torch.autocast(compute.device.type, torch.bfloat16, compute.dtype == torch.bfloat16):
                states = backbone(ids, lengths).float()
            for name, head in heads.items():
                probabilities = head(states).softmax(-1).cpu().numpy()
                rows = found.setdefault(name, np.zeros((len(posts), probabilities.shape[1]), np.float32))
                rows[batch] = probabilities
    return found
