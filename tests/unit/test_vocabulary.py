"""Training of tokenizers, of characters and of byte-pair merges."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import made_up
import pytest
from bounds import peak_memory, reset_peak_memory
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
TRAINERS: list[type[TokenizerTrainer]] = [CharacterTokenizerTrainer, BPETokenizerTrainer]
both = pytest.mark.parametrize("trainer", TRAINERS)


def train(
    trainer: type[TokenizerTrainer], posts: Sequence[str], size: int = 1000, emoticons: bool = True, stretch: int = 50
) -> Tokenizer:
    corpus = trainer(emoticons)
    for start in range(0, len(posts), stretch):
        corpus.add(posts[start : start + stretch])
    *progress, tokenizer = corpus.train(size)
    assert isinstance(tokenizer, Tokenizer)
    assert all(isinstance(number, int) for number in progress)
    assert all(isinstance(other, int) and one <= other for one, other in pairwise(progress) if isinstance(one, int))
    return tokenizer


def tokens(tokenizer: Tokenizer) -> list[str]:
    """Return the tokens sorted by id, and check that ids have no gaps."""
    by_id = sorted((index, token) for token, index in tokenizer.get_vocab().items())
    assert [index for index, _token in by_id] == list(range(len(by_id)))
    return [token for _index, token in by_id]


def encode(tokenizer: Tokenizer, post: str) -> list[str]:
    """Return the tokens of a post with prefix and suffix."""
    names = tokens(tokenizer)
    reader = PostTokenizer(tokenizer.to_str(), bert_special_tokens(tokenizer), len(names))
    return [names[index] for index in reader.encode([post], 99).ids.tolist()]


@both
def test_tokenizer_depends_on_corpus_only(trainer: type[TokenizerTrainer]) -> None:
    definition = train(trainer, CORPUS).to_str()
    assert train(trainer, CORPUS).to_str() == definition
    assert train(trainer, CORPUS[::-1], stretch=7).to_str() == definition


@both
def test_tokenizer_ties_are_deterministic(trainer: type[TokenizerTrainer]) -> None:
    letters = [chr(0x4E00 + number) for number in range(500)]
    posts = letters * MIN_COUNT
    definitions = {train(trainer, posts, size=200).to_str() for _time in range(3)}
    assert len(definitions) == 1
    assert set(tokens(train(trainer, posts, size=200))) >= {*SPECIAL, *letters[:100]}


@both
@pytest.mark.parametrize("size", [100, 1000])
def test_tokenizer_keeps_special_tokens_and_size(trainer: type[TokenizerTrainer], size: int) -> None:
    marks = [f"[好{number}]" for number in range(60)]
    tokenizer = train(trainer, [*(CORPUS * 10), *(marks * MIN_EMOTICON_COUNT)], size)
    result = tokens(tokenizer)
    assert result[: len(SPECIAL)] == list(SPECIAL)
    assert len(result) <= size
    assert len(result) > 0.9 * min(size, 190)
    frame = bert_special_tokens(tokenizer)
    assert (frame.prefix, frame.suffix, frame.pad) == ((2,), (3,), 0)


@both
def test_frequent_emoticons_are_tokens_if_enabled(trainer: type[TokenizerTrainer]) -> None:
    posts = ["好[哈哈]"] * MIN_EMOTICON_COUNT + ["好[泪]"] * (MIN_EMOTICON_COUNT - 1) + ["[SEP][PAD]坏"] * 50
    tokenizer = train(trainer, posts)
    result = tokens(tokenizer)
    assert "[哈哈]" in result
    assert "[泪]" not in result
    assert result.count("[SEP]") == result.count("[PAD]") == 1
    assert encode(tokenizer, "好[哈哈]好") == ["[CLS]", "好", "[哈哈]", "好", "[SEP]"]

    plain = train(trainer, posts, emoticons=False)
    assert "[哈哈]" not in tokens(plain)
    assert {"[", "]"} <= set(tokens(plain))
    assert "哈" in "".join(encode(plain, "[哈哈]"))


@both
def test_special_token_names_in_post_are_text(trainer: type[TokenizerTrainer]) -> None:
    for posts in (CORPUS, [*CORPUS, *["好[SEP]坏[PAD]"] * 50]):
        result = encode(train(trainer, posts), "好[SEP][PAD]好[UNK]")
        assert (result[0], result[-1]) == ("[CLS]", "[SEP]")
        assert not {"[CLS]", "[SEP]", "[PAD]"} & set(result[1:-1])


@both
def test_unseen_is_unknown_and_capitals_are_lowered(trainer: type[TokenizerTrainer]) -> None:
    tokenizer = train(trainer, ["好 Abc"] * 50)
    assert encode(tokenizer, "好龘") == ["[CLS]", "好", "[UNK]", "[SEP]"]
    assert "[UNK]" not in encode(tokenizer, "ABC")
    assert encode(tokenizer, "ABC") == encode(tokenizer, "abc")


def test_rare_characters_are_left_out() -> None:
    posts = ["甲"] * 9 + ["乙"] * MIN_COUNT + ["丙"] * (MIN_COUNT - 1) + ["Abé"] * 5
    expected = [*SPECIAL, "甲", "##b", "##e", "a", "乙"]
    assert tokens(train(CharacterTokenizerTrainer, posts)) == expected
    assert tokens(train(CharacterTokenizerTrainer, posts, size=7)) == expected[:7]
    assert tokens(train(BPETokenizerTrainer, posts)) == [*SPECIAL, "a", "b", "e", "乙", "甲"]


def test_bpe_merges_up_to_three_characters() -> None:
    posts = ["一二三四五六七八九"] * 50 + ["电影院"] * 50 + ["甲乙"] * (MIN_EMOTICON_COUNT - 1)
    tokenizer = train(BPETokenizerTrainer, posts)
    pieces = set(tokens(tokenizer)) - set(SPECIAL)
    assert max(map(len, pieces)) == MAX_TOKEN_LENGTH == 3
    assert encode(tokenizer, "电影院") == ["[CLS]", "电影院", "[SEP]"]
    assert "甲乙" not in pieces
    assert len(encode(train(BPETokenizerTrainer, CORPUS), CORPUS[0])) < len(
        encode(train(CharacterTokenizerTrainer, CORPUS), CORPUS[0])
    )


def test_bpe_does_not_merge_digits_or_punctuation() -> None:
    posts = ["买了2024年的票，真好！！ 走 吧"] * 50
    tokenizer = train(BPETokenizerTrainer, posts)
    apart = set("2024，！")
    assert [token for token in tokens(tokenizer) if apart & set(token) and len(token) > 1] == []
    assert encode(tokenizer, "买了22！！走吧走") == ["[CLS]", "买了", "2", "2", "！", "！", "走", "吧", "走", "[SEP]"]


def test_bpe_samples_whole_corpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("weibo_tui.engine.vocabulary.SAMPLE_SIZE", 6 * MIN_EMOTICON_COUNT)
    result = tokens(train(BPETokenizerTrainer, ["甲乙"] * 500 + ["丙丁"] * 500 + ["戊己"] * 500))
    assert {"甲乙", "丙丁", "戊己"} <= set(result)


def test_emoticon_mask_has_emoticons_and_emoji() -> None:
    vocabulary = [*SPECIAL, "[哈哈]", "好", "😊", "##😊", "😊😊", "##b", "[", "#", "哈哈", "[/哭笑]", "1"]
    result = emoticon_mask({token: index for index, token in enumerate(vocabulary)})
    assert [token for token, is_mark in zip(vocabulary, result, strict=True) if is_mark] == [
        *("[哈哈]", "😊", "##😊", "😊😊", "[/哭笑]")
    ]


def test_long_lines_take_little_memory() -> None:
    before = reset_peak_memory()
    for trainer in TRAINERS:
        trainer(True).add(["好" * 100_000] * 10)
    assert peak_memory() - before < 100 * 2**20
