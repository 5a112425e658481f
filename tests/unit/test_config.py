"""A plan is the same when read back, and one that cannot be says all that is wrong with it."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import models
import pytest

from weibo_tui.engine.hyperparameters import Hyperparameters, PretrainingHyperparameters
from weibo_tui.errors import UserInputError
from weibo_tui.workbench import Columns, ComputeOptions, PretrainingConfig, TrainingConfig

PLANS: list[TrainingConfig | PretrainingConfig] = [
    TrainingConfig(
        (Path("a.csv"), Path("b.tsv")), "x", labels=("坏", "好"), columns=Columns("微博", encoding="gb18030")
    ),
    TrainingConfig(
        (Path("/a.csv"),),
        "y",
        hyper=models.HYPER,
        machine=ComputeOptions("cpu", "bfloat16", 3),
        overwrite=True,
        test=0.2,
    ),
    PretrainingConfig(Path("c.xz"), "z", recipe=models.RECIPE, emoticons=False, encoding="utf-16", layers=3),
    PretrainingConfig(
        Path("c"), "z", recipe=PretrainingHyperparameters(minutes=1, recall=0.0, hide=0.25), units="pieces"
    ),
]


@pytest.mark.parametrize("plan", PLANS)
def test_plan_is_the_same_when_read_back_from_json(plan: TrainingConfig | PretrainingConfig) -> None:
    read = type(plan).from_json(json.loads(json.dumps(plan.to_json(), allow_nan=False)))
    if isinstance(plan, TrainingConfig):
        assert read == dataclasses.replace(plan, data=tuple(path.absolute() for path in plan.data))
    else:
        assert read == dataclasses.replace(plan, corpus=plan.corpus.absolute())


def test_plan_from_before_groupings_is_read_with_the_first() -> None:
    values = TrainingConfig((Path("a.csv"),), "x").to_json()
    del values["grouping"]
    read = TrainingConfig.from_json(values)
    assert read.grouping == 1
    assert TrainingConfig.from_json(read.to_json()).grouping == 1


def test_plan_names_everything_that_is_wrong_with_it_at_once() -> None:
    hyper = Hyperparameters(epochs=0, learning_rate=float("nan"), dropout=float("inf"), class_weights="heavy")
    with pytest.raises(UserInputError) as refused:
        TrainingConfig(
            (), "x", validation=0.5, test=float("nan"), hyper=hyper, machine=ComputeOptions("gpu", "int8", -1)
        )
    said = str(refused.value)
    names = ["no file", "validation", "test", "epochs", "learning-rate", "dropout", "class-weights", "device", "dtype"]
    assert [name for name in [*names, "threads"] if name not in said] == []
    assert "\n" not in said

    with pytest.raises(UserInputError) as refused:
        PretrainingConfig(
            Path("c.txt"),
            "x",
            vocabulary=5,
            positions=8,
            units="words",
            recipe=PretrainingHyperparameters(hide=1.5, recall=-1.0),
            machine=ComputeOptions(dtype="float16"),
        )
    said = str(refused.value)
    names = ["vocab-size", "context", "--minutes and --tokens", "dtype", "hide is 1.5", "recall is -1.0"]
    assert [name for name in [*names, "units is words", "characters, pieces"] if name not in said] == []


@pytest.mark.parametrize("name", ["", "../up", ".hidden", "a/b", "模型", "x" * 65])
def test_name_that_could_be_a_path_is_refused(name: str) -> None:
    with pytest.raises(UserInputError, match="cannot be used"):
        TrainingConfig((Path("a.csv"),), name)
