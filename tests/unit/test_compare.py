"""Comparisons of adapters on a file, by the workbench: scores, differences, common labels and disagreements."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import made_up
import models
import pytest
from commands import MACHINE, Command, json_lines, table, write_table

from weibo_tui import Columns, ComparisonConfig, ComparisonResult, Workbench
from weibo_tui.errors import UserInputError
from weibo_tui.presentation.comparison import difference_sentence

EMOTIONS = ("negative", "neutral", "positive")


@pytest.fixture
def many(wb: Workbench) -> Workbench:
    """Add the adapters `other` and `third` of other weights to `wb`, and `emotions` of three labels."""
    base = wb.bases.open("small")
    models.add_adapter(wb, base, "other", seed=3)
    models.add_adapter(wb, base, "third", seed=4)
    models.add_adapter(wb, base, "emotions", seed=5, labels=EMOTIONS)
    return wb


def compare(wb: Workbench, data: Path, *adapters: str, **options: Any) -> ComparisonResult:
    config = ComparisonConfig(data, adapters, machine=models.MACHINE, **options)
    *_progress, result = wb.iter_compare(config)
    assert isinstance(result, ComparisonResult)
    return result


def test_scores_and_difference_are_those_of_evaluations(many: Workbench, few: Path) -> None:
    result = compare(many, few, "mood", "other")
    mood, other = (rater.score for rater in result.raters)
    assert mood is not None
    assert other is not None
    for name, score in (("mood", mood), ("other", other)):
        with pytest.warns(UserWarning, match="no record"):
            expected = many.evaluate(few, adapter=name, machine=models.MACHINE)
        assert (score.n, score.accuracy, score.accuracy_ci) == (40, expected.accuracy, expected.accuracy_ci)
        assert score.confusion == expected.confusion
        assert score.ece == pytest.approx(expected.ece)
    [pair] = result.pairs
    assert mood.accuracy is not None
    assert other.accuracy is not None
    assert pair.difference is not None
    assert pair.difference == pytest.approx(mood.accuracy - other.accuracy)
    assert pair.first_only is not None
    assert pair.second_only is not None
    assert (pair.first_only - pair.second_only) / 40 == pytest.approx(pair.difference)
    assert pair.first_only + pair.second_only == pair.disagreements  # there are two labels
    assert pair.difference_ci is not None
    assert pair.difference_ci[0] <= pair.difference <= pair.difference_ci[1]
    assert sum(map(sum, pair.table)) == 40
    assert pair.p_holm is None  # one test needs no adjustment
    assert json.loads(json.dumps(result.to_dict()))["pairs"][0]["p"] == pair.p


def test_disagreements_are_listed_surest_first(many: Workbench, few: Path, tmp_path: Path) -> None:
    out = tmp_path / "differ.csv"
    result = compare(many, few, "mood", "other", disagreements=out)
    posts = [*result.posts()]
    assert len(posts) == result.disagreements == result.pairs[0].disagreements > 0
    assert all(post.predicted[0] != post.predicted[1] for post in posts)
    sums = [sum(filter(None, post.confidences)) for post in posts]
    assert sums == sorted(sums, reverse=True)
    labels = dict(made_up.posts(40, seed=5))
    assert all(post.label == result.labels[labels[post.text]] for post in posts)
    rows = table(out)
    assert [row["text"].removeprefix("'") for row in rows] == [post.text for post in posts]
    assert [row["other_predicted"] for row in rows] == [post.predicted[1] for post in posts]
    assert [int(row["row"]) for row in rows] == [post.row for post in posts]
    with pytest.raises(UserInputError, match="exists"):
        compare(many, few, "mood", "other", disagreements=out)
    for row, first in enumerate(result.labels):
        for column, second in enumerate(result.labels):
            assert len([*result.posts(result.pairs[0], (first, second))]) == result.pairs[0].table[row][column]


def test_file_without_labels_gives_agreement_only(many: Workbench, tmp_path: Path) -> None:
    data = write_table(tmp_path / "posts.csv", "text", [(text,) for text, _label in made_up.posts(30)])
    result = compare(many, data, "mood", "other")
    assert not result.has_labels
    assert result.warnings == ()
    assert [rater.score for rater in result.raters] == [None, None]
    [pair] = result.pairs
    assert (pair.difference, pair.p, pair.first_only) == (None, None, None)
    assert pair.agreement.n == sum(result.raters[0].counts.values()) == 30
    assert all(post.label is None for post in result.posts())


def test_three_adapters_give_pairs_with_adjusted_p(many: Workbench, few: Path) -> None:
    result = compare(many, few, "mood", "other", "third")
    assert [(pair.first, pair.second) for pair in result.pairs] == [
        ("mood", "other"),
        ("mood", "third"),
        ("other", "third"),
    ]
    for pair in result.pairs:
        assert pair.p_holm is not None
        assert pair.p is not None
        assert pair.p <= pair.p_holm <= min(1, 3 * pair.p + 1e-12)
    assert all(len(set(post.predicted)) > 1 for post in result.posts())
    assert len([*result.posts(result.pairs[1])]) == result.pairs[1].disagreements


def test_only_common_labels_are_compared(many: Workbench, tmp_path: Path) -> None:
    texts = [text for text, _label in made_up.posts(20)]
    labels = ["positive", "negative", "neutral", ""] * 5
    data = write_table(tmp_path / "posts.csv", "text,label", zip(texts, labels, strict=True))
    result = compare(many, data, "emotions", "mood")
    assert (result.labels, result.other_labels) == (("negative", "positive"), ("neutral",))
    assert (result.n, result.left_out) == (10, {"other labels": 5, "unlabeled": 5})
    assert {label for rater in result.raters for label in rater.counts} == {"negative", "positive"}
    confidences = [post.confidences for post in result.posts(result.pairs[0], ("negative", "positive"))]
    assert all(value is not None and value >= 0.5 for pair in confidences for value in pair)
    models.add_adapter(many, many.bases.open("small"), "topics", labels=("sport", "news"))
    with pytest.raises(UserInputError, match="mood, topics have fewer than two labels in common"):
        compare(many, data, "mood", "topics")


def test_adapter_is_compared_with_a_column(many: Workbench, tmp_path: Path) -> None:
    made = made_up.posts(24)
    words = ["pos" if label else "neg" for _text, label in made[:20]] + ["neutral", "neutral", "", "pos"]
    rows = [(text, label, word, 0.9) for (text, label), word in zip(made, words, strict=True)]
    data = write_table(tmp_path / "posts.csv", "text,label,predicted,confidence", [*rows, ("", 1, "pos", 0.5)])
    result = compare(many, data, "mood")
    mood, column = result.raters
    assert (column.name, column.kind, column.seen_in_training) == ("predicted", "column", None)
    assert (result.n, result.failed) == (21, 1)
    assert result.left_out == {"other labels": 2, "unpredicted": 1}
    assert column.score is not None
    assert column.score.accuracy is not None
    assert column.score.accuracy > 0.9
    assert (column.score.ece, column.score.brier, column.score.reliability) == (None, None, ())
    assert mood.score is not None
    assert mood.score.ece is not None
    assert all(post.confidences[1] == 0.9 for post in result.posts())
    by_name = compare(many, data, "mood", "other", predicted_column="predicted")
    assert [rater.name for rater in by_name.raters] == ["mood", "other", "predicted"]


def test_overlap_with_training_data_is_said(wb: Workbench, few: Path, tmp_path: Path) -> None:
    *_events, _finished = wb.iter_train(models.training_plan(tmp_path))
    *_events, _finished = wb.iter_train(models.training_plan(tmp_path, "again", data=(few,)))
    result = compare(wb, few, "trained", "again")
    trained, again = result.raters
    assert trained.seen_in_training is not None
    assert again.seen_in_training is not None
    assert again.seen_in_training > trained.seen_in_training
    assert "training data of adapter 'again'" in result.warnings[-1]


@pytest.mark.parametrize(
    ("adapters", "options", "problem"),
    [
        (("mood", "mood"), {}, "named twice"),
        (("mood",), {}, "Nothing to compare adapter 'mood' with"),
        (("mood", "missing"), {}, "Adapter not found: 'missing'"),
        (("mood", "other"), {"map": ("x=positive",)}, "No label matches --map"),
        (("mood",), {"predicted_column": "missing"}, "missing"),
        (("mood", "other"), {"columns": Columns(label="missing")}, "missing"),
    ],
)
def test_impossible_comparison_is_refused(
    many: Workbench, few: Path, adapters: tuple[str, ...], options: dict[str, Any], problem: str
) -> None:
    with pytest.raises(UserInputError, match=problem):
        compare(many, few, *adapters, **options)


def test_labels_that_no_adapter_has_are_refused(many: Workbench, tmp_path: Path) -> None:
    data = write_table(tmp_path / "stars.csv", "text,label", [(text, label + 3) for text, label in made_up.posts(10)])
    with pytest.raises(UserInputError, match="none of the labels 3, 4 is one of those to compare"):
        compare(many, data, "mood", "other")
    result = compare(many, data, "mood", "other", map=("3=negative", "4=positive"))
    assert result.n == 10
    assert result.labels_read_as == {"3": "negative", "4": "positive"}


def test_file_without_readable_posts_is_refused(many: Workbench, tmp_path: Path) -> None:
    data = write_table(tmp_path / "empty.csv", "text,label", [(" ", 1), ("\u200b", 0)])
    with pytest.raises(UserInputError, match="no row is left"):
        compare(many, data, "mood", "other")


def test_result_is_shown_in_notebooks_escaped(many: Workbench, few: Path) -> None:
    with pytest.warns(UserWarning, match="unknown for mood, other"):
        result = many.compare(few, ["mood", "other"], machine=models.MACHINE, progress=False)
    [pair] = result.pairs
    shown = result._repr_html_()
    assert f"{pair.difference:.1%}" in shown
    assert f"{pair.agreement.share:.1%}" in shown
    assert "<script" not in replace(result, pairs=(replace(pair, first="<script>"),))._repr_html_()


def test_command_prints_figures_and_disagreements(many: Workbench, few: Path, tmp_path: Path, command: Command) -> None:
    expected = compare(many, few, "mood", "other", "third")
    out = tmp_path / "differ.csv"
    options = ["--adapters", "mood,other,third", *MACHINE]
    printed = command.ok("compare", few, *options, "--disagreements", out)
    assert expected.raters[0].score is not None
    assert f"mood     {expected.raters[0].score.accuracy:.1%}" in printed.out
    assert "mood – third" in printed.out
    assert "Holm p" in printed.out
    surest = next(expected.posts())
    assert surest.text in printed.out
    assert f"{expected.disagreements} of 40 posts" in printed.out
    assert "adjusted for 3 comparisons" in printed.err
    assert len(table(out)) == expected.disagreements
    [found] = json_lines(command.ok("compare", few, *options, "--json").out)
    assert found == json.loads(json.dumps(expected.to_dict()))
    assert "Nothing to compare" in command("compare", few, *MACHINE).err


def test_command_says_that_without_labels_there_is_no_score(many: Workbench, tmp_path: Path, command: Command) -> None:
    posts = ["好吃[/哈哈]\x1b[31m", "太差了", "[泪]再也不来", "舒服"]
    data = write_table(tmp_path / "posts.csv", "text", [(text,) for text in posts])
    printed = command.ok("compare", data, "--adapters", "mood,other", *MACHINE)
    assert "no human labels" in printed.err
    assert "McNemar" not in printed.out
    assert "agree on" in printed.out
    assert "\x1b" not in printed.out


@pytest.mark.parametrize(
    ("difference", "p", "adjusted", "expected"),
    [
        (0.012, 0.003, False, "a is 1.2 points better than b (95%: +0.4 – +2.0, McNemar p = 0.003)."),
        (-0.012, 0.0001, True, "a is 1.2 points worse than b (95%: +0.4 – +2.0, McNemar, Holm: p < 0.001)."),
        (0.012, 0.2, False, "a and b are not distinguishable: +1.2 points (95%: +0.4 – +2.0, McNemar p = 0.200)."),
    ],
)
def test_sentence_says_which_is_better(difference: float, p: float, adjusted: bool, expected: str) -> None:
    assert difference_sentence("a", "b", difference, (0.004, 0.02), p, adjusted) == expected
