"""The train screen with the real engine on a tiny base: start, pause, stop, resume, export and delete runs."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import made_up
from stage import app_of, message_line, play, until
from textual.pilot import Pilot
from textual.widgets import Input, OptionList, Static

from weibo_tui.app.dialogs import ChoiceDialog
from weibo_tui.app.forms.path_dialog import PathDialog
from weibo_tui.app.forms.path_input import PathInput
from weibo_tui.app.services.jobs import Job
from weibo_tui.app.train.monitor import Monitor
from weibo_tui.app.train.run_store import RunEntry
from weibo_tui.app.train.screen import TrainScreen
from weibo_tui.app.widgets.chrome import StatusMessage
from weibo_tui.engine.hyperparameters import Hyperparameters
from weibo_tui.workbench import ComputeOptions, TrainingConfig, Workbench

MACHINE = ComputeOptions("cpu", "float32", threads=1)
SHORT = Hyperparameters(epochs=2, batch_size=8, learning_rate=1e-2, bottleneck=8, max_length=32)
LONG = Hyperparameters(epochs=1000, batch_size=8, bottleneck=8, max_length=32)


def train_of(pilot: Pilot[None]) -> TrainScreen:
    return cast(TrainScreen, app_of(pilot).main_screens["train"])


def selected(pilot: Pilot[None]) -> RunEntry:
    entry = train_of(pilot).entry
    assert entry is not None
    return entry


def text_of(pilot: Pilot[None], selector: str) -> str:
    return str(train_of(pilot).query_one(selector, Static).render())


def head(pilot: Pilot[None]) -> str:
    monitor = train_of(pilot).query_one(Monitor)
    strips = monitor.query_one(".head", Static).render_lines(monitor.query_one(".head").region.reset_offset)
    return "\n".join(strip.text for strip in strips)


async def to_train(pilot: Pilot[None]) -> None:
    await pilot.press("f3")
    await until(pilot, lambda: train_of(pilot).store.runs or train_of(pilot).has_class("-empty"))


def plan(data: Path, name: str, hyper: Hyperparameters = LONG, **more: Any) -> TrainingConfig:
    return TrainingConfig((data,), name, base="tiny", hyper=hyper, machine=MACHINE, **more)


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


async def answer(pilot: Pilot[None], *keys: str) -> None:
    await until(pilot, lambda: isinstance(pilot.app.screen, ChoiceDialog))
    press(pilot, *keys)
    await until(pilot, lambda: not isinstance(pilot.app.screen, ChoiceDialog))


def adapter_bytes(home: Path, name: str) -> bytes:
    return (home / "adapters" / name / "adapter.safetensors").read_bytes()


def test_train_lists_runs_and_polls_while_visible(furnished: Path) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        await to_train(pilot)
        entries = train_of(pilot).store.entries
        assert [(entry.name, entry.kind, entry.state) for entry in entries] == [
            ("mood", "train", "finished"),
            ("tiny", "pretrain", "finished"),
        ]
        await until_steps(pilot)
        assert "✓ finished" in head(pilot)
        assert "Saved as adapter 'mood'. Press u to make it the default." in head(pilot)
        await pilot.press("down")
        await until_steps(pilot)
        assert "Saved as base 'tiny'" in head(pilot)
        timer = train_of(pilot)._timer
        assert timer is not None
        assert timer._active.is_set()
        await pilot.press("f2")
        await until(pilot, lambda: not timer._active.is_set())
        await pilot.press("f3")
        await until(pilot, timer._active.is_set)

    play(scene)


def test_train_empty_says_what_to_do(home: Path, stocked: Path) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        await to_train(pilot)
        assert "no base" in text_of(pilot, "#empty")
        assert "p makes one here" in text_of(pilot, "#empty")
        (home / "bases").symlink_to(stocked / "bases")
        await app_of(pilot).refresh_catalog()
        await pilot.pause()
        assert "n begins one" in text_of(pilot, "#empty")

    play(scene)


def test_train_pause_and_resume(furnished: Path, few: Path) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        await to_train(pilot)
        job = start(pilot, plan(few, "paused"))
        await until(pilot, lambda: job.run)
        await until_steps(pilot, 3)
        press(pilot, "space")
        await until(pilot, lambda: selected(pilot).state == "paused")

        async def last_seq() -> int:
            return await app_of(pilot).engine.call(lambda wb: wb.runs.last_seq(job.run))

        before = await last_seq()
        for _turn in range(20):
            await pilot.pause(0.01)
            assert await last_seq() == before
        assert "‖ paused" in head(pilot)
        press(pilot, "space")
        await until(pilot, lambda: selected(pilot).state == "running")
        await until_steps(pilot, train_of(pilot).store.metrics[job.run].step + 3)

    play(scene)


def test_train_stop_asks_and_keeps_a_checkpoint(furnished: Path, few: Path) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        await to_train(pilot)
        job = start(pilot, plan(few, "halted"))
        await until(pilot, lambda: job.run)
        await until_steps(pilot)
        press(pilot, "s")
        await answer(pilot, "enter")  # the safe answer is first
        assert not job.stopping
        press(pilot, "s")
        await answer(pilot, "down", "enter")
        await until(pilot, lambda: selected(pilot).state == "stopped")
        assert selected(pilot).run is not None
        assert (furnished / "runs" / job.run / "checkpoint.safetensors").is_file()
        assert not app_of(pilot).jobs

    play(scene)


def test_train_resumed_run_equals_an_uninterrupted_one(furnished: Path, few: Path) -> None:
    hyper = Hyperparameters(epochs=30, batch_size=8, bottleneck=8, max_length=32, emoticon_dropout=0.5, dropout=0.1)
    with Workbench() as wb:
        deque(wb.iter_train(plan(few, "whole", hyper)), maxlen=0)

    async def scene(pilot: Pilot[None]) -> None:
        await to_train(pilot)
        job = start(pilot, plan(few, "parted", hyper))
        await until(pilot, lambda: selected(pilot).steps[0] > 2)
        press(pilot, "space")
        await until(pilot, lambda: selected(pilot).state == "paused")
        press(pilot, "s")
        await answer(pilot, "down", "enter")
        await until(pilot, lambda: selected(pilot).state == "stopped")
        press(pilot, "r")
        await until(pilot, lambda: selected(pilot).state == "finished")
        assert selected(pilot).key == job.run
        metrics = train_of(pilot).store.metrics[job.run]
        await until(pilot, lambda: metrics.step == metrics.steps)
        assert any("Goes on behind step" in line.text for line in metrics.log)

    play(scene)
    assert adapter_bytes(furnished, "whole") == adapter_bytes(furnished, "parted")


def test_train_finished_run_shows_score_and_can_be_used(furnished: Path, few: Path) -> None:
    bells: list[int] = []

    async def scene(pilot: Pilot[None]) -> None:
        pilot.app.bell = lambda: bells.append(1)  # type: ignore[method-assign]
        await to_train(pilot)
        start(pilot, plan(few, "fresh", SHORT))
        press(pilot, "f4")
        await until(pilot, lambda: "'fresh' is finished: accuracy" in message_line(pilot))
        assert bells == [1]
        await pilot.press("f3")
        await until(pilot, lambda: selected(pilot).state == "finished")
        monitor = train_of(pilot).query_one(Monitor)
        await until(pilot, lambda: monitor.has_class("-scored"))
        await until(pilot, lambda: any(card.name == "fresh" for card in app_of(pilot).catalog.adapters))
        assert app_of(pilot).catalog.adapter == "mood"
        await pilot.press("u")
        await until(pilot, lambda: app_of(pilot).catalog.adapter == "fresh")

    play(scene)
    with Workbench() as wb:
        assert wb.adapter_name() == "fresh"


def test_train_failed_job_says_why_and_can_be_deleted(furnished: Path, few: Path) -> None:
    one_label = few.with_name("one.csv")
    one_label.write_text("review,label\n" + "".join(f"第{n}条,1\n" for n in range(30)), encoding="utf-8")

    async def scene(pilot: Pilot[None]) -> None:
        await to_train(pilot)
        start(pilot, plan(one_label, "doomed"))
        await until(pilot, lambda: selected(pilot).state == "failed")
        assert selected(pilot).run is None
        assert "every post is labelled positive" in " ".join(head(pilot).split())
        await pilot.press("d")
        await until(pilot, lambda: selected(pilot).name == "mood")

    play(scene)


def test_train_resume_with_changed_data_says_why(furnished: Path, few: Path) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        await to_train(pilot)
        job = start(pilot, plan(few, "lost"))
        await until(pilot, lambda: job.run)
        await until_steps(pilot)
        # The data changes, so a resume must be refused.
        press(pilot, "s")
        await answer(pilot, "down", "enter")
        await until(pilot, lambda: selected(pilot).state == "stopped")
        made_up.write_posts(few, 40, seed=9)
        press(pilot, "r")
        await until(pilot, lambda: "has changed since it began" in " ".join(head(pilot).split()))
        assert selected(pilot).state == "stopped"

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
            assert selected(pilot).state == "running"
            assert selected(pilot).job is None
            press(pilot, "space", "s")
            await pilot.pause(0.1)
            assert not isinstance(pilot.app.screen, ChoiceDialog)
            press(pilot, "d")
            await until(pilot, lambda: "is at work" in str(train_of(pilot).query_one(StatusMessage).render()))
            process.kill()
            await until(pilot, lambda: selected(pilot).state == "interrupted")
        finally:
            process.kill()
            process.wait()

    play(scene)


def test_train_delete_asks_and_keeps_the_adapter(furnished: Path) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        await to_train(pilot)
        key = selected(pilot).key
        await pilot.press("d")
        await answer(pilot, "enter")
        assert selected(pilot).key == key
        await pilot.press("d")
        await answer(pilot, "down", "enter")
        await until(pilot, lambda: selected(pilot).name == "tiny")
        assert not (furnished / "runs" / key).exists()

    play(scene)
    assert (furnished / "adapters" / "mood" / "adapter.safetensors").is_file()


def test_train_journal_is_exported(furnished: Path, tmp_path: Path) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        await to_train(pilot)
        for name in ("journal.csv", "journal.jsonl"):
            path = tmp_path / name
            await pilot.press("e")
            await until(pilot, lambda: isinstance(pilot.app.screen, PathDialog))
            line = pilot.app.screen.query_one(Input)
            line.value = str(tmp_path / "journal.txt")
            await pilot.press("enter")
            assert isinstance(pilot.app.screen, PathDialog)
            line.value = str(path)
            await pilot.press("enter")
            await until(pilot, path.is_file)
            await until(pilot, lambda path=path: str(path) in message_line(pilot))  # type: ignore[misc]
            assert {row["event"] for row in _rows(path)} >= {"RunStarted", "StepDone", "Evaluated", "RunFinished"}

    play(scene, (200, 30))


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8-sig") as file:
        yield from csv.DictReader(file) if path.suffix == ".csv" else map(json.loads, file)


def test_train_two_runs_take_turns(furnished: Path, few: Path) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        await to_train(pilot)
        jobs = [start(pilot, plan(few, name)) for name in ("first", "second")]
        await until(pilot, lambda: all(job.run for job in jobs))

        def steps() -> list[int]:
            local_runs = [train_of(pilot).store.local_run(job) for job in jobs]
            return [run.step.step if run is not None and run.step is not None else 0 for run in local_runs]

        await until(pilot, lambda: min(steps()) > 3)
        before = steps()
        await until(pilot, lambda: all(now > then for now, then in zip(steps(), before, strict=True)))
        assert [entry.name for entry in train_of(pilot).store.entries][:2] == ["second", "first"]

    play(scene)


def test_train_pretraining_makes_a_base(furnished: Path, corpus_file: Path) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        await to_train(pilot)
        await pilot.press("p")
        await until(pilot, lambda: type(pilot.app.screen).__name__ == "PretrainingForm")
        screen = pilot.app.screen
        screen.query_one(PathInput).value = str(corpus_file)
        await pilot.pause()
        for name, text in {
            "name": "fresh",
            "minutes": "0",
            "tokens": "3000",
            "layers": "1",
            "width": "16",
            "heads": "2",
            "vocabulary": "300",
            "positions": "32",
            "context": "16",
            "batch-size": "8",
        }.items():
            screen.query_one(f"#field-{name} Input", Input).value = text
        await pilot.pause()
        await pilot.press("ctrl+s")
        await until(pilot, lambda: pilot.app.screen is train_of(pilot))
        assert (selected(pilot).name, selected(pilot).kind) == ("fresh", "pretrain")
        await until(pilot, lambda: selected(pilot).state == "finished")
        await until(pilot, lambda: any(card.name == "fresh" for card in app_of(pilot).catalog.bases))
        await until_steps(pilot)
        assert train_of(pilot).store.metrics[selected(pilot).key].steps == 24

    play(scene)
