"""The line of text in which a path is typed."""

from __future__ import annotations

from textual import events
from textual.message import Message
from textual.widgets import Input

from weibo_tui.app.forms.path_completion import dropped
from weibo_tui.locale import N_
from weibo_tui.text.terminal import sanitize


class PathField(Input, inherit_bindings=False):
    """An Input that understands what terminals paste for a dropped file, and whose suggestion a key can take."""

    BINDINGS = Input.BINDINGS  # without those for scrolling up and down, which it cannot
    HELP_TEXT = N_(
        "The path of a file. Tab or Right takes what is suggested, Down shows what there is; a file may be dropped on"
        " the terminal."
    )

    class Dropped(Message):
        """Paths of files that were dropped on the terminal, or pasted in quotes or as URIs."""

        def __init__(self, paths: list[str]) -> None:
            super().__init__()
            self.paths = paths

    def take_suggestion(self) -> bool:
        """Take what is suggested behind the cursor; whether there was something."""
        if not self._suggestion or not self.cursor_at_end:
            return False
        self.value = self._suggestion
        self.cursor_position = len(self.value)
        return True

    def _on_paste(self, event: events.Paste) -> None:
        event.stop()
        event.prevent_default()
        paths = dropped(event.text)
        if paths == [event.text.strip()]:
            self.replace(sanitize(paths[0]), *self.selection)
        elif paths:
            self.post_message(self.Dropped(paths))
