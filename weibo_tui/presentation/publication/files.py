"""Documents in the formats that the name of a file chooses."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from weibo_tui.atomic import check_output, open_output
from weibo_tui.errors import UserInputError
from weibo_tui.locale import gettext as _
from weibo_tui.locale import join_list
from weibo_tui.presentation.pictures.png import png
from weibo_tui.presentation.pictures.svg import standalone
from weibo_tui.presentation.publication import latex, markdown, page
from weibo_tui.presentation.publication.document import Document
from weibo_tui.storage.export import csv_rows


def _svg(document: Document) -> str:
    if not document.pictures:
        message = _("There is nothing to draw in '{title}'. Choose a name that ends in .md or .html.")
        raise UserInputError(message.format(title=document.title))
    return standalone(document.pictures, document.title)


def _csv(document: Document) -> str:
    file = io.StringIO(newline="")
    columns = [*document.columns()]
    write = csv_rows(file, columns)
    for row in document.numbers:
        write([row.get(name) for name in columns])
    return file.getvalue()


def _json(document: Document) -> str:
    return json.dumps(document.value, ensure_ascii=False, allow_nan=False, default=str, indent=1) + "\n"


_RENDERERS: Mapping[str, Callable[[Document], str | bytes]] = {
    ".md": markdown.render,
    ".tex": latex.render,
    ".csv": _csv,
    ".json": _json,
    ".html": page.render,
    ".svg": _svg,
    ".png": lambda document: png(_svg(document)),
}
SUFFIXES = tuple(_RENDERERS)
FORMATS = {"md": ".md", "latex": ".tex", "csv": ".csv", "json": ".json", "html": ".html"}
"""Formats that are text, by their names."""


def render(document: Document, suffix: str) -> str | bytes:
    """Return a document in the format of a suffix. Raise UserInputError for a picture that cannot be drawn."""
    return _RENDERERS[suffix](document)


def check_file(path: Path, overwrite: bool = False, inputs: Iterable[Path] = ()) -> None:
    """Raise UserInputError unless a document can be written to a file: its suffix names a format, and see
    `atomic.check_output`."""
    if path.suffix.casefold() not in SUFFIXES:
        message = _("{path} does not end in the name of a format. Choose one of {suffixes}.")
        raise UserInputError(message.format(path=path, suffixes=join_list(SUFFIXES)))
    check_output(path, overwrite, inputs)


def write_document(document: Document, path: Path, overwrite: bool = False) -> None:
    """Write a document in the format that the suffix of the file names. Raise the errors of `check_file`."""
    check_file(path, overwrite)
    suffix = path.suffix.casefold()
    content = render(document, suffix)
    if isinstance(content, str):
        # A byte-order mark, so that a spreadsheet reads Chinese.
        content = content.encode("utf-8-sig" if suffix == ".csv" else "utf-8", "backslashreplace")
    with open_output(path, "wb", overwrite=overwrite) as file:
        file.write(content)
