"""Pass over a labeled table for a report: figures of each row, and numbers of rows by emoticon, hashtag and place.

Memory is bounded: some 40 bytes a row, MAX_GROUPS counts, and texts of MAX_CHARACTERS.
"""

from __future__ import annotations

import re
from array import array
from collections import Counter
from collections.abc import Collection, Generator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import blake2b
from itertools import islice
from typing import Any

from weibo_tui.datasets.columns import find_role, fold
from weibo_tui.datasets.reading import PostTable, TableRow, post_text, read_values
from weibo_tui.datasets.tables import Report
from weibo_tui.datasets.windows import Dates, cell_value, find_dates
from weibo_tui.progress import Progress
from weibo_tui.text.boilerplate import split_forwarded
from weibo_tui.text.cleaning import normalize
from weibo_tui.text.emoticons import find_emoticons
from weibo_tui.text.spreadsheet import unescape_formula
from weibo_tui.text.topics import TOPIC

MAX_GROUPS = 200_000
"""Counts of emoticons, hashtags and places. When there are more, the smaller half is forgotten."""
MAX_CHARACTERS = 3_000_000
"""Characters of the sample of texts."""
MAX_TEXT = 1000
"""Characters of a text in the sample."""
NO_DATE = -1
EMPTY = 0

_LONGEST_BARE = 20  # characters of a repost without own words, as 转发微博; to normalize longer posts is slow
_MAX_MARKS = 20  # different emoticons or hashtags of a post that are counted
_LINK_OR_NAME = re.compile(r"https?://[!-~]+|@[\w·-]{1,30}")
_REPOST_CUES = ("//", "／／", "转发", "原始用户")  # most posts have none, and `split_forwarded` is slow
_USER_IDS = ("user_id", "user.id", "用户id")
_RETWEETS = ("retweet_id", "retweeted_status.id", "源微博id", "retweet")
_NO_RETWEET = frozenset(["", "0", "none", "nan", "null"])
_STEP = 1000


@dataclass(slots=True)
class DistinctSample:
    """Random sample of the different texts of a table, MAX_CHARACTERS at most, from the keys of the texts.

    A text is in it if its key is at most `limit`, which halves when there is no more room (Gibbons, "Distinct
    sampling", VLDB 2001). So it does not depend on the order of the rows or on chance.
    """

    texts: dict[int, tuple[int, str]] = field(default_factory=dict)
    limit: int = 2**64 - 1
    _characters: int = 0

    def add(self, key: int, row: int, text: str) -> None:
        """Add the text of a row, unless it is known."""
        if key > self.limit or key in self.texts:
            return
        self.texts[key] = row, text[:MAX_TEXT]
        self._characters += len(self.texts[key][1])
        while self._characters > MAX_CHARACTERS:
            self.limit //= 2
            self.texts = {key: item for key, item in self.texts.items() if key <= self.limit}
            self._characters = sum(len(text) for _row, text in self.texts.values())


@dataclass(slots=True)
class Survey:
    """Figures of a table from a pass over it. `observe` adds a row.

    The arrays (rows,) are in the order of the observed rows: `keys` identify the text (EMPTY for none), `users` the
    author (EMPTY), `hours` are hours since the year 1 in Beijing time (NO_DATE), `predictions` and `answers` are
    indices of `words`.
    `groups` are the numbers of rows by kind, name, and words for the predicted label and the answer. The kinds are
    `emoticons`, with the name None for rows without, `hashtags` and `places`. `forgotten` is by how much the numbers of
    a group may be too low.
    """

    source: PostTable
    text_column: str
    is_escaped: bool
    dates: Dates | None
    users_column: str | None = None
    place_column: str | None = None
    topics_column: str | None = None
    retweet_column: str | None = None
    adapter_column: str | None = None
    keys: array[int] = field(default_factory=lambda: array("Q"))
    users: array[int] = field(default_factory=lambda: array("Q"))
    hours: array[int] = field(default_factory=lambda: array("i"))
    predictions: array[int] = field(default_factory=lambda: array("I"))
    answers: array[int] = field(default_factory=lambda: array("I"))
    words: dict[str, int] = field(default_factory=dict)
    groups: Counter[tuple[str, str | None, str, str]] = field(default_factory=Counter)
    forgotten: int = 0
    reposts: int = 0
    adapters: set[str] = field(default_factory=set)
    sample: DistinctSample = field(default_factory=DistinctSample)

    def observe(self, row: TableRow, predicted: str, answer: str) -> None:
        """Add a row with the words for its predicted label and its answer."""
        cells = row.cells
        text = self.text(row.number, cells)
        same = "".join((_LINK_OR_NAME.sub("", text) if "@" in text or "http" in text else text).split())
        if len(same) <= _LONGEST_BARE and not normalize(text):
            same = ""
        key = _hash(same) if same else EMPTY
        if same:
            self.sample.add(key, len(self.keys), text)
        self.keys.append(key)
        self.predictions.append(self.words.setdefault(predicted, len(self.words)))
        self.answers.append(self.words.setdefault(answer, len(self.words)))
        moment = None if self.dates is None else self.dates.moment(cells)
        self.hours.append(NO_DATE if moment is None else moment.toordinal() * 24 + moment.hour)
        user = cell_value(cells.get(self.users_column)) if self.users_column else None
        self.users.append(hash(user) & 2**64 - 1 if user else EMPTY)
        self.reposts += self._is_repost(cells, text)
        if (
            self.adapter_column
            and len(self.adapters) < _MAX_MARKS
            and (name := cell_value(cells.get(self.adapter_column)))
        ):
            self.adapters.add(name)
        self._count(cells, text, predicted, answer)

    def text(self, number: int, cells: Mapping[str, Any]) -> str:
        """Return the post of a row, as `read_rows` does."""
        text = post_text(self.source, number, cells.get(self.text_column))
        return unescape_formula(text) if self.is_escaped else text

    def _is_repost(self, cells: Mapping[str, Any], text: str) -> bool:
        retweet = str(cells.get(self.retweet_column)) if self.retweet_column else ""
        if retweet.strip().casefold() not in _NO_RETWEET:
            return True
        return any(cue in text for cue in _REPOST_CUES) and bool(split_forwarded(text)[1])

    def _count(self, cells: Mapping[str, Any], text: str, predicted: str, answer: str) -> None:
        groups = self.groups
        for emoticon in islice(dict.fromkeys(find_emoticons(text)) or (None,), _MAX_MARKS):
            groups["emoticons", emoticon, predicted, answer] += 1
        topics = TOPIC.findall(text)
        if not topics and self.topics_column and (listed := cell_value(cells.get(self.topics_column))):
            topics = [topic for part in re.split("[,，]", listed) if (topic := part.strip(" #"))]
        for topic in islice(dict.fromkeys(topics), _MAX_MARKS):
            groups["hashtags", topic, predicted, answer] += 1
        if self.place_column and (place := cell_value(cells.get(self.place_column))):
            groups["places", place, predicted, answer] += 1
        if len(self.groups) > MAX_GROUPS:
            median = sorted(self.groups.values())[len(self.groups) // 2]
            self.groups = Counter({group: number for group, number in self.groups.items() if number > median})
            self.forgotten += median


def start_survey(source: PostTable, text_column: str, date_column: str | None, collected: datetime | None) -> Survey:
    """Return a survey of a table, with the columns that it reads."""
    by_name = {fold(name): name for name in source.columns}

    def first(names: Collection[str]) -> str | None:
        return next((by_name[name] for name in names if name in by_name), None)

    def role(name: str) -> str | None:
        return next(iter(find_role(source.columns, name)), None)

    return Survey(
        source,
        text_column,
        source.is_escaped,
        find_dates(source, date_column, collected),
        users_column=first(_USER_IDS) or role("user"),
        place_column=role("place"),
        topics_column=role("topics"),
        retweet_column=first(_RETWEETS),
        adapter_column=first(("adapter",)),
    )


def read_posts(survey: Survey, numbers: Collection[int]) -> Generator[Progress, None, dict[int, str]]:
    """Return the texts of the rows with these numbers, from 1."""
    found: dict[int, str] = {}
    last = max(numbers, default=0)
    if not last:
        return found
    for number, cells in enumerate(read_values(survey.source, Report()), 1):
        if number in numbers:
            found[number] = survey.text(number, cells)
        if number % _STEP == 0:
            yield Progress("reading", number, last)
        if number >= last:
            break
    return found


def _hash(text: str) -> int:
    digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest) or 1
