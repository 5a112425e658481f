"""Hyper-parameters: ranges, defaults, and the options and fields that follow from them."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from weibo_tui import PretrainingConfig, TrainingConfig
from weibo_tui.app.forms.hyperparameter_fields import parameter_fields
from weibo_tui.engine.adapter import parse_blocks
from weibo_tui.engine.hyperparameters import (
    ACTIVATION_NAMES,
    PRESETS,
    Acceleration,
    BaseModelSize,
    DataSplit,
    Hyperparameters,
    PretrainingHyperparameters,
    parameters,
)
from weibo_tui.engine.layers import ACTIVATIONS
from weibo_tui.errors import UserInputError
from weibo_tui.workbench.config import from_keywords


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


@pytest.mark.parametrize("kind", [Hyperparameters, DataSplit, Acceleration, PretrainingHyperparameters, BaseModelSize])
def test_form_fields_have_declared_help_range_and_default(kind: type) -> None:
    declared = {name: item for name, item in parameters(kind).items() if item.label}
    fields = {spec.name: spec for main in (True, False) for spec in parameter_fields(kind, main)}
    assert fields.keys() == declared.keys()
    for name, item in declared.items():
        assert fields[name].label == item.label
        assert fields[name].help_text in (item.help, item.form_help)
        assert fields[name].parse(fields[name].default) == item.default
        assert [value for value, _words in fields[name].choices] == [*item.choices] or isinstance(item.default, bool)


def test_pretraining_config_has_declared_defaults() -> None:
    config = asdict(PretrainingConfig(Path("corpus.txt"), "base", recipe=PretrainingHyperparameters(tokens=1)))
    assert config.items() >= asdict(BaseModelSize()).items()


def test_presets_set_the_same_hyperparameters() -> None:
    declared = parameters(Hyperparameters) | parameters(Acceleration)
    for preset in PRESETS.values():
        assert preset.values.keys() == PRESETS["balanced"].values.keys() <= declared.keys()
        assert not any(declared[name].problem(value) for name, value in preset.values.items())
    assert all(declared[name].default == value for name, value in PRESETS["balanced"].values.items())
    assert PRESETS["few"].values["epochs"] > PRESETS["best"].values["epochs"]
    assert parse_blocks(PRESETS["quick"].values["blocks"], 12) == (8, 9, 10, 11)


def test_training_config_preset_gives_missing_keywords() -> None:
    config = from_keywords(TrainingConfig, {"data": (Path("a"),), "name": "a", "preset": "quick", "epochs": 5})
    assert (config.hyper.blocks, config.hyper.epochs, config.keep_states) == ("last-third", 5, True)


def test_training_config_split_seed_defaults_to_the_seed() -> None:
    config = TrainingConfig((Path("a"),), "a", hyper=Hyperparameters(seed=7))
    assert (config.seed_of_split, replace(config, split_seed=0).seed_of_split) == (7, 0)
    older = {name: value for name, value in config.to_json().items() if name != "split_seed"}
    assert TrainingConfig.from_json(older).seed_of_split == 7
    with pytest.raises(UserInputError, match="split-seed is -1"):
        replace(config, split_seed=-1)
