"""Export of a score card or a comparison to a file that the user names."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path

from weibo_tui.app.base import BaseApp
from weibo_tui.app.forms.path_dialog import PathDialog
from weibo_tui.locale import gettext as _
from weibo_tui.locale import join_list
from weibo_tui.presentation.publication.document import SUFFIXES, Document, check_file
from weibo_tui.workbench.workbench import Workbench


async def export_document(app: BaseApp, document: Document, name: str, inputs: Iterable[Path] = ()) -> Path | None:
    """Ask for a file, which replaces none of `inputs`, and write a document to it. Return None if the user cancels."""
    question = _("Export to ({suffixes})").format(suffixes=join_list(SUFFIXES))
    check = partial(check_file, overwrite=True, inputs=tuple(inputs))
    dialog = PathDialog(question, name, save=True, suffixes=SUFFIXES, check=check)
    path = await app.push_screen_wait(dialog)
    if path is not None:
        await app.records.call(lambda wb: write_document(wb, document, path, dialog.overwrite))
    return path


def write_document(workbench: Workbench, document: Document, path: Path, overwrite: bool) -> None:
    """Write a document to a file that is not one of the program's own."""
    workbench.check_output(path, overwrite)
    document.write(path, overwrite)
