"""Runs and their journals, also of killed processes."""

from __future__ import annotations

import csv
import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Literal

import pytest

from weibo_tui.errors import CorruptFileError, UserInputError
from weibo_tui.storage.database import Database, connect
from weibo_tui.storage.journal import Journal
from weibo_tui.storage.runs import JournalEntry, Run, Runs


@pytest.fixture
def runs(database: Database, tmp_path: Path) -> Runs:
    return Runs(database, tmp_path / "runs")


@pytest.fixture
def run(runs: Runs) -> Run:
    return runs.create("training", "weather", {"epochs": 2, "data": [Path("posts.csv")]})


def step(number: int, **fields: object) -> dict[str, Any]:
    return {"event": "StepDone", "step": number, **fields}


def seq_and_step(entries: Iterator[JournalEntry]) -> list[tuple[int, object]]:
    return [(entry.seq, entry.event.get("step")) for entry in entries]


def test_new_run_has_id_of_its_time_and_own_folder(runs: Runs, run: Run) -> None:
    assert re.fullmatch(r"\d{8}-\d{6}-[0-9a-f]{4}", run.id)
    assert run.created_at.startswith(f"{run.id[:4]}-{run.id[4:6]}-{run.id[6:8]}T{run.id[9:11]}:")
    assert runs.folder(run.id).stat().st_mode & 0o777 == 0o700
    assert list(runs.folder(run.id).iterdir()) == []
    assert (run.kind, run.name, run.step, run.steps, run.summary) == ("training", "weather", 0, None, None)
    assert run.plan == {"epochs": 2, "data": ["posts.csv"]}


def test_run_is_running_while_locked_else_interrupted(runs: Runs, run: Run) -> None:
    with runs.lock(run.id):
        assert runs.get(run.id).state == "running"
    assert runs.get(run.id).state == "interrupted"
    [listed] = runs.list()
    assert listed.state == "interrupted"


@pytest.mark.parametrize("state", ["finished", "stopped", "failed"])
def test_ended_run_keeps_state_and_summary(
    runs: Runs, run: Run, state: Literal["finished", "stopped", "failed"]
) -> None:
    runs.finish(run.id, state, {"accuracy": 0.75, "loss": float("nan")})
    ended = runs.get(run.id)
    assert (ended.state, ended.summary) == (state, {"accuracy": 0.75, "loss": None})
    if state == "finished":
        with pytest.raises(UserInputError, match="has finished"), runs.resuming(run.id):
            pass
        return
    for error in (UserInputError("refused"), GeneratorExit()):
        with pytest.raises(type(error)), runs.resuming(run.id):
            assert (runs.get(run.id).state, runs.get(run.id).summary) == ("running", None)
            raise error
        assert (runs.get(run.id).state, runs.get(run.id).summary) == (state, ended.summary)
    with runs.resuming(run.id):
        runs.finish(run.id, "finished")
    assert runs.get(run.id).state == "finished"


@pytest.mark.parametrize("read", [Runs.get, lambda runs, _run_id: runs.list()[0]], ids=["get", "list"])
def test_run_that_ends_while_it_is_read_is_not_interrupted(
    tmp_path: Path, runs: Runs, run: Run, read: Callable[[Runs, str], Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    def end_first(runs: Runs, run_id: str) -> bool:
        with closing(connect(tmp_path / "weibo-tui.db")) as other:
            Runs(other, tmp_path / "runs").finish(run_id, "stopped", {"step": 3})
        return False

    monkeypatch.setattr(Runs, "_is_locked", end_first)
    found = read(runs, run.id)
    assert (found.state, found.summary) == ("stopped", {"step": 3})


def test_requests_reach_the_process_that_holds_the_run(runs: Runs, run: Run) -> None:
    for request in (runs.pause, runs.stop):
        with pytest.raises(UserInputError, match=f"{run.id} is not running"):
            request(run.id)
    with runs.lock(run.id):
        assert runs.requested(run.id) is None
        runs.pause(run.id[:-1])
        assert (runs.requested(run.id), runs.get(run.id).state) == ("pause", "paused")
        assert runs.get(run.id).is_in_progress
        runs.stop(run.id)
        assert (runs.requested(run.id), runs.get(run.id).state) == ("stop", "stopping")
        with pytest.raises(UserInputError, match="is not running .stopping."):
            runs.pause(run.id)
        runs.unpause(run.id)
        assert runs.requested(run.id) == "stop"
        (runs.folder(run.id) / "request").write_bytes(b"\xff")
        assert (runs.requested(run.id), runs.get(run.id).state) == (None, "running")
        runs.pause(run.id)
    assert runs.get(run.id).state == "interrupted"
    with runs.resuming(run.id):  # the request was to the process before
        assert runs.get(run.id).state == "running"


def test_run_is_locked_by_one_only(runs: Runs, run: Run) -> None:
    with runs.lock(run.id):
        refused = pytest.raises(UserInputError, match=f"{run.id} is running in another program. Stop it there")
        with refused, runs.lock(run.id):
            pass
        with pytest.raises(UserInputError, match="is running in another program"):
            runs.remove(run.id)
    with runs.lock(run.id):
        pass


PROGRAM = """
import sys
from pathlib import Path
from weibo_tui.storage.database import connect
from weibo_tui.storage.journal import Journal
from weibo_tui.storage.runs import Runs

home = Path(sys.argv[1])
runs = Runs(connect(home / "weibo-tui.db"), home / "runs")
with runs.lock(sys.argv[2]), Journal(runs, sys.argv[2]) as journal:
    journal.add({"event": "StepDone", "step": 1})
    print("at work", flush=True)
    sys.stdin.read()
"""


def test_killed_run_is_interrupted_and_can_be_locked(tmp_path: Path, runs: Runs, run: Run) -> None:
    program = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(tmp_path), run.id],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with program:
        assert program.stdout is not None
        assert program.stdout.readline() == "at work\n"
        assert runs.get(run.id).state == "running"
        assert seq_and_step(runs.events(run.id)) == [(1, 1)]  # seen live
        with pytest.raises(UserInputError, match=run.id), runs.lock(run.id):
            pass
        program.kill()
        assert program.wait() == -signal.SIGKILL
    assert runs.get(run.id).state == "interrupted"
    with runs.lock(run.id):
        assert runs.get(run.id).state == "running"


def test_runs_are_listed_newest_first(database: Database, runs: Runs) -> None:
    made = [runs.create("training", name, {}).id for name in ("one", "two", "three")]
    for number, run_id in enumerate(made):
        database.execute(
            "UPDATE runs SET created_at = ? WHERE id = ?", (f"2026-01-0{number + 1}T00:00:00.000Z", run_id)
        )
    assert [run.name for run in runs.list()] == ["three", "two", "one"]


def test_run_is_found_by_unique_beginning_of_id(runs: Runs, run: Run) -> None:
    assert runs.get(run.id) == runs.get(run.id[:-1]) == run
    runs.create("training", "another", {})
    with pytest.raises(UserInputError, match=r"Several runs start with 20 .*more of the id"):
        runs.get("20")


@pytest.mark.parametrize("unknown", ["19990101-000000-abcd", "", "%", "../..", "\ud800", "\x00"])
def test_unknown_run_is_named_with_the_fix(runs: Runs, run: Run, unknown: str) -> None:
    with pytest.raises(UserInputError) as caught:
        runs.get(unknown)
    assert f"Run not found: '{unknown}'. List all runs with 'weibo-tui runs list'" in str(caught.value)


def test_run_id_outside_of_folder_is_damage(database: Database, runs: Runs, run: Run) -> None:
    database.execute("UPDATE runs SET id = '../precious'")
    with pytest.raises(CorruptFileError, match="Move the database aside"):
        runs.remove("../precious")


@pytest.mark.parametrize("change", ["step = 9e999", f"plan = '{'[' * 100_000}'", f"name = '{'好' * 1001}'"])
def test_damaged_run_is_listed_as_failed(database: Database, runs: Runs, run: Run, change: str) -> None:
    database.execute(f"UPDATE runs SET {change}")
    (shown,) = runs.list()
    assert (shown.id, shown.state, shown.summary) == (run.id, "failed", {"error": "this run is damaged"})
    assert len(shown.name) < 100


@pytest.mark.parametrize(
    "data",
    ["{}", "[]", "[" * 100_000, '{"event": 1}'],
)
def test_damaged_event_is_named_so(database: Database, runs: Runs, run: Run, data: str) -> None:
    runs.append_events(run.id, [step(1)])
    database.execute("UPDATE events SET data = ?", (data,))
    assert [entry.event for entry in runs.events(run.id)] == [{"event": "Damaged"}]


def test_events_are_read_in_order_with_seq_and_time(runs: Runs, run: Run) -> None:
    assert runs.last_seq(run.id) == 0
    assert runs.append_events(run.id, [{"event": "RunStarted", "steps": 40}, step(1, loss=float("inf"))]) == 2
    moment = "2026-01-31T12:00:00.000Z"
    assert runs.append_events(run.id, [step(2, at=moment)]) == runs.last_seq(run.id) == 3
    started, first, second = runs.events(run.id)
    assert started.event == {"event": "RunStarted", "steps": 40}
    assert first.event == {"event": "StepDone", "step": 1, "loss": None}
    assert second == JournalEntry(3, moment, {"event": "StepDone", "step": 2})
    assert (runs.get(run.id).step, runs.get(run.id).steps) == (2, 40)
    assert runs.get(run.id).updated_at >= run.updated_at


def test_events_after_seq_are_the_new_ones(runs: Runs, run: Run) -> None:
    runs.append_events(run.id, [step(1), step(2)])
    assert seq_and_step(runs.events(run.id, after=1)) == [(2, 2)]
    runs.append_events(run.id, [step(3)])
    assert seq_and_step(runs.events(run.id, after=2)) == [(3, 3)]
    assert seq_and_step(runs.events(run.id, after=3)) == []


def test_long_journal_is_read_completely(runs: Runs, run: Run) -> None:
    runs.append_events(run.id, [step(number) for number in range(1, 2501)])
    assert seq_and_step(runs.events(run.id)) == [(number, number) for number in range(1, 2501)]


def test_journal_truncated_to_checkpoint_has_no_step_twice(runs: Runs, run: Run) -> None:
    runs.append_events(run.id, [step(number) for number in range(1, 8)])
    runs.truncate(run.id, after=4)
    assert runs.get(run.id).step == 4
    with Journal(runs, run.id) as journal:
        assert journal.last_seq == 4
        journal.add(step(5))
    assert seq_and_step(runs.events(run.id)) == [(number, number) for number in range(1, 6)]
    runs.truncate(run.id, after=0)
    assert (runs.get(run.id).step, runs.last_seq(run.id)) == (0, 0)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_journal_commits_twice_a_second_and_at_the_end(runs: Runs, run: Run) -> None:
    clock = Clock()
    with Journal(runs, run.id, clock) as journal:
        assert journal.add(step(1)) == 1
        assert runs.last_seq(run.id) == 1  # at once: others want to see the run begin
        clock.now += 0.25
        assert journal.add(step(2)) == 2
        assert (runs.last_seq(run.id), journal.last_seq) == (1, 2)
        clock.now += 0.25
        journal.add(step(3))
        assert runs.last_seq(run.id) == 3
        journal.add(step(4))
        journal.commit()
        assert runs.last_seq(run.id) == 4
        journal.add(step(5))
    assert seq_and_step(runs.events(run.id)) == [(number, number) for number in range(1, 6)]


def test_journal_commits_pending_events_after_interrupt(runs: Runs, run: Run) -> None:
    with pytest.raises(KeyboardInterrupt), Journal(runs, run.id, Clock()) as journal:
        for number in (1, 2, 3):
            journal.add(step(number))
        raise KeyboardInterrupt
    assert runs.last_seq(run.id) == 3


def test_journal_commit_interrupted_after_write_is_repeatable(
    runs: Runs, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = Runs.append_events

    def broken_off(*arguments: Any, **options: Any) -> int:
        record(*arguments, **options)
        raise KeyboardInterrupt

    journal = Journal(runs, run.id, Clock())
    monkeypatch.setattr(Runs, "append_events", broken_off)
    with pytest.raises(KeyboardInterrupt):
        journal.add(step(1))
    monkeypatch.undo()
    journal.add(step(2))
    journal.commit()
    assert seq_and_step(runs.events(run.id)) == [(1, 1), (2, 2)]


EVENTS: list[dict[str, Any]] = [
    {"event": "RunStarted", "labels": ["negative", "positive"], "name": "天气"},
    {"event": "StepDone", "step": 1, "loss": 0.5, "at": "2026-01-31T12:00:00.000Z"},
    {"event": "Log", "message": "=1+1", "loss": None},
]


def test_journal_is_exported_as_json_lines(tmp_path: Path, runs: Runs, run: Run) -> None:
    runs.append_events(run.id, EVENTS)
    assert runs.export(run.id[:-1], tmp_path / "run.jsonl") == 3
    lines = (tmp_path / "run.jsonl").read_text(encoding="utf-8").splitlines()
    started, first, _log = map(json.loads, lines)
    assert (started["labels"], started["name"], started["seq"]) == (["negative", "positive"], "天气", 1)
    assert first == EVENTS[1] | {"seq": 2}


def test_journal_is_exported_as_csv_of_single_values(tmp_path: Path, runs: Runs, run: Run) -> None:
    runs.append_events(run.id, EVENTS)
    assert runs.export(run.id, tmp_path / "run.CSV") == 3
    with (tmp_path / "run.CSV").open(encoding="utf-8-sig", newline="") as file:
        header, started, first, log = csv.reader(file)
    assert header == ["seq", "at", "event", "name", "step", "loss", "message"]
    assert started[2:] == ["RunStarted", "天气", "", "", ""]
    assert first == ["2", "2026-01-31T12:00:00.000Z", "StepDone", "", "1", "0.5", ""]
    assert log[2:] == ["Log", "", "", "", "'=1+1"]


def test_removing_run_deletes_only_its_rows_and_folder(database: Database, runs: Runs, run: Run) -> None:
    other = runs.create("training", "other", {})
    for one in (run, other):
        runs.append_events(one.id, [step(1)])
        (runs.folder(one.id) / "checkpoint").write_bytes(b"weights")
    runs.remove(run.id)
    assert not runs.folder(run.id).exists()
    assert [kept.id for kept in runs.list()] == [other.id]
    assert database.execute("SELECT run_id FROM events").fetchall() == [(other.id,)]
    assert (runs.folder(other.id) / "checkpoint").exists()


def test_beginning_of_run_id_removes_nothing(runs: Runs, run: Run) -> None:
    for beginning in (run.id[:1], run.id[:-1]):
        with pytest.raises(UserInputError, match=f"{beginning} is only the start of run {run.id} .*Give the full id"):
            runs.remove(beginning)
    assert [kept.id for kept in runs.list()] == [run.id]


def test_journal_keeps_events_while_another_program_writes(tmp_path: Path, runs: Runs, run: Run) -> None:
    clock = Clock()
    other = connect(tmp_path / "weibo-tui.db")
    with Journal(runs, run.id, clock) as journal:
        journal.add(step(1))
        with other.transaction():
            for number in (2, 3):
                clock.now += 1
                journal.add(step(number))
            assert journal.delayed
        clock.now += 1
        journal.add(step(4))
        assert not journal.delayed
        assert seq_and_step(runs.events(run.id)) == [(number, number) for number in range(1, 5)]
    other.close()


def test_run_without_folder_can_be_listed_and_removed(runs: Runs, run: Run) -> None:
    runs.folder(run.id).rmdir()
    [listed] = runs.list()
    assert listed.state == "interrupted"
    assert not runs.folder(run.id).exists()
    runs.remove(run.id)
    assert runs.list() == ()
