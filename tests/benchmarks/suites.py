"""Benchmark suites: generators of `Progress` and of a `Comparison` for each row of the report."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import count

from benchmarks import app_labeling, history_data
from benchmarks.cluster import measure_ray
from benchmarks.data import measure_data
from benchmarks.explanations import measure_explanations
from benchmarks.number_formats import measure_number_formats
from benchmarks.posts import write_labeled_posts
from benchmarks.pseudo_terminal import open_terminal, run_in_terminal
from benchmarks.runner import (
    BenchmarkOptions,
    Comparison,
    Events,
    Figures,
    Rounds,
    Sample,
    Threshold,
    process_error,
    run_process,
    run_target,
    temp_folder,
    temp_home,
)
from benchmarks.scale import measure_scale
from benchmarks.torchrun import measure_torchrun

from weibo_tui.engine.device import Compute
from weibo_tui.engine.int8_layers import is_supported
from weibo_tui.progress import Progress
from weibo_tui.workbench.models import STARTER_BASE

LAST_BLOCKS = 4
"""Blocks with an adapter where the hidden states below them are cached."""
STEPS = {"bfloat16": 60, "float32": 20}
MEMORY = {"bfloat16": 0.5, "float32": 0.6}
"""Limits of the peak memory divided by the reference's."""
TEXT = "这部电影太好看了，我很喜欢！"
LAST_PAINTED = b"Quit"
"""The last word of the footer, at the bottom of the first screen."""
PAINT_SECONDS = 60.0
"""Time after which a first screen without that word is an error."""
TYPED_MODELS = ("starter", "12x768")
PHASES = {
    "import": "import of torch",
    "idle": "idle",
    "training": "training, its monitor shown",
    "predictions": "training, a prediction a second",
    "elsewhere": "training, another screen shown",
    "labeling": "labeling a file",
    "audit": "audit of a large file",
}


def measure_training(options: BenchmarkOptions, steps: int = 0) -> Events:
    """Compare training with the reference in posts a second and in peak memory, in the machine's native dtype and in
    float32. `steps` are timed (default: about ten seconds)."""
    compute = Compute.choose()
    native = Threshold(10.0 if compute.device.type == "cpu" else 20.0)
    thresholds = {"bfloat16": native} if compute.dtype_name == "bfloat16" else {}
    thresholds["float32"] = Threshold(3.0)
    train = partial(run_target, "train", base=options.base)
    targets: dict[str, Callable[[], Figures]] = {
        dtype: partial(train, dtype=dtype, steps=steps or STEPS[dtype]) for dtype in thresholds
    }
    steps_cached = 4 * (steps or STEPS["float32"])
    targets["cached"] = partial(train, dtype=compute.dtype_name, steps=steps_cached, last=LAST_BLOCKS)
    targets["reference"] = partial(run_target, "reference training", base=options.base)
    rounds = yield from Rounds().run("measuring", targets, options.rounds or 3)
    reference = rounds.sample("reference", "rate")
    for dtype, threshold in thresholds.items():
        rate, share = rounds.sample(dtype, "rate"), rounds.sample(dtype, "share").median
        notes = {"share_of_peak": share}
        yield Comparison("train", f"training, {dtype}", "posts/s", rate, reference, threshold, notes)
    name = f"later epochs, last {LAST_BLOCKS} blocks, --keep-states"
    yield Comparison("train", name, "posts/s", rounds.sample("cached", "rate"), reference, Threshold(20.0))
    peak = rounds.sample("reference", "memory").scale(1e-6)
    for dtype in thresholds:
        memory, limit = rounds.sample(dtype, "memory").scale(1e-6), Threshold(MEMORY[dtype], at_most=True)
        yield Comparison("train", f"peak memory, {dtype}", "MB", memory, peak, limit)


def measure_prediction(options: BenchmarkOptions, number: int = 1024) -> Events:
    """Compare posts a second in the machine's native dtype and in int8, `number` together and one alone, with the
    reference's loop and with transformers' pipeline. Without a base, the bundled one is measured too."""
    dtypes = [Compute.choose().dtype_name, *(["int8"] if is_supported() else [])]
    base, small = options.base, "" if options.base else STARTER_BASE
    dtype = dtypes[0]
    targets: dict[str, Callable[[], Figures]] = {
        "loop": partial(run_target, "reference loop", base=base),
        "pipeline": partial(run_target, "reference pipeline", base=base),
    }
    for name in dtypes:
        targets[name] = partial(run_target, "predict", base=base, dtype=name, number=number)
    if small:
        targets["small loop"] = partial(run_target, "reference loop", base=small)
        for name in dtypes:
            targets[f"small {name}"] = partial(run_target, "predict", base=small, dtype=name, number=8 * number)
    rounds = yield from Rounds().run("measuring", targets, options.rounds or 5)
    for name, figure, target, baseline, limit in (
        ("labeling", "rate", "loop", "reference, one at a time", 10.0),
        ("labeling", "rate", "pipeline", "transformers' pipeline, 32 at a time", 8.0),
        ("one post", "one", "loop", "reference", 5.0),
    ):
        ours, other = rounds.sample(dtype, figure), rounds.sample(target, figure, baseline)
        yield Comparison("predict", f"{name}, {dtype}", "posts/s", ours, other, Threshold(limit))
    loop = rounds.sample("loop", "rate", "reference, one at a time")
    for name in dtypes[1:]:
        yield Comparison("predict", f"labeling, {name}", "posts/s", rounds.sample(name, "rate"), loop, Threshold(14.0))
    for name in dtypes if small else ():
        ours, other = rounds.sample(f"small {name}", "rate"), rounds.sample("small loop", "rate", loop.name)
        yield Comparison("predict", f"labeling with {small}, {name}", "posts/s", ours, other)


def measure_start(options: BenchmarkOptions) -> Events:
    """Compare the time to a prediction and to the app's first screen with the import that each needs. The base of the
    options has no effect: the bundled one is measured."""
    targets: dict[str, Callable[[], Figures]] = {
        "predict": partial(_time_python, "-m", "weibo_tui", "predict", TEXT, "--no-history"),
        "import torch": partial(_time_python, "-c", "import torch"),
        "launch": _time_first_screen,
        "import textual.app": partial(_time_python, "-c", "import textual.app"),
    }
    rounds = yield from Rounds().run("measuring", targets, options.rounds or 7)
    for name, target, baseline, limit in (
        ("predict TEXT", "predict", "import torch", 1.25),
        ("first screen", "launch", "import textual.app", 2.0),
    ):
        ours, other = rounds.sample(target, "seconds"), rounds.sample(baseline, "seconds")
        yield Comparison("start", name, "s", ours, other, Threshold(limit, at_most=True))


def _time_python(*arguments: str) -> Figures:
    """Return the `seconds` that Python takes for these arguments."""
    with temp_home() as environment:
        began = time.perf_counter()
        run_process(" ".join(arguments), [sys.executable, *arguments], environment)
        return {"seconds": time.perf_counter() - began}


def _time_first_screen() -> Figures:
    """Return the `seconds` until the app's first screen is written to its terminal."""
    with temp_home() as environment:
        return {"seconds": _time_until_painted([sys.executable, "-m", "weibo_tui", "launch"], environment)}


def _time_until_painted(command: Sequence[str], environment: Mapping[str, str]) -> float:
    began, screen = time.perf_counter(), b""
    with open_terminal(command, environment) as output:
        for piece in output:
            screen += piece
            seconds = time.perf_counter() - began
            if LAST_PAINTED in screen:
                return seconds
            if seconds > PAINT_SECONDS:
                break
    raise process_error("launch", screen.decode("utf-8", "replace"))


def measure_labeling(options: BenchmarkOptions, number: int = 5000) -> Events:
    """Compare the labeling of a file in the app with that on the command line, with the bundled models."""
    with temp_folder() as folder:
        file = str(folder / "posts.csv")
        write_labeled_posts(folder / "posts.csv", number, seed=0)
        # A result of the round before would be continued or refused.
        outs = (str(folder / f"labeled-{index}.csv") for index in count())
        targets: dict[str, Callable[[], Figures]] = {
            "app": lambda: _run_in_terminal("label in app", file=file, out=next(outs)),
            "command line": lambda: app_labeling.label_on_command_line(file, next(outs)),
        }
        rounds = yield from Rounds().run("measuring", targets, options.rounds or 5)
    ours, other = rounds.sample("app", "rate"), rounds.sample("command line", "rate")
    notes = {"cpu_of_loop": rounds.sample("app", "loop").median}
    yield Comparison("label", f"{number:,} rows in the app", "posts/s", ours, other, Threshold(0.9), notes)


def measure_event_loop(
    options: BenchmarkOptions, seconds: float = 10.0, number: int = 20_000, large: int = 200_000, alone: int = 100
) -> Events:
    """Measure how late the app's event loop is while its engine works: the delay that a user feels.

    The app runs in a pseudo-terminal with the bundled models on the CPU, each phase for `seconds`. It trains on and
    labels a file of `number` posts, and audits one of `large`; `alone` steps of the same training run without it."""
    with temp_folder() as folder:
        yield Progress("writing", 0, number + large)
        write_labeled_posts(folder / "posts.csv", number, seed=0)
        yield Progress("writing", number, number + large)
        write_labeled_posts(folder / "large.csv", large, seed=1)
        targets = {
            "app": partial(_run_in_terminal, "app at work", folder=str(folder), seconds=seconds),
            "alone": partial(_run_in_terminal, "training alone", folder=str(folder), steps=alone),
        }
        rounds = yield from Rounds().run("measuring", targets, options.rounds or 3)
    yield from _compare_delays(rounds)
    step, alone_step = rounds.sample("app", "step"), rounds.sample("alone", "step", "without the app")
    yield Comparison("ui", "step of that training", "ms", step, alone_step)
    yield Comparison("ui", "prediction during training", "ms", rounds.sample("app", "prediction"))
    yield Comparison("ui", "CPU of the idle app", "%", rounds.sample("app", "idle cpu"))


def _compare_delays(rounds: Rounds) -> Iterator[Comparison]:
    for phase, name in PHASES.items():
        p95, worst = rounds.sample("app", f"{phase} p95"), rounds.sample("app", f"{phase} max")
        worst = Sample(worst.name, (max(worst.values),))  # the median of maxima says nothing
        late = {"p50": rounds.sample("app", f"{phase} p50").median, "p95": p95.median}
        late |= {"p99": rounds.sample("app", f"{phase} p99").median, "max": worst.median}
        notes = {
            "late": late,
            "cpu_of_loop": rounds.sample("app", f"{phase} loop").median,
            "cpu_of_all": rounds.sample("app", f"{phase} process").median,
        }
        limits = (Threshold(50, at_most=True), Threshold(200, at_most=True)) if phase == "training" else (None, None)
        yield Comparison("ui", f"{name}: delay, p95", "ms", p95, threshold=limits[0], notes=notes)
        yield Comparison("ui", f"{name}: delay, worst", "ms", worst, threshold=limits[1], notes=notes)


def _run_in_terminal(target: str, **arguments: object) -> Figures:
    with temp_home() as environment:
        return run_in_terminal(target, environment, **arguments)


def measure_typing(options: BenchmarkOptions, posts: int = 3) -> Events:
    """Measure the latency of keys and of the prediction while typing, with the bundled models and with a base of 12
    blocks of width 768, on the CPU. The keys are compared with those of an app that does not predict while typing."""
    for model in TYPED_MODELS:
        with temp_folder() as home:
            yield Progress("writing", 0)
            if model != "starter":
                run_target("large model", home=str(home))
            typing = partial(run_target, "typing", home=str(home), posts=posts)
            targets = {"on": partial(typing, live=True), "off": partial(typing, live=False)}
            rounds = yield from Rounds().run("measuring", targets, options.rounds or 3)
        for figure in ("p50", "p95"):
            ours, other = (rounds.sample(name, f"key {figure}", f"live prediction {name}") for name in targets)
            yield Comparison("typing", f"key to screen, {figure}, {model}", "ms", ours, other)
        for figure in ("p50", "p95"):
            sample = rounds.sample("on", f"live {figure}")
            threshold = Threshold(50, at_most=True) if figure == "p50" else None
            yield Comparison("typing", f"key to its prediction, {figure}, {model}", "ms", sample, threshold=threshold)


def measure_history(options: BenchmarkOptions, analyses: int = 1_000_000) -> Events:
    """Measure how fast a large history is opened, paged, filtered and searched, as its screen does. Writing it takes
    minutes and about 1 kB an analysis."""
    threshold = Threshold(100, at_most=True)  # milliseconds that feel immediate
    with temp_folder() as home:
        yield from history_data.fill(home, analyses)
        target = partial(run_target, "history", home=str(home))
        rounds = yield from Rounds().run("measuring", {"history": target}, options.rounds or 5)
    pages = {"open": "open", "newest": "first page", "middle": "page in the middle", "oldest": "last page"}
    for figure, name in pages.items():
        sample = rounds.sample("history", figure)
        yield Comparison("history", name, "ms", sample, threshold=threshold, notes={"analyses": analyses})
    queries = {
        "filter": "filter by label and confidence",
        "common": "search for a common word",
        "rare": "search for a rare word",
        "two": "search for two characters",
    }
    for figure, name in queries.items():
        notes = {"analyses": analyses, "matches": rounds.sample("history", f"{figure} matches").median}
        yield Comparison("history", name, "ms", rounds.sample("history", figure), threshold=threshold, notes=notes)
        # The screen counts apart from the page, which does not wait for it.
        count = rounds.sample("history", f"{figure} count")
        yield Comparison("history", f"{name}, count", "ms", count, notes=notes)


SUITES: dict[str, Callable[[BenchmarkOptions], Events]] = {
    "train": measure_training,
    "predict": measure_prediction,
    "data": measure_data,
    "start": measure_start,
    "ui": measure_event_loop,
    "typing": measure_typing,
    "history": measure_history,
    "int8": measure_number_formats,
    "explain": measure_explanations,
    "label": measure_labeling,
    "scale": measure_scale,
    "ray": measure_ray,
    "torchrun": measure_torchrun,
}
