"""The app paints its first screen before anything heavy is there."""

from __future__ import annotations

import subprocess
import sys

HEAVY = {"numpy", "pandas", "pyarrow", "scipy", "sklearn", "torch", "tokenizers", "transformers"}

EVERY_MODULE = """
import importlib, pkgutil, sys
import weibo_tui.app, weibo_tui.app.app
for module in pkgutil.walk_packages(weibo_tui.app.__path__, "weibo_tui.app."):
    importlib.import_module(module.name)
print(*sys.modules)
"""


def test_no_module_of_the_app_imports_anything_heavy() -> None:
    done = subprocess.run([sys.executable, "-c", EVERY_MODULE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.split())
    assert "weibo_tui.app.predict.screen" in loaded
    assert not HEAVY & loaded


PAINTED = """
import asyncio, sys
from weibo_tui.app.app import WeiboApp

WeiboApp._load = lambda app: None  # which runs after the first paint

async def main():
    app = WeiboApp()
    async with app.run_test() as pilot:
        await pilot.pause()
        assert app.screen is app.main_screens["predict"]
        print(*sys.modules)
    app.stop_workers()

asyncio.run(main())
"""


def test_the_first_screen_is_painted_before_anything_heavy_is_imported() -> None:
    done = subprocess.run([sys.executable, "-c", PAINTED], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not HEAVY & set(done.stdout.split())
