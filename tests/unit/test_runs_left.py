"""A run that is left running goes on in a process of its own, and ends as if nobody had gone away."""

from __future__ import annotations

import os
import stat
import subprocess
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import made_up
import models
import pytest

from weibo_tui.engine.events import RunStarted, StepDone
from weibo_tui.errors import UserInputError
from weibo_tui.workbench import PretrainingConfig, Workbench
from weibo_tui.workbench.runs import resume_command


def stopped(events: Any) -> str:
    """The run of `events`, stopped behind its second step."""
    run = str(models.until(events, RunStarted).run)
    models.until(events, StepDone, 2)
    events.close()
    return run


def pretraining_plan(folder: Path, name: str) -> PretrainingConfig:
    corpus = folder / "corpus.txt"
    if not corpus.exists():
        made_up.write_corpus(corpus, 300)
    sizes: dict[str, Any] = {"layers": 1, "width": 16, "heads": 2, "positions": 32, "vocabulary": 300}
    return PretrainingConfig(corpus, name, **sizes, recipe=models.RECIPE, machine=models.MACHINE)


def states(wb: Workbench, run: str, process: subprocess.Popen[bytes]) -> Iterator[str]:
    """The states of a run as somebody else sees them, until its process is gone, or a minute is."""
    for _ in range(1200):
        yield wb.runs.get(run).state
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.05)
            break
    yield wb.runs.get(run).state


@pytest.mark.parametrize("kind", ["train", "pretrain"])
def test_run_left_running_ends_like_the_undisturbed_one(
    kind: str, wb: Workbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def begin(name: str) -> Iterator[object]:
        if kind == "train":
            return wb.train(models.training_plan(tmp_path, name))
        return wb.pretrain(pretraining_plan(tmp_path, name))

    deque(begin("whole"), maxlen=0)
    run = stopped(begin("parted"))
    # The home is the workbench's, not what the environment says by then; nor does the folder count.
    monkeypatch.setenv("WEIBO_TUI_HOME", str(tmp_path / "elsewhere"))
    monkeypatch.chdir(tmp_path)
    process = wb.detach_run(run)
    assert os.getsid(process.pid) == process.pid
    seen = list(states(wb, run, process))
    log = wb.runs.folder(run) / "output.log"
    assert seen[-1] == "finished", log.read_text(encoding="utf-8")
    assert set(seen) <= {"stopped", "running", "finished"}
    assert "Kept as 'parted'" in log.read_text(encoding="utf-8")
    assert stat.S_IMODE(log.stat().st_mode) == 0o600

    shelf = wb.adapters if kind == "train" else wb.bases
    (weights,) = shelf.path("whole").glob("*.safetensors")
    assert weights.read_bytes() == (shelf.path("parted") / weights.name).read_bytes()
    steps = [entry.event["step"] for entry in wb.runs.events(run) if entry.event["event"] == "StepDone"]
    assert steps == list(range(1, len(steps) + 1))
    assert not (tmp_path / "elsewhere").exists()


def test_run_that_is_done_or_still_at_work_is_not_left_running(wb: Workbench, tmp_path: Path) -> None:
    events = wb.train(models.training_plan(tmp_path))
    run = models.until(events, RunStarted).run
    with pytest.raises(UserInputError, match=f"Run {run} is at work in another program"):
        wb.detach_run(run)
    deque(events, maxlen=0)
    with pytest.raises(UserInputError, match=f"run {run} is finished"):
        wb.detach_run(run)
    with pytest.raises(UserInputError, match="no run nothing"):
        wb.detach_run("nothing")
    assert not (wb.runs.folder(run) / "output.log").exists()


def test_command_that_goes_on_with_a_run_names_its_kind(wb: Workbench, tmp_path: Path) -> None:
    for events, words in [
        (wb.train(models.training_plan(tmp_path)), ["weibo_tui", "train", "--resume"]),
        (wb.pretrain(pretraining_plan(tmp_path, "made")), ["weibo_tui", "bases", "pretrain", "--resume"]),
    ]:
        run = wb.runs.get(stopped(events))
        assert resume_command(run)[-len(words) - 1 :] == [*words, run.id]
