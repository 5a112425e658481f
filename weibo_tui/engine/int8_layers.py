"""Linear layers in int8 on CPUs with VNNI or AMX, where they take half of the time of bf16.

Weights have one scale for each output. The inputs come from a LayerNorm, whose channels differ much in size: as in
SmoothQuant (Xiao et al. 2023, arXiv 2211.10438), each channel has a scale of its own, which is folded into the weights
of the norm and of the product. So the norm itself computes levels from 0 to 255 that only have to be rounded. An
activation's outputs have one scale, and oneDNN rounds them while it writes them. All scales are constant, so the result
of a post does not depend on the other posts of its batch.
"""

from __future__ import annotations

import functools
import platform
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from weibo_tui.engine.layers import ACTIVATIONS, LayerNorm, Linear, fused_activation

_MAX_WEIGHT = 127
_MAX_LEVEL = 255
_MIDDLE = 128
# Real posts and adapters go beyond what the calibration has seen.
_MARGIN = 1.5
# The share of a channel's size that its scale takes over, the rest stays in the weights (alpha in SmoothQuant).
_MIGRATION = 0.75
# Largest relative error of a product in int8. On real models it is 0.01 to 0.03.
_MAX_ERROR = 0.1
_TINY = 1e-8


@dataclass(frozen=True, slots=True)
class Levels:
    """Meaning of integers from 0 to 255: `scale` times the distance from `zero`."""

    scale: float
    zero: int

    @classmethod
    def covering(cls, values: Tensor) -> Levels:
        """Return levels for the range of these values, and a margin."""
        low, high = min(0.0, float(values.min())) * _MARGIN, max(0.0, float(values.max())) * _MARGIN
        scale = max(high - low, _TINY) / _MAX_LEVEL
        return cls(scale, round(-low / scale))


_CENTERED = Levels(1.0, _MIDDLE)


class Int8Linear(nn.Module):
    """Frozen linear layer with int8 weights that maps uint8 `levels` to floats, or to other levels."""

    def __init__(self, weight: Tensor, bias: Tensor, levels: Levels, output: Levels | torch.dtype) -> None:
        super().__init__()
        self.levels = levels
        self.output = output
        scales = weight.abs().amax(dim=1).clamp_min(_TINY) / _MAX_WEIGHT
        rounded = (weight / scales[:, None]).round().to(torch.int8)
        self.weight: Tensor = torch.ops.onednn.qlinear_prepack(rounded, None)
        self.scales = scales
        self.zeros = torch.zeros(len(scales), dtype=torch.int64)
        self.bias = bias

    def forward(self, x: Tensor, activation: str | None = None) -> Tensor:
        """Map uint8 (rows, in) to (rows, out), with an activation of FUSED."""
        output = self.output
        levels, dtype = (output, torch.uint8) if isinstance(output, Levels) else (Levels(1.0, 0), output)
        kind, algorithm = fused_activation(activation, torch.uint8)
        product: Tensor = torch.ops.onednn.qlinear_pointwise(
            *(x, self.levels.scale, self.levels.zero, self.weight, self.scales, self.zeros, self.bias),
            *(levels.scale, levels.zero, dtype, kind, [], algorithm),
        )
        return product

    def add_to(self, residual: Tensor, x: Tensor) -> Tensor:
        """Add the product to float32 `residual` (rows, out), in place."""
        total: Tensor = torch.ops.onednn.qlinear_pointwise.binary(
            *(x, self.levels.scale, self.levels.zero, self.weight, self.scales, self.zeros, residual, self.bias),
            *(1.0, 0, torch.float32, 1.0, 0, "sum", 1.0, "none", [], ""),
        )
        return total


class Int8Norm(LayerNorm):
    """LayerNorm whose outputs, with its weights as `fold_scales` makes them, are levels."""

    def forward(self, x: Tensor) -> Tensor:
        """Map (rows, width) to uint8."""
        return super().forward(x).clamp_(0, _MAX_LEVEL).to(torch.uint8)  # which cuts the fraction off


def fold_scales(
    norm: LayerNorm, linear: nn.Linear, normed: Tensor, output: Levels | torch.dtype
) -> tuple[Int8Norm, Int8Linear]:
    """Return a norm and a product that pass levels to each other. `normed` are outputs of the norm (rows, width).

    Each channel is centered on the middle of its range; the product's bias has what that takes away."""
    weight = linear.weight.float()
    low, high = normed.amin(0), normed.amax(0)
    center, radius = (low + high) / 2, (high - low).clamp_min(_TINY) * (_MARGIN / 2)
    size = radius**_MIGRATION / weight.abs().amax(0).clamp_min(_TINY) ** (1 - _MIGRATION)
    step = size * (radius / size).amax() / (_MAX_LEVEL - _MIDDLE)
    quantizing = Int8Norm(len(center), eps=norm.eps)
    # A half more, because the conversion to integers cuts the fraction off.
    folded = {"weight": norm.weight / step, "bias": (norm.bias - center) / step + _MIDDLE + 0.5}
    quantizing.load_state_dict(folded, assign=True)
    product = Int8Linear(weight * step, linear.bias.float() + weight @ center, _CENTERED, output)
    return quantizing.requires_grad_(False), product


def is_accurate(ours: Tensor, plain: Tensor) -> bool:
    """Return whether the error is small, relative to how much the outputs differ between tokens."""
    error = (ours.float() - plain.float()).square().mean()
    return bool(error <= _MAX_ERROR**2 * plain.float().var(dim=0).mean())


@functools.cache
def is_supported() -> bool:
    """Return whether this CPU has fast int8 products, and oneDNN's private operators compute them correctly."""
    if platform.machine() not in {"x86_64", "AMD64"} or not getattr(torch.cpu, "_is_vnni_supported", bool)():
        return False
    try:
        with torch.inference_mode():
            return _equals_plain()
    except Exception:  # private operators may raise anything after a change in torch
        return False


def _equals_plain() -> bool:
    """Compare int8 layers with plain ones."""
    rows, width, inner = 16, 64, 32
    draw = functools.partial(torch.randn, generator=torch.Generator().manual_seed(0))
    first, second, norm = Linear(width, inner), Linear(inner, width), LayerNorm(width)
    for layer in (first, second, norm):
        layer.load_state_dict({name: draw(value.shape) for name, value in layer.state_dict().items()})
    x = draw(rows, width)
    product = first(norm(x))
    activated = ACTIVATIONS["gelu_new"](product)
    levels = Levels.covering(activated)
    quantizing, to_levels = fold_scales(norm, first, norm(x), levels)
    _same, to_floats = fold_scales(norm, first, norm(x), torch.float32)
    back = Int8Linear(second.weight, second.bias, levels, torch.float32)
    inputs = quantizing(x)
    inner_levels = to_levels(inputs, "gelu_new")
    return (
        is_accurate(to_floats(inputs), product)
        and is_accurate(back(inner_levels), second(activated))
        and is_accurate(back.add_to(x.clone(), inner_levels), x + second(activated))
    )
