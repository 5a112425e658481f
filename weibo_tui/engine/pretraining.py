"""Pretraining of a small GPT-2 on unlabeled posts, as a generator of events.

Like training, it is resumed from a snapshot, and several processes can share it. The loss is in `pretraining_loss`.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from dataclasses import asdict, dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from weibo_tui.engine.config import GPT2Config
from weibo_tui.engine.device import Compute, memory, reset_peak_memory
from weibo_tui.engine.events import BatchHalved, Evaluated, Event, StepDone
from weibo_tui.engine.gpt2 import GPT2
from weibo_tui.engine.hyperparameters import PretrainingHyperparameters
from weibo_tui.engine.oom import free_memory
from weibo_tui.engine.optimizers import load_optimizer_tensors, make_muon, optimizer_tensors
from weibo_tui.engine.packing import Windows, drop_tokens, pack
from weibo_tui.engine.parallel import ALONE, Processes
from weibo_tui.engine.pretraining_loss import PretrainingLoss
from weibo_tui.engine.tokenizer import EncodedPosts
from weibo_tui.engine.training import Snapshot
from weibo_tui.errors import WeiboTuiError, is_out_of_memory
from weibo_tui.locale import gettext as _
from weibo_tui.progress import Progress

# Posts packed at once: enough that a step mixes different posts, few enough for the memory.
PACK_SIZE = 8_192


@dataclass(slots=True)
class PretrainerState:
    """Progress: `step` optimizer steps, `taken` of them from pack `pack` of epoch `epoch`; seconds of computing.

    The windows of a step are computed in `parts`, of which a lack of memory makes more."""

    epoch: int = 1
    pack: int = 0
    taken: int = 0
    step: int = 0
    tokens: int = 0
    seconds: float = 0.0
    loss: float = 0.0
    parts: int = 1


def initialize_backbone(config: GPT2Config, seed: int) -> GPT2:
    """Return a backbone with GPT-2's initialization: N(0, 0.02), residual projections scaled by their number."""
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
    """Pretrains `backbone` in place. `emoticon_mask` (vocabulary,) is true for the ids of emoticons."""

    def __init__(
        self,
        backbone: GPT2,
        train: EncodedPosts,
        validation: EncodedPosts,
        emoticon_mask: NDArray[np.bool_],
        hyper: PretrainingHyperparameters,
        compute: Compute,
        processes: Processes = ALONE,
    ) -> None:
        self.backbone = backbone.to(compute.device).requires_grad_(True)
        self.train = train
        self.validation = validation
        self.emoticon_mask = emoticon_mask
        self.hyper = hyper
        self.compute = compute
        self.processes = processes
        self.state = PretrainerState()
        self._loss = PretrainingLoss(self.backbone, train, emoticon_mask, hyper.recall, compute)
        self._uncounted_seconds = 0.0
        self._optimizers = make_muon(backbone.blocks, backbone, hyper.learning_rate, hyper.weight_decay)

    @property
    def steps(self) -> int:
        """Total number of steps, or 0 if time is the limit."""
        return -(-self.hyper.tokens // (self.hyper.batch_size * self.hyper.context))

    @property
    def progress(self) -> float:
        """Share of the work that is done, from 0 to 1."""
        if self.hyper.minutes:
            return min(1.0, self.state.seconds / (60 * self.hyper.minutes))
        return min(1.0, self.state.step / self.steps)

    def events(self) -> Generator[Event, None, None]:
        """Train from the current state to the limit, then evaluate on the validation posts."""
        reset_peak_memory(self.compute.device)
        if self.processes.size > 1:
            self.restore(self.processes.broadcast(self.snapshot()))
        while self.progress < 1:
            order = np.random.default_rng([self.hyper.seed, self.state.epoch]).permutation(len(self.train))
            first_step = self.state.step if self.state.pack == self.state.taken == 0 else -1
            for pack_index in range(self.state.pack, -(-len(order) // PACK_SIZE)):
                self.state.pack = pack_index
                posts = order[pack_index * PACK_SIZE : (pack_index + 1) * PACK_SIZE]
                yield from self._pack_events(self.train.take(posts))
                if self.progress >= 1:
                    break
                self.state.taken = 0
            else:
                self.state.epoch, self.state.pack = self.state.epoch + 1, 0
                if self.state.step == first_step:
                    raise WeiboTuiError(
                        _(
                            "The corpus does not fill one batch of {batch} windows of {context} tokens. Give "
                            "more text, or a smaller --batch-size or --context."
                        ).format(batch=self.hyper.batch_size, context=self.hyper.context)
                    )
        yield from self._evaluate()

    def snapshot(self) -> Snapshot:
        """Return the state after the last optimizer step."""
        # `trunk` is the name in checkpoints.
        tensors = {f"trunk.{name}": p.detach().cpu().clone() for name, p in self.backbone.named_parameters()}
        return Snapshot(tensors | optimizer_tensors(self._optimizers, self.backbone), asdict(self.state))

    def restore(self, snapshot: Snapshot) -> None:
        """Continue from a snapshot of a pretraining with the same corpus and hyperparameters."""
        self.state = PretrainerState(**snapshot.values)
        for name, parameter in self.backbone.named_parameters():
            parameter.data.copy_(snapshot.tensors[f"trunk.{name}"])
        load_optimizer_tensors(self._optimizers, self.backbone, snapshot.tensors)

    def _pack_events(self, posts: EncodedPosts) -> Iterator[Event]:
        size = self.hyper.batch_size
        random = np.random.default_rng([self.hyper.seed, self.state.epoch, self.state.pack])
        hidden = random.random(len(posts)) < self.hyper.hide
        windows = pack(drop_tokens(posts, self.emoticon_mask, hidden), self.hyper.context)
        windows = windows.take(random.permutation(len(windows)))
        for start in range(self.state.taken * size, len(windows) - size + 1, size):
            yield from self._step(posts, windows.take(slice(start, start + size)))
            if self.progress >= 1:
                return

    def _step(self, posts: EncodedPosts, windows: Windows) -> Iterator[Event]:
        started = time.perf_counter()
        self.compute.activate()
        rate = self._learning_rate()
        for optimizer in self._optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate
        while True:
            try:
                own_loss = self._backward(posts, windows)
                break
            except (RuntimeError, MemoryError) as error:
                self._make_more_parts(len(windows), error)
            yield BatchHalved(self.state.step + 1, len(windows) * self.hyper.context // self.state.parts)
        own_seconds = self._uncounted_seconds + time.perf_counter() - started if self.processes.rank == 0 else 0.0
        own_figures = torch.tensor([own_loss, own_seconds], dtype=torch.float64)
        loss, counted_seconds = self.processes.sum_gradients(self.backbone, own_figures).tolist()
        norm = float(nn.utils.clip_grad_norm_(self.backbone.parameters(), self.hyper.clip))
        if not np.isfinite(norm) or not np.isfinite(loss):
            raise WeiboTuiError(
                _("Loss became NaN at step {step}. Pretrain again with a --learning-rate below {rate}.").format(
                    step=self.state.step + 1, rate=self.hyper.learning_rate
                )
            )
        for optimizer in self._optimizers:
            optimizer.step()
        seconds = time.perf_counter() - started
        state, tokens = self.state, len(windows) * self.hyper.context
        state.step += 1
        state.taken += 1
        state.tokens += tokens
        # All processes stop after the same step, so that the time is rank 0's, as the others know it.
        state.seconds += counted_seconds
        self._uncounted_seconds += seconds - counted_seconds
        yield StepDone(
            step=state.step,
            steps=self.steps,
            epoch=state.epoch,
            loss=loss,
            learning_rate=rate,
            gradient_norm=norm,
            posts=len(windows),
            tokens=tokens,
            seconds=seconds,
            memory=memory(self.compute.device),
        )

    def _backward(self, posts: EncodedPosts, windows: Windows) -> float:
        """Compute the gradient of this process's share of the windows, and return their part of the step's loss."""
        self.backbone.zero_grad(set_to_none=True)
        loss, first, size = 0.0, self.processes.rank, self.processes.size
        for part in range(self.state.parts):
            # All parts and processes draw the same negatives.
            random = np.random.default_rng([self.hyper.seed, self.state.step, 2])
            share = slice(first + part * size, None, size * self.state.parts)
            loss += self._loss.backward(posts, windows, random, share)
        return loss

    def _make_more_parts(self, windows: int, error: BaseException) -> None:
        """Halve the size of the parts of a step of `windows`, which raised `error`.

        Raises `error` if it is of another kind, and WeiboTuiError if a part was a single window."""
        if not is_out_of_memory(error):
            raise error
        if self.state.parts * self.processes.size >= windows:
            message = _(
                "Out of memory on {device} for one window of {tokens} tokens. Close other programs that use it, or "
                "choose a smaller base or --context."
            )
            raise WeiboTuiError(message.format(device=self.compute.device, tokens=self.hyper.context)) from error
        free_memory(self.compute.device, error)
        self.state.parts *= 2

    def _learning_rate(self) -> float:
        """Return the rate of a linear warm-up followed by a cosine decay to a tenth."""
        warmup, done = self.hyper.warmup, self.progress
        if done < warmup:
            return self.hyper.learning_rate * max(done, 1e-3) / warmup
        cosine = 0.5 * (1 + np.cos(np.pi * (done - warmup) / (1 - warmup)))
        return float(self.hyper.learning_rate * (0.1 + 0.9 * cosine))

    def _evaluate(self) -> Iterator[Event]:
        """Compute the language-model loss on the validation posts over the whole vocabulary, in nats per token."""
        windows = pack(self.validation, self.hyper.context)
        windows = windows.take(self.processes.share)
        own_total, own_tokens = 0.0, 0
        size = self.hyper.batch_size
        for start in range(0, len(windows), size):
            self.compute.activate()
            loss, count = self._measure(windows.take(slice(start, start + size)))
            own_total, own_tokens = own_total + loss * count, own_tokens + count
            yield Progress("validation", min(start + size, len(windows)), len(windows))
        total, tokens = self.processes.sum(np.array([own_total, own_tokens])).tolist()
        self.state.loss = total / tokens if tokens else float("nan")
        yield Evaluated(self.state.epoch, self.state.step, "validation", self.state.loss, None, None, best=tokens > 0)

    def _measure(self, windows: Windows) -> tuple[float, int]:
        """Return the loss on windows and the number of tokens. Where memory is too small, do one half at a time."""
        try:
            return self._loss.measure(windows)
        except (RuntimeError, MemoryError) as error:
            if len(windows) == 1 or not is_out_of_memory(error):
                raise
            free_memory(self.compute.device, error)
        middle = len(windows) // 2
        halves = [self._measure(windows.take(half)) for half in (slice(middle), slice(middle, None))]
        tokens = sum(count for _loss, count in halves)
        return sum(loss * count for loss, count in halves) / max(tokens, 1), tokens
