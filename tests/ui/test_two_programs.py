"""Several programs on one home at once: none blocks or damages the others."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections import deque
from pathlib import Path
from typing import cast

import pytest
from at_work import plan
from commands import MACHINE, environment, listing, start
from stage import app_of, drawn, message_line, play, until
from textual import events
from textual.pilot import Pilot

from weibo_tui import Workbench
from weibo_tui.app.services.jobs import Job
from weibo_tui.app.train.screen import TrainScreen
from weibo_tui.engine.events import RunStarted, StepDone

POSTS = [f"第{number}碗面真好吃" for number in range(40)]


def texts(home: Path) -> list[str]:
    with Workbench(home) as wb:
        return sorted(entry.text for entry in wb.history.page(100_000) if hasattr(entry, "text"))


def stopped_run(posts: Path, epochs: int = 2) -> str:
    """Train for some steps, stop, and return the run."""
    with Workbench() as wb:
        steps = wb.iter_train(plan(posts, epochs))
        run = next(event.run for event in steps if isinstance(event, RunStarted))
        next(event for event in steps if isinstance(event, StepDone) and event.step == 2)
        steps.close()
    return run


ADDS = """
import sys
from dataclasses import replace
from histories import ANALYSIS
from weibo_tui import Workbench
with Workbench() as wb:
    for post in sys.argv[1:]:
        wb.history.add([replace(ANALYSIS, text=post)])
"""


def test_app_and_programs_keep_all_predictions(
    furnished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
    posts = POSTS[:8]
    others = [
        subprocess.Popen([sys.executable, "-c", ADDS, *posts[:6]]),
        start("history", "export", tmp_path / "out.csv"),
    ]

    async def scene(pilot: Pilot[None]) -> None:
        for post in posts[6:]:
            pilot.app.post_message(events.Paste(post))
            await pilot.press("enter")
        for process in others:
            process.communicate(timeout=120)
            assert process.returncode == 0
        await until(pilot, lambda: len(texts(furnished)) == len(posts))
        await pilot.press("f4")
        await until(pilot, lambda: f"of {len(posts)}" in drawn(pilot))
        assert message_line(pilot) == ""

    play(scene)
    assert texts(furnished) == sorted(posts)


def test_app_says_at_start_what_runs_in_the_background(furnished: Path, few: Path) -> None:
    run = stopped_run(few)

    async def scene(pilot: Pilot[None]) -> None:
        await until(pilot, lambda: "in the background: " in message_line(pilot))
        assert message_line(pilot).endswith("Press F3 to watch it.")
        await pilot.press("a")
        assert message_line(pilot) == ""

    with Workbench() as other, other.runs.resuming(run):
        play(scene)


def test_app_resume_of_an_active_run_is_refused(furnished: Path, few: Path) -> None:
    run = stopped_run(few)
    with Workbench() as other:

        async def scene(pilot: Pilot[None]) -> None:
            await pilot.press("f3")
            await until(pilot, lambda: "stopped" in drawn(pilot))
            await pilot.press("r")
            message = f"Run {run} is running in another program"
            await until(pilot, lambda: message in " ".join(message_line(pilot).split()))
            await until(pilot, lambda: not app_of(pilot).jobs)

        with other.runs.lock(run):
            other._database.execute("UPDATE runs SET state = 'stopped'")  # as when the app read it
            play(scene)
        assert other.runs.get(run).state == "stopped"


def test_app_training_waits_for_one_prepared_elsewhere(furnished: Path, few: Path) -> None:
    with Workbench() as other:
        slot = other.take_training_slot()
        assert slot is not None

        async def scene(pilot: Pilot[None]) -> None:
            await pilot.press("f3")
            train = cast(TrainScreen, app_of(pilot).screen)
            config = plan(few, 900)
            job = Job("train", "second", lambda wb: wb.iter_train(config), train)
            train.follow(job)
            await until(pilot, lambda: "starts when the training before it is done" in message_line(pilot))
            assert job.state == "queued"
            slot.release()
            await until(pilot, lambda: job.started)
            assert other.take_training_slot() is None
            await until(pilot, lambda: job.run)

        play(scene)  # its end stops the training
        assert other.take_training_slot() is not None


@pytest.mark.slow
@pytest.mark.parametrize("_time", range(5))
def test_two_resumes_of_a_run_one_wins(_time: int, furnished: Path, posts_file: Path) -> None:
    run = stopped_run(posts_file, epochs=900)
    both = [start("train", "--resume", run, "--json", env=environment()) for _which in range(2)]
    while all(process.poll() is None for process in both):
        pass
    loser = next(process for process in both if process.poll() is not None)
    winner = next(process for process in both if process is not loser)
    _out, err = loser.communicate(timeout=120)
    message = err.decode().splitlines()
    assert loser.returncode == 2
    assert re.fullmatch(f"weibo-tui: Run {run} is running in another program. .*", message[-1])
    assert winner.poll() is None
    winner.send_signal(signal.SIGTERM)
    winner.communicate(timeout=120)
    with Workbench() as wb:
        assert wb.runs.get(run).state == "stopped"


@pytest.mark.slow
def test_two_trainings_of_one_name_make_one_adapter(furnished: Path, few: Path) -> None:
    words: list[str | Path] = ["train", few, "--name", "twin", "--epochs", "2", "--batch-size", "8", *MACHINE, "--json"]
    both = [start(*words) for _which in range(2)]
    ends = [process.communicate(timeout=120) for process in both]
    assert sorted(process.returncode for process in both) == [0, 2], ends
    loser = next(number for number, process in enumerate(both) if process.returncode == 2)
    message = ends[loser][1].decode().splitlines()[-1]
    assert re.search("Name 'twin' is reserved by run|Adapter exists: 'twin'", message)
    with Workbench() as wb:
        card = wb.adapters.card("twin")
        assert wb.runs.get(card.run).state == "finished"
        assert deque(wb.iter_predict(["好吃"], "twin"))


@pytest.mark.slow
def test_adapter_removed_elsewhere_is_reported(furnished: Path) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        await pilot.press(*"今天的面真好吃", "enter")
        await until(pilot, lambda: re.search("(positive|negative) +━", drawn(pilot)))
        removed = start("adapters", "remove", "mood")
        _out, err = removed.communicate(timeout=120)
        assert removed.returncode == 0, err
        await pilot.press(*"昨天的面真好吃", "enter")
        await until(pilot, lambda: "Adapter not found: 'mood'" in drawn(pilot))
        await pilot.press("f5")
        await until(pilot, lambda: "tiny" in drawn(pilot))

    play(scene)
    assert texts(furnished) == ["今天的面真好吃"]


@pytest.mark.slow
def test_many_programs_lose_nothing(furnished: Path, few: Path, tmp_path: Path) -> None:
    judging = [start("predict", *POSTS[at::4], "--json", *MACHINE) for at in range(4)]
    training = start("train", few, "--name", "beside", "--epochs", "2", "--batch-size", "8", *MACHINE)
    beside = [start("history", "export", tmp_path / f"{number}.csv") for number in range(3)]
    beside += [start("history", "list", "--json"), start("runs", "list", "--json"), start("adapters", "list")]
    for process in [*judging, training, *beside]:
        _out, err = process.communicate(timeout=200)
        assert process.returncode == 0, err.decode()
    assert texts(furnished) == sorted(POSTS)
    cleared = [start("history", "clear", "--yes"), start("predict", *POSTS, "--json", *MACHINE)]
    for process in cleared:
        _out, err = process.communicate(timeout=100)
        assert process.returncode == 0, err.decode()
    assert set(texts(furnished)) <= set(POSTS)
    left = [name for name in listing(furnished) if ".partial" in name or name.endswith(".tmp")]
    assert left == []
