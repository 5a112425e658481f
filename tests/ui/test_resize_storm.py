"""A window that is resized hundreds of times during typing and training."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from at_work import app_at_work, check_run, started_run
from terminal import Terminal

TYPED = "今天的面真好吃吗"


def step(home: Path) -> int:
    run = started_run(home)
    return 0 if run is None else run.step


@pytest.mark.parametrize(
    ("seed", "times"), [(1, 32), *(pytest.param(seed, 500, marks=pytest.mark.slow) for seed in range(5))]
)
def test_resize_storm_loses_no_key_and_no_step(seed: int, times: int, furnished: Path, posts_file: Path) -> None:
    chance = random.Random(seed)
    with Terminal(app_at_work("train", posts_file)) as terminal:
        terminal.wait_until(lambda: step(furnished), "a step of the training")
        before = step(furnished)
        for number in range(times):
            size = chance.choice([(1, 1), (20, 5), (300, 100), (chance.randint(1, 300), chance.randint(1, 90))])
            terminal.resize(*size)
            key, rest = divmod(number, times // len(TYPED))
            if not rest and key < len(TYPED):
                terminal.press(TYPED[key])
            terminal.listen(0.001)
        terminal.resize(100, 30)
        terminal.wait_for(TYPED)
        terminal.wait_for("training second")
        terminal.wait_until(lambda: step(furnished) > before, "a further step")
        terminal.press("f3")
        terminal.wait_for("New")
        terminal.process.terminate()
        assert terminal.wait_for_end() == 0
        assert terminal.in_order
    assert not (furnished / "weibo-tui.log").exists()
    check_run(furnished, "stopped")
