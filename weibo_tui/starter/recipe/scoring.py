"""What the adapters get on posts that nothing was trained on or chosen by, and on probes that everybody can read."""

from __future__ import annotations

import csv
import dataclasses
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from weibo_tui.atomic import atomic_write
from weibo_tui.registry import cards
from weibo_tui.registry.cards import CARD
from weibo_tui.starter.recipe.models import TASKS, Task, opened
from weibo_tui.starter.recipe.sources import part_file
from weibo_tui.storage.history import Analysis
from weibo_tui.workbench import EvaluationConfig, Workbench
from weibo_tui.workbench.evaluation import EvaluationResult

SURE = 0.7
"""A post without a meaning is to be judged no surer than this."""


def scores(work: Path) -> dict[str, Any]:
    """The score card of every adapter on each of its sets and on all of them together (`all`, which the adapter's own
    card gets), and what it says of each probe."""
    with opened(work) as wb:
        return {task.adapter: {"sets": _of_sets(wb, work, task), "probes": _of_probes(wb, task)} for task in TASKS}


def _of_sets(wb: Workbench, work: Path, task: Task) -> dict[str, Mapping[str, Any]]:
    files: dict[str, tuple[Path, ...]] = {name: (part_file(work, "test", name),) for name in task.sets}
    files["all"] = tuple(path for paths in files.values() for path in paths)
    found = {name: _score(wb, task.adapter, paths) for name, paths in files.items()}
    path = wb.adapters.path(task.adapter) / CARD
    card = wb.adapters.card(task.adapter)
    atomic_write(path, cards.write(dataclasses.replace(card, score=dict(found["all"]))))
    return found


def _score(wb: Workbench, adapter: str, files: tuple[Path, ...]) -> Mapping[str, Any]:
    *_progress, last = wb.evaluate(EvaluationConfig(files, adapter))
    assert isinstance(last, EvaluationResult)
    return last.score.to_json()


def _of_probes(wb: Workbench, task: Task) -> list[Mapping[str, Any]]:
    probes = [row for row in read_probes() if row["adapter"] in (task.adapter, "any")]
    verdicts = wb.predict([row["text"] for row in probes], task.adapter, record=False)
    return [
        {"kind": row["kind"], "text": row["text"], "expected": row["expected"], **_verdict(analysis)}
        for row, analysis in zip(probes, verdicts, strict=True)
    ]


def _verdict(analysis: Analysis) -> Mapping[str, Any]:
    return {"label": analysis.label, "confidence": analysis.confidence}


def read_probes() -> list[dict[str, str]]:
    """Posts of our own, with what is meant: for which adapter, of which kind, and the label, empty for nonsense."""
    table = resources.files(__package__).joinpath("probes.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(table.splitlines()))


def is_wrong(probe: Mapping[str, Any]) -> bool:
    """Whether a probe was judged as it is not meant: another label, or too sure of what means nothing."""
    if probe["expected"]:
        return bool(probe["label"] != probe["expected"])
    return bool(probe["confidence"] > SURE)
