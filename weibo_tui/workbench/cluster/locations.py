"""Files and folders on disks and in object stores, which pyarrow opens by URL."""

from __future__ import annotations

import glob
import os
import re
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import unquote

from weibo_tui.atomic import cannot_read
from weibo_tui.datasets.containers import SUFFIXES
from weibo_tui.errors import UserInputError, WeiboTuiError
from weibo_tui.locale import gettext as _
from weibo_tui.part_folders import is_visible
from weibo_tui.text.terminal import truncate

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem

# A drive of Windows has one letter. A Path has made one slash of the two.
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/{1,2}([^/?]*)([^?]*)(\?.*)?", re.DOTALL)
_BUCKET_SCHEMES = ("s3", "gs", "gcs")
_GLOB = re.compile(r"\*\*/|\*\*|\*|\?|[^*?]+")


@dataclass(frozen=True, slots=True)
class Location:
    """A local path, or a `path` in the object store that the URL `root` opens.

    `root` may hold credentials and options, so only `shown` is written anywhere."""

    path: str
    root: str = ""

    @property
    def name(self) -> str:
        """The last part of the path."""
        return PurePosixPath(self.path).name if self.root else Path(self.path).name

    @property
    def shown(self) -> str:
        """The path, or a URL without credentials and options."""
        if not self.root:
            return self.path
        scheme, _sign, rest = self.root.partition("://")
        host = rest.partition("?")[0].rpartition("@")[2]
        return f"{scheme}://{host if self.path.startswith('/') else ''}{self.path}"

    def join(self, name: str) -> Location:
        """Return the location of `name` in this folder."""
        path = f"{self.path.rstrip('/')}/{name}" if self.root else str(Path(self.path, name))
        return replace(self, path=path)

    def is_in(self, folder: Location) -> bool:
        """Return whether this is in a folder, under any name, or is the folder."""
        if self.root or folder.root:
            return self.shown == folder.shown or self.shown.startswith(f"{folder.shown.rstrip('/')}/")
        return Path(os.path.realpath(self.path)).is_relative_to(os.path.realpath(folder.path))

    def contains(self, file: Location) -> bool:
        """Return whether a file is this one, or in this folder, or matches this pattern."""
        if file.is_in(self):
            return True
        pattern = re.compile(_as_regex(self.shown) + "(?:/.*)?", re.DOTALL)
        return pattern.fullmatch(Path(file.shown).as_posix() if not file.root else file.shown) is not None

    @property
    def filesystem(self) -> FileSystem:
        """The object store. Raise WeiboTuiError where it cannot be reached."""
        with store_errors(self):
            return _open_store(self.root)


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file with its size and the time of its last change, in nanoseconds."""

    location: Location
    size: int
    changed: int


def parse_location(text: str) -> Location:
    """Return the location of a path or URL. Raise UserInputError for a URL of an unknown kind."""
    match = _URL.fullmatch(text)
    if match is None or os.path.lexists(text):
        return Location(os.path.abspath(text))  # noqa: PTH100 - keeps a pattern as it is
    scheme, host, path, options = match.groups(default="")
    scheme = scheme.lower()
    if scheme == "file":
        return Location(unquote("/" + text.partition(":")[2].lstrip("/")))
    root = f"{scheme}://{host}{options}"
    base = host.rpartition("@")[2] if scheme in _BUCKET_SCHEMES else _base_path(root)
    return Location(f"{base.rstrip('/')}/{path.strip('/')}".rstrip("/"), root)


def _base_path(root: str) -> str:
    from pyarrow.fs import FileSystem

    try:
        return str(FileSystem.from_uri(root)[1])
    except (ValueError, OSError) as error:
        raise _store_error(Location("", root).shown, error) from error


@lru_cache(64)
def _open_store(root: str) -> FileSystem:
    from pyarrow.fs import FileSystem

    return FileSystem.from_uri(root)[0]


def find_files(sources: Iterable[str]) -> list[FoundFile]:
    """Return the files of paths, folders, patterns and URLs; see `find_in`."""
    return find_in(map(parse_location, sources))


def find_in(sources: Iterable[Location]) -> list[FoundFile]:
    """Return the files of files, folders and patterns, each once, in the order of the sources and the names.

    Folders are searched for tables by suffix, also inside their folders, without names that begin with `.` or `_`.
    Raise UserInputError where a source has no file."""
    found: dict[str, FoundFile] = {}
    for location in sources:
        files = _find_in_store(location) if location.root else [state_of(file) for file in _find_on_disk(location)]
        if not files:
            message = _("{source} contains no tables of posts. Check the name or the pattern.")
            raise UserInputError(message.format(source=truncate(location.shown, 200)))
        for file in sorted(files, key=lambda one: one.location.path):
            found.setdefault(_identity(file.location), file)
    return list(found.values())


def _identity(location: Location) -> str:
    return location.shown if location.root else os.path.realpath(location.path)


def _find_on_disk(location: Location) -> list[Location]:
    path = location.path
    if os.path.isdir(path):  # noqa: PTH112 - never raises
        files = _tables_in(Path(path))
    elif os.path.lexists(path) or not glob.has_magic(path):
        return [location]
    else:
        matches = map(Path, glob.glob(path, recursive=True))  # noqa: PTH207 - any part may be a pattern
        files = (file for match in matches for file in (_tables_in(match) if match.is_dir() else [match]))
    return [Location(str(file)) for file in files if file.is_file()]


def _tables_in(folder: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder, onerror=_raise_unreadable):
        folders[:] = [name for name in folders if is_visible(name)]
        for name in names:
            path = Path(parent, name)
            if is_visible(name) and path.suffix.lower() in SUFFIXES and path.is_file():
                yield path


def _raise_unreadable(error: OSError) -> NoReturn:
    raise cannot_read(error.filename, error) from error


def _find_in_store(location: Location) -> list[FoundFile]:
    from pyarrow.fs import FileSelector, FileType

    path, store = location.path, location.filesystem
    folder = path.partition("*")[0].rpartition("/")[0] if "*" in path else path
    with store_errors(location):
        info = store.get_file_info(path)
        if info.type == FileType.File:
            return [_state(location, info)]
        infos = store.get_file_info(FileSelector(folder, recursive=True, allow_not_found=True))
    pattern = re.compile(_as_regex(path) if "*" in path else re.escape(path) + "/.*", re.DOTALL)
    return [
        _state(replace(location, path=info.path), info)
        for info in infos
        if info.type == FileType.File
        and pattern.fullmatch(info.path)
        and all(map(is_visible, info.path.removeprefix(folder).strip("/").split("/")))
        and PurePosixPath(info.path).suffix.lower() in SUFFIXES
    ]


def _as_regex(pattern: str) -> str:
    signs = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return "".join(signs.get(part) or re.escape(part) for part in _GLOB.findall(pattern))


def state_of(location: Location) -> FoundFile:
    """Return a file as it is now. Raise UserInputError where it is missing."""
    if location.root:
        with store_errors(location):
            info = location.filesystem.get_file_info(location.path)
        return _state(location, info)
    try:
        status = os.stat(location.path)  # noqa: PTH116 - the path is a text
    except OSError as error:
        raise cannot_read(location.path, error) from error
    return FoundFile(location, status.st_size, status.st_mtime_ns)


def _state(location: Location, info: Any) -> FoundFile:
    return FoundFile(location, info.size or 0, info.mtime_ns or 0)


@contextmanager
def local_copy(location: Location) -> Iterator[Path]:
    """Give the path of a local file, or of a temporary copy of one from an object store, which has its name."""
    if not location.root:
        yield Path(location.path)
        return
    import pyarrow.fs

    with tempfile.TemporaryDirectory(prefix="weibo-tui-") as folder:
        path = Path(folder, location.name)
        with store_errors(location):
            pyarrow.fs.copy_files(
                location.path,
                str(path),
                source_filesystem=location.filesystem,
                destination_filesystem=pyarrow.fs.LocalFileSystem(),
            )
        yield path


@contextmanager
def store_errors(location: Location) -> Iterator[None]:
    """Turn errors of an object store in the block into WeiboTuiError."""
    try:
        yield
    except (OSError, ValueError) as error:
        raise _store_error(location.shown, error) from error


def _store_error(shown: str, error: Exception) -> WeiboTuiError:
    message = _("Cannot reach {path} ({reason}). Check the address, the credentials and the network.")
    return WeiboTuiError(message.format(path=shown, reason=truncate(str(error).partition("\n")[0], 300)))
