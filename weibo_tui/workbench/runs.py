"""What training and pretraining share: claiming a run, its journal, and checkpoints on the way."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar

from weibo_tui.atomic import cannot_write
from weibo_tui.engine.events import CheckpointSaved, Event, JournalDelayed, RunFinished, to_json
from weibo_tui.engine.hyperparameters import ComputeOptions
from weibo_tui.errors import CorruptFileError, UserInputError, WeiboTuiError
from weibo_tui.locale import gettext as _
from weibo_tui.paths import Paths
from weibo_tui.progress import Progress
from weibo_tui.storage.journal import Journal
from weibo_tui.storage.runs import Run
from weibo_tui.workbench.home import Home

if TYPE_CHECKING:
    from weibo_tui.engine.device import Compute
    from weibo_tui.engine.training import Snapshot


CHECKPOINT = "checkpoint.safetensors"
# On Windows a process of its own has no console and gets no Ctrl-C of this one's. Elsewhere there are no such flags.
_DETACHED: int = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0) | getattr(subprocess, "DETACHED_PROCESS", 0)

T = TypeVar("T")

# Python warns of a process that goes on when nobody holds it any more; here that is meant.
_left: list[subprocess.Popen[bytes]] = []


class Resumable(Protocol):
    """Long work of the engine that can be kept and gone on with."""

    def events(self) -> Iterator[Event]: ...
    def snapshot(self) -> Snapshot: ...
    def restore(self, snapshot: Snapshot) -> None: ...


class ActiveRun:
    """A claimed run: events go into its journal, snapshots into its folder."""

    def __init__(self, home: Home, run: Run, journal: Journal, checkpoint_seconds: float) -> None:
        self.run = run
        self.checkpoint = home.runs.folder(run.id) / CHECKPOINT
        self._runs = home.runs
        self._journal = journal
        self._seconds = checkpoint_seconds
        self._saved = time.monotonic()
        self._ended = False

    def tell(self, event: Event) -> Event:
        """Keep an event in the journal, and give it on. How far a stretch is needs no keeping."""
        if not isinstance(event, Progress):
            self._journal.add(to_json(event))
        return event

    def pull(self, work: Resumable) -> Iterator[Event]:
        """All events of `work`, with checkpoints at the start, now and then, after each evaluation, and behind its last
        good step when it can do no more, or when the iterator is closed, which is how a run is stopped."""
        yield self._save(work)
        due = warned = False
        try:
            for event in work.events():
                yield self.tell(event)
                if self._journal.delayed and not warned:
                    yield self.tell(JournalDelayed())
                warned = self._journal.delayed
                due = due or type(event).__name__ == "Evaluated" or time.monotonic() - self._saved > self._seconds
                if due and self._journal.commit(patient=False):
                    yield self._save(work)
                    due = False
        except (GeneratorExit, WeiboTuiError):
            self._save(work)
            raise

    def finish(self, event: RunFinished, summary: Mapping[str, Any]) -> Event:
        """Keep the last event; the checkpoint, which only a resume would need, goes."""
        self.tell(event)
        self._journal.commit()
        self.end("finished", summary)
        self.checkpoint.unlink(missing_ok=True)
        return event

    def end(self, state: Literal["finished", "stopped", "failed"], summary: Mapping[str, Any] | None = None) -> None:
        """Record how the run ended; what comes behind its last event does not change that."""
        if not self._ended:
            self._runs.finish(self.run.id, state, summary)
            self._ended = True

    def _save(self, work: Resumable) -> Event:
        from weibo_tui.registry.weights import save_snapshot

        self.check_folder()
        snapshot = work.snapshot()
        self._journal.commit()  # a kill from here on leaves no checkpoint that is ahead of the journal
        # The journal goes back to this event when the run is resumed, so the event itself is counted in.
        save_snapshot(self.checkpoint, snapshot, {"seq": self._journal.last_seq + 1})
        self._saved = time.monotonic()
        self.tell(event := CheckpointSaved(snapshot.values["step"], str(self.checkpoint)))
        self._journal.commit(patient=False)
        return event

    def check_folder(self) -> None:
        """Raise WeiboTuiError where the run's folder is gone, before anything is written that would make it again."""
        if not self.checkpoint.parent.is_dir():
            message = _("{folder} is gone, so the run stops. Where its home was moved, resume it there.")
            raise WeiboTuiError(message.format(folder=self.checkpoint.parent))


@contextmanager
def at_work(
    home: Home, run: Run, work: Resumable, checkpoint_seconds: float, resumed: bool = False
) -> Iterator[ActiveRun]:
    """Claim `run` for the block, with `work` set to its checkpoint when it is resumed, and say in the database how
    it ended: a closed generator stops a run, an error fails it."""
    _sweep_finished(home)
    with home.runs.claim(run.id):
        # Once more, now that others see this run: one that began while this one prepared has claimed its own.
        check_unreserved(home, run.kind, run.name, run.id)
        if resumed:
            check_resumable(home.runs.get(run.id))  # another may have finished it while this one prepared
            _go_back(home, run, work)
        with Journal(home.runs, run.id) as journal:
            claimed = ActiveRun(home, run, journal, checkpoint_seconds)
            try:
                yield claimed
            except BaseException as error:
                if isinstance(error, GeneratorExit | KeyboardInterrupt):
                    claimed.end("stopped")
                else:
                    claimed.end("failed", {"error": str(error) or type(error).__name__})
                raise


def _sweep_finished(home: Home) -> None:
    """Delete the checkpoints of finished runs: a process may be killed between saying that it finished and this."""
    for run in home.runs.list():
        if run.state == "finished":
            (home.runs.folder(run.id) / CHECKPOINT).unlink(missing_ok=True)


def _go_back(home: Home, run: Run, work: Resumable) -> None:
    """Set `work` to the run's checkpoint and the journal back to it; without one, both begin anew."""
    from weibo_tui.registry.weights import load_snapshot

    checkpoint = home.runs.folder(run.id) / CHECKPOINT
    seq = 0
    if checkpoint.is_file():
        snapshot, extra = load_snapshot(checkpoint)
        work.restore(snapshot)
        seq = extra["seq"]
    home.runs.reopen(run.id)
    home.runs.truncate(run.id, seq)


def begun_with(run: Run, read: Callable[[Mapping[str, Any]], T]) -> T:
    """What `read` makes of what the database keeps of a run's beginning. Raises CorruptFileError where it can make
    nothing."""
    try:
        return read(run.plan)
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise CorruptFileError(
            _("What run {run} began with is damaged in the database: begin anew.").format(run=run.id)
        ) from error


def check_unreserved(home: Home, kind: str, name: str, own: str = "") -> None:
    """Raise UserInputError where a run that is at work, other than `own`, is going to make what has this name."""
    for run in home.runs.list():
        if (run.kind, run.name, run.state) == (kind, name, "running") and run.id != own:
            message = _(
                "The name '{name}' is reserved by run {run}, which is in progress. Choose another name, or wait until "
                "it is done."
            )
            raise UserInputError(message.format(name=name, run=run.id))


def check_resumable(run: Run) -> None:
    """Raise UserInputError for a run that is done."""
    if run.state == "finished":
        raise UserInputError(
            _("The run {run} is finished: there is nothing to resume; 'weibo-tui runs list' shows all runs.").format(
                run=run.id
            )
        )


def renamed(home: Home, run: Run, name: str) -> Run:
    """Give a run that can be resumed another name, which must be free; the run as it is then."""
    check_resumable(run)
    (home.adapters if run.kind == "train" else home.bases).check_free(name)
    check_unreserved(home, run.kind, name, run.id)
    plan = begun_with(run, lambda values: {**values["plan"], "name": name})
    if "overwrite" in plan:
        plan["overwrite"] = False  # that was consent for the other name
    home.runs.rename(run.id, name, {**run.plan, "plan": plan})
    return home.runs.get(run.id)


def resume_command(run: Run) -> list[str]:
    """What starts a process that goes on with `run`; it takes nothing from the folder that it is started in."""
    command = ["bases", "pretrain"] if run.kind == "pretrain" else ["train"]
    return [sys.executable, "-P", "-m", "weibo_tui", *command, "--resume", run.id]


def leave_running(home: Home, run: Run) -> subprocess.Popen[bytes]:
    """Go on with a run in a process of its own, which outlives this one and its terminal; that process is returned.

    What it prints goes to `output.log` in the run's folder; its journal tells of it as of any other. Raises
    UserInputError for a run that is done, or that somebody is still working on: close its generator first."""
    check_resumable(run)
    with home.runs.claim(run.id):
        pass  # nobody else holds it
    output = home.runs.folder(run.id) / "output.log"
    try:
        log = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    except OSError as error:
        raise cannot_write(output, error) from error
    in_one_folder = home.paths == Paths.find(home.paths.data)
    try:
        process = subprocess.Popen(
            resume_command(run),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # of POSIX
            creationflags=_DETACHED,
            env=os.environ | ({"WEIBO_TUI_HOME": str(home.paths.data)} if in_one_folder else {}),
        )
    finally:
        os.close(log)
    _left.append(process)
    return process


def settled(compute: Compute) -> ComputeOptions:
    """The machine as it was chosen: a resume computes with the same, or would not give the same bits."""
    return ComputeOptions(compute.device.type, compute.dtype_name, compute.threads)
