"""The app with hostile texts, driven by keys, with a check of every screen that it draws."""

from __future__ import annotations

from hostile import harmless
from rich.cells import cell_len
from stage import Scene, app_of, drawn, press, until
from stage import play as play_on_stage
from textual import events
from textual.pilot import Pilot

from weibo_tui.app.app import WeiboApp


def play(scene: Scene, size: tuple[int, int]) -> WeiboApp:
    async def checked(pilot: Pilot[None]) -> None:
        pilot.app.animation_level = "none"
        await scene(pilot)
        await look(pilot)
        assert not app_of(pilot).exiting  # no [@click=app.quit] was followed

    return play_on_stage(checked, size)


async def look(pilot: Pilot[None]) -> str:
    """Return what is drawn, after a check that it is harmless and as wide as the terminal."""
    if not (lines := drawn(pilot)).strip():  # a new screen is not laid out at once
        await until(pilot, lambda: drawn(pilot).strip())
        lines = drawn(pilot)
    harmless(lines)
    for line in lines.split("\n"):
        assert cell_len(line) == pilot.app.size.width, repr(line)
    return lines


async def loaded(pilot: Pilot[None]) -> None:
    await until(pilot, lambda: app_of(pilot).device)
    await pilot.pause()


async def go(pilot: Pilot[None], key: str, place: str) -> None:
    await loaded(pilot)
    await press(pilot, key)
    await until(pilot, lambda: app_of(pilot).current_mode == place)
    await pilot.pause()


async def paste(pilot: Pilot[None], text: str) -> None:
    pilot.app.post_message(events.Paste(text))
    await pilot.pause()


async def send_pasted(pilot: Pilot[None], text: str) -> None:
    """Paste a text into the prompt and send it as one post. The app asks about several lines first."""
    await paste(pilot, text)
    await look(pilot)
    if app_of(pilot).screen.is_modal:
        await press(pilot, "enter")
        await until(pilot, lambda: not app_of(pilot).screen.is_modal)
        await look(pilot)
    await press(pilot, "enter")
