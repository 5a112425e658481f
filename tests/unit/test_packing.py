"""Posts laid end to end in windows, each kept to itself."""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby

import models
import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from weibo_tui.engine.attention import causal_attention, split_heads
from weibo_tui.engine.packing import drop_tokens, pack

ROWS = st.lists(st.lists(st.integers(0, 99), min_size=1, max_size=9), max_size=40)
BODIES = st.lists(st.tuples(st.lists(st.integers(2, 9), max_size=6), st.booleans()), max_size=12)


@given(ROWS, st.integers(1, 20))
def test_windows_begin_with_a_post_and_hold_posts_end_to_end(rows: list[list[int]], context: int) -> None:
    windows = pack(models.encoded(rows), context)
    assert windows.ids.shape == windows.posts.shape == (len(windows), context + 1)
    waiting = iter(enumerate(rows))
    for ids, posts in zip(windows.ids.tolist(), windows.posts.tolist(), strict=True):
        text: list[int] = []
        of_post: list[int] = []
        while len(text) <= context:
            index, row = next(waiting)
            text += row
            of_post += [index] * len(row)
        assert ids == text[: context + 1]
        assert posts == of_post[: context + 1]
    assert sum(len(row) for _index, row in waiting) <= context  # too little for one more


@given(ROWS, st.integers(1, 20))
def test_each_post_is_counted_from_zero_and_sees_itself_up_to_each_id(rows: list[list[int]], context: int) -> None:
    windows = pack(models.encoded(rows), context)
    positions, seen = windows.positions(), windows.attn_mask(models.CPU)
    assert positions.shape == (len(windows), context)
    assert seen.shape == (len(windows), 1, context, context)
    for window, posts in enumerate(windows.posts[:, :-1].tolist()):
        lengths = [len(list(group)) for _post, group in groupby(posts)]
        assert positions[window].tolist() == [place for length in lengths for place in range(length)]
        blocks = torch.block_diag(*(torch.ones(length, length).tril() for length in lengths))
        assert torch.equal(seen[window, 0], blocks.bool())


def test_windows_are_taken_in_the_order_asked_for() -> None:
    windows = pack(models.encoded([[1, 2, 3], [4, 5, 6], [7, 8, 9]]), 2)
    taken = windows.take(np.array([2, 0]))
    assert taken.ids.tolist() == [[7, 8, 9], [1, 2, 3]]
    assert taken.posts.tolist() == [[2, 2, 2], [0, 0, 0]]
    assert windows.take(slice(1, 9)).ids.tolist() == [[4, 5, 6], [7, 8, 9]]


@given(BODIES, st.sets(st.integers(2, 9)))
def test_marks_go_from_the_chosen_posts_only_and_never_leave_one_empty(
    num_content_tokens: list[tuple[list[int], bool]], marked: set[int]
) -> None:
    framed = [[0, *body, 1] for body, _chosen in num_content_tokens]
    posts = replace(
        models.encoded(framed),
        num_content_tokens=np.array([len(body) for body, _chosen in num_content_tokens], np.int32),
    )
    marks = np.isin(np.arange(10), list(marked))
    left = drop_tokens(posts, marks, np.array([chosen for _body, chosen in num_content_tokens], bool))
    expected = [
        [index for index in body if index not in marked] if chosen and set(body) - marked else body
        for body, chosen in num_content_tokens
    ]
    found = [left.ids[start:end].tolist() for start, end in zip(left.starts[:-1], left.starts[1:], strict=True)]
    assert found == [[0, *body, 1] for body in expected]
    assert left.num_content_tokens.tolist() == [len(body) for body in expected]
    assert left.starts[0] == 0
    assert [str(array.dtype) for array in (left.ids, left.starts, left.num_content_tokens)] == [
        "int32",
        "int64",
        "int32",
    ]


def test_post_in_a_window_has_the_states_that_it_has_alone() -> None:
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
                places = np.flatnonzero(posts == post)
                alone = backbone.hidden_states(torch.tensor([rows[post]]))[0, : len(places)]
                assert (states[window, places] - alone).abs().max() < 1e-9


def test_attention_in_bfloat16_keeps_posts_apart_as_well() -> None:
    """It goes another way on CPUs."""
    seen = pack(models.encoded([[1] * length for length in (5, 3, 8)]), 15).attn_mask(models.CPU)
    draw = torch.Generator().manual_seed(0)
    low = torch.randn(1, 15, 48, generator=draw).bfloat16()
    q, k, v = split_heads(low.float(), 2)
    for mask in (None, seen):
        found = causal_attention(low, 2, 0.5, mask)
        allowed = torch.ones(15, 15).tril().bool() if mask is None else mask
        expected = (q @ k.transpose(-1, -2) * 0.5).masked_fill(~allowed, float("-inf")).softmax(-1) @ v
        assert (found.float() - expected.transpose(1, 2).flatten(2)).abs().max() < 0.03
