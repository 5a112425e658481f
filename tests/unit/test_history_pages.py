"""Pages of the history, forwards and backwards, all entries or those that a filter matches."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any, get_args

import pytest
from histories import ANALYSIS, FILE, at, in_order, matches
from hypothesis import given, settings
from hypothesis import strategies as st

from weibo_tui.errors import UserInputError
from weibo_tui.storage.database import Database, connect
from weibo_tui.storage.entries import SortColumn
from weibo_tui.storage.history import (
    FILE_SOURCE,
    Analysis,
    Entry,
    FilterChoices,
    History,
    HistoryFilter,
    HistoryOrder,
)

DAYS = [date(2026, 1, day) for day in (29, 30, 31)]
MOMENTS = [f"{day}T{time}Z" for day in DAYS for time in ("00:00:00.000", "12:00:00.000", "23:59:59.999")]
ENTRIES = st.one_of(
    st.builds(
        lambda confidence, **fields: replace(
            ANALYSIS, confidence=confidence, error="no text" if confidence is None else None, **fields
        ),
        text=st.sampled_from(["今天下雨", "今天晴", "雨停了", "", "HELLO"]),
        label=st.sampled_from(["positive", "negative", "\ud83d"]),
        confidence=st.sampled_from([None, 0.5, 0.75, 1.0]),
        uncertain=st.booleans(),
        adapter=st.sampled_from(["weather", "mood"]),
        source=st.sampled_from(["cli", "app"]),
        corrected=st.sampled_from([None, None, "negative", "neutral"]),
        created_at=st.sampled_from(MOMENTS),
    ),
    st.builds(
        lambda **fields: replace(FILE, **fields),
        adapter=st.sampled_from(["weather", "mood"]),
        created_at=st.sampled_from(MOMENTS),
    ),
)
FILTERS = st.builds(
    HistoryFilter,
    text=st.sampled_from(["", "", "", "雨", "今天", "hello", "今天下"]),
    label=st.sampled_from([None, None, None, "positive", "negative", "neutral", "\ud83d"]),
    adapter=st.sampled_from([None, None, "weather", "mood"]),
    source=st.sampled_from([None, None, None, "cli", "app", FILE_SOURCE, "stdin"]),
    since=st.sampled_from([None, None, *DAYS]),
    until=st.sampled_from([None, None, *DAYS]),
    confidence_from=st.sampled_from([None, None, 0.5, 0.75]),
    confidence_to=st.sampled_from([None, None, 0.75, 0.9]),
    uncertain=st.sampled_from([None, None, True, False]),
    corrected=st.sampled_from([None, None, True, False]),
)
ORDERS = st.builds(HistoryOrder, column=st.sampled_from(get_args(SortColumn)), descending=st.booleans())


def keep(history: History, entries: list[Entry]) -> list[Entry]:
    """Store entries. Return them with their ids."""
    return [
        replace(entry, id=history.add([entry])[0] if isinstance(entry, Analysis) else history.add_file(entry))
        for entry in entries
    ]


@settings(max_examples=12)
@given(data=st.data(), entries=st.lists(ENTRIES, max_size=30), size=st.integers(1, 7))
def test_pages_both_ways_match_plain_filter(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, entries: list[Entry], size: int
) -> None:
    database = connect(tmp_path_factory.mktemp("history") / "weibo-tui.db")
    history = History(database)
    kept = keep(history, entries)
    # A restored entry is out of order after entries that were added since.
    deleted = data.draw(st.lists(st.sampled_from(kept), unique_by=id)) if kept else []
    history.delete(deleted)
    kept += keep(history, data.draw(st.lists(ENTRIES, max_size=5)))
    history.restore(deleted)
    for criteria in (HistoryFilter(), *(data.draw(FILTERS) for _ in range(4))):
        order = data.draw(ORDERS)
        view: Any = {"filter": criteria, "order": order}
        expected = in_order((entry for entry in kept if matches(entry, criteria)), order)
        seen: list[Entry] = []
        while page := history.page(size, before=seen[-1] if seen else None, **view):
            seen += page
        assert seen == expected
        back = history.page(size, last=True, **view)
        assert back == expected[-size:]
        while back and (page := history.page(size, after=back[0], **view)):
            back = page + back
        assert back == expected
        assert history.count(criteria) == len(expected)
        for place in kept[:2]:  # which need not match
            around = in_order(expected if place in expected else [*expected, place], order)
            index = around.index(place)
            assert history.page(size, before=place, **view) == around[index + 1 :][:size]
            assert history.page(size, after=place, **view) == around[:index][-size:]
            assert history.count_before(place, **view) == index
    database.close()


def test_get_by_id_starts_a_page(history: History) -> None:
    ids = history.add([replace(ANALYSIS, created_at=at(second)) for second in range(9)])
    chosen = history.get(ids[4])
    assert chosen == replace(ANALYSIS, id=ids[4], created_at=at(4))
    assert [entry.created_at for entry in [chosen, *history.page(2, before=chosen)]] == [at(4), at(3), at(2)]
    assert [entry.created_at for entry in history.page(2, after=chosen)] == [at(6), at(5)]
    with pytest.raises(UserInputError, match="History entry 99 not found: it was deleted"):
        history.get(99)
    with pytest.raises(UserInputError, match="History entry 99 not found: it was deleted"):
        history.correct(99, "negative")


def test_page_between_two_entries_has_those_between(history: History) -> None:
    history.add([replace(ANALYSIS, created_at=at(second)) for second in range(9)])
    entries = history.page(9)
    assert history.page(9, before=entries[1], after=entries[5]) == entries[2:5]


def test_page_before_entry_without_id_is_refused(history: History) -> None:
    with pytest.raises(ValueError, match="no place"):
        history.page(1, before=ANALYSIS)


@pytest.mark.parametrize(
    ("since", "until", "seconds"),
    [
        (datetime(2026, 1, 31, 12, 0, 1, tzinfo=UTC), None, [1, 2, 3]),
        (None, datetime(2026, 1, 31, 12, 0, 1, tzinfo=UTC), [0, 1]),
        (datetime(2026, 1, 31, 20, 0, 2, tzinfo=timezone(timedelta(hours=8))), date(2026, 1, 31), [2, 3]),
        (date(2026, 2, 1), None, []),
        (None, date(2026, 1, 30), []),
    ],
)
def test_filter_times_and_days_are_inclusive(
    history: History, since: date | None, until: date | None, seconds: list[int]
) -> None:
    history.add([replace(ANALYSIS, created_at=at(second)) for second in range(4)])
    criteria = HistoryFilter(since=since, until=until)
    assert [entry.created_at for entry in reversed(history.page(9, filter=criteria))] == [at(one) for one in seconds]


def test_filter_choices_are_values_in_history(history: History) -> None:
    assert history.filter_choices() == FilterChoices((), (), ())
    history.add(
        [
            replace(ANALYSIS, label="negative", corrected="neutral"),
            replace(ANALYSIS, label="", confidence=None, error="The post is empty."),
            replace(ANALYSIS, label="半\ud83d", adapter="\ud83d", source="app"),
            ANALYSIS,
        ]
    )
    assert history.filter_choices() == FilterChoices(
        ("", "neutral", "positive", "半\ud83d"), ("weather", "\ud83d"), ("app", "cli")
    )
    history.add_file(replace(FILE, adapter="files"))
    assert history.filter_choices().adapters == ("files", "weather", "\ud83d")
    assert history.filter_choices().sources == ("app", "cli", FILE_SOURCE)


CRITERIA = [
    HistoryFilter(),
    HistoryFilter(text="今"),
    HistoryFilter(text="今天"),
    HistoryFilter(text="今天下雨", label="positive", since=date(2026, 1, 1), confidence_to=0.9),
    HistoryFilter(adapter="weather", uncertain=True),
    HistoryFilter(since=date(2026, 1, 1), until=date(2026, 1, 31), confidence_from=0.5),
]


@pytest.mark.parametrize("criteria", CRITERIA, ids=range(len(CRITERIA)))
def test_paging_uses_index_and_sorts_late_entries_only(
    database: Database, history: History, criteria: HistoryFilter
) -> None:
    queries: list[str] = []
    [place] = keep(history, [ANALYSIS])
    database.set_trace_callback(queries.append)
    history.page(50, before=place, filter=criteria)
    history.page(50, after=place, filter=criteria)
    database.set_trace_callback(None)
    ours = [query for query in queries if not query.startswith("--")]  # FTS5 shows its own so
    assert len(ours) >= 4
    for query in ours:
        steps = [row[3] for row in database.execute(f"EXPLAIN QUERY PLAN {query}")]
        if "AND facets : late" in query:
            steps.remove("USE TEMP B-TREE FOR ORDER BY")  # few, and none as a rule
        for step in steps:
            assert "TEMP B-TREE" not in step, (query, steps)
            assert not step.startswith("SCAN analyses") or "USING COVERING INDEX" in step, (query, steps)
