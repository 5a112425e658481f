"""Cards of the conversation: something that was asked, and what came of it, drawn in one piece.

A card is one widget, whatever it shows, so that hundreds of them scroll and reflow at once.
"""

from __future__ import annotations

from itertools import islice

from textual import events
from textual.content import Content
from textual.geometry import Size
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget

from weibo_tui.app.base import get_app
from weibo_tui.app.formatting import safe_content
from weibo_tui.app.predict.card_parts import (
    about,
    count_parts,
    flow,
    moment,
    path_lines,
    rows_part,
    share_part,
    time_taken,
    verdict_parts,
)
from weibo_tui.locale import ngettext
from weibo_tui.storage.history import Analysis, Entry, LabeledFile
from weibo_tui.text import visible, wrap_cells

FOLDED_LINES = 6
LARGEST_SHOWN = 10_000
"""Characters of a post that an open card shows."""


class Card(Widget):
    """One thing in the conversation; its subclasses say its lines for a width."""

    DEFAULT_CSS = """
    Card {
        height: auto; max-width: 132; padding: 0 1; margin-bottom: 1;
        border-left: blank; text-wrap: nowrap; text-overflow: clip;
    }
    Card:hover { background: $surface; }
    """

    opened = reactive(False, layout=True)

    class Clicked(Message):
        """A card was clicked, the `chain`-th time in a row."""

        def __init__(self, card: Card, chain: int) -> None:
            super().__init__()
            self.card = card
            self.chain = chain

    class ActionsChanged(Message):
        """A card can be asked for other things than before."""

    def __init__(self) -> None:
        super().__init__()
        self._drawn: tuple[int, bool, list[Content]] | None = None

    @property
    def entry(self) -> Entry | None:
        """What the history keeps of it, if it keeps anything."""
        return None

    @property
    def to_copy(self) -> str:
        """What copying the card copies."""
        raise NotImplementedError

    @property
    def opens(self) -> bool:
        """Whether there is more to see than it shows at first."""
        return False

    @property
    def at_work(self) -> bool:
        """Whether something is being done that it will show."""
        return False

    def lines(self, width: int) -> list[Content]:
        raise NotImplementedError

    def show_change(self) -> None:
        """Draw it again, and lay out the conversation only where it has become higher or lower."""
        if not self.is_mounted or self._drawn is None:
            self._drawn = None
            return
        width, _opened, before = self._drawn
        self._drawn = None
        self.refresh(layout=len(self._lines(width)) != len(before))

    def _lines(self, width: int) -> list[Content]:
        if self._drawn is None or self._drawn[:2] != (width, self.opened):
            self._drawn = width, self.opened, self.lines(max(width, 10))
        return self._drawn[2]

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:  # noqa: ARG002
        return len(self._lines(width))

    def render(self) -> Content:
        return Content("\n").join(self._lines(self.content_size.width))

    def on_click(self, event: events.Click) -> None:
        event.stop()
        event.prevent_default()  # which would select all of its text
        if not self.screen.get_selected_text():
            self.post_message(self.Clicked(self, event.chain))


class PostCard(Card):
    """A post and its verdict, or that it waits for one, or why there is none."""

    def __init__(self, text: str, adapter: str, analysis: Analysis | None = None) -> None:
        super().__init__()
        self.text = text
        self.adapter = adapter
        self.analysis = analysis
        self.failure = "" if analysis is None else analysis.error or ""

    def show(self, analysis: Analysis) -> None:
        """The verdict has come."""
        self.analysis = analysis
        self.failure = analysis.error or ""
        self.show_change()
        self.post_message(self.ActionsChanged())

    def fail(self, why: str) -> None:
        """There will be no verdict."""
        self.failure = why
        self.show_change()
        self.post_message(self.ActionsChanged())

    @property
    def at_work(self) -> bool:
        return self.analysis is None and not self.failure

    @property
    def entry(self) -> Entry | None:
        return self.analysis if self.analysis is not None and self.analysis.id is not None else None

    @property
    def to_copy(self) -> str:
        return self.text

    @property
    def opens(self) -> bool:
        return True

    def lines(self, width: int) -> list[Content]:
        lines = self._post_lines(width)
        if self.failure:
            return [
                *lines,
                *(safe_content(line, "$text-error") for line in wrap_cells(f"✗ {visible(self.failure)}", width)),
            ]
        if self.analysis is None:
            return [*lines, *flow([Content.styled("…", "bold $text-muted")], about(self.adapter), width)]
        took, at = time_taken(self.analysis.milliseconds), moment(self.analysis.created_at)
        shorter = None if self.opened else about(self.analysis.adapter, at)
        lines += flow(verdict_parts(self.analysis, width), about(self.analysis.adapter, took, at), width, shorter)
        if self.opened:
            others = sorted(self.analysis.probabilities.items(), key=lambda pair: -pair[1])
            lines += [
                share_part(self.analysis, label, width) for label, _share in others if label != self.analysis.label
            ]
        return lines

    def _post_lines(self, width: int) -> list[Content]:
        shown = visible(self.text[:LARGEST_SHOWN]).strip("\n").expandtabs(4)
        # A folded one is not gone through beyond its fold: there may be hundreds, and all are laid out anew at once.
        lines = list(islice(wrap_cells(shown, width), None if self.opened else FOLDED_LINES + 1))
        hidden = max(len(self.text) - LARGEST_SHOWN, 0)
        if not self.opened and len(lines) > FOLDED_LINES:
            lines = lines[: FOLDED_LINES - 1]
            hidden += len(shown) - sum(map(len, lines))
        drawn = [Content(line) for line in lines]
        if hidden > 0:
            more = ngettext("… {count} more character", "… {count} more characters", hidden)
            drawn.append(safe_content(more.format(count=f"{hidden:,}"), "$text-muted"))
        return drawn


class FileCard(Card):
    """A file that was labelled before, as the history keeps it."""

    def __init__(self, file: LabeledFile) -> None:
        super().__init__()
        self.file = file

    @property
    def entry(self) -> Entry | None:
        return self.file

    @property
    def to_copy(self) -> str:
        return str(self.file.out)

    def lines(self, width: int) -> list[Content]:
        labels = get_app(self).catalog.labels(self.file.adapter)
        return [
            *path_lines("▤ ", str(self.file.out), width),
            *flow(
                [rows_part(self.file.rows), *count_parts(self.file.counts, self.file.failed, labels)],
                about(self.file.adapter, moment(self.file.created_at)),
                width,
            ),
        ]


def card_of(entry: Entry) -> Card:
    """The card of what the history keeps."""
    if isinstance(entry, LabeledFile):
        return FileCard(entry)
    return PostCard(entry.text, entry.adapter, entry)
