"""`weibo-tui bench`: the speed of this machine, and how long a file takes."""

from __future__ import annotations

from pathlib import Path

import pytest
from commands import Command, json_lines
from engine_helpers import needs_int8

from weibo_tui.cli.bench import _duration
from weibo_tui.workbench import benchmark


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure for a moment."""
    monkeypatch.setattr(benchmark, "SECONDS", 0.05)
    monkeypatch.setattr(benchmark, "SINGLE_POSTS", 2)


@pytest.mark.usefixtures("furnished", "quick")
def test_bench_writes_speed_as_json_and_as_table(command: Command, posts_file: Path) -> None:
    options = ("--dtype", "float32", "--threads", "1", "--device", "cpu")
    (result,) = json_lines(command.ok("bench", "--file", posts_file, *options, "--json").out)
    assert (result["base"], result["device"], result["dtype"], result["threads"]) == ("tiny", "cpu", "float32", 1)
    assert result["rows"] == len(posts_file.read_text("utf-8").splitlines()) - 1
    assert result["training_posts_per_second"] > result["steps_per_second"] > 0
    assert result["labeling_seconds"] > result["rows"] / result["labeling_posts_per_second"]
    assert result["milliseconds_per_post"] > 0
    done = command.ok("bench", "--rows", "1000000", *options)
    header, *rows = done.out.splitlines()
    assert "1,000,000 posts" in rows[-2]
    assert [row.split()[0] for row in (header, *rows)] == ["Task", "Training", "Labeling", "A", "One"]
    assert "tiny on cpu, float32, 1 threads" in done.err


@needs_int8
@pytest.mark.usefixtures("furnished", "quick")
def test_bench_in_int8_measures_training_in_floats(command: Command) -> None:
    (result,) = json_lines(command.ok("bench", "--dtype", "int8", "--device", "cpu", "--json").out)
    assert result["dtype"] == "int8" != result["training_dtype"]
    assert result["training_posts_per_second"] > 0 < result["labeling_posts_per_second"]
    training = command.ok("bench", "--dtype", "int8", "--device", "cpu").out.splitlines()[1]
    assert training.endswith(result["training_dtype"])


@pytest.mark.usefixtures("furnished", "quick")
def test_bench_prints_figures_before_the_next_is_measured(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_classifier: object) -> float:
        raise KeyboardInterrupt

    monkeypatch.setattr(benchmark, "_milliseconds_per_post", interrupt)
    done = command("bench", "--dtype", "float32", "--threads", "1", "--device", "cpu")
    assert done.code == 130
    assert [row.split()[0] for row in done.out.splitlines()] == ["Task", "Training", "Labeling", "A"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--rows", "5", "--file", "posts.csv"), "cannot be used together"),
        (("--file", "missing.csv"), "missing.csv"),
        (("--base", "other"), "other"),
        (("--device", "abacus"), "abacus"),
    ],
)
@pytest.mark.usefixtures("furnished")
def test_bench_refuses_wrong_options_in_one_line(command: Command, arguments: tuple[str, ...], message: str) -> None:
    done = command("bench", *arguments)
    assert (done.code, done.out) == (2, "")
    (line,) = done.err.splitlines()
    assert message in line


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "1 s"), (59.4, "59 s"), (200, "3 min 20 s"), (7500, "2 h 5 min"), (360_000, "100 h 0 min")],
)
def test_duration_has_its_two_largest_units(seconds: float, text: str) -> None:
    assert _duration(seconds) == text
