"""The prompt: several lines that Enter sends; the arrow keys recall earlier posts."""

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
from textual.reactive import reactive
from textual.strip import Strip
from textual.widgets import TextArea
from textual.widgets.text_area import Location, Selection

from weibo_tui.app.base import get_app
from weibo_tui.app.keymap import bindings, first_key
from weibo_tui.locale import N_
from weibo_tui.locale import gettext as _
from weibo_tui.text.terminal import MAX_COMBINING_MARKS, hide_zero_width, sanitize

# Terminals without an extended keyboard protocol send this for Alt+Enter, which Textual would read as Enter.
cast("dict[str, object]", ANSI_SEQUENCES_KEYS).setdefault("\x1b\r", (Keys.ControlJ,))

REPLACEMENT = "\ufffd"
HIDDEN = "\u200b"
"""Stands for each character that is not shown."""
MAX_CHARACTERS = 10_000
"""Characters that fit: with many more, TextArea takes seconds to draw a key."""


class Prompt(TextArea):
    """The field for posts. `history` returns the posts sent before, newest first."""

    HELP_TEXT = N_(
        "The prompt: write or paste a post and press Enter to predict its label. The prediction of the text so far is "
        "in the lower border. Ctrl+J or Alt+Enter starts a new line. Up and Down show the posts sent before. Several "
        "pasted lines can be one post or one post each. A single q quits."
    )
    BINDINGS = bindings("prompt")

    has_cards = reactive(False, bindings=True)
    """True while there are cards, which Esc leads to."""

    DEFAULT_CSS = """
    Prompt {
        height: auto; min-height: 3; max-height: 8; padding: 0 1;
        border: round $foreground 25%; background: $background;
        border-title-color: $text-muted; border-subtitle-color: $text-muted; scrollbar-size-vertical: 1;
    }
    Prompt:focus { border: round $primary; }
    """

    class Sent(Message):
        """Enter sends a post."""

        def __init__(self, post: str) -> None:
            super().__init__()
            self.post = post

    class SeveralLines(Message):
        """Several lines were pasted: one post, or one each."""

        def __init__(self, text: str, lines: Sequence[str]) -> None:
            super().__init__()
            self.text = text
            self.lines = lines

    class TooLarge(Message):
        """A text was not inserted, because it has too many characters."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class AtOldest(Message):
        """A key went past the oldest post that `history` returns."""

    class Exited(Message):
        """A key to leave the prompt was pressed."""

    def __init__(self, history: Callable[[], Sequence[str]]) -> None:
        # Without a blinking cursor: an app that waits draws nothing.
        super().__init__(soft_wrap=True, tab_behavior="focus", highlight_cursor_line=False)
        self.cursor_blink = False
        self.match_cursor_bracket = False
        self._history = history
        self._position = 0
        """Which of the posts is recalled; 0 is the draft."""
        self._draft = ""
        self._recalled = ""

    def on_mount(self) -> None:
        self.on_settings_changed()

    def on_settings_changed(self) -> None:
        keymap = get_app(self).keymap
        placeholder = _("Write a post. {send} sends it, {line} starts a new line")
        self.placeholder = Content(
            placeholder.format(send=first_key("prompt.send", keymap), line=first_key("prompt.new_line", keymap))
        )

    def get_line(self, line_index: int) -> Text:
        # The model gets the text as it is. On screen a control character is one letter, so that columns
        # still count characters. `render_line` removes those that are not shown.
        line = self.document.get_line(line_index)
        if sanitize(line) != line:
            line = "".join(_letters(hide_zero_width(line, HIDDEN)))
        return Text(line, end="", no_wrap=True)

    def render_line(self, y: int) -> Strip:
        if self.content_size.width < 1:  # Textual cannot wrap the placeholder there
            return Strip.blank(self.size.width)
        strip = super().render_line(y)
        if HIDDEN not in strip.text:
            return strip
        return Strip([segment._replace(text=segment.text.replace(HIDDEN, "")) for segment in strip], strip.cell_length)

    def validate_selection(self, selection: Selection) -> Selection:
        """Keep the cursor off characters that are not shown."""
        location = selection.end
        while selection.is_empty and self._is_hidden(location):
            location = location[0], location[1] + 1
        return Selection(location if selection.is_empty else selection.start, location)

    def get_cursor_left_location(self) -> Location:
        location = super().get_cursor_left_location()
        while self._is_hidden(location) and location != (0, 0):
            location = self.navigator.get_location_left(location)
        return location

    def _is_hidden(self, location: Location) -> bool:
        row, column = location
        return hide_zero_width(self.document.get_line(row), HIDDEN)[column : column + 1] == HIDDEN

    def replace_text(self, text: str) -> None:
        """Replace the whole text, and put the cursor at its end."""
        self.text = text
        self.move_cursor(self.document.end)

    def insert_text(self, text: str) -> None:
        """Insert `text` at the cursor, in place of the selection. A text that is too large is not inserted."""
        if len(text) > 1 and len(self.text) - len(self.selected_text) + len(text) > MAX_CHARACTERS:
            self.post_message(self.TooLarge(text))
            return
        self.replace(text, *self.selection, maintain_selection_offset=False)

    def paste(self, text: str) -> None:
        """Insert a pasted line; of several lines, ask first."""
        lines = [line for line in text.splitlines() if line.strip()]
        if len(lines) > 1:
            self.post_message(self.SeveralLines(text, lines))
        else:
            self.insert_text(lines[0] if lines else "")

    async def _on_paste(self, event: events.Paste) -> None:
        event.stop()
        event.prevent_default()
        self.paste(event.text)

    async def _on_key(self, event: events.Key) -> None:
        active = None if event.is_printable else self.screen.active_bindings.get(event.key)
        if active is not None and active.enabled and active.node is self:
            event.prevent_default()  # TextArea would insert a line break

    def action_send(self) -> None:
        post = self.text
        if post.strip():
            self._position = 0
            self.text = ""
            self.post_message(self.Sent(post))

    def action_break_line(self) -> None:
        self.insert_text("\n")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return self.has_cards if action == "leave" else super().check_action(action, parameters)

    def action_leave(self) -> None:
        self.post_message(self.Exited())

    def action_older(self) -> None:
        if self._is_recalled or self.navigator.is_first_wrapped_line(self.cursor_location):
            self._recall(1)
        else:
            self.action_cursor_up()

    def action_newer(self) -> None:
        if self._is_recalled or (self._position and self.navigator.is_last_wrapped_line(self.cursor_location)):
            self._recall(-1)
        else:
            self.action_cursor_down()

    @property
    def _is_recalled(self) -> bool:
        """True while a recalled post is unchanged: Up and Down need not cross its lines first."""
        return self._position > 0 and self.text == self._recalled and self.cursor_at_end_of_text

    def _recall(self, step: int) -> None:
        if not self._position or self.text != self._recalled:
            self._position, self._draft = 0, self.text
        posts = [post for post in self._history() if len(post) <= MAX_CHARACTERS]
        if self._position + step > len(posts):
            self.post_message(self.AtOldest())
        elif self._position + step >= 0:
            self._position += step
            self.replace_text(posts[self._position - 1] if self._position else self._draft)
            self._recalled = self.text  # its line ends may differ


def _letters(line: str) -> Iterator[str]:
    marks = 0
    for character in line:
        marks = marks + 1 if category(character) in ("Mn", "Me") else 0
        letter = sanitize(character) or character  # a joiner is needed by its emoji
        yield letter if len(letter) == 1 and marks <= MAX_COMBINING_MARKS else REPLACEMENT
