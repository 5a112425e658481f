"""Values go into SQLite and come back the same."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weibo_tui.storage.codec import pack, timestamp, to_json, unpack

ANY_TEXT = st.text(st.characters(exclude_categories=()))  # lone surrogates and NULs too


def test_a_timestamp_is_utc_to_the_millisecond() -> None:
    moment = datetime(2026, 1, 31, 20, 0, tzinfo=timezone(timedelta(hours=8)))
    assert timestamp(moment) == "2026-01-31T12:00:00.000Z"


@given(st.lists(st.datetimes(datetime(2000, 1, 1), timezones=st.just(UTC)), min_size=2, max_size=2))
def test_timestamps_sort_as_their_moments_do(moments: list[datetime]) -> None:
    earlier, later = map(timestamp, sorted(moments))
    assert earlier <= later
    assert len(earlier) == len(later)


@given(ANY_TEXT)
def test_a_packed_text_comes_back(text: str) -> None:
    assert unpack(pack(text)) == text


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | ANY_TEXT,
        lambda inner: st.lists(inner) | st.dictionaries(ANY_TEXT, inner),
    )
)
def test_json_comes_back_and_is_ascii(value: Any) -> None:
    assert to_json(value).isascii()
    assert json.loads(to_json(value)) == value


def test_numbers_that_are_not_finite_become_null_at_any_depth() -> None:
    value = {"loss": float("nan"), "range": (float("-inf"), 1.5), "deep": [{"top": float("inf")}]}
    assert json.loads(to_json(value)) == {"loss": None, "range": [None, 1.5], "deep": [{"top": None}]}


def test_a_path_is_its_name_and_a_stranger_is_refused() -> None:
    assert json.loads(to_json({"file": Path("数据/train.csv")})) == {"file": "数据/train.csv"}
    with pytest.raises(TypeError):
        to_json(object())
