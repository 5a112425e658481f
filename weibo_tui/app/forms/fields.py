"""Lines of a form: a name, a place to type or choose, and beside it what it means or what is wrong with it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

from textual.app import ComposeResult
from textual.containers import Container, Horizontal
from textual.content import Content
from textual.message import Message
from textual.widgets import Input, Select, Static

from weibo_tui.app.explanation import explain
from weibo_tui.app.formatting import safe_content
from weibo_tui.app.widgets.single_line_input import SingleLineInput
from weibo_tui.errors import UserInputError, WeiboTuiError
from weibo_tui.locale import gettext as _
from weibo_tui.text import visible

Reader = Callable[[str], Any]
"""The value that a text stands for; UserInputError, in a few words, where it stands for none."""


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """A field: what it is called and explained by (both marked for translation), what stands in it at first, how its
    text is read. With `choices`, given as (value, words), it is chosen and not typed."""

    name: str
    label: str
    about: str
    default: str = ""
    read: Reader = str
    choices: tuple[tuple[str, str], ...] = ()
    range: str = ""


class Field(Container):
    """A field of a form, checked with each key."""

    SCOPED_CSS = False  # what it looks like in a -narrow screen is said of the screen
    DEFAULT_CSS = """
    Field {
        height: auto; layout: horizontal;
        & > .entry { width: 38; height: 1; }
        & .label { width: 18; color: $text-muted; text-wrap: nowrap; text-overflow: ellipsis; }
        &.-entered .label { color: $text; }
        & Input, & Select { width: 20; }
        & Select > SelectCurrent { background: $panel; }
        & Select.-textual-compact > SelectCurrent { padding: 0 1; }
        & Select:focus > SelectCurrent { background: $primary 18%; }
        & .note { width: 1fr; height: auto; padding-left: 2; color: $text-muted; }
        &.-wrong .note { color: $text-error; }
        &.-wrong Input { color: $text-error; }
    }
    """

    class Changed(Message):
        """Something else stands in it now."""

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
            options = [(safe_content(_(words)), value) for value, words in spec.choices]
            known = [value for value, _words in spec.choices]
            value = next((one for one in (text, spec.default) if one in known), known[0])
            self._input = Select(options, value=value, allow_blank=False, compact=True)
        else:
            self._input = SingleLineInput(visible(text), placeholder=spec.default)

    def compose(self) -> ComposeResult:
        with Horizontal(classes="entry"):
            yield Static(safe_content(_(self.spec.label)), classes="label")
            yield self._input
        yield self._note

    def on_mount(self) -> None:
        self.check()

    @property
    def text(self) -> str:
        """What stands in it; what it has at first where it was emptied."""
        if isinstance(self._input, Select):
            return str(self._input.value)
        return self._input.value.strip() or self.spec.default

    @text.setter
    def text(self, text: str) -> None:
        self._input.value = text

    @property
    def value(self) -> Any:
        """What its text stands for; UserInputError where that is nothing."""
        return self.spec.read(self.text)

    def suggest(self, text: str) -> None:
        """Say what is taken where nothing is typed."""
        assert isinstance(self._input, Input)
        self._input.placeholder = visible(text)

    def take_focus(self) -> None:
        self._input.focus()

    # A class and not :focus-within, which Textual looks at only where a rule for the field itself asks for it.

    def on_descendant_focus(self) -> None:
        self.add_class("-entered")

    def on_descendant_blur(self) -> None:
        self.remove_class("-entered")

    def check(self) -> None:
        """Look at what stands in it, and say what is wrong with it."""
        try:
            self.spec.read(self.text)
        except WeiboTuiError as error:
            self.problem = explain(error)
        else:
            self.problem = ""
        shown = self.problem if self.text else ""  # what is still to be filled in is not wrong yet
        self.set_class(bool(shown), "-wrong")
        self._note.update(safe_content(shown) if shown else self._about())

    def _about(self) -> Content:
        about = safe_content(_(self.spec.about)) if self.spec.about else Content()
        return Content.assemble(about, (f"  {self.spec.range}", "$text-disabled")) if self.spec.range else about

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self.check()
        self.post_message(self.Changed(self))

    def on_select_changed(self, event: Select.Changed) -> None:
        event.stop()
        self.check()
        self.post_message(self.Changed(self))


def whole(low: float, high: float) -> Reader:
    """Reads a whole number from `low` to `high`."""

    def read(text: str) -> int:
        digits = text.replace(",", "").replace("_", "")
        if re.fullmatch(r"-?\d{1,18}", digits) and low <= int(digits) <= high:
            return int(digits)
        raise UserInputError(_("a whole number from {low} to {high}").format(low=short(low), high=short(high)))

    return read


def decimal(low: float, high: float, within: bool = False) -> Reader:
    """Reads a number from `low` to `high`; `within`: the ends themselves not."""

    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if isfinite(value) and (low < value < high if within else low <= value <= high):
            return value
        words = _("a number between {low} and {high}") if within else _("a number from {low} to {high}")
        raise UserInputError(words.format(low=short(low), high=short(high)))

    return read


def short(value: float) -> str:
    """A limit, or a default: as few digits as it can be typed with."""
    return f"{value:,.0f}" if value == int(value) and abs(value) < 1e15 else f"{value:g}"


def names(text: str) -> tuple[str, ...] | None:
    """Names with commas between them; None for no text."""
    return tuple(part.strip() for part in text.split(",")) if text else None


def optional(text: str) -> str | None:
    return text or None


def as_choices(values: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Values that are their own words."""
    return tuple((value, value) for value in values)
