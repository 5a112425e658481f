"""Training an adapter on a frozen trunk, as a generator of events.

It touches no file. Whoever pulls decides the pace: not pulling is a pause, closing is a stop, and `snapshot()`
between any two events is the state after the last optimizer step, from which `restore` goes on exactly. Every
random choice is a function of (seed, epoch) or (seed, step), so no generator's state need be kept.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from weibo_tui.engine.activation_cache import ActivationCache, ArrayAllocator
from weibo_tui.engine.adapter import Adapter
from weibo_tui.engine.batches import Indices, micro_batches, training_steps
from weibo_tui.engine.calibration import negative_log_likelihood
from weibo_tui.engine.device import Compute, memory
from weibo_tui.engine.events import BatchHalved, Evaluated, Event, StepDone
from weibo_tui.engine.gpt2 import GPT2
from weibo_tui.engine.hyperparameters import Hyperparameters
from weibo_tui.engine.oom import halved
from weibo_tui.engine.prediction import logits_of, pooled
from weibo_tui.engine.tokenizer import EncodedPosts
from weibo_tui.errors import WeiboTuiError
from weibo_tui.locale import gettext as _
from weibo_tui.progress import Progress

Labels = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Examples:
    """A split ready to train or measure on: token ids, one label a post, and, for emoticon dropout, the same
    posts with emoticons cut (a post that is nothing else stays as it is)."""

    encoded: EncodedPosts
    labels: Labels
    blind: EncodedPosts | None = None


@dataclass(slots=True)
class TrainerState:
    """Where a training stands: `step` optimizer steps done in all, `taken` of them in epoch `epoch` (from 1).
    The best epoch is the one with the highest validation macro F1, the earlier where two are equal."""

    epoch: int = 1
    taken: int = 0
    step: int = 0
    best_epoch: int = 0
    best_f1: float = -1.0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A training at a step boundary: tensors by name, and plain values that JSON holds."""

    tensors: dict[str, Tensor] = field(repr=False)
    values: dict[str, Any]


class AdapterTrainer:
    """One training. `adapter` is trained in place and holds the best epoch's weights when `events` is spent."""

    def __init__(
        self,
        backbone: GPT2,
        adapter: Adapter,
        train: Examples,
        validation: Examples,
        hyper: Hyperparameters,
        compute: Compute,
        padding: int,
        room: ArrayAllocator | None = None,
    ) -> None:
        """With `room`, what the blocks below the adapter give of each post is kept there for all epochs."""
        self.backbone = backbone
        self.adapter = adapter
        self.train = train
        self.validation = validation
        self.hyper = hyper
        self.compute = compute
        self.padding = padding
        self.at = TrainerState()
        self._texts = EncodedPosts.join([train.encoded, train.blind]) if train.blind else train.encoded
        self._room = room
        self._states: dict[str, ActivationCache] = {}
        self._best = _copies(adapter)
        self._weights = self._class_weights()
        self._optimizer = torch.optim.AdamW(
            adapter.parameters(), lr=hyper.learning_rate, weight_decay=hyper.weight_decay
        )

    @property
    def steps_per_epoch(self) -> int:
        return -(-len(self.train.encoded) // self.hyper.posts_per_step)

    @property
    def steps(self) -> int:
        """Optimizer steps of all epochs."""
        return self.steps_per_epoch * self.hyper.epochs

    def events(self) -> Iterator[Event]:
        """Train from where it stands to the end. Raises WeiboTuiError when the loss is no longer a number."""
        yield from self._keep_states()
        self.adapter.train()
        while self.at.epoch <= self.hyper.epochs and not self._out_of_patience():
            texts = self._epoch_texts(self.at.epoch)
            lengths = self._texts.lengths_of(texts)
            steps = training_steps(lengths, self.hyper.posts_per_step, self.hyper.seed, self.at.epoch)
            for posts in steps[self.at.taken :]:
                yield from self._step(posts, texts, lengths)
            yield from self._validate()
        if not self.at.best_epoch:
            raise WeiboTuiError(
                _("Validation loss is not a number after any epoch. Lower the learning rate (now {rate}).").format(
                    rate=self.hyper.learning_rate
                )
            )
        self.adapter.load_state_dict(self._best)
        self.adapter.eval()

    def snapshot(self) -> Snapshot:
        """The state after the last optimizer step."""
        tensors = {f"adapter.{name}": tensor for name, tensor in _copies(self.adapter).items()}
        tensors |= {f"best.{name}": tensor for name, tensor in self._best.items()}
        for name, parameter in self.adapter.named_parameters():
            for key, tensor in self._optimizer.state[parameter].items():
                tensors[f"optimizer.{key}.{name}"] = tensor.detach().cpu().clone()
        return Snapshot(tensors, asdict(self.at))

    def restore(self, snapshot: Snapshot) -> None:
        """Go on from `snapshot`, which a training of the same examples and hyper-parameters made."""
        self.at = TrainerState(**snapshot.values)
        parts = {
            part: {key.removeprefix(part): tensor for key, tensor in snapshot.tensors.items() if key.startswith(part)}
            for part in ("adapter.", "best.")
        }
        self.adapter.load_state_dict(parts["adapter."])
        self._best = parts["best."]
        if self.at.step:
            states = self._optimizer.state_dict()
            states["state"] = {
                index: {key: snapshot.tensors[f"optimizer.{key}.{name}"] for key in ("step", "exp_avg", "exp_avg_sq")}
                for index, (name, _parameter) in enumerate(self.adapter.named_parameters())
            }
            self._optimizer.load_state_dict(states)

    def _epoch_texts(self, epoch: int) -> Indices:
        """Which of the texts an epoch reads of each post: of a share, drawn anew, the variant without emoticons."""
        own = np.arange(len(self.train.encoded))
        if self.train.blind is None:
            return own
        random = np.random.default_rng([self.hyper.seed, epoch, 1])
        return np.where(random.random(len(own)) < self.hyper.emoticon_dropout, own + len(own), own)

    def _keep_states(self) -> Iterator[Event]:
        """Fill the room there is with the states of all texts that some epoch reads."""
        if self._room is None or self._states:
            return
        read = np.unique([self._epoch_texts(epoch) for epoch in range(1, self.hyper.epochs + 1)])
        held_out = np.arange(len(self.validation.encoded))
        block = ActivationCache.last_block(self.adapter, self.backbone)
        parts = {"train": (self._texts, read), "validation": (self.validation.encoded, held_out)}
        for name, (texts, which) in parts.items():
            states = ActivationCache(self.backbone, texts, which, block, self._room)
            yield from states.fill(self.padding, self.compute)
            self._states[name] = states

    def _step(self, posts: Indices, texts: Indices, lengths: NDArray[np.int64]) -> Iterator[Event]:
        """One optimizer step on `posts`, each by its text of `texts` with its length of `lengths`; in smaller
        micro-batches where the memory is too small."""
        started = time.perf_counter()
        while True:
            try:
                loss = yield from self._gradient(posts, texts, lengths)
                break
            except (RuntimeError, MemoryError) as error:
                self.compute = halved(self.compute, lengths[posts], error)
            yield BatchHalved(self.at.step + 1, self.compute.micro_tokens)
        rate = self._learning_rate()
        norm = self._update(loss, rate)
        self.at.step += 1
        self.at.taken += 1
        self.at.seconds += time.perf_counter() - started
        yield StepDone(
            step=self.at.step,
            steps=self.steps,
            epoch=self.at.epoch,
            loss=loss,
            learning_rate=rate,
            gradient_norm=norm,
            posts=len(posts),
            tokens=int(lengths[posts].sum()),
            seconds=time.perf_counter() - started,
            memory=memory(self.compute.device),
        )

    def _gradient(self, posts: Indices, texts: Indices, lengths: NDArray[np.int64]) -> Generator[Progress, None, float]:
        """Leave the gradient of a step in the adapter; the result is the loss. In as many micro-batches as the token
        budget asks; the gradient is the same."""
        labels = torch.from_numpy(self.train.labels)
        whole = float(self._weights[labels[posts]].sum())
        self._optimizer.zero_grad(set_to_none=True)
        self.adapter.seed_dropout(self.hyper.seed * 1_000_003 + self.at.step)
        batches = list(micro_batches(posts, lengths, self.compute.micro_tokens))
        loss = torch.zeros((), device=self.compute.device)
        for number, batch in enumerate(batches, start=1):
            self.compute.use_threads()
            truth = labels[batch].to(self.compute.device)
            read = pooled(
                self.backbone,
                self.adapter,
                self._texts,
                texts[batch],
                self.padding,
                self.compute.device,
                self._states.get("train"),
            )
            logits = self.adapter(read)
            weights = self._weights.to(self.compute.device, logits.dtype)
            part = F.cross_entropy(logits, truth, weights, reduction="sum") / whole
            part.backward()
            loss = loss + part.detach()
            if number < len(batches):
                yield Progress("step", number, len(batches))
        return float(loss)

    def _update(self, loss: float, rate: float) -> float:
        """Clip, step, and give the gradient's norm before clipping."""
        norm = float(torch.nn.utils.clip_grad_norm_(self.adapter.parameters(), self.hyper.clip))
        if not np.isfinite(loss) or not np.isfinite(norm):
            raise WeiboTuiError(
                _(
                    "The loss is no longer a number at step {step}: train again with a lower --learning-rate "
                    "than {rate}."
                ).format(step=self.at.step + 1, rate=self.hyper.learning_rate)
            )
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        self._optimizer.step()
        return norm

    def _learning_rate(self) -> float:
        """Linear warm-up, then linear decay to zero, over all steps."""
        warmup = max(1, round(self.hyper.warmup * self.steps))
        step = self.at.step + 1
        share = step / warmup if step <= warmup else (self.steps - step + 1) / (self.steps - warmup + 1)
        return self.hyper.learning_rate * share

    def _validate(self) -> Iterator[Event]:
        from weibo_tui.engine.metrics import accuracy_and_macro_f1

        total, done = len(self.validation.encoded), 0
        logits = np.zeros((total, self.adapter.config.labels))
        states = self._states.get("validation")
        for batch, part in logits_of(
            self.backbone, self.adapter, self.validation.encoded, self.padding, self.compute, states=states
        ):
            logits[batch] = part
            done += len(batch)
            yield Progress("validation", done, total)
        finite = np.isfinite(logits).all(axis=1)
        # A post without a prediction has a label that no post has.
        predicted = np.where(finite, logits.argmax(axis=1), self.adapter.config.labels)
        accuracy, macro_f1 = accuracy_and_macro_f1(self.validation.labels, predicted, self.adapter.config.labels)
        epoch, step = self.at.epoch, self.at.step
        best = macro_f1 > self.at.best_f1 and bool(finite.all())
        if best:
            self.at.best_epoch, self.at.best_f1 = epoch, macro_f1
            self._best = _copies(self.adapter)
        self.at.epoch, self.at.taken = epoch + 1, 0
        loss = negative_log_likelihood(logits, self.validation.labels) if finite.all() else float("nan")
        yield Evaluated(epoch, step, "validation", loss, accuracy, macro_f1, best)

    def _out_of_patience(self) -> bool:
        return 0 < self.hyper.patience <= self.at.epoch - 1 - self.at.best_epoch

    def _class_weights(self) -> Tensor:
        """One weight a label: 1, or for `balanced` posts / (labels * posts of the label), as in scikit-learn."""
        counts = np.bincount(self.train.labels, minlength=self.adapter.config.labels)
        if self.hyper.class_weights == "none":
            return torch.ones(len(counts))
        weights = len(self.train.labels) / (len(counts) * np.maximum(counts, 1))
        return torch.from_numpy(weights).float()


def _copies(adapter: Adapter) -> dict[str, Tensor]:
    return {name: tensor.detach().cpu().clone() for name, tensor in adapter.state_dict().items()}
