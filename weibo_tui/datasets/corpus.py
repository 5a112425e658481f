"""A corpus of plain text, one post a line, also compressed (.xz, .gz, .zip)."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

from weibo_tui.datasets.containers import open_container
from weibo_tui.datasets.encodings import detect_encoding
from weibo_tui.errors import UserInputError
from weibo_tui.locale import gettext as _

MAX_LINE_LENGTH = 100_000
"""Characters. A longer line is split, so that no file can fill the memory with one."""


def read_lines(path: Path, encoding: str | None = None) -> Iterator[str]:
    """Yield the lines of a corpus without their ends, and no empty ones.

    Raise UserInputError where the file is missing, empty, not in its encoding, or a damaged archive.
    """
    if not path.is_file() or not path.stat().st_size:
        raise UserInputError(_("{path} is not a text file. Check the name.").format(path=path))
    data = open_container(path)
    detected = detect_encoding(data, encoding)
    chosen = "utf-8-sig" if detected.codec == "utf-8" else detected.codec
    try:
        with data.open() as file, io.TextIOWrapper(file, encoding=chosen) as stream:
            while line := stream.readline(MAX_LINE_LENGTH):
                if text := line.strip("\r\n\ufeff"):
                    yield text
    except UnicodeDecodeError as error:
        raise UserInputError(
            _("{path} is not in {encoding}. Name its encoding with --encoding.").format(path=path, encoding=chosen)
        ) from error
    except OSError as error:
        raise UserInputError(
            _("Cannot read {path} ({reason}). Copy it again.").format(path=path, reason=error)
        ) from error
