"""Measure the stages of labeling a file one by one, in microseconds of CPU time a post.

CPU time, that of all threads together, depends less than the time of a clock on what else runs on the machine. Other
programs still take memory bandwidth and caches.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.posts import FORMATS
from benchmarks.runner import Figures

from weibo_tui import ComputeOptions, LabelingConfig, Workbench
from weibo_tui.datasets.arrow_files import read_batches, to_python
from weibo_tui.datasets.reading import PostTable, count_rows, open_table, post_text, read_rows, read_values
from weibo_tui.datasets.tables import Report
from weibo_tui.datasets.writing import write_labeled
from weibo_tui.engine.prediction import Classifier, predict_logits
from weibo_tui.engine.tokenizer import EncodedPosts
from weibo_tui.progress import drain
from weibo_tui.text.cleaning import clean
from weibo_tui.workbench.cluster.parts import read_parts
from weibo_tui.workbench.cluster.plan import MIN_PART_ROWS
from weibo_tui.workbench.labeling import WINDOW, LabelingResult, added_columns

FILE_STAGES = ("counting", "reading", "writing")
MODEL_STAGES = ("cleaning", "tokenizing", "computing")
ONE_CORE = ComputeOptions("cpu", threads=1)
ADDED = added_columns(("negative", "positive"), "")
PREDICTION = dict(zip(ADDED, ("negative", 0.912345678, 0.912345678, 0.087654322, None), strict=True))


def time_files(folder: str) -> Figures:
    """Return `<format> counting`, `<format> reading` and `<format> writing` for the tables in `folder`, and
    `<format> parts` for reading on Ray, into tables of Arrow."""
    _use_one_core()
    figures: dict[str, float] = {}
    for name in FORMATS:
        source = open_table(Path(folder, f"posts.{name}"))
        rows = sum(1 for _row in read_rows(source))
        time_call = partial(_microseconds, rows)
        figures[f"{name} counting"] = time_call(partial(drain, count_rows(source)))
        figures[f"{name} reading"] = time_call(partial(_exhaust, _read_posts(source)))
        written = time_call(partial(_exhaust, _write(source)))
        figures[f"{name} writing"] = written - figures[f"{name} reading"]
        parts = read_parts(source, source.columns, MIN_PART_ROWS, range(-(-rows // MIN_PART_ROWS)))
        figures[f"{name} parts"] = time_call(partial(_exhaust, parts))
    return figures


def time_model(home: str, folder: str) -> Figures:
    """Return `cleaning`, `tokenizing` and `computing` for the default adapter of `home` on one core, and the whole
    labeling of each table in `folder` by its format."""
    _use_one_core()
    with Workbench(Path(home)) as workbench:
        classifier = workbench.classifier(machine=ONE_CORE)
        posts = [row.text for row in read_rows(open_table(Path(folder, "posts.csv")))]
        classifier.predict(posts[: WINDOW // 4])  # the first call is slower
        figures = _time_stages(classifier, posts)
        for name in FORMATS:
            label = partial(_label, workbench, Path(folder, f"posts.{name}"), ONE_CORE)
            figures[name] = _microseconds(len(posts), label)
    return figures


def label_on_all_cores(home: str, folder: str) -> Figures:
    """Return the `rate` in posts a second at which torch's own number of threads label a CSV file."""
    with Workbench(Path(home)) as workbench:
        return {"rate": _label(workbench, Path(folder, "posts.csv"), ComputeOptions("cpu")).posts_per_second}


def _use_one_core() -> None:
    if hasattr(os, "sched_setaffinity"):  # Linux
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def _microseconds(posts: int, call: Callable[[], object]) -> float:
    began = time.process_time()
    call()
    return 1e6 * (time.process_time() - began) / posts


def _exhaust(steps: Iterable[object]) -> None:
    deque(steps, maxlen=0)


def _read_posts(source: PostTable) -> Generator[object, None, None]:
    """Read a table as a labeling does: a Parquet file in columns, others in rows."""
    if source.format == "parquet":
        for batch in read_batches(source.table):
            yield to_python(source.table, batch.column(source.text_column))
    else:
        for number, values in enumerate(read_values(source, Report()), 1):
            yield post_text(source, number, values[source.text_column])


def _write(source: PostTable) -> Generator[object, None, None]:
    """Write a labeled copy with a prediction that is the same for all posts."""

    def predict(posts: Sequence[str]) -> Generator[None, None, Sequence[dict[str, Any]]]:
        yield
        return [PREDICTION] * len(posts)

    out = source.path.with_stem("labeled")
    yield from write_labeled(source, out, predict, ADDED, rows=WINDOW)
    out.unlink()


def _time_stages(classifier: Classifier, posts: Sequence[str]) -> dict[str, float]:
    windows = [posts[start : start + WINDOW] for start in range(0, len(posts), WINDOW)]
    time_call = partial(_microseconds, len(posts))
    padding = classifier.tokenizer.special_tokens.pad
    texts: list[list[str]] = []
    encoded: list[EncodedPosts] = []

    def clean_posts() -> None:
        texts.extend([clean(post, classifier.preprocessing).text for post in window] for window in windows)

    def tokenize() -> None:
        encoded.extend(classifier.tokenizer.encode(window, classifier.max_length) for window in texts)

    def compute() -> None:
        for window in encoded:
            _exhaust(predict_logits(classifier.backbone, classifier.adapter, window, padding, classifier.compute))

    return {"cleaning": time_call(clean_posts), "tokenizing": time_call(tokenize), "computing": time_call(compute)}


def _label(workbench: Workbench, source: Path, machine: ComputeOptions) -> LabelingResult:
    out = source.with_stem("labeled")
    *_events, result = workbench.iter_label_file(LabelingConfig(source, out, machine=machine, record=False))
    out.unlink()
    assert isinstance(result, LabelingResult)
    return result
