"""What the cards of the conversation are made of: verdicts, counts, paths, and their places in a line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from textual.content import Content

from weibo_tui.app.formatting import bar, label_color, label_content, local_time, percent, safe_content, safe_line
from weibo_tui.locale import gettext as _
from weibo_tui.locale import ngettext
from weibo_tui.storage.history import Analysis
from weibo_tui.text import truncate_cells, visible, wrap_cells

NARROW = 72
"""Cells below which bars are short."""
WIDEST_LABEL = 24

GAP = Content("  ")
DOT = Content.styled(" · ", "$text-disabled")


def flow(parts: Sequence[Content], right: Content, width: int, shorter: Content | None = None) -> list[Content]:
    """`parts` beside each other in as many lines as it takes, and `right` at the end of the last one. Where there is
    no room for it, `shorter` stands there, or else it gets a line of its own."""
    lines: list[Content] = []
    for part in parts:
        if lines and lines[-1].cell_length + 2 + part.cell_length <= width:
            lines[-1] = Content.assemble(lines[-1], GAP, part)
        else:
            lines.append(part)
    room = width - 2 - lines[-1].cell_length if lines else 0
    if right.cell_length > room and shorter is not None and shorter.cell_length <= room:
        right = shorter
    elif right.cell_length > room:
        lines.append(Content(""))
    lines[-1] = Content.assemble(lines[-1], " " * (width - lines[-1].cell_length - right.cell_length), right)
    return lines


def path_lines(sign: str, path: str, width: int) -> list[Content]:
    """A path on as many lines as it needs: cut short, it would be of no use."""
    first, *more = wrap_cells(visible(path), width - 2)
    return [Content.assemble((sign, "$primary"), first), *(Content("  " + line) for line in more)]


def count_parts(counts: Mapping[str, int], failed: int, labels: Sequence[str]) -> list[Content]:
    """What came of many posts: how many of which labels, and how many without one."""
    labels = labels or sorted(counts)
    return [
        *(
            Content.assemble(label_content(label, labels), f" {counts[label]:,}")
            for label in sorted(counts, key=lambda label: -counts[label])
        ),
        *([safe_content(_("{count} without a label").format(count=f"{failed:,}"), "$text-error")] if failed else []),
    ]


def rows_part(rows: int) -> Content:
    return Content.styled(ngettext("{count} row", "{count} rows", rows).format(count=f"{rows:,}"), "bold")


def moment(timestamp: str) -> str:
    """The time of day of a stored moment; with its date where that is not today's."""
    told = local_time(timestamp)
    return told.removeprefix(f"{datetime.now():%Y-%m-%d} ")


def verdict_parts(analysis: Analysis, width: int) -> list[Content]:
    """The verdict, and what is to be known of it."""
    labels = list(analysis.probabilities)
    parts = [share_part(analysis, analysis.label, width)]
    if analysis.uncertain:
        parts.append(safe_content(_("uncertain"), "$text-warning"))
    if analysis.corrected is not None:
        said = _("confirmed") if analysis.corrected == analysis.label else _("corrected:")
        right = Content("") if analysis.corrected == analysis.label else label_content(analysis.corrected, labels)
        parts.append(Content.assemble((said, "$text-muted"), " ", right).rstrip())
    if analysis.truncated:
        read = _("read {read} of {all} characters").format(
            read=f"{analysis.characters_read:,}", all=f"{analysis.characters:,}"
        )
        parts.append(safe_content(read, "$text-muted"))
    return parts


def share_part(analysis: Analysis, label: str, width: int) -> Content:
    """A label, its probability as a bar and in figures: in the same columns for all labels of an adapter."""
    labels = list(analysis.probabilities)
    widest = min(max((label_content(one, labels).cell_length for one in labels), default=0), WIDEST_LABEL)
    colour = label_color(label, labels)
    judged = label == analysis.label
    share = analysis.probabilities.get(label, analysis.confidence or 0.0)
    named = label_content(label, labels, judged and analysis.uncertain)
    if named.cell_length > widest:
        named = Content.styled(truncate_cells(named.plain, widest), f"bold {colour}")
    return Content.assemble(
        named.pad_right(widest - named.cell_length),
        "  ",
        bar(share, 6 if width < NARROW else 10, colour),
        (f" {percent(share):>7}", "bold" if judged else ""),
    )


def time_taken(milliseconds: float) -> str:
    return f"{milliseconds / 1000:.1f} s" if milliseconds >= 1000 else f"{milliseconds:.0f} ms"


def about(*parts: str) -> Content:
    """What stands at the end of a card's line: who judged, how long it took, when."""
    return DOT.join(safe_line(part, "$text-muted") for part in parts if part)
