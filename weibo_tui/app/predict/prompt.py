"""The prompt: several lines, sent by Enter, with the posts sent before behind the arrow keys."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import cast
from unicodedata import category

from rich.text import Text
from textual import events
from textual._ansi_sequences import ANSI_SEQUENCES_KEYS
from textual.content import Content
from textual.keys import Keys
from textual.message import Message
from textual.widgets import TextArea

from weibo_tui.app.base import get_app
from weibo_tui.app.keymap import bindings, first_key
from weibo_tui.locale import N_
from weibo_tui.locale import gettext as _
from weibo_tui.text import HIGHEST_PILE, visible

# Terminals without an extended keyboard protocol send this for Alt+Enter, which Textual would take for Enter.
cast("dict[str, object]", ANSI_SEQUENCES_KEYS).setdefault("\x1b\r", (Keys.ControlJ,))

NO_LETTER = "\ufffd"
LARGEST = 10_000
"""Characters that can be written: of a post much longer than this, TextArea takes seconds to draw a key."""


class Prompt(TextArea):
    """Where posts are written. `past` gives those sent before, the newest first."""

    HELP_TEXT = N_(
        "The prompt: write or paste a post and press Enter for the verdict. Ctrl+J or Alt+Enter begins a new line. "
        "Up and Down walk through the posts sent before. Several lines pasted at once can be one post or one each. "
        "A q alone leaves the program."
    )
    BINDINGS = bindings("prompt")
    DEFAULT_CSS = """
    Prompt {
        height: auto; min-height: 3; max-height: 8; padding: 0 1;
        border: round $foreground 25%; background: $background;
        border-title-color: $text-muted; scrollbar-size-vertical: 1;
    }
    Prompt:focus { border: round $primary; }
    """

    class Sent(Message):
        """A post is to be judged."""

        def __init__(self, post: str) -> None:
            super().__init__()
            self.post = post

    class SeveralLines(Message):
        """A paste of several lines: one post, or one each?"""

        def __init__(self, text: str, lines: Sequence[str]) -> None:
            super().__init__()
            self.text = text
            self.lines = lines

    class TooLarge(Message):
        """A text was to be written that has more characters than there is room for; nothing was."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class AtOldest(Message):
        """One walks past the oldest post that `past` gives."""

    class Exited(Message):
        """One goes from the prompt to the cards."""

    def __init__(self, past: Callable[[], Sequence[str]]) -> None:
        # Without a blinking cursor: an app that waits draws nothing.
        super().__init__(soft_wrap=True, tab_behavior="focus", highlight_cursor_line=False)
        self.cursor_blink = False
        self.match_cursor_bracket = False
        self._past = past
        self._at = 0
        self._draft = ""
        self._recalled = ""

    def on_mount(self) -> None:
        keymap = get_app(self).keymap
        placeholder = _("A post to judge: {send} sends, {line} begins a new line")
        self.placeholder = Content(
            placeholder.format(send=first_key("prompt.send", keymap), line=first_key("prompt.new_line", keymap))
        )

    def get_line(self, line_index: int) -> Text:
        # What was pasted goes to the model as it is; on the screen a control character is one letter that shows it,
        # so that columns still count characters.
        line = self.document.get_line(line_index)
        if visible(line) != line:
            line = "".join(_letters(line))
        return Text(line, end="", no_wrap=True)

    def put(self, text: str) -> None:
        """Replace what is written, with the cursor behind it."""
        self.text = text
        self.move_cursor(self.document.end)

    def insert_text(self, text: str) -> None:
        """Write `text` where the cursor is, in place of what is selected; nothing, where it is too large."""
        if len(text) > 1 and len(self.text) - len(self.selected_text) + len(text) > LARGEST:
            self.post_message(self.TooLarge(text))
            return
        self.replace(text, *self.selection, maintain_selection_offset=False)

    def take(self, text: str) -> None:
        """Text that was pasted."""
        lines = [line for line in text.splitlines() if line.strip()]
        if len(lines) > 1:
            self.post_message(self.SeveralLines(text, lines))
        else:
            self.insert_text(lines[0] if lines else "")

    async def _on_paste(self, event: events.Paste) -> None:
        event.stop()
        event.prevent_default()
        self.take(event.text)

    async def _on_key(self, event: events.Key) -> None:
        active = None if event.is_printable else self.screen.active_bindings.get(event.key)
        if active is not None and active.enabled and active.node is self:
            event.prevent_default()  # where a key sends, TextArea would begin a line

    def action_send(self) -> None:
        post = self.text
        if post.strip():
            self._at = 0
            self.text = ""
            self.post_message(self.Sent(post))

    def action_break_line(self) -> None:
        self.insert_text("\n")

    def action_leave(self) -> None:
        self.post_message(self.Exited())

    def action_older(self) -> None:
        if self._walking or self.navigator.is_first_wrapped_line(self.cursor_location):
            self._walk(1)
        else:
            self.action_cursor_up()

    def action_newer(self) -> None:
        if self._walking or (self._at and self.navigator.is_last_wrapped_line(self.cursor_location)):
            self._walk(-1)
        else:
            self.action_cursor_down()

    @property
    def _walking(self) -> bool:
        """Whether what was fetched stands there untouched: then Up and Down need not cross its lines first."""
        return self._at > 0 and self.text == self._recalled and self.cursor_at_end_of_text

    def _walk(self, step: int) -> None:
        if not self._at or self.text != self._recalled:
            self._at, self._draft = 0, self.text
        past = [post for post in self._past() if len(post) <= LARGEST]
        if self._at + step > len(past):
            self.post_message(self.AtOldest())
        elif self._at + step >= 0:
            self._at += step
            self.put(past[self._at - 1] if self._at else self._draft)
            self._recalled = self.text  # which has line ends of its own


def _letters(line: str) -> Iterator[str]:
    pile = 0
    for character in line:
        pile = pile + 1 if category(character) in ("Mn", "Me") else 0
        shown = visible(character)
        yield shown if len(shown) == 1 and pile <= HIGHEST_PILE else NO_LETTER
