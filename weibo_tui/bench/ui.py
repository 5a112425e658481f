"""How late the app's event loop is while its engine works: what a person feels who types or scrolls meanwhile.

The real program in a pseudo-terminal, with the starter, on the CPU.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from weibo_tui.bench.fresh import fresh_folder, fresh_home
from weibo_tui.bench.measuring import BenchmarkOptions, Comparison, Measured, Rounds, Sample, Target
from weibo_tui.bench.posts import posts
from weibo_tui.bench.terminal import measured_in_terminal
from weibo_tui.locale import N_
from weibo_tui.locale import gettext as _
from weibo_tui.progress import Progress

ROUNDS = 3
PHASES = {
    "import": N_("import of torch"),
    "idle": N_("idle"),
    "training": N_("training, its monitor shown"),
    "verdicts": N_("training, a verdict a second"),
    "elsewhere": N_("training, another place shown"),
    "labelling": N_("labelling a file"),
    "audit": N_("audit of a large file"),
}
P95, WORST = Target(50, at_most=True), Target(200, at_most=True)  # milliseconds


def measure(
    wanted: BenchmarkOptions, seconds: float = 10.0, number: int = 20_000, large: int = 200_000, alone: int = 100
) -> Iterator[Progress | Comparison]:
    """Milliseconds that the event loop is late, in phases of so many `seconds`, with a file of so many posts to train
    on and label, and a `large` one to audit; and so many steps of the same training `alone`. `wanted.base` changes
    nothing: the starter is measured."""
    with fresh_folder() as folder:
        yield Progress("writing", 0, number + large)
        _write(folder / "posts.csv", number, seed=0)
        yield Progress("writing", number, number + large)
        _write(folder / "large.csv", large, seed=1)
        found = yield from Rounds().run(
            "measuring",
            {
                "app": partial(_in_terminal, "event loop", folder=str(folder), seconds=seconds),
                "alone": partial(_in_terminal, "training alone", folder=str(folder), steps=alone),
            },
            wanted.rounds or ROUNDS,
        )
    yield from _delays(found)
    step = found.sample("app", "step", "weibo-tui")
    yield Comparison("ui", _("step of that training"), "ms", step, found.sample("alone", "step", _("without the app")))
    yield Comparison("ui", _("verdict during training"), "ms", found.sample("app", "verdict"))
    yield Comparison("ui", _("CPU of the idle app"), "%", found.sample("app", "idle cpu"))


def _delays(found: Rounds) -> Iterator[Comparison]:
    for phase, name in PHASES.items():
        p95, worst = found.sample("app", f"{phase} p95"), found.sample("app", f"{phase} max")
        worst = Sample(worst.name, (max(worst.values),))  # a median of the worst would be none
        notes = {
            "late": {
                "p50": found.sample("app", f"{phase} p50").median,
                "p95": p95.median,
                "p99": found.sample("app", f"{phase} p99").median,
                "max": worst.median,
            },
            "cpu_of_loop": found.sample("app", f"{phase} loop").median,
            "cpu_of_all": found.sample("app", f"{phase} process").median,
        }
        bars = (P95, WORST) if phase == "training" else (None, None)
        yield Comparison("ui", _("{phase}: late, p95").format(phase=_(name)), "ms", p95, bar=bars[0], notes=notes)
        yield Comparison("ui", _("{phase}: late, worst").format(phase=_(name)), "ms", worst, bar=bars[1], notes=notes)


def _in_terminal(contender: str, **arguments: object) -> Measured:
    with fresh_home() as environment:
        return measured_in_terminal(contender, environment, **arguments)


def _write(path: Path, number: int, seed: int) -> None:
    """A file of posts with labels that mean nothing."""
    labels = np.random.default_rng(seed).integers(0, 2, number)
    rows = (f"{label},{post}\n" for label, post in zip(labels, posts(number, seed), strict=True))
    with path.open("w", encoding="utf-8") as file:
        file.write("label,review\n")
        file.writelines(rows)
