"""How fast adapters are trained, and in how much memory, beside the plain recipe."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from weibo_tui.bench.measuring import BenchmarkOptions, Comparison, Rounds, Target, in_process
from weibo_tui.engine.device import Compute
from weibo_tui.locale import gettext as _
from weibo_tui.progress import Progress

ROUNDS = 3
STEPS = {"bfloat16": 60, "float32": 20}
# Of the plain recipe's posts a second: on a card, in bf16 on a CPU, in float32 on one. Memory is of its peak.
ON_CUDA, LOW, FULL, LATER, MEMORY = 20.0, 10.0, 3.0, 20.0, 0.6
# Blocks with an adapter, where the states of those below are kept.
LAST = 4


def measure(wanted: BenchmarkOptions, steps: int = 0) -> Iterator[Progress | Comparison]:
    """Training in the dtype that the machine has natively, and in float32; of ours `steps` are timed, else as many as
    take some ten seconds."""
    compute = Compute.choose()
    low = LOW if compute.device.type == "cpu" else ON_CUDA
    bars = {"float32": FULL} | ({"bfloat16": low} if compute.dtype_name == "bfloat16" else {})
    ours = partial(in_process, "train", base=wanted.base)
    contenders = {dtype: partial(ours, dtype=dtype, steps=steps or STEPS[dtype]) for dtype in bars}
    contenders["kept"] = partial(ours, dtype=compute.dtype_name, steps=4 * (steps or STEPS["float32"]), last=LAST)
    plain = partial(in_process, "plain training", base=wanted.base)
    found = yield from Rounds().run("measuring", {"plain": plain, **contenders}, wanted.rounds or ROUNDS)
    name = _("plain recipe")
    for dtype, bar in reversed(bars.items()):
        yield Comparison(
            "train",
            _("training, {dtype}").format(dtype=dtype),
            "posts/s",
            found.sample(dtype, "rate", "weibo-tui"),
            found.sample("plain", "rate", name),
            Target(bar),
            {"share_of_peak": found.sample(dtype, "share").median},
        )
    yield Comparison(
        "train",
        _("later epochs, last {last} blocks, --keep-states").format(last=LAST),
        "posts/s",
        found.sample("kept", "rate", "weibo-tui"),
        found.sample("plain", "rate", name),
        Target(LATER),
    )
    for dtype in reversed(bars):
        yield Comparison(
            "train",
            _("peak of memory, {dtype}").format(dtype=dtype),
            "MB",
            found.sample(dtype, "memory", "weibo-tui").scaled(1e-6),
            found.sample("plain", "memory", name).scaled(1e-6),
            Target(MEMORY, at_most=True),
        )
