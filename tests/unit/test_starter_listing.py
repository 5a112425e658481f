"""`bases list` and `adapters list` mark the bundled models and the default."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from commands import Command, json_lines


@pytest.mark.parametrize(("kind", "bundled", "mine"), [("bases", "starter", "tiny"), ("adapters", "weibo", "mood")])
def test_list_marks_bundled_models_and_the_default(
    starter: Path, home: Path, stocked: Path, command: Command, kind: str, bundled: str, mine: str
) -> None:
    def default() -> list[str]:
        return [row["name"] for row in json_lines(command.ok(kind, "list", "--json").out) if row["default"]]

    assert default() == [bundled]
    assert command.ok(kind, "list").out.splitlines()[1].startswith(f"*  {bundled}")
    shutil.copytree(stocked / kind, home / kind)
    rows = json_lines(command.ok(kind, "list", "--json").out)
    assert {row["name"]: row["bundled"] for row in rows} == {bundled: True, mine: False}
    lines = command.ok(kind, "list").out.splitlines()
    assert [line.strip("* ").split()[0] for line in lines if "comes with weibo-tui" in line] == [bundled]
    assert default() == [bundled]
    command.ok(kind, "use", mine)
    assert default() == [mine]

    shutil.rmtree(starter)
    (row,) = json_lines(command.ok(kind, "list", "--json").out)
    assert (row["name"], row["bundled"], row["default"]) == (mine, False, True)
    assert "comes with weibo-tui" not in command.ok(kind, "list").out
