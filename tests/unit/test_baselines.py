"""Baselines: n-grams as scikit-learn counts them, the models, and their figures in a score card."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import made_up
import models
import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from weibo_tui import Workbench
from weibo_tui.datasets import baselines
from weibo_tui.datasets.baselines import predict_baselines
from weibo_tui.datasets.character_grams import count_grams
from weibo_tui.datasets.linear_model import LinearModel
from weibo_tui.datasets.naive_bayes_svm import NaiveBayesSVM
from weibo_tui.datasets.splitting import Split, split
from weibo_tui.engine.events import RunFinished
from weibo_tui.presentation.baselines import baseline_sentence
from weibo_tui.presentation.score_parts import score_parts
from weibo_tui.progress import drain
from weibo_tui.text.cleaning import clean


@pytest.fixture(scope="module")
def posts() -> list[tuple[str, int]]:
    return [*made_up.posts(300, seed=4), ("A a AA\0b", 1), ("", 0), ("𠮷野家", 1), ("𠮷野家。", 1)]


def cleaned(posts: list[tuple[str, int]]) -> list[str]:
    return [clean(text).text for text, _label in posts]


def test_counts_equal_those_of_scikit_learn(posts: list[tuple[str, int]]) -> None:
    reference = CountVectorizer(analyzer="char", ngram_range=(1, 3), min_df=2).fit_transform(cleaned(posts))
    counts = drain(count_grams([text for text, _label in posts]))
    assert counts.shape == reference.shape
    # The order of the columns differs.
    assert sorted(counts.sum(axis=0)) == sorted(np.asarray(reference.sum(axis=0)).ravel())
    np.testing.assert_array_equal((counts @ counts.T).toarray(), (reference @ reference.T).toarray())


def test_empty_posts_have_no_grams() -> None:
    assert drain(count_grams(["", "好", ""])).shape == (3, 0)
    assert drain(count_grams([])).shape == (0, 0)


@pytest.mark.parametrize("labels", [2, 3])
def test_linear_model_equals_that_of_scikit_learn(posts: list[tuple[str, int]], labels: int) -> None:
    codes = np.array([label if labels == 2 else number % 3 for number, (_text, label) in enumerate(posts)])
    counts = drain(count_grams([text for text, _label in posts]))
    probabilities = LinearModel.fit(counts[:200], codes[:200]).probabilities(counts[200:], labels)
    grams = TfidfVectorizer(analyzer="char", ngram_range=(1, 3), min_df=2, sublinear_tf=True)
    solver = "liblinear" if labels == 2 else "lbfgs"
    model = LogisticRegression(C=4.0, solver=solver, max_iter=300)
    model.fit(grams.fit_transform(cleaned(posts)[:200]), codes[:200])
    np.testing.assert_allclose(probabilities, model.predict_proba(grams.transform(cleaned(posts)[200:])), atol=2e-3)


def test_naive_bayes_weights_are_the_log_count_ratios() -> None:
    counts = drain(count_grams(["甲甲乙", "甲", "乙", "乙"]))  # 甲 (twice in a post counts once) and 乙
    model = drain(NaiveBayesSVM.fit(counts, np.array([1, 1, 0, 0])))
    # With one added to each number of posts: 甲 has 3 of 5 in the first, 1 of 4 in the second; 乙 2 of 5 and 3 of 4.
    assert sorted(model.ratios[0].tolist()) == pytest.approx(sorted([np.log(0.6 / 0.25), np.log(0.4 / 0.75)]))
    assert model.predict(counts, share=0.25).tolist() == [1, 1, 0, 0]


def test_naive_bayes_svm_learns_several_labels(posts: list[tuple[str, int]]) -> None:
    texts = [f"{text}{'一二三'[number % 3] * 2}" for number, (text, _label) in enumerate(posts)]
    codes = np.arange(len(texts)) % 3 + 4
    counts = drain(count_grams(texts))
    model = drain(NaiveBayesSVM.fit(counts[:200], codes[:200]))
    assert (model.predict(counts[200:], share=1.0) == codes[200:]).mean() > 0.95


def parts_of(posts: list[tuple[str, int]]) -> tuple[list[str], list[int], Split]:
    texts, labels = [text for text, _label in posts], [label for _text, label in posts]
    return texts, labels, split(texts, labels, test=0.3)


def test_baselines_never_see_the_labels_of_test_posts(posts: list[tuple[str, int]]) -> None:
    texts, labels, parts = parts_of(posts)
    predicted = drain(predict_baselines(texts, labels, parts))
    actual = np.array(labels)[parts.test]
    assert list(predicted) == ["majority", "linear", "nbsvm"]
    assert len(set(predicted["majority"].tolist())) == 1
    assert (predicted["linear"] == actual).mean() > 0.9
    assert (predicted["nbsvm"] == actual).mean() > 0.9
    tests = set(parts.test.tolist())
    flipped = [1 - label if index in tests else label for index, label in enumerate(labels)]
    again = drain(predict_baselines(texts, flipped, parts))
    assert all((again[name] == predicted[name]).all() for name in predicted)


def test_too_large_task_has_the_majority_only(posts: list[tuple[str, int]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(baselines, "MAX_POSTS_TIMES_LABELS", 100)
    assert list(drain(predict_baselines(*parts_of(posts)))) == ["majority"]


def test_score_card_has_the_differences_to_baselines(wb: Workbench, tmp_path: Path) -> None:
    config = models.training_plan(tmp_path, posts=120)
    finished = list(wb.iter_train(config))[-1]
    assert isinstance(finished, RunFinished)
    assert finished.score is not None
    figures = {one["name"]: one for one in finished.score["baselines"]}
    assert list(figures) == ["majority", "linear", "nbsvm"]
    for one in figures.values():
        difference = finished.score["accuracy"] - one["accuracy"]
        assert one["difference"] == pytest.approx(difference)
        assert one["adapter_only"] - one["baseline_only"] == pytest.approx(difference * finished.score["n"])
        assert one["difference_ci"][0] <= one["difference"] <= one["difference_ci"][1]
    read = score_parts(wb.adapters.card("trained").score).baselines
    assert [one.p for one in read] == [one["p"] for one in figures.values()]
    without = list(wb.iter_train(dataclasses.replace(config, name="without", baselines=False)))[-1]
    assert isinstance(without, RunFinished)
    assert without.score == {**finished.score, "baselines": ()}


def sentence(**values: float | tuple[float, float]) -> str:
    figures = {"difference_ci": (-0.01, 0.02), "p": 0.4, "accuracy": 0.9, **values}
    other = {**figures, "name": "majority", "difference": 0.4}
    return baseline_sentence({"baselines": [other, {**figures, "name": "linear"}]})


def test_sentence_is_about_the_best_baseline() -> None:
    better = sentence(difference=0.012, difference_ci=(0.004, 0.02), p=0.003)
    assert better == "The adapter is 1.2 points better than the linear model (95%: +0.4 – +2.0, McNemar p = 0.003)."
    worse = sentence(difference=-0.03, difference_ci=(-0.05, -0.01), p=0.01)
    assert "worse than the linear model" in worse
    assert "not distinguishable" in sentence(difference=0.004)
    copies = sentence(difference=-0.5, difference_ci=(-1.0, 0.0), p=0.0001)  # of two texts
    assert "not distinguishable" in copies
    assert baseline_sentence({}) == ""
    assert baseline_sentence({"baselines": [{"name": "linear", "difference": float("nan"), "p": "x"}, 3]}) == ""
