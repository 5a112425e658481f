"""A full disk: a command says so in one sentence, leaves existing files, and works again with free space."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from disk_commands import COMMANDS, LABELLED, Place, check_nothing_lost, furnish
from disks import Shell, can_mount, check_message, leftovers, open_folder
from hub import Answer, Hub

from weibo_tui import log
from weibo_tui.atomic import atomic_folder
from weibo_tui.errors import WeiboTuiError
from weibo_tui.registry.weights import save_pickle

LEVELS = (0, 8, 28, 48, 96, 160, 256, 448, 768, 1536, 3072, 6144)
"""Free KiB."""
LARGEST = (8, 32, 64, 256, 512, 4096)
"""Maximum KiB of a file."""

mounts = pytest.mark.skipif(not can_mount(), reason="nothing can be mounted here")


def filling(place: Place, left: int) -> Callable[[], dict[str, int]]:
    """Return a fault that leaves `left` KiB on the disk."""

    def fill() -> dict[str, int]:
        place.shell.fill(left)
        return {}

    return fill


@pytest.fixture(scope="module")
def furnished_disk(
    stocked: Path, posts_file: Path, corpus_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    with open_folder() as folder, Shell(folder, "100m") as shell:
        yield furnish(shell, stocked, posts_file, corpus_file, tmp_path_factory.mktemp("elsewhere"))


@pytest.fixture
def place(furnished_disk: Place, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setenv("WEIBO_TUI_HOME", f"{furnished_disk.shell.disk}/home")
    furnished_disk.restore()
    return furnished_disk


QUICK = {
    "settings": 0,
    "a verdict": 8,
    "a history export": 0,
    "the original's checkpoint": 160,
    "an adapter's name": 0,
    "no run": 28,
    "kept rows": 48,
}
"""Free KiB for a command. The slow tests below try all commands with all sizes."""


@mounts
@pytest.mark.parametrize(("name", "left"), QUICK.items())
def test_command_on_full_disk_loses_nothing(name: str, left: int, place: Place) -> None:
    assert "No space left" in check_nothing_lost(place, name, filling(place, left)).err


@mounts
def test_full_disk_allows_listing_and_removing(place: Place) -> None:
    place.shell.fill(0)
    for words in (["history", "list"], ["runs", "list"], ["runs", "show", place.run], ["adapters", "list"]):
        result = place.shell.run(*words)
        assert (result.code, result.err) == (0, "")
        assert result.out.count("\n") > 1
    for words in (["adapters", "remove", "fitting"], ["bases", "remove", "deep"]):
        assert place.shell.run(*words).code == 0
    assert sorted(path.name for path in (place.home / "adapters").iterdir()) == ["mood"]


@pytest.mark.slow
@mounts
def test_training_after_full_disk_is_resumed(place: Place) -> None:
    place.shell.fill(192)
    check_message(place.shell.run(*place.words("a trained adapter")), place.shell.disk or "")
    assert not (place.home / "adapters" / "another").exists()
    place.shell.free()
    newest = json.loads(place.shell.run("runs", "list", "--json").out.splitlines()[0])
    assert newest["state"] == "failed"
    assert place.shell.run("train", "--resume", newest["id"]).code == 0
    assert (place.home / "adapters" / "another" / "card.json").exists()


@mounts
def test_labeling_after_full_disk_is_resumed(place: Place) -> None:
    words = place.words("labeled file")
    assert place.shell.run(*words).code == 0
    complete = (place.shell.seen / LABELLED).read_bytes()
    place.restore()
    place.shell.fill(192)
    assert "No space left" in check_message(place.shell.run(*words), place.shell.disk or "")
    place.shell.free()
    again = place.shell.run(*words)
    assert json.loads(again.out)["continued"] > 0
    assert (place.shell.seen / LABELLED).read_bytes() == complete
    assert not leftovers(place.shell.seen)


@pytest.mark.slow
@mounts
def test_cached_activations_on_full_disk_stop_training(place: Place) -> None:
    place.shell.fill(64)
    result = place.shell.run(*place.words("a trained adapter, from kept states"))
    assert "No space left" in check_message(result, f"{place.shell.disk}/home")
    assert not leftovers(place.shell.seen)


@mounts
def test_download_after_full_disk_is_resumed(place: Place, hub: Hub) -> None:
    content = b"label,review\n" + "1,雨停了，真好\n".encode() * 10_000
    hub.repositories["datasets/dirtycomputer/weibo_senti_100k"] = {"weibo_senti_100k.csv": content}
    words = ["data", "get", "--overwrite", "--out", f"{place.shell.disk}/{LABELLED}"]

    def become_full(answer: Answer, rest: bytes) -> None:
        place.shell.fill(64)  # behind the look at how much is free
        answer.give(200, rest, {})

    hub.faults.append(become_full)
    result = place.shell.run(*words)
    assert "No space left" in check_message(result, f"{place.shell.disk}/home/downloads")
    assert (place.shell.seen / LABELLED).read_text() == "what stood here before"
    place.shell.fill(1024)
    assert "Not enough space" in check_message(place.shell.run(*words), f"{place.shell.disk}/home/downloads")
    place.shell.free()
    assert place.shell.run(*words).code == 0
    assert (place.shell.seen / LABELLED).read_bytes() == content
    assert hub.ranges == [0, 64 * 1024]


@pytest.mark.slow
@mounts
def test_new_home_on_full_disk_stays_empty(place: Place) -> None:
    place.shell.empty()
    place.shell.fill(0)
    for words in (["adapters", "list"], ["history", "list"]):
        assert place.shell.run(*words).code == 0
    check_message(
        place.shell.run("bases", "add", place.elsewhere / "folder", "--name", "new"), f"{place.shell.disk}/home"
    )
    assert not list((place.shell.seen / "home").glob("*/*"))


def test_fsync_failure_of_folder_is_raised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fail)
    with (
        pytest.raises(WeiboTuiError, match="No space left to write .*kept"),
        atomic_folder(tmp_path / "kept") as folder,
    ):
        (folder / "file").touch()
    assert not [path for path in tmp_path.iterdir() if "kept" in path.name]


def test_pickle_on_full_disk_raises_oserror() -> None:
    class Full:
        room = 1000

        def write(self, data: Any) -> int:
            self.room -= len(data)
            if self.room < 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return len(data)

    file: Any = Full()
    with pytest.raises(OSError) as caught:
        save_pickle({"tensor": torch.zeros(1000)}, file)
    assert caught.value.errno == errno.ENOSPC


def test_unwritable_log_is_named_in_message(home: Path) -> None:
    (home / "weibo-tui.log").mkdir()
    message = log.user_message(ZeroDivisionError("a secret"))
    assert "ZeroDivisionError" in message
    assert f"cannot be written to {home / 'weibo-tui.log'}" in message
    assert "secret" not in message


def test_log_is_rotated(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "MAX_BYTES", 100)
    for number in range(9):
        assert log.log_exception(ZeroDivisionError(number))
    files = sorted(path.name for path in home.iterdir())
    assert files == ["weibo-tui.log", *(f"weibo-tui.log.{number}" for number in range(1, log.MAX_OLD_LOGS + 1))]
    assert all(path.stat().st_size <= 100 for path in home.iterdir())


# ---- a disk that becomes full anywhere in any command


@pytest.mark.slow
@mounts
@pytest.mark.parametrize("name", COMMANDS)
def test_disk_full_anywhere_loses_nothing(name: str, place: Place) -> None:
    codes: list[int] = []
    for left in LEVELS:
        codes.append(check_nothing_lost(place, name, filling(place, left)).code)
        if codes[-2:] == [0, 0]:
            break
    assert codes == sorted(codes, reverse=True)  # no room, then room, and nothing else
    assert codes[-1] == 0
    assert codes[0] == (0 if name in ("no adapter", "no base") else 1)


@pytest.mark.slow
@mounts
@pytest.mark.parametrize("name", COMMANDS)
def test_file_size_limit_loses_nothing(name: str, place: Place) -> None:
    codes = [
        check_nothing_lost(place, name, lambda largest=largest: {"largest": largest * 1024}).code  # type: ignore[misc]
        for largest in LARGEST
    ]
    assert codes == sorted(codes, reverse=True)
    assert codes[-1] == 0


@pytest.mark.slow
@mounts
@pytest.mark.parametrize("left", [64, 128, 192, 256, 320, 448])
def test_training_after_full_disk_has_equal_bytes(left: int, place: Place) -> None:
    shell, words = place.shell, place.words("a trained adapter")
    weights = place.home / "adapters" / "another" / "adapter.safetensors"
    place.restore()
    assert shell.run(*words).code == 0
    undisturbed = weights.read_bytes()
    place.restore()
    shell.fill(left)
    result = shell.run(*words)
    shell.free()
    if result.code:
        check_message(result, str(shell.disk))
        assert not weights.exists()
        newest = json.loads(shell.run("runs", "list", "--json").out.splitlines()[0])
        assert newest["state"] in ("failed", "interrupted")
        resumed = shell.run("train", "--resume", newest["id"])
        assert resumed.code == 0, resumed.err
    assert weights.read_bytes() == undisturbed
