"""Causal attention over packed posts, by the fastest kernel of each device.

This is `scaled_dot_product_attention`, except for trainings in bf16 on CPUs. There it is three plain products (scores,
softmax, values), because the backward pass of torch's fused kernel takes five times as long at 56 tokens.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

# oneDNN creates and keeps a kernel of a megabyte for each new number of rows, so numbers of rows are rounded up to a
# multiple of a step.
ROW_STEP = 64
"""Step of the tokens of a batch."""
SMALL_BATCH, SMALL_ROW_STEP = 256, 16
"""Tokens of a small batch, and its step in a prediction."""
FEW_POSTS, LAST_STEP = 4, 16
"""Step of the last tokens, of more posts than a few."""
LENGTH_STEP = 8
"""Step of the length that attention sees."""


def round_up(size: int, step: int) -> int:
    """Return the smallest multiple of `step` that is not below `size`."""
    return -(-size // step) * step


@dataclass(frozen=True, slots=True)
class PackedLayout:
    """Index maps between packed posts, (tokens, width) without padding, and padded ones, (batch, length, width).

    Only attention needs padded posts.

    tokens: packed rows, some of them filling at the end; length: of the padded posts; lengths: (batch,) of the posts;
    last: packed row of each post's last token, with any rows as filling at the end; attn_mask: as in
    `causal_attention`; padded_index: (real tokens,) place in (batch * length) of each packed row; packed_index:
    (batch * length,) the packed row of each place, any row for padding. Rows that are padded already need neither of
    the last two."""

    tokens: int
    length: int
    lengths: Tensor
    last: Tensor
    attn_mask: Tensor | None = None
    padded_index: Tensor | None = None
    packed_index: Tensor | None = None

    @classmethod
    def for_posts(cls, ids: Tensor, lengths: Tensor, *, drops_out: bool = False) -> PackedLayout:
        """Return the layout of right-padded ids (batch, length) of posts of these lengths, (batch,).

        A CPU computes nothing on padding. On a card this would need more kernels and, for the number of tokens, a wait
        for all work before. Both take longer than the padding of posts of similar length."""
        if ids.device.type == "cpu":
            return cls.ragged(lengths, drops_out=drops_out)
        return cls.padded(lengths, ids.shape[1])

    @classmethod
    def ragged(cls, lengths: Tensor, *, drops_out: bool = False) -> PackedLayout:
        """Return the layout of posts of these lengths, (batch,), on their device.

        Masks of dropout are drawn for filling too. Trainings that have any keep the rows of earlier versions, so that
        their runs resume with the same masks."""
        ends = lengths.cumsum(0)
        real, longest = int(ends[-1]), int(lengths.max())
        is_small = real <= SMALL_BATCH and (drops_out or not torch.is_grad_enabled())
        has_few_last = len(lengths) <= FEW_POSTS or drops_out
        num_last = len(lengths) if has_few_last else round_up(len(lengths), LAST_STEP)
        length = round_up(longest, LENGTH_STEP)
        starts = (ends - lengths)[:, None]
        column = torch.arange(length, device=lengths.device)
        inside = column < lengths[:, None]
        return cls(
            tokens=round_up(real, SMALL_ROW_STEP if is_small else ROW_STEP),
            length=length,
            lengths=lengths,
            last=F.pad(ends - 1, (0, num_last - len(lengths))),
            padded_index=inside.flatten().nonzero().squeeze(1),
            packed_index=torch.where(inside, starts + column, 0).flatten(),
        )

    @classmethod
    def padded(cls, lengths: Tensor, length: int, attn_mask: Tensor | None = None) -> PackedLayout:
        """Return the layout of posts that keep their padding to `length`.

        Padding needs no mask: no token attends to one after it."""
        starts = torch.arange(0, len(lengths) * length, length, device=lengths.device)
        return cls(len(lengths) * length, length, lengths, starts + lengths - 1, attn_mask)

    @classmethod
    def uniform(cls, batch: int, length: int, attn_mask: Tensor | None, device: torch.device) -> PackedLayout:
        """Return the layout of `batch` posts of the same length."""
        return cls.padded(torch.full((batch,), length, device=device), length, attn_mask)

    def pack_ids(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        """Return packed ids and their positions, (tokens,) each, of right-padded ids (batch, length)."""
        if self.padded_index is None:
            return ids.flatten(), torch.arange(self.length, device=ids.device).repeat(len(ids))
        post, position = self.padded_index // self.length, self.padded_index % self.length
        filling = (0, self.tokens - len(self.padded_index))
        return F.pad(ids[post, position], filling), F.pad(position, filling)

    def pad(self, x: Tensor) -> Tensor:
        """Map (tokens, width) to (batch, length, width) with arbitrary values in the padding."""
        if self.packed_index is not None:
            x = _Pad.apply(x, self)  # type: ignore[no-untyped-call]
        return x.view(len(self.lengths), self.length, -1)

    def unpad(self, x: Tensor) -> Tensor:
        """Map (batch, length, width) to (tokens, width) with zeros in the filling."""
        x = x.flatten(0, 1)
        return x if self.padded_index is None else _Unpad.apply(x, self)  # type: ignore[no-untyped-call]


class _Pad(torch.autograd.Function):
    """`PackedLayout.pad`. Padding has no effect on the result, so its gradient is ignored."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, layout: PackedLayout) -> Tensor:
        ctx.layout = layout
        padded: Tensor = x.index_select(0, layout.packed_index)  # type: ignore[arg-type]
        return padded

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return _unpad(gradient, ctx.layout), None


class _Unpad(torch.autograd.Function):
    """`PackedLayout.unpad`."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, layout: PackedLayout) -> Tensor:
        ctx.layout = layout
        return _unpad(x, layout)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        layout = ctx.layout
        real = len(layout.padded_index)
        padded = gradient.new_zeros(len(layout.packed_index), gradient.shape[1])
        return padded.index_copy_(0, layout.padded_index, gradient[:real]), None


def _unpad(x: Tensor, layout: PackedLayout) -> Tensor:
    assert layout.padded_index is not None
    rows = x.new_empty(layout.tokens, x.shape[1])
    real = len(layout.padded_index)
    torch.index_select(x, 0, layout.padded_index, out=rows[:real])
    rows[real:] = 0
    return rows


def causal_attention(qkv: Tensor, heads: int, scale: float, attn_mask: Tensor | None = None) -> Tensor:
    """Map concatenated queries, keys and values (batch, length, 3 width) to attention outputs (batch, length, width).

    `attn_mask` (batch, 1, length, length) is true where a query (row) may attend to a key (column); without it each
    token attends to itself and all before it."""
    trained = qkv.requires_grad and torch.is_grad_enabled()
    if trained and qkv.device.type == "cpu" and qkv.dtype == torch.bfloat16:
        attended: Tensor = _PlainAttention.apply(qkv, heads, scale, attn_mask)  # type: ignore[no-untyped-call]
        return attended
    q, k, v = split_heads(qkv, heads)
    out = F.scaled_dot_product_attention(q, k, v, attn_mask=attn_mask, is_causal=attn_mask is None, scale=scale)
    return _merge_heads(out[None])


def attention_at(q: Tensor, kv: Tensor, positions: Tensor, heads: int, scale: float) -> Tensor:
    """Compute causal attention for one query a post, (batch, width), at `positions` (batch,).

    `kv` are concatenated keys and values, (batch, length, 2 width)."""
    k, v = split_heads(kv, heads, 2)
    scores = q.view(len(q), heads, 1, -1) @ k.transpose(2, 3) * scale
    masked = torch.arange(kv.shape[1], device=q.device) > positions.view(-1, 1, 1, 1)
    attended: Tensor = scores.masked_fill(masked, float("-inf")).softmax(-1) @ v
    return attended.flatten(1)


def split_heads(x: Tensor, heads: int, parts: int = 3) -> Tensor:
    """View (batch, length, parts width) as (parts, batch, heads, length, size)."""
    batch, length, width = x.shape
    return x.view(batch, length, parts, heads, width // parts // heads).permute(2, 0, 3, 1, 4)


def _merge_heads(split: Tensor) -> Tensor:
    """Undo `split_heads`."""
    return split.permute(1, 3, 0, 2, 4).flatten(2)


class _PlainAttention(torch.autograd.Function):
    """softmax(scale Q K^T + mask) V and its gradients, with as few copies as possible."""

    @staticmethod
    def forward(ctx: Any, qkv: Tensor, heads: int, scale: float, attn_mask: Tensor | None) -> Tensor:
        # (3, batch * heads, length, size), so that all products are batched matrix products
        split = split_heads(qkv, heads).flatten(1, 2).contiguous()
        q, k, v = split
        probabilities = torch.baddbmm(_score_mask(qkv, heads, attn_mask), q, k.transpose(1, 2), alpha=scale).softmax(-1)
        ctx.save_for_backward(split, probabilities)
        ctx.heads, ctx.scale = heads, scale
        return _merge_heads(torch.bmm(probabilities, v).view(1, len(qkv), heads, qkv.shape[1], -1))

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        split, probabilities = ctx.saved_tensors
        q, k, v = split
        grad_values = split_heads(gradient, ctx.heads, 1).flatten(0, 2)
        grad_split = torch.empty_like(split)
        torch.bmm(probabilities.transpose(1, 2), grad_values, out=grad_split[2])
        grad_probabilities = torch.bmm(grad_values, v.transpose(1, 2))
        grad_scores = torch._softmax_backward_data(grad_probabilities, probabilities, -1, probabilities.dtype)
        grad_scores *= ctx.scale
        torch.bmm(grad_scores, k, out=grad_split[0])
        torch.bmm(grad_scores.transpose(1, 2), q, out=grad_split[1])
        return _merge_heads(grad_split.view(3, len(gradient), ctx.heads, *split.shape[2:])), None, None, None


def _score_mask(qkv: Tensor, heads: int, attn_mask: Tensor | None) -> Tensor:
    """Return the additive mask, minus infinity where a key is masked, (batch * heads or 1, length, length)."""
    length = qkv.shape[1]
    if attn_mask is None:
        return qkv.new_full((1, length, length), float("-inf")).triu(1)
    mask = torch.zeros_like(attn_mask, dtype=qkv.dtype).masked_fill_(~attn_mask, float("-inf"))
    return mask.expand(-1, heads, -1, -1).flatten(0, 1)
