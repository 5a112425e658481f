"""A BERT-style character vocabulary made from a corpus, and the tokenizer on it.

Chinese characters are single tokens, other scripts are spelled letter by letter with `##` continuations, and
frequent emoticons (`[哈哈]`) may be tokens of their own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from tokenizers import AddedToken, Tokenizer
from tokenizers.decoders import WordPiece as WordPieceDecoder
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.processors import TemplateProcessing

from weibo_tui.engine.tokenizer import Frame
from weibo_tui.text import find_emoticons, without_emoticons

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
# Seen fewer times than this, a character or an emoticon teaches nothing.
LEAST_SEEN = 3
LEAST_EMOTICON = 20


class VocabularyCounts:
    """Counts of characters and emoticons over cleaned posts, fed a stretch at a time."""

    def __init__(self, emoticons: bool) -> None:
        self._emoticons: Counter[str] | None = Counter() if emoticons else None
        self._words: Counter[str] = Counter()
        self._normalizer = BertNormalizer(lowercase=True)

    def add(self, posts: Iterable[str]) -> None:
        texts = []
        for post in posts:
            if self._emoticons is None or "[" not in post:
                texts.append(post)
                continue
            self._emoticons.update(mark for mark in find_emoticons(post) if mark[0] == "[")
            texts.append(without_emoticons(post))
        # The normaliser sets every Chinese character apart by spaces, so most words here are one character.
        self._words.update(self._normalizer.normalize_str("\n".join(texts)).split())

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
        emoticons = [
            mark
            for mark, count in _ranked(self._emoticons or Counter())
            if count >= LEAST_EMOTICON and mark not in SPECIAL
        ]
        kept = [piece for piece, count in _ranked(pieces) if count >= LEAST_SEEN]
        yield [*SPECIAL, *emoticons, *kept][:size]


def _ranked(counts: Counter[str]) -> list[tuple[str, int]]:
    """By falling count, equal counts by name, so that the same corpus always gives the same vocabulary."""
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def build_tokenizer(tokens: list[str]) -> Tokenizer:
    """A `BertTokenizer` (lower-casing) over `tokens`, whose ids are their places."""
    tokenizer = Tokenizer(WordPiece({token: index for index, token in enumerate(tokens)}, unk_token="[UNK]"))
    tokenizer.normalizer = BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = BertPreTokenizer()
    tokenizer.decoder = WordPieceDecoder()
    tokenizer.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", tokens.index("[CLS]")), ("[SEP]", tokens.index("[SEP]"))],
    )
    tokenizer.add_special_tokens(list(SPECIAL))
    marks = [token for token in tokens[len(SPECIAL) :] if len(token) > 2 and token[0] == "["]
    tokenizer.add_tokens([AddedToken(mark, normalized=False, special=False) for mark in marks])
    return tokenizer


def bert_frame(tokens: list[str]) -> Frame:
    return Frame(prefix=(tokens.index("[CLS]"),), suffix=(tokens.index("[SEP]"),), pad=tokens.index("[PAD]"))
