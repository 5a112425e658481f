"""Work that is killed at any moment can be resumed, and its result is the same."""

from __future__ import annotations

import csv
import json
import os
import random
import shutil
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import made_up
import pytest
from commands import Command, environment, json_lines, start

OPTIONS = "--name cut --epochs 2 --batch-size 8 --dropout 0.1 --emoticon-dropout 0.5 --bottleneck 16 --seed 3".split()
MACHINE = "--device cpu --dtype float32 --threads 1".split()
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


@dataclass(frozen=True)
class Uninterrupted:
    """The result of an uninterrupted command, and its seconds."""

    result: bytes
    seconds: float


def quietly(*arguments: str | Path, **options: object) -> subprocess.Popen[bytes]:
    return start(*arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options)


def age(folder: Path) -> None:
    """Make the partial files of a killed process look old."""
    for leftover in folder.rglob(".*.partial"):
        os.utime(leftover, (0, 0))


def dying(number: int, places: str, *arguments: str | Path) -> int:
    """Run a command that is killed before its write `number` to a file. Return its exit code."""
    words = [sys.executable, "-c", DIES, str(number), places, *map(str, arguments)]
    return subprocess.run(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode


def kill_within(process: subprocess.Popen[bytes], seconds: float) -> None:
    """Kill a process after `seconds`, unless it has ended."""
    with process, suppress(subprocess.TimeoutExpired):
        process.wait(seconds)
    process.kill()
    process.wait()


@pytest.fixture(scope="module")
def trained(stocked: Path, posts_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Uninterrupted:
    """The weights of an uninterrupted training."""
    home = tmp_path_factory.mktemp("undisturbed")
    shutil.copytree(stocked, home, dirs_exist_ok=True)
    began = time.monotonic()
    with quietly("train", posts_file, *OPTIONS, *MACHINE, env=environment(WEIBO_TUI_HOME=str(home))) as process:
        assert process.wait() == 0
    return Uninterrupted((home / "adapters/cut/adapter.safetensors").read_bytes(), time.monotonic() - began)


def resume_training(command: Command, home: Path, posts: Path) -> None:
    """Resume a killed training, as a user does."""
    age(home)
    runs = [run for run in json_lines(command.ok("runs", "list", "--json").out) if run["name"] == "cut"]
    assert len(runs) <= 1
    if not runs:
        command.ok("train", posts, *OPTIONS, *MACHINE)
    elif runs[0]["state"] != "finished":
        assert runs[0]["state"] == "interrupted"
        command.ok("train", "--resume", runs[0]["id"])


def check_training(command: Command, home: Path, trained: Uninterrupted) -> None:
    """Check that one run is finished, with each step once and the weights of the uninterrupted one."""
    assert (home / "adapters/cut/adapter.safetensors").read_bytes() == trained.result
    (run,) = (run for run in json_lines(command.ok("runs", "list", "--json").out) if run["name"] == "cut")
    assert (run["state"], run["step"]) == ("finished", STEPS)
    command.ok("runs", "export", run["id"], home / "journal.jsonl", "--overwrite")
    journal = [json.loads(line) for line in (home / "journal.jsonl").read_text("utf-8").splitlines()]
    assert [event["step"] for event in journal if event["event"] == "StepDone"] == list(range(1, STEPS + 1))
    assert [event["event"] for event in journal].count("RunFinished") == 1
    # A checkpoint that the last word was too late for goes with the next run.
    left = {path.name for path in (home / "runs" / run["id"]).iterdir()}
    assert left <= {"lock", "checkpoint.safetensors"}
    assert list(home.rglob("*.partial")) == []
    command.ok("predict", "真好吃", "--adapter", "cut")


@pytest.mark.slow
@pytest.mark.parametrize("trial", range(50))
def test_training_killed_at_random_is_resumed_equal(
    trial: int, command: Command, furnished: Path, posts_file: Path, trained: Uninterrupted
) -> None:
    chance = random.Random(trial)
    kill_within(quietly("train", posts_file, *OPTIONS, *MACHINE), chance.uniform(0, trained.seconds))
    for run in furnished.glob("runs/*/checkpoint.safetensors"):
        if chance.random() < 0.5:  # and once more on its way from there
            kill_within(quietly("train", "--resume", run.parent.name), chance.uniform(0, trained.seconds))
    resume_training(command, furnished, posts_file)
    check_training(command, furnished, trained)


@pytest.mark.slow
def test_training_killed_before_any_write_is_resumed_equal(
    command: Command, furnished: Path, stocked: Path, posts_file: Path, trained: Uninterrupted
) -> None:
    number = 0
    while dying(number, str(furnished), "train", posts_file, *OPTIONS, *MACHINE) != 0:
        resume_training(command, furnished, posts_file)
        check_training(command, furnished, trained)
        shutil.rmtree(furnished)
        shutil.copytree(stocked, furnished)
        number += 1
    assert number > 20


@pytest.fixture(scope="module")
def many_posts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of many posts, some of them empty."""
    path = tmp_path_factory.mktemp("many_posts") / "many.csv"
    posts = [text for text, _label in made_up.posts(500, seed=9)] + ["", "http://t.cn/abc"]
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["n", "review"], *([row, posts[row % len(posts)]] for row in range(ROWS))])
    return path


@pytest.fixture(scope="module")
def labeled(stocked: Path, many_posts: Path, tmp_path_factory: pytest.TempPathFactory) -> Uninterrupted:
    """The file of an uninterrupted labeling."""
    home = tmp_path_factory.mktemp("undisturbed")
    shutil.copytree(stocked, home, dirs_exist_ok=True)
    out, began = home / "out.csv", time.monotonic()
    with quietly(*labeling(many_posts, out), env=environment(WEIBO_TUI_HOME=str(home))) as process:
        assert process.wait() == 0
    return Uninterrupted(out.read_bytes(), time.monotonic() - began)


def labeling(source: Path, out: Path) -> list[str | Path]:
    return ["predict", "--file", source, "--out", out, *MACHINE]


def check_labeling(command: Command, many_posts: Path, out: Path, labeled: Uninterrupted, complete: bool) -> None:
    age(out.parent)
    if not complete:
        command.ok(*labeling(many_posts, out))
    assert out.read_bytes() == labeled.result
    assert [path.name for path in out.parent.glob("*out.csv*")] == ["out.csv"]
    entries = [entry for entry in json_lines(command.ok("history", "list", "--json").out) if entry.get("rows")]
    assert [entry["rows"] for entry in entries] == [ROWS]


@pytest.mark.slow
@pytest.mark.parametrize("trial", range(25))
def test_labeling_killed_at_random_has_each_row_once(
    trial: int, command: Command, furnished: Path, many_posts: Path, labeled: Uninterrupted, tmp_path: Path
) -> None:
    chance, out = random.Random(trial), tmp_path / "out.csv"
    process = quietly(*labeling(many_posts, out))
    kill_within(process, chance.uniform(0, labeled.seconds))
    check_labeling(command, many_posts, out, labeled, complete=process.returncode == 0)


@pytest.mark.slow
def test_labeling_killed_before_any_write_has_each_row_once(
    command: Command, furnished: Path, stocked: Path, many_posts: Path, labeled: Uninterrupted, tmp_path: Path
) -> None:
    number, out = 0, tmp_path / "out.csv"
    while dying(number, f"{furnished}:{tmp_path}", *labeling(many_posts, out)) != 0:
        check_labeling(command, many_posts, out, labeled, complete=False)
        shutil.rmtree(furnished)
        shutil.copytree(stocked, furnished)
        out.unlink()
        number += 1
    assert number > 3
