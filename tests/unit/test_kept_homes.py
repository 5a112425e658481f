"""Homes in archives open: the one that other tests copy, and one made by an earlier version.

`tests/data/earlier_home.tar.xz` was made by commit d30bf19 with its command line, on invented posts: a small base
(`bases pretrain`), an adapter trained on it, a history with every kind of entry, settings, a run that was stopped at
step 11 of 360, the posts that it trains on, and the adapter as an archive.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import stocked
from commands import Command, json_lines

from weibo_tui.registry import cards
from weibo_tui.storage.database import LATEST_VERSION


def test_archive_has_current_formats(tmp_path: Path) -> None:
    folder = stocked.unpack(tmp_path)
    with closing(sqlite3.connect(folder / "weibo-tui.db")) as database:
        assert database.execute("PRAGMA user_version").fetchone() == (LATEST_VERSION,)
    for kind, path in {cards.BaseCard: "bases/tiny", cards.AdapterCard: "adapters/mood"}.items():
        data = (folder / path / "card.json").read_bytes()
        assert json.loads(cards.write(cards.parse(data, kind))) == json.loads(data)


@pytest.mark.slow
def test_training_gives_the_archive(tmp_path: Path) -> None:
    trained, unpacked = stocked.train(tmp_path / "trained"), stocked.unpack(tmp_path / "unpacked")
    for path in ("bases/tiny", "adapters/mood"):
        names = [sorted(file.name for file in (home / path).iterdir()) for home in (trained, unpacked)]
        assert names[0] == names[1]
    scores = [
        json.loads((home / "adapters/mood/card.json").read_text("utf-8"))["score"] for home in (trained, unpacked)
    ]
    assert scores[0].keys() == scores[1].keys()
    assert abs(scores[0]["accuracy"] - scores[1]["accuracy"]) < 0.05


DATA = Path(__file__).parents[1] / "data" / "earlier_home.tar.xz"
FIRST = "今天的面真好吃"


@pytest.fixture
def earlier(tmp_path: Path) -> Path:
    """The test's home is the earlier one. Returns the folder of the posts and the archive."""
    stocked.extract(DATA, tmp_path)
    with closing(sqlite3.connect(tmp_path / "home" / "weibo-tui.db")) as database, database:
        # Stands in the archive for the folder of the posts.
        plans = "UPDATE runs SET plan = replace(plan, '/weibo-tui-test-data/', ?)"
        database.execute(plans, (json.dumps(f"{tmp_path}/")[1:-1],))
    return tmp_path


def test_earlier_home_is_read(command: Command, earlier: Path) -> None:
    entries = json_lines(command.ok("history", "list", "--json").out)
    assert [entry.get("text") for entry in entries] == [None, "昨天的电影真不错", "[怒]手机太差了", "", FIRST]
    assert (entries[0]["rows"], entries[0]["counts"]) == (6, {"negative": 2, "positive": 4})
    assert entries[3]["error"]
    assert (entries[4]["label"], entries[4]["corrected"]) == ("positive", "negative")
    assert [run["state"] for run in json_lines(command.ok("runs", "list", "--json").out)] == [
        *("stopped", "finished", "finished")
    ]
    (adapter,) = json_lines(command.ok("adapters", "list", "--json").out)
    assert (adapter["name"], adapter["base"], adapter["labels"]) == ("mood", "tiny", ["negative", "positive"])
    done = command.ok("predict", FIRST, "--json")  # with the adapter and the base of the settings
    (prediction,) = json_lines(done.out)
    assert prediction["adapter"] == "mood"
    assert prediction["confidence"] == pytest.approx(entries[4]["confidence"], abs=1e-3)  # of another CPU
    command.ok("adapters", "import", earlier / "mood.zip", "--name", "again")
    (prediction,) = json_lines(command.ok("predict", FIRST, "--adapter", "again", "--json").out)
    assert prediction["confidence"] == pytest.approx(entries[4]["confidence"], abs=1e-3)  # of another CPU
    command.ok("doctor")


def test_earlier_stopped_run_is_resumed(command: Command, earlier: Path) -> None:
    run = json_lines(command.ok("runs", "list", "--json").out)[0]
    assert (run["step"], run["steps"]) == (11, 360)
    with closing(sqlite3.connect(earlier / "home" / "weibo-tui.db")) as database, database:
        # The other epochs would take five seconds.
        fewer = """UPDATE runs SET plan = replace(plan, '"epochs": 30', '"epochs": 4') WHERE id = ?"""
        database.execute(fewer, [run["id"]])
    events = json_lines(command.ok("train", "--resume", run["id"], "--json").out)
    assert [event["step"] for event in events if event["event"] == "StepDone"] == list(range(12, 49))
    (prediction,) = json_lines(command.ok("predict", "手机太差了", "--adapter", "stopped", "--json").out)
    assert prediction["label"] == "negative"
