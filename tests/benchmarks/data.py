"""Time what is done with a file before a training: the audit, and reading, splitting and encoding its posts."""

from __future__ import annotations

import csv
import random
import time
from collections import defaultdict
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from benchmarks.runner import BenchmarkOptions, Comparison, Events, Figures, Rounds, Threshold, run_target, temp_folder

from weibo_tui import TrainingConfig, Workbench
from weibo_tui.datasets.auditing import audit
from weibo_tui.engine.events import RunStarted
from weibo_tui.progress import Progress, drain

TRAINING_POSTS, AUDITED_POSTS = 120_000, 86_030
MAX_SECONDS = Threshold(5.0, at_most=True)
STAGES = {"read": ("reading", "hashing"), "group and split": ("grouping", "splitting"), "encode": ("encoding",)}
"""The stages of progress, by what is done to the posts in them."""
CHARACTERS = [chr(code) for code in range(0x4E00, 0x4E00 + 3000)]
EMOTICONS = ("[哈哈]", "[泪]", "[抓狂]", "[嘻嘻]", "[怒]", "[鼓掌]", "😂")
CHANGED_SHARE = 0.2
"""Posts that repeat an earlier one with a few other characters."""


def measure_data(
    options: BenchmarkOptions, training_posts: int = TRAINING_POSTS, audited_posts: int = AUDITED_POSTS
) -> Events:
    """Measure the time to the first step of a training, and that of an audit. Invented posts have names, links, topics
    and emoticons as real ones do. A file of labeled posts in the options is used as it is."""
    with temp_folder() as folder:
        files = {"prepare": options.data, "audit": options.data}
        if options.data is None:
            for target, number in (("prepare", training_posts), ("audit", audited_posts)):
                yield Progress("writing", 0, number)
                files[target] = folder / f"{target}.csv"
                write_posts(folder / f"{target}.csv", number)
        targets = {
            target: partial(run_target, target, home=str(folder / "home"), file=str(file))
            for target, file in files.items()
        }
        rounds = yield from Rounds().run("measuring", targets, options.rounds or 3)
    for target, name in (("prepare", "read, split and encode"), ("audit", "audit")):
        number = round(rounds.sample(target, "posts").median)
        yield Comparison("data", f"{name} {number:,} posts", "s", rounds.sample(target, "seconds"), None, MAX_SECONDS)
    for stage in STAGES:
        yield Comparison("data", stage, "s", rounds.sample("prepare", stage))


def prepare(home: str, file: str) -> Figures:
    """Return the `seconds` until a training on the bundled base starts, those of each of STAGES, and its `posts`.

    The posts are also encoded while they are grouped, so `encode` are the seconds after that."""
    import weibo_tui.engine.training  # noqa: F401 - so that importing torch is not measured

    seconds: defaultdict[str, float] = defaultdict(float)
    posts = 0
    with Workbench(Path(home)) as workbench:
        events = workbench.iter_train(TrainingConfig((Path(file),), "measured", base="starter", overwrite=True))
        began = last = time.perf_counter()
        for event in events:
            now = time.perf_counter()
            seconds[getattr(event, "stage", "")] += now - last
            last = now
            if isinstance(event, RunStarted):
                posts = sum(event.posts.values())
                break
        events.close()
    stages = {name: sum(seconds[part] for part in parts) for name, parts in STAGES.items()}
    return {"seconds": last - began, "posts": posts, **stages}


def time_audit(home: str, file: str) -> Figures:
    """Return the `seconds` of the audit of a file, and its `posts`."""
    began = time.perf_counter()
    figures = drain(audit([Path(file)]))
    return {"seconds": time.perf_counter() - began, "posts": figures.rows}


def write_posts(path: Path, number: int, seed: int = 0) -> None:
    """Write a CSV file of invented posts with the labels 0 and 1."""
    rng = random.Random(seed)
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("label", "review"), *((rng.randrange(2), post) for post in _posts(number, rng))])


def _posts(number: int, rng: random.Random) -> Iterator[str]:
    posts: list[str] = []
    for _index in range(number):
        if posts and rng.random() < CHANGED_SHARE:
            characters = list(rng.choice(posts))
            for _change in range(3):
                characters[rng.randrange(len(characters))] = rng.choice(CHARACTERS)
            post = "".join(characters)
        else:
            post = _post(rng)
        posts.append(post)
        yield post


def _post(rng: random.Random) -> str:
    """Make a post in the proportions of weibo_senti_100k."""

    def text(most: int) -> str:
        return "".join(rng.choices(CHARACTERS, k=rng.randint(2, most)))

    parts = [text(12) + rng.choice("，，，！。？…~") for _clause in range(rng.randint(1, 6))]
    parts.append(rng.choice(EMOTICONS) * rng.randint(1, 3))
    if rng.random() < 0.1:
        parts.insert(0, f"#{text(8)}#")
    if rng.random() < 0.15:
        parts.append(f" http://t.cn/{rng.randrange(16**7):x} ")
    if rng.random() < 0.2:
        parts.append(f" @{text(6)} ")
    for _user in range(rng.choice((0, 0, 0, 1, 1, 2))):
        parts.append(f"//@{text(6)}:{text(20)}{rng.choice(EMOTICONS)}")
    return "".join(parts)
