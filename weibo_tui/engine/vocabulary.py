"""Vocabularies made from a corpus, and the tokenizers on them: of characters, or of pieces of several.

Both lower-case as BERT does, keep frequent emoticons (`[哈哈]`) as tokens of their own, and are functions of the
corpus alone. Characters follow BERT-Chinese: Chinese ones are single tokens, other scripts are spelled letter by
letter with `##` continuations. Pieces are byte-pair merges of up to three characters (Sennrich et al. 2016): a post
takes two thirds of the tokens, and what a word model would know of words stands in its embeddings.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Iterator
from threading import Thread
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers, trainers
from tokenizers.decoders import WordPiece as WordPieceDecoder
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.processors import TemplateProcessing

from weibo_tui.engine.tokenizer import SpecialTokens
from weibo_tui.text.emoticons import find_emoticons, without_emoticons

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
# Seen fewer times than this, a character or an emoticon teaches nothing.
LEAST_SEEN = 3
LEAST_EMOTICON = 20
# Pieces are learned from so many posts at most, drawn at random, and have so many characters at most.
LEARNED_FROM = 400_000
LONGEST_PIECE = 3


class TokenizerTrainer(Protocol):
    """What makes a tokenizer from cleaned posts, fed a stretch at a time."""

    def add(self, posts: Iterable[str]) -> None: ...

    def tokenizer(self, size: int) -> Iterator[int | Tokenizer]:
        """A tokenizer of `size` tokens at most. Yields a number that grows now and then, the tokenizer last."""
        ...


class Emoticons:
    """Counts of bracket emoticons; emoji are characters. Told not to, it counts none and cuts none."""

    def __init__(self, wanted: bool) -> None:
        self._counts: Counter[str] | None = Counter() if wanted else None

    def cut(self, posts: Iterable[str]) -> Iterator[str]:
        """The posts without what is counted."""
        for post in posts:
            if self._counts is None or "[" not in post:
                yield post
                continue
            self._counts.update(mark for mark in find_emoticons(post) if mark[0] == "[")
            yield without_emoticons(post)

    def frequent(self) -> list[str]:
        """Those seen often enough, the most frequent first."""
        ranked = _ranked(self._counts or Counter())
        return [mark for mark, count in ranked if count >= LEAST_EMOTICON and mark not in SPECIAL]


class CharacterTokenizerTrainer:
    """Characters, and letters of words."""

    def __init__(self, emoticons: bool) -> None:
        self._emoticons = Emoticons(emoticons)
        self._words: Counter[str] = Counter()
        self._normalizer = BertNormalizer(lowercase=True)

    def add(self, posts: Iterable[str]) -> None:
        # The normalizer sets every Chinese character apart by spaces, so most words here are one character. It takes
        # some 200 bytes a character, so it gets one post at a time.
        for text in self._emoticons.cut(posts):
            self._words.update(self._normalizer.normalize_str(text).split())

    def tokenizer(self, size: int) -> Iterator[int | Tokenizer]:
        for found in self.tokens(size):
            yield found if isinstance(found, int) else build_tokenizer(found)

    def tokens(self, size: int) -> Iterator[int | list[str]]:
        """The `size` tokens: specials, emoticons, then pieces, the most frequent first. Yields the number of
        words cut so far now and then, the list of tokens last."""
        pieces: Counter[str] = Counter()
        split = BertPreTokenizer().pre_tokenize_str
        for number, (word, count) in enumerate(self._words.items(), start=1):
            for part, _span in split(word) if len(word) > 1 else [(word, None)]:
                pieces[part[0]] += count
                for letter in part[1:]:
                    pieces["##" + letter] += count
            if number % 20_000 == 0:
                yield number
        kept = [piece for piece, count in _ranked(pieces) if count >= LEAST_SEEN]
        yield [*SPECIAL, *self._emoticons.frequent(), *kept][:size]


class BPETokenizerTrainer:
    """Byte-pair merges within runs of characters that no white space, punctuation mark or digit parts."""

    def __init__(self, emoticons: bool) -> None:
        self._emoticons = Emoticons(emoticons)
        self._letters: Counter[str] = Counter()
        self._normalizer = BertNormalizer(lowercase=True, handle_chinese_chars=False)
        self._sample: list[str] = []
        self._seen = 0
        self._random = random.Random(0)

    def add(self, posts: Iterable[str]) -> None:
        for text in self._emoticons.cut(posts):
            self._letters.update(self._normalizer.normalize_str(text))
            self._seen += 1
            if len(self._sample) < LEARNED_FROM:
                self._sample.append(text)
            elif (place := self._random.randrange(self._seen)) < LEARNED_FROM:
                self._sample[place] = text

    def tokenizer(self, size: int) -> Iterator[int | Tokenizer]:
        marks = self._emoticons.frequent()[: size // 4]
        # Chosen here, because of characters that are as frequent as each other the library keeps some by chance.
        seen = [letter for letter, count in _ranked(self._letters) if count >= LEAST_SEEN and not letter.isspace()]
        letters = seen[: size // 2]
        tokenizer = Tokenizer(models.BPE(unk_token="[UNK]"))
        tokenizer.normalizer = self._normalizer
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [BertPreTokenizer(), pre_tokenizers.Digits(individual_digits=True)]
        )
        trainer = trainers.BpeTrainer(
            vocab_size=size - len(marks),
            min_frequency=LEAST_EMOTICON,
            special_tokens=list(SPECIAL),
            initial_alphabet=letters,
            limit_alphabet=len(letters),
            max_token_length=LONGEST_PIECE + 1,  # the library stops short of it
            show_progress=False,
        )
        # The library learns without a pause for a word of progress, so that goes on beside it.
        learning = Thread(target=tokenizer.train_from_iterator, args=(self._sample, trainer), daemon=True)
        learning.start()
        tenths = 0
        while learning.is_alive():
            learning.join(0.1)
            tenths += 1
            yield tenths
        _frame_posts(tokenizer)
        tokenizer.add_tokens([AddedToken(mark, normalized=False, special=False) for mark in marks])
        yield tokenizer


def _ranked(counts: Counter[str]) -> list[tuple[str, int]]:
    """By falling count, equal counts by name, so that the same corpus always gives the same vocabulary."""
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def build_tokenizer(tokens: list[str]) -> Tokenizer:
    """A `BertTokenizer` (lower-casing) over `tokens`, whose ids are their places."""
    tokenizer = Tokenizer(WordPiece({token: index for index, token in enumerate(tokens)}, unk_token="[UNK]"))
    tokenizer.normalizer = BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = BertPreTokenizer()
    tokenizer.decoder = WordPieceDecoder()
    _frame_posts(tokenizer)
    marks = [token for token in tokens[len(SPECIAL) :] if len(token) > 2 and token[0] == "["]
    tokenizer.add_tokens([AddedToken(mark, normalized=False, special=False) for mark in marks])
    return tokenizer


def _frame_posts(tokenizer: Tokenizer) -> None:
    """`[CLS] … [SEP]`, for who opens the tokenizer elsewhere."""
    tokenizer.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(name, tokenizer.token_to_id(name)) for name in ("[CLS]", "[SEP]")],
    )
    tokenizer.add_special_tokens(list(SPECIAL))


def bert_frame(tokenizer: Tokenizer) -> SpecialTokens:
    """`[CLS]`, `[SEP]` and `[PAD]` of a tokenizer made here."""
    ids: dict[str, int] = tokenizer.get_vocab()
    prefix, suffix, pad = (ids[name] for name in ("[CLS]", "[SEP]", "[PAD]"))
    return SpecialTokens(prefix=(prefix,), suffix=(suffix,), pad=pad)


def emoticon_ids(vocabulary: dict[str, int]) -> NDArray[np.bool_]:
    """Which ids are emoticons or emoji, (vocabulary,)."""
    marks = np.zeros(len(vocabulary), bool)
    for token, index in vocabulary.items():
        marks[index] = token not in SPECIAL and not without_emoticons(token.removeprefix("##"))
    return marks
