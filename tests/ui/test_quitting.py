"""Quitting: no way loses work or leaves the terminal in disorder."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partialmethod
from pathlib import Path
from typing import Any

import pytest
from at_work import app_at_work, check_run, plan, started_run
from stage import Scene, app_of, drawn, see, shows, until
from terminal import Terminal
from textual.pilot import Pilot

from weibo_tui import Workbench
from weibo_tui.app.app import WeiboApp, launch
from weibo_tui.app.dialogs import ChoiceDialog
from weibo_tui.app.services.jobs import Job
from weibo_tui.engine.events import StepDone
from weibo_tui.workbench import runs as workbench_runs


async def train(pilot: Pilot[None], posts: Path, epochs: int = 2) -> Job:
    """Start a training that pauses after its first step."""
    app = app_of(pilot)

    def iterate(wb: Workbench) -> Iterator[object]:
        with closing(wb.iter_train(plan(posts, epochs))) as events:
            for event in events:
                if isinstance(event, StepDone) and event.step == 1:
                    job.pause()
                yield event

    job = Job("train", "second", iterate, app.screen)
    app.start_job(job)
    await see(pilot, lambda: job.pausing)
    return job


async def ask_to_quit(pilot: Pilot[None]) -> None:
    await pilot.press("ctrl+q")
    await until(pilot, lambda: isinstance(app_of(pilot).screen, ChoiceDialog))


def launched(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> int:
    """Run the program, driven by `scene`, and return its exit code."""
    failed: list[BaseException] = []

    async def guarded(pilot: Pilot[None]) -> None:
        try:
            await scene(pilot)
        except BaseException as error:  # Textual would only print it
            failed.append(error)
            pilot.app.exit()

    headless: Any = partialmethod(WeiboApp.run, headless=True, size=(100, 30), auto_pilot=guarded)
    monkeypatch.setattr(WeiboApp, "run", headless)
    code = launch()
    for error in failed:
        raise error
    return code


def test_quit_can_be_cancelled_and_keeps_a_checkpoint(
    furnished: Path, few: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = furnished / "settings.toml"

    async def scene(pilot: Pilot[None]) -> None:
        app = app_of(pilot)
        label = Job("label", "a.csv", lambda _wb: iter([1]), app.screen)
        label.pause()
        app.start_job(label)
        await ask_to_quit(pilot)
        await shows(pilot, "Stop and quit")
        assert "in the background" not in drawn(pilot)  # it has no run
        await pilot.press("escape")
        label.resume()
        app.wake_workers()
        await until(pilot, lambda: not app.jobs)
        job = await train(pilot, few)
        for key in ("enter", "escape"):
            await ask_to_quit(pilot)
            await shows(pilot, "Running: second")
            await pilot.press("ctrl+q")  # opens no second dialog
            assert len(app.screen_stack) == 2
            await pilot.press(key)
            await until(pilot, lambda: not isinstance(app.screen, ChoiceDialog))
            assert job.state == "paused"
        settings.write_text("adapter = ", encoding="utf-8")  # damaged settings do not matter
        await ask_to_quit(pilot)
        await pilot.press("down", "enter")

    assert launched(scene, monkeypatch) == 0
    settings.unlink()
    run = check_run(furnished, "stopped")
    assert capsys.readouterr().out.splitlines() == [
        "Training 'second' stopped with a checkpoint.",
        f"  to resume it: weibo-tui runs resume {run.id}",
    ]


@pytest.mark.parametrize("is_paused", [False, True])
def test_quit_and_detach_starts_another_process(
    is_paused: bool, furnished: Path, few: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    processes: list[subprocess.Popen[bytes]] = []  # other tests detach runs too
    monkeypatch.setattr(workbench_runs, "_background_processes", processes)
    monkeypatch.setattr(sys, "executable", shutil.which("true"))  # test_runs_left lets a detached run finish

    async def scene(pilot: Pilot[None]) -> None:
        job = await train(pilot, few, epochs=900)  # it does not finish before the app quits
        if not is_paused:
            job.resume()
        await ask_to_quit(pilot)
        await pilot.press("down", "down", "enter")

    assert launched(scene, monkeypatch) == 0
    (process,) = processes
    assert process.wait(timeout=120) == 0
    run = check_run(furnished, "stopped")
    assert isinstance(process.args, list)
    assert process.args[-3:] == ["train", "--resume", run.id]
    lines = [
        "Training 'second' continues in the background.",
        "  to watch it: weibo-tui launch",
        f"  to stop it: weibo-tui runs stop {run.id}",
    ]
    if is_paused:
        lines[0] = "Training 'second' stays paused in the background."
        lines[1] = f"  to continue it: weibo-tui runs resume {run.id}"
    assert capsys.readouterr().out.splitlines() == lines
    with Workbench(furnished) as wb, wb.runs.resuming(run.id):
        assert wb.runs.get(run.id).state == ("paused" if is_paused else "running")


def test_quit_and_detach_failure_is_reported(
    furnished: Path, few: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        job = await train(pilot, few)
        (furnished / "runs" / job.run / "output.log").mkdir()
        await ask_to_quit(pilot)
        await pilot.press("down", "down", "enter")

    assert launched(scene, monkeypatch) == 1
    assert capsys.readouterr().err.startswith("weibo-tui: second: ")
    assert "WeiboTuiError" in (furnished / "weibo-tui.log").read_text("utf-8")
    check_run(furnished, "stopped")


def test_quit_after_the_run_finished_detaches_nothing(
    furnished: Path, few: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        app = app_of(pilot)
        job = await train(pilot, few)
        await ask_to_quit(pilot)
        job.resume()
        app.wake_workers()
        await until(pilot, lambda: job.state == "done")
        await pilot.press("down", "down", "enter")

    before = list(workbench_runs._background_processes)
    assert launched(scene, monkeypatch) == 0
    assert workbench_runs._background_processes == before
    check_run(furnished, "finished")


# ---- as a program in a terminal


def interrupt(terminal: Terminal) -> None:
    terminal.process.send_signal(signal.SIGINT)


@pytest.mark.slow  # test_resize_storm sends SIGTERM, and test_terminal_gone closes the terminal without a signal
@pytest.mark.parametrize("end", [interrupt, Terminal.hang_up])
def test_signal_stops_a_training_with_a_checkpoint(
    end: Callable[[Terminal], None], furnished: Path, posts_file: Path
) -> None:
    with Terminal(app_at_work("train", posts_file)) as terminal:
        terminal.wait_until(lambda: started_run(furnished), "a step of the training")
        end(terminal)
        if end is Terminal.hang_up:
            assert terminal.process.wait(timeout=120) == 0
        else:
            assert terminal.wait_for_end() == 0
            assert terminal.in_order
    check_run(furnished, "stopped")


BROKEN = """
import sys
from weibo_tui.app import app as main

def fail(app):
    raise {}

main.WeiboApp.action_toggle_theme = fail
main.WeiboApp._warm_up = main.WeiboApp.refresh_catalog  # without torch
sys.exit(main.launch())
"""


def break_app(error: str) -> tuple[int, str]:
    """Raise an error in the app. Return the exit code, and the text in the terminal, which must be in order."""
    with Terminal([sys.executable, "-c", BROKEN.format(error)]) as terminal:
        terminal.wait_for("no adapter")
        terminal.press("ctrl+t")
        code = terminal.wait_for_end()
        assert terminal.in_order
        return code, " ".join(terminal.text.split())


def test_unexpected_error_ends_with_a_sentence(home: Path) -> None:
    code, message = break_app("ValueError('what a post said')")
    assert code == 1
    assert message.startswith("Unexpected error (ValueError)")
    assert message.endswith("Please report it.")
    assert "Traceback" not in message
    assert "what a post said" not in message + (home / "weibo-tui.log").read_text("utf-8")


def test_second_interrupt_restores_the_terminal(home: Path) -> None:
    # At the second one, the handler raises KeyboardInterrupt wherever the event loop is.
    break_app("KeyboardInterrupt")
