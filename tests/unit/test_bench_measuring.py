"""Rounds, and what is made of them."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from weibo_tui.bench.measuring import Comparison, Measured, Rounds, Sample, Target, finish_process, in_process
from weibo_tui.errors import WeiboTuiError
from weibo_tui.progress import Progress, drain

OURS = Sample("weibo-tui", (4.0, 2.0, 3.0))
PLAIN = Sample("the plain recipe", (2.0, 4.0, 3.0))


def compared(bar: Target | None, beside: Sample | None = PLAIN) -> Comparison:
    return Comparison("train", "a step", "ms", OURS, beside, bar, {"posts": 32})


def test_a_sample_stands_for_its_median() -> None:
    assert OURS.median == 3.0
    assert Sample("two rounds", (1.0, 2.0)).median == 1.5


def test_the_ratio_is_taken_within_each_round() -> None:
    ratio = compared(None).ratio
    assert ratio is not None
    assert ratio.values == (2.0, 0.5, 1.0)
    assert compared(None, beside=None).ratio is None


@pytest.mark.parametrize(
    ("bar", "met"),
    [(Target(1.0), True), (Target(1.1), False), (Target(1.0, at_most=True), True), (Target(0.9, at_most=True), False)],
)
def test_a_bar_is_held_against_the_median_of_the_ratios(bar: Target, met: bool) -> None:
    assert compared(bar).met is met


@pytest.mark.parametrize(("limit", "met"), [(3.0, True), (2.9, False)])
def test_where_nothing_stands_beside_it_the_bar_is_held_against_the_figure_itself(limit: float, met: bool) -> None:
    assert compared(Target(limit, at_most=True), beside=None).met is met


def test_without_a_bar_nothing_is_met_or_missed() -> None:
    assert compared(None).met is None


def test_a_comparison_is_told_whole_in_json() -> None:
    assert json.loads(json.dumps(compared(Target(1.5)).to_json())) == {
        "subject": "train",
        "what": "a step",
        "unit": "ms",
        "ours": {"name": "weibo-tui", "median": 3.0, "rounds": [4.0, 2.0, 3.0]},
        "beside": {"name": "the plain recipe", "median": 3.0, "rounds": [2.0, 4.0, 3.0]},
        "ratio": {"name": "ratio", "median": 1.0, "rounds": [2.0, 0.5, 1.0]},
        "bar": {"limit": 1.5, "at_most": False},
        "met": False,
        "posts": 32,
    }


def test_what_is_not_there_is_null_in_json() -> None:
    told = compared(None, beside=None).to_json()
    assert [told[name] for name in ("beside", "ratio", "bar", "met")] == [None] * 4


def contender(name: str, order: list[str]) -> Callable[[], Measured]:
    """One that measures how many came before it."""

    def run() -> Measured:
        order.append(name)
        return {"before": len(order) - 1}

    return run


def test_contenders_take_turns_in_every_other_round_from_the_last_to_the_first() -> None:
    order: list[str] = []
    found = drain(Rounds().run("measuring", {name: contender(name, order) for name in "abc"}, 3))
    assert "".join(order) == "abccbaabc"
    assert found.sample("a", "before", "the first").values == (0, 5, 6)
    assert found.sample("a", "before", "the first").name == "the first"
    assert found.sample("b", "before").name == "b"


def test_rounds_tell_how_far_they_are() -> None:
    told = list(Rounds().run("measuring", {name: contender(name, []) for name in "ab"}, 2))
    assert told == [Progress("measuring", done, 4) for done in range(5)]


def test_a_process_that_fails_is_told_of_by_its_last_line() -> None:
    with pytest.raises(WeiboTuiError, match="The measurement nothing did not come to its end .KeyError: 'nothing'"):
        in_process("nothing")


def test_a_process_that_fails_without_a_word_is_told_of_too() -> None:
    with pytest.raises(WeiboTuiError, match="it said nothing"):
        finish_process("false", ["false"])
