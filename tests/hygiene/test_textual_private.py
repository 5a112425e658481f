"""Private names of Textual: those in use are listed in one place, and each still exists."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from pathlib import Path

import pytest

import weibo_tui.app
from weibo_tui.app.terminal.textual_private import PRIVATE_NAMES

APP = Path(weibo_tui.app.__file__).parent
LISTED = {name for names in PRIVATE_NAMES.values() for name in names}


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.endswith("__")


def test_private_names_in_use_are_listed() -> None:
    defined: set[str] = set()
    used: dict[str, str] = {}
    imported = []
    for path in APP.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                defined.add(node.name)
            elif isinstance(node, ast.Name):
                defined.add(node.id)
            elif isinstance(node, ast.Attribute) and _is_private(node.attr):
                if isinstance(node.ctx, ast.Store):
                    defined.add(node.attr)
                else:
                    used[node.attr] = path.name
            elif isinstance(node, ast.ImportFrom) and re.match(r"textual\..*\b_", node.module or ""):
                imported.append((path.name, node.module))
    assert set(used) - defined - LISTED == {"_replace"}  # of named tuples
    assert sorted(imported) == [
        ("browser_driver.py", "textual.drivers._byte_stream"),
        ("frame.py", "textual._compositor"),
        ("input.py", "textual._xterm_parser"),
        ("prompt.py", "textual._ansi_sequences"),
        ("textual_private.py", "textual._compositor"),
    ]


@pytest.mark.parametrize(("owner", "name"), [(owner, name) for owner in PRIVATE_NAMES for name in PRIVATE_NAMES[owner]])
def test_private_name_exists_in_textual(owner: str, name: str) -> None:
    if "linux_driver" in owner:
        pytest.importorskip("termios")
    module, _dot, class_name = owner.rpartition(".")
    found = getattr(importlib.import_module(module), class_name)
    sources = "".join(inspect.getsource(base) for base in found.__mro__ if base.__module__.startswith("textual"))
    assert re.search(rf"(def|self\.)\s*{name}\b", sources), PRIVATE_NAMES[owner][name]
