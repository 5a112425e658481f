"""The dialog that asks where and how to export the history."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.widgets import Button, Static

from weibo_tui.app.base import Dialog
from weibo_tui.app.dialogs import ChoiceDialog
from weibo_tui.app.formatting import safe_content
from weibo_tui.app.forms.fields import Field, FieldSpec
from weibo_tui.app.forms.path_completion import check_path
from weibo_tui.app.forms.path_input import PathInput
from weibo_tui.app.history.export_status import ExportOptions
from weibo_tui.app.history.filter_dialog import filter_terms
from weibo_tui.app.keymap import bindings
from weibo_tui.locale import N_, ngettext
from weibo_tui.locale import gettext as _
from weibo_tui.storage.entries import FILE_SOURCE
from weibo_tui.storage.history import EVERYTHING, History, HistoryFilter

_YES = "yes"


class ExportForm(Dialog[ExportOptions]):
    """Asks for the options of an export. An existing file is replaced only after a question."""

    BINDINGS = bindings("form")

    HELP_TEXT = N_(
        "The posts are written with their verdicts, labels, probabilities and times, one a row. The file takes its "
        "place when it is whole; a labelled file of the history is no post and stays out."
    )
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (90, "-normal")]  # noqa: RUF012 - as Textual declares it
    CSS = """
    ExportForm {
        & .box { width: 84; }
        & .fields { height: auto; max-height: 1fr; }
        & .count { height: auto; margin-bottom: 1; color: $text-muted; }
        &.-narrow Field { layout: vertical; }
        &.-narrow .note { display: none; padding-left: 18; }
        &.-narrow Field.-entered .note, &.-narrow Field.-wrong .note { display: block; }
        & .buttons { height: 1; margin-top: 1; }
        & Button { margin-right: 2; }
    }
    """

    def __init__(self, query: HistoryFilter) -> None:
        super().__init__()
        self._filter = query
        self._path = PathInput(str(_default_path()), (".csv",), save=True)
        self._problem = Static(classes="problem")
        self._count = Static(classes="count")
        choices = (("shown", N_("what is shown")), ("all", N_("the whole history")))
        terms = [_("“{text}”").format(text=query.text)] if query.text else []
        about = " · ".join(terms + filter_terms(query))
        self._what = Field(
            FieldSpec("what", N_("Posts of"), about, choices=choices[1:] if query == EVERYTHING else choices)
        )
        self._bom = Field(_switch("bom", N_("Begin with BOM"), N_("Excel needs it to read Chinese")))
        self._guard = Field(_switch("guard", N_("Guard formulas"), N_("a ' before texts such as =1+1")))

    def compose(self) -> ComposeResult:
        with Vertical(classes="box"):
            yield Static(safe_content(_("Export to a CSV file")), classes="question")
            yield self._path
            yield self._problem
            yield self._count
            with VerticalScroll(classes="fields", can_focus=False):
                yield self._what
                yield self._bom
                yield self._guard
            with Horizontal(classes="buttons"):
                yield Button(safe_content(_("Export")), variant="primary", id="export")
                yield Button(safe_content(_("Cancel")), id="cancel")

    def on_mount(self) -> None:
        self._path.focus()
        self.on_field_changed()

    def on_field_changed(self) -> None:
        self.run_task(self._show_count(self._selected_filter()), "count", exclusive=True)

    def on_path_input_changed(self) -> None:
        self._problem.update("")

    def on_path_input_chosen(self) -> None:
        self.action_start()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        if event.button.id == "cancel":
            self.dismiss(None)
        else:
            self.action_start()

    def action_start(self) -> None:
        self.run_task(self._finish(), exclusive=True)

    async def _finish(self) -> None:
        path = self._path.path.absolute()
        check = await self.app.records.call(lambda _wb: check_path(path, save=True))
        problem = check.problem if self._path.value.strip() else _("Name the file to write.")
        self._problem.update(safe_content(problem))
        if problem:
            return
        exists = check.kind != "nothing"
        if exists:
            answers = [("", _("Keep it")), ("replace", _("Replace it"))]
            question = _("{path} is there already.").format(path=path)
            if await self.app.push_screen_wait(ChoiceDialog(question, answers)) != "replace":
                return
        bom, guard = self._bom.value == _YES, self._guard.value == _YES
        self.dismiss(ExportOptions(path, self._selected_filter(), bom, guard, overwrite=exists))

    def _selected_filter(self) -> HistoryFilter:
        return self._filter if self._what.value == "shown" else EVERYTHING

    async def _show_count(self, query: HistoryFilter) -> None:
        count = await self.app.records.call(lambda wb: _count_posts(wb.history, query))
        text = ngettext("{count:,} post", "{count:,} posts", count).format(count=count)
        self._count.update(safe_content(text))


def _switch(name: str, label: str, about: str) -> FieldSpec:
    return FieldSpec(name, label, about, choices=((_YES, N_("yes")), ("no", N_("no"))))


def _count_posts(history: History, query: HistoryFilter) -> int:
    """Return the number of rows of the export, which leaves out the labeled files."""
    if query.source == FILE_SOURCE:
        return 0
    files = history.count(replace(query, source=FILE_SOURCE)) if query.source is None else 0
    return history.count(query) - files


def _default_path() -> Path:
    """Return the path of a new file in the home folder."""
    name = f"weibo-history-{date.today():%Y%m%d}"
    path, number = Path.home() / f"{name}.csv", 1
    while path.exists():
        number += 1
        path = Path.home() / f"{name}-{number}.csv"
    return path
