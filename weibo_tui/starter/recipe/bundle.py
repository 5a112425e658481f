"""Copying the starter from WORK into the package."""

from __future__ import annotations

import shutil
from pathlib import Path

from weibo_tui.atomic import atomic_folder, atomic_write
from weibo_tui.errors import UserInputError
from weibo_tui.starter.recipe.card import MODEL_CARD

# Bytes.
MAX_FILE_SIZE = 15_000_000
MAX_STARTER_SIZE = 25_000_000


def copy_bundle(starter: Path, package: Path) -> None:
    """Copy the folder `starter` into the package. Raises UserInputError where a file, or all of it, is too large."""
    sizes = {path: path.stat().st_size for path in starter.rglob("*") if path.is_file()}
    for path, size in sizes.items():
        if size > MAX_FILE_SIZE:
            raise UserInputError(f"{path} has {size:,} bytes, and {MAX_FILE_SIZE:,} are the most.")
    if sum(sizes.values()) > MAX_STARTER_SIZE:
        raise UserInputError(f"{starter} has {sum(sizes.values()):,} bytes, and {MAX_STARTER_SIZE:,} are the most.")
    for kind in ("bases", "adapters"):
        with atomic_folder(package / kind, replace=True) as folder:
            shutil.copytree(starter / kind, folder, dirs_exist_ok=True)
    atomic_write(package / MODEL_CARD, (starter / MODEL_CARD).read_bytes())
    # Files are private when written, but all users of an installation need these.
    for part in (package / MODEL_CARD, package / "bases", package / "adapters"):
        for path in (part, *part.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)
    print(f"{len(sizes)} files, {sum(sizes.values()):,} bytes, in {package}")
