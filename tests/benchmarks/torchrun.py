"""Compare training by the processes of torchrun with training by one ordinary process."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

from benchmarks.posts import write_labeled_posts
from benchmarks.runner import (
    BenchmarkOptions,
    Comparison,
    Events,
    Figures,
    Rounds,
    Threshold,
    process_error,
    run_target,
    temp_folder,
    temp_home,
)

from weibo_tui.progress import Progress

LARGE = "large"
STEPS: Mapping[str, int] = {"starter": 40, LARGE: 8}
"""Steps on each base: the bundled one, and one of 12 blocks of width 768 with random weights."""
BATCH_SIZE = 32
WARM_UP_SHARE = 0.25
TRAINED_SHARE = 0.8
ONE_PROCESS = Threshold(0.98)
OPTIONS = f"--device cpu --epochs 1 --batch-size {BATCH_SIZE} --no-baseline --no-probes --json".split()
LAUNCHES = {
    "one process of 2 threads": (0, 2),
    "torchrun, 1 process of 2 threads": (1, 2),
    "torchrun, 2 processes of 1 thread": (2, 1),
}
"""Number of processes (0: without torchrun), and threads of each."""


def measure_torchrun(options: BenchmarkOptions, steps: Mapping[str, int] = STEPS) -> Events:
    """Compare one process under torchrun with one without it: posts a second after the first steps, and the seconds
    to the first step. Then compare two processes of one thread with one process of two threads. The base of the
    options has no effect."""
    with temp_folder() as folder, temp_home() as environment:
        if sys.platform == "linux":
            environment["GLOO_SOCKET_IFNAME"] = "lo"  # the processes talk to each other on this machine only
        for base, number in steps.items():
            yield Progress(f"making {base}", 0)
            if base == LARGE:
                run_target("large model", home=environment["WEIBO_TUI_HOME"])
            data = folder / f"{base}.csv"
            write_labeled_posts(data, round(number * BATCH_SIZE / TRAINED_SHARE), seed=0)
            train = partial(_train, data, base, environment)
            targets = {name: partial(train, *launch) for name, launch in LAUNCHES.items()}
            rounds = yield from Rounds().run(base, targets, options.rounds or 5)
            yield from _compare(base, rounds)


def _compare(base: str, rounds: Rounds) -> Iterator[Comparison]:
    alone, *others = LAUNCHES
    for name in others:
        threshold = ONE_PROCESS if LAUNCHES[name][0] == 1 else None
        for figure, unit, limit in (("rate", "posts/s", threshold), ("start", "s", None)):
            row = f"{base}, {name}: {figure}"
            yield Comparison("torchrun", row, unit, rounds.sample(name, figure), rounds.sample(alone, figure), limit)


def _train(data: Path, base: str, environment: Mapping[str, str], processes: int, threads: int) -> Figures:
    """Return the `rate` of a training in posts a second after the first steps, and the seconds to its `start`."""
    command = [sys.executable, "-m", *_launcher(processes), "weibo_tui", "train", str(data)]
    command += ["--base", base, "--name", "measured", "--overwrite", "--threads", str(threads), *OPTIONS]
    began = time.perf_counter()
    steps: list[tuple[float, int]] = []
    with (data.parent / "stderr").open("w+") as errors:
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment) as process:
            assert process.stdout is not None
            for line in process.stdout:
                event = json.loads(line)
                if event.get("event") == "StepDone":
                    steps.append((time.perf_counter(), event["posts"]))
        if process.returncode:
            errors.seek(0)
            raise process_error("torchrun", errors.read())
    timed = steps[round(WARM_UP_SHARE * len(steps)) :]
    posts = sum(posts for _time, posts in timed[1:])
    return {"rate": posts / (timed[-1][0] - timed[0][0]), "start": steps[0][0] - began}


def _launcher(processes: int) -> list[str]:
    """Return what `python -m` runs before the program: torchrun, if it starts any processes."""
    if not processes:
        return []
    return ["torch.distributed.run", "--standalone", "--local-addr=127.0.0.1", f"--nproc-per-node={processes}", "-m"]
