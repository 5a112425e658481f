"""Documents of score cards and comparisons, in the formats that the name of a file chooses."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from weibo_tui.atomic import check_output, open_output
from weibo_tui.errors import UserInputError
from weibo_tui.locale import gettext as _
from weibo_tui.locale import join_list
from weibo_tui.presentation.pictures.png import png
from weibo_tui.presentation.pictures.svg import Picture, standalone
from weibo_tui.presentation.publication import latex, markdown, page
from weibo_tui.presentation.publication.parts import Part
from weibo_tui.storage.export import csv_rows


@dataclass(frozen=True, slots=True)
class Document:
    """A title, and tables, pictures and sentences.

    `numbers` are rows for a spreadsheet, `value` is everything, as JSON holds it."""

    title: str
    parts: Sequence[Part]
    numbers: Sequence[Mapping[str, Any]]
    value: Any

    def to_markdown(self) -> str:
        """Return the tables as Markdown."""
        return markdown.render(self.title, self.parts)

    def to_latex(self) -> str:
        """Return the tables as LaTeX, with the rules of the package booktabs."""
        return latex.render(self.title, self.parts)

    def to_html(self) -> str:
        """Return an HTML page with tables and pictures, which loads nothing."""
        return page.render(self.title, self.parts)

    def to_svg(self) -> str:
        """Return the pictures next to each other. Raise UserInputError without any."""
        pictures = [part for part in self.parts if isinstance(part, Picture)]
        if not pictures:
            message = _("There is nothing to draw in '{title}'. Choose a name that ends in .md or .html.")
            raise UserInputError(message.format(title=self.title))
        return standalone(pictures, self.title)

    def to_png(self) -> bytes:
        """Return the same as PNG. Raise UserInputError where the system has no font for its words."""
        return png(self.to_svg())

    def to_csv(self) -> str:
        """Return the numbers as CSV."""
        file = io.StringIO(newline="")
        columns = [*dict.fromkeys(name for row in self.numbers for name in row)]
        write = csv_rows(file, columns)
        for row in self.numbers:
            write([row.get(name) for name in columns])
        return file.getvalue()

    def to_json(self) -> str:
        """Return everything as JSON."""
        return json.dumps(self.value, ensure_ascii=False, allow_nan=False, default=str, indent=1) + "\n"

    def _repr_html_(self) -> str:
        return page.fragment(self.parts)

    def write(self, path: str | PathLike[str], overwrite: bool = False) -> None:
        """Write the document in the format that the suffix of the file names. Raise the errors of `check_file`."""
        out = Path(path)
        check_file(out, overwrite)
        suffix = out.suffix.casefold()
        content = render(self, suffix)
        if isinstance(content, str):
            # With a byte-order mark, so that a spreadsheet reads Chinese.
            content = content.encode("utf-8-sig" if suffix == ".csv" else "utf-8", "backslashreplace")
        with open_output(out, "wb", overwrite=overwrite) as file:
            file.write(content)


_RENDERERS: Mapping[str, Callable[[Document], str | bytes]] = {
    ".md": Document.to_markdown,
    ".tex": Document.to_latex,
    ".csv": Document.to_csv,
    ".json": Document.to_json,
    ".html": Document.to_html,
    ".svg": Document.to_svg,
    ".png": Document.to_png,
}
SUFFIXES = tuple(_RENDERERS)
FORMATS = {"md": ".md", "latex": ".tex", "csv": ".csv", "json": ".json", "html": ".html"}
"""Suffixes of the formats that are text, by the names of these."""


def render(document: Document, suffix: str) -> str | bytes:
    """Return a document in the format of a suffix, one of `SUFFIXES`."""
    return _RENDERERS[suffix](document)


def check_file(path: Path, overwrite: bool = False, inputs: Iterable[Path] = ()) -> None:
    """Raise UserInputError unless a document can be written to a file: its suffix names a format, and see
    `atomic.check_output`."""
    if path.suffix.casefold() not in SUFFIXES:
        message = _("{path} does not end in the name of a format. Choose one of {suffixes}.")
        raise UserInputError(message.format(path=path, suffixes=join_list(SUFFIXES)))
    check_output(path, overwrite, inputs)
