"""Out of memory: smaller micro-batches give the same results."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import made_up
import models
import numpy as np
import pytest
import torch
from engine_helpers import all_logits
from models import HYPER
from torch import Tensor

from weibo_tui.engine.events import BatchHalved, StepDone
from weibo_tui.engine.gpt2 import GPT2
from weibo_tui.engine.oom import map_with_oom_retry
from weibo_tui.engine.prediction import Classifier, Prediction
from weibo_tui.engine.training import AdapterTrainer
from weibo_tui.errors import WeiboTuiError, is_out_of_memory
from weibo_tui.log import user_message
from weibo_tui.text.cleaning import PREPROCESSING

POSTS = made_up.posts(60, seed=5)


@contextmanager
def memory_for(backbone: GPT2, tokens: int, error: type[Exception] = torch.OutOfMemoryError) -> Iterator[list[int]]:
    """Let the backbone raise `error` for more than `tokens` tokens at once; yield the tokens of successful passes."""
    successful: list[int] = []

    def forward(ids: Tensor, lengths: Tensor, *others: object) -> Tensor:
        requested = int(lengths.sum())
        if requested > tokens:
            raise error("can't allocate memory")
        successful.append(requested)
        states: Tensor = GPT2.forward(backbone, ids, lengths, *others)  # type: ignore[arg-type]
        return states

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(backbone, "forward", forward)
        yield successful


def training_on(backbone: GPT2) -> AdapterTrainer:
    hyper = replace(HYPER, epochs=1, dropout=0.0, emoticon_dropout=0.0)
    return models.trainer(backbone, hyper, models.examples(POSTS), models.examples(POSTS[:20]), micro_tokens=10_000)


# Each from a report of a user of torch.
MESSAGES = [
    "DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes",
    "could not create a memory object",
    "CUDA error: out of memory",
    "CUDA driver error: out of memory",
    "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
    "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
    "MPS backend out of memory (MPS allocated: 17.89 GB, other allocations: 176.29 MB, max allowed: 18.13 GB)",
    "Invalid buffer size: 24.21 GB",
    "Failed to allocate private MTLBuffer for size 1048576",
    "Insufficient Memory (00000008:kIOGPUCommandBufferCallbackErrorOutOfMemory)",
]


@pytest.mark.parametrize("message", MESSAGES)
def test_out_of_memory_is_recognized_by_its_message(message: str) -> None:
    assert is_out_of_memory(RuntimeError(message))
    assert not is_out_of_memory(ValueError(message))
    assert user_message(RuntimeError(message)) == "Out of memory. Try a smaller base or file."


def test_other_cuda_errors_are_not_out_of_memory() -> None:
    for message in ("CUDA error: no kernel image is available for execution on the device", "CUBLAS_STATUS_EXECUTION"):
        assert not is_out_of_memory(RuntimeError(message))


@pytest.mark.parametrize("error", [torch.OutOfMemoryError, RuntimeError])
def test_training_out_of_memory_halves_micro_batches(error: type[Exception]) -> None:
    undisturbed = training_on(models.backbone_of(models.reference(), torch.float64))
    expected = models.steps_of(undisturbed.events())
    backbone = models.backbone_of(models.reference(), torch.float64)
    training = training_on(backbone)
    with memory_for(backbone, 70, error) as successful:
        events = list(training.events())
    halvings = [event for event in events if isinstance(event, BatchHalved)]
    steps = models.steps_of(events)
    assert halvings
    assert halvings[0].step == 1
    assert [event.tokens for event in halvings] == sorted({event.tokens for event in halvings}, reverse=True)
    assert [(step.posts, step.tokens) for step in steps] == [(step.posts, step.tokens) for step in expected]
    assert [step.loss for step in steps] == pytest.approx([step.loss for step in expected], rel=1e-9)
    for name, tensor in undisturbed.adapter.state_dict().items():
        assert torch.allclose(training.adapter.state_dict()[name], tensor, rtol=0, atol=1e-9)
    assert sum(successful) >= sum(step.tokens for step in steps)


def test_memory_too_small_for_one_post_is_an_error() -> None:
    backbone = models.backbone_of(models.reference(), torch.float64)
    training = training_on(backbone)
    with (
        memory_for(backbone, 2),
        pytest.raises(WeiboTuiError, match=r"Out of memory on cpu for one post of \d+ tokens"),
    ):
        list(training.events())
    assert training.state.step == 0


def test_other_runtime_errors_are_raised() -> None:
    def work(_batch: object) -> None:
        raise RuntimeError("a shape is wrong")

    with pytest.raises(RuntimeError, match="a shape is wrong"):
        list(map_with_oom_retry(np.arange(4), np.full(4, 5), models.compute(), work))


def test_predictions_out_of_memory_are_the_same() -> None:
    backbone = models.backbone_of(models.reference(), torch.float64)
    adapter = models.adapter_for(backbone.config).double()
    encoded = models.examples(POSTS).encoded

    compute = models.compute(torch.float64, micro_tokens=10_000)
    expected = all_logits(backbone, adapter, encoded, compute)
    with memory_for(backbone, int(encoded.lengths.max())) as successful:
        assert np.allclose(all_logits(backbone, adapter, encoded, compute), expected, rtol=0, atol=1e-9)
    assert sum(successful) == encoded.lengths.sum()


def test_classifier_remembers_smaller_micro_batches() -> None:
    backbone = models.backbone_of(models.reference(), torch.float64)

    def classifier_of(micro_tokens: int) -> Classifier:
        return Classifier(
            backbone,
            models.adapter_for(backbone.config).double(),
            models.tokenizer(),
            models.compute(torch.float64, micro_tokens=micro_tokens),
            max_length=32,
            preprocessing=PREPROCESSING,
        )

    classifier = classifier_of(10_000)
    texts = [text for text, _label in POSTS]
    with memory_for(backbone, 200) as successful:
        predictions = classifier.predict(texts)
        assert classifier.compute.micro_tokens < 10_000
        size, passes = classifier.compute.micro_tokens, len(successful)
        assert classifier.predict(texts) == predictions
    assert classifier.compute.micro_tokens == size
    assert len(successful) == 2 * passes  # the second time, no pass fails and none is smaller
    # To the bit only with as many rows in each product: some CPUs round others differently.
    assert classifier_of(size).predict(texts) == predictions
    for one, other in zip(predictions, classifier_of(10_000).predict(texts), strict=True):
        assert isinstance(one, Prediction)
        assert isinstance(other, Prediction)
        assert one.probabilities == pytest.approx(other.probabilities, rel=1e-12)


def test_resume_after_out_of_memory_gives_same_weights() -> None:
    """With dropout, whose masks depend on the micro-batches."""
    hyper = replace(HYPER, epochs=1, dropout=0.3, emoticon_dropout=0.0)

    def trainer() -> AdapterTrainer:
        backbone = models.backbone_of(models.reference(), torch.float32)
        return models.trainer(backbone, hyper, models.examples(POSTS), models.examples(POSTS[:20]), micro_tokens=10_000)

    undisturbed, resumed, snapshots = trainer(), trainer(), []
    with memory_for(undisturbed.backbone, 120):
        for event in undisturbed.events():
            if isinstance(event, StepDone):
                snapshots.append(undisturbed.snapshot())
    assert undisturbed.compute.micro_tokens < 10_000
    resumed.restore(snapshots[1])
    list(resumed.events())
    assert models.same_bits(resumed.adapter.state_dict(), undisturbed.adapter.state_dict())
