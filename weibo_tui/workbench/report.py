"""Contents of a report of a labeled file, and its numbers as a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from weibo_tui.datasets.terms import Term
from weibo_tui.datasets.windows import DAY
from weibo_tui.workbench.estimation import Estimate, EstimationResult

MAX_POSTS_AN_HOUR = 950
"""The search page shows some 1,000 posts of an hour at most: 50 pages."""


@dataclass(frozen=True, slots=True)
class Day:
    """The rows of a day, and the share of each predicted label among them."""

    name: str
    rows: int
    uncorrected: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class ReportedTerm:
    """A term of the posts of a label, and the text of one of them; see `Term`."""

    term: Term
    example: str


@dataclass(frozen=True, slots=True)
class ReportedPost:
    """A post, the place of its row in the file from 1, and the number of rows with its text."""

    row: int
    text: str
    predicted: str
    answer: str
    confidence: float | None
    times: int


@dataclass(frozen=True, slots=True)
class Sampling:
    """Figures on where the rows come from.

    `undated` are rows without a date that can be read, None without a column of dates. `top_accounts` is the share of
    the rows of the ten accounts with most, None without a column of them. `full_hours` are those with as many rows as
    the search page shows, None where the dates have no hours. `terms_of` is the number of different texts in which
    terms were counted, of `texts`. `forgotten` is by how much numbers of rows by emoticon, hashtag and place may be too
    low.
    """

    rows: int
    empty: int
    duplicates: int
    texts: int
    terms_of: int
    reposts: int
    undated: int | None
    full_hours: int | None
    accounts: int | None
    top_accounts: float | None
    adapters: tuple[str, ...]
    fingerprint: str
    forgotten: int


@dataclass(frozen=True, slots=True)
class Report:
    """Contents of a report. `estimation` is that of all labels, in windows if the file has dates.

    `labels` are those of the timeline. `columns` are those that list `hashtags` and `places`, where there are any.
    `groups` are estimates by emoticon, hashtag and place, under `emoticons`, `hashtags` and `places`; the window
    None of emoticons is for rows without any. `terms` and `typical` are by label.
    """

    estimation: EstimationResult
    labels: tuple[str, ...]
    columns: Mapping[str, str]
    days: tuple[Day, ...]
    terms: Mapping[str, tuple[ReportedTerm, ...]]
    groups: Mapping[str, tuple[Estimate, ...]]
    typical: Mapping[str, tuple[ReportedPost, ...]]
    uncertain: tuple[ReportedPost, ...]
    disagreeing: tuple[ReportedPost, ...]
    repeated: tuple[ReportedPost, ...]
    sampling: Sampling

    def figures(self) -> Iterator[dict[str, Any]]:
        """Yield the numbers as rows of a table."""
        for estimate in self.estimation.estimates:
            section = "file" if estimate.window is None else self.estimation.by or ""
            yield {"section": section, "name": estimate.window, **_flat(estimate)}
        for day in self.days if self.estimation.by != DAY else ():
            for label, share in day.uncorrected.items():
                yield {"section": DAY, "name": day.name, "label": label, "N": day.rows, "uncorrected": share}
        for kind, estimates in self.groups.items():
            for estimate in estimates:
                yield {"section": kind, "name": estimate.window, **_flat(estimate)}
        for label, terms in self.terms.items():
            for found in terms:
                counts = {"posts": found.term.posts, "other_posts": found.term.others, "z": found.term.score}
                yield {"section": "terms", "name": found.term.text, "label": label, **counts}
        for post in self.repeated:
            yield {"section": "repeated", "name": str(post.row), "label": post.predicted, "N": post.times}
        for name in _COUNTS:
            yield {"section": "sampling", "name": name, "value": getattr(self.sampling, name)}


_COUNTS = (
    *("rows", "empty", "duplicates", "texts", "terms_of", "reposts", "undated", "full_hours", "accounts"),
    "top_accounts",
)

FIGURES = (
    *("section", "name", "label", "share", "low", "high", "n", "N", "uncorrected", "half_width", "disagreements"),
    *("cannot_tell", "differs", "posts", "other_posts", "z", "value"),
)
"""The columns of the table of `Report.figures`."""


def _flat(estimate: Estimate) -> dict[str, Any]:
    return {name: value for name, value in estimate.to_dict().items() if name in FIGURES}
