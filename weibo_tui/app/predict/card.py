"""Cards of the predict screen: a post or a labeled file with its result, and the parts that their lines consist of.

Each card is one widget, so that hundreds of them scroll and reflow at once.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from itertools import chain, islice, zip_longest
from pathlib import Path
from typing import TYPE_CHECKING

from textual import events
from textual.content import Content
from textual.geometry import Size
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget

from weibo_tui.app.base import get_app
from weibo_tui.app.formatting import bar, label_color, label_content, local_time, safe_content, safe_line
from weibo_tui.app.services.explanations import ExplainedPost
from weibo_tui.app.services.jobs import Job
from weibo_tui.app.widgets.explanation import is_explained, legend_lines, post_lines, reason_lines
from weibo_tui.errors import WeiboTuiError
from weibo_tui.locale import gettext as _
from weibo_tui.locale import ngettext
from weibo_tui.presentation.numbers import confidence
from weibo_tui.storage.entries import Analysis, Entry, LabeledFile
from weibo_tui.text.boilerplate import split_forwarded
from weibo_tui.text.terminal import sanitize, truncate_cells, wrap_cells

if TYPE_CHECKING:
    from weibo_tui.workbench.explanation import Explanation

FOLDED_LINES = 6
MAX_CHARACTERS = 10_000
"""Characters of a post that an expanded card shows."""
NARROW = 46
"""Cells below which bars are short."""
WIDE = 110
"""Cells from which on a prediction is next to its post, in the same columns on all cards."""
MAX_TEXT_CELLS = 100
"""Longer lines are hard to read."""
MIN_RESULT_CELLS = 46
MAX_RESULT_CELLS = 62
MAX_LABEL_CELLS = 24
GAP_CELLS = 4
MAX_DIGIT = 9
"""Labels after the ninth have no key of their own."""

GAP = Content("  ")
DOT = Content.styled(" · ", "$text-disabled")


class Card(Widget):
    """A card of the list; its subclasses return its lines for a width."""

    DEFAULT_CSS = """
    Card {
        height: auto; max-width: 169; padding: 0 1; margin-bottom: 1;
        border-left: blank; text-wrap: nowrap; text-overflow: clip;
    }
    Card:hover { background: $surface; }
    """

    expanded = reactive(False, layout=True)
    can_repeat = False
    """True for a card whose work can be done again."""
    job: Job | None = None
    """The work that the card shows, if it is a job that has started."""

    class Clicked(Message):
        """A card was clicked, the `chain`-th time in a row."""

        def __init__(self, card: Card, chain: int) -> None:
            super().__init__()
            self.card = card
            self.chain = chain

    class ActionsChanged(Message):
        """The card allows other actions than before."""

    class HeightChanged(Message):
        """The card was opened or folded, and has its new height now."""

    def __init__(self) -> None:
        super().__init__()
        self._height_changing = False
        self._drawn: tuple[int, bool, list[Content]] | None = None

    @property
    def entry(self) -> Entry | None:
        """The entry of the history that the card shows, if there is one."""
        return None

    @property
    def labeled_file(self) -> Path | None:
        """The labeled file that the card shows, if there is one."""
        return None

    @property
    @abstractmethod
    def clipboard(self) -> tuple[str, str]:
        """The text that copying the card copies, and the message afterwards."""

    @property
    def busy(self) -> bool:
        """True while the result is pending."""
        return False

    @abstractmethod
    def lines(self, width: int) -> list[Content]:
        """Return the lines of the card at a width."""

    def show_change(self) -> None:
        """Draw the card again, and lay out the list only where the card's height has changed."""
        if not self.is_mounted or self._drawn is None:
            self._drawn = None
            return
        width, _expanded, before = self._drawn
        self._drawn = None
        self.refresh(layout=len(self._lines(width)) != len(before))

    def on_settings_changed(self) -> None:
        self.show_change()

    def _lines(self, width: int) -> list[Content]:
        if self._drawn is None or self._drawn[:2] != (width, self.expanded):
            self._drawn = width, self.expanded, self.lines(max(width, 10))
        return self._drawn[2]

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:  # noqa: ARG002
        return len(self._lines(width))

    def render(self) -> Content:
        return Content("\n").join(self._lines(self.content_size.width))

    def watch_expanded(self) -> None:
        self._height_changing = True

    def on_resize(self) -> None:
        if self._height_changing:
            self._height_changing = False
            self.post_message(self.HeightChanged())

    def on_click(self, event: events.Click) -> None:
        event.stop()
        event.prevent_default()  # which would select all of its text
        if not self.screen.get_selected_text():
            self.post_message(self.Clicked(self, event.chain))


class PostCard(Card):
    """A post with its prediction, or with the reason why it has no prediction."""

    can_repeat = True

    def __init__(self, text: str, adapter: str, analysis: Analysis | None = None) -> None:
        super().__init__()
        self.text = text
        self.adapter = adapter
        self.analysis = analysis
        self.failure = "" if analysis is None else analysis.error or ""
        self._explanation: Explanation | None = None

    def show(self, analysis: Analysis) -> None:
        """Show the prediction."""
        self.analysis = analysis
        self.fail(analysis.error or "")
        self._explain()

    def watch_expanded(self) -> None:
        super().watch_expanded()
        self._explain()

    @property
    def explained_post(self) -> ExplainedPost | None:
        """The post with its adapter, None without a prediction."""
        return None if self.prediction is None else ExplainedPost(self.text, self.prediction.adapter)

    def _explain(self) -> None:
        """Explain the post of an open card, once."""
        post = self.explained_post
        if not self.expanded:
            if self.is_mounted:
                self.workers.cancel_group(self, "explain")
        elif self._explanation is None and post is not None and is_explained(self, post):
            get_app(self).run_task(self._show_explanation(post), "explain", exclusive=True, node=self)

    async def _show_explanation(self, post: ExplainedPost) -> None:
        with suppress(WeiboTuiError):  # the key that opens the screen of the explanation says why
            self._explanation = await get_app(self).explanations.explain(post)
            self._height_changing = True  # so that the card stays in view
            self.show_change()

    def on_settings_changed(self) -> None:
        analysis, below = self.analysis, get_app(self).settings.uncertain_below
        if analysis is not None and analysis.confidence is not None:
            self.analysis = replace(analysis, uncertain=analysis.confidence < below)
        super().on_settings_changed()

    def fail(self, message: str) -> None:
        """Show why there is no prediction."""
        self.failure = message
        self.show_change()
        self.post_message(self.ActionsChanged())

    @property
    def busy(self) -> bool:
        return self.analysis is None and not self.failure

    @property
    def entry(self) -> Entry | None:
        return self.analysis if self.analysis is not None and self.analysis.id is not None else None

    @property
    def clipboard(self) -> tuple[str, str]:
        return self.text, _("Copied the post.")

    @property
    def prediction(self) -> Analysis | None:
        """The prediction, if there is one."""
        return None if self.failure else self.analysis

    @property
    def labels(self) -> list[str]:
        """The labels of the prediction, in the order of the adapter and of the digit keys."""
        return [] if self.analysis is None else list(self.analysis.probabilities)

    def lines(self, width: int) -> list[Content]:
        if width < WIDE:
            return [*self._post_lines(width), *self._result_lines(width), *self._reason_lines(width)]
        result_width = min(max(width - GAP_CELLS - MAX_TEXT_CELLS, MIN_RESULT_CELLS), MAX_RESULT_CELLS)
        text_width = width - GAP_CELLS - result_width
        left = [*self._post_lines(text_width), *self._reason_lines(text_width)]
        pairs = zip_longest(left, self._result_lines(result_width), fillvalue=Content(""))
        return [
            Content.assemble(text, " " * (text_width - text.cell_length + GAP_CELLS), result) for text, result in pairs
        ]

    def _result_lines(self, width: int) -> list[Content]:
        analysis = self.analysis
        if self.failure:
            return failure_lines(self.failure, width)
        if analysis is None:
            return flow([Content.styled("…", "bold $text-muted")], details(self.adapter), width)
        time, duration = _short_time(analysis.created_at), _milliseconds(analysis.milliseconds)
        end = details(analysis.adapter, duration, time)
        if self.expanded:
            labels = sorted(analysis.probabilities, key=lambda label: -analysis.probabilities[label])
            return [
                *(_share_part(analysis, label, width, True) for label in labels),
                *flow(_notes(analysis), end, width),
            ]
        parts = [_share_part(analysis, analysis.label, width, False), *_notes(analysis)]
        return flow(parts, end, width, short=details(analysis.adapter, time))

    @property
    def _shown_explanation(self) -> Explanation | None:
        return self._explanation if self.expanded else None

    def _reason_lines(self, width: int) -> list[Content]:
        """Return the explanation in words, if the card is open and its post is explained."""
        explanation = self._shown_explanation
        if explanation is None:
            return []
        return [Content(""), *reason_lines(explanation, width), *legend_lines(explanation, width)]

    def _post_lines(self, width: int) -> list[Content]:
        """Return the author's own words and, on lines of their own, what is forwarded; or the post as it is, shaded by
        its explanation."""
        if self._shown_explanation is not None:
            return list(post_lines(self._shown_explanation, width))
        own, forwarded = (
            sanitize(part).strip("\n").expandtabs(4) for part in split_forwarded(self.text[:MAX_CHARACTERS])
        )
        # Of a folded card only what is seen is wrapped: hundreds of cards may be laid out at once.
        lines = chain(
            ((line, "") for line in wrap_cells(own, width) if own or not forwarded),
            ((line, "$text-muted") for line in wrap_cells(forwarded, width) if forwarded),
        )
        shown = list(islice(lines, None if self.expanded else FOLDED_LINES + 1))
        hidden = max(len(self.text) - MAX_CHARACTERS, 0)
        if not self.expanded and len(shown) > FOLDED_LINES:
            shown = shown[: FOLDED_LINES - 1]
            hidden += len(own) + len(forwarded) - sum(len(line) for line, _style in shown)
        contents = [Content.styled(line, style) for line, style in shown]
        if hidden > 0:
            more = ngettext("… {count} more character", "… {count} more characters", hidden)
            contents.append(safe_content(more.format(count=f"{hidden:,}"), "$text-muted"))
        return contents


class FileCard(Card):
    """A labeled file of the history."""

    def __init__(self, file: LabeledFile) -> None:
        super().__init__()
        self.file = file

    @property
    def entry(self) -> Entry | None:
        return self.file

    @property
    def labeled_file(self) -> Path | None:
        return self.file.out

    @property
    def clipboard(self) -> tuple[str, str]:
        return str(self.file.out), _("Copied the path of the labeled file.")

    def lines(self, width: int) -> list[Content]:
        file = self.file
        parts = [
            rows_part(file.rows),
            *count_parts(file.counts, file.failed, get_app(self).catalog.labels(file.adapter)),
        ]
        return [
            *path_lines(str(file.out), width),
            *flow(parts, details(file.adapter, _short_time(file.created_at)), width),
        ]


def create_card(entry: Entry) -> Card:
    """Create the card of an entry of the history."""
    if isinstance(entry, LabeledFile):
        return FileCard(entry)
    return PostCard(entry.text, entry.adapter, entry)


# ---- the parts of a card's lines


def flow(parts: Sequence[Content], right: Content, width: int, short: Content | None = None) -> list[Content]:
    """Put `parts` side by side on as many lines as necessary, with `right` at the end of the last one.

    Where there is no room for `right`, `short` takes its place, otherwise it gets its own line."""
    lines: list[Content] = []
    for part in parts:
        if lines and lines[-1].cell_length + 2 + part.cell_length <= width:
            lines[-1] = Content.assemble(lines[-1], GAP, part)
        else:
            lines.append(part)
    room = width - 2 - lines[-1].cell_length if lines else 0
    if right.cell_length > room and short is not None and short.cell_length <= room:
        right = short
    elif right.cell_length > room:
        lines.append(Content(""))
    lines[-1] = Content.assemble(lines[-1], " " * (width - lines[-1].cell_length - right.cell_length), right)
    return lines


def details(*parts: str) -> Content:
    """Return the end of a card's line: adapter, duration, time."""
    return DOT.join(safe_line(part, "$text-muted") for part in parts if part)


def path_lines(path: str, width: int) -> list[Content]:
    """Return a path on as many lines as it needs: a cut path is of no use."""
    first, *more = wrap_cells(sanitize(path), width - 2)
    return [Content.assemble(("▤ ", "$primary"), first), *(Content("  " + line) for line in more)]


def failure_lines(message: str, width: int) -> list[Content]:
    return [safe_content(line, "$text-error") for line in wrap_cells(f"✗ {sanitize(message)}", width)]


def rows_part(rows: int) -> Content:
    return Content.styled(ngettext("{count} row", "{count} rows", rows).format(count=f"{rows:,}"), "bold")


def count_parts(counts: Mapping[str, int], failed: int, labels: Sequence[str]) -> list[Content]:
    """Return the number of posts of each label, most frequent first, and of the failed ones."""
    labels = labels or sorted(counts)
    parts = [
        Content.assemble(label_content(label, labels), f" {counts[label]:,}")
        for label in sorted(counts, key=lambda label: -counts[label])
    ]
    if failed:
        parts.append(safe_content(_("{count} unlabeled").format(count=f"{failed:,}"), "$text-error"))
    return parts


def _notes(analysis: Analysis) -> list[Content]:
    """Return what is to say about a prediction besides its label."""
    parts = []
    if analysis.uncertain:
        parts.append(safe_content(_("uncertain"), "$text-warning"))
    if analysis.corrected == analysis.label:
        parts.append(safe_content(_("confirmed"), "$text-muted"))
    elif analysis.corrected is not None:
        label = label_content(analysis.corrected, list(analysis.probabilities))
        parts.append(Content.assemble((_("corrected:"), "$text-muted"), " ", label))
    if analysis.truncated:
        read = _("read {read} of {all} characters").format(
            read=f"{analysis.characters_read:,}", all=f"{analysis.characters:,}"
        )
        parts.append(safe_content(read, "$text-muted"))
    return parts


def _share_part(analysis: Analysis, label: str, width: int, with_digit: bool) -> Content:
    """Return a label with its probability as a bar and a figure, in the same columns for all labels of an adapter.

    `with_digit` shows the key of the label before it."""
    labels = list(analysis.probabilities)
    longest = max((label_content(name, labels).cell_length for name in labels), default=0)
    room = min(longest, MAX_LABEL_CELLS)
    color = label_color(label, labels)
    predicted = label == analysis.label
    share = analysis.probabilities.get(label, analysis.confidence or 0.0)
    name = label_content(label, labels, predicted and analysis.uncertain)
    if name.cell_length > room:
        name = Content.styled(truncate_cells(name.plain, room), f"bold {color}")
    digit = labels.index(label) + 1 if label in labels else 0
    return Content.assemble(
        (f"{digit} " if 0 < digit <= MAX_DIGIT else "  ", "$primary") if with_digit else "",
        name.pad_right(room - name.cell_length),
        "  ",
        bar(share, 6 if width < NARROW else 10, color),
        (f" {confidence(share, predicted and analysis.uncertain):>7}", "bold" if predicted else ""),
    )


def _short_time(timestamp: str) -> str:
    """Return a stored time as local time, without the date of today."""
    return local_time(timestamp).removeprefix(f"{datetime.now():%Y-%m-%d} ")


def _milliseconds(count: float) -> str:
    return f"{count / 1000:.1f} s" if count >= 1000 else f"{count:.0f} ms"
