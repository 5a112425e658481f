"""Traditional characters as simplified ones: version 3 of the cleaning, `train --simplify`, and groups of posts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from commands import Command
from hypothesis import given
from hypothesis import strategies as st
from made_up import write_posts

from weibo_tui import TrainingConfig
from weibo_tui.datasets.splitting import group_posts, hash_texts
from weibo_tui.progress import drain
from weibo_tui.text.cleaning import clean, normalize
from weibo_tui.text.simplified import simplified
from weibo_tui.workbench.config import from_keywords

SIMPLIFIED = "后来我们的爱情，乾隆年间的干净面条，台湾头发[爱你]"
TRADITIONAL = "後來我們的愛情，乾隆年間的乾淨麵條，臺灣頭髮[愛你]"


def test_traditional_post_is_cleaned_as_simplified() -> None:
    cleaned = clean(TRADITIONAL, 3)
    assert cleaned.text == SIMPLIFIED
    assert [cleaned.raw_position(index) for index in range(len(SIMPLIFIED) + 1)] == list(range(len(TRADITIONAL) + 1))
    assert clean("展開全文 <br>這樣\u200b的 @小王 http://t.cn/A", 3).text == "展开全文 这样的 @用户"
    assert clean(TRADITIONAL, 2).text == TRADITIONAL


@pytest.mark.parametrize("sign", "⿰⿺\ud800〇a☺")
def test_signs_leave_the_characters_after_them(sign: str) -> None:
    assert simplified(sign + TRADITIONAL).text == sign + SIMPLIFIED


@given(st.text(st.characters(exclude_categories=["Lo"])))
def test_text_without_characters_stays_as_in_version_2(post: str) -> None:
    assert clean(post, 3) == clean(post, 2)


@given(st.text(st.sampled_from("後来我們的麵 乾隆臺@:/[]<>&;\ud800\U0002f800")))
def test_simplified_posts_keep_their_places(post: str) -> None:
    cleaned = clean(post, 3)
    before = clean(post, 2)
    assert len(cleaned.text) == len(before.text)
    assert [cleaned.raw_position(i) for i in range(len(cleaned.text) + 1)] == [
        before.raw_position(i) for i in range(len(before.text) + 1)
    ]


def test_both_ways_of_writing_are_one_group() -> None:
    posts = [SIMPLIFIED, "别的帖子，没有关系", TRADITIONAL]
    assert drain(group_posts(posts)) == [[0, 2], [1]]
    assert drain(group_posts(posts, grouping=3)) == [[0], [1], [2]]
    assert normalize(TRADITIONAL, 3) == normalize(SIMPLIFIED, 3)
    texts, _words = drain(hash_texts(posts, 3))
    assert texts[0] == texts[2] != texts[1]


@pytest.mark.parametrize("simplify", [True, False])
def test_adapter_predicts_as_it_was_trained(simplify: bool, command: Command, furnished: Path, tmp_path: Path) -> None:
    posts = write_posts(tmp_path / "posts.csv", 80)
    options = ["--simplify"] if simplify else []
    command.ok("train", str(posts), "--name", "mine", "--epochs", "1", "--batch-size", "8", *options)
    card = json.loads(command.ok("adapters", "show", "mine", "--json").out)
    assert card["preprocessing"] == (3 if simplify else 2)
    assert ("characters simplified" in command.ok("adapters", "show", "mine").out) is simplify
    lines = command.ok("predict", "--adapter", "mine", "--json", SIMPLIFIED, TRADITIONAL).out.splitlines()
    simplified, traditional = (json.loads(line)["probabilities"] for line in lines)
    assert (simplified == traditional) is simplify


def test_python_keyword_chooses_the_version() -> None:
    plan = {"data": (Path("posts.csv"),), "name": "mine"}
    assert from_keywords(TrainingConfig, {**plan, "simplify": True}).preprocessing == 3
    assert from_keywords(TrainingConfig, {**plan, "simplify": False}).preprocessing == 2
