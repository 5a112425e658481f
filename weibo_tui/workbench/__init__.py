"""The workbench: what a user does with models and posts. The command line and the app call only this package."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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

_MODULES = {
    "datasets.tables": "Columns",
    "engine.hyperparameters": "ComputeOptions",
    "workbench.cluster.result": "ClusterLabelingResult",
    "workbench.comparison_result": "ComparedPost ComparisonResult PairComparison Rater",
    "workbench.config": "AuditConfig ClusterLabelingConfig ComparisonConfig EstimationConfig EvaluationConfig "
    "LabelingConfig PretrainingConfig TrainingConfig",
    "workbench.core": "AuditResult ImportResult",
    "workbench.estimation": "EstimationResult",
    "workbench.evaluation": "EvaluatedPost EvaluationResult",
    "workbench.workbench": "Workbench",
}
_PLACES = {name: module for module, names in _MODULES.items() for name in names.split()}

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


def __getattr__(name: str) -> Any:
    # Imported at first use, so that the app paints its first screen without the whole workbench.
    if name in _PLACES:
        return getattr(importlib.import_module(f"weibo_tui.{_PLACES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
