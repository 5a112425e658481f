"""Buffers for the tensors that autograd keeps."""

from __future__ import annotations

import models
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from weibo_tui.engine import saved_tensors
from weibo_tui.engine.attention import causal_attention
from weibo_tui.engine.saved_tensors import SavedTensors


def loss(x: Tensor, layer: nn.Linear) -> Tensor:
    return F.gelu(layer(causal_attention(x, 2, 0.5))).pow(2).mean()


def gradients(rows: int, saved: SavedTensors | None) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(rows)
    x = torch.randn(2, rows, 48, generator=generator).requires_grad_()
    layer = nn.Linear(16, 16)
    layer.load_state_dict({name: torch.randn(t.shape, generator=generator) for name, t in layer.state_dict().items()})
    if saved is None:
        value = loss(x, layer)
    else:
        with saved.collect():
            value = loss(x, layer)
    value.backward()
    assert x.grad is not None
    return {"x": x.grad} | {
        name: parameter.grad for name, parameter in layer.named_parameters() if parameter.grad is not None
    }


@pytest.mark.parametrize("chunk", [2**25, 4096])
def test_gradients_are_equal_to_the_bit(monkeypatch: pytest.MonkeyPatch, chunk: int) -> None:
    monkeypatch.setattr(saved_tensors, "CHUNK", chunk)
    saved = SavedTensors()
    for rows in (9, 20, 3, 20):
        assert models.same_bits(gradients(rows, saved), gradients(rows, None))


def test_buffers_are_used_again_and_freed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(saved_tensors, "CHUNK", 4096)
    saved = SavedTensors()
    gradients(20, saved)
    size = saved.size
    assert size > 20 * 48 * 4
    for rows in (3, 20, 11):
        gradients(rows, saved)
        assert saved.size == size
    saved.clear()
    assert saved.size == 0
    gradients(20, saved)
    assert saved.size == size


def test_tensors_of_growing_sizes_share_large_buffers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(saved_tensors, "CHUNK", 4096)
    growing, largest = SavedTensors(), SavedTensors()
    for rows in range(24, 41):
        gradients(rows, growing)
    gradients(40, largest)
    assert growing.size < 2 * largest.size
