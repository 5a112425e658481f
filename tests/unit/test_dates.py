"""Dates of posts: forms of crawlers and of Weibo's pages, ids of posts, and independence of locale, zone and clock."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weibo_tui.text.dates import BEIJING, decode_id, id_time, parse_date

REFERENCE = datetime(2026, 11, 22, 12, 0, 30, tzinfo=BEIJING)
# Each at REFERENCE, in Beijing time without the zone.
DATES: dict[str, str | None] = {
    "2023-02-11": "2023-02-11 00:00:00",
    "2023-02-11 21:05": "2023-02-11 21:05:00",
    "2023-02-11 21:05:18": "2023-02-11 21:05:18",
    "2023-02-11T21:05:18": "2023-02-11 21:05:18",
    "2023-02-11T13:05:18Z": "2023-02-11 21:05:18",
    "2023-02-11T13:05:18.250+00:00": "2023-02-11 21:05:18",
    "2023-02-11 08:05:18 -0500": "2023-02-11 21:05:18",
    "2023/2/1 9:05": "2023-02-01 09:05:00",
    "2023.02.11": "2023-02-11 00:00:00",
    " 2023-02-11 21:05 ": "2023-02-11 21:05:00",
    "2024-02-29": "2024-02-29 00:00:00",
    "2023-02-29": None,
    "2023-13-01": None,
    "2023-02-11 25:00": None,
    "2023-02/11": None,
    "Sat Nov 22 10:36:17 +0800 2026": "2026-11-22 10:36:17",
    "Sun Feb 05 23:36:17 +0000 2023": "2023-02-06 07:36:17",
    "Mon Dec 01 00:00:00 +0800 2025": "2025-12-01 00:00:00",
    "Mon May 04 08:00:00 +0800 2026": "2026-05-04 08:00:00",
    "Sat Foo 22 10:36:17 +0800 2026": None,
    "2023年2月11日 21:05": "2023-02-11 21:05:00",
    "2023年02月11日": "2023-02-11 00:00:00",
    "2023年2月11日 21:05 来自 iPhone客户端": "2023-02-11 21:05:00",
    "2023年02月11日 21:05 转赞人数超过100": "2023-02-11 21:05:00",
    "11月21日 08:30": "2026-11-21 08:30:00",
    "11月23日 08:30": "2026-11-23 08:30:00",
    "11月23日 12:30": "2025-11-23 12:30:00",
    "12月31日": "2025-12-31 00:00:00",
    "02月29日 10:00": None,
    "11-20": "2026-11-20 00:00:00",
    "12-24": "2025-12-24 00:00:00",
    "11-20 07:08": "2026-11-20 07:08:00",
    "13-40": None,
    "今天 08:30": "2026-11-22 08:30:00",
    "昨天 23:59 来自 微博网页版": "2026-11-21 23:59:00",
    "45秒前": "2026-11-22 11:59:45",
    "5分钟前": "2026-11-22 11:55:30",
    "13小时前": "2026-11-21 23:00:30",
    "刚刚": "2026-11-22 12:00:30",
    "1676120718": "2023-02-11 21:05:18",
    "1676120718000": "2023-02-11 21:05:18",
    "4868065483040592": None,
    "今天真好": None,
    "": None,
}
HAVE_NO_YEAR = [text for text, date in DATES.items() if date and parse_date(text) is None]
SCRIPT = """
import json, locale, sys
from contextlib import suppress
from datetime import datetime
from weibo_tui.text.dates import parse_date

with suppress(locale.Error):
    locale.setlocale(locale.LC_ALL, "")
reference = datetime.fromisoformat(sys.argv[1])
dates = (parse_date(text, None, reference) for text in json.load(sys.stdin))
print(json.dumps([date and f"{date:%Y-%m-%d %H:%M:%S %z}" for date in dates]))
"""


def parsed(text: str, post_id: object = None, reference: datetime | None = REFERENCE) -> str | None:
    date = parse_date(text, post_id, reference)
    return None if date is None else f"{date:%Y-%m-%d %H:%M:%S}"


@pytest.mark.parametrize("language", ["C.UTF-8", "zh_CN.UTF-8", "de_DE.UTF-8"])
@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Pacific/Auckland"])
def test_dates_are_read_in_every_locale_and_zone(language: str, zone: str) -> None:
    assert len(DATES) >= 40
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, REFERENCE.isoformat()],
        input=json.dumps(list(DATES)),
        env=os.environ | {"LC_ALL": language, "TZ": zone},
        capture_output=True,
        text=True,
        check=True,
    )
    expected = {text: date and f"{date} +0800" for text, date in DATES.items()}
    assert dict(zip(DATES, json.loads(done.stdout), strict=True)) == expected


def test_dates_without_year_are_those_of_the_id() -> None:
    assert len(HAVE_NO_YEAR) == 13
    for text in HAVE_NO_YEAR:
        assert parsed(text, "4868065483040592") == "2023-02-11 21:05:18", text
        assert parsed(text, "z0JH2lOMb", None) == "2012-10-16 14:01:08", text
        assert parsed(text, "4.86E+15", None) is None, text
    assert parsed("2023-02-12 08:00", "4868065483040592") == "2023-02-12 08:00:00"


def test_reference_in_another_zone_is_the_same_moment() -> None:
    other = datetime.fromisoformat("2026-11-22T04:00:30+00:00")
    assert [parsed(text, None, other) for text in DATES] == list(DATES.values())
    assert parsed("02-29", None, datetime(2024, 12, 1, tzinfo=BEIJING)) == "2024-02-29 00:00:00"
    assert parsed("02-29", None, datetime(2025, 1, 1, tzinfo=BEIJING)) == "2024-02-29 00:00:00"


def test_ids_of_other_kinds_and_rounded_ones_are_refused() -> None:
    assert str(id_time(4868065483040592)) == str(id_time("4868065483040592.0")) == "2023-02-11 21:05:18+08:00"
    for value in (
        None,
        True,
        "",
        "123",
        12345,
        "4.86E+15",
        4.86e18,
        "4.86806548304059E+15",
        "9" * 17,
        "mid",
        "z0JH2lOM",
    ):
        assert id_time(value) is None, value
    for value in ("ZZZZZZZZZ", "z0JH2lOM！", "123456789"):
        assert decode_id(value) is None, value


def to_bid(mid: int) -> str:
    """Return the id as in a post's URL, by the definition."""
    digits = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
    text, result = str(mid), ""
    while text:
        text, group = text[:-7], int(text[-7:])
        part = ""
        while group:
            group, rest = divmod(group, 62)
            part = digits[rest] + part
        result = (part.rjust(4, "0") if text else part) + result
    return result


@given(st.integers(10**15, 9 * 10**15))
@settings(max_examples=1000)
def test_ids_survive_the_way_to_a_url_and_back(mid: int) -> None:
    bid = to_bid(mid)
    assert bid.isdecimal() or decode_id(bid) == decode_id(mid) == decode_id(str(mid)) == mid
    assert to_bid(3501756485200075) == "z0JH2lOMb"
