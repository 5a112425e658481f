"""Detect the encoding of a text file from its byte order mark or its bytes, unless the user names it.

Small files are read whole, large ones in samples, so that a file of any size opens at once. Some lines may not decode,
and become bad rows.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from weibo_tui.datasets.containers import DataFile
from weibo_tui.errors import UserInputError
from weibo_tui.locale import gettext as _

MAX_WHOLE = 8 * 2**20  # bytes of files that are read whole
SAMPLE_BYTES = 2**18
NUM_SAMPLES = 32

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # begins like that of UTF-16
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
    (b"\x84\x31\x95\x33", "gb18030"),
)
# Every page of Chinese has some of these, and bytes of another encoding seldom decode to them.
COMMON = frozenset("的一是了我不人在他有这个上们来到时大地为子中你说生国年着就那和要她出也得里后自以会，。！？、：")

_CHINESE = re.compile("[\u3000-\u9fff]{4}")  # GB18030 decodes as UTF-8 by chance, but not to this
ASCII = re.compile("[\0-\x7f]+")


@dataclass(frozen=True, slots=True)
class Encoding:
    """A Python codec, and the byte order mark before the text (empty for none)."""

    codec: str
    mark: bytes = b""

    @property
    def name(self) -> str:
        """The usual name: `utf-8-sig` and `utf-16` are those with a mark."""
        if not self.mark:
            return self.codec
        return {
            "utf-8": "utf-8-sig",
            "utf-16-le": "utf-16",
            "utf-16-be": "utf-16",
            "utf-32-le": "utf-32",
            "utf-32-be": "utf-32",
        }.get(self.codec, self.codec)

    @property
    def holds_everything(self) -> bool:
        """True if every Unicode character can be written in it."""
        return self.codec in ("utf-8", "gb18030") or self.is_wide

    @property
    def is_wide(self) -> bool:
        """True if ASCII characters have more than a byte."""
        return self.codec.startswith(("utf-16", "utf-32"))

    @property
    def errors(self) -> str:
        """The error handler for decoding: bytes that do not decode become surrogates, where each line is by itself."""
        return "strict" if self.is_wide else "surrogateescape"


def detect_encoding(data: DataFile, name: str | None = None) -> Encoding:
    """Return the encoding of a file, or the one of this `name`. Raise UserInputError when unknown or uncertain."""
    with data.open() as file:
        head = file.read(SAMPLE_BYTES)
    if name is not None:
        return _checked(data, head, named_encoding(name, _marked(head)))
    return _marked(head) or _detect_utf16(head) or _detect_by_content(data)


def detect_head_encoding(head: bytes) -> Encoding:
    """Return the encoding of a stream that begins with `head`. Where it is uncertain, this is UTF-8."""
    lines = _lines([head[: head.rfind(b"\n") + 1] or head])
    return _marked(head) or _detect_utf16(head) or Encoding("gb18030" if _are_gb18030(lines) else "utf-8")


def decode_other(line: str, encoding: Encoding) -> tuple[str, Encoding] | None:
    """Return a line that is in the other one of UTF-8 and GB18030, decoded so, and that encoding; otherwise None."""
    if encoding.is_wide:
        return None
    data = line.encode(encoding.codec, "surrogateescape")
    if encoding.codec == "utf-8" and not _decodes(data, "utf-8") and _decodes(data, "gb18030") and _is_chinese([data]):
        return data.decode("gb18030"), Encoding("gb18030")
    if encoding.codec == "gb18030" and _decodes(data, "utf-8") and _CHINESE.search(data.decode()):
        return data.decode(), Encoding("utf-8")
    return None


def _marked(head: bytes) -> Encoding | None:
    return next((Encoding(codec, mark) for mark, codec in _MARKS if head.startswith(mark)), None)


def named_encoding(name: str, marked: Encoding | None = None) -> Encoding:
    """Return the encoding of this name, with the byte order mark of `marked` where that fits.

    Raise UserInputError for an unknown name.
    """
    try:
        "".encode(name)  # refuses codecs that are not of text
        codec = codecs.lookup(name).name
        if codec in ("idna", "punycode", "raw-unicode-escape", "unicode-escape"):  # of names and of programs
            raise LookupError
    except (LookupError, ValueError):
        message = _("Unknown encoding: {name}. Use utf-8, gb18030 or utf-16, or leave --encoding out.")
        raise UserInputError(message.format(name=name)) from None
    codec = {"gbk": "gb18030", "gb2312": "gb18030", "utf-8-sig": "utf-8"}.get(codec, codec)
    if marked and (marked.codec == codec or (codec == "utf-16" and marked.codec.startswith(codec))):
        return marked
    return Encoding("utf-16-le" if codec == "utf-16" else codec)


def _detect_utf16(head: bytes) -> Encoding | None:
    # Only where it is certain: zero bytes, and a first line that is printable and has ASCII in it.
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


def _checked(data: DataFile, head: bytes, encoding: Encoding) -> Encoding:
    """Return the encoding. Raise UserInputError where most lines of the file's head do not decode in it."""
    lines = _lines([head.rpartition(b"\n")[0] or head])
    if encoding.is_wide or 2 * sum(_decodes(line, encoding.codec) for line in lines) >= len(lines):
        return encoding
    raise undecoded_error(data.path, first_bad_line(data, encoding), encoding.name)


def undecoded_error(path: Path, line: int | None, encoding: str) -> UserInputError:
    message = _("{path}, line {line}: not {encoding}. Name the file's encoding with --encoding.")
    return UserInputError(message.format(path=path, line=line, encoding=encoding))


def _detect_by_content(data: DataFile) -> Encoding:
    samples = _samples(data)
    if all(_decodes(sample, "utf-8") for sample in samples):
        return Encoding("utf-8")
    lines = _lines(samples)
    utf_8 = [line for line in lines if _decodes(line, "utf-8")]
    line = first_bad_line(data, Encoding("utf-8"))
    if _are_gb18030(lines):
        if not any(_CHINESE.search(text.decode()) for text in utf_8):
            return Encoding("gb18030")
        message = _("{path}, line {line}: GB18030, but other lines are UTF-8. Save the file in a single encoding.")
        raise UserInputError(message.format(path=data.path, line=line))
    if 2 * len(utf_8) >= len(lines):
        return Encoding("utf-8")
    message = _(
        "Cannot detect the encoding of {path} (not UTF-8 from line {line} on). Save it as UTF-8, or name its "
        "encoding with --encoding."
    )
    raise UserInputError(message.format(path=data.path, line=line))


def _samples(data: DataFile) -> list[bytes]:
    """Return parts of the file in whole lines, all of a small file, or the start of a compressed one.

    A newline byte is never part of a longer character in UTF-8 or GB18030, so each part decodes on its own.
    """
    with data.open() as file:
        first = file.read(MAX_WHOLE + 1)
        if len(first) <= MAX_WHOLE:
            return [first]
        if data.container:
            return [first.rpartition(b"\n")[0]]
        size = data.path.stat().st_size
        samples = []
        for index in range(NUM_SAMPLES):
            file.seek((size - SAMPLE_BYTES) * index // (NUM_SAMPLES - 1))
            sample = file.read(SAMPLE_BYTES)
            if index > 0:
                sample = sample.partition(b"\n")[2]
            if index < NUM_SAMPLES - 1:
                sample = sample.rpartition(b"\n")[0]
            samples.append(sample)
        return samples


def _lines(samples: Iterable[bytes]) -> list[bytes]:
    """Return the lines that are not ASCII."""
    return [line for sample in samples for line in sample.split(b"\n") if not line.isascii()]


def _are_gb18030(lines: list[bytes]) -> bool:
    """Return whether most lines are GB18030, and Chinese."""
    found = [line for line in lines if not _decodes(line, "utf-8") and _decodes(line, "gb18030")]
    return 2 * len(found) > len(lines) and _is_chinese(found)


def _decodes(data: bytes, codec: str) -> bool:
    try:
        data.decode(codec)
    except UnicodeDecodeError:
        return False
    return True


def _is_chinese(samples: list[bytes]) -> bool:
    # Big5, Latin-1 and broken UTF-8 often decode as GB18030 too.
    text = ASCII.sub("", b"".join(samples).decode("gb18030"))
    simplified = len(text.encode("gb2312", "ignore")) / 2  # of two bytes each
    return simplified >= 0.9 * len(text) or sum(map(text.count, COMMON)) >= 0.1 * len(text)


def first_bad_line(data: DataFile, encoding: Encoding) -> int | None:
    """Return the number, from 1, of the first line that does not decode, or None."""
    decoder = codecs.getincrementaldecoder(encoding.codec)()
    line = 1
    with data.open() as file:
        file.read(len(encoding.mark))
        while True:
            chunk = file.read(2**20)
            try:
                line += decoder.decode(chunk, final=not chunk).count("\n")
            except UnicodeDecodeError as error:
                return line + error.object[: error.start].decode(encoding.codec, "ignore").count("\n")
            if not chunk:
                return None
