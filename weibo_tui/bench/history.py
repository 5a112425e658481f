"""How soon the history answers when it is large: opened, paged, filtered and searched as its screen does."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from weibo_tui.bench import records
from weibo_tui.bench.fresh import fresh_folder
from weibo_tui.bench.measuring import BenchmarkOptions, Comparison, Rounds, Target, in_process
from weibo_tui.locale import gettext as _
from weibo_tui.progress import Progress

ROUNDS = 5
BAR = Target(100, at_most=True)  # milliseconds: what a person takes for at once


def measure(wanted: BenchmarkOptions, analyses: int = 1_000_000) -> Iterator[Progress | Comparison]:
    """Milliseconds of each question to a history of so many `analyses`, opened anew in each round. They are made
    first, which takes minutes and about a kilobyte each in the folder for temporary files."""
    with fresh_folder() as home:
        yield from records.fill(home, analyses)
        found = yield from Rounds().run(
            "measuring", {"history": partial(in_process, "history", home=str(home))}, wanted.rounds or ROUNDS
        )
    pages = {
        "open": _("open"),
        "newest": _("first page"),
        "middle": _("page in the middle"),
        "oldest": _("last page"),
    }
    for figure, what in pages.items():
        yield Comparison("history", what, "ms", found.sample("history", figure), bar=BAR, notes={"analyses": analyses})
    questions = {
        "filter": _("filter by label and confidence"),
        "common": _("search for a common word"),
        "rare": _("search for a rare word"),
        "two": _("search for two characters"),
    }
    for figure, what in questions.items():
        notes = {"analyses": analyses, "found": found.sample("history", f"{figure} found").median}
        yield Comparison("history", what, "ms", found.sample("history", figure), bar=BAR, notes=notes)
        # The screen asks for it apart, and its rows do not wait for it.
        counted = found.sample("history", f"{figure} counted")
        yield Comparison("history", _("{question}, counted").format(question=what), "ms", counted, notes=notes)
