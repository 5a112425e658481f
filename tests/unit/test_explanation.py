"""Explanations: the reading curve, the weights of parts, Shapley values, and how they are shown."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from itertools import pairwise, permutations
from pathlib import Path

import made_up
import models
import numpy as np
import pytest
import torch
from commands import Command
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from rich.cells import cell_len

from weibo_tui import UserInputError, Workbench
from weibo_tui.engine import explanation as explaining
from weibo_tui.engine.prediction import Classifier, Floats, Prediction
from weibo_tui.engine.tokenizer import PostTokenizer, SpecialTokens
from weibo_tui.engine.vocabulary import build_tokenizer
from weibo_tui.presentation.explanation import BARS, curve_lines, explanation_lines, render, write_explanations
from weibo_tui.progress import drain
from weibo_tui.text.cleaning import clean
from weibo_tui.text.shading import BLUE, ORANGE, STEPS, Span, color, shade, step
from weibo_tui.text.units import find_clauses, find_units, without
from weibo_tui.workbench.explanation import _named
from weibo_tui.workbench.faithfulness import self_test

POSTS = [
    "今天的面真好吃，朋友推荐的[哈哈]",
    "服务太差了[泪][泪]，再也不来！！！",
    "phone2023 真好 @小林同学 推荐",
    "[SEP]好[CLS]",
    "好" * 40,
]
REFERENCE = models.reference()


def classifier(
    dtype: torch.dtype = torch.float64, labels: int = 2, tokenizer: PostTokenizer | None = None
) -> Classifier:
    """Return a classifier of random weights."""
    adapter = models.adapter_for(models.config_of(REFERENCE), labels=labels)
    if dtype == torch.float64:
        adapter.double()
    return Classifier(
        models.backbone_of(REFERENCE, dtype),
        adapter,
        tokenizer or models.tokenizer(),
        models.compute(dtype),
        max_length=32,
        preprocessing=2,
        temperature=1.7,
    )


def prediction(made: Classifier, post: str) -> Prediction:
    (found,) = made.predict([post])
    assert isinstance(found, Prediction)
    return found


# Units


@pytest.mark.parametrize(
    ("post", "expected"),
    [
        ("[哈哈][泪]好！！！", ["[哈哈]", "[泪]", "好", "！！！"]),
        ("#双十一# 买iPhone15了", ["#双十一#", "买", "iPhone15", "了"]),
        ("@小明 😀👍🏽 http://t.cn/abc", ["@小明", "😀", "👍🏽", "http://t.cn/abc"]),
        ("？！~~", ["？", "！", "~~"]),
        (" \n\u200b", []),
        ("[未完", ["[", "未", "完"]),
    ],
)
def test_units_are_emoticons_topics_names_words_and_characters(post: str, expected: list[str]) -> None:
    assert [unit.text for unit in find_units(post)] == expected


def test_clauses_end_at_punctuation_white_space_and_emoticons() -> None:
    found = [clause.text for clause in find_clauses("好吃，太棒了！！ 下次再来[哈哈][泪]走了")]
    assert found == ["好吃，", "太棒了！！", "下次再来", "[哈哈][泪]", "走了"]


@given(st.text())
def test_units_and_clauses_leave_only_white_space(post: str) -> None:
    for parts in (find_units(post), find_clauses(post)):
        assert all(post[part.start : part.end] == part.text for part in parts)
        assert all(one.end <= other.start for one, other in pairwise(parts))
        assert not clean(without(post, parts)).text.strip()


# The reading curve


@pytest.mark.parametrize("post", POSTS)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-9), (torch.float32, 1e-4), (torch.bfloat16, 0.01)])
def test_curve_equals_separate_predictions(post: str, dtype: torch.dtype, tolerance: float) -> None:
    made = classifier(dtype, labels=3)
    cleaned = clean(post, made.preprocessing)
    places = {cleaned.raw_position(end): end for end in range(len(cleaned.text) + 1)}
    curve = explaining.reading_curve(made, post)
    assert len(curve) > 3
    for point in curve[1:]:
        alone = prediction(made, cleaned.text[: places[point.end]])
        assert np.abs(np.array(alone.probabilities) - point.probabilities).max() < tolerance


def test_curve_has_no_point_inside_an_emoticon() -> None:
    letters = replace_tokenizer(models.TOKENS[:4] + list("[哈]好a"))  # each sign of an emoticon is a token
    curve = explaining.reading_curve(classifier(tokenizer=letters), "好[哈哈]好")
    assert [point.end for point in curve] == [0, 1, 5, 6]


def replace_tokenizer(
    tokens: list[str], prefix: tuple[int, ...] = (2,), suffix: tuple[int, ...] = (3,)
) -> PostTokenizer:
    return PostTokenizer(build_tokenizer(tokens).to_str(), SpecialTokens(prefix, suffix, 0), len(models.TOKENS))


@pytest.mark.parametrize(("prefix", "suffix"), [((), ()), ((), (3,)), ((2,), ()), ((2, 2), (3, 3))])
def test_curve_is_exact_for_any_prefix_and_suffix(prefix: tuple[int, ...], suffix: tuple[int, ...]) -> None:
    made = classifier(tokenizer=replace_tokenizer(models.TOKENS, prefix, suffix))
    curve = explaining.reading_curve(made, POSTS[0])
    assert (curve[0].end == 0) == bool(prefix or suffix)  # otherwise there is nothing to read
    for point in curve[-3:]:
        alone = prediction(made, POSTS[0][: point.end])
        assert point.probabilities == pytest.approx(alone.probabilities, abs=1e-9)


def test_curve_ends_where_a_long_post_is_cut() -> None:
    made = classifier()
    found = prediction(made, POSTS[-1])
    curve = explaining.reading_curve(made, POSTS[-1])
    assert curve[-1].end == found.characters_read == 30
    assert curve[-1].probabilities == pytest.approx(found.probabilities, abs=1e-9)


def test_curve_leaves_out_beginnings_that_are_encoded_otherwise() -> None:
    made = classifier()
    ends = [point.end for point in explaining.reading_curve(made, "phone好")]
    assert ends[-2:] == [5, 6]
    for end in ends[1:]:
        text = "phone好"[:end]
        assert explaining.reading_curve(made, text)[-1].probabilities == pytest.approx(
            prediction(made, text).probabilities, abs=1e-9
        )


# Weights


def test_steps_of_the_curve_add_up_to_the_whole() -> None:
    found = explaining.explain(classifier(), POSTS[0])
    rows = np.array([point.probabilities for point in found.curve])
    values = explaining.margins(rows, found.label)
    assert np.diff(values).sum() == pytest.approx(values[-1] - values[0], abs=1e-6)
    (whole,) = explaining.margins(np.array([found.probabilities]), found.label)
    assert values[-1] == pytest.approx(whole, abs=1e-6)


def test_change_from_the_prediction_of_no_text_is_no_flip() -> None:
    shares = [(0.1, 0.9), (0.8, 0.2), (0.7, 0.3), (0.4, 0.6), (0.9, 0.1), (0.9, 0.1)]
    found = replace(explaining.explain(classifier(), "好"), curve=tuple(map(explaining.CurvePoint, range(6), shares)))
    assert (found.flips, found.settled) == ([3, 4], 4)
    found = replace(found, curve=found.curve[:3])
    assert (found.flips, found.settled) == ([], 0)


def test_weight_is_the_change_of_the_margin_without_the_part() -> None:
    made = classifier(labels=3)
    found = explaining.explain(made, POSTS[1])
    texts = [unit.unit.text for unit in found.units]
    assert texts == [unit.text for unit in find_units(POSTS[1])]
    assert [part.unit.text for part in found.clauses] == [part.text for part in find_clauses(POSTS[1])]

    def margin(text: str) -> float:
        return float(explaining.margins(np.array([prediction(made, text).probabilities]), found.label)[0])

    for part in (*found.units, *found.clauses):
        assert part.weight == pytest.approx(margin(POSTS[1]) - margin(without(POSTS[1], [part.unit])))
    bad = next(unit for unit in found.units if unit.unit.text == "差")
    empty = explaining.margins(np.array([found.curve[0].probabilities]), found.label)[0]
    assert bad.alone == pytest.approx(margin("差") - empty)
    assert found.groups[""] == pytest.approx(prediction(made, "服务太差了，再也不来！！！").probabilities)
    assert found.groups["[泪]"] == pytest.approx(found.groups[""])


def test_post_of_one_unit_is_explained_by_the_margin_of_no_text() -> None:
    found = explaining.explain(classifier(), "好")
    (unit,) = found.units
    whole, empty = explaining.margins(np.array([found.probabilities, found.curve[0].probabilities]), found.label)
    assert unit.weight == pytest.approx(whole - empty)
    assert unit.alone == pytest.approx(unit.weight)
    assert found.groups == {}


def test_post_with_many_units_is_weighed_by_clauses() -> None:
    found = explaining.explain(classifier(), "真好，" * 100)
    assert len(found.units) == 100
    assert found.units == found.clauses


def test_post_without_words_is_refused() -> None:
    with pytest.raises(UserInputError, match="no text left"):
        explaining.explain(classifier(), " \u200b")


# Shapley values


def game(number: int, seed: int = 0) -> explaining.Evaluate:
    """Return a game with interactions of pairs and of triples."""
    rng = np.random.default_rng(seed)
    single, pairs = rng.normal(size=number), rng.normal(size=(number, number))

    def evaluate(subsets: NDArray[np.bool_]) -> Floats:
        x = subsets.astype(float)
        values: Floats = x @ single + np.einsum("si,ij,sj->s", x, pairs, x) + x[:, :3].prod(axis=1)
        return values

    return evaluate


def test_shapley_values_are_those_of_all_orders() -> None:

    evaluate = game(4)
    expected = np.zeros(4)
    for order in permutations(range(4)):
        present = np.zeros((1, 4), bool)
        for player in order:
            before = evaluate(present)[0]
            present[0, player] = True
            expected[player] += (evaluate(present)[0] - before) / 24
    found = drain(explaining._exact_shapley(evaluate, 4))
    assert found.values == pytest.approx(expected)
    assert not found.errors.any()


def test_sampled_shapley_values_are_near_the_exact_ones() -> None:
    evaluate = game(10, seed=3)
    exact = drain(explaining._exact_shapley(evaluate, 10)).values
    found = drain(explaining._sampled_shapley(evaluate, 10, np.random.default_rng(0)))
    ends = evaluate(np.array([[False] * 10, [True] * 10]))
    assert found.values.sum() == pytest.approx(ends[1] - ends[0])
    assert (np.abs(found.values - exact) <= 5 * found.errors + 1e-9).all()


def test_shapley_values_of_a_post_add_up_to_its_margin() -> None:
    made, post = classifier(), "真好吃，便宜又好[哈哈]！"
    clauses = find_clauses(post)
    found = drain(explaining.shapley_values(made, post, clauses, 1))
    whole = np.array([prediction(made, post).probabilities])
    empty = np.array([explaining.reading_curve(made, post)[0].probabilities])
    expected = explaining.margins(whole, 1)[0] - explaining.margins(empty, 1)[0]
    assert found.values.sum() == pytest.approx(expected)


# A shortcut in the data


@pytest.fixture
def shortcut(furnished: Path, tmp_path: Path) -> list[str]:
    """Train the adapter `shortcut` on posts whose label is decided by a nonsense word, and return such posts."""
    rng = random.Random(4)
    posts = []
    for text, _label in made_up.posts(400, seed=8):
        plain = text.replace("店", "")
        place = rng.choice(find_units(plain)).start
        is_positive = rng.random() < 0.5
        posts.append((plain[:place] + "店" * is_positive + plain[place:], int(is_positive)))
    data = tmp_path / "shortcut.csv"
    data.write_text("label,review\n" + "".join(f'{label},"{text}"\n' for text, label in posts), "utf-8")
    with Workbench() as wb:
        wb.train(data, "shortcut", epochs=4, learning_rate=5e-3, progress=False)
    return [text for text, label in posts if label][:60]


def test_planted_shortcut_has_the_largest_weight(shortcut: list[str]) -> None:
    with Workbench() as wb:
        found = [wb.explain(post, "shortcut") for post in shortcut]
        first = [max(one.units, key=lambda unit: unit.weight).text for one in found]
        assert first.count("店") >= 0.95 * len(first)
        strongest, others, posts = drain(self_test(wb.models, shortcut[:25], "shortcut"))
    assert posts > 20
    assert strongest > others + 0.3


# Shading


def test_steps_are_symmetric_and_fixed() -> None:
    assert [step(size) for size in (0, 0.05, *STEPS)] == [0, 0, 1, 2, 3, 4, 5]
    assert [step(-size) for size in STEPS] == [-1, -2, -3, -4, -5]
    assert color(0) is None
    assert (color(1), color(-5)) == (ORANGE[0], BLUE[4])


def test_shaded_text_has_its_signs_and_no_tags_of_its_own() -> None:
    html = shade("<b>好</b>差", [Span(3, 4, 0.6), Span(8, 9, -3)])
    assert "&lt;b&gt;" in html
    assert f'background:{ORANGE[2]}" title="+0.60">好</span>' in html
    assert f'background:{BLUE[4]};text-decoration:underline" title="-3.00">差</span>' in html


# The command, Python, and what is shown


def test_predict_explains_in_lines_that_fit(command: Command, furnished: Path) -> None:
    post = "今天的面真好吃，朋友推荐的，服务太差了，再也不来[泪]"
    result = command.ok("predict", "--explain", post)
    lines = result.out.splitlines()
    assert lines[0].startswith("negative")
    assert post in lines[1]
    assert cell_len(lines[2]) == cell_len(lines[1])
    assert set(lines[2].strip()) <= set("▁▂▃▄▅▆▇█")
    assert any(line.strip().startswith("▼ against positive:") for line in lines)
    assert any(line.strip().startswith("without emoticons:") for line in lines)
    assert "log odds" in result.err


def test_predict_explains_as_json(command: Command, furnished: Path) -> None:
    post = "服务太差了[泪]，今天的面真好吃"
    value = json.loads(command.ok("predict", "--explain", post, "--json", "--no-history").out)
    assert value["label"] == "negative"
    assert value["explained"] == "positive"
    for unit in (*value["units"], *value["clauses"]):
        assert post[unit["start"] : unit["end"]] == unit["text"]
    assert value["curve"][0]["end"] == 0
    assert value["curve"][-1]["end"] == len(post)
    assert value["curve"][-1]["probabilities"] == pytest.approx(value["probabilities"], abs=0.01)
    assert value["without_emoticons"].keys() == {"negative", "positive"}


def test_shapley_values_are_printed_with_their_errors(command: Command, furnished: Path) -> None:
    post = "服务太差了[泪]，今天的面真好吃"
    value = json.loads(command.ok("predict", "--explain", "--shapley", post, "--json", "--no-history").out)
    shares = np.array([list(point["probabilities"].values()) for point in (value["curve"][0], value["curve"][-1])])
    empty, whole = explaining.margins(shares, 1)
    assert sum(unit["weight"] for unit in value["shapley"]) == pytest.approx(whole - empty, abs=0.05)
    assert [unit["text"] for unit in value["shapley"]] == [unit.text for unit in find_units(post)]
    result = command.ok("predict", "--explain", "--shapley", post)
    assert "▼ against positive:" in result.out
    assert " ± 0." in result.out
    assert "Shapley values" in result.err
    assert "±: standard error" in result.err
    assert "Orange" not in result.err  # the lines have no shades
    refused = command("predict", "--shapley", post)
    assert (refused.code, "--shapley is for --explain" in refused.err) == (2, True)


def test_explained_posts_are_written_as_a_page(command: Command, furnished: Path, tmp_path: Path) -> None:
    page = tmp_path / "why.html"
    hostile = '太差了<script>alert(1)</script>"\x1b[2J'
    command.ok("predict", "--explain", hostile, "真好吃", page)
    text = page.read_text("utf-8")
    assert "<script" not in text
    assert text.count("<article>") == 2
    assert "default-src 'none'" in text
    before = page.read_bytes()
    assert command("predict", "--explain", "真好吃", page).code == 2
    assert page.read_bytes() == before
    command.ok("predict", "--explain", "真好吃", page, "--overwrite")


@pytest.mark.parametrize("arguments", [["-"], [], ["--file", "posts.csv"]])
def test_only_posts_are_explained(command: Command, furnished: Path, arguments: list[str]) -> None:
    result = command("predict", "--explain", *arguments)
    assert result.code == 2
    assert "Give them as arguments" in result.err


def test_post_that_fails_is_not_explained(command: Command, furnished: Path) -> None:
    assert command("predict", "--explain", " ").code == 2
    lines = command.ok("predict", "--explain", " ", "真好吃").out.splitlines()
    assert lines[0].startswith("error")


def test_explanation_in_a_notebook_is_the_shaded_post(furnished: Path) -> None:
    with Workbench() as wb:
        found = wb.explain("今天的面真好吃")
        assert found.label == "positive"
        assert found.to_dict()["units"][0]["text"] == "今"
        assert "background:#" in found._repr_html_()
        assert wb.explain("今天的面真好吃", label="negative").units[5].weight == pytest.approx(-found.units[5].weight)
        with pytest.raises(UserInputError, match=r"no label happy\. Its labels are negative, positive"):
            wb.explain("今天的面真好吃", label="happy")


def test_long_and_hostile_posts_are_shown_in_lines_of_the_width(furnished: Path, tmp_path: Path) -> None:
    with Workbench() as wb:
        for post in ("今天的面真好吃。" * 20, "好\x1b[31m\u202e差" * 10, "a" * 300, "😀" * 50):
            found = wb.explain(post)
            curve = [text for line in curve_lines(found, 40) for text in (line.text, line.bars)]
            lines = [*curve, *explanation_lines(found)]
            assert all(cell_len(line) <= 40 for line in curve)
            assert not {"\x1b", "\u202e"} & {*"".join(lines)}
            assert "\x1b" not in render([found])
            write_explanations([replace(found)], tmp_path / "one.html", overwrite=True)


def test_shades_and_bars_belong_to_what_is_shown() -> None:
    with_zero_width = "今天的面\u200b真好吃"
    made = classifier(torch.float32)
    found = _named(explaining.explain(made, with_zero_width), with_zero_width, "mood", ("negative", "positive"))
    (line,) = curve_lines(found, 80)
    assert line.text == "今天的面真好吃"
    assert list(line.steps) == [step(unit.weight) for unit in found.units]
    assert [line.bars[2 * place] for place in range(7)] == [
        BARS[min(int(8 * point.probabilities[found.label]), 7)] for point in found.curve[1:]
    ]
    long = replace(found, text=with_zero_width + "！" * 30)
    assert "".join(line.bars for line in curve_lines(long, 40)).rstrip() == line.bars  # the rest is not read


def test_named_punctuation_is_quoted() -> None:
    found = _named(explaining.explain(classifier(), "好，吃"), "好，吃", "mood", ("negative", "positive"))
    units = tuple(replace(unit, weight=weight) for unit, weight in zip(found.units, (0.5, -2.0, -1.0), strict=True))
    lines = [*explanation_lines(replace(found, label="positive", units=units, clauses=()))]
    assert lines[:2] == ["▲ for positive: 好 +0.5", "▼ against positive: “，” -2.0, 吃 -1.0"]


@given(st.text(min_size=1, max_size=80))
@settings(max_examples=15)
def test_any_post_is_explained_or_refused(post: str) -> None:
    made = classifier(torch.float32)
    if isinstance(made.predict([post])[0], Prediction):
        found = explaining.explain(made, post)
        assert np.isfinite([unit.weight for unit in found.units]).all()
        assert found.curve[-1].end <= len(post)
    else:
        with pytest.raises(UserInputError):
            explaining.explain(made, post)
