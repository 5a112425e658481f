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


def verdict(bench: Workbench, adapter: str = "", record: bool = False) -> Analysis:
    (found,) = bench.predict(["今天的面真好吃"], adapter, machine=models.MACHINE, record=record)
    return found


# settings


def test_default_that_another_workbench_chose_is_used_from_then_on(bench: Workbench) -> None:
    models.add_adapter(bench, bench.bases.open("small"), "second", seed=4)
    with Workbench.open() as other:
        assert verdict(other).adapter == "mood"
        bench.use_adapter("second")
        assert other.adapter_name() == "second"
        assert verdict(other).adapter == "second"
        other.rename_adapter("second", "third")
        assert verdict(bench).adapter == "third"
        Settings.save(bench.paths, uncertain_below=1.0, history=False)
        assert verdict(other).uncertain
        assert other.settings.history is False


def test_settings_file_broken_meanwhile_changes_nothing_until_it_is_mended(bench: Workbench) -> None:
    file = bench.paths.settings_file
    good = file.read_bytes()
    file.write_bytes(b"adapter = ")
    assert bench.adapter_name() == "mood"
    assert verdict(bench).adapter == "mood"
    with pytest.raises(UserInputError, match="not valid TOML"), Workbench.open():
        pass
    file.write_bytes(good.replace(b'"mood"', b'"gone"'))
    with pytest.raises(UserInputError, match="no adapter 'gone'"):
        verdict(bench)


# what is kept in memory


def test_base_that_another_program_replaced_under_its_name_is_opened_anew(
    bench: Workbench, home: Path, tmp_path: Path
) -> None:
    compute = bench.compute(models.MACHINE)
    first = bench.open_base("small", compute)
    assert bench.open_base("small", compute) is first
    before = verdict(bench).confidence
    with Workbench.open() as other:
        other.remove_base("small")
        models.add_base(other, tmp_path, "small", seed=9)
    replaced = bench.open_base("small", compute)
    assert replaced.card == bench.bases.card("small") != first.card
    assert not models.same_bits(replaced.trunk.canonical(), first.trunk.canonical())
    with pytest.raises(UserInputError, match="The adapter 'mood' wants the base 'small'"):
        verdict(bench)
    with Workbench.open() as other:
        other.remove_base("small")
        models.add_base(other, tmp_path / "from", "back", seed=0)
    assert verdict(bench).confidence == before


def test_adapter_that_another_program_replaced_under_its_name_is_opened_anew(bench: Workbench) -> None:
    before = verdict(bench).confidence
    with Workbench.open() as other:
        base = other.bases.open("small")
        adapter = models.adapter_for(base.trunk.config, seed=8, labels=2)
        other.adapters.save(adapter, models.card_for(adapter, base, "mood"), overwrite=True)
    assert verdict(bench).confidence != before


# threads


def test_thread_with_a_workbench_of_its_own_predicts_trains_and_keeps(bench: Workbench, tmp_path: Path) -> None:
    expected = verdict(bench, record=True)

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
    assert [entry.id for entry in bench.history.page(10)] == [found.id, expected.id]
    assert bench.runs.get(run).state == "finished"
    assert verdict(bench, "trained").adapter == "trained"


def test_workbench_is_usable_from_any_thread(bench: Workbench, tmp_path: Path) -> None:
    verdict(bench, record=True)  # the database is open in this thread

    def work() -> tuple[Analysis, str]:
        events = bench.train(models.training_plan(tmp_path))
        run = models.until(events, RunStarted).run
        deque(events, maxlen=0)
        return verdict(bench, record=True), run

    found, run = in_thread(work)
    assert [entry.id for entry in bench.history.page(10)] == [found.id, 1]
    assert bench.runs.get(run).state == "finished"


def test_workbench_run_begun_in_thread_is_closed_here(bench: Workbench, tmp_path: Path) -> None:
    events = bench.train(models.training_plan(tmp_path))
    run = in_thread(lambda: models.until(events, RunStarted).run)
    in_thread(lambda: models.until(events, StepDone))
    events.close()  # type: ignore[attr-defined]
    assert bench.runs.get(run).state == "stopped"


@pytest.mark.parametrize("made", [False, True])
def test_history_threads_at_once_keep_every_analysis(made: bool, bench: Workbench) -> None:
    """As several threads of a notebook do, from the first entry of a new database or later on."""
    analysis = verdict(bench, record=made)
    before = bench.history.count()
    start = threading.Barrier(4)

    def work() -> list[int]:
        start.wait(60)
        ids = []
        for _time in range(5):
            ids += bench.history.add([analysis, analysis])
            assert bench.history.count() % 2 == before  # never the half of what another thread adds
        return ids

    with ThreadPoolExecutor(4) as pool:
        ids = [one for future in [pool.submit(work) for _thread in range(4)] for one in future.result()]
    assert len(set(ids)) == 40
    assert bench.history.count() == before + 40


def test_thread_sees_a_run_of_another_live(bench: Workbench, tmp_path: Path) -> None:
    events = bench.train(models.training_plan(tmp_path))
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
        assert len(command.ok(*words.split()).out.splitlines()) <= 1  # the head of a table
    for words in ["train --resume x", "bases pretrain --resume x", "runs show x", "runs remove x"]:
        done = command(*words.split())
        assert (done.code, done.err) == (
            2,
            "weibo-tui: There is no run x: 'weibo-tui runs list' shows those that there are.\n",
        )
    assert listing(home) == before


def test_history_that_was_looked_at_while_empty_takes_and_shows_what_comes(bench: Workbench) -> None:
    history, runs = bench.history, bench.runs
    with Workbench.open() as other:
        shown = other.history
        assert history.page(10) == shown.page(10) == []
        assert runs.list() == other.runs.list() == ()
        assert history.count() == 0
        assert not bench.paths.database.exists()
        kept = verdict(bench, record=True)
        assert kept.id == 1
        assert history.page(10) == shown.page(10) == [kept]
        again = verdict(other, record=True)
        assert history.page(10) == [again, kept]
    with Workbench.open() as later:
        assert later.history.count() == 2
