"""Run ``weibo-tui`` as ``python -m weibo_tui``."""

from __future__ import annotations

from weibo_tui.cli import main

if __name__ == "__main__":
    main()
