"""The app paints its first screen before it imports anything heavy."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

from weibo_tui.workbench.doctor import PACKAGES

HEAVY = {"numpy", "pandas", "pyarrow", "scipy", "sklearn", "torch", "tokenizers", "transformers"}

EVERY_MODULE = """
import importlib, pkgutil, sys
import weibo_tui.app, weibo_tui.app.app
for module in pkgutil.walk_packages(weibo_tui.app.__path__, "weibo_tui.app."):
    importlib.import_module(module.name)
print(*sys.modules)
"""


def test_app_modules_import_nothing_heavy() -> None:
    done = subprocess.run([sys.executable, "-c", EVERY_MODULE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.split())
    assert "weibo_tui.app.predict.screen" in loaded
    assert not HEAVY & loaded


PAINTED = """
import asyncio, sys
from weibo_tui.app.app import WeiboApp

WeiboApp._load = lambda app: None  # it follows the first screen

async def main():
    app = WeiboApp()
    async with app.run_test() as pilot:
        await pilot.pause()
        assert app.screen is app.main_screens["predict"]
        print(*sys.modules)
    app.stop_workers()

asyncio.run(main())
"""


def test_first_screen_needs_nothing_heavy() -> None:
    done = subprocess.run([sys.executable, "-c", PAINTED], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not HEAVY & set(done.stdout.split())


def test_doctor_lists_packages_of_the_dependencies() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8"))["project"]
    assert {name.replace("_", "-") for name in PACKAGES} <= {
        re.split(r"[<>=]", line)[0].replace("_", "-") for line in project["dependencies"]
    }
