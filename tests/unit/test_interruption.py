"""Interrupted commands resume where they stopped. `test_killed_anywhere` kills them at any moment."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import made_up
import pytest
from commands import MACHINE, Command, environment, json_lines, start

from weibo_tui.cli.output import echo_json

# 160 training posts give 60 steps, with an evaluation and a checkpoint after each twenty.
STEPS = 60
OPTIONS = "--name cut --epochs 3 --batch-size 8 --dropout 0.1 --emoticon-dropout 0.5 --bottleneck 16 --seed 3".split()
ROWS = 5_000
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def first_is_quick(*numbers: signal.Signals) -> list[Any]:
    return [numbers[0], *(pytest.param(number, marks=pytest.mark.slow) for number in numbers[1:])]


@pytest.fixture
def posts(tmp_path: Path) -> Path:
    return made_up.write_posts(tmp_path / "posts.csv", 200, seed=1)


def weights(home: Path) -> bytes:
    return (home / "adapters" / "cut" / "adapter.safetensors").read_bytes()


def check_resume(command: Command, run: str, step: int, home: Path) -> bytes:
    """Check that a run resumes after `step`, with each step once in its journal. Return its weights."""
    resumed = json_lines(command.ok("train", "--resume", run, "--json").out)
    assert (resumed[0]["run"], resumed[0]["step"]) == (run, step)
    assert [event["step"] for event in resumed if event["event"] == "StepDone"] == list(range(step + 1, STEPS + 1))
    path = home / "journal.jsonl"
    command.ok("runs", "export", run, path, "--overwrite")
    journal = json_lines(path.read_text("utf-8"))
    assert [event["step"] for event in journal if event["event"] == "StepDone"] == list(range(1, STEPS + 1))
    assert [event["event"] for event in journal].count("RunFinished") == 1
    shown = json.loads(command.ok("runs", "show", run, "--json").out)
    assert (shown["state"], shown["step"]) == ("finished", STEPS)
    return weights(home)


@pytest.mark.parametrize("number", first_is_quick(*SIGNALS))
def test_signal_stops_training_with_a_checkpoint(
    number: signal.Signals, command: Command, furnished: Path, posts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def echo_and_stop(event: dict[str, Any]) -> None:
        echo_json(event)
        if event["event"] == "StepDone" and event["step"] == 30:
            os.kill(os.getpid(), number)

    with monkeypatch.context() as patch:
        patch.setattr("weibo_tui.cli.train.echo_json", echo_and_stop)
        result = command("train", posts, *OPTIONS, *MACHINE, "--json")
    printed = json_lines(result.out)
    run = printed[0]["run"]
    last = max(event["step"] for event in printed if event["event"] == "StepDone")
    assert result.code == 130
    assert f"weibo-tui runs resume {run}\n" in result.err
    assert "Traceback" not in result.err
    shown = json.loads(command.ok("runs", "show", run, "--json").out)
    assert (shown["state"], shown["step"]) == ("stopped", last)
    assert 30 <= last < STEPS
    check_resume(command, run, last, furnished)


@pytest.mark.slow
@pytest.mark.parametrize("machine", ["float32 on one thread", "bfloat16 on two threads"])
def test_same_seed_data_and_machine_give_same_bytes(
    machine: str, home: Path, stocked: Path, posts: Path, tmp_path: Path
) -> None:
    dtype, threads = machine.partition(" ")[0], "2" if "two" in machine else "1"
    options = ["--name", "cut", "--epochs", "1", "--batch-size", "8", "--dropout", "0.1", "--dtype", dtype]
    homes = [tmp_path / "one", tmp_path / "other"]
    for own in homes:
        shutil.copytree(stocked, own)
    processes = [
        start("train", posts, *options, "--threads", threads, env=environment(WEIBO_TUI_HOME=str(own))) for own in homes
    ]
    for process in processes:
        process.communicate(timeout=120)
        assert process.returncode == 0
    assert weights(homes[0]) == weights(homes[1])


SIGNALED = """
import os, sys
from weibo_tui.cli import main
from weibo_tui.progress import Progress
from weibo_tui import Workbench

number, iter_label_file = int(sys.argv.pop(1)), Workbench.iter_label_file

def signaled(*arguments):
    for event in iter_label_file(*arguments):
        if isinstance(event, Progress) and event.stage == "labeling" and event.done > 2048:
            os.kill(os.getpid(), number)
        yield event

Workbench.iter_label_file = signaled
main()
"""
"""Sends a signal to itself when it has labeled the first part of the rows."""


@pytest.mark.parametrize("number", first_is_quick(signal.SIGKILL, *SIGNALS))
def test_interrupted_labeling_continues_with_same_command(
    number: signal.Signals, command: Command, furnished: Path, tmp_path: Path
) -> None:
    source, out, whole = tmp_path / "many.csv", tmp_path / "out.csv", tmp_path / "whole.csv"
    posts = [text for text, _label in made_up.posts(500, seed=9)]
    with source.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["n", "review"], *([row, posts[row % 500]] for row in range(ROWS))])
    words = ["predict", "--file", str(source), "--json", *MACHINE]
    program = [sys.executable, "-c", SIGNALED, str(int(number)), *words, "--out", str(out)]
    code = subprocess.run(program, capture_output=True, check=False).returncode
    assert code == (-signal.SIGKILL if number == signal.SIGKILL else 130)
    assert not out.exists()
    for leftover in tmp_path.glob(".out.csv.*.partial"):
        os.utime(leftover, (1, 1))
    done = json.loads(command.ok(*words, "--out", out).out)
    assert 2048 <= done["continued"] < ROWS == done["rows"]
    assert json.loads(command.ok(*words, "--out", whole).out)["continued"] == 0
    assert out.read_bytes() == whole.read_bytes()
    assert sorted(path.name for path in tmp_path.glob("*.csv*")) == ["many.csv", "out.csv", "whole.csv"]
