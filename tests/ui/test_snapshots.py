"""Pictures of each main screen. `pytest tests/ui/test_snapshots.py --snapshot-update` takes them again.

Look at each one before you commit it.
"""

from __future__ import annotations

import json
import math
import sqlite3
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import models
import pytest
from histories import ANALYSIS, FAILED, FILE
from stage import until
from textual.pilot import Pilot
from textual.widgets import Input, TextArea

from weibo_tui import locale
from weibo_tui.app.app import WeiboApp
from weibo_tui.engine.events import CheckpointSaved, Evaluated, RunFinished, RunStarted, StepDone, to_json
from weibo_tui.engine.metrics import score
from weibo_tui.storage.history import Analysis
from weibo_tui.workbench import Workbench

Compare = Callable[..., bool]

MOMENT = "2026-01-31T12:00:00.000Z"
RUN = "20260131-120000-00aa"
SCORE = replace(
    score([0] * 30 + [1] * 30, [[0.9, 0.1]] * 27 + [[0.2, 0.8]] * 33, ["negative", "positive"], failed=1),
    emoticons={"with": 0.95, "without": 0.75, "only": 0.9},
).to_dict()
POSTS = [
    replace(ANALYSIS, text="外卖等了两个小时，面都坨了[怒]", label="negative", confidence=0.981, uncertain=False),
    replace(ANALYSIS, text="[doge] 说不上好，也说不上坏", label="negative", confidence=0.62, uncertain=True),
    replace(ANALYSIS, text="= 以等号开头的微博 \x1b[31m [/哈哈]", confidence=0.87),
    replace(ANALYSIS, text="很长的一条微博。" * 24, truncated=True, characters=192, characters_read=126),
    FAILED,
]


@pytest.fixture(autouse=True)
def still(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing blinks, and clock and machine are the same everywhere."""
    for widget in (Input, TextArea):
        monkeypatch.setattr(widget.cursor_blink, "_default", False)
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.setenv("WEIBO_TUI_DEVICE", "cpu")
    monkeypatch.setenv("WEIBO_TUI_DTYPE", "float32")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture(scope="module")
def settled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which nothing depends on time and place. For reading only."""
    folder = tmp_path_factory.mktemp("settled")
    with Workbench(folder) as wb:
        models.add_base(wb, folder / "from")
        base = wb.bases.open("small")
        data = {"files": ["posts.csv"], "train": 4800, "validation": 600, "test": 600, "split_seed": 0}
        models.add_adapter(wb, base, "mood", score=SCORE, data=data, run=RUN)
        models.add_adapter(wb, base, "six-moods", labels=("快乐", "悲伤", "愤怒", "恐惧", "惊讶", "平静"))
        wb.set_default_adapter("mood")
        wb.history.add_file(FILE)
        wb.history.add([_predicted(post, second) for second, post in enumerate(POSTS)])
        _add_run(wb)
    for card in folder.glob("*/*/card.json"):
        values = json.loads(card.read_text("utf-8"))
        settled = {"created_at": MOMENT, "source": "/models/gpt2-chinese"}
        card.write_text(json.dumps({**values, **{key: settled[key] for key in settled.keys() & values.keys()}}))
    return folder


def _predicted(post: Analysis, second: int) -> Analysis:
    probabilities = {} if post.confidence is None else {"negative": 1 - post.confidence, "positive": post.confidence}
    if post.label == "negative":
        probabilities = dict(zip(probabilities, reversed(probabilities.values()), strict=True))
    return replace(post, probabilities=probabilities, created_at=f"2026-01-31T12:01:{second:02}.000Z")


def _add_run(wb: Workbench) -> None:
    """Add a finished training with its curves."""
    started = RunStarted(
        *(RUN, "mood", "train", "small", "cpu", "float32", 1, 0, 120, 2),
        posts={"train": 4800, "validation": 600, "test": 600},
        trainable=50_000,
        frozen=1_000_000,
    )
    events: list[Any] = [started]
    for step in range(1, 121):
        loss = 0.2 + 0.5 * math.exp(-step / 30) + 0.05 * math.sin(step)
        events.append(StepDone(step, 120, 1 + step // 61, loss, 1e-3 * (1 - step / 120), 1.0, 32, 640, 0.05, 2**28))
        if step % 60 == 0:
            events.append(Evaluated(step // 60, step, "validation", loss, 0.9 + step / 2400, 0.9, best=True))
            events.append(CheckpointSaved(step, "/runs/checkpoint.safetensors"))
    events.append(RunFinished(RUN, "mood", "train", "/adapters/mood", 2, SCORE))
    run = wb.runs.create("train", "mood", {"plan": {}})
    wb.runs.append_events(run.id, [{"at": MOMENT, **to_json(event)} for event in events])
    wb.runs.finish(run.id, "finished", {"best_epoch": 2, "score": SCORE})
    wb.runs.folder(run.id).rename(wb.runs.folder(RUN))
    with sqlite3.connect(wb.paths.database) as database:
        database.execute("PRAGMA foreign_keys = OFF")
        database.execute("UPDATE runs SET id = ?, created_at = ?, updated_at = ?", (RUN, MOMENT, MOMENT))
        database.execute("UPDATE events SET run_id = ?, at = ?", (RUN, MOMENT))
    database.close()


@pytest.mark.parametrize("screen", ["predict", "train", "history", "models"])
@pytest.mark.parametrize(
    ("size", "theme", "language"),
    [
        ((100, 30), "weibo-dark", "en"),
        ((100, 30), "weibo-light", "en"),
        ((60, 20), "weibo-dark", "en"),
        ((160, 50), "weibo-dark", "en"),
        ((100, 30), "weibo-dark", "zh_CN"),
    ],
    ids=["dark", "light", "narrow", "wide", "chinese"],
)
def test_main_screen_looks_like_its_picture(
    screen: str,
    size: tuple[int, int],
    theme: str,
    language: str,
    settled: Path,
    monkeypatch: pytest.MonkeyPatch,
    snap_compare: Compare,
) -> None:
    monkeypatch.setenv("WEIBO_TUI_HOME", str(settled))
    monkeypatch.setenv("WEIBO_TUI_THEME", theme)
    locale.use(language)
    app = WeiboApp()

    async def show(pilot: Pilot[None]) -> None:
        await until(pilot, lambda: app.device)
        await app.action_go(screen)
        await pilot.pause()
        await app.workers.wait_for_complete()  # which the screen starts when it opens
        await pilot.pause()

    try:
        assert snap_compare(app, terminal_size=size, run_before=show)
    finally:
        app.stop_workers()
