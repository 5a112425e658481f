"""Helpers for tests and measurements of the engine."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
import torch

from weibo_tui.engine.activation_cache import ActivationCache
from weibo_tui.engine.adapter import Adapter
from weibo_tui.engine.device import Compute
from weibo_tui.engine.gpt2 import GPT2
from weibo_tui.engine.int8_layers import is_supported
from weibo_tui.engine.prediction import Floats, predict_logits
from weibo_tui.engine.tokenizer import EncodedPosts

needs_int8 = pytest.mark.skipif(not is_supported(), reason="this machine has no fast int8 products")


def rows_of(encoded: EncodedPosts) -> list[list[int]]:
    """Return the ids of each post, with prefix and suffix."""
    return [encoded.ids[a:b].tolist() for a, b in zip(encoded.starts[:-1], encoded.starts[1:], strict=True)]


def all_logits(
    backbone: GPT2, adapter: Adapter, posts: EncodedPosts, compute: Compute, cache: ActivationCache | None = None
) -> Floats:
    """Return the logits (posts, labels); every post must be in exactly one micro-batch."""
    logits = np.full((len(posts), adapter.config.labels), np.nan)
    for batch, part in predict_logits(backbone, adapter, posts, 0, compute, cache=cache):
        assert np.isnan(logits[batch]).all()
        logits[batch] = part
    assert not np.isnan(logits).any()
    return logits


@contextmanager
def recorded_waits() -> Iterator[list[str]]:
    """Give a list that has, after the block, the places `FILE:LINE` at which the block waited for the card."""
    places: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            yield places
        finally:
            torch.cuda.set_sync_debug_mode("default")
    # Another warning says that the mode is a prototype.
    waits = [one for one in caught if "called a synchronizing CUDA operation" in str(one.message)]
    places += [f"{one.filename}:{one.lineno}" for one in waits]
