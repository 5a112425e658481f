"""How fast posts are judged, many at once and one alone, beside the plain loop and transformers' own pipeline."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from weibo_tui.bench.measuring import BenchmarkOptions, Comparison, Rounds, Target, in_process
from weibo_tui.engine.device import Compute
from weibo_tui.locale import gettext as _
from weibo_tui.progress import Progress

ROUNDS = 5
POSTS = 1024


def measure(wanted: BenchmarkOptions, number: int = POSTS) -> Iterator[Progress | Comparison]:
    """Posts a second in the machine's native dtype: `number` together, and one of a typical length alone."""
    dtype = Compute.choose().dtype_name
    base = wanted.base
    found = yield from Rounds().run(
        "measuring",
        {
            "ours": partial(in_process, "predict", base=base, dtype=dtype, number=number),
            "loop": partial(in_process, "plain predict loop", base=base),
            "pipeline": partial(in_process, "plain pipeline", base=base),
        },
        wanted.rounds or ROUNDS,
    )
    for what, figure, beside, name, limit in (
        (_("labelling, {dtype}"), "rate", "loop", _("plain loop, one at a time"), 14.0),
        (_("labelling, {dtype}"), "rate", "pipeline", _("transformers' pipeline, 32 at a time"), 8.0),
        (_("one post, {dtype}"), "one", "loop", _("plain loop"), 5.0),
    ):
        ours, other = found.sample("ours", figure, "weibo-tui"), found.sample(beside, figure, name)
        yield Comparison("predict", what.format(dtype=dtype), "posts/s", ours, other, Target(limit))
