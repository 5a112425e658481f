"""The search index of the history."""

from __future__ import annotations

import unicodedata
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from histories import ANALYSIS, at
from hypothesis import given, settings
from hypothesis import strategies as st

from weibo_tui.storage.codec import pack
from weibo_tui.storage.database import Database, connect
from weibo_tui.storage.history import Analysis, History, HistoryFilter
from weibo_tui.storage.migrations import MIGRATIONS
from weibo_tui.storage.search import MAX_SEARCH_LENGTH, facets, fold, words


def found(history: History, text: str) -> list[str]:
    """Return the posts that a search finds, oldest first."""
    page = history.page(1000, filter=HistoryFilter(text=text))
    assert history.count(HistoryFilter(text=text)) == len(page)
    return [entry.text for entry in reversed(page) if isinstance(entry, Analysis)]


def indexed(database: Database) -> Counter[str]:
    """Return the number of posts of each word and facet in the index."""
    database.execute("INSERT INTO search (search) VALUES ('integrity-check')")
    database.execute("CREATE VIRTUAL TABLE IF NOT EXISTS temp.vocabulary USING fts5vocab (main, search, row)")
    return Counter(dict(database.execute("SELECT term, doc FROM vocabulary")))


def expected(analyses: list[Analysis]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for one in analyses:
        is_corrected = one.corrected is not None
        about = facets(one.effective_label, one.adapter, one.source, one.uncertain, is_corrected, False)
        counts.update({*words(one.text).split(), *about.split()})
    return counts


# Few characters, so that posts and searches have much in common. All that may mean something to SQL, FTS5, a
# tokenizer or Unicode is among them.
ALPHABET = (
    "今天好哈ａAaßſİiΣσς \n\t\x00\"'*^:+-(){}[]AND"
    "😊👍🏽\u200d\ufe0f\u0301\ud83d\ude0a\udcff\U000104c2\U000104ea\U0010ffff"
)
TEXT = st.text(st.sampled_from(ALPHABET), max_size=12) | st.text(st.characters(exclude_categories=()), max_size=6)


@settings(max_examples=40)
@given(data=st.data(), texts=st.lists(TEXT, min_size=1, max_size=8))
def test_search_finds_exactly_posts_that_contain_it(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, texts: list[str]
) -> None:
    database = connect(tmp_path_factory.mktemp("search") / "weibo-tui.db")
    history = History(database)
    history.add([replace(ANALYSIS, text=text) for text in texts])
    text = data.draw(st.sampled_from(texts))
    begin = data.draw(st.integers(0, len(text)))
    part = text[begin : data.draw(st.integers(begin, len(text)))]
    for needle in (part, part.swapcase(), data.draw(TEXT)):
        assert found(history, needle) == [text for text in texts if fold(needle) in fold(text)]
    database.close()


@pytest.mark.parametrize("length", [1, 2, 3, *(MAX_SEARCH_LENGTH + more for more in (-1, 0, 1, 600))])
def test_search_of_any_length_finds_its_post(history: History, length: int) -> None:
    text = "".join(chr(0x4E00 + number) for number in range(length))
    others = [text[:-1], text[1:], text[:-1] + "x", "x" + text[1:]]
    history.add([replace(ANALYSIS, text=one) for one in [*others, f"前{text}后\ud83d"]])
    assert found(history, text) == [f"前{text}后\ud83d"]
    assert found(history, text + "\ud83d") == []


def test_search_finds_end_of_long_post(history: History) -> None:
    history.add([replace(ANALYSIS, text="长" * 300_000 + "城")])
    assert len(found(history, "长城")) == len(found(history, "城")) == 1
    assert found(history, "城长") == []


@given(st.text(st.characters(exclude_categories=())))
def test_fold_equals_casefold_where_every_unicode_folds_alike(text: str) -> None:
    known = "".join(one for one in text if unicodedata.ucd_3_2_0.category(one) != "Cn")
    assert fold(known) == known.casefold()
    assert "".join(map(fold, text)) == fold(text)


def test_fold_leaves_characters_of_later_unicodes() -> None:
    assert fold("\U000104b0") == "\U000104b0"  # an Osage capital, of Unicode 9
    assert fold("ÄΣİ") == "äσi̇"


def test_search_respects_white_space(history: History) -> None:
    history.add([replace(ANALYSIS, text=text) for text in ("江边 走走", "江边走走", "江边\n走走")])
    assert found(history, "边 走") == ["江边 走走"]
    assert found(history, "边走") == ["江边走走"]
    assert found(history, " ") == ["江边 走走"]


def test_search_index_follows_the_history(database: Database, history: History) -> None:
    texts = ["雨停了", "今天下雨", "", "雨雨雨", "a\x00b\ud83d"]
    posts = [
        replace(one, id=identity)
        for one in [replace(ANALYSIS, text=text, uncertain=text == "雨停了") for text in texts]
        for identity in history.add([one])
    ]
    assert indexed(database) == expected(posts)
    corrected = history.correct(posts[1].id or 0, "negative")
    assert indexed(database) == expected([posts[0], corrected, *posts[2:]])
    history.delete([posts[4], posts[1], posts[0]])  # one of them as it was before its correction
    assert indexed(database) == expected(posts[2:4])
    history.restore([corrected, posts[0]])
    assert indexed(database) == expected([posts[0], corrected, *posts[2:4]])
    history.correct(posts[1].id or 0, None)
    assert indexed(database) == expected(posts[:4])
    history.clear()
    assert indexed(database) == Counter()


def test_deleted_post_leaves_the_file(tmp_path: Path, database: Database, history: History) -> None:
    # The index omits the beginning that a word shares with the one before it.
    mark = words("秘密").split()[0][-5:].encode()
    history.add([replace(ANALYSIS, text=f"雨停了 {number}") for number in range(200)])
    [identity] = history.add([replace(ANALYSIS, text="秘密")])
    history.add([replace(ANALYSIS, text=f"今天下雨 {number}") for number in range(200)])

    def in_index() -> bool:
        return any(mark in bytes(block) for (block,) in database.execute("SELECT block FROM search_data"))

    assert in_index()
    history.delete([history.get(identity)])
    assert not in_index()
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    for file in tmp_path.glob("weibo-tui.db*"):
        assert mark not in file.read_bytes()
        assert "秘密".encode() not in file.read_bytes()


def test_migration_indexes_older_posts(tmp_path: Path, database: Database) -> None:
    posts = [
        replace(ANALYSIS, text="今天\ud83d", created_at=at(5), label="喜\udcff"),
        replace(ANALYSIS, text="今天好", created_at=at(9)),
        replace(ANALYSIS, text="", created_at=at(3), uncertain=True),  # behind one of a later time
        replace(ANALYSIS, text="A今天", created_at=at(9), source="app"),
        replace(ANALYSIS, text="明天", created_at=at(8), adapter="b"),
    ]
    older = connect_at(tmp_path / "older.db", 2)
    older.executemany(
        "INSERT INTO analyses (created_at, text, label, confidence, probabilities, uncertain, adapter, truncated, "
        "characters, characters_read, milliseconds, source) VALUES (?, ?, ?, 0.5, '{}', ?, ?, 0, 1, 1, 1.0, ?)",
        [(one.created_at, pack(one.text), pack(one.label), one.uncertain, one.adapter, one.source) for one in posts],
    )
    older.close()
    migrated = connect(tmp_path / "older.db")
    history = History(migrated)
    assert found(history, "今天") == ["今天\ud83d", "今天好", "A今天"]
    assert found(history, "\ud83d") == ["今天\ud83d"]
    for criteria in (HistoryFilter(), HistoryFilter(corrected=False)):
        page = history.page(10, filter=criteria)
        assert [entry.created_at for entry in page] == [at(9), at(9), at(8), at(5), at(3)]
        assert [entry.id for entry in page] == [4, 2, 5, 1, 3]
    assert history.count(HistoryFilter(label="喜\udcff")) == history.count(HistoryFilter(uncertain=True)) == 1
    migrated.close()
    # The same posts, added by this version, make the same index.
    History(database).add(posts)
    migrated = connect(tmp_path / "older.db")
    assert indexed(migrated) == indexed(database)
    migrated.close()


def connect_at(path: Path, version: int) -> Database:
    """Create a database of an older version, which is not migrated while it stays open."""
    database = Database(path, isolation_level=None)
    database.path = path
    for step in MIGRATIONS[:version]:
        step(database)
    database.execute(f"PRAGMA user_version = {version}")
    return database
