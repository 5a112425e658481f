"""Files of the original project in a folder, recognized by their names."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

BASE = Path("models", "gpt2-chinese")
DATA = Path("dataset", "weibo_senti_100k.csv")
CHECKPOINT = Path("best_weibo_sentiment_model.pth")

SUFFIXES = (".pth", ".pt", ".bin")
"""File suffixes of checkpoints that torch saved; our own exports are archives."""


@dataclass(frozen=True, slots=True)
class LegacyProject:
    """Paths of the model folder, the labeled posts and the trained checkpoint, each None if missing."""

    base: Path | None
    data: Path | None
    checkpoint: Path | None

    @classmethod
    def find(cls, folder: Path = Path()) -> Self:
        """Find the files in `folder` without opening them."""
        return cls(
            base=folder / BASE if _is_file(folder / BASE / "config.json") else None,
            data=folder / DATA if _is_file(folder / DATA) else None,
            checkpoint=folder / CHECKPOINT if _is_file(folder / CHECKPOINT) else None,
        )

    @property
    def paths(self) -> tuple[Path, ...]:
        """The existing paths in the order of import: the others need the base."""
        return tuple(path for path in (self.base, self.checkpoint, self.data) if path is not None)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # no permission
        return False
