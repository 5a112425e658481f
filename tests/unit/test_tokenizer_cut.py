"""Long texts: only their beginning is encoded, and the ids are those of the whole text."""

from __future__ import annotations

import json
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
ROOM = 20


def unigram() -> Tokenizer:
    """A SentencePiece vocabulary as T5's: words begin with `▁`, and a text without blanks is one word."""
    made = Tokenizer(kinds.Unigram())
    made.normalizer = normalizers.NFKC()
    made.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(vocab_size=400, unk_token="<unk>", special_tokens=["<unk>"], show_progress=False)
    made.train_from_iterator([*POSTS, *english.LINES], trainer)
    return made


def starter() -> Tokenizer:
    folder = Path(weibo_tui.__file__).parent / "starter" / "bases" / "starter"
    return Tokenizer.from_file(str(folder / "tokenizer.json"))


DEFINITIONS = {
    "word pieces": build_tokenizer(models.TOKENS).to_str(),
    "bytes": english.bpe()._tokenizer.to_str(),
    "unigram": unigram().to_str(),
    "starter": starter().to_str(),
}
TOKENIZERS = {
    name: PostTokenizer(definition, SpecialTokens((), (), 0), len(Tokenizer.from_str(definition).get_vocab()))
    for name, definition in DEFINITIONS.items()
}
REFERENCES = {name: Tokenizer.from_str(definition) for name, definition in DEFINITIONS.items()}
for reference in REFERENCES.values():
    reference.encode_special_tokens = True
PIECES = [
    *POSTS[:20],
    *models.MARKS,
    "[哈",
    "哈]",
    "x",
    "abc",
    " ",
    "  ",
    "\n",
    "😀",
    "👩\u200d",
    "e\u0301",
    "\u0301",
    "1",
    "2024",
]
PIECES += ["字", "，", "ﷺ", "\u200b", "don't", "'", "[SEP]", "<|endoftext|>"]


def whole(name: str, text: str, room: int) -> tuple[list[int], int]:
    """The ids and characters that reading all of the text gives."""
    encoding = REFERENCES[name].encode(text, add_special_tokens=False)
    ids, offsets = encoding.ids, encoding.offsets
    return ids[:room], min(offsets[room - 1][1], offsets[room][0]) if len(ids) > room else len(text)


def check(name: str, text: str, room: int = ROOM) -> None:
    encoded = TOKENIZERS[name].encode([text], room)
    assert (encoded.ids.tolist(), int(encoded.chars_covered[0])) == whole(name, text, room)


# Pieces in runs, so that the place where a beginning ends falls into each of them.
RUNS = st.lists(st.tuples(st.sampled_from(PIECES), st.sampled_from([1, 3, 40, MARGIN])), min_size=1, max_size=12)


@pytest.mark.parametrize("name", TOKENIZERS)
@given(runs=RUNS, shift=st.integers(0, 40), room=st.integers(1, ROOM))
@settings(max_examples=10)
@example(runs=[("x", MARGIN), ("x", MARGIN), ("字", MARGIN)], shift=0, room=1)
@example(runs=[(" ", MARGIN), (" ", MARGIN), ("字", MARGIN)], shift=0, room=1)
def test_long_text_ids_are_those_of_the_whole_text(
    name: str, runs: list[tuple[str, int]], shift: int, room: int
) -> None:
    check(name, "x" * shift + "".join(piece * number for piece, number in runs), room)


def test_word_longer_than_any_cut_is_one_unknown_token() -> None:
    text = "x" * (MAX_TEXT_LENGTH - 2) + " 好"
    for name in TOKENIZERS:
        check(name, text, 3)


def test_text_beyond_the_limit_is_not_looked_at() -> None:
    tokenizer = TOKENIZERS["word pieces"]
    encoded = tokenizer.encode(["x" * (MAX_TEXT_LENGTH + 5), "好" * (MAX_TEXT_LENGTH + 5)], 3)
    assert encoded.num_content_tokens.tolist() == [1, 3]
    assert encoded.chars_covered.tolist() == [MAX_TEXT_LENGTH, 3]


def test_definitions_are_of_different_kinds() -> None:
    assert [json.loads(one)["model"]["type"] for one in DEFINITIONS.values()] == ["WordPiece", "BPE", "Unigram", "BPE"]
