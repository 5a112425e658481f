"""The result of a labeling on Ray."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class ClusterLabelingResult:
    """The last event of a labeling on Ray: the folder, its `parts` and `rows`, and `counts` of rows by label.

    `failed` are rows with an error, `uncertain` those below the confidence threshold, `continued` those that were
    labeled before. `posts_per_second` is the speed of the others. `failed_parts` name those that could not be labeled,
    with the reasons; the same call tries them again."""

    out: str
    parts: int
    rows: int
    failed: int
    counts: dict[str, int]
    continued: int
    posts_per_second: float
    uncertain: int = 0
    failed_parts: tuple[str, ...] = ()
    adapter: str = ""
    finished_at: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the fields by name."""
        return asdict(self)
