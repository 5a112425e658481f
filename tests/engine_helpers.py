"""Results of the engine in the order of the posts."""

from __future__ import annotations

import numpy as np

from weibo_tui.engine.activation_cache import ActivationCache
from weibo_tui.engine.adapter import Adapter
from weibo_tui.engine.device import Compute
from weibo_tui.engine.gpt2 import GPT2
from weibo_tui.engine.prediction import Floats, predict_logits
from weibo_tui.engine.tokenizer import EncodedPosts


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
