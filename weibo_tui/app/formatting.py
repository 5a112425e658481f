"""Safe display of text from outside, colors of labels, and local times."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

from textual.content import Content

from weibo_tui.display_names import label_name
from weibo_tui.storage import codec
from weibo_tui.text.boilerplate import split_forwarded
from weibo_tui.text.terminal import sanitize, truncate_cells

# A label without a color of its own has one by its position among the labels, so that it is the same everywhere.
LABEL_COLORS = ("$label-1", "$label-2", "$label-3", "$label-4", "$label-5", "$label-6")
SIGNS = {"positive": "▲", "negative": "▼"}
_QUOTE_CELLS = 40
_COLORS = {"positive": "$positive", "negative": "$negative", "neutral": "$text-muted"}


def safe_content(text: str, style: str = "") -> Content:
    """Return text from outside as content: no markup is parsed, and control characters are shown."""
    shown = sanitize(text).expandtabs(4)  # widgets do not know the width of a tab
    return Content(shown) if not style else Content.styled(shown, style)


def safe_line(text: str, style: str = "") -> Content:
    """Return text from outside as one line: line breaks and tabs become spaces."""
    return safe_content(" ".join(text.split()), style)


def post_content(post: str) -> Content:
    """Return a post as content: the author's own words first, then what is forwarded, muted."""
    own, forwarded = split_forwarded(post)
    return Content.assemble(safe_content(own), safe_content(forwarded, "$text-muted"))


def quote(text: str) -> str:
    """Return the beginning of a text as one line, for a question or a message."""
    return truncate_cells(safe_line(text[: 4 * _QUOTE_CELLS]).plain, _QUOTE_CELLS)


def label_color(label: str, labels: Sequence[str]) -> str:
    """Return the theme's color of `label`, one of `labels`."""
    if label in _COLORS:
        return _COLORS[label]
    return LABEL_COLORS[labels.index(label) % len(LABEL_COLORS)] if label in labels else "$text"


def label_content(label: str, labels: Sequence[str], uncertain: bool = False) -> Content:
    """Return a label with its sign, which identifies it without color. An uncertain one gets `?`."""
    sign = "?" if uncertain else SIGNS.get(label, "●")
    return safe_line(f"{sign} {label_name(label)}", f"bold {label_color(label, labels)}")


def bar(share: float, width: int, color: str) -> Content:
    """Return a bar of `width` cells with `share` of them filled, to half a cell."""
    full, half = divmod(round(_clamp(share) * width * 2), 2)
    filled = "━" * full + "╸" * half
    return Content.assemble((filled, color), ("·" * (width - len(filled)), "$text-disabled"))


def join_fitting(parts: Iterable[Content], width: int) -> Content:
    """Join as many of the first parts as fit into one line."""
    return next(wrap_parts(parts, width), Content(""))


def wrap_parts(parts: Iterable[Content], width: int) -> Iterator[Content]:
    """Yield lines, each of as many parts as fit."""
    line: list[Content] = []
    for part in parts:
        if line and sum(item.cell_length + 2 for item in line) + part.cell_length > width:
            yield Content("  ").join(line)
            line = []
        line.append(part)
    if line:
        yield Content("  ").join(line)


def _clamp(share: float) -> float:
    return 0.0 if math.isnan(share) else min(max(share, 0.0), 1.0)


def local_time(timestamp: str, seconds: bool = False) -> str:
    """Return a timestamp (ISO-8601, UTC) in local time, or unchanged if it is invalid."""
    local = codec.local_time(timestamp)
    if local == timestamp:
        return sanitize(timestamp)
    return local if seconds else local[: -len(":00")]
