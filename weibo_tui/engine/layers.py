"""Torch's layers without their initial values, and a linear layer that is only ever read.

Ours are always loaded or drawn by whoever builds the model. Drawing them costs time, and on the meta device it makes
torch import its compiler, a second of every start.
"""

from __future__ import annotations

import platform
from typing import Any

import torch
from torch import Tensor, nn


class _NoInit:
    def reset_parameters(self) -> None:
        """Leave the memory as it is."""


class Linear(_NoInit, nn.Linear):
    """`torch.nn.Linear` over uninitialised memory."""


class Embedding(_NoInit, nn.Embedding):
    """`torch.nn.Embedding` over uninitialised memory."""


class LayerNorm(_NoInit, nn.LayerNorm):
    """`torch.nn.LayerNorm` over uninitialised memory."""


# oneDNN's names of the activations that it computes while it writes a product: (kind, algorithm).
FUSED = {
    "gelu_new": ("gelu", "tanh"),
    "gelu_pytorch_tanh": ("gelu", "tanh"),
    "gelu": ("gelu", "none"),
    "relu": ("relu", ""),
    "silu": ("swish", ""),
    "swish": ("swish", ""),
    "tanh": ("tanh", ""),
}


def for_onednn(tensor: Tensor) -> bool:
    """Whether this machine's oneDNN multiplies it: on x86, where that was seen to pay, in bf16 from AVX512 on."""
    return (
        tensor.device.type == "cpu"
        and platform.machine() in {"x86_64", "AMD64"}
        and torch.backends.mkldnn.is_available()
        and (
            tensor.dtype == torch.float32
            or (tensor.dtype == torch.bfloat16 and torch.ops.mkldnn._is_mkldnn_bf16_supported())
        )
    )


class PackedLinear(nn.Module):
    """A frozen linear layer on a CPU, its weights in the order in which oneDNN reads them.

    Packed once instead of in every product: against `torch.nn.Linear`, bf16 products were seen to take 5 to 20 % less
    time, and float32 ones, which then go to oneDNN instead of MKL, half. A second copy, turned, is made when a gradient
    first asks for it; the weights themselves have none."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.weight: Tensor = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach())
        self.bias: Tensor
        self.register_buffer("bias", linear.bias.detach())
        self._turned: Tensor | None = None

    @staticmethod
    def fits(linear: nn.Linear) -> bool:
        """Whether this machine packs weights of this kind."""
        return not linear.weight.requires_grad and for_onednn(linear.weight)

    def forward(self, x: Tensor, activation: str | None = None) -> Tensor:
        """(…, in) to (…, out); with one of FUSED behind it, where no gradient is asked for."""
        if x.requires_grad and torch.is_grad_enabled():
            product: Tensor = _Product.apply(x, self)  # type: ignore[no-untyped-call]
            return product
        kind, algorithm = ("none", "") if activation is None else FUSED[activation]
        out: Tensor = torch.ops.mkldnn._linear_pointwise(x, self.weight, self.bias, kind, [], algorithm)
        return out

    def turned(self) -> Tensor:
        """The weights for products with gradients, (in, out) packed."""
        if self._turned is None:
            dense = self.weight.to_dense()
            self._turned = torch.ops.mkldnn._reorder_linear_weight(dense.t().contiguous())
        return self._turned

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        destination[prefix + "weight"] = self.weight.to_dense()


class _Product(torch.autograd.Function):
    """x W^T + b, whose only gradient is that of x: nothing need be kept for it."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, layer: PackedLinear) -> Tensor:
        ctx.layer = layer
        return _multiply(x, layer.weight, layer.bias)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return _multiply(gradient, ctx.layer.turned()), None


def linear(x: Tensor, layer: nn.Linear, residual: Tensor | None = None) -> Tensor:
    """What a layer that is trained gives of (rows, in), (rows, out), with a residual of that shape added to it."""
    if x.dtype == layer.weight.dtype == torch.float32 and for_onednn(x):
        out: Tensor = _Trained.apply(x, layer.weight, layer.bias, residual)  # type: ignore[no-untyped-call]
        return out
    out = layer(x)
    return out if residual is None else residual + out


class _Trained(torch.autograd.Function):
    """x W^T + b + residual in float32 by oneDNN, which was seen to take half of MKL's time."""

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
        turned = gradient.t()
        return (
            _multiply(gradient, weight.t()) if of_x else None,
            # The narrow one first: the other way round it takes twice as long.
            (_multiply(turned, x.t()) if len(weight) <= weight.shape[1] else _multiply(x.t(), turned).t())
            if of_weight
            else None,
            gradient.sum(0) if of_bias else None,
            gradient if of_residual else None,
        )


def _multiply(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    product: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
    return product
