"""The baselines of `datasets.baselines`, trained on the same posts as the adapters."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score, f1_score

from weibo_tui.datasets.baselines import predict_baselines
from weibo_tui.datasets.splitting import Split
from weibo_tui.progress import drain
from weibo_tui.starter.recipe.models import Task
from weibo_tui.starter.recipe.sources import EMOTICON_FREE, Rows, read_part
from weibo_tui.text.cleaning import clean
from weibo_tui.text.emoticons import without_emoticons

Scores = Mapping[str, float]
"""The number of posts, and accuracy and macro F1 of a baseline."""


def score_baselines(work: Path, task: Task) -> dict[str, dict[str, Scores]]:
    """Return the scores of each baseline on the test part of each dataset; of weibo_senti also without emoticons."""
    train, validation = (
        [row for name in task.datasets for row in read_part(work, part, name)] for part in ("train", "validation")
    )
    if task.hyper.emoticon_dropout:
        train += _without_emoticons(train)
    tests: dict[str, Rows] = {name: read_part(work, "test", name) for name in task.datasets}
    if "weibo_senti" in tests:
        tests[EMOTICON_FREE] = _without_emoticons(tests["weibo_senti"])
    groups = (train, validation, [row for test in tests.values() for row in test])
    rows = [row for group in groups for row in group]
    codes = np.array([task.labels.raw.index(label) for label, _text in rows], np.int64)
    starts = np.cumsum([len(group) for group in groups])[:-1]
    of_train, of_validation, of_test = np.split(np.arange(len(rows)), starts)
    split = Split(of_train, of_validation, of_test)
    predictions = drain(predict_baselines([text for _label, text in rows], codes.tolist(), split))
    ends = np.cumsum([len(test) for test in tests.values()])[:-1]
    truth = np.split(codes[split.test], ends)
    return {
        name: {
            baseline: _score(truth[index], np.split(of_all, ends)[index]) for baseline, of_all in predictions.items()
        }
        for index, name in enumerate(tests)
    }


def _without_emoticons(rows: Rows) -> list[tuple[str, str]]:
    """Return the posts without their emoticons, and without those that are then empty."""
    return [(label, bare) for label, text in rows if clean(bare := without_emoticons(text)).text]


def _score(actual: NDArray[np.int64], predicted: NDArray[np.int64]) -> Scores:
    return {
        "n": len(actual),
        "accuracy": float(accuracy_score(actual, predicted)),
        "macro_f1": float(f1_score(actual, predicted, average="macro")),
    }
