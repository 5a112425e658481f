"""Forward and backward passes of a training as CUDA graphs.

A small batch keeps a card busy for a shorter time than the CPU needs to launch its 600 kernels. A graph launches them
all at once (https://docs.pytorch.org/docs/stable/notes/cuda.html#cuda-graphs).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from weibo_tui.engine.oom import free_memory

# To capture a graph takes about as long as ten passes without one, so shapes that are rarer do not pay.
MIN_PASSES = 10
MAX_GRAPHS = 32
"""Each holds the gradients and its list of kernels, some megabytes. All of them share the memory of activations."""
WARM_UPS = 3
"""Passes before a capture, in which libraries take memory: during a capture they may not."""

LossFunction = Callable[..., Tensor]
"""Maps inputs to a scalar. It depends on inputs and parameters only, so it has no dropout."""


class Graph(Protocol):
    """A captured pass."""

    def replay(self, inputs: Sequence[Tensor]) -> tuple[Tensor, Sequence[Tensor]]:
        """Return loss and gradients for inputs of the same shapes. The next replay of any graph overwrites them."""


class GraphedBackward:
    """Computes a loss and its gradients, by a graph for each combination of input shapes that is frequent."""

    def __init__(
        self,
        loss_function: LossFunction,
        parameters: Iterable[nn.Parameter],
        capture: Callable[[LossFunction, Sequence[nn.Parameter], Sequence[Tensor]], Graph],
    ) -> None:
        self._loss_function = loss_function
        self._parameters = list(parameters)
        self._capture = capture
        self._passes: Counter[tuple[torch.Size, ...]] = Counter()
        self._graphs: dict[tuple[torch.Size, ...], Graph] = {}
        self._is_on = True
        self.failure = ""
        """Message of the capture that failed, after which no graph is used."""

    @property
    def num_graphs(self) -> int:
        """Number of graphs in use."""
        return len(self._graphs)

    def backward(self, *inputs: Tensor) -> Tensor:
        """Set the gradients of the parameters, and return the loss.

        Gradients are replaced, not added to, because those of a graph are always in the same memory
        (https://github.com/pytorch/pytorch/issues/181723)."""
        graph = self._find_graph(inputs)
        if graph is None:
            loss = self._loss_function(*inputs)
            gradients = _gradients(loss, self._parameters)
        else:
            loss, gradients = graph.replay(inputs)
        for parameter, gradient in zip(self._parameters, gradients, strict=True):
            parameter.grad = gradient
        return loss.detach()

    def disable(self) -> None:
        """Free the memory of all graphs, and use none from now on."""
        self._is_on = False
        self._graphs.clear()

    def _find_graph(self, inputs: Sequence[Tensor]) -> Graph | None:
        """Return the graph for the shapes of the inputs, captured when they become frequent."""
        shapes = tuple(tensor.shape for tensor in inputs)
        self._passes[shapes] += 1
        if self._is_on and self._passes[shapes] == MIN_PASSES and len(self._graphs) < MAX_GRAPHS:
            try:
                self._graphs[shapes] = self._capture(self._loss_function, self._parameters, inputs)
            except Exception as error:  # of a driver, of a library that cannot be captured, or for lack of memory
                self.disable()
                self.failure = str(error) or type(error).__name__
                free_memory(inputs[0].device, error)
        return self._graphs.get(shapes)


class CudaGraph:
    """A pass on a card, with the memory of its inputs and results."""

    def __init__(
        self, graph: torch.cuda.CUDAGraph, inputs: Sequence[Tensor], loss: Tensor, gradients: Sequence[Tensor]
    ) -> None:
        self._graph = graph
        self._inputs = inputs
        self._results = loss, gradients

    def replay(self, inputs: Sequence[Tensor]) -> tuple[Tensor, Sequence[Tensor]]:
        """Return loss and gradients, as in `Graph`."""
        for own, new in zip(self._inputs, inputs, strict=True):
            if own is not new:
                own.copy_(new)
        self._graph.replay()
        return self._results


class CudaCapture:
    """Captures passes on a card into graphs that are replayed one at a time, so that they share their memory."""

    def __init__(self) -> None:
        self._pool: Any = None

    def __call__(
        self, loss_function: LossFunction, parameters: Sequence[nn.Parameter], inputs: Sequence[Tensor]
    ) -> CudaGraph:
        """Capture the pass for inputs of these shapes, whose memory the graph keeps."""
        stream, side = torch.cuda.current_stream(), torch.cuda.Stream()
        side.wait_stream(stream)
        with torch.cuda.stream(side):
            for _pass in range(WARM_UPS):
                _gradients(loss_function(*inputs), parameters)
        stream.wait_stream(side)
        self._pool = self._pool or torch.cuda.graph_pool_handle()
        graph = torch.cuda.CUDAGraph()
        try:
            # Other threads, as of predictions, may use the card during the capture.
            with torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"):
                loss = loss_function(*inputs)
                gradients = _gradients(loss, parameters)
        finally:
            torch.cuda.set_stream(stream)  # a capture that fails leaves its own
        return CudaGraph(graph, inputs, loss.detach(), gradients)


def _gradients(loss: Tensor, parameters: Sequence[nn.Parameter]) -> Sequence[Tensor]:
    """Return the gradients, laid out as the parameters are."""
    return [gradient.contiguous() for gradient in torch.autograd.grad(loss, parameters)]
