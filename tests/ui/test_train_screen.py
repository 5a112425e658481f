"""The train screen with the real engine on a tiny base: start, pause, stop, resume, export and delete runs."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import made_up
from models_page import message, screen_of
from stage import app_of, message_line, play, shows, until
from textual.pilot import Pilot
from textual.widgets import Input, OptionList, Static

from weibo_tui import ComputeOptions, TrainingConfig, Workbench
from weibo_tui.app.dialogs import ChoiceDialog
from weibo_tui.app.forms.path_dialog import PathDialog
from weibo_tui.app.forms.path_input import PathInput
from weibo_tui.app.services.jobs import Job
from weibo_tui.app.train.monitor import Monitor
from weibo_tui.app.train.pretraining_form import PretrainingForm
from weibo_tui.app.train.run_store import RunEntry
from weibo_tui.app.train.screen import TrainScreen
from weibo_tui.engine.events import StepDone
from weibo_tui.engine.hyperparameters import Hyperparameters

MACHINE = ComputeOptions("cpu", "float32", threads=1)
LONG = Hyperparameters(epochs=1000, batch_size=4, bottleneck=8, max_length=32)


def train_of(pilot: Pilot[None]) -> TrainScreen:
    return cast(TrainScreen, app_of(pilot).main_screens["train"])


def selected(pilot: Pilot[None]) -> RunEntry:
    entry = train_of(pilot).entry
    assert entry is not None
    return entry


async def until_state(pilot: Pilot[None], state: str) -> None:
    """Wait until the selected run has this state."""
    await until(pilot, lambda: selected(pilot).state == state)


def advice(pilot: Pilot[None]) -> str:
    return str(train_of(pilot).query_one("#empty", Static).render())


def head(pilot: Pilot[None]) -> str:
    widget = train_of(pilot).query_one(Monitor).query_one(".head", Static)
    return " ".join(" ".join(strip.text for strip in widget.render_lines(widget.region.reset_offset)).split())


async def shows_head(pilot: Pilot[None], *texts: str) -> None:
    """Wait until these texts are above the charts."""
    await until(pilot, lambda: all(text in head(pilot) for text in texts))


async def to_train(pilot: Pilot[None]) -> None:
    await pilot.press("f3")
    await until(pilot, lambda: train_of(pilot).store.runs or train_of(pilot).has_class("-empty"))


def plan(data: Path, name: str, hyper: Hyperparameters = LONG) -> TrainingConfig:
    return TrainingConfig((data,), name, base="tiny", hyper=hyper, machine=MACHINE)


def start(pilot: Pilot[None], config: TrainingConfig) -> Job:
    job = Job("train", config.name, lambda wb: wb.iter_train(config), owner=train_of(pilot))
    train_of(pilot).follow(job)
    return job


async def until_steps(pilot: Pilot[None], more_than: int = 0) -> None:
    """Wait until the journal of the selected run has more steps than that."""

    def has_steps() -> bool:
        metrics = train_of(pilot).store.metrics.get(selected(pilot).key)
        return metrics is not None and metrics.step > more_than

    await until(pilot, has_steps)


def press(pilot: Pilot[None], *keys: str) -> None:
    """Press keys without waiting until the app is idle, which it is not during a training."""
    for key in keys:
        pilot.app.simulate_key(key)


async def ask(pilot: Pilot[None], key: str, *answer: str) -> None:
    """Press a key that asks, and answer with keys."""
    press(pilot, key)
    await until(pilot, lambda: isinstance(pilot.app.screen, ChoiceDialog))
    press(pilot, *answer)
    await until(pilot, lambda: not isinstance(pilot.app.screen, ChoiceDialog))


def test_train_lists_exports_and_deletes_runs(furnished: Path, tmp_path: Path) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        await to_train(pilot)
        entries = train_of(pilot).store.entries
        assert [(entry.name, entry.kind, entry.state) for entry in entries] == [
            ("mood", "train", "finished"),
            ("tiny", "pretrain", "finished"),
        ]
        await shows_head(pilot, "✓ finished", "Saved as adapter 'mood', the default. Test accuracy 99.0%.")
        await pilot.press("down")
        await shows_head(pilot, "Saved as base 'tiny'")
        await pilot.press("up")

        # It polls while it is visible.
        timer = train_of(pilot)._timer
        assert timer is not None and timer._active.is_set()
        await pilot.press("f2")
        await until(pilot, lambda: not timer._active.is_set())
        await pilot.press("f3")
        await until(pilot, timer._active.is_set)

        for name in ("journal.csv", "journal.jsonl"):
            path = tmp_path / name
            await pilot.press("e")
            dialog = await screen_of(pilot, PathDialog)
            for typed in (tmp_path / "journal.txt", path):
                assert pilot.app.screen is dialog
                dialog.query_one(Input).value = str(typed)
                await pilot.press("enter")
            await message(pilot, str(path))
            assert {row["event"] for row in _rows(path)} >= {"RunStarted", "StepDone", "Evaluated", "RunFinished"}

        key = selected(pilot).key
        await ask(pilot, "d", "enter")
        assert selected(pilot).key == key
        await ask(pilot, "d", "down", "enter")
        await until(pilot, lambda: selected(pilot).name == "tiny")
        assert not (furnished / "runs" / key).exists()

    play(scene, (200, 30))
    assert (furnished / "adapters" / "mood" / "adapter.safetensors").is_file()


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8-sig") as file:
        yield from csv.DictReader(file) if path.suffix == ".csv" else map(json.loads, file)


def test_train_empty_says_what_to_do_and_pretrains(home: Path, stocked: Path, corpus_file: Path) -> None:
    fields = {"name": "fresh", "minutes": "0", "tokens": "3000", "layers": "1", "width": "16", "heads": "2"}
    fields |= {"vocabulary": "300", "positions": "32", "context": "16", "batch-size": "8"}

    async def scene(pilot: Pilot[None]) -> None:
        await to_train(pilot)
        assert "no base" in advice(pilot)
        assert "p to pretrain one" in advice(pilot)
        shutil.copytree(stocked / "bases", home / "bases", dirs_exist_ok=True)
        await app_of(pilot).refresh_catalog()
        await pilot.pause()
        assert "Press n" in advice(pilot)

        await pilot.press("p")
        screen = await screen_of(pilot, PretrainingForm)
        screen.query_one(PathInput).value = str(corpus_file)
        await pilot.pause()
        for name, text in fields.items():
            screen.query_one(f"#field-{name} Input", Input).value = text
        await pilot.pause()
        await pilot.press("ctrl+s")
        await until(pilot, lambda: train_of(pilot).entry is not None)
        assert (selected(pilot).name, selected(pilot).kind) == ("fresh", "pretrain")
        await until_state(pilot, "finished")
        await until(pilot, lambda: any(card.name == "fresh" for card in app_of(pilot).catalog.bases))
        await until_steps(pilot, 23)
        assert train_of(pilot).store.metrics[selected(pilot).key].steps == 24

    play(scene)


def test_train_pauses_and_stops_but_refuses_changed_data(furnished: Path, few: Path) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        await to_train(pilot)
        job = start(pilot, plan(few, "halted"))
        await until(pilot, lambda: job.run)
        await until_steps(pilot, 3)
        press(pilot, "space")
        await until(pilot, lambda: job.held)
        assert selected(pilot).state == "paused"

        async def last_seq() -> int:
            return await app_of(pilot).engine.call(lambda wb: wb.runs.last_seq(job.run))

        before = await last_seq()
        for _turn in range(5):
            await pilot.pause(0.01)
            assert await last_seq() == before
        await shows_head(pilot, "‖ paused")
        press(pilot, "space")
        await until_state(pilot, "running")
        await until_steps(pilot, train_of(pilot).store.metrics[job.run].step + 3)

        await ask(pilot, "s", "enter")  # the safe answer is first
        assert not job.stopping
        await ask(pilot, "s", "down", "enter")
        await until(pilot, lambda: not app_of(pilot).jobs)
        await until_state(pilot, "stopped")
        assert selected(pilot).run is not None
        assert (furnished / "runs" / job.run / "checkpoint.safetensors").is_file()

        made_up.write_posts(few, 40, seed=9)
        press(pilot, "r")
        await shows_head(pilot, "has changed since it started")
        await until_state(pilot, "stopped")

    play(scene)


def test_train_resumed_run_equals_an_uninterrupted_one(furnished: Path, few: Path) -> None:
    hyper = Hyperparameters(epochs=8, batch_size=8, bottleneck=8, max_length=32, emoticon_dropout=0.5, dropout=0.1)
    with Workbench() as wb:
        deque(wb.iter_train(plan(few, "whole", hyper)), maxlen=0)
    bells: list[int] = []
    job: Job

    def pause_at_step_3(wb: Workbench) -> Iterator[object]:
        with closing(cast(Any, wb.iter_train(plan(few, "parted", hyper)))) as events:
            for event in events:
                if isinstance(event, StepDone) and event.step == 3:
                    job.pause()
                yield event

    async def scene(pilot: Pilot[None]) -> None:
        nonlocal job
        app = app_of(pilot)
        app.bell = lambda: bells.append(1)  # type: ignore[method-assign]
        await to_train(pilot)
        job = Job("train", "parted", pause_at_step_3, owner=train_of(pilot))
        train_of(pilot).follow(job)
        await until_state(pilot, "paused")
        await ask(pilot, "s", "down", "enter")
        await until(pilot, lambda: not app.jobs)
        await until_state(pilot, "stopped")
        press(pilot, "f4")  # first, because the message comes to the screen that is open at the end
        await until(pilot, lambda: app.current_mode == "history")
        train_of(pilot).action_resume()
        await message(pilot, "on other posts. To make it the default, select it in Train (F3) and press u.")
        assert message_line(pilot).startswith("'parted' finished. Test accuracy ")
        assert "The default adapter 'mood' has 99.0%" in message_line(pilot)
        await until(pilot, lambda: bells == [1])
        await pilot.press("f3")
        await until_state(pilot, "finished")
        assert selected(pilot).key == job.run
        metrics = train_of(pilot).store.metrics[job.run]
        await until(pilot, lambda: metrics.step == metrics.steps)
        assert any("Resumed from step" in line.text for line in metrics.log)
        await until(pilot, lambda: train_of(pilot).query_one(Monitor).has_class("-scored"))
        assert app.catalog.adapter == "mood"
        await shows_head(pilot, "The default adapter 'mood' has 99.0% on other posts. Press u to make it the default.")
        await pilot.press("u")
        await until(pilot, lambda: app.catalog.adapter == "parted")
        assert not train_of(pilot).check_action("use", ())

    play(scene)
    with Workbench() as wb:
        assert wb.adapter_name() == "parted"
    whole, parted = (furnished / "adapters" / name / "adapter.safetensors" for name in ("whole", "parted"))
    assert whole.read_bytes() == parted.read_bytes()


def test_train_failure_is_explained_and_two_runs_take_turns(furnished: Path, few: Path) -> None:
    one_label = few.with_name("one.csv")
    one_label.write_text("review,label\n" + "".join(f"第{n}条,1\n" for n in range(30)), encoding="utf-8")

    async def scene(pilot: Pilot[None]) -> None:
        await to_train(pilot)
        start(pilot, plan(one_label, "doomed"))
        await until_state(pilot, "failed")
        assert selected(pilot).run is None
        await shows_head(pilot, "all posts have the label positive")
        assert "It failed before the run began, so it is listed until you quit." in head(pilot)
        await pilot.press("d")
        await until(pilot, lambda: selected(pilot).name == "mood")

        jobs = [start(pilot, plan(few, name)) for name in ("first", "second", "third")]
        assert [job.state for job in jobs][1:] == ["queued", "queued"]
        await message(pilot, "'third' starts when the training before it is done. Press b to start it now.")
        await ask(pilot, "s", "down", "enter")
        third = jobs.pop()
        await until(pilot, lambda: third.outcome == "stopped")
        await until(pilot, lambda: selected(pilot).name == "second")
        press(pilot, "space")  # a queued one has nothing to pause
        press(pilot, "d")
        await message(pilot, "'second' is queued. Stop it first.")
        press(pilot, "ctrl+q")
        await shows(pilot, "Running: first", "Queued, and not kept when you quit: second")
        press(pilot, "escape")
        await until(pilot, lambda: not isinstance(pilot.app.screen, ChoiceDialog))
        press(pilot, "b")
        await until(pilot, lambda: all(job.run for job in jobs))

        def steps() -> list[int]:
            local_runs = [train_of(pilot).store.local_run(job) for job in jobs]
            return [run.step.step if run is not None and run.step is not None else 0 for run in local_runs]

        await until(pilot, lambda: min(steps()) > 3)
        before = steps()
        await until(pilot, lambda: all(now > then for now, then in zip(steps(), before, strict=True)))
        assert [entry.name for entry in train_of(pilot).store.entries][:2] == ["second", "first"]

    play(scene)


def test_train_run_of_another_program_is_shown_live(furnished: Path, few: Path) -> None:
    command = [sys.executable, "-m", "weibo_tui", "train", str(few), "--base", "tiny", "--name", "outside"]
    options = ["--epochs", "1000", "--batch-size", "4", "--max-length", "32", "--dtype", "float32", "--threads", "1"]

    async def scene(pilot: Pilot[None]) -> None:
        await to_train(pilot)
        process = subprocess.Popen([*command, *options], stderr=subprocess.DEVNULL, env={**os.environ})
        try:
            await until(pilot, lambda: train_of(pilot).store.entries[0].name == "outside")
            train_of(pilot).query_one("#runs", OptionList).highlighted = 0
            await until_steps(pilot, 5)
            assert selected(pilot).is_elsewhere
            await shows_head(pilot, "▶ running elsewhere")
            press(pilot, "d")
            await message(pilot, "is running")
            for state in ("paused", "running"):
                press(pilot, "space")
                await until_state(pilot, state)
            start(pilot, plan(few, "queued"))
            await until_state(pilot, "queued")
            press(pilot, "down")
            await ask(pilot, "s", "down", "enter")
            await until_state(pilot, "stopped")
            assert process.wait(60) == 130
            await until(pilot, lambda: [job.title for job in app_of(pilot).jobs if job.started] == ["queued"])
        finally:
            process.kill()
            process.wait()

    play(scene)
