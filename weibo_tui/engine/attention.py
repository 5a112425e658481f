"""Causal attention over posts that lie end to end, by the kernel that is quickest where it runs.

On CPUs that is, in bf16, three plain products (scores, softmax, values): torch's fused kernel is made for long texts,
and its backward took five times as long at 56 tokens. Elsewhere it is `scaled_dot_product_attention`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

# A batch is filled up to a multiple of these, the smaller one up to SMALL tokens: oneDNN makes and keeps a kernel of a
# megabyte for each new number of rows. So are the lengths that attention sees, for its products' sake.
STEP_OF_SMALL, SMALL, STEP, LENGTH_STEP = 16, 256, 64, 8


@dataclass(frozen=True, slots=True)
class PackedLayout:
    """Posts end to end, without padding between them: only attention lays them side by side, all else works on rows.

    tokens: rows of the batch, some at the end of no post; length: how long the longest post is taken to be; lengths:
    (batch,) of the posts; last: (batch,) the row of each post's last token; seen: as in `causal_attention`; places:
    (real,) where the token of each real row stands when the posts lie side by side, in (batch length); rows: (batch
    length,) the row at each such place, any row where a place is empty. The last two are None where no place is."""

    tokens: int
    length: int
    lengths: Tensor
    last: Tensor
    seen: Tensor | None = None
    places: Tensor | None = None
    rows: Tensor | None = None

    @classmethod
    def ragged(cls, lengths: Tensor) -> PackedLayout:
        """Posts of these lengths, (batch,), on their device."""
        ends = lengths.cumsum(0)
        real, longest = int(ends[-1]), int(lengths.max())
        step = STEP_OF_SMALL if real <= SMALL else STEP
        length = -(-longest // LENGTH_STEP) * LENGTH_STEP
        starts = (ends - lengths)[:, None]
        column = torch.arange(length, device=lengths.device)
        inside = column < lengths[:, None]
        return cls(
            tokens=-(-real // step) * step,
            length=length,
            lengths=lengths,
            last=ends - 1,
            places=inside.flatten().nonzero().squeeze(1),
            rows=torch.where(inside, starts + column, 0).flatten(),
        )

    @classmethod
    def full(cls, batch: int, length: int, seen: Tensor | None, device: torch.device) -> PackedLayout:
        """So many posts of one length."""
        lengths = torch.full((batch,), length, device=device)
        return cls(batch * length, length, lengths, lengths.cumsum(0) - 1, seen)

    def embedded(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        """Ids (batch, at least the longest), right-padded, to those of the rows and their positions, (tokens,) each."""
        assert self.places is not None
        post, position = self.places // self.length, self.places % self.length
        filling = (0, self.tokens - len(self.places))
        return F.pad(ids[post, position], filling), F.pad(position, filling)

    def side_by_side(self, x: Tensor) -> Tensor:
        """Rows (tokens, width) to (batch, length, width); what stands in empty places means nothing."""
        if self.rows is not None:
            x = _Pad.apply(x, self)  # type: ignore[no-untyped-call]
        return x.view(len(self.lengths), self.length, -1)

    def end_to_end(self, x: Tensor) -> Tensor:
        """(batch, length, width) back to rows (tokens, width), zeros where no post is."""
        x = x.flatten(0, 1)
        return x if self.places is None else _Unpad.apply(x, self)  # type: ignore[no-untyped-call]


class _Pad(torch.autograd.Function):
    """Rows to places. What is in empty ones comes to nothing, so neither does their gradient count."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, layout: PackedLayout) -> Tensor:
        ctx.layout = layout
        rows: Tensor = x.index_select(0, layout.rows)  # type: ignore[arg-type]
        return rows

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return _to_rows(gradient, ctx.layout), None


class _Unpad(torch.autograd.Function):
    """Places to rows."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, layout: PackedLayout) -> Tensor:
        ctx.layout = layout
        return _to_rows(x, layout)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        layout = ctx.layout
        real = len(layout.places)
        of_places = gradient.new_zeros(len(layout.rows), gradient.shape[1])
        return of_places.index_copy_(0, layout.places, gradient[:real]), None


def _to_rows(x: Tensor, layout: PackedLayout) -> Tensor:
    assert layout.places is not None
    rows = x.new_empty(layout.tokens, x.shape[1])
    real = len(layout.places)
    torch.index_select(x, 0, layout.places, out=rows[:real])
    rows[real:] = 0
    return rows


def causal_attention(qkv: Tensor, heads: int, scale: float, seen: Tensor | None = None) -> Tensor:
    """Queries, keys and values side by side, (batch, length, 3 width), to what is attended to, (batch, length, width).

    `seen` (batch, 1, length, length) is true where the token of a row may look at that of a column; without it that is
    every token up to its own."""
    if qkv.device.type == "cpu" and qkv.dtype == torch.bfloat16:
        attended: Tensor = _PlainAttention.apply(qkv, heads, scale, seen)  # type: ignore[no-untyped-call]
        return attended
    q, k, v = split_heads(qkv, heads)
    return _beside(F.scaled_dot_product_attention(q, k, v, attn_mask=seen, is_causal=seen is None, scale=scale)[None])


def attention_at(q: Tensor, kv: Tensor, positions: Tensor, heads: int, scale: float) -> Tensor:
    """The same for one token a post: queries (batch, width) at `positions` (batch,), keys and values side by side
    (batch, length, 2 width), to (batch, width)."""
    k, v = split_heads(kv, heads, 2)
    scores = q.view(len(q), heads, 1, -1) @ k.transpose(2, 3) * scale
    hidden = torch.arange(kv.shape[1], device=q.device) > positions.view(-1, 1, 1, 1)
    attended: Tensor = scores.masked_fill(hidden, float("-inf")).softmax(-1) @ v
    return attended.flatten(1)


def split_heads(x: Tensor, heads: int, parts: int = 3) -> Tensor:
    """(batch, length, parts width) to (parts, batch, heads, length, size), a view."""
    batch, length, width = x.shape
    return x.view(batch, length, parts, heads, width // parts // heads).permute(2, 0, 3, 1, 4)


def _beside(split: Tensor) -> Tensor:
    """(parts, batch, heads, length, size) to (batch, length, parts width): `split_heads` undone."""
    return split.permute(1, 3, 0, 2, 4).flatten(2)


class _PlainAttention(torch.autograd.Function):
    """softmax(scale Q K^T + mask) V and its gradients, with no copy but those that the products need."""

    @staticmethod
    def forward(ctx: Any, qkv: Tensor, heads: int, scale: float, seen: Tensor | None) -> Tensor:
        # (3, batch heads, length, size): all products below are over one stack of matrices.
        split = split_heads(qkv, heads).flatten(1, 2).contiguous()
        q, k, v = split
        probabilities = torch.baddbmm(_hidden(qkv, heads, seen), q, k.transpose(1, 2), alpha=scale).softmax(-1)
        ctx.save_for_backward(split, probabilities)
        ctx.heads, ctx.scale = heads, scale
        return _beside(torch.bmm(probabilities, v).view(1, len(qkv), heads, qkv.shape[1], -1))

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        split, probabilities = ctx.saved_tensors
        q, k, v = split
        of_values = split_heads(gradient, ctx.heads, 1).flatten(0, 2)
        of_split = torch.empty_like(split)
        torch.bmm(probabilities.transpose(1, 2), of_values, out=of_split[2])
        of_probabilities = torch.bmm(of_values, v.transpose(1, 2))
        of_scores = torch._softmax_backward_data(of_probabilities, probabilities, -1, probabilities.dtype)
        of_scores *= ctx.scale
        torch.bmm(of_scores, k, out=of_split[0])
        torch.bmm(of_scores.transpose(1, 2), q, out=of_split[1])
        return _beside(of_split.view(3, len(gradient), ctx.heads, *split.shape[2:])), None, None, None


def _hidden(qkv: Tensor, heads: int, seen: Tensor | None) -> Tensor:
    """What is added to the scores: minus infinity where a token may not look, (batch heads or 1, length, length)."""
    length = qkv.shape[1]
    if seen is None:
        return qkv.new_full((1, length, length), float("-inf")).triu(1)
    hidden = torch.zeros_like(seen, dtype=qkv.dtype).masked_fill_(~seen, float("-inf"))
    return hidden.expand(-1, heads, -1, -1).flatten(0, 1)
