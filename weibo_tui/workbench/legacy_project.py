"""What the original project left in a folder: found by name, and offered."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

BASE = Path("models", "gpt2-chinese")
DATA = Path("dataset", "weibo_senti_100k.csv")
CHECKPOINT = Path("best_weibo_sentiment_model.pth")

# A file of one of these is its checkpoint, or whatever else torch saved; our own exports are archives.
ENDINGS = (".pth", ".pt", ".bin")


@dataclass(frozen=True, slots=True)
class LegacyProject:
    """The model folder, the labelled posts and the trained checkpoint: the path of each that is there."""

    base: Path | None
    data: Path | None
    checkpoint: Path | None

    @classmethod
    def find(cls, folder: Path = Path()) -> Self:
        """Look in `folder`, for names alone: nothing is opened."""
        return cls(
            base=folder / BASE if _is_file(folder / BASE / "config.json") else None,
            data=folder / DATA if _is_file(folder / DATA) else None,
            checkpoint=folder / CHECKPOINT if _is_file(folder / CHECKPOINT) else None,
        )

    @property
    def found(self) -> tuple[Path, ...]:
        """Those that are there, in the order in which they are taken in: the others need the base."""
        return tuple(path for path in (self.base, self.checkpoint, self.data) if path is not None)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a folder that this account may not look into
        return False
