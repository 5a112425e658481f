"""The app around its places: how it opens, where keys lead, what it says, what it keeps."""

from __future__ import annotations

import gettext
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from stage import app_of, drawn, flashed, play, until
from textual.command import CommandPalette
from textual.pilot import Pilot

from weibo_tui import locale
from weibo_tui.app.app import WeiboApp
from weibo_tui.app.help_screen import Help
from weibo_tui.app.keymap import KEYS
from weibo_tui.app.services.jobs import Job
from weibo_tui.app.widgets.chrome import StatusBar
from weibo_tui.errors import UserInputError
from weibo_tui.workbench import Workbench

PLACES = ("predict", "train", "history", "models")


def place(pilot: Pilot[None]) -> str:
    return app_of(pilot).current_mode


def test_it_opens_on_predict_and_then_says_where_it_computes(furnished: Path) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        assert place(pilot) == "predict"
        await until(pilot, lambda: app_of(pilot).device)
        await pilot.pause()
        status = str(app_of(pilot).screen.query_one(StatusBar).content)
        assert status == f"{app_of(pilot).device} │ base tiny │ adapter mood"

    play(scene)


def test_it_opens_where_nothing_is_there_yet() -> None:
    async def scene(pilot: Pilot[None]) -> None:
        await until(pilot, lambda: app_of(pilot).device)
        assert "no adapter" in drawn(pilot)
        assert flashed(pilot) == ""

    play(scene)


# ---- places


@pytest.mark.parametrize("keys", [["f3", "f4", "f5", "f2"], ["alt+2", "alt+3", "alt+4", "alt+1"]])
def test_keys_lead_to_the_places(keys: list[str]) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        for key, name in zip(keys, ["train", "history", "models", "predict"], strict=True):
            await pilot.press(key)
            await until(pilot, lambda name=name: place(pilot) == name)  # type: ignore[misc]

    play(scene)


@pytest.mark.parametrize("size", [(60, 20), (160, 50)])
def test_a_click_on_a_name_leads_to_the_place(size: tuple[int, int]) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        for title, name in {"F5": "models", "F4": "history", "F3": "train", "F2": "predict"}.items():
            first = drawn(pilot).splitlines()[0]
            await pilot.click(offset=(first.index(title), 0))
            await until(pilot, lambda name=name: place(pilot) == name)  # type: ignore[misc]

    play(scene, size)


# ---- help and all actions


@pytest.mark.parametrize("name", PLACES)
def test_the_help_tells_all_keys_and_closes_again(name: str) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        await pilot.press(f"f{PLACES.index(name) + 2}")
        await until(pilot, lambda: place(pilot) == name)
        await pilot.press("f1")
        await until(pilot, lambda: isinstance(app_of(pilot).screen, Help))
        help_screen = app_of(pilot).screen
        assert isinstance(help_screen, Help)
        told = "\n".join(str(line) for line in help_screen._lines())
        assert all(key.name in told for keys in KEYS.values() for key in keys)
        await pilot.press("f1")
        assert len(app_of(pilot).screen_stack) == 2
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(app_of(pilot).screen, Help))

    play(scene)


def test_the_palette_lists_each_action_that_works_once_and_does_it() -> None:
    async def scene(pilot: Pilot[None]) -> None:
        app = app_of(pilot)
        listed = [command.title for command in app.get_system_commands(app.screen)]
        assert len(set(listed)) == len(listed)
        assert {"Help", "Train", "Dark or light", "Theme"} <= set(listed)
        await pilot.press("ctrl+p")
        await until(pilot, lambda: isinstance(app.screen, CommandPalette))
        await pilot.press(*"Models")
        await until(pilot, lambda: "Models" in drawn(pilot))
        await pilot.pause(0.3)
        await pilot.press("enter")
        await until(pilot, lambda: place(pilot) == "models")

    play(scene)


# ---- what the settings say


def settings_are(home: Path, text: str) -> None:
    (home / "settings.toml").write_text(text, encoding="utf-8")


def test_a_theme_that_is_chosen_is_there_at_the_next_start(home: Path) -> None:
    async def turn(pilot: Pilot[None]) -> None:
        assert app_of(pilot).theme == "weibo-dark"
        await pilot.press("ctrl+t")
        await until(pilot, (home / "settings.toml").exists)

    async def look(pilot: Pilot[None]) -> None:
        assert app_of(pilot).theme == "weibo-light"

    play(turn)
    assert tomllib.loads((home / "settings.toml").read_text("utf-8"))["theme"] == "weibo-light"
    play(look)


def test_unknown_setting_is_a_notice_and_stays(home: Path) -> None:
    settings_are(home, "devise = 'cpu'\n")

    async def scene(pilot: Pilot[None]) -> None:
        await until(pilot, lambda: "'devise' (did you mean device?)" in " ".join(flashed(pilot).split()))

    play(scene)
    assert (home / "settings.toml").read_text("utf-8") == "devise = 'cpu'\n"


def test_a_theme_that_there_is_not_is_said_and_the_settings_stay(home: Path) -> None:
    settings_are(home, 'theme = "nope [b]"\n')

    async def scene(pilot: Pilot[None]) -> None:
        await until(pilot, lambda: "'nope [b]'" in flashed(pilot))
        assert app_of(pilot).theme == "weibo-dark"

    play(scene)
    assert (home / "settings.toml").read_text("utf-8") == 'theme = "nope [b]"\n'


@pytest.mark.parametrize(
    ("text", "words"),
    [('[keys]\n"app.hlep" = "f9"', "'app.hlep'"), ('[keys]\n"app.help" = ""', "'app.help'"), ("theme = 1", "theme")],
)
def test_settings_that_cannot_be_followed_are_refused_in_a_sentence(text: str, words: str, home: Path) -> None:
    settings_are(home, text)
    with pytest.raises(UserInputError, match=words):
        WeiboApp()


def test_the_settings_give_an_action_another_key_and_everything_shows_it(home: Path) -> None:
    settings_are(home, '[keys]\n"app.help" = "f9"\n"app.train" = "f8,ctrl+n"\n')

    async def scene(pilot: Pilot[None]) -> None:
        await pilot.pause()
        assert "F8 Train" in drawn(pilot).splitlines()[0]
        assert "f9 Help" in drawn(pilot).splitlines()[-1]
        await pilot.press("f1", "f3")
        assert place(pilot) == "predict"
        await pilot.press("f9")
        await until(pilot, lambda: isinstance(app_of(pilot).screen, Help))
        help_screen = app_of(pilot).screen
        assert isinstance(help_screen, Help)
        lines = [str(line).split() for line in help_screen._lines()]
        assert ["F9", "Help", "app.help"] in lines
        assert ["F8,", "Ctrl+N", "Train", "app.train"] in lines
        await pilot.press("escape", "ctrl+n")
        await until(pilot, lambda: place(pilot) == "train")

    play(scene)


def test_settings_broken_while_it_runs_are_said_and_end_nothing(home: Path) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        app = app_of(pilot)
        await until(pilot, lambda: app.device)
        settings_are(home, "theme = ")
        app.start_job(Job("audit", "posts.csv", lambda _bench: iter([1]), app.main_screens["train"]), app.records)
        await until(pilot, lambda: "not valid TOML" in flashed(pilot))

    play(scene)


# ---- errors


def test_an_error_in_background_work_is_said_until_the_next_key() -> None:
    def fails(_bench: Workbench) -> None:
        raise UserInputError("There is no [b]file[/b].")

    async def scene(pilot: Pilot[None]) -> None:
        app = app_of(pilot)

        async def work() -> None:
            await app.records.call(fails)

        app.run_task(work())
        await until(pilot, lambda: flashed(pilot) == "There is no [b]file[/b].")
        await pilot.pause()
        assert "There is no [b]file[/b]." in drawn(pilot)
        await pilot.press("f3")
        await pilot.press("f2")
        await until(pilot, lambda: flashed(pilot) == "")

    play(scene)


def test_an_error_that_comes_while_a_dialog_is_open_stands_on_the_place_below() -> None:
    async def fails() -> None:
        raise UserInputError("no")

    async def scene(pilot: Pilot[None]) -> None:
        app = app_of(pilot)
        await pilot.press("f1")
        await until(pilot, lambda: isinstance(app.screen, Help))
        app.run_task(fails())
        await until(pilot, lambda: flashed_below(app) == "no")

    play(scene)


def flashed_below(app: WeiboApp) -> str:
    from weibo_tui.app.widgets.chrome import StatusMessage

    line = app.main_screens["predict"].query_one(StatusMessage)
    return str(line.content) if line.display else ""


def test_a_job_that_fails_is_said_with_its_title_and_is_over() -> None:
    def fails(_bench: Workbench) -> Iterator[object]:
        yield 1
        raise UserInputError("no space")

    async def scene(pilot: Pilot[None]) -> None:
        app = app_of(pilot)
        app.start_job(Job("label", "a.csv", fails, app.main_screens["predict"]))
        await until(pilot, lambda: flashed(pilot) == "a.csv: no space")
        assert app.jobs == []

    play(scene)


# ---- the person's language


class Marked(gettext.NullTranslations):
    """A language in which every message stands in «»."""

    def gettext(self, message: str) -> str:
        return f"«{message}»"

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        return f"«{msgid1 if n == 1 else msgid2}»"


@pytest.mark.parametrize("name", PLACES)
def test_keys_are_described_in_the_persons_language(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locale, "_translations", Marked())

    async def scene(pilot: Pilot[None]) -> None:
        await pilot.press(f"f{PLACES.index(name) + 2}")
        await until(pilot, lambda: place(pilot) == name)
        await pilot.pause()
        screen = app_of(pilot).screen
        described = [active.binding for active in screen.active_bindings.values() if active.binding.id]
        assert described
        for binding in described:
            assert binding.description.startswith("«"), binding
        assert "«Help»" in drawn(pilot).splitlines()[-1]
        assert "«Train»" in drawn(pilot).splitlines()[0]
        for command in app_of(pilot).get_system_commands(screen):
            assert command.title.startswith("«")
        await pilot.press("f1")
        await until(pilot, lambda: isinstance(app_of(pilot).screen, Help))
        assert "«Keys that work now»" in drawn(pilot)

    play(scene)
