"""The benchmark tools: rounds, comparisons, sample posts, and a reference that computes what the engine computes."""

from __future__ import annotations

import json
import os
import random
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from benchmarks import classifiers, cleaning, engine, history_data
from benchmarks.pseudo_terminal import open_terminal
from benchmarks.runner import Comparison, Figures, Rounds, Sample, Threshold, run_target

from weibo_tui import Workbench
from weibo_tui.engine.adapter import Adapter
from weibo_tui.engine.config import GPT2Config
from weibo_tui.engine.prediction import Classifier, Prediction
from weibo_tui.errors import WeiboTuiError
from weibo_tui.progress import drain
from weibo_tui.storage.history import EVERYTHING
from weibo_tui.text.cleaning import PREPROCESSING, clean
from weibo_tui.workbench.benchmark import sample_lengths, sample_posts
from weibo_tui.workbench.models import STARTER_ADAPTER

SMALL = GPT2Config(layers=3, heads=2, width=32, positions=128, vocabulary=21_000, inner=64)
OURS, BASELINE = Sample("weibo-tui", (4.0, 2.0, 3.0)), Sample("reference", (2.0, 4.0, 3.0))


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure on a small base."""
    monkeypatch.setattr(engine, "USUAL_SIZE", SMALL)


def test_sample_posts_have_the_lengths_of_weibo_posts() -> None:
    lengths = sample_lengths(20_000)
    assert 63 <= lengths.mean() <= 68
    assert 50 <= np.median(lengths) <= 57
    assert 0.13 <= (lengths > 126).mean() <= 0.16
    posts = sample_posts(1000, seed=3)
    assert [len(post) for post in posts] == sample_lengths(1000, seed=3).tolist()
    assert posts == sample_posts(1000, seed=3)
    assert len({*posts, *sample_posts(1000, seed=4)}) == 2000


def test_dressed_post_is_cleaned_as_the_plain_one() -> None:
    rng = random.Random(0)
    for post in ["今天[哈哈]真好", '#话题# @小王 <3 & "好"', "一\n二", "好//@小王:赞"]:
        dressed = [cleaning.dress(post, rng) for _tail in range(50)]
        assert {clean(text).text for text in dressed} == {clean(post).text}
    counts = cleaning.count_changes([*dressed, "今天真好", "转发微博"])
    assert (counts["read differently"], counts["left empty"], counts["repost"]) == (51, 1, 1)


@pytest.mark.parametrize(
    ("threshold", "baseline", "passed"),
    [
        (Threshold(1.0), BASELINE, True),
        (Threshold(1.1), BASELINE, False),
        (Threshold(1.0, at_most=True), BASELINE, True),
        (Threshold(2.9, at_most=True), None, False),
        (None, BASELINE, None),
    ],
)
def test_comparison_holds_median_ratio_to_threshold(
    threshold: Threshold | None, baseline: Sample | None, passed: bool | None
) -> None:
    comparison = Comparison("train", "a step", "ms", OURS, baseline, threshold, {"posts": 32})
    assert comparison.passed is passed
    values = json.loads(json.dumps(comparison.to_json()))
    assert values["ours"] == {"name": "weibo-tui", "median": 3.0, "rounds": [4.0, 2.0, 3.0]}
    assert values["ratio"] == (baseline and {"name": "ratio", "median": 1.0, "rounds": [2.0, 0.5, 1.0]})
    assert (values["passed"], values["posts"]) == (passed, 32)


def test_comparison_row_has_three_significant_digits() -> None:
    large, small = Sample("", (1_234_567.0,)), Sample("all", (0.0123456, 0.5, 1999.6))
    assert Comparison("scale", "read", "posts/s", large).row() == "| read | 1,230,000 posts/s |  |  |  |  |"
    assert Comparison("scale", "share", "%", small).row() == "| share | 0.5 (0.0123–2,000) % |  |  |  |  |"


def test_rounds_run_targets_in_alternating_order() -> None:
    order: list[str] = []

    def target(name: str) -> Callable[[], Figures]:
        def run() -> Figures:
            order.append(name)
            return {"position": len(order) - 1}

        return run

    rounds = Rounds()
    events = list(rounds.run("measuring", {name: target(name) for name in "abc"}, 3))
    assert "".join(order) == "abccbaabc"
    assert rounds.sample("a", "position", "the first") == Sample("the first", (0, 5, 6))
    assert [(event.done, event.total) for event in events] == [(done, 9) for done in range(10)]
    assert [event.note for event in events[:3]] == ["", "a: position 0", "b: position 1"]


def test_failed_target_is_reported_by_its_last_line() -> None:
    with pytest.raises(WeiboTuiError, match="The benchmark nothing failed .KeyError: 'nothing'"):
        run_target("nothing")


def test_terminal_has_usual_size_and_ends_its_program() -> None:
    code = "import os, time; print(*os.get_terminal_size(), os.getpid()); time.sleep(3600)"
    with open_terminal([sys.executable, "-uc", code], {**os.environ, "COLUMNS": "7"}) as output:
        text = b""
        while b"\n" not in text:
            text += next(output)
        columns, rows, process = map(int, text.split())
    assert (columns, rows) == (100, 30)
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


def test_history_filters_match_part_of_the_data(tmp_path: Path) -> None:
    drain(history_data.fill(tmp_path, 300))
    with Workbench(tmp_path) as workbench:
        total = workbench.history.count(EVERYTHING)
        counts = {name: workbench.history.count(query) for name, query in history_data.filters().items()}
    assert total == 300
    assert all(0 < number < total / 2 for number in counts.values()), counts
    assert counts["rare"] == 1


def test_reference_computes_what_the_engine_computes(small: None) -> None:
    from benchmarks import reference  # imports transformers

    base = engine.random_base(SMALL)
    adapter = effective(engine.adapter_on(base.backbone))
    model = reference.ReferenceModel(base, adapter)
    model.model.eval()
    texts = sample_posts(12)
    with torch.inference_mode():
        expected = model.logits(texts).softmax(-1)
    opened, compute = engine.open_for("", "float32")
    classifier = Classifier(
        opened.backbone, adapter, opened.tokenizer, compute, max_length=128, preprocessing=PREPROCESSING
    )
    for prediction, row in zip(classifier.predict(texts), expected.tolist(), strict=True):
        assert isinstance(prediction, Prediction)
        assert prediction.probabilities == pytest.approx(row, abs=1e-4)
    assert expected[:, 0].std() > 0.01
    trainable = sum(parameter.numel() for parameter in model.parameters())
    assert trainable == sum(parameter.numel() for parameter in adapter.parameters())
    model.logits(texts[:2]).square().sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    assert all(parameter.grad is None for parameter in model.model.transformer.wte.parameters())


def effective(adapter: Adapter) -> Adapter:
    """Give the adapter random weights, so that it changes the hidden states."""
    random = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, parameter in adapter.named_parameters():
            parameter.normal_(0.0, 0.0 if name.endswith("bias") else 0.5, generator=random)
    return adapter.eval()


def test_every_target_returns_positive_figures(small: None) -> None:
    from benchmarks import reference

    for figures in (
        engine.train("", "float32", steps=2, warm_up=1),
        engine.train("", "float32", steps=2, last=1, warm_up=1),
        engine.predict("", "float32", number=8),
        reference.train(""),
        reference.predict("", number=6),
        reference.classify("", number=4, batch=2),
    ):
        assert figures
        assert all(value > 0 for value in figures.values())


def test_classifiers_are_compared_on_the_same_posts(
    starter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    received: list[list[str]] = []

    def all_positive(posts: Sequence[str]) -> list[bool]:
        received.append(list(posts))
        return [True] * len(posts)

    monkeypatch.setattr(classifiers, "ADAPTERS", (STARTER_ADAPTER,))
    monkeypatch.setattr(classifiers, "OTHERS", {"json": all_positive, "no_such_package": all_positive})
    path = tmp_path / "posts.csv"
    path.write_text("label,review\n" + "".join(f"{n % 2},今天第{n}碗面\n" for n in range(40)), encoding="utf-8")
    assert classifiers.main([str(path), "--posts", "30", "--json"]) == 0
    out, err = capsys.readouterr()
    accuracies = json.loads(out)["posts"]
    (posts,) = received
    assert len(set(posts)) == 30
    assert posts != [f"今天第{n}碗面" for n in range(30)]  # a file may be sorted by label
    assert accuracies["json"] == sum(int(post.strip("今天第碗面")) % 2 for post in posts) / 30
    assert 0 <= accuracies[f"weibo-tui, {STARTER_ADAPTER}"] <= 1
    assert "no_such_package is not installed" in err

    path.write_text("label,review\n3,好\n4,坏\n", encoding="utf-8")
    with pytest.raises(SystemExit):
        classifiers.main([str(path)])
    assert "Traceback" not in capsys.readouterr().err
