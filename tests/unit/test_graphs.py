"""Which shapes of a training get a graph, and that it trains the same. Graphs are imitated on the CPU."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import made_up
import models
import pytest
import torch
from models import HYPER
from torch import Tensor, nn

from weibo_tui.engine.graphs import MAX_GRAPHS, MIN_PASSES, GraphedBackward
from weibo_tui.engine.training import AdapterTrainer

POSTS = made_up.posts(300, seed=4)
LossFunction = Callable[..., Tensor]


class FixedMemory:
    """A pass whose inputs and results are always in the same memory, as those of a CUDA graph."""

    def __init__(self, function: LossFunction, parameters: Sequence[nn.Parameter], inputs: Sequence[Tensor]) -> None:
        self._function, self._parameters = function, parameters
        self._inputs = [tensor.clone() for tensor in inputs]
        self._loss = torch.zeros((), dtype=parameters[0].dtype)
        self._gradients = [torch.full_like(parameter, float("nan")) for parameter in parameters]
        self.replays = 0

    def replay(self, inputs: Sequence[Tensor]) -> tuple[Tensor, Sequence[Tensor]]:
        for own, new in zip(self._inputs, inputs, strict=True):
            own.copy_(new)
        loss = self._function(*self._inputs)
        for own, new in zip(self._gradients, torch.autograd.grad(loss, self._parameters), strict=True):
            own.copy_(new)
        self._loss.copy_(loss.detach())
        self.replays += 1
        return self._loss, self._gradients


class Captures:
    """Captures passes, and fails from the capture number `failing` on."""

    def __init__(self, failing: int = 10**9) -> None:
        self.failing = failing
        self.graphs: list[FixedMemory] = []
        self.tried = 0

    def __call__(
        self, function: LossFunction, parameters: Sequence[nn.Parameter], inputs: Sequence[Tensor]
    ) -> FixedMemory:
        self.tried += 1
        if self.tried >= self.failing:
            raise RuntimeError("CUDA error: operation not permitted when stream is capturing")
        self.graphs.append(FixedMemory(function, parameters, inputs))
        return self.graphs[-1]


def square(weight: nn.Parameter) -> LossFunction:
    return lambda x: (x @ weight).square().sum()


def test_frequent_shapes_are_captured_once() -> None:
    weight, captures = nn.Parameter(torch.arange(3.0)), Captures()
    graphed = GraphedBackward(square(weight), [weight], captures)
    for number in range(1, 2 * MIN_PASSES):
        for rows in (2, 5):
            x = torch.randn(rows, 3, generator=torch.Generator().manual_seed(number))
            loss = graphed.backward(x)
            assert loss == pytest.approx(square(weight)(x).item())
            assert weight.grad is not None
            assert torch.allclose(weight.grad, 2 * x.T @ (x @ weight.detach()))
            assert not loss.requires_grad
        assert len(captures.graphs) == (2 if number >= MIN_PASSES else 0)
    assert [graph.replays for graph in captures.graphs] == [MIN_PASSES, MIN_PASSES]


def test_number_of_graphs_is_bounded() -> None:
    weight, captures = nn.Parameter(torch.ones(1)), Captures()
    graphed = GraphedBackward(square(weight), [weight], captures)
    for rows in range(1, MAX_GRAPHS + 5):
        for _pass in range(MIN_PASSES):
            graphed.backward(torch.ones(rows, 1))
    assert captures.tried == len(captures.graphs) == MAX_GRAPHS


def test_failed_capture_switches_graphs_off() -> None:
    weight, captures = nn.Parameter(torch.ones(1)), Captures(failing=2)
    graphed = GraphedBackward(square(weight), [weight], captures)
    for rows in (1, 2, 3, 1):
        for _pass in range(MIN_PASSES):
            assert graphed.backward(torch.ones(rows, 1)) == rows
            assert weight.grad is not None
            assert weight.grad.item() == 2 * rows
    assert captures.tried == 2
    assert captures.graphs[0].replays == 1  # the first graph is no longer used either
    assert graphed.num_graphs == 0
    assert "not permitted" in graphed.failure


@pytest.mark.parametrize("failing", [10**9, 3])
def test_training_with_graphs_equals_eager(failing: int) -> None:
    captures = Captures(failing)
    eager, graphed = trainer(), trainer(captures)
    expected = [step.loss for step in models.steps_of(eager.events())]
    assert [step.loss for step in models.steps_of(graphed.events())] == expected
    assert models.same_bits(graphed.adapter.state_dict(), eager.adapter.state_dict())
    assert len(captures.graphs) >= 2
    assert sum(graph.replays for graph in captures.graphs) >= 2


def test_steps_of_several_micro_batches_use_no_graph() -> None:
    captures = Captures()
    eager, graphed = trainer(micro_tokens=60), trainer(captures, micro_tokens=60)
    for training in (eager, graphed):
        list(training.events())
    assert models.same_bits(graphed.adapter.state_dict(), eager.adapter.state_dict())
    assert captures.tried == 0


def trainer(captures: Captures | None = None, micro_tokens: int = 10_000) -> AdapterTrainer:
    hyper = replace(HYPER, dropout=0.0, emoticon_dropout=0.0, accumulation=1)
    parts = models.examples(POSTS), models.examples(POSTS[:20])
    training = models.trainer(models.backbone_of(models.reference()), hyper, *parts, micro_tokens=micro_tokens)
    if captures is not None:
        training.graphed = GraphedBackward(training._compute_loss, training.adapter.parameters(), captures)
    return training
