"""Meaningless posts with random labels, from which an adapter learns to be uncertain.

Random keys, random characters, other scripts, numbers, punctuation, and plain English about things.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence

# The most frequent Chinese characters.
_CHARACTERS = (
    "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年过发后作里用道行所然家种"
    "事成方多经么去法学如都同现当没动面起看定天分还进好小部其些主样理心她本前开但因只从想实日军者意无力它与长把机十民第"
    "公此已工使情明性知全三又关点正业外将两高间由问很最重并物手应战向头文体政美相见被利什二等产或新己制身果加西斯月话合"
)
_PUNCTUATION = "。，、；：？！…—·,.;:?!~-_=+*/\\()（）“”‘’《》【】#@&%^|<>"
_ENGLISH = (  # a clause has one of each, in this order
    "the|a|this|that|my|your|our|every|another|one",
    "table|train|window|river|paper|lamp|street|garden|engine|letter|bottle|market|island|pencil|ticket|office|report",
    "is|was|has|runs|stands|leaves|opens|moves|turns|shows|takes|keeps|holds|comes|goes",
    "on|in|under|near|with|from|at|by|to|over|behind",
    "the kitchen|a folder|my number|our bridge|one morning|that station|this meeting|every version|his server",
)


def noise_posts(count: int, labels: Sequence[str], seed: int) -> Iterator[tuple[str, str]]:
    """Yield `count` posts as (label, text)."""
    rng = random.Random(seed)
    for _number in range(count):
        yield rng.choice(labels), rng.choice(_MAKERS)(rng)


def _keys(rng: random.Random) -> str:
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = ("".join(rng.choices(letters, k=rng.randint(2, 12))) for _ in range(rng.randint(1, 6)))
    return " ".join(words)


def _characters(rng: random.Random) -> str:
    return "".join(rng.choices(_CHARACTERS, k=rng.randint(1, 25)))


def _rare_characters(rng: random.Random) -> str:
    return "".join(chr(rng.randint(0x4E00, 0x9FA5)) for _ in range(rng.randint(1, 15)))


def _other_script(rng: random.Random) -> str:
    scripts = ((0x3041, 0x3093), (0x30A1, 0x30F3), (0xAC00, 0xD7A3), (0x0430, 0x044F), (0x03B1, 0x03C9))
    first, last = rng.choice(scripts)
    return "".join(chr(rng.randint(first, last)) for _ in range(rng.randint(2, 20)))


def _punctuation(rng: random.Random) -> str:
    if rng.random() < 0.5:
        return rng.choice(_PUNCTUATION) * rng.randint(1, 12)
    return "".join(rng.choices(_PUNCTUATION, k=rng.randint(1, 12)))


def _numbers(rng: random.Random) -> str:
    return " ".join(str(rng.randint(0, 10 ** rng.randint(1, 11))) for _ in range(rng.randint(1, 4)))


def _english(rng: random.Random) -> str:
    def clause() -> str:
        return " ".join(rng.choice(words.split("|")) for words in _ENGLISH)

    text = ", ".join(clause() for _ in range(rng.randint(1, 3)))
    return rng.choice((text, text.capitalize() + ".", text.capitalize()))


_MAKERS: tuple[Callable[[random.Random], str], ...] = (
    _keys,
    _characters,
    _rare_characters,
    _other_script,
    _punctuation,
    _numbers,
    _english,
)
