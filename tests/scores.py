"""A score card with all of its parts, as `ScoreCard.to_dict` gives it."""

from __future__ import annotations

from typing import Any

from weibo_tui.engine.score_card import ScoreCard


def score(labels: tuple[str, ...] = ("negative", "positive"), **changes: Any) -> dict[str, Any]:
    """Return the score card of 200 posts, with other values for some fields."""
    share = {"precision": 0.9, "recall": 0.8, "f1": 0.85, "support": 100}
    confusion = tuple(tuple(80 if row == column else 20 for column in range(len(labels))) for row in range(len(labels)))
    values: dict[str, Any] = {
        "n": 200,
        "failed": 1,
        "accuracy": 0.8,
        "accuracy_ci": (0.74, 0.85),
        "macro_f1": 0.79,
        "macro_f1_ci": (0.73, 0.84),
        "mcc": 0.6,
        "mcc_ci": (0.5, 0.7),
        "per_label": dict.fromkeys(labels, share),
        "labels": labels,
        "confusion": confusion,
        "ece": 0.031,
        "ece_null": (0.027, 0.045),
        "reliability": (
            {"confidence": 0.6, "accuracy": 0.5, "low": 0.4, "high": 0.6, "n": 100},
            {"confidence": 0.9, "accuracy": 0.95, "low": 0.9, "high": 1.0, "n": 100},
        ),
        "confidences": (*((0, 0),) * 10, (10, 5), *((0, 0),) * 8, (150, 35)),
        "brier": 0.14,
        "risk_coverage": ((0.1, 0.0, 0.99), (0.5, 0.1, 0.9), (1.0, 0.2, 0.5)),
        "augrc": 0.0512,
        "answering": ({"accuracy": 0.9, "threshold": 0.9, "coverage": 0.5, "n": 100},),
        "sources": ({"name": "a_1.csv", "n": 120, "accuracy": 0.9, "low": 0.8, "high": 0.95, "macro_f1": 0.88},),
        "lengths": ({"name": "1–20", "n": 80, "accuracy": 0.7, "low": 0.6, "high": 0.8, "macro_f1": 0.69},),
        "baselines": (baseline("majority", 0.3), baseline("linear", 0.012)),
        "seeds": {
            "seeds": [0, 1, 2],
            "kept": 0,
            "keep": "first",
            "accuracy": [0.8, 0.81, 0.82],
            "mcc": [0.6, 0.6, 0.6],
        },
    }
    return ScoreCard(**(values | changes)).to_dict()


def baseline(name: str, difference: float) -> dict[str, Any]:
    """Return a baseline that is `difference` less accurate."""
    return {
        "name": name,
        "accuracy": 0.8 - difference,
        "accuracy_ci": (0.7, 0.85),
        "macro_f1": 0.75,
        "difference": difference,
        "difference_ci": (difference - 0.01, difference + 0.01),
        "adapter_only": 20,
        "baseline_only": 10,
        "p": 0.0987,
        "mid_p": 0.071,
    }
