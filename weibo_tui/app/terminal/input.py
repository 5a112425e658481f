"""Input that cannot break the app: sequences that no terminal sends, and sizes that none has."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from textual._xterm_parser import XTermParser
from textual.message import Message

MAX_COLUMNS, MAX_ROWS = 2000, 1000
"""Larger sizes are ignored, because a terminal reports them only by mistake."""


def is_possible_size(columns: int, rows: int) -> bool:
    """Return True if a terminal may have this size."""
    return 0 < columns <= MAX_COLUMNS and 0 < rows <= MAX_ROWS


class InputParser:
    """Calls `process` with each event of the text that a terminal sends."""

    def __init__(self, process: Callable[[Message], None]) -> None:
        self._process = process
        self._parser = XTermParser()

    def feed(self, text: str) -> None:
        """Process the events of `text`."""
        # Each sequence separately, so that an invalid one drops no other.
        for part in filter(None, re.split("(?=\x1b)", text)):
            self._process_all(self._parser.feed(part))

    def tick(self) -> None:
        """Process the key that a lone escape was, once no other part of a sequence follows it."""
        self._process_all(self._parser.tick())

    def _process_all(self, messages: Iterable[Message]) -> None:
        try:
            for message in messages:
                self._process(message)
        except Exception:  # the parser fails on sequences that no terminal sends
            self._parser = XTermParser()
