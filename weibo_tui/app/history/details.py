"""The details of one history entry: next to the table where there is room, otherwise in a dialog."""

from __future__ import annotations

from collections.abc import Iterator

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.message import Message
from textual.widgets import Static

from weibo_tui.app.base import Dialog
from weibo_tui.app.formatting import bar, label_color, label_content, local_time, post_content, safe_content, safe_line
from weibo_tui.app.history.rows import MATCH_STYLE, Pattern
from weibo_tui.app.keymap import bindings
from weibo_tui.app.widgets.description_list import DescriptionItem, DescriptionList
from weibo_tui.display_names import source_name
from weibo_tui.locale import N_, ngettext
from weibo_tui.locale import gettext as _
from weibo_tui.presentation.numbers import confidence, number, percent
from weibo_tui.storage.history import Analysis, Entry, LabeledFile

_MAX_CHARACTERS = 5_000
"""Characters of a post that are shown; wrapping more takes too long."""
_BAR_CELLS = 20
_LABEL_CELLS = 14


class EntryDetails(VerticalScroll):
    """One entry in full, scrolled where it is longer than the view."""

    BINDINGS = bindings("history_details")
    HELP_TEXT = N_("The full post, its prediction and details. The arrow keys, PgUp and PgDn scroll.")
    DEFAULT_CSS = """
    EntryDetails {
        padding: 0 1; scrollbar-size-vertical: 1;
        & > Static { height: auto; }
    }
    """

    class Exited(Message):
        """A key to leave the details was pressed."""

    def compose(self) -> ComposeResult:
        yield Static()

    def show(self, entry: Entry | None, pattern: Pattern = None) -> None:
        """Show an entry, or nothing; the matches of `pattern` in its post are marked."""
        items: list[DescriptionItem] = []
        if isinstance(entry, Analysis):
            items = list(_analysis_items(entry, pattern))
        elif entry is not None:
            items = list(_file_items(entry))
        self.query_one(Static).update(DescriptionList(items) if items else "")
        self.scroll_home(animate=False)

    def action_leave(self) -> None:
        self.post_message(self.Exited())


class DetailsDialog(Dialog[None]):
    """The details in a dialog, for windows too small to have them next to the table."""

    def __init__(self, entry: Entry, pattern: Pattern) -> None:
        super().__init__()
        self._entry = entry
        self._pattern = pattern

    def compose(self) -> ComposeResult:
        yield EntryDetails(classes="box")

    def on_mount(self) -> None:
        self.query_one(EntryDetails).show(self._entry, self._pattern)

    def on_entry_details_exited(self) -> None:
        self.dismiss(None)


def _analysis_items(analysis: Analysis, pattern: Pattern) -> Iterator[DescriptionItem]:
    labels = tuple(analysis.probabilities)
    if analysis.error is None:
        predicted = label_content(analysis.label, labels, analysis.uncertain)
        yield _line(Content.assemble(predicted, "  ", (confidence(analysis.confidence, analysis.uncertain), "bold")))
        if analysis.confidence is not None:
            yield _line(bar(analysis.confidence, _BAR_CELLS, label_color(analysis.label, labels)))
    else:
        yield _line(Content.styled("✗ " + _("failed"), "bold $text-error"))
        yield _line(safe_content(analysis.error, "$text-error"))
    if analysis.uncertain:
        yield _line(Content.styled(_("uncertain: below the confidence threshold"), "$text-warning"))
    if analysis.corrected == analysis.label:
        yield _line(Content(_("confirmed")))
    elif analysis.corrected is not None:
        yield _line(Content.assemble(_("corrected to"), " ", label_content(analysis.corrected, labels)))
    yield _line()
    post = post_content(analysis.text[:_MAX_CHARACTERS])
    yield _line(post.highlight_regex(pattern, style=MATCH_STYLE) if pattern is not None else post)
    if (hidden := len(analysis.text) - _MAX_CHARACTERS) > 0:
        message = _("… and {count:,} more characters. Copy the post to get all of it.")
        yield _line(Content.styled(message.format(count=hidden), "$text-muted"))
    yield _line()
    for label, share in sorted(analysis.probabilities.items(), key=lambda pair: -(pair[1] or 0.0)):
        figure = confidence(share, analysis.uncertain and label == analysis.label)
        yield _share(label, labels, share, figure)
    yield _line()
    read = _("{read:,} of {count:,} characters").format(read=analysis.characters_read, count=analysis.characters)
    yield DescriptionItem(_("adapter"), safe_line(analysis.adapter))
    yield DescriptionItem(_("source"), safe_line(source_name(analysis.source)))
    yield DescriptionItem(_("when"), Content(local_time(analysis.created_at, seconds=True)))
    yield DescriptionItem(_("read"), Content.styled(read, "$text-warning" if analysis.truncated else ""))
    yield DescriptionItem(_("duration"), Content(_("{time} ms").format(time=number(analysis.milliseconds, 1))))


def _file_items(file: LabeledFile) -> Iterator[DescriptionItem]:
    yield _line(Content.styled("▤ " + _("labeled file"), "bold"))
    yield _line()
    labels = tuple(file.counts)
    for label, count in sorted(file.counts.items(), key=lambda pair: -pair[1]):
        share = count / file.rows if file.rows else None
        yield _share(label, labels, count / max(file.rows, 1), f"{count:,} · {percent(share)}")
    yield _line()
    yield DescriptionItem(_("posts"), Content(f"{file.rows:,}"))
    if file.failed:
        failed = ngettext("{count:,} post has no label", "{count:,} posts have no label", file.failed)
        yield DescriptionItem(_("failed"), Content.styled(failed.format(count=file.failed), "$text-error"))
    yield DescriptionItem(_("adapter"), safe_line(file.adapter))
    yield DescriptionItem(_("when"), Content(local_time(file.created_at, seconds=True)))
    yield DescriptionItem(_("file"), safe_line(str(file.path)))
    yield DescriptionItem(_("output"), safe_line(str(file.out)))


def _line(content: Content | None = None) -> DescriptionItem:
    return DescriptionItem(value=content or Content(""))


def _share(label: str, labels: tuple[str, ...], share: float | None, figure: str) -> DescriptionItem:
    name = label_content(label, labels).truncate(_LABEL_CELLS, ellipsis=True, pad=True)
    return _line(Content.assemble(name, " ", bar(share or 0.0, _BAR_CELLS, label_color(label, labels)), " ", figure))
