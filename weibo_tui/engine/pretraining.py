"""Pretraining a small GPT-2 on plain posts, as a generator of events.

The language-model loss of Radford et al. 2019 over posts framed as an adapter will see them, packed end to end
into windows that begin where a post begins. Like training, it touches no file and is resumed from a snapshot.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from weibo_tui.engine.device import Compute, memory
from weibo_tui.engine.events import Evaluated, Event, StepDone
from weibo_tui.engine.gpt2 import GPT2, GPT2Config
from weibo_tui.engine.hyperparameters import PretrainingRecipe
from weibo_tui.engine.tokenizer import Encoded
from weibo_tui.engine.training import Snapshot
from weibo_tui.errors import WeiboTuiError
from weibo_tui.locale import gettext as _
from weibo_tui.progress import Progress

Windows = NDArray[np.int64]

# Posts packed at a time: many enough that a step mixes unlike posts, few enough to be packed at once.
POSTS_PACKED = 8_192


@dataclass(slots=True)
class Position:
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
        trunk = GPT2(config)
    trunk.to_empty(device="cpu")
    with torch.no_grad():
        for name, parameter in trunk.named_parameters():
            if name.endswith("bias"):
                parameter.zero_()
            elif "ln_" in name:
                parameter.fill_(1.0)
            else:
                residual = name.endswith(("attn_out.weight", "mlp_out.weight"))
                spread = 0.02 / (2 * config.layers) ** 0.5 if residual else 0.02
                parameter.normal_(0.0, spread, generator=generator)
    return trunk


def pack(encoded: Encoded, order: NDArray[np.int64], context: int) -> Windows:
    """Posts in `order` end to end in windows of context + 1 ids, (windows, context + 1). Each window begins with
    a post; the post that overruns its end is cut there. Posts that fill no last window are left out."""
    windows: list[NDArray[np.int32]] = []
    parts: list[NDArray[np.int32]] = []
    filled = 0
    for index in order:
        post = encoded.ids[encoded.starts[index] : encoded.starts[index + 1]]
        parts.append(post)
        filled += len(post)
        if filled > context:
            windows.append(np.concatenate(parts)[: context + 1])
            parts, filled = [], 0
    return np.array(windows, np.int64).reshape(-1, context + 1)


class Pretraining:
    """One pretraining of `trunk`, in place. `validation` posts are held out and only measured on."""

    def __init__(
        self, trunk: GPT2, train: Encoded, validation: Encoded, recipe: PretrainingRecipe, compute: Compute
    ) -> None:
        self.trunk = trunk.to(compute.device).requires_grad_(True)
        self.train = train
        self.validation = validation
        self.recipe = recipe
        self.compute = compute
        self.at = Position()
        matrices = [p for p in trunk.parameters() if p.dim() > 1]
        vectors = [p for p in trunk.parameters() if p.dim() == 1]
        self._optimizer = torch.optim.AdamW(
            [
                {"params": matrices, "weight_decay": recipe.weight_decay},
                {"params": vectors, "weight_decay": 0.0},
            ],
            lr=recipe.learning_rate,
            betas=(0.9, 0.95),
        )

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
                yield from self._pack_events(pack(self.train, chunk, self.recipe.context))
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
        tensors = {f"trunk.{name}": p.detach().cpu().clone() for name, p in self.trunk.named_parameters()}
        for name, parameter in self.trunk.named_parameters():
            for key, tensor in self._optimizer.state[parameter].items():
                tensors[f"optimizer.{key}.{name}"] = tensor.detach().cpu().clone()
        return Snapshot(tensors, asdict(self.at))

    def restore(self, snapshot: Snapshot) -> None:
        """Go on from `snapshot`, which a pretraining of the same corpus and recipe made."""
        self.at = Position(**snapshot.values)
        with torch.no_grad():
            for name, parameter in self.trunk.named_parameters():
                parameter.copy_(snapshot.tensors[f"trunk.{name}"])
                if self.at.step:
                    self._optimizer.state[parameter] = {
                        key: snapshot.tensors[f"optimizer.{key}.{name}"].to(
                            "cpu" if key == "step" else parameter.device
                        )
                        for key in ("step", "exp_avg", "exp_avg_sq")
                    }

    def _pack_events(self, windows: Windows) -> Iterator[Event]:
        size = self.recipe.batch_size
        windows = windows[
            np.random.default_rng([self.recipe.seed, self.at.epoch, self.at.pack]).permutation(len(windows))
        ]
        for start in range(self.at.taken * size, len(windows) - size + 1, size):
            yield self._step(windows[start : start + size])
            if self.progress >= 1:
                return

    def _step(self, windows: Windows) -> StepDone:
        started = time.perf_counter()
        rate = self._learning_rate()
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        self._optimizer.zero_grad(set_to_none=True)
        loss = self._backward(windows)
        norm = float(nn.utils.clip_grad_norm_(self.trunk.parameters(), self.recipe.clip))
        if not np.isfinite(norm) or not np.isfinite(loss):
            raise WeiboTuiError(
                _(
                    "The loss is no longer a number at step {step}: pretrain again with a lower --learning-rate "
                    "than {rate}."
                ).format(step=self.at.step + 1, rate=self.recipe.learning_rate)
            )
        self._optimizer.step()
        seconds = time.perf_counter() - started
        at, tokens = self.at, windows.shape[0] * (windows.shape[1] - 1)
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

    def _backward(self, windows: Windows) -> float:
        """Add the gradient of the mean cross-entropy over windows (batch, context + 1); that mean, in nats a token."""
        states, targets = self._states(windows)
        # The gradient stops at the states first, so that each stretch of logits can go before the next comes.
        cut = states.detach().requires_grad_()
        loss = 0.0
        for part in self._losses(cut, targets):
            part.backward()
            loss += part.item()
        states.backward(cut.grad)
        return loss

    def _states(self, windows: Windows) -> tuple[Tensor, Tensor]:
        """The final states (tokens, width) and the ids that follow them (tokens,)."""
        ids = torch.from_numpy(windows).to(self.compute.device)
        with self._autocast():
            return self.trunk.states(ids[:, :-1]).flatten(0, 1), ids[:, 1:].flatten()

    def _losses(self, states: Tensor, targets: Tensor) -> Iterator[Tensor]:
        """What each stretch of tokens adds to the mean loss. Logits over the vocabulary are the largest tensors
        there are, and are never held for a whole batch."""
        stretch = self.compute.micro_tokens // 4
        for part, following in zip(states.split(stretch), targets.split(stretch), strict=True):
            with self._autocast():
                logits = F.linear(part, self.trunk.wte.weight)
            yield F.cross_entropy(logits.float(), following, reduction="sum") / len(targets)

    def _autocast(self) -> AbstractContextManager[object]:
        low = self.compute.dtype == torch.bfloat16
        return torch.autocast(self.compute.device.type, dtype=torch.bfloat16, enabled=low)

    def _learning_rate(self) -> float:
        """Linear warm-up over the first share, then a cosine down to a tenth."""
        warm, done = self.recipe.warmup, self.progress
        if done < warm:
            return self.recipe.learning_rate * max(done, 1e-3) / warm
        left = 0.5 * (1 + np.cos(np.pi * (done - warm) / (1 - warm)))
        return float(self.recipe.learning_rate * (0.1 + 0.9 * left))

    def _evaluate(self) -> Iterator[Event]:
        windows = pack(self.validation, np.arange(len(self.validation)), self.recipe.context)
        losses = []
        size = self.recipe.batch_size
        for start in range(0, len(windows), size):
            with torch.inference_mode():
                batch = windows[start : start + size]
                loss = sum(part.item() for part in self._losses(*self._states(batch)))
            losses += [loss] * len(batch)
            yield Progress("validation", min(start + size, len(windows)), len(windows))
        self.at.loss = float(np.mean(losses)) if losses else float("nan")
        yield Evaluated(self.at.epoch, self.at.step, "validation", self.at.loss, None, None, best=True)
