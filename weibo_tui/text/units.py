"""Units of a post that an explanation weighs, found without a word segmenter: emoticons, hashtags, names, words, Han
characters; and clauses, which are runs of units."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from weibo_tui.text.cleaning import INVISIBLE
from weibo_tui.text.emoticons import BRACKETED, EMOJI_SEQUENCE
from weibo_tui.text.topics import TOPIC

_SPACE = rf"[\s{INVISIBLE}]"
_UNIT = re.compile(
    rf"(?P<emoticon>{BRACKETED}|{EMOJI_SEQUENCE})"
    rf"|(?P<topic>{TOPIC.pattern})"
    r"|(?P<url>(?i:https?)://[!-~]+)"
    r"|(?P<name>@[\w·-]{1,30})"
    r"|(?P<word>[^\W_\u2e80-\uffff]+)"
    rf"|(?P<space>{_SPACE}+)"
    r"|(?P<mark>[^\w\s])(?P=mark)*"
    r"|(?P<character>.)",
    re.DOTALL,
)
_CLAUSE_END = re.compile(r"[，。！？；…~,.!?;]+")


@dataclass(frozen=True, slots=True)
class Unit:
    """Part of a post: its text, and its begin and end in the raw post. `kind` is `emoticon`, `topic`, `url`, `name`,
    `word`, `mark`, `character` or `clause`."""

    text: str
    start: int
    end: int
    kind: str


def find_units(post: str) -> list[Unit]:
    """Return the units of a post in order. White space and invisible characters are in none."""
    return [
        Unit(match[0], *match.span(), match.lastgroup)
        for match in _UNIT.finditer(post)
        if match.lastgroup not in (None, "space")
    ]


def find_clauses(post: str) -> list[Unit]:
    """Return the clauses of a post in order: they end after punctuation, before white space, and around emoticons.

    A run of the same or of different emoticons is one clause."""
    clauses: list[Unit] = []
    run: list[Unit] = []
    for unit in find_units(post):
        if run and _separates(run[-1], unit):
            clauses.append(_join(post, run))
            run = []
        run.append(unit)
    return [*clauses, _join(post, run)] if run else clauses


def _separates(last: Unit, unit: Unit) -> bool:
    """Return whether a clause ends between two neighbors."""
    if last.end < unit.start:  # white space between them
        return True
    if (last.kind == "emoticon") != (unit.kind == "emoticon"):
        return True
    return bool(_CLAUSE_END.fullmatch(last.text)) and not _CLAUSE_END.fullmatch(unit.text)


def _join(post: str, run: list[Unit]) -> Unit:
    start, end = run[0].start, run[-1].end
    return Unit(post[start:end], start, end, "clause")


def repeated_groups(units: list[Unit]) -> Iterator[tuple[str, list[int]]]:
    """Yield the text and the indices of units that occur more than once, and under "" those of all emoticons.

    One 哈 of 哈哈哈 looks worthless alone (METHODS A3 calls these group deletions)."""
    emoticons = [index for index, unit in enumerate(units) if unit.kind == "emoticon"]
    if emoticons:
        yield "", emoticons
    places: dict[str, list[int]] = {}
    for index, unit in enumerate(units):
        places.setdefault(unit.text, []).append(index)
    yield from ((text, indices) for text, indices in places.items() if len(indices) > 1)


def without(post: str, units: list[Unit]) -> str:
    """Return the post without some of its units, which are in order."""
    pieces, done = [], 0
    for unit in units:
        pieces.append(post[done : unit.start])
        done = unit.end
    return "".join([*pieces, post[done:]])
