"""Flipped bits and files cut short, anywhere in a home: named, or harmless, and the rest can be used."""

from __future__ import annotations

import random
import shutil
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import made_up
import models
import pytest
from commands import Command, CommandResult, listing

from weibo_tui import TrainingConfig, Workbench
from weibo_tui.engine.events import StepDone
from weibo_tui.engine.hyperparameters import Hyperparameters
from weibo_tui.errors import CorruptFileError, WeiboTuiError
from weibo_tui.storage.database import connect
from weibo_tui.storage.history import Analysis, History, HistoryFilter
from weibo_tui.storage.runs import Runs

MACHINE = "--device cpu --dtype float32 --threads 1".split()
COMMANDS = (
    "adapters list",
    "adapters show mood",
    "bases list",
    "history list",
    "history list --search 好",
    "runs list",
    "runs show {run}",
    "doctor",
    "predict 真好吃",
    "train --resume {run}",
)


@pytest.fixture(scope="module")
def lived_in(stocked: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a base, an adapter, a history, settings, and a stopped run."""
    home = tmp_path_factory.mktemp("lived-in")
    shutil.copytree(stocked, home, dirs_exist_ok=True)
    few = made_up.write_posts(tmp_path_factory.mktemp("posts") / "few.csv", 40, seed=5)
    with Workbench(home) as wb:
        wb.set_default_adapter("mood")
        list(wb.iter_predict([text for text, _label in made_up.posts(60, seed=2)], record=True, machine=models.MACHINE))
        hyper = Hyperparameters(epochs=2, batch_size=8, bottleneck=8)
        events = wb.iter_train(TrainingConfig((few,), "cut", base="tiny", hyper=hyper, machine=models.MACHINE))
        models.until(events, StepDone, 5)
        events.close()
    return home


@pytest.fixture
def mine(lived_in: Path, home: Path) -> Path:
    """The home of the test, a copy of `lived_in`."""
    shutil.copytree(lived_in, home, dirs_exist_ok=True)
    return home


def stopped_run(home: Path) -> str:
    (checkpoint,) = home.glob("runs/*/checkpoint.safetensors")
    return checkpoint.parent.name


def files_of(home: Path) -> list[Path]:
    """Return the files of a home without locks and temporary files of SQLite."""
    endings = (".lock", "lock", "-shm", "-wal")
    return sorted(path for path in home.rglob("*") if path.is_file() and not path.name.endswith(endings))


def harm(path: Path, chance: random.Random) -> str:
    """Damage a file as disks do. Return how."""
    content = bytearray(path.read_bytes())
    kind = chance.choice(["a bit", "a byte", "a stretch of zeros", "the end cut off", "nothing left"])
    at = chance.randrange(len(content))
    if kind == "a bit":
        content[at] ^= 1 << chance.randrange(8)
    elif kind == "a byte":
        content[at] = chance.randrange(256)
    elif kind == "a stretch of zeros":
        length = min(chance.choice([1, 16, 512, 4096]), len(content) - at)
        content[at : at + length] = bytes(length)
    elif kind == "the end cut off":
        del content[at:]
    else:
        content.clear()
    path.write_bytes(content)
    return f"{kind} at {at} of {path.name}"


def check_in_words(done: CommandResult, words: str) -> None:
    """Check that a command succeeded, or said why not in one sentence."""
    assert done.code in (0, 1, 2), words
    assert "Unexpected error" not in done.err + done.out, (words, done)
    assert "Traceback" not in done.err, (words, done)
    if done.code and not words.startswith("doctor"):
        *_read, message = done.err.splitlines()  # what was read, then the error
        assert message.startswith("weibo-tui: "), (words, done)


@pytest.mark.parametrize("seed", [0, 1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(100, 400))])
def test_damaged_home_never_crashes(seed: int, command: Command, mine: Path) -> None:
    chance, run = random.Random(seed), stopped_run(mine)
    what = harm(chance.choice(files_of(mine)), chance)
    before = {path: content for path, content in listing(mine).items() if path.startswith(("adapters", "bases"))}
    for words in COMMANDS:
        criteria = words.format(run=run).split()
        check_in_words(command(*criteria, *(MACHINE if "predict" in words else [])), f"{words}, {what}, seed {seed}")
    after = listing(mine)
    assert all(after[path] == content for path, content in before.items()), what  # damaged or not, nothing is lost


@pytest.mark.parametrize("place", ["a weight", "the step", "the end", "the header"])
def test_damaged_checkpoint_is_refused_and_kept(place: str, mine: Path) -> None:
    run = stopped_run(mine)
    checkpoint = mine / "runs" / run / "checkpoint.safetensors"
    content = bytearray(checkpoint.read_bytes())
    if place == "the end":
        del content[-10:]
    else:
        at = {"a weight": len(content) - 1000, "the step": content.index(b'\\"step\\": ') + 10, "the header": 3}[place]
        content[at] ^= 1
    checkpoint.write_bytes(content)
    with (
        Workbench() as wb,
        pytest.raises(CorruptFileError, match="checkpoint.safetensors is damaged .*Start a new run"),
    ):
        list(wb.iter_resume(run))
    assert checkpoint.read_bytes() == content
    assert not (mine / "adapters" / "cut").exists()


def use(path: Path) -> Iterator[object]:
    """Use a database in every way."""
    database = connect(path)
    history, runs = History(database), Runs(database, path.parent / "runs")
    try:
        page = history.page(20)
        yield page
        yield history.page(20, before=page[-1]) if page else None
        yield history.count(), history.filter_choices()
        yield history.page(20, filter=HistoryFilter(text="好吃"))
        yield list(history.export(path.with_name("out.csv")))
        result = runs.list()
        yield [list(runs.events(run.id)) for run in result]
        yield [runs.export(run.id, path.with_name("journal.csv")) for run in result]
        yield history.add([entry for entry in page[:1] if isinstance(entry, Analysis)])
        history.delete(page[:5])
        history.restore(page[:5])
        yield history.clear()
    finally:
        database.close()


@pytest.mark.parametrize("seeds", [range(8), pytest.param(range(1000, 3000), marks=pytest.mark.slow)])
def test_damaged_database_never_crashes(seeds: range, mine: Path) -> None:
    path = mine / "weibo-tui.db"
    content = path.read_bytes()
    for seed in seeds:
        chance, damaged = random.Random(seed), bytearray(content)
        for _bit in range(chance.choice([1, 1, 1, 3, 30])):
            damaged[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        path.write_bytes(damaged)
        with suppress(WeiboTuiError):
            deque(use(path), maxlen=0)
        for file in path.parent.glob("weibo-tui.db*"):
            file.unlink()
