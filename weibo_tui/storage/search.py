"""The index over the posts: every two neighbouring characters are a word, so that any part of a post is found.

Chinese has no spaces, and most of its words have two characters. A post 今天好 is indexed as the words 今天, 天好 and,
at the end, 好. A search for two characters then looks up one word, for more a phrase of them, and for a single one
the words that begin with it. The words are written in letters and digits, four for each character, so that no text
means anything to FTS5's tokenizer or its query language. What else a filter asks for (label, adapter, …) is
indexed in the same way as facets: FTS5 intersects them with a search without a look at the posts.

SQLite before 3.43 takes an entry out of such an index only when it is told again what went in. Nothing here may
change for posts that are indexed already without a migration that indexes them anew.
"""

from __future__ import annotations

import sqlite3
import unicodedata
from functools import lru_cache
from hashlib import blake2b
from operator import add

from weibo_tui.storage.codec import unpack
from weibo_tui.storage.entries import Analysis
from weibo_tui.storage.history_filter import HistoryFilter

LONGEST = 256
"""Characters of a search that the index looks up; FTS5's effort for a phrase grows faster than its length."""

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_CHARACTERS_CACHED = 2**16
_PAGES_PURGED = 500


def fold(text: str) -> str:
    """``text`` as searches compare it: Unicode's case folding (ß is ss), and nothing else.

    Only for characters that Unicode 3.2 had. Those are folded alike by every later version, so that another
    Python finds again what this one has indexed.
    """
    return "".join(map(_folded, text))


def holds(text: str | bytes, needle: str | bytes) -> bool:
    """Whether ``needle``, folded already, stands in ``text``; both packed."""
    return unpack(needle) in fold(unpack(text))


def words(text: str) -> str:
    """The words that a post is indexed under, in order, with a space between them."""
    codes = list(map(_code, fold(text)))
    return " ".join(map(add, codes, [*codes[1:], ""]))


def facets(label: str, adapter: str, source: str, uncertain: bool, corrected: bool, late: bool) -> str:
    """The facets that an analysis is indexed under; ``label`` is the one that counts."""
    found = [
        _facet("label", label),
        _facet("adapter", adapter),
        _facet("source", source),
        _uncertain(uncertain),
        _corrected(corrected),
    ]
    return " ".join([*found, "late"] if late else found)


def expression(asked: HistoryFilter) -> str:
    """What FTS5 has to match for a filter; "" where the index knows nothing of what is asked."""
    values = {"label": asked.label, "adapter": asked.adapter, "source": asked.source}
    wanted = [_facet(name, value) for name, value in values.items() if value is not None]
    if asked.uncertain is not None:
        wanted.append(_uncertain(asked.uncertain))
    if asked.corrected is not None:
        wanted.append(_corrected(asked.corrected))
    parts = [f"facets : {facet}" for facet in wanted]
    if asked.text:
        parts.append(f"words : {_phrase(fold(asked.text)[:LONGEST])}")
    return " AND ".join(parts)


def index(database: sqlite3.Connection, analysis: Analysis, late: bool) -> None:
    """Make an analysis one that a search finds."""
    database.execute("INSERT INTO search (rowid, words, facets) VALUES (?, ?, ?)", _document(analysis, late))


def unindex(database: sqlite3.Connection, analysis: Analysis, late: bool) -> None:
    """Undo `index`, with the same arguments."""
    database.execute(
        "INSERT INTO search (search, rowid, words, facets) VALUES ('delete', ?, ?, ?)", _document(analysis, late)
    )


def purge(database: sqlite3.Connection) -> None:
    """Rewrite a part of the index without what was taken out of it, and go on there the next time.

    Until then the words of a post that was taken out can still be read in the file. A part is large enough to be
    the whole index of several thousand posts, and small enough to take some ten milliseconds.
    """
    database.execute("SAVEPOINT purging")  # which brings what is pending in memory into the index
    database.execute("INSERT INTO search (search, rank) VALUES ('merge', ?)", (-_PAGES_PURGED,))
    database.execute("RELEASE purging")


def empty(database: sqlite3.Connection) -> None:
    """Take everything out of the index."""
    database.execute("INSERT INTO search (search) VALUES ('delete-all')")


def _document(analysis: Analysis, late: bool) -> tuple[int | None, str, str]:
    corrected = analysis.corrected is not None
    about = (analysis.settled_label, analysis.adapter, analysis.source, analysis.uncertain, corrected, late)
    return analysis.id, words(analysis.text), facets(*about)


def _phrase(needle: str) -> str:
    if len(needle) == 1:
        return f"{_code(needle)} *"
    # Without the last word, which is one only where a post ends.
    return '"' + words(needle).rpartition(" ")[0] + '"'


def _facet(name: str, value: str) -> str:
    # A digest: of a longer word FTS5 would drop the end.
    return name + blake2b(value.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _uncertain(uncertain: bool) -> str:
    return "uncertain" if uncertain else "certain"


def _corrected(corrected: bool) -> str:
    return "corrected" if corrected else "uncorrected"


@lru_cache(_CHARACTERS_CACHED)
def _folded(character: str) -> str:
    known = unicodedata.ucd_3_2_0.category(character) != "Cn"
    return character.casefold() if known else character


@lru_cache(_CHARACTERS_CACHED)
def _code(character: str) -> str:
    rest = ord(character)
    code = ""
    for _ in range(4):
        rest, digit = divmod(rest, len(_DIGITS))
        code = _DIGITS[digit] + code
    return code
