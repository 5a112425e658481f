"""Hostile texts on every screen: shown as text, never as markup or terminal sequences."""

from __future__ import annotations

from pathlib import Path

import pytest
import tomlkit
from hostile import LABELS, SOME, TEXTS, fill, shown, write_labelled
from hostile_stage import go, loaded, look, play, press
from stage import app_of, drawn, message_line, until
from textual import events
from textual.pilot import Pilot

from weibo_tui.app.dialogs import ChoiceDialog, InputDialog
from weibo_tui.app.evaluation.evaluation_job import Evaluation
from weibo_tui.app.models.import_export import JobRequest
from weibo_tui.app.models.screen import ModelsScreen
from weibo_tui.app.predict.job_card import LabelingCard
from weibo_tui.app.predict.screen import PredictScreen
from weibo_tui.app.services.jobs import Job
from weibo_tui.errors import UserInputError
from weibo_tui.workbench import EvaluationConfig, LabelingConfig

NARROW, WIDE = (60, 20), (120, 30)
each_size = pytest.mark.parametrize(
    "size", [pytest.param(NARROW, id="narrow"), pytest.param(WIDE, id="wide", marks=pytest.mark.slow)]
)


@pytest.fixture
def hostile(furnished: Path) -> Path:
    fill(furnished)
    return furnished


def test_cards_and_prompt_show_hostile_posts(hostile: Path) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        await loaded(pilot)
        seen = await look(pilot)
        for _post in range(len(TEXTS) + len(SOME)):
            await press(pilot, "up")
            seen += await look(pilot)
        await press(pilot, "escape")
        for _card in range(len(TEXTS) + 2 * len(SOME)):
            await press(pilot, "space")
            seen += await look(pilot)
            await press(pilot, "space", "up")
        for name, text in TEXTS.items():
            assert shown(text) in seen, name

    play(scene, NARROW)


def test_pasted_hostile_posts_are_shown(hostile: Path) -> None:
    (hostile / "settings.toml").write_text('adapter = "hostile"\n', "utf-8")

    async def scene(pilot: Pilot[None]) -> None:
        await loaded(pilot)
        assert "[/哈哈]" in await look(pilot)  # its labels stand above the prompt
        for name, text in TEXTS.items():
            pilot.app.post_message(events.Paste(text[:2000]))
            await pilot.pause()
            await look(pilot)
            if app_of(pilot).screen.is_modal:  # of several lines it asks what they are
                await press(pilot, "enter")
                await until(pilot, lambda: not app_of(pilot).screen.is_modal)
                await look(pilot)
            await press(pilot, "enter")
            await pilot.pause()
            assert shown(text) in await look(pilot), name
            await press(pilot, "ctrl+u")

    play(scene, WIDE)


@each_size
def test_history_shows_hostile_entries(size: tuple[int, int], hostile: Path) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        await go(pilot, "f4", "history")
        seen = await look(pilot)
        for entry in range(len(TEXTS) + 2 * len(SOME)):
            if size == NARROW:
                await press(pilot, "enter")
                seen += await look(pilot)
                await press(pilot, "escape")
            elif entry < 2 * len(SOME):
                await press(pilot, "d")
                await until(pilot, lambda: app_of(pilot).screen.is_modal)
                await look(pilot)
                await press(pilot, "escape")
            await press(pilot, "down")
            seen += await look(pilot)
        for name, text in TEXTS.items():
            assert shown(text) in seen, name

    play(scene, size)


def test_history_dialogs_show_hostile_texts(hostile: Path) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        await go(pilot, "f4", "history")
        await press(pilot, "end", "l")
        await until(pilot, lambda: app_of(pilot).screen.is_modal)
        assert "[doge]" in await look(pilot)
        await press(pilot, "escape", "f")
        await until(pilot, lambda: app_of(pilot).screen.is_modal)
        for _field in range(4):
            await press(pilot, "enter")
            await look(pilot)
            await press(pilot, "down", "enter", "tab")
        await look(pilot)
        await press(pilot, "escape", "slash")
        for text in TEXTS.values():
            pilot.app.post_message(events.Paste(text[:2000]))
            await pilot.pause()
            await look(pilot)
            await press(pilot, "escape")

    play(scene, WIDE)


@each_size
def test_runs_show_hostile_texts(size: tuple[int, int], hostile: Path) -> None:
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
        await pilot.pause()

    play(scene, size)


@each_size
def test_training_form_shows_hostile_files(size: tuple[int, int], hostile: Path, tmp_path: Path) -> None:
    folder = tmp_path / "[b]data"
    write_labelled(folder, "[b]x[@click=app.quit]帖.csv")
    write_labelled(folder, "\x1b[31m\u202e.csv")

    async def scene(pilot: Pilot[None]) -> None:
        await go(pilot, "f3", "train")
        await press(pilot, "n")
        await pilot.pause()
        pilot.app.post_message(events.Paste(f"{folder}/"))
        await pilot.pause()
        await press(pilot, "down")
        await until(pilot, lambda: "[b]x[@click=app.quit]帖.csv" in drawn(pilot))
        await look(pilot)
        await press(pilot, "down", "enter")
        await until(pilot, lambda: "What is in the files" not in drawn(pilot) or shown(LABELS[0]) in drawn(pilot))
        for _field in range(8):
            await press(pilot, "tab")
            await look(pilot)

    play(scene, size)


@each_size
def test_models_show_hostile_cards(size: tuple[int, int], hostile: Path) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        await go(pilot, "f5", "models")
        seen = await look(pilot)
        for _entry in range(5):
            await press(pilot, "enter")
            await pilot.pause()
            for _page in range(4):
                seen += await look(pilot)
                await press(pilot, "pagedown")
            await press(pilot, "escape" if size == NARROW else "shift+tab", "d")
            await pilot.pause()
            await look(pilot)
            await press(pilot, "escape", "down")
        assert shown(LABELS[0]) in seen
        assert "␛[31m乐" in seen

    play(scene, size)


@each_size
def test_evaluation_shows_hostile_labels_and_posts(size: tuple[int, int], hostile: Path, tmp_path: Path) -> None:
    path = write_labelled(tmp_path, "[b]\x1b[31m\u202e[@click=app.quit]帖.csv")

    async def scene(pilot: Pilot[None]) -> None:
        await go(pilot, "f5", "models")
        models = app_of(pilot).main_screens["models"]
        assert isinstance(models, ModelsScreen)
        plan = EvaluationConfig((path,), "hostile")
        job = Job("evaluate", "hostile", lambda wb: wb.iter_evaluate(plan), models, adapter="hostile")
        evaluation, session = Evaluation(plan, job), app_of(pilot).evaluations
        session.items.append(evaluation)
        models._start(JobRequest(job))
        session.open(evaluation)
        await until(pilot, lambda: job.outcome)
        assert job.outcome == "done", evaluation.problem
        await pilot.pause()
        seen = await look(pilot)
        for key in ("down", "right", "enter", "down", "enter", "escape", "escape", "escape"):
            await press(pilot, key)
            await pilot.pause()
            seen += await look(pilot)
        assert shown(LABELS[0]) in seen

    play(scene, size)


@each_size
def test_labeling_card_shows_a_hostile_path(size: tuple[int, int], hostile: Path, tmp_path: Path) -> None:
    path = write_labelled(tmp_path, "[b]\x1b[31m\u202e[@click=app.quit]帖.csv")

    async def scene(pilot: Pilot[None]) -> None:
        await loaded(pilot)
        place = app_of(pilot).main_screens["predict"]
        assert isinstance(place, PredictScreen)
        card = LabelingCard(LabelingConfig(path, path.with_suffix(".out.csv"), "hostile"))
        place.prediction_list.append(card)
        await until(pilot, lambda: card.result)
        await pilot.pause()
        assert "␛[31m" in await look(pilot)
        await press(pilot, "escape", "space")
        await look(pilot)

    play(scene, size)


def test_messages_and_dialogs_show_hostile_texts() -> None:
    async def scene(pilot: Pilot[None]) -> None:
        for text in TEXTS.values():
            await _show_everywhere(pilot, text)

    play(scene, (100, 30))


async def _show_everywhere(pilot: Pilot[None], text: str) -> None:
    def refuse(typed: str = "") -> None:
        raise UserInputError(typed + text)

    async def fail() -> None:
        refuse()

    app = app_of(pilot)
    app.run_task(fail())
    await until(pilot, lambda: message_line(pilot))
    await pilot.pause()
    assert shown(text) in await look(pilot)
    job = app.start_job(Job("label", text, lambda _wb: iter([]), app.screen))
    for dialog in (ChoiceDialog(text, [("a", text), ("b", "b")]), InputDialog(text, text, check=refuse)):
        await app.push_screen(dialog)
        await pilot.pause()
        await look(pilot)
        if isinstance(dialog, InputDialog):
            await press(pilot, "enter")
            await look(pilot)
        await press(pilot, "escape")
    await until(pilot, lambda: job not in app.jobs)


@pytest.mark.parametrize("name", [name for name in SOME if name != "surrogate"])  # TOML knows none
def test_settings_with_hostile_names_are_shown(name: str, furnished: Path) -> None:
    settings = furnished / "settings.toml"
    settings.write_text(tomlkit.dumps(dict.fromkeys(("adapter", "base", "theme"), TEXTS[name])), "utf-8")

    async def scene(pilot: Pilot[None]) -> None:
        await loaded(pilot)
        await look(pilot)
        for field in ("adapter", "base"):
            settings.write_text(tomlkit.dumps({field: TEXTS[name]}), "utf-8")
            await app_of(pilot).refresh_catalog()
            await pilot.pause()
            await look(pilot)

    play(scene, (100, 30))
