"""The lines of an audit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.cells import cell_len
from textual.content import Content

from weibo_tui.app.explanation import in_app_terms
from weibo_tui.app.formatting import SIGNS, bar, label_color, safe_line
from weibo_tui.datasets.label_map import score_hint
from weibo_tui.display_names import label_name
from weibo_tui.locale import gettext as _
from weibo_tui.locale import join_list
from weibo_tui.presentation.labels import labels_read_as
from weibo_tui.presentation.numbers import percent
from weibo_tui.text.terminal import sanitize, truncate_cells, wrap_cells

if TYPE_CHECKING:
    from weibo_tui.datasets.auditing import Audit, Emoticons, Lengths

MAX_LABELS = 12
_LABEL_CELLS = 14


def gives_away(emoticons: Emoticons) -> bool:
    """Return whether emoticons alone predict most of the labels that the majority baseline gets wrong."""
    linear, majority = emoticons.linear_accuracy, emoticons.majority
    return linear is not None and majority is not None and linear - majority > 0.5 * (1 - majority)


def audit_lines(audit: Audit, width: int) -> Iterator[Content]:
    """Yield the lines of an audit, for a width in cells. A warning comes first, visible without scrolling."""
    from weibo_tui.datasets.auditing import MIN_LABELED, TOO_FEW_LABELED

    heads = (
        *(_("Rows"), _("Length"), _("Duplicates"), _("Conflicting labels"), _("Reposts"), _("Emoticons")),
        _("Labels"),
    )
    first = max(map(cell_len, heads)) + 2

    def row(head: str, text: str) -> Iterator[Content]:
        for number, line in enumerate(wrap_cells(sanitize(text), max(8, width - first))):
            name = "" if number else head
            yield Content.assemble((name + " " * (first - cell_len(name)), "$text-muted"), line)

    emoticons = audit.emoticons
    if gives_away(emoticons):
        yield from _meaning_lines(emoticons, width)
        yield Content("")
    yield from row(heads[0], _row_counts(audit))
    if audit.labels_read_as:
        yield from row(heads[6], labels_read_as(audit.labels_read_as))
    if hint := score_hint(audit.labels):
        yield from (Content.styled(line, "$text-warning") for line in wrap_cells(in_app_terms(hint), width))
    yield from _label_lines(audit, width)
    yield from row(heads[1], _length_text(audit.length))
    yield from row(heads[2], f"{audit.duplicates:,}")
    if audit.word_duplicates:
        message = _("{number} more with the same words")
        yield from row("", message.format(number=f"{audit.word_duplicates:,}"))
    if audit.near_duplicates:
        yield from row("", _("{number} near-duplicates").format(number=f"{audit.near_duplicates:,}"))
    yield from row(heads[3], f"{audit.contradictions:,}")
    if audit.word_contradictions > audit.contradictions:
        message = _("{number} with conflicting labels by words only")
        yield from row("", message.format(number=f"{audit.word_contradictions:,}"))
    yield from row(heads[4], percent(audit.reposts))
    yield from row(heads[5], _("in {share} of the posts").format(share=percent(emoticons.share_with)))
    if emoticons.linear_accuracy is None:
        if 0 < sum(audit.labels.values()) < MIN_LABELED:
            yield from row("", _(TOO_FEW_LABELED))
        return
    alone = _("emoticons alone predict {accuracy} of the labels (majority baseline: {majority})")
    yield from row("", alone.format(accuracy=percent(emoticons.linear_accuracy), majority=percent(emoticons.majority)))
    if not gives_away(emoticons):
        yield Content("")
        yield from _meaning_lines(emoticons, width)


def _row_counts(audit: Audit) -> str:
    parts = [f"{audit.rows:,}"]
    if audit.empty:
        parts.append(_("{number} empty").format(number=f"{audit.empty:,}"))
    if audit.unlabelled:
        parts.append(_("{number} unlabeled").format(number=f"{audit.unlabelled:,}"))
    if audit.several_labels:
        parts.append(_("{number} with several labels").format(number=f"{audit.several_labels:,}"))
    if audit.dropped:
        parts.append(_("{number} dropped").format(number=f"{audit.dropped:,}"))
    return join_list(parts)


def _label_lines(audit: Audit, width: int) -> Iterator[Content]:
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
        more = _("and {number} more labels").format(number=len(labels) - MAX_LABELS)
        yield Content.styled(more, "$text-muted")


def _length_text(length: Lengths) -> str:
    if length.mean is None or length.median is None or length.max is None:
        return "–"
    text = _(
        "mean {mean}, median {median}, longest {max} characters; {over} over 126, the most that fit into 128 tokens"
    )
    return text.format(
        mean=f"{length.mean:.0f}", median=f"{length.median:.0f}", max=f"{length.max:,}", over=percent(length.over_126)
    )


def _meaning_lines(emoticons: Emoticons, width: int) -> Iterator[Content]:
    if gives_away(emoticons):
        style = "$text-warning"
        text = _(
            "Emoticons alone nearly predict the labels, so an adapter may learn only emoticons. An emoticon "
            "dropout of 0.5 removes them from half of the posts, so that it learns words too."
        )
    else:
        style = "$text-muted"
        text = _("Emoticons alone do not predict the labels, so the adapter learns from words.")
    for line in wrap_cells(text, width):
        yield Content.styled(line, style)
