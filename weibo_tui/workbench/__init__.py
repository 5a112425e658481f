"""What a person does: open a base and an adapter, predict, train, evaluate, label a file. Both faces call this."""

from __future__ import annotations

from weibo_tui.workbench.config import (
    AuditPlan,
    Columns,
    EvaluationPlan,
    LabellingPlan,
    Machine,
    PretrainingPlan,
    TrainingPlan,
)
from weibo_tui.workbench.evaluation import JudgedPost, Scored
from weibo_tui.workbench.workbench import Audited, Imported, Workbench

__all__ = [
    "AuditPlan",
    "Audited",
    "Columns",
    "EvaluationPlan",
    "Imported",
    "JudgedPost",
    "LabellingPlan",
    "Machine",
    "PretrainingPlan",
    "Scored",
    "TrainingPlan",
    "Workbench",
]
