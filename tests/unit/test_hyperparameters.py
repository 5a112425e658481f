"""Hyper-parameters: ranges, defaults, and the options and fields that follow from them."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from weibo_tui.app.forms.hyperparameter_fields import parameter_fields
from weibo_tui.engine.hyperparameters import (
    ACTIVATION_NAMES,
    BaseModelSize,
    DataSplit,
    Hyperparameters,
    PretrainingHyperparameters,
    parameters,
)
from weibo_tui.engine.layers import ACTIVATIONS
from weibo_tui.workbench import PretrainingConfig


def problems(**changes: Any) -> list[str]:
    return list(Hyperparameters(**changes).problems())


def test_activation_names_are_those_of_the_engine() -> None:
    assert list(ACTIVATION_NAMES) == sorted(ACTIVATIONS)


@pytest.mark.parametrize(
    ("kind", "others"),
    [(Hyperparameters, {}), (PretrainingHyperparameters, {"minutes": 1.0})],
    ids=["train", "pretrain"],
)
def test_range_ends_are_valid_and_values_outside_are_named(kind: Any, others: dict[str, Any]) -> None:
    def problems_of(name: str, value: Any) -> list[str]:
        return [problem for problem in kind(**(others | {name: value})).problems() if "--minutes" not in problem]

    for name, item in parameters(kind).items():
        if isinstance(item.default, str):
            continue
        low, high = item.low, item.high
        assert low is not None and high is not None
        for value in (item.default, low, high):
            assert problems_of(name, value) == []
        for value in (low - 1, high + 1, float("nan"), float("inf"), float("-inf")):
            (problem,) = problems_of(name, value)
            assert problem.startswith(f"{item.option_name} is {value} and must be from ")


def test_unknown_choices_are_named_with_known_ones() -> None:
    assert problems() == []
    activation, weights, epochs = sorted(problems(class_weights="heavy", activation="softplus", epochs=0))
    assert "activation is softplus" in activation and "gelu_new" in activation
    assert "class-weights is heavy" in weights and "none, balanced" in weights
    assert "epochs is 0" in epochs


@pytest.mark.parametrize(
    ("changes", "valid"),
    [
        ({"minutes": 1.0}, True),
        ({"tokens": 10}, True),
        ({}, False),
        ({"minutes": 1.0, "tokens": 10}, False),
        ({"minutes": float("nan"), "tokens": 10}, False),
    ],
    ids=str,
)
def test_pretraining_takes_either_minutes_or_tokens(changes: dict[str, Any], valid: bool) -> None:
    assert (not list(PretrainingHyperparameters(**changes).problems())) == valid


def test_posts_per_step_counts_accumulation() -> None:
    assert Hyperparameters(batch_size=8, accumulation=3).posts_per_step == 24


@pytest.mark.parametrize("kind", [Hyperparameters, DataSplit, PretrainingHyperparameters, BaseModelSize])
def test_form_fields_have_declared_help_range_and_default(kind: type) -> None:
    declared = {name: item for name, item in parameters(kind).items() if item.label}
    fields = {spec.name: spec for main in (True, False) for spec in parameter_fields(kind, main)}
    assert fields.keys() == declared.keys()
    for name, item in declared.items():
        assert fields[name].label == item.label
        assert fields[name].help_text in (item.help, item.form_help)
        assert fields[name].parse(fields[name].default) == item.default
        assert [value for value, _words in fields[name].choices] == [*item.choices] or item.default is True


def test_pretraining_config_has_declared_defaults() -> None:
    config = asdict(PretrainingConfig(Path("corpus.txt"), "base", recipe=PretrainingHyperparameters(tokens=1)))
    assert config.items() >= asdict(BaseModelSize()).items()
