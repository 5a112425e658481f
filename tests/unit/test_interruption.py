"""Work that is interrupted goes on where it stood, and ends with the same bytes as work that was not."""

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

# 800 posts to train on: 200 steps, an evaluation and a checkpoint behind the first and the last hundred.
STEPS = 200
OPTIONS = "--name cut --epochs 2 --batch-size 8 --dropout 0.1 --emoticon-dropout 0.5 --bottleneck 16 --seed 3".split()
MACHINE = "--device cpu --dtype float32 --threads 1".split()
ROWS = 40_000


def training(posts: Path, **options: Any) -> subprocess.Popen[bytes]:
    return start("train", posts, *OPTIONS, *MACHINE, "--json", **options)


def events(process: subprocess.Popen[bytes]) -> Iterator[dict[str, Any]]:
    """The events as the process tells them."""
    assert process.stdout
    return map(json.loads, process.stdout)


def up_to_step(told: Iterator[dict[str, Any]], step: int) -> str:
    """Wait until the training has made a step; its run."""
    run = next(told)["run"]
    assert next(event for event in told if event.get("event") == "StepDone" and event["step"] == step)
    return str(run)


def weights(home: Path) -> bytes:
    return (home / "adapters" / "cut" / "adapter.safetensors").read_bytes()


@pytest.fixture(scope="module")
def undisturbed(stocked: Path, posts_file: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The weights of the adapter that nobody interrupted."""
    home = tmp_path_factory.mktemp("undisturbed")
    shutil.copytree(stocked, home, dirs_exist_ok=True)
    with training(posts_file, env=environment(WEIBO_TUI_HOME=str(home))) as process:
        process.communicate(timeout=60)
    assert process.returncode == 0
    return weights(home)


def check_goes_on(command: Command, run: str, step: int, home: Path, undisturbed: bytes) -> None:
    """Resume a run: it begins behind `step`, ends with the same bytes, and its journal has each step once."""
    told = [json.loads(line) for line in command.ok("train", "--resume", run, "--json").out.splitlines()]
    assert (told[0]["run"], told[0]["step"]) == (run, step)
    assert [event["step"] for event in told if event["event"] == "StepDone"] == list(range(step + 1, STEPS + 1))
    assert weights(home) == undisturbed
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
def test_a_signal_saves_and_says_how_to_go_on(
    number: signal.Signals, command: Command, furnished: Path, posts_file: Path, undisturbed: bytes
) -> None:
    with training(posts_file) as process:
        told = events(process)
        run = up_to_step(told, 130)
        process.send_signal(number)
        last = max((event["step"] for event in told if event["event"] == "StepDone"), default=130)
        assert process.stderr
        said = process.stderr.read().decode()
    assert process.returncode == 130
    assert f"weibo-tui train --resume {run}\n" in said
    assert "Traceback" not in said
    shown = json.loads(command.ok("runs", "show", run, "--json").out)
    assert (shown["state"], shown["step"]) == ("stopped", last)
    assert last < STEPS
    check_goes_on(command, run, last, furnished, undisturbed)


@pytest.mark.parametrize(
    ("killed_at", "checkpoint"), [pytest.param(30, 0, marks=pytest.mark.slow), pytest.param(150, 100)]
)
def test_a_killed_training_goes_on_from_its_checkpoint(
    killed_at: int, checkpoint: int, command: Command, furnished: Path, posts_file: Path, undisturbed: bytes
) -> None:
    with training(posts_file) as process:
        run = up_to_step(events(process), killed_at)
        process.kill()
    shown = json.loads(command.ok("runs", "show", run, "--json").out)
    assert shown["state"] == "interrupted"
    assert not (furnished / "adapters" / "cut").exists()
    check_goes_on(command, run, checkpoint, furnished, undisturbed)


@pytest.mark.slow
@pytest.mark.parametrize("machine", ["float32 on one thread", "bfloat16 on two threads"])
def test_the_same_seed_data_and_machine_give_the_same_bytes(
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


def seen_labelled(terminal: int) -> Iterator[int]:
    """How many rows the bar on the terminal says are labelled, as it is redrawn."""
    seen = ""
    while piece := os.read(terminal, 65536).decode(errors="replace"):
        seen += re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", piece)
        for line in re.findall(rf"labelling[^\r\n]* (\d+)/{ROWS}", seen):
            yield int(line)
        seen = seen[-200:]


@pytest.mark.parametrize(
    "number",
    [
        signal.SIGKILL,
        pytest.param(signal.SIGINT, marks=pytest.mark.slow),
        pytest.param(signal.SIGTERM, marks=pytest.mark.slow),
        pytest.param(signal.SIGHUP, marks=pytest.mark.slow),
    ],
)
def test_a_cut_labelling_goes_on_with_the_same_command(
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
        assert next(rows for rows in seen_labelled(master) if rows > 2048)
        process.send_signal(number)
        process.communicate(timeout=60)
    os.close(master)
    assert process.returncode == (-signal.SIGKILL if number == signal.SIGKILL else 130)
    assert not out.exists()
    for unfinished in tmp_path.glob(".out.csv.*.partial"):
        os.utime(unfinished, (1, 1))  # a user who starts the command again takes longer than a second
    done = json.loads(command.ok(*words, "--out", out).out)
    assert 2048 <= done["continued"] < ROWS == done["rows"]
    assert json.loads(command.ok(*words, "--out", whole).out)["continued"] == 0
    assert out.read_bytes() == whole.read_bytes()
    assert sorted(path.name for path in tmp_path.glob("*.csv*")) == ["many.csv", "out.csv", "whole.csv"]
