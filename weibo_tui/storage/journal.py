"""The journal that a run writes while it goes on."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self

from weibo_tui.storage.codec import timestamp
from weibo_tui.storage.database import DatabaseBusyError
from weibo_tui.storage.runs import PATIENCE_SECONDS, Runs

COMMIT_SECONDS = 0.5

HURRY_SECONDS = 0.1
"""How long a commit between two steps waits for another program's transaction."""

MOST_PENDING = 10_000
"""Events that may wait in memory: with more, the run waits too."""


class Journal:
    """Takes a run's events and commits them about twice a second, and when its block is left in any way.

    For the one process that has claimed the run. No background thread: commits happen when events are added. While
    another program holds the database, events wait in memory and the run goes on.
    """

    def __init__(self, runs: Runs, run_id: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._runs = runs
        self._run_id = run_id
        self._clock = clock
        self._pending: list[dict[str, Any]] = []
        self._committed = runs.last_seq(run_id)
        self._next_commit = clock()  # the first event is committed at once, so that others see the run live
        self.delayed = False
        """Whether another program kept the last commit from being made."""

    @property
    def last_seq(self) -> int:
        """The seq of the last event that was added, committed or not: what a checkpoint remembers."""
        return self._committed + len(self._pending)

    def add(self, event: Mapping[str, Any]) -> int:
        """Take ``event`` (see `Runs.record`); its seq."""
        self._pending.append({"at": timestamp(), **event})
        seq = self.last_seq
        if self._clock() >= self._next_commit:
            self.commit(patient=len(self._pending) > MOST_PENDING)
        return seq

    def commit(self, patient: bool = True) -> bool:
        """Write what is pending now, as before a checkpoint; whether that is done. After an error it stays pending.

        Unless `patient`, a database that another program holds is no error: the next commit tries again."""
        self._next_commit = self._clock() + COMMIT_SECONDS
        if self._pending:
            patience = PATIENCE_SECONDS if patient else HURRY_SECONDS
            try:
                # With the seq to begin at, a commit that Ctrl-C cut off behind SQLite's can be made again.
                self._runs.record(self._run_id, self._pending, after=self._committed, patience=patience)
            except DatabaseBusyError:
                self.delayed = True
                if patient:
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
