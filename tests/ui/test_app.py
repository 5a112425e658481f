"""The app around its screens: start, navigation, help, settings, errors and language."""

from __future__ import annotations

import gettext
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import RenderableType
from stage import app_of, drawn, message_line, play, until
from textual._compositor import LayoutUpdate
from textual.pilot import Pilot
from textual.screen import Screen

from weibo_tui import Workbench, locale
from weibo_tui.app.app import WeiboApp
from weibo_tui.app.commands import commands
from weibo_tui.app.help_screen import Help
from weibo_tui.app.keymap import KEYS
from weibo_tui.app.services.jobs import Job
from weibo_tui.app.terminal.textual_private import TextualApp
from weibo_tui.app.widgets.chrome import StatusBar, StatusMessage
from weibo_tui.errors import UserInputError

SCREENS = {"predict": "f2", "train": "f3", "history": "f4", "models": "f5", "files": "f7"}


def write_settings(home: Path, text: str) -> None:
    (home / "settings.toml").write_text(text, encoding="utf-8")


async def open_screen(pilot: Pilot[None], name: str, key: str = "") -> None:
    await pilot.press(key or SCREENS[name])
    await until(pilot, lambda: app_of(pilot).current_mode == name)


async def open_help(pilot: Pilot[None], key: str = "f1") -> Help:
    await pilot.press(key)
    await until(pilot, lambda: isinstance(app_of(pilot).screen, Help))
    screen = app_of(pilot).screen
    assert isinstance(screen, Help)
    return screen


async def close_help(pilot: Pilot[None]) -> None:
    await pilot.press("escape")
    await until(pilot, lambda: not isinstance(app_of(pilot).screen, Help))


# ---- navigation, help and commands


async def check_navigation(pilot: Pilot[None]) -> None:
    assert app_of(pilot).current_mode == "predict"
    assert "no adapter" in drawn(pilot)
    assert message_line(pilot) == ""
    names = list(SCREENS)
    for number, name in enumerate(names, 1):
        await open_screen(pilot, name)
        await open_screen(pilot, names[number % len(names)], f"alt+{number % len(names) + 1}")
    clicks = {key.upper(): name for name, key in reversed(SCREENS.items())}
    for size, titles in (((60, 20), clicks), ((160, 50), ("F3", "F2"))):
        await pilot.resize_terminal(*size)
        await pilot.pause()
        for title in titles:
            name = clicks[title]
            await pilot.click(offset=(drawn(pilot).splitlines()[0].index(title), 0))
            await until(pilot, lambda name=name: app_of(pilot).current_mode == name)  # type: ignore[misc]


async def check_help(pilot: Pilot[None]) -> None:
    """The help lists all keys on a screen, opens once, and closes."""
    for name in list(SCREENS)[:2]:
        await open_screen(pilot, name)
        screen = await open_help(pilot)
        text = "\n".join(str(line) for line in screen._lines())
        assert all(key.name in text for keys in KEYS.values() for key in keys)
        await pilot.press("f1")
        assert len(app_of(pilot).screen_stack) == 2
        await close_help(pilot)


def test_app_keys_clicks_and_help_work() -> None:
    async def scene(pilot: Pilot[None]) -> None:
        await until(pilot, lambda: app_of(pilot).device)
        await check_navigation(pilot)
        await check_help(pilot)

    play(scene)


# ---- settings


def test_settings_unknown_theme_is_kept_until_a_toggle(home: Path) -> None:
    write_settings(home, text := 'theme = "nope [b]"\n')

    async def scene(pilot: Pilot[None]) -> None:
        await until(pilot, lambda: "'nope [b]'" in " ".join(message_line(pilot).split()))
        assert app_of(pilot).theme == "weibo-dark"
        assert (home / "settings.toml").read_text("utf-8") == text
        await pilot.press("ctrl+t")
        await until(pilot, lambda: (home / "settings.toml").read_text("utf-8") != text)

    play(scene)
    assert tomllib.loads((home / "settings.toml").read_text("utf-8"))["theme"] == "weibo-light"
    assert WeiboApp().theme == "weibo-light"


@pytest.mark.parametrize(
    ("text", "words"),
    [('[keys]\n"app.hlep" = "f9"', "'app.hlep'"), ('[keys]\n"app.help" = ""', "'app.help'"), ("theme = 1", "theme")],
)
def test_settings_invalid_value_is_refused(text: str, words: str, home: Path) -> None:
    write_settings(home, text)
    with pytest.raises(UserInputError, match=words):
        WeiboApp()


def test_settings_change_keys_and_unknown_ones_are_named(home: Path) -> None:
    write_settings(home, text := 'devise = "cpu"\n[keys]\n"app.help" = "f9"\n"app.train" = "f8,ctrl+n"\n')

    async def scene(pilot: Pilot[None]) -> None:
        await until(pilot, lambda: "'devise' (did you mean device?)" in " ".join(message_line(pilot).split()))
        assert "F8 Train" in drawn(pilot).splitlines()[0]
        assert "f9 Help" in drawn(pilot).splitlines()[-1]
        await pilot.press("f1", "f3")
        assert app_of(pilot).current_mode == "predict"
        lines = [str(line).split() for line in (await open_help(pilot, "f9"))._lines()]
        assert ["F9", "Help", "app.help"] in lines
        assert ["F8,", "Ctrl+N", "Train", "app.train"] in lines
        await pilot.press("escape")
        await open_screen(pilot, "train", "ctrl+n")

    play(scene)
    assert (home / "settings.toml").read_text("utf-8") == text


# ---- status and errors


def test_status_and_errors_of_tasks_and_jobs_are_shown(furnished: Path) -> None:
    def fail(_wb: Workbench) -> None:
        raise UserInputError("There is no [b]file[/b].")

    def fail_later(_wb: Workbench) -> Iterator[object]:
        yield 1
        raise UserInputError("no space")

    async def scene(pilot: Pilot[None]) -> None:
        app = app_of(pilot)

        async def task() -> None:
            await app.records.call(fail)

        await until(pilot, lambda: app.device)
        assert str(app.screen.query_one(StatusBar).content) == f"{app.device} │ base tiny │ adapter mood"
        app.run_task(task())
        await until(pilot, lambda: message_line(pilot) == "There is no [b]file[/b].")
        assert "There is no [b]file[/b]." in drawn(pilot)
        await pilot.press("f3", "f2")
        await until(pilot, lambda: message_line(pilot) == "")
        predict = app.main_screens["predict"]
        app.start_job(Job("label", "a.csv", fail_later, predict))
        await until(pilot, lambda: message_line(pilot) == "a.csv: no space")
        assert app.jobs == []
        # Below a dialog, the message is shown on the main screen.
        await open_help(pilot)
        app.run_task(task())
        await until(pilot, lambda: "file" in str(predict.query_one(StatusMessage).content))
        await close_help(pilot)
        # The settings are damaged while the app runs.
        write_settings(furnished, "theme = ")
        app.start_job(Job("audit", "posts.csv", lambda _wb: iter([1]), predict), app.records)
        await until(pilot, lambda: "not valid TOML" in message_line(pilot))

    play(scene)


# ---- language


class Marked(gettext.NullTranslations):
    """A language in which every message is in «»."""

    def gettext(self, message: str) -> str:
        return f"«{message}»"

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        return f"«{msgid1 if n == 1 else msgid2}»"


def test_keys_and_commands_are_translated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locale, "_translations", Marked())

    async def scene(pilot: Pilot[None]) -> None:
        for name in ("history", "predict"):
            await open_screen(pilot, name)
            screen = app_of(pilot).screen
            bindings = [active.binding for active in screen.active_bindings.values() if active.binding.id]
            assert bindings
            assert [binding for binding in bindings if not binding.description.startswith("«")] == []
            assert "«Help»" in drawn(pilot).splitlines()[-1]
            assert "«Train»" in drawn(pilot).splitlines()[0]
            listed = [command.title for command in commands(app_of(pilot))]
            assert [text for text in listed if not text.startswith("«")] == []
        await open_help(pilot)
        assert "«Keys that work now»" in drawn(pilot)

    play(scene)


def test_status_change_does_not_draw_the_whole_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    updates: list[object] = []

    def record(app: TextualApp, screen: Screen[object], update: RenderableType | None) -> None:
        updates.append(update)
        display(app, screen, update)

    display = TextualApp._display
    monkeypatch.setattr(TextualApp, "_display", record)

    async def scene(pilot: Pilot[None]) -> None:
        await until(pilot, lambda: app_of(pilot).device)
        updates.clear()
        app_of(pilot).device = "abacus"
        await until(pilot, lambda: "abacus" in drawn(pilot))
        assert updates
        assert not any(isinstance(update, LayoutUpdate) for update in updates)

    play(scene)
