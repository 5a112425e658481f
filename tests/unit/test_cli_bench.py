"""`weibo-tui bench`: what is asked for is measured, and told as a table or in JSON."""

from __future__ import annotations

from pathlib import Path

import pytest
from commands import Command, json_lines

MEASURED = {"subject", "what", "unit", "ours", "beside", "ratio", "bar", "met"}


def test_an_unknown_subject_is_refused_in_one_line_before_anything_is_measured(command: Command) -> None:
    done = command("bench", "history", "weather")
    assert (done.code, done.out) == (2, "")
    (line,) = done.err.splitlines()
    assert "weather" in line
    assert "train, predict, start, ui, history" in line


@pytest.mark.slow
def test_json_gives_the_machine_then_an_object_for_each_row(command: Command, home: Path) -> None:
    machine, *rows = json_lines(command.ok("bench", "start", "--rounds", "1", "--json").out)
    assert machine["cores"] > 0
    assert [row["what"] for row in rows] == ["predict TEXT", "first paint"]
    for row in rows:
        assert set(row) == MEASURED
        assert row["subject"] == "start"
        assert row["ours"]["median"] == row["ours"]["rounds"][0] > 0
        assert row["ratio"]["median"] == row["ours"]["median"] / row["beside"]["median"]
        assert row["met"] is (row["ratio"]["median"] <= row["bar"]["limit"])
    assert not list(home.iterdir())


@pytest.mark.slow
def test_a_person_gets_a_table(command: Command) -> None:
    done = command.ok("bench", "start", "--rounds", "1")
    header, *rows = done.out.splitlines()
    assert header.split()[0] == "start"
    assert "cores" in done.err
    for row, beside in zip(rows, ("import torch", "import textual.app"), strict=True):
        assert f"({beside})" in row
        assert "≤" in row
        assert row.endswith(("met", "missed"))
