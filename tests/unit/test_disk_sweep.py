"""A disk that becomes full anywhere in any command loses no existing file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from disk_commands import COMMANDS, Place, check_nothing_lost, furnish
from disks import Shell, can_mount, check_told, open_folder

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not can_mount(), reason="nothing can be mounted here")]

LEVELS = (0, 8, 28, 48, 96, 160, 256, 448, 768, 1536, 3072, 6144)
"""Free KiB."""
LARGEST = (8, 32, 64, 256, 512, 4096)
"""Maximum KiB of a file."""


@pytest.fixture(scope="module")
def furnished_disk(
    stocked: Path, posts_file: Path, corpus_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    with open_folder() as folder, Shell(folder) as shell:
        yield furnish(shell, stocked, posts_file, corpus_file, tmp_path_factory.mktemp("elsewhere"))


@pytest.fixture
def place(furnished_disk: Place, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setenv("WEIBO_TUI_HOME", f"{furnished_disk.shell.disk}/home")
    return furnished_disk


@pytest.mark.parametrize("name", COMMANDS)
def test_disk_full_anywhere_loses_nothing(name: str, place: Place) -> None:
    codes: list[int] = []
    for left in LEVELS:

        def full(left: int = left) -> dict[str, int]:
            place.shell.fill(left)
            return {}

        codes.append(check_nothing_lost(place, name, full).code)
        if codes[-2:] == [0, 0]:
            break
    assert codes == sorted(codes, reverse=True)  # no room, then room, and nothing else
    assert codes[-1] == 0
    assert codes[0] == (0 if name in ("no adapter", "no base") else 1)


@pytest.mark.parametrize("name", COMMANDS)
def test_file_size_limit_loses_nothing(name: str, place: Place) -> None:
    codes = [
        check_nothing_lost(place, name, lambda largest=largest: {"largest": largest * 1024}).code  # type: ignore[misc]
        for largest in LARGEST
    ]
    assert codes == sorted(codes, reverse=True)
    assert codes[-1] == 0


@pytest.mark.parametrize("left", [64, 128, 192, 256, 320, 448])
def test_training_after_full_disk_has_equal_bytes(left: int, place: Place) -> None:
    shell, words = place.shell, place.words("a trained adapter")
    weights = place.home / "adapters" / "another" / "adapter.safetensors"
    place.restore()
    assert shell.run(*words).code == 0
    undisturbed = weights.read_bytes()
    place.restore()
    shell.fill(left)
    done = shell.run(*words)
    shell.free()
    if done.code:
        check_told(done, str(shell.disk))
        assert not weights.exists()
        newest = json.loads(shell.run("runs", "list", "--json").out.splitlines()[0])
        assert newest["state"] in ("failed", "interrupted")
        resumed = shell.run("train", "--resume", newest["id"])
        assert resumed.code == 0, resumed.err
    assert weights.read_bytes() == undisturbed
