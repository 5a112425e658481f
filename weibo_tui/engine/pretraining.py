"""Pretraining a small GPT-2 on plain posts, as a generator of events.

What is asked of the trunk stands in `objective`. Like training, this touches no file and is resumed from a snapshot.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from weibo_tui.engine.config import GPT2Config
from weibo_tui.engine.device import Compute, memory
from weibo_tui.engine.events import Evaluated, Event, StepDone
from weibo_tui.engine.gpt2 import GPT2
from weibo_tui.engine.hyperparameters import PretrainingHyperparameters
from weibo_tui.engine.packing import Windows, pack, without
from weibo_tui.engine.pretraining_loss import PretrainingLoss
from weibo_tui.engine.tokenizer import EncodedPosts
from weibo_tui.engine.training import Snapshot
from weibo_tui.errors import WeiboTuiError
from weibo_tui.locale import gettext as _
from weibo_tui.progress import Progress

# Posts packed at a time: many enough that a step mixes unlike posts, few enough to be packed at once.
POSTS_PACKED = 8_192


@dataclass(slots=True)
class PretrainerState:
    """`step` optimizer steps done, `taken` of them from the pack `pack` of epoch `epoch`; seconds of computing."""

    epoch: int = 1
    pack: int = 0
    taken: int = 0
    step: int = 0
    tokens: int = 0
    seconds: float = 0.0
    loss: float = 0.0


def fresh_trunk(config: GPT2Config, seed: int) -> GPT2:
    """A trunk with GPT-2's own initialisation: normal, 0.02, residual projections scaled by their number."""
    generator = torch.Generator().manual_seed(seed)
    with torch.device("meta"):
        backbone = GPT2(config)
    backbone.to_empty(device="cpu")
    with torch.no_grad():
        for name, parameter in backbone.named_parameters():
            if name.endswith("bias"):
                parameter.zero_()
            elif "ln_" in name:
                parameter.fill_(1.0)
            else:
                residual = name.endswith(("attn_out.weight", "mlp_out.weight"))
                spread = 0.02 / (2 * config.layers) ** 0.5 if residual else 0.02
                parameter.normal_(0.0, spread, generator=generator)
    return backbone


class Pretrainer:
    """One pretraining of `backbone`, in place. `validation` posts are held out and only measured on; `marks`
    (vocabulary,) are true of the ids that are emoticons."""

    def __init__(
        self,
        backbone: GPT2,
        train: EncodedPosts,
        validation: EncodedPosts,
        marks: NDArray[np.bool_],
        recipe: PretrainingHyperparameters,
        compute: Compute,
    ) -> None:
        self.backbone = backbone.to(compute.device).requires_grad_(True)
        self.train = train
        self.validation = validation
        self.marks = marks
        self.recipe = recipe
        self.compute = compute
        self.at = PretrainerState()
        self._objective = PretrainingLoss(self.backbone, train, marks, recipe.recall, compute)
        self._optimizers = _optimizers(backbone, recipe)

    @property
    def steps(self) -> int:
        """Steps in all; 0 where the bound is time."""
        return -(-self.recipe.tokens // (self.recipe.batch_size * self.recipe.context))

    @property
    def progress(self) -> float:
        """The share done, from 0 to 1."""
        if self.recipe.minutes:
            return min(1.0, self.at.seconds / (60 * self.recipe.minutes))
        return min(1.0, self.at.step / self.steps)

    def events(self) -> Iterator[Event]:
        """Train from where it stands to the bound, then measure on the held-out posts."""
        while self.progress < 1:
            order = np.random.default_rng([self.recipe.seed, self.at.epoch]).permutation(len(self.train))
            before = self.at.step if self.at.pack == self.at.taken == 0 else -1
            for number in range(self.at.pack, -(-len(order) // POSTS_PACKED)):
                self.at.pack = number
                chunk = order[number * POSTS_PACKED : (number + 1) * POSTS_PACKED]
                yield from self._pack_events(self.train.take(chunk))
                if self.progress >= 1:
                    break
                self.at.taken = 0
            else:
                self.at.epoch, self.at.pack = self.at.epoch + 1, 0
                if self.at.step == before:
                    raise WeiboTuiError(
                        _(
                            "The corpus does not fill one batch of {batch} windows of {context} tokens: give "
                            "more text, or a smaller --batch-size or --context."
                        ).format(batch=self.recipe.batch_size, context=self.recipe.context)
                    )
        yield from self._evaluate()

    def snapshot(self) -> Snapshot:
        """The state after the last optimizer step."""
        tensors = {f"trunk.{name}": p.detach().cpu().clone() for name, p in self.backbone.named_parameters()}
        names: dict[Tensor, str] = {parameter: name for name, parameter in self.backbone.named_parameters()}
        for optimizer in self._optimizers:
            for parameter, state in optimizer.state.items():
                for key, tensor in state.items():
                    tensors[f"optimizer.{key}.{names[parameter]}"] = tensor.detach().cpu().clone()
        return Snapshot(tensors, asdict(self.at))

    def restore(self, snapshot: Snapshot) -> None:
        """Go on from `snapshot`, which a pretraining of the same corpus and recipe made."""
        self.at = PretrainerState(**snapshot.values)
        parameters = dict(self.backbone.named_parameters())
        owners = {
            parameter: optimizer
            for optimizer in self._optimizers
            for group in optimizer.param_groups
            for parameter in group["params"]
        }
        for key, tensor in snapshot.tensors.items():
            kind, _dot, rest = key.partition(".")
            if kind == "trunk":
                parameters[rest].data.copy_(tensor)
            else:
                what, _dot, name = rest.partition(".")
                parameter = parameters[name]
                place = "cpu" if what == "step" else parameter.device
                owners[parameter].state[parameter][what] = tensor.clone().to(place)

    def _pack_events(self, posts: EncodedPosts) -> Iterator[Event]:
        size = self.recipe.batch_size
        random = np.random.default_rng([self.recipe.seed, self.at.epoch, self.at.pack])
        hidden = random.random(len(posts)) < self.recipe.hide
        windows = pack(without(posts, self.marks, hidden), self.recipe.context)
        windows = windows.take(random.permutation(len(windows)))
        for start in range(self.at.taken * size, len(windows) - size + 1, size):
            yield self._step(posts, windows.take(slice(start, start + size)))
            if self.progress >= 1:
                return

    def _step(self, posts: EncodedPosts, windows: Windows) -> StepDone:
        started = time.perf_counter()
        self.compute.use_threads()
        rate = self._learning_rate()
        for optimizer in self._optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate
            optimizer.zero_grad(set_to_none=True)
        loss = self._objective.backward(posts, windows, np.random.default_rng([self.recipe.seed, self.at.step, 2]))
        norm = float(nn.utils.clip_grad_norm_(self.backbone.parameters(), self.recipe.clip))
        if not np.isfinite(norm) or not np.isfinite(loss):
            raise WeiboTuiError(
                _(
                    "The loss is no longer a number at step {step}: pretrain again with a lower --learning-rate "
                    "than {rate}."
                ).format(step=self.at.step + 1, rate=self.recipe.learning_rate)
            )
        for optimizer in self._optimizers:
            optimizer.step()
        seconds = time.perf_counter() - started
        at, tokens = self.at, len(windows) * self.recipe.context
        at.step, at.taken, at.tokens, at.seconds = (
            at.step + 1,
            at.taken + 1,
            at.tokens + tokens,
            at.seconds + seconds,
        )
        return StepDone(
            step=at.step,
            steps=self.steps,
            epoch=at.epoch,
            loss=loss,
            learning_rate=rate,
            gradient_norm=norm,
            posts=len(windows),
            tokens=tokens,
            seconds=seconds,
            memory=memory(self.compute.device),
        )

    def _learning_rate(self) -> float:
        """Linear warm-up over the first share, then a cosine down to a tenth."""
        warm, done = self.recipe.warmup, self.progress
        if done < warm:
            return self.recipe.learning_rate * max(done, 1e-3) / warm
        left = 0.5 * (1 + np.cos(np.pi * (done - warm) / (1 - warm)))
        return float(self.recipe.learning_rate * (0.1 + 0.9 * left))

    def _evaluate(self) -> Iterator[Event]:
        """The language-model loss on the held-out posts, over the whole vocabulary, in nats a token."""
        windows = pack(self.validation, self.recipe.context)
        losses, tokens = 0.0, 0
        size = self.recipe.batch_size
        for start in range(0, len(windows), size):
            self.compute.use_threads()
            loss, counted = self._objective.measure(windows.take(slice(start, start + size)))
            losses, tokens = losses + loss * counted, tokens + counted
            yield Progress("validation", min(start + size, len(windows)), len(windows))
        self.at.loss = losses / tokens if tokens else float("nan")
        yield Evaluated(self.at.epoch, self.at.step, "validation", self.at.loss, None, None, best=tokens > 0)


def _optimizers(backbone: GPT2, recipe: PretrainingHyperparameters) -> tuple[torch.optim.Optimizer, ...]:
    """Muon (Jordan et al. 2024) for the matrices of the blocks, AdamW for embeddings and vectors. Muon's steps are
    scaled to be as large as AdamW's (Liu et al. 2025), so that one learning rate is right for both."""
    matrices = [p for p in backbone.blocks.parameters() if p.dim() > 1]
    of_blocks = set(matrices)
    others = [p for p in backbone.parameters() if p not in of_blocks]
    return (
        torch.optim.Muon(
            matrices, lr=recipe.learning_rate, weight_decay=recipe.weight_decay, adjust_lr_fn="match_rms_adamw"
        ),
        torch.optim.AdamW(others, lr=recipe.learning_rate, betas=(0.9, 0.95), weight_decay=0.0),
    )
