"""The app on a disk that fails: it shows an error, continues, and shows nothing as saved that is not."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from disks import Shell, can_mount, leftovers, open_folder
from stage import app_of, drawn, message_line, play, until
from terminal import APP, Terminal
from textual.pilot import Pilot

from weibo_tui import Workbench
from weibo_tui.app.predict.card import PostCard

NO_SPACE = "No space left"


def test_prediction_that_cannot_be_saved_is_an_error(furnished: Path) -> None:
    database = furnished / "weibo-tui.db"
    for path in furnished.glob("weibo-tui.db*"):
        path.unlink()
    database.mkdir()  # which SQLite cannot open, and no user can write to

    async def scene(pilot: Pilot[None]) -> None:
        await until(pilot, lambda: "mood" in drawn(pilot))
        await pilot.press(*"sunny", "enter")
        card = pilot.app.screen.query_one(PostCard)
        await until(pilot, lambda: "weibo-tui.db" in card.failure)
        assert "%" not in drawn(pilot)
        await pilot.press("f4")
        await until(pilot, lambda: "weibo-tui.db" in message_line(pilot) or "weibo-tui.db" in drawn(pilot))
        database.rmdir()
        await pilot.press("f2", *"rainy", "enter")
        await until(pilot, lambda: "%" in drawn(pilot) and "rainy" in drawn(pilot))

    play(scene)
    with Workbench(furnished) as wb:
        assert [entry.text for entry in wb.history.page(9)] == ["rainy"]  # type: ignore[union-attr]


@pytest.fixture
def disk(stocked: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shell]:
    with open_folder() as folder, Shell(folder, "16m") as shell:
        shutil.copytree(stocked, shell.seen / "home")
        monkeypatch.setenv("WEIBO_TUI_HOME", f"{folder}/home")
        yield shell


@pytest.mark.slow
@pytest.mark.skipif(not can_mount(), reason="nothing can be mounted here")
def test_app_survives_a_full_disk(disk: Shell) -> None:
    with Terminal((*disk.entered, *APP), rows=40) as terminal:
        terminal.wait_for("adapter mood")
        terminal.press(*"first", "enter")
        terminal.wait_for("%")
        disk.fill(0)
        terminal.press(*"second", "enter")
        terminal.wait_until(lambda: NO_SPACE in " ".join(terminal.text.split()), NO_SPACE)
        terminal.press("ctrl+t")  # the settings cannot be kept either
        terminal.listen(1)
        terminal.press("f4")
        terminal.wait_until(lambda: "first" in terminal.text and "second" not in terminal.text, "the history")
        disk.free()
        terminal.press("f2", *"third", "enter")
        terminal.wait_until(lambda: terminal.text.count("%") > 1, "the third verdict")
        terminal.press("ctrl+q")
        assert terminal.wait_for_end() == 0
    listed = disk.run("history", "list")
    assert [word for word in ("first", "second", "third") if word in listed.out] == ["first", "third"]
    assert not leftovers(disk.seen)


def test_damaged_database_does_not_stop_the_models(furnished: Path) -> None:
    (furnished / "weibo-tui.db").write_bytes(b"damaged" * 1000)

    async def scene(pilot: Pilot[None]) -> None:
        await until(pilot, lambda: app_of(pilot).device)
        await until(pilot, lambda: "weibo-tui.db" in message_line(pilot))

    play(scene)
