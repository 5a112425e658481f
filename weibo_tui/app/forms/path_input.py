"""An input for a path, with completion and a list of files."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import TypeVar

from textual import events, on, work
from textual.actions import SkipAction
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.message import Message
from textual.suggester import SuggestionReady
from textual.widget import Widget
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from weibo_tui.app.formatting import safe_content
from weibo_tui.app.forms.drop_down import DropDown, DropDownKeys
from weibo_tui.app.forms.path_completion import (
    MAX_SUGGESTIONS,
    Completions,
    PathCheck,
    as_path,
    check_path,
    complete,
    is_typeable,
    parse_dropped_paths,
)
from weibo_tui.app.keymap import bindings
from weibo_tui.locale import N_
from weibo_tui.locale import gettext as _
from weibo_tui.text.terminal import sanitize

_THIS_FOLDER = "/"
"""The id of the option for the typed folder itself; those of names do not end here."""

T = TypeVar("T")


class PathField(Input, inherit_bindings=False):
    """The text line of a PathInput. It accepts dropped files, and a key takes its suggestion."""

    BINDINGS = Input.BINDINGS  # without the keys that scroll up and down
    HELP_TEXT = N_(
        "The path of a file. Tab or Right accepts the suggestion, Down lists files. You can also drop a file "
        "on the terminal."
    )

    class Dropped(Message):
        """Files were dropped on the terminal, or paths pasted in quotes or as URIs."""

        def __init__(self, paths: list[str]) -> None:
            super().__init__()
            self.paths = paths

    suggestion = ""

    def take_suggestion(self) -> bool:
        """Take the suggestion for the text before the cursor. Return False without one."""
        matches = self.suggestion.casefold().startswith(self.value.casefold()) and self.suggestion != self.value
        if not (self.value and matches and self.cursor_at_end):
            return False
        self.value = self.suggestion
        self.cursor_position = len(self.value)
        return True

    def suggest(self, text: str, suggestion: str) -> None:
        """Show a suggestion for `text`, if it is still the value."""
        self.suggestion = suggestion
        self.post_message(SuggestionReady(text, suggestion))

    def on_paste(self, event: events.Paste) -> None:
        event.stop()
        event.prevent_default()
        paths = parse_dropped_paths(event.text)
        if paths == [event.text.strip()]:
            self.replace(sanitize(paths[0]), *self.selection)
        elif paths:
            self.post_message(self.Dropped(paths))


class PathInput(DropDownKeys, Widget):
    """An input for the path of a file, completed while it is typed; with `save`, of a file to write.

    Enter, or a file taken from the list, posts `Chosen` if the path is valid, and otherwise shows what is wrong. If
    several files are dropped on the terminal at once, each is chosen.
    """

    BINDINGS = bindings("path")
    DEFAULT_CSS = """
    PathInput { width: 1fr; height: auto; }
    PathInput > Horizontal { height: auto; }
    PathInput PathField { width: 1fr; }
    PathInput ._open { width: 3; text-align: center; background: $panel; color: $text-muted; }
    PathInput ._open:hover { color: $text; }
    PathInput ._message { height: auto; padding: 0 1; display: none; color: $text-warning; }
    PathInput ._message.-problem { color: $text-error; }
    """

    class Changed(Message):
        """The text changed. It may not be a path yet."""

        def __init__(self, path_input: PathInput, value: str) -> None:
            super().__init__()
            self.path_input = path_input
            self.value = value

    class Noticed(Message):
        """The message about the path changed."""

    class Chosen(Message):
        """A valid path was chosen. With `save`, `exists` says that there is a file already."""

        def __init__(self, path_input: PathInput, path: Path, exists: bool) -> None:
            super().__init__()
            self.path_input = path_input
            self.path = path
            self.exists = exists

    def __init__(
        self,
        value: str = "",
        suffixes: Collection[str] = (),
        save: bool = False,
        folders: bool = False,
        placeholder: str = "",
        id: str | None = None,  # noqa: A002
        check: Callable[[str], PathCheck] | None = None,
    ) -> None:
        """Only files with one of `suffixes` (lower case, with the dot) are suggested, but any may be typed. With
        `folders` a folder is valid too. `check` is called with a text in a thread, in place of `check_path`."""
        super().__init__(id=id)
        self._check = check or (lambda text: check_path(as_path(text), save))
        self._suffixes = tuple(suffixes)
        self._save = save
        self._folders = folders
        self._field = PathField(sanitize(value), placeholder=placeholder)
        self._list = DropDown(markup=False)
        self._message = Static(classes="_message")
        self._completions = Completions()
        self._completed_text = value
        self.problem = self._notice_text = ""

    def compose(self) -> ComposeResult:
        with Horizontal():
            yield self._field
            yield _Opener("▼", classes="_open", markup=False)
        yield self._list
        yield self._message

    def focus(self, scroll_visible: bool = True) -> PathInput:
        self._field.focus(scroll_visible)
        return self

    @property
    def value(self) -> str:
        """The typed text."""
        return self._field.value

    @value.setter
    def value(self, value: str) -> None:
        self._field.value = sanitize(value)
        self._field.cursor_position = len(self._field.value)

    @property
    def path(self) -> Path:
        """The typed path, existing or not; `~` is the home folder."""
        return as_path(self.value)

    def check_value(self) -> PathCheck:
        """Check the typed path, as Enter does."""
        return self._check(self.value)

    # ---- completion

    @on(Input.Changed)
    def _text_changed(self, event: Input.Changed) -> None:
        event.stop()
        self._show_message("")
        self._field.suggestion = ""
        self.post_message(self.Changed(self, event.value))
        self._complete(event.value)

    @work(group="complete", exclusive=True)
    async def _complete(self, text: str) -> None:
        self._completions, notice = await run_in_thread(
            lambda: (complete(text, self._suffixes), self._find_notice(text))
        )
        self._completed_text = text
        if notice:
            self._show_message(notice, problem=False)
        values = [self._completions.head + name for name in self._completions.names]
        if values and text and text not in values:
            self._field.suggest(text, values[0])
        if self.is_open:
            self._fill_list()

    def _find_notice(self, text: str) -> str:
        """Return a message about a file to write, while its path is typed."""
        if not self._save or not text:
            return ""
        check = check_path(as_path(text), save=True)
        if check.kind == "folder":  # the name is still to be typed
            return ""
        return check.problem or (_("This file was added already.") if check.kind == "file" else "")

    def show_problem(self, problem: str) -> None:
        """Show what is wrong with the path, until it changes."""
        self._show_message(problem)

    def _show_message(self, text: str, problem: bool = True) -> None:
        self.problem = text if problem else ""
        self._notice_text = "" if problem else text
        self._message.update(safe_content(text))
        self.set_class(bool(text), "-noticed")
        self.set_class(bool(self.problem), "-wrong")
        self.post_message(self.Noticed())

    @property
    def hint(self) -> Content:
        """A message about the path that is no problem, or the help text."""
        return (
            safe_content(self._notice_text, "$text-warning")
            if self._notice_text
            else safe_content(_(self._field.HELP_TEXT))
        )

    # ---- list

    def open_list(self) -> None:
        """Show the possible names in a list."""
        self._field.focus()
        self._list.clear_options()
        self._list.display = True
        self._complete(self.value)

    def _fill_list(self) -> None:
        options = list(self._options())
        # Enter takes an existing name, or the typed text where a new name may be meant.
        highlighted = 0 if self._completions.names and not self._save else None
        is_table = self._completions.is_table and not self._save
        if (self._folders or is_table) and self._completions.names and self._completed_text.endswith(os.sep):
            options.insert(0, Option(safe_content(_("use this folder")), id=_THIS_FOLDER))
            highlighted = 0 if is_table else 1  # Enter and Enter goes down, as without this choice
        self._list.fill(options, highlighted, self._field)

    def _options(self) -> Iterator[Option]:
        for name in self._completions.names:
            yield Option(safe_content(name), id=self._completions.head + name)
        if self._completions.more:
            text = _("more than {number}: keep typing").format(number=MAX_SUGGESTIONS)
            yield Option(safe_content(text), disabled=True)
        elif not self._completions.names:
            yield Option(safe_content(_("no matches here")), disabled=True)

    @on(OptionList.OptionSelected)
    def _name_selected(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        assert event.option.id is not None  # the other options are disabled
        if event.option.id == _THIS_FOLDER:
            self.choose()
            return
        self.value = event.option.id
        if self.value.endswith(os.sep):
            return  # the list shows the folder next
        self.close_list()
        if not self._save:
            self._choose([self.value])

    @on(OptionList.OptionHighlighted)
    def _name_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        event.stop()

    def on_descendant_blur(self) -> None:
        self.close_list()

    # ---- keys

    def action_complete(self) -> None:
        if not self._field.take_suggestion():
            self.close_list()
            raise SkipAction  # move to the next field

    # ---- choosing

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        if self.is_open and self._list.highlighted is not None and self._completed_text == event.value:
            self._list.action_select()
        elif event.value:
            self.choose()

    def choose(self) -> None:
        """Choose the typed path, as Enter does."""
        self.close_list()
        self._choose([self.value])

    @work(group="choose", exclusive=True)
    async def _choose(self, values: list[str]) -> None:
        for value in values:
            check = await run_in_thread(partial(self._check, value))
            if check.problem and not (self._folders and check.kind == "folder"):
                self._show_message(check.problem)
            else:
                self.post_message(self.Chosen(self, check.path, check.kind == "file"))

    def on_path_field_dropped(self, event: PathField.Dropped) -> None:
        event.stop()
        first, *others = event.paths
        if self._save or (is_typeable(first) and not others):
            self.value = first
        else:
            self._choose(event.paths)


class _Opener(Static):
    def on_click(self, event: events.Click) -> None:
        event.stop()
        self.query_ancestor(PathInput).open_list()


async def run_in_thread(function: Callable[[], T]) -> T:
    """Return the result of `function`, called in a daemon thread.

    Neither the event loop nor the exit of the program waits for it: a disk that is gone may never answer."""
    future: Future[T] = Future()
    future.set_running_or_notify_cancel()  # from here on it cannot be cancelled, only abandoned

    def run() -> None:
        try:
            future.set_result(function())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return await asyncio.wrap_future(future)
