"""Keys in the order in which they were typed.

Textual handles a key only after it has passed every widget above the focused one, and may move the focus a message
later. A key typed before that overtakes it: of `ctrl+u` and a word typed at once, or over a slow line, the word is
deleted too. So each key waits here until the one before it is handled.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress

from textual import events
from textual.dom import DOMNode

from weibo_tui.app.terminal.textual_private import TextualApp

TIMEOUT_SECONDS = 1.0
"""Longest time that a busy widget delays the next key."""

Typed = events.Key | events.Paste


class KeyQueue:
    """Keys and pastes that are not handled yet."""

    def __init__(self, app: TextualApp) -> None:
        self._app = app
        self._waiting: deque[Typed] = deque()
        self._next: Typed | None = None
        self._handling: asyncio.Task[None] | None = None

    @property
    def is_empty(self) -> bool:
        return self._next is None and self._handling is None

    def must_wait(self, event: Typed) -> bool:
        """Return True if an earlier key is not handled yet. The queue then posts `event` again."""
        if event is self._next:
            self._next = None
            return False
        if self.is_empty:
            return False
        self._waiting.append(event)
        return True

    def delivered(self, target: DOMNode) -> None:
        """Hold back later keys until `target` has handled the current one."""
        self._handling = asyncio.create_task(self._wait_for(target))

    async def _wait_for(self, target: DOMNode) -> None:
        # Each node has its own message queue. The app is last, because the key may have moved the focus.
        for node in (*target.ancestors_with_self, self._app):
            handled = asyncio.Event()
            if node.call_later(handled.set):
                with suppress(TimeoutError):
                    await asyncio.wait_for(handled.wait(), TIMEOUT_SECONDS)
        self._handling = None
        if self._waiting and not self._app.exiting:  # after the exit, keys are for the shell
            self._next = self._waiting.popleft()
            self._app.post_message(self._next)
