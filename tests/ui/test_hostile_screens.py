"""Generated hostile texts on every screen: shown as text."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from histories import ANALYSIS, FILE
from hostile import as_file_name, texts
from hostile_stage import go, loaded, look, paste, play, send_pasted
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made_up import numeral
from stage import app_of, press, until
from textual.app import App
from textual.pilot import Pilot

from weibo_tui import Workbench
from weibo_tui.app.predict.prediction_list import PredictionList
from weibo_tui.app.predict.screen import PredictScreen
from weibo_tui.engine.events import Evaluated, RunStarted, StepDone, to_json
from weibo_tui.storage.history import Analysis
from weibo_tui.storage.journal import Journal

SIZE = (110, 30)
POSTS = st.lists(texts(12), min_size=2, max_size=4)
SHARED = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large]
Tour = Callable[[Path, list[str]], None]


def keep(home: Path, posts: list[str]) -> None:
    """Fill the history and the runs with these texts, in every column."""
    with Workbench(home) as wb:
        wb.history.clear()
        for run in wb.runs.list():
            wb.runs.remove(run.id)
        for text in posts:
            entry = replace(ANALYSIS, text=text, label=text, adapter=text, probabilities={text: 0.9, "[b]": 0.1})
            (identity,) = wb.history.add([entry])
            wb.history.correct(identity, posts[0])
            wb.history.add([replace(ANALYSIS, text=text, label="", confidence=None, probabilities={}, error=text)])
            name = as_file_name(text)
            wb.history.add_file(replace(FILE, path=Path(name), out=Path(name), adapter=text, counts={text: 3}))
            run = wb.runs.create("train", text, {"plan": {"name": text, "data": [text], "base": text}})
            started = RunStarted(run.id, text, "train", text, text, text, 1, 0, 4, 1, {text: 4}, 1, 1)
            with wb.runs.lock(run.id), Journal(wb.runs, run.id) as journal:
                for event in (started, StepDone(1, 4, 1, 0.5, 1e-3, 1.0, 8, 64, 0.1, 10**6)):
                    journal.add(to_json(event))
                journal.add(to_json(Evaluated(1, 4, text, 0.5, 0.75, 0.75, True)))
            wb.runs.finish(run.id, "failed", {"error": text})


def cards_and_prompt(folder: Path, posts: list[str]) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        await loaded(pilot)
        for text in posts:
            await send_pasted(pilot, text)
            await press(pilot, "up")
            await look(pilot)
            await press(pilot, "ctrl+u")
        await until(pilot, lambda: not any(card.busy for card in cards(pilot).cards))
        await press(pilot, "escape")
        for _card in cards(pilot).cards[-3 * len(posts) :]:
            await press(pilot, "space", "c")
            await look(pilot)
            await press(pilot, "space", "up")

    play(scene, SIZE)


def cards(pilot: Pilot[None]) -> PredictionList:
    place = app_of(pilot).main_screens["predict"]
    assert isinstance(place, PredictScreen)
    return place.prediction_list


def history(folder: Path, posts: list[str]) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        await go(pilot, "f4", "history")
        for _entry in range(3 * len(posts)):
            await press(pilot, "c")
            await look(pilot)
            for key in ("d", "l", "enter"):
                await press(pilot, key)
                await look(pilot)
                await press(pilot, "escape")
            await press(pilot, "down")
        for text in posts:
            await press(pilot, "slash")
            await paste(pilot, text)
            await look(pilot)
            await press(pilot, "escape", "escape")
        await press(pilot, "f")
        for _field in range(4):
            await press(pilot, "enter", "down")
            await look(pilot)
            await press(pilot, "enter", "tab")
        await look(pilot)
        await press(pilot, "escape", "e")
        await paste(pilot, str(folder / (as_file_name(posts[0]) + ".csv")))
        await look(pilot)
        await press(pilot, "escape")

    play(scene, SIZE)


def runs(folder: Path, posts: list[str]) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        await go(pilot, "f3", "train")
        for _run in posts:
            await press(pilot, "o", "down")
            await look(pilot)
        await press(pilot, "d")
        await look(pilot)

    play(scene, SIZE)


def files(folder: Path, posts: list[str]) -> None:
    """The training form and its preview, with hostile file names, columns, labels and posts."""
    place = folder / as_file_name(posts[-1])
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    for text in posts:
        labels = (text.encode("utf-8", "replace").decode(), "乙")
        rows = [{"label": labels[n % 2], "review": f"{text}{numeral(n)}", text: text} for n in range(8)]
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (place / (as_file_name(text) + ".jsonl")).write_text(lines, "utf-8")

    async def scene(pilot: Pilot[None]) -> None:
        await go(pilot, "f3", "train")
        await press(pilot, "n")
        await paste(pilot, f"{place}/")
        for _file in posts:
            await press(pilot, "down")
            await look(pilot)
        await press(pilot, "enter")
        await pilot.pause()
        for _field in range(8):
            await press(pilot, "tab")
            await look(pilot)

    play(scene, SIZE)


TOURS: list[Tour] = [cards_and_prompt, history, runs, files]


@pytest.mark.slow
@pytest.mark.parametrize("tour", TOURS, ids=lambda tour: tour.__name__)
@settings(max_examples=15, suppress_health_check=SHARED)
@given(posts=POSTS)
def test_generated_texts_are_shown_as_text(
    tour: Tour, posts: list[str], furnished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied: list[str] = []
    monkeypatch.setattr(App, "copy_to_clipboard", lambda _app, text: copied.append(text.encode().decode()))
    keep(furnished, posts)
    tour(tmp_path, posts)


# ---- posts far too large


def test_megabyte_post_is_predicted_outside_the_prompt(furnished: Path) -> None:
    post = "字\u200b" * 500_000

    async def scene(pilot: Pilot[None]) -> None:
        await loaded(pilot)
        place = app_of(pilot).main_screens["predict"]
        assert isinstance(place, PredictScreen)
        await paste(pilot, "草稿")
        await paste(pilot, post)
        await until(pilot, lambda: app_of(pilot).screen.is_modal)
        assert "1,000,000 characters" in await look(pilot)
        await press(pilot, "escape")
        assert (place.prompt.text, cards(pilot).cards) == ("草稿", [])
        await paste(pilot, post)
        await until(pilot, lambda: app_of(pilot).screen.is_modal)
        await press(pilot, "down", "enter")
        await until(pilot, lambda: cards(pilot).cards and not cards(pilot).cards[0].busy)
        assert place.prompt.text == "草稿"
        await look(pilot)
        await press(pilot, "up", "up")  # it is not recalled either
        assert len(place.prompt.text) < 10
        await go(pilot, "f4", "history")
        await press(pilot, "r")
        await until(pilot, lambda: app_of(pilot).screen.is_modal)
        assert "1,000,000 characters" in await look(pilot)
        await press(pilot, "escape", "f4")
        await look(pilot)
        await press(pilot, "c", "slash")
        await paste(pilot, post)
        await look(pilot)

    play(scene, SIZE)
    with Workbench(furnished) as wb:
        assert [entry.text for entry in wb.history.page(9) if isinstance(entry, Analysis)] == [post]
