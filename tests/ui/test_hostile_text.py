"""Hostile texts on every screen: shown as text, never as markup or terminal sequences."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import tomlkit
from hostile import LABELS, SOME, TEXTS, fill, shown, write_labelled
from hostile_stage import go, loaded, look, paste, play, send_pasted
from stage import app_of, drawn, message_line, press, until
from textual.pilot import Pilot

from weibo_tui import EvaluationConfig, LabelingConfig
from weibo_tui.app.dialogs import ChoiceDialog, InputDialog
from weibo_tui.app.evaluation.screen import Evaluation
from weibo_tui.app.models.actions import JobRequest
from weibo_tui.app.models.screen import ModelsScreen
from weibo_tui.app.predict.job_card import LabelingCard
from weibo_tui.app.predict.screen import PredictScreen
from weibo_tui.app.services.jobs import Job
from weibo_tui.errors import UserInputError

NARROW, WIDE = (60, 20), (120, 30)
each_size = pytest.mark.parametrize(
    "size", [pytest.param(NARROW, id="narrow"), pytest.param(WIDE, id="wide", marks=pytest.mark.slow)]
)


@pytest.fixture(scope="module")
def filled(stocked: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a home full of hostile texts, for reading only."""
    folder = tmp_path_factory.mktemp("filled") / "home"
    shutil.copytree(stocked, folder)
    fill(folder)
    return folder


@pytest.fixture
def hostile(home: Path, filled: Path) -> Path:
    return shutil.copytree(filled, home, dirs_exist_ok=True)


def test_cards_and_prompt_show_hostile_posts(hostile: Path) -> None:
    (hostile / "settings.toml").write_text('adapter = "hostile"\n', "utf-8")

    async def scene(pilot: Pilot[None]) -> None:
        await loaded(pilot)
        assert "[/哈哈]" in await look(pilot)  # its labels stand above the prompt
        for _post in SOME:
            await press(pilot, "up")
            await look(pilot)
        for name, text in TEXTS.items():
            await press(pilot, "ctrl+u")
            await send_pasted(pilot, text[:2000])
            assert shown(text) in await look(pilot), name
        await pilot.resize_terminal(*NARROW)
        await press(pilot, "escape", "g")  # the cards of the history
        seen = ""
        for _card in range(len(TEXTS) + 2 * len(SOME)):
            await press(pilot, "space")
            seen += await look(pilot)
            await press(pilot, "space", "down")
        for name, text in TEXTS.items():
            assert shown(text) in seen, name

    play(scene, WIDE)


def test_history_shows_hostile_entries(hostile: Path) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        await go(pilot, "f4", "history")
        seen = await look(pilot)
        for entry in range(len(TEXTS) + 2 * len(SOME)):
            if entry < 2 * len(SOME):
                await press(pilot, "c")
                assert "Copied" in message_line(pilot)
            await press(pilot, "down")
            seen += await look(pilot)
        for name, text in TEXTS.items():
            assert shown(text) in seen, name
        await press(pilot, "l")
        await until(pilot, lambda: app_of(pilot).screen.is_modal)
        assert "[doge]" in await look(pilot)

        await pilot.resize_terminal(*NARROW)
        await press(pilot, "escape", "g")
        for entry in range(2 * len(SOME)):
            await press(pilot, "i" if entry < 2 else "d")
            await until(pilot, lambda: app_of(pilot).screen.is_modal)
            await look(pilot)
            await press(pilot, "escape", "down")
        await press(pilot, "f")
        await until(pilot, lambda: app_of(pilot).screen.is_modal)
        for _field in range(4):
            await press(pilot, "enter")
            await look(pilot)
            await press(pilot, "down", "enter", "tab")
        await look(pilot)
        await press(pilot, "escape", "slash")
        for name in SOME:
            await paste(pilot, TEXTS[name][:2000])
            await look(pilot)
            await press(pilot, "escape")

        await go(pilot, "f7", "files")
        for _entry in SOME:
            await look(pilot)
            await press(pilot, "enter")
            await until(pilot, lambda: "File not found" in message_line(pilot))
            await press(pilot, "down")

    play(scene, WIDE)


@each_size
def test_train_screen_shows_hostile_texts(size: tuple[int, int], hostile: Path, tmp_path: Path) -> None:
    folder = tmp_path / "[b]data"
    write_labelled(folder, "[b]x[@click=app.quit]帖.csv")
    write_labelled(folder, "\x1b[31m\u202e.csv")

    async def scene(pilot: Pilot[None]) -> None:
        await go(pilot, "f3", "train")
        await until(pilot, lambda: shown(list(TEXTS.values())[-1]) in drawn(pilot))
        seen = await look(pilot)
        for _run in TEXTS:
            await press(pilot, "o", "down")
            seen += await look(pilot)
        for name, text in TEXTS.items():
            assert shown(text) in seen, name
        await press(pilot, "d")
        await until(pilot, lambda: "Delete" in drawn(pilot) and app_of(pilot).screen.is_modal)
        await look(pilot)
        await press(pilot, "escape", "z")

        await press(pilot, "n")  # the form of a training
        await paste(pilot, f"{folder}/")
        await press(pilot, "down")
        await until(pilot, lambda: "[b]x[@click=app.quit]帖.csv" in drawn(pilot))
        await look(pilot)
        await press(pilot, "down", "enter")
        await until(pilot, lambda: "Contents" not in drawn(pilot) or shown(LABELS[0]) in drawn(pilot))
        for _field in range(8):
            await press(pilot, "tab")
            await look(pilot)

    play(scene, size)


@each_size
def test_models_and_jobs_show_hostile_texts(size: tuple[int, int], hostile: Path, tmp_path: Path) -> None:
    path = write_labelled(tmp_path, "[b]\x1b[31m\u202e[@click=app.quit]帖.csv")
    plan = EvaluationConfig((path,), "hostile")

    async def scene(pilot: Pilot[None]) -> None:
        app = app_of(pilot)
        await loaded(pilot)
        predict = app.main_screens["predict"]
        assert isinstance(predict, PredictScreen)
        card = LabelingCard(LabelingConfig(path, path.with_suffix(".out.csv"), "hostile"))
        predict.prediction_list.append(card)
        await until(pilot, lambda: card.result)
        assert "␛[31m" in await look(pilot)
        await press(pilot, "escape", "space")
        await look(pilot)

        await go(pilot, "f5", "models")
        seen = await look(pilot)
        for _entry in range(5):
            await press(pilot, "enter")
            for _page in range(4):
                seen += await look(pilot)
                await press(pilot, "pagedown")
            await press(pilot, "escape" if size == NARROW else "shift+tab", "d")
            await look(pilot)
            await press(pilot, "escape", "down")
        assert shown(LABELS[0]) in seen
        assert "␛[31m乐" in seen

        models = app.main_screens["models"]
        assert isinstance(models, ModelsScreen)
        job = Job("evaluate", "hostile", lambda wb: wb.iter_evaluate(plan), models, adapter="hostile")
        evaluation = Evaluation(plan, job)
        app.evaluations.items.append(evaluation)
        models._start(JobRequest(job))
        app.evaluations.open(evaluation)
        await until(pilot, lambda: not app.jobs)
        assert job.outcome == "done", evaluation.problem
        seen = await look(pilot)
        for key in ("down", "right", "enter", "down", "enter", "escape", "escape", "escape"):
            await press(pilot, key)
            seen += await look(pilot)
        assert shown(LABELS[0]) in seen

    play(scene, size)


def test_messages_and_dialogs_show_hostile_texts() -> None:
    def refuse(text: str = "") -> None:
        raise UserInputError(text)

    async def fail(text: str) -> None:
        refuse(text)

    async def scene(pilot: Pilot[None]) -> None:
        app = app_of(pilot)
        for text in TEXTS.values():
            job = app.start_job(Job("label", text, lambda _wb: iter([]), app.screen))
            app.run_task(fail(text))
            await until(pilot, lambda: shown(text) in message_line(pilot))  # noqa: B023
            assert shown(text) in await look(pilot)
            await until(pilot, lambda: job not in app.jobs)  # noqa: B023
        for name in SOME:
            text = TEXTS[name]
            await app.push_screen(ChoiceDialog(text, [(text, text) for text in TEXTS.values()]))
            await look(pilot)
            await press(pilot, "escape")
            await app.push_screen(InputDialog(text, text, check=refuse))
            await look(pilot)
            await press(pilot, "enter")
            await look(pilot)
            await press(pilot, "escape")
        await app.push_screen(ChoiceDialog("", [(text, text) for text in TEXTS.values()]))
        for _text in TEXTS:
            await press(pilot, "down")
            await look(pilot)

    play(scene, (100, 30))


def test_settings_with_hostile_names_are_shown(furnished: Path) -> None:
    settings = furnished / "settings.toml"
    first, *others = (TEXTS[name] for name in SOME if name != "surrogate")  # TOML knows none
    settings.write_text(tomlkit.dumps(dict.fromkeys(("adapter", "base", "theme"), first)), "utf-8")

    async def scene(pilot: Pilot[None]) -> None:
        await loaded(pilot)
        await look(pilot)
        for text in others:
            for field in ("adapter", "base"):
                settings.write_text(tomlkit.dumps({field: text}), "utf-8")
                await app_of(pilot).refresh_catalog()
                await pilot.pause()
                await look(pilot)

    play(scene, (100, 30))
