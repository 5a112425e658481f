"""Score cards and comparisons for publication, in a file or on stdout."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from weibo_tui.cli.output import echo, echo_info
from weibo_tui.errors import UserInputError
from weibo_tui.locale import gettext as _
from weibo_tui.locale import join_list
from weibo_tui.paths import is_same
from weibo_tui.presentation.publication.document import FORMATS, Document, check_file, render

if TYPE_CHECKING:
    from weibo_tui.workbench.workbench import Workbench

Out = Annotated[
    Path | None,
    typer.Option(
        "--out",
        metavar="FILE",
        help=_("Write this file: .md, .tex, .csv, .json or .html, or the pictures as .svg or .png."),
    ),
]


def check(
    workbench: Workbench,
    out: Path,
    overwrite: bool,
    inputs: Iterable[Path] = (),
    other: Path | None = None,
    file_format: str = "",
) -> None:
    """Raise UserInputError unless a document can be written to `out`: in the format, if one is given, and not in place
    of the `other` output."""
    if other is not None and is_same(out, other):
        message = _("--out and another output are the same file: {path}. Choose another file for one of them.")
        raise UserInputError(message.format(path=out))
    if file_format and check_format(file_format) != out.suffix.casefold():
        message = _("{path} does not fit the format {form}. Leave the format out, or choose another name.")
        raise UserInputError(message.format(path=out, form=file_format))
    check_file(out, overwrite, inputs)
    workbench.check_output(out, overwrite)


def check_format(name: str) -> str:
    """Return the suffix of a format that is text. Raise UserInputError for an unknown one."""
    if name not in FORMATS:
        message = _("Unknown format: {name}. The formats are {formats}.")
        raise UserInputError(message.format(name=name, formats=join_list(FORMATS)))
    return FORMATS[name]


def write(document: Document, out: Path, overwrite: bool) -> None:
    """Write a document to a file, and say so."""
    document.write(out, overwrite)
    echo_info(_("Written: {path}").format(path=out))


def echo_document(document: Document, file_format: str) -> None:
    """Print a document on stdout. Raise UserInputError for an unknown format."""
    text = str(render(document, check_format(file_format)))
    echo(text.replace("\r\n", "\n").removesuffix("\n"))
