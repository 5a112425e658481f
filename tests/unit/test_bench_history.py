"""The history is measured as large as it is asked to be, with questions that find something in it."""

from __future__ import annotations

from pathlib import Path

from weibo_tui.bench import history, records
from weibo_tui.bench.measuring import BenchmarkOptions, Comparison
from weibo_tui.progress import drain
from weibo_tui.storage.history import EVERYTHING, Analysis, HistoryFilter
from weibo_tui.workbench import Workbench

NUMBER = 300


def test_a_history_is_filled_with_different_posts_in_their_order(tmp_path: Path) -> None:
    drain(records.fill(tmp_path, NUMBER))
    with Workbench.open(tmp_path) as bench:
        entries = bench.history.page(NUMBER + 1)
        assert bench.history.count(HistoryFilter(uncertain=True)) < NUMBER / 2
    analyses = [entry for entry in entries if isinstance(entry, Analysis)]
    assert len({analysis.text for analysis in analyses}) == len(analyses) == NUMBER
    assert [analysis.id for analysis in analyses] == list(range(NUMBER, 0, -1))


def test_each_question_finds_a_part_of_it(tmp_path: Path) -> None:
    drain(records.fill(tmp_path, NUMBER))
    with Workbench.open(tmp_path) as bench:
        total = bench.history.count(EVERYTHING)
        found = {name: bench.history.count(asked) for name, asked in records.questions().items()}
    assert all(0 < number < total / 2 for number in found.values()), found
    assert found["rare"] == 1


def test_the_bench_asks_a_fresh_process_in_each_round() -> None:
    rows = [event for event in history.measure(BenchmarkOptions(rounds=2), NUMBER) if isinstance(event, Comparison)]
    assert {row.subject for row in rows} == {"history"}
    assert [row.what for row in rows if row.bar] == [
        "open",
        "first page",
        "page in the middle",
        "last page",
        "filter by label and confidence",
        "search for a common word",
        "search for a rare word",
        "search for two characters",
    ]
    assert all(len(row.ours.values) == 2 and row.notes["analyses"] == NUMBER for row in rows)
