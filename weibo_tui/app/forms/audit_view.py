"""What an audit of labelled files found, and what it means for a training."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from textual.content import Content
from textual.widgets import Static

from weibo_tui.app.formatting import SIGNS, bar, label_color, label_name, percent, safe_line
from weibo_tui.app.widgets.responsive_text import ResponsiveText
from weibo_tui.locale import gettext as _
from weibo_tui.text import cell_width, truncate_cells, visible, wrap_cells

if TYPE_CHECKING:
    from weibo_tui.datasets.auditing import Audit, Emoticons, Lengths

SUGGESTED_DROPOUT = "0.5"
MOST_LABELS = 12
_LABEL_CELLS = 14


def gives_away(emoticons: Emoticons) -> bool:
    """Whether emoticons alone tell most of what the commonest label does not."""
    linear, majority = emoticons.linear_accuracy, emoticons.majority
    return linear is not None and majority is not None and linear - majority > 0.5 * (1 - majority)


class AuditView(Static):
    """The figures of an audit."""

    DEFAULT_CSS = "AuditView { height: auto; }"

    def show(self, audit: Audit) -> None:
        self.update(ResponsiveText(lambda width: audit_lines(audit, width)))

    def clear(self) -> None:
        self.update("")


def audit_lines(audit: Audit, width: int) -> Iterator[Content]:
    """The lines of an audit, for a width in cells. A warning comes first, where it is seen without scrolling."""
    heads = (_("Rows"), _("Length"), _("Duplicates"), _("Contradictions"), _("Reposts"), _("Emoticons"))
    first = max(map(cell_width, heads)) + 2

    def told(head: str, text: str) -> Iterator[Content]:
        for number, line in enumerate(wrap_cells(visible(text), max(8, width - first))):
            name = "" if number else head
            yield Content.assemble((name + " " * (first - cell_width(name)), "$text-muted"), line)

    emoticons = audit.emoticons
    if gives_away(emoticons):
        yield from _meaning(emoticons, width)
        yield Content("")
    yield from told(heads[0], _rows(audit))
    yield from _labels(audit, width)
    yield from told(heads[1], _lengths(audit.length))
    yield from told(heads[2], _("{number} posts stood there before").format(number=f"{audit.duplicates:,}"))
    if audit.word_duplicates:
        message = _("{number} more with the same words")
        yield from told("", message.format(number=f"{audit.word_duplicates:,}"))
    if audit.near_duplicates:
        yield from told("", _("{number} more nearly equal an earlier post").format(number=f"{audit.near_duplicates:,}"))
    yield from told(heads[3], _("{number} texts have several labels").format(number=f"{audit.contradictions:,}"))
    if audit.word_contradictions > audit.contradictions:
        message = _("{number} counting words alone")
        yield from told("", message.format(number=f"{audit.word_contradictions:,}"))
    yield from told(heads[4], percent(audit.reposts))
    yield from told(heads[5], _("in {share} of the posts").format(share=percent(emoticons.share_with)))
    if emoticons.linear_accuracy is None:
        return
    alone = _("alone they predict {accuracy} of the labels (always the commonest: {majority})")
    yield from told("", alone.format(accuracy=percent(emoticons.linear_accuracy), majority=percent(emoticons.majority)))
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
    whole = sum(audit.labels.values())
    most = max(audit.labels.values(), default=1)
    for label, count in list(audit.labels.items())[:MOST_LABELS]:
        name = truncate_cells(" ".join(visible(label_name(label)).split()), _LABEL_CELLS - 1)
        colour = label_color(label, labels)
        yield Content.assemble(
            (SIGNS.get(label, "●") + " ", colour),
            safe_line(name),
            " " * (_LABEL_CELLS - cell_width(name)),
            f"{count:>9,}  {percent(count / whole if whole else None):>7}  ",
            bar(count / most if most else 0.0, max(4, min(24, width - _LABEL_CELLS - 24)), colour),
        )
    if len(labels) > MOST_LABELS:
        more = _("and {number} labels more").format(number=len(labels) - MOST_LABELS)
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
