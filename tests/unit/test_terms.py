"""Distinctive terms: the score, which strings are words, and what chance does not give."""

from __future__ import annotations

import math
import random
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from weibo_tui.datasets.terms import PRIOR, distinctive_terms, term_scores
from weibo_tui.progress import drain
from weibo_tui.text.cleaning import normalize

LETTERS = [chr(0x4E00 + at) for at in range(400)]
PLANTED = [chr(0x6000 + 2 * at) + chr(0x6001 + 2 * at) + (chr(0x7000 + at) if at % 2 else "") for at in range(20)]
COMMON = [chr(0x8000 + 3 * at) + chr(0x8001 + 3 * at) for at in range(80)]


def sentence(rng: random.Random, *terms: str) -> str:
    """Return terms, three common words and random letters in random order."""
    parts = [*terms, *rng.sample(COMMON, 3), *rng.choices(LETTERS, k=30)]
    rng.shuffle(parts)
    return "".join(parts)


def posts_with_planted_terms(number: int, seed: int = 1) -> tuple[list[str], list[int]]:
    """Return posts. Half of them are of group 1, and three out of four of these have one of the planted terms."""
    rng = random.Random(seed)
    posts, groups = [], []
    for at in range(number):
        group = at % 2
        planted = [rng.choice(PLANTED)] if rng.random() < (0.75 if group else 0.1) else []
        posts.append(sentence(rng, *planted))
        groups.append(group)
    return posts, groups


def slow_scores(posts: list[str], groups: list[int], terms: list[str]) -> dict[str, float]:
    """Return Monroe et al.'s score of each of the terms for group 1, one term after the other."""
    own: Counter[str] = Counter()
    others: Counter[str] = Counter()
    for post, group in zip(posts, groups, strict=True):
        for term in terms:
            if term in normalize(post):
                (own if group else others)[term] += 1
    n1, n2 = own.total(), others.total()
    scores = {}
    for term in terms:
        prior = PRIOR * (own[term] + others[term]) / (n1 + n2)
        odds1 = (own[term] + prior) / (n1 + PRIOR - own[term] - prior)
        odds2 = (others[term] + prior) / (n2 + PRIOR - others[term] - prior)
        variance = 1 / (own[term] + prior) + 1 / (others[term] + prior)
        scores[term] = (math.log(odds1) - math.log(odds2)) / math.sqrt(variance)
    return scores


def test_scores_equal_a_slow_reference() -> None:
    rng = random.Random(3)
    marks = ["[哈哈]", "[泪]", "😭", "#晴天#", "[心]", "[怒]"]
    posts = [f"{at}" + "".join(rng.sample(marks, rng.randrange(4))) for at in range(2000)]
    groups = [int(rng.random() < (0.9 if "[哈哈]" in post or "[心]" in post else 0.3)) for post in posts]
    found = drain(distinctive_terms(posts, groups, 2, 30))
    expected = slow_scores(posts, groups, marks)
    scores = {term.text: term.score for term in found[1]} | {term.text: -term.score for term in found[0]}
    assert len(scores) >= 2
    for text, score in scores.items():
        assert score == pytest.approx(expected[text], abs=1e-9)
    assert min(map(abs, scores.values())) > 1.96
    assert term_scores(np.array([[3, 4]]), 0).tolist() == [0.0]  # one term alone


def test_planted_terms_are_found_and_none_after_shuffling() -> None:
    posts, groups = posts_with_planted_terms(4000)
    found = drain(distinctive_terms(posts, groups, 2, 30))
    texts = [term.text for term in found[1]]
    assert len({*PLANTED} & {*texts}) >= 19
    for term in found[1]:
        assert term.posts > term.others
        assert groups[term.example] == 1
        assert term.text in posts[term.example]
    random.Random(5).shuffle(groups)
    shuffled = drain(distinctive_terms(posts, groups, 2, 30))
    assert not {*PLANTED} & {term.text for terms in shuffled for term in terms}
    assert all(earlier.score >= later.score for terms in found for earlier, later in pairwise(terms))


def test_terms_are_whole_words_once_a_text() -> None:
    rng = random.Random(2)
    posts = [sentence(rng, "同济大学") for _each in range(60)] + [sentence(rng) for _each in range(600)]
    posts += [f"http://t.cn/{at} {posts[0]} @某人{at}" for at in range(50)]  # equal to the first when normalized
    found = drain(distinctive_terms(posts, [1] * 60 + [0] * 650, 2, 30))
    assert [(term.text, term.posts, term.others) for term in found[1]] == [("同济大学", 60, 0)]


def test_terms_of_odd_posts_are_none() -> None:
    for posts in ([], [""], ["a"] * 50, ["好"], ["\ud800\udc00\x00" * 30, "[", "#"], ["😀" * 9000] * 3):
        assert drain(distinctive_terms(posts, [at % 2 for at in range(len(posts))], 2, 9)) == [[], []]
