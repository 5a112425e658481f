"""Fields of forms: a label, an input or a selection, and a help text or error."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, Self

from textual.app import ComposeResult
from textual.containers import Container, Horizontal
from textual.content import Content
from textual.message import Message
from textual.widgets import Input, OptionList, Select, Static

from weibo_tui.app.explanation import user_message
from weibo_tui.app.formatting import safe_content
from weibo_tui.app.widgets.single_line_input import SingleLineInput
from weibo_tui.datasets.labels import split_names
from weibo_tui.errors import UserInputError, WeiboTuiError
from weibo_tui.locale import gettext as _
from weibo_tui.text.terminal import sanitize

Parser = Callable[[str], Any]
"""Parses a text. Raises UserInputError, with a message of a few words, if it is invalid."""


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """A field: name, label and help text (both marked for translation), default, and parser.

    With `choices`, as (value, label), it is a selection. One that is `listed` is typed, or chosen from a list that
    depends on the file."""

    name: str
    label: str
    help_text: str
    default: str = ""
    parse: Parser = str
    choices: tuple[tuple[str, str], ...] = ()
    range: str = ""
    listed: bool = False


class ChoiceSelect(Select[str]):
    """A selection whose list opens with its first choices in sight, and the chosen one highlighted."""

    def watch_expanded(self) -> None:
        # Textual scrolls before the list has its size, which may hide choices above the chosen one.
        choices = self.query_one(OptionList)
        choices.call_after_refresh(choices.scroll_home, animate=False)
        choices.call_after_refresh(choices.scroll_to_highlight)


class Field(Container):
    """A field of a form, checked with each key."""

    SCOPED_CSS = False  # the screen's CSS styles it for narrow screens
    DEFAULT_CSS = """
    Field {
        height: auto; layout: horizontal;
        & > .entry { width: 38; height: 1; }
        & .label { width: 18; color: $text-muted; text-wrap: nowrap; text-overflow: ellipsis; }
        &.-entered .label { color: $text; }
        & Input, & Select { width: 20; }
        & .mark { width: 2; padding-left: 1; color: $text-error; display: none; }
        & Select > SelectCurrent { background: $panel; }
        & Select.-textual-compact > SelectCurrent { padding: 0 1; }
        & Select:focus > SelectCurrent { background: $primary 18%; }
        & .note { width: 1fr; height: auto; padding-left: 2; color: $text-muted; }
        &.-wrong .note, &.-wrong .label, &.-wrong Input { color: $text-error; }
    }
    """

    class Changed(Message):
        """The value changed."""

        def __init__(self, field: Field) -> None:
            super().__init__()
            self.field = field

    def __init__(self, spec: FieldSpec, text: str | None = None) -> None:
        super().__init__(id=f"field-{spec.name.replace('_', '-')}")
        self.spec = spec
        self.problem = ""
        self._note = Static(classes="note")
        text = spec.default if text is None else text
        self._input: Input | Select[str]
        if spec.choices:
            options = [(safe_content(_(label)), value) for value, label in spec.choices]
            values = [value for value, _label in spec.choices]
            value = next((option for option in (text, spec.default) if option in values), values[0])
            self._input = ChoiceSelect(options, value=value, allow_blank=False, compact=True)
        else:
            self._input = SingleLineInput(sanitize(text), placeholder=spec.default)

    def compose(self) -> ComposeResult:
        with Horizontal(classes="entry"):
            yield Static(safe_content(_(self.spec.label)), classes="label")
            yield self._input
            yield Static("✗", classes="mark")
        yield self._note

    def on_mount(self) -> None:
        self.check()

    @property
    def text(self) -> str:
        """The text, or the default if it is empty."""
        if isinstance(self._input, Select):
            return str(self._input.value)
        return self._input.value.strip() or self.spec.default

    @text.setter
    def text(self, text: str) -> None:
        self._input.value = text

    @property
    def value(self) -> Any:
        """The parsed text. Raises UserInputError if it is invalid."""
        return self.spec.parse(self.text)

    def suggest(self, text: str) -> None:
        """Show what is used if nothing is typed."""
        assert isinstance(self._input, Input)
        self._input.placeholder = sanitize(text)

    def focus(self, scroll_visible: bool = True) -> Self:
        self._input.focus(scroll_visible)
        return self

    # A class, because Textual updates :focus-within only for rules about the field itself.

    def on_descendant_focus(self) -> None:
        self.add_class("-entered")

    def on_descendant_blur(self) -> None:
        self.remove_class("-entered")

    def check(self) -> None:
        """Parse the text and show what is wrong with it."""
        try:
            self.spec.parse(self.text)
        except WeiboTuiError as error:
            self.problem = user_message(error)
        else:
            self.problem = ""
        self._show_note(self.problem if self.text else "")  # an empty field is not an error yet

    def show_problem(self, problem: str) -> None:
        """Show a problem that the field itself cannot find, until its text changes."""
        self.problem = problem
        self._show_note(problem)

    def _show_note(self, problem: str) -> None:
        self.set_class(bool(problem), "-wrong")
        self._note.update(safe_content(problem) if problem else self.hint)

    @property
    def hint(self) -> Content:
        """The help text and the range."""
        text = safe_content(_(self.spec.help_text)) if self.spec.help_text else Content()
        return Content.assemble(text, (f"  {self.spec.range}", "$text-disabled")) if self.spec.range else text

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self.check()
        self.post_message(self.Changed(self))

    def on_select_changed(self, event: Select.Changed) -> None:
        event.stop()
        self.check()
        self.post_message(self.Changed(self))


def whole_number(low: float, high: float) -> Parser:
    """Return a parser for whole numbers from `low` to `high`."""

    def parse(text: str) -> int:
        digits = text.replace(",", "").replace("_", "")
        if re.fullmatch(r"-?\d{1,18}", digits) and low <= int(digits) <= high:
            return int(digits)
        raise UserInputError(
            _("a whole number from {low} to {high}").format(low=format_limit(low), high=format_limit(high))
        )

    return parse


def decimal_number(low: float, high: float, exclusive: bool = False) -> Parser:
    """Return a parser for numbers from `low` to `high`, without the ends if `exclusive`."""

    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if isfinite(value) and (low < value < high if exclusive else low <= value <= high):
            return value
        words = _("a number between {low} and {high}") if exclusive else _("a number from {low} to {high}")
        raise UserInputError(words.format(low=format_limit(low), high=format_limit(high)))

    return parse


def format_limit(value: float) -> str:
    """Return a number with as few digits as possible, as it may be typed."""
    return f"{value:,.0f}" if value == int(value) and abs(value) < 1e15 else f"{value:g}"


def parse_names(text: str) -> tuple[str, ...] | None:
    """Return comma-separated names, None for an empty text."""
    return tuple(split_names(text)) if text else None


def optional(text: str) -> str | None:
    return text or None


def as_choices(values: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Return values that are their own labels."""
    return tuple((value, value) for value in values)
