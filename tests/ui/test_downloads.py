"""Base models from the Hub and from the legacy project: offered, downloaded or imported in the background."""

from __future__ import annotations

import re
import threading
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

import made_up
import models
import pytest
from hub import Answer, Hub, cut, garbled, slow
from models_page import answer, message, problem, question, screen_of
from originals import write_original
from pane import POST, Pane
from stage import app_of, drawn, play, see, shows, until
from terminal import Terminal
from textual.pilot import Pilot
from textual.widgets import Input, OptionList, Select

from weibo_tui import Workbench
from weibo_tui.app.dialogs import InputDialog
from weibo_tui.app.forms.fields import Field
from weibo_tui.app.models.screen import ModelsScreen
from weibo_tui.app.predict.screen import PredictScreen
from weibo_tui.app.services.jobs import Job
from weibo_tui.app.train.screen import TrainScreen
from weibo_tui.app.train.training_form import TrainingForm
from weibo_tui.app.widgets.job_progress import JobLine
from weibo_tui.registry.hub_client import CHUNK_SIZE
from weibo_tui.settings import Settings
from weibo_tui.workbench.downloads import BASE

NAME = BASE.rpartition("/")[2]


@pytest.fixture
def model(hub: Hub, tmp_path: Path) -> dict[str, bytes]:
    """The files of a small model, which the Hub has under the name of uer's."""
    folder = models.write_folder(tmp_path / "there", models.reference(n_embd=128))
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    hub.repositories[f"models/{BASE}"] = files
    return files


class Stalled(threading.Event):
    """The Hub sends half of the weights, and the rest once this is set."""

    def __init__(self, largest: int) -> None:
        super().__init__()
        self.fault: Callable[[Answer, bytes], None] = slow(self, after=largest // 2)

    def wait(self, timeout: float | None = None) -> bool:  # noqa: ARG002 - a busy machine needs more time
        return super().wait(600)


@pytest.fixture
def stalled(hub: Hub, model: dict[str, bytes]) -> Iterator[Stalled]:
    gate = Stalled(max(map(len, model.values())))
    hub.faults = deque([gate.fault])
    yield gate
    gate.set()


def bases(pilot: Pilot[None]) -> list[str]:
    return [card.name for card in app_of(pilot).catalog.bases]


def offers(pilot: Pilot[None]) -> list[str]:
    """Return what the welcome screen offers."""
    screen = app_of(pilot).main_screens["predict"]
    assert isinstance(screen, PredictScreen)
    return [str(option.prompt) for option in screen.welcome.query_one(OptionList).options]


async def choose(pilot: Pilot[None], words: str) -> None:
    """Choose an offer of the welcome screen."""
    await pilot.press("f2")
    await until(pilot, lambda: any(words in offer for offer in offers(pilot)))
    index = next(number for number, offer in enumerate(offers(pilot)) if words in offer)
    options = app_of(pilot).screen.query_one(OptionList)
    options.focus()
    options.highlighted = index
    await pilot.press("enter")


async def begin(pilot: Pilot[None]) -> None:
    """Start the proposed download. It may be over at once."""
    await pilot.press("f5", "g")
    await screen_of(pilot, InputDialog)
    await pilot.press("enter")
    await see(pilot, lambda: not isinstance(app_of(pilot).screen, InputDialog))


async def begin_stalled(pilot: Pilot[None]) -> Job:
    """Start a download, and wait until it has a part of the weights. Return its job."""
    await begin(pilot)
    await see(pilot, lambda: app_of(pilot).jobs)
    job = app_of(pilot).jobs[-1]

    def done() -> int:
        return job.progress.done if job.progress is not None and job.progress.stage == "downloading" else 0

    await until(pilot, lambda: done() > 100_000)
    return job


# ---- the Hub


def test_download_of_the_first_base_makes_it_the_default(
    home: Path, hub: Hub, model: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    async def scene(pilot: Pilot[None]) -> None:
        await until(pilot, lambda: offers(pilot))
        assert not any("gpt2-chinese" in offer or "Train on" in offer for offer in offers(pilot))
        await choose(pilot, "Download uer's Chinese GPT-2 from Hugging Face (420 MB)")
        await screen_of(pilot, InputDialog)
        assert app_of(pilot).screen.query_one(Input).value == BASE
        assert all(text in question(pilot) for text in ("420 MB", hub.address, "To use a mirror"))
        await pilot.press("enter")
        await message(pilot, f"'{NAME}' is ready.")
        await shows(pilot, f"* {NAME}")
        screen = app_of(pilot).screen
        assert isinstance(screen, ModelsScreen)
        await until(pilot, lambda: screen.selected_item.default and not screen.query_one(JobLine).display)
        await pilot.press("g")
        await screen_of(pilot, InputDialog)
        await answer(pilot, BASE)
        assert f"Already installed as '{NAME}'" in problem(pilot)
        await answer(pilot, "../x y")
        assert "is not a repository name" in problem(pilot)
        await pilot.press("escape", "f2")
        await until(pilot, lambda: any("Train an adapter" in offer for offer in offers(pilot)))
        assert not any("Download" in offer for offer in offers(pilot))

    play(scene)
    with Workbench(home) as wb:
        assert wb.settings.base == ""


def test_download_shows_bytes_and_resumes_where_it_stopped(home: Path, hub: Hub, stalled: Stalled) -> None:
    # It continues after the cut, so that there are two times to compute a rate from.
    hub.faults.appendleft(cut(CHUNK_SIZE))

    async def scene(pilot: Pilot[None]) -> None:
        await begin_stalled(pilot)
        for size in ((60, 20), (100, 30)):
            await pilot.resize_terminal(*size)
            await shows(pilot, "B/s", f"download {BASE}  downloading")
            assert re.search(r"\d( kB)? of [\d.]+ MB", drawn(pilot))
            assert re.search(r"\d:\d\d left", drawn(pilot))
            assert "%" in drawn(pilot).splitlines()[-2]
        await pilot.press("g")
        await screen_of(pilot, InputDialog)
        await pilot.press("enter")
        assert "is being downloaded already" in problem(pilot)
        await pilot.press("escape", "s")
        await message(pilot, "is kept, and the next download continues from it")
        assert bases(pilot) == []
        await begin(pilot)
        await until(pilot, lambda: bases(pilot) == [NAME])

    play(scene)
    assert hub.ranges[-1] > 0


def test_download_fails_with_reason_then_runs_in_background(furnished: Path, hub: Hub, stalled: Stalled) -> None:
    (furnished / "bases" / "tiny").rename(furnished / "bases" / NAME)
    card = furnished / "bases" / NAME / "card.json"
    card.write_text(card.read_text("utf-8").replace('"tiny"', f'"{NAME}"', 1), "utf-8")

    async def scene(pilot: Pilot[None]) -> None:
        await until(pilot, lambda: bases(pilot) == [NAME])
        hub.faults = deque([garbled])
        await begin(pilot)
        await message(pilot, "was deleted. Try again")
        assert bases(pilot) == [NAME]
        # The next one blocks neither predictions nor the history.
        hub.faults = deque([stalled.fault])
        job = await begin_stalled(pilot)
        await pilot.press("f2")
        pane = Pane(pilot)
        await pane.send(POST)
        await pane.wait_predicted(1)
        await pilot.press("f4")
        await until(pilot, lambda: "今天的面" in drawn(pilot))
        assert job.state == "working"
        stalled.set()
        await until(pilot, lambda: bases(pilot) == [NAME, f"{NAME}-2"])

    play(scene)


def test_quit_during_a_silent_download_keeps_its_part(home: Path, stalled: Stalled) -> None:
    with Terminal() as terminal:
        terminal.wait_for("Download uer")
        terminal.press("enter")
        terminal.wait_for("Repository of a GPT-2")
        terminal.press("enter")
        terminal.wait_for("kB of")
        terminal.press("ctrl+q")
        terminal.wait_for("The downloaded part of a base is kept")
        terminal.wait_for(f"Running: {BASE}")
        terminal.press("down", "enter")
        assert terminal.wait_for_end() == 0
        assert terminal.in_order
    assert not stalled.is_set()
    assert list((home / "downloads").rglob("*.part"))


# ---- welcome screen


def test_welcome_offers_files_of_the_legacy_project(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "project"
    write_original(folder)
    (folder / "dataset").mkdir()
    data = made_up.write_posts(folder / "dataset" / "weibo_senti_100k.csv", 40, seed=5)
    monkeypatch.chdir(folder)

    async def scene(pilot: Pilot[None]) -> None:
        await until(pilot, lambda: offers(pilot))
        (folder / "models").rename(folder / "away")
        await choose(pilot, "Import the base in models/gpt2-chinese")
        await message(pilot, "does not exist any more")
        (folder / "away").rename(folder / "models")
        await choose(pilot, "Import the base in models/gpt2-chinese")
        await until(pilot, lambda: bases(pilot) == ["gpt2-chinese"])
        await choose(pilot, "Train on dataset/weibo_senti_100k.csv")
        form: TrainingForm = await screen_of(pilot, TrainingForm)
        await until(pilot, lambda: "weibo_senti_100k.csv" in drawn(pilot))
        assert (form.plan().data, form.plan().name) == ((data,), "weibo_senti_100k")
        await pilot.press("escape")
        await choose(pilot, "Import the adapter in best_weibo_sentiment_model.pth")
        assert not any("Import the base" in offer for offer in offers(pilot))
        await until(pilot, lambda: app_of(pilot).catalog.adapter == "best_weibo_sentiment_model")
        await pilot.press("f2")
        pane = Pane(pilot)
        await pane.send(POST)
        await pane.wait_predicted(1)

    play(scene)


# ---- training on a base that is downloaded first


def test_training_on_a_hub_base_downloads_it_first(home: Path, few: Path, hub: Hub, stalled: Stalled) -> None:
    async def open_form(pilot: Pilot[None]) -> Field:
        await pilot.press("f3", "n")
        form: TrainingForm = await screen_of(pilot, TrainingForm)
        return form.query_one("#field-base", Field)

    async def scene(pilot: Pilot[None]) -> None:
        train = app_of(pilot).main_screens["train"]
        assert isinstance(train, TrainScreen)
        values = {"epochs": "1", "batch_size": "8", "max_length": "32", "bottleneck": "8"}
        train.form_values["train"] |= {"files": [few], **values}
        base = await open_form(pilot)
        assert base.spec.choices == (("", "none yet"), (BASE, f"{BASE} (420 MB, downloaded first)"))
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "Base: choose one" in drawn(pilot))
        assert hub.requests == []
        base.query_one(Select).value = BASE
        await pilot.pause()
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "downloading" in drawn(pilot) and "kB of" in drawn(pilot))
        stalled.set()
        await until(pilot, lambda: train.entry is not None and train.entry.state == "finished")
        await until(pilot, lambda: app_of(pilot).catalog.base == NAME)
        train.form_values["train"].clear()
        base = await open_form(pilot)
        assert base.spec.choices == ((NAME, NAME),)
        await pilot.press("escape")
        train.form_values["train"].clear()
        Settings.save(app_of(pilot).paths, base="someone/gpt2-small")
        base = await open_form(pilot)
        assert base.text == "someone/gpt2-small"
        assert base.spec.choices[1] == ("someone/gpt2-small", "someone/gpt2-small (downloaded first)")

    play(scene)
