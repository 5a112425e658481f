"""`bases list` and `adapters list` tell what comes with the program from what is one's own."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from commands import Command, json_lines

KINDS = [("bases", "starter", "tiny"), ("adapters", "weibo", "mood")]


@pytest.mark.parametrize(("kind", "bundled", "own"), KINDS)
def test_what_comes_with_the_program_is_marked(
    starter: Path, home: Path, stocked: Path, command: Command, kind: str, bundled: str, own: str
) -> None:
    shutil.copytree(stocked, home, dirs_exist_ok=True)
    found = {one["name"]: one["bundled"] for one in json_lines(command.ok(kind, "list", "--json").out)}
    assert found == {bundled: True, own: False}
    lines = command.ok(kind, "list").out.splitlines()
    assert [line.split()[0] for line in lines if "comes with weibo-tui" in line] == [bundled]


@pytest.mark.parametrize(("kind", "bundled", "own"), KINDS)
def test_the_star_is_at_the_one_that_is_used_where_none_is_named(
    starter: Path, home: Path, stocked: Path, command: Command, kind: str, bundled: str, own: str
) -> None:
    def default() -> list[str]:
        return [one["name"] for one in json_lines(command.ok(kind, "list", "--json").out) if one["default"]]

    assert default() == [bundled]
    assert command.ok(kind, "list").out.splitlines()[1].startswith(f"*  {bundled}")
    shutil.copytree(stocked / kind, home / kind)
    assert default() == [bundled]
    command.ok(kind, "use", own)
    assert default() == [own]


@pytest.mark.parametrize(("kind", "bundled", "own"), KINDS)
def test_nothing_is_marked_without_a_starter(
    home: Path, stocked: Path, command: Command, kind: str, bundled: str, own: str
) -> None:
    shutil.copytree(stocked, home, dirs_exist_ok=True)
    (only,) = json_lines(command.ok(kind, "list", "--json").out)
    assert (only["name"], only["bundled"], only["default"]) == (own, False, True)
    assert "comes with weibo-tui" not in command.ok(kind, "list").out
