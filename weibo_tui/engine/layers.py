"""Torch's layers without their initial values, activations, and faster linear layers for CPUs.

Linear layers use private oneDNN operators of torch. They are tested once for each dtype against plain layers, and plain
layers are used where an operator is missing or wrong.
"""

from __future__ import annotations

import functools
import platform
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class _NoInit:
    """Mixin that leaves weights uninitialized: they are always loaded or drawn by the caller.

    Drawing them takes time, and on the meta device it makes torch import its compiler, which takes a second."""

    def reset_parameters(self) -> None: ...


class Linear(_NoInit, nn.Linear):
    """`torch.nn.Linear` over uninitialized memory."""


class Embedding(_NoInit, nn.Embedding):
    """`torch.nn.Embedding` over uninitialized memory."""


class LayerNorm(_NoInit, nn.LayerNorm):
    """`torch.nn.LayerNorm` over uninitialized memory."""


# The (kind, algorithm) by which oneDNN computes an activation while it writes a product.
FUSED = {
    "gelu_new": ("gelu", "tanh"),
    "gelu_pytorch_tanh": ("gelu", "tanh"),
    "gelu": ("gelu", "none"),
    "relu": ("relu", ""),
    "silu": ("swish", ""),
    "swish": ("swish", ""),
    "tanh": ("tanh", ""),
}


def fused_activation(name: str | None, dtype: torch.dtype) -> tuple[str, str]:
    """Return the (kind, algorithm) of an activation for oneDNN, with products in `dtype`.

    Below float32 both forms of gelu are the one with erf, which takes half of the time. They differ by 0.0005 at most,
    an eighth of bf16's step at 1."""
    if name is None:
        return "none", ""
    kind, algorithm = FUSED[name]
    return (kind, "none") if kind == "gelu" and dtype != torch.float32 else (kind, algorithm)


# oneDNN reads a tensor as rows of this length; see `_Gelu`.
_ROW = 16


def uses_onednn(tensor: Tensor) -> bool:
    """Return whether products of this tensor go through oneDNN: float32, and bf16 where the CPU supports it."""
    return tensor.device.type == "cpu" and _onednn_works(tensor.dtype)


@functools.cache
def _onednn_works(dtype: torch.dtype) -> bool:
    """Compare oneDNN's operators with plain layers; False where one is missing or gives another result."""
    if platform.machine() not in {"x86_64", "AMD64"} or dtype not in (torch.float32, torch.bfloat16):
        return False
    threads = torch.get_num_threads()
    try:
        if not torch.backends.mkldnn.is_available():
            return False
        if dtype == torch.bfloat16 and not torch.ops.mkldnn._is_mkldnn_bf16_supported():
            return False
        torch.set_num_threads(1)  # on matrices this small, threads mostly wait for each other
        with torch.inference_mode(False), torch.enable_grad():
            return _onednn_equals_plain(dtype)
    except Exception:  # private operators may raise anything after a change in torch
        return False
    finally:
        torch.set_num_threads(threads)


def _onednn_equals_plain(dtype: torch.dtype) -> bool:
    values = torch.linspace(-1, 1, 48 * _ROW)
    layer = Linear(_ROW, 32)
    layer.load_state_dict({"weight": values[: 32 * _ROW].view(32, _ROW).sin(), "bias": values[:32]})
    layer.to(dtype)
    x = values[-5 * _ROW :].view(5, _ROW).cos().to(dtype).requires_grad_()
    residual = values[: 5 * 32].view(5, 32).to(dtype).requires_grad_()
    frozen = PackedLinear(layer)
    product = layer(x)

    def near(ours: Tensor, plain: Tensor) -> bool:
        tolerance = 1e-4 if dtype == torch.float32 else 0.02 * float(plain.detach().abs().max())
        return ours.shape == plain.shape and bool((ours.float() - plain.float()).abs().max() <= tolerance)

    def same_gradients(ours: Tensor, plain: Tensor, inputs: list[Tensor]) -> bool:
        pairs = zip(*(torch.autograd.grad(out.sum(), inputs) for out in (ours, plain)), strict=True)
        return near(ours, plain) and all(near(one, other) for one, other in pairs)

    packed: Tensor = _Product.apply(x, frozen)  # type: ignore[no-untyped-call]
    if not torch.equal(frozen.state_dict()["weight"], layer.weight):
        return False
    names = {algorithm: name for name, algorithm in FUSED.items()}.values()  # each algorithm once
    if not all(near(frozen(x.detach(), name), ACTIVATIONS[name](product.float())) for name in names):
        return False
    if dtype == torch.bfloat16:
        activated: Tensor = _Gelu.apply(x)  # type: ignore[no-untyped-call]
        if not same_gradients(activated, F.gelu(x, approximate="tanh"), [x]):
            return False
    else:
        trained: Tensor = _Trained.apply(x, layer.weight, layer.bias, residual)  # type: ignore[no-untyped-call]
        if not same_gradients(trained, layer(x) + residual, [x, layer.weight, layer.bias, residual]):
            return False
    return same_gradients(packed, product, [x])


class PackedLinear(nn.Module):
    """Frozen linear layer on a CPU with its weights in oneDNN's blocked order.

    Weights are packed once, not in every product: compared with `torch.nn.Linear`, bf16 products take 5 to 20 % less
    time, and float32 ones, which use oneDNN instead of MKL, half. The first product with gradients makes a transposed
    copy. The weights have no gradient."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.weight: Tensor = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach())
        self.bias: Tensor
        self.register_buffer("bias", linear.bias.detach())
        self._transposed: Tensor | None = None

    @staticmethod
    def fits(linear: nn.Linear) -> bool:
        """Return whether a layer is frozen and this machine packs weights of its dtype."""
        return not linear.weight.requires_grad and uses_onednn(linear.weight)

    def forward(self, x: Tensor, activation: str | None = None) -> Tensor:
        """Map (…, in) to (…, out). An `activation`, one of FUSED, is applied only where no gradient is needed."""
        if x.requires_grad and torch.is_grad_enabled():
            product: Tensor = _Product.apply(x, self)  # type: ignore[no-untyped-call]
            return product
        kind, algorithm = fused_activation(activation, x.dtype)
        out: Tensor = torch.ops.mkldnn._linear_pointwise(x, self.weight, self.bias, kind, [], algorithm)
        return out

    def transposed(self) -> Tensor:
        """Return the packed weights (in, out), for gradients."""
        if self._transposed is None:
            dense = self.weight.to_dense()
            self._transposed = torch.ops.mkldnn._reorder_linear_weight(dense.t().contiguous())
        return self._transposed

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        destination[prefix + "weight"] = self.weight.to_dense()


class _Product(torch.autograd.Function):
    """x W^T + b with a gradient for x only, so nothing is saved for the backward pass."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, layer: PackedLinear) -> Tensor:
        ctx.layer = layer
        return _multiply(x, layer.weight, layer.bias)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return _multiply(gradient, ctx.layer.transposed()), None


def linear(x: Tensor, layer: nn.Linear, residual: Tensor | None = None) -> Tensor:
    """Apply a trainable layer to (rows, in), and add a residual (rows, out)."""
    if x.dtype == layer.weight.dtype == torch.float32 and uses_onednn(x):
        out: Tensor = _Trained.apply(x, layer.weight, layer.bias, residual)  # type: ignore[no-untyped-call]
        return out
    out = layer(x)
    return out if residual is None else residual + out


class _Trained(torch.autograd.Function):
    """x W^T + b + residual in float32 by oneDNN, which takes half of MKL's time."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, residual: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        if residual is None:
            return _multiply(x, weight, bias)
        out: Tensor = torch.ops.mkldnn._linear_pointwise.binary(x, residual, weight, bias, "add")
        return out

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        of_x, of_weight, of_bias, of_residual = ctx.needs_input_grad
        transposed = gradient.t()
        return (
            _multiply(gradient, weight.t()) if of_x else None,
            # The narrow matrix comes first: the other order takes twice as long.
            (_multiply(transposed, x.t()) if len(weight) <= weight.shape[1] else _multiply(x.t(), transposed).t())
            if of_weight
            else None,
            gradient.sum(0) if of_bias else None,
            gradient if of_residual else None,
        )


def _multiply(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    product: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
    return product


def gelu_tanh(x: Tensor) -> Tensor:
    """Compute GPT-2's gelu, with tanh in place of erf (Hendrycks & Gimpel 2016)."""
    if x.dtype == torch.bfloat16 and x.shape[-1] % _ROW == 0 and uses_onednn(x):
        activated: Tensor = _Gelu.apply(x)  # type: ignore[no-untyped-call]
        return activated
    return F.gelu(x, approximate="tanh")


class _Gelu(torch.autograd.Function):
    """`gelu_tanh` on a CPU in bf16, where torch's own kernel takes half as long as the product before it.

    oneDNN has a fast kernel, but only fused with a product: here the product with the identity, which changes no bit.
    The gradient is that of the erf form. It differs by 0.0009 at most, a quarter of bf16's step at 1."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        identity = torch.eye(_ROW, dtype=x.dtype)
        rows = x.reshape(-1, _ROW)
        out: Tensor = torch.ops.mkldnn._linear_pointwise(rows, identity, None, "gelu", [], "tanh")
        return out.view(x.shape)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        of_x: Tensor = torch.ops.aten.gelu_backward(gradient, x)
        return of_x


# By the names of `config.json`.
ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "gelu_new": gelu_tanh,
    "gelu_pytorch_tanh": gelu_tanh,
    "gelu": F.gelu,
    "relu": F.relu,
    "silu": F.silu,
    "swish": F.silu,
    "tanh": torch.tanh,
}
