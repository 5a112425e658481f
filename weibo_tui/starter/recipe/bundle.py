"""From WORK into the package: what a wheel may carry, and nothing else."""

from __future__ import annotations

import shutil
from pathlib import Path

from weibo_tui.atomic import atomic_folder, atomic_write
from weibo_tui.errors import UserInputError
from weibo_tui.starter.recipe.card import MODEL_CARD

LARGEST_FILE = 15_000_000
LARGEST_STARTER = 25_000_000
"""Bytes."""


def bundle(made: Path, package: Path) -> None:
    """Lay the starter in `made` into the package. Raises UserInputError where a file, or all of it, is too large."""
    sizes = {path: path.stat().st_size for path in made.rglob("*") if path.is_file()}
    for path, size in sizes.items():
        if size > LARGEST_FILE:
            raise UserInputError(f"{path} has {size:,} bytes, and {LARGEST_FILE:,} are the most.")
    if sum(sizes.values()) > LARGEST_STARTER:
        raise UserInputError(f"{made} has {sum(sizes.values()):,} bytes, and {LARGEST_STARTER:,} are the most.")
    for kind in ("bases", "adapters"):
        with atomic_folder(package / kind, replace=True) as folder:
            shutil.copytree(made / kind, folder, dirs_exist_ok=True)
    atomic_write(package / MODEL_CARD, (made / MODEL_CARD).read_bytes())
    # What is written for one person alone is here for everybody who uses the installation.
    for place in (package / MODEL_CARD, package / "bases", package / "adapters"):
        for path in (place, *place.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)
    print(f"{len(sizes)} files, {sum(sizes.values()):,} bytes, in {package}")
