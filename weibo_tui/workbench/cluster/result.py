"""The result of a labeling on Ray."""

from __future__ import annotations

from dataclasses import dataclass

from weibo_tui.workbench.labeling import LabelingResult


@dataclass(frozen=True, slots=True)
class ClusterLabelingResult(LabelingResult):
    """The last event of a labeling on Ray: `out` is a folder with a number of `parts`.

    `continued` are rows that were labeled before. `failed_parts` name those that could not be labeled, with the
    reasons; the same call tries them again. `finished_at` is empty where there are any."""

    parts: int = 0
    failed_parts: tuple[str, ...] = ()
    adapter: str = ""
    finished_at: str = ""
