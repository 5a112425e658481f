"""Encoding of posts to token ids: prefix, content tokens, suffix. Training and use share the same function."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer

from weibo_tui.engine import tokenizer_check
from weibo_tui.errors import CorruptFileError, UserInputError
from weibo_tui.locale import gettext as _
from weibo_tui.text.cleaning import MAX_POST_LENGTH, clean
from weibo_tui.text.rewriting import Cleaned

# Characters that are encoded at once: an encoding takes some 200 bytes per token.
MAX_BATCH_LENGTH = 2**18
# Characters of a cleaned text that are encoded at all; lines of a corpus are shorter.
MAX_TEXT_LENGTH = 2**17
# Characters after a word that can change how it is split. Added tokens have at most
# `tokenizer_check.MAX_TOKEN_LENGTH`.
MARGIN = 2048


@dataclass(frozen=True, slots=True)
class SpecialTokens:
    """Ids before and after each post (`[CLS]` and `[SEP]` of a BERT vocabulary), and the padding id."""

    prefix: tuple[int, ...]
    suffix: tuple[int, ...]
    pad: int


@dataclass(frozen=True, slots=True)
class EncodedPosts:
    """Ragged batch of encoded posts.

    ids: int32 (tokens,); starts: int64 (posts + 1,), post i is ids[starts[i]:starts[i + 1]];
    chars_covered: int32 (posts,), characters of the cleaned text that the ids cover; num_content_tokens: int32
    (posts,), tokens between prefix and suffix, 0 for an empty post."""

    ids: NDArray[np.int32]
    starts: NDArray[np.int64]
    chars_covered: NDArray[np.int32]
    num_content_tokens: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Number of tokens of each post, with prefix and suffix, (posts,)."""
        return np.diff(self.starts)

    def lengths_of(self, indices: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the lengths of some posts, in time that does not depend on the others."""
        return self.starts[indices + 1] - self.starts[indices]

    def take(self, indices: NDArray[np.int64]) -> EncodedPosts:
        """Return the posts `indices`, in that order."""
        lengths = self.lengths_of(indices)
        starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
        tokens = np.repeat(self.starts[indices] - starts[:-1], lengths) + np.arange(starts[-1])
        return EncodedPosts(self.ids[tokens], starts, self.chars_covered[indices], self.num_content_tokens[indices])

    @staticmethod
    def join(parts: Sequence[EncodedPosts]) -> EncodedPosts:
        """Concatenate the posts of the parts."""
        none = np.zeros(0, np.int32)
        return EncodedPosts(
            ids=np.concatenate([none, *(part.ids for part in parts)]),
            starts=np.concatenate([[0], *(part.lengths for part in parts)], dtype=np.int64).cumsum(),
            chars_covered=np.concatenate([none, *(part.chars_covered for part in parts)]),
            num_content_tokens=np.concatenate([none, *(part.num_content_tokens for part in parts)]),
        )


@contextmanager
def translate_tokenizer_errors() -> Iterator[None]:
    """Raise CorruptFileError for what the library raises: Exception itself, panics, and encoding errors."""
    try:
        yield
    except BaseException as error:
        if type(error) not in (Exception, UnicodeEncodeError) and type(error).__module__ != "pyo3_runtime":
            raise
        reason = str(error).partition("\n")[0][:200].rstrip(".")
        raise CorruptFileError(_("Cannot read the tokenizer: {error}.").format(error=reason)) from error


class PostTokenizer:
    """Tokenizer of a base. Names of special tokens in a post encode to characters."""

    def __init__(self, definition: str, special_tokens: SpecialTokens, vocabulary: int) -> None:
        """Load the text of a `tokenizer.json` for a base with `vocabulary` embedding rows.

        Raises CorruptFileError if the definition cannot be read, and UserInputError if it is refused (see
        `tokenizer_check`) or has an id without a row. The library can also abort the process, so a tokenizer from
        outside is first loaded in a child process (see `registry.isolated`)."""
        definition = tokenizer_check.check_definition(definition)
        with translate_tokenizer_errors():
            self._tokenizer = Tokenizer.from_str(definition)
        self._tokenizer.encode_special_tokens = True
        self.special_tokens = special_tokens
        self.unknown = self._unknown_id()
        named = {f"#{i}": i for i in (*special_tokens.prefix, *special_tokens.suffix, special_tokens.pad)}
        for token, index in {**self.vocabulary(), **named}.items():
            if not 0 <= index < vocabulary:
                raise UserInputError(
                    _("The tokenizer gives {token} the id {index}, but the base has only {rows} embeddings.").format(
                        token=token[:100], index=index, rows=vocabulary
                    )
                )

    def vocabulary(self) -> dict[str, int]:
        """Return every token and its id."""
        tokens: dict[str, int] = self._tokenizer.get_vocab(with_added_tokens=True)
        return tokens

    def count_unknown_chars(self, text: str) -> int:
        """Count the characters of a text, except white space, that only the unknown token covers."""
        with translate_tokenizer_errors():
            encoding = self._tokenizer.encode(text, add_special_tokens=False)
        known: set[int] = set()
        for index, (start, end) in zip(encoding.ids, encoding.offsets, strict=True):
            if index != self.unknown:
                known.update(range(start, end))
        return sum(i not in known and not character.isspace() for i, character in enumerate(text))

    def lower_cases(self) -> bool:
        """Return whether capital letters are encoded as small ones."""
        with translate_tokenizer_errors():
            capital, small = (self._tokenizer.encode(text, add_special_tokens=False).ids for text in ("Weibo", "weibo"))
        return capital == small and self.unknown not in small

    def _unknown_id(self) -> int | None:
        token = getattr(self._tokenizer.model, "unk_token", None)
        return self._tokenizer.token_to_id(token) if token else None

    def encode_posts(
        self, posts: Sequence[str], max_length: int, preprocessing: int
    ) -> tuple[list[Cleaned], EncodedPosts]:
        """Clean and encode posts."""
        cleaned = [clean(post[:MAX_POST_LENGTH], preprocessing) for post in posts]
        return cleaned, self.encode([post.text for post in cleaned], max_length)

    def encode(self, texts: Sequence[str], max_length: int) -> EncodedPosts:
        """Encode cleaned texts, truncated to `max_length` tokens with prefix and suffix.

        Of a long text only a beginning with enough tokens is encoded, which gives the same ids, and never more than
        MAX_TEXT_LENGTH characters. Raises UserInputError if prefix and suffix leave no token for the post, and
        CorruptFileError if the tokenizer fails."""
        prefix, suffix = self.special_tokens.prefix, self.special_tokens.suffix
        max_content = max_length - len(prefix) - len(suffix)
        if max_content < 1:
            raise UserInputError(
                _("{length} tokens leave no room for the post itself. Choose a larger --max-length.").format(
                    length=max_length
                )
            )
        ids: list[int] = []
        starts, chars_covered, num_content_tokens = [0], [], []
        for content, characters in self._encode_content(texts, max_content):
            chars_covered.append(characters)
            ids += (*prefix, *content, *suffix)
            starts.append(len(ids))
            num_content_tokens.append(len(content))
        return EncodedPosts(
            ids=np.array(ids, np.int32),
            starts=np.array(starts, np.int64),
            chars_covered=np.array(chars_covered, np.int32),
            num_content_tokens=np.array(num_content_tokens, np.int32),
        )

    def encode_prefixes(self, text: str, max_length: int) -> tuple[list[int], list[tuple[int, int]]]:
        """Encode a cleaned text as `encode` does, without prefix and suffix.

        Return its ids, and the numbers of ids and characters of each beginning of the text that is encoded to a
        beginning of the ids, that of no text first."""
        special = self.special_tokens
        limit = max_length - len(special.prefix) - len(special.suffix)
        ((ids, characters),) = self._encode_content([text], limit)
        with translate_tokenizer_errors():
            # A text that is cut after the margin has the same first ids.
            encoding = self._tokenizer.encode(text[: characters + MARGIN], add_special_tokens=False)
            ends = [end for _start, end in encoding.offsets[: len(ids)]]
            beginnings = self._tokenizer.encode_batch([text[:end] for end in ends], add_special_tokens=False)
        matches = [
            (number, end)
            for number, (end, beginning) in enumerate(zip(ends, beginnings, strict=True), 1)
            if beginning.ids == ids[:number]
        ]
        return ids, [(0, 0), *matches]

    def _encode_content(self, texts: Sequence[str], limit: int) -> list[tuple[list[int], int]]:
        """Return the first `limit` ids of each text, and the number of its characters that they cover."""
        results: dict[int, tuple[list[int], int]] = {}
        pending, length = list(range(len(texts))), 4 * limit + MARGIN
        while pending:
            length = min(length, MAX_TEXT_LENGTH)
            for batch in _batches(pending, [min(len(texts[index]), length) for index in pending]):
                with translate_tokenizer_errors():
                    encodings = self._tokenizer.encode_batch(
                        [texts[index][:length] for index in batch], add_special_tokens=False
                    )
                for index, encoding in zip(batch, encodings, strict=True):
                    text_length = min(len(texts[index]), MAX_TEXT_LENGTH)
                    if text_length <= length or _is_final(encoding, limit, length - MARGIN):
                        results[index] = _truncate(encoding, limit, text_length)
            pending = [index for index in pending if index not in results]
            length *= 4
        return [results[index] for index in range(len(texts))]


def _batches(indices: Sequence[int], lengths: Sequence[int]) -> Iterator[list[int]]:
    """Split indices of texts into batches of at most MAX_BATCH_LENGTH characters, or one text."""
    batch: list[int] = []
    characters = 0
    for index, length in zip(indices, lengths, strict=True):
        if batch and characters + length > MAX_BATCH_LENGTH:
            yield batch
            batch, characters = [], 0
        batch.append(index)
        characters += length
    if batch:
        yield batch


def _is_final(encoding: Encoding, limit: int, end: int) -> bool:
    """Return whether the first `limit` + 1 tokens are those of the whole text, because their words end before `end`."""
    word = encoding.token_to_word(limit) if len(encoding) > limit else None
    span = encoding.word_to_chars(word) if word is not None else None
    return span is not None and span[1] <= end


def _truncate(encoding: Encoding, limit: int, characters: int) -> tuple[list[int], int]:
    if len(encoding) <= limit:
        return encoding.ids, characters
    # A character of several tokens is covered only by all of them.
    offsets = encoding.offsets
    return encoding.ids[:limit], min(offsets[limit - 1][1], offsets[limit][0])
