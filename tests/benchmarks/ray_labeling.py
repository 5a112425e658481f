"""Label a file on Ray, on a cluster that loses a node, and in one process."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from benchmarks.runner import Figures
from ray_nodes import ENVIRONMENT, ray_nodes

from weibo_tui import ClusterLabelingConfig, ComputeOptions, LabelingConfig, Workbench
from weibo_tui.progress import Progress

WORKERS = 2
MACHINE = ComputeOptions("cpu", "float32", threads=WORKERS)
MACHINE_OF_WORKER = ComputeOptions("cpu", "float32", threads=1)
SAMPLE_SECONDS = 1.0
PROCESSES = ("program", "driver", "worker", "all")
"""Processes whose memory is measured: the program, the driver that it starts, the largest worker, and all together,
with Ray's own."""
HALVES = ("first", "second")


def label_alone(home: str, data: str, out: str) -> Figures:
    """Label in one process of WORKERS threads. Return the `rate` in posts a second, the `seconds` in all, and the peak
    memory of each of PROCESSES in bytes in each of HALVES of the time."""
    with Workbench(Path(home)) as workbench:
        config = LabelingConfig(Path(data), Path(out), machine=MACHINE, record=False)
        return _measure(workbench.iter_label_file(config))


def label_on_ray(home: str, data: str, out: str) -> Figures:
    """Label on Ray on this machine. Return the same figures."""
    with Workbench(Path(home)) as workbench:
        return _measure(workbench.iter_label_on_ray(_config(data, out)))


def label_with_lost_node(home: str, data: str, out: str) -> Figures:
    """Label on a cluster of two nodes. One is killed when half of the rows are done. Return the same figures."""
    os.environ |= ENVIRONMENT
    with Workbench(Path(home)) as workbench, ray_nodes(Path(out).with_suffix(".log")) as nodes:
        config = _config(data, out, nodes.address)
        return _measure(_at_half(workbench.iter_label_on_ray(config), nodes.kill_one))


def _config(data: str, out: str, address: str | None = None) -> ClusterLabelingConfig:
    return ClusterLabelingConfig(
        (data,), Path(out), machine=MACHINE_OF_WORKER, record=False, address=address, workers=WORKERS
    )


def _at_half(events: Iterator[object], call: Callable[[], None]) -> Iterator[object]:
    """Yield the events, and call a function once when half of the rows are labeled."""
    for event in events:
        yield event
        if isinstance(event, Progress) and event.stage == "labeling" and event.done >= (event.total or 0) / 2:
            call()
            break
    yield from events


def _measure(events: Iterator[Any]) -> Figures:
    began = time.perf_counter()
    with _watch_memory() as samples:
        (result,) = deque(events, maxlen=1)
    seconds = time.perf_counter() - began
    figures = {"rate": result.posts_per_second, "seconds": seconds}
    for name in PROCESSES:
        values = [sample[name] for sample in samples]
        half = len(values) // 2
        figures |= {f"{name} first": max(values[:half], default=0), f"{name} second": max(values[half:], default=0)}
    return figures


@contextmanager
def _watch_memory() -> Iterator[list[dict[str, int]]]:
    """Sample the memory of this process and its descendants, by PROCESSES, while the block runs."""
    samples = [_memory()]
    is_over = threading.Event()

    def watch() -> None:
        while not is_over.wait(SAMPLE_SECONDS):
            samples.append(_memory())

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield samples
    finally:
        is_over.set()
        thread.join()


def _memory() -> dict[str, int]:
    """Return bytes that a process does not share with others: the largest process of each kind, and all together."""
    sample = dict.fromkeys(PROCESSES, 0)
    this = psutil.Process()
    for process in (this, *this.children(recursive=True)):
        with suppress(psutil.Error):  # it has ended
            command, size = " ".join(process.cmdline()), process.memory_full_info().uss
            kind = "program" if process == this else "driver" if "cluster.driver" in command else ""
            kind = kind or ("worker" if command.startswith("ray::") else "all")
            sample["all"] += size
            if kind != "all":
                sample[kind] = max(sample[kind], size)
    return sample


def compare_results(alone: Path, parts: Path) -> dict[str, float]:
    """Compare a labeled Parquet file with the parts in a folder, row by row: `rows` lost or doubled, `labels` that
    differ, and the largest difference of `probabilities`."""
    expected = pq.read_table(alone)
    found = pa.concat_tables(pq.read_table(path) for path in sorted(parts.glob("part-*.parquet")))
    missing = abs(len(expected) - len(found))
    if missing or not expected.column("id").equals(found.column("id")):
        return {"rows": max(missing, 1), "labels": float("nan"), "probabilities": float("nan")}
    labels = pc.sum(pc.not_equal(expected.column("predicted"), found.column("predicted"))).as_py()
    names = [name for name in expected.column_names if name.startswith("prob_")]
    differences = (pc.abs(pc.subtract(expected.column(name), found.column(name))) for name in names)
    return {"rows": 0, "labels": labels, "probabilities": max(pc.max(one).as_py() for one in differences)}
