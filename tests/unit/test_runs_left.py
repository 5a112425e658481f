"""Detached runs continue in a background process."""

from __future__ import annotations

import os
import stat
import subprocess
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import models
import pytest

from weibo_tui import Workbench
from weibo_tui.engine.events import RunStarted
from weibo_tui.errors import UserInputError


def iter_states(wb: Workbench, run: str, process: subprocess.Popen[bytes]) -> Iterator[str]:
    """Yield the states of a run until its process ends, or for a minute."""
    for _ in range(1200):
        yield wb.runs.get(run).state
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.05)
            break
    yield wb.runs.get(run).state


@pytest.mark.parametrize("kind", ["train", pytest.param("pretrain", marks=pytest.mark.slow)])
def test_detached_run_ends_like_uninterrupted_one(
    kind: str, wb: Workbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def begin(name: str) -> Iterator[object]:
        if kind == "train":
            return wb.iter_train(models.training_plan(tmp_path, name))
        return wb.iter_pretrain(models.pretraining_plan(tmp_path, name))

    deque(begin("whole"), maxlen=0)
    run = models.stop_after(begin("parted"), 2)
    # The process uses the workbench's home, not the one of the environment.
    monkeypatch.setenv("WEIBO_TUI_HOME", str(tmp_path / "elsewhere"))
    monkeypatch.chdir(tmp_path)
    process = wb.detach_run(run)
    assert os.getsid(process.pid) == process.pid
    states = list(iter_states(wb, run, process))
    log = wb.runs.folder(run) / "output.log"
    assert states[-1] == "finished", log.read_text(encoding="utf-8")
    assert set(states) <= {"stopped", "running", "finished"}
    assert "Saved as 'parted'" in log.read_text(encoding="utf-8")
    assert stat.S_IMODE(log.stat().st_mode) == 0o600

    store = wb.adapters if kind == "train" else wb.bases
    (weights,) = store.path("whole").glob("*.safetensors")
    assert weights.read_bytes() == (store.path("parted") / weights.name).read_bytes()
    steps = [entry.event["step"] for entry in wb.runs.events(run) if entry.event["event"] == "StepDone"]
    assert steps == list(range(1, len(steps) + 1))
    assert not (tmp_path / "elsewhere").exists()


def test_detach_of_running_or_finished_run_is_refused(wb: Workbench, tmp_path: Path) -> None:
    events = wb.iter_train(models.training_plan(tmp_path))
    run = models.until(events, RunStarted).run
    with pytest.raises(UserInputError, match=f"Run {run} is running in another program"):
        wb.detach_run(run)
    deque(events, maxlen=0)
    with pytest.raises(UserInputError, match=f"Run {run} has finished"):
        wb.detach_run(run)
    with pytest.raises(UserInputError, match="Run not found: 'nothing'"):
        wb.detach_run("nothing")
    assert not (wb.runs.folder(run) / "output.log").exists()
