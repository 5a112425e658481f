"""From posts to token ids: prefix, the post's own tokens, suffix. One function encodes, for training and use alike."""

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
from weibo_tui.text.cleaning import MAX_POST_LENGTH, Cleaned, clean

# An encoding takes some 200 bytes a token, so no more characters than these are encoded at once.
AT_ONCE = 2**18
# Characters of a cleaned text that are looked at; a line of a corpus has fewer.
LONGEST_TEXT = 2**17
# What is this many characters further on does not change how a word is split: added tokens and patterns have at most
# `tokenizer_check.LONGEST_PATTERN` characters.
REACH = 2048


@dataclass(frozen=True, slots=True)
class SpecialTokens:
    """The ids around every post (`[CLS]` and `[SEP]` of a BERT vocabulary), and the id that fills a batch."""

    prefix: tuple[int, ...]
    suffix: tuple[int, ...]
    pad: int


@dataclass(frozen=True, slots=True)
class EncodedPosts:
    """Posts as token ids, laid end to end.

    ids: int32 (tokens,); starts: int64 (posts + 1,), post i is ids[starts[i]:starts[i + 1]];
    read: int32 (posts,), how many characters of the cleaned text the ids cover; bodies: int32 (posts,), tokens
    between prefix and suffix, 0 where the tokenizer found nothing to read."""

    ids: NDArray[np.int32]
    starts: NDArray[np.int64]
    read: NDArray[np.int32]
    bodies: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens of each post, prefix and suffix counted, (posts,)."""
        return np.diff(self.starts)

    def lengths_of(self, which: NDArray[np.int64]) -> NDArray[np.int64]:
        """The same of some posts, without a look at all the others."""
        return self.starts[which + 1] - self.starts[which]

    def take(self, which: NDArray[np.int64]) -> EncodedPosts:
        """The posts `which`, in that order."""
        lengths = self.lengths_of(which)
        starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
        places = np.repeat(self.starts[which] - starts[:-1], lengths) + np.arange(starts[-1])
        return EncodedPosts(self.ids[places], starts, self.read[which], self.bodies[which])

    @staticmethod
    def join(parts: Sequence[EncodedPosts]) -> EncodedPosts:
        """One Encoded of all posts of the parts, in order."""
        lengths = np.concatenate([part.lengths for part in parts]) if parts else np.zeros(0, np.int64)
        return EncodedPosts(
            ids=np.concatenate([part.ids for part in parts]) if parts else np.zeros(0, np.int32),
            starts=np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)]),
            read=np.concatenate([part.read for part in parts]) if parts else np.zeros(0, np.int32),
            bodies=np.concatenate([part.bodies for part in parts]) if parts else np.zeros(0, np.int32),
        )


@contextmanager
def rust_errors() -> Iterator[None]:
    """Raise what the library raises as Damaged: bare Exception, panics, which are none, and lone surrogates."""
    try:
        yield
    except BaseException as error:
        if type(error) not in (Exception, UnicodeEncodeError) and type(error).__module__ != "pyo3_runtime":
            raise
        reason = str(error).partition("\n")[0][:200].rstrip(".")
        raise CorruptFileError(_("The tokenizer cannot be read: {error}.").format(error=reason)) from error


class PostTokenizer:
    """A base's tokenizer with its frame. Names of special tokens in a post encode to characters."""

    def __init__(self, definition: str, frame: SpecialTokens, vocabulary: int) -> None:
        """`definition` is the text of a `tokenizer.json`; `vocabulary` the number of embedding rows.

        Raises CorruptFileError where the definition cannot be read, UserInputError where it holds what it may not (see
        `tokenizer_check`) and where an id lies beyond the rows. The library can also abort the process: one from
        outside is loaded in a child process first (see `registry.isolated`)."""
        definition = tokenizer_check.canonical(definition)
        with rust_errors():
            self._tokenizer = Tokenizer.from_str(definition)
        self._tokenizer.encode_special_tokens = True
        self.frame = frame
        self.unknown = self._unknown_id()
        framing = {f"#{i}": i for i in (*frame.prefix, *frame.suffix, frame.pad)}
        for token, index in {**self.vocabulary(), **framing}.items():
            if not 0 <= index < vocabulary:
                raise UserInputError(
                    _(
                        "The tokenizer gives {token} the id {index}, and the base has embeddings for {rows} ids only."
                    ).format(token=token[:100], index=index, rows=vocabulary)
                )

    def vocabulary(self) -> dict[str, int]:
        """Every token and its id."""
        tokens: dict[str, int] = self._tokenizer.get_vocab(with_added_tokens=True)
        return tokens

    def unread(self, text: str) -> int:
        """How many characters of a text, blanks aside, no token but the one for the unknown stands for."""
        with rust_errors():
            encoding = self._tokenizer.encode(text, add_special_tokens=False)
        read: set[int] = set()
        for index, (start, end) in zip(encoding.ids, encoding.offsets, strict=True):
            if index != self.unknown:
                read.update(range(start, end))
        return sum(at not in read and not character.isspace() for at, character in enumerate(text))

    def lower_cases(self) -> bool:
        """Whether capital letters are read as small ones."""
        with rust_errors():
            capital, small = (self._tokenizer.encode(text, add_special_tokens=False).ids for text in ("Weibo", "weibo"))
        return capital == small and self.unknown not in small

    def _unknown_id(self) -> int | None:
        token = getattr(self._tokenizer.model, "unk_token", None)
        return self._tokenizer.token_to_id(token) if token else None

    def encode_posts(
        self, posts: Sequence[str], max_length: int, preprocessing: int
    ) -> tuple[list[Cleaned], EncodedPosts]:
        """Posts as written to their cleaned texts and token ids."""
        cleaned = [clean(post[:MAX_POST_LENGTH], preprocessing) for post in posts]
        return cleaned, self.encode([one.text for one in cleaned], max_length)

    def encode(self, texts: Sequence[str], max_length: int) -> EncodedPosts:
        """Cleaned texts to ids, each cut so that with prefix and suffix it has at most `max_length` tokens.

        Of a text at most LONGEST_TEXT characters are looked at, and of a long one only a beginning that holds enough
        tokens: the ids are those of the whole. Raises UserInputError where prefix and suffix leave no room for a post,
        Damaged where the tokenizer fails."""
        prefix, suffix = self.frame.prefix, self.frame.suffix
        room = max_length - len(prefix) - len(suffix)
        if room < 1:
            raise UserInputError(
                _("Of {length} tokens none is left for the post itself: choose a greater --max-length.").format(
                    length=max_length
                )
            )
        ids: list[int] = []
        lengths, read, bodies = [], [], []
        for body, characters in self._bodies(texts, room):
            read.append(characters)
            ids += (*prefix, *body, *suffix)
            lengths.append(len(body) + len(prefix) + len(suffix))
            bodies.append(len(body))
        return EncodedPosts(
            ids=np.array(ids, np.int32),
            starts=np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64)]),
            read=np.array(read, np.int32),
            bodies=np.array(bodies, np.int32),
        )

    def _bodies(self, texts: Sequence[str], room: int) -> list[tuple[list[int], int]]:
        """Return the first `room` ids of each text, and how many of its characters they cover."""
        bodies: dict[int, tuple[list[int], int]] = {}
        waiting, length = list(range(len(texts))), 4 * room + REACH
        while waiting:
            length = min(length, LONGEST_TEXT)
            for some in _batches(waiting, [min(len(texts[index]), length) for index in waiting]):
                with rust_errors():
                    encodings = self._tokenizer.encode_batch(
                        [texts[index][:length] for index in some], add_special_tokens=False
                    )
                for index, encoding in zip(some, encodings, strict=True):
                    looked_at = min(len(texts[index]), LONGEST_TEXT)
                    if looked_at <= length or _is_settled(encoding, room, length - REACH):
                        bodies[index] = _body(encoding, room, looked_at)
            waiting = [index for index in waiting if index not in bodies]
            length *= 4
        return [bodies[index] for index in range(len(texts))]


def _batches(indices: Sequence[int], lengths: Sequence[int]) -> Iterator[list[int]]:
    """Split the indices of texts so that each part has AT_ONCE characters at most, or one text."""
    part: list[int] = []
    characters = 0
    for index, length in zip(indices, lengths, strict=True):
        if part and characters + length > AT_ONCE:
            yield part
            part, characters = [], 0
        part.append(index)
        characters += length
    if part:
        yield part


def _is_settled(encoding: Encoding, room: int, end: int) -> bool:
    """Whether the first `room` tokens, and the next one, are the same in the whole text: their words end at `end`."""
    word = encoding.token_to_word(room) if len(encoding) > room else None
    span = encoding.word_to_chars(word) if word is not None else None
    return span is not None and span[1] <= end


def _body(encoding: Encoding, room: int, characters: int) -> tuple[list[int], int]:
    if len(encoding) <= room:
        return encoding.ids, characters
    # A character may take several tokens, and is read where all of them are.
    offsets = encoding.offsets
    return encoding.ids[:room], min(offsets[room - 1][1], offsets[room][0])
