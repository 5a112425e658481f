"""Short trainings of random models, which several processes share.

`torchrun … tests/shared_trainings.py FOLDER` saves the results of each process as FOLDER/RANK.pt.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import Any

import made_up
import models
import numpy as np
import torch
from torch import Tensor

from weibo_tui.engine import parallel
from weibo_tui.engine.events import BatchHalved, Evaluated, StepDone
from weibo_tui.engine.gpt2 import GPT2
from weibo_tui.engine.hyperparameters import Hyperparameters, PretrainingHyperparameters
from weibo_tui.engine.parallel import Processes
from weibo_tui.engine.pretraining import Pretrainer, initialize_backbone
from weibo_tui.engine.training import AdapterTrainer, Examples
from weibo_tui.errors import WeiboTuiError

# The last of eleven steps has one post, so that the other processes have none.
POSTS = [pair for place, pair in enumerate(made_up.posts(130, seed=5)) if pair[1] or place % 3 == 0][:81]
HELD_OUT = made_up.posts(31, seed=8)
HYPER = Hyperparameters(
    epochs=2,
    batch_size=8,
    learning_rate=1e-2,
    bottleneck=8,
    max_length=32,
    class_weights="balanced",
    emoticon_dropout=0.5,
)
RECIPE = PretrainingHyperparameters(tokens=600, context=16, batch_size=5)


@dataclass(frozen=True)
class Result:
    """The end of a training: its weights, its events, and the message of its error."""

    weights: dict[str, Tensor]
    steps: list[StepDone]
    evaluations: list[Evaluated]
    halvings: int = 0
    error: str = ""


def plain(processes: Processes) -> Result:
    return _result(_trainer(processes))


def cached(processes: Processes) -> Result:
    return _result(_trainer(processes, dtype=torch.float32, open_file=lambda _size: BytesIO()))


def dropout(processes: Processes) -> Result:
    return _result(_trainer(processes, replace(HYPER, dropout=0.3)))


def short_of_memory(processes: Processes) -> Result:
    """Train with little memory in one of the processes."""
    trainer = _trainer(processes)
    with _memory_for(trainer.backbone, 60 if processes.rank == processes.size - 1 else 10_000):
        return _result(trainer)


def not_finite(processes: Processes) -> Result:
    """Train on posts of which one, in the third step, gives no finite loss."""
    trainer = _trainer(processes, replace(HYPER, emoticon_dropout=0.0, epochs=1))
    poison = models.TOKENS.index("[MASK]")
    encoded = trainer.train.encoded
    encoded.ids[encoded.starts[40] + 1] = poison
    trainer.backbone.wte.weight.data[poison] = float("inf")
    return _result(trainer)


def pretraining(processes: Processes) -> Result:
    posts = models.tokenizer().encode([text for text, _label in made_up.posts(200, seed=3)], 64)
    mask = np.array([token.startswith("[") for token in models.TOKENS])
    backbone = initialize_backbone(models.config_of(models.reference()), seed=0)
    held_out = posts.take(np.arange(30))
    return _result(Pretrainer(backbone, posts, held_out, mask, RECIPE, models.compute(), processes))


TRAININGS: dict[str, Callable[[Processes], Result]] = {
    training.__name__: training for training in (plain, cached, dropout, short_of_memory, not_finite, pretraining)
}


def _trainer(
    processes: Processes, hyper: Hyperparameters = HYPER, dtype: torch.dtype = torch.float64, **options: Any
) -> AdapterTrainer:
    examples: Examples = models.examples(POSTS, emoticon_free=hyper.emoticon_dropout > 0)
    backbone = models.backbone_of(models.reference(n_layer=4), dtype)
    held_out = models.examples(HELD_OUT)
    return models.trainer(backbone, hyper, examples, held_out, blocks=(2, 3), processes=processes, **options)


def _result(trainer: AdapterTrainer | Pretrainer) -> Result:
    events: list[object] = []
    error = ""
    try:
        events.extend(trainer.events())
    except WeiboTuiError as raised:
        error = str(raised)
    return Result(
        trainer.snapshot().tensors,
        models.steps_of(events),
        [event for event in events if isinstance(event, Evaluated)],
        len([event for event in events if isinstance(event, BatchHalved)]),
        error,
    )


@contextmanager
def _memory_for(backbone: GPT2, tokens: int) -> Iterator[None]:
    """Let the backbone run out of memory for more than `tokens` tokens at once."""

    def check(_module: GPT2, arguments: tuple[Tensor, ...]) -> None:
        if int(arguments[1].sum()) > tokens:
            raise torch.OutOfMemoryError

    hook = backbone.register_forward_pre_hook(check)
    yield
    hook.remove()


if __name__ == "__main__":
    joined = parallel.join()
    results = {name: vars(training(joined)) for name, training in TRAININGS.items()}
    torch.save(results, Path(sys.argv[1]) / f"{joined.rank}.pt")
    joined.wait_for_all()
