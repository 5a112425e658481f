"""No text in two splits, every label in each."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from itertools import chain
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weibo_tui.datasets.splitting import Split, group_steps, split, split_steps
from weibo_tui.errors import BadInput
from weibo_tui.progress import finish
from weibo_tui.text import normalise, repost_segments


def parts(found: Split) -> list[list[int]]:
    return [found.train.tolist(), found.validation.tolist(), found.test.tolist()]


def texts(posts: list[str], indices: list[int]) -> set[str]:
    return {text for index in indices for text in (normalise(posts[index]), *repost_segments(posts[index]))}


def assert_sound(posts: list[str], found: Split) -> None:
    of_parts = parts(found)
    assert sorted(chain.from_iterable(of_parts)) == list(range(len(posts)))
    assert all(part == sorted(part) for part in of_parts)
    train, validation, test = (texts(posts, part) for part in of_parts)
    assert not (train & validation or train & test or validation & test)


SEGMENTS = st.sampled_from(
    ["好", "赞[哈哈]", "今天真好", "今天 真好", "", "[泪]", "ABC", "ａｂｃ", "转发微博"]
) | st.text(max_size=5)
CHAINS = st.lists(SEGMENTS, min_size=1, max_size=3).map("//@小王: ".join)


@given(
    st.lists(st.tuples(CHAINS, st.integers(0, 2)), max_size=60),
    st.integers(0, 5),
    st.sampled_from([0.0, 0.1, 0.4]),
)
def test_no_text_or_segment_stands_in_two_parts(table: list[tuple[str, int]], seed: int, share: float) -> None:
    posts = [post for post, _label in table]
    labels = [label for _post, label in table]
    try:
        found = split(posts, labels, validation=0.2, test=share, seed=seed)
    except BadInput:
        groups = finish(group_steps(posts))
        # With as many groups as parts a label of one or two groups may keep them to itself.
        assert len(groups) < 3 * len(set(labels)) or len(groups) < 3
        return
    assert_sound(posts, found)
    assert len(found.validation)
    assert (len(found.test) > 0) == (share > 0)


@given(st.lists(st.integers(3, 30), min_size=2, max_size=6), st.integers(0, 3))
def test_every_label_of_three_groups_stands_in_every_part(sizes: list[int], seed: int) -> None:
    labels = [label for label, size in enumerate(sizes) for _ in range(size)]
    posts = [f"第{index}条" for index in range(len(labels))]
    for part in parts(split(posts, labels, seed=seed)):
        assert {labels[index] for index in part} == set(range(len(sizes)))


def test_parts_have_their_share_of_every_label_also_of_a_sorted_file() -> None:
    labels = [1] * 3000 + [0] * 1000 + [2] * 100
    posts = [f"第{index}条，真好" for index in range(len(labels))]
    found = split(posts, labels, validation=0.1, test=0.2)
    train, validation, test = (Counter(labels[index] for index in part) for part in parts(found))
    assert test == {1: 600, 0: 200, 2: 20}
    assert validation == {1: 300, 0: 100, 2: 10}
    assert train == {1: 2100, 0: 700, 2: 70}


def test_a_group_larger_than_the_share_goes_to_train_whole() -> None:
    chains = [f"第{index}条//@小王: [哈哈]" for index in range(300)]
    others = [f"另一条，第{index}" for index in range(700)]
    posts = chains + others
    labels = [index % 2 for index in range(1000)]
    found = split(posts, labels)
    assert set(range(300)) <= set(found.train.tolist())
    assert len(found.validation) == len(found.test) == 100
    assert_sound(posts, found)


def test_chains_weld_through_others() -> None:
    posts = ["甲//@a: 乙", "丙", "乙//@b: 丁", "戊", "丁!", "丁"]
    assert finish(group_steps(posts)) == [[0, 2, 5], [1], [3], [4]]


def test_labels_of_few_groups_stand_in_train_first() -> None:
    posts = [f"第{index}条" for index in range(25)]
    labels = [0] * 11 + [1] * 11 + [2, 3, 3]
    found = split(posts, labels)
    assert 22 in found.train
    assert {23, 24} & set(found.train.tolist())
    assert_sound(posts, found)


@pytest.mark.parametrize("posts", [[], ["好"], ["好", "差"], ["好//@a: 赞", "赞", "差//@a: 赞", "赞//@b:坏", "坏"]])
def test_too_few_groups_are_refused(posts: list[str]) -> None:
    with pytest.raises(BadInput, match="groups that share no text"):
        split(posts, [index % 2 for index in range(len(posts))])


def test_shares_of_zero_leave_parts_empty() -> None:
    found = split(["一", "二", "三", "四"], [0, 1, 0, 1], validation=0.0, test=0.0)
    assert [len(part) for part in parts(found)] == [4, 0, 0]
    assert found.test.dtype == found.train.dtype == np.int64


def test_the_seed_decides() -> None:
    posts = [f"第{index}条" for index in range(200)]
    labels = [index % 2 for index in range(200)]
    assert parts(split(posts, labels, seed=1)) == parts(split(posts, labels, seed=1))
    assert parts(split(posts, labels, seed=1)) != parts(split(posts, labels, seed=2))


def test_the_split_does_not_hang_on_hash_randomisation() -> None:
    code = (
        "from weibo_tui.datasets.splitting import split\n"
        "posts = [f'第{n}条//@a: {n % 50}' for n in range(300)]\n"
        "print(split(posts, [('甲', '乙', '丙')[n % 3] for n in range(300)], seed=3).test.tolist())"
    )

    def run(seed: str) -> Any:
        environment = {"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path), "PYTHONUTF8": "1"}
        return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=True).stdout

    assert run("1") == run("2") != b""


def test_long_work_reports_every_thousand_posts() -> None:
    posts = [f"第{index}条" for index in range(4000)]
    stages = Counter(step.stage for step in split_steps(posts, [index % 2 for index in range(4000)]))
    assert stages == {"grouping": 4, "dealing": 4}
