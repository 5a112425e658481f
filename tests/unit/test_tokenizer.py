"""Token ids of posts, and how much of a post's own characters they cover."""

from __future__ import annotations

import models
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weibo_tui.engine.tokenizer import EncodedPosts, PostTokenizer, SpecialTokens
from weibo_tui.engine.vocabulary import SPECIAL, build_tokenizer
from weibo_tui.errors import CorruptFileError, UserInputError

TOKENIZER = models.tokenizer()
NAMES = {index: token for token, index in TOKENIZER.vocabulary().items()}
ANYTHING = st.text(max_size=40) | st.lists(
    st.sampled_from(
        [*SPECIAL, "[哈哈]", "真好", "@某人", "http://t.cn/a", " ", "\ud83d", "😀", "abc", "//@甲:", "\u200b"]
    )
).map("".join)


def words(post: str, max_length: int = 64) -> list[str]:
    """The tokens of a post's body."""
    _cleaned, encoded = TOKENIZER.encode_posts([post], max_length, 1)
    return [NAMES[index] for index in encoded.ids[1:-1].tolist()]


@pytest.mark.parametrize("name", SPECIAL)
def test_name_of_a_special_token_in_a_post_encodes_to_characters(name: str) -> None:
    inside = "".join(word.removeprefix("##") for word in words(f"真{name}好"))
    assert inside == f"真{name.lower()}好"


def test_emoticons_of_the_vocabulary_are_one_token_and_others_are_characters() -> None:
    assert words("好[哈哈]啊") == ["好", "[哈哈]", "[UNK]"]
    assert words("[真好]") == ["[", "真", "好", "]"]


def test_frame_stands_around_every_post_also_an_empty_one() -> None:
    encoded = TOKENIZER.encode(["真好", "", "好"], 64)
    rows = [encoded.ids[a:b].tolist() for a, b in zip(encoded.starts[:-1], encoded.starts[1:], strict=True)]
    assert [(row[0], row[-1]) for row in rows] == [(2, 3)] * 3
    assert encoded.lengths.tolist() == [4, 2, 3]
    assert encoded.num_content_tokens.tolist() == [2, 0, 1]
    assert encoded.chars_covered.tolist() == [2, 0, 1]


@given(st.lists(ANYTHING, min_size=1, max_size=5), st.integers(3, 40))
def test_any_post_is_cut_to_the_length_and_the_cut_lies_within_it(posts: list[str], max_length: int) -> None:
    cleaned, encoded = TOKENIZER.encode_posts(posts, max_length, 1)
    assert len(encoded) == len(posts)
    assert (encoded.lengths <= max_length).all()
    assert (encoded.num_content_tokens == encoded.lengths - 2).all()
    assert set(np.unique(encoded.ids)) <= NAMES.keys()
    for post, text, read in zip(posts, cleaned, encoded.chars_covered.tolist(), strict=True):
        assert 0 <= text.raw_position(read) <= len(post)
    whole = TOKENIZER.encode_posts(posts, 10_000, 1)[1]
    uncut = encoded.lengths == whole.lengths
    for place in range(len(posts)):
        if uncut[place]:
            assert cleaned[place].raw_position(int(encoded.chars_covered[place])) == len(posts[place])
        else:
            assert encoded.lengths[place] == max_length
            start, end = encoded.starts[place], encoded.starts[place + 1]
            assert encoded.ids[start : end - 1].tolist() == whole.ids[whole.starts[place] :][: max_length - 1].tolist()


def test_cut_is_counted_in_the_posts_own_characters() -> None:
    # A link and an emoticon of one token stand before the cut: four tokens are 真 [哈哈] 好 a.
    post = "真http://t.cn/abc[哈哈]好abc好好好好"
    cleaned, encoded = TOKENIZER.encode_posts([post], 6, 1)
    assert [NAMES[index] for index in encoded.ids.tolist()] == ["[CLS]", "真", "[哈哈]", "好", "a", "[SEP]"]
    assert post[: cleaned[0].raw_position(int(encoded.chars_covered[0]))] == "真http://t.cn/abc[哈哈]好a"


def test_lengths_that_leave_no_room_for_the_post_are_refused() -> None:
    assert TOKENIZER.encode(["真好"], 3).num_content_tokens.tolist() == [1]
    for length in (2, 0, -5):
        with pytest.raises(UserInputError, match=f"Of {length} tokens none is left"):
            TOKENIZER.encode(["真好"], length)


def test_ids_beyond_the_rows_are_refused_by_name() -> None:
    definition = build_tokenizer(models.TOKENS).to_str()
    rows = len(models.TOKENS)
    with pytest.raises(
        UserInputError, match=f"gives ##9 the id {rows - 1}, and the base has embeddings for {rows - 1} ids"
    ):
        PostTokenizer(definition, SpecialTokens((2,), (3,), 0), rows - 1)
    with pytest.raises(UserInputError, match=f"the id {rows}"):
        PostTokenizer(definition, SpecialTokens((2,), (3,), rows), rows)
    assert (
        PostTokenizer(definition, SpecialTokens((), (), 0), rows).encode(["真好"], 5).ids.tolist()
        == TOKENIZER.encode(["真好"], 5).ids[1:-1].tolist()
    )


@pytest.mark.parametrize("definition", ["", "{}", "[]", '{"model": {"type": "WordPiece"}}', "\x00"])
def test_definition_that_is_none_is_damaged(definition: str) -> None:
    with pytest.raises(CorruptFileError, match="tokenizer cannot be read"):
        PostTokenizer(definition, SpecialTokens((), (), 0), 10)


ROWS = st.lists(st.lists(st.integers(0, 99), max_size=5), max_size=12)


def back(encoded: EncodedPosts) -> list[list[int]]:
    return [encoded.ids[a:b].tolist() for a, b in zip(encoded.starts[:-1], encoded.starts[1:], strict=True)]


@given(ROWS, st.data())
def test_take_gives_the_posts_asked_for_in_that_order(rows: list[list[int]], data: st.DataObject) -> None:
    places = data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=9)) if rows else []
    taken = models.encoded(rows).take(np.array(places, np.int64))
    assert back(taken) == [rows[place] for place in places]
    assert taken.num_content_tokens.tolist() == taken.chars_covered.tolist() == [len(rows[place]) for place in places]


@given(st.lists(ROWS, max_size=4))
def test_join_lays_the_parts_end_to_end(parts: list[list[list[int]]]) -> None:
    joined = EncodedPosts.join([models.encoded(rows) for rows in parts])
    assert back(joined) == [row for rows in parts for row in rows]
    assert joined.chars_covered.tolist() == [len(row) for rows in parts for row in rows]
    assert joined.ids.dtype == np.int32
