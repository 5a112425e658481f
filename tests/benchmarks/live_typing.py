"""Type into the app in a pseudo-terminal: the latency of keys, and of the prediction of what is in the prompt."""

from __future__ import annotations

import os
import random
import shutil
import statistics
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import models
import uer
from benchmarks.runner import Figures
from terminal import Terminal

from weibo_tui import Workbench
from weibo_tui.engine.adapter import Adapter, AdapterConfig

TEXT = "楼下新开的面馆真好吃，汤也鲜，就是等得有点久，服务员还不理人，算了，下次还是去别家吧"
INTERVAL = (0.04, 0.16)
"""Bounds of the seconds between two keys."""
PATIENCE_SECONDS = 1.0
"""Time without a change after which a prediction counts as the same as the one before."""
TEXT_ROW, PREDICTION_ROW, STATUS_ROW = -4, -3, -2


def add_large_model(home: str) -> Figures:
    """Add a base of 12 blocks of width 768 with random weights, and make an adapter on it the default.

    Return its `parameters`."""
    folder = Path(home) / "from"
    with Workbench(Path(home)) as workbench:
        workbench.add_base(uer.write_folder(folder, uer.reference(12, 12, 768)), "large")
        shutil.rmtree(folder)
        base = workbench.bases.open("large")
        shape = base.backbone.config
        adapter = Adapter.initialize(AdapterConfig(shape.width, tuple(range(shape.layers)), labels=2), seed=0, init=0.1)
        workbench.adapters.save(adapter, models.card_for(adapter, base, "large", max_length=128))
        workbench.set_default_adapter("large")
        return {"parameters": base.card.parameters}


def type_posts(home: str, live: bool, posts: int) -> Figures:
    """Type a post several times, after once to warm up, and return milliseconds.

    `key p50` and `p95` are the time from a key to its character on the screen, between other keys. With `live`, the
    app predicts the text then too, and `live p50` and `p95` are the time from the last key to its prediction."""
    variables: dict[str, str | None] = {name: None for name in os.environ if name.startswith("WEIBO_TUI_")}
    variables |= {"WEIBO_TUI_HOME": home, "WEIBO_TUI_LANGUAGE": "en", "WEIBO_TUI_DEVICE": "cpu"}
    variables["WEIBO_TUI_LIVE_PREDICTION"] = str(live).lower()
    keys: list[float] = []
    predictions: list[float] = []
    with Terminal(environment=variables) as terminal:
        terminal.wait_until(lambda: "cpu" in _row(terminal, STATUS_ROW), "the models")
        for number in range(posts + 1):
            typed, predicted = list(_type(terminal, number)), list(_type_with_pauses(terminal)) if live else []
            if number:
                keys += typed
                predictions += predicted
        terminal.press("ctrl+q")
        terminal.wait_for_end()
    return {**_quantiles("key", keys), **(_quantiles("live", predictions) if live else {})}


def _type(terminal: Terminal, seed: int) -> Iterator[float]:
    """Type the post, and yield for each key the milliseconds until its character is on the screen."""
    intervals = random.Random(seed)
    for end in range(1, len(TEXT) + 1):
        yield _press(terminal, end)
        terminal.listen(intervals.uniform(*INTERVAL))
    _clear(terminal)


def _type_with_pauses(terminal: Terminal) -> Iterator[float]:
    """Type the post, and yield the milliseconds until each prediction that a key changes is on the screen."""
    for end in range(1, len(TEXT) + 1):
        before, began = _row(terminal, PREDICTION_ROW), time.perf_counter()
        _press(terminal, end)
        while _row(terminal, PREDICTION_ROW) == before and time.perf_counter() < began + PATIENCE_SECONDS:
            terminal.listen(0.001)
        if _row(terminal, PREDICTION_ROW) != before:
            yield 1000 * (time.perf_counter() - began)
            terminal.listen(INTERVAL[1])
    _clear(terminal)


def _press(terminal: Terminal, end: int) -> float:
    """Press the key of the last character of TEXT[:end], and return the milliseconds until it is on the screen."""
    began = time.perf_counter()
    terminal.send(TEXT[end - 1].encode())
    while TEXT[:end] not in _row(terminal, TEXT_ROW):
        terminal.listen(0.001)
    return 1000 * (time.perf_counter() - began)


def _clear(terminal: Terminal) -> None:
    terminal.press("ctrl+u")
    terminal.wait_until(lambda: TEXT[0] not in _row(terminal, TEXT_ROW), "an empty prompt")
    terminal.listen(PATIENCE_SECONDS)


def _row(terminal: Terminal, row: int) -> str:
    """Return a line of the screen; drawing all of it takes longer than the keys that are measured."""
    screen = terminal.screen
    cells = screen.buffer[row % screen.lines]
    return "".join(cells[column].data for column in range(screen.columns))


def _quantiles(name: str, milliseconds: Sequence[float]) -> Figures:
    cuts = statistics.quantiles(milliseconds, n=20)
    return {f"{name} p50": cuts[9], f"{name} p95": cuts[18]}
