"""The one way of a text from outside onto the screen, and the words and colours of verdicts."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import datetime

from textual.content import Content

from weibo_tui.locale import gettext as _
from weibo_tui.text import visible

# A label's colour is that of its place among the labels, so that it is the same everywhere and each time.
LABEL_COLORS = ("$label-1", "$label-2", "$label-3", "$label-4", "$label-5", "$label-6")
SIGNS = {"positive": "▲", "negative": "▼"}
_COLORS = {"positive": "$positive", "negative": "$negative"}
NO_FIGURE = "–"


def safe_content(text: str, style: str = "") -> Content:
    """A text from outside, a post, a name, an error, as it is: never read as markup, and acting on no terminal."""
    shown = visible(text).expandtabs(4)  # of a tab, widgets do not know how wide it is
    return Content(shown) if not style else Content.styled(shown, style)


def safe_line(text: str, style: str = "") -> Content:
    """A text from outside for one line: line breaks and tabs become blanks."""
    return safe_content(" ".join(text.split()), style)


def label_color(label: str, labels: Sequence[str]) -> str:
    """The theme's colour of `label`, which is one of `labels`."""
    if label in _COLORS:
        return _COLORS[label]
    return LABEL_COLORS[labels.index(label) % len(LABEL_COLORS)] if label in labels else "$text"


def label_name(label: str) -> str:
    """A label as a person reads it: the two that every data set of 0 and 1 has, in their language."""
    return {"positive": _("positive"), "negative": _("negative")}.get(label, label)


def label_content(label: str, labels: Sequence[str], uncertain: bool = False) -> Content:
    """A label with its sign, which tells it without colour too; `?` stands before an uncertain one."""
    sign = "?" if uncertain else SIGNS.get(label, "●")
    return safe_line(f"{sign} {label_name(label)}", f"bold {label_color(label, labels)}")


def bar(share: float, width: int, color: str) -> Content:
    """`share` of `width` cells filled, to half a cell."""
    whole, half = divmod(round(_within_one(share) * width * 2), 2)
    filled = "━" * whole + "╸" * half
    return Content.assemble((filled, color), ("·" * (width - len(filled)), "$text-disabled"))


def join_fitting(parts: Iterable[Content], width: int) -> Content:
    """As many of the parts as have room in one line, the first ones."""
    kept: list[Content] = []
    for part in parts:
        if kept and sum(one.cell_length + 2 for one in kept) + part.cell_length > width:
            break
        kept.append(part)
    return Content("  ").join(kept)


def _within_one(share: float) -> float:
    return 0.0 if math.isnan(share) else min(max(share, 0.0), 1.0)


def percent(share: float | None, digits: int = 1) -> str:
    return NO_FIGURE if share is None or not math.isfinite(share) else f"{100 * share:.{digits}f} %"


def number(value: float | None, digits: int = 3) -> str:
    return NO_FIGURE if value is None or not math.isfinite(value) else f"{value:,.{digits}f}"


def duration(seconds: float) -> str:
    """`0:07`, `12:30`, `3:04:05`."""
    if not math.isfinite(seconds):
        return NO_FIGURE
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def size(count: float) -> str:
    """Bytes in the unit that leaves one to three digits before the point."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 999.95 or unit == "GB":
            break
        count /= 1000
    return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"


def local_time(timestamp: str, seconds: bool = False) -> str:
    """A stored moment (ISO-8601, UTC) on the clock of this machine; as it is where it is none."""
    try:
        moment = datetime.fromisoformat(timestamp).astimezone()
    except (ValueError, OverflowError):
        return visible(timestamp)
    return f"{moment:%Y-%m-%d %H:%M:%S}" if seconds else f"{moment:%Y-%m-%d %H:%M}"
