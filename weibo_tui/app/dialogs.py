"""Dialogs for a choice and for one line of text."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from weibo_tui.app.base import Dialog
from weibo_tui.app.explanation import user_message
from weibo_tui.app.formatting import safe_content
from weibo_tui.app.widgets.single_line_input import SingleLineInput
from weibo_tui.errors import WeiboTuiError
from weibo_tui.text.terminal import sanitize


class ChoiceDialog(Dialog[str]):
    """Asks for one of several answers, given as (value, label). Returns the value, or None if it was closed.

    The safe answer comes first, so that Enter takes it. With `first_digit`, the answers have digits from it on, which
    take them too."""

    def __init__(
        self,
        question: str,
        answers: Sequence[tuple[str, str]],
        default: str = "",
        first_digit: int | None = None,
    ) -> None:
        super().__init__()
        self._question = question
        self._answers = answers
        self._default = default
        digits = [] if first_digit is None else [str(digit) for digit in range(first_digit, 10)]
        self._by_digit = dict(zip(digits, answers, strict=False))

    def compose(self) -> ComposeResult:
        with Vertical(classes="box"):
            yield Static(safe_content(self._question), classes="question")
            digits = {answer: f"{digit} " for digit, answer in self._by_digit.items()}
            yield OptionList(*(Option(safe_content(digits.get(item, "") + item[1])) for item in self._answers))

    def on_mount(self) -> None:
        values = [value for value, _label in self._answers]
        self.query_one(OptionList).highlighted = values.index(self._default) if self._default in values else 0

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(self._answers[event.option_index][0])

    def on_key(self, event: events.Key) -> None:
        if event.key in self._by_digit:
            event.stop()
            self.dismiss(self._by_digit[event.key][0])


class InputDialog(Dialog[str]):
    """Asks for one line of text. `check` raises WeiboTuiError for an invalid one, and its message is shown."""

    def __init__(self, question: str, value: str = "", check: Callable[[str], object] = str) -> None:
        super().__init__()
        self._question = question
        self._value = value
        self._check = check

    def compose(self) -> ComposeResult:
        with Vertical(classes="box"):
            yield Static(safe_content(self._question), classes="question")
            yield SingleLineInput(sanitize(self._value))
            yield Static(classes="problem")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        try:
            self._check(event.value)
        except WeiboTuiError as error:
            self.query_one(".problem", Static).update(safe_content(user_message(error)))
            return
        self.dismiss(event.value)
