"""Which encoding a text file is in: told by its byte order mark, by its bytes, or by the user.

Small files are looked at whole; of large ones the head, the tail and windows between, so that a file of any
size opens at once. Should a guess prove wrong further on, reading stops and names the line.
"""

from __future__ import annotations

import codecs
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from weibo_tui.errors import UserInputError
from weibo_tui.locale import gettext as _

WHOLE = 8 * 2**20  # bytes; files up to here are looked at whole
WINDOW = 2**18
WINDOWS = 32

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
    (b"\x84\x31\x95\x33", "gb18030"),
)
# The characters that no page of Chinese does without, and that bytes of another encoding seldom turn into.
_COMMON = frozenset("的一是了我不人在他有这个上们来到时大地为子中你说生国年着就那和要她出也得里后自以会，。！？、：")


@dataclass(frozen=True, slots=True)
class Encoding:
    """A codec of Python's and the byte order mark that stands before the text (empty for none)."""

    codec: str
    mark: bytes = b""

    @property
    def name(self) -> str:
        """The usual name of the pair: `utf-8-sig` and `utf-16` are those with a mark."""
        if not self.mark:
            return self.codec
        return {"utf-8": "utf-8-sig", "utf-16-le": "utf-16", "utf-16-be": "utf-16"}.get(self.codec, self.codec)

    @property
    def holds_everything(self) -> bool:
        """Whether every Unicode character can be written in it."""
        return self.codec in ("utf-8", "gb18030") or self.codec.startswith(("utf-16", "utf-32"))


def find_encoding(path: Path, named: str | None = None) -> Encoding:
    """The encoding of a file; `named` settles it. UserInputError for an unknown name, or when none is certain."""
    with path.open("rb") as file:
        head = file.read(WINDOW)
    marked = next((Encoding(codec, mark) for mark, codec in _MARKS if head.startswith(mark)), None)
    if named is not None:
        return named_encoding(named, marked)
    return marked or _utf16_without_mark(head) or _by_content(path)


def named_encoding(name: str, marked: Encoding | None = None) -> Encoding:
    """Return the encoding of this name, with the byte order mark of `marked` where that fits. UserInputError for an
    unknown name."""
    try:
        "".encode(name)  # refuses codecs that are not of text
        codec = codecs.lookup(name).name
    except (LookupError, ValueError):
        message = _("There is no encoding {name}: use utf-8, gb18030 or utf-16, or leave --encoding out.")
        raise UserInputError(message.format(name=name)) from None
    codec = {"gbk": "gb18030", "gb2312": "gb18030", "utf-8-sig": "utf-8"}.get(codec, codec)
    if marked and (marked.codec == codec or (codec == "utf-16" and marked.codec.startswith(codec))):
        return marked
    return Encoding("utf-16-le" if codec == "utf-16" else codec)


def _utf16_without_mark(head: bytes) -> Encoding | None:
    """UTF-16 only where it is certain: zero bytes, and a first line that is printable and has ASCII in it."""
    if b"\x00" not in head:
        return None
    for codec in ("utf-16-le", "utf-16-be"):
        try:
            text = codecs.getincrementaldecoder(codec)().decode(head)
        except UnicodeDecodeError:
            continue
        first = text.partition("\n")[0].rstrip("\r").replace("\t", " ")
        if "\n" in text and first.isprintable() and any(map(str.isascii, first)):
            return Encoding(codec)
    return None


def _by_content(path: Path) -> Encoding:
    samples = _samples(path)
    if all(_decodes(sample, "utf-8") for sample in samples):
        return Encoding("utf-8")
    if all(_decodes(sample, "gb18030") for sample in samples) and _reads_as_chinese(samples):
        return Encoding("gb18030")
    line = first_bad_line(path, Encoding("utf-8"))
    message = _(
        "{path} is in no encoding that can be told for certain (it is not UTF-8 from line {line} on): "
        "save it as UTF-8, or name its encoding with --encoding."
    )
    raise UserInputError(message.format(path=path, line=line))


def _samples(path: Path) -> list[bytes]:
    """Pieces of the file, each from the beginning of a line to the end of one; of a small file all of it.

    A newline byte is never part of a longer character in UTF-8 or GB18030, so the pieces decode on their own.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        if size <= WHOLE:
            return [file.read()]
        samples = []
        for index in range(WINDOWS):
            file.seek((size - WINDOW) * index // (WINDOWS - 1))
            window = file.read(WINDOW)
            if index > 0:
                window = window.partition(b"\n")[2]
            if index < WINDOWS - 1:
                window = window.rpartition(b"\n")[0]
            samples.append(window)
        return samples


def _decodes(data: bytes, codec: str) -> bool:
    try:
        data.decode(codec)
    except UnicodeDecodeError:
        return False
    return True


def _reads_as_chinese(samples: list[bytes]) -> bool:
    """Whether bytes read as GB18030 are Chinese; Big5, Latin-1 and broken UTF-8 often decode as well."""
    # Counted once: a page of Chinese is few characters, each many times over.
    counts = Counter("".join(sample.decode("gb18030") for sample in samples))
    counts = Counter({character: number for character, number in counts.items() if not character.isascii()})
    simplified = sum(number for character, number in counts.items() if _in_gb2312(character))
    common = sum(counts[character] for character in _COMMON)
    return simplified >= 0.9 * counts.total() or common >= 0.1 * counts.total()


def _in_gb2312(character: str) -> bool:
    try:
        character.encode("gb2312")
    except UnicodeEncodeError:
        return False
    return True


def first_bad_line(path: Path, encoding: Encoding) -> int | None:
    """The number of the line, from 1, at which the file ceases to decode; None when it never does."""
    decoder = codecs.getincrementaldecoder(encoding.codec)()
    line = 1
    with path.open("rb") as file:
        file.seek(len(encoding.mark))
        while True:
            chunk = file.read(2**20)
            try:
                line += decoder.decode(chunk, final=not chunk).count("\n")
            except UnicodeDecodeError as error:
                return line + error.object[: error.start].decode(encoding.codec, "ignore").count("\n")
            if not chunk:
                return None
