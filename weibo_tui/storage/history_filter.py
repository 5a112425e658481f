"""Which entries of the history are asked for, and what there is to choose from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from weibo_tui.storage.codec import timestamp

FILES = "file"
"""The source that labelled files are found under."""


@dataclass(frozen=True, slots=True)
class HistoryFilter:
    """What entries have to be; a field that is None, or an empty text, asks for nothing.

    Labelled files are found by adapter, date and source alone: where anything else is asked for, there are none.
    """

    text: str = ""
    """Stands somewhere in the post, in upper or lower case; white space counts as it is."""
    label: str | None = None
    """The label that counts (`Analysis.settled_label`); "" is that of failed posts."""
    adapter: str | None = None
    source: str | None = None
    """``file`` shows only labelled files."""
    since: date | None = None
    """A day in UTC, as entries are dated, or a datetime; without a zone that is local time."""
    until: date | None = None
    """Likewise; inclusive, a day to its end."""
    confidence_from: float | None = None
    confidence_to: float | None = None
    """Both inclusive."""
    uncertain: bool | None = None
    corrected: bool | None = None
    """Whether a person gave a label."""

    @property
    def earliest(self) -> str | None:
        """The timestamp that ``since`` means."""
        return None if self.since is None else _moment(self.since, "00:00:00.000")

    @property
    def latest(self) -> str | None:
        """The timestamp that ``until`` means."""
        return None if self.until is None else _moment(self.until, "23:59:59.999")

    @property
    def finds_analyses(self) -> bool:
        """Whether an analysis can match at all."""
        return self.source != FILES

    @property
    def finds_files(self) -> bool:
        """Whether a labelled file can match at all."""
        of_posts = (self.label, self.confidence_from, self.confidence_to, self.uncertain, self.corrected)
        return not self.text and self.source in (None, FILES) and all(field is None for field in of_posts)


EVERYTHING = HistoryFilter()


@dataclass(frozen=True, slots=True)
class FilterChoices:
    """What the history holds of each, sorted. Labels are those that count; "" is among them where posts failed."""

    labels: tuple[str, ...]
    adapters: tuple[str, ...]
    sources: tuple[str, ...]


def _moment(day: date, time: str) -> str:
    return timestamp(day) if isinstance(day, datetime) else f"{day.isoformat()}T{time}Z"
