"""Documents as Markdown, with tables as GitHub, Jupyter and Pandoc read them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from weibo_tui.presentation.publication.parts import Facts, Part, Table
from weibo_tui.text.terminal import sanitize

# All that begins a link, a picture, an emphasis, a tag, an entity, code, mathematics, a mention or a cell.
_ACTIVE = re.compile(r"([\\`*_{}\[\]<>#|~$&!@])")


def render(title: str, parts: Iterable[Part]) -> str:
    """Return a document as Markdown, without its pictures."""
    return f"# {escape(title)}\n\n" + "\n".join(_parts(parts))


def escape(text: str) -> str:
    """Return a text on one line that Markdown shows as it is."""
    return _ACTIVE.sub(r"\\\1", " ".join(sanitize(text).split()))


def _parts(parts: Iterable[Part]) -> Iterator[str]:
    for part in parts:
        if isinstance(part, Table):
            yield _table(part)
        elif isinstance(part, Facts):
            yield "".join(f"- {escape(name)}: {escape(value)}\n" for name, value in part.pairs)
        elif isinstance(part, str):
            yield escape(part) + "\n"


def _table(table: Table) -> str:
    rules = ["---", *("---:" for _name in table.header[1:])]
    lines = [[*map(escape, table.header)], rules, *([*map(escape, row)] for row in table.rows)]
    title = f"## {escape(table.title)}\n\n" if table.title else ""
    return title + "".join(f"| {' | '.join(cells)} |\n" for cells in lines)
