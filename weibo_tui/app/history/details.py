"""The details of one history entry."""

from __future__ import annotations

from collections.abc import Iterator

from textual.content import Content

from weibo_tui.app.formatting import bar, label_color, label_content, local_time, safe_content, safe_line
from weibo_tui.app.keymap import bindings
from weibo_tui.app.services.explanations import ExplainedPost
from weibo_tui.app.widgets.columns import Pattern
from weibo_tui.app.widgets.description_list import DescriptionItem
from weibo_tui.app.widgets.details_pane import BAR_CELLS, DetailsPane, line_item, post_items, share_item
from weibo_tui.display_names import source_name
from weibo_tui.locale import N_, ngettext
from weibo_tui.locale import gettext as _
from weibo_tui.presentation.numbers import confidence, number, percent
from weibo_tui.storage.history import Analysis, Entry, LabeledFile
from weibo_tui.workbench.explanation import Explanation


class EntryDetails(DetailsPane[Entry]):
    """One entry in full."""

    BINDINGS = bindings("history_details")
    HELP_TEXT = N_("The full post, its prediction and details. The arrow keys, PgUp and PgDn scroll.")

    def items(self, row: Entry, pattern: Pattern) -> Iterator[DescriptionItem]:
        return _analysis_items(row, pattern, self.explanation) if isinstance(row, Analysis) else _file_items(row)

    def explained_post(self, row: Entry) -> ExplainedPost | None:
        return ExplainedPost(row.text, row.adapter) if isinstance(row, Analysis) and row.error is None else None


def _analysis_items(analysis: Analysis, pattern: Pattern, explanation: Explanation | None) -> Iterator[DescriptionItem]:
    labels = tuple(analysis.probabilities)
    if analysis.error is None:
        predicted = label_content(analysis.label, labels, analysis.uncertain)
        figure = confidence(analysis.confidence, analysis.uncertain)
        yield line_item(Content.assemble(predicted, "  ", (figure, "bold")))
        if analysis.confidence is not None:
            yield line_item(bar(analysis.confidence, BAR_CELLS, label_color(analysis.label, labels)))
    else:
        yield line_item(Content.styled("✗ " + _("failed"), "bold $text-error"))
        yield line_item(safe_content(analysis.error, "$text-error"))
    if analysis.uncertain:
        yield line_item(Content.styled(_("uncertain: below the confidence threshold"), "$text-warning"))
    if analysis.corrected == analysis.label:
        yield line_item(Content(_("confirmed")))
    elif analysis.corrected is not None:
        yield line_item(Content.assemble(_("corrected to"), " ", label_content(analysis.corrected, labels)))
    yield line_item()
    yield from post_items(analysis.text, pattern, explanation)
    yield line_item()
    for label, share in sorted(analysis.probabilities.items(), key=lambda pair: -(pair[1] or 0.0)):
        figure = confidence(share, analysis.uncertain and label == analysis.label)
        yield share_item(label, labels, share, figure)
    yield line_item()
    read = _("{read:,} of {count:,} characters").format(read=analysis.characters_read, count=analysis.characters)
    yield DescriptionItem(_("adapter"), safe_line(analysis.adapter))
    yield DescriptionItem(_("source"), safe_line(source_name(analysis.source)))
    yield DescriptionItem(_("when"), Content(local_time(analysis.created_at, seconds=True)))
    yield DescriptionItem(_("read"), Content.styled(read, "$text-warning" if analysis.truncated else ""))
    yield DescriptionItem(_("duration"), Content(_("{time} ms").format(time=number(analysis.milliseconds, 1))))


def _file_items(file: LabeledFile) -> Iterator[DescriptionItem]:
    yield line_item(Content.styled("▤ " + _("labeled file"), "bold"))
    yield line_item()
    labels = tuple(file.counts)
    for label, count in sorted(file.counts.items(), key=lambda pair: -pair[1]):
        share = count / file.rows if file.rows else None
        yield share_item(label, labels, count / max(file.rows, 1), f"{count:,} · {percent(share)}")
    yield line_item()
    yield DescriptionItem(_("posts"), Content(f"{file.rows:,}"))
    if file.failed:
        failed = ngettext("{count:,} post has no label", "{count:,} posts have no label", file.failed)
        yield DescriptionItem(_("failed"), Content.styled(failed.format(count=file.failed), "$text-error"))
    yield DescriptionItem(_("adapter"), safe_line(file.adapter))
    yield DescriptionItem(_("when"), Content(local_time(file.created_at, seconds=True)))
    yield DescriptionItem(_("file"), safe_line(str(file.path)))
    yield DescriptionItem(_("output"), safe_line(str(file.out)))
