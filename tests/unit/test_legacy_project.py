"""Files of the original project are found and offered, but not imported without a command."""

from __future__ import annotations

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
    """Return a folder of the original project, the current one."""
    folder = tmp_path / "project"
    folder.mkdir()
    originals.write_original(folder)
    (folder / DATA).parent.mkdir()
    few.rename(folder / DATA)
    monkeypatch.chdir(folder)
    return folder


def test_find_returns_existing_paths(project: Path, tmp_path: Path) -> None:
    assert LegacyProject.find() == LegacyProject(BASE, DATA, CHECKPOINT)
    assert LegacyProject.find().paths == (BASE, CHECKPOINT, DATA)
    assert LegacyProject.find(project).data == project / DATA
    assert LegacyProject.find(tmp_path) == LegacyProject(None, None, None)
    (project / BASE / "config.json").unlink()
    (project / CHECKPOINT).unlink()
    (project / CHECKPOINT).mkdir()
    assert LegacyProject.find().paths == (DATA,)


def test_errors_offer_each_step_of_the_import(command: Command, project: Path, home: Path) -> None:
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
    with Workbench(home) as wb:
        assert wb.bases.card("gpt2-chinese").source == str(project / BASE)

    done = command("train")
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert f"'weibo-tui train {DATA}'" in done.err


def test_errors_without_legacy_project_offer_other_steps(
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
