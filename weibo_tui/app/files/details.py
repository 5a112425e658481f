"""The details of one row of a file: the post, its labels, and all other cells."""

from __future__ import annotations

from collections.abc import Iterator

from textual.content import Content

from weibo_tui.app.files.columns import human_content, prediction_content
from weibo_tui.app.formatting import bar, label_color, safe_content, safe_line
from weibo_tui.app.keymap import bindings
from weibo_tui.app.services.explanations import ExplainedPost
from weibo_tui.app.widgets.columns import Pattern
from weibo_tui.app.widgets.description_list import DescriptionItem
from weibo_tui.app.widgets.details_pane import BAR_CELLS, DetailsPane, line_item, post_items, share_item
from weibo_tui.locale import N_
from weibo_tui.locale import gettext as _
from weibo_tui.presentation.numbers import confidence
from weibo_tui.workbench.opened_file import FileRow

_MAX_CELL = 1_000
"""Characters of a cell that are shown."""
_SOURCES = {
    "answer": N_("answered here"),
    "file": N_("from the file"),
    "text": N_("from an earlier version of the file"),
}
_PURPOSES = {"sample": N_("random sample"), "teach": N_("for training"), "correction": N_("correction")}


class FileRowDetails(DetailsPane[FileRow]):
    """One row in full. `labels` are those of the file in order, `uncertain_below` is the confidence threshold, and
    `adapter` explains the post."""

    BINDINGS = bindings("file_details")
    HELP_TEXT = N_("The full post, its labels and all cells of the row. The arrow keys, PgUp and PgDn scroll.")

    def __init__(self, labels: tuple[str, ...] = (), uncertain_below: float = 0.0) -> None:
        super().__init__()
        self.labels = labels
        self.uncertain_below = uncertain_below
        self.adapter = ""

    def explained_post(self, row: FileRow) -> ExplainedPost | None:
        return ExplainedPost(row.text, self.adapter) if self.adapter and row.text.strip() else None

    def items(self, row: FileRow, pattern: Pattern) -> Iterator[DescriptionItem]:
        uncertain = row.confidence is not None and row.confidence < self.uncertain_below
        if row.error:
            yield line_item(Content.styled("✗ " + _("failed"), "bold $text-error"))
            yield line_item(safe_content(row.error[:_MAX_CELL], "$text-error"))
        elif row.predicted is not None:
            predicted = prediction_content(row, self.labels, uncertain)
            figure = "" if row.confidence is None else confidence(row.confidence, uncertain)
            yield line_item(Content.assemble(predicted, "  ", (figure, "bold")))
            if row.confidence is not None:
                yield line_item(bar(row.confidence, BAR_CELLS, label_color(row.predicted, self.labels)))
        if uncertain:
            yield line_item(Content.styled(_("uncertain: below the confidence threshold"), "$text-warning"))
        yield from self._human_items(row)
        yield line_item()
        yield from post_items(row.text, pattern, self.explanation)
        yield line_item()
        if row.probabilities:
            for label, share in sorted(row.probabilities.items(), key=lambda pair: -pair[1]):
                yield share_item(label, self.labels, share, confidence(share, uncertain and label == row.predicted))
            yield line_item()
        if self.explanation is not None:
            yield DescriptionItem(_("explained with"), safe_line(self.adapter))
        yield DescriptionItem(_("row"), Content(f"{row.number:,}"))
        if row.count > 1:
            yield DescriptionItem(_("same text"), Content(_("{count:,} rows").format(count=row.count)))
        if row.date and not any(cell.startswith(row.date) for cell in row.cells.values()):
            yield DescriptionItem(_("date"), Content(row.date))
        for name, cell in row.cells.items():
            if cell.strip():
                yield DescriptionItem(safe_content(name).plain, safe_content(cell[:_MAX_CELL]))

    def _human_items(self, row: FileRow) -> Iterator[DescriptionItem]:
        if row.human is not None:
            source = " · ".join(
                _(words) for words in (_SOURCES.get(row.human_source or ""), _PURPOSES.get(row.purpose or "")) if words
            )
            yield line_item(
                Content.assemble(
                    _("human:"), " ", human_content(row.human, self.labels), ("  " + source, "$text-muted")
                )
            )
        if row.flagged:
            yield line_item(Content.styled("⚑ " + _("flagged"), "$text-warning"))
        if row.note:
            yield line_item(Content.assemble(_("note:"), " ", safe_content(row.note)))
