"""The settings screen: each change is saved and works at once."""

from __future__ import annotations

import shutil
import tomllib
from pathlib import Path

import pytest
from stage import app_of, drawn, message_line, play, press, until
from textual.pilot import Pilot
from textual.widgets import Input

from weibo_tui import Workbench
from weibo_tui.app.dialogs import ChoiceDialog, InputDialog
from weibo_tui.app.palette import Palette
from weibo_tui.app.predict.prediction_list import PredictionList
from weibo_tui.app.settings.keys_screen import KeyDialog, KeysScreen
from weibo_tui.app.settings.screen import SettingsScreen
from weibo_tui.app.settings.setting_list import SettingList
from weibo_tui.locale import gettext as _
from weibo_tui.locale import use
from weibo_tui.storage.history import HistoryFilter

SCREENS = {"f3": "train", "f4": "history", "f5": "models", "f7": "files", "f2": "predict"}
SIZES = ((60, 20), (120, 36))


def stored(home: Path) -> dict[str, object]:
    return tomllib.loads((home / "settings.toml").read_text("utf-8"))


async def open_settings(pilot: Pilot[None]) -> SettingList:
    await press(pilot, "f6")
    await until(pilot, lambda: isinstance(app_of(pilot).screen, SettingsScreen))
    return app_of(pilot).screen.query_one(SettingList)


async def change(pilot: Pilot[None], name: str, *keys: str, text: str = "") -> None:
    """Change a setting by keys in its list of choices, or by a text."""
    app = app_of(pilot)
    settings = app.screen.query_one(SettingList)
    settings.highlighted = settings.get_option_index(name)
    await press(pilot, "enter")
    await until(pilot, lambda: isinstance(app.screen, ChoiceDialog | InputDialog | KeyDialog))
    if text:
        app.screen.query_one(Input).value = text
    await press(pilot, *keys)


def value(pilot: Pilot[None], label: str) -> str:
    """Return what the row of a setting shows after its label, or an empty string."""
    lines = (line.strip() for line in drawn(pilot).splitlines())
    return next((line.removeprefix(label).strip() for line in lines if line.startswith(f"{label} ")), "")


async def check_screens(pilot: Pilot[None], expected: dict[object, str]) -> None:
    """Wait until each main screen shows the expected text in each size. Texts that are missing are added."""
    for size in SIZES:
        await pilot.resize_terminal(*size)
        for key, name in SCREENS.items():
            await press(pilot, key)
            await until(pilot, lambda name=name: app_of(pilot).current_mode == name)  # type: ignore[misc]
            text = expected.setdefault((size, name), drawn(pilot))
            await until(pilot, lambda text=text: drawn(pilot) == text)  # type: ignore[misc]


def test_language_changes_all_screens_at_once(furnished: Path) -> None:
    with Workbench(furnished) as wb:
        list(wb.iter_predict(["今天很好", "今天不好"], record=True))
    english: dict[object, str] = {}
    chinese: dict[object, str] = {}

    async def start(pilot: Pilot[None]) -> None:
        await until(pilot, lambda: app_of(pilot).device)
        await check_screens(pilot, {})  # loads what they show
        await check_screens(pilot, chinese)

    async def switch(pilot: Pilot[None]) -> None:
        await until(pilot, lambda: app_of(pilot).device)
        await check_screens(pilot, {})
        await check_screens(pilot, english)
        await open_settings(pilot)
        await change(pilot, "language", "end", "enter")
        await until(pilot, lambda: value(pilot, "语言") == "中文")
        await press(pilot, "escape")
        await check_screens(pilot, chinese)
        # Back again, from the palette.
        await press(pilot, "ctrl+p", *"language: english", "enter")
        await check_screens(pilot, english)

    use("zh_CN")
    play(start)
    use("en")
    play(switch)
    assert all("历史" in text and "历史" not in english[key] for key, text in chinese.items())


def test_threshold_changes_cards_and_history_at_once(furnished: Path) -> None:
    with Workbench(furnished) as wb:
        list(wb.iter_predict(["今天很好"], record=True))

    async def scene(pilot: Pilot[None]) -> None:
        app = app_of(pilot)
        await until(pilot, lambda: app.device)
        await open_settings(pilot)
        await change(pilot, "history", "end", "enter")
        await until(pilot, lambda: value(pilot, "History") == "Off")
        await press(pilot, "escape", *"nice", "enter")
        cards = app.main_screens["predict"].query_one(PredictionList)
        await until(pilot, lambda: len(cards.cards) == 2 and not cards.cards[1].busy)
        assert "uncertain" not in drawn(pilot)
        await press(pilot, "f4", "f6")
        await until(pilot, lambda: isinstance(app.screen, SettingsScreen))
        await change(pilot, "uncertain_below", "enter", text="150%")
        await until(pilot, lambda: "Enter a number from 0 to 1." in drawn(pilot))
        app.screen.query_one(Input).value = "100%"
        await press(pilot, "enter")
        await until(pilot, lambda: value(pilot, "Confidence threshold") == "100%")
        await press(pilot, "escape")
        await until(pilot, lambda: app.current_mode == "history" and "? " in drawn(pilot))
        await press(pilot, "f2")
        await until(pilot, lambda: drawn(pilot).count("uncertain") == 2)  # also the one that is not in the history

    play(scene)
    assert stored(furnished)["uncertain_below"] == 1.0
    with Workbench(furnished) as wb:
        assert [wb.history.count(HistoryFilter(uncertain=uncertain)) for uncertain in (True, False)] == [1, 0]


async def check_choices(pilot: Pilot[None], home: Path) -> None:
    """The theme is previewed; models, device and threads are chosen from what exists."""
    app = app_of(pilot)
    await open_settings(pilot)
    assert value(pilot, "Default base") == "tiny"
    await change(pilot, "theme", "home")
    first = sorted(app.available_themes)[0]
    await until(pilot, lambda: app.theme == first)
    await press(pilot, "escape")
    await until(pilot, lambda: app.theme == "weibo-dark")
    await change(pilot, "theme", "home", "enter")
    await until(pilot, lambda: value(pilot, "Theme") == first)
    await press(pilot, "r")
    await until(pilot, lambda: value(pilot, "Theme") == app.theme == "weibo-dark")
    await press(pilot, "ctrl+t")
    await until(pilot, lambda: value(pilot, "Theme") == app.theme == "weibo-light")
    await change(pilot, "adapter", "end", "enter")
    await until(pilot, lambda: app.catalog.adapter == "second")
    await change(pilot, "device", "down", "enter")
    await until(pilot, lambda: message_line(pilot) == "Device not found: cuda. This machine has cpu.")
    assert value(pilot, "Device") == "Automatic (cpu)"
    await change(pilot, "threads", "enter", text="1")
    await until(pilot, lambda: message_line(pilot).startswith("The next prediction or job loads the model again"))
    await change(pilot, "dtype", "home", "down", "enter")
    await until(pilot, lambda: app.device == "cpu float32")
    assert stored(home)["adapter"] == "second"
    assert stored(home)["threads"] == 1


async def check_environment(pilot: Pilot[None], home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A value from the environment is shown as such, and a settings file that cannot be written is an error."""
    app = app_of(pilot)
    monkeypatch.setenv("WEIBO_TUI_THREADS", "2")
    await change(pilot, "history", "end", "enter")
    await until(pilot, lambda: value(pilot, "CPU threads").split() == ["2", "WEIBO_TUI_THREADS"])
    await change(pilot, "threads", "enter", text="3")
    await until(pilot, lambda: message_line(pilot).startswith("Saved, but WEIBO_TUI_THREADS overrides it."))
    assert (app.settings.threads, stored(home)["threads"]) == (2, 3)
    for file in home.glob("settings.toml.lock"):
        file.unlink()
    (home / "settings.toml.lock").mkdir()  # no user can write to it
    await change(pilot, "history", "home", "enter")
    await until(pilot, lambda: "settings.toml" in message_line(pilot))
    assert value(pilot, "History") == "Off"


def test_settings_are_applied_or_say_why_not(furnished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(furnished / "adapters" / "mood", furnished / "adapters" / "second")

    async def scene(pilot: Pilot[None]) -> None:
        await until(pilot, lambda: app_of(pilot).device)
        await check_choices(pilot, furnished)
        await check_environment(pilot, furnished, monkeypatch)

    play(scene, (80, 24))


@pytest.mark.parametrize(("size", "language"), [((80, 24), "en"), ((60, 20), "zh_CN")])
def test_keys_are_changed_by_pressing_them(size: tuple[int, int], language: str, home: Path) -> None:
    use(language)
    (home / "settings.toml").write_text(f'language = "{language}"\n[keys]\n"cards.copy" = "Y" # mine\n', "utf-8")

    async def scene(pilot: Pilot[None]) -> None:
        app = app_of(pilot)
        settings = await open_settings(pilot)
        settings.highlighted = settings.get_option_index("keys")
        await press(pilot, "enter")
        await until(pilot, lambda: isinstance(app.screen, KeysScreen))
        await change(pilot, "app.train", "f8")
        default = _("default: {keys}").format(keys="F3, Alt+2")
        await until(pilot, lambda: value(pilot, _("Train")).startswith(f"F8  {default}"))
        await change(pilot, "history.filter", "up")
        await until(pilot, lambda: f"“{_('Row up')}”" in message_line(pilot))
        await change(pilot, "history.filter", "escape")
        assert app.keymap == {"cards.copy": "Y", "app.train": "f8"}
        await press(pilot, "escape", "escape")
        await until(pilot, lambda: f"F8 {_('Train')}" in drawn(pilot).splitlines()[0])
        await press(pilot, "f3")
        assert app.current_mode == "predict"
        await press(pilot, "f8")
        await until(pilot, lambda: app.current_mode == "train")
        await press(pilot, "ctrl+p")
        await until(pilot, lambda: isinstance(app.screen, Palette))
        app.screen.query_one(Input).value = _("Keys")
        await press(pilot, "enter")
        await until(pilot, lambda: isinstance(app.screen, KeysScreen))
        await press(pilot, "end", "home", "down", "down", "r")
        await until(pilot, lambda: app.keymap == {"cards.copy": "Y"})

    play(scene, size)
    assert '"cards.copy" = "Y" # mine' in (home / "settings.toml").read_text("utf-8")
