"""Keys in the order in which they were typed.

Textual does what a key is bound to only when the key has passed every widget above the focused one, and may move the
focus a message later still. What is typed meanwhile overtakes it: of `ctrl+u` and a word, typed at once or over a slow
line, the word is taken away with the rest. So each key waits here until the one before it is through.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress

from textual import events
from textual.app import App
from textual.dom import DOMNode

PATIENCE_SECONDS = 1.0
"""How long at most a widget that is busy keeps the next key waiting."""

Typed = events.Key | events.Paste


class KeyQueue:
    """What was typed and is not through yet."""

    def __init__(self, app: App[None]) -> None:
        self._app = app
        self._waiting: deque[Typed] = deque()
        self._due: Typed | None = None
        self._passing: asyncio.Task[None] | None = None

    @property
    def is_empty(self) -> bool:
        return self._due is None and self._passing is None

    def must_wait(self, event: Typed) -> bool:
        """Whether something typed before `event` is not through; `event` then comes to the app again by itself."""
        if event is self._due:
            self._due = None
            return False
        if self.is_empty:
            return False
        self._waiting.append(event)
        return True

    def went_to(self, target: DOMNode) -> None:
        """The event that did not have to wait is in the hands of `target`."""
        self._passing = asyncio.create_task(self._pass(target))

    async def _pass(self, target: DOMNode) -> None:
        # Each has a queue of its own; the app's once more, for the focus that what it did may have moved.
        for node in (*target.ancestors_with_self, self._app):
            through = asyncio.Event()
            if node.call_later(through.set):
                with suppress(TimeoutError):
                    await asyncio.wait_for(through.wait(), PATIENCE_SECONDS)
        self._passing = None
        if self._waiting and not self._app._exit:  # whoever left types into what comes next
            self._due = self._waiting.popleft()
            self._app.post_message(self._due)
