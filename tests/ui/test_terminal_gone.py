"""A terminal that is closed, lost or stuck: the app saves its work and ends."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import hub as hubs
import made_up
import pytest
from at_work import LIGHT_APP, app_at_work, check_run, started_run
from terminal import Terminal

SMALL_BUFFER = """
from weibo_tui.app.app import launch
from weibo_tui.app.terminal import output
output.MAX_PENDING_BYTES = 9000
launch()
"""


def check_ended(terminal: Terminal, *codes: int) -> None:
    """Check the exit code of a program without a reader of its terminal. No process of it is left."""
    assert terminal.process.wait(timeout=120) in (codes or (0,))
    with pytest.raises(ProcessLookupError):
        os.killpg(terminal.process.pid, 0)


def stuck(terminal: Terminal) -> None:
    """Much output, and no reader."""
    os.set_blocking(terminal._master, False)
    with suppress(BlockingIOError):
        for _time in range(20):
            os.write(terminal._master, b"\x1b[15~\x1bOR\x1bOQ")


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


End = Callable[[Terminal], None]
ENDS: list[End] = [Terminal.hang_up, stuck_then_closed, stuck_then_ended, signaled_repeatedly]
each_end = pytest.mark.parametrize("end", ENDS)


@pytest.mark.slow
def test_stuck_terminal_is_redrawn(home: Path) -> None:
    with Terminal([sys.executable, "-c", SMALL_BUFFER]) as terminal:
        terminal.wait_for("No adapter yet")
        stuck(terminal)
        time.sleep(1)  # by then more was drawn than the buffer holds
        terminal.wait_for("No adapter yet")
        terminal.press("f5")
        terminal.wait_for("Import")
        terminal.press("ctrl+q")
        assert terminal.wait_for_end() == 0
        assert terminal.in_order


# ---- on each screen and during each job


@pytest.mark.slow
@each_end
@pytest.mark.parametrize("keys", "f2|f3|f3 n|f4|f4 / x|f5|f5 i|f1|ctrl+p|f5 f1|f4 f|f4 e|ctrl+o|ctrl+g".split("|"))
def test_terminal_gone_on_any_screen_ends_the_app(keys: str, end: End, furnished: Path) -> None:
    with Terminal() as terminal:
        terminal.wait_for("adapter mood")
        terminal.press(*keys.split())
        terminal.listen(0.2)
        end(terminal)
        check_ended(terminal)


def test_terminal_lost_without_a_signal_ends_the_app(furnished: Path) -> None:
    with Terminal(LIGHT_APP, controls=False) as terminal:
        terminal.wait_for("adapter mood")
        stuck_then_closed(terminal)
        check_ended(terminal)


@pytest.mark.slow  # in test_resize_storm, a signal ends a training with a checkpoint
@each_end
@pytest.mark.parametrize("controls", [True, False])
def test_terminal_gone_during_training_keeps_a_checkpoint(
    end: End, controls: bool, furnished: Path, posts_file: Path
) -> None:
    with Terminal(app_at_work("train", posts_file), controls=controls) as terminal:
        terminal.wait_until(lambda: started_run(furnished), "a step of the training")
        end(terminal)
        check_ended(terminal)
    check_run(furnished, "stopped")


@pytest.mark.slow
@each_end
def test_terminal_gone_during_labeling_keeps_the_rows(end: End, furnished: Path, tmp_path: Path) -> None:
    source = made_up.write_posts(tmp_path / "in.csv", 4000)
    source.write_bytes(source.read_bytes() * 10)
    with Terminal(app_at_work("label", source)) as terminal:
        terminal.wait_until(lambda: list(tmp_path.glob("out.csv*")), "some rows")
        end(terminal)
        check_ended(terminal)
    assert not (tmp_path / "out.csv").exists()
    assert len(list(tmp_path.glob("*out.csv*"))) in (1, 2)  # from which the same command resumes


@pytest.mark.slow
@each_end
def test_terminal_gone_during_download_ends_the_app(end: End, furnished: Path, hub: hubs.Hub, tmp_path: Path) -> None:
    import models

    folder = models.write_folder(tmp_path / "remote", models.reference())
    hub.repositories["models/lab/gpt2"] = {path.name: path.read_bytes() for path in folder.iterdir()}
    gate = threading.Event()
    hub.faults.append(hubs.slow(gate, 4000))
    with Terminal(app_at_work("download", tmp_path)) as terminal:
        terminal.wait_until(lambda: hub.ranges, "the large file")
        end(terminal)
        check_ended(terminal)
    gate.set()
    assert [path.name for path in (furnished / "bases").iterdir() if not path.name.startswith(".")] == ["tiny"]


@pytest.mark.slow
@pytest.mark.parametrize("wait", [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 0.9, 1.2, 1.6])
@pytest.mark.parametrize("end", [Terminal.hang_up, signaled_repeatedly, stuck_then_closed])
def test_terminal_gone_during_start_ends_the_app(end: End, wait: float, furnished: Path) -> None:
    with Terminal() as terminal:
        terminal.listen(wait)
        end(terminal)
        check_ended(terminal, 0, 1, -signal.SIGHUP, -signal.SIGTERM)
