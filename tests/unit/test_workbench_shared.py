"""Several workbenches on one home, in one program or several, see each other's changes."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import models
import pytest
from commands import Command

from weibo_tui import Workbench
from weibo_tui.engine.events import RunFinished, RunStarted, StepDone
from weibo_tui.errors import UserInputError
from weibo_tui.settings import Settings
from weibo_tui.storage.history import Analysis

T = TypeVar("T")


def in_thread(work: Callable[[], T]) -> T:
    """Return the result of `work` in a new thread."""
    answers: list[T] = []
    errors: list[BaseException] = []

    def answer() -> None:
        try:
            answers.append(work())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=answer)
    thread.start()
    thread.join(60)
    assert not thread.is_alive()
    if errors:
        raise errors[0]
    return answers[0]


def predict(wb: Workbench, adapter: str = "", record: bool = False) -> Analysis:
    (analysis,) = wb.iter_predict(["今天的面真好吃"], adapter, machine=models.MACHINE, record=record)
    return analysis


# settings


def test_default_set_by_other_workbench_applies(wb: Workbench) -> None:
    models.add_adapter(wb, wb.bases.open("small"), "second", seed=4)
    with Workbench() as other:
        assert predict(other).adapter == "mood"
        wb.set_default_adapter("second")
        assert other.adapter_name() == "second"
        assert predict(other).adapter == "second"
        other.rename_adapter("second", "third")
        assert predict(wb).adapter == "third"
        Settings.save(wb.paths, uncertain_below=1.0, history=False)
        assert predict(other).uncertain
        assert other.settings.history is False


def test_broken_settings_file_keeps_last_settings(wb: Workbench) -> None:
    file = wb.paths.settings_file
    good = file.read_bytes()
    file.write_bytes(b"adapter = ")
    assert wb.adapter_name() == "mood"
    assert predict(wb).adapter == "mood"
    with pytest.raises(UserInputError, match="not valid TOML"), Workbench():
        pass
    file.write_bytes(good.replace(b'"mood"', b'"gone"'))
    with pytest.raises(UserInputError, match="Adapter not found: 'gone'"):
        predict(wb)


# models in memory


def test_base_replaced_by_other_program_is_reopened(wb: Workbench, home: Path, tmp_path: Path) -> None:
    compute = wb.compute(models.MACHINE)
    first = wb.open_base("small", compute)
    assert wb.open_base("small", compute) is first
    before = predict(wb).confidence
    with Workbench() as other:
        other.remove_base("small")
        models.add_base(other, tmp_path, "small", seed=9)
    replaced = wb.open_base("small", compute)
    assert replaced.card == wb.bases.card("small") != first.card
    assert not models.same_bits(replaced.backbone.to_hf_state_dict(), first.backbone.to_hf_state_dict())
    with pytest.raises(UserInputError, match="Adapter 'mood' needs base 'small'"):
        predict(wb)
    with Workbench() as other:
        other.remove_base("small")
        models.add_base(other, tmp_path / "from", "back", seed=0)
    assert predict(wb).confidence == before


def test_adapter_replaced_by_other_program_is_reopened(wb: Workbench) -> None:
    before = predict(wb).confidence
    with Workbench() as other:
        base = other.bases.open("small")
        adapter = models.adapter_for(base.backbone.config, seed=8, labels=2)
        other.adapters.save(adapter, models.card_for(adapter, base, "mood"), overwrite=True)
    assert predict(wb).confidence != before


# threads


def test_thread_with_own_workbench_predicts_and_trains(wb: Workbench, tmp_path: Path) -> None:
    expected = predict(wb, record=True)

    def work() -> tuple[Analysis, str]:
        with Workbench() as own:
            events = own.iter_train(models.training_plan(tmp_path))
            run = models.until(events, RunStarted).run
            models.until(events, StepDone)
            analysis = predict(own, record=True)  # between two steps
            models.until(events, RunFinished)
            deque(events, maxlen=0)
            return analysis, run

    analysis, run = in_thread(work)
    assert analysis.probabilities == expected.probabilities
    assert [entry.id for entry in wb.history.page(10)] == [analysis.id, expected.id]
    assert wb.runs.get(run).state == "finished"
    assert predict(wb, "trained").adapter == "trained"


def test_workbench_is_usable_from_any_thread(wb: Workbench, tmp_path: Path) -> None:
    predict(wb, record=True)  # the database is open in this thread

    def work() -> tuple[Analysis, str]:
        events = wb.iter_train(models.training_plan(tmp_path))
        run = models.until(events, RunStarted).run
        deque(events, maxlen=0)
        return predict(wb, record=True), run

    analysis, run = in_thread(work)
    assert [entry.id for entry in wb.history.page(10)] == [analysis.id, 1]
    assert wb.runs.get(run).state == "finished"


def test_run_started_in_thread_is_closed_in_another(wb: Workbench, tmp_path: Path) -> None:
    events = wb.iter_train(models.training_plan(tmp_path))
    run = in_thread(lambda: models.until(events, RunStarted).run)
    in_thread(lambda: models.until(events, StepDone))
    events.close()
    assert wb.runs.get(run).state == "stopped"


@pytest.mark.parametrize("exists", [False, True])
def test_concurrent_threads_record_every_analysis(exists: bool, wb: Workbench) -> None:
    """In a new database, and in an existing one."""
    analysis = predict(wb, record=exists)
    before = wb.history.count()
    start = threading.Barrier(4)

    def work() -> list[int]:
        start.wait(60)
        ids = []
        for _time in range(5):
            ids += wb.history.add([analysis, analysis])
            assert wb.history.count() % 2 == before  # never half of another thread's entries
        return ids

    with ThreadPoolExecutor(4) as pool:
        ids = [id_ for future in [pool.submit(work) for _thread in range(4)] for id_ in future.result()]
    assert len(set(ids)) == 40
    assert wb.history.count() == before + 40


def test_run_is_visible_to_other_threads(wb: Workbench, tmp_path: Path) -> None:
    events = wb.iter_train(models.training_plan(tmp_path))
    run = models.until(events, RunStarted).run
    models.until(events, StepDone)

    def look() -> tuple[str, list[str]]:
        with Workbench() as own:
            return own.runs.get(run).state, [entry.event["event"] for entry in own.runs.events(run)]

    state, names = in_thread(look)
    assert (state, names[0]) == ("running", "RunStarted")
    events.close()
    assert in_thread(look)[0] == "stopped"


# an empty home


READ_COMMANDS = ["runs list", "history list", "runs list --json", "history list --json", "bases list", "adapters list"]


def test_read_commands_create_nothing(command: Command, home: Path) -> None:
    home.rmdir()
    for words in READ_COMMANDS:
        assert len(command.ok(*words.split()).out.splitlines()) <= 1  # the header of a table
    for words in ["train --resume x", "bases pretrain --resume x", "runs show x", "runs remove x"]:
        done = command(*words.split())
        message = "weibo-tui: Run not found: 'x'. List all runs with 'weibo-tui runs list'.\n"
        assert (done.code, done.err) == (2, message)
    assert not home.exists()


def test_history_opened_while_empty_shows_new_entries(wb: Workbench) -> None:
    history, runs = wb.history, wb.runs
    with Workbench() as other:
        shown = other.history
        assert history.page(10) == shown.page(10) == []
        assert runs.list() == other.runs.list() == ()
        assert history.count() == 0
        assert not wb.paths.database.exists()
        first = predict(wb, record=True)
        assert first.id == 1
        assert history.page(10) == shown.page(10) == [first]
        second = predict(other, record=True)
        assert history.page(10) == [second, first]
    with Workbench() as later:
        assert later.history.count() == 2
