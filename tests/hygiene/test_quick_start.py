"""Commands import only what they need, so that they start fast."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HEAVY = {
    "huggingface_hub",
    "numpy",
    "pandas",
    "pyarrow",
    "scipy",
    "sklearn",
    "textual",
    "tokenizers",
    "torch",
    "transformers",
}

HELP = """
import sys
from weibo_tui.cli import main
sys.argv = ["weibo-tui", "--help"]
try:
    main()
finally:
    print(*sys.modules, file=sys.stderr)
"""


def test_help_imports_nothing_heavy() -> None:
    done = subprocess.run([sys.executable, "-c", HELP], capture_output=True, text=True, check=False)
    assert "Usage" in done.stdout, done.stderr
    assert not HEAVY & set(done.stderr.split())


def test_package_imports_nothing_heavy() -> None:
    script = "import sys, weibo_tui.settings; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert not HEAVY & set(done.stdout.split())


def test_open_workbench_imports_nothing_heavy(furnished: Path) -> None:
    script = """
import sys
from weibo_tui import Workbench

with Workbench() as bench:
    assert bench.base_name() == "tiny"
    assert bench.adapter_name() == "mood"
    assert len(bench.runs.list()) == 2
    assert bench.history.count() == 0
print(*sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert not HEAVY & set(done.stdout.split())


def test_prediction_imports_no_transformers_or_compiler(furnished: Path) -> None:
    script = HELP.replace('"--help"', '"predict", "真好吃"')
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert "%" in done.stdout, done.stderr
    loaded = set(done.stderr.split())
    assert "torch" in loaded
    assert not {"torch._dynamo", "transformers", "sklearn", "scipy", "pandas", "pyarrow", "textual"} & loaded
