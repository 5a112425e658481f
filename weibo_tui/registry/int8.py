"""Weights of a base in eight bits: each matrix as int8 with one scale a row, a quarter of the room of float32.

Symmetric rounding by the largest value of a row (Krishnamoorthi 2018, "Quantizing deep convolutional networks"). It is
for the disk alone: what is read is float32 again, so computing and fingerprints know nothing of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from weibo_tui.locale import gettext as _

SCALE = ".scale"
"""Ends the name of the scales, (rows,), that belong to the int8 matrix named before it."""

_LARGEST = 127


def rounded(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Matrices as int8 with their scales; vectors as they are."""
    written = {}
    for name, tensor in tensors.items():
        if tensor.dim() != 2:
            written[name] = tensor
            continue
        scale = tensor.float().abs().amax(dim=1).clamp_min(torch.finfo(torch.float32).tiny) / _LARGEST
        written[name] = (tensor.float() / scale[:, None]).round().to(torch.int8)
        written[name + SCALE] = scale
    return written


def restored(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What `rounded` gave, as float32 under the canonical names; tensors that it did not touch as they are."""
    scales = {name for name in tensors if name.removesuffix(SCALE) in tensors and name.endswith(SCALE)}
    return {name: restoring(tensors.__getitem__, tensors)(name) for name in tensors if name not in scales}


def restoring(read: Callable[[str], Tensor], names: Mapping[str, object] | set[str]) -> Callable[[str], Tensor]:
    """Return a function that reads a tensor by its canonical name, through `read`, of a file that holds `names`. It
    raises ValueError where a scale is not one number a row."""

    def restore(name: str) -> Tensor:
        tensor = read(name)
        if name + SCALE not in names:
            return tensor
        scale = read(name + SCALE)
        if tensor.dim() != 2 or scale.shape != tensor.shape[:1]:
            raise ValueError(_("the scales of {name} do not fit").format(name=name))
        return tensor.float() * scale[:, None]

    return restore
