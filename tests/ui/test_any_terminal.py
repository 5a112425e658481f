"""Small and large terminals, few colors and other encodings: the app works in all of them."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from at_work import LIGHT_APP
from commands import environment, start
from pane import record_posts
from stage import app_of, drawn, play
from terminal import Terminal
from textual.geometry import Region
from textual.pilot import Pilot

Settings = Mapping[str, str | None]

SMALLEST = (20, 5)
NOWHERE = (1, 1)
SIZES = [SMALLEST, (20, 20), (40, 10), (60, 20), (80, 24), (300, 100), NOWHERE]
WAYS = (
    "f2/f2 escape/f2 ctrl+g/f2 ctrl+o/f3/f3 n/f3 p/f4/f4 slash/f4 f/f4 e/f4 l/f4 d/f4 enter"
    "/f5/f5 enter/f5 i/f5 x/f5 e/f5 r/f5 d/f1/ctrl+p"
).split("/")
"""Keys to every screen, form and dialog."""


def hidden_focus(size: tuple[int, int], steps: int, ways: Sequence[str]) -> list[str]:
    """Open every screen at a size of the terminal. Return where the focused widget is not visible."""
    hidden: list[str] = []

    async def scene(pilot: Pilot[None]) -> None:
        app = app_of(pilot)
        await pilot.resize_terminal(*size)
        for keys in ways:
            await pilot.press(*keys.split())
            await pilot.pause()
            for step in range(steps):
                focused = app.focused
                if focused is not None and size != NOWHERE and not focused.region.overlaps(Region(0, 0, *size)):
                    hidden.append(f"{keys}, {step} further: {focused!r} {focused.region}")
                await pilot.press("tab")
            assert drawn(pilot)
            while len(app.screen_stack) > 1:
                await pilot.press("escape")
        await pilot.press("ctrl+q")
        assert app.exiting

    play(scene)
    return hidden


def test_focus_is_visible_in_the_smallest_terminal(furnished: Path) -> None:
    assert hidden_focus(SMALLEST, 2, ["f2 ctrl+o", "f5 d"]) == []


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_focus_is_visible_in_a_terminal_of_any_size(size: tuple[int, int], furnished: Path) -> None:
    record_posts(furnished, "今天的面真好吃", "网上的裙子太差了")
    assert hidden_focus(size, 8, WAYS) == []


# ---- the program in a terminal


@pytest.mark.slow
def test_app_in_a_terminal_of_one_cell_can_quit(home: Path) -> None:
    with Terminal(LIGHT_APP, *NOWHERE) as terminal:
        terminal.wait_until(lambda: terminal.screen.alternate, "the app")
        terminal.press("ctrl+q")
        assert terminal.wait_for_end() == 0
        assert terminal.in_order


BARE = {"LC_ALL": None, "LANG": None, "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
COLOR_SETTINGS: list[Settings] = [
    *({"TERM": term, "COLORTERM": None} for term in ("xterm", "vt100", "nonsense", "unknown", None)),
    {"NO_COLOR": "1"},
    {"NO_COLOR": "1", "TERM": "linux", "COLORTERM": None},
    {"TERM": "xterm-256color", "COLORTERM": None},
    {"COLORTERM": "truecolor"},
]
NO_LOCALE: list[Settings] = [
    {"LC_ALL": "C"},
    {"LC_ALL": "POSIX", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
    {"LC_ALL": "zh_CN.nowhere", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
    {"PYTHONIOENCODING": "ascii"},
    BARE,
]


def marked_rows(terminal: Terminal) -> list[int]:
    """Return the rows of the list with another background than most."""

    def ground(row: int) -> tuple[str, bool]:
        cell = terminal.screen.buffer[row][3]
        return cell.bg, cell.reverse

    rows = range(2, terminal.screen.lines - 3)
    usual = max((ground(row) for row in rows), key=[ground(row) for row in rows].count)
    return [row for row in rows if ground(row) != usual]


@pytest.mark.parametrize(
    "settings",
    [{**BARE, "TERM": "linux", "COLORTERM": None}, *(pytest.param(s, marks=pytest.mark.slow) for s in COLOR_SETTINGS)],
    ids=str,
)
def test_highlight_is_visible_with_any_colors(settings: Settings, furnished: Path) -> None:
    with Terminal(LIGHT_APP, environment=settings) as terminal:
        terminal.wait_for("adapter mood")
        terminal.press("今天的面真好吃")
        terminal.wait_for("今天的面真好吃")
        terminal.press("f3")
        terminal.wait_for("finished")
        terminal.press("down")
        terminal.wait_until(lambda: marked_rows(terminal), "a run that is marked")
        terminal.press("ctrl+q")
        assert terminal.wait_for_end() == 0
        assert terminal.in_order


def check_prediction(settings: Settings, encoding: str = "utf-8") -> None:
    with Terminal(environment={"WEIBO_TUI_LANGUAGE": "en", **settings}) as terminal:
        if encoding != "utf-8":
            terminal.set_encoding(encoding)
        terminal.wait_for("adapter mood")
        terminal.send("今天的面真好吃\r".encode(encoding))
        terminal.wait_until(lambda: "▲ positive  ━" in terminal.text or "▼ negative  ━" in terminal.text, "a verdict")
        assert "今天的面真好吃" in terminal.text
        terminal.press("ctrl+q")
        assert terminal.wait_for_end() == 0


@pytest.mark.slow
@pytest.mark.parametrize("settings", NO_LOCALE, ids=str)
def test_app_without_a_locale_shows_chinese(settings: Settings, furnished: Path) -> None:
    check_prediction(settings)
    variables = {name: value for name, value in settings.items() if value is not None}
    process = start("predict", "今天的面真好吃", "--json", env=environment(**variables))
    out, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (0, b"")
    assert b'"label"' in out


def make_locale(folder: Path, source: str, charmap: str) -> Settings:
    """Create a locale in its own folder."""
    name = f"{source}.{charmap}"
    assert shutil.which("localedef"), "this test makes locales with localedef: install Debian's package locales"
    subprocess.run(["localedef", "-i", source, "-f", charmap, folder / name], check=True, capture_output=True)
    return {"LOCPATH": str(folder), "LC_ALL": name}


@pytest.mark.slow
def test_app_in_gb18030_shows_chinese(furnished: Path, tmp_path: Path) -> None:
    check_prediction(make_locale(tmp_path, "zh_CN", "GB18030"), "gb18030")


def check_refusal(settings: Settings, *parts: str) -> None:
    with Terminal(environment=settings) as terminal:
        assert terminal.wait_for_end() == 2
        message = " ".join(terminal.text.split())
    assert message.startswith("weibo-tui: ")
    for part in parts:
        assert part in message


@pytest.mark.slow
def test_app_in_latin_1_is_refused_with_advice(furnished: Path, tmp_path: Path) -> None:
    settings = make_locale(tmp_path, "en_US", "ISO-8859-1")
    check_refusal(settings, "has no Chinese characters", "LC_ALL=C.UTF-8 weibo-tui")


def test_app_in_a_dumb_terminal_is_refused_with_advice(home: Path) -> None:
    check_refusal({"TERM": "dumb"}, "This terminal (TERM=dumb) shows plain lines only")
