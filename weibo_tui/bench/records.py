"""A history as large as one gets, and the questions that its screen asks."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np

from weibo_tui.app.history.window import PAGE, load_around, load_newest, load_oldest
from weibo_tui.bench.measuring import Measured
from weibo_tui.bench.posts import FIRST, LAST, lengths
from weibo_tui.progress import Progress
from weibo_tui.storage.codec import timestamp
from weibo_tui.storage.history import EVERYTHING, Analysis, HistoryFilter
from weibo_tui.workbench import Workbench

# Words of 2 to 4 characters in turn. The commonest is in a fifth of the posts, the others the rarer the further
# behind they stand, as in any language.
VOCABULARY = 20_000
FLATTENED = 20
AT_ONCE = 10_000
"""Analyses that are kept in one transaction."""
RARE_IN = 10_000
"""One of so many posts holds the rare word."""
RARE = "龘靐齉"
BEGAN = datetime(2024, 1, 1, tzinfo=UTC)

T = TypeVar("T")


def words() -> list[str]:
    """Made-up words, the commonest first."""
    characters = np.random.default_rng(1).integers(FIRST, LAST, (VOCABULARY, 4))
    return ["".join(map(chr, row[: 2 + index % 3])) for index, row in enumerate(characters)]


def questions() -> dict[str, HistoryFilter]:
    """What is asked of the history, by name."""
    two, three = words()[:2]
    return {
        "filter": HistoryFilter(label="negative", confidence_from=0.5, confidence_to=0.55),
        "common": HistoryFilter(text=three),
        "rare": HistoryFilter(text=RARE),
        "two": HistoryFilter(text=two),
    }


def fill(home: Path, number: int) -> Generator[Progress, None, None]:
    """Keep so many analyses in the history of `home`, a minute apart, through the storage's own ways."""
    chances = np.cumsum(1 / (np.arange(VOCABULARY) + FLATTENED))
    chances /= chances[-1]
    vocabulary, sizes, draw = words(), lengths(number), np.random.default_rng(2)
    with Workbench.open(home) as bench:
        for begin in range(0, number, AT_ONCE):
            yield Progress("writing", begin, number)
            end = min(begin + AT_ONCE, number)
            shares = draw.random((end - begin, 2))
            analyses = []
            for index, (lot, share) in enumerate(shares.tolist(), begin):
                size = int(sizes[index])
                drawn = np.searchsorted(chances, draw.random(size // 2 + 1))
                text = "".join([vocabulary[one] for one in drawn])[:size]
                analyses.append(_analysis(index, text + RARE * (index % RARE_IN == 0), lot < 0.5, 1 - 0.5 * share**3))
            bench.history.add(analyses)
    yield Progress("writing", number, number)


def _analysis(index: int, text: str, positive: bool, confidence: float) -> Analysis:
    probability = confidence if positive else 1 - confidence
    return Analysis(
        text=text,
        label="positive" if positive else "negative",
        confidence=confidence,
        probabilities={"negative": 1 - probability, "positive": probability},
        uncertain=confidence < 0.75,
        adapter="weibo",
        truncated=False,
        characters=len(text),
        characters_read=len(text),
        milliseconds=3.0,
        created_at=timestamp(BEGAN + timedelta(minutes=index)),
        source="app",
    )


def call(home: str) -> Measured:
    """Milliseconds until the history of `home` is open, and until each page that the screen shows is there: newest,
    middle, oldest, and by name the `questions`; and of these `<name> counted` and `<name> found`, their number."""
    found: dict[str, float] = {}

    def timed(name: str, question: Callable[[], T]) -> T:
        began = time.perf_counter()
        answer = question()
        found[name] = 1000 * (time.perf_counter() - began)
        return answer

    began = time.perf_counter()
    with Workbench.open(Path(home)) as bench:
        history = bench.history
        found["open"] = 1000 * (time.perf_counter() - began)
        last = timed("newest", partial(load_newest, history, EVERYTHING)).entries[0]
        assert last.id is not None  # it is kept
        entry = history.get(last.id // 2)
        timed("middle", partial(load_around, history, entry, EVERYTHING))
        timed("oldest", partial(load_oldest, history, EVERYTHING))
        for name, asked in questions().items():
            page = timed(name, partial(load_newest, history, asked))
            number = timed(f"{name} counted", partial(history.count, asked))
            assert len(page.entries) == min(number, PAGE)
            found[f"{name} found"] = number
    return found
