"""Base weights as int8: each matrix with one scale per row, a quarter of the size of float32.

Symmetric quantization by the largest value of a row (Krishnamoorthi 2018, "Quantizing deep convolutional networks").
It saves disk space only: tensors are read as float32, for computing and for fingerprints.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from weibo_tui.locale import gettext as _

SCALE = ".scale"
"""Suffix of the name of the scales, (rows,), of an int8 matrix."""

_MAX_INT8 = 127


def quantize(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return matrices as int8 with their scales, and vectors unchanged."""
    quantized = {}
    for name, tensor in tensors.items():
        if tensor.dim() != 2:
            quantized[name] = tensor
            continue
        scale = tensor.float().abs().amax(dim=1).clamp_min(torch.finfo(torch.float32).tiny) / _MAX_INT8
        quantized[name] = (tensor.float() / scale[:, None]).round().to(torch.int8)
        quantized[name + SCALE] = scale
    return quantized


def dequantize(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the result of `quantize` as float32 under the canonical names; other tensors stay unchanged."""
    scales = {name for name in tensors if name.removesuffix(SCALE) in tensors and name.endswith(SCALE)}
    read = dequantizing_reader(tensors.__getitem__, tensors)
    return {name: read(name) for name in tensors if name not in scales}


def dequantizing_reader(
    read: Callable[[str], Tensor], names: Mapping[str, object] | set[str]
) -> Callable[[str], Tensor]:
    """Return a function that reads a tensor by its canonical name, through `read`, from a file that holds `names`. It
    raises ValueError where there is not one scale per row."""

    def read_dequantized(name: str) -> Tensor:
        tensor = read(name)
        if name + SCALE not in names:
            return tensor
        scale = read(name + SCALE)
        if tensor.dim() != 2 or scale.shape != tensor.shape[:1]:
            raise ValueError(_("the scales of {name} do not fit").format(name=name))
        return tensor.float() * scale[:, None]

    return read_dequantized
