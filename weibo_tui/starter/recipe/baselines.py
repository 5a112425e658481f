"""The baseline on the same split: TF-IDF over character 1- to 3-grams and logistic regression (scikit-learn)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score
from sklearn.pipeline import make_pipeline

from weibo_tui.starter.recipe.models import Task
from weibo_tui.starter.recipe.sources import EMOTICON_FREE, read_part
from weibo_tui.text.cleaning import clean
from weibo_tui.text.emoticons import without_emoticons

# Rarer n-grams are noise.
MIN_POSTS = 3


def score_baselines(work: Path, task: Task) -> dict[str, Mapping[str, float]]:
    """Return accuracy and macro F1 on the test part of each dataset of the task; of weibo_senti also without
    emoticons."""
    rows = [row for part in ("train", "validation") for name in task.datasets for row in read_part(work, part, name)]
    if "weibo_senti" in task.datasets:
        rows += [(label, without_emoticons(text)) for label, text in rows]
    model = make_pipeline(
        TfidfVectorizer(analyzer="char", ngram_range=(1, 3), min_df=MIN_POSTS, sublinear_tf=True, dtype=np.float32),
        LogisticRegression(C=4.0, solver="liblinear" if len(task.labels.raw) == 2 else "lbfgs", max_iter=300),
    )
    model.fit([clean(text).text for _label, text in rows], [label for label, _text in rows])
    scores: dict[str, Mapping[str, float]] = {}
    for name in task.datasets:
        test = read_part(work, "test", name)
        scores[name] = _score(model, test)
        if name == "weibo_senti":
            emoticon_free = [(label, without_emoticons(text)) for label, text in test]
            scores[EMOTICON_FREE] = _score(model, [row for row in emoticon_free if clean(row[1]).text])
    return scores


def _score(model: object, rows: Sequence[tuple[str, str]]) -> Mapping[str, float]:
    labels = [label for label, _text in rows]
    predicted = model.predict([clean(text).text for _label, text in rows])  # type: ignore[attr-defined]
    return {
        "n": len(rows),
        "accuracy": float(accuracy_score(labels, predicted)),
        "macro_f1": float(f1_score(labels, predicted, average="macro")),
    }
