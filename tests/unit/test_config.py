"""A plan is the same when read back, and one that cannot be says all that is wrong with it."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import models
import pytest

from weibo_tui.engine.hyperparameters import Hyperparameters, PretrainingRecipe
from weibo_tui.errors import BadInput
from weibo_tui.workbench import Columns, Machine, PretrainingPlan, TrainingPlan

PLANS: list[TrainingPlan | PretrainingPlan] = [
    TrainingPlan((Path("a.csv"), Path("b.tsv")), "x", labels=("坏", "好"), columns=Columns("微博", encoding="gb18030")),
    TrainingPlan(
        (Path("/a.csv"),), "y", hyper=models.HYPER, machine=Machine("cpu", "bfloat16", 3), overwrite=True, test=0.2
    ),
    PretrainingPlan(Path("c.xz"), "z", recipe=models.RECIPE, emoticons=False, encoding="utf-16", layers=3),
    PretrainingPlan(Path("c"), "z", recipe=PretrainingRecipe(minutes=1, recall=0.0, hide=0.25), units="pieces"),
]


@pytest.mark.parametrize("plan", PLANS)
def test_plan_is_the_same_when_read_back_from_json(plan: TrainingPlan | PretrainingPlan) -> None:
    read = type(plan).from_json(json.loads(json.dumps(plan.to_json(), allow_nan=False)))
    if isinstance(plan, TrainingPlan):
        assert read == dataclasses.replace(plan, data=tuple(path.absolute() for path in plan.data))
    else:
        assert read == dataclasses.replace(plan, corpus=plan.corpus.absolute())


def test_plan_from_before_groupings_is_read_with_the_first() -> None:
    values = TrainingPlan((Path("a.csv"),), "x").to_json()
    del values["grouping"]
    read = TrainingPlan.from_json(values)
    assert read.grouping == 1
    assert TrainingPlan.from_json(read.to_json()).grouping == 1


def test_plan_names_everything_that_is_wrong_with_it_at_once() -> None:
    hyper = Hyperparameters(epochs=0, learning_rate=float("nan"), dropout=float("inf"), class_weights="heavy")
    with pytest.raises(BadInput) as refused:
        TrainingPlan((), "x", validation=0.5, test=float("nan"), hyper=hyper, machine=Machine("gpu", "int8", -1))
    said = str(refused.value)
    names = ["no file", "validation", "test", "epochs", "learning-rate", "dropout", "class-weights", "device", "dtype"]
    assert [name for name in [*names, "threads"] if name not in said] == []
    assert "\n" not in said

    with pytest.raises(BadInput) as refused:
        PretrainingPlan(
            Path("c.txt"),
            "x",
            vocabulary=5,
            positions=8,
            units="words",
            recipe=PretrainingRecipe(hide=1.5, recall=-1.0),
            machine=Machine(dtype="float16"),
        )
    said = str(refused.value)
    names = ["vocab-size", "context", "--minutes and --tokens", "dtype", "hide is 1.5", "recall is -1.0"]
    assert [name for name in [*names, "units is words", "characters, pieces"] if name not in said] == []


@pytest.mark.parametrize("name", ["", "../up", ".hidden", "a/b", "模型", "x" * 65])
def test_name_that_could_be_a_path_is_refused(name: str) -> None:
    with pytest.raises(BadInput, match="cannot be used"):
        TrainingPlan((Path("a.csv"),), name)
