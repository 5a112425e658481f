"""Small and large terminals, few colors and other encodings: the app works in all of them."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from commands import environment, start
from stage import app_of, drawn, play
from terminal import APP, Terminal
from textual.geometry import Region
from textual.pilot import Pilot

SMALLEST = (20, 5)
SIZES = [SMALLEST, (20, 20), (40, 10), (60, 20), (80, 24), (300, 100)]
NOWHERE = (1, 1)
WAYS: Sequence[Sequence[str]] = [
    ("f2",),
    ("f2", "escape"),
    ("f2", "ctrl+g"),
    ("f2", "ctrl+o"),
    ("f3",),
    ("f3", "n"),
    ("f3", "p"),
    ("f4",),
    ("f4", "slash"),
    ("f4", "f"),
    ("f4", "e"),
    ("f4", "l"),
    ("f4", "d"),
    ("f4", "enter"),
    ("f5",),
    ("f5", "enter"),
    ("f5", "i"),
    ("f5", "x"),
    ("f5", "e"),
    ("f5", "r"),
    ("f5", "d"),
    ("f1",),
    ("ctrl+p",),
]
"""Keys to every screen, form and dialog."""


async def look_around(
    pilot: Pilot[None], size: tuple[int, int], steps: int, ways: Sequence[Sequence[str]]
) -> list[str]:
    """Open every screen. Return where the focused widget is not visible."""
    app = app_of(pilot)
    unseen = []
    for keys in ways:
        await pilot.press(*keys)
        await pilot.pause()
        for step in range(steps):
            focused = app.focused
            seen = Region(0, 0, *size)
            if focused is not None and size != NOWHERE and not focused.region.overlaps(seen):
                unseen.append(f"{size} {'+'.join(keys)}, {step} further: {focused!r} {focused.region}")
            await pilot.press("tab")
        assert drawn(pilot)
        while len(app.screen_stack) > 1:
            await pilot.press("escape")
    return unseen


def looked_around(sizes: Sequence[tuple[int, int]], steps: int, ways: Sequence[Sequence[str]] = WAYS) -> list[str]:
    unseen: list[str] = []

    async def scene(pilot: Pilot[None]) -> None:
        for post in ("今天的面真好吃", "网上的裙子太差了"):
            await pilot.press(*post, "enter")
        for size in sizes:
            await pilot.resize_terminal(*size)
            unseen.extend(await look_around(pilot, size, steps, ways))
        await pilot.press("ctrl+q")
        assert app_of(pilot).exiting

    play(scene)
    return unseen


def test_focus_is_visible_in_the_smallest_terminal(furnished: Path) -> None:
    assert looked_around([SMALLEST], 2, [("f2", "ctrl+o"), ("f3",), ("f5", "d")]) == []


@pytest.mark.slow
@pytest.mark.parametrize("size", [*SIZES, NOWHERE], ids=str)
def test_focus_is_visible_in_a_terminal_of_any_size(size: tuple[int, int], furnished: Path) -> None:
    assert looked_around([size], 8) == []


# ---- the program in a terminal


@pytest.mark.parametrize("size", [SMALLEST, pytest.param(NOWHERE, marks=pytest.mark.slow)], ids=str)
def test_app_in_a_tiny_terminal_can_quit(size: tuple[int, int], home: Path) -> None:
    with Terminal(columns=size[0], rows=size[1]) as terminal:
        terminal.wait_until(lambda: terminal.screen.alternate, "the app")
        if size == SMALLEST:
            for key, place in {"f2": "Predict", "f3": "Train", "f4": "History", "f5": "Models"}.items():
                terminal.press(key)
                terminal.wait_for(place)  # the current screen
        terminal.press("ctrl+q")
        assert terminal.wait_for_end() == 0
        assert terminal.in_order


COLOR_SETTINGS: list[Mapping[str, str | None]] = [
    {"TERM": "xterm", "COLORTERM": None},
    {"TERM": "linux", "COLORTERM": None},
    {"TERM": "vt100", "COLORTERM": None},
    {"TERM": "nonsense", "COLORTERM": None},
    {"TERM": "unknown", "COLORTERM": None},
    {"TERM": None, "COLORTERM": None},
    {"NO_COLOR": "1"},
    {"NO_COLOR": "1", "TERM": "linux", "COLORTERM": None},
    {"TERM": "xterm-256color", "COLORTERM": None},
    {"COLORTERM": "truecolor"},
]


def marked_rows(terminal: Terminal) -> list[int]:
    """Return the rows of the list with another background than most."""

    def ground(row: int) -> tuple[str, bool]:
        cell = terminal.screen.buffer[row][3]
        return cell.bg, cell.reverse

    rows = range(2, terminal.screen.lines - 3)
    usual = max((ground(row) for row in rows), key=[ground(row) for row in rows].count)
    return [row for row in rows if ground(row) != usual]


def check_colors(settings: Mapping[str, str | None]) -> None:
    with Terminal(environment=settings) as terminal:
        terminal.wait_for("adapter mood")
        terminal.press("今天的面真好吃", "enter")
        terminal.wait_until(lambda: " positive " in terminal.text.split("今天的面真好吃")[-1], "the verdict's word")
        terminal.press("f3")
        terminal.wait_for("finished")
        terminal.press("down")
        terminal.wait_until(lambda: marked_rows(terminal), "a run that is marked")
        terminal.press("ctrl+q")
        assert terminal.wait_for_end() == 0
        assert terminal.in_order


@pytest.mark.slow
@pytest.mark.parametrize("settings", COLOR_SETTINGS, ids=str)
def test_highlight_is_visible_with_any_colors(settings: Mapping[str, str | None], furnished: Path) -> None:
    check_colors(settings)


BARE = {"LC_ALL": None, "LANG": None, "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
NO_LOCALE: list[Mapping[str, str | None]] = [
    {"LC_ALL": "C"},
    {"LC_ALL": "POSIX", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
    {"LC_ALL": "zh_CN.nowhere", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
    {"PYTHONIOENCODING": "ascii"},
    BARE,
]


def predicted_in_the_app(settings: Mapping[str, str | None], encoding: str = "utf-8") -> None:
    with Terminal(environment={"WEIBO_TUI_LANGUAGE": "en", **settings}) as terminal:
        if encoding != "utf-8":
            terminal.set_encoding(encoding)
        terminal.wait_for("adapter mood")
        terminal.send("今天的面真好吃\r".encode(encoding))
        terminal.wait_until(lambda: "▲ positive  ━" in terminal.text or "▼ negative  ━" in terminal.text, "a verdict")
        assert "今天的面真好吃" in terminal.text
        terminal.press("ctrl+q")
        assert terminal.wait_for_end() == 0


def test_highlight_without_locale_and_with_16_colors_is_visible(furnished: Path) -> None:
    check_colors({**BARE, "TERM": "linux", "COLORTERM": None})


@pytest.mark.slow
@pytest.mark.parametrize("settings", NO_LOCALE, ids=str)
def test_app_without_a_locale_shows_chinese(settings: Mapping[str, str | None], furnished: Path) -> None:
    predicted_in_the_app(settings)
    plain = {name: value for name, value in settings.items() if value is not None}
    done = start("predict", "今天的面真好吃", "--json", env=environment(**plain))
    out, err = done.communicate(timeout=60)
    assert (done.returncode, err) == (0, b"")
    assert b'"label"' in out


def made_locale(folder: Path, source: str, charmap: str) -> Mapping[str, str]:
    """Create a locale in its own folder."""
    name = f"{source}.{charmap}"
    assert shutil.which("localedef"), "this test makes locales with localedef: install Debian's package locales"
    subprocess.run(["localedef", "-i", source, "-f", charmap, folder / name], check=True, capture_output=True)
    return {"LOCPATH": str(folder), "LC_ALL": name}


@pytest.mark.slow
def test_app_in_gb18030_shows_chinese(furnished: Path, tmp_path: Path) -> None:
    predicted_in_the_app(made_locale(tmp_path, "zh_CN", "GB18030"), "gb18030")


@pytest.mark.slow
def test_app_in_latin_1_is_refused_with_advice(furnished: Path, tmp_path: Path) -> None:
    with Terminal(environment=made_locale(tmp_path, "en_US", "ISO-8859-1")) as terminal:
        assert terminal.wait_for_end() == 2
        said = " ".join(terminal.text.split())
    assert "has no Chinese characters" in said
    assert "LC_ALL=C.UTF-8 weibo-tui" in said


def test_app_in_a_dumb_terminal_is_refused_with_advice(home: Path) -> None:
    with Terminal(APP, environment={"TERM": "dumb"}) as terminal:
        assert terminal.wait_for_end() == 2
        said = " ".join(terminal.text.split())
    assert said.startswith("weibo-tui: This terminal (TERM=dumb) shows plain lines only")
