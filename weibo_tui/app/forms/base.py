"""Base class of forms that start a job."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widgets import Button, Collapsible, Static

from weibo_tui.app.base import FormScreen
from weibo_tui.app.dialogs import ChoiceDialog
from weibo_tui.app.explanation import user_message
from weibo_tui.app.formatting import safe_content
from weibo_tui.app.forms.data_preview import DataPreview
from weibo_tui.app.forms.fields import Field, FieldSpec
from weibo_tui.app.forms.file_list import FileList
from weibo_tui.app.forms.path_input import PathInput
from weibo_tui.app.keymap import bindings
from weibo_tui.app.widgets.chrome import StatusMessage
from weibo_tui.app.widgets.footer import KeyFooter
from weibo_tui.datasets.reading import FORMATS
from weibo_tui.errors import UserInputError
from weibo_tui.locale import gettext as _
from weibo_tui.workbench import Columns

Plan = TypeVar("Plan")


class PlanForm(FormScreen[Plan]):
    """Returns the plan, or None if it was closed. `values` keeps the texts of the fields for the next time."""

    BINDINGS = bindings("form")
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (96, "-wide"), (150, "-roomy")]  # noqa: RUF012 - as Screen declares it
    DEFAULT_CSS = """
    PlanForm {
        & .title { text-style: bold; color: $primary; height: 1; padding: 0 1; background: $panel; }
        &.-narrow Field { layout: vertical; }
        &.-narrow Field > .entry, &.-narrow Field Input, &.-narrow Field Select, &.-narrow Field .note { width: 1fr; }
        &.-narrow Field .note { padding-left: 19; display: none; }
        &.-narrow Field.-entered .note, &.-narrow Field.-wrong .note { display: block; }
        & .section { text-style: bold; color: $primary; margin-top: 1; }
        & .start { height: auto; background: $surface; padding: 0 1; }
        & .start .problem { width: 1fr; height: auto; color: $text-error; padding-left: 2; }
        & VerticalScroll, & .scrolls {
            scrollbar-size-vertical: 1; scrollbar-color: $panel; scrollbar-background: $background;
        }
        & Collapsible { background: $background; border: none; padding: 0; margin-top: 1; }
        & Collapsible > Contents { padding: 0; }
        & CollapsibleTitle { padding: 0; color: $primary; text-style: bold; }
    }
    """

    def __init__(self, values: dict[str, Any] | None = None) -> None:
        super().__init__()
        self._values = values if values is not None else {}
        self._fields: dict[str, Field] = {}
        self._problem = Static(classes="problem")
        self._proposed_name = ""
        self._replaceable: Path | None = None
        """The output file that the user agreed to replace."""

    def fields(self, *specs: FieldSpec) -> Iterator[Field]:
        """Yield the fields with their last texts."""
        for spec in specs:
            field = Field(spec, self._values.get(spec.name))
            self._fields[spec.name] = field
            yield field

    def compose(self) -> ComposeResult:
        with Vertical(classes="body"):
            yield from self.compose_body()
        with Horizontal(classes="start"):
            yield Button(safe_content(_("Start")), variant="primary", id="start")
            yield self._problem
        yield StatusMessage()
        yield KeyFooter()

    def on_field_changed(self, event: Field.Changed) -> None:
        self._values[event.field.spec.name] = event.field.text
        self._problem.update("")
        self.update_dependents()

    def update_dependents(self) -> None:
        """Update what depends on the fields."""

    def on_button_pressed(self, event: Button.Pressed) -> None:
        if event.button.id == "start":
            self.action_start()

    def output(self) -> PathInput | None:
        """Return the input for the file to write, if the form has one."""
        return None

    def action_start(self) -> None:
        output = self.output()
        if output is not None and output.path.is_file() and self._replaceable != output.path:
            self.run_task(self._ask_to_replace(output))
            return
        invalid = [field for field in self._fields.values() if field.problem]
        if invalid:
            field = invalid[0]
            self._show_problem(_("{field}: {problem}").format(field=_(field.spec.label), problem=field.problem))
            for parent in field.ancestors_with_self:
                if isinstance(parent, Collapsible):
                    parent.collapsed = False
            self.call_after_refresh(field.take_focus)
            return
        try:
            plan = self.plan()
        except UserInputError as error:
            self._show_problem(user_message(error))
            return
        self._values.pop("name", None)  # the next one needs another name
        self.dismiss(plan)

    async def _ask_to_replace(self, output: PathInput) -> None:
        question = _("File exists: {path}.").format(path=output.path)
        answers = [("other", _("Choose another file")), ("replace", _("Replace"))]
        if await self.app.push_screen_wait(ChoiceDialog(question, answers)) == "replace":
            self._replaceable = output.path
            self.action_start()
        else:
            output.focus()

    def _show_problem(self, problem: str) -> None:
        self._problem.update(safe_content(problem))

    def propose_name(self, name: str) -> None:
        """Propose a name, unless the user has typed another."""
        if self._fields["name"].text in ("", self._proposed_name):
            self._proposed_name = self._fields["name"].text = name

    def values(self, *names: str) -> dict[str, Any]:
        """Return the values of fields by name."""
        return {name: self._fields[name].value for name in names}

    @abstractmethod
    def plan(self) -> Plan:
        """Return the plan. Raises UserInputError for problems that involve several fields."""


class FilesForm(PlanForm[Plan]):
    """Base class of forms for several labeled files, which are previewed with the chosen columns.

    Textual calls its message handlers after those of the subclass."""

    COLUMNS = ("text_column", "label_column", "encoding")

    def __init__(self, values: dict[str, Any] | None, audit: bool) -> None:
        super().__init__(values)
        self._files = FileList(self._values.get("files", ()), sorted(FORMATS))
        self._preview = DataPreview(audit)

    def on_mount(self) -> None:
        self._files.take_focus()
        self.update_dependents()

    def on_file_list_changed(self) -> None:
        self._values["files"] = list(self._files.files)
        self._problem.update("")
        self.update_dependents()

    def on_data_preview_loaded(self, event: DataPreview.Loaded) -> None:
        source = event.previews[0].source if event.previews else None
        for name in self.COLUMNS:
            self._fields[name].suggest(str(getattr(source, name, None) or ""))

    def columns(self) -> Columns:
        return Columns(*(self._fields[name].value for name in self.COLUMNS))

    def files(self, problem: str) -> tuple[Path, ...]:
        """Return the chosen files. Raises UserInputError with `problem` if no file is chosen."""
        if self._files.pending:
            raise UserInputError(_("Press Enter after the path to add the file, or clear the line."))
        if not self._files.files:
            raise UserInputError(problem)
        return tuple(self._files.files)
