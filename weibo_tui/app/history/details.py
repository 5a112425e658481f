"""All that the history knows of one entry: beside the table where there is room, else in a box over it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.message import Message
from textual.widgets import Static

from weibo_tui.app.base import Dialog
from weibo_tui.app.formatting import (
    bar,
    label_color,
    label_content,
    local_time,
    number,
    percent,
    safe_content,
    safe_line,
)
from weibo_tui.app.history.rows import FOUND
from weibo_tui.app.keymap import bindings
from weibo_tui.app.widgets.description_list import DescriptionItem, DescriptionList
from weibo_tui.locale import N_, ngettext
from weibo_tui.locale import gettext as _
from weibo_tui.storage.history import Analysis, Entry, LabeledFile

_SHOWN = 5_000
"""Characters of a post; the rest of a longer one is only told of, for wrapping takes time."""
_BAR = 20
_LABEL = 14


class EntryDetails(VerticalScroll):
    """One entry in full, scrolled where it is longer than the room for it."""

    BINDINGS = bindings("history_details")
    HELP_TEXT = N_("The whole post, its verdict and what is known of it. Arrows and PgUp/PgDn scroll.")
    DEFAULT_CSS = """
    EntryDetails {
        padding: 0 1; background: $surface; scrollbar-size-vertical: 1;
        & > Static { height: auto; }
        &:focus { background: $panel; }
    }
    """

    class Exited(Message):
        """The person is done with it."""

    def compose(self) -> ComposeResult:
        yield Static()

    def show(self, entry: Entry | None, found: re.Pattern[str] | None = None) -> None:
        """Show another entry, or none; what `found` finds in its post is marked."""
        facts = list(_about(entry, found)) if entry is not None else []
        self.query_one(Static).update(DescriptionList(facts) if facts else "")
        self.scroll_home(animate=False)

    def action_leave(self) -> None:
        self.post_message(self.Exited())


class DetailsDialog(Dialog[None]):
    """The details in a box, for windows too small to have them beside the table."""

    def __init__(self, entry: Entry, found: re.Pattern[str] | None) -> None:
        super().__init__()
        self._entry = entry
        self._found = found

    def compose(self) -> ComposeResult:
        yield EntryDetails(classes="box")

    def on_mount(self) -> None:
        self.query_one(EntryDetails).show(self._entry, self._found)

    def on_entry_details_exited(self) -> None:
        self.dismiss(None)


def _about(entry: Entry, found: re.Pattern[str] | None) -> Iterator[DescriptionItem]:
    return _about_analysis(entry, found) if isinstance(entry, Analysis) else _about_file(entry)


def _about_analysis(analysis: Analysis, found: re.Pattern[str] | None) -> Iterator[DescriptionItem]:
    labels = tuple(analysis.probabilities)
    if analysis.error is None:
        judged = label_content(analysis.label, labels, analysis.uncertain)
        yield _line(Content.assemble(judged, "  ", (percent(analysis.confidence), "bold")))
        if analysis.confidence is not None:
            yield _line(bar(analysis.confidence, _BAR, label_color(analysis.label, labels)))
    else:
        yield _line(Content.styled("✗ " + _("failed"), "bold $text-error"))
        yield _line(safe_content(analysis.error, "$text-error"))
    if analysis.uncertain:
        yield _line(Content.styled(_("uncertain: less sure than the settings ask for"), "$text-warning"))
    if analysis.corrected is not None:
        yield _line(Content.assemble(_("corrected to"), " ", label_content(analysis.corrected, labels)))
    yield _line(Content(""))
    post = safe_content(analysis.text[:_SHOWN])
    yield _line(post.highlight_regex(found, style=FOUND) if found is not None else post)
    if len(analysis.text) > _SHOWN:
        message = _("… and {count:,} characters more: copy the post to have them all.")
        yield _line(Content.styled(message.format(count=len(analysis.text) - _SHOWN), "$text-muted"))
    yield _line(Content(""))
    for label, share in sorted(analysis.probabilities.items(), key=lambda pair: -(pair[1] or 0.0)):
        yield _line(_share(label_content(label, labels), share, percent(share), label_color(label, labels)))
    yield _line(Content(""))
    yield from _facts(analysis)


def _facts(analysis: Analysis) -> Iterator[DescriptionItem]:
    read = _("{read:,} of {count:,} characters").format(read=analysis.characters_read, count=analysis.characters)
    yield DescriptionItem(_("adapter"), safe_line(analysis.adapter))
    yield DescriptionItem(_("source"), safe_line(analysis.source))
    yield DescriptionItem(_("when"), Content(local_time(analysis.created_at, seconds=True)))
    yield DescriptionItem(_("read"), Content.styled(read, "$text-warning" if analysis.truncated else ""))
    yield DescriptionItem(_("took"), Content(_("{time} ms").format(time=number(analysis.milliseconds, 1))))


def _about_file(file: LabeledFile) -> Iterator[DescriptionItem]:
    yield _line(Content.styled("▤ " + _("a labelled file"), "bold"))
    yield _line(Content(""))
    labels = tuple(file.counts)
    for label, count in sorted(file.counts.items(), key=lambda pair: -pair[1]):
        figure = f"{count:,} · {percent(count / file.rows if file.rows else None)}"
        yield _line(_share(label_content(label, labels), count / max(file.rows, 1), figure, label_color(label, labels)))
    yield _line(Content(""))
    yield DescriptionItem(_("posts"), Content(f"{file.rows:,}"))
    if file.failed:
        failed = ngettext("{count:,} post has no label", "{count:,} posts have no label", file.failed)
        yield DescriptionItem(_("failed"), Content.styled(failed.format(count=file.failed), "$text-error"))
    yield DescriptionItem(_("adapter"), safe_line(file.adapter))
    yield DescriptionItem(_("when"), Content(local_time(file.created_at, seconds=True)))
    yield DescriptionItem(_("file"), safe_line(str(file.path)))
    yield DescriptionItem(_("labelled"), safe_line(str(file.out)))


def _line(content: Content) -> DescriptionItem:
    return DescriptionItem(value=content)


def _share(name: Content, share: float | None, figure: str, colour: str) -> Content:
    shown = name.truncate(_LABEL, ellipsis=True, pad=True)
    return Content.assemble(shown, " ", bar(share or 0.0, _BAR, colour), " ", figure)
