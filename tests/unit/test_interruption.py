"""Interrupted commands resume where they stopped, and end with the same bytes as uninterrupted ones."""

from __future__ import annotations

import csv
import json
import os
import pty
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import made_up
import pytest
from commands import Command, environment, start

# 800 training posts give 200 steps, with an evaluation and a checkpoint after each hundred.
STEPS = 200
OPTIONS = "--name cut --epochs 2 --batch-size 8 --dropout 0.1 --emoticon-dropout 0.5 --bottleneck 16 --seed 3".split()
MACHINE = "--device cpu --dtype float32 --threads 1".split()
ROWS = 40_000


def training(posts: Path, **options: Any) -> subprocess.Popen[bytes]:
    return start("train", posts, *OPTIONS, *MACHINE, "--json", **options)


def events(process: subprocess.Popen[bytes]) -> Iterator[dict[str, Any]]:
    """Yield the events that the process prints."""
    assert process.stdout
    return map(json.loads, process.stdout)


def wait_for_step(stream: Iterator[dict[str, Any]], step: int) -> str:
    """Wait for a step of the training, and return the id of its run."""
    run = next(stream)["run"]
    assert next(event for event in stream if event.get("event") == "StepDone" and event["step"] == step)
    return str(run)


def weights(home: Path) -> bytes:
    return (home / "adapters" / "cut" / "adapter.safetensors").read_bytes()


@pytest.fixture(scope="module")
def uninterrupted(stocked: Path, posts_file: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Return the weights of an uninterrupted training."""
    home = tmp_path_factory.mktemp("uninterrupted")
    shutil.copytree(stocked, home, dirs_exist_ok=True)
    with training(posts_file, env=environment(WEIBO_TUI_HOME=str(home))) as process:
        process.communicate(timeout=60)
    assert process.returncode == 0
    return weights(home)


def check_resume(command: Command, run: str, step: int, home: Path, uninterrupted: bytes) -> None:
    """Check that a run resumes after `step` and ends with the same bytes, each step once in its journal."""
    resumed = [json.loads(line) for line in command.ok("train", "--resume", run, "--json").out.splitlines()]
    assert (resumed[0]["run"], resumed[0]["step"]) == (run, step)
    assert [event["step"] for event in resumed if event["event"] == "StepDone"] == list(range(step + 1, STEPS + 1))
    assert weights(home) == uninterrupted
    path = home / "journal.jsonl"
    command.ok("runs", "export", run, path, "--overwrite")
    journal = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert [event["step"] for event in journal if event["event"] == "StepDone"] == list(range(1, STEPS + 1))
    shown = json.loads(command.ok("runs", "show", run, "--json").out)
    assert (shown["state"], shown["step"]) == ("finished", STEPS)


@pytest.mark.parametrize(
    "number",
    [
        signal.SIGTERM,
        pytest.param(signal.SIGINT, marks=pytest.mark.slow),
        pytest.param(signal.SIGHUP, marks=pytest.mark.slow),
    ],
)
def test_signal_stops_training_with_a_checkpoint(
    number: signal.Signals, command: Command, furnished: Path, posts_file: Path, uninterrupted: bytes
) -> None:
    with training(posts_file) as process:
        stream = events(process)
        run = wait_for_step(stream, 130)
        process.send_signal(number)
        last = max((event["step"] for event in stream if event["event"] == "StepDone"), default=130)
        assert process.stderr
        message = process.stderr.read().decode()
    assert process.returncode == 130
    assert f"weibo-tui train --resume {run}\n" in message
    assert "Traceback" not in message
    shown = json.loads(command.ok("runs", "show", run, "--json").out)
    assert (shown["state"], shown["step"]) == ("stopped", last)
    assert last < STEPS
    check_resume(command, run, last, furnished, uninterrupted)


@pytest.mark.parametrize(
    ("killed_at", "checkpoint"), [pytest.param(30, 0, marks=pytest.mark.slow), pytest.param(150, 100)]
)
def test_killed_training_resumes_from_its_checkpoint(
    killed_at: int, checkpoint: int, command: Command, furnished: Path, posts_file: Path, uninterrupted: bytes
) -> None:
    with training(posts_file) as process:
        run = wait_for_step(events(process), killed_at)
        process.kill()
    shown = json.loads(command.ok("runs", "show", run, "--json").out)
    assert shown["state"] == "interrupted"
    assert not (furnished / "adapters" / "cut").exists()
    check_resume(command, run, checkpoint, furnished, uninterrupted)


@pytest.mark.slow
@pytest.mark.parametrize("machine", ["float32 on one thread", "bfloat16 on two threads"])
def test_same_seed_data_and_machine_give_same_bytes(
    machine: str, home: Path, stocked: Path, posts_file: Path, tmp_path: Path
) -> None:
    dtype, threads = machine.partition(" ")[0], "2" if "two" in machine else "1"
    options = ["--name", "cut", "--epochs", "1", "--batch-size", "8", "--dropout", "0.1", "--dtype", dtype]
    homes = [tmp_path / "one", tmp_path / "other"]
    for own in homes:
        shutil.copytree(stocked, own)
    processes = [
        start("train", posts_file, *options, "--threads", threads, env=environment(WEIBO_TUI_HOME=str(own)))
        for own in homes
    ]
    for process in processes:
        process.communicate(timeout=120)
        assert process.returncode == 0
    assert weights(homes[0]) == weights(homes[1])


def iter_labeled_rows(terminal: int) -> Iterator[int]:
    """Yield the number of labeled rows from the progress bar on the terminal."""
    output = ""
    while piece := os.read(terminal, 65536).decode(errors="replace"):
        output += re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", piece)
        for line in re.findall(rf"labelling[^\r\n]* (\d+)/{ROWS}", output):
            yield int(line)
        output = output[-200:]


@pytest.mark.parametrize(
    "number",
    [
        signal.SIGKILL,
        pytest.param(signal.SIGINT, marks=pytest.mark.slow),
        pytest.param(signal.SIGTERM, marks=pytest.mark.slow),
        pytest.param(signal.SIGHUP, marks=pytest.mark.slow),
    ],
)
def test_interrupted_labeling_continues_with_same_command(
    number: signal.Signals, command: Command, furnished: Path, tmp_path: Path
) -> None:
    source, out, whole = tmp_path / "many.csv", tmp_path / "out.csv", tmp_path / "whole.csv"
    posts = [text for text, _label in made_up.posts(500, seed=9)]
    with source.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["n", "review"], *([row, posts[row % 500]] for row in range(ROWS))])
    words = ["predict", "--file", str(source), "--json", *MACHINE]
    master, slave = pty.openpty()
    with start(*words, "--out", out, stderr=slave, env=environment(TERM="xterm")) as process:
        os.close(slave)
        assert next(rows for rows in iter_labeled_rows(master) if rows > 2048)
        process.send_signal(number)
        process.communicate(timeout=60)
    os.close(master)
    assert process.returncode == (-signal.SIGKILL if number == signal.SIGKILL else 130)
    assert not out.exists()
    for leftover in tmp_path.glob(".out.csv.*.partial"):
        os.utime(leftover, (1, 1))
    done = json.loads(command.ok(*words, "--out", out).out)
    assert 2048 <= done["continued"] < ROWS == done["rows"]
    assert json.loads(command.ok(*words, "--out", whole).out)["continued"] == 0
    assert out.read_bytes() == whole.read_bytes()
    assert sorted(path.name for path in tmp_path.glob("*.csv*")) == ["many.csv", "out.csv", "whole.csv"]
