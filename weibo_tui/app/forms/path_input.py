"""A line for a path, which knows what is there."""

from __future__ import annotations

import os
import threading
from collections.abc import Collection, Iterator
from functools import partial
from pathlib import Path

from textual import events, on, work
from textual.actions import SkipAction
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.message import Message
from textual.suggester import SuggestionReady
from textual.widget import Widget
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from weibo_tui.app.formatting import safe_content
from weibo_tui.app.forms.aside import aside
from weibo_tui.app.forms.path_completion import MOST, Completions, as_path, complete, is_typeable, judge
from weibo_tui.app.forms.path_field import PathField
from weibo_tui.app.keymap import bindings
from weibo_tui.locale import gettext as _
from weibo_tui.locale import ngettext
from weibo_tui.text import visible

LINES = 8
"""Lines of the list that are seen at once; it scrolls."""


class PathInput(Widget):
    """A line for the path of a file, completed as it is typed; with `save`, for a place to write a file to.

    Enter, or a file taken from the list, posts `Chosen` where the path will do, and says why where it will not. Of
    several files that are dropped on the terminal at once, each is chosen.
    """

    BINDINGS = bindings("path")
    DEFAULT_CSS = f"""
    PathInput {{ width: 1fr; height: auto; }}
    PathInput > Horizontal {{ height: auto; }}
    PathInput PathField {{ width: 1fr; }}
    PathInput ._open {{ width: 3; text-align: center; background: $panel; color: $text-muted; }}
    PathInput ._open:hover {{ color: $text; }}
    PathInput ._said {{ height: auto; padding: 0 1; display: none; color: $text-warning; }}
    PathInput ._said.-problem {{ color: $text-error; }}
    PathInput OptionList {{
        display: none; overlay: screen; width: 1fr; height: auto; max-height: {LINES};
        border: none; padding: 0; background: $panel;
    }}
    PathInput .option-list--option {{ padding: 0 1; }}
    """

    class Changed(Message):
        """Something was typed, pasted or taken; it need not be a path yet."""

        def __init__(self, path_input: PathInput, value: str) -> None:
            super().__init__()
            self.path_input = path_input
            self.value = value

        @property
        def control(self) -> PathInput:
            return self.path_input

    class Chosen(Message):
        """A path that will do. `exists` says, of a place to write to, that a file is there already."""

        def __init__(self, path_input: PathInput, path: Path, exists: bool) -> None:
            super().__init__()
            self.path_input = path_input
            self.path = path
            self.exists = exists

        @property
        def control(self) -> PathInput:
            return self.path_input

    def __init__(
        self,
        value: str = "",
        suffixes: Collection[str] = (),
        save: bool = False,
        folders: bool = False,
        placeholder: str = "",
        id: str | None = None,  # noqa: A002
        classes: str = "",
    ) -> None:
        """Only files with one of `suffixes` (lower case, with the dot) are suggested; any may be typed. With `folders`
        a folder will do too."""
        super().__init__(id=id, classes=classes)
        self._suffixes = tuple(suffixes)
        self._save = save
        self._folders = folders
        self._field = PathField(visible(value), placeholder=placeholder)
        self._list = _Names(markup=False)
        self._said = Static(classes="_said")
        self._found = Completions()
        self._found_for = value

    def compose(self) -> ComposeResult:
        with Horizontal():
            yield self._field
            yield _Opener("▼", classes="_open", markup=False)
        yield self._list
        yield self._said

    def focus(self, scroll_visible: bool = True) -> PathInput:
        self._field.focus(scroll_visible)
        return self

    @property
    def value(self) -> str:
        """What is typed."""
        return self._field.value

    @value.setter
    def value(self, value: str) -> None:
        self._field.value = visible(value)
        self._field.cursor_position = len(self._field.value)

    @property
    def path(self) -> Path:
        """The path that is typed, whether it is there or not; `~` is the home folder."""
        return as_path(self.value)

    @property
    def is_open(self) -> bool:
        """Whether the list is seen."""
        return self._list.display

    # ---- what is there

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        self._say("")
        self.post_message(self.Changed(self, event.value))
        self._look_up(event.value)

    @work(group="look up", exclusive=True)
    async def _look_up(self, text: str) -> None:
        given_up = threading.Event()

        def look() -> tuple[Completions, str]:
            return complete(text, self._suffixes, given_up.is_set), self._notice(text)

        try:
            self._found, notice = await aside(look)
        finally:
            given_up.set()
        self._found_for = text
        if notice:
            self._say(notice, problem=False)
        values = [self._found.head + name for name in self._found.names]
        if values and text and text not in values:
            self._field.post_message(SuggestionReady(text, values[0]))
        if self.is_open:
            self._fill_list()

    def _notice(self, text: str) -> str:
        """What to know of a place to write to while it is typed."""
        if not self._save or not text:
            return ""
        place = judge(as_path(text), save=True)
        if place.kind == "folder":  # one on the way
            return ""
        return place.problem or (_("This file is there already.") if place.kind == "file" else "")

    def _say(self, text: str, problem: bool = True) -> None:
        self._said.update(safe_content(text))
        self._said.display = bool(text)
        self._said.set_class(problem, "-problem")

    # ---- the list below

    def open_list(self) -> None:
        """Show what may follow; it is looked up anew."""
        self._field.focus()
        self._list.clear_options()
        self._list.display = True
        self._look_up(self.value)

    def close_list(self) -> None:
        self._list.display = False

    def _fill_list(self) -> None:
        self._list.set_options(self._options())
        # Enter takes a name that is there already, or what is typed, where a new one may be meant.
        self._list.highlighted = 0 if self._found.names and not self._save else None
        # Below the line; above it where there is more room.
        above, below = self._field.region.y, self.screen.size.height - self._field.region.bottom
        height = min(self._list.option_count, LINES)
        upwards = height > below and above > below
        height = min(height, max(above if upwards else below, 1))
        self._list.styles.max_height = height
        self._list.styles.offset = (0, -height - self._field.region.height if upwards else 0)

    def _options(self) -> Iterator[Option]:
        for name in self._found.names:
            yield Option(safe_content(name), id=self._found.head + name)
        if self._found.more:
            yield Option(safe_content(_("more than {number}: type on").format(number=MOST)), disabled=True)
        if self._found.untypeable:
            message = ngettext(
                "{number} name is left out that cannot be typed",
                "{number} names are left out that cannot be typed",
                self._found.untypeable,
            )
            yield Option(safe_content(message.format(number=self._found.untypeable)), disabled=True)
        elif not self._found.names:
            yield Option(safe_content(_("nothing here that fits")), disabled=True)

    @on(OptionList.OptionSelected)
    def _picked(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        assert event.option.id is not None  # only names can be taken
        self.value = event.option.id
        if self.value.endswith(os.sep):
            return  # the list goes on with what is in it
        self.close_list()
        if not self._save:
            self._choose([self.value])

    @on(OptionList.OptionHighlighted)
    def _pointed_at(self, event: OptionList.OptionHighlighted) -> None:
        event.stop()

    def on_descendant_blur(self) -> None:
        self.close_list()

    # ---- keys

    def action_complete(self) -> None:
        if not self._field.take_suggestion():
            self.close_list()
            raise SkipAction  # to the next field, then

    def action_down(self) -> None:
        if self.is_open:
            self._list.action_cursor_down()
        else:
            self.open_list()

    def action_up(self) -> None:
        if not self.is_open:
            raise SkipAction
        self._list.action_cursor_up()

    def action_close(self) -> None:
        if not self.is_open:
            raise SkipAction
        self.close_list()

    # ---- choosing

    @on(Input.Submitted)
    def _entered(self, event: Input.Submitted) -> None:
        event.stop()
        if self.is_open and self._list.highlighted is not None and self._found_for == event.value:
            self._list.action_select()
        elif event.value:
            self.close_list()
            self._choose([event.value])

    @work(group="choose", exclusive=True)
    async def _choose(self, values: list[str]) -> None:
        for value in values:
            place = await aside(partial(judge, as_path(value), self._save))
            if place.problem and not (self._folders and place.kind == "folder"):
                self._say(place.problem)
            else:
                self.post_message(self.Chosen(self, place.path, place.kind == "file"))

    def on_path_field_dropped(self, event: PathField.Dropped) -> None:
        event.stop()
        first, *others = event.paths
        if self._save or (is_typeable(first) and not others):
            self.value = first
        else:
            self._choose(event.paths)


class _Names(OptionList):
    """The list; the line keeps the focus while it is used by mouse."""

    FOCUS_ON_CLICK = False


class _Opener(Static):
    def on_click(self, event: events.Click) -> None:
        event.stop()
        self.query_ancestor(PathInput).open_list()
