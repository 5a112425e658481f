"""Cost of labeling many posts: the stages of the work, their shares, and the bottleneck at each size."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import stocked
import torch
from benchmarks.labeling_stages import FILE_STAGES, MODEL_STAGES
from benchmarks.posts import FORMATS, take_posts, write_tables
from benchmarks.runner import BenchmarkOptions, Comparison, Rounds, Sample, run_target, temp_folder

from weibo_tui.progress import Progress

Events = Iterator[Progress | Comparison]

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
    costs: dict[str, ModelCosts] = {}
    with temp_folder() as folder:
        yield Progress("writing", 0, rows)
        write_tables(folder / "files", take_posts(options.data, rows))
        target = partial(run_target, "file stages", folder=str(folder / "files"))
        rounds = yield from Rounds().run("files", {"files": target}, options.rounds or 3)
        for name in FORMATS:
            files[name] = {stage: rounds.sample("files", f"{name} {stage}", "") for stage in FILE_STAGES}
            yield from _rates(f"{name}, one core", files[name])
        for model, posts in models.items():
            costs[model] = yield from _measure_model(options, folder / model, model, posts)
            for name in FORMATS:
                yield from _shares(f"{model}, {name}", {**files[name], **costs[model].stages}, costs[model].whole[name])
    yield from _find_limits(files, costs)
    if LARGE in costs:
        yield from _cost_of_cards(options, files, costs[LARGE])


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
    rest = _sum({"whole": whole, **{stage: cost.scale(-1) for stage, cost in stages.items()}})
    for stage, cost in {**stages, "rest": rest}.items():
        share = tuple(100 * part / total for part, total in zip(cost.values, whole.values, strict=True))
        yield Comparison("scale", f"{name}: share of {stage}", "%", Sample("", share))


def _hours(name: str, unit: str, cost: Sample, baseline: Sample | None = None) -> Iterator[Comparison]:
    """Yield the hours that each number of posts takes, from the microseconds of a post."""
    for label, posts in SIZES.items():
        factor = posts / 3.6e9
        hours, compared = cost.scale(factor), baseline and baseline.scale(factor)
        yield Comparison("scale", f"{name}: {label} posts", unit, hours, compared)


def _find_limits(files: Mapping[str, Costs], costs: Mapping[str, ModelCosts]) -> Iterator[Comparison]:
    """Compare the reader of one file with what it feeds: the ratio is the number of cores, or of cards, that keep
    pace with it."""
    for name, stages in files.items():
        reader = _rate(stages["reading"])
        for model, cost in costs.items():
            yield Comparison(
                "scale", f"reader of one {name} file", "posts/s", reader, _rate(cost.whole[name], f"a core, {model}")
            )
        passes = _sum({stage: stages[stage] for stage in ("counting", "reading")})
        yield from _hours(f"counting and reading one {name} file", "hours", passes)


def _cost_of_cards(options: BenchmarkOptions, files: Mapping[str, Costs], large: ModelCosts) -> Events:
    """Yield the hours of a card, and what it needs of the cores next to it."""
    number = len(large.whole["csv"].values)
    if torch.cuda.is_available():
        target = partial(run_target, "predict", base="", dtype="bfloat16", number=CARD_POSTS)
        rounds = yield from Rounds().run("card", {"card": target}, number)
        card = rounds.sample("card", "rate", "a card, measured")
    else:
        card = Sample("a card, estimated", (ESTIMATED_CARD_RATE,) * number)
    yield from _hours(f"{LARGE}, {card.name}", "card-hours", _rate(card))
    for name, stages in files.items():
        yield Comparison("scale", f"reader of one {name} file", "posts/s", _rate(stages["reading"]), card)
        # A process of one core and one card does the stages in turn.
        prepared = {**stages, **large.stages, "counting": large.stages["computing"].scale(0)}
        prepared["computing"] = _rate(card)
        yield Comparison("scale", f"{LARGE}, {name}: one core and one card", "posts/s", _rate(_sum(prepared)), card)


def _rate(cost: Sample, name: str = "") -> Sample:
    """Convert microseconds a post to posts a second, or back."""
    return Sample(name, tuple(1e6 / value for value in cost.values))


def _sum(costs: Costs) -> Sample:
    return Sample("", tuple(map(sum, zip(*(cost.values for cost in costs.values()), strict=True))))
