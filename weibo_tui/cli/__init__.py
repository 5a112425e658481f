"""Command line. Heavy modules are imported by the commands that need them."""

from __future__ import annotations

from weibo_tui.cli.main import main

__all__ = ["main"]
