"""Asks where a file is, or where to write one."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Static

from weibo_tui.app.base import Dialog
from weibo_tui.app.explanation import explain
from weibo_tui.app.formatting import safe_content
from weibo_tui.app.forms.path_input import PathInput
from weibo_tui.errors import WeiboTuiError
from weibo_tui.locale import gettext as _


class PathDialog(Dialog[Path]):
    """A path, completed as it is typed; `check` raises WeiboTuiError for one that will not do. With `save` it is a
    place to write to: where a file is already, it is to be said twice."""

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
        self._typed = PathInput(value, suffixes, save=save, folders=folders)
        self._warned_of: Path | None = None
        self.overwrite = False
        """The user agreed to replace the file at the path that was given."""

    def compose(self) -> ComposeResult:
        with Vertical(classes="box"):
            yield Static(safe_content(self._question), classes="question")
            yield self._typed
            yield Static(classes="problem")

    def on_mount(self) -> None:
        self._typed.focus()

    def on_path_input_changed(self) -> None:
        self._object("")

    def on_path_input_chosen(self, event: PathInput.Chosen) -> None:
        try:
            self._check(event.path)
        except WeiboTuiError as error:
            self._object(explain(error))
            return
        if self._save and event.exists and self._warned_of != event.path:
            self._warned_of = event.path
            self._object(_("{path} is there already: Enter once more replaces it.").format(path=event.path))
        else:
            self.overwrite = self._save and event.exists
            self.dismiss(event.path)

    def _object(self, problem: str) -> None:
        self.query_one(".problem", Static).update(safe_content(problem))
