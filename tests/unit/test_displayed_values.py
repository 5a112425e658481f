"""Predictions that were shown are in the history, even if the program is killed right after."""

from __future__ import annotations

import os
import random
import re
import signal
import tempfile
import tty
from pathlib import Path

import pytest
from at_work import app_at_work
from commands import json_lines, start
from terminal import Terminal

from weibo_tui.workbench import Workbench

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


def printed_by_command(chance: random.Random) -> set[str]:
    """Return the posts with predictions on stdout when `predict -` was killed, which read typed lines."""
    master, slave = os.openpty()
    tty.setraw(slave)
    with start("predict", "-", "--json", stdin=slave) as process:
        os.close(slave)
        assert process.stdout
        lines = []
        for number in range(chance.randrange(2, 40)):
            os.write(master, f"第{number}盘饺子真好吃\n".encode())
            if number % 3 == 2:  # several wait, mostly
                lines.append(process.stdout.readline())
        process.kill()
        lines.append(process.stdout.read())
    os.close(master)
    output = b"".join(lines).decode()
    return {line["text"] for line in json_lines(output[: output.rfind("\n") + 1])}


def printed_by_batch(chance: random.Random) -> set[str]:
    """Return the same for a pipe, which is predicted in batches."""
    with tempfile.TemporaryFile() as posts:
        posts.write("".join(f"第{number}杯茶真好喝\n" for number in range(20_000)).encode())
        posts.seek(0)
        with start("predict", "-", "--json", stdin=posts) as process:
            assert process.stdout
            lines = [process.stdout.readline() for _time in range(chance.randrange(1, 2000))]
            process.kill()
            lines.append(process.stdout.read())
    output = b"".join(lines).decode()
    return {line["text"] for line in json_lines(output[: output.rfind("\n") + 1])}


def test_prediction_printed_line_by_line_is_recorded(furnished: Path) -> None:
    printed = printed_by_command(random.Random(1))
    assert printed
    assert printed <= recorded(furnished)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(25))
def test_prediction_shown_in_app_is_recorded(seed: int, furnished: Path, posts_file: Path) -> None:
    assert shown_in_app(furnished, posts_file, random.Random(seed)) <= recorded(furnished)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_printed_predictions_are_recorded(seed: int, furnished: Path) -> None:
    printed = printed_by_command(random.Random(seed)) | printed_by_batch(random.Random(seed))
    assert printed
    assert printed <= recorded(furnished)
