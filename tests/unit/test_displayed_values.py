"""Predictions that were shown are in the history, even if the program is killed right after."""

from __future__ import annotations

import io
import random
import re
import signal
import sys
from pathlib import Path

import pytest
from at_work import app_at_work
from commands import json_lines
from terminal import Terminal

from weibo_tui import Workbench
from weibo_tui.cli import main

PREDICTED = re.compile(r"第(\d+)碗面真好吃 *\n *[▲▼?] (?:positive|negative)")


def recorded(home: Path) -> set[str]:
    with Workbench(home) as wb:
        return {entry.text for entry in wb.history.page(100_000) if hasattr(entry, "text")}


def shown_in_app(home: Path, posts: Path, chance: random.Random) -> set[str]:
    """Return the posts with predictions on the screen when the app, under load, was killed."""
    shown: set[str] = set()
    with Terminal(app_at_work("train", posts), rows=50) as terminal:
        terminal.wait_for("adapter mood")
        for number in range(chance.randrange(5, 30)):
            terminal.paste(f"第{number}碗面真好吃")
            terminal.press("enter")
        terminal.wait_until(lambda: PREDICTED.search(terminal.text), "a prediction")
        terminal.listen(chance.random() / 2)
        terminal.process.send_signal(signal.SIGKILL)
        terminal.process.wait()
        terminal.listen(0.5)
        shown = {f"第{number}碗面真好吃" for number in PREDICTED.findall(terminal.text)}
    assert shown
    return shown


class TypedText(io.TextIOWrapper):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("kind", [TypedText, io.TextIOWrapper])
def test_printed_prediction_is_recorded_before(
    furnished: Path, monkeypatch: pytest.MonkeyPatch, kind: type[io.TextIOWrapper]
) -> None:
    printed: dict[str, bool] = {}

    class Output(io.TextIOWrapper):
        def write(self, line: str) -> int:
            printed.update((post["text"], post["text"] in recorded(furnished)) for post in json_lines(line.strip()))
            return len(line)

    posts = [f"第{number}盘饺子真好吃" for number in range(5)]
    monkeypatch.setattr(sys, "argv", ["weibo-tui", "predict", "-", "--json"])
    monkeypatch.setattr(sys, "stdin", kind(io.BufferedReader(io.BytesIO("\n".join(posts).encode())), encoding="utf-8"))
    monkeypatch.setattr(sys, "stdout", Output(io.BytesIO()))
    with pytest.raises(SystemExit, match="0"):
        main()
    assert printed == dict.fromkeys(posts, True)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(25))
def test_prediction_shown_in_app_is_recorded(seed: int, furnished: Path, posts_file: Path) -> None:
    assert shown_in_app(furnished, posts_file, random.Random(seed)) <= recorded(furnished)
