"""The trunk: a compact GPT-2 that any Hugging Face GPT-2 checkpoint loads into.

Pre-LayerNorm blocks, learned positions, causal self-attention (Radford et al. 2019, "Language Models are
Unsupervised Multitask Learners"); checked in the tests against transformers' `GPT2Model`. Posts are padded on
the right, so the causal mask alone keeps padding out of every real token's sight.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from weibo_tui.engine.activations import ACTIVATIONS
from weibo_tui.engine.attention import PackedLayout, attention_at, causal_attention
from weibo_tui.engine.config import GPT2Config
from weibo_tui.engine.layers import Embedding, LayerNorm, Linear, PackedLinear
from weibo_tui.errors import CorruptFileError
from weibo_tui.locale import gettext as _


class AdapterProtocol(Protocol):
    """What the trunk needs of an adapter: the residual stream after block `index`, adapted."""

    def after(self, index: int, x: Tensor) -> Tensor: ...


class Block(nn.Module):
    """One transformer block. The residual stream stays in float32 (float64 where asked); the matrix products
    run in the dtype of the weights."""

    def __init__(self, config: GPT2Config, index: int) -> None:
        super().__init__()
        width = config.width
        self.heads = config.heads
        scale = (width // config.heads) ** -0.5 if config.scale_attention else 1.0
        self.scale = scale / (index + 1) if config.scale_by_layer else scale
        self.activation = config.activation
        self.ln_1 = LayerNorm(width, config.epsilon)
        self.attn_qkv: Linear | PackedLinear = Linear(width, 3 * width)
        self.attn_out: Linear | PackedLinear = Linear(width, width)
        self.ln_2 = LayerNorm(width, config.epsilon)
        self.mlp_in: Linear | PackedLinear = Linear(width, config.inner)
        self.mlp_out: Linear | PackedLinear = Linear(config.inner, width)

    def forward(self, x: Tensor, layout: PackedLayout) -> Tensor:
        """Rows (tokens, width) to the same shape."""
        qkv = layout.side_by_side(self.attn_qkv(self._normed(x)))
        attended = layout.end_to_end(causal_attention(qkv, self.heads, self.scale, layout.seen))
        return self._feed_forward(x + self.attn_out(attended).to(x.dtype))

    def at_last(self, x: Tensor, layout: PackedLayout) -> Tensor:
        """The block's output at each post's last token only: rows (tokens, width) to (batch, width).

        Keys and values are needed of all tokens, queries and the feed-forward layer of one."""
        q, kv = self.attn_qkv(self._normed(x)).split([x.shape[1], 2 * x.shape[1]], dim=1)
        attended = attention_at(
            q.index_select(0, layout.last), layout.side_by_side(kv), layout.lengths - 1, self.heads, self.scale
        )
        return self._feed_forward(x.index_select(0, layout.last) + self.attn_out(attended).to(x.dtype))

    def _normed(self, x: Tensor) -> Tensor:
        normed: Tensor = self.ln_1(x).to(self.attn_qkv.weight.dtype)
        return normed

    def _feed_forward(self, x: Tensor) -> Tensor:
        normed = self.ln_2(x).to(self.mlp_in.weight.dtype)
        if isinstance(self.mlp_in, PackedLinear) and not (normed.requires_grad and torch.is_grad_enabled()):
            inner = self.mlp_in(normed, self.activation)
        else:
            inner = ACTIVATIONS[self.activation](self.mlp_in(normed))
        out: Tensor = self.mlp_out(inner)
        return x + out.to(x.dtype)


# canonical name within a block -> module of Block; the last column says whether (in, out) must be turned
_PARTS = (
    ("ln_1", "ln_1", False),
    ("attn.c_attn", "attn_qkv", True),
    ("attn.c_proj", "attn_out", True),
    ("ln_2", "ln_2", False),
    ("mlp.c_fc", "mlp_in", True),
    ("mlp.c_proj", "mlp_out", True),
)


class GPT2(nn.Module):
    """A GPT-2 trunk without a language-model head (the token embedding serves as one in pretraining)."""

    def __init__(self, config: GPT2Config) -> None:
        super().__init__()
        self.config = config
        self.wte = Embedding(config.vocabulary, config.width)
        self.wpe = Embedding(config.positions, config.width)
        self.blocks = nn.ModuleList(Block(config, index) for index in range(config.layers))
        self.ln_f = LayerNorm(config.width, config.epsilon)

    @classmethod
    def load(cls, config: GPT2Config, tensors: Mapping[str, Tensor]) -> GPT2:
        """A frozen trunk from canonical tensors (`GPT2Config.tensors`), each name and shape asserted.

        Raises CorruptFileError that names the first tensor that is missing, unknown or of another shape."""
        expected = dict(config.tensors())
        for name in sorted(expected.keys() ^ tensors.keys()):
            message = (
                _("The weights lack {name}.")
                if name in expected
                else _("The weights hold {name}, which no GPT-2 of this shape has.")
            )
            raise CorruptFileError(message.format(name=name[:100]))
        for name, shape in expected.items():
            if tuple(tensors[name].shape) != shape:
                found = tuple(tensors[name].shape)
                raise CorruptFileError(
                    _("The weight {name} has the shape {found} where config.json asks for {shape}.").format(
                        name=name, found=found, shape=shape
                    )
                )
        with torch.device("meta"):
            backbone = cls(config)
        state = {
            ours: (tensors[theirs].float().t() if turned else tensors[theirs].float()).contiguous()
            for theirs, ours, turned in _names(config)
        }
        backbone.load_state_dict(state, strict=True, assign=True)
        return backbone.eval().requires_grad_(False)

    def canonical(self) -> dict[str, Tensor]:
        """The weights under the names and in the orientation of `GPT2Config.tensors`, in float32 on the CPU."""
        state = self.state_dict()
        return {
            theirs: (state[ours].t() if turned else state[ours]).detach().float().cpu().contiguous()
            for theirs, ours, turned in _names(self.config)
        }

    def compute_in(self, dtype: torch.dtype) -> GPT2:
        """Run the matrix products in `dtype`, in place. Under bfloat16 embeddings, norms and the residual
        stream stay float32."""
        self.to(torch.float32 if dtype == torch.bfloat16 else dtype)
        if dtype == torch.bfloat16:
            for module in self.modules():
                if isinstance(module, nn.Linear):
                    module.to(dtype)
        return self

    def pack(self) -> GPT2:
        """Pack the frozen weights, in place, where that pays; a packed trunk stays on its device and in its dtype."""
        for block in self._blocks():
            for name, linear in block.named_children():
                if isinstance(linear, nn.Linear) and PackedLinear.fits(linear):
                    setattr(block, name, PackedLinear(linear))
        return self

    @property
    def device(self) -> torch.device:
        return self.wte.weight.device

    def forward(self, ids: Tensor, lengths: Tensor, adapter: AdapterProtocol | None = None) -> Tensor:
        """Token ids (batch, length), right-padded, and their lengths (batch,) to the final state at each
        post's last real token, (batch, width). Nothing is computed on padding."""
        layout = PackedLayout.ragged(lengths)
        return self._pooled(self._embedded(ids, layout), layout, 0, adapter)

    def beneath(self, ids: Tensor, lengths: Tensor, block: int) -> Tensor:
        """The stream of all real tokens after block `block`, posts end to end, (tokens, width): what no adapter changes
        whose first bottleneck comes behind it."""
        layout = PackedLayout.ragged(lengths)
        x = self._embedded(ids, layout)
        for below in self._blocks()[: block + 1]:
            x = below(x, layout)
        return x[: int(lengths.sum())]

    def above(self, rows: Tensor, lengths: Tensor, block: int, adapter: AdapterProtocol) -> Tensor:
        """`forward` from what `beneath` gave for the same posts: (tokens, width) to (batch, width)."""
        layout = PackedLayout.ragged(lengths)
        filled = F.pad(rows, (0, 0, 0, layout.tokens - len(rows)))
        return self._pooled(adapter.after(block, filled), layout, block + 1, adapter)

    def _embedded(self, ids: Tensor, layout: PackedLayout) -> Tensor:
        tokens, positions = layout.embedded(ids)
        x: Tensor = self.wte(tokens) + self.wpe(positions)
        return x

    def _pooled(self, x: Tensor, layout: PackedLayout, first: int, adapter: AdapterProtocol | None) -> Tensor:
        """The stream before block `first` to the final state at each post's last token."""
        final = len(self.blocks) - 1
        for index, block in enumerate(self._blocks()[first:], start=first):
            x = block.at_last(x, layout) if index == final else block(x, layout)
            if adapter is not None:
                x = adapter.after(index, x)
        pooled: Tensor = self.ln_f(x)
        return pooled

    def states(self, ids: Tensor, positions: Tensor | None = None, seen: Tensor | None = None) -> Tensor:
        """Token ids (batch, length) to the final state of every position, (batch, length, width).

        Where a row holds several posts, `positions` (batch, length) count within each, and `seen`, as in
        `causal_attention`, keeps each to itself."""
        batch, length = ids.shape
        places = self.wpe.weight[:length] if positions is None else self.wpe(positions)
        x = (self.wte(ids) + places).flatten(0, 1)
        layout = PackedLayout.full(batch, length, seen, ids.device)
        for block in self._blocks():
            x = block(x, layout)
        normed: Tensor = self.ln_f(x)
        return normed.view(batch, length, -1)

    def _blocks(self) -> Sequence[Block]:
        return cast(Sequence[Block], self.blocks)


def _names(config: GPT2Config) -> Iterator[tuple[str, str, bool]]:
    """(canonical name, our name, turned) of every tensor."""
    yield "wte.weight", "wte.weight", False
    yield "wpe.weight", "wpe.weight", False
    for layer in range(config.layers):
        for theirs, ours, turned in _PARTS:
            yield f"h.{layer}.{theirs}.weight", f"blocks.{layer}.{ours}.weight", turned
            yield f"h.{layer}.{theirs}.bias", f"blocks.{layer}.{ours}.bias", False
    yield "ln_f.weight", "ln_f.weight", False
    yield "ln_f.bias", "ln_f.bias", False
