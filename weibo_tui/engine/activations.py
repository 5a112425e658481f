"""Activations by the names that a `config.json` gives them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from weibo_tui.engine.layers import for_onednn

# oneDNN reads a tensor as rows of so many numbers; see `_Gelu`.
_ROW = 16


def gelu_tanh(x: Tensor) -> Tensor:
    """GPT-2's gelu, with tanh in place of erf (Hendrycks & Gimpel 2016)."""
    if x.dtype == torch.bfloat16 and for_onednn(x) and x.shape[-1] % _ROW == 0:
        activated: Tensor = _Gelu.apply(x)  # type: ignore[no-untyped-call]
        return activated
    return F.gelu(x, approximate="tanh")


class _Gelu(torch.autograd.Function):
    """The same on a CPU in bf16, where torch's own kernel takes as long as half of the product before it.

    oneDNN has a quick one, but only behind a product: so the product is one with the identity, which changes no bit.
    The gradient is that of the erf form: it differs by 0.0009 at most, a quarter of bf16's step at 1."""

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


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "gelu_new": gelu_tanh,
    "gelu_pytorch_tanh": gelu_tanh,
    "gelu": F.gelu,
    "relu": F.relu,
    "silu": F.silu,
    "swish": F.silu,
    "tanh": torch.tanh,
}
