"""The dialog for the guideline of an annotation."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Static, TextArea

from weibo_tui.app.base import Dialog
from weibo_tui.app.formatting import safe_content
from weibo_tui.app.keymap import bindings, first_key
from weibo_tui.locale import gettext as _


class GuidelineDialog(Dialog[str]):
    """Shows and edits what the labels of a file mean. Returns the text, or None if it was closed without saving."""

    BINDINGS = bindings("guideline")
    DEFAULT_CSS = """
    GuidelineDialog {
        .box { width: 90; height: 80%; }
        TextArea { height: 1fr; border: none; padding: 0 1; }
    }
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self._text = text

    def compose(self) -> ComposeResult:
        message = _("Guideline: what the labels of this file mean. {key} saves it.")
        question = message.format(key=first_key("guideline.save", self.app.keymap))
        with Vertical(classes="box"):
            yield Static(safe_content(question), classes="question")
            yield TextArea(self._text, soft_wrap=True)

    def action_save(self) -> None:
        self.dismiss(self.query_one(TextArea).text)
