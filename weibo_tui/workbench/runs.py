"""The common part of training and pretraining: run sessions with a journal and checkpoints, and background runs."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar

import filelock

from weibo_tui.atomic import cannot_write, make_private_folder
from weibo_tui.engine.events import CheckpointSaved, Event, JournalDelayed, RunFinished, RunStarted, to_json
from weibo_tui.engine.hyperparameters import ComputeOptions
from weibo_tui.errors import CorruptFileError, RunStoppedError, UserInputError, WeiboTuiError
from weibo_tui.locale import gettext as _
from weibo_tui.paths import Paths
from weibo_tui.progress import PAUSE_SECONDS, Progress
from weibo_tui.storage.journal import Journal
from weibo_tui.storage.runs import Run, Runs
from weibo_tui.workbench.models import ModelLoader

if TYPE_CHECKING:
    from weibo_tui.engine.device import Compute
    from weibo_tui.engine.parallel import Processes
    from weibo_tui.engine.training import Snapshot


CHECKPOINT = "checkpoint.safetensors"
# A detached process on Windows has no console and gets no Ctrl-C of this one. Other systems lack these flags.
_DETACHED: int = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0) | getattr(subprocess, "DETACHED_PROCESS", 0)

E = TypeVar("E")
T = TypeVar("T")

# References prevent Python's warning about a process that is still running.
_background_processes: list[subprocess.Popen[bytes]] = []


class Trainer(Protocol):
    """A training of the engine that can be saved and restored."""

    @property
    def processes(self) -> Processes: ...
    def events(self) -> Generator[Event, None, None]: ...
    def snapshot(self) -> Snapshot: ...
    def restore(self, snapshot: Snapshot) -> None: ...


class RunSession:
    """A run in progress: writes its events to the journal and its snapshots to its folder."""

    def __init__(self, runs: Runs, run: Run, journal: Journal, checkpoint_seconds: float) -> None:
        self.run = run
        self.checkpoint = runs.folder(run.id) / CHECKPOINT
        self._runs = runs
        self._journal = journal
        self._checkpoint_seconds = checkpoint_seconds
        self._saved_at = time.monotonic()
        self._is_ended = False

    def start(self, compute: Compute, **fields: Any) -> Event:
        """Record the start of the run. `fields` are those of `RunStarted` that depend on the kind of run."""
        from weibo_tui.engine import parallel

        return self.record(
            RunStarted(
                run=self.run.id,
                name=self.run.name,
                kind=self.run.kind,
                device=str(compute.device),
                dtype=compute.dtype_name,
                threads=compute.threads,
                processes=parallel.current().size,
                **fields,
            )
        )

    def iter_events(self, trainer: Trainer) -> Iterator[Event]:
        """Run the trainer and yield its events.

        Saves a checkpoint at the start, at intervals, after each evaluation, and when the iterator is closed or the
        trainer fails."""
        yield self._save_checkpoint(trainer)
        is_due = is_delayed = False
        try:
            for event in self.obeying(trainer.events()):
                yield self.record(event)
                if self._journal.delayed and not is_delayed:
                    yield self.record(JournalDelayed())
                is_delayed = self._journal.delayed
                elapsed = time.monotonic() - self._saved_at
                is_due = is_due or type(event).__name__ == "Evaluated" or elapsed > self._checkpoint_seconds
                if is_due and self._journal.commit(wait=False):
                    yield self._save_checkpoint(trainer)
                    is_due = False
        except GeneratorExit:
            self._save_checkpoint(trainer)
            # torchrun stops this process when another one has ended, and that is the reason to give.
            trainer.processes.check()
            raise
        except WeiboTuiError:
            self._save_checkpoint(trainer)
            raise

    def obeying(self, events: Generator[E, None, T]) -> Generator[E | Progress, None, T]:
        """Yield `events`, and pause or stop between two of them where that was requested (see `Runs.pause`).

        A paused run yields progress of the stage "paused" until it continues, at most once each PAUSE_SECONDS. Raises
        RunStoppedError for a stop."""
        while True:
            try:
                yield next(events)
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]
            while (request := self._runs.requested(self.run.id)) == "pause":
                yielded_at = time.monotonic()
                yield Progress("paused", 0)
                time.sleep(max(0.0, PAUSE_SECONDS - (time.monotonic() - yielded_at)))
            if request == "stop":
                message = _("Run {run} was stopped with a checkpoint, so that it can be resumed.")
                raise RunStoppedError(message.format(run=self.run.id))

    def finish(
        self,
        name: str,
        path: Path,
        summary: Mapping[str, Any],
        best_epoch: int | None = None,
        score: dict[str, Any] | None = None,
    ) -> RunFinished:
        """Record the end of the run with the name and path of its model, and delete the checkpoint."""
        event = RunFinished(self.run.id, name, self.run.kind, str(path), best_epoch, score)
        self.record(event)
        self._journal.commit()
        self.end("finished", summary)
        self.checkpoint.unlink(missing_ok=True)
        return event

    def end(self, state: Literal["finished", "stopped", "failed"], summary: Mapping[str, Any] | None = None) -> None:
        """Mark the run as ended, unless it is already."""
        if not self._is_ended:
            self._runs.finish(self.run.id, state, summary)
            self._is_ended = True

    def check_folder(self) -> None:
        """Raise WeiboTuiError if the run's folder is gone, so that nothing creates it again."""
        if not self.checkpoint.parent.is_dir():
            message = _("{folder} does not exist any more, so the run stops. If its home was moved, resume it there.")
            raise WeiboTuiError(message.format(folder=self.checkpoint.parent))

    def record(self, event: Event) -> Event:
        """Write an event to the journal, and return it."""
        if not isinstance(event, Progress):
            self._journal.add(to_json(event))
        return event

    def _save_checkpoint(self, trainer: Trainer) -> Event:
        from weibo_tui.registry.weights import save_snapshot

        self.check_folder()
        snapshot = trainer.snapshot()
        self._journal.commit()  # first, so that no kill leaves a checkpoint that is ahead of the journal
        # A resume truncates the journal after the event below, which therefore counts.
        save_snapshot(self.checkpoint, snapshot, {"seq": self._journal.last_seq + 1})
        self._saved_at = time.monotonic()
        event = self.record(CheckpointSaved(snapshot.values["step"], str(self.checkpoint)))
        self._journal.commit(wait=False)
        return event


@contextmanager
def run_session(
    runs: Runs, run: Run, trainer: Trainer, checkpoint_seconds: float, resumed: bool = False
) -> Iterator[RunSession]:
    """Record how the locked `run` ends in the block: closing the generator stops it, an error fails it.

    A `resumed` trainer is restored from the run's checkpoint."""
    _delete_stale_checkpoints(runs)
    # Again, now that other programs see this run: another may have started while this one prepared.
    check_name_unreserved(runs, run.kind, run.name, run.id)
    if resumed:
        _restore(runs, run, trainer)
    with Journal(runs, run.id) as journal:
        session = RunSession(runs, run, journal, checkpoint_seconds)
        try:
            yield session
        except BaseException as error:
            if isinstance(error, GeneratorExit | KeyboardInterrupt | RunStoppedError):
                session.end("stopped")
            else:
                session.end("failed", {"error": str(error) or type(error).__name__})
            raise
        finally:
            runs.clear_request(run.id)


def _delete_stale_checkpoints(runs: Runs) -> None:
    """Delete checkpoints of finished runs, left by processes that were killed after marking the run as finished."""
    for run in runs.list():
        if run.state == "finished":
            (runs.folder(run.id) / CHECKPOINT).unlink(missing_ok=True)


def _restore(runs: Runs, run: Run, trainer: Trainer) -> None:
    """Restore the trainer and the journal from the run's checkpoint. Without one, both start from the beginning."""
    from weibo_tui.registry.weights import load_snapshot

    checkpoint = runs.folder(run.id) / CHECKPOINT
    seq = 0
    if checkpoint.is_file():
        snapshot, extra = load_snapshot(checkpoint)
        trainer.restore(snapshot)
        seq = extra["seq"]
    runs.truncate(run.id, seq)


def load_run_config(run: Run, parse: Callable[[Mapping[str, Any]], T]) -> T:
    """Parse the stored configuration of a run. Raises CorruptFileError where it is damaged."""
    try:
        return parse(run.plan)
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise CorruptFileError(
            _("The configuration of run {run} is damaged in the database. Start a new run.").format(run=run.id)
        ) from error


def check_name_unreserved(runs: Runs, kind: str, name: str, own: str = "") -> None:
    """Raise UserInputError where a run in progress, other than `own`, will create a model of this name."""
    for run in runs.list():
        if run.is_in_progress and (run.kind, run.name) == (kind, name) and run.id != own:
            message = _(
                "Name '{name}' is reserved by run {run}, which is in progress. Choose another name, or wait "
                "until it is done."
            )
            raise UserInputError(message.format(name=name, run=run.id))


class TrainingSlot:
    """The acquired lock that makes later trainings of all programs wait.

    Hold it from the preparation on, since there is no run before its end. Release it when the training is over."""

    def __init__(self, lock: filelock.BaseFileLock) -> None:
        self._lock = lock

    @classmethod
    def take(cls, paths: Paths, runs: Runs) -> TrainingSlot | None:
        """Return the slot, None while another training is prepared or in progress."""
        # Not thread-local: the app acquires it in one thread and releases it in another.
        lock = filelock.FileLock(paths.data / "training.lock", timeout=0, mode=0o600, thread_local=False)
        try:
            make_private_folder(paths.data)
            lock.acquire()
        except filelock.Timeout:
            return None
        except OSError as error:
            raise cannot_write(Path(lock.lock_file), error) from error
        slot = cls(lock)
        if any(run.is_in_progress for run in runs.list()):
            slot.release()
            return None
        return slot

    def release(self) -> None:
        # While it is locked: filelock accepts no lock on a deleted file. Windows deletes it with the release.
        with suppress(OSError):
            Path(self._lock.lock_file).unlink()
        self._lock.release()


def rename(models: ModelLoader, runs: Runs, run: Run, name: str) -> Run:
    """Rename a run that can be resumed, and return it. Raises UserInputError where the name is not free."""
    run.check_resumable()
    (models.adapters if run.kind == "train" else models.bases).check_free(name)
    check_name_unreserved(runs, run.kind, name, run.id)
    config = load_run_config(run, lambda values: {**values["plan"], "name": name})
    if "overwrite" in config:
        config["overwrite"] = False  # the user allowed that for the old name
    runs.rename(run.id, name, {**run.plan, "plan": config})
    return runs.get(run.id)


def resume_command(run: Run) -> list[str]:
    """Return the command that resumes `run`, independent of the current folder."""
    command = ["bases", "pretrain"] if run.kind == "pretrain" else ["train"]
    return [sys.executable, "-P", "-m", "weibo_tui", *command, "--resume", run.id]


def detach(paths: Paths, runs: Runs, run: Run, paused: bool) -> subprocess.Popen[bytes]:
    """Resume a run in a background process, which outlives this one and its terminal, and return that process.

    `paused` lets it pause after a step, until it is continued.

    Its output goes to `output.log` in the run's folder. Raises UserInputError for a run that is finished or in
    progress; close its generator first."""
    run.check_resumable()
    with runs.lock(run.id):
        pass  # not in progress
    output = runs.folder(run.id) / "output.log"
    try:
        log = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    except OSError as error:
        raise cannot_write(output, error) from error
    if paused:
        runs.pause_next(run.id)
    is_single_folder = paths == Paths.find(paths.data)
    try:
        process = subprocess.Popen(
            resume_command(run),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # POSIX only
            creationflags=_DETACHED,
            env=os.environ | ({"WEIBO_TUI_HOME": str(paths.data)} if is_single_folder else {}),
        )
    finally:
        os.close(log)
    _background_processes.append(process)
    return process


def resolved_options(compute: Compute, machine: ComputeOptions) -> ComputeOptions:
    """Return the device, dtype and threads in use. A resume needs the same ones to compute the same bits.

    Several processes keep the threads of `machine`, because a resume may have another number of processes."""
    from weibo_tui.engine import parallel

    threads = compute.threads if parallel.current().size == 1 else machine.threads
    return ComputeOptions(compute.device.type, compute.dtype_name, threads)
