"""Backbones whose products are in int8, for predictions.

The scales come from a few texts that the backbone reads once. What does not become accurate enough stays as it is, and
so does attention's output product: rounding its inputs would take the time that int8 saves.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from weibo_tui.engine.attention import PackedLayout
from weibo_tui.engine.gpt2 import GPT2, Block
from weibo_tui.engine.int8_layers import Int8Linear, Levels, fold_scales, is_accurate
from weibo_tui.engine.layers import ACTIVATIONS


@torch.inference_mode()
def quantize_backbone(backbone: GPT2, ids: Tensor, lengths: Tensor) -> None:
    """Replace products by int8 ones, in place.

    `ids` (batch, length), right-padded, are typical texts, of `lengths` (batch,)."""
    layout = PackedLayout.ragged(lengths)
    x = backbone.embed(ids, layout)
    for block in backbone.blocks:
        x = _quantize_block(cast(Block, block), x, layout)


def _quantize_block(block: Block, x: Tensor, layout: PackedLayout) -> Tensor:
    """Replace the products of a block, in place, and return its output before that, for the next block.

    `x` are packed rows (tokens, width)."""
    tokens = int(layout.lengths.sum())  # without the filling
    middle = block.attend(x, layout)
    output = block.feed_forward(middle.clone())
    _quantize_attention(block, x[:tokens])
    _quantize_feed_forward(block, middle[:tokens])
    return output


def _quantize_attention(block: Block, x: Tensor) -> None:
    assert isinstance(block.attn_qkv, nn.Linear)
    dtype = block.attn_qkv.weight.dtype
    norm, qkv = fold_scales(block.ln_1, block.attn_qkv, block.ln_1(x), dtype)
    if is_accurate(qkv(norm(x)), block.attn_qkv(block.ln_1(x).to(dtype))):
        block.ln_1, block.attn_qkv = norm, qkv


def _quantize_feed_forward(block: Block, x: Tensor) -> None:
    mlp_in, mlp_out = block.mlp_in, block.mlp_out
    assert isinstance(mlp_in, nn.Linear)
    assert isinstance(mlp_out, nn.Linear)
    dtype = mlp_in.weight.dtype
    inner = ACTIVATIONS[block.activation](mlp_in(block.ln_2(x).to(dtype)))
    levels = Levels.covering(inner)
    norm, quantized_in = fold_scales(block.ln_2, mlp_in, block.ln_2(x), levels)
    quantized_out = Int8Linear(mlp_out.weight.float(), mlp_out.bias.float(), levels, dtype)
    if is_accurate(quantized_out(quantized_in(norm(x), block.activation)), mlp_out(inner)):
        block.ln_2, block.mlp_in, block.mlp_out = norm, quantized_in, quantized_out
