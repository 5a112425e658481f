"""The ranges of what a training can be told."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from typing import Any

import pytest

from weibo_tui.engine.hyperparameters import (
    ACTIVATION_NAMES,
    PRETRAINING_RANGES,
    RANGES,
    Hyperparameters,
    PretrainingHyperparameters,
)
from weibo_tui.engine.layers import ACTIVATIONS


def problems(**changes: Any) -> list[str]:
    return list(Hyperparameters(**changes).problems())


def test_activations_that_forms_offer_are_those_that_the_engine_has() -> None:
    assert list(ACTIVATION_NAMES) == sorted(ACTIVATIONS)


def test_module_needs_no_torch() -> None:
    code = "import sys, weibo_tui.engine.hyperparameters; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_defaults_are_sound_and_every_number_has_a_range() -> None:
    assert problems() == []
    numbers = {one.name for one in dataclasses.fields(Hyperparameters) if isinstance(one.default, int | float)}
    assert numbers == RANGES.keys()
    assert {one.name for one in dataclasses.fields(PretrainingHyperparameters)} == PRETRAINING_RANGES.keys()


@pytest.mark.parametrize("name", RANGES)
def test_ends_of_a_range_are_in_it_and_what_lies_beyond_is_named(name: str) -> None:
    low, high = RANGES[name]
    assert problems(**{name: low}) == problems(**{name: high}) == []
    for value in (low - 1, high + 1, float("nan"), float("inf"), float("-inf")):
        (problem,) = problems(**{name: value})
        assert problem.startswith(name.replace("_", "-") + " is ")
        assert str(value) in problem


def test_unknown_words_are_named_with_those_that_are_known() -> None:
    found = problems(class_weights="heavy", activation="softplus", epochs=0)
    assert len(found) == 3
    assert any("class-weights is heavy" in problem and "none, balanced" in problem for problem in found)
    assert any("activation is softplus" in problem and "gelu_new" in problem for problem in found)


@pytest.mark.parametrize(
    ("changes", "sound"),
    [
        ({"minutes": 1.0}, True),
        ({"tokens": 10}, True),
        ({}, False),
        ({"minutes": 1.0, "tokens": 10}, False),
        ({"minutes": float("nan"), "tokens": 10}, False),
        ({"tokens": -1}, False),
        ({"tokens": 10, "context": 1}, False),
    ],
    ids=str,
)
def test_pretraining_is_bounded_by_time_or_by_tokens(changes: dict[str, Any], sound: bool) -> None:
    assert (not list(PretrainingHyperparameters(**changes).problems())) == sound


def test_posts_per_step_counts_accumulation() -> None:
    assert Hyperparameters(batch_size=8, accumulation=3).posts_per_step == 24
