"""Work that is killed at any moment can be resumed, and its result is the same."""

from __future__ import annotations

import csv
import os
import random
import shutil
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import made_up
import pytest
from commands import MACHINE, Command, environment, json_lines, start

pytestmark = pytest.mark.slow

OPTIONS = "--name cut --epochs 2 --batch-size 8 --dropout 0.1 --emoticon-dropout 0.5 --bottleneck 16 --seed 3".split()
STEPS = 200
ROWS = 30_000

# Counts writes to files in the home or the folder of the posts, and kills the program before the one with this number.
DIES = """
import os, signal, sys
left, places = int(sys.argv[1]), tuple(sys.argv[2].split(":"))
del sys.argv[1:3]
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.chmod"}
def watch(event, given):
    global left
    if event in CHANGES or (event == "open" and isinstance(given[2], int) and given[2] & WRITES):
        if isinstance(given[0], (str, os.PathLike)) and os.fspath(given[0]).startswith(places):
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(watch)
from weibo_tui.cli import main
main()
"""
Words = list[str | Path]


class Uninterrupted(NamedTuple):
    """The result of an uninterrupted command, and its seconds."""

    result: bytes
    seconds: float


def begin(words: Words, **options: object) -> subprocess.Popen[bytes]:
    return start(*words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options)


def run_whole(words: Words, home: Path, result: str) -> Uninterrupted:
    """Run a command in a home, and return the file that it makes there."""
    began = time.monotonic()
    with begin(words, env=environment(WEIBO_TUI_HOME=str(home))) as process:
        assert process.wait() == 0
    return Uninterrupted((home / result).read_bytes(), time.monotonic() - began)


def kill_within(words: Words, seconds: float) -> bool:
    """Run a command and kill it after `seconds`. Return True if it has ended before."""
    with begin(words) as process:
        with suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
        process.kill()
    return process.returncode == 0


def kill_before_write(number: int, places: str, words: Words) -> bool:
    """Run a command and kill it before its write `number` to a file. Return True if it has ended before."""
    program = [sys.executable, "-c", DIES, str(number), places, *map(str, words)]
    return subprocess.run(program, capture_output=True, check=False).returncode == 0


def age(folder: Path) -> None:
    """Make the partial files of a killed process look old."""
    for leftover in folder.rglob(".*.partial"):
        os.utime(leftover, (0, 0))


@pytest.fixture(scope="module")
def whole_home(stocked: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("undisturbed")
    shutil.copytree(stocked, home, dirs_exist_ok=True)
    return home


# ---- training


@pytest.fixture(scope="module")
def training(posts_file: Path) -> Words:
    return ["train", posts_file, *OPTIONS, *MACHINE]


@pytest.fixture(scope="module")
def trained(training: Words, whole_home: Path) -> Uninterrupted:
    return run_whole(training, whole_home, "adapters/cut/adapter.safetensors")


def check_training(command: Command, home: Path, training: Words, trained: Uninterrupted) -> None:
    """Resume a killed training as a user does. It ends as one run, with each step once and the same weights."""
    age(home)
    runs = [run for run in json_lines(command.ok("runs", "list", "--json").out) if run["name"] == "cut"]
    if not runs:
        command.ok(*training)
    elif runs[0]["state"] != "finished":
        assert runs[0]["state"] == "interrupted"
        command.ok("train", "--resume", runs[0]["id"])
    assert (home / "adapters/cut/adapter.safetensors").read_bytes() == trained.result
    (run,) = (run for run in json_lines(command.ok("runs", "list", "--json").out) if run["name"] == "cut")
    assert (run["state"], run["step"]) == ("finished", STEPS)
    command.ok("runs", "export", run["id"], home / "journal.jsonl", "--overwrite")
    journal = json_lines((home / "journal.jsonl").read_text("utf-8"))
    assert [event["step"] for event in journal if event["event"] == "StepDone"] == list(range(1, STEPS + 1))
    assert [event["event"] for event in journal].count("RunFinished") == 1
    # A checkpoint that the last word was too late for goes with the next run.
    assert {path.name for path in (home / "runs" / run["id"]).iterdir()} <= {"lock", "checkpoint.safetensors"}
    assert list(home.rglob("*.partial")) == []
    command.ok("predict", "真好吃", "--adapter", "cut")


@pytest.mark.parametrize("trial", range(50))
def test_training_killed_at_random_is_resumed_equal(
    trial: int, command: Command, furnished: Path, training: Words, trained: Uninterrupted
) -> None:
    chance = random.Random(trial)
    kill_within(training, chance.uniform(0, trained.seconds))
    for run in furnished.glob("runs/*/checkpoint.safetensors"):
        if chance.random() < 0.5:  # and once more on its way from there
            kill_within(["train", "--resume", run.parent.name], chance.uniform(0, trained.seconds))
    check_training(command, furnished, training, trained)


def test_training_killed_before_any_write_is_resumed_equal(
    command: Command, furnished: Path, stocked: Path, training: Words, trained: Uninterrupted
) -> None:
    number = 0
    while not kill_before_write(number, str(furnished), training):
        check_training(command, furnished, training, trained)
        shutil.rmtree(furnished)
        shutil.copytree(stocked, furnished)
        number += 1
    assert number > 20


# ---- labeling


@pytest.fixture(scope="module")
def many_posts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of many posts, some of them empty."""
    path = tmp_path_factory.mktemp("many_posts") / "many.csv"
    posts = [text for text, _label in made_up.posts(500, seed=9)] + ["", "http://t.cn/abc"]
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["n", "review"], *([row, posts[row % len(posts)]] for row in range(ROWS))])
    return path


def labeling(source: Path, out: Path) -> Words:
    return ["predict", "--file", source, "--out", out, *MACHINE]


@pytest.fixture(scope="module")
def labeled(whole_home: Path, many_posts: Path) -> Uninterrupted:
    return run_whole(labeling(many_posts, whole_home / "out.csv"), whole_home, "out.csv")


def check_labeling(command: Command, many_posts: Path, out: Path, labeled: Uninterrupted, is_done: bool) -> None:
    age(out.parent)
    if not is_done:
        command.ok(*labeling(many_posts, out))
    assert out.read_bytes() == labeled.result
    assert [path.name for path in out.parent.glob("*out.csv*")] == ["out.csv"]
    entries = [entry for entry in json_lines(command.ok("history", "list", "--json").out) if entry.get("rows")]
    assert [entry["rows"] for entry in entries] == [ROWS]


@pytest.mark.parametrize("trial", range(25))
def test_labeling_killed_at_random_has_each_row_once(
    trial: int, command: Command, furnished: Path, many_posts: Path, labeled: Uninterrupted, tmp_path: Path
) -> None:
    out = tmp_path / "out.csv"
    is_done = kill_within(labeling(many_posts, out), random.Random(trial).uniform(0, labeled.seconds))
    check_labeling(command, many_posts, out, labeled, is_done)


def test_labeling_killed_before_any_write_has_each_row_once(
    command: Command, furnished: Path, stocked: Path, many_posts: Path, labeled: Uninterrupted, tmp_path: Path
) -> None:
    number, out = 0, tmp_path / "out.csv"
    while not kill_before_write(number, f"{furnished}:{tmp_path}", labeling(many_posts, out)):
        check_labeling(command, many_posts, out, labeled, is_done=False)
        shutil.rmtree(furnished)
        shutil.copytree(stocked, furnished)
        out.unlink()
        number += 1
    assert number > 3
