"""`doctor` reports all parts of the installation, also broken ones, and changes nothing."""

from __future__ import annotations

import json
import os
import platform
import shutil
import sqlite3
import sys
from collections import deque
from contextlib import closing
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any

import models
import pytest
import torch
from commands import Command, CommandResult, listing
from hub import Hub
from safetensors.torch import load_file, save_file

from weibo_tui import Workbench
from weibo_tui.atomic import sha256
from weibo_tui.engine.int8_layers import is_supported
from weibo_tui.registry import cards
from weibo_tui.storage.migrations import MIGRATIONS
from weibo_tui.version import __version__
from weibo_tui.workbench.doctor import diagnose


def report(done: CommandResult) -> dict[str, Any]:
    (line,) = done.out.splitlines()
    values: dict[str, Any] = json.loads(line)
    return values


def only_problem(command: Command, *options: str) -> str:
    done = command("doctor", *options, "--json")
    assert done.code == 1
    (problem,) = report(done)["problems"]
    assert "\n" not in problem
    return str(problem)


def test_doctor_reports_intact_home(command: Command, wb: Workbench, home: Path) -> None:
    list(wb.iter_predict(["今天的面真好吃", "太差了"], record=True, machine=models.MACHINE))
    values = report(command.ok("doctor", "--json"))
    assert values["problems"] == []
    versions = {"weibo-tui": __version__, "Python": platform.python_version(), "torch": metadata.version("torch")}
    assert (versions | {"SQLite": sqlite3.sqlite_version}).items() <= values["versions"].items()
    computer = values["computer"]
    assert computer["device"] == ("cuda" if torch.cuda.is_available() else "cpu")
    assert computer["chosen_by"] == "auto"
    assert computer["memory"] > 10**8
    assert computer["cores"] >= 1
    assert computer["dtype"] == ("bfloat16" if computer["bfloat16"] else "float32")
    assert computer["int8"] == (computer["device"] == "cpu" and is_supported())
    assert {name: folder["path"] for name, folder in values["folders"].items()} == dict.fromkeys(
        ("data", "settings", "log"), str(home)
    )
    assert all(folder["exists"] and folder["writable"] for folder in values["folders"].values())
    assert values["folders"]["data"]["free"] == pytest.approx(shutil.disk_usage(home).free, rel=0.1)
    assert values["settings"] == {"base": "small", "adapter": "mood"}
    assert [(base["name"], base["sound"]) for base in values["bases"]] == [("small", True)]
    assert [(adapter["name"], adapter["sound"]) for adapter in values["adapters"]] == [("mood", True)]
    assert values["bases"][0]["size"] > 10_000
    database = values["database"]
    assert (database["version"], database["entries"], database["runs"]) == (len(MIGRATIONS), 2, 0)
    assert values["hub"] is None

    done = command.ok("doctor")
    lines = done.out.splitlines()
    assert lines[0].split() == ["weibo-tui", __version__]
    assert any(line.startswith("Base ") and " small, " in line for line in lines)
    assert any(line.startswith("Adapter ") and " mood, " in line for line in lines)
    starts = {len(line) - len(line.split(maxsplit=1)[1]) for line in lines if line.startswith(("Base", "torch"))}
    assert len(starts) == 1
    assert done.err == "No problems found.\n"


def test_doctor_creates_nothing(command: Command, home: Path) -> None:
    shutil.rmtree(home)
    values = report(command.ok("doctor", "--json"))
    assert values["database"] is None
    assert (values["bases"], values["adapters"]) == ([], [])
    assert {(folder["exists"], folder["writable"]) for folder in values["folders"].values()} == {(False, True)}
    assert not home.exists()


@pytest.mark.parametrize("version", [0, len(MIGRATIONS) - 1, 1000])
def test_doctor_leaves_database_version_unchanged(command: Command, home: Path, version: int) -> None:
    path = home / "weibo-tui.db"
    with closing(sqlite3.connect(path)) as database:
        for step in MIGRATIONS[: version if version < 1000 else 0]:
            step(database)
        database.execute(f"PRAGMA user_version = {version}")
        database.commit()
    before = path.read_bytes()
    done = command("doctor", "--json")
    assert report(done)["database"]["version"] == version
    assert path.read_bytes() == before
    if version == 1000:
        (problem,) = report(done)["problems"]
        assert "version 1000" in problem
        assert "Update weibo-tui" in problem
    else:
        assert report(done)["database"]["entries"] is None
        assert f"version {version}" in command.ok("doctor").out


def test_doctor_reports_changed_settings(command: Command, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "settings.toml").write_text('uncertain_below = 0.9\nhistory = true\nkeys = {"app.quit" = "f10"}\n')
    monkeypatch.setenv("WEIBO_TUI_DEVICE", "cpu")
    monkeypatch.setenv("WEIBO_TUI_THREADS", "3")
    values = report(command.ok("doctor", "--json"))
    assert values["settings"] == {"device": "cpu", "threads": 3, "uncertain_below": 0.9, "keys": {"app.quit": "f10"}}
    assert (values["computer"]["chosen_by"], values["computer"]["threads"]) == ("WEIBO_TUI_DEVICE", 3)
    monkeypatch.delenv("WEIBO_TUI_DEVICE")
    (home / "settings.toml").write_text('device = "cpu"\n')
    assert report(command.ok("doctor", "--json"))["computer"]["chosen_by"] == "settings.toml"


def test_doctor_hides_secrets(command: Command, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "https://somebody:sesame@mirror.example")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_TOKEN", "hf_sesame")
    monkeypatch.setenv("https_proxy", "http://somebody:sesame@proxy.example")
    done = command.ok("doctor", "--json")
    variables = report(done)["variables"]
    assert variables["HF_ENDPOINT"] == "https://…@mirror.example"
    assert variables["HF_HUB_OFFLINE"] == "1"
    assert {"HF_TOKEN", "HTTPS_PROXY"} <= variables.keys()
    for output in (done.out, command.ok("doctor").out):
        assert "sesame" not in output
        assert "somebody" not in output


def flip_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)


def reshape_head(folder: Path) -> None:
    weights = load_file(folder / "adapter.safetensors")
    save_file(weights | {"head.weight": torch.zeros(7, 7)}, folder / "adapter.safetensors")
    card = cards.read(folder / "card.json", cards.AdapterCard)
    hashed = replace(card, weights_sha256=sha256(folder / "adapter.safetensors"))
    (folder / "card.json").write_bytes(cards.write(hashed))


def check_problems(command: Command, home: Path, *expected: tuple[str, str]) -> None:
    """Check that `doctor` reports exactly these problems with their remedies, and changes nothing."""
    before = listing(home)
    done = command("doctor", "--json")
    problems = report(done)["problems"]
    assert len(problems) == len(expected), problems
    for part, remedy in expected:
        assert [part in problem and remedy in problem for problem in problems].count(True) == 1, (part, problems)
    assert {name: kind for name, kind in listing(home).items() if "-shm" not in name and "-wal" not in name} == before
    done = command("doctor")
    assert (done.code, done.err) == (1, "")
    assert [line[2:] for line in done.out.splitlines() if line.startswith("! ")] == problems
    assert "CPU" in done.out or "GPU" in done.out


def test_doctor_reports_damaged_models_and_lost_defaults(
    command: Command, wb: Workbench, home: Path, tmp_path: Path
) -> None:
    base = wb.bases.open("small")
    for name in ("reshaped", "figure", "orphan"):
        models.add_adapter(wb, base, name)
    models.add_base(wb, tmp_path, "other", seed=1)
    models.cut(home / "adapters/mood/adapter.safetensors")
    reshape_head(home / "adapters/reshaped")
    card = home / "adapters/figure/card.json"
    assert card.read_bytes().count(b'"temperature": 1.0') == 1
    card.write_bytes(card.read_bytes().replace(b'"temperature": 1.0', b'"temperature": 1.4'))
    orphan = home / "adapters/orphan/card.json"
    card_without_base = replace(cards.read(orphan, cards.AdapterCard), base="lost", base_fingerprint="0" * 64)
    orphan.write_bytes(cards.write(card_without_base))
    (home / "adapters/broken").mkdir()
    (home / "adapters/broken/card.json").write_text("{")
    flip_bit(home / "bases/small/model.safetensors")
    (home / "bases/other/tokenizer.json").unlink()
    (home / "settings.toml").write_text('base = "gone"\nadapter = "gone"')
    check_problems(
        command,
        home,
        ("adapters/mood is damaged (adapter.safetensors)", "Remove 'mood'"),
        ("head.weight has shape (7, 7)", "Remove 'reshaped'"),
        ("adapters/figure is damaged (card.json)", "train it again"),
        ("adapters/broken/card.json (", "Remove its folder"),
        ("bases/small is damaged (model.safetensors)", "Remove 'small'"),
        ("bases/other is damaged (tokenizer.json)", "Remove 'other'"),
        ("'orphan' needs base 'lost'", "Add it"),
        ("The default adapter 'gone'", "adapters use"),
        ("The default base 'gone'", "bases use"),
    )


@pytest.mark.parametrize("damage", ["no database", "overwritten", "folder"])
def test_doctor_reports_damaged_database_and_settings(command: Command, wb: Workbench, home: Path, damage: str) -> None:
    list(wb.iter_predict(["今天的面真好吃" * 10] * 20, record=True, machine=models.MACHINE))
    wb._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    (root,) = wb._database.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'analyses'").fetchone()
    wb.close()
    path = home / "weibo-tui.db"
    for suffix in ("-wal", "-shm"):
        path.with_name(f"{path.name}{suffix}").unlink(missing_ok=True)
    content = path.read_bytes()
    if damage == "folder":
        path.unlink()
        path.mkdir()
    elif damage == "overwritten":
        path.write_bytes(content[: 4096 * (root - 1)] + b"\xff" * 4096 + content[4096 * root :])
    else:
        path.write_text("no database at all, " * 500)
    settings = b"device = cpu" if damage == "folder" else b"\xff\xfe\x00"
    (home / "settings.toml").write_bytes(settings)
    problem = {
        "folder": ("Cannot open database", "Check the disk"),
        "overwritten": ("weibo-tui.db is damaged", "Export the history, then move the database aside"),
        "no database": ("weibo-tui.db is damaged", "Move it aside"),
    }
    check_problems(command, home, problem[damage], ("settings.toml is not valid", "Correct it"))


def test_doctor_reports_unwritable_folders(command: Command, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocked = home / "a file"
    blocked.touch()
    monkeypatch.setenv("WEIBO_TUI_HOME", str(blocked / "home"))
    done = command("doctor", "--json")
    assert done.code == 1
    values = report(done)
    assert not any(folder["writable"] for folder in values["folders"].values())
    message = f"Cannot write to {blocked / 'home'}. Check its permissions and the disk."
    assert values["problems"].count(message) == 1


def test_doctor_reports_missing_parts(command: Command, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage, version = shutil.disk_usage(home), metadata.version

    def version_without_textual(name: str) -> str:
        if name == "textual":
            raise metadata.PackageNotFoundError(name)
        return version(name)

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda _path: usage._replace(free=1_900_000_000))
        problem = only_problem(command)
        assert "1.9 GB" in problem
        assert "at least 2 GB" in problem
    with monkeypatch.context() as patch:
        patch.setenv("WEIBO_TUI_DEVICE", "mps")
        assert "Device not found: mps" in only_problem(command)
        assert report(command("doctor", "--json"))["computer"] is None
    with monkeypatch.context() as patch:
        patch.setattr(metadata, "version", version_without_textual)
        assert "Package textual is missing. Install weibo-tui again" in only_problem(command)
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "torch", None)  # importing it raises ImportError
        patch.delitem(sys.modules, "weibo_tui.engine.device", raising=False)
        assert only_problem(command).startswith("torch cannot be checked")


def test_doctor_reports_encoding_without_chinese(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Stream:
        encoding = "iso-8859-1"

    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", Stream())
        (problem,) = diagnose().problems
    assert "iso-8859-1 has no Chinese" in problem


def test_doctor_asks_hub_only_with_network_option(command: Command, home: Path, hub: Hub) -> None:
    assert report(command.ok("doctor", "--network", "--json"))["hub"] == os.environ["HF_ENDPOINT"]
    assert len(hub.requests) == 1
    assert f"{hub.address} answers" in command.ok("doctor", "--network").out
    count = len(hub.requests)
    assert report(command.ok("doctor", "--json"))["hub"] is None
    assert len(hub.requests) == count


def test_doctor_with_refusing_hub_is_consistent(command: Command, home: Path, hub: Hub) -> None:
    for status in (401, 429):
        hub.statuses = deque([(status, {"Retry-After": "0"})] * 20)
        done = command("doctor", "--network", "--json")
        assert (report(done)["hub"] is None) == bool(report(done)["problems"]) == bool(done.code)


def test_doctor_reports_unreachable_hub(
    command: Command, home: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)  # the variable is read once
        assert "HF_HUB_OFFLINE is set" in only_problem(command, "--network")
        assert hub.requests == []
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # without a server
    assert "http://127.0.0.1:9" in only_problem(command, "--network")


@pytest.mark.gpu
def test_doctor_reports_gpu(command: Command, home: Path) -> None:
    computer = report(command.ok("doctor", "--json"))["computer"]
    assert computer["device"] == "cuda"
    assert computer["name"] == torch.cuda.get_device_name()
    assert computer["memory"] == torch.cuda.get_device_properties(0).total_memory
