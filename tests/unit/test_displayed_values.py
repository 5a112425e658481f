"""What was shown is in the history, though the program was killed the moment after."""

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

JUDGED = re.compile(r"第(\d+)碗面真好吃 *\n *[▲▼?] (?:positive|negative)")


def kept(home: Path) -> set[str]:
    with Workbench.open(home) as bench:
        return {entry.text for entry in bench.history.page(100_000) if hasattr(entry, "text")}


def seen_in_the_app(home: Path, posts: Path, chance: random.Random) -> set[str]:
    """The posts whose verdicts stood on the screen when the app, at work and under load, was killed."""
    seen: set[str] = set()
    with Terminal(app_at_work("train", posts), rows=50) as terminal:
        terminal.wait_for("adapter mood")
        for number in range(chance.randrange(5, 30)):
            terminal.paste(f"第{number}碗面真好吃")
            terminal.press("enter")
        terminal.wait_until(lambda: JUDGED.search(terminal.text), "a verdict")
        terminal.listen(chance.random() / 2)
        terminal.process.send_signal(signal.SIGKILL)
        terminal.process.wait()
        terminal.listen(0.5)
        seen = {f"第{number}碗面真好吃" for number in JUDGED.findall(terminal.text)}
    assert seen
    return seen


def told_by_the_command(chance: random.Random) -> set[str]:
    """The posts whose verdicts were on stdout when `predict -` was killed, which was given a post a line as by hand."""
    master, slave = os.openpty()
    tty.setraw(slave)
    with start("predict", "-", "--json", stdin=slave) as process:
        os.close(slave)
        assert process.stdout
        told = []
        for number in range(chance.randrange(2, 40)):
            os.write(master, f"第{number}盘饺子真好吃\n".encode())
            if number % 3 == 2:  # several wait, mostly
                told.append(process.stdout.readline())
        process.kill()
        told.append(process.stdout.read())
    os.close(master)
    whole = b"".join(told).decode()
    return {one["text"] for one in json_lines(whole[: whole.rfind("\n") + 1])}


def told_by_the_batch(chance: random.Random) -> set[str]:
    """The same of a pipe, which is judged by the batch."""
    with tempfile.TemporaryFile() as posts:
        posts.write("".join(f"第{number}杯茶真好喝\n" for number in range(20_000)).encode())
        posts.seek(0)
        with start("predict", "-", "--json", stdin=posts) as process:
            assert process.stdout
            told = [process.stdout.readline() for _time in range(chance.randrange(1, 2000))]
            process.kill()
            told.append(process.stdout.read())
    whole = b"".join(told).decode()
    return {one["text"] for one in json_lines(whole[: whole.rfind("\n") + 1])}


def test_a_verdict_that_was_told_line_by_line_is_kept(furnished: Path) -> None:
    told = told_by_the_command(random.Random(1))
    assert told
    assert told <= kept(furnished)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(25))
def test_every_verdict_that_was_seen_in_the_app_is_kept(seed: int, furnished: Path, posts_file: Path) -> None:
    assert seen_in_the_app(furnished, posts_file, random.Random(seed)) <= kept(furnished)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_every_verdict_that_was_told_is_kept(seed: int, furnished: Path) -> None:
    told = told_by_the_command(random.Random(seed)) | told_by_the_batch(random.Random(seed))
    assert told
    assert told <= kept(furnished)
