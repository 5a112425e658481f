"""Base class of forms that start a job."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widget import Widget
from textual.widgets import Button, Collapsible, Static

from weibo_tui.app.base import FormScreen
from weibo_tui.app.dialogs import ChoiceDialog
from weibo_tui.app.explanation import user_message
from weibo_tui.app.formatting import safe_content
from weibo_tui.app.forms.choice_field import ChoiceField
from weibo_tui.app.forms.fields import Field, FieldSpec
from weibo_tui.app.forms.file_list import FileList
from weibo_tui.app.forms.path_input import PathInput
from weibo_tui.app.keymap import bindings
from weibo_tui.app.widgets.chrome import StatusMessage
from weibo_tui.app.widgets.footer import KeyFooter
from weibo_tui.app.widgets.responsive_text import paragraph
from weibo_tui.errors import UserInputError
from weibo_tui.locale import gettext as _

Plan = TypeVar("Plan")
AnyField = Field | PathInput | FileList


class FieldError(UserInputError):
    """A problem with one field of a form."""

    def __init__(self, field: AnyField, problem: str) -> None:
        super().__init__(problem)
        self.field = field


@contextmanager
def problems_of(field: AnyField) -> Iterator[None]:
    """Turn an error about the user's input in the block into one of `field`."""
    try:
        yield
    except UserInputError as error:
        raise FieldError(field, user_message(error)) from error


class PlanForm(FormScreen[Plan]):
    """Returns the plan, or None if it was closed. `values` keeps the texts of the fields for the next time.

    The fields are in one column, and what `compose_aside` yields is to their right, or below them on a narrow screen.
    One line at the bottom explains the focused field, or says what is wrong with it, so that no field moves."""

    BINDINGS = bindings("form")
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (80, "-middle"), (120, "-wide")]  # noqa: RUF012 - as Screen declares it
    DEFAULT_CSS = """
    PlanForm {
        & .title { text-style: bold; color: $primary; height: 1; padding: 0 1; background: $panel; }
        & Field > .entry, & Field Input, & Field Select { width: 1fr; }
        & Field Input, & Field Select { max-width: 64; }
        & Field .mark { display: block; visibility: hidden; }
        & Field.-wrong .mark { visibility: visible; }
        & Field .note, & PathInput.-noticed ._message { display: none; }
        & .section { text-style: bold; color: $primary; margin-top: 1; }
        & .start { height: auto; min-height: 2; max-height: 5; background: $surface; padding: 0 1; }
        & .start .hint { width: 1fr; height: auto; color: $text-muted; padding-left: 2; }
        & .start .hint.-problem { color: $text-error; }
        &.-narrow .start { min-height: 3; }
        & #sides { height: 1fr; padding: 0 1; overflow-y: auto; }
        & #sides, & .side { scrollbar-size-vertical: 1; scrollbar-color: $panel; scrollbar-background: $background; }
        & .side { height: auto; }
        & #aside { margin-top: 1; }
        &.-wide #sides.-two { layout: grid; grid-size: 2; grid-columns: 1fr 1fr; grid-gutter: 0 3; }
        &.-wide #sides.-two .side { height: 100%; overflow-y: auto; margin: 0; }
        & Collapsible { background: $background; border: none; padding: 0; margin-top: 1; }
        & Collapsible > Contents { padding: 0; }
        & CollapsibleTitle { padding: 0; color: $primary; text-style: bold; }
    }
    """

    def __init__(self, title: str, values: dict[str, Any] | None = None) -> None:
        super().__init__()
        self._title = title
        self._values = values if values is not None else {}
        self._fields: dict[str, Field] = {}
        self._hint = Static(classes="hint")
        self._problem = ""
        """A problem that belongs to no field."""
        self._proposed_name = ""
        self._replaceable: Path | None = None
        """The output file that the user agreed to replace."""
        self._checked_plan: Plan | None = None
        """The plan to close with, checked while another screen was above the form."""

    def fields(self, *specs: FieldSpec) -> Iterator[Field]:
        """Yield the fields with their last texts."""
        for spec in specs:
            kind = ChoiceField if spec.listed else Field
            field = kind(spec, self._values.get(spec.name))
            self._fields[spec.name] = field
            yield field

    def compose(self) -> ComposeResult:
        yield from self.compose_body()
        with Horizontal(classes="start"):
            yield Button(safe_content(_("Start")), variant="primary", id="start")
            yield self._hint
        yield StatusMessage()
        yield KeyFooter()

    def compose_body(self) -> Iterable[Widget]:
        yield Static(safe_content(self._title), classes="title")
        aside = list(self.compose_aside())
        with Vertical(id="sides", classes="-two" if aside else ""):
            with Vertical(id="fields", classes="side"):
                yield from self.compose_fields()
            if aside:
                yield Vertical(*aside, id="aside", classes="side")

    @abstractmethod
    def compose_fields(self) -> Iterable[Widget]:
        """Return the widgets to fill in, in the order of Tab."""

    def compose_aside(self) -> Iterable[Widget]:
        """Return the widgets that show something about the fields."""
        return ()

    def on_mount(self) -> None:
        self.watch(self, "focused", self._focus_moved)

    def _focus_moved(self) -> None:
        self._problem = ""
        self.update_hint()

    def _show_focused(self) -> None:
        if self.focused is not None:
            self.focused.scroll_visible(animate=False)

    def on_field_changed(self, event: Field.Changed) -> None:
        self._values[event.field.spec.name] = event.field.text
        self._problem = ""
        self.update_dependents()
        self.update_hint()

    def on_path_input_noticed(self, event: PathInput.Noticed) -> None:
        event.stop()
        self.update_hint()

    def update_hint(self) -> None:
        """Show the problem of the form or of the focused field, or the help of that field."""
        field = next((node for node in _ancestors(self.focused) if isinstance(node, Field | PathInput)), None)
        problem = self._problem or (field.problem if field is not None and field.has_class("-wrong") else "")
        self._hint.set_class(bool(problem), "-problem")
        if problem and isinstance(field, Field):
            problem = _("{field}: {problem}").format(field=_(field.spec.label), problem=problem)
        help_text = getattr(self.focused, "HELP_TEXT", None)
        about = field.hint if field is not None else paragraph(_(help_text) if help_text else "")
        self._hint.update(safe_content(problem) if problem else about)

    def show_progress(self, text: str) -> None:
        """Show how far the check of the files is."""
        self._hint.update(safe_content(text))

    def update_dependents(self) -> None:
        """Update what depends on the fields."""

    def on_button_pressed(self, event: Button.Pressed) -> None:
        if event.button.id == "start":
            self.action_start()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "scroll_preview":
            return bool(self.query("#aside"))
        if action == "choose_column":
            return bool(self.query(ChoiceField))
        return super().check_action(action, parameters)

    def action_scroll_preview(self, pages: int) -> None:
        """Scroll the preview where it is next to the fields, otherwise the form."""
        region = self.query_one("#aside" if self.has_class("-wide") else "#sides")
        region.scroll_relative(y=pages * (region.size.height - 1), animate=False)

    # ---- starting

    def output(self) -> PathInput | None:
        """Return the input for the file to write, if the form has one."""
        return None

    def action_start(self) -> None:
        self.run_task(self._start(), group="start", exclusive=True)

    async def _start(self) -> None:
        """Close the form with its plan, or show what is wrong at its field."""
        output = self.output()
        if output is not None and output.path.is_file() and self._replaceable != output.path:
            question = _("File exists: {path}.").format(path=output.path)
            answers = [("other", _("Choose another file")), ("replace", _("Replace"))]
            if await self.app.push_screen_wait(ChoiceDialog(question, answers)) != "replace":
                output.focus()
                return
            self._replaceable = output.path
        try:
            self.complete()
            for field in self._fields.values():
                field.check()
                if field.problem:
                    raise FieldError(field, field.problem)
            plan = await self.check(self.plan())
        except FieldError as error:
            self.show_problem_at(error.field, str(error))
        except UserInputError as error:
            self._problem = user_message(error)
            self.update_hint()
        else:
            self._values.pop("name", None)  # the next one needs another name
            if self.is_active:
                self.dismiss(plan)
                return
            # Textual would close the screen above.
            self._checked_plan = plan
            self.show_message(_("“{title}” is checked and starts when you return to it.").format(title=self._title))

    def on_screen_resume(self) -> None:
        if self._checked_plan is not None:
            self.dismiss(self._checked_plan)

    def show_problem_at(self, field: AnyField, problem: str) -> None:
        """Show a problem at its field, and go there."""
        field.show_problem(problem)
        self.uncover(field)
        self.call_after_refresh(field.focus)
        self.update_hint()

    def uncover(self, field: AnyField) -> None:
        """Open the part of the form that a field is in."""
        for node in _ancestors(field):
            if isinstance(node, Collapsible):
                node.collapsed = False

    def propose_name(self, name: str) -> None:
        """Propose a name, unless the user has typed another."""
        if self._fields["name"].text in ("", self._proposed_name):
            self._proposed_name = self._fields["name"].text = name

    def values(self, *names: str) -> dict[str, Any]:
        """Return the values of fields by name."""
        return {name: self._fields[name].value for name in names}

    def complete(self) -> None:
        """Take over what is typed but not confirmed. Raises FieldError where that is invalid."""

    @abstractmethod
    def plan(self) -> Plan:
        """Return the plan. Raises UserInputError for problems that involve several fields."""

    async def check(self, plan: Plan) -> Plan:
        """Return the plan to start. Raise FieldError for one that the workbench would refuse."""
        return plan


def _ancestors(node: Widget | None) -> Iterable[Any]:
    return () if node is None else node.ancestors_with_self
