"""The app paints its first screen before it imports anything heavy."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

from weibo_tui.workbench.doctor import PACKAGES

HEAVY = {"numpy", "pandas", "pyarrow", "scipy", "sklearn", "torch", "tokenizers", "transformers"}

OTHER_SCREENS = ("evaluation", "files", "forms", "history", "models", "plot", "settings", "train")
AFTER_PAINT = {
    "typer",
    "weibo_tui.datasets",
    "weibo_tui.workbench.workbench",
    *(f"weibo_tui.app.{feature}" for feature in OTHER_SCREENS),
}

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
import weibo_tui.cli
from weibo_tui.app.app import WeiboApp
from weibo_tui.app.predict.screen import PredictScreen

WeiboApp._load = WeiboApp._start_workers = lambda app: None  # they follow the first paint

async def main():
    app = WeiboApp()
    async with app.run_test() as pilot:
        await pilot.pause()
        assert isinstance(app.screen, PredictScreen)
        print(*sys.modules)
    app.stop_workers()

asyncio.run(main())
"""


def test_first_paint_imports_predict_screen_only() -> None:
    done = subprocess.run([sys.executable, "-c", PAINTED], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not (HEAVY | AFTER_PAINT) & set(done.stdout.split())


def test_doctor_lists_packages_of_the_dependencies() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8"))["project"]
    assert {name.replace("_", "-") for name in PACKAGES} <= {
        re.split(r"[<>=]", line)[0].replace("_", "-") for line in project["dependencies"]
    }
