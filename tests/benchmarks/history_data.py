"""Write a very large history, and time the queries of its screen."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
from benchmarks.runner import Figures

from weibo_tui import Workbench
from weibo_tui.app.history.window import PAGE, load_around, load_first, load_last
from weibo_tui.progress import Progress
from weibo_tui.storage.codec import timestamp
from weibo_tui.storage.history import EVERYTHING, NEWEST_FIRST, Analysis, HistoryFilter, HistoryOrder
from weibo_tui.workbench.benchmark import FIRST_CHARACTER, LAST_CHARACTER, sample_lengths

# Words of 2 to 4 characters in turn, with Zipf's frequencies: the most common is in a fifth of the posts.
VOCABULARY_SIZE = 20_000
ZIPF_OFFSET = 20
TRANSACTION_SIZE = 10_000
RARE_WORD = "龘靐齉"
RARE_WORD_EVERY = 10_000
START = datetime(2024, 1, 1, tzinfo=UTC)

T = TypeVar("T")


def words() -> list[str]:
    """Make up words, the most common first."""
    characters = np.random.default_rng(1).integers(FIRST_CHARACTER, LAST_CHARACTER, (VOCABULARY_SIZE, 4))
    return ["".join(map(chr, row[: 2 + index % 3])) for index, row in enumerate(characters)]


def filters() -> dict[str, HistoryFilter]:
    """Return the filters to time, by name."""
    two, three = words()[:2]
    return {
        "filter": HistoryFilter(label="negative", confidence_from=0.5, confidence_to=0.55),
        "common": HistoryFilter(text=three),
        "rare": HistoryFilter(text=RARE_WORD),
        "two": HistoryFilter(text=two),
    }


def fill(home: Path, number: int) -> Generator[Progress, None, None]:
    """Add `number` analyses to the history of `home`, a minute apart."""
    chances = np.cumsum(1 / (np.arange(VOCABULARY_SIZE) + ZIPF_OFFSET))
    chances /= chances[-1]
    vocabulary, sizes, random = words(), sample_lengths(number), np.random.default_rng(2)
    with Workbench(home) as workbench:
        for begin in range(0, number, TRANSACTION_SIZE):
            yield Progress("writing", begin, number)
            end = min(begin + TRANSACTION_SIZE, number)
            shares = random.random((end - begin, 2))
            analyses = []
            for index, (positive, share) in enumerate(shares.tolist(), begin):
                size = int(sizes[index])
                drawn = np.searchsorted(chances, random.random(size // 2 + 1))
                text = "".join([vocabulary[one] for one in drawn])[:size]
                analyses.append(
                    _analysis(
                        index, text + RARE_WORD * (index % RARE_WORD_EVERY == 0), positive < 0.5, 1 - 0.5 * share**3
                    )
                )
            workbench.history.add(analyses)
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
        created_at=timestamp(START + timedelta(minutes=index)),
        source="app",
    )


def query(home: str) -> Figures:
    """Return the milliseconds to open the history of `home` and to load the pages `newest`, `middle` and
    `oldest`, those sorted by another column, and of each
    filter: its first page, `<name> count`, and the number of `<name> matches`."""
    figures: dict[str, float] = {}

    def timed(name: str, call: Callable[[], T]) -> T:
        began = time.perf_counter()
        result = call()
        figures[name] = 1000 * (time.perf_counter() - began)
        return result

    began = time.perf_counter()
    with Workbench(Path(home)) as workbench:
        history = workbench.history
        figures["open"] = 1000 * (time.perf_counter() - began)
        last = timed("newest", partial(load_first, history, EVERYTHING, NEWEST_FIRST)).entries[0]
        assert last.id is not None
        entry = history.get(last.id // 2)
        timed("middle", partial(load_around, history, entry, EVERYTHING, NEWEST_FIRST))
        timed("oldest", partial(load_last, history, EVERYTHING, NEWEST_FIRST))
        for column in ("confidence", "label", "text"):
            order = HistoryOrder(column)
            timed(f"by {column}", partial(load_around, history, entry, EVERYTHING, order))
            timed(f"by {column}, filtered", partial(load_first, history, HistoryFilter(uncertain=True), order))
        for name, selection in filters().items():
            page = timed(name, partial(load_first, history, selection, NEWEST_FIRST))
            number = timed(f"{name} count", partial(history.count, selection))
            assert len(page.entries) == min(number, PAGE)
            figures[f"{name} matches"] = number
    return figures
