"""Dates of posts as Weibo and its crawlers write them, in Beijing time (UTC+8), independent of locale and clock."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta, timezone

BEIJING = timezone(timedelta(hours=8), "Asia/Shanghai")
"""A fixed offset, because China has had no summer time since 1991, and Weibo is younger."""

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = r"(?P<month>0?[1-9]|1[0-2])"
_DAY = r"(?P<day>0?[1-9]|[12]\d|3[01])"
_CLOCK = r"(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.,]\d{1,9})?)?"
_ZONE = r"\s*(?P<zone>Z|UTC|GMT|[+-]\d{2}:?\d{2})?"
_FORMS = [
    re.compile(form, re.ASCII | re.IGNORECASE)
    for form in (
        rf"(?P<year>\d{{4}})([-/.]){_MONTH}\2{_DAY}(?:(?:\s+|T){_CLOCK}{_ZONE})?",
        rf"(?P<year>\d{{4}})\s*年\s*{_MONTH}\s*月\s*{_DAY}\s*日(?:\s*{_CLOCK})?",
        rf"[a-z]{{3}},? (?P<name>[a-z]{{3}}) +{_DAY} {_CLOCK} (?P<zone>[+-]\d{{4}}) (?P<year>\d{{4}})",
        rf"{_MONTH}\s*月\s*{_DAY}\s*日(?:\s*{_CLOCK})?",
        rf"{_MONTH}-{_DAY}(?:\s+{_CLOCK})?",
        rf"(?P<relative>今天|昨天|前天)\s*{_CLOCK}",
        r"(?P<ago>\d{1,4})\s*(?P<unit>秒|分钟|小时|天)(?:钟)?前",
        r"(?P<now>刚刚)",
        r"(?P<unix>1\d{9})(?:\.0+)?",
        r"(?P<millis>1\d{12})(?:\.0+)?",
    )
]
_TAIL = re.compile(r"\s*(?:来自|转赞人数超过).*", re.DOTALL)  # the client; a note of the search page
_DAYS_AGO = {"今天": 0, "昨天": 1, "前天": 2}
_SECONDS = {"秒": 1, "分钟": 60, "小时": 3600, "天": 86400}
_MAX_LENGTH = 60

_BASE62 = {digit: value for value, digit in enumerate("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")}
_MID = re.compile(r"(\d{16,17})(?:\.0+)?", re.ASCII)
_BID = re.compile(r"(?=.*[a-zA-Z])[0-9a-zA-Z]{9,10}", re.ASCII)
_EPOCH = 515483463  # seconds since 1970 where the clock of the ids begins
_FIRST = int(datetime(2009, 8, 1, tzinfo=BEIJING).timestamp())  # Weibo opened in this month
_LAST = int(datetime(2100, 1, 1, tzinfo=BEIJING).timestamp())


def parse_date(value: object, post_id: object = None, reference: datetime | None = None) -> datetime | None:
    """Return the time of a post in Beijing time. Return None for a date that cannot be read.

    A date with a year is as written, in Beijing time unless it names a zone; without a clock it is midnight. For
    others, such as `昨天 08:30`, `3小时前` or `05-03`, the time is that in the post's id (`id_time`). Without an id
    they are relative to `reference`, the time at which the post was collected, and unreadable without one.
    """
    text = _TAIL.sub("", str(value).strip(), count=1) if value is not None else ""
    if not text or len(text) > _MAX_LENGTH:
        return None
    for form in _FORMS:
        if match := form.fullmatch(text):
            break
    else:
        return None
    parts = {name: part for name, part in match.groupdict().items() if part is not None}
    try:
        if "year" in parts:
            return _absolute(parts)
        if "unix" in parts or "millis" in parts:
            return datetime.fromtimestamp(int(parts.get("unix") or parts["millis"][:10]), BEIJING)
        posted = id_time(post_id)
        return posted if posted or reference is None else _relative(parts, reference.astimezone(BEIJING))
    except (ValueError, OverflowError):  # no such day or time
        return None


def _absolute(parts: dict[str, str]) -> datetime:
    month = _MONTHS.index(parts["name"].lower()) + 1 if "name" in parts else int(parts["month"])
    day = date(int(parts["year"]), month, int(parts["day"]))
    return datetime.combine(day, _clock(parts), _zone(parts.get("zone"))).astimezone(BEIJING)


def _clock(parts: dict[str, str]) -> time:
    return time(int(parts.get("hour", 0)), int(parts.get("minute", 0)), int(parts.get("second", 0)))


def _zone(text: str | None) -> timezone:
    if text is None:
        return BEIJING
    if text[0] not in "+-":
        return UTC
    offset = timedelta(hours=int(text[1:3]), minutes=int(text[-2:]))
    return timezone(-offset if text[0] == "-" else offset)


def _relative(parts: dict[str, str], reference: datetime) -> datetime | None:
    if "ago" in parts:
        return reference - timedelta(seconds=int(parts["ago"]) * _SECONDS[parts["unit"]])
    if "now" in parts:
        return reference
    if "relative" in parts:
        day = reference.date() - timedelta(days=_DAYS_AGO[parts["relative"]])
        return datetime.combine(day, _clock(parts), BEIJING)
    return next(_without_year(parts, reference), None)


def _without_year(parts: dict[str, str], reference: datetime) -> Iterator[datetime]:
    """Yield a month and day in the year of the reference and in the one before, unless a day or more after it."""
    for year in (reference.year, reference.year - 1):
        try:
            found = datetime.combine(date(year, int(parts["month"]), int(parts["day"])), _clock(parts), BEIJING)
        except ValueError:  # February 29
            continue
        if found < reference + timedelta(days=1):
            yield found


def id_time(post_id: object) -> datetime | None:
    """Return the time in the id of a post, as a number (mid) or as in its URL (bid). Return None for other values.

    Its upper bits are seconds. An id that a spreadsheet rounded, such as `4.86E+15`, is refused.
    """
    mid = decode_id(post_id)
    if mid is None:
        return None
    seconds = (mid >> 22) + _EPOCH
    return datetime.fromtimestamp(seconds, BEIJING) if _FIRST <= seconds < _LAST else None


def decode_id(post_id: object) -> int | None:
    """Return the number of a post's id, which may be a bid. Return None for other values.

    Each group of four digits of a bid, from the right, is a number in base 62 with seven decimal digits.
    """
    text = "" if post_id is None or isinstance(post_id, bool) else str(post_id).strip()
    if match := _MID.fullmatch(text):
        return int(match[1])
    if not _BID.fullmatch(text):
        return None
    groups = [_decode_base62(group) for group in (text[:-8], text[-8:-4], text[-4:])]
    if max(groups) >= 10**7:
        return None
    return int("{}{:07}{:07}".format(*groups))


def _decode_base62(digits: str) -> int:
    number = 0
    for digit in digits:
        number = 62 * number + _BASE62[digit]
    return number
