"""A terminal that is closed, lost or stuck: the app saves its work and ends."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import hub as hubs
import made_up
import models
import pytest
from at_work import app_at_work
from terminal import APP, Terminal

from weibo_tui.storage.runs import Run
from weibo_tui.workbench import Workbench

SMALL_BUFFER = """
from weibo_tui.app.app import launch
from weibo_tui.app.terminal import output
output.MAX_PENDING_BYTES = 9000
launch()
"""


def runs(home: Path) -> list[Run]:
    with Workbench(home) as wb:
        return [run for run in wb.runs.list() if run.name == "second"]


def steps(home: Path) -> int:
    return sum(run.step for run in runs(home))


def check_kept(home: Path) -> None:
    """The training can be resumed."""
    (run,) = runs(home)
    assert run.state == "stopped"
    assert (home / "runs" / run.id / "checkpoint.safetensors").exists()


def ended(terminal: Terminal, seconds: float = 30.0) -> int:
    """Return the exit code of a program without a reader of its terminal. No process of it is left."""
    code = terminal.process.wait(timeout=seconds)
    with pytest.raises(ProcessLookupError):
        os.killpg(terminal.process.pid, 0)
    return code


def closed(terminal: Terminal) -> None:
    terminal.hang_up()


def stuck_then_closed(terminal: Terminal) -> None:
    stuck(terminal)
    terminal.hang_up()


def stuck_then_ended(terminal: Terminal) -> None:
    stuck(terminal)
    terminal.process.terminate()


def signaled_repeatedly(terminal: Terminal) -> None:
    """A lost connection: both the shell and the system send the signal."""
    for _time in range(20):
        terminal.process.send_signal(signal.SIGHUP)
        terminal.process.send_signal(signal.SIGTERM)
    terminal.hang_up()


def stuck(terminal: Terminal) -> None:
    """Much output, and no reader."""
    os.set_blocking(terminal._master, False)
    with suppress(BlockingIOError):
        for _time in range(20):
            os.write(terminal._master, b"\x1b[15~\x1bOR\x1bOQ")


ENDS = [closed, stuck_then_closed, stuck_then_ended, signaled_repeatedly]


def test_suspended_app_redraws_and_restores_the_terminal(home: Path) -> None:
    with Terminal() as terminal:
        terminal.wait_for("Nothing to judge posts with yet")
        for stop in (signal.SIGTSTP, signal.SIGSTOP, signal.SIGCONT):
            terminal.process.send_signal(stop)
            if stop == signal.SIGTSTP:
                terminal.wait_until(lambda: terminal.in_order, "the shell's terminal")
            if stop != signal.SIGCONT:
                os.waitid(os.P_PID, terminal.process.pid, os.WSTOPPED | os.WNOWAIT)
            terminal.listen(0.05)
            terminal.screen.reset()
            terminal.process.send_signal(signal.SIGCONT)
            terminal.wait_for("Nothing to judge posts with yet")
        terminal.press("f3")
        terminal.wait_for("New")
        terminal.press("ctrl+q")
        assert terminal.wait_for_end(20) == 0
        assert terminal.in_order


@pytest.mark.slow
def test_stuck_terminal_is_redrawn(home: Path) -> None:
    with Terminal([sys.executable, "-c", SMALL_BUFFER]) as terminal:
        terminal.wait_for("Nothing to judge posts with yet")
        stuck(terminal)
        time.sleep(1)  # by then more was drawn than the buffer holds
        terminal.wait_for("Nothing to judge posts with yet")
        terminal.press("f5")
        terminal.wait_for("Import")
        terminal.press("ctrl+q")
        assert terminal.wait_for_end() == 0
        assert terminal.in_order


# ---- on each screen and during each job


KEYS = [("f2",), ("f3",), ("f3", "n"), ("f4",), ("f4", "/", "x"), ("f5",), ("f5", "i"), ("f1",), ("ctrl+p",)]
KEYS += [("f5", "f1"), ("f4", "f"), ("f4", "e"), ("ctrl+o",), ("ctrl+g",)]


@pytest.mark.slow
@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("keys", KEYS, ids="+".join)
def test_terminal_gone_on_any_screen_ends_the_app(
    keys: Sequence[str], end: Callable[[Terminal], None], furnished: Path
) -> None:
    with Terminal() as terminal:
        terminal.wait_for("adapter mood")
        terminal.press(*keys)
        terminal.listen(0.2)
        end(terminal)
        assert ended(terminal) == 0


WORST = (stuck_then_closed, False)
"""The case that is not slow: a lost connection without a signal."""


@pytest.mark.parametrize(
    ("end", "controls"),
    [
        pytest.param(end, controls, marks=() if (end, controls) == WORST else pytest.mark.slow)
        for end in ENDS
        for controls in (True, False)
    ],
)
def test_terminal_gone_during_training_keeps_a_checkpoint(
    end: Callable[[Terminal], None], controls: bool, furnished: Path, posts_file: Path
) -> None:
    with Terminal(app_at_work("train", posts_file), controls=controls) as terminal:
        terminal.wait_until(lambda: steps(furnished), "a step of the training")
        end(terminal)
        assert ended(terminal) == 0
    check_kept(furnished)


@pytest.mark.slow
@pytest.mark.parametrize("end", ENDS)
def test_terminal_gone_during_labeling_keeps_the_rows(
    end: Callable[[Terminal], None], furnished: Path, tmp_path: Path
) -> None:
    rows = 4000
    source = made_up.write_posts(tmp_path / "in.csv", rows)
    source.write_bytes(source.read_bytes() * 10)
    with Terminal(app_at_work("label", source)) as terminal:
        terminal.wait_until(lambda: list(tmp_path.glob("out.csv*")), "some rows")
        end(terminal)
        assert ended(terminal) == 0
    assert not (tmp_path / "out.csv").exists()
    assert len(list(tmp_path.glob("*out.csv*"))) in (1, 2)  # from which the same command resumes


@pytest.mark.slow
@pytest.mark.parametrize("end", ENDS)
def test_terminal_gone_during_download_ends_the_app(
    end: Callable[[Terminal], None], furnished: Path, hub: hubs.Hub, tmp_path: Path
) -> None:
    folder = models.write_folder(tmp_path / "remote", models.reference())
    hub.repositories["models/lab/gpt2"] = {path.name: path.read_bytes() for path in folder.iterdir()}
    gate = threading.Event()
    hub.faults.append(hubs.slow(gate, 4000))
    with Terminal(app_at_work("fetch", tmp_path)) as terminal:
        terminal.wait_until(lambda: hub.ranges, "the large file")
        end(terminal)
        assert ended(terminal) == 0
    gate.set()
    assert [path.name for path in (furnished / "bases").iterdir() if not path.name.startswith(".")] == ["tiny"]


@pytest.mark.slow
@pytest.mark.parametrize("wait", [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 0.9, 1.2, 1.6])
@pytest.mark.parametrize("end", [closed, signaled_repeatedly, stuck_then_closed])
def test_terminal_gone_during_start_ends_the_app(end: Callable[[Terminal], None], wait: float, furnished: Path) -> None:
    with Terminal(APP) as terminal:
        terminal.listen(wait)
        end(terminal)
        assert ended(terminal) in (0, 1, -signal.SIGHUP, -signal.SIGTERM)
