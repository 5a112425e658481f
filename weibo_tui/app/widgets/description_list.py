"""A list of names and values, as on a model card."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from textual.content import Content

from weibo_tui.app.widgets.responsive_text import ResponsiveText

GAP = 2
MIN_VALUE_WIDTH = 24
"""Cells. A value with less room next to its name goes below it."""


@dataclass(frozen=True, slots=True)
class DescriptionItem:
    """A name and a value. Without a value it is a heading, without a name a line of full width.

    `lines` returns lines that are laid out for a width, in place of both."""

    name: str = ""
    value: Content | None = None
    lines: Callable[[int], Iterable[Content]] | None = None


class DescriptionList(ResponsiveText):
    """Names in one column, and wrapped values next to them."""

    def __init__(self, items: Sequence[DescriptionItem]) -> None:
        names = max((cell_len(item.name) for item in items if item.value is not None), default=0) + GAP
        super().__init__(lambda width: (line for item in items for line in _lines(item, names, width)))


def _lines(item: DescriptionItem, names: int, width: int) -> Iterator[Content]:
    if item.lines is not None:
        yield from item.lines(width)
    elif item.value is None:
        yield from Content.styled(item.name, "bold $primary").wrap(width)
    elif not item.name:
        yield from item.value.wrap(width)
    elif width - names < MIN_VALUE_WIDTH:
        yield Content.styled(item.name, "$text-muted")
        for line in item.value.wrap(max(1, width - GAP)):
            yield Content.assemble(" " * GAP, line)
    else:
        name = Content.styled(item.name + " " * (names - cell_len(item.name)), "$text-muted")
        for number, line in enumerate(item.value.wrap(width - names)):
            yield Content.assemble(" " * names if number else name, line)
