"""A corpus of plain text, one post a line, also squeezed (.xz, .gz)."""

from __future__ import annotations

import gzip
import lzma
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from weibo_tui.datasets.encodings import find_encoding
from weibo_tui.errors import UserInputError
from weibo_tui.locale import gettext as _

# A longer line is cut into lines of this many characters, so that no file can fill the memory with one.
LONGEST_LINE = 100_000
SQUEEZED: dict[str, Callable[..., IO[str]]] = {".xz": lzma.open, ".gz": gzip.open}


def lines(path: Path, encoding: str | None = None) -> Iterator[str]:
    """The lines of a corpus without their ends, empty ones passed over. What is squeezed is UTF-8 unless named.

    Raises UserInputError where the file is missing, empty, not of its encoding, or not the archive its name says."""
    if not path.is_file() or not path.stat().st_size:
        raise UserInputError(_("{path} is no file with text in it: check the name.").format(path=path))
    squeezed = SQUEEZED.get(path.suffix, open)
    chosen = encoding or "utf-8-sig"
    if squeezed is open:
        found = find_encoding(path, encoding)
        chosen = "utf-8-sig" if found.codec == "utf-8" else found.codec
    try:
        with squeezed(path, "rt", encoding=chosen) as file:
            while line := file.readline(LONGEST_LINE):
                if text := line.strip("\r\n\ufeff"):
                    yield text
    except LookupError as error:
        raise UserInputError(
            _("There is no encoding {name}: write utf-8, gb18030 or utf-16.").format(name=encoding)
        ) from error
    except UnicodeDecodeError as error:
        raise UserInputError(
            _("{path} is not in {encoding}: name its encoding with --encoding.").format(path=path, encoding=chosen)
        ) from error
    except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:
        raise UserInputError(
            _("{path} cannot be read ({reason}): copy it again.").format(path=path, reason=error)
        ) from error
