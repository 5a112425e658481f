"""The home that other tests copy is what training gives today."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import stocked

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
