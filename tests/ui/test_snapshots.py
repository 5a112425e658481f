"""Pictures of each main screen. `pytest tests/ui/test_snapshots.py --snapshot-update` takes them again.

Look at each one before you commit it.
"""

from __future__ import annotations

import json
import math
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import models
import pytest
from evaluated import finished_evaluation, full_score_card
from histories import ANALYSIS, FAILED, FILE
from labeled_posts import posts, write
from pytest_textual_snapshot import SVGImageExtension  # type: ignore[import-untyped]
from stage import app_of, open_file, play, press, until
from syrupy.assertion import SnapshotAssertion
from textual.pilot import Pilot
from textual.widgets import Input, TextArea

from weibo_tui import Workbench, locale
from weibo_tui.app.evaluation.result_view import ResultView
from weibo_tui.app.evaluation.screen import EvaluationScreen
from weibo_tui.app.files.annotate import AnnotateScreen
from weibo_tui.app.files.estimate import EstimateScreen
from weibo_tui.app.files.figures import FigureList
from weibo_tui.app.files.report import ReportScreen
from weibo_tui.app.files.screen import FilesScreen
from weibo_tui.engine.events import CheckpointSaved, Evaluated, RunFinished, RunStarted, StepDone, to_json
from weibo_tui.engine.metrics import score
from weibo_tui.storage.history import Analysis

SCREENS = ("predict", "train", "history", "models", "files")
MOMENT = "2026-01-31T12:00:00.000Z"
RUN = "20260131-120000-00aa"
POSTS = [
    replace(ANALYSIS, text="外卖等了两个小时，面都坨了[怒]", label="negative", confidence=0.981, uncertain=False),
    replace(ANALYSIS, text="[doge] 说不上好，也说不上坏", label="negative", confidence=0.62, uncertain=True),
    replace(ANALYSIS, text="= 以等号开头的微博 \x1b[31m [/哈哈]", confidence=0.87),
    replace(ANALYSIS, text="很长的一条微博。" * 24, truncated=True, characters=192, characters_read=126),
    FAILED,
]


@pytest.fixture(scope="module")
def settled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which nothing depends on time and place. For reading only."""
    folder, figures = tmp_path_factory.mktemp("settled"), _score()
    with Workbench(folder) as wb:
        models.add_base(wb, folder / "from")
        base = wb.bases.open("small")
        data = {"files": ["posts.csv"], "train": 4800, "validation": 600, "test": 600, "split_seed": 0}
        models.add_adapter(wb, base, "mood", score=figures, data=data, run=RUN)
        models.add_adapter(wb, base, "six-moods", labels=("快乐", "悲伤", "愤怒", "恐惧", "惊讶", "平静"))
        wb.set_default_adapter("mood")
        wb.history.add_file(FILE)
        wb.history.add([_predicted(post, second) for second, post in enumerate(POSTS)])
        _add_run(wb, figures)
    for card in folder.glob("*/*/card.json"):
        values = json.loads(card.read_text("utf-8"))
        settled = {"created_at": MOMENT, "source": "/models/gpt2-chinese"}
        card.write_text(json.dumps({**values, **{key: settled[key] for key in settled.keys() & values.keys()}}))
    return folder


def _score() -> dict[str, Any]:
    probabilities = [[0.9, 0.1]] * 27 + [[0.2, 0.8]] * 33
    card = score([0] * 30 + [1] * 30, probabilities, ["negative", "positive"], failed=1)
    return replace(card, emoticons={"with": 0.95, "without": 0.75, "only": 0.9}).to_dict()


def _predicted(post: Analysis, second: int) -> Analysis:
    probabilities = {} if post.confidence is None else {"negative": 1 - post.confidence, "positive": post.confidence}
    if post.label == "negative":
        probabilities = dict(zip(probabilities, reversed(probabilities.values()), strict=True))
    return replace(post, probabilities=probabilities, created_at=f"2026-01-31T12:01:{second:02}.000Z")


def _add_run(wb: Workbench, figures: dict[str, Any]) -> None:
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
    events.append(RunFinished(RUN, "mood", "train", "/adapters/mood", 2, figures))
    run = wb.runs.create("train", "mood", {"plan": {}})
    wb.runs.append_events(run.id, [{"at": MOMENT, **to_json(event)} for event in events])
    wb.runs.finish(run.id, "finished", {"best_epoch": 2, "score": figures})
    wb.runs.folder(run.id).rename(wb.runs.folder(RUN))
    with sqlite3.connect(wb.paths.database) as database:
        database.execute("PRAGMA foreign_keys = OFF")
        database.execute("UPDATE runs SET id = ?, created_at = ?, updated_at = ?", (RUN, MOMENT, MOMENT))
        database.execute("UPDATE events SET run_id = ?, at = ?", (RUN, MOMENT))
    database.close()


@pytest.fixture(scope="module")
def pictures(settled: Path, request: pytest.FixtureRequest) -> dict[str, str]:
    """Return a picture of each main screen, from one start of the app in a size, a theme and a language."""
    size, theme, language = request.param
    with same_everywhere(settled, theme, language):
        return _take_pictures(size)


@contextmanager
def same_everywhere(home: Path, theme: str, language: str) -> Iterator[None]:
    """Run the block with the same clock and machine everywhere."""
    values = {"TZ": "UTC", "WEIBO_TUI_DEVICE": "cpu", "WEIBO_TUI_DTYPE": "float32", "LANG": "C.UTF-8"}
    values["WEIBO_TUI_EXPLANATIONS"] = "no"  # they take a while
    values |= {"WEIBO_TUI_THEME": theme, "WEIBO_TUI_HOME": str(home), "WEIBO_TUI_STARTER": str(home / "none")}
    with pytest.MonkeyPatch.context() as patch:
        for widget in (Input, TextArea):
            patch.setattr(widget.cursor_blink, "_default", False)
        for name, value in values.items():
            patch.setenv(name, value)
        time.tzset()
        locale.use(language)
        yield
    time.tzset()


def _take_pictures(size: tuple[int, int]) -> dict[str, str]:
    pictures: dict[str, str] = {}

    async def scene(pilot: Pilot[None]) -> None:
        app = app_of(pilot)
        await until(pilot, lambda: app.device)
        for screen in SCREENS:
            await app.action_go(screen)
            await pilot.pause()
            await app.workers.wait_for_complete()  # which the screen starts when it opens
            await pilot.pause()
            pictures[screen] = app.export_screenshot(title=app.title, simplify=True)

    play(scene, size)
    return pictures


@pytest.mark.parametrize("screen", SCREENS)
@pytest.mark.parametrize(
    "pictures",
    [
        pytest.param(((100, 30), "weibo-dark", "en"), id="dark"),
        pytest.param(((100, 30), "weibo-light", "en"), id="light"),
        pytest.param(((60, 20), "weibo-dark", "en"), id="narrow"),
        pytest.param(((160, 50), "weibo-dark", "en"), id="wide"),
        pytest.param(((100, 30), "weibo-dark", "zh_CN"), id="chinese"),
    ],
    indirect=True,
)
def test_main_screen_looks_like_its_picture(pictures: dict[str, str], screen: str, snapshot: SnapshotAssertion) -> None:
    assert snapshot.use_extension(SVGImageExtension) == pictures[screen]


TABLE = """\
text,date,user,likes,predicted,confidence,prob_negative,prob_positive,label
外卖等了两个小时，面都坨了[怒],2026-01-31 12:00,甲,3,negative,0.981,0.981,0.019,negative
[doge] 说不上好，也说不上坏,2026-01-31 13:30,乙,0,negative,0.62,0.62,0.38,positive
= 以等号开头的微博 [/哈哈],2026-02-01 08:05,丙,1024,positive,0.87,0.13,0.87,
雨停了，去江边走走[太阳],2026-02-02 20:15,甲,17,positive,0.9375,0.0625,0.9375,
"""


@pytest.mark.parametrize("size", [(160, 40), (60, 20)], ids=["wide", "narrow"])
def test_table_of_a_file_looks_like_its_picture(
    size: tuple[int, int], home: Path, tmp_path: Path, snapshot: SnapshotAssertion
) -> None:
    path = tmp_path / "posts.labeled.csv"
    path.write_text(TABLE, encoding="utf-8")
    pictures: list[str] = []

    async def scene(pilot: Pilot[None]) -> None:
        app = app_of(pilot)
        await until(pilot, lambda: app.device)
        await app.open_file_rows(path)
        files = app.main_screens["files"]
        assert isinstance(files, FilesScreen)
        await until(pilot, lambda: files.view.browser.is_ready and not app.jobs)
        await app.workers.wait_for_complete()
        await pilot.pause()
        pictures.append(app.export_screenshot(title=app.title, simplify=True))

    with same_everywhere(home, "weibo-dark", "en"):
        play(scene, size)
    assert snapshot.use_extension(SVGImageExtension) == pictures[0]


FIGURES = ("annotate", "estimate", "report", "timeline")


@pytest.fixture(scope="module")
def figures(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> dict[str, str]:
    """Return a picture of each screen about a labeled file."""
    size, theme, language = request.param
    folder = tmp_path_factory.mktemp("figures")
    path = write(folder / "posts.csv", posts(900, 300))
    with same_everywhere(folder / "home", theme, language):
        return _take_pictures_of_file(path, size)


def _take_pictures_of_file(path: Path, size: tuple[int, int]) -> dict[str, str]:
    pictures: dict[str, str] = {}

    async def scene(pilot: Pilot[None]) -> None:
        app = app_of(pilot)
        await until(pilot, lambda: app.device)
        file, info = await open_file(pilot, path)

        async def take(name: str) -> None:
            await until(pilot, lambda: not app.jobs)
            await app.workers.wait_for_complete()
            await pilot.pause()
            pictures[name] = app.export_screenshot(title=app.title, simplify=True)

        app.push_screen(report := ReportScreen(file, info))
        await until(pilot, lambda: report.query(FigureList) and report.query_one(FigureList).lines)
        await take("report")
        await press(pilot, "right", "down")
        await take("timeline")
        await press(pilot, "escape")
        app.push_screen(estimates := EstimateScreen(file, info))
        await until(pilot, lambda: estimates.result is not None)
        await take("estimate")
        await press(pilot, "escape")
        app.push_screen(annotation := AnnotateScreen(file, info, "sample"))
        await until(pilot, lambda: annotation._shown_at is not None)
        await press(pilot, "f")
        await take("annotate")

    play(scene, size)
    return pictures


@pytest.mark.parametrize("screen", FIGURES)
@pytest.mark.parametrize(
    "figures",
    [
        pytest.param(((100, 30), "weibo-dark", "en"), id="dark"),
        pytest.param(((42, 12), "weibo-light", "en"), id="small"),
        pytest.param(((80, 24), "weibo-dark", "zh_CN"), id="chinese"),
    ],
    indirect=True,
)
def test_figures_of_a_file_look_like_their_picture(
    figures: dict[str, str], screen: str, snapshot: SnapshotAssertion
) -> None:
    assert snapshot.use_extension(SVGImageExtension) == figures[screen]


@pytest.mark.parametrize(
    ("size", "theme", "language", "turns"),
    [
        pytest.param((120, 40), "weibo-dark", "en", 0, id="dark"),
        pytest.param((80, 24), "weibo-light", "en", 1, id="pictures"),
        pytest.param((80, 24), "weibo-dark", "zh_CN", 2, id="chinese-tables"),
    ],
)
def test_evaluation_looks_like_its_picture(
    size: tuple[int, int], theme: str, language: str, turns: int, home: Path, snapshot: SnapshotAssertion
) -> None:
    pictures: list[str] = []

    async def scene(pilot: Pilot[None]) -> None:
        app = app_of(pilot)
        await until(pilot, lambda: app.device)
        app.push_screen(screen := EvaluationScreen(finished_evaluation(full_score_card(), app)))
        await until(pilot, lambda: screen.query(ResultView) and screen.query_one(ResultView).pages)
        await press(pilot, *["n"] * turns)
        await app.workers.wait_for_complete()
        await pilot.pause()
        pictures.append(app.export_screenshot(title=app.title, simplify=True))

    with same_everywhere(home, theme, language):
        play(scene, size)
    assert snapshot.use_extension(SVGImageExtension) == pictures[0]
