"""Torch's layers without their initial values: ours are always loaded or drawn by whoever builds the model.

Drawing them costs time, and on the meta device it makes torch import its compiler, a second of every start.
"""

from __future__ import annotations

from torch import nn


class _Blank:
    def reset_parameters(self) -> None:
        """Leave the memory as it is."""


class Linear(_Blank, nn.Linear):
    """`torch.nn.Linear` over uninitialised memory."""


class Embedding(_Blank, nn.Embedding):
    """`torch.nn.Embedding` over uninitialised memory."""


class LayerNorm(_Blank, nn.LayerNorm):
    """`torch.nn.LayerNorm` over uninitialised memory."""
