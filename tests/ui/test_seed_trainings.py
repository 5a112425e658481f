"""Trainings of several seeds in the app: one queued training a seed, and one adapter that is kept."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import models
from models_page import screen_of
from stage import app_of, play, press, until
from textual.pilot import Pilot
from textual.widgets import Input, Static

from weibo_tui import TrainingConfig, Workbench
from weibo_tui.app.forms.fields import Field
from weibo_tui.app.forms.path_input import PathInput
from weibo_tui.app.train.monitor import Monitor
from weibo_tui.app.train.screen import TrainScreen
from weibo_tui.app.train.training_form import TrainingForm
from weibo_tui.engine.events import RunFinished
from weibo_tui.engine.hyperparameters import Hyperparameters


def train_of(pilot: Pilot[None]) -> TrainScreen:
    return cast(TrainScreen, app_of(pilot).main_screens["train"])


def runs_of(pilot: Pilot[None]) -> list[tuple[str, str]]:
    return [(entry.name, entry.state) for entry in train_of(pilot).store.entries]


async def shows_head(pilot: Pilot[None], text: str) -> None:
    """Wait until the monitor says this about the selected run."""
    head = train_of(pilot).query_one(Monitor).query_one(".head", Static)

    def is_shown() -> bool:
        lines = head.render_lines(head.region.reset_offset)
        return text in " ".join(" ".join(strip.text for strip in lines).split())

    await until(pilot, is_shown)


def seed_runs(state: str, *seeds: int) -> list[tuple[str, str]]:
    return [(f"several-seed{seed}", state) for seed in reversed(seeds)]


def test_form_queues_a_training_for_each_seed(furnished: Path, few: Path) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        await until(pilot, lambda: app_of(pilot).catalog.bases)
        await pilot.press("f3", "n")
        form = await screen_of(pilot, TrainingForm)
        form.query_one(PathInput).value = str(few)
        for name, text in (("name", "several"), ("epochs", "1"), ("max-length", "32"), ("seeds", "2")):
            form.query_one(f"#field-{name}", Field).query_one(Input).value = text
        await pilot.press("ctrl+s")
        await until(pilot, lambda: runs_of(pilot)[:2] == seed_runs("finished", 0, 1))
        await until(pilot, lambda: app_of(pilot).catalog.card("several") is not None)
        card = app_of(pilot).catalog.card("several")
        assert card is not None
        assert card.score["seeds"]["seeds"] == [0, 1]
        assert [one["name"] for one in card.score["baselines"]] == ["majority", "linear", "nbsvm"]
        await press(pilot, "home")
        await shows_head(pilot, "One of several seeds, of which the adapter 'several' was kept.")
        await press(pilot, "u")
        await until(pilot, lambda: app_of(pilot).catalog.adapter == "several")
        await pilot.press("n")
        again = await screen_of(pilot, TrainingForm)
        again.query_one("#field-name", Field).query_one(Input).value = "several"
        await until(pilot, lambda: again.query_one("#field-name", Field).problem == "this name exists already")

    play(scene)


def test_seeds_that_are_left_are_queued_from_a_finished_run(furnished: Path, few: Path) -> None:
    hyper = Hyperparameters(epochs=1, batch_size=8, bottleneck=8, max_length=32)
    config = TrainingConfig((few,), "several", hyper=hyper, machine=models.MACHINE, seeds=3)
    with Workbench(furnished) as wb:
        events = wb.iter_train(config)
        models.until(events, RunFinished)
        events.close()

    async def scene(pilot: Pilot[None]) -> None:
        await until(pilot, lambda: app_of(pilot).catalog.bases)
        await pilot.press("f3")
        await until(pilot, lambda: runs_of(pilot)[:1] == seed_runs("finished", 0))
        await press(pilot, "home")
        await shows_head(pilot, "Press r to train those that are left.")
        await press(pilot, "r")
        await until(pilot, lambda: runs_of(pilot)[:3] == seed_runs("finished", 0, 1, 2))
        await until(pilot, lambda: app_of(pilot).catalog.card("several") is not None)
        assert app_of(pilot).catalog.card("several-seed0") is None

    play(scene)
