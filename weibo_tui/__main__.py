"""``python -m weibo_tui`` is ``weibo-tui``."""

from __future__ import annotations

from weibo_tui.cli import main

if __name__ == "__main__":
    main()
