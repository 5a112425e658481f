"""Training of tokenizers on a corpus: characters, or byte-pair merges of up to three characters.

Both lower-case as BERT does, keep frequent emoticons (`[哈哈]`) as tokens, and depend on the corpus only. Character
tokenizers follow BERT-Chinese: Chinese characters are single tokens, other scripts are spelled letter by letter with
`##` continuations. With merges (Sennrich et al. 2016) a post takes two thirds of the tokens.
"""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator
from threading import Thread

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
# Rarer characters and emoticons are left out: too few examples to learn from.
MIN_COUNT = 3
MIN_EMOTICON_COUNT = 20
# Merges are learned from a random sample of posts of this size.
SAMPLE_SIZE = 400_000
MAX_TOKEN_LENGTH = 3


class TokenizerTrainer(ABC):
    """Base class: counts bracket emoticons in cleaned posts. Emoji are characters."""

    def __init__(self, emoticons: bool) -> None:
        self._emoticons: Counter[str] | None = Counter() if emoticons else None

    @abstractmethod
    def add(self, posts: Iterable[str]) -> None:
        """Count more posts."""

    @abstractmethod
    def train(self, size: int) -> Iterator[int | Tokenizer]:
        """Yield growing numbers as progress, and last a tokenizer of at most `size` tokens."""

    def _without_emoticons(self, posts: Iterable[str]) -> Iterator[str]:
        for post in posts:
            if self._emoticons is None or "[" not in post:
                yield post
                continue
            self._emoticons.update(emoticon for emoticon in find_emoticons(post) if emoticon[0] == "[")
            yield without_emoticons(post)

    def _frequent_emoticons(self) -> list[str]:
        counts = _most_common(self._emoticons or Counter())
        return [emoticon for emoticon, count in counts if count >= MIN_EMOTICON_COUNT and emoticon not in SPECIAL]


class CharacterTokenizerTrainer(TokenizerTrainer):
    """Trains WordPiece tokenizers of single characters."""

    def __init__(self, emoticons: bool) -> None:
        super().__init__(emoticons)
        self._words: Counter[str] = Counter()
        self._normalizer = BertNormalizer(lowercase=True)

    def add(self, posts: Iterable[str]) -> None:
        # The normalizer puts spaces around every Chinese character, so most words are one character. It takes some 200
        # bytes per character, so it gets one post at a time.
        for text in self._without_emoticons(posts):
            self._words.update(self._normalizer.normalize_str(text).split())

    def train(self, size: int) -> Iterator[int | Tokenizer]:
        pieces: Counter[str] = Counter()
        split = BertPreTokenizer().pre_tokenize_str
        for number, (word, count) in enumerate(self._words.items(), start=1):
            for part, _span in split(word) if len(word) > 1 else [(word, None)]:
                pieces[part[0]] += count
                for letter in part[1:]:
                    pieces["##" + letter] += count
            if number % 20_000 == 0:
                yield number
        frequent = [piece for piece, count in _most_common(pieces) if count >= MIN_COUNT]
        yield build_tokenizer([*SPECIAL, *self._frequent_emoticons(), *frequent][:size])


class BPETokenizerTrainer(TokenizerTrainer):
    """Trains byte-pair merges that do not cross white space, punctuation or digits."""

    def __init__(self, emoticons: bool) -> None:
        super().__init__(emoticons)
        self._letters: Counter[str] = Counter()
        self._normalizer = BertNormalizer(lowercase=True, handle_chinese_chars=False)
        self._sample: list[str] = []
        self._num_posts = 0
        self._random = random.Random(0)

    def add(self, posts: Iterable[str]) -> None:
        for text in self._without_emoticons(posts):
            self._letters.update(self._normalizer.normalize_str(text))
            self._num_posts += 1
            if len(self._sample) < SAMPLE_SIZE:
                self._sample.append(text)
            elif (index := self._random.randrange(self._num_posts)) < SAMPLE_SIZE:
                self._sample[index] = text

    def train(self, size: int) -> Iterator[int | Tokenizer]:
        emoticons = self._frequent_emoticons()[: size // 4]
        # Selected here, because the library chooses at random between characters with the same count.
        frequent = [char for char, count in _most_common(self._letters) if count >= MIN_COUNT and not char.isspace()]
        letters = frequent[: size // 2]
        tokenizer = Tokenizer(models.BPE(unk_token="[UNK]"))
        tokenizer.normalizer = self._normalizer
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [BertPreTokenizer(), pre_tokenizers.Digits(individual_digits=True)]
        )
        trainer = trainers.BpeTrainer(
            vocab_size=size - len(emoticons),
            min_frequency=MIN_EMOTICON_COUNT,
            special_tokens=list(SPECIAL),
            initial_alphabet=letters,
            limit_alphabet=len(letters),
            max_token_length=MAX_TOKEN_LENGTH + 1,  # the library excludes the limit
            show_progress=False,
        )
        # The library reports no progress, so it runs in a thread.
        thread = Thread(target=tokenizer.train_from_iterator, args=(self._sample, trainer), daemon=True)
        thread.start()
        tenths = 0
        while thread.is_alive():
            thread.join(0.1)
            tenths += 1
            yield tenths
        _add_special_tokens(tokenizer, emoticons)
        yield tokenizer


def _most_common(counts: Counter[str]) -> list[tuple[str, int]]:
    """Sort by count, then by name, so that the same corpus always gives the same vocabulary."""
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def build_tokenizer(tokens: list[str]) -> Tokenizer:
    """Build a lower-casing `BertTokenizer`; the id of a token is its index."""
    tokenizer = Tokenizer(WordPiece({token: index for index, token in enumerate(tokens)}, unk_token="[UNK]"))
    tokenizer.normalizer = BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = BertPreTokenizer()
    tokenizer.decoder = WordPieceDecoder()
    _add_special_tokens(tokenizer, [token for token in tokens[len(SPECIAL) :] if len(token) > 2 and token[0] == "["])
    return tokenizer


def _add_special_tokens(tokenizer: Tokenizer, emoticons: list[str]) -> None:
    # This program adds prefix and suffix itself; the processor is for others that open the tokenizer.
    tokenizer.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(name, tokenizer.token_to_id(name)) for name in ("[CLS]", "[SEP]")],
    )
    tokenizer.add_special_tokens(list(SPECIAL))
    tokenizer.add_tokens([AddedToken(emoticon, normalized=False, special=False) for emoticon in emoticons])


def bert_special_tokens(tokenizer: Tokenizer) -> SpecialTokens:
    """Return the ids of `[CLS]`, `[SEP]` and `[PAD]` in a tokenizer of this module."""
    ids: dict[str, int] = tokenizer.get_vocab()
    prefix, suffix, pad = (ids[name] for name in ("[CLS]", "[SEP]", "[PAD]"))
    return SpecialTokens(prefix=(prefix,), suffix=(suffix,), pad=pad)


def emoticon_mask(vocabulary: dict[str, int]) -> NDArray[np.bool_]:
    """Return a mask of the ids of emoticons and emoji, (vocabulary,)."""
    mask = np.zeros(len(vocabulary), bool)
    for token, index in vocabulary.items():
        mask[index] = token not in SPECIAL and not without_emoticons(token.removeprefix("##"))
    return mask
