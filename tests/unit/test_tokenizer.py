"""Encoding of posts, and the characters that the ids cover."""

from __future__ import annotations

import models
import numpy as np
import pytest
from engine_helpers import rows_of
from hypothesis import given, settings
from hypothesis import strategies as st

from weibo_tui.engine.tokenizer import EncodedPosts, PostTokenizer, SpecialTokens
from weibo_tui.engine.vocabulary import SPECIAL
from weibo_tui.errors import CorruptFileError, UserInputError

TOKENIZER = models.tokenizer()
NAMES = {index: token for token, index in TOKENIZER.vocabulary().items()}
ANYTHING = st.text(max_size=40) | st.lists(
    st.sampled_from(
        [*SPECIAL, "[哈哈]", "真好", "@某人", "http://t.cn/a", " ", "\ud83d", "😀", "abc", "//@甲:", "\u200b"]
    )
).map("".join)


def words(post: str, max_length: int = 64) -> list[str]:
    """Return the content tokens of a post."""
    _cleaned, encoded = TOKENIZER.encode_posts([post], max_length, 1)
    return [NAMES[index] for index in encoded.ids[1:-1].tolist()]


@pytest.mark.parametrize("name", SPECIAL)
def test_special_token_name_in_post_encodes_to_characters(name: str) -> None:
    inside = "".join(word.removeprefix("##") for word in words(f"真{name}好"))
    assert inside == f"真{name.lower()}好"


def test_known_emoticon_is_one_token() -> None:
    assert words("好[哈哈]啊") == ["好", "[哈哈]", "[UNK]"]
    assert words("[真好]") == ["[", "真", "好", "]"]


def test_special_tokens_surround_every_post() -> None:
    encoded = TOKENIZER.encode(["真好", "", "好"], 64)
    assert [(row[0], row[-1]) for row in rows_of(encoded)] == [(2, 3)] * 3
    assert encoded.lengths.tolist() == [4, 2, 3]
    assert encoded.num_content_tokens.tolist() == [2, 0, 1]
    assert encoded.chars_covered.tolist() == [2, 0, 1]


@given(st.lists(ANYTHING, min_size=1, max_size=5), st.integers(3, 40))
@settings(max_examples=50)
def test_encode_truncates_any_post(posts: list[str], max_length: int) -> None:
    cleaned, encoded = TOKENIZER.encode_posts(posts, max_length, 1)
    assert len(encoded) == len(posts)
    assert (encoded.lengths <= max_length).all()
    assert (encoded.num_content_tokens == encoded.lengths - 2).all()
    assert set(np.unique(encoded.ids)) <= NAMES.keys()
    for post, text, read in zip(posts, cleaned, encoded.chars_covered.tolist(), strict=True):
        assert 0 <= text.raw_position(read) <= len(post)
    full = TOKENIZER.encode_posts(posts, 10_000, 1)[1]
    uncut = encoded.lengths == full.lengths
    for place in range(len(posts)):
        if uncut[place]:
            assert cleaned[place].raw_position(int(encoded.chars_covered[place])) == len(posts[place])
        else:
            assert encoded.lengths[place] == max_length
            start, end = encoded.starts[place], encoded.starts[place + 1]
            assert encoded.ids[start : end - 1].tolist() == full.ids[full.starts[place] :][: max_length - 1].tolist()


def test_chars_covered_map_to_raw_characters() -> None:
    # A link and an emoticon of one token precede the end: four tokens are 真 [哈哈] 好 a.
    post = "真http://t.cn/abc[哈哈]好abc好好好好"
    cleaned, encoded = TOKENIZER.encode_posts([post], 6, 1)
    assert [NAMES[index] for index in encoded.ids.tolist()] == ["[CLS]", "真", "[哈哈]", "好", "a", "[SEP]"]
    assert post[: cleaned[0].raw_position(int(encoded.chars_covered[0]))] == "真http://t.cn/abc[哈哈]好a"


def test_max_length_without_content_is_refused() -> None:
    assert TOKENIZER.encode(["真好"], 3).num_content_tokens.tolist() == [1]
    for length in (2, 0, -5):
        with pytest.raises(UserInputError, match=f"^{length} tokens leave no room"):
            TOKENIZER.encode(["真好"], length)


@pytest.mark.parametrize("definition", ["", "{}", "[]", '{"model": {"type": "WordPiece"}}', "\x00"])
def test_definition_unreadable_is_corrupt(definition: str) -> None:
    with pytest.raises(CorruptFileError, match="Cannot read the tokenizer"):
        PostTokenizer(definition, SpecialTokens((), (), 0), 10)


ROWS = st.lists(st.lists(st.integers(0, 99), max_size=5), max_size=12)


@given(ROWS, st.data())
@settings(max_examples=30)
def test_take_keeps_order(rows: list[list[int]], data: st.DataObject) -> None:
    places = data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=9)) if rows else []
    taken = models.encoded(rows).take(np.array(places, np.int64))
    assert rows_of(taken) == [rows[place] for place in places]
    assert taken.num_content_tokens.tolist() == taken.chars_covered.tolist() == [len(rows[place]) for place in places]


@given(st.lists(ROWS, max_size=4))
@settings(max_examples=30)
def test_join_concatenates(parts: list[list[list[int]]]) -> None:
    joined = EncodedPosts.join([models.encoded(rows) for rows in parts])
    assert rows_of(joined) == [row for rows in parts for row in rows]
    assert joined.chars_covered.tolist() == [len(row) for rows in parts for row in rows]
    assert joined.ids.dtype == np.int32
