"""Scores of the adapters on the test part, and their predictions for the probes in probes.csv."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from weibo_tui.atomic import atomic_write
from weibo_tui.registry import cards
from weibo_tui.registry.cards import CARD
from weibo_tui.starter.recipe.models import TASKS, Task, open_workbench
from weibo_tui.starter.recipe.sources import part_file, read_table
from weibo_tui.workbench.config import EvaluationConfig
from weibo_tui.workbench.evaluation import EvaluationResult
from weibo_tui.workbench.workbench import Workbench

MAX_NOISE_CONFIDENCE = 0.6
"""The highest acceptable confidence that a meaningless post has another label than neutral."""


def score_adapters(work: Path) -> dict[str, Any]:
    """Return each adapter's score card on each of its datasets and on all together, and its predictions for the probes.

    The score card on `all` is also saved in the adapter's own card."""
    with open_workbench(work) as wb:
        return {
            task.adapter: {"sets": _score_datasets(wb, work, task), "probes": _predict_probes(wb, task)}
            for task in TASKS
        }


def _score_datasets(wb: Workbench, work: Path, task: Task) -> dict[str, Mapping[str, Any]]:
    files: dict[str, tuple[Path, ...]] = {name: (part_file(work, "test", name),) for name in task.datasets}
    files["all"] = tuple(path for paths in files.values() for path in paths)
    scores = {name: _score(wb, task.adapter, paths) for name, paths in files.items()}
    path = wb.adapters.path(task.adapter) / CARD
    card = wb.adapters.card(task.adapter)
    atomic_write(path, cards.write(dataclasses.replace(card, score=dict(scores["all"]))))
    return scores


def _score(wb: Workbench, adapter: str, files: tuple[Path, ...]) -> Mapping[str, Any]:
    *_progress, last = wb.iter_evaluate(EvaluationConfig(files, adapter))
    assert isinstance(last, EvaluationResult)
    return last.score.to_dict()


def _predict_probes(wb: Workbench, task: Task) -> list[Mapping[str, Any]]:
    probes = [row for row in read_probes() if is_for(row, task)]
    predictions = wb.iter_predict([row["text"] for row in probes], task.adapter, record=False)
    return [
        {
            "kind": row["kind"],
            "text": row["text"],
            "expected": row["expected"],
            "label": analysis.label,
            "confidence": analysis.confidence,
        }
        for row, analysis in zip(probes, predictions, strict=True)
    ]


def read_probes() -> list[dict[str, str]]:
    """Return posts with their task, kind, and expected label, which is empty for noise."""
    return read_table("probes.csv")


def is_for(probe: Mapping[str, str], task: Task) -> bool:
    """Return whether a probe is of a task: noise is of all, and `sentiment` of those with the expected label."""
    if probe["task"] == "sentiment":
        return task.adapter in ("weibo", "weibo3") and probe["expected"] in task.labels.names
    return probe["task"] in ("any", task.adapter)


def is_wrong(probe: Mapping[str, Any]) -> bool:
    """Return whether a prediction has another label than expected, or is too confident for noise."""
    if probe["expected"]:
        return bool(probe["label"] != probe["expected"])
    return noise_confidence(probe["label"], probe["confidence"]) > MAX_NOISE_CONFIDENCE


def noise_confidence(label: str, confidence: float) -> float:
    """Return how confident a prediction for noise is. Neutral is right, because the post has no sentiment."""
    return 0.0 if label == "neutral" else confidence
