"""The metrics of a run, read from its journal, and its score card."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from textual.content import Content

from weibo_tui import Workbench
from weibo_tui.app.train.run_metrics import MAX_ENTRIES_PER_READ, RunMetrics, read_new_entries
from weibo_tui.app.train.run_store import MAX_METRICS, MAX_OVERLAID, RunStore, poll
from weibo_tui.app.widgets.score_card import score_lines
from weibo_tui.storage.codec import timestamp
from weibo_tui.storage.runs import JournalEntry, Run, Runs

STARTED = {"event": "RunStarted", "step": 0, "steps": 100, "epochs": 2, "device": "cpu", "dtype": "float32"}


def run(plan: Mapping[str, Any] | None = None, kind: str = "train", run_id: str = "20260101-000000-0000") -> Run:
    return Run(run_id, kind, "mood", "running", timestamp(), timestamp(), 0, 100, dict(plan or {}), None)


def step(number: int, **more: Any) -> dict[str, Any]:
    return {
        "event": "StepDone",
        "step": number,
        "steps": 100,
        "epoch": 1,
        "loss": 1 / number,
        "learning_rate": 1e-3,
        "gradient_norm": 2.0,
        "posts": 32,
        "tokens": 640,
        "seconds": 0.5,
        "memory": 10**9,
    } | more


def entries(*events: Mapping[str, Any], every: float = 1.0, first: int = 1) -> Iterator[JournalEntry]:
    """Events as a journal holds them, at equal intervals of seconds."""
    for seq, event in enumerate(events, start=first):
        seconds = every * seq
        at = f"2026-01-01T{int(seconds // 3600):02}:{int(seconds // 60 % 60):02}:{seconds % 60:06.3f}Z"
        yield JournalEntry(seq, at, dict(event))


def record(*events: Mapping[str, Any], **options: Any) -> RunMetrics:
    metrics = RunMetrics(run())
    metrics.apply(False, entries(*events, **options))
    return metrics


def texts(metrics: RunMetrics) -> list[str]:
    return [line.text for line in metrics.log]


@pytest.fixture
def wb(home: Path) -> Iterator[Workbench]:
    with Workbench(home) as opened:
        yield opened


@pytest.fixture
def runs(wb: Workbench) -> Runs:
    return wb.runs


def create(runs: Runs, *events: Mapping[str, Any]) -> Run:
    """Create a run with a journal."""
    created = runs.create("train", "mood", {})
    runs.append_events(created.id, list(events))
    return created


def test_metrics_steps_become_series() -> None:
    metrics = record(STARTED, *(step(number) for number in range(1, 51)))
    assert (metrics.step, metrics.steps, metrics.epoch, metrics.seconds) == (50, 100, 1, 25.0)
    assert metrics.share == 0.5
    assert metrics.series["loss"].value == 1 / 50
    assert metrics.series["loss"].high == 1.0
    assert metrics.series["posts_per_second"].value == 64
    assert metrics.series["tokens_per_second"].value == 1280
    assert metrics.series["memory"].value == 10**9


def test_metrics_seconds_left_uses_the_recent_pace() -> None:
    slow = [step(number) for number in range(1, 11)]
    metrics = record(STARTED, *slow, every=10.0)
    assert metrics.seconds_left() == pytest.approx(900)
    # Ten times as fast from here on: the last minute counts.
    metrics.apply(False, entries(*(step(number) for number in range(11, 91)), every=1.0, first=111))
    assert metrics.seconds_left() == pytest.approx(10, rel=0.01)
    assert record(STARTED, step(1)).seconds_left() is None


def test_metrics_seconds_left_ignores_a_pause() -> None:
    metrics = record(STARTED, step(1), step(2))
    metrics.reset_eta()
    assert metrics.seconds_left() is None
    metrics.apply(False, entries(step(3), step(4), first=5000))
    assert metrics.seconds_left() == pytest.approx(96)


def test_metrics_pretraining_share_uses_seconds() -> None:
    metrics = RunMetrics(run({"plan": {"recipe": {"minutes": 0.5}}}, kind="pretrain"))
    metrics.apply(False, entries(*(step(number, steps=0) for number in range(1, 31)), every=1.0))
    assert metrics.share == 0.5
    assert metrics.seconds_left() == pytest.approx(30)


def test_metrics_evaluations_keep_the_best_and_are_logged() -> None:
    first = {"event": "Evaluated", "epoch": 1, "step": 50, "loss": 0.4, "accuracy": 0.9, "macro_f1": 0.89, "best": True}
    second = first | {"epoch": 2, "step": 100, "loss": 0.5, "accuracy": 0.88, "best": False}
    metrics = record(STARTED, first, second)
    assert metrics.best_accuracy == 0.9
    assert metrics.series["accuracy"].value == 88
    assert metrics.series["validation_loss"].high == 0.5
    assert texts(metrics)[1] == "Epoch 1: validation loss 0.400, accuracy 90.0%, macro F1 89.0%, best so far."
    assert "best so far" not in texts(metrics)[2]


def test_metrics_log_keeps_the_last_of_several_checkpoints() -> None:
    metrics = record(STARTED, *({"event": "CheckpointSaved", "step": number, "path": "x"} for number in (10, 20, 30)))
    assert texts(metrics)[1:] == ["Checkpoint saved at step 30."]


def test_journal_is_read_in_parts_from_the_last_entry(runs: Runs) -> None:
    run_id = create(runs, STARTED, *(step(number) for number in range(1, MAX_ENTRIES_PER_READ))).id
    reset, first = read_new_entries(runs, run_id, None)
    assert (reset, [entry.seq for entry in first]) == (False, list(range(1, MAX_ENTRIES_PER_READ + 1)))
    assert read_new_entries(runs, run_id, first[-1]) == (False, [])
    runs.append_events(run_id, [step(MAX_ENTRIES_PER_READ)])
    reset, more = read_new_entries(runs, run_id, first[-1])
    assert (reset, [entry.seq for entry in more]) == (False, [MAX_ENTRIES_PER_READ + 1])
    runs.append_events(run_id, [step(MAX_ENTRIES_PER_READ + 1)])
    assert len(read_new_entries(runs, run_id, None)[1]) == MAX_ENTRIES_PER_READ


@pytest.mark.parametrize("steps_since", [0, 1, 10])
def test_journal_reset_to_a_checkpoint_is_read_again(runs: Runs, steps_since: int) -> None:
    """However much the resumed run has written since: the entry that was the last is another one then."""
    created = create(runs, STARTED, *(step(number) for number in range(1, 6)))
    metrics = RunMetrics(created)
    metrics.apply(*read_new_entries(runs, created.id, None))
    runs.truncate(created.id, 3)
    later = (step(3 + number, loss=9.0) for number in range(steps_since))
    runs.append_events(created.id, [STARTED | {"step": 2}, *later])
    reset, new_entries = read_new_entries(runs, created.id, metrics.last)
    metrics.apply(reset, new_entries)
    assert reset
    assert [entry.seq for entry in new_entries] == list(range(1, 5 + steps_since))
    assert (metrics.step, metrics.seconds) == (2 + steps_since, 0.5 * (2 + steps_since))
    assert texts(metrics) == [texts(metrics)[0], "Resumed from step 2 (cpu, float32)."]


@pytest.mark.parametrize(("processes", "expected"), [(1, "cpu, float32"), (2, "cpu, float32, 2 processes")])
def test_log_names_the_number_of_processes(processes: int, expected: str) -> None:
    metrics = record({**STARTED, "step": 2, "processes": processes})
    assert texts(metrics) == [f"Resumed from step 2 ({expected})."]


def test_journal_of_a_deleted_run_is_empty(runs: Runs) -> None:
    created = create(runs, STARTED, step(1))
    metrics = RunMetrics(created)
    metrics.apply(*read_new_entries(runs, created.id, None))
    runs.truncate(created.id, 0)
    metrics.apply(*read_new_entries(runs, created.id, metrics.last))
    assert (metrics.step, metrics.last, texts(metrics)) == (0, None, [])


def test_journal_with_damaged_entries_is_read() -> None:
    odd: list[dict[str, Any]] = [
        {},
        {"event": 5},
        {"event": "StepDone"},
        step(1, loss=None, seconds=0, posts="many", memory=True, epoch="one"),
        step(2, loss=float("nan"), steps="?"),
        {"event": "RunStarted", "posts": [1], "trainable": "lots", "steps": None},
        {"event": "RunStarted", "posts": {"train": "all"}, "step": "first"},
        {"event": "Evaluated", "loss": "low", "accuracy": [], "step": None},
        {"event": "CheckpointSaved"},
        {"event": "RunFinished"},
    ]
    metrics = record(*odd)
    metrics.apply(False, [JournalEntry(50, "some day", step(3))])
    assert metrics.step == 3
    assert len(metrics.log) == 5


def test_store_keeps_overlaid_metrics_and_evicts_others(runs: Runs) -> None:
    created = [runs.create("train", f"run-{number}", {}) for number in range(MAX_METRICS + 8)]
    store = RunStore(runs.list())
    assert all(store.toggle(item) for item in created[:MAX_OVERLAID])
    assert not store.toggle(created[MAX_OVERLAID])
    for item in created:
        store.visible_metrics(item)
    assert len(store.metrics) <= MAX_METRICS + 1
    assert set(store.overlaid) <= set(store.metrics)


def test_store_overlaid_runs_keep_their_colors(runs: Runs) -> None:
    one, two, three = (runs.create("train", name, {}) for name in ("one", "two", "three"))
    store = RunStore(runs.list())

    def colors(selected: Run) -> list[tuple[str, int]]:
        return [(metrics.name, metrics.color) for metrics in store.visible_metrics(selected)]

    assert colors(one) == [("one", 0)]
    store.toggle(one)
    store.toggle(two)
    assert [store.color(item.id) for item in (one, two, three)] == [0, 1, None]
    assert colors(three) == [("three", 2), ("one", 0), ("two", 1)]
    store.toggle(one)
    assert colors(three) == [("three", 0), ("two", 1)]
    assert store.visible_metrics(two)[0].series["loss"].name == ""
    assert store.visible_metrics(three)[1].series["loss"].name == "two"


def test_store_ignores_entries_of_evicted_metrics(wb: Workbench) -> None:
    run_id = create(wb.runs, STARTED, step(1)).id
    store = RunStore(wb.runs.list())
    (metrics,) = store.visible_metrics(store.runs[0])
    store.apply(poll(wb, False, {run_id: None}), {run_id: None})
    wb.runs.append_events(run_id, [step(2)])
    late = poll(wb, False, {run_id: metrics.last})
    store.metrics.clear()
    (rebuilt,) = store.visible_metrics(store.runs[0])
    store.apply(late, {run_id: metrics.last})
    assert rebuilt.last is None


def lines(score: Mapping[str, Any], width: int = 60) -> str:
    return "\n".join(Content("\n").join(score_lines(score, width)).plain.splitlines())


def test_score_card_shows_all_numbers() -> None:
    score = {
        "n": 40,
        "failed": 2,
        "accuracy": 0.9,
        "accuracy_ci": [0.8, 0.95],
        "macro_f1": 0.89,
        "mcc": 0.81,
        "ece": 0.02,
        "brier": 0.05,
        "labels": ["negative", "positive"],
        "per_label": {"negative": {"precision": 0.91, "recall": 0.92, "f1": 0.93, "support": 20}},
        "confusion": [[18, 2], [3, 17]],
        "emoticons": {"with": 0.9, "without": 0.7, "only": None},
    }
    shown = lines(score)
    figures = "90.0%, 80.0% – 95.0%, 70.0%, –, 0.810, 0.020, 0.050, 91.0%, 40, 2, 18, 17"
    for figure in figures.split(", "):
        assert figure in shown, figure
    assert all(len(line) <= 60 for line in shown.splitlines())


def test_score_card_with_many_labels_shows_common_mistakes() -> None:
    labels = [f"mood-{number}" for number in range(12)]
    confusion = [[50 if row == column else 0 for column in range(12)] for row in range(12)]
    confusion[3][7] = 9
    confusion[1][2] = 4
    shown = lines({"labels": labels, "confusion": confusion}, 50).splitlines()
    assert shown[-2].split() == ["●", "mood-3", "→", "●", "mood-7", "9"]
    assert shown[-1].split() == ["●", "mood-1", "→", "●", "mood-2", "4"]


@pytest.mark.parametrize(
    "score",
    [
        {"labels": "positive", "confusion": 5},
        {"labels": ["a", "b"], "confusion": [[1, 2], [3]]},
        {"labels": ["[b]a[/b]", "\x1b[31mred"], "confusion": [["x", None], [1, 2]], "per_label": []},
        {"accuracy": "high", "accuracy_ci": [1], "emoticons": None, "n": float("nan"), "per_label": {"a": 3}},
        {"accuracy": True, "accuracy_ci": "ab", "labels": [1, None, {}]},
    ],
)
def test_score_card_with_damaged_values_is_shown(score: Mapping[str, Any]) -> None:
    shown = lines(score)
    assert "\x1b" not in shown
    assert "Accuracy" in shown


def test_metrics_log_shows_warnings() -> None:
    metrics = record(STARTED, {"event": "BatchHalved", "step": 1, "tokens": 12_000}, {"event": "Damaged"}, step(1))
    assert texts(metrics)[1:] == [
        "Out of memory: each step is now computed in parts of 12,000 tokens.",
        "A journal entry is damaged.",
    ]
