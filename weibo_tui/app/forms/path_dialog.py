"""A dialog for a path."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Static

from weibo_tui.app.base import Dialog
from weibo_tui.app.explanation import user_message
from weibo_tui.app.formatting import safe_content
from weibo_tui.app.forms.path_input import PathInput
from weibo_tui.errors import WeiboTuiError
from weibo_tui.locale import gettext as _


class PathDialog(Dialog[Path]):
    """Asks for a path. `check` raises WeiboTuiError for an invalid one.

    With `save` it is a file to write: Enter twice replaces an existing one."""

    DEFAULT_CSS = """
    PathDialog .box { width: 90; min-height: 9; }
    """

    def __init__(
        self,
        question: str,
        value: str = "",
        save: bool = False,
        folders: bool = False,
        suffixes: Collection[str] = (),
        check: Callable[[Path], object] = Path,
    ) -> None:
        super().__init__()
        self._question = question
        self._save = save
        self._check = check
        self._input = PathInput(value, suffixes, save=save, folders=folders)
        self._warned_path: Path | None = None
        self.overwrite = False
        """True if the user agreed to replace the existing file."""

    def compose(self) -> ComposeResult:
        with Vertical(classes="box"):
            yield Static(safe_content(self._question), classes="question")
            yield self._input
            yield Static(classes="problem")

    def on_mount(self) -> None:
        self._input.focus()

    def on_path_input_changed(self) -> None:
        self._show_problem("")

    def on_path_input_chosen(self, event: PathInput.Chosen) -> None:
        try:
            self._check(event.path)
        except WeiboTuiError as error:
            self._show_problem(user_message(error))
            return
        if self._save and event.exists and self._warned_path != event.path:
            self._warned_path = event.path
            self._show_problem(_("File exists: {path}. Press Enter again to replace it.").format(path=event.path))
        else:
            self.overwrite = self._save and event.exists
            self.dismiss(event.path)

    def _show_problem(self, problem: str) -> None:
        self.query_one(".problem", Static).update(safe_content(problem))
