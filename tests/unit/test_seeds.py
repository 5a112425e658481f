"""Trainings of several seeds: they continue where they were interrupted, and one adapter is kept with all figures."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import models
import pytest
from commands import MACHINE, Command

from weibo_tui import TrainingConfig, Workbench
from weibo_tui.engine.events import RunFinished, RunStarted, StepDone
from weibo_tui.engine.seeds import summary
from weibo_tui.errors import UserInputError
from weibo_tui.presentation.seeds import seeds_sentence
from weibo_tui.workbench.seeds import seed_configs


def plan(folder: Path, name: str = "mood5", **changes: Any) -> TrainingConfig:
    hyper = dataclasses.replace(models.HYPER, epochs=1, seed=7)
    fields: dict[str, Any] = {"seeds": 3, "hyper": hyper, "baselines": False}
    return models.training_plan(folder, name, **(fields | changes))


def runs_started(events: Iterator[object]) -> list[str]:
    """Iterate to the end, and return the names of the runs that started or resumed."""
    return [event.name for event in events if isinstance(event, RunStarted)]


def stop_in(events: Iterator[object], name: str) -> None:
    """Close the training after the first step of the run `name`."""
    run = ""
    for event in events:
        run = event.name if isinstance(event, RunStarted) else run
        if run == name and isinstance(event, StepDone):
            break
    events.close()  # type: ignore[attr-defined]


def adapters(wb: Workbench) -> list[str]:
    return [card.name for card in wb.adapters.list()]


def test_summary_is_by_students_t() -> None:
    found = summary([0.90, 0.92, 0.94])
    margin = 4.302653 * 0.02 / 3**0.5
    assert found == pytest.approx({"mean": 0.92, "sd": 0.02, "low": 0.92 - margin, "high": 0.92 + margin})
    assert summary([0.5]) == {"mean": 0.5, "sd": None, "low": None, "high": None}
    assert set(summary([]).values()) == {None}


def test_seeds_share_the_split_and_differ_in_the_seed(tmp_path: Path) -> None:
    configs = seed_configs(plan(tmp_path))
    assert [config.hyper.seed for config in configs] == [7, 8, 9]
    assert {config.split_seed for config in configs} == {7}
    assert [config.name for config in configs] == ["mood5-seed7", "mood5-seed8", "mood5-seed9"]
    (group,) = {config.group for config in configs}
    (other,) = {config.group for config in seed_configs(plan(tmp_path, test=0.2))}
    assert group is not None
    assert other is not None
    assert group.id != other.id
    assert all(TrainingConfig.from_json(config.to_json()).group == group for config in configs)


def test_first_adapter_is_kept_with_figures_of_all(wb: Workbench, tmp_path: Path) -> None:
    events = list(wb.iter_train(plan(tmp_path)))
    *_others, last = [event for event in events if isinstance(event, RunFinished)]
    assert adapters(wb) == ["mood", "mood5"]
    card = wb.adapters.card("mood5")
    assert (last.name, Path(last.path), last.score) == ("mood5", wb.adapters.path("mood5"), card.score)
    assert card.hyperparameters["seed"] == 7
    seeds = card.score["seeds"]
    scores = [run.summary["score"] for run in reversed(wb.runs.list()) if run.summary is not None]
    assert (seeds["seeds"], seeds["kept"], seeds["keep"]) == ([7, 8, 9], 7, "first")
    assert seeds["macro_f1"] == [score["macro_f1"] for score in scores]
    assert "baseline_difference" not in seeds
    assert seeds_sentence(card.score).startswith("3 seeds, mean ± standard deviation")


def test_interrupted_seeds_continue_with_the_same_plan(wb: Workbench, tmp_path: Path) -> None:
    config = plan(tmp_path)
    stop_in(wb.iter_train(config), "mood5-seed8")
    assert wb.missing_seeds(wb.runs.list()[0].id) == ("mood5", (8, 9))
    assert runs_started(wb.iter_train(config)) == ["mood5-seed8", "mood5-seed9"]
    assert [run.name for run in wb.runs.list()] == ["mood5-seed9", "mood5-seed8", "mood5-seed7"]
    weights = wb.adapters.card("mood5").weights_sha256
    (last,) = wb.iter_train(config)  # all is done
    assert isinstance(last, RunFinished)
    assert (last.name, last.score) == ("mood5", wb.adapters.card("mood5").score)
    assert wb.adapters.card("mood5").weights_sha256 == weights


def test_resumed_last_seed_completes_the_group(wb: Workbench, tmp_path: Path) -> None:
    config = plan(tmp_path, seeds=2)
    stop_in(wb.iter_train(config), "mood5-seed8")
    last = list(wb.iter_resume(wb.runs.list()[0].id))[-1]
    assert isinstance(last, RunFinished)
    assert (last.name, adapters(wb)) == ("mood5", ["mood", "mood5"])


def test_best_on_validation_is_kept(wb: Workbench, tmp_path: Path) -> None:
    list(wb.iter_train(plan(tmp_path, keep="best")))
    runs = {run.plan["plan"]["hyper"]["seed"]: run.summary or {} for run in wb.runs.list()}
    best = max(sorted(runs), key=lambda seed: runs[seed]["validation_f1"])
    assert wb.adapters.card("mood5").score["seeds"]["kept"] == best
    assert wb.adapters.card("mood5").hyperparameters["seed"] == best


def test_more_seeds_are_added_to_trained_ones(wb: Workbench, tmp_path: Path) -> None:
    list(wb.iter_train(plan(tmp_path, seeds=2)))
    assert runs_started(wb.iter_train(plan(tmp_path, seeds=3, overwrite=True))) == ["mood5-seed9"]
    assert wb.adapters.card("mood5").score["seeds"]["seeds"] == [7, 8, 9]
    assert adapters(wb) == ["mood", "mood5"]


def test_seeds_of_a_removed_adapter_are_trained_again(wb: Workbench, tmp_path: Path) -> None:
    config = plan(tmp_path, seeds=2)
    list(wb.iter_train(config))
    wb.remove_adapter("mood5")
    assert runs_started(wb.iter_train(config)) == ["mood5-seed7", "mood5-seed8"]


def test_default_among_the_seeds_becomes_the_kept_one(wb: Workbench, tmp_path: Path) -> None:
    events = wb.iter_train(plan(tmp_path, seeds=2))
    models.until(events, RunFinished)
    wb.set_default_adapter("mood5-seed7")
    list(events)
    assert wb.adapter_name() == "mood5"


def test_seeds_on_changed_data_are_refused(wb: Workbench, tmp_path: Path) -> None:
    config = plan(tmp_path)
    events = wb.iter_train(config)
    models.until(events, RunFinished)
    events.close()
    with config.data[0].open("a", encoding="utf-8") as file:
        file.write("1,又一条好极了的微博\n")
    with pytest.raises(UserInputError, match="has changed since seed 7 of 'mood5' was trained"):
        list(wb.iter_train(config))
    assert len(wb.runs.list()) == 1


def test_taken_name_is_refused_before_the_first_seed(wb: Workbench, tmp_path: Path) -> None:
    with pytest.raises(UserInputError, match="Adapter exists: 'mood'"):
        list(wb.iter_train(plan(tmp_path, "mood")))
    list(wb.iter_train(plan(tmp_path, "mood", seeds=2, overwrite=True)))
    assert wb.adapters.card("mood").score["seeds"]["seeds"] == [7, 8]
    assert adapters(wb) == ["mood"]


def test_python_and_command_line_train_seeds(wb: Workbench, tmp_path: Path, command: Command) -> None:
    data = plan(tmp_path).data[0]
    short: dict[str, Any] = {"epochs": 1, "max_length": 32, "machine": models.MACHINE, "progress": False}
    result = wb.train(data, "twice", seeds=2, keep="best", **short)
    assert (result.adapter, result.score.seeds["seeds"]) == ("twice", (0, 1))
    assert len(result.score.seeds["baseline_difference"]) == 2
    with pytest.raises(UserInputError, match="seeds is 0 and must be from 1 to 100"):
        wb.train(data, "none", seeds=0, **short)
    options = [*"--name lines --seeds 2 --epochs 1 --max-length 32 --no-baseline".split(), *MACHINE]
    done = command.ok("train", data, *options)
    assert "'lines-seed0': test accuracy" in done.err
    assert "2 seeds, mean ± standard deviation" in done.out
    assert "Saved as 'lines'" in done.err
    again = command.ok("train", data, *options)
    assert ("Epoch 1" in done.err, "Epoch 1" in again.err) == (True, False)
    assert again.out == done.out


def test_seeds_that_another_program_trained_are_not_repeated(wb: Workbench, tmp_path: Path) -> None:
    config = plan(tmp_path)
    waiting = wb.iter_train(config)
    next(waiting)  # as long as another training is in progress
    assert runs_started(wb.iter_train(config)) == ["mood5-seed7", "mood5-seed8", "mood5-seed9"]
    events = list(waiting)
    assert runs_started(iter(events)) == []
    assert isinstance(events[-1], RunFinished)
    assert (events[-1].name, adapters(wb)) == ("mood5", ["mood", "mood5"])
