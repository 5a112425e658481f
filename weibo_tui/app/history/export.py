"""The export of the history: the form that asks where and how."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from textual.widget import Widget
from textual.widgets import Static

from weibo_tui.app.formatting import safe_content
from weibo_tui.app.forms.base import FieldError, PlanForm
from weibo_tui.app.forms.export_line import new_path
from weibo_tui.app.forms.fields import FieldSpec
from weibo_tui.app.forms.path_completion import check_path
from weibo_tui.app.forms.path_input import PathInput
from weibo_tui.app.history.filter_dialog import filter_terms
from weibo_tui.locale import N_, ngettext
from weibo_tui.locale import gettext as _
from weibo_tui.storage.entries import FILE_SOURCE, OLDEST_FIRST
from weibo_tui.storage.history import EVERYTHING, NEWEST_FIRST, History, HistoryFilter, HistoryOrder
from weibo_tui.workbench.workbench import Workbench

_YES = "yes"
_MARKED, _READABLE = "marked", "readable"


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """Options of an export; `path` is absolute. With `ids`, only the analyses with these are written."""

    path: Path
    filter: HistoryFilter
    ids: tuple[int, ...] | None = None
    order: HistoryOrder = OLDEST_FIRST
    readable: bool = True
    bom: bool = True
    guard: bool = True
    overwrite: bool = False


class ExportForm(PlanForm[ExportOptions]):
    """Asks for the options of an export."""

    HELP_TEXT = N_(
        "Each row has a post with its prediction, labels, probabilities and time. Labeled files in the "
        "history are not included."
    )
    DEFAULT_CSS = """
    ExportForm PathInput, ExportForm .count { margin: 1 0; }
    ExportForm .count { height: auto; color: $text-muted; }
    """

    def __init__(self, query: HistoryFilter, marked: tuple[int, ...] = (), order: HistoryOrder = NEWEST_FIRST) -> None:
        super().__init__(_("Export to a CSV file"))
        self._filter = query
        self._order = order
        self._marked = marked
        self._path = PathInput(
            str(new_path(Path.home(), f"weibo-history-{date.today():%Y%m%d}", ".csv")), (".csv",), save=True
        )
        self._count = Static(classes="count")

    def compose_fields(self) -> Iterable[Widget]:
        query = self._filter
        choices = [("all", N_("the whole history"))]
        if query != EVERYTHING:
            choices.insert(0, ("shown", N_("the filtered posts")))
        if self._marked:
            choices.insert(0, (_MARKED, N_("only the marked")))
        about = " · ".join([*([_("“{text}”").format(text=query.text)] if query.text else []), *filter_terms(query)])
        yield self._path
        yield from self.fields(
            FieldSpec("what", N_("Posts"), about, choices=tuple(choices)),
            FieldSpec(
                "columns",
                N_("Columns"),
                N_("readable: in the order of the list, local time, one column per label"),
                choices=((_READABLE, N_("readable")), ("full", N_("all fields"))),
            ),
            _switch("bom", N_("Start with a BOM"), N_("Excel needs it to read Chinese")),
            _switch("guard", N_("Guard formulas"), N_("' before texts like =1+1")),
        )
        yield self._count

    def on_mount(self) -> None:
        self._path.focus()
        self.update_dependents()

    def update_dependents(self) -> None:
        self.run_task(self._show_count(self._selected_filter()), "count", exclusive=True)

    def on_path_input_chosen(self) -> None:
        self._fields["what"].focus()

    def output(self) -> PathInput | None:
        return self._path if self._path.value.strip() else None

    def plan(self) -> ExportOptions:
        path = self._path.path
        problem = check_path(path, save=True).problem if self.output() else _("Choose a file to write.")
        if problem:
            raise FieldError(self._path, problem)
        values = self.values("what", "columns", "bom", "guard")
        readable = values["columns"] == _READABLE
        return ExportOptions(
            path.absolute(),
            self._selected_filter(),
            self._marked if values["what"] == _MARKED else None,
            order=self._order if readable else OLDEST_FIRST,
            readable=readable,
            bom=values["bom"] == _YES,
            guard=values["guard"] == _YES,
            overwrite=self._replaceable == path,
        )

    def _selected_filter(self) -> HistoryFilter:
        return self._filter if self._fields["what"].value == "shown" else EVERYTHING

    async def _show_count(self, query: HistoryFilter) -> None:
        if self._fields["what"].value == _MARKED:
            count = len(self._marked)
        else:
            count = await self.app.records.call(lambda wb: _count_posts(wb.history, query))
        text = ngettext("{count:,} post", "{count:,} posts", count).format(count=count)
        quoted = [_("“{text}”").format(text=query.text)] if query.text else []
        self._count.update(safe_content(" · ".join([text, *quoted, *filter_terms(query)])))


def history_export(options: ExportOptions) -> Callable[[Workbench], Iterator[object]]:
    """Return a function that writes the file of an export."""
    return lambda wb: wb.iter_export_history(
        options.path,
        options.filter,
        options.bom,
        options.guard,
        options.overwrite,
        options.readable,
        options.ids,
        options.order,
    )


def _switch(name: str, label: str, about: str) -> FieldSpec:
    return FieldSpec(name, label, about, choices=((_YES, N_("yes")), ("no", N_("no"))))


def _count_posts(history: History, query: HistoryFilter) -> int:
    """Return the number of rows of the export, which leaves out the labeled files."""
    if query.source == FILE_SOURCE:
        return 0
    files = history.count(replace(query, source=FILE_SOURCE)) if query.source is None else 0
    return history.count(query) - files
