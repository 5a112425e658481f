"""Room on disk for numbers that a training needs while it runs, and nobody afterwards."""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING

from weibo_tui.atomic import cannot_write, make_private_folder

if TYPE_CHECKING:
    from weibo_tui.engine.activation_cache import ArrayAllocator, Rows


def room_in(folder: Path) -> ArrayAllocator:
    """Rows in files without a name in `folder`: they are gone with the process, however it ends.

    Giving them raises WeiboTuiError where the disk has not the space, before any is used."""
    import numpy as np

    def rows(tokens: int, width: int) -> Rows:
        if not tokens:
            return np.zeros((0, width), np.float32)
        try:
            make_private_folder(folder)
            with TemporaryFile(dir=folder) as file:
                # A mapped page that finds no space later would kill the process.
                if hasattr(os, "posix_fallocate"):
                    os.posix_fallocate(file.fileno(), 0, tokens * width * 4)
                return np.memmap(
                    file, np.float32, "r+" if hasattr(os, "posix_fallocate") else "w+", shape=(tokens, width)
                )
        except OSError as error:
            raise cannot_write(folder, error) from error

    return rows
