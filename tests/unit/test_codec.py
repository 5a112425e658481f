"""Values for SQLite columns, and back."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weibo_tui.storage.codec import pack, timestamp, to_json, unpack

ANY_TEXT = st.text(st.characters(exclude_categories=()))  # lone surrogates and NULs too


def test_timestamp_is_utc_to_the_millisecond() -> None:
    moment = datetime(2026, 1, 31, 20, 0, tzinfo=timezone(timedelta(hours=8)))
    assert timestamp(moment) == "2026-01-31T12:00:00.000Z"


@settings(max_examples=40)
@given(st.lists(st.datetimes(datetime(2000, 1, 1), timezones=st.just(UTC)), min_size=2, max_size=2))
def test_timestamps_sort_as_their_times(moments: list[datetime]) -> None:
    earlier, later = map(timestamp, sorted(moments))
    assert earlier <= later
    assert len(earlier) == len(later)


@settings(max_examples=50)
@given(ANY_TEXT)
def test_unpack_reverses_pack(text: str) -> None:
    assert unpack(pack(text)) == text


@settings(max_examples=20)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | ANY_TEXT,
        lambda inner: st.lists(inner) | st.dictionaries(ANY_TEXT, inner),
    )
)
def test_to_json_is_reversible_and_ascii(value: Any) -> None:
    assert to_json(value).isascii()
    assert json.loads(to_json(value)) == value


def test_to_json_writes_nonfinite_numbers_as_null() -> None:
    value = {"loss": float("nan"), "range": (float("-inf"), 1.5), "deep": [{"top": float("inf")}]}
    assert json.loads(to_json(value)) == {"loss": None, "range": [None, 1.5], "deep": [{"top": None}]}


def test_to_json_accepts_paths_and_refuses_objects() -> None:
    assert json.loads(to_json({"file": Path("数据/train.csv")})) == {"file": "数据/train.csv"}
    with pytest.raises(TypeError):
        to_json(object())
