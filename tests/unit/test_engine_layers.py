"""Layers through oneDNN and packed attention, compared with plain ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import models
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from weibo_tui.engine import layers
from weibo_tui.engine.attention import PackedLayout, causal_attention
from weibo_tui.engine.layers import ACTIVATIONS, FUSED, Linear, PackedLinear, gelu_tanh, linear, uses_onednn

needs_float32 = pytest.mark.skipif(not uses_onednn(torch.zeros(1)), reason="oneDNN is not used on this machine")
needs_bfloat16 = pytest.mark.skipif(
    not uses_onednn(torch.zeros(1, dtype=torch.bfloat16)), reason="oneDNN has no bf16 on this machine"
)
DTYPES = [
    pytest.param(torch.float32, 1e-5, marks=needs_float32),
    pytest.param(torch.bfloat16, 0.02, marks=needs_bfloat16),
]


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def plain(inputs: int, outputs: int) -> Linear:
    layer = Linear(inputs, outputs)
    layer.load_state_dict({"weight": drawn(outputs, inputs) / inputs**0.5, "bias": drawn(outputs, seed=1)})
    return layer


@pytest.mark.parametrize(("dtype", "tolerance"), DTYPES)
def test_packed_linear_equals_plain(dtype: torch.dtype, tolerance: float) -> None:
    layer = plain(48, 80).requires_grad_(False).to(dtype)
    packed = PackedLinear(layer)
    assert models.same_bits(packed.state_dict(), layer.state_dict())
    x = drawn(37, 48).to(dtype).requires_grad_()
    same = x.detach().clone().requires_grad_()
    weights = drawn(37, 80, seed=2).to(dtype)
    (layer(x) * weights).sum().backward()
    (packed(same) * weights).sum().backward()
    assert x.grad is not None
    assert same.grad is not None
    assert (packed(same) - layer(x)).abs().max() <= tolerance
    assert (same.grad - x.grad).abs().max() <= tolerance * 4


@needs_float32
@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_fused_activation_equals_separate_one(name: str) -> None:
    assert FUSED.keys() == ACTIVATIONS.keys()
    packed = PackedLinear(plain(48, 80).requires_grad_(False))
    x = drawn(37, 48)
    assert (packed(x, name) - ACTIVATIONS[name](packed(x))).abs().max() < 1e-5


@needs_float32
def test_packing_is_for_frozen_layers_only() -> None:
    assert not PackedLinear.fits(plain(8, 8))
    assert PackedLinear.fits(plain(8, 8).requires_grad_(False))
    assert not PackedLinear.fits(plain(8, 8).requires_grad_(False).double())


def _raise(*_arguments: object) -> Any:
    raise RuntimeError("the operator is gone")


def _too_large(*arguments: Any) -> Any:
    return torch.ops.mkldnn._linear_pointwise(*arguments) * 1.1


@needs_float32
@pytest.mark.parametrize("broken", [_raise, _too_large, lambda *_arguments: torch.zeros(2)])
def test_broken_onednn_falls_back_to_plain_layers(monkeypatch: pytest.MonkeyPatch, broken: Callable[..., Any]) -> None:
    backbone, (ids, lengths) = models.backbone_of(models.reference()), models.batch(models.ragged(5, 20))
    with torch.inference_mode():
        packed = backbone(ids, lengths)
    monkeypatch.setattr(layers, "_multiply", lambda x, weight, bias=None: broken(x, weight, bias, "none", [], ""))
    layers._onednn_works.cache_clear()
    threads = torch.get_num_threads()
    try:
        assert not uses_onednn(torch.zeros(1))
        assert torch.get_num_threads() == threads
        fallback = models.backbone_of(models.reference())
        assert not any(isinstance(module, PackedLinear) for module in fallback.modules())
        with torch.inference_mode():
            assert (fallback(ids, lengths) - packed).abs().max() < 1e-4
        assert torch.equal(linear(drawn(3, 8), layer := plain(8, 4)), layer(drawn(3, 8)))
    finally:
        monkeypatch.undo()
        layers._onednn_works.cache_clear()
    assert uses_onednn(torch.zeros(1))


@needs_float32
@pytest.mark.parametrize(("inputs", "outputs"), [(48, 8), (8, 48)])
@pytest.mark.parametrize("with_residual", [True, False])
def test_trained_linear_gradients_equal_plain(inputs: int, outputs: int, with_residual: bool) -> None:
    layer = plain(inputs, outputs)
    weights = drawn(37, outputs, seed=2)
    results = []
    for dtype in (torch.float32, torch.float64):
        layer.to(dtype)
        values = [drawn(37, inputs), *([drawn(37, outputs, seed=3)] if with_residual else [])]
        values = [value.to(dtype).requires_grad_() for value in values]
        out = linear(values[0], layer, *values[1:])
        out.backward(weights.to(dtype))
        grads = [value.grad for value in (*values, layer.weight, layer.bias)]
        results.append([out.detach(), *(cast(Tensor, grad).clone() for grad in grads)])
        layer.zero_grad()
    for ours, exact in zip(*results, strict=True):
        assert ours.dtype == torch.float32
        assert (ours - exact).abs().max() < 1e-4


@needs_bfloat16
def test_bfloat16_gelu_equals_torch() -> None:
    x = torch.linspace(-8, 8, 4096).bfloat16().view(64, 64).requires_grad_()
    out = gelu_tanh(x)
    out.backward(torch.ones_like(out))
    exact = x.detach().double().requires_grad_()
    expected = F.gelu(exact, approximate="tanh")
    expected.sum().backward()
    assert ((out - expected).abs() <= out.abs() / 2**8 + 5e-4).all()
    assert x.grad is not None
    assert exact.grad is not None
    assert (x.grad.double() - exact.grad).abs().max() < 0.005


def test_bfloat16_attention_gradients_equal_torch() -> None:
    qkv = drawn(3, 11, 3 * 32).bfloat16().requires_grad_()
    weights = drawn(3, 11, 32, seed=1)
    causal_attention(qkv, 4, 0.4).backward(weights.bfloat16())
    exact = qkv.detach().double().requires_grad_()
    causal_attention(exact, 4, 0.4).backward(weights.double())
    assert qkv.grad is not None
    assert exact.grad is not None
    assert (qkv.grad.double() - exact.grad).abs().max() < 0.03


@given(st.lists(st.integers(1, 70), min_size=1, max_size=20))
@settings(max_examples=30)
def test_layout_unpad_undoes_pad(lengths: list[int]) -> None:
    layout = PackedLayout.ragged(torch.tensor(lengths))
    rows = drawn(layout.tokens, 4).double().requires_grad_()
    padded = layout.pad(rows)
    assert layout.tokens >= sum(lengths)
    assert padded.shape == (len(lengths), layout.length, 4)
    start = 0
    for post, length in enumerate(lengths):
        assert torch.equal(padded[post, :length], rows[start : start + length])
        start += length
    assert torch.equal(
        rows[layout.last[: len(lengths)]], torch.stack([padded[i, n - 1] for i, n in enumerate(lengths)])
    )
    back = layout.unpad(padded)
    assert torch.equal(back[:start], rows[:start])
    assert not back[start:].any()
    weights = drawn(layout.tokens, 4, seed=1).double()
    back.backward(weights)
    assert rows.grad is not None
    assert torch.equal(rows.grad[:start], weights[:start])
    assert not rows.grad[start:].any()


def test_last_tokens_of_many_posts_are_filled_up() -> None:
    few, many = (PackedLayout.ragged(torch.arange(1, number + 1)) for number in (4, 21))
    assert few.last.tolist() == [0, 2, 5, 9]
    assert len(many.last) == 32
    assert many.last[:21].tolist() == (torch.arange(1, 22).cumsum(0) - 1).tolist()


def test_training_has_fewer_numbers_of_rows_than_prediction() -> None:
    lengths = torch.tensor([20, 30])
    with torch.inference_mode():
        assert PackedLayout.ragged(lengths).tokens == 64
        assert PackedLayout.ragged(lengths[1:]).tokens == 32
    assert PackedLayout.ragged(lengths[1:]).tokens == 64
