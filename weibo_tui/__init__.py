"""Sentiment classification of Weibo posts with small adapters on a frozen Chinese GPT-2.

In a notebook or a script, use the workbench::

    from weibo_tui import Workbench, document, write_report

    wb = Workbench()
    wb.predict("今天的面真好吃")                         # a Prediction
    wb.explain("今天的面真好吃")                         # an Explanation
    wb.predict(frame["text"]).to_pandas()               # many, as a DataFrame
    result = wb.train("posts.csv", "mood", epochs=2)    # a TrainingResult
    score = wb.evaluate("test.csv", adapter="mood")     # a ScoreCard
    document(score).write("score.html")                 # a Document; also .tex, .md, .csv, .svg, .png
    wb.compare("test.csv", ["mood", "other"])           # a ComparisonResult
    wb.label_file("posts.csv", "labeled.csv")           # a LabelingResult
    wb.estimate("labeled.csv", by="week")               # an EstimationResult
    write_report(wb.report("labeled.csv"), "report.html")
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from weibo_tui.errors import CorruptFileError, UserInputError, WeiboTuiError
from weibo_tui.version import __version__

if TYPE_CHECKING:
    from weibo_tui.datasets.answers import CANNOT_TELL
    from weibo_tui.datasets.auditing import Audit
    from weibo_tui.datasets.labeled_rows import FileOptions
    from weibo_tui.datasets.tables import Columns
    from weibo_tui.engine.events import (
        ActivationsCached,
        BatchHalved,
        CachePlanned,
        CheckpointSaved,
        Evaluated,
        JournalDelayed,
        ProbesPredicted,
        RunFinished,
        RunStarted,
        StepDone,
    )
    from weibo_tui.engine.hyperparameters import ComputeOptions, Hyperparameters, PretrainingHyperparameters
    from weibo_tui.engine.score_card import ScoreCard
    from weibo_tui.presentation.publication.document import Document
    from weibo_tui.presentation.publication.results import document
    from weibo_tui.presentation.report.page import write_report
    from weibo_tui.progress import Progress
    from weibo_tui.registry.cards import AdapterCard, BaseCard
    from weibo_tui.storage.entries import Analysis, HistoryFilter
    from weibo_tui.storage.row_filters import RowFilter, RowOrder, Selection
    from weibo_tui.workbench.annotation import Annotation, AnnotationProgress, Reveal, Task
    from weibo_tui.workbench.annotation_files import ImportedAnnotations
    from weibo_tui.workbench.annotation_results import AnnotatorAgreement, SampleMeasurement, TrainingRows
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
    from weibo_tui.workbench.estimation import Estimate, EstimationResult
    from weibo_tui.workbench.evaluation import EvaluatedPost, EvaluationResult
    from weibo_tui.workbench.explanation import Explanation
    from weibo_tui.workbench.faithfulness import FaithfulnessConfig, FaithfulnessResult
    from weibo_tui.workbench.file_caches import ListedFile
    from weibo_tui.workbench.file_export import ExportedFile
    from weibo_tui.workbench.label_errors import FoundLabelErrors, LabelErrorSearch
    from weibo_tui.workbench.labeling import LabelingResult
    from weibo_tui.workbench.opened_file import FileInfo, FileRow, OpenedFile
    from weibo_tui.workbench.report import Report
    from weibo_tui.workbench.results import Prediction, Predictions, PretrainingResult, TrainingResult
    from weibo_tui.workbench.workbench import Workbench

_MODULES = {
    "datasets.answers": "CANNOT_TELL",
    "datasets.auditing": "Audit",
    "datasets.labeled_rows": "FileOptions",
    "datasets.tables": "Columns",
    "engine.events": (
        "ActivationsCached BatchHalved CachePlanned CheckpointSaved Evaluated JournalDelayed ProbesPredicted "
        "RunFinished RunStarted StepDone"
    ),
    "engine.hyperparameters": "ComputeOptions Hyperparameters PretrainingHyperparameters",
    "engine.score_card": "ScoreCard",
    "presentation.publication.document": "Document",
    "presentation.publication.results": "document",
    "presentation.report.page": "write_report",
    "progress": "Progress",
    "registry.cards": "AdapterCard BaseCard",
    "storage.entries": "Analysis HistoryFilter",
    "storage.row_filters": "RowFilter RowOrder Selection",
    "workbench.annotation": "Annotation AnnotationProgress Reveal Task",
    "workbench.annotation_files": "ImportedAnnotations",
    "workbench.annotation_results": "AnnotatorAgreement SampleMeasurement TrainingRows",
    "workbench.cluster.result": "ClusterLabelingResult",
    "workbench.comparison_result": "ComparedPost ComparisonResult PairComparison Rater",
    "workbench.config": "AuditConfig ClusterLabelingConfig ComparisonConfig EstimationConfig EvaluationConfig "
    "LabelingConfig PretrainingConfig TrainingConfig",
    "workbench.core": "AuditResult ImportResult",
    "workbench.estimation": "Estimate EstimationResult",
    "workbench.evaluation": "EvaluatedPost EvaluationResult",
    "workbench.explanation": "Explanation",
    "workbench.faithfulness": "FaithfulnessConfig FaithfulnessResult",
    "workbench.file_caches": "ListedFile",
    "workbench.file_export": "ExportedFile",
    "workbench.label_errors": "FoundLabelErrors LabelErrorSearch",
    "workbench.labeling": "LabelingResult",
    "workbench.opened_file": "FileInfo FileRow OpenedFile",
    "workbench.report": "Report",
    "workbench.results": "Prediction Predictions PretrainingResult TrainingResult",
    "workbench.workbench": "Workbench",
}
_PLACES = {name: module for module, names in _MODULES.items() for name in names.split()}

__all__ = [
    "CANNOT_TELL",
    "ActivationsCached",
    "AdapterCard",
    "Analysis",
    "Annotation",
    "AnnotationProgress",
    "AnnotatorAgreement",
    "Audit",
    "AuditConfig",
    "AuditResult",
    "BaseCard",
    "BatchHalved",
    "CachePlanned",
    "CheckpointSaved",
    "ClusterLabelingConfig",
    "ClusterLabelingResult",
    "Columns",
    "ComparedPost",
    "ComparisonConfig",
    "ComparisonResult",
    "ComputeOptions",
    "CorruptFileError",
    "Document",
    "Estimate",
    "EstimationConfig",
    "EstimationResult",
    "Evaluated",
    "EvaluatedPost",
    "EvaluationConfig",
    "EvaluationResult",
    "Explanation",
    "ExportedFile",
    "FaithfulnessConfig",
    "FaithfulnessResult",
    "FileInfo",
    "FileOptions",
    "FileRow",
    "FoundLabelErrors",
    "HistoryFilter",
    "Hyperparameters",
    "ImportResult",
    "ImportedAnnotations",
    "JournalDelayed",
    "LabelErrorSearch",
    "LabelingConfig",
    "LabelingResult",
    "ListedFile",
    "OpenedFile",
    "PairComparison",
    "Prediction",
    "Predictions",
    "PretrainingConfig",
    "PretrainingHyperparameters",
    "PretrainingResult",
    "ProbesPredicted",
    "Progress",
    "Rater",
    "Report",
    "Reveal",
    "RowFilter",
    "RowOrder",
    "RunFinished",
    "RunStarted",
    "SampleMeasurement",
    "ScoreCard",
    "Selection",
    "StepDone",
    "Task",
    "TrainingConfig",
    "TrainingResult",
    "TrainingRows",
    "UserInputError",
    "WeiboTuiError",
    "Workbench",
    "__version__",
    "document",
    "write_report",
]


def __getattr__(name: str) -> Any:
    # Imported at first use, so that importing a small module does not import everything.
    if name in _PLACES:
        return getattr(importlib.import_module(f"weibo_tui.{_PLACES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
