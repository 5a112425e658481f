"""Long texts: only a beginning is encoded, with the ids of the whole text."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import english
import made_up
import models
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, normalizers, pre_tokenizers, trainers
from tokenizers import models as kinds

import weibo_tui
from weibo_tui.engine.tokenizer import MARGIN, MAX_TEXT_LENGTH, PostTokenizer, SpecialTokens
from weibo_tui.engine.vocabulary import build_tokenizer

POSTS = [text for text, _label in made_up.posts(300)]
MAX_LIMIT = 20


def unigram() -> Tokenizer:
    """Return a SentencePiece tokenizer: words begin with `▁`, and a text without blanks is one word."""
    tokenizer = Tokenizer(kinds.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(vocab_size=400, unk_token="<unk>", special_tokens=["<unk>"], show_progress=False)
    tokenizer.train_from_iterator([*POSTS, *english.LINES], trainer)
    return tokenizer


def starter() -> Tokenizer:
    folder = Path(weibo_tui.__file__).parent / "starter" / "bases" / "starter"
    return Tokenizer.from_file(str(folder / "tokenizer.json"))


DEFINITIONS: dict[str, Callable[[], Tokenizer]] = {
    "word pieces": lambda: build_tokenizer(models.TOKENS),
    "bytes": lambda: english.bpe()._tokenizer,
    "unigram": unigram,
    "starter": starter,
}


@cache
def tokenizers(name: str) -> tuple[PostTokenizer, Tokenizer]:
    """Return our tokenizer, and the library's own, which encodes whole texts."""
    definition = DEFINITIONS[name]().to_str()
    whole = Tokenizer.from_str(definition)
    whole.encode_special_tokens = True
    return PostTokenizer(definition, SpecialTokens((), (), 0), len(whole.get_vocab())), whole


PIECES = [*POSTS[:20], *models.MARKS, *"[哈 哈] x abc 😀 1 2024 字 ， ﷺ don't ' [SEP] <|endoftext|>".split()]
PIECES += [" ", "  ", "\n", "👩\u200d", "e\u0301", "\u0301", "\u200b"]


def encode_full(name: str, text: str, limit: int) -> tuple[list[int], int]:
    """Encode the whole text, and return its first ids and the characters that they cover."""
    encoding = tokenizers(name)[1].encode(text, add_special_tokens=False)
    ids, offsets = encoding.ids, encoding.offsets
    return ids[:limit], min(offsets[limit - 1][1], offsets[limit][0]) if len(ids) > limit else len(text)


def check(name: str, text: str, limit: int = MAX_LIMIT) -> None:
    encoded = tokenizers(name)[0].encode([text], limit)
    assert (encoded.ids.tolist(), int(encoded.chars_covered[0])) == encode_full(name, text, limit)


# Repeated pieces, so that the encoded beginning can end inside each of them.
RUNS = st.lists(st.tuples(st.sampled_from(PIECES), st.sampled_from([1, 3, 40, MARGIN])), min_size=1, max_size=12)


@pytest.mark.parametrize("name", DEFINITIONS)
@given(runs=RUNS, shift=st.integers(0, 40), limit=st.integers(1, MAX_LIMIT))
@settings(max_examples=10)
@example(runs=[("x", MARGIN), ("x", MARGIN), ("字", MARGIN)], shift=0, limit=1)
@example(runs=[(" ", MARGIN), (" ", MARGIN), ("字", MARGIN)], shift=0, limit=1)
def test_long_text_ids_equal_those_of_whole_text(
    name: str, runs: list[tuple[str, int]], shift: int, limit: int
) -> None:
    check(name, "x" * shift + "".join(piece * number for piece, number in runs), limit)


def test_longest_word_is_one_unknown_token() -> None:
    text = "x" * (MAX_TEXT_LENGTH - 2) + " 好"
    for name in DEFINITIONS:
        check(name, text, 3)


def test_text_beyond_limit_is_ignored() -> None:
    tokenizer = tokenizers("word pieces")[0]
    encoded = tokenizer.encode(["x" * (MAX_TEXT_LENGTH + 5), "好" * (MAX_TEXT_LENGTH + 5)], 3)
    assert encoded.num_content_tokens.tolist() == [1, 3]
    assert encoded.chars_covered.tolist() == [MAX_TEXT_LENGTH, 3]
