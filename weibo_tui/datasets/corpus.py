"""A corpus of plain text, one post a line, also compressed (.xz, .gz)."""

from __future__ import annotations

import gzip
import lzma
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from weibo_tui.datasets.encodings import detect_encoding, named_encoding
from weibo_tui.errors import UserInputError
from weibo_tui.locale import gettext as _

MAX_LINE_LENGTH = 100_000
"""Characters. A longer line is split, so that no file can fill the memory with one."""

COMPRESSED: dict[str, Callable[..., IO[str]]] = {".xz": lzma.open, ".gz": gzip.open}


def read_lines(path: Path, encoding: str | None = None) -> Iterator[str]:
    """Yield the lines of a corpus without their ends, and no empty ones. A compressed file is UTF-8 unless named.

    Raise UserInputError where the file is missing, empty, not in its encoding, or not the archive that its name says.
    """
    if not path.is_file() or not path.stat().st_size:
        raise UserInputError(_("{path} is not a text file. Check the name.").format(path=path))
    open_text = COMPRESSED.get(path.suffix, open)
    detected = detect_encoding(path, encoding) if open_text is open else named_encoding(encoding or "utf-8")
    chosen = "utf-8-sig" if detected.codec == "utf-8" else detected.codec
    try:
        with open_text(path, "rt", encoding=chosen) as file:
            while line := file.readline(MAX_LINE_LENGTH):
                if text := line.strip("\r\n\ufeff"):
                    yield text
    except UnicodeDecodeError as error:
        raise UserInputError(
            _("{path} is not in {encoding}. Name its encoding with --encoding.").format(path=path, encoding=chosen)
        ) from error
    except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:
        raise UserInputError(
            _("Cannot read {path} ({reason}). Copy it again.").format(path=path, reason=error)
        ) from error
