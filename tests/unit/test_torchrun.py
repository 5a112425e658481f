"""Commands in several processes: `torchrun --nproc-per-node=2 -m weibo_tui train …`."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from commands import Command, json_lines, start
from safetensors.torch import load_file
from torch import Tensor

from weibo_tui.cli.torchrun import rank_in_several

CPU = "--device cpu --dtype float32".split()
TRAIN = [*"--epochs 1 --batch-size 8 --emoticon-dropout 0.5 --bottleneck 16 --seed 3 --no-baseline".split(), *CPU]
STEPS = 100
PRETRAIN = [*"--layers 1 --width 32 --heads 2 --vocab-size 500 --context 32 --tokens 20000".split(), *CPU]
ONE_NODE = ("--standalone", "--nproc-per-node=2")
WAIT = 100


class Torchrun:
    """A command that torchrun runs in two processes."""

    def __init__(self, *arguments: str | Path, options: Sequence[str], **variables: str) -> None:
        words = [sys.executable, "-m", "torch.distributed.run", *options, "-m", "weibo_tui", *map(str, arguments)]
        pipe = subprocess.PIPE
        environment = os.environ | {"OMP_NUM_THREADS": "1"} | variables
        self._process = subprocess.Popen(words, stdout=pipe, stderr=pipe, text=True, env=environment)

    def run_to_step(self, step: int) -> str:
        """Wait for a step of a command with --json, and return the id of its run."""
        run = ""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            event = json.loads(line)
            run = str(event.get("run", run))
            if event["event"] == "StepDone" and event["step"] >= step:
                return run
        raise AssertionError(self.end())

    def send(self, signal_number: int, rank: int | None = None) -> None:
        """Send a signal to torchrun, or to one of its processes."""
        process = psutil.Process(self._process.pid)
        if rank is not None:
            (process,) = (child for child in process.children() if child.environ().get("RANK") == str(rank))
        process.send_signal(signal_number)

    def end(self) -> tuple[int, list[str]]:
        """Wait for the end of all processes. Return the exit code of torchrun, and the lines of weibo-tui on stderr."""
        children = psutil.Process(self._process.pid).children()
        _out, err = self._process.communicate(timeout=WAIT)
        assert not psutil.wait_procs(children, timeout=WAIT)[1]
        return self._process.returncode, err.splitlines()


@contextmanager
def running(*arguments: str | Path, options: Sequence[str] = ONE_NODE, **variables: str) -> Iterator[Torchrun]:
    """Yield a command in two processes, and end them with the block."""
    program = Torchrun(*arguments, options=options, **variables)
    try:
        yield program
    finally:
        if program._process.poll() is None:
            program._process.terminate()
        program._process.communicate()


def in_two(*arguments: str | Path) -> list[str]:
    """Run a command in two processes, which must succeed, and return the lines on stderr."""
    with running(*arguments) as program:
        code, lines = program.end()
    assert code == 0, lines
    return lines


def weights(home: Path, name: str) -> dict[str, Tensor]:
    return load_file(home / "adapters" / name / "adapter.safetensors")


def check_same_adapter(home: Path, one: str, other: str) -> None:
    """Check that two adapters have the same weights and score card."""
    first, second = weights(home, one), weights(home, other)
    assert first.keys() == second.keys()
    assert max(float((first[part] - second[part]).abs().max()) for part in first) < 1e-5
    cards = [json.loads((home / "adapters" / name / "card.json").read_text("utf-8")) for name in (one, other)]
    assert cards[0]["temperature"] == pytest.approx(cards[1]["temperature"], rel=1e-3)
    for figure in ("n", "accuracy", "macro_f1", "confusion"):
        assert cards[0]["score"][figure] == cards[1]["score"][figure]


@pytest.fixture
def alone(command: Command, furnished: Path, posts_file: Path) -> Path:
    """Return a home with the adapter `alone`, trained in one process."""
    command.ok("train", posts_file, "--name", "alone", *TRAIN, "--threads", "1")
    return furnished


def test_two_processes_train_the_same_adapter(command: Command, alone: Path, posts_file: Path) -> None:
    lines = in_two("train", posts_file, "--name", "shared", *TRAIN)
    check_same_adapter(alone, "alone", "shared")
    assert len([line for line in lines if "(cpu, float32, 2 processes)" in line]) == 1
    (run,) = (run for run in json_lines(command.ok("runs", "list", "--json").out) if run["name"] == "shared")
    assert (run["state"], run["step"]) == ("finished", STEPS)
    command.ok("runs", "export", run["id"], alone / "journal.jsonl")
    journal = json_lines((alone / "journal.jsonl").read_text("utf-8"))
    assert [event["step"] for event in journal if event["event"] == "StepDone"] == list(range(1, STEPS + 1))
    assert [event["processes"] for event in journal if event["event"] == "RunStarted"] == [2]


@pytest.mark.parametrize("rank", [0, 1])
def test_only_rank_0_refuses_other_commands(rank: int, furnished: Path) -> None:
    variables = {"TORCHELASTIC_RUN_ID": "test", "WORLD_SIZE": "2", "RANK": str(rank)}
    with start("runs", "list", env=os.environ | variables) as process:
        out, err = process.communicate()
    assert out == b""
    if rank:
        assert (process.returncode, err) == (0, b"")
    else:
        assert process.returncode == 2
        assert err.startswith(b"weibo-tui: torchrun starts several processes, which only 'train', 'bases pretrain' ")


def test_variable_of_torchrun_alone_changes_nothing(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "test")
    assert command.ok("runs", "list").code == 0
    assert rank_in_several() is None


WITHOUT_PATIENCE = """
from datetime import timedelta
from weibo_tui.cli import main
from weibo_tui.engine import parallel
parallel.START_TIMEOUT = timedelta(seconds=1)
main()
"""


def test_process_that_never_starts_is_an_error(home: Path, posts_file: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    numbers = {"WORLD_SIZE": "2", "RANK": "0", "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "2"}
    variables = {"TORCHELASTIC_RUN_ID": "test", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)} | numbers
    words = [sys.executable, "-c", WITHOUT_PATIENCE, "train", str(posts_file)]
    done = subprocess.run(words, env=os.environ | variables, capture_output=True, text=True, check=False, timeout=WAIT)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("weibo-tui: The connection to another process failed (")


@pytest.mark.slow
def test_killed_process_ends_training_with_checkpoint(command: Command, alone: Path, posts_file: Path) -> None:
    with running("train", posts_file, "--name", "cut", *TRAIN, "--json") as program:
        run = program.run_to_step(20)
        program.send(signal.SIGKILL, rank=1)
        code, lines = program.end()
    assert code == 1
    own = [line for line in lines if line.startswith("weibo-tui: ")]
    message = f"Process 2 of 2 on {socket.gethostname()} ended, and the others cannot continue without it."
    assert own == [f"weibo-tui: {message}"]
    assert f"After fixing this, resume with: weibo-tui runs resume {run}" in lines
    shown = command.ok("runs", "show", run).out
    assert "failed" in shown
    assert message in " ".join(shown.split())
    in_two("runs", "resume", run)
    check_same_adapter(alone, "alone", "cut")


@pytest.mark.slow
def test_killed_rank_0_ends_all_processes(command: Command, alone: Path, posts_file: Path) -> None:
    with running("train", posts_file, "--name", "cut", *TRAIN, "--json") as program:
        run = program.run_to_step(20)
        program.send(signal.SIGKILL, rank=0)
        code, lines = program.end()
    assert code == 1
    assert not [line for line in lines if line.startswith("weibo-tui: ")]
    assert "interrupted" in command.ok("runs", "show", run).out
    in_two("train", "--resume", run)
    check_same_adapter(alone, "alone", "cut")


@pytest.mark.slow
def test_training_is_resumed_with_other_numbers_of_processes(command: Command, alone: Path, posts_file: Path) -> None:
    with running("train", posts_file, "--name", "cut", *TRAIN, "--json") as program:
        run = program.run_to_step(20)
        command.ok("runs", "stop", run)
        _code, lines = program.end()
    assert f"Stopped with a checkpoint. Resume with: weibo-tui runs resume {run}" in lines
    words = [sys.executable, "-m", "weibo_tui", "train", "--resume", run, "--json"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        next(line for line in process.stdout if '"step": 50' in line)
        process.send_signal(signal.SIGINT)
        process.communicate()
    assert process.returncode == 130
    in_two("runs", "resume", run)
    check_same_adapter(alone, "alone", "cut")


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_to_torchrun_stops_with_checkpoint(
    number: int, command: Command, furnished: Path, posts_file: Path
) -> None:
    with running("train", posts_file, "--name", "cut", *TRAIN, "--json") as program:
        run = program.run_to_step(20)
        program.send(number)
        _code, lines = program.end()
    assert f"Stopped with a checkpoint. Resume with: weibo-tui runs resume {run}" in lines
    assert not [line for line in lines if line.startswith("weibo-tui: ")]
    assert "stopped" in command.ok("runs", "show", run).out


@pytest.mark.slow
def test_paused_training_continues_in_both_processes(command: Command, alone: Path, posts_file: Path) -> None:
    with running("train", posts_file, "--name", "paused", *TRAIN, "--json") as program:
        run = program.run_to_step(20)
        command.ok("runs", "pause", run)
        assert "paused" in command.ok("runs", "show", run).out
        command.ok("runs", "resume", run)
        program.run_to_step(STEPS)
        assert program.end()[0] == 0
    check_same_adapter(alone, "alone", "paused")


@pytest.mark.slow
def test_two_processes_train_several_seeds(command: Command, furnished: Path, posts_file: Path) -> None:
    seeds = ("--seeds", "2", "--no-probes")
    command.ok("train", posts_file, "--name", "alone", *TRAIN, *seeds, "--threads", "1")
    in_two("train", posts_file, "--name", "shared", *TRAIN, *seeds)
    check_same_adapter(furnished, "alone", "shared")
    in_two("train", posts_file, "--name", "shared", *TRAIN, *seeds)  # nothing is left


@pytest.mark.slow
def test_two_processes_pretrain_the_same_base(command: Command, furnished: Path, corpus_file: Path) -> None:
    command.ok("bases", "pretrain", corpus_file, "--name", "alone", *PRETRAIN, "--threads", "1")
    with running("bases", "pretrain", corpus_file, "--name", "shared", *PRETRAIN, "--json") as program:
        run = program.run_to_step(3)
        command.ok("runs", "stop", run)
        program.end()
    in_two("runs", "resume", run)
    cards = [json.loads((furnished / "bases" / name / "card.json").read_text("utf-8")) for name in ("alone", "shared")]
    losses = [card["made"]["validation_loss"] for card in cards]
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)


@pytest.mark.slow
def test_other_commands_are_refused_once(furnished: Path) -> None:
    with running("runs", "list") as program:
        code, lines = program.end()
    assert code == 1
    (line,) = (line for line in lines if line.startswith("weibo-tui: "))
    assert line.startswith("weibo-tui: torchrun starts several processes, which only 'train', ")


@pytest.mark.slow
def test_error_of_the_command_is_printed_once(furnished: Path, tmp_path: Path) -> None:
    with running("train", tmp_path / "missing.csv") as program:
        code, lines = program.end()
    assert code == 1
    (line,) = (line for line in lines if line.startswith("weibo-tui: "))
    assert line.startswith("weibo-tui: File not found: ")


@pytest.mark.slow
@pytest.mark.parametrize("has_base", [True, False])
def test_second_machine_needs_only_the_base(has_base: bool, alone: Path, tmp_path: Path, posts_file: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    if has_base:
        shutil.copytree(alone / "bases" / "tiny", other / "bases" / "tiny")
    before = sorted(other.rglob("*"))
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    nodes = ["--nnodes=2", "--nproc-per-node=1", "--rdzv-backend=c10d", f"--rdzv-endpoint=127.0.0.1:{port}"]
    first, second = ([*nodes, f"--rdzv-conf=is_host={is_host}"] for is_host in (1, 0))
    arguments: list[str | Path] = ["train", posts_file, "--name", "shared", *TRAIN]
    with (
        running(*arguments, options=first) as program,
        running(*arguments, options=second, WEIBO_TUI_HOME=str(other)) as node,
    ):
        code, lines = program.end()
        _code, other_lines = node.end()
    assert sorted(other.rglob("*")) == before
    assert not [line for line in other_lines if line.startswith("weibo-tui: ")]
    if has_base:
        assert code == 0
        check_same_adapter(alone, "alone", "shared")
    else:
        assert code == 1
        (line,) = (line for line in lines if line.startswith("weibo-tui: "))
        assert line.startswith(f"weibo-tui: Process 2 of 2 on {socket.gethostname()} cannot continue. Base 'tiny' ")
        assert not (alone / "runs").exists() or not list(alone.glob("runs/*/checkpoint.safetensors"))
