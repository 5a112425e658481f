"""Audit of labeled files: its figures, and what they mean for a training."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.cells import cell_len
from textual.content import Content
from textual.widgets import Static

from weibo_tui.app.formatting import SIGNS, bar, label_color, label_name, safe_line
from weibo_tui.app.widgets.responsive_text import ResponsiveText
from weibo_tui.locale import gettext as _
from weibo_tui.presentation.numbers import percent
from weibo_tui.text.terminal import sanitize, truncate_cells, wrap_cells

if TYPE_CHECKING:
    from weibo_tui.datasets.auditing import Audit, Emoticons, Lengths

SUGGESTED_DROPOUT = "0.5"
MAX_LABELS = 12
_LABEL_CELLS = 14


def gives_away(emoticons: Emoticons) -> bool:
    """Return whether emoticons alone predict most of the labels that the majority baseline gets wrong."""
    linear, majority = emoticons.linear_accuracy, emoticons.majority
    return linear is not None and majority is not None and linear - majority > 0.5 * (1 - majority)


class AuditView(Static):
    """Figures of an audit."""

    DEFAULT_CSS = "AuditView { height: auto; }"

    def show(self, audit: Audit) -> None:
        self.update(ResponsiveText(lambda width: audit_lines(audit, width)))

    def clear(self) -> None:
        self.update("")


def audit_lines(audit: Audit, width: int) -> Iterator[Content]:
    """Yield the lines of an audit, for a width in cells. A warning comes first, visible without scrolling."""
    heads = (_("Rows"), _("Length"), _("Duplicates"), _("Contradictions"), _("Reposts"), _("Emoticons"))
    first = max(map(cell_len, heads)) + 2

    def row(head: str, text: str) -> Iterator[Content]:
        for number, line in enumerate(wrap_cells(sanitize(text), max(8, width - first))):
            name = "" if number else head
            yield Content.assemble((name + " " * (first - cell_len(name)), "$text-muted"), line)

    emoticons = audit.emoticons
    if gives_away(emoticons):
        yield from _meaning(emoticons, width)
        yield Content("")
    yield from row(heads[0], _rows(audit))
    yield from _labels(audit, width)
    yield from row(heads[1], _lengths(audit.length))
    yield from row(heads[2], _("{number} posts stood there before").format(number=f"{audit.duplicates:,}"))
    if audit.word_duplicates:
        message = _("{number} more with the same words")
        yield from row("", message.format(number=f"{audit.word_duplicates:,}"))
    if audit.near_duplicates:
        yield from row("", _("{number} more nearly equal an earlier post").format(number=f"{audit.near_duplicates:,}"))
    yield from row(heads[3], _("{number} texts have several labels").format(number=f"{audit.contradictions:,}"))
    if audit.word_contradictions > audit.contradictions:
        message = _("{number} counting words alone")
        yield from row("", message.format(number=f"{audit.word_contradictions:,}"))
    yield from row(heads[4], percent(audit.reposts))
    yield from row(heads[5], _("in {share} of the posts").format(share=percent(emoticons.share_with)))
    if emoticons.linear_accuracy is None:
        return
    alone = _("alone they predict {accuracy} of the labels (always the commonest: {majority})")
    yield from row("", alone.format(accuracy=percent(emoticons.linear_accuracy), majority=percent(emoticons.majority)))
    if not gives_away(emoticons):
        yield Content("")
        yield from _meaning(emoticons, width)


def _rows(audit: Audit) -> str:
    parts = [f"{audit.rows:,}"]
    if audit.empty:
        parts.append(_("{number} of them empty").format(number=f"{audit.empty:,}"))
    if audit.unlabelled:
        parts.append(_("{number} without a label").format(number=f"{audit.unlabelled:,}"))
    return ", ".join(parts)


def _labels(audit: Audit, width: int) -> Iterator[Content]:
    labels = list(audit.labels)
    total = sum(audit.labels.values())
    largest = max(audit.labels.values(), default=1)
    for label, count in list(audit.labels.items())[:MAX_LABELS]:
        name = truncate_cells(" ".join(sanitize(label_name(label)).split()), _LABEL_CELLS - 1)
        colour = label_color(label, labels)
        yield Content.assemble(
            (SIGNS.get(label, "●") + " ", colour),
            safe_line(name),
            " " * (_LABEL_CELLS - cell_len(name)),
            f"{count:>9,}  {percent(count / total if total else None):>7}  ",
            bar(count / largest if largest else 0.0, max(4, min(24, width - _LABEL_CELLS - 24)), colour),
        )
    if len(labels) > MAX_LABELS:
        more = _("and {number} labels more").format(number=len(labels) - MAX_LABELS)
        yield Content.styled(more, "$text-muted")


def _lengths(length: Lengths) -> str:
    if length.mean is None or length.median is None or length.max is None:
        return "–"
    text = _("mean {mean}, median {median}, longest {max} characters; {over} over the 126 that 128 tokens hold")
    return text.format(
        mean=f"{length.mean:.0f}", median=f"{length.median:.0f}", max=f"{length.max:,}", over=percent(length.over_126)
    )


def _meaning(emoticons: Emoticons, width: int) -> Iterator[Content]:
    if gives_away(emoticons):
        style = "$text-warning"
        text = _(
            "The emoticons nearly give the labels away, so an adapter may learn them and not the words. An emoticon "
            "dropout of 0.5 shows it half of the posts without: it must learn both."
        )
    else:
        style = "$text-muted"
        text = _("The emoticons do not give the labels away: what it learns, it learns from words.")
    for line in wrap_cells(text, width):
        yield Content.styled(line, style)
