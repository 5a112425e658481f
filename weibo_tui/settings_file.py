"""Read the settings file without saying anything, so that the language can be read from it too."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

LARGEST = 1_000_000
"""Bytes that a settings file may have."""


def read_settings_file(path: Path) -> tuple[str, dict[str, Any]]:
    """Return the text of the settings file and its values, both empty where there is no file.

    Raises OSError for a file that cannot be read, and ValueError for one that is not TOML, too large, or not a file."""
    import tomllib

    try:
        # A pipe would wait for its writer, and a device need not end. A folder is left to `open`, which names it.
        if not (stat.S_ISREG(mode := path.stat().st_mode) or stat.S_ISDIR(mode)):
            raise ValueError("not a regular file")
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
    except FileNotFoundError:
        return "", {}
    check_size(data)
    # Bytes, so that line ends stay the user's; Windows editors put a BOM first, which is not TOML.
    text = data.decode("utf-8-sig")
    try:
        return text, tomllib.loads(text)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def check_size(data: bytes) -> None:
    """Raise ValueError for more bytes than a settings file may have."""
    if len(data) > LARGEST:
        raise ValueError(f"larger than {LARGEST:,} bytes")
