"""Temporary memory-mapped arrays for training."""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING

from weibo_tui.atomic import cannot_write, make_private_folder

if TYPE_CHECKING:
    from weibo_tui.engine.activation_cache import ArrayAllocator, Rows


def array_allocator(folder: Path) -> ArrayAllocator:
    """Return a function that allocates float32 arrays (tokens, width) in unnamed files in `folder`.

    The files vanish with the process. The function raises WeiboTuiError where the disk has not enough space."""
    import numpy as np

    def allocate(tokens: int, width: int) -> Rows:
        if not tokens:
            return np.zeros((0, width), np.float32)
        try:
            make_private_folder(folder)
            with TemporaryFile(dir=folder) as file:
                if not hasattr(os, "posix_fallocate"):
                    return np.memmap(file, np.float32, "w+", shape=(tokens, width))
                # A mapped page without disk space would kill the process.
                os.posix_fallocate(file.fileno(), 0, tokens * width * 4)
                return np.memmap(file, np.float32, "r+", shape=(tokens, width))
        except OSError as error:
            raise cannot_write(folder, error) from error

    return allocate
