"""`doctor` tells what the program stands on, whatever is broken, and changes nothing by looking."""

from __future__ import annotations

import json
import os
import platform
import shutil
import sqlite3
import sys
from collections.abc import Callable
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import models
import pytest
import torch
from commands import Command, CommandResult, listing
from hub import Hub
from safetensors.torch import load_file, save_file

from weibo_tui.atomic import sha256
from weibo_tui.registry import cards
from weibo_tui.storage.migrations import MIGRATIONS
from weibo_tui.version import __version__
from weibo_tui.workbench import Workbench
from weibo_tui.workbench.doctor import examine


def told(done: CommandResult) -> dict[str, Any]:
    """What `doctor --json` said: one object on one line."""
    (line,) = done.out.splitlines()
    found: dict[str, Any] = json.loads(line)
    return found


def only_problem(command: Command) -> str:
    done = command("doctor", "--json")
    assert done.code == 1
    (problem,) = told(done)["problems"]
    assert "\n" not in problem
    return str(problem)


def test_all_is_told_of_a_home_that_is_well(command: Command, bench: Workbench, home: Path) -> None:
    list(bench.predict(["今天的面真好吃", "太差了"], machine=models.MACHINE))
    found = told(command.ok("doctor", "--json"))
    assert found["problems"] == []
    assert found["versions"]["weibo-tui"] == __version__
    assert found["versions"]["Python"] == platform.python_version()
    assert found["versions"]["torch"] == metadata.version("torch")
    assert found["versions"]["SQLite"] == sqlite3.sqlite_version
    assert found["computer"]["device"] == ("cuda" if torch.cuda.is_available() else "cpu")
    assert found["computer"]["chosen_by"] == "auto"
    assert found["computer"]["memory"] > 10**8
    assert found["computer"]["cores"] >= 1
    assert found["computer"]["dtype"] == ("bfloat16" if found["computer"]["bfloat16"] else "float32")
    assert {name: folder["path"] for name, folder in found["folders"].items()} == dict.fromkeys(
        ("data", "settings", "log"), str(home)
    )
    assert all(folder["exists"] and folder["writable"] for folder in found["folders"].values())
    assert found["folders"]["data"]["free"] == pytest.approx(shutil.disk_usage(home).free, rel=0.1)
    assert found["settings"] == {"base": "small", "adapter": "mood"}
    assert [(base["name"], base["sound"]) for base in found["bases"]] == [("small", True)]
    assert [(adapter["name"], adapter["sound"]) for adapter in found["adapters"]] == [("mood", True)]
    assert found["bases"][0]["size"] > 10_000
    assert (found["database"]["version"], found["database"]["entries"]) == (len(MIGRATIONS), 2)
    assert found["database"]["runs"] == 0
    assert found["hub"] is None


def test_in_words_it_is_aligned_and_ends_well(command: Command, bench: Workbench) -> None:
    done = command.ok("doctor")
    lines = done.out.splitlines()
    assert lines[0].split() == ["weibo-tui", __version__]
    assert any(line.startswith("Base ") and " small, " in line for line in lines)
    assert any(line.startswith("Adapter ") and " mood, " in line for line in lines)
    assert (
        len({len(line) - len(line.split(maxsplit=1)[1]) for line in lines if line.startswith(("Base", "torch"))}) == 1
    )
    assert done.err == "Nothing is wrong.\n"


def test_looking_makes_nothing_and_opens_no_socket(command: Command, home: Path) -> None:
    shutil.rmtree(home)
    found = told(command.ok("doctor", "--json"))
    assert found["database"] is None
    assert (found["bases"], found["adapters"]) == ([], [])
    assert {(folder["exists"], folder["writable"]) for folder in found["folders"].values()} == {(False, True)}
    assert not home.exists()


@pytest.mark.parametrize("version", [0, 1, len(MIGRATIONS) - 1])
def test_older_database_stays_as_old_as_it_is(command: Command, home: Path, version: int) -> None:
    path = home / "weibo-tui.db"
    older = sqlite3.connect(path)
    for step in MIGRATIONS[:version]:
        step(older)
    older.execute(f"PRAGMA user_version = {version}")
    older.commit()
    older.close()
    before = path.read_bytes()
    found = told(command.ok("doctor", "--json"))
    assert (found["database"]["version"], found["database"]["entries"]) == (version, None)
    assert path.read_bytes() == before
    assert f"version {version}" in command.ok("doctor").out


def test_settings_that_are_not_the_defaults_are_told(
    command: Command, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "settings.toml").write_text('uncertain_below = 0.9\nhistory = true\nkeys = {"app.quit" = "f10"}\n')
    monkeypatch.setenv("WEIBO_TUI_DEVICE", "cpu")
    monkeypatch.setenv("WEIBO_TUI_THREADS", "3")
    found = told(command.ok("doctor", "--json"))
    assert found["settings"] == {"device": "cpu", "threads": 3, "uncertain_below": 0.9, "keys": {"app.quit": "f10"}}
    assert (found["computer"]["chosen_by"], found["computer"]["threads"]) == ("WEIBO_TUI_DEVICE", 3)
    monkeypatch.delenv("WEIBO_TUI_DEVICE")
    (home / "settings.toml").write_text('device = "cpu"\n')
    assert told(command.ok("doctor", "--json"))["computer"]["chosen_by"] == "settings.toml"


def test_variables_are_told_and_secrets_only_by_name(
    command: Command, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "https://somebody:sesame@mirror.example")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_TOKEN", "hf_sesame")
    monkeypatch.setenv("https_proxy", "http://somebody:sesame@proxy.example")
    done = command.ok("doctor", "--json")
    variables = told(done)["variables"]
    assert variables["HF_ENDPOINT"] == "https://…@mirror.example"
    assert variables["HF_HUB_OFFLINE"] == "1"
    assert {"HF_TOKEN", "HTTPS_PROXY"} <= variables.keys()
    for wrote in (done.out, command.ok("doctor").out):
        assert "sesame" not in wrote
        assert "somebody" not in wrote


def cut_adapter(home: Path) -> None:
    models.cut(home / "adapters/mood/adapter.safetensors")


def turn_bit(home: Path) -> None:
    file = home / "bases/small/model.safetensors"
    content = bytearray(file.read_bytes())
    content[-5] ^= 1
    file.write_bytes(content)


def overwrite_middle(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[4096 * 3 :] = b"\xff" * (len(content) - 4096 * 3)
    path.write_bytes(content)


def turn_figure(home: Path) -> None:
    card = home / "adapters/mood/card.json"
    content = card.read_bytes()
    assert content.count(b'"temperature": 1.0') == 1
    card.write_bytes(content.replace(b'"temperature": 1.0', b'"temperature": 1.4'))


def damaged_card(home: Path) -> None:
    (home / "adapters/other").mkdir()
    (home / "adapters/other/card.json").write_text("{")


def lose_base(home: Path) -> None:
    shutil.rmtree(home / "bases")
    (home / "settings.toml").unlink()


def folder_for_database(home: Path) -> None:
    (home / "weibo-tui.db").unlink()
    (home / "weibo-tui.db").mkdir()


def reshape_adapter(home: Path) -> None:
    folder = home / "adapters" / "mood"
    weights = load_file(folder / "adapter.safetensors")
    save_file(weights | {"head.weight": torch.zeros(7, 7)}, folder / "adapter.safetensors")
    card = cards.read(folder / "card.json", cards.AdapterCard)
    hashed = replace(card, weights_sha256=sha256(folder / "adapter.safetensors"))
    (folder / "card.json").write_bytes(cards.write(hashed))


class Fault(NamedTuple):
    """What is done to a home, and what is to be said of it, what to do in it."""

    spoil: Callable[[Path], object]
    names: str
    remedy: str


FAULTS = {
    "adapter cut": Fault(cut_adapter, "adapters/mood is damaged (adapter.safetensors)", "remove 'mood'"),
    "adapter of another shape": Fault(reshape_adapter, "head.weight has the shape (7, 7)", "remove 'mood'"),
    "bit of a base": Fault(turn_bit, "bases/small is damaged (model.safetensors)", "remove 'small'"),
    "tokenizer gone": Fault(
        lambda home: (home / "bases/small/tokenizer.json").unlink(),
        "bases/small is damaged (tokenizer.json)",
        "remove 'small'",
    ),
    "card of an adapter": Fault(
        damaged_card,
        "adapters/other/card.json cannot be used",
        "remove its folder",
    ),
    "settings": Fault(
        lambda home: (home / "settings.toml").write_text("device = cpu"), "settings.toml is not valid", "correct it"
    ),
    "settings not text": Fault(
        lambda home: (home / "settings.toml").write_bytes(b"\xff\xfe\x00"), "settings.toml", "correct it"
    ),
    "figure of a card turned": Fault(turn_figure, "adapters/mood is damaged (card.json)", "train it again"),
    "default gone": Fault(
        lambda home: (home / "settings.toml").write_text('base = "small"\nadapter = "lost"'),
        "'lost' is the default",
        "adapters use",
    ),
    "base gone": Fault(
        lose_base,
        "'mood' wants the base 'small'",
        "add it",
    ),
    "database no database": Fault(
        lambda home: (home / "weibo-tui.db").write_text("no database at all, " * 500), "weibo-tui.db is damaged", "move"
    ),
    "database overwritten": Fault(
        lambda home: overwrite_middle(home / "weibo-tui.db"), "weibo-tui.db is damaged", "move it aside"
    ),
    "database a folder": Fault(
        folder_for_database,
        "weibo-tui.db is out of reach",
        "check the disk",
    ),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_what_is_broken_is_told_with_the_remedy_and_the_rest_is_told_still(
    command: Command, bench: Workbench, home: Path, fault: Fault
) -> None:
    list(bench.predict(["今天的面真好吃"] * 50, machine=models.MACHINE))
    bench._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    bench._database.close()
    bench._opened_database = None
    for beside in ("weibo-tui.db-wal", "weibo-tui.db-shm"):
        (home / beside).unlink(missing_ok=True)
    fault.spoil(home)
    before = listing(home)
    problem = only_problem(command)
    assert fault.names in problem
    assert fault.remedy in problem
    assert {name: kind for name, kind in listing(home).items() if "-shm" not in name and "-wal" not in name} == before

    done = command("doctor")
    assert (done.code, done.err) == (1, "")
    assert [line[2:] for line in done.out.splitlines() if line.startswith("! ")] == [problem]
    assert "Processor" in done.out or "Card" in done.out


def test_newer_database_is_told_and_stays(command: Command, home: Path) -> None:
    newer = sqlite3.connect(home / "weibo-tui.db")
    newer.execute("PRAGMA user_version = 1000")
    newer.close()
    problem = only_problem(command)
    assert "version 1000" in problem
    assert "update weibo-tui" in problem


def test_folder_that_cannot_be_written_is_told(command: Command, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocked = home / "a file"
    blocked.touch()
    monkeypatch.setenv("WEIBO_TUI_HOME", str(blocked / "home"))
    done = command("doctor", "--json")
    assert done.code == 1
    found = told(done)
    assert not any(folder["writable"] for folder in found["folders"].values())
    said = f"Nothing can be written to {blocked / 'home'}: check your rights there, and the disk."
    assert found["problems"].count(said) == 1


def test_little_room_is_told(command: Command, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(home)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage._replace(free=1_900_000_000))
    problem = only_problem(command)
    assert "1.9 GB" in problem
    assert "2 GB at least" in problem


def test_device_that_is_not_there_is_told(command: Command, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEIBO_TUI_DEVICE", "mps")
    problem = only_problem(command)
    assert "device mps is not there" in problem
    assert told(command("doctor", "--json"))["computer"] is None


def test_encoding_without_chinese_is_told(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Stream:
        encoding = "iso-8859-1"

    monkeypatch.setattr(sys, "stdout", Stream())
    report = examine()
    monkeypatch.undo()
    (problem,) = report.problems
    assert "iso-8859-1 has no Chinese" in problem


def test_package_that_is_missing_is_told(command: Command, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    version = metadata.version

    def without(name: str) -> str:
        if name == "textual":
            raise metadata.PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr(metadata, "version", without)
    assert "package textual is missing" in only_problem(command)


def test_torch_that_cannot_be_loaded_is_told(command: Command, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)  # importing it raises ImportError
    monkeypatch.delitem(sys.modules, "weibo_tui.engine.device", raising=False)
    problem = only_problem(command)
    assert problem.startswith("torch cannot be looked at")


def test_hub_that_answers_is_told(command: Command, home: Path, hub: Hub) -> None:
    assert told(command.ok("doctor", "--network", "--json"))["hub"] == os.environ["HF_ENDPOINT"]
    assert len(hub.requests) == 1
    assert f"{hub.address} answers" in command.ok("doctor", "--network").out
    asked = len(hub.requests)
    assert told(command.ok("doctor", "--json"))["hub"] is None
    assert len(hub.requests) == asked


@pytest.mark.parametrize("status", [401, 404, 429])
def test_hub_that_refuses_answers_all_the_same(command: Command, home: Path, hub: Hub, status: int) -> None:
    hub.statuses.extend([(status, {"Retry-After": "0"})] * 20)
    done = command("doctor", "--network", "--json")
    assert (told(done)["hub"] is None) == bool(told(done)["problems"]) == bool(done.code)


def test_hub_that_does_not_answer_is_told_with_its_address(
    command: Command, home: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # where nobody listens
    done = command("doctor", "--network", "--json")
    assert done.code == 1
    (problem,) = told(done)["problems"]
    assert "http://127.0.0.1:9" in problem


def test_hub_that_may_not_be_asked_is_not_said_to_answer(
    command: Command, home: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)  # which reads the variable once
    done = command("doctor", "--network", "--json")
    assert done.code == 1
    assert "HF_HUB_OFFLINE forbids" in told(done)["problems"][0]
    assert hub.requests == []


@pytest.mark.gpu
def test_card_is_told_by_its_name(command: Command, home: Path) -> None:
    computer = told(command.ok("doctor", "--json"))["computer"]
    assert computer["device"] == "cuda"
    assert computer["name"] == torch.cuda.get_device_name()
    assert computer["memory"] == torch.cuda.get_device_properties(0).total_memory
