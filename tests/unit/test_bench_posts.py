"""Posts to measure with have the lengths of real ones, and are the same for everybody."""

from __future__ import annotations

import numpy as np

from weibo_tui.bench.posts import lengths, posts

NUMBER = 20_000


def test_lengths_are_those_of_weibo_posts() -> None:
    found = lengths(NUMBER)
    assert found.shape == (NUMBER,)
    assert 63 <= found.mean() <= 68
    assert 50 <= np.median(found) <= 57
    assert 0.13 <= (found > 126).mean() <= 0.16


def test_posts_have_these_lengths() -> None:
    assert [len(post) for post in posts(1000, seed=3)] == lengths(1000, seed=3).tolist()


def test_a_seed_gives_the_same_posts_always_and_another_one_others() -> None:
    assert posts(100, seed=1) == posts(100, seed=1)
    assert not set(posts(100, seed=1)) & set(posts(100, seed=2))


def test_no_two_posts_are_alike() -> None:
    assert len(set(posts(NUMBER))) == NUMBER
