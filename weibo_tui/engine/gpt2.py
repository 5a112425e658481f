"""The backbone: a compact GPT-2 that loads any Hugging Face GPT-2 checkpoint.

Pre-LayerNorm blocks, learned positions, causal self-attention (Radford et al. 2019, "Language Models are Unsupervised
Multitask Learners"). The tests compare it with transformers' `GPT2Model`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from weibo_tui.engine.attention import PackedLayout, attention_at, causal_attention
from weibo_tui.engine.config import GPT2Config
from weibo_tui.engine.int8_layers import Int8Linear
from weibo_tui.engine.layers import ACTIVATIONS, Embedding, LayerNorm, Linear, PackedLinear
from weibo_tui.errors import CorruptFileError
from weibo_tui.locale import gettext as _


class AdapterProtocol(Protocol):
    """Adapter as the backbone uses it: changes the residual stream after block `index`."""

    @property
    def drops_out(self) -> bool: ...

    def adapt(self, index: int, x: Tensor) -> Tensor: ...


class Block(nn.Module):
    """Transformer block. The residual stream is float32 or float64, matrix products have the dtype of the weights."""

    def __init__(self, config: GPT2Config, index: int) -> None:
        super().__init__()
        width = config.width
        self.heads = config.heads
        scale = (width // config.heads) ** -0.5 if config.scale_attention else 1.0
        self.scale = scale / (index + 1) if config.scale_by_layer else scale
        self.activation = config.activation
        self.ln_1 = LayerNorm(width, config.epsilon)
        self.attn_qkv: Linear | PackedLinear | Int8Linear = Linear(width, 3 * width)
        self.attn_out: Linear | PackedLinear = Linear(width, width)
        self.ln_2 = LayerNorm(width, config.epsilon)
        self.mlp_in: Linear | PackedLinear | Int8Linear = Linear(width, config.inner)
        self.mlp_out: Linear | PackedLinear | Int8Linear = Linear(config.inner, width)

    def forward(self, x: Tensor, layout: PackedLayout) -> Tensor:
        """Map packed rows (tokens, width) to the same shape."""
        return self.feed_forward(self.attend(x, layout))

    def attend(self, x: Tensor, layout: PackedLayout) -> Tensor:
        """Compute the first half of the block: packed rows (tokens, width), with attention added."""
        qkv = layout.pad(self.attn_qkv(_normalize(x, self.ln_1, self.attn_qkv)))
        attended = layout.unpad(causal_attention(qkv, self.heads, self.scale, layout.attn_mask))
        return _add(x, self.attn_out(attended))

    def forward_last_token(self, x: Tensor, layout: PackedLayout) -> Tensor:
        """Map packed rows (tokens, width) to the output at the rows `layout.last`, (rows, width).

        Keys and values are computed for all tokens, queries and the feed-forward layer for the last one."""
        posts = len(layout.lengths)
        q, kv = self.attn_qkv(_normalize(x, self.ln_1, self.attn_qkv)).split([x.shape[1], 2 * x.shape[1]], dim=1)
        attended = attention_at(
            q.index_select(0, layout.last[:posts]), layout.pad(kv), layout.lengths - 1, self.heads, self.scale
        )
        attended = F.pad(attended, (0, 0, 0, len(layout.last) - posts))
        return self.feed_forward(_add(x.index_select(0, layout.last), self.attn_out(attended)))

    def feed_forward(self, x: Tensor) -> Tensor:
        """Compute the second half of the block, (rows, width) to the same shape. Int8 layers overwrite `x`."""
        normed = _normalize(x, self.ln_2, self.mlp_in)
        if isinstance(self.mlp_in, nn.Linear) or (normed.requires_grad and torch.is_grad_enabled()):
            inner = ACTIVATIONS[self.activation](self.mlp_in(normed))
        else:
            inner = self.mlp_in(normed, self.activation)
        if isinstance(self.mlp_out, Int8Linear):
            return self.mlp_out.add_to(x, inner)
        return _add(x, self.mlp_out(inner))


def _normalize(x: Tensor, norm: LayerNorm, layer: Linear | PackedLinear | Int8Linear) -> Tensor:
    """Return the input of the layer that follows the norm."""
    normed: Tensor = norm(x)
    return normed if isinstance(layer, Int8Linear) else normed.to(layer.weight.dtype)


def _add(residual: Tensor, out: Tensor) -> Tensor:
    """Return the sum in the residual's dtype. `out`, a fresh product, may be overwritten."""
    return out.to(residual.dtype).add_(residual)


# Name in a Hugging Face block, name in Block, and whether the weight (in, out) must be transposed.
_BLOCK_NAMES = (
    ("ln_1", "ln_1", False),
    ("attn.c_attn", "attn_qkv", True),
    ("attn.c_proj", "attn_out", True),
    ("ln_2", "ln_2", False),
    ("mlp.c_fc", "mlp_in", True),
    ("mlp.c_proj", "mlp_out", True),
)


class GPT2(nn.Module):
    """GPT-2 without a language-model head (pretraining uses the token embedding as one)."""

    def __init__(self, config: GPT2Config) -> None:
        super().__init__()
        self.config = config
        self.wte = Embedding(config.vocabulary, config.width)
        self.wpe = Embedding(config.positions, config.width)
        self.blocks = nn.ModuleList(Block(config, index) for index in range(config.layers))
        self.ln_f = LayerNorm(config.width, config.epsilon)

    @classmethod
    def load(cls, config: GPT2Config, tensors: Mapping[str, Tensor]) -> GPT2:
        """Build a frozen backbone from tensors named as in `GPT2Config.tensors`.

        Raises CorruptFileError that names the first tensor that is missing, unknown or of another shape."""
        expected = dict(config.tensors())
        for name in sorted(expected.keys() ^ tensors.keys()):
            message = (
                _("Missing weight: {name}. Get the model from another source.")
                if name in expected
                else _(
                    "Unexpected weight {name}, which a GPT-2 of this size does not have. "
                    "Get the model from another source."
                )
            )
            raise CorruptFileError(message.format(name=name[:100]))
        for name, shape in expected.items():
            if tuple(tensors[name].shape) != shape:
                raise CorruptFileError(
                    _("Weight {name} has shape {found}; config.json needs {shape}.").format(
                        name=name, found=tuple(tensors[name].shape), shape=shape
                    )
                )
        with torch.device("meta"):
            model = cls(config)
        state = {
            ours: (tensors[theirs].float().t() if transposed else tensors[theirs].float()).contiguous()
            for theirs, ours, transposed in _names(config)
        }
        model.load_state_dict(state, strict=True, assign=True)
        return model.eval().requires_grad_(False)

    def to_hf_state_dict(self) -> dict[str, Tensor]:
        """Return the weights named and oriented as in `GPT2Config.tensors`, in float32 on the CPU."""
        state = self.state_dict()
        return {
            theirs: (state[ours].t() if transposed else state[ours]).detach().float().cpu().contiguous()
            for theirs, ours, transposed in _names(self.config)
        }

    def set_compute_dtype(self, dtype: torch.dtype) -> GPT2:
        """Use `dtype` for matrix products, in place. With bfloat16, embeddings, norms and residual stay float32."""
        self.to(torch.float32 if dtype == torch.bfloat16 else dtype)
        if dtype == torch.bfloat16:
            for module in self.modules():
                if isinstance(module, nn.Linear):
                    module.to(dtype)
        return self

    def pack(self) -> GPT2:
        """Pack the frozen weights, in place, where it is faster. The model then keeps its device and dtype."""
        for block in self._blocks():
            for name, linear in block.named_children():
                if isinstance(linear, nn.Linear) and PackedLinear.fits(linear):
                    setattr(block, name, PackedLinear(linear))
        return self

    @property
    def device(self) -> torch.device:
        """Device of the weights."""
        return self.wte.weight.device

    def forward(self, ids: Tensor, lengths: Tensor, adapter: AdapterProtocol | None = None) -> Tensor:
        """Map right-padded token ids (batch, length) and lengths (batch,) to the final state at each post's last token,
        (batch, width)."""
        ids = ids[:, : self.config.positions]  # the rest, if any, is padding
        layout = PackedLayout.for_posts(ids, lengths, drops_out=adapter is not None and adapter.drops_out)
        return self._last_states(self.embed(ids, layout), layout, 0, adapter)

    def forward_lower(self, ids: Tensor, lengths: Tensor, block: int) -> Tensor:
        """Compute the packed stream after block `block`, (tokens, width), before any adapter changes it."""
        layout = PackedLayout.ragged(lengths)
        x = self.embed(ids, layout)
        for lower in self._blocks()[: block + 1]:
            x = lower(x, layout)
        return x[: int(lengths.sum())]

    def forward_upper(self, rows: Tensor, lengths: Tensor, block: int, adapter: AdapterProtocol) -> Tensor:
        """Continue `forward` from the result of `forward_lower`, (tokens, width), to (batch, width)."""
        layout = PackedLayout.ragged(lengths, drops_out=adapter.drops_out)
        filled = F.pad(rows, (0, 0, 0, layout.tokens - len(rows)))
        return self._last_states(adapter.adapt(block, filled), layout, block + 1, adapter)

    def embed(self, ids: Tensor, layout: PackedLayout) -> Tensor:
        """Map right-padded token ids (batch, length) to packed rows (tokens, width)."""
        tokens, positions = layout.pack_ids(ids)
        x: Tensor = self.wte(tokens) + self.wpe(positions)
        return x

    def _last_states(self, x: Tensor, layout: PackedLayout, first: int, adapter: AdapterProtocol | None) -> Tensor:
        """Map the stream before block `first` to the final state at each post's last token."""
        final = len(self.blocks) - 1
        for index, block in enumerate(self._blocks()[first:], start=first):
            x = block.forward_last_token(x, layout) if index == final else block(x, layout)
            if adapter is not None:
                x = adapter.adapt(index, x)
        states: Tensor = self.ln_f(x[: len(layout.lengths)])
        return states

    def hidden_states(
        self,
        ids: Tensor,
        positions: Tensor | None = None,
        attn_mask: Tensor | None = None,
        adapter: AdapterProtocol | None = None,
    ) -> Tensor:
        """Map token ids (batch, length) to the final state of every position, (batch, length, width).

        If a row holds several posts, `positions` (batch, length) count within each post and `attn_mask`, as in
        `causal_attention`, separates them."""
        batch, length = ids.shape
        embedded = self.wpe.weight[:length] if positions is None else self.wpe(positions)
        x = (self.wte(ids) + embedded).flatten(0, 1)
        layout = PackedLayout.uniform(batch, length, attn_mask, ids.device)
        for index, block in enumerate(self._blocks()):
            x = block(x, layout)
            if adapter is not None:
                x = adapter.adapt(index, x)
        normed: Tensor = self.ln_f(x)
        return normed.view(batch, length, -1)

    def _blocks(self) -> Sequence[Block]:
        return cast(Sequence[Block], self.blocks)


def _names(config: GPT2Config) -> Iterator[tuple[str, str, bool]]:
    """Yield (Hugging Face name, our name, whether transposed) of every tensor."""
    yield "wte.weight", "wte.weight", False
    yield "wpe.weight", "wpe.weight", False
    for layer in range(config.layers):
        for theirs, ours, transposed in _BLOCK_NAMES:
            yield f"h.{layer}.{theirs}.weight", f"blocks.{layer}.{ours}.weight", transposed
            yield f"h.{layer}.{theirs}.bias", f"blocks.{layer}.{ours}.bias", False
    yield "ln_f.weight", "ln_f.weight", False
    yield "ln_f.bias", "ln_f.bias", False
