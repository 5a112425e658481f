"""Rounds in which contenders take turns, and what is made of them: medians, spread, ratios, and the bar."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from weibo_tui.errors import WeiboTuiError
from weibo_tui.locale import gettext as _
from weibo_tui.progress import Progress

Measured = Mapping[str, float]
"""Figures of one contender in one round, by name; which ones, its own docstring says."""


@dataclass(frozen=True, slots=True)
class BenchmarkOptions:
    """What a bench is asked for: the `base` to measure on (none: 12 blocks of width 768 with random weights), and how
    many `rounds` (0: as many as the subject takes by itself)."""

    base: str = ""
    rounds: int = 0


@dataclass(frozen=True, slots=True)
class Sample:
    """What one contender gave, one value a round, in the `unit` of its comparison."""

    name: str
    values: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    def scaled(self, factor: float) -> Sample:
        """The same in another unit."""
        return Sample(self.name, tuple(value * factor for value in self.values))


@dataclass(frozen=True, slots=True)
class Target:
    """What a comparison is held against: its ratio, or where nothing is beside it the median itself."""

    limit: float
    at_most: bool = False

    def met_by(self, value: float) -> bool:
        return value <= self.limit if self.at_most else value >= self.limit


@dataclass(frozen=True, slots=True)
class Comparison:
    """One row of the report: what was measured of ours, and of what stands beside it in the same rounds."""

    subject: str
    what: str
    unit: str
    ours: Sample
    beside: Sample | None = None
    bar: Target | None = None
    notes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ratio(self) -> Sample | None:
        """Ours to what is beside it, round by round."""
        if self.beside is None:
            return None
        pairs = zip(self.ours.values, self.beside.values, strict=True)
        return Sample("ratio", tuple(ours / beside for ours, beside in pairs))

    @property
    def met(self) -> bool | None:
        """Whether the bar is met; None where there is none."""
        return None if self.bar is None else self.bar.met_by((self.ratio or self.ours).median)

    def to_json(self) -> dict[str, Any]:
        """The comparison as `--json` writes it."""

        def plain(sample: Sample | None) -> dict[str, Any] | None:
            if sample is None:
                return None
            return {"name": sample.name, "median": sample.median, "rounds": list(sample.values)}

        return {
            "subject": self.subject,
            "what": self.what,
            "unit": self.unit,
            "ours": plain(self.ours),
            "beside": plain(self.beside),
            "ratio": plain(self.ratio),
            "bar": self.bar and {"limit": self.bar.limit, "at_most": self.bar.at_most},
            "met": self.met,
            **self.notes,
        }


class Rounds:
    """What contenders gave in so many rounds."""

    def __init__(self) -> None:
        self._found: dict[str, list[Measured]] = {}

    def run(
        self, stage: str, contenders: Mapping[str, Callable[[], Measured]], rounds: int
    ) -> Generator[Progress, None, Rounds]:
        """Let each contender run once a round, every other round in reverse, so that none always has the warm or the
        busy machine."""
        done, total = 0, rounds * len(contenders)
        for number in range(rounds):
            for name in list(contenders)[:: 1 if number % 2 == 0 else -1]:
                yield Progress(stage, done, total)
                self._found.setdefault(name, []).append(contenders[name]())
                done += 1
        yield Progress(stage, done, total)
        return self

    def sample(self, contender: str, figure: str, name: str = "") -> Sample:
        """The figure of a contender in all rounds, to be called `name` in the report."""
        return Sample(name or contender, tuple(measured[figure] for measured in self._found[contender]))


def in_process(contender: str, **arguments: Any) -> Measured:
    """Run a function of `weibo_tui.bench.contenders` in a fresh process; errors as `finish_process` has them."""
    return figures(finish_process(contender, command(contender, **arguments)))


def command(contender: str, **arguments: Any) -> list[str]:
    """What starts a function of `weibo_tui.bench.contenders` in a process of its own."""
    return [sys.executable, "-m", "weibo_tui.bench", contender, json.dumps(arguments)]


def figures(said: str) -> Measured:
    """What a contender measured, from what its process wrote."""
    measured: Measured = json.loads(said.splitlines()[-1])
    return measured


def finish_process(name: str, command: Sequence[str], environment: Mapping[str, str] | None = None) -> str:
    """Let a process come to its end, and return what it wrote to stdout.

    Raises WeiboTuiError with the last line that the process complained in."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise came_to_nothing(name, done.stderr)
    return done.stdout


def came_to_nothing(name: str, said: str) -> WeiboTuiError:
    """The error of a measurement whose process `said` why it gave up."""
    complaint = (said.strip().splitlines() or [_("it said nothing")])[-1]
    return WeiboTuiError(
        _("The measurement {contender} did not come to its end ({complaint}).").format(
            contender=name, complaint=complaint
        )
    )
