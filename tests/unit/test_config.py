"""Configurations survive a round trip through JSON, and name all their invalid fields."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import models
import numpy as np
import pytest

from weibo_tui import Columns, ComputeOptions, PretrainingConfig, TrainingConfig
from weibo_tui.datasets.splitting import GROUPING_VERSION
from weibo_tui.engine.hyperparameters import Hyperparameters, PretrainingHyperparameters
from weibo_tui.errors import UserInputError
from weibo_tui.text.cleaning import PREPROCESSING
from weibo_tui.workbench.config import from_keywords

CONFIGS: list[TrainingConfig | PretrainingConfig] = [
    TrainingConfig(
        (Path("a.csv"), Path("b.tsv")),
        "x",
        labels=("坏", "好"),
        columns=Columns("微博", encoding="gb18030", header=True, label_of=(("/a.txt", "好"),)),
    ),
    TrainingConfig(
        (Path("/a.csv"),),
        "y",
        hyper=models.HYPER,
        machine=ComputeOptions("cpu", "bfloat16", 3),
        overwrite=True,
        test=0.2,
        probes=("今天的面真好吃", "服务太差了"),
    ),
    PretrainingConfig(Path("c.xz"), "z", recipe=models.RECIPE, emoticons=False, encoding="utf-16", layers=3),
    PretrainingConfig(
        Path("c"), "z", recipe=PretrainingHyperparameters(minutes=1, recall=0.0, hide=0.25), units="pieces"
    ),
]


@pytest.mark.parametrize("config", CONFIGS)
def test_config_round_trip_through_json_is_equal(config: TrainingConfig | PretrainingConfig) -> None:
    read = type(config).from_json(json.loads(json.dumps(config.to_json(), allow_nan=False)))
    if isinstance(config, TrainingConfig):
        assert read == dataclasses.replace(config, data=tuple(path.absolute() for path in config.data))
    else:
        assert read == dataclasses.replace(config, corpus=config.corpus.absolute())


def test_config_without_versions_has_the_first_ones() -> None:
    values = TrainingConfig((Path("a.csv"),), "x").to_json()
    assert (values.pop("grouping"), values.pop("preprocessing")) == (GROUPING_VERSION, PREPROCESSING)
    assert values.pop("probes") is None
    read = TrainingConfig.from_json(values)
    assert (read.grouping, read.preprocessing, read.probes) == (1, 1, ())
    assert TrainingConfig.from_json(read.to_json()) == read
    values = PretrainingConfig(Path("a.txt"), "x", recipe=models.RECIPE).to_json()
    assert values.pop("preprocessing") == PREPROCESSING
    assert PretrainingConfig.from_json(values).preprocessing == 1


def test_invalid_config_names_all_invalid_fields() -> None:
    hyper = Hyperparameters(epochs=0, learning_rate=float("nan"), dropout=float("inf"), class_weights="heavy")
    with pytest.raises(UserInputError) as caught:
        TrainingConfig(
            (), "x", validation=0.5, test=float("nan"), hyper=hyper, machine=ComputeOptions("gpu", "int8", -1)
        )
    message = str(caught.value)
    names = ["no file", "validation", "test", "epochs", "learning-rate", "dropout", "class-weights", "device", "dtype"]
    assert [name for name in [*names, "threads"] if name not in message] == []
    assert "\n" not in message

    with pytest.raises(UserInputError) as caught:
        PretrainingConfig(
            Path("c.txt"),
            "x",
            vocabulary=5,
            positions=8,
            units="words",
            recipe=PretrainingHyperparameters(hide=1.5, recall=-1.0),
            machine=ComputeOptions(dtype="float16"),
        )
    message = str(caught.value)
    names = ["vocab-size", "context", "--minutes or --tokens", "dtype", "hide is 1.5", "recall is -1.0"]
    assert [name for name in [*names, "units is words", "characters, pieces"] if name not in message] == []


@pytest.mark.parametrize("name", ["", "../up", ".hidden", "a/b", "模型", "x" * 65])
def test_name_that_is_a_path_is_refused(name: str) -> None:
    with pytest.raises(UserInputError, match="Invalid name: .* Use 1 to 64"):
        TrainingConfig((Path("a.csv"),), name)


def test_config_from_keywords_fills_its_parts() -> None:
    keywords = {"data": [Path("a.csv")], "name": "x", "labels": ["坏", "好"], "epochs": np.int64(3), "dropout": 0}
    config = from_keywords(TrainingConfig, keywords | {"text_column": "微博", "encoding": "gbk", "threads": 2})
    assert config == TrainingConfig(
        (Path("a.csv"),),
        "x",
        labels=("坏", "好"),
        columns=Columns("微博", encoding="gbk"),
        hyper=Hyperparameters(epochs=3, dropout=0.0),
        machine=ComputeOptions(threads=2),
    )
    assert json.loads(json.dumps(config.to_json())) == config.to_json()
    given = from_keywords(TrainingConfig, {"data": config.data, "name": "y", "hyper": config.hyper, "seed": 1})
    assert given.hyper == dataclasses.replace(config.hyper, seed=1)
    pretraining = from_keywords(PretrainingConfig, {"corpus": Path("c"), "name": "z", "tokens": 5, "layers": 2})
    assert pretraining == PretrainingConfig(Path("c"), "z", layers=2, recipe=PretrainingHyperparameters(tokens=5))


@pytest.mark.parametrize("keywords", [{"epoch": 1}, {"epochs": 1.5}, {"epochs": True}, {"dropout": "0"}, {"hyper": {}}])
def test_keyword_of_unknown_name_or_type_is_refused(keywords: dict[str, object]) -> None:
    (name,) = keywords
    with pytest.raises(UserInputError, match=name):
        from_keywords(TrainingConfig, {"data": (Path("a.csv"),), "name": "x"} | keywords)
