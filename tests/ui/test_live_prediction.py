"""The prediction of what is in the prompt: shown while typing, never recorded, never in the way."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

from pane import OTHER, POST, Pane, add_adapter, history_posts, play_predict
from stage import drawn, until

from weibo_tui import Workbench
from weibo_tui.app.predict.live_prediction import LATE
from weibo_tui.app.predict.prompt import MAX_CHARACTERS
from weibo_tui.presentation.numbers import percent


def shown(pane: Pane) -> str:
    """Return what is in the lower border of the prompt."""
    border = next(line for line in reversed(drawn(pane.pilot).splitlines()) if line.lstrip().startswith("╰"))
    return border.strip("─╰╯ ")


def expected(home: Path, post: str, adapter: str = "mood") -> str:
    """Return the label and the probability of a post as the prompt shows them."""
    with Workbench(home) as wb:
        (analysis,) = wb.iter_predict([post], adapter)
    return f"{analysis.label} {percent(analysis.confidence)}"


def test_prompt_shows_the_prediction_while_typing(furnished: Path) -> None:
    texts = [POST[:3], POST]
    predictions = [expected(furnished, text) for text in texts]

    async def act(pane: Pane) -> None:
        region = pane.prompt.region
        assert shown(pane) == ""
        await pane.write(texts[0])
        await until(pane.pilot, lambda: predictions[0] in shown(pane))
        await pane.write(POST.removeprefix(texts[0]))
        await until(pane.pilot, lambda: predictions[1] in shown(pane))
        assert pane.prompt.region == region
        assert "▲" in shown(pane) or "▼" in shown(pane)
        await pane.press("enter")
        assert shown(pane) == ""
        await pane.wait_predicted(1)
        await pane.write(OTHER)
        await until(pane.pilot, lambda: "%" in shown(pane))
        await pane.press("ctrl+u", "space")
        assert shown(pane) == ""
        await pane.app.workers.wait_for_complete()
        assert shown(pane) == ""

    play_predict(act, (42, 12))
    assert history_posts(furnished) == [POST]


def test_live_prediction_is_switched_off_and_on(furnished: Path) -> None:
    async def act(pane: Pane) -> None:
        await pane.write(POST)
        await until(pane.pilot, lambda: "%" in shown(pane))
        await pane.app.change_setting("live_prediction", False)
        await until(pane.pilot, lambda: shown(pane) == "")
        await pane.write("啊")
        await pane.app.workers.wait_for_complete()
        assert shown(pane) == ""
        await pane.app.change_setting("live_prediction", True)
        await until(pane.pilot, lambda: "%" in shown(pane))
        await pane.app.change_setting("uncertain_below", 1.0)
        await until(pane.pilot, lambda: shown(pane).startswith("? "))
        await pane.app.change_setting("language", "zh_CN")
        await until(pane.pilot, lambda: "正面" in shown(pane) or "负面" in shown(pane))

    play_predict(act)


def test_live_prediction_follows_the_adapter(furnished: Path) -> None:
    add_adapter(furnished, "soft", temperature=20.0)
    hard, soft = (expected(furnished, POST, adapter) for adapter in ("mood", "soft"))

    async def act(pane: Pane) -> None:
        await pane.write(POST)
        await until(pane.pilot, lambda: hard in shown(pane))
        await pane.app.change_setting("adapter", "soft")
        await pane.app.refresh_catalog()
        await until(pane.pilot, lambda: soft in shown(pane))
        # Without its weights it predicts nothing, and says so when a post is sent.
        shutil.rmtree(furnished / "adapters" / "soft")
        await pane.write("啊")
        await until(pane.pilot, lambda: shown(pane) == "")
        assert pane.news == ""
        await pane.press("enter")
        await pane.wait_predicted(1)

    play_predict(act)


def test_busy_engine_gets_only_the_newest_text(furnished: Path) -> None:
    free = threading.Event()
    long = "长" * (MAX_CHARACTERS + 1)

    async def act(pane: Pane) -> None:
        await pane.write("今")
        await until(pane.pilot, lambda: "%" in shown(pane))
        blocked = pane.app.engine.call(lambda _wb: free.wait(60), for_app_only=True)
        pane.screen.run_task(wait_for(blocked))
        await pane.write(POST[1:5])
        await until(pane.pilot, lambda: shown(pane) == LATE)
        await pane.write(POST[5:])
        assert len(pane.app.engine._calls) == 1
        free.set()
        await until(pane.pilot, lambda: expected(furnished, POST) in shown(pane))
        pane.prompt.text = long
        await until(pane.pilot, lambda: shown(pane) == "")

    async def wait_for(call: object) -> None:
        await call  # type: ignore[misc]

    play_predict(act)
