"""Run targets in rounds, in turn, and compare their medians and ratios with a threshold."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from weibo_tui.errors import WeiboTuiError
from weibo_tui.progress import Progress

Figures = Mapping[str, float]
"""Figures of one target in one round by name, as its docstring lists them."""


@dataclass(frozen=True, slots=True)
class BenchmarkOptions:
    """The base to measure on (default: 12 blocks of width 768 with random weights), the number of rounds (0: the
    suite's own), and a CSV file of posts (default: invented ones)."""

    base: str = ""
    rounds: int = 0
    data: Path | None = None


@dataclass(frozen=True, slots=True)
class Sample:
    """Values of one target, one a round, in the unit of the comparison."""

    name: str
    values: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    def to_json(self) -> dict[str, Any]:
        return {"name": self.name, "median": self.median, "rounds": list(self.values)}

    def scale(self, factor: float) -> Sample:
        """Convert the values to another unit."""
        return Sample(self.name, tuple(value * factor for value in self.values))


@dataclass(frozen=True, slots=True)
class Threshold:
    """Limit for the median ratio of a comparison, or for the median itself where there is no baseline."""

    limit: float
    at_most: bool = False

    def is_met_by(self, value: float) -> bool:
        return value <= self.limit if self.at_most else value >= self.limit


@dataclass(frozen=True, slots=True)
class Comparison:
    """One row of the report: our figure, and the baseline's in the same rounds."""

    suite: str
    name: str
    unit: str
    ours: Sample
    baseline: Sample | None = None
    threshold: Threshold | None = None
    notes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ratio(self) -> Sample | None:
        """Our figure divided by the baseline's, round by round."""
        if self.baseline is None:
            return None
        pairs = zip(self.ours.values, self.baseline.values, strict=True)
        return Sample("ratio", tuple(ours / baseline for ours, baseline in pairs))

    @property
    def passed(self) -> bool | None:
        """Compare with the threshold, if there is one."""
        return None if self.threshold is None else self.threshold.is_met_by((self.ratio or self.ours).median)

    def to_json(self) -> dict[str, Any]:
        """Return the comparison as plain values."""
        samples = {"ours": self.ours, "baseline": self.baseline, "ratio": self.ratio}
        return {
            "suite": self.suite,
            "name": self.name,
            "unit": self.unit,
            **{name: sample and sample.to_json() for name, sample in samples.items()},
            "threshold": self.threshold and asdict(self.threshold),
            "passed": self.passed,
            **self.notes,
        }

    def row(self) -> str:
        """Return the comparison as a row of a Markdown table: name, ours, baseline, ratio, threshold, outcome."""
        cells = [self.name, f"{_spread(self.ours)} {self.unit}"]
        cells.append(f"{_spread(self.baseline)} {self.unit}, {self.baseline.name}" if self.baseline else "")
        cells.append(f"{_spread(self.ratio)} ×" if self.ratio else "")
        cells.append(f"{'≤' if self.threshold.at_most else '≥'} {self.threshold.limit:g}" if self.threshold else "")
        cells.append({None: "", True: "pass", False: "**fail**"}[self.passed])
        return f"| {' | '.join(cells)} |"


Events = Iterator[Progress | Comparison]


def _spread(sample: Sample) -> str:
    """Write the median, with the minimum and the maximum of several rounds."""
    text = _round(sample.median)
    if len(sample.values) > 1:
        text += f" ({_round(min(sample.values))}–{_round(max(sample.values))})"
    return text


def _round(value: float) -> str:
    """Write three significant digits, without an exponent where the number is large."""
    return f"{float(f'{value:.3g}'):,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


class Rounds:
    """Figures of targets, round by round."""

    def __init__(self) -> None:
        self._figures: dict[str, list[Figures]] = {}

    def run(
        self, stage: str, targets: Mapping[str, Callable[[], Figures]], rounds: int
    ) -> Generator[Progress, None, Rounds]:
        """Run each target once a round, in reverse order in every other round, so that none always has the warm or
        the busy machine. The note of the progress has the figures of the target that has just run."""
        done, total = 0, rounds * len(targets)
        yield Progress(stage, done, total)
        for number in range(rounds):
            for name in list(targets)[:: 1 if number % 2 == 0 else -1]:
                figures = targets[name]()
                self._figures.setdefault(name, []).append(figures)
                done += 1
                yield Progress(stage, done, total, note=_describe(name, figures))
        return self

    def sample(self, target: str, figure: str, name: str = "") -> Sample:
        """Return a figure of a target in all rounds, called `name` in the report."""
        return Sample(name or target, tuple(figures[figure] for figures in self._figures[target]))


def _describe(target: str, figures: Figures) -> str:
    """Write the figures of a target in one round on a line."""
    return f"{target}: {', '.join(f'{name} {_round(value)}' for name, value in figures.items())}"


def run_target(target: str, **arguments: Any) -> Figures:
    """Run a target in a new process. Raises WeiboTuiError where it fails."""
    return parse_figures(run_process(target, target_command(target, **arguments)))


def target_command(target: str, **arguments: Any) -> list[str]:
    """Return the command that runs a target in a process of its own."""
    return [sys.executable, str(Path(__file__).parent), "--target", target, json.dumps(arguments)]


def parse_figures(output: str) -> Figures:
    """Read the figures from what a target's process wrote."""
    figures: Figures = json.loads(output.splitlines()[-1])
    return figures


def run_process(name: str, command: Sequence[str], environment: Mapping[str, str] | None = None) -> str:
    """Run a process to its end and return its stdout. Raises WeiboTuiError with its last line of stderr."""
    process = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if process.returncode:
        raise process_error(name, process.stderr)
    return process.stdout


def process_error(name: str, output: str) -> WeiboTuiError:
    """Make the error of a process that failed, from what it wrote."""
    reason = (output.strip().splitlines() or ["no output"])[-1]
    return WeiboTuiError(f"The benchmark {name} failed ({reason}).")


# ---- temporary homes, so that a benchmark neither sees nor changes the user's own files


@contextmanager
def temp_folder() -> Iterator[Path]:
    """Make a folder that exists for the length of the block."""
    with TemporaryDirectory(prefix="weibo-tui-benchmark-") as folder:
        yield Path(folder)


@contextmanager
def temp_home() -> Iterator[dict[str, str]]:
    """Make an empty home for the length of the block, and give the environment of a process that uses it."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("WEIBO_TUI_")}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # otherwise the first import of all rounds compiles the program
    with temp_folder() as home:
        yield environment | {"WEIBO_TUI_HOME": str(home), "WEIBO_TUI_LANGUAGE": "en"}
