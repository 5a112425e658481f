"""Several workbenches on one home, in one program or in several: what one changes, the others find."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import models
import pytest
from commands import Command, listing

from weibo_tui.engine.events import RunFinished, RunStarted, StepDone
from weibo_tui.errors import UserInputError
from weibo_tui.settings import Settings
from weibo_tui.storage.history import Analysis
from weibo_tui.workbench import Workbench

T = TypeVar("T")


def in_thread(work: Callable[[], T]) -> T:
    """What `work` gives, done by a thread of its own."""
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


def verdict(wb: Workbench, adapter: str = "", record: bool = False) -> Analysis:
    (found,) = wb.predict(["今天的面真好吃"], adapter, machine=models.MACHINE, record=record)
    return found


# settings


def test_default_that_another_workbench_chose_is_used_from_then_on(wb: Workbench) -> None:
    models.add_adapter(wb, wb.bases.open("small"), "second", seed=4)
    with Workbench.open() as other:
        assert verdict(other).adapter == "mood"
        wb.set_default_adapter("second")
        assert other.adapter_name() == "second"
        assert verdict(other).adapter == "second"
        other.rename_adapter("second", "third")
        assert verdict(wb).adapter == "third"
        Settings.save(wb.paths, uncertain_below=1.0, history=False)
        assert verdict(other).uncertain
        assert other.settings.history is False


def test_settings_file_broken_meanwhile_changes_nothing_until_it_is_mended(wb: Workbench) -> None:
    file = wb.paths.settings_file
    good = file.read_bytes()
    file.write_bytes(b"adapter = ")
    assert wb.adapter_name() == "mood"
    assert verdict(wb).adapter == "mood"
    with pytest.raises(UserInputError, match="not valid TOML"), Workbench.open():
        pass
    file.write_bytes(good.replace(b'"mood"', b'"gone"'))
    with pytest.raises(UserInputError, match="no adapter 'gone'"):
        verdict(wb)


# what is kept in memory


def test_base_that_another_program_replaced_under_its_name_is_opened_anew(
    wb: Workbench, home: Path, tmp_path: Path
) -> None:
    compute = wb.compute(models.MACHINE)
    first = wb.open_base("small", compute)
    assert wb.open_base("small", compute) is first
    before = verdict(wb).confidence
    with Workbench.open() as other:
        other.remove_base("small")
        models.add_base(other, tmp_path, "small", seed=9)
    replaced = wb.open_base("small", compute)
    assert replaced.card == wb.bases.card("small") != first.card
    assert not models.same_bits(replaced.trunk.canonical(), first.trunk.canonical())
    with pytest.raises(UserInputError, match="The adapter 'mood' wants the base 'small'"):
        verdict(wb)
    with Workbench.open() as other:
        other.remove_base("small")
        models.add_base(other, tmp_path / "from", "back", seed=0)
    assert verdict(wb).confidence == before


def test_adapter_that_another_program_replaced_under_its_name_is_opened_anew(wb: Workbench) -> None:
    before = verdict(wb).confidence
    with Workbench.open() as other:
        base = other.bases.open("small")
        adapter = models.adapter_for(base.trunk.config, seed=8, labels=2)
        other.adapters.save(adapter, models.card_for(adapter, base, "mood"), overwrite=True)
    assert verdict(wb).confidence != before


# threads


def test_thread_with_a_workbench_of_its_own_predicts_trains_and_keeps(wb: Workbench, tmp_path: Path) -> None:
    expected = verdict(wb, record=True)

    def work() -> tuple[Analysis, str]:
        with Workbench.open() as own:
            events = own.train(models.training_plan(tmp_path))
            run = models.until(events, RunStarted).run
            models.until(events, StepDone)
            found = verdict(own, record=True)  # between two steps
            models.until(events, RunFinished)
            deque(events, maxlen=0)
            return found, run

    found, run = in_thread(work)
    assert found.probabilities == expected.probabilities
    assert [entry.id for entry in wb.history.page(10)] == [found.id, expected.id]
    assert wb.runs.get(run).state == "finished"
    assert verdict(wb, "trained").adapter == "trained"


def test_workbench_is_usable_from_any_thread(wb: Workbench, tmp_path: Path) -> None:
    verdict(wb, record=True)  # the database is open in this thread

    def work() -> tuple[Analysis, str]:
        events = wb.train(models.training_plan(tmp_path))
        run = models.until(events, RunStarted).run
        deque(events, maxlen=0)
        return verdict(wb, record=True), run

    found, run = in_thread(work)
    assert [entry.id for entry in wb.history.page(10)] == [found.id, 1]
    assert wb.runs.get(run).state == "finished"


def test_workbench_run_begun_in_thread_is_closed_here(wb: Workbench, tmp_path: Path) -> None:
    events = wb.train(models.training_plan(tmp_path))
    run = in_thread(lambda: models.until(events, RunStarted).run)
    in_thread(lambda: models.until(events, StepDone))
    events.close()  # type: ignore[attr-defined]
    assert wb.runs.get(run).state == "stopped"


@pytest.mark.parametrize("made", [False, True])
def test_history_threads_at_once_keep_every_analysis(made: bool, wb: Workbench) -> None:
    """As several threads of a notebook do, from the first entry of a new database or later on."""
    analysis = verdict(wb, record=made)
    before = wb.history.count()
    start = threading.Barrier(4)

    def work() -> list[int]:
        start.wait(60)
        ids = []
        for _time in range(5):
            ids += wb.history.add([analysis, analysis])
            assert wb.history.count() % 2 == before  # never the half of what another thread adds
        return ids

    with ThreadPoolExecutor(4) as pool:
        ids = [one for future in [pool.submit(work) for _thread in range(4)] for one in future.result()]
    assert len(set(ids)) == 40
    assert wb.history.count() == before + 40


def test_thread_sees_a_run_of_another_live(wb: Workbench, tmp_path: Path) -> None:
    events = wb.train(models.training_plan(tmp_path))
    run = models.until(events, RunStarted).run
    models.until(events, StepDone)

    def look() -> tuple[str, list[str]]:
        with Workbench.open() as own:
            return own.runs.get(run).state, [entry.event["event"] for entry in own.runs.events(run)]

    state, seen = in_thread(look)
    assert (state, seen[0]) == ("running", "RunStarted")
    events.close()  # type: ignore[attr-defined]
    assert in_thread(look)[0] == "stopped"


# a home where nothing is kept yet


READING = ["runs list", "history list", "runs list --json", "history list --json", "bases list", "adapters list"]


@pytest.mark.parametrize("there", [True, False])
def test_looking_at_a_home_where_nothing_is_kept_leaves_no_trace(there: bool, command: Command, home: Path) -> None:
    if not there:
        home.rmdir()
    before = listing(home)
    for words in READING:
        assert len(command.well(*words.split()).out.splitlines()) <= 1  # the head of a table
    for words in ["train --resume x", "bases pretrain --resume x", "runs show x", "runs remove x"]:
        done = command(*words.split())
        assert (done.code, done.err) == (
            2,
            "weibo-tui: There is no run x: 'weibo-tui runs list' shows those that there are.\n",
        )
    assert listing(home) == before


def test_history_that_was_looked_at_while_empty_takes_and_shows_what_comes(wb: Workbench) -> None:
    history, runs = wb.history, wb.runs
    with Workbench.open() as other:
        shown = other.history
        assert history.page(10) == shown.page(10) == []
        assert runs.list() == other.runs.list() == ()
        assert history.count() == 0
        assert not wb.paths.database.exists()
        kept = verdict(wb, record=True)
        assert kept.id == 1
        assert history.page(10) == shown.page(10) == [kept]
        again = verdict(other, record=True)
        assert history.page(10) == [again, kept]
    with Workbench.open() as later:
        assert later.history.count() == 2
