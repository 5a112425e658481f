"""The baseline on the same split: the linear model of `datasets.linear_model`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from sklearn.metrics import accuracy_score, f1_score

from weibo_tui.datasets.character_grams import count_grams
from weibo_tui.datasets.linear_model import LinearModel
from weibo_tui.progress import drain
from weibo_tui.starter.recipe.models import Task
from weibo_tui.starter.recipe.sources import EMOTICON_FREE, read_part
from weibo_tui.text.cleaning import clean
from weibo_tui.text.emoticons import without_emoticons

if TYPE_CHECKING:
    from numpy.typing import NDArray

Rows = Sequence[tuple[str, str]]
"""Labels and posts."""


def score_baselines(work: Path, task: Task) -> dict[str, Mapping[str, float]]:
    """Return accuracy and macro F1 on the test part of each dataset of the task; of weibo_senti also without
    emoticons."""
    train = [row for part in ("train", "validation") for name in task.datasets for row in read_part(work, part, name)]
    if "weibo_senti" in task.datasets:
        train += [(label, without_emoticons(text)) for label, text in train]
    tests: dict[str, Rows] = {name: read_part(work, "test", name) for name in task.datasets}
    if "weibo_senti" in task.datasets:
        emoticon_free = [(label, without_emoticons(text)) for label, text in tests["weibo_senti"]]
        tests[EMOTICON_FREE] = [row for row in emoticon_free if clean(row[1]).text]
    rows = [*train, *(row for test in tests.values() for row in test)]
    labels = task.labels.raw
    codes = np.array([labels.index(label) for label, _text in rows], np.int64)
    counts = drain(count_grams([text for _label, text in rows]))
    model = LinearModel.fit(counts[: len(train)], codes[: len(train)])
    predicted = model.probabilities(counts[len(train) :], len(labels)).argmax(axis=1)
    ends = np.cumsum([len(test) for test in tests.values()])
    parts = zip(np.split(codes[len(train) :], ends[:-1]), np.split(predicted, ends[:-1]), strict=True)
    return dict(zip(tests, (_score(*part) for part in parts), strict=True))


def _score(actual: NDArray[np.int64], predicted: NDArray[np.int64]) -> Mapping[str, float]:
    return {
        "n": len(actual),
        "accuracy": float(accuracy_score(actual, predicted)),
        "macro_f1": float(f1_score(actual, predicted, average="macro")),
    }
