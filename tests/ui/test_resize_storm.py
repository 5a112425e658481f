"""A window that is resized hundreds of times during typing and training."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from at_work import app_at_work
from terminal import Terminal

from weibo_tui.workbench import Workbench

TYPED = "今天的面真好吃吗"


def step(home: Path) -> int:
    with Workbench(home) as wb:
        return sum(run.step for run in wb.runs.list() if run.name == "second")


def storm(home: Path, posts: Path, seed: int, times: int) -> None:
    chance = random.Random(seed)
    with Terminal(app_at_work("train", posts)) as terminal:
        terminal.wait_until(lambda: step(home), "a step of the training")
        before = step(home)
        for number in range(times):
            terminal.resize(
                *chance.choice([(1, 1), (20, 5), (300, 100), (chance.randint(1, 300), chance.randint(1, 90))])
            )
            if number % (times // len(TYPED)) == 0 and number // (times // len(TYPED)) < len(TYPED):
                terminal.press(TYPED[number // (times // len(TYPED))])
            terminal.listen(0.001)
        terminal.resize(100, 30)
        terminal.wait_for(TYPED)
        terminal.wait_for("training second")
        terminal.wait_until(lambda: step(home) > before, "a further step")
        terminal.press("f3")
        terminal.wait_for("New")
        terminal.process.terminate()
        assert terminal.wait_for_end() == 0
        assert terminal.in_order
    assert not (home / "weibo-tui.log").exists()


def test_resize_storm_loses_no_key_and_no_step(furnished: Path, posts_file: Path) -> None:
    storm(furnished, posts_file, seed=1, times=32)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_long_resize_storm_loses_no_key_and_no_step(seed: int, furnished: Path, posts_file: Path) -> None:
    storm(furnished, posts_file, seed, times=500)
