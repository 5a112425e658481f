"""Where a CSV file of the history is to be written, what of it, and how."""

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
from weibo_tui.app.history.filter_dialog import described
from weibo_tui.app.keymap import bindings
from weibo_tui.locale import N_, ngettext
from weibo_tui.locale import gettext as _
from weibo_tui.storage.history import EVERYTHING, FILES, History, HistoryFilter

_YES = "yes"


class ExportForm(Dialog[ExportOptions]):
    """Gives the plan. A file that is there already is replaced only when the person says so."""

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

    def __init__(self, asked: HistoryFilter) -> None:
        super().__init__()
        self._asked = asked
        self._place = PathInput(str(_default_place()), (".csv",), save=True)
        self._problem = Static(classes="problem")
        self._count = Static(classes="count")
        whole, shown = ("all", N_("the whole history")), ("shown", N_("what is shown"))
        self._what = Field(
            FieldSpec(
                "what", N_("Posts of"), _words(asked), choices=(whole,) if asked == EVERYTHING else (shown, whole)
            )
        )
        self._bom = Field(_switch("bom", N_("Begin with BOM"), N_("Excel needs it to read Chinese")))
        self._guard = Field(_switch("guard", N_("Guard formulas"), N_("a ' before texts such as =1+1")))

    def compose(self) -> ComposeResult:
        with Vertical(classes="box"):
            yield Static(safe_content(_("Export to a CSV file")), classes="question")
            yield self._place
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
        self._place.focus()
        self._tell_count()

    def on_field_changed(self) -> None:
        self._tell_count()

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
        path = self._place.path.absolute()
        place = await self.app.records.call(lambda _bench: check_path(path, save=True))
        problem = place.problem if self._place.value.strip() else _("Name the file to write.")
        self._problem.update(safe_content(problem))
        if problem:
            return
        exists = place.kind != "nothing"
        if exists:
            answers = [("", _("Keep it")), ("replace", _("Replace it"))]
            question = _("{path} is there already.").format(path=path)
            if await self.app.push_screen_wait(ChoiceDialog(question, answers)) != "replace":
                return
        bom, guard = self._bom.value == _YES, self._guard.value == _YES
        self.dismiss(ExportOptions(path, self._chosen(), bom, guard, overwrite=exists))

    def _chosen(self) -> HistoryFilter:
        return self._asked if self._what.value == "shown" else EVERYTHING

    def _tell_count(self) -> None:
        self.run_task(self._tell(self._chosen()), "count", exclusive=True)

    async def _tell(self, asked: HistoryFilter) -> None:
        found = await self.app.records.call(lambda bench: _posts(bench.history, asked))
        words = ngettext("{count:,} post", "{count:,} posts", found).format(count=found)
        self._count.update(safe_content(words))


def _switch(name: str, label: str, about: str) -> FieldSpec:
    return FieldSpec(name, label, about, choices=((_YES, N_("yes")), ("no", N_("no"))))


def _posts(history: History, asked: HistoryFilter) -> int:
    """How many rows the file will have: the labelled files among the entries stay out."""
    if asked.source == FILES:
        return 0
    files = history.count(replace(asked, source=FILES)) if asked.source is None else 0
    return history.count(asked) - files


def _words(asked: HistoryFilter) -> str:
    found = [_("“{text}”").format(text=asked.text)] if asked.text else []
    return " · ".join(found + described(asked))


def _default_place() -> Path:
    """A file in the home folder that is not there yet."""
    name = f"weibo-history-{date.today():%Y%m%d}"
    place, number = Path.home() / f"{name}.csv", 1
    while place.exists():
        number += 1
        place = Path.home() / f"{name}-{number}.csv"
    return place
