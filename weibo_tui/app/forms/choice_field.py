"""A field for a column or a sheet: typed, or chosen from a list of those that the file has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rich.cells import cell_len
from textual import on
from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Input, OptionList
from textual.widgets.option_list import Option

from weibo_tui.app.formatting import safe_content, safe_line
from weibo_tui.app.forms.drop_down import DropDown, DropDownKeys
from weibo_tui.app.forms.fields import Field, FieldSpec
from weibo_tui.app.forms.path_completion import is_typeable
from weibo_tui.app.keymap import bindings
from weibo_tui.datasets.columns import fold
from weibo_tui.locale import N_
from weibo_tui.locale import gettext as _
from weibo_tui.text.terminal import sanitize, truncate_cells

_MAX_NAME = 24  # cells
_MAX_EXAMPLE = 200  # characters


class ChoiceField(DropDownKeys, Field):
    """A field whose text is the name or number of a choice. Down, or typing, opens the list of choices.

    The choices belong to a file, which may change while the form is open, so that any text may be typed."""

    BINDINGS = bindings("choices")
    HELP_TEXT = N_("A name or number. Down lists what the file has, with an example of each; Enter chooses.")
    DEFAULT_CSS = """
    ChoiceField { layout: vertical; }
    ChoiceField DropDown { text-wrap: nowrap; text-overflow: ellipsis; }
    """

    def __init__(self, spec: FieldSpec, text: str | None = None) -> None:
        super().__init__(spec, text)
        self._list = DropDown(markup=False)
        self._choices: Mapping[str, str] = {}
        self._current = ""
        self._search = ""
        """The typed text that the choices in the list have, empty for all."""
        self._chosen = self.text
        """The text that was not typed: the list stays closed for it."""

    def compose(self) -> ComposeResult:
        yield from super().compose()
        yield self._list

    @property
    def has_choices(self) -> bool:
        """True if there is more than one choice."""
        return len(self._choices) > 1

    def offer(self, choices: Mapping[str, str], current: str, missing: str = "") -> None:
        """Offer these names, each with an example, and `current` first: it is in use unless `missing` stands for it."""
        self._choices, self._current = choices, current
        self.suggest(missing or current)
        if self.is_open:
            self._fill()

    # ---- list

    def open_list(self) -> None:
        """Show all choices, the one in use first."""
        self.focus()
        if self._choices:
            self._show_list("")

    def _show_list(self, search: str) -> None:
        self._search = search
        self._list.display = True
        self._fill()

    def _fill(self) -> None:
        options = [Option(prompt, id=str(number)) for number, prompt in self._prompts(self._search)]
        none = Option(safe_content(_("no matches here")), disabled=True)
        self._list.fill(options or [none], 0 if options else None, self._input)

    def _prompts(self, typed: str) -> Iterator[tuple[int, Content]]:
        """Yield the number and the line of each choice with `typed` in it: the one in use or meant first."""
        numbered = list(enumerate(self._choices, 1))
        meant = (typed, fold(typed)) if typed else (None, fold(self._current))
        numbered.sort(key=lambda item: str(item[0]) != meant[0] and fold(item[1]) != meant[1])
        matching = [(number, name) for number, name in numbered if typed == str(number) or fold(typed) in fold(name)]
        shown = {number: truncate_cells(_one_line(name), _MAX_NAME) for number, name in matching}
        width = max(map(cell_len, shown.values()), default=0) + 2
        digits = len(str(len(numbered)))
        for number, name in matching:
            gap = " " * (width - cell_len(shown[number]))
            example = safe_line(self._choices[name][:_MAX_EXAMPLE], "$text-muted")
            yield number, Content.assemble(f"{number:>{digits}}  ", shown[number], gap, example)

    @on(OptionList.OptionSelected)
    def _selected(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        assert event.option.id is not None  # the other option is disabled
        self.close_list()
        self.text = self._chosen = typed_form(list(self._choices), int(event.option.id))

    @on(OptionList.OptionHighlighted)
    def _highlighted(self, event: OptionList.OptionHighlighted) -> None:
        event.stop()

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        if self.is_open:
            self._list.action_select()

    def on_input_changed(self, event: Input.Changed) -> None:
        if event.value != self._chosen and self._choices and self.has_focus_within:
            self._show_list(event.value.strip())
        self._chosen = event.value

    def on_descendant_blur(self) -> None:
        self.close_list()


def typed_form(names: Sequence[str], number: int) -> str:
    """Return the text that means the choice of this number (from 1): its name, or the number of one that cannot be
    typed or differs from another in case or blanks only."""
    name = names[number - 1]
    is_unique = sum(fold(other) == fold(name) for other in names) == 1
    return name.strip() if is_unique and name.strip() and is_typeable(name) else str(number)


def _one_line(name: str) -> str:
    return " ".join(sanitize(name).split())
