"""Corrections, deletions and restored entries of the history."""

from __future__ import annotations

import sqlite3
from dataclasses import replace

import pytest
from histories import ANALYSIS, FILE, at

from weibo_tui.storage.database import Database
from weibo_tui.storage.history import Analysis, History, HistoryFilter


@pytest.mark.parametrize("label", ["negative", "positive", "", "坏\ud83d\x00"])
def test_correction_is_stored_and_effective(history: History, label: str) -> None:
    [identity, _other] = history.add([ANALYSIS, ANALYSIS])
    corrected = history.correct(identity, label)
    assert corrected == history.get(identity) == replace(ANALYSIS, id=identity, corrected=label)
    assert (corrected.label, corrected.effective_label) == ("positive", label)
    assert history.page(9, filter=HistoryFilter(corrected=True)) == [corrected]
    assert corrected in history.page(9, filter=HistoryFilter(label=label))
    assert history.count(HistoryFilter(label="positive")) == (2 if label == "positive" else 1)


def test_correction_can_be_changed_and_removed(history: History) -> None:
    [identity] = history.add([ANALYSIS])
    history.correct(identity, "negative")
    assert history.correct(identity, "neutral").effective_label == "neutral"
    assert history.correct(identity, None) == history.get(identity) == replace(ANALYSIS, id=identity)
    assert history.count(HistoryFilter(corrected=False, label="positive")) == 1


def test_failed_post_can_be_corrected(history: History) -> None:
    [identity] = history.add([replace(ANALYSIS, label="", confidence=None, error="The post is empty.")])
    assert history.count(HistoryFilter(label="")) == 1
    history.correct(identity, "negative")
    assert history.count(HistoryFilter(label="negative", text="雨停")) == 1
    assert history.count(HistoryFilter(label="")) == 0


def test_other_threshold_marks_entries_in_parts(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("weibo_tui.storage.history._MARK_PAGE_SIZE", 2)
    ids = history.add([replace(ANALYSIS, text=f"今天 {n}", confidence=n / 10, uncertain=n < 3) for n in range(6)])
    history.add([replace(ANALYSIS, confidence=None, label="", error="The post is empty.")])
    assert history.mark_uncertain(0.3, 0) is None
    last: int | None = 0
    while last is not None:
        last = history.mark_uncertain(0.6, last)
    assert all(history.get(identity).uncertain for identity in ids)
    assert history.count(HistoryFilter(uncertain=True, text="今天")) == 6
    history.mark_uncertain(0.5, 0)
    assert [history.get(identity).uncertain for identity in ids[-2:]] == [True, False]
    history.delete(history.page(9))  # the search index agrees
    assert history.count(HistoryFilter(uncertain=True)) == history.count(HistoryFilter(uncertain=False)) == 0


def test_deleted_entries_are_restored_unchanged(history: History) -> None:
    ids = history.add([replace(ANALYSIS, text=f"今天 {second}", created_at=at(second)) for second in range(5)])
    history.add_file(replace(FILE, created_at=at(2)))
    history.correct(ids[1], "negative")
    before = history.page(9)
    deleted = before[1:5]
    history.delete(deleted)
    assert history.page(9) == [before[0], before[5]]
    assert history.count(HistoryFilter(text="今天")) == 2
    history.delete(deleted)  # is no error
    history.restore(deleted)
    history.restore(deleted)
    assert history.page(9) == before
    assert [entry.id for entry in history.page(9, filter=HistoryFilter(text="今天"))] == list(reversed(ids))


def test_restoring_existing_entry_changes_nothing(history: History) -> None:
    [identity] = history.add([ANALYSIS])
    corrected = history.correct(identity, "negative")
    history.restore([replace(corrected, corrected=None)])
    assert history.get(identity) == corrected


def test_ids_of_deleted_entries_are_not_reused(history: History) -> None:
    [first] = history.add([ANALYSIS])
    file = history.add_file(FILE)
    deleted = history.page(2)
    history.delete(deleted)
    [second] = history.add([replace(ANALYSIS, text="今天晴")])
    assert history.add_file(FILE) > file
    assert second > first
    history.restore(deleted)
    assert {entry.text for entry in history.page(9) if isinstance(entry, Analysis)} == {ANALYSIS.text, "今天晴"}


def test_entry_can_be_restored_after_clearing(history: History) -> None:
    [identity] = history.add([replace(ANALYSIS, created_at=at(9))])
    deleted = history.page(1)
    history.clear()
    history.add([replace(ANALYSIS, created_at=at(5))])
    history.restore(deleted)
    for criteria in (HistoryFilter(), HistoryFilter(text="雨停")):
        assert [(entry.id, entry.created_at) for entry in history.page(9, filter=criteria)] == [
            (identity, at(9)),
            (identity + 1, at(5)),
        ]


def test_delete_and_restore_are_all_or_nothing(database: Database, history: History) -> None:
    history.add([ANALYSIS, ANALYSIS])
    entries = history.page(2)
    unfit = replace(entries[0], text=object())  # type: ignore[arg-type]
    history.delete(entries)
    with pytest.raises(sqlite3.ProgrammingError):
        history.restore([entries[1], unfit])
    assert history.count() == history.count(HistoryFilter(text="雨停")) == 0
    history.restore(entries)
    # A trigger stands for a disk that fails at the second.
    database.execute(
        f"CREATE TRIGGER fail BEFORE DELETE ON analyses WHEN old.id = {entries[0].id} BEGIN SELECT raise(FAIL, ''); END"
    )
    with pytest.raises(Exception, match="damaged"):
        history.delete(entries)
    assert history.page(9) == entries == history.page(9, filter=HistoryFilter(text="雨停"))
