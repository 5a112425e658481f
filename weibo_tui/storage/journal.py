"""The journal of a run: collects its events and commits them in batches."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self

from weibo_tui.storage.codec import timestamp
from weibo_tui.storage.database import DatabaseBusyError
from weibo_tui.storage.runs import WRITE_TIMEOUT, Runs

COMMIT_SECONDS = 0.5
"""Seconds between two commits of a journal."""

MAX_PENDING = 10_000
"""Events that may wait in memory. With more, the run waits too."""

_STEP_TIMEOUT = 0.1  # seconds that a commit between two steps waits for another program's transaction


class Journal:
    """Collects a run's events and commits them about twice a second, and when its block is left in any way.

    For the one process that has locked the run. No background thread: commits happen when events are added. While
    another program locks the database, events wait in memory and the run continues.
    """

    def __init__(self, runs: Runs, run_id: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._runs = runs
        self._run_id = run_id
        self._clock = clock
        self._pending: list[dict[str, Any]] = []
        self._committed = runs.last_seq(run_id)
        self._next_commit = clock()  # the first event is committed at once, so that others see the run live
        self.delayed = False
        """True while another program prevents commits."""

    @property
    def last_seq(self) -> int:
        """The seq of the last event that was added, committed or not."""
        return self._committed + len(self._pending)

    def add(self, event: Mapping[str, Any]) -> int:
        """Add `event` (see `Runs.append_events`). Return its seq."""
        self._pending.append({"at": timestamp(), **event})
        seq = self.last_seq
        if self._clock() >= self._next_commit:
            self.commit(wait=len(self._pending) > MAX_PENDING)
        return seq

    def commit(self, wait: bool = True) -> bool:
        """Write pending events now. Return whether that is done. After an error they stay pending.

        Unless `wait`, a database that another program locks is no error: the next commit tries again.
        """
        self._next_commit = self._clock() + COMMIT_SECONDS
        if self._pending:
            timeout = WRITE_TIMEOUT if wait else _STEP_TIMEOUT
            try:
                # With the seq to begin at, a commit that Ctrl-C interrupted after SQLite's own can be repeated.
                self._runs.append_events(self._run_id, self._pending, after=self._committed, timeout=timeout)
            except DatabaseBusyError:
                self.delayed = True
                if wait:
                    raise
                return False
            self._committed, self._pending = self.last_seq, []
        self.delayed = False
        return True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.commit()
