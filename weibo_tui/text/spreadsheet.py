"""Text in CSV cells, written so that no spreadsheet takes it for a formula."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from typing import Literal

from weibo_tui.text.cleaning import INVISIBLE

# A spreadsheet may take a cell for a formula also after blanks and after what it drops, such as NUL. East Asian ones
# read full-width signs as the same. Tabs and line ends may separate cells, and may be dropped with what is before them.
# A leading `'` is escaped too, so that the first one is always ours and can be removed again.
_SIGNS = "[=+@＝＋－＠-]"
_FORMULA = re.compile(rf"['\t\r\n]|[\s{INVISIBLE}]*+{_SIGNS}")
# A spreadsheet that splits cells at semicolons, tabs or line ends finds a cell in the middle of a text, and drops its
# quotes. Escapes that are there already are escaped too, so that the first of them is always ours.
_INNER = rf"(?:[^\S\t\r\n]|[{INVISIBLE}\"])*{_SIGNS}"
_INNER_FORMULA = re.compile(rf"(?<=[;\t\r\n])(?='*{_INNER})")
_INNER_ESCAPE = re.compile(rf"(?<=[;\t\r\n])'(?='*{_INNER})")


def escape_formula(cell: str) -> str:
    """Return `cell` with a `'` wherever a spreadsheet may read a formula: at its start, or after a cell separator."""
    inner = _INNER_FORMULA.sub("'", cell)
    return f"'{inner}" if _FORMULA.match(cell) else inner


def unescape_formula(cell: str) -> str:
    """Return the cell that `escape_formula` got. Leave a cell as it is that `escape_formula` did not write."""
    inner = _INNER_ESCAPE.sub("", cell.removeprefix("'"))
    return inner if escape_formula(inner) == cell else cell


def header_quoting(names: Iterable[str]) -> Literal[0, 1]:
    """Return the `csv` quoting mode for a header: plain words stay unquoted."""
    return csv.QUOTE_MINIMAL if all(map(str.isidentifier, names)) else csv.QUOTE_ALL
