"""Base models from the Hub and from the legacy project: offered, downloaded or imported in the background."""

from __future__ import annotations

import re
import shutil
import threading
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import made_up
import models
import pytest
from hub import Hub, cut, garbled, slow
from originals import write_original
from pane import Pane
from stage import app_of, drawn, message_line, play, see, until
from terminal import Terminal
from textual.pilot import Pilot
from textual.widgets import Input, OptionList

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
from weibo_tui.workbench import Workbench
from weibo_tui.workbench.downloads import BASE

NAME = BASE.rpartition("/")[2]
POST = "今天的面真好吃[哈哈]"


@pytest.fixture
def model(hub: Hub, tmp_path: Path) -> dict[str, bytes]:
    """The files of a small model, which the Hub has under the name of uer's."""
    folder = models.write_folder(tmp_path / "there", models.reference(n_embd=128))
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    hub.repositories[f"models/{BASE}"] = files
    return files


@pytest.fixture
def stalled(hub: Hub, model: dict[str, bytes]) -> Iterator[threading.Event]:
    """The Hub sends half of the weights, and the rest once this is set."""
    gate = threading.Event()
    hub.faults = deque([slow(gate, after=max(map(len, model.values())) // 2)])
    yield gate
    gate.set()


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of the legacy project, as the working folder."""
    folder = tmp_path / "project"
    write_original(folder)
    (folder / "dataset").mkdir()
    made_up.write_posts(folder / "dataset" / "weibo_senti_100k.csv", 40, seed=5)
    monkeypatch.chdir(folder)
    return folder


def models_of(pilot: Pilot[None]) -> ModelsScreen:
    screen = app_of(pilot).main_screens["models"]
    assert isinstance(screen, ModelsScreen)
    return screen


def bases(pilot: Pilot[None]) -> list[str]:
    return [card.name for card in app_of(pilot).catalog.bases]


def offers(pilot: Pilot[None]) -> list[str]:
    """Return what the welcome screen offers."""
    screen = app_of(pilot).main_screens["predict"]
    assert isinstance(screen, PredictScreen)
    return [str(option.prompt) for option in screen.welcome.query_one(OptionList).options]


async def choose(pilot: Pilot[None], words: str) -> None:
    """Choose an offer of the welcome screen."""
    await until(pilot, lambda: any(words in offer for offer in offers(pilot)))
    at = next(number for number, offer in enumerate(offers(pilot)) if words in offer)
    app_of(pilot).screen.query_one(OptionList).highlighted = at
    await pilot.press("enter")


async def ask(pilot: Pilot[None]) -> None:
    await pilot.press("f5", "g")
    await until(pilot, lambda: isinstance(app_of(pilot).screen, InputDialog))


async def begin(pilot: Pilot[None]) -> None:
    """Start the proposed download. It may be over at once."""
    await ask(pilot)
    await pilot.press("enter")
    await see(pilot, lambda: not isinstance(app_of(pilot).screen, InputDialog))


async def begin_stalled(pilot: Pilot[None]) -> Job:
    """Start a download that stalls."""
    await begin(pilot)
    await see(pilot, lambda: app_of(pilot).jobs)
    return app_of(pilot).jobs[-1]


async def come(pilot: Pilot[None], job: Job) -> int:
    """Wait for some of the weights and return the number of bytes."""

    def done() -> int:
        return job.progress.done if job.progress is not None and job.progress.stage == "fetching" else 0

    await until(pilot, lambda: done() > 100_000)
    return done()


def problem(pilot: Pilot[None]) -> str:
    return str(app_of(pilot).screen.query_one(".problem").render())


# ---- the Hub


def test_download_of_the_first_base_makes_it_the_default(
    home: Path, hub: Hub, model: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    async def scene(pilot: Pilot[None]) -> None:
        await until(pilot, lambda: offers(pilot))
        assert not any("gpt2-chinese" in offer or "Train on" in offer for offer in offers(pilot))
        await choose(pilot, "Fetch uer's Chinese GPT-2 from Hugging Face (420 MB)")
        await until(pilot, lambda: isinstance(app_of(pilot).screen, InputDialog))
        assert app_of(pilot).screen.query_one(Input).value == BASE
        question = str(app_of(pilot).screen.query_one(".question").render())
        assert all(text in question for text in ("420 MB", hub.address, "nothing else is sent"))
        await pilot.press("enter")
        await until(pilot, lambda: bases(pilot) == [NAME])
        await until(pilot, lambda: f"* {NAME}" in drawn(pilot))
        assert models_of(pilot).selected_item.default
        assert f"'{NAME}' is here." in message_line(pilot)
        assert not app_of(pilot).screen.query_one(JobLine).display
        await ask(pilot)
        await pilot.press("enter")
        assert f"It is here already, as '{NAME}'" in problem(pilot)
        app_of(pilot).screen.query_one(Input).value = "../x y"
        await pilot.press("enter")
        assert "is no name of the Hub's" in problem(pilot)
        await pilot.press("escape", "f2")
        await until(pilot, lambda: any("Train an adapter" in offer for offer in offers(pilot)))
        assert not any("Fetch" in offer for offer in offers(pilot))

    play(scene)
    with Workbench(home) as wb:
        assert wb.settings.base == ""


def test_download_progress_is_shown_in_bytes(home: Path, hub: Hub, stalled: threading.Event) -> None:
    hub.faults.appendleft(
        cut(CHUNK_SIZE)
    )  # it continues after that, so that there are two times to compute a rate from

    async def scene(pilot: Pilot[None]) -> None:
        job = await begin_stalled(pilot)
        for size in ((60, 20), (100, 30)):
            await pilot.resize_terminal(*size)
            await until(pilot, lambda: "B/s" in drawn(pilot))
            assert "B of" in drawn(pilot)
            assert re.search(r"\d:\d\d left", drawn(pilot))
            assert f"fetch {BASE}  fetching" in drawn(pilot)
            assert " %" in drawn(pilot).splitlines()[-2]
        assert job.state == "working"
        await pilot.press("s")
        await until(pilot, lambda: not app_of(pilot).jobs)

    play(scene)


def test_download_stopped_resumes_where_it_was(home: Path, hub: Hub, stalled: threading.Event) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        await come(pilot, await begin_stalled(pilot))
        await ask(pilot)
        await pilot.press("enter")
        assert "It is being fetched already" in problem(pilot)
        await pilot.press("escape", "s")
        await until(pilot, lambda: "is kept: the next fetch goes on there" in message_line(pilot))
        assert bases(pilot) == []
        await begin(pilot)
        await until(pilot, lambda: bases(pilot) == [NAME])

    play(scene)
    assert hub.ranges[-1] > 0


def test_download_failure_is_explained_and_can_be_repeated(furnished: Path, hub: Hub, model: dict[str, bytes]) -> None:
    (furnished / "bases" / "tiny").rename(furnished / "bases" / NAME)
    card = furnished / "bases" / NAME / "card.json"
    card.write_text(card.read_text("utf-8").replace('"tiny"', f'"{NAME}"', 1), "utf-8")

    async def scene(pilot: Pilot[None]) -> None:
        await until(pilot, lambda: bases(pilot) == [NAME])
        hub.faults = deque([garbled])
        await begin(pilot)
        await until(pilot, lambda: "was thrown away: try again" in message_line(pilot))
        assert bases(pilot) == [NAME]
        await begin(pilot)
        await until(pilot, lambda: bases(pilot) == [NAME, f"{NAME}-2"])

    play(scene)


def test_download_does_not_block_predictions_and_history(furnished: Path, stalled: threading.Event) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        job = await begin_stalled(pilot)
        before = await come(pilot, job)
        await pilot.press("f2")
        pane = Pane(pilot)
        await pane.send(POST)
        await pane.wait_predicted(1)
        await pilot.press("f4")
        await until(pilot, lambda: "今天的面" in drawn(pilot))
        assert job.state == "working"
        assert job.progress is not None
        assert job.progress.done == before
        job.stop()
        app_of(pilot).wake_workers()
        await until(pilot, lambda: not app_of(pilot).jobs)

    play(scene)


def test_quit_during_a_silent_download_keeps_its_part(home: Path, stalled: threading.Event) -> None:
    with Terminal() as terminal:
        terminal.wait_for("Fetch uer")
        terminal.press("enter")
        terminal.wait_for("Which GPT-2")
        terminal.press("enter")
        terminal.wait_for("kB of")
        terminal.press("ctrl+q")
        terminal.wait_for("What has come of a base is kept")
        assert f"At work: {BASE}" in terminal.text
        terminal.press("down", "enter")
        assert terminal.wait_for_end() == 0
        assert terminal.in_order
    assert not stalled.is_set()
    assert list((home / "downloads").rglob("*.part"))


# ---- welcome screen


def test_welcome_imports_the_legacy_base_and_adapter(home: Path, project: Path) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        await choose(pilot, "Take in the base in models/gpt2-chinese")
        await until(pilot, lambda: bases(pilot) == ["gpt2-chinese"])
        await pilot.press("f2")
        await until(pilot, lambda: offers(pilot)[0] == "Take in the adapter in best_weibo_sentiment_model.pth")
        assert not any("Take in the base" in offer for offer in offers(pilot))
        await choose(pilot, "Take in the adapter")
        await until(pilot, lambda: app_of(pilot).catalog.adapters)
        assert app_of(pilot).catalog.adapter == "best_weibo_sentiment_model"
        await pilot.press("f2")
        pane = Pane(pilot)
        await pane.send(POST)
        await pane.wait_predicted(1)

    play(scene)


def test_welcome_trains_on_the_legacy_posts(home: Path, project: Path) -> None:
    with Workbench(home) as wb:
        models.add_base(wb, project / "from")

    async def scene(pilot: Pilot[None]) -> None:
        await choose(pilot, "Train on dataset/weibo_senti_100k.csv")
        await until(pilot, lambda: isinstance(app_of(pilot).screen, TrainingForm))
        await until(pilot, lambda: "weibo_senti_100k.csv" in drawn(pilot))
        form = app_of(pilot).screen
        assert isinstance(form, TrainingForm)
        plan = form.plan()
        assert plan.data == (project / "dataset" / "weibo_senti_100k.csv",)
        assert plan.name == "weibo_senti_100k"

    play(scene)


def test_welcome_missing_legacy_file_is_an_error(home: Path, project: Path) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        await until(pilot, lambda: offers(pilot))
        shutil.rmtree(project / "models")
        await choose(pilot, "Take in the base")
        await until(pilot, lambda: "not here any more" in message_line(pilot))

    play(scene)


# ---- training on a base that is downloaded first


def base_choices(form: TrainingForm) -> tuple[tuple[str, str], ...]:
    return form.query_one("#field-base", Field).spec.choices


async def open_form(pilot: Pilot[None]) -> TrainingForm:
    await until(pilot, lambda: app_of(pilot).device)
    await pilot.press("f3", "n")
    await until(pilot, lambda: isinstance(app_of(pilot).screen, TrainingForm))
    form = app_of(pilot).screen
    assert isinstance(form, TrainingForm)
    return form


def test_form_offers_the_hub_base_until_it_is_installed(furnished: Path, model: dict[str, bytes]) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        form = await open_form(pilot)
        assert base_choices(form) == (("tiny", "tiny"), (BASE, f"{BASE} (420 MB, is fetched first)"))
        assert form.query_one("#field-base", Field).text == "tiny"
        await pilot.press("escape")
        await begin(pilot)
        await until(pilot, lambda: len(bases(pilot)) == 2)
        assert [value for value, _words in base_choices(await open_form(pilot))] == [NAME, "tiny"]

    play(scene)


def test_form_proposes_the_base_of_the_settings(furnished: Path, hub: Hub) -> None:
    with Workbench() as wb:
        Settings.save(wb.paths, base="someone/gpt2-small")

    async def scene(pilot: Pilot[None]) -> None:
        form = await open_form(pilot)
        assert form.query_one("#field-base", Field).text == "someone/gpt2-small"
        assert base_choices(form)[1] == ("someone/gpt2-small", "someone/gpt2-small (is fetched first)")

    play(scene)
    assert hub.requests == []


def test_form_without_a_base_downloads_none_by_default(home: Path, few: Path, hub: Hub) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        train = app_of(pilot).main_screens["train"]
        assert isinstance(train, TrainScreen)
        train.form_values["train"]["files"] = [few]
        await open_form(pilot)
        await pilot.press("ctrl+s")
        assert "Base: choose one" in drawn(pilot)

    play(scene)
    assert hub.requests == []


def test_training_on_a_hub_base_shows_its_download(home: Path, few: Path, stalled: threading.Event) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        train = app_of(pilot).main_screens["train"]
        assert isinstance(train, TrainScreen)
        default = {"base": BASE, "epochs": "1", "batch_size": "8", "max_length": "32", "bottleneck": "8"}
        train.form_values["train"] |= {"files": [few], **default}
        await open_form(pilot)
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "fetching" in drawn(pilot) and "kB of" in drawn(pilot))
        stalled.set()
        await until(pilot, lambda: train.entry is not None and train.entry.state == "finished")
        assert app_of(pilot).catalog.base == NAME

    play(scene)
