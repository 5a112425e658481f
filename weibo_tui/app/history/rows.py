"""Entries of the history as lines of a table, in cells of a terminal."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from textual.content import Content

from weibo_tui.app.formatting import label_content, label_name, local_time, percent, safe_line
from weibo_tui.locale import gettext as _
from weibo_tui.locale import ngettext
from weibo_tui.storage.history import Analysis, Entry, LabeledFile
from weibo_tui.text import visible

FOUND = "bold underline $warning"
"""How what was searched for is marked; the line under it is seen without colour too."""

_READ = 2000
"""Characters of a post that a row may show."""
_BEFORE = 6
"""Characters before what was found, where the row begins in the middle of the post."""
_MARKED = "✓ "
_ROOMY = 76
"""Cells from which on there is room for whole dates and for the adapter."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Widths in cells; a column of none is left out."""

    when: int
    verdict: int
    confidence: int
    post: int
    adapter: int
    source: int
    gap: int

    @classmethod
    def fit(cls, width: int, entries: Iterable[Entry], at_least: Columns | None = None) -> Columns:
        """The columns for a table of `width` cells that shows `entries`. Verdict and adapter are not narrower than
        in `at_least`, so that nothing moves to and fro from page to page."""
        cells = [(_verdict(entry).cell_length, safe_line(entry.adapter).cell_length) for entry in entries]
        verdicts, adapters = (max(found) for found in zip(*cells, strict=True)) if cells else (0, 0)
        if at_least is not None:
            verdicts, adapters = max(verdicts, at_least.verdict), max(adapters, at_least.adapter)
        roomy = width >= _ROOMY
        when, confidence, gap = (16, 7, 2) if roomy else (5, 5, 1)
        verdict_width = min(max(verdicts, 10), 24 if roomy else 14)
        adapter = min(max(adapters, 7), 16) if roomy else 0
        source = 6 if roomy else 0
        taken = len(_MARKED) + sum(one + gap for one in (when, verdict_width, confidence, adapter, source) if one)
        return cls(when, verdict_width, confidence, max(width - taken, 4), adapter, source, gap)

    def header(self) -> Content:
        """The columns' names."""
        names = [_("when"), _("verdict"), _("sure"), _("post"), _("adapter"), _("source")]
        return self._line("", [Content(name) for name in names])

    def row(self, entry: Entry, found: re.Pattern[str] | None = None, marked: bool = False) -> Content:
        """An entry as one line. What `found` finds in the post is marked, and shown though it stands far behind."""
        roomy = self.when > 5
        when = local_time(entry.created_at)
        cells = [
            Content.styled(when if roomy else _short_time(when), "$text-muted"),
            _verdict(entry),
            _confidence(entry, 1 if roomy else 0),
            _post(entry, self.post, found) if isinstance(entry, Analysis) else _about_file(entry),
            safe_line(entry.adapter, "$text-muted"),
            safe_line(entry.source if isinstance(entry, Analysis) else _("file"), "$text-muted"),
        ]
        return self._line(_MARKED if marked else "", cells)

    def _line(self, mark: str, cells: list[Content]) -> Content:
        widths = (self.when, self.verdict, self.confidence, self.post, self.adapter, self.source)
        # Textual's own measure: it decides where the next cell begins on the screen.
        fitted = [
            (cell.truncate(width, ellipsis=True).pad_left(max(width - cell.cell_length, 0)))
            if place == 2
            else cell.truncate(width, ellipsis=True, pad=True)
            for place, (cell, width) in enumerate(zip(cells, widths, strict=True))
            if width
        ]
        return Content.assemble((mark.ljust(len(_MARKED)), "bold $primary"), Content(" " * self.gap).join(fitted))


def pattern(text: str) -> re.Pattern[str] | None:
    """Finds a search in what is shown of a post, where any white space may have become a blank."""
    words = visible(text).split()
    return re.compile(r"\s+".join(map(re.escape, words)), re.IGNORECASE) if words else None


def _short_time(when: str) -> str:
    """The time of day where it was today, else the day, or the year where that is another."""
    now = f"{datetime.now():%Y-%m-%d}"
    return when[11:] if when[:10] == now else when[5:10] if when[:4] == now[:4] else when[:4]


def _confidence(entry: Entry, digits: int) -> Content:
    if not isinstance(entry, Analysis) or entry.error is not None:
        return Content("")
    return Content(percent(entry.confidence, digits))


def _verdict(entry: Entry) -> Content:
    """The verdict, and behind an arrow what a person made of it."""
    if isinstance(entry, LabeledFile):
        return Content.styled("▤ " + _("file"), "$text-muted")
    labels = tuple(entry.probabilities)
    judged = (
        Content.styled("✗ " + _("failed"), "$text-error")
        if entry.error is not None
        else _one_line(label_content(entry.label, labels, entry.uncertain))
    )
    if entry.corrected is None:
        return judged
    return Content.assemble(judged[:1], ("→", "$text-muted"), _one_line(label_content(entry.corrected, labels)))


def _one_line(label: Content) -> Content:
    return label if "\n" not in label.plain and "\t" not in label.plain else Content(" ".join(label.plain.split()))


def _post(analysis: Analysis, width: int, found: re.Pattern[str] | None) -> Content:
    if found is None:
        return safe_line(analysis.text[: 4 * width])  # far more than has room
    shown = safe_line(analysis.text[:_READ])
    first = found.search(shown.plain)
    if first is not None and shown[: first.end()].cell_length > width - 1:
        begin = max(first.start() - _BEFORE, 0)
        while begin and shown[begin - 1 :].cell_length < width:  # no room stays empty where the post ends
            begin -= 1
        shown = Content.assemble("…" if begin else "", shown[begin:])
    return shown.highlight_regex(found, style=FOUND)


def _about_file(file: LabeledFile) -> Content:
    rows = ngettext("{count:,} post", "{count:,} posts", file.rows).format(count=file.rows)
    parts = [rows, *(f"{label_name(label)} {count:,}" for label, count in file.counts.items())]
    if file.failed:
        parts.append(_("{count:,} failed").format(count=file.failed))
    return safe_line(f"{file.path.name} → {file.out.name} · {' · '.join(parts)}")
