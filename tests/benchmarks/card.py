"""Measure what only a card can tell, in less than eight minutes: `python tests/benchmarks/card.py [--rehearsal]`.

Each row of the report is printed as soon as it is known, slow ones last. A section that fails says so, and the others
follow. `--rehearsal` runs the same on the CPU with a tiny base, so that no card time is lost on a slip.
"""

from __future__ import annotations

import argparse
import gc
import shutil
import statistics
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from unittest.mock import patch

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]  # `benchmarks` and `weibo_tui`

import numpy as np
import torch
import uer
from benchmarks.engine import adapter_on, training_flops
from benchmarks.posts import write_labeled_posts
from benchmarks.runner import Comparison, Sample, Threshold, run_process, temp_folder, temp_home
from engine_helpers import recorded_waits
from torch import Tensor

from weibo_tui import LabelingConfig, TrainingConfig, Workbench
from weibo_tui.engine.device import Compute, memory, reset_peak_memory
from weibo_tui.engine.events import BatchHalved, RunFinished, StepDone
from weibo_tui.engine.hyperparameters import ComputeOptions, Hyperparameters, PretrainingHyperparameters
from weibo_tui.engine.prediction import Floats, predict_logits, softmax
from weibo_tui.engine.pretraining import Pretrainer, initialize_backbone
from weibo_tui.engine.tokenizer import EncodedPosts
from weibo_tui.engine.training import AdapterTrainer, Examples
from weibo_tui.registry.bases import OpenBase
from weibo_tui.text.cleaning import PREPROCESSING
from weibo_tui.workbench.benchmark import LABELS, MAX_LENGTH, sample_posts
from weibo_tui.workbench.labeling import LabelingResult

BASE, ADAPTER = "measured", "untrained"
LIMIT_BYTES = 8e9
TIME_LIMIT = 480.0
WARM_UP = 4
"""Steps before a measurement, in units of its own: until graphs for most lengths are captured."""
TEXT = "这部电影太好看了，我很喜欢！"


@dataclass(frozen=True, slots=True)
class Sizes:
    """Shape of the base, optimizer steps of a measurement and posts in each, posts to label, rows of the whole
    training, size of the largest product, and CPU threads (0: chosen automatically)."""

    layers: int
    heads: int
    width: int
    steps: int
    batches: tuple[int, int, int]
    posts: int
    rows: int
    product: int
    threads: int = 0


FULL = Sizes(layers=12, heads=12, width=768, steps=60, batches=(32, 128, 256), posts=32_768, rows=86_030, product=8192)
REHEARSAL = Sizes(layers=2, heads=2, width=32, steps=3, batches=(2, 3, 4), posts=64, rows=120, product=64, threads=1)


class Measurement:
    """A device with a base and an untrained adapter in a home of their own, and figures that later rows need."""

    def __init__(self, workbench: Workbench, device: str, sizes: Sizes) -> None:
        self.workbench = workbench
        self.sizes = sizes
        self.name = device
        self.device = torch.device(device)
        self.is_card = device == "cuda"
        self.peak_flops = 0.0
        self.reference = 0.0
        """Posts a second of the plain recipe, or 0 where it was not measured."""

    def machine(self, dtype: str, device: str = "") -> ComputeOptions:
        return ComputeOptions(device or self.name, dtype, self.sizes.threads)

    def open(self, dtype: str, device: str = "") -> tuple[OpenBase, Compute]:
        """Return the base on the device."""
        compute = self.workbench.compute(self.machine(dtype, device))
        return self.workbench.open_base(BASE, compute), compute

    def encode(self, number: int, seed: int = 0) -> EncodedPosts:
        """Return posts of the lengths of weibo_senti_100k."""
        tokenizer = self.workbench.bases.open(BASE).tokenizer
        return tokenizer.encode_posts(sample_posts(number, seed), MAX_LENGTH, PREPROCESSING)[1]

    def trainer(self, dtype: str, posts: int, steps: int, **changes: int | float) -> AdapterTrainer:
        """Return a training of `steps` steps of `posts` posts each."""
        base, compute = self.open(dtype)
        encoded = self.encode(posts * steps)
        labels = np.arange(len(encoded)) % LABELS
        hyper = replace(Hyperparameters(batch_size=posts, epochs=1), **changes)  # type: ignore[arg-type]
        return AdapterTrainer(
            base.backbone,
            adapter_on(base.backbone).to(self.device),
            Examples(encoded, labels),
            Examples(encoded.take(np.arange(posts)), labels[:posts]),
            hyper,
            compute,
            base.tokenizer.special_tokens.pad,
        )

    def wait(self) -> None:
        """Wait until the card has done all its work."""
        if self.is_card:
            torch.cuda.synchronize()


Row = Comparison | str
Section = Callable[[Measurement], Iterator[Row]]


def row(name: str, unit: str, value: float, limit: float | None = None, at_most: bool = False) -> Comparison:
    """Return a row of the report, with a bar where there is a `limit`."""
    threshold = None if limit is None else Threshold(limit, at_most)
    return Comparison("card", name, unit, Sample("weibo-tui", (value,)), threshold=threshold)


def describe(measurement: Measurement) -> Iterator[Row]:
    """Tell the versions, and the card and what torch does with it."""
    yield f"torch {torch.__version__}, Python {sys.version.split()[0]}, device {measurement.device}"
    if not measurement.is_card:
        return
    card = torch.cuda.get_device_properties(0)
    measurement.open("auto")
    yield f"{card.name}, {card.total_memory / 1e9:.0f} GB, {card.major}.{card.minor}, CUDA {torch.version.cuda}"
    yield f"cuDNN {torch.backends.cudnn.version()}, its attention is on: {torch.backends.cuda.cudnn_sdp_enabled()}"
    yield f"TF32 with a bf16 backbone: {torch.backends.cuda.matmul.allow_tf32}"


def compare_with_cpu(measurement: Measurement) -> Iterator[Row]:
    """Compare the probabilities of the device with those of the CPU in float32."""
    posts = measurement.encode(40)

    def probabilities(device: str, dtype: str) -> Floats:
        base, compute = measurement.open(dtype, device)
        adapter, logits = adapter_on(base.backbone).to(compute.device), np.zeros((len(posts), LABELS))
        for batch, part in predict_logits(base.backbone, adapter, posts, 0, compute):
            logits[batch] = part
        return softmax(logits)

    exact = probabilities("cpu", "float32")
    for dtype, limit in (("float32", 1e-3), ("bfloat16", 0.03)):
        difference = np.abs(probabilities(measurement.name, dtype) - exact).max()
        yield row(f"probabilities, {dtype}, largest difference from the CPU", "", float(difference), limit, True)


def measure_peak(measurement: Measurement) -> Iterator[Row]:
    """Measure the FLOP/s of one large product in bf16."""
    size = measurement.sizes.product
    matrix = torch.randn(size, size, device=measurement.device, dtype=torch.bfloat16)
    seconds = []
    for _try in range(12):
        began = time.perf_counter()
        torch.mm(matrix, matrix)
        measurement.wait()
        seconds.append(time.perf_counter() - began)
    measurement.peak_flops = 2 * size**3 / min(seconds)
    yield row(f"product of {size} x {size}, bf16", "TFLOP/s", measurement.peak_flops / 1e12)


def count_waits(measurement: Measurement) -> Iterator[Row]:
    """Count how often a step waits for the card, and name the places."""
    if not measurement.is_card:
        yield "waits a step: only on a card"
        return
    steps = _steps(measurement.trainer("bfloat16", 32, 6))
    next(steps), next(steps)
    with recorded_waits() as waits:
        next(steps)
    yield row("waits for the card, a step", "", len(waits), 1, at_most=True)
    yield from (f"  {place}" for place in waits)


def count_launches(measurement: Measurement) -> Iterator[Row]:
    """Count the kernels of a step, with graphs and without, and name the slowest."""
    if not measurement.is_card:
        yield "kernels a step: only on a card"
        return
    from torch.profiler import ProfilerActivity, profile

    for kind in ("graphs", "eager"):
        warm_up = WARM_UP * measurement.sizes.steps
        steps = _steps(_without_graphs(measurement.trainer("bfloat16", 32, warm_up + 6), kind == "eager"))
        list(islice(steps, warm_up))
        measurement.wait()
        with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as profiled:
            list(islice(steps, 5))
            measurement.wait()
        events = profiled.key_averages()
        kernels = [event for event in events if event.device_type.name == "CUDA"]
        launches = sum(event.count for event in events if "Launch" in event.key) / 5
        busy = sum(event.self_device_time_total for event in kernels) / 5e3
        yield row(f"launches a step, {kind}", "", launches)
        yield row(f"card busy, a step, {kind}", "ms", busy)
        for event in sorted(kernels, key=lambda event: -event.self_device_time_total)[:8]:
            yield f"  {event.self_device_time_total / 5e3:.3f} ms, {event.count / 5:g} x {event.key[:90]}"


def measure_reference(measurement: Measurement) -> Iterator[Row]:
    """Measure the plain recipe: transformers, float32, each post padded to 128, 16 posts a step."""
    try:
        from benchmarks import engine, reference
    except ImportError as error:
        yield f"plain recipe: left out ({error})"
        return
    shape = measurement.workbench.bases.open(BASE).backbone.config
    with patch.object(engine, "USUAL_SIZE", shape):
        measurement.reference = reference.train("")["rate"]
    yield row("plain recipe, training, float32", "posts/s", measurement.reference)


def measure_steps(measurement: Measurement) -> Iterator[Row]:
    """Measure training, by posts a step, with graphs and without, and the share of the card's peak."""
    few, some, many = measurement.sizes.batches
    for dtype, posts, kind in (
        ("bfloat16", few, "graphs"),
        ("bfloat16", few, "eager"),
        ("bfloat16", some, "graphs"),
        ("bfloat16", many, "graphs"),
        ("float32", few, "graphs"),
    ):
        steps = measurement.sizes.steps
        warm_up = WARM_UP * steps
        training = _without_graphs(measurement.trainer(dtype, posts, warm_up + steps), kind == "eager")
        tokens, rate, milliseconds = _pace(measurement, training, warm_up)
        flops = tokens * training_flops(training.backbone.config) * rate
        name = f"training, {dtype}, {posts} posts a step, {kind}"
        plain = Sample("plain recipe", (measurement.reference,)) if measurement.reference else None
        has_bar = plain is not None and (dtype, posts, kind) == ("bfloat16", few, "graphs")
        threshold = Threshold(20.0) if has_bar else None
        notes = {"milliseconds": milliseconds}
        yield Comparison("card", name, "posts/s", Sample("weibo-tui", (rate,)), plain, threshold, notes)
        yield f"  median step {milliseconds:.2f} ms, {_graphs(training)}"
        if dtype == "bfloat16":
            limit = 0.6 if posts == many else None  # this bar or the one above
            yield row(f"share of the product's FLOP/s, {posts} posts a step", "", flops / measurement.peak_flops, limit)


def measure_labeling(measurement: Measurement) -> Iterator[Row]:
    """Measure labeling: the model alone by size of the micro-batches, and one post."""
    base, compute = measurement.open("bfloat16")
    adapter, posts = adapter_on(base.backbone).to(measurement.device), measurement.encode(measurement.sizes.posts // 2)
    for tokens in sorted({4_096, compute.micro_tokens, 65_536}):
        sized = replace(compute, micro_tokens=tokens)
        list(predict_logits(base.backbone, adapter, posts, 0, sized, np.arange(len(posts) // 4)))
        began = time.perf_counter()
        list(predict_logits(base.backbone, adapter, posts, 0, sized))
        rate = len(posts) / (time.perf_counter() - began)
        yield row(f"labeling, the model alone, {tokens:,} tokens at once", "posts/s", rate)
    seconds = []
    for index in range(30):
        began = time.perf_counter()
        list(predict_logits(base.backbone, adapter, posts, 0, compute, np.array([index])))
        seconds.append(time.perf_counter() - began)
    yield row("one post, the model alone", "ms", statistics.median(seconds) * 1e3)


def label_file(measurement: Measurement) -> Iterator[Row]:
    """Label a CSV file as the program does: reading, cleaning, tokenizing, predicting, writing."""
    with temp_folder() as folder:
        write_labeled_posts(folder / "posts.csv", measurement.sizes.posts, seed=3)
        for name in ("first", "second"):  # the first takes what is loaded once
            machine = measurement.machine("bfloat16")
            config = LabelingConfig(folder / "posts.csv", folder / f"{name}.csv", ADAPTER, machine=machine)
            events = list(measurement.workbench.iter_label_file(config))
    (result,) = [event for event in events if isinstance(event, LabelingResult)]
    yield row(f"labeling a file of {result.rows:,} rows", "posts/s", result.posts_per_second, 20_000)


def train_and_label_in_little_memory(measurement: Measurement) -> Iterator[Row]:
    """Train and label with 8 GB, in bf16 and float32."""
    if not measurement.is_card:
        yield "8 GB: only on a card"
        return
    gc.collect()
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction(min(1.0, LIMIT_BYTES / total))
    try:
        for dtype in ("bfloat16", "float32"):
            training = measurement.trainer(dtype, 512, 2)
            events = list(training.events())
            halved = sum(isinstance(event, BatchHalved) for event in events)
            yield row(
                f"training with 8 GB, {dtype}, 512 posts a step", "GB", memory(training.compute.device) / 1e9, 8, True
            )
            posts = measurement.encode(4096)
            reset_peak_memory(measurement.device)
            list(predict_logits(training.backbone, training.adapter, posts, 0, training.compute))
            yield row(f"labeling with 8 GB, {dtype}", "GB", memory(training.compute.device) / 1e9, 8, True)
            yield f"  micro-batches were halved {halved} times"
            del training, events
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)


def measure_memory(measurement: Measurement) -> Iterator[Row]:
    """Measure what a training keeps of a token, and how it grows over many steps."""
    if not measurement.is_card:
        yield "memory: only on a card"
        return
    for dtype in ("bfloat16", "float32"):
        training = _without_graphs(measurement.trainer(dtype, 128, 2), True)
        gc.collect()
        torch.cuda.empty_cache()
        before = torch.cuda.memory_allocated()
        step = next(_steps(training))
        yield row(f"memory of a token in training, {dtype}", "kB", (step.memory - before) / step.tokens / 1e3)
        del training
    steps, done = _steps(measurement.trainer("bfloat16", 32, 300)), 0
    for number in (20, 80, 200):
        done += len(list(islice(steps, number)))
        held, reserved = torch.cuda.memory_allocated() / 1e6, torch.cuda.memory_reserved() / 1e6
        yield f"  after {done} steps: {held:,.0f} MB in use, {reserved:,.0f} MB held"


def compare_resumes(measurement: Measurement) -> Iterator[Row]:
    """Tell whether two trainings alike, and one that was resumed, end with the same bits."""
    posts, total, cut = (32, 16, 7) if measurement.is_card else (2, 3, 1)
    for dtype, dropout in (("bfloat16", 0.0), ("bfloat16", 0.1), ("float32", 0.0)):
        first, second, stopped, resumed = (measurement.trainer(dtype, posts, total, dropout=dropout) for _ in range(4))
        for training in (first, second):
            list(training.events())
        list(islice(_steps(stopped), cut))
        resumed.restore(stopped.snapshot())
        list(resumed.events())
        same = [_difference(first, other) for other in (second, resumed)]
        yield f"weights differ by, {dtype}, dropout {dropout}: two alike {same[0]:.2g}, resumed {same[1]:.2g}"


def measure_first_prediction(measurement: Measurement) -> Iterator[Row]:
    """Measure a whole process that predicts one post with the bundled model."""
    for device in (measurement.name, "cpu") if measurement.is_card else ("cpu",):
        with temp_home() as environment:
            command = [sys.executable, "-m", "weibo_tui", "predict", TEXT, "--no-history", "--device", device]
            environment["PYTHONPATH"] = str(Path(__file__).parents[2])
            began = time.perf_counter()
            run_process("predict", command, environment)
            yield row(f"first prediction, whole process, {device}", "s", time.perf_counter() - began)


def measure_pretraining(measurement: Measurement) -> Iterator[Row]:
    """Measure pretraining in bf16."""
    base, compute = measurement.open("bfloat16")
    mask = np.zeros(base.backbone.config.vocabulary, bool)
    posts, steps = (16, 12) if measurement.is_card else (4, 2)
    hyper = PretrainingHyperparameters(tokens=10**9, context=128 if measurement.is_card else 64, batch_size=posts)
    train = measurement.encode(1500 if measurement.is_card else 100)
    backbone = initialize_backbone(base.backbone.config, 0)
    done = _steps(Pretrainer(backbone, train, train.take(np.arange(8)), mask, hyper, compute))
    list(islice(done, 3 if measurement.is_card else 1))
    began = time.perf_counter()
    tokens = sum(step.tokens for step in islice(done, steps))
    yield row(f"pretraining, bf16, {posts} windows a step", "tokens/s", tokens / (time.perf_counter() - began))


def train_on_large_file(measurement: Measurement) -> Iterator[Row]:
    """Train two epochs on a file as long as weibo_senti_100k: read, split, encode, train, validate, test, compare."""
    with temp_folder() as folder:
        write_labeled_posts(folder / "posts.csv", measurement.sizes.rows, seed=5)
        machine = measurement.machine("bfloat16")
        config = TrainingConfig((folder / "posts.csv",), "whole", base=BASE, machine=machine)
        began, first, last = time.perf_counter(), 0.0, 0.0
        for event in measurement.workbench.iter_train(config):
            if isinstance(event, StepDone):
                last = time.perf_counter() - began
                first = first or last
            finished = event
        assert isinstance(finished, RunFinished)
        seconds = time.perf_counter() - began
    yield row(f"training on {measurement.sizes.rows:,} rows, 2 epochs, with everything", "s", seconds, 60, at_most=True)
    yield f"  {first:.1f} s to the first step, {last - first:.1f} s of steps, {seconds - last:.1f} s after the last"


SECTIONS: tuple[Section, ...] = (
    describe,
    compare_with_cpu,
    measure_peak,
    count_waits,
    measure_reference,
    measure_steps,
    count_launches,
    measure_labeling,
    label_file,
    train_and_label_in_little_memory,
    measure_memory,
    compare_resumes,
    measure_first_prediction,
    measure_pretraining,
    train_on_large_file,
)


def _steps(training: AdapterTrainer | Pretrainer) -> Iterator[StepDone]:
    return (event for event in training.events() if isinstance(event, StepDone))


def _graphs(training: AdapterTrainer) -> str:
    """Tell how many graphs a training uses, or why it uses none."""
    if training.graphed is None:
        return "no graphs"
    return f"{training.graphed.num_graphs} graphs {training.graphed.failure}"


def _pace(measurement: Measurement, training: AdapterTrainer, warm_up: int) -> tuple[float, float, float]:
    """Return the tokens of a post, posts a second and the median milliseconds of a step, after some steps."""
    steps = _steps(training)
    list(islice(steps, warm_up))
    measurement.wait()
    began, posts, tokens, seconds = time.perf_counter(), 0, 0, []
    for step in steps:
        posts, tokens = posts + step.posts, tokens + step.tokens
        seconds.append(step.seconds)
        if len(seconds) + warm_up == training.steps:
            break  # before the validation, and while the graphs are there
    measurement.wait()
    return tokens / posts, posts / (time.perf_counter() - began), statistics.median(seconds) * 1e3


def _without_graphs(training: AdapterTrainer, eager: bool) -> AdapterTrainer:
    if eager and training.graphed is not None:
        training.graphed.disable()
    return training


def _difference(one: AdapterTrainer, other: AdapterTrainer) -> float:
    pairs = zip(_weights(one), _weights(other), strict=True)
    return max(float((a - b).abs().max()) for a, b in pairs)


def _weights(training: AdapterTrainer) -> list[Tensor]:
    return [tensor.detach() for tensor in training.adapter.state_dict().values()]


@contextmanager
def _prepared(device: str, sizes: Sizes) -> Iterator[Measurement]:
    """Make a home with the base and the adapter, which exists for the length of the block."""
    import models

    with temp_folder() as home, Workbench(home) as workbench:
        source = uer.write_folder(home / "from", uer.reference(sizes.layers, sizes.heads, sizes.width))
        workbench.add_base(source, BASE)
        shutil.rmtree(source)
        base = workbench.bases.open(BASE)
        adapter = adapter_on(base.backbone)
        card = models.card_for(adapter, base, ADAPTER, max_length=MAX_LENGTH)
        workbench.adapters.save(adapter, card)
        yield Measurement(workbench, device, sizes)


def measure_card(device: str, sizes: Sizes) -> Iterator[Row]:
    """Yield the rows of all sections. A section that fails becomes a line."""
    began = time.perf_counter()
    with _prepared(device, sizes) as measurement:
        for section in SECTIONS:
            yield f"{section.__name__.replace('_', ' ')}, {time.perf_counter() - began:.0f} s"
            try:
                yield from section(measurement)
            except Exception:
                yield f"FAILED: {traceback.format_exc(limit=-2).strip()}"
            gc.collect()
    yield row("all of this", "s", time.perf_counter() - began, TIME_LIMIT, at_most=True)


def main(arguments: list[str]) -> int:
    """Print the rows as they come, then all as a table. Return the exit code, 1 if a section failed."""
    parser = argparse.ArgumentParser(prog="python tests/benchmarks/card.py", description="Measure a CUDA device.")
    parser.add_argument("--rehearsal", action="store_true", help="run on the CPU with a tiny base")
    device, sizes = ("cpu", REHEARSAL) if parser.parse_args(arguments).rehearsal else ("cuda", FULL)
    if device == "cuda":
        Compute.choose(device)
    table, failed = [], False
    for line in measure_card(device, sizes):
        if isinstance(line, Comparison):
            table.append(line.row())
            print(table[-1], flush=True)
        else:
            failed = failed or line.startswith("FAILED")
            print(line, flush=True)
    print("\n| what | measured | compared with | ratio | bar | |\n|---|---|---|---|---|---|", *table, sep="\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
