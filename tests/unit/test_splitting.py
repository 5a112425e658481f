"""Splits that share no text, groups, and near-duplicates."""

from __future__ import annotations

import random
import subprocess
import sys
from collections import Counter
from itertools import chain, pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up import numeral

from weibo_tui.datasets.near_duplicates import near_duplicates
from weibo_tui.datasets.splitting import Split, group_posts, split, split_with_progress
from weibo_tui.errors import UserInputError
from weibo_tui.progress import drain
from weibo_tui.text.cleaning import normalize, repost_segments, words_only


def parts(result: Split) -> list[list[int]]:
    return [result.train.tolist(), result.validation.tolist(), result.test.tolist()]


def texts(posts: list[str], indices: list[int]) -> set[str]:
    result = {text for index in indices for text in (normalize(posts[index]), *repost_segments(posts[index]))}
    return result | {words for text in result if (words := words_only(text))}


def assert_sound(posts: list[str], result: Split) -> None:
    of_parts = parts(result)
    assert sorted(chain.from_iterable(of_parts)) == list(range(len(posts)))
    assert all(part == sorted(part) for part in of_parts)
    train, validation, test = (texts(posts, part) for part in of_parts)
    assert not (train & validation or train & test or validation & test)


SEGMENTS = st.sampled_from(
    ["好", "赞[哈哈]", "今天真好", "今天 真好", "", "[泪]", "ABC", "ａｂｃ", "转发微博"]
) | st.text(max_size=5)
CHAINS = st.lists(SEGMENTS, min_size=1, max_size=3).map("//@小王: ".join)


@settings(max_examples=50)
@given(
    st.lists(st.tuples(CHAINS, st.integers(0, 2)), max_size=60),
    st.integers(0, 5),
    st.sampled_from([0.0, 0.1, 0.4]),
)
def test_split_shares_no_text_or_segment(table: list[tuple[str, int]], seed: int, share: float) -> None:
    posts = [post for post, _label in table]
    labels = [label for _post, label in table]
    try:
        result = split(posts, labels, validation=0.2, test=share, seed=seed)
    except UserInputError:
        groups = drain(group_posts(posts))
        # With as many groups as parts a label of one or two groups may keep them to itself.
        assert len(groups) < 3 * len(set(labels)) or len(groups) < 3
        return
    assert_sound(posts, result)
    assert len(result.validation)
    assert (len(result.test) > 0) == (share > 0)


@settings(max_examples=20)
@given(st.lists(st.integers(3, 30), min_size=2, max_size=6), st.integers(0, 3))
def test_split_has_labels_of_three_groups_in_every_part(sizes: list[int], seed: int) -> None:
    labels = [label for label, size in enumerate(sizes) for _ in range(size)]
    posts = [f"第{numeral(index)}条" for index in range(len(labels))]
    for part in parts(split(posts, labels, seed=seed)):
        assert {labels[index] for index in part} == set(range(len(sizes)))


def test_split_is_stratified_even_when_sorted() -> None:
    labels = [1] * 3000 + [0] * 1000 + [2] * 100
    posts = [f"第{numeral(index)}条，真好" for index in range(len(labels))]
    result = split(posts, labels, validation=0.1, test=0.2)
    train, validation, test = (Counter(labels[index] for index in part) for part in parts(result))
    assert test == {1: 600, 0: 200, 2: 20}
    assert validation == {1: 300, 0: 100, 2: 10}
    assert train == {1: 2100, 0: 700, 2: 70}


def test_split_puts_large_group_into_train() -> None:
    chains = [f"第{numeral(index)}条//@小王: [哈哈]" for index in range(300)]
    others = [f"另一条，第{numeral(index)}" for index in range(700)]
    posts = chains + others
    labels = [index % 2 for index in range(1000)]
    result = split(posts, labels)
    assert set(range(300)) <= set(result.train.tolist())
    assert len(result.validation) == len(result.test) == 100
    assert_sound(posts, result)


def test_groups_join_through_repost_chains() -> None:
    posts = ["甲//@a: 乙", "丙", "乙//@b: 丁", "戊", "丁!", "丁"]
    assert drain(group_posts(posts)) == [[0, 2, 4, 5], [1], [3]]
    assert drain(group_posts(posts, grouping=1)) == [[0, 2, 5], [1], [3], [4]]


@pytest.mark.parametrize(
    "other",
    [
        *("今天的面真好吃[哈哈]", "今天的面真好吃😊", "今天的面，真好吃！", "今天的面2真好吃", "#早饭#今天的面真好吃"),
        *("@小王 今天的面真好吃", "今天的面真好吃//@小李: 羡慕", "[泪]//@a: 今天的面真好吃…[doge]"),
    ],
)
def test_groups_join_posts_equal_except_for_marks(other: str) -> None:
    assert drain(group_posts(["今天的面真好吃", other])) == [[0, 1]]
    assert drain(group_posts(["今天的面真难吃", other])) == [[0], [1]]


def test_groups_of_posts_without_words_use_their_text() -> None:
    posts = ["[哈哈]", "[泪]", "123", "！", "#周一见#", "#周一见#[哈哈]", "[哈哈]"]
    assert drain(group_posts(posts)) == [[0, 6], [1], [2], [3], [4, 5]]


def test_groups_join_near_duplicates() -> None:
    post = "下班路上又堵了一个小时，真想把车扔在高架桥上走回家去"
    near = "下班路上又堵了一个小时，真想把车扔在高架桥上跑回家去"
    other = "上班路上一点也不堵，二十分钟就到了，真想天天都这么顺"
    assert drain(group_posts([post, other, near])) == [[0, 2], [1]]
    assert drain(group_posts([post, other, near], grouping=1)) == [[0], [1], [2]]


def test_near_duplicates_exclude_short_posts() -> None:
    assert len(drain(group_posts(["真好吃啊", "真难吃啊", "真好吃哦", "哈哈哈哈哈哈哈哈哈哈", "哈哈哈哈"]))) == 5


@settings(max_examples=40)
@given(st.lists(st.text("天地玄黄宇宙洪荒日月盈昃辰宿列张", min_size=9, max_size=30), max_size=20, unique=True))
def test_near_duplicates_match_brute_force(texts: list[str]) -> None:
    result = drain(near_duplicates(texts))
    for earlier, later in result:
        one, other = (set(pairwise(texts[index])) for index in (earlier, later))
        assert earlier < later
        assert len(one & other) >= 0.8 * len(one | other)


def test_near_duplicates_include_one_more_character() -> None:
    draw = random.Random(0)
    texts = ["".join(chr(draw.randrange(0x4E00, 0x9FA5)) for _ in range(40)) for _ in range(200)]
    result = drain(near_duplicates([*texts, *(text + "了" for text in texts)]))
    assert result == [(index, index + 200) for index in range(200)]


def test_near_duplicates_join_more_texts_than_are_compared() -> None:
    draw = random.Random(0)
    text = "".join(chr(draw.randrange(0x4E00, 0x9FA5)) for _ in range(60))
    others = [text[:20] + sign + text[21:] for sign in "的一是不了人我在有他这为之大来以个中上们"]
    result = drain(near_duplicates([text, *others]))
    assert {later for _earlier, later in result} == set(range(1, 21))


def test_split_puts_labels_of_few_groups_into_train_first() -> None:
    posts = [f"第{numeral(index)}条" for index in range(25)]
    labels = [0] * 11 + [1] * 11 + [2, 3, 3]
    result = split(posts, labels)
    assert 22 in result.train
    assert {23, 24} & set(result.train.tolist())
    assert_sound(posts, result)


@pytest.mark.parametrize("posts", [[], ["好"], ["好", "差"], ["好//@a: 赞", "赞", "差//@a: 赞", "赞//@b:坏", "坏"]])
def test_split_of_too_few_groups_is_refused(posts: list[str]) -> None:
    with pytest.raises(UserInputError, match="groups of similar texts"):
        split(posts, [index % 2 for index in range(len(posts))])


def test_split_share_of_zero_leaves_part_empty() -> None:
    result = split(["一", "二", "三", "四"], [0, 1, 0, 1], validation=0.0, test=0.0)
    assert [len(part) for part in parts(result)] == [4, 0, 0]
    assert result.test.dtype == result.train.dtype == np.int64


def test_split_depends_on_the_seed() -> None:
    posts = [f"第{numeral(index)}条" for index in range(200)]
    labels = [index % 2 for index in range(200)]
    assert parts(split(posts, labels, seed=1)) == parts(split(posts, labels, seed=1))
    assert parts(split(posts, labels, seed=1)) != parts(split(posts, labels, seed=2))


def test_split_is_independent_of_hash_randomization() -> None:
    code = (
        "from weibo_tui.datasets.splitting import split\n"
        "posts = [f'第{chr(0x4E00 + n)}条//@a: {chr(0x6000 + n % 50)}' for n in range(300)]\n"
        "print(split(posts, [('甲', '乙', '丙')[n % 3] for n in range(300)], seed=3).test.tolist())"
    )

    def run(seed: str) -> Any:
        environment = {"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path), "PYTHONUTF8": "1"}
        return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=True).stdout

    assert run("1") == run("2") != b""


def test_split_reports_progress_every_thousand_posts() -> None:
    posts = [f"第{numeral(index)}条" for index in range(4000)]
    stages = Counter(step.stage for step in split_with_progress(posts, [index % 2 for index in range(4000)]))
    assert stages == {"grouping": 4, "splitting": 4}


def test_split_with_own_files_leaves_out_leaks() -> None:
    posts = [f"第{numeral(index)}条" for index in range(60)]
    labels = [index % 2 for index in range(60)]
    # A copy of a validation post, one of a test post, and a validation post that repeats a test post.
    posts[0], posts[1], posts[45] = posts[40] + "！", posts[50], "转发 //@小王: " + posts[55]
    own = {"validation": range(40, 50), "test": range(50, 60)}
    result = drain(split_with_progress(posts, labels, own_parts=own))
    assert result.leaks == 3
    assert parts(result) == [[*range(2, 40)], [index for index in range(40, 50) if index != 45], [*range(50, 60)]]

    result = drain(split_with_progress(posts[:50], labels[:50], own_parts={"validation": range(40, 50)}))
    assert (result.leaks, result.validation.tolist()) == (1, [*range(40, 50)])
    assert len(result.test)
    assert sorted([*result.train, *result.test]) == [*range(1, 40)]
    with pytest.raises(UserInputError, match="All posts of one file are in another one too"):
        drain(split_with_progress(posts[:20] * 2, labels[:20] * 2, own_parts={"test": range(20, 40)}))
