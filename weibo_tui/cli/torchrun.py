"""Commands that torchrun starts in several processes: rank 0 runs the command, and the others train with it."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from weibo_tui.cli.output import INTERRUPTED
from weibo_tui.errors import UserInputError
from weibo_tui.locale import gettext as _
from weibo_tui.signals import handle_stop_signals

TRAININGS = (("train",), ("bases", "pretrain"), ("runs", "resume"))
"""The commands that several processes can share."""


def rank_in_several() -> int | None:
    """Return the rank of this process if torchrun started several, otherwise None."""
    is_alone = not {"TORCHELASTIC_RUN_ID", "RANK"} <= os.environ.keys() or os.environ.get("WORLD_SIZE", "1") == "1"
    return None if is_alone else int(os.environ["RANK"])


def run(command: Callable[[], int], rank: int) -> int:
    """Run the command in rank 0, and do its jobs in the other processes. Return the exit code of this one."""
    if not _is_training(sys.argv[1:]):
        if rank:
            return 0
        raise UserInputError(
            _(
                "torchrun starts several processes, which only 'train', 'bases pretrain' and 'runs resume' can share. "
                "Run this command without torchrun."
            )
        )
    from weibo_tui.engine.parallel import join  # imports torch
    from weibo_tui.workbench.parallel import do_jobs

    # While the processes wait for each other, torch does not let Python handle a signal.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    with _stdout_hidden():
        processes = join()
    if rank:
        _ignore_stop_signals()
        do_jobs(processes)
        return 0

    def stop() -> None:
        # When another process has ended, torchrun stops this one, which still has to say so.
        if not processes.has_ended:
            raise KeyboardInterrupt

    with handle_stop_signals(stop):
        code = command()
        if code == INTERRUPTED:
            processes.check()
        return code


@contextmanager
def _stdout_hidden() -> Iterator[None]:
    """Discard what libraries print on stdout, which is for data: Gloo of torch 2.9 reports its connections there."""
    stdout = os.dup(1)
    with open(os.devnull, "wb") as nothing:  # noqa: PTH123
        os.dup2(nothing.fileno(), 1)
    try:
        yield
    finally:
        os.dup2(stdout, 1)
        os.close(stdout)


def _is_training(arguments: Sequence[str]) -> bool:
    return any(tuple(arguments[: len(words)]) == words for words in TRAININGS)


def _ignore_stop_signals() -> None:
    """Let the process end with rank 0, which stops after the current step. torchrun sends its signals to all."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):  # Windows has no SIGHUP
            signal.signal(getattr(signal, name), signal.SIG_IGN)
