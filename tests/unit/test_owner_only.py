"""Files of the program are private with any umask."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import models
import pytest
from commands import MACHINE, Command

from weibo_tui import Workbench
from weibo_tui.engine.events import StepDone
from weibo_tui.log import log_exception


@pytest.fixture
def careless() -> Iterator[None]:
    """A umask that allows everything."""
    before = os.umask(0)
    yield
    os.umask(before)


def open_to_others(folder: Path) -> list[str]:
    """Return the paths in a folder that others may read, write or enter."""
    return [f"{path} {path.stat().st_mode & 0o777:o}" for path in folder.rglob("*") if path.stat().st_mode & 0o077]


def test_files_of_all_commands_are_private(
    command: Command,
    wb: Workbench,
    home: Path,
    few: Path,
    corpus_file: Path,
    tmp_path: Path,
    careless: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out = tmp_path / "deep" / "out"
    monkeypatch.setenv("WEIBO_TUI_HOME", str(tmp_path / "other" / "home"))
    source = models.write_folder(tmp_path / "from" / "again", models.reference(1, n_layer=4), tokens="tokenizer.json")
    command.ok("bases", "add", source, "--name", "small")
    training = ["--max-length", "32", "--epochs", "1", *MACHINE]
    command.ok("train", few, "--name", "made", *training)
    command.ok("train", few, "--name", "kept", "--blocks", "3", "--keep-states", *training)
    command.ok("predict", "真好吃", "--adapter", "made", *MACHINE)
    command.ok("adapters", "use", "made")
    command.ok("predict", "--file", few, "--out", out / "labelled.csv", *MACHINE)
    command.ok("evaluate", few, "--errors", out / "errors.csv", *MACHINE)
    command.ok("history", "export", out / "history.csv")
    for kind, name in (("adapters", "made"), ("bases", "small")):
        for ending in ("zip", "tar.gz"):
            command.ok(kind, "export", name, out / f"{kind}.{ending}")
    command.ok("adapters", "import", out / "adapters.zip", "--name", "imported")
    size = "--layers 1 --width 16 --heads 2 --vocab-size 300 --context 16 --tokens 2000 --batch-size 8".split()
    command.ok("bases", "pretrain", corpus_file, "--name", "tiny", *size, *MACHINE)
    with Workbench() as other:
        run = other.runs.list()[0].id
        command.ok("runs", "export", run, out / "run.jsonl")
        command.ok("runs", "export", run, out / "run.csv")
        events = other.iter_train(models.training_plan(tmp_path / "other", "stopped", data=(few,)))
        models.until(events, StepDone, 2)
        events.close()
        assert list(other.paths.runs.glob("*/checkpoint.safetensors"))
    log_exception(ValueError("a fault"))
    assert len(list((tmp_path / "other").rglob("*"))) > 20
    assert len(list(out.iterdir())) == 9
    assert open_to_others(tmp_path / "other" / "home") == []
    assert open_to_others(tmp_path / "deep") == []


def test_replaced_file_keeps_its_mode(command: Command, furnished: Path, tmp_path: Path) -> None:
    shared = tmp_path / "history.csv"
    shared.touch()
    shared.chmod(0o664)
    command.ok("predict", "真好吃", *MACHINE)
    command.ok("history", "export", shared, "--overwrite")
    assert shared.stat().st_mode & 0o777 == 0o664
