"""The metrics of a run, read from its journal, and its score card."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from textual.content import Content

from weibo_tui.app.train.run_metrics import MAX_ENTRIES_PER_READ, RunMetrics, read_new_entries
from weibo_tui.app.train.run_store import MAX_METRICS, MAX_OVERLAID, RunStore, poll
from weibo_tui.app.widgets.score_card import score_lines
from weibo_tui.storage.codec import timestamp
from weibo_tui.storage.runs import JournalEntry, Run, Runs
from weibo_tui.workbench import Workbench

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


def record(*events: Mapping[str, Any], **how: Any) -> RunMetrics:
    made = RunMetrics(run())
    made.apply(False, entries(*events, **how))
    return made


def texts(found: RunMetrics) -> list[str]:
    return [line.text for line in found.log]


@pytest.fixture
def runs(home: Path) -> Iterator[Runs]:
    with Workbench(home) as wb:
        yield wb.runs


def test_metrics_steps_become_series() -> None:
    found = record(STARTED, *(step(number) for number in range(1, 51)))
    assert (found.step, found.steps, found.epoch, found.seconds) == (50, 100, 1, 25.0)
    assert found.share == 0.5
    assert found.series["loss"].value == 1 / 50
    assert found.series["loss"].high == 1.0
    assert found.series["posts_per_second"].value == 64
    assert found.series["tokens_per_second"].value == 1280
    assert found.series["memory"].value == 10**9


def test_metrics_seconds_left_uses_the_recent_pace() -> None:
    slow = [step(number) for number in range(1, 11)]
    found = record(STARTED, *slow, every=10.0)
    assert found.seconds_left() == pytest.approx(900)
    # Ten times as fast from here on: the last minute counts.
    found.apply(False, entries(*(step(number) for number in range(11, 91)), every=1.0, first=111))
    assert found.seconds_left() == pytest.approx(10, rel=0.01)
    assert record(STARTED, step(1)).seconds_left() is None


def test_metrics_seconds_left_ignores_a_pause() -> None:
    found = record(STARTED, step(1), step(2))
    found.reset_eta()
    assert found.seconds_left() is None
    found.apply(False, entries(step(3), step(4), first=5000))
    assert found.seconds_left() == pytest.approx(96)


def test_metrics_pretraining_share_uses_seconds() -> None:
    found = RunMetrics(run({"plan": {"recipe": {"minutes": 0.5}}}, kind="pretrain"))
    found.apply(False, entries(*(step(number, steps=0) for number in range(1, 31)), every=1.0))
    assert found.share == 0.5
    assert found.seconds_left() == pytest.approx(30)


def test_metrics_evaluations_keep_the_best_and_are_logged() -> None:
    first = {"event": "Evaluated", "epoch": 1, "step": 50, "loss": 0.4, "accuracy": 0.9, "macro_f1": 0.89, "best": True}
    second = first | {"epoch": 2, "step": 100, "loss": 0.5, "accuracy": 0.88, "best": False}
    found = record(STARTED, first, second)
    assert found.best_accuracy == 0.9
    assert found.series["accuracy"].value == 88
    assert found.series["validation_loss"].high == 0.5
    assert texts(found)[1] == "Epoch 1: validation loss 0.400, accuracy 90.0 %, macro F1 89.0 %, the best so far."
    assert "the best so far" not in texts(found)[2]


def test_metrics_log_keeps_the_last_of_several_checkpoints() -> None:
    found = record(STARTED, *({"event": "CheckpointSaved", "step": number, "path": "x"} for number in (10, 20, 30)))
    assert texts(found)[1:] == ["Checkpoint behind step 30."]


def test_journal_is_read_from_the_last_entry(runs: Runs) -> None:
    kept = runs.create("train", "mood", {})
    runs.append_events(kept.id, [STARTED, step(1), step(2)])
    is_reset, found = read_new_entries(runs, kept.id, None)
    assert (is_reset, [entry.seq for entry in found]) == (False, [1, 2, 3])
    assert read_new_entries(runs, kept.id, found[-1]) == (False, [])
    runs.append_events(kept.id, [step(3)])
    is_reset, more = read_new_entries(runs, kept.id, found[-1])
    assert (is_reset, [entry.seq for entry in more]) == (False, [4])


def test_long_journal_is_read_in_parts(runs: Runs) -> None:
    kept = runs.create("train", "mood", {})
    runs.append_events(kept.id, [step(number) for number in range(1, MAX_ENTRIES_PER_READ + 11)])
    first = read_new_entries(runs, kept.id, None)[1]
    assert len(first) == MAX_ENTRIES_PER_READ
    assert [entry.seq for entry in read_new_entries(runs, kept.id, first[-1])[1]] == list(
        range(MAX_ENTRIES_PER_READ + 1, MAX_ENTRIES_PER_READ + 11)
    )


@pytest.mark.parametrize("steps_since", [0, 1, 10])
def test_journal_reset_to_a_checkpoint_is_read_again(runs: Runs, steps_since: int) -> None:
    """However much the resumed run has written since: the entry that was the last is another one then."""
    kept = runs.create("train", "mood", {})
    runs.append_events(kept.id, [STARTED, *(step(number) for number in range(1, 6))])
    found = RunMetrics(kept)
    found.apply(*read_new_entries(runs, kept.id, None))
    runs.truncate(kept.id, 3)
    runs.append_events(kept.id, [STARTED | {"step": 2}, *(step(3 + number, loss=9.0) for number in range(steps_since))])
    is_reset, entries_now = read_new_entries(runs, kept.id, found.last)
    found.apply(is_reset, entries_now)
    assert is_reset
    assert [entry.seq for entry in entries_now] == list(range(1, 5 + steps_since))
    assert found.step == 2 + steps_since
    assert found.seconds == 0.5 * (2 + steps_since)
    assert texts(found) == [texts(found)[0], "Goes on behind step 2 (cpu, float32)."]


def test_journal_of_a_deleted_run_is_empty(runs: Runs) -> None:
    kept = runs.create("train", "mood", {})
    runs.append_events(kept.id, [STARTED, step(1)])
    found = RunMetrics(kept)
    found.apply(*read_new_entries(runs, kept.id, None))
    runs.truncate(kept.id, 0)
    found.apply(*read_new_entries(runs, kept.id, found.last))
    assert (found.step, found.last, texts(found)) == (0, None, [])


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
    found = record(*odd)
    found.apply(False, [JournalEntry(50, "some day", step(3))])
    assert found.step == 3
    assert len(found.log) == 5


def test_store_keeps_overlaid_metrics_and_evicts_others(runs: Runs) -> None:
    seen = RunStore()
    made = [runs.create("train", f"run-{number}", {}) for number in range(MAX_METRICS + 8)]
    seen.runs = runs.list()
    assert all(seen.toggle(one) for one in made[:MAX_OVERLAID])
    assert not seen.toggle(made[MAX_OVERLAID])
    for one in made:
        seen.visible_metrics(one)
    assert len(seen.metrics) <= MAX_METRICS + 1
    assert set(seen.overlaid) <= set(seen.metrics)


def test_store_overlaid_runs_keep_their_colors(runs: Runs) -> None:
    seen = RunStore()
    one, two, three = (runs.create("train", name, {}) for name in ("one", "two", "three"))
    seen.runs = runs.list()
    assert [record.color for record in seen.visible_metrics(one)] == [0]
    seen.toggle(one)
    seen.toggle(two)
    assert (seen.color(one.id), seen.color(two.id), seen.color(three.id)) == (0, 1, None)
    assert {record.name: record.color for record in seen.visible_metrics(three)} == {"three": 2, "one": 0, "two": 1}
    seen.toggle(one)
    assert [(record.name, record.color) for record in seen.visible_metrics(three)] == [("three", 0), ("two", 1)]
    assert seen.visible_metrics(two)[0].series["loss"].name == ""
    assert seen.visible_metrics(three)[1].series["loss"].name == "two"


def test_store_ignores_entries_of_evicted_metrics(home: Path) -> None:
    with Workbench(home) as wb:
        kept = wb.runs.create("train", "mood", {})
        wb.runs.append_events(kept.id, [STARTED, step(1)])
        seen = RunStore(wb.runs.list())
        (shown,) = seen.visible_metrics(seen.runs[0])
        seen.apply(poll(wb, False, {kept.id: None}), {kept.id: None})
        wb.runs.append_events(kept.id, [step(2)])
        late = poll(wb, False, {kept.id: shown.last})
        seen.metrics.clear()
        (rebuilt,) = seen.visible_metrics(seen.runs[0])
        seen.apply(late, {kept.id: shown.last})
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
    for figure in (
        "90.0 %",
        "80.0 % – 95.0 %",
        "70.0 %",
        "–",
        "0.810",
        "0.020",
        "0.050",
        "91.0 %",
        "40",
        "2",
        "18",
        "17",
    ):
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
    found = record(STARTED, {"event": "BatchHalved", "step": 1, "tokens": 12_000}, {"event": "Damaged"}, step(1))
    assert texts(found)[1:] == [
        "The memory was too small: each step is computed in parts of 12,000 tokens from here on.",
        "The disk damaged an entry of the journal here.",
    ]
