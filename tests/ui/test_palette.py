"""The command palette: it finds every action of every main screen, and runs it there."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest
from stage import app_of, drawn, message_line, play, press, until
from textual.pilot import Pilot
from textual.widgets import Input

from weibo_tui import Workbench
from weibo_tui.app.commands import commands
from weibo_tui.app.history.filter_dialog import FilterDialog
from weibo_tui.app.keymap import KEYS, SCREEN_GROUPS
from weibo_tui.app.models.model_list import ModelList
from weibo_tui.app.palette import Palette
from weibo_tui.app.settings.screen import SettingsScreen
from weibo_tui.app.train.training_form import TrainingForm
from weibo_tui.locale import gettext as _
from weibo_tui.locale import use
from weibo_tui.settings import LANGUAGES, Settings


async def open_palette(pilot: Pilot[None], query: str = "") -> Palette:
    app = app_of(pilot)
    await press(pilot, "ctrl+p")
    await until(pilot, lambda: isinstance(app.screen, Palette))
    palette = app.screen
    assert isinstance(palette, Palette)
    if query:
        palette.query_one(Input).value = query
        await until(pilot, lambda: palette.query_one(Input).value == query)
    return palette


async def choose(pilot: Pilot[None], query: str) -> None:
    """Run the first command that matches."""
    await open_palette(pilot, query)
    await press(pilot, "enter")
    await until(pilot, lambda: not isinstance(app_of(pilot).screen, Palette))


def titles(palette: Palette) -> list[str]:
    return [command.title for command in palette._matches]


def title(screen: str, action: str) -> str:
    return _("{place}: {action}").format(place=_(screen), action=_(action))


async def check_order(pilot: Pilot[None]) -> None:
    """Every action of every main screen is listed once, first those of the pane with the focus."""
    app = app_of(pilot)
    listed = [command.title for command in commands(app)]
    actions = [key for groups in SCREEN_GROUPS.values() for group in groups for key in KEYS[group]]
    others = len(KEYS["app"]) - 1 + len(fields(Settings)) + len(LANGUAGES) + len(app.available_themes)
    assert len(listed) == len(set(listed)) == len(actions) + others
    assert listed[0] == title("Predict", "Send")
    await press(pilot, "f3")
    await until(pilot, lambda: app.current_mode == "train")
    assert next(commands(app)).title == title("Train", "New")


async def check_search(pilot: Pilot[None]) -> None:
    """Commands are found by their English and Chinese names, by parts and by letters in order."""
    palette = await open_palette(pilot)
    for query in ("pretrain", "train a base", "PRETR base", "ptrnbs", "预训练", "训练基座"):
        palette.query_one(Input).value = query
        await pilot.pause()
        assert {title("Train", "Pretrain a base"), title("Models", "Pretrain a base")} <= set(titles(palette)), query
    palette.query_one(Input).value = "export journal"
    await until(pilot, lambda: titles(palette) == [title("Train", "Export the journal")])
    (line,) = [line for line in drawn(pilot).splitlines() if title("Train", "Export the journal") in line]
    assert line.split()[-2] == "e"  # the key is at the right
    palette.query_one(Input).value = "zzz"
    await until(pilot, lambda: _("No match") in drawn(pilot))
    await press(pilot, "down", "enter")
    assert app_of(pilot).screen is palette


@pytest.mark.parametrize(("size", "language"), [((80, 24), "en"), ((60, 20), "zh_CN")])
def test_palette_finds_every_action_by_both_names(size: tuple[int, int], language: str, furnished: Path) -> None:
    use(language)

    async def scene(pilot: Pilot[None]) -> None:
        await check_order(pilot)
        await check_search(pilot)

    play(scene, size)


def test_palette_goes_to_screen_and_runs_action(furnished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Workbench(furnished) as wb:
        list(wb.iter_predict(["今天很好", "今天不好"], record=True))

    async def scene(pilot: Pilot[None]) -> None:
        app = app_of(pilot)
        monkeypatch.setattr("weibo_tui.app.commands.LOADING_SECONDS", 60.0)  # for a slow machine
        await choose(pilot, "history filter")
        await until(pilot, lambda: isinstance(app.screen, FilterDialog))
        assert app.current_mode == "history"
        await press(pilot, "escape")
        # A pane of another screen gets the focus, and its cursor, first.
        await choose(pilot, "predict copy")
        await until(pilot, lambda: app.current_mode == "predict" and app.clipboard == "今天不好")
        monkeypatch.setattr("weibo_tui.app.commands.LOADING_SECONDS", 0.0)
        await choose(pilot, "models set default")
        await until(pilot, lambda: message_line(pilot).startswith("There is nothing on Models that “Set default”"))
        assert app.current_mode == "models"
        app.screen.query_one(ModelList).focus()
        # What needs a run says so at once on its own screen.
        await choose(pilot, "train stop")
        await until(pilot, lambda: message_line(pilot) == "There is nothing on Train that “Stop” applies to now.")
        await choose(pilot, "light weibo")
        await until(pilot, lambda: app.theme == "weibo-light" and app.settings.theme == "weibo-light")
        await choose(pilot, "settings")
        await until(pilot, lambda: isinstance(app.screen, SettingsScreen))

    play(scene)


def test_palette_in_form_lists_only_what_works_there(furnished: Path) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        app = app_of(pilot)
        await choose(pilot, "train: new")
        await until(pilot, lambda: isinstance(app.screen, TrainingForm))
        palette = await open_palette(pilot)
        assert "Start" in titles(palette)
        assert [title for title in titles(palette) if title.startswith(("Train:", "Language"))] == []
        await press(pilot, "escape")
        # From another screen, the form is not closed.
        await press(pilot, "f2")
        await until(pilot, lambda: app.current_mode == "predict")
        await choose(pilot, "train: new")
        await until(pilot, lambda: message_line(pilot).startswith("Another screen is open on top of Train."))
        assert isinstance(app.screen, TrainingForm)

    play(scene)
