"""Encoding of posts in threads."""

from __future__ import annotations

import models
import numpy as np
import pytest

from weibo_tui.errors import UserInputError
from weibo_tui.progress import Progress, drain
from weibo_tui.text.cleaning import PREPROCESSING
from weibo_tui.workbench import encoding
from weibo_tui.workbench.encoding import Encoding, encode_posts

POSTS = [f"@小王 今天的面真好吃{index}" + "！" * (index % 9) for index in range(25)]


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoding, "BATCH", 4)


def test_encoded_posts_keep_their_order() -> None:
    tokenizer = models.tokenizer()
    expected = tokenizer.encode_posts(POSTS, 16, PREPROCESSING)[1]
    result = drain(encode_posts(tokenizer, POSTS, 16, PREPROCESSING))
    for name in ("ids", "starts", "chars_covered", "num_content_tokens"):
        assert np.array_equal(getattr(result, name), getattr(expected, name))


def test_progress_of_encoding_ends_with_all_posts() -> None:
    with Encoding(models.tokenizer(), POSTS, 16, PREPROCESSING) as started:
        events = list(started.finish())
    assert events == [Progress("encoding", done, 25) for done in (4, 8, 12, 16, 20, 24, 25)]


def test_no_posts_are_encoded_to_none() -> None:
    assert len(drain(encode_posts(models.tokenizer(), [], 16, PREPROCESSING))) == 0


def test_error_of_encoding_is_raised() -> None:
    with pytest.raises(UserInputError, match="leave no room"):
        drain(encode_posts(models.tokenizer(), POSTS, 2, PREPROCESSING))


def test_encoding_ends_with_its_block() -> None:
    with Encoding(models.tokenizer(), POSTS * 100, 16, PREPROCESSING) as started:
        pass
    assert all(batch.done() for batch in started._batches)
    assert any(batch.cancelled() for batch in started._batches)
