"""Vocabularies are functions of the corpus, whether their tokens are characters or pieces of several."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from itertools import pairwise

import made_up
import pytest
from tokenizers import Tokenizer

from weibo_tui.engine.tokenizer import PostTokenizer
from weibo_tui.engine.vocabulary import (
    MAX_TOKEN_LENGTH,
    MIN_COUNT,
    MIN_EMOTICON_COUNT,
    SPECIAL,
    BPETokenizerTrainer,
    CharacterTokenizerTrainer,
    TokenizerTrainer,
    bert_special_tokens,
    emoticon_mask,
)

CORPUS = [text for text, _label in made_up.posts(200, seed=1)]
MAKERS: list[type[TokenizerTrainer]] = [CharacterTokenizerTrainer, BPETokenizerTrainer]
both = pytest.mark.parametrize("maker", MAKERS)


def made(
    maker: type[TokenizerTrainer], posts: Sequence[str], size: int = 1000, emoticons: bool = True, stretch: int = 50
) -> Tokenizer:
    vocabulary = maker(emoticons)
    for start in range(0, len(posts), stretch):
        vocabulary.add(posts[start : start + stretch])
    *progress, tokenizer = vocabulary.train(size)
    assert isinstance(tokenizer, Tokenizer)
    assert all(isinstance(number, int) for number in progress)
    assert all(isinstance(other, int) and one <= other for one, other in pairwise(progress) if isinstance(one, int))
    return tokenizer


def tokens(tokenizer: Tokenizer) -> list[str]:
    """Its tokens by their ids, which have no gaps."""
    by_id = sorted((index, token) for token, index in tokenizer.get_vocab().items())
    assert [index for index, _token in by_id] == list(range(len(by_id)))
    return [token for _index, token in by_id]


def read(tokenizer: Tokenizer, post: str) -> list[str]:
    """The tokens of a post as a base reads it, frame and all."""
    names = tokens(tokenizer)
    reader = PostTokenizer(tokenizer.to_str(), bert_special_tokens(tokenizer), len(names))
    return [names[index] for index in reader.encode([post], 99).ids.tolist()]


@both
def test_vocabulary_is_a_function_of_the_corpus(maker: type[TokenizerTrainer]) -> None:
    definition = made(maker, CORPUS).to_str()
    assert made(maker, CORPUS).to_str() == definition
    assert made(maker, CORPUS[::-1], stretch=7).to_str() == definition


@both
def test_vocabulary_is_one_also_where_not_all_that_are_as_frequent_have_a_place(maker: type[TokenizerTrainer]) -> None:
    letters = [chr(0x4E00 + number) for number in range(500)]
    posts = letters * MIN_COUNT
    definitions = {made(maker, posts, size=200).to_str() for _time in range(3)}
    assert len(definitions) == 1
    assert set(tokens(made(maker, posts, size=200))) >= {*SPECIAL, *letters[:100]}


@both
@pytest.mark.parametrize("size", [100, 140, 1000])
def test_vocabulary_begins_with_the_special_tokens_and_keeps_to_its_size(
    maker: type[TokenizerTrainer], size: int
) -> None:
    marks = [f"[好{number}]" for number in range(60)]
    tokenizer = made(maker, [*(CORPUS * 10), *(marks * MIN_EMOTICON_COUNT)], size)
    found = tokens(tokenizer)
    assert found[: len(SPECIAL)] == list(SPECIAL)
    assert len(found) <= size
    assert len(found) > 0.9 * min(size, 190)
    frame = bert_special_tokens(tokenizer)
    assert (frame.prefix, frame.suffix, frame.pad) == ((2,), (3,), 0)


@both
def test_frequent_emoticons_are_tokens_of_their_own_unless_told_not_to(maker: type[TokenizerTrainer]) -> None:
    posts = ["好[哈哈]"] * MIN_EMOTICON_COUNT + ["好[泪]"] * (MIN_EMOTICON_COUNT - 1) + ["[SEP][PAD]坏"] * 50
    tokenizer = made(maker, posts)
    found = tokens(tokenizer)
    assert "[哈哈]" in found
    assert "[泪]" not in found
    assert found.count("[SEP]") == found.count("[PAD]") == 1
    assert read(tokenizer, "好[哈哈]好") == ["[CLS]", "好", "[哈哈]", "好", "[SEP]"]

    plain = made(maker, posts, emoticons=False)
    assert "[哈哈]" not in tokens(plain)
    assert {"[", "]"} <= set(tokens(plain))
    assert "哈" in "".join(read(plain, "[哈哈]"))


@both
def test_names_of_special_tokens_in_a_post_are_text(maker: type[TokenizerTrainer]) -> None:
    for posts in (CORPUS, [*CORPUS, *["好[SEP]坏[PAD]"] * 50]):
        found = read(made(maker, posts), "好[SEP][PAD]好[UNK]")
        assert (found[0], found[-1]) == ("[CLS]", "[SEP]")
        assert not {"[CLS]", "[SEP]", "[PAD]"} & set(found[1:-1])


@both
def test_what_was_never_seen_is_unknown_and_capitals_are_small_letters(maker: type[TokenizerTrainer]) -> None:
    tokenizer = made(maker, ["好 Abc"] * 50)
    assert read(tokenizer, "好龘") == ["[CLS]", "好", "[UNK]", "[SEP]"]
    assert "[UNK]" not in read(tokenizer, "ABC")
    assert read(tokenizer, "ABC") == read(tokenizer, "abc")


def test_characters_are_those_seen_often_enough_the_most_frequent_first() -> None:
    posts = ["甲"] * 9 + ["乙"] * MIN_COUNT + ["丙"] * (MIN_COUNT - 1) + ["Abé"] * 5
    expected = [*SPECIAL, "甲", "##b", "##e", "a", "乙"]
    assert tokens(made(CharacterTokenizerTrainer, posts)) == expected
    assert tokens(made(CharacterTokenizerTrainer, posts, size=7)) == expected[:7]


def test_characters_that_are_too_rare_are_no_pieces_either() -> None:
    posts = ["甲"] * 9 + ["乙"] * MIN_COUNT + ["丙"] * (MIN_COUNT - 1) + ["Abé"] * 5
    assert tokens(made(BPETokenizerTrainer, posts)) == [*SPECIAL, "a", "b", "e", "乙", "甲"]


def test_pieces_are_what_stands_together_often_up_to_three_characters() -> None:
    posts = ["一二三四五六七八九"] * 50 + ["电影院"] * 50 + ["甲乙"] * (MIN_EMOTICON_COUNT - 1)
    tokenizer = made(BPETokenizerTrainer, posts)
    pieces = set(tokens(tokenizer)) - set(SPECIAL)
    assert max(map(len, pieces)) == MAX_TOKEN_LENGTH == 3
    assert read(tokenizer, "电影院") == ["[CLS]", "电影院", "[SEP]"]
    assert "甲乙" not in pieces
    assert len(read(made(BPETokenizerTrainer, CORPUS), CORPUS[0])) < len(
        read(made(CharacterTokenizerTrainer, CORPUS), CORPUS[0])
    )


def test_digits_and_punctuation_stand_alone_and_white_space_parts() -> None:
    posts = ["买了2024年的票，真好！！ 走 吧"] * 50
    tokenizer = made(BPETokenizerTrainer, posts)
    apart = set("2024，！")
    assert [token for token in tokens(tokenizer) if apart & set(token) and len(token) > 1] == []
    assert read(tokenizer, "买了22！！走吧走") == ["[CLS]", "买了", "2", "2", "！", "！", "走", "吧", "走", "[SEP]"]


def test_pieces_are_learned_from_posts_of_the_whole_corpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("weibo_tui.engine.vocabulary.SAMPLE_SIZE", 6 * MIN_EMOTICON_COUNT)
    found = tokens(made(BPETokenizerTrainer, ["甲乙"] * 500 + ["丙丁"] * 500 + ["戊己"] * 500))
    assert {"甲乙", "丙丁", "戊己"} <= set(found)


def test_emoticons_and_emoji_are_known_among_the_ids() -> None:
    vocabulary = [*SPECIAL, "[哈哈]", "好", "😊", "##😊", "😊😊", "##b", "[", "#", "哈哈", "[/哭笑]", "1"]
    found = emoticon_mask({token: index for index, token in enumerate(vocabulary)})
    assert [token for token, is_mark in zip(vocabulary, found, strict=True) if is_mark] == [
        *("[哈哈]", "😊", "##😊", "😊😊", "[/哭笑]")
    ]


@both
def test_long_lines_are_counted_in_little_memory(maker: type[TokenizerTrainer]) -> None:
    program = f"""
from resource import RUSAGE_SELF, getrusage
from weibo_tui.engine.vocabulary import {maker.__name__}
before = getrusage(RUSAGE_SELF).ru_maxrss
{maker.__name__}(True).add(["好" * 100_000] * 20)
print((getrusage(RUSAGE_SELF).ru_maxrss - before) * 1024)
"""
    taken = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout
    assert int(taken) < 100 * 2**20
