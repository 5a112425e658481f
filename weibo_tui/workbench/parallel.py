"""Trainings in several processes that torchrun starts.

Rank 0 is the program: it reads the data, writes the journal and the checkpoints, and is paused or stopped as always. It
sends its inputs as a job to the other processes, which need the package and the base only. They train along, and print
and write nothing.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Protocol

from weibo_tui.errors import UserInputError
from weibo_tui.locale import gettext as _
from weibo_tui.log import user_message
from weibo_tui.settings import find_paths
from weibo_tui.version import __version__
from weibo_tui.workbench.models import ModelLoader

if TYPE_CHECKING:
    from weibo_tui.engine.parallel import Processes


class JobTrainer(Protocol):
    """A training of the engine, as the other processes use it."""

    def events(self) -> Generator[object, None, None]: ...


class Job(Protocol):
    """The inputs of a training, which rank 0 sends to the other processes."""

    def build_trainer(self, models: ModelLoader) -> JobTrainer:
        """Build the trainer of a process that is not rank 0. Raises UserInputError where something is missing."""


def share_job(job: Job) -> None:
    """Send a job to the other processes, if any. Raises ProcessEndedError with the reason of one that refuses it."""
    from weibo_tui.engine import parallel

    processes = parallel.current()
    processes.broadcast(__version__)
    processes.broadcast(job)
    processes.wait_for_all()


def do_jobs(processes: Processes) -> None:
    """Do the jobs of rank 0 until it ends. An error is rank 0's to report."""
    try:
        models = ModelLoader(find_paths())
        while True:
            trainer = _receive_job(processes).build_trainer(models)
            processes.wait_for_all()
            for _event in trainer.events():
                processes.check()
    except Exception as error:
        if not processes.has_ended:
            processes.give_reason(user_message(error))


def _receive_job(processes: Processes) -> Job:
    """Return the next job of rank 0. Raises UserInputError where rank 0 has another version of weibo-tui."""
    if (version := processes.broadcast("")) != __version__:
        message = _("It has weibo-tui {own}, and process 1 has {version}. Install the same version everywhere.")
        raise UserInputError(message.format(own=__version__, version=version))
    job: Job | None = processes.broadcast(None)
    assert job is not None  # rank 0 sends nothing else
    return job
