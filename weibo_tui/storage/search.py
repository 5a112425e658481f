"""The full-text index over the posts, in pairs of neighboring characters, so that any part of a post is found.

Chinese has no spaces, and most of its words have two characters. A post 今天好 is indexed as the words 今天, 天好 and,
at the end, 好. A search for two characters looks up one word, for more a phrase of them, and for a single one the words
that begin with it. The words are written in letters and digits, four for each character, so that no text means anything
to FTS5's tokenizer or its query language. The other conditions of a filter (label, adapter, …) are indexed in the same
way as facets: FTS5 intersects them with a search without reading the posts.

SQLite before 3.43 removes an entry from the index only when it is told again what went in. Nothing here may change for
posts that are indexed already without a migration that indexes them again.
"""

from __future__ import annotations

import sqlite3
import unicodedata
from functools import lru_cache
from hashlib import blake2b
from operator import add

from weibo_tui.storage.codec import unpack
from weibo_tui.storage.entries import Analysis, HistoryFilter

MAX_SEARCH_LENGTH = 256
"""Characters of a search that the index looks up. FTS5's effort for a phrase grows faster than its length."""

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_UNCERTAIN = {True: "uncertain", False: "certain"}
_CORRECTED = {True: "corrected", False: "uncorrected"}
_CHARACTERS_CACHED = 2**16
_PAGES_PURGED = 500


def fold(text: str) -> str:
    """Return `text` as searches compare it: Unicode's case folding (ß is ss), and nothing else.

    Only for characters of Unicode 3.2. Every later version folds those alike, so that another Python finds what this
    one has indexed.
    """
    return "".join(map(_fold, text))


def contains(text: str | bytes, needle: str | bytes) -> bool:
    """Return whether `needle`, folded already, occurs in `text`. Both are packed."""
    return unpack(needle) in fold(unpack(text))


def words(text: str) -> str:
    """Return the words that a post is indexed under, in order, with a space between them."""
    codes = list(map(_code, fold(text)))
    return " ".join(map(add, codes, [*codes[1:], ""]))


def facets(label: str, adapter: str, source: str, uncertain: bool, corrected: bool, out_of_order: bool) -> str:
    """Return the facets that an analysis is indexed under. `label` is the effective one."""
    terms = [_facet(name, value) for name, value in (("label", label), ("adapter", adapter), ("source", source))]
    terms += [_UNCERTAIN[uncertain], _CORRECTED[corrected]]
    return " ".join([*terms, "late"] if out_of_order else terms)


def match_expression(criteria: HistoryFilter) -> str:
    """Return what FTS5 has to match for a filter, "" where the index knows none of its conditions."""
    values = {"label": criteria.label, "adapter": criteria.adapter, "source": criteria.source}
    terms = [_facet(name, value) for name, value in values.items() if value is not None]
    if criteria.uncertain is not None:
        terms.append(_UNCERTAIN[criteria.uncertain])
    if criteria.corrected is not None:
        terms.append(_CORRECTED[criteria.corrected])
    parts = [f"facets : {term}" for term in terms]
    if criteria.text:
        parts.append(f"words : {phrase(criteria.text)}")
    return " AND ".join(parts)


def index(database: sqlite3.Connection, analysis: Analysis, out_of_order: bool) -> None:
    """Add an analysis to the index."""
    document = _document(analysis, out_of_order)
    database.execute("INSERT INTO search (rowid, words, facets) VALUES (?, ?, ?)", document)


def unindex(database: sqlite3.Connection, analysis: Analysis, out_of_order: bool) -> None:
    """Undo `index`, with the same arguments."""
    document = _document(analysis, out_of_order)
    database.execute("INSERT INTO search (search, rowid, words, facets) VALUES ('delete', ?, ?, ?)", document)


def purge(database: sqlite3.Connection) -> None:
    """Rewrite a part of the index without what was removed from it. The next call continues there.

    Until then the words of a deleted post can still be read in the file. A part is large enough to be the whole index
    of several thousand posts, and small enough to take some ten milliseconds.
    """
    database.execute("SAVEPOINT purging")  # moves what is pending in memory into the index
    database.execute("INSERT INTO search (search, rank) VALUES ('merge', ?)", (-_PAGES_PURGED,))
    database.execute("RELEASE purging")


def clear(database: sqlite3.Connection) -> None:
    """Remove everything from the index."""
    database.execute("INSERT INTO search (search) VALUES ('delete-all')")


def _document(analysis: Analysis, out_of_order: bool) -> tuple[int | None, str, str]:
    values = (analysis.effective_label, analysis.adapter, analysis.source, analysis.uncertain)
    return analysis.id, words(analysis.text), facets(*values, analysis.corrected is not None, out_of_order)


def phrase(text: str) -> str:
    """Return what FTS5 has to match for posts that contain `text`, or its first MAX_SEARCH_LENGTH characters."""
    needle = fold(text)[:MAX_SEARCH_LENGTH]
    if len(needle) == 1:
        return f"{_code(needle)} *"
    # Without the last word, which exists only where a post ends.
    return '"' + words(needle).rpartition(" ")[0] + '"'


def _facet(name: str, value: str) -> str:
    # A digest, since FTS5 would drop the end of a longer word.
    return name + blake2b(value.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


@lru_cache(_CHARACTERS_CACHED)
def _fold(character: str) -> str:
    known = unicodedata.ucd_3_2_0.category(character) != "Cn"
    return character.casefold() if known else character


@lru_cache(_CHARACTERS_CACHED)
def _code(character: str) -> str:
    number = ord(character)
    code = ""
    for _ in range(4):
        number, digit = divmod(number, len(_DIGITS))
        code = _DIGITS[digit] + code
    return code
