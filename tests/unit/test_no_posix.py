"""The program works without the modules, functions and signals that Windows lacks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import made_up
import pytest

from weibo_tui.errors import UserInputError
from weibo_tui.registry.cards import check_name, check_new_name

FOLDER = Path(__file__).parents[1] / "no_posix"
PROGRAM = """
import asyncio, json, sys
from weibo_tui.app.app import WeiboApp
from weibo_tui.cli import main
from weibo_tui import Workbench

for words in json.load(sys.stdin):
    sys.argv = ["weibo-tui", *words]
    try:
        main()
    except SystemExit as end:
        assert end.code == 0, words

async def predict():
    app = WeiboApp()
    async with app.run_test() as pilot:
        await pilot.press(*"明天真好", "enter")
        while await app.records.call(lambda wb: wb.history.count()) < 3:
            await asyncio.sleep(0.01)
    app.stop_workers()

asyncio.run(asyncio.wait_for(predict(), 120))
with Workbench() as wb:
    assert wb.history.count() == 3
"""


def test_commands_and_app_work_without_posix(furnished: Path, tmp_path: Path) -> None:
    posts = str(made_up.write_posts(tmp_path / "posts.csv", 60, seed=1))
    commands = [
        ["predict", "今天真好", "--json"],
        ["predict", "--file", posts, "--out", str(tmp_path / "out.csv")],
        ["train", posts, "--name", "own", "--epochs", "1"],
        ["history", "export", str(tmp_path / "history.csv")],
        ["doctor"],
    ]
    variables = {
        "PYTHONPATH": os.pathsep.join(filter(None, [str(FOLDER), os.environ.get("PYTHONPATH")])),
        # Textual's driver for Linux imports termios.
        "TEXTUAL_DRIVER": "textual.drivers.headless_driver:HeadlessDriver",
    }
    process = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        input=json.dumps(commands).encode(),
        env=os.environ | variables,
        capture_output=True,
        timeout=400,
        check=False,
    )
    assert process.returncode == 0, process.stderr.decode()
    assert json.loads(process.stdout.splitlines()[0])["adapter"] == "mood"
    assert len((tmp_path / "out.csv").read_text("utf-8-sig").splitlines()) == 61
    assert "今天真好" in (tmp_path / "history.csv").read_text("utf-8-sig")


@pytest.mark.parametrize("name", ["con", "NUL", "aux.v1", "com1", "LPT9", "own."])
def test_name_reserved_by_windows_is_refused(name: str) -> None:
    assert check_name(name) == name  # homes of other systems open
    with pytest.raises(UserInputError, match="Invalid name on Windows"):
        check_new_name(name)
