"""The workbench: what a user does with models and posts. The command line and the app call only this package."""

from __future__ import annotations

from weibo_tui.datasets.tables import Columns
from weibo_tui.engine.hyperparameters import ComputeOptions
from weibo_tui.workbench.cluster.result import ClusterLabelingResult
from weibo_tui.workbench.comparison_result import ComparedPost, ComparisonResult, PairComparison, Rater
from weibo_tui.workbench.config import (
    AuditConfig,
    ClusterLabelingConfig,
    ComparisonConfig,
    EstimationConfig,
    EvaluationConfig,
    LabelingConfig,
    PretrainingConfig,
    TrainingConfig,
)
from weibo_tui.workbench.core import AuditResult, ImportResult
from weibo_tui.workbench.estimation import EstimationResult
from weibo_tui.workbench.evaluation import EvaluatedPost, EvaluationResult
from weibo_tui.workbench.workbench import Workbench

__all__ = [
    "AuditConfig",
    "AuditResult",
    "ClusterLabelingConfig",
    "ClusterLabelingResult",
    "Columns",
    "ComparedPost",
    "ComparisonConfig",
    "ComparisonResult",
    "ComputeOptions",
    "EstimationConfig",
    "EstimationResult",
    "EvaluatedPost",
    "EvaluationConfig",
    "EvaluationResult",
    "ImportResult",
    "LabelingConfig",
    "PairComparison",
    "PretrainingConfig",
    "Rater",
    "TrainingConfig",
    "Workbench",
]
