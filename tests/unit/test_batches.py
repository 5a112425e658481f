"""Batches: every post once, within the token budget, the same for the same seed."""

from __future__ import annotations

import models
import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from weibo_tui.engine.attention import LENGTH_STEP, PackedLayout, round_up
from weibo_tui.engine.batches import micro_batches, pad, training_steps

LENGTHS = st.lists(st.integers(1, 200), min_size=1, max_size=300).map(lambda result: np.array(result, np.int64))


@given(LENGTHS, st.integers(1, 40), st.integers(0, 5), st.integers(1, 3))
@settings(max_examples=30)
def test_training_steps_have_every_post_once(lengths: np.ndarray, posts: int, seed: int, epoch: int) -> None:
    steps = training_steps(lengths, posts, seed, epoch)
    assert sorted(np.concatenate(steps)) == list(range(len(lengths)))
    assert len(steps) == -(-len(lengths) // posts)
    assert sum(len(step) != posts for step in steps) <= 1
    again = training_steps(lengths, posts, seed, epoch)
    assert [step.tolist() for step in steps] == [step.tolist() for step in again]


def test_training_steps_differ_by_epoch_and_seed() -> None:
    lengths = np.arange(1, 1001)
    orders = [np.concatenate(training_steps(lengths, 10, seed, epoch)) for seed, epoch in [(0, 1), (0, 2), (1, 1)]]
    assert not np.array_equal(orders[0], orders[1])
    assert not np.array_equal(orders[0], orders[2])
    longest = [lengths[step].max() for step in training_steps(lengths, 10, 0, 1)]
    assert abs(np.corrcoef(np.arange(len(longest)), longest)[0, 1]) < 0.4


def test_training_steps_have_similar_lengths() -> None:
    lengths = np.random.default_rng(0).integers(1, 129, 5000)
    steps = training_steps(lengths, 16, 0, 1)
    padded = sum(len(step) * lengths[step].max() for step in steps)
    assert padded < 1.1 * lengths.sum()


@given(LENGTHS, st.integers(1, 500), st.data())
@settings(max_examples=30)
def test_micro_batches_keep_token_budget(lengths: np.ndarray, tokens: int, data: st.DataObject) -> None:
    chosen = np.array(
        data.draw(st.permutations(range(len(lengths))))[: data.draw(st.integers(0, len(lengths)))], np.int64
    )
    result = list(micro_batches(chosen, lengths, tokens))
    assert sorted(index for batch in result for index in batch) == sorted(chosen)
    assert all(lengths[batch].sum() <= 1.5 * tokens + lengths[batch].max() for batch in result)
    longest = [int(lengths[batch].max()) for batch in result]
    assert longest == sorted(longest, reverse=True)
    again = micro_batches(chosen, lengths, tokens)
    assert [batch.tolist() for batch in result] == [batch.tolist() for batch in again]


@given(st.lists(st.lists(st.integers(0, 99), min_size=1, max_size=9), min_size=1, max_size=9), st.integers(0, 99))
@settings(max_examples=30)
def test_pad_fills_on_the_right(rows: list[list[int]], padding: int) -> None:
    order = np.arange(len(rows))[::-1].copy()
    ids, lengths = pad(models.encoded(rows), order, padding, models.CPU)
    assert (ids.dtype, lengths.dtype) == (torch.int64, torch.int64)
    assert ids.shape == (len(rows), round_up(max(map(len, rows)), LENGTH_STEP))
    for row, length, place in zip(ids.tolist(), lengths.tolist(), order, strict=True):
        assert row[:length] == rows[place]
        assert set(row[length:]) <= {padding}


def test_micro_batches_have_few_different_row_counts() -> None:
    lengths = np.random.default_rng(0).integers(3, 129, 5000)
    sizes = [lengths[batch].sum() for batch in micro_batches(np.arange(5000), lengths, 1024)]
    assert max(sizes) - min(sizes) <= 2 * 128
    assert len({PackedLayout.ragged(torch.tensor([size])).tokens for size in sizes}) <= 5
    small = {PackedLayout.ragged(torch.tensor([size])).tokens for size in range(1, 2000)}
    assert len(small) <= 44  # each is a kernel of a megabyte for each shape of weights
