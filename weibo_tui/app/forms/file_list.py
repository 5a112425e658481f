"""A list of files and folders to choose one by one, each with a label of all its posts if it has one."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Self

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from weibo_tui.app.base import get_app
from weibo_tui.app.dialogs import InputDialog
from weibo_tui.app.formatting import safe_line
from weibo_tui.app.forms.path_input import PathInput
from weibo_tui.app.keymap import bindings
from weibo_tui.locale import N_
from weibo_tui.locale import gettext as _


class _ChosenFiles(OptionList):
    HELP_TEXT = N_(
        "The chosen files. Enter gives all posts of the selected file or folder one label; Delete removes it."
    )
    BINDINGS = bindings("chosen_files")

    def action_label(self) -> None:
        get_app(self).run_task(self.query_ancestor(FileList).ask_label(), node=self)

    def action_remove(self) -> None:
        self.query_ancestor(FileList).remove_highlighted()


class FileList(Vertical):
    """A path input with the chosen files and folders below it.

    `labels` are those of files whose posts all have one label, and of folders whose files have."""

    DEFAULT_CSS = """
    FileList {
        height: auto;
        & > _ChosenFiles {
            height: auto; max-height: 6; border: none; padding: 0; background: $background; display: none;
        }
        & > _ChosenFiles:focus { border: none; }
        &.-some > _ChosenFiles { display: block; }
        & > _ChosenFiles { text-wrap: nowrap; text-overflow: ellipsis; }
        & .option-list--option { padding: 0 1; }
    }
    """

    class Changed(Message):
        """The chosen files changed."""

    def __init__(
        self, files: Iterable[Path] = (), suffixes: Collection[str] = (), labels: Mapping[Path, str] | None = None
    ) -> None:
        super().__init__()
        self.files = list(files)
        self.labels = {path: label for path, label in (labels or {}).items() if path in self.files}
        placeholder = _("a labeled file or folder; Enter adds it")
        self._input = PathInput(suffixes=suffixes, folders=True, placeholder=placeholder)
        self._chosen = _ChosenFiles(markup=False)

    def compose(self) -> ComposeResult:
        yield self._input
        yield self._chosen

    def on_mount(self) -> None:
        self._show()

    def focus(self, scroll_visible: bool = True) -> Self:
        self._input.focus(scroll_visible)
        return self

    def show_problem(self, problem: str) -> None:
        """Show a problem with the files."""
        self._input.show_problem(problem)

    @property
    def pending(self) -> Path | None:
        """The typed path that was not added yet."""
        return self._input.path if self._input.value.strip() else None

    @property
    def is_waiting(self) -> bool:
        """True while the input has the focus, and nothing is typed."""
        return self._input.has_focus_within and not self._input.value

    def add(self, path: Path) -> None:
        """Add a file and clear the input."""
        path = path.absolute()
        if path not in self.files:
            self.files.append(path)
        self._input.value = ""
        self._show()
        self.post_message(self.Changed())

    def on_path_input_chosen(self, event: PathInput.Chosen) -> None:
        event.stop()
        self.add(event.path)

    def on_descendant_blur(self) -> None:
        if self.pending is not None:
            self._input.choose()

    def remove_highlighted(self) -> None:
        index = self._chosen.highlighted
        if index is None:
            return
        self.labels.pop(self.files.pop(index), None)
        self._show(index)
        if not self.files:
            self.focus()
        self.post_message(self.Changed())

    async def ask_label(self) -> None:
        """Ask for the label of all posts of the selected file or folder."""
        index = self._chosen.highlighted
        if index is None:
            return
        path = self.files[index]
        question = _("Label of all posts in {name} (empty: from the label column)").format(name=path.name)
        label = await get_app(self).push_screen_wait(InputDialog(question, self.labels.get(path) or path.stem))
        if label is None:
            return
        self.labels.pop(path, None)
        if label.strip():
            self.labels[path] = label.strip()
        self._show(index)
        self.post_message(self.Changed())

    def _show(self, index: int = 0) -> None:
        self._chosen.set_options(Option(_prompt(path, self.labels.get(path, ""))) for path in self.files)
        self._chosen.highlighted = min(index, len(self.files) - 1) if self.files else None
        self.set_class(bool(self.files), "-some")


def _prompt(path: Path, label: str) -> Content:
    """Return the name and the label, then the folder, which may be cut off."""
    equals = Content.assemble(" = ", safe_line(label, "$primary")) if label else ""
    return Content.assemble(safe_line(path.name), equals, "  ", safe_line(str(path.parent), "$text-muted"))
