"""The export of a file: the form that asks where to, and which rows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from textual.widget import Widget
from textual.widgets import Static

from weibo_tui.app.files.filter_dialog import filter_terms
from weibo_tui.app.formatting import safe_content
from weibo_tui.app.forms.base import FieldError, PlanForm, problems_of
from weibo_tui.app.forms.export_line import new_path
from weibo_tui.app.forms.fields import FieldSpec
from weibo_tui.app.forms.path_completion import check_path
from weibo_tui.app.forms.path_input import PathInput
from weibo_tui.datasets.sinks import OUTPUT_SUFFIXES
from weibo_tui.locale import N_, ngettext
from weibo_tui.locale import gettext as _
from weibo_tui.storage.row_filters import ALL_ROWS, FILE_ORDER, RowFilter, RowOrder
from weibo_tui.workbench.opened_file import FileInfo, OpenedFile

_SHOWN, _ALL = "shown", "all"


@dataclass(frozen=True, slots=True)
class FileExport:
    """Options of an export; `path` is absolute."""

    path: Path
    filter: RowFilter
    order: RowOrder
    overwrite: bool


class FileExportForm(PlanForm[FileExport]):
    """Asks where to write the rows of a file with their labels."""

    HELP_TEXT = N_(
        "All cells of the file are written, then the label of each row, the human one or else the model's, and its "
        "source. The suffix of the file chooses the format: CSV, TSV, JSONL, XLSX or Parquet."
    )
    DEFAULT_CSS = """
    FileExportForm PathInput, FileExportForm .count { margin: 1 0; }
    FileExportForm .count { height: auto; color: $text-muted; }
    """

    def __init__(self, file: OpenedFile, info: FileInfo, query: RowFilter, order: RowOrder) -> None:
        super().__init__(_("Export the rows with their labels"))
        self._file, self._info = file, info
        self._filter, self._order = query, order
        self._path = PathInput(str(_default_path(info.path)), tuple(OUTPUT_SUFFIXES), save=True)
        self._count = Static(classes="count")

    def compose_fields(self) -> Iterable[Widget]:
        choices = [(_ALL, N_("all rows"))]
        if self._filter != ALL_ROWS:
            choices.insert(0, (_SHOWN, N_("the filtered rows")))
        yield self._path
        yield from self.fields(
            FieldSpec("what", N_("Rows"), "", choices=tuple(choices)),
            FieldSpec(
                "order", N_("Order"), "", choices=(("file", N_("as in the file")), (_SHOWN, N_("as in the table")))
            ),
        )
        yield self._count

    def on_mount(self) -> None:
        self._path.focus()
        self.update_dependents()

    def update_dependents(self) -> None:
        if self._fields:
            self.run_task(self._show_count(self._selected_filter()), "count", exclusive=True)

    def on_path_input_chosen(self) -> None:
        self._fields["what"].focus()

    def output(self) -> PathInput | None:
        return self._path if self._path.value.strip() else None

    def plan(self) -> FileExport:
        path = self._path.path
        problem = check_path(path, save=True).problem if self.output() else _("Choose a file to write.")
        if problem:
            raise FieldError(self._path, problem)
        order = self._order if self._fields["order"].value == _SHOWN else FILE_ORDER
        return FileExport(path.absolute(), self._selected_filter(), order, self._replaceable == path)

    async def check(self, plan: FileExport) -> FileExport:
        with problems_of(self._path):
            await self.app.records.call(lambda wb: wb.check_output(plan.path, overwrite=True, inputs=[self._info.path]))
        return plan

    def _selected_filter(self) -> RowFilter:
        return self._filter if self._fields["what"].value == _SHOWN else ALL_ROWS

    async def _show_count(self, query: RowFilter) -> None:
        count = await self.app.records.call(lambda _wb: self._file.select(query).total)
        text = ngettext("{count:,} row", "{count:,} rows", count).format(count=count)
        quoted = [_("“{text}”").format(text=query.text)] if query.text else []
        self._count.update(safe_content(" · ".join([text, *quoted, *filter_terms(query)])))


def _default_path(source: Path) -> Path:
    """Return the path of a new file next to the file itself."""
    suffix = source.suffix if source.suffix.lower() in OUTPUT_SUFFIXES else ".csv"
    return new_path(source.parent, f"{source.stem}.export", suffix)
