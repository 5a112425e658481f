"""What a person does: open a base and an adapter, predict, train, evaluate, label a file. Both faces call this."""

from __future__ import annotations

from weibo_tui.workbench.core import Audited, Imported, Workbench
from weibo_tui.workbench.evaluation import JudgedPost, Scored
from weibo_tui.workbench.plans import (
    AuditPlan,
    Columns,
    EvaluationPlan,
    LabellingPlan,
    Machine,
    PretrainingPlan,
    TrainingPlan,
)

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
