"""A terminal that is closed, lost, stuck, or taken by another program: the app keeps what it has, and is gone."""

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

PATIENT = "from weibo_tui.app import main, terminal_output as out; out.MOST_BYTES = 9000; main.launch()"


def runs(home: Path) -> list[Run]:
    with Workbench.open(home) as wb:
        return [run for run in wb.runs.list() if run.name == "second"]


def steps(home: Path) -> int:
    return sum(run.step for run in runs(home))


def check_kept(home: Path) -> None:
    """The training stands where it can be resumed."""
    (run,) = runs(home)
    assert run.state == "stopped"
    assert (home / "runs" / run.id / "checkpoint.safetensors").exists()


def ended(terminal: Terminal, seconds: float = 30.0) -> int:
    """The exit code of a program whose terminal nobody reads any more; nothing of it is left."""
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


def told_over_and_over(terminal: Terminal) -> None:
    """A lost connection: the shell passes the signal on, and the system sends it too."""
    for _time in range(20):
        terminal.process.send_signal(signal.SIGHUP)
        terminal.process.send_signal(signal.SIGTERM)
    terminal.hang_up()


def stuck(terminal: Terminal) -> None:
    """Much is to be drawn, and nobody reads it."""
    os.set_blocking(terminal._master, False)
    with suppress(BlockingIOError):
        for _time in range(20):
            os.write(terminal._master, b"\x1b[15~\x1bOR\x1bOQ")


ENDS = [closed, stuck_then_closed, stuck_then_ended, told_over_and_over]


def test_an_app_that_was_stopped_and_goes_on_draws_anew_and_leaves_the_terminal_in_order(home: Path) -> None:
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
def test_a_terminal_that_was_stuck_shows_all_again(home: Path) -> None:
    with Terminal([sys.executable, "-c", PATIENT]) as terminal:
        terminal.wait_for("Nothing to judge posts with yet")
        stuck(terminal)
        time.sleep(1)  # by then more was drawn than is kept for the terminal
        terminal.wait_for("Nothing to judge posts with yet")
        terminal.press("f5")
        terminal.wait_for("Import")
        terminal.press("ctrl+q")
        assert terminal.wait_for_end() == 0
        assert terminal.in_order


# ---- in each place and at each work


PLACES = [("f2",), ("f3",), ("f3", "n"), ("f4",), ("f4", "/", "x"), ("f5",), ("f5", "i"), ("f1",), ("ctrl+p",)]
PLACES += [("f5", "f1"), ("f4", "f"), ("f4", "e"), ("ctrl+o",), ("ctrl+g",)]


@pytest.mark.slow
@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("keys", PLACES, ids="+".join)
def test_the_terminal_goes_away_in_any_place(
    keys: Sequence[str], end: Callable[[Terminal], None], furnished: Path
) -> None:
    with Terminal() as terminal:
        terminal.wait_for("adapter mood")
        terminal.press(*keys)
        terminal.listen(0.2)
        end(terminal)
        assert ended(terminal) == 0  # the log may tell of a screen that was taken down half built


WORST = (stuck_then_closed, False)
"""The way to go away in a training that is tried each time: a lost connection of which nobody is told."""


@pytest.mark.parametrize(
    ("end", "told"),
    [
        pytest.param(end, told, marks=() if (end, told) == WORST else pytest.mark.slow)
        for end in ENDS
        for told in (True, False)
    ],
)
def test_the_terminal_goes_away_in_a_training(
    end: Callable[[Terminal], None], told: bool, furnished: Path, posts_file: Path
) -> None:
    with Terminal(app_at_work("train", posts_file), controls=told) as terminal:
        terminal.wait_until(lambda: steps(furnished), "a step of the training")
        end(terminal)
        assert ended(terminal) == 0
    check_kept(furnished)


@pytest.mark.slow
@pytest.mark.parametrize("end", ENDS)
def test_the_terminal_goes_away_while_a_file_is_labelled(
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
    assert len(list(tmp_path.glob("*out.csv*"))) in (1, 2)  # what the same command goes on with


@pytest.mark.slow
@pytest.mark.parametrize("end", ENDS)
def test_the_terminal_goes_away_in_a_download(
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
@pytest.mark.parametrize("end", [closed, told_over_and_over, stuck_then_closed])
def test_the_terminal_goes_away_while_the_app_begins(
    end: Callable[[Terminal], None], wait: float, furnished: Path
) -> None:
    with Terminal(APP) as terminal:
        terminal.listen(wait)
        end(terminal)
        assert ended(terminal) in (0, 1, -signal.SIGHUP, -signal.SIGTERM)
