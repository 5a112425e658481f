"""Cost of labeling many posts: the stages of the work, their shares, and the bottleneck at each size."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import stocked
import torch
from benchmarks.labeling_stages import FILE_STAGES, MODEL_STAGES
from benchmarks.posts import FORMATS, take_posts, write_tables
from benchmarks.runner import BenchmarkOptions, Comparison, Events, Rounds, Sample, run_target, temp_folder

from weibo_tui.engine.device import Compute
from weibo_tui.progress import Progress

LARGE = "12x768"
MODELS: Mapping[str, int] = {"tiny": 16_384, "starter": 2048, LARGE: 256}
"""The tests' base, the bundled one and one of 12 blocks of width 768, and the posts that each labels."""
SIZES = {"10⁶": 10**6, "10⁸": 10**8, "10¹⁰": 10**10}
ESTIMATED_CARD_RATE = 10_000.0
"""Posts a second of an H200 with the large base: an estimate from the operations of a post, not a measurement."""
CARD_POSTS = 32_768

Costs = Mapping[str, Sample]
"""Microseconds of one core a post, by stage."""


@dataclass(frozen=True, slots=True)
class ModelCosts:
    """Costs of a model: its stages, and the whole labeling by format."""

    stages: Costs
    whole: Costs


def measure_scale(options: BenchmarkOptions, rows: int = 100_000, models: Mapping[str, int] = MODELS) -> Events:
    """Measure on one core the stages of labeling: those of a file of `rows` posts in each format, and those of each
    model with its number of posts. From them follow the cost of 10⁶ to 10¹⁰ posts, and the number of cores or cards
    that the reader of one file feeds. The base of the options has no effect."""
    files: dict[str, Costs] = {}
    readers: dict[str, Sample] = {}
    costs: dict[str, ModelCosts] = {}
    with temp_folder() as folder:
        yield Progress("writing", 0, rows)
        write_tables(folder / "files", take_posts(options.data, rows))
        target = partial(run_target, "file stages", folder=str(folder / "files"))
        rounds = yield from Rounds().run("files", {"files": target}, options.rounds or 3)
        for name in FORMATS:
            files[name] = {stage: rounds.sample("files", f"{name} {stage}", "") for stage in FILE_STAGES}
            readers[name] = rounds.sample("files", f"{name} parts", "")
            yield from _rates(f"{name}, one core", {**files[name], "reading on Ray": readers[name]})
        for model, posts in models.items():
            costs[model] = yield from _measure_model(options, folder / model, model, posts)
            for name in FORMATS:
                yield from _shares(f"{model}, {name}", {**files[name], **costs[model].stages}, costs[model].whole[name])
    for name, reader in readers.items():
        yield from _hours(f"one {name} file, counted and read", "hours", _sum(files[name]["counting"], reader))
        consumers = [_rate(cost.whole[name], f"a core, {model}") for model, cost in costs.items()]
        yield from _feeds(name, reader, consumers)
    if LARGE in costs:
        card = yield from _card(len(readers["csv"].values))
        yield from _hours(f"{LARGE}, {card.name}", "card-hours", _rate(card))
        for name, reader in readers.items():
            yield from _feeds(name, reader, [card])
        yield from _needs_of_card(card, readers["csv"], files["parquet"]["writing"], costs[LARGE].stages)


def _measure_model(
    options: BenchmarkOptions, folder: Path, model: str, posts: int
) -> Generator[Progress | Comparison, None, ModelCosts]:
    yield Progress(f"making {model}", 0)
    home, files = folder / "home", folder / "files"
    home.mkdir(parents=True)
    if model == "tiny":
        stocked.unpack(home)
    elif model == LARGE:
        run_target("large model", home=str(home))
    write_tables(files, take_posts(options.data, posts))
    targets = {
        name: partial(run_target, name, home=str(home), folder=str(files)) for name in ("model stages", "all cores")
    }
    rounds = yield from Rounds().run(model, targets, options.rounds or 3)
    stages, whole = (
        {name: rounds.sample("model stages", name, "") for name in names} for names in (MODEL_STAGES, FORMATS)
    )
    threads = torch.get_num_threads()
    all_cores = rounds.sample("all cores", "rate", f"{threads} threads")
    one_core = _rate(whole["csv"], "one core")
    yield from _rates(f"{model}, one core", {**stages, "all stages, csv": whole["csv"]})
    yield Comparison("scale", f"{model}, {all_cores.name}: all stages, csv", "posts/s", all_cores, one_core)
    yield from _hours(model, "core-hours", whole["csv"], _rate(all_cores, all_cores.name).scale(threads))
    return ModelCosts(stages, whole)


def _rates(name: str, costs: Costs) -> Iterator[Comparison]:
    for stage, cost in costs.items():
        yield Comparison("scale", f"{name}: {stage}", "posts/s", _rate(cost))


def _shares(name: str, stages: Costs, whole: Sample) -> Iterator[Comparison]:
    """Yield the share of each stage in the whole; the rest is mostly the checkpoint."""
    rest = _sum(whole, *(cost.scale(-1) for cost in stages.values()))
    for stage, cost in {**stages, "rest": rest}.items():
        share = tuple(100 * part / total for part, total in zip(cost.values, whole.values, strict=True))
        yield Comparison("scale", f"{name}: share of {stage}", "%", Sample("", share))


def _hours(name: str, unit: str, cost: Sample, baseline: Sample | None = None) -> Iterator[Comparison]:
    """Yield the hours that each number of posts takes, from the microseconds of a post."""
    for label, posts in SIZES.items():
        factor = posts / 3.6e9
        hours, compared = cost.scale(factor), baseline and baseline.scale(factor)
        yield Comparison("scale", f"{name}: {label} posts", unit, hours, compared)


def _feeds(name: str, reader: Sample, consumers: Iterable[Sample]) -> Iterator[Comparison]:
    """Compare the reader of one file with what labels its posts: the ratio is the number that keeps pace with it."""
    for consumer in consumers:
        yield Comparison("scale", f"reader of one {name} file", "posts/s", _rate(reader), consumer)


def _card(rounds: int) -> Generator[Progress | Comparison, None, Sample]:
    """Return the posts a second that a card labels with the large base, measured if there is one."""
    if not torch.cuda.is_available():
        return Sample("a card (estimate)", (ESTIMATED_CARD_RATE,) * rounds)
    target = partial(run_target, "predict", base="", dtype=Compute.choose().dtype_name, number=CARD_POSTS)
    measured = yield from Rounds().run("card", {"card": target}, rounds)
    return measured.sample("card", "rate", "a card (measured)")


def _needs_of_card(card: Sample, reader: Sample, writing: Sample, stages: Costs) -> Iterator[Comparison]:
    """Yield the cores that keep a card busy, and the speed of a worker that has one core and does all in turn."""
    prepared = _sum(stages["cleaning"], stages["tokenizing"], writing)
    both = zip(_sum(reader, prepared).values, card.values, strict=True)
    cores = Sample("", tuple(cost * rate / 1e6 for cost, rate in both))
    yield Comparison("scale", f"{LARGE}: cores that keep {card.name} busy", "cores", cores)
    in_turn = _rate(_sum(prepared, _rate(card)))
    yield Comparison("scale", f"{LARGE}: worker of one core and one card", "posts/s", in_turn, card)


def _rate(cost: Sample, name: str = "") -> Sample:
    """Convert microseconds a post to posts a second, or back."""
    return Sample(name, tuple(1e6 / value for value in cost.values))


def _sum(*costs: Sample) -> Sample:
    return Sample("", tuple(map(sum, zip(*(cost.values for cost in costs), strict=True))))
