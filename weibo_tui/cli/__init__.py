"""The front door: the commands. Imports nothing heavy before a command needs it."""

from __future__ import annotations

from weibo_tui.cli.main import main

__all__ = ["main"]
