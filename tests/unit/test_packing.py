"""Windows of packed posts, each separate from the others."""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby

import models
import numpy as np
import torch
from engine_helpers import rows_of
from hypothesis import given, settings
from hypothesis import strategies as st

from weibo_tui.engine.attention import PackedLayout, causal_attention, split_heads
from weibo_tui.engine.packing import drop_tokens, pack

ROWS = st.lists(st.lists(st.integers(0, 99), min_size=1, max_size=9), max_size=40)
CONTENTS = st.lists(st.tuples(st.lists(st.integers(2, 9), max_size=6), st.booleans()), max_size=12)


@given(ROWS, st.integers(1, 20))
@settings(max_examples=30)
def test_pack_windows_begin_with_a_post(rows: list[list[int]], context: int) -> None:
    windows = pack(models.encoded(rows), context)
    assert windows.ids.shape == windows.posts.shape == (len(windows), context + 1)
    remaining = iter(enumerate(rows))
    for ids, posts in zip(windows.ids.tolist(), windows.posts.tolist(), strict=True):
        text: list[int] = []
        of_post: list[int] = []
        while len(text) <= context:
            index, row = next(remaining)
            text += row
            of_post += [index] * len(row)
        assert ids == text[: context + 1]
        assert posts == of_post[: context + 1]
    assert sum(len(row) for _index, row in remaining) <= context  # too little for one more


@given(ROWS, st.integers(1, 20))
@settings(max_examples=30)
def test_window_positions_and_mask_restart_with_each_post(rows: list[list[int]], context: int) -> None:
    windows = pack(models.encoded(rows), context)
    positions, mask = windows.positions(), windows.attn_mask(models.CPU)
    assert positions.shape == (len(windows), context)
    assert mask.shape == (len(windows), 1, context, context)
    for window, posts in enumerate(windows.posts[:, :-1].tolist()):
        lengths = [len(list(group)) for _post, group in groupby(posts)]
        assert positions[window].tolist() == [place for length in lengths for place in range(length)]
        blocks = torch.block_diag(*(torch.ones(length, length).tril() for length in lengths))
        assert torch.equal(mask[window, 0], blocks.bool())


def test_windows_take_keeps_order() -> None:
    windows = pack(models.encoded([[1, 2, 3], [4, 5, 6], [7, 8, 9]]), 2)
    taken = windows.take(np.array([2, 0]))
    assert taken.ids.tolist() == [[7, 8, 9], [1, 2, 3]]
    assert taken.posts.tolist() == [[2, 2, 2], [0, 0, 0]]
    assert windows.take(slice(1, 9)).ids.tolist() == [[4, 5, 6], [7, 8, 9]]


@given(CONTENTS, st.sets(st.integers(2, 9)))
@settings(max_examples=40)
def test_drop_tokens_leaves_no_post_empty(contents: list[tuple[list[int], bool]], dropped: set[int]) -> None:
    lengths = np.array([len(content) for content, _selected in contents], np.int32)
    posts = replace(models.encoded([[0, *content, 1] for content, _selected in contents]), num_content_tokens=lengths)
    selected = np.array([selected for _content, selected in contents], bool)
    remaining = drop_tokens(posts, np.isin(np.arange(10), list(dropped)), selected)
    expected = [
        [index for index in content if index not in dropped] if selected and set(content) - dropped else content
        for content, selected in contents
    ]
    assert rows_of(remaining) == [[0, *content, 1] for content in expected]
    assert remaining.num_content_tokens.tolist() == [len(content) for content in expected]
    arrays = (remaining.ids, remaining.starts, remaining.num_content_tokens)
    assert [str(array.dtype) for array in arrays] == ["int32", "int64", "int32"]


def test_states_in_window_equal_states_alone() -> None:
    backbone = models.backbone_of(models.reference(), torch.float64)
    rows = models.ragged(40, 12)
    windows = pack(models.encoded(rows), 20)
    assert len(windows) > 8
    with torch.no_grad():
        states = backbone.hidden_states(
            torch.from_numpy(windows.ids[:, :-1]), torch.from_numpy(windows.positions()), windows.attn_mask(models.CPU)
        )
        for window, posts in enumerate(windows.posts[:, :-1]):
            for post in np.unique(posts).tolist():
                columns = np.flatnonzero(posts == post)
                alone = backbone.hidden_states(torch.tensor([rows[post]]))[0, : len(columns)]
                assert (states[window, columns] - alone).abs().max() < 1e-9


def test_bfloat16_attention_applies_mask() -> None:
    """On CPUs bfloat16 has its own kernel."""
    within_posts = pack(models.encoded([[1] * length for length in (5, 3, 8)]), 15).attn_mask(models.CPU)
    low = torch.randn(1, 15, 48, generator=torch.Generator().manual_seed(0)).bfloat16()
    q, k, v = split_heads(low.float(), 2)
    for mask in (None, within_posts):
        allowed = torch.ones(15, 15).tril().bool() if mask is None else mask
        expected = (q @ k.transpose(-1, -2) * 0.5).masked_fill(~allowed, float("-inf")).softmax(-1) @ v
        result = causal_attention(low, 2, 0.5, mask)
        assert (result.float() - expected.transpose(1, 2).flatten(2)).abs().max() < 0.03


def test_dropout_keeps_the_rows_of_earlier_versions() -> None:
    lengths = torch.tensor([3, 5, 9, 20, 40])
    layout = PackedLayout.ragged(lengths, drops_out=True)  # the masks of a resumed run depend on them
    assert (layout.tokens, len(layout.last)) == (80, 5)
    assert PackedLayout.ragged(lengths).tokens == 128
