"""Training of an adapter on a frozen backbone, as a generator of events.

The caller decides the pace: not iterating is a pause, and closing the generator stops. Between any two events,
`snapshot()` is the state after the last optimizer step, from which `restore` continues: exactly in float32 on a CPU,
nearly on a card, whose attention sums gradients in no fixed order. Every random choice is a function of (seed, epoch)
or (seed, step), so the state of random generators is not saved.

Several processes can train together (see `parallel`). Each iterates a trainer of its own over the same events, and
computes its share of the posts of every step and validation.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from weibo_tui.engine.activation_cache import ActivationCache, OpenFile
from weibo_tui.engine.adapter import Adapter
from weibo_tui.engine.batches import Indices, micro_batches, pad, training_steps
from weibo_tui.engine.calibration import negative_log_likelihood
from weibo_tui.engine.device import Compute, memory, reset_peak_memory, to_device
from weibo_tui.engine.events import ActivationsCached, BatchHalved, Evaluated, Event, ProbesPredicted, StepDone
from weibo_tui.engine.gpt2 import GPT2
from weibo_tui.engine.graphs import CudaCapture, GraphedBackward
from weibo_tui.engine.hyperparameters import Hyperparameters
from weibo_tui.engine.oom import halve_micro_batch
from weibo_tui.engine.optimizers import load_optimizer_tensors, make_adamw, optimizer_tensors
from weibo_tui.engine.parallel import ALONE, Processes
from weibo_tui.engine.prediction import pooled_states, predict_logits, softmax
from weibo_tui.engine.saved_tensors import SavedTensors
from weibo_tui.engine.tokenizer import EncodedPosts
from weibo_tui.errors import WeiboTuiError
from weibo_tui.locale import gettext as _
from weibo_tui.progress import Progress

Labels = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Examples:
    """Encoded posts with labels, and, for emoticon dropout, the same posts without emoticons.

    A post that consists of emoticons keeps them."""

    encoded: EncodedPosts
    labels: Labels
    emoticon_free: EncodedPosts | None = None


@dataclass(slots=True)
class TrainerState:
    """Progress of a training: `step` optimizer steps, `taken` of them in epoch `epoch` (from 1).

    `best_epoch` is that of the first validation with the highest macro F1. `stale` validations followed it, and the
    last one was after step `validated`. `micro_tokens` is 0, or the size of micro-batches after a lack of memory."""

    epoch: int = 1
    taken: int = 0
    step: int = 0
    best_epoch: int = 0
    best_f1: float = -1.0
    stale: int = 0
    validated: int = 0
    seconds: float = 0.0
    micro_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """State of a training after an optimizer step: tensors by name, and values for JSON."""

    tensors: dict[str, Tensor] = field(repr=False)
    values: dict[str, Any]


class AdapterTrainer:
    """Trains `adapter` in place. When `events` ends, it has the weights of the best epoch."""

    def __init__(
        self,
        backbone: GPT2,
        adapter: Adapter,
        train: Examples,
        validation: Examples,
        hyper: Hyperparameters,
        compute: Compute,
        padding: int,
        open_file: OpenFile | None = None,
        probes: EncodedPosts | None = None,
        processes: Processes = ALONE,
    ) -> None:
        """`padding` is the padding id. With `open_file`, activations below the adapter are cached.

        `probes` are predicted in each validation; they change nothing else. All `processes` have the same inputs,
        except for the device and the probes."""
        self.backbone = backbone
        self.adapter = adapter
        self.train = train
        self.validation = validation
        self.hyper = hyper
        self.compute = compute.for_training(backbone.config.width)
        self.padding = padding
        self.probes = probes
        self.processes = processes
        self.state = TrainerState()
        # The variants without emoticons follow the posts themselves.
        variants = [train.encoded, train.emoticon_free] if train.emoticon_free else None
        self._variants = EncodedPosts.join(variants) if variants else train.encoded
        self._open_file = open_file
        self._caches: dict[str, ActivationCache] = {}
        self._saved = SavedTensors() if compute.device.type == "cpu" else None
        self._best = _copies(adapter)
        self._weights = self._class_weights()
        self._weights_on_device = self._weights.to(compute.device, adapter.head.weight.dtype)
        self._optimizer = make_adamw(adapter, hyper.learning_rate, hyper.weight_decay)
        self.graphed: GraphedBackward | None = None
        """Computes steps of one micro-batch on a card, except for those with dropout."""
        if compute.device.type == "cuda" and not hyper.dropout:
            self.graphed = GraphedBackward(self._compute_loss, adapter.parameters(), CudaCapture())

    @property
    def steps_per_epoch(self) -> int:
        """Number of optimizer steps in an epoch."""
        return -(-len(self.train.encoded) // self.hyper.posts_per_step)

    @property
    def steps(self) -> int:
        """Number of optimizer steps in all epochs."""
        return self.steps_per_epoch * self.hyper.epochs

    def events(self) -> Generator[Event, None, None]:
        """Train from the current state to the end. Raises WeiboTuiError when the loss becomes NaN or infinite."""
        reset_peak_memory(self.compute.device)
        if self.processes.size > 1:
            self.restore(self.processes.broadcast(self.snapshot()))
        yield from self._fill_caches()
        self.adapter.train()
        while self.state.epoch <= self.hyper.epochs and not self._out_of_patience():
            variants = self._epoch_variants(self.state.epoch)
            lengths = self._variants.lengths_of(variants)
            steps = training_steps(lengths, self.hyper.posts_per_step, self.hyper.seed, self.state.epoch)
            if self._validation_is_due():  # it was interrupted
                yield from self._validate()
            for posts in steps[self.state.taken :]:
                if self._out_of_patience():
                    break
                yield from self._step(posts, variants, lengths)
                if self._validation_is_due():
                    yield from self._validate()
            else:
                self.state.epoch, self.state.taken = self.state.epoch + 1, 0
        if not self.state.best_epoch:
            raise WeiboTuiError(
                _("Validation loss was NaN after every epoch. Lower the learning rate (now {rate}).").format(
                    rate=self.hyper.learning_rate
                )
            )
        if self.graphed is not None:
            self.graphed.disable()
        self.adapter.load_state_dict(self._best)
        self.adapter.eval()

    def use_caches(self, train: ActivationCache, validation: ActivationCache) -> None:
        """Take the activations of the posts from caches that are filled."""
        self._caches = {"train": train, "validation": validation}

    def snapshot(self) -> Snapshot:
        """Return the state after the last optimizer step."""
        tensors = {f"adapter.{name}": tensor for name, tensor in _copies(self.adapter).items()}
        tensors |= {f"best.{name}": tensor for name, tensor in self._best.items()}
        tensors |= optimizer_tensors([self._optimizer], self.adapter)
        return Snapshot(tensors, asdict(self.state))

    def restore(self, snapshot: Snapshot) -> None:
        """Continue from a snapshot of a training with the same examples and hyperparameters."""
        values = snapshot.values
        # Older snapshots have no `stale`, and were validated after each epoch.
        self.state = TrainerState(**{"stale": values["epoch"] - 1 - values["best_epoch"], **values})
        parts = {
            part: {key.removeprefix(part): tensor for key, tensor in snapshot.tensors.items() if key.startswith(part)}
            for part in ("adapter.", "best.")
        }
        self.adapter.load_state_dict(parts["adapter."])
        self._best = parts["best."]
        load_optimizer_tensors([self._optimizer], self.adapter, snapshot.tensors)
        # With dropout, the masks depend on the micro-batches.
        if 0 < self.state.micro_tokens < self.compute.micro_tokens:
            self.compute = replace(self.compute, micro_tokens=self.state.micro_tokens)

    def _epoch_variants(self, epoch: int) -> Indices:
        """Return the variant of each post in an epoch; a random share is without emoticons."""
        own = np.arange(len(self.train.encoded))
        if self.train.emoticon_free is None:
            return own
        random = np.random.default_rng([self.hyper.seed, epoch, 1])
        return np.where(random.random(len(own)) < self.hyper.emoticon_dropout, own + len(own), own)

    def _fill_caches(self) -> Iterator[Event]:
        if self._open_file is None or self._caches:
            return
        started = time.perf_counter()
        used = np.unique([self._epoch_variants(epoch) for epoch in range(1, self.hyper.epochs + 1)])
        used = self.processes.owned(used, len(self.train.encoded))
        held_out = np.arange(len(self.validation.encoded))[self.processes.share]
        block = ActivationCache.last_block(self.adapter.config.blocks, self.backbone.config.layers)
        parts = {"train": (self._variants, used), "validation": (self.validation.encoded, held_out)}
        for name, (posts, indices) in parts.items():
            cache = ActivationCache(self.backbone, posts, indices, block, self.compute.dtype, self._open_file)
            yield from cache.fill(self.padding, self.compute)
            self._caches[name] = cache
        size = sum(cache.size for cache in self._caches.values())
        yield ActivationsCached(size, time.perf_counter() - started)

    def _step(self, posts: Indices, variants: Indices, lengths: NDArray[np.int64]) -> Iterator[Event]:
        """Do an optimizer step on `posts`; `variants` and their `lengths` are of all posts."""
        started = time.perf_counter()
        own = self._own_share(posts)
        total_weight = self._weights[self.train.labels[posts]].sum()
        while True:
            try:
                own_loss = yield from self._backward(own, variants, lengths, total_weight)
                break
            except (RuntimeError, MemoryError) as error:
                if self.graphed is not None:
                    self.graphed.disable()
                if self._saved is not None:
                    self._saved.clear()
                self.compute = halve_micro_batch(self.compute, lengths[own], error)
            self.state.micro_tokens = self.compute.micro_tokens
            yield BatchHalved(self.state.step + 1, self.compute.micro_tokens)
        rate = self._learning_rate()
        loss, norm = self._update(self.processes.sum_gradients(self.adapter, own_loss[None]), rate)
        self.state.step += 1
        self.state.taken += 1
        self.state.seconds += time.perf_counter() - started
        yield StepDone(
            step=self.state.step,
            steps=self.steps,
            epoch=self.state.epoch,
            loss=loss,
            learning_rate=rate,
            gradient_norm=norm,
            posts=len(posts),
            tokens=int(lengths[posts].sum()),
            seconds=time.perf_counter() - started,
            memory=memory(self.compute.device),
        )

    def _own_share(self, posts: Indices) -> Indices:
        """Return the posts of a step that this process computes: always the same ones where activations are cached."""
        return self.processes.owned(posts, len(self.train.encoded)) if self._caches else posts[self.processes.share]

    def _backward(
        self, posts: Indices, variants: Indices, lengths: NDArray[np.int64], total_weight: Tensor
    ) -> Generator[Progress, None, Tensor]:
        """Compute the gradient of `posts` in micro-batches, and return their part of the step's loss, a scalar.

        Dropout masks depend on the micro-batches and on the rank, so that no two processes use the same ones."""
        self.adapter.zero_grad(set_to_none=True)
        self.adapter.seed_dropout(self.hyper.seed * 1_000_003 + self.state.step + (self.processes.rank << 32))
        batches = list(micro_batches(posts, lengths, self.compute.micro_tokens))
        total_weight = to_device(total_weight.numpy(), self.compute.device)
        loss = torch.zeros((), device=self.compute.device)
        for number, batch in enumerate(batches, start=1):
            self.compute.activate()
            truth = to_device(self.train.labels[batch], self.compute.device)
            if self.graphed is not None and len(batches) == 1 and not self._caches:
                ids, post_lengths = pad(self._variants, variants[batch], self.padding, self.compute.device)
                return self.graphed.backward(ids, post_lengths, truth, total_weight)
            with nullcontext() if self._saved is None else self._saved.collect():
                part = self._loss(self._pooled_states(variants[batch]), truth, total_weight)
            part.backward()
            loss = loss + part.detach()
            if number < len(batches):
                yield Progress("step", number, len(batches))
        return loss

    def _pooled_states(self, variants: Indices) -> Tensor:
        cache, device = self._caches.get("train"), self.compute.device
        return pooled_states(self.backbone, self.adapter, self._variants, variants, self.padding, device, cache)

    def _loss(self, states: Tensor, truth: Tensor, total_weight: Tensor) -> Tensor:
        """Return what posts with these final states (posts, width) and labels (posts,) add to the loss of a step."""
        losses = F.cross_entropy(self.adapter(states), truth, self._weights_on_device, reduction="sum")
        return losses / total_weight

    def _compute_loss(self, ids: Tensor, lengths: Tensor, truth: Tensor, total_weight: Tensor) -> Tensor:
        return self._loss(self.backbone(ids, lengths, self.adapter), truth, total_weight)

    def _update(self, loss: Tensor, rate: float) -> tuple[float, float]:
        """Clip the gradient, update the adapter, and return the loss, (1,), and the norm before clipping."""
        total_norm = nn.utils.clip_grad_norm_(self.adapter.parameters(), self.hyper.clip)
        # Both at once, because each transfer from a card waits for all work before it.
        loss_value, norm = torch.cat([loss, total_norm[None]]).tolist()
        if not np.isfinite(loss_value) or not np.isfinite(norm):
            raise WeiboTuiError(
                _("Loss became NaN at step {step}. Train again with a --learning-rate below {rate}.").format(
                    step=self.state.step + 1, rate=self.hyper.learning_rate
                )
            )
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        self._optimizer.step()
        return loss_value, norm

    def _learning_rate(self) -> float:
        """Return the rate of a linear warm-up followed by a linear decay to zero."""
        warmup = max(1, round(self.hyper.warmup * self.steps))
        step = self.state.step + 1
        share = step / warmup if step <= warmup else (self.steps - step + 1) / (self.steps - warmup + 1)
        return self.hyper.learning_rate * share

    def _validate(self) -> Iterator[Event]:
        from weibo_tui.engine.metrics import accuracy_and_macro_f1

        own, done = np.arange(len(self.validation.encoded))[self.processes.share], 0
        own_logits = np.zeros((len(self.validation.encoded), self.adapter.config.labels))
        cache = self._caches.get("validation")
        for batch, batch_logits in predict_logits(
            self.backbone, self.adapter, self.validation.encoded, self.padding, self.compute, own, cache
        ):
            own_logits[batch] = batch_logits
            done += len(batch)
            yield Progress("validation", done, len(own))
        logits = self.processes.sum(own_logits)
        # Before `Evaluated`, with which a checkpoint is saved: a resume from it does not validate again.
        yield from self._predict_probes()
        finite = np.isfinite(logits).all(axis=1)
        # A post without a prediction gets a label that no post has.
        predicted = np.where(finite, logits.argmax(axis=1), self.adapter.config.labels)
        accuracy, macro_f1 = accuracy_and_macro_f1(self.validation.labels, predicted, self.adapter.config.labels)
        epoch, step = self.state.epoch, self.state.step
        best = macro_f1 > self.state.best_f1 and bool(finite.all())
        self.state.validated = step
        self.state.stale += 1
        if best:
            self.state.best_epoch, self.state.best_f1, self.state.stale = epoch, macro_f1, 0
            self._best = _copies(self.adapter)
        loss = negative_log_likelihood(logits, self.validation.labels) if finite.all() else float("nan")
        in_epoch = self.state.taken < self.steps_per_epoch
        yield Evaluated(epoch, step, "validation", loss, accuracy, macro_f1, best, in_epoch)

    def _predict_probes(self) -> Iterator[Event]:
        if self.probes is None or not len(self.probes):
            return
        logits = np.zeros((len(self.probes), self.adapter.config.labels))
        for batch, part in predict_logits(self.backbone, self.adapter, self.probes, self.padding, self.compute):
            logits[batch] = part
        finite = np.isfinite(logits).all(axis=1, keepdims=True)
        probabilities = np.where(finite, softmax(np.where(finite, logits, 0.0)), np.nan)
        yield ProbesPredicted(self.state.epoch, self.state.step, tuple(map(tuple, probabilities.tolist())))

    def _out_of_patience(self) -> bool:
        return 0 < self.hyper.patience <= self.state.stale

    def _validation_is_due(self) -> bool:
        """Return whether to validate after the last step: after each epoch, or at an interval and at the end."""
        if not (every := self.hyper.validate_every):
            is_due = self.state.taken == self.steps_per_epoch
        else:
            is_due = self.state.step % every == 0 or self.state.step == self.steps
        return is_due and self.state.validated < self.state.step

    def _class_weights(self) -> Tensor:
        """Return a weight for each label: 1, or scikit-learn's `balanced`, posts / (labels * posts of the label)."""
        counts = np.bincount(self.train.labels, minlength=self.adapter.config.labels)
        if self.hyper.class_weights == "none":
            return torch.ones(len(counts))
        weights = len(self.train.labels) / (len(counts) * np.maximum(counts, 1))
        return torch.from_numpy(weights).float()


def _copies(adapter: Adapter) -> dict[str, Tensor]:
    return {name: tensor.detach().cpu().clone() for name, tensor in adapter.state_dict().items()}
