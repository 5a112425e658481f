"""The program works without the modules, functions and signals that Windows lacks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import made_up
import pytest
from commands import start

from weibo_tui.errors import UserInputError
from weibo_tui.registry.cards import check_name, check_new_name

FOLDER = Path(__file__).parents[1] / "no_posix"
APP = """
import asyncio
from weibo_tui.app.app import WeiboApp
from weibo_tui.workbench import Workbench

async def main():
    app = WeiboApp()
    async with app.run_test() as pilot:
        await pilot.press(*"今天真好", "enter")
        while not await app.records.call(lambda wb: wb.history.count()):
            await asyncio.sleep(0.01)
    app.stop_workers()

asyncio.run(asyncio.wait_for(main(), 120))
with Workbench() as wb:
    print(wb.history.count())
"""


@pytest.fixture
def environment(furnished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inherited = os.environ.get("PYTHONPATH", "")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(FOLDER), inherited])))


@pytest.mark.usefixtures("environment")
def test_commands_work_without_posix(tmp_path: Path) -> None:
    made_up.write_posts(tmp_path / "posts.csv", 60, seed=1)
    for words in (
        ["predict", "今天真好", "--json"],
        ["predict", "--file", tmp_path / "posts.csv", "--out", tmp_path / "out.csv"],
        ["train", tmp_path / "posts.csv", "--name", "own", "--epochs", "1"],
        ["history", "export", tmp_path / "history.csv"],
        ["doctor"],
    ):
        process = start(*words)
        out, err = process.communicate(timeout=300)
        assert process.returncode == 0, err.decode()
        if words[0] == "predict" and "--json" in words:
            assert json.loads(out)["adapter"] == "mood"
    assert len((tmp_path / "out.csv").read_text("utf-8-sig").splitlines()) == 61
    assert "今天真好" in (tmp_path / "history.csv").read_text("utf-8-sig")


@pytest.mark.usefixtures("environment")
def test_app_predicts_without_posix(monkeypatch: pytest.MonkeyPatch) -> None:
    # Textual's driver for Linux imports termios.
    monkeypatch.setenv("TEXTUAL_DRIVER", "textual.drivers.headless_driver:HeadlessDriver")
    process = subprocess.run([sys.executable, "-c", APP], capture_output=True, timeout=400, check=False)
    assert process.returncode == 0, process.stderr.decode()
    assert process.stdout.split() == [b"1"]


@pytest.mark.parametrize("name", ["con", "NUL", "aux.v1", "com1", "LPT9", "own."])
def test_name_reserved_by_windows_is_refused(name: str) -> None:
    assert check_name(name) == name  # homes of other systems open
    with pytest.raises(UserInputError, match="cannot be used on Windows"):
        check_new_name(name)
