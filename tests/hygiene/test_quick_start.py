"""`weibo-tui --help` answers at once because it brings nothing heavy."""

from __future__ import annotations

import subprocess
import sys

HEAVY = {"numpy", "pandas", "pyarrow", "scipy", "sklearn", "textual", "torch", "tokenizers", "transformers"}

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


def test_the_package_itself_imports_nothing_heavy() -> None:
    script = "import sys, weibo_tui.settings; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert not HEAVY & set(done.stdout.split())
