"""Temporary files for training, which take at most a share of the free disk space."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING

from weibo_tui.atomic import cannot_write, make_private_folder

if TYPE_CHECKING:
    from weibo_tui.engine.activation_cache import OpenFile

MAX_SHARE = 0.8
"""Share of the free disk space that may be used. The rest is for other programs, and for checkpoints."""


def free_space(folder: Path) -> int:
    """Return the free bytes on the disk of `folder`, which need not exist. Raises WeiboTuiError where it is unknown."""
    try:
        make_private_folder(folder)
        return shutil.disk_usage(folder).free
    except OSError as error:
        raise cannot_write(folder, error) from error


def file_opener(folder: Path) -> OpenFile:
    """Return a function that opens an unnamed file in `folder` with room for a number of bytes.

    The files vanish with the process. The function raises WeiboTuiError where the disk has not enough space."""

    def open_file(size: int) -> IO[bytes]:
        try:
            make_private_folder(folder)
            file = TemporaryFile(dir=folder)  # noqa: SIM115  # the caller closes it
            try:
                if size and hasattr(os, "posix_fallocate"):
                    os.posix_fallocate(file.fileno(), 0, size)
            except BaseException:
                file.close()
                raise
            return file
        except OSError as error:
            raise cannot_write(folder, error) from error

    return open_file
