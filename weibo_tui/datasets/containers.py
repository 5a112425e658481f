"""Data files as bytes, also compressed, and files of other kinds, all detected by their first bytes.

A compressed file is decompressed again in each pass, in a stream.
"""

from __future__ import annotations

import glob
import gzip
import lzma
import os
import re
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any, Literal

from weibo_tui.errors import UserInputError
from weibo_tui.locale import N_, join_names
from weibo_tui.locale import gettext as _
from weibo_tui.part_folders import is_part, is_visible, list_parts

Container = Literal["", "gz", "xz", "zip"]

SUFFIXES = (
    *(".csv", ".tsv", ".tab", ".txt", ".jsonl", ".ndjson", ".json", ".xlsx", ".xlsm", ".parquet", ".pq"),
    *(".feather", ".arrow", ".gz", ".xz", ".zip"),
)
"""Suffixes of files that may be tables. What a file is, its content says."""

MAX_UNPACKED = 2**32
"""Bytes of a compressed Excel, Parquet or Arrow file, which is unpacked before it is read."""

_PART = re.compile(r"part[-.]", re.IGNORECASE)
"""The start of the names of parts, as Ray, Spark, Dask and others write them."""

_MAX_IN_MEMORY = 2**24
_HEAD = 512
_MAX_NAMES = 10
_DAMAGE = (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile, zipfile.BadZipFile, NotImplementedError)

_EXPORT = N_("Export its table as CSV or Excel.")
_SAVE_PAGE = N_("Open it in a spreadsheet, and save its table as CSV or Excel.")
_NO_TABLE = N_("Give a file of text or a table.")
_UNPACK = N_("Unpack it, and give the file in it.")
_OTHER_KINDS: tuple[tuple[bytes, str, str], ...] = (
    (b"%PDF", N_("a PDF document"), _EXPORT),
    (b"{\\rtf", N_("an RTF document"), _EXPORT),
    (b"<?xml", N_("an XML file"), _EXPORT),
    (b"<!doctype html", N_("a web page"), _SAVE_PAGE),
    (b"<html", N_("a web page"), _SAVE_PAGE),
    (b"<table", N_("a web page"), _SAVE_PAGE),
    (b"\x89PNG", N_("a picture"), _NO_TABLE),
    (b"\xff\xd8\xff", N_("a picture"), _NO_TABLE),
    (b"GIF8", N_("a picture"), _NO_TABLE),
    (b"RIFF", N_("a picture, sound or video"), _NO_TABLE),
    (b"SQLite format 3", N_("a SQLite database"), N_("Export its table as CSV.")),
    (b"Rar!", N_("a RAR archive"), _UNPACK),
    (b"7z\xbc\xaf", N_("a 7z archive"), _UNPACK),
    (b"BZh", N_("a bzip2 archive"), _UNPACK),
    (b"\x28\xb5\x2f\xfd", N_("a Zstandard archive"), _UNPACK),
)
_OLE = b"\xd0\xcf\x11\xe0"
_SAVE_TABLE = N_("Open it, and save the table as .xlsx or CSV.")
_OLE_KINDS = {  # by an entry of its directory
    "EncryptedPackage": (N_("an Office file with a password"), N_("Open it, and save it without the password.")),
    "Workbook": (N_("an old spreadsheet (.xls or .et)"), _SAVE_TABLE),
    "Book": (N_("an old spreadsheet (.xls or .et)"), _SAVE_TABLE),
    "": (N_("an old Office file (.xls or .doc)"), _SAVE_TABLE),
}
_OFFICE = {
    "word/": N_("a Word document"),
    "ppt/": N_("a presentation"),
    "content.xml": N_("an OpenDocument file"),
    "xl/workbook.bin": N_("a binary workbook (.xlsb)"),
    "Index/Document.iwa": N_("a Numbers spreadsheet"),
}


@dataclass(frozen=True, slots=True)
class DataFile:
    """A file, and its packing; `member` is the file inside a zip."""

    path: Path
    container: Container = ""
    member: str = ""

    @property
    def suffix(self) -> str:
        """The suffix of the unpacked file in lower case."""
        name = self.member or (self.path.stem if self.container else self.path.name)
        return PurePosixPath(name).suffix.lower()

    @contextmanager
    def open(self) -> Iterator[IO[bytes]]:
        """Open the unpacked bytes. Raise UserInputError in the block where a compressed file is damaged."""
        try:
            if self.container == "zip":
                with zipfile.ZipFile(self.path) as archive, archive.open(self.member) as member:
                    yield member
            else:
                opener: Any = {"gz": gzip.open, "xz": lzma.open}.get(self.container, open)
                with opener(self.path, "rb") as file:
                    yield file
        except _DAMAGE as error:
            raise _damaged(self.path, error) from error

    @contextmanager
    def open_seekable(self) -> Iterator[IO[bytes]]:
        """Open the unpacked bytes for random access: a compressed file is unpacked into a temporary one."""
        with self.open() as file:
            if not self.container:
                yield file
                return
            with tempfile.SpooledTemporaryFile(_MAX_IN_MEMORY) as unpacked:
                left = MAX_UNPACKED
                while block := file.read(2**20):
                    left -= len(block)
                    if left < 0:
                        message = _("{path} is larger than {limit} bytes when unpacked. Unpack it yourself.")
                        raise UserInputError(message.format(path=self.path, limit=f"{MAX_UNPACKED:,}"))
                    unpacked.write(block)
                unpacked.seek(0)
                yield unpacked


def expand(paths: Iterable[Path], say: Callable[[str], object] = lambda _message: None) -> list[Path]:
    """Return the files that are meant: those of a folder, and those that match a pattern such as `*.csv`.

    A folder of parts is itself a table. `say` gets a sentence about what else is in another folder. Windows leaves
    patterns to the program. Raise UserInputError where there is no file.
    """
    files: list[Path] = []
    for path in paths:
        found = [path]
        if path.is_dir() and not is_part_folder(path):
            found = list_folder(path, say)
            if not found:
                raise UserInputError(_("{path} contains no tables of posts.").format(path=path))
        elif any(sign in str(path) for sign in "*?[") and not os.path.exists(path):  # noqa: PTH110 - never raises
            found = sorted(map(Path, glob.glob(str(path), recursive=True)))  # noqa: PTH207 - any part may be a pattern
            if not found:
                raise UserInputError(_("No file matches {path}. Check the pattern.").format(path=path))
        files += found
    by_place: dict[str, Path] = {}
    for file in files:
        by_place.setdefault(os.path.realpath(file), file)
    return list(by_place.values())


def list_folder(folder: Path, say: Callable[[str], object], *, with_folders: bool = False) -> list[Path]:
    """Return the tables in a folder, by their names, and its folders if wanted. `say` gets a sentence about others."""
    inside = sorted(path for path in folder.iterdir() if not _is_hidden(path.name))
    found = [
        path
        for path in inside
        if (path.is_file() and path.suffix.lower() in SUFFIXES) or (with_folders and path.is_dir())
    ]
    others = sorted(set(inside).difference(found))
    if found and others:
        names = [f"{path.name}/" if path.is_dir() else path.name for path in others]
        message = _("{path}: left out, because they are no tables: {names}.")
        say(message.format(path=folder, names=join_names(names, _MAX_NAMES)))
    return found


def is_part_folder(folder: Path) -> bool:
    """Return True for a folder that must be one table: all tables in it are Parquet files with the names of parts.

    Parquet files with other names may be one table too, or several of different kinds."""
    parts = list_parts(folder)
    return bool(parts) and all(_PART.match(part.name) for part in parts) and not find_other_tables(folder)


def find_other_tables(folder: Path) -> list[str]:
    """Return the names of what is in a folder next to its Parquet parts: tables of other formats, and folders."""
    inside = list_folder(folder, lambda _message: None, with_folders=True)
    return [path.name for path in inside if is_visible(path.name) and (path.is_dir() or not is_part(path.name))]


def open_container(path: Path) -> DataFile:
    """Return the file with its packing. Raise UserInputError for a zip without a single table, and for files that are
    no tables: documents, pictures, databases and other archives."""
    with path.open("rb") as file:
        head = file.read(_HEAD)
    data = DataFile(path)
    if head.startswith(b"\x1f\x8b"):
        data = DataFile(path, "gz")
    elif head.startswith(b"\xfd7zXZ\0"):
        data = DataFile(path, "xz")
    elif head[:4] in (b"PK\x03\x04", b"PK\x05\x06"):  # with files, and without
        data = _zip_member(path)
    with data.open() as file:
        head = file.read(_HEAD)
        if head.startswith(_OLE):
            raise _another_kind(path, *_ole_kind(head, file))
    _check_kind(path, head)
    return data


def _ole_kind(head: bytes, file: IO[bytes]) -> tuple[str, str]:
    """Return what an OLE file is, and what to do, by the names in its directory."""
    first, size = int.from_bytes(head[48:52], "little"), 4096 if head[30:31] == b"\x0c" else 512
    file.seek((first + 1) * size)
    names = file.read(4096)
    return next(kind for name, kind in _OLE_KINDS.items() if name.encode("utf-16-le") in names)


def _check_kind(path: Path, head: bytes) -> None:
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    for magic, kind, fix in _OTHER_KINDS:
        if head.startswith(magic) or (magic.startswith(b"<") and start.startswith(magic)):
            raise _another_kind(path, kind, fix)
    if head[257:262] == b"ustar":
        raise _another_kind(path, N_("a tar archive"), _UNPACK)


def _another_kind(path: Path, kind: str, fix: str) -> UserInputError:
    return UserInputError(_("{path} is {kind}. {fix}").format(path=path, kind=_(kind), fix=_(fix)))


def _zip_member(path: Path) -> DataFile:
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (OSError, ValueError, *_DAMAGE) as error:
        raise _damaged(path, error) from error
    names = [member.filename for member in members]
    if "xl/workbook.xml" in names:  # an Excel file is a zip itself
        return DataFile(path)
    for start, kind in _OFFICE.items():
        if any(name.startswith(start) for name in names):
            raise _another_kind(path, kind, _EXPORT)
    if any(member.flag_bits & 1 for member in members):
        raise UserInputError(_("{path} has a password. Unpack it, and give the file in it.").format(path=path))
    files = [name for name in names if not name.endswith("/") and not _is_hidden(name)]
    if len(files) != 1:
        message = _("{path} contains {number} files: {names}. Unpack it, and give the files.")
        if not files:
            message = _("{path} is empty.")
        raise UserInputError(message.format(path=path, number=len(files), names=join_names(files, _MAX_NAMES)))
    return DataFile(path, "zip", files[0])


def _is_hidden(name: str) -> bool:
    # macOS adds the first to each zip, and Excel the last while a file is open.
    return name.startswith("__MACOSX/") or name.rpartition("/")[2].startswith((".", "~$"))


def _damaged(path: Path, error: Exception) -> UserInputError:
    message = _("Cannot read {path} ({reason}). Copy it again, or unpack it and give the file in it.")
    return UserInputError(message.format(path=path, reason=error or type(error).__name__))
