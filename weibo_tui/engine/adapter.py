"""The adapter: a bottleneck after each selected block, and the classification head. Nothing else is trained.

Bottleneck adapters as in Houlsby et al. 2019, "Parameter-Efficient Transfer Learning for NLP", in the sequential
single-adapter form of Pfeiffer et al. 2021: `x + up(activation(down(x)))`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from weibo_tui.engine.config import MAX_SIZES
from weibo_tui.engine.device import Compute
from weibo_tui.engine.layers import ACTIVATIONS, Linear, PackedLinear, linear, uses_onednn
from weibo_tui.errors import CorruptFileError, UserInputError
from weibo_tui.locale import gettext as _

MAX_LABELS = 10_000
MAX_WEIGHT = 1_000_000
"""In magnitude. Trained weights are near 1; much larger ones make logits overflow."""


@dataclass(frozen=True, slots=True)
class AdapterConfig:
    """Shape of an adapter: the blocks of the backbone that bottlenecks follow, their size, the number of labels."""

    width: int
    blocks: tuple[int, ...]
    labels: int
    bottleneck: int = 64
    activation: str = "gelu"
    dropout: float = 0.0

    def __post_init__(self) -> None:
        """Raise UserInputError for a shape out of range: cards may come from outside."""
        sound = (
            0 < self.width <= MAX_SIZES["width"]
            and 0 < len(self.blocks) <= MAX_SIZES["layers"]
            and 0 <= min(self.blocks) <= max(self.blocks) < MAX_SIZES["layers"]
            and 0 < self.bottleneck <= MAX_SIZES["width"]
            and 0 < self.labels <= MAX_LABELS
            and self.activation in ACTIVATIONS
            and 0 <= self.dropout < 1
        )
        if not sound:
            raise UserInputError(
                _("Invalid adapter size: {config}. Choose other values.").format(config=str(self)[:500])
            )


class Bottleneck(nn.Module):
    """Down-projection and up-projection with biases, always float32."""

    def __init__(self, width: int, bottleneck: int) -> None:
        super().__init__()
        self.down = Linear(width, bottleneck)
        self.up = Linear(bottleneck, width)


class Adapter(nn.Module):
    """Bottlenecks by block index, and a head without bias, (batch, width) to logits (batch, labels).

    The state dict is both the trainable set and the saved set, so the two cannot differ."""

    def __init__(self, config: AdapterConfig) -> None:
        super().__init__()
        self.config = config
        self._activation = ACTIVATIONS[config.activation]
        self._generator: torch.Generator | None = None
        self.blocks = nn.ModuleDict(
            {str(index): Bottleneck(config.width, config.bottleneck) for index in config.blocks}
        )
        self.head = Linear(config.width, config.labels, bias=False)

    @classmethod
    def initialize(cls, config: AdapterConfig, seed: int, init: float = 1e-3) -> Adapter:
        """Return a new adapter that is nearly the identity.

        Up-projections have standard deviation `init` (0 is the identity), down-projections and head the one that keeps
        the size of their output; biases are zero."""
        generator = torch.Generator().manual_seed(seed)
        with torch.device("meta"):
            adapter = cls(config)
        adapter.to_empty(device="cpu")
        with torch.no_grad():
            for name, parameter in adapter.named_parameters():
                if name.endswith("bias"):
                    parameter.zero_()
                elif name.endswith("up.weight"):
                    parameter.normal_(0.0, init, generator=generator)
                else:
                    parameter.normal_(0.0, config.width**-0.5, generator=generator)
        return adapter

    @classmethod
    def load(cls, config: AdapterConfig, tensors: Mapping[str, Tensor]) -> Adapter:
        """Build an adapter from saved tensors. Raises CorruptFileError that names the first tensor that is wrong."""
        with torch.device("meta"):
            adapter = cls(config)
        expected = {name: tuple(tensor.shape) for name, tensor in adapter.state_dict().items()}
        shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
        for name in sorted(expected.keys() | shapes.keys()):
            if expected.get(name) != shapes.get(name):
                raise CorruptFileError(
                    _("Adapter weight {name} has shape {found}; its card needs {expected}.").format(
                        name=name[:100], found=shapes.get(name), expected=expected.get(name)
                    )
                )
        for name, tensor in tensors.items():
            if not tensor.isfinite().all():
                raise CorruptFileError(
                    _("Adapter weight {name} contains NaN or infinity. Train the adapter again.").format(name=name)
                )
            if tensor.numel() and tensor.abs().max() > MAX_WEIGHT:
                raise CorruptFileError(
                    _("Adapter weight {name} exceeds {most}. Train the adapter again.").format(
                        name=name, most=f"{MAX_WEIGHT:,}"
                    )
                )
        adapter.load_state_dict({name: tensor.float() for name, tensor in tensors.items()}, assign=True)
        return adapter.eval()

    def seed_dropout(self, seed: int) -> None:
        """Seed the dropout masks, so that they depend on the step only."""
        if self._generator is None:
            self._generator = torch.Generator(self.head.weight.device)
        self._generator.manual_seed(seed)

    @property
    def drops_out(self) -> bool:
        """True while masks of dropout are drawn."""
        return self.training and self.config.dropout > 0

    def adapt(self, index: int, x: Tensor) -> Tensor:
        """Apply the bottleneck that follows block `index`, if any, to the residual stream (…, width)."""
        if str(index) not in self.blocks:
            return x
        bottleneck = cast(Bottleneck, self.blocks[str(index)])
        inner = self._activation(linear(x, bottleneck.down))
        if self.drops_out:
            keep = torch.empty_like(inner).bernoulli_(1 - self.config.dropout, generator=self._generator)
            inner = inner * keep / (1 - self.config.dropout)
        return linear(inner, bottleneck.up, residual=x)

    def forward(self, pooled: Tensor) -> Tensor:
        """Map pooled states (batch, width) to logits (batch, labels)."""
        return F.linear(pooled, self.head.weight)

    def for_inference(self, compute: Compute) -> Adapter | PackedAdapter:
        """Return the adapter as it is fastest for predictions: a packed copy where the backbone computes in bf16 by
        oneDNN, otherwise itself."""
        computes_in_bf16 = compute.float_dtype == torch.bfloat16
        example = torch.empty(0, dtype=torch.bfloat16, device=compute.device)
        return PackedAdapter(self) if computes_in_bf16 and uses_onednn(example) else self


class PackedAdapter(nn.Module):
    """Copy of an adapter for predictions on a CPU, with the bottlenecks' products in bf16.

    In float32 they take a fifth of the time of a base of width 768, and half of one of width 320."""

    drops_out = False

    def __init__(self, adapter: Adapter) -> None:
        super().__init__()
        self.config = adapter.config
        self.head = deepcopy(adapter.head).requires_grad_(False)
        self.blocks = nn.ModuleDict(
            {index: nn.ModuleList(map(_pack, bottleneck.children())) for index, bottleneck in adapter.blocks.items()}
        )
        self.eval()

    def for_inference(self, _compute: Compute) -> PackedAdapter:
        """Return itself, as `Adapter.for_inference` returns what is fastest for predictions."""
        return self

    def adapt(self, index: int, x: Tensor) -> Tensor:
        """Do what `Adapter.adapt` does, without gradients and dropout."""
        if str(index) not in self.blocks:
            return x
        down, up = cast(nn.ModuleList, self.blocks[str(index)])
        change: Tensor = up(down(x.to(torch.bfloat16), self.config.activation))
        return change.to(x.dtype).add_(x)

    def forward(self, pooled: Tensor) -> Tensor:
        """Map pooled states (batch, width) to logits (batch, labels)."""
        return F.linear(pooled, self.head.weight)


def _pack(layer: nn.Module) -> PackedLinear:
    """Return a packed copy of a linear layer in bf16."""
    return PackedLinear(deepcopy(cast(Linear, layer)).requires_grad_(False).to(torch.bfloat16))


def parse_blocks(text: str, layers: int) -> tuple[int, ...]:
    """Return the block indices that a text names in a backbone of `layers` layers.

    The text is `all`, `last-third`, `last4`, `0-5` or `2,5,8-11`."""
    indices: set[int] = set()
    for part in text.replace(" ", "").split(","):
        if part == "all":
            indices.update(range(layers))
        elif part == "last-third":
            indices.update(range(layers - -(-layers // 3), layers))
        elif match := re.fullmatch(r"last(\d{1,4})", part):
            indices.update(range(layers - int(match[1]), layers))
        elif match := re.fullmatch(r"(\d{1,4})(?:-(\d{1,4}))?", part):
            indices.update(range(int(match[1]), int(match[2] or match[1]) + 1))
        else:
            indices.add(-1)
    if not indices or min(indices) < 0 or max(indices) >= layers:
        raise UserInputError(
            _("Invalid blocks '{text}' for a base of {layers} blocks. Write all, last4 or 0-{last}.").format(
                text=text, layers=layers, last=layers - 1
            )
        )
    return tuple(sorted(indices))
