"""In a folder of the original project, what lies there is found and offered, and nothing is taken unasked."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import originals
import pytest
from commands import Command, listing

from weibo_tui.workbench import Workbench
from weibo_tui.workbench.legacy_project import LegacyProject

BASE = Path("models", "gpt2-chinese")
DATA = Path("dataset", "weibo_senti_100k.csv")
CHECKPOINT = Path("best_weibo_sentiment_model.pth")


@pytest.fixture
def project(tmp_path: Path, few: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The original's folder, and the current one."""
    folder = tmp_path / "project"
    folder.mkdir()
    originals.write_original(folder)
    (folder / DATA).parent.mkdir()
    few.rename(folder / DATA)
    monkeypatch.chdir(folder)
    return folder


def test_what_lies_there_is_found(project: Path, tmp_path: Path) -> None:
    assert LegacyProject.find() == LegacyProject(BASE, DATA, CHECKPOINT)
    assert LegacyProject.find().found == (BASE, CHECKPOINT, DATA)
    assert LegacyProject.find(project).data == project / DATA
    assert LegacyProject.find(tmp_path) == LegacyProject(None, None, None)
    (project / BASE / "config.json").unlink()
    (project / CHECKPOINT).unlink()
    (project / CHECKPOINT).mkdir()
    assert LegacyProject.find().found == (DATA,)


def test_looking_needs_no_torch(project: Path) -> None:
    script = (
        "import sys; from weibo_tui.workbench.legacy_project import Originals; "
        "assert len(Originals.find().found) == 3; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_each_step_names_the_next_and_the_last_gives_a_verdict(command: Command, project: Path, home: Path) -> None:
    before = listing(home)
    done = command("train", DATA)
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert f"'weibo-tui bases add {BASE}'" in done.err
    done = command("adapters", "import", CHECKPOINT)
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert f"'weibo-tui bases add {BASE}'" in done.err
    assert "runs" not in listing(home)
    assert {path for path in listing(home) if path.startswith("adapters")} == set()
    assert "adapters" not in before

    assert "'gpt2-chinese' is there" in command.ok("bases", "add").err
    done = command("predict", "好看", "--device", "cpu")
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert f"'weibo-tui adapters import {CHECKPOINT}'" in done.err
    command.ok("adapters", "import", CHECKPOINT)
    assert command.ok("predict", "好看", "--device", "cpu", "--json").out.count("\n") == 1
    with Workbench.open(home) as bench:
        assert bench.bases.card("gpt2-chinese").source == str(project / BASE)

    done = command("train")
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert f"'weibo-tui train {DATA}'" in done.err


def test_elsewhere_the_errors_are_as_they_were(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for arguments, message in {
        ("bases", "add"): "Name the model's folder",
        ("train",): "Name the files to train on, or a run with --resume",
        ("predict", "好看"): "There is no adapter yet: train one",
        ("adapters", "import", "a.pth"): "There is no base yet: add one with 'weibo-tui bases add'",
    }.items():
        done = command(*arguments)
        assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
        assert message in done.err
