"""The layers that go another way on CPUs, against the plain ones that they stand for."""

from __future__ import annotations

from typing import cast

import models
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from weibo_tui.engine.attention import PackedLayout, causal_attention
from weibo_tui.engine.layers import ACTIVATIONS, FUSED, Linear, PackedLinear, gelu_tanh, linear, uses_onednn

TOLERANCE = {torch.float32: 1e-5, torch.bfloat16: 0.02}
pytestmark = pytest.mark.skipif(
    not uses_onednn(torch.zeros(1, dtype=torch.bfloat16)), reason="these layers are for oneDNN in bf16"
)


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def plain(inputs: int, outputs: int) -> Linear:
    layer = Linear(inputs, outputs)
    layer.load_state_dict({"weight": drawn(outputs, inputs) / inputs**0.5, "bias": drawn(outputs, seed=1)})
    return layer


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_a_packed_layer_gives_what_the_plain_one_gives(dtype: torch.dtype) -> None:
    layer = plain(48, 80).requires_grad_(False).to(dtype)
    packed = PackedLinear(layer)
    x = drawn(37, 48).to(dtype).requires_grad_()
    same = x.detach().clone().requires_grad_()
    weights = drawn(37, 80, seed=2).to(dtype)
    (layer(x) * weights).sum().backward()
    (packed(same) * weights).sum().backward()
    assert x.grad is not None
    assert same.grad is not None
    assert (packed(same) - layer(x)).abs().max() <= TOLERANCE[dtype]
    assert (same.grad - x.grad).abs().max() <= TOLERANCE[dtype] * 4


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_packing_changes_no_bit_of_the_weights(dtype: torch.dtype) -> None:
    layer = plain(48, 80).requires_grad_(False).to(dtype)
    assert models.same_bits(PackedLinear(layer).state_dict(), layer.state_dict())


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_an_activation_fused_with_the_product_is_the_one_behind_it(name: str) -> None:
    assert FUSED.keys() == ACTIVATIONS.keys()
    packed = PackedLinear(plain(48, 80).requires_grad_(False))
    x = drawn(37, 48)
    assert (packed(x, name) - ACTIVATIONS[name](packed(x))).abs().max() < 1e-5


def test_a_processor_without_bfloat16_takes_the_plain_way(monkeypatch: pytest.MonkeyPatch) -> None:
    backbone, (ids, lengths) = (
        models.backbone_of(models.reference(), torch.bfloat16),
        models.batch(models.ragged(5, 20)),
    )
    with torch.no_grad():
        packed = backbone(ids, lengths)
    for module in ("layers", "activations"):
        monkeypatch.setattr(f"weibo_tui.engine.{module}.uses_onednn", lambda _tensor: False)
    plain = models.backbone_of(models.reference(), torch.bfloat16)
    assert not any(isinstance(one, PackedLinear) for one in plain.modules())
    with torch.no_grad():
        assert (plain(ids, lengths) - packed).abs().max() < 0.3  # as far as bf16 goes at this scale


def test_layers_that_are_trained_are_not_packed() -> None:
    assert not PackedLinear.fits(plain(8, 8))
    assert PackedLinear.fits(plain(8, 8).requires_grad_(False))
    assert not PackedLinear.fits(plain(8, 8).requires_grad_(False).double())


@pytest.mark.parametrize(("inputs", "outputs"), [(48, 8), (8, 48)])
@pytest.mark.parametrize("with_residual", [True, False])
def test_a_trained_layer_has_the_gradients_of_the_plain_one(inputs: int, outputs: int, with_residual: bool) -> None:
    layer = plain(inputs, outputs)
    weights = drawn(37, outputs, seed=2)
    found = []
    for double in (False, True):
        one = layer.double() if double else layer
        given = [drawn(37, inputs), *([drawn(37, outputs, seed=3)] if with_residual else [])]
        given = [(value.double() if double else value).requires_grad_() for value in given]
        out = linear(given[0], one, *given[1:])
        out.backward(weights.double() if double else weights)
        grads = [value.grad for value in (*given, one.weight, one.bias)]
        found.append([out.detach(), *(cast(Tensor, grad).clone() for grad in grads)])
        one.zero_grad()
    for ours, exact in zip(*found, strict=True):
        assert ours.dtype == torch.float32
        assert (ours - exact).abs().max() < 1e-4


def test_gelu_in_bfloat16_is_torchs_and_its_gradient_is_as_near_as_bfloat16_is() -> None:
    x = torch.linspace(-8, 8, 4096).bfloat16().view(64, 64).requires_grad_()
    out = gelu_tanh(x)
    out.backward(torch.ones_like(out))
    exact = x.detach().double().requires_grad_()
    wanted = F.gelu(exact, approximate="tanh")
    wanted.sum().backward()
    assert ((out - wanted).abs() <= out.abs() / 2**8 + 5e-4).all()
    assert x.grad is not None
    assert exact.grad is not None
    assert (x.grad.double() - exact.grad).abs().max() < 0.005


def test_attention_in_bfloat16_has_the_gradients_of_torchs_own() -> None:
    qkv = drawn(3, 11, 3 * 32).bfloat16().requires_grad_()
    weights = drawn(3, 11, 32, seed=1)
    causal_attention(qkv, 4, 0.4).backward(weights.bfloat16())
    exact = qkv.detach().double().requires_grad_()
    causal_attention(exact, 4, 0.4).backward(weights.double())
    assert qkv.grad is not None
    assert exact.grad is not None
    assert (qkv.grad.double() - exact.grad).abs().max() < 0.03


@given(st.lists(st.integers(1, 70), min_size=1, max_size=20))
def test_rows_laid_side_by_side_and_back_are_the_same_rows(lengths: list[int]) -> None:
    layout = PackedLayout.ragged(torch.tensor(lengths))
    rows = drawn(layout.tokens, 4).double().requires_grad_()
    beside = layout.pad(rows)
    assert layout.tokens >= sum(lengths)
    assert beside.shape == (len(lengths), layout.length, 4)
    start = 0
    for post, length in enumerate(lengths):
        assert torch.equal(beside[post, :length], rows[start : start + length])
        start += length
    assert torch.equal(rows[layout.last], torch.stack([beside[i, n - 1] for i, n in enumerate(lengths)]))
    back = layout.unpad(beside)
    assert torch.equal(back[:start], rows[:start])
    assert not back[start:].any()
    weights = drawn(layout.tokens, 4, seed=1).double()
    back.backward(weights)
    assert rows.grad is not None
    assert torch.equal(rows.grad[:start], weights[:start])
    assert not rows.grad[start:].any()
