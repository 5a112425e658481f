"""Writing tensors, where what a disk refuses is an OSError, as it is of every other file."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import IO

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor


def save_tensors(tensors: Mapping[str, Tensor], path: Path, metadata: dict[str, str] | None = None) -> None:
    """Write a safetensors file; OSError where that cannot be."""
    try:
        safetensors.torch.save_file(dict(tensors), path, metadata=metadata)
    except SafetensorError as error:
        # The Rust side tells the number in words only.
        number = re.search(r"os error (\d+)", str(error))
        if number is None:
            raise
        raise OSError(int(number[1]), os.strerror(int(number[1])), str(path)) from error


def save_pickle(tensors: Mapping[str, Tensor], file: IO[bytes]) -> None:
    """Write what `torch.load` reads; OSError where that cannot be."""
    try:
        torch.save(dict(tensors), file)
    except RuntimeError as error:
        # It goes on to finish what could not be begun, and complains of that.
        if isinstance(error.__context__, OSError):
            raise error.__context__ from error
        raise
