"""The suites run to their end with small parameters."""

from __future__ import annotations

from pathlib import Path

import pytest
from benchmarks import card, cluster, data, ray_labeling, scale, suites, torchrun
from benchmarks.posts import FORMATS
from benchmarks.runner import BenchmarkOptions, Comparison

from weibo_tui.progress import Progress

pytestmark = pytest.mark.slow


def test_event_loop_suite_measures_each_phase(home: Path) -> None:
    events = suites.measure_event_loop(BenchmarkOptions(rounds=2), seconds=0.2, number=200, large=400, alone=2)
    rows = {event.name: event for event in events if isinstance(event, Comparison)}
    held = [name for name, row in rows.items() if row.threshold]
    assert held == ["training, its monitor shown: delay, p95", "training, its monitor shown: delay, worst"]
    for phase in suites.PHASES.values():
        late = rows[f"{phase}: delay, p95"].notes["late"]
        assert late["p50"] <= late["p95"] <= late["p99"] <= late["max"] == rows[f"{phase}: delay, worst"].ours.median
    step = rows["step of that training"]
    assert step.baseline is not None
    assert step.ours.median > 0 < step.baseline.median
    assert not list(home.iterdir())


def test_labeling_suite_compares_app_with_command_line(home: Path) -> None:
    events = list(suites.measure_labeling(BenchmarkOptions(rounds=1), number=60))
    (row,) = (event for event in events if isinstance(event, Comparison))
    assert row.baseline is not None and row.ratio is not None
    assert row.ours.median > 0 < row.baseline.median
    notes = [event.note for event in events if isinstance(event, Progress) and event.note]
    assert [note.partition(":")[0] for note in notes] == ["app", "command line"]
    assert not list(home.iterdir())


def test_typing_suite_measures_keys_and_predictions(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suites, "TYPED_MODELS", ("starter",))
    events = suites.measure_typing(BenchmarkOptions(rounds=1), posts=1)
    rows = [event for event in events if isinstance(event, Comparison)]
    assert [row.name for row in rows if row.threshold] == ["key to its prediction, p50, starter"]
    assert all(row.ours.median > 0 for row in rows)
    assert [row.baseline is None for row in rows] == [False, False, True, True]
    assert not list(home.iterdir())


def test_history_and_start_suites_measure_each_row(home: Path) -> None:
    events = [*suites.measure_history(BenchmarkOptions(rounds=2), 300), *suites.measure_start(BenchmarkOptions("", 1))]
    rows = [event for event in events if isinstance(event, Comparison)]
    assert len(rows) == 14
    assert sum(row.threshold is not None for row in rows) == 10
    assert all(row.ours.median > 0 for row in rows)
    assert all(len(row.ours.values) == 2 and row.notes["analyses"] == 300 for row in rows if row.suite == "history")
    assert not list(home.iterdir())


def test_data_suite_measures_preparing_and_audit(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WEIBO_TUI_STARTER")  # it needs the bundled base
    events = data.measure_data(BenchmarkOptions(rounds=1), 400, 300)
    rows = {event.name: event for event in events if isinstance(event, Comparison)}
    assert [name for name, row in rows.items() if row.threshold] == [
        "read, split and encode 400 posts",
        "audit 300 posts",
    ]
    assert all(row.ours.median > 0 for row in rows.values())
    assert not list(home.iterdir())


def test_explanation_suite_measures_each_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WEIBO_TUI_STARTER")  # it needs the bundled adapter
    events = suites.SUITES["explain"](BenchmarkOptions(), curves=2, faithful=3, planted=40)  # type: ignore[call-arg]
    rows = [event for event in events if isinstance(event, Comparison)]
    assert len(rows) == 10
    assert all(row.passed for row in rows if row.name.startswith("curve against"))


def test_scale_suite_divides_the_work_into_shares(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scale, "LARGE", "tiny")
    events = scale.measure_scale(BenchmarkOptions(rounds=2), rows=300, models={"tiny": 128})
    rows = {event.name: event for event in events if isinstance(event, Comparison)}
    for name in FORMATS:
        shares = [row.ours for label, row in rows.items() if label.startswith(f"tiny, {name}: share")]
        assert len(shares) == 7
        assert [sum(values) for values in zip(*(share.values for share in shares), strict=True)] == pytest.approx(
            [100] * 2
        )
    hours = [rows[f"tiny: {size} posts"].ours.median for size in scale.SIZES]
    assert hours == pytest.approx([hours[0], 1e2 * hours[0], 1e4 * hours[0]])
    assert rows["tiny: worker of one core and one card"].ours.median < scale.ESTIMATED_CARD_RATE


def test_torchrun_suite_compares_numbers_of_processes() -> None:
    events = torchrun.measure_torchrun(BenchmarkOptions(rounds=1), {"starter": 4})
    rows = [event for event in events if isinstance(event, Comparison)]
    assert [row.threshold is not None for row in rows] == [True, False, False, False]
    assert all(row.baseline is not None and row.ours.median > 0 for row in rows)


def test_ray_suite_compares_results_and_memory() -> None:
    rows = [event for event in cluster.measure_ray(BenchmarkOptions(), 18_000) if isinstance(event, Comparison)]
    assert [row.passed for row in rows if row.threshold] == [True] * 6
    memory = [row for row in rows if "peak memory" in row.name]
    assert len(memory) == 2 + 2 * len(ray_labeling.PROCESSES)
    assert all(row.ours.median > 0 for row in memory)


def test_card_rehearsal_measures_each_row(home: Path) -> None:
    rows = list(card.measure_card("cpu", card.REHEARSAL))
    assert [row for row in rows if isinstance(row, str) and row.startswith("FAILED")] == []
    measured = [row for row in rows if isinstance(row, Comparison)]
    assert {"all of this", "training on 120 rows, 2 epochs, with everything"} <= {row.name for row in measured}
    assert all(row.ours.median >= 0 for row in measured)
    assert sum(row.threshold is not None for row in measured) >= 6
    assert not list(home.iterdir())
