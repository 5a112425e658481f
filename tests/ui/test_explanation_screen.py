"""Why a post got its label, on the screen: from a card, and from the history."""

from __future__ import annotations

from pathlib import Path

from stage import app_of, drawn, play, press, shows, until
from textual.pilot import Pilot

from weibo_tui.app.widgets.explanation_screen import ExplanationScreen
from weibo_tui.workbench import Workbench

POST = "服务太差了[泪]，今天的面真好吃，朋友推荐的，再也不来"


def test_card_and_history_explain_their_post(furnished: Path) -> None:
    with Workbench() as wb:
        list(wb.iter_predict([POST], record=True))

    async def scene(pilot: Pilot[None]) -> None:
        await until(pilot, lambda: app_of(pilot).device)
        await shows(pilot, "服务太差了")
        await press(pilot, "escape", "w")
        await shows(pilot, "▼ against positive:", "without emoticons:", "Weights:")
        assert isinstance(app_of(pilot).screen, ExplanationScreen)
        assert set("▁▂▃▄▅▆▇█") & {*drawn(pilot)}
        await pilot.resize_terminal(42, 12)
        await shows(pilot, "服务太差了")
        await press(pilot, "escape", "f4")
        await shows(pilot, "服务太差了", "1–1 of 1")
        await press(pilot, "w")
        await shows(pilot, "Why: mood")
        await press(pilot, "w")
        await until(pilot, lambda: not isinstance(app_of(pilot).screen, ExplanationScreen))

    play(scene)


def test_hostile_post_is_explained_as_text(furnished: Path) -> None:
    with Workbench() as wb:
        list(wb.iter_predict(["[/哈哈] 差\x1b[31m[bold]好\u202e[doge]" * 30], record=True))

    async def scene(pilot: Pilot[None]) -> None:
        await until(pilot, lambda: app_of(pilot).device)
        await shows(pilot, "哈哈")
        await press(pilot, "escape", "w")
        await until(pilot, lambda: isinstance(app_of(pilot).screen, ExplanationScreen))
        await shows(pilot, "[/哈哈]", "[bold]", "[doge]")

    play(scene)
