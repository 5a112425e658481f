"""The app is measured at its work: in a terminal, from its first screen to the last of its phases."""

from __future__ import annotations

from pathlib import Path

import pytest

from weibo_tui.bench import ui
from weibo_tui.bench.measuring import BenchmarkOptions, Comparison

pytestmark = pytest.mark.slow


def test_the_bench_leads_the_app_through_its_work_and_measures_each_phase(home: Path) -> None:
    events = ui.measure(BenchmarkOptions(rounds=2), seconds=0.2, number=200, large=400, alone=2)
    rows = {event.what: event for event in events if isinstance(event, Comparison)}
    barred = [what for what, row in rows.items() if row.bar]
    assert barred == ["training, its monitor shown: late, p95", "training, its monitor shown: late, worst"]
    for phase in ui.PHASES.values():
        late = rows[f"{phase}: late, p95"].notes["late"]
        assert late["p50"] <= late["p95"] <= late["p99"] <= late["max"] == rows[f"{phase}: late, worst"].ours.median
    step = rows["step of that training"]
    assert step.beside is not None
    assert step.ours.median > 0 < step.beside.median
    assert not list(home.iterdir())
