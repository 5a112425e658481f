"""Why a post got its label, on the screens: in cards and details, and on a screen of its own."""

from __future__ import annotations

import asyncio
from pathlib import Path

import made_up
import pytest
from stage import app_of, drawn, message_line, play, press, shows, until
from steps import play as play_thread
from textual.pilot import Pilot

from weibo_tui import Workbench
from weibo_tui.app.services.explanations import ExplainedPost, Explanations
from weibo_tui.app.services.worker import WorkerThread
from weibo_tui.app.widgets.explanation_screen import ExplanationScreen

POST = "服务太差了[泪]，今天的面真好吃，朋友推荐的，再也不来"
OTHER = "真好吃，下次再来[哈哈]"


@pytest.fixture
def predicted(furnished: Path) -> None:
    """Predict two posts, the second of which has an error row before it."""
    with Workbench() as wb:
        list(wb.iter_predict([OTHER, " ", POST], record=True))


def explained(pilot: Pilot[None]) -> bool:
    """Return whether an explanation is drawn, with its legend."""
    return "Curve:" in drawn(pilot) and "Orange: towards positive" in drawn(pilot)


async def start(pilot: Pilot[None]) -> None:
    await until(pilot, lambda: app_of(pilot).device)
    await shows(pilot, "服务太差了")


@pytest.mark.usefixtures("predicted")
@pytest.mark.parametrize("size", [(80, 40), (150, 40)])
def test_open_card_shows_why_and_folded_one_does_not(size: tuple[int, int]) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        await start(pilot)
        await press(pilot, "escape")
        assert not explained(pilot)
        await press(pilot, "space")
        await until(pilot, lambda: explained(pilot))
        assert "▼ against positive:" in drawn(pilot)
        assert "without emoticons:" in drawn(pilot)
        lines = drawn(pilot).splitlines()
        text = next(number for number, line in enumerate(lines) if "服务太差了" in line)
        assert set("▁▂▃▄▅▆▇█") & {*lines[text + 1]}
        await press(pilot, "space")
        assert not explained(pilot)

    play(scene, size)


@pytest.mark.usefixtures("predicted")
def test_details_explain_the_post_where_the_cursor_rests() -> None:
    async def scene(pilot: Pilot[None]) -> None:
        await start(pilot)
        await press(pilot, "f4")
        await until(pilot, lambda: explained(pilot))
        await press(pilot, "down")  # the post without text
        await until(pilot, lambda: not explained(pilot) and "failed" in drawn(pilot))
        await press(pilot, "down")
        await until(pilot, lambda: explained(pilot))
        await press(pilot, "slash", "好", "enter")  # matches are marked in the shaded post too
        await until(pilot, lambda: explained(pilot))

    play(scene, (150, 40))


@pytest.mark.usefixtures("predicted")
def test_setting_leaves_explanations_to_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEIBO_TUI_EXPLANATIONS", "no")

    async def scene(pilot: Pilot[None]) -> None:
        await start(pilot)
        await press(pilot, "escape", "space")
        await shows(pilot, "1 ▼ negative")
        await until(pilot, lambda: not app_of(pilot).workers)
        assert not explained(pilot)
        await press(pilot, "w")
        await until(pilot, lambda: explained(pilot))

    play(scene)


@pytest.mark.usefixtures("predicted")
def test_screen_of_a_card_has_shapley_values_and_other_posts() -> None:
    async def scene(pilot: Pilot[None]) -> None:
        await start(pilot)
        await press(pilot, "escape", "w")
        await shows(pilot, "▼ against positive:", "without emoticons:", "probability, in points")
        assert isinstance(app_of(pilot).screen, ExplanationScreen)
        await press(pilot, "s")
        await shows(pilot, "Why: mood · Shapley values", "Weights: Shapley values", "±")
        await press(pilot, "s")
        await until(pilot, lambda: "±" not in drawn(pilot))
        await press(pilot, "p")
        await shows(pilot, OTHER)
        await press(pilot, "p")
        assert message_line(pilot) == "No more posts with a prediction in this direction."
        await press(pilot, "n")
        await shows(pilot, "服务太差了")
        await pilot.resize_terminal(42, 12)
        await shows(pilot, "服务太差了")
        await press(pilot, "escape")
        assert not isinstance(app_of(pilot).screen, ExplanationScreen)

    play(scene, (100, 40))


@pytest.mark.usefixtures("predicted")
def test_screen_of_the_history_turns_to_rows_with_a_prediction() -> None:
    async def scene(pilot: Pilot[None]) -> None:
        await start(pilot)
        await press(pilot, "f4")
        await shows(pilot, "1–3 of 3")
        await press(pilot, "w")
        await shows(pilot, "Why: mood", "服务太差了")
        await press(pilot, "n")
        await shows(pilot, "真好吃，下次再来")
        await press(pilot, "w")
        await until(pilot, lambda: not isinstance(app_of(pilot).screen, ExplanationScreen))
        assert app_of(pilot).main_screens["history"].browser.table.cursor == 2  # type: ignore[attr-defined]

    play(scene)


def test_file_rows_are_explained_with_the_default_adapter(furnished: Path, tmp_path: Path) -> None:
    path = made_up.write_posts(tmp_path / "posts.csv", 20, seed=3)

    async def scene(pilot: Pilot[None]) -> None:
        app = app_of(pilot)
        await until(pilot, lambda: app.device)
        app.run_task(app.open_file_rows(path))
        await until(pilot, lambda: explained(pilot) and "explained with" in drawn(pilot))
        await press(pilot, "w")
        await until(pilot, lambda: isinstance(app.screen, ExplanationScreen) and explained(pilot))
        await press(pilot, "n")
        await until(pilot, lambda: explained(pilot))
        await press(pilot, "escape")
        await shows(pilot, "explained with", "1–20 of 20")

    play(scene, (150, 40))


def test_hostile_post_is_explained_as_text(furnished: Path) -> None:
    with Workbench() as wb:
        list(wb.iter_predict(["[/哈哈] 差\x1b[31m[bold]好\u202e[doge]" * 30], record=True))

    async def scene(pilot: Pilot[None]) -> None:
        await until(pilot, lambda: app_of(pilot).device)
        await shows(pilot, "哈哈")
        await press(pilot, "escape", "space")
        await until(pilot, lambda: "▁" in drawn(pilot) or "█" in drawn(pilot))
        await press(pilot, "w")
        await until(pilot, lambda: isinstance(app_of(pilot).screen, ExplanationScreen))
        await shows(pilot, "[/哈哈]", "[bold]", "[doge]")
        await press(pilot, "escape", "f4")
        await until(pilot, lambda: "Details" in drawn(pilot) and "██" in drawn(pilot))

    play(scene, (150, 60))


def test_adapter_that_is_gone_has_no_explanation(furnished: Path) -> None:
    with Workbench() as wb:
        list(wb.iter_predict([POST], record=True))
        wb.rename_adapter("mood", "other")

    async def scene(pilot: Pilot[None]) -> None:
        await start(pilot)
        await press(pilot, "escape", "w")
        await shows(pilot, "No explanation.")
        assert "Adapter not found: 'mood'" in message_line(pilot)

    play(scene)


def test_prediction_comes_between_the_steps_of_an_explanation(furnished: Path) -> None:
    ended: list[str] = []

    async def scene(thread: WorkerThread) -> None:
        explanations, post = Explanations(thread), ExplainedPost(POST * 5, "mood")
        await thread.call(lambda wb: wb.predict(POST))  # the model is loaded

        async def explain() -> None:
            await explanations.explain(post)
            ended.append("explanation")

        async def predict() -> None:
            await thread.call(lambda wb: wb.predict("好"))
            ended.append("prediction")

        await asyncio.gather(explain(), predict())
        assert ended == ["prediction", "explanation"]
        assert explanations.find(post) is await explanations.explain(post)
        assert explanations.find(post, shapley=True) is None
        explanations.clear()
        assert explanations.find(post) is None

    play_thread(scene)
