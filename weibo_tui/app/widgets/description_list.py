"""Names with their values, one below the other: what a card says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from textual.content import Content

from weibo_tui.app.widgets.responsive_text import ResponsiveText

GAP = 2
SLIMMEST_VALUE = 24
"""Cells: with fewer beside its name, a value goes below it."""


@dataclass(frozen=True, slots=True)
class DescriptionItem:
    """A value with its name. Without a value it is a heading, without a name a line that takes the whole width."""

    name: str = ""
    value: Content | None = None


class DescriptionList(ResponsiveText):
    """Facts as wide as they are shown: names in a column, values wrapped beside them."""

    def __init__(self, facts: Sequence[DescriptionItem]) -> None:
        names = max((cell_len(fact.name) for fact in facts if fact.value is not None), default=0) + GAP
        super().__init__(lambda width: (line for fact in facts for line in _lines(fact, names, width)))


def _lines(fact: DescriptionItem, names: int, width: int) -> Iterator[Content]:
    if fact.value is None:
        yield from Content.styled(fact.name, "bold $primary").wrap(width)
    elif not fact.name:
        yield from fact.value.wrap(width)
    elif width - names < SLIMMEST_VALUE:
        yield Content.styled(fact.name, "$text-muted")
        for line in fact.value.wrap(max(1, width - GAP)):
            yield Content.assemble(" " * GAP, line)
    else:
        name = Content.styled(fact.name + " " * (names - cell_len(fact.name)), "$text-muted")
        for number, line in enumerate(fact.value.wrap(width - names)):
            yield Content.assemble(" " * names if number else name, line)
