"""Reader of the settings file without translated messages, because the language is read from it too."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

MAX_BYTES = 1_000_000
"""Maximum size of a settings file."""


def read_settings_file(path: Path) -> tuple[str, dict[str, Any]]:
    """Return the text of the settings file and its values, both empty where there is no file.

    Raises OSError for a file that cannot be read, and ValueError for one that is not TOML, too large, or not a file."""
    import tomllib

    try:
        # A pipe could block, and a device need not end. For a folder, `open` raises the better error.
        if not (stat.S_ISREG(mode := path.stat().st_mode) or stat.S_ISDIR(mode)):
            raise ValueError("not a regular file")
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return "", {}
    check_size(data)
    # Decoded here to preserve line ends, and to drop the BOM of Windows editors, which is invalid TOML.
    text = data.decode("utf-8-sig")
    try:
        return text, tomllib.loads(text)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def check_size(data: bytes) -> None:
    """Raise ValueError for more than MAX_BYTES."""
    if len(data) > MAX_BYTES:
        raise ValueError(f"larger than {MAX_BYTES:,} bytes")
