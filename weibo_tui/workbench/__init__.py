"""What a person does: open a base and an adapter, predict, train, evaluate, label a file. Both faces call this."""

from __future__ import annotations

from weibo_tui.engine.hyperparameters import ComputeOptions
from weibo_tui.workbench.config import (
    AuditPlan,
    Columns,
    EvaluationConfig,
    LabelingConfig,
    PretrainingConfig,
    TrainingConfig,
)
from weibo_tui.workbench.evaluation import EvaluatedPost, EvaluationResult
from weibo_tui.workbench.workbench import AuditResult, ImportResult, Workbench

__all__ = [
    "AuditPlan",
    "AuditResult",
    "Columns",
    "ComputeOptions",
    "EvaluatedPost",
    "EvaluationConfig",
    "EvaluationResult",
    "ImportResult",
    "LabelingConfig",
    "PretrainingConfig",
    "TrainingConfig",
    "Workbench",
]
