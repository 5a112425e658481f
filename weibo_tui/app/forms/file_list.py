"""Files that are chosen one after the other, and can be taken out again."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from weibo_tui.app.formatting import safe_line
from weibo_tui.app.forms.path_input import PathInput
from weibo_tui.app.keymap import bindings
from weibo_tui.locale import N_
from weibo_tui.locale import gettext as _


class _ChosenFiles(OptionList):
    HELP_TEXT = N_("The files that are chosen. Delete takes out the one that the cursor is on.")
    BINDINGS = bindings("files")

    class Remove(Message):
        """The file that the cursor is on is to go."""

    def action_remove(self) -> None:
        self.post_message(self.Remove())


class FileList(Vertical):
    """A line to type or choose a path in, and below it the files that were chosen."""

    DEFAULT_CSS = """
    FileList {
        height: auto;
        & > _ChosenFiles {
            height: auto; max-height: 6; border: none; padding: 0; background: $background; display: none;
        }
        & > _ChosenFiles:focus { border: none; }
        &.-some > _ChosenFiles { display: block; }
        & .option-list--option { padding: 0 1; }
    }
    """

    class Changed(Message):
        """Other files are chosen now."""

    def __init__(self, files: Iterable[Path] = (), suffixes: Collection[str] = ()) -> None:
        super().__init__()
        self.files = list(files)
        self._typed = PathInput(suffixes=suffixes, placeholder=_("a file with posts and labels; Enter takes it"))
        self._chosen = _ChosenFiles(markup=False)

    def compose(self) -> ComposeResult:
        yield self._typed
        yield self._chosen

    def on_mount(self) -> None:
        self._show()

    def take_focus(self) -> None:
        self._typed.focus()

    @property
    def untaken(self) -> str:
        """What is typed and was not taken yet."""
        return self._typed.value.strip()

    def take(self, path: Path) -> None:
        """Choose a file, and be ready for the next."""
        path = path.absolute()
        if path not in self.files:
            self.files.append(path)
        self._typed.value = ""
        self._show()
        self.post_message(self.Changed())

    def on_path_input_chosen(self, event: PathInput.Chosen) -> None:
        event.stop()
        self.take(event.path)

    def on__chosen_files_remove(self) -> None:
        index = self._chosen.highlighted
        if index is None:
            return
        del self.files[index]
        self._show(index)
        if not self.files:
            self.take_focus()
        self.post_message(self.Changed())

    def _show(self, index: int = 0) -> None:
        self._chosen.set_options(Option(_named(path)) for path in self.files)
        self._chosen.highlighted = min(index, len(self.files) - 1) if self.files else None
        self.set_class(bool(self.files), "-some")


def _named(path: Path) -> Content:
    """The name first: it is what tells files apart where there is no room for the folder."""
    return Content.assemble(safe_line(path.name), "  ", safe_line(str(path.parent), "$text-muted"))
