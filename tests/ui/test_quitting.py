"""Quitting: no way loses work or leaves the terminal in disorder."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from functools import partialmethod
from pathlib import Path
from typing import Any

import pytest
from at_work import app_at_work, plan
from stage import Scene, app_of, drawn, play, see, until
from terminal import Terminal
from textual.pilot import Pilot

from weibo_tui.app.app import WeiboApp, launch
from weibo_tui.app.dialogs import ChoiceDialog
from weibo_tui.app.services.jobs import Job
from weibo_tui.paths import Paths
from weibo_tui.storage.runs import Run
from weibo_tui.workbench import Workbench
from weibo_tui.workbench import runs as workbench_runs


async def train(pilot: Pilot[None], posts: Path) -> Job:
    """Start a training and pause it after its first step."""
    app = app_of(pilot)
    job = app.start_job(Job("train", "second", lambda wb: wb.iter_train(plan(posts)), app.screen))
    await see(pilot, lambda: job.progress is not None and job.progress.stage == "training")
    job.pause()
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


def runs(home: Path) -> list[Run]:
    with Workbench(home) as wb:
        return [run for run in wb.runs.list() if run.name == "second"]


def the_run(home: Path) -> Run:
    (run,) = runs(home)
    return run


def test_quit_without_jobs_exits_at_once(home: Path) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        await pilot.press("ctrl+q")
        assert pilot.app.is_running is False or app_of(pilot).exiting

    assert play(scene).return_code == 0


def test_quit_during_training_can_be_cancelled(furnished: Path, posts_file: Path) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        job = await train(pilot, posts_file)
        await ask_to_quit(pilot)
        assert "At work: second" in drawn(pilot)
        await pilot.press("ctrl+q")  # opens no second dialog
        assert len(app_of(pilot).screen_stack) == 2
        for key in ("enter", "escape"):
            await pilot.press(key)
            await until(pilot, lambda: not isinstance(app_of(pilot).screen, ChoiceDialog))
            assert job.state == "paused"
            await ask_to_quit(pilot)

    play(scene)


def test_quit_and_stop_keeps_a_checkpoint(furnished: Path, posts_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        await train(pilot, posts_file)
        await ask_to_quit(pilot)
        await pilot.press("down", "enter")

    assert launched(scene, monkeypatch) == 0
    run = the_run(furnished)
    assert run.state == "stopped"
    assert (furnished / "runs" / run.id / "checkpoint.safetensors").exists()


def test_quit_and_detach_finishes_in_another_process(
    furnished: Path, posts_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left: list[subprocess.Popen[bytes]] = []  # other tests detach runs too
    monkeypatch.setattr(workbench_runs, "_background_processes", left)

    async def scene(pilot: Pilot[None]) -> None:
        await train(pilot, posts_file)
        await ask_to_quit(pilot)
        await pilot.press("down", "down", "enter")

    assert launched(scene, monkeypatch) == 0
    (process,) = left
    assert process.wait(timeout=60) == 0
    run = the_run(furnished)
    assert run.state == "finished"
    assert (furnished / "adapters" / "second" / "card.json").exists()


def test_quit_and_detach_failure_is_reported(
    furnished: Path, posts_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        job = await train(pilot, posts_file)
        (furnished / "runs" / job.run / "output.log").mkdir()
        await ask_to_quit(pilot)
        await pilot.press("down", "down", "enter")

    assert launched(scene, monkeypatch) == 1
    assert capsys.readouterr().err.startswith("weibo-tui: second: ")
    assert "WeiboTuiError" in (furnished / "weibo-tui.log").read_text("utf-8")
    run = the_run(furnished)
    assert run.state == "stopped"
    assert (furnished / "runs" / run.id / "checkpoint.safetensors").exists()


def test_quit_with_damaged_settings_keeps_a_checkpoint(
    furnished: Path, posts_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Paths.find().settings_file

    async def scene(pilot: Pilot[None]) -> None:
        await train(pilot, posts_file)
        settings.write_text("adapter = ", encoding="utf-8")
        await ask_to_quit(pilot)
        await pilot.press("down", "enter")

    assert launched(scene, monkeypatch) == 0
    settings.unlink()
    assert the_run(furnished).state == "stopped"


def test_quit_after_the_run_finished_detaches_nothing(
    furnished: Path, posts_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        app = app_of(pilot)
        job = await train(pilot, posts_file)
        await ask_to_quit(pilot)
        job.resume()
        app.wake_workers()
        await until(pilot, lambda: job.state == "done")
        await pilot.press("down", "down", "enter")

    left = list(workbench_runs._background_processes)
    assert launched(scene, monkeypatch) == 0
    assert workbench_runs._background_processes == left
    assert the_run(furnished).state == "finished"


def test_quit_with_a_job_without_run_offers_stop_only(furnished: Path) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        app = app_of(pilot)
        job = Job("label", "a.csv", lambda _wb: iter([1]), app.screen)
        job.pause()
        app.start_job(job)
        await ask_to_quit(pilot)
        assert "Stop and leave" in drawn(pilot)
        assert "process of its own" not in drawn(pilot)

    play(scene)


# ---- as a program in a terminal


def terminate(terminal: Terminal) -> None:
    terminal.process.send_signal(signal.SIGTERM)


def interrupt(terminal: Terminal) -> None:
    terminal.process.send_signal(signal.SIGINT)


@pytest.mark.parametrize("end", [terminate, interrupt, Terminal.hang_up])
def test_signal_stops_a_training_with_a_checkpoint(
    end: Callable[[Terminal], None], furnished: Path, posts_file: Path
) -> None:
    with Terminal(app_at_work("train", posts_file)) as terminal:
        terminal.wait_until(lambda: any(run.step for run in runs(furnished)), "a step of the training")
        end(terminal)
        if end is Terminal.hang_up:
            assert terminal.process.wait(timeout=60) == 0
        else:
            assert terminal.wait_for_end() == 0
            assert terminal.in_order
    run = the_run(furnished)
    assert run.state == "stopped"
    assert run.step > 0
    assert (furnished / "runs" / run.id / "checkpoint.safetensors").exists()


BROKEN = """
import sys
from weibo_tui.app import app as main

def fail(app):
    raise ValueError("what a post said")

main.WeiboApp.action_toggle_theme = fail
sys.exit(main.launch())
"""


def test_unexpected_error_ends_with_a_sentence(home: Path) -> None:
    with Terminal([sys.executable, "-c", BROKEN]) as terminal:
        terminal.wait_for("no adapter")
        terminal.press("ctrl+t")
        assert terminal.wait_for_end() == 1
        assert terminal.in_order
        said = " ".join(terminal.text.split())
    assert said.startswith("An error that nobody foresaw (ValueError)")
    assert said.endswith("please report it.")
    assert "Traceback" not in said
    assert "what a post said" not in said
    assert "what a post said" not in (home / "weibo-tui.log").read_text("utf-8")


def test_second_interrupt_restores_the_terminal(home: Path) -> None:
    # At the second one, the handler raises KeyboardInterrupt wherever the event loop is.
    program = BROKEN.replace('ValueError("what a post said")', "KeyboardInterrupt")
    with Terminal([sys.executable, "-c", program]) as terminal:
        terminal.wait_for("no adapter")
        terminal.press("ctrl+t")
        terminal.wait_for_end()
        assert terminal.in_order
