"""Packing a few named files as one `.zip` or `.tar.gz`, and unpacking an archive from outside with checks.

Both stream a chunk at a time, so that a base of any size needs little memory and the caller can do other work.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import tarfile
import zipfile
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any, TypeAlias, cast

from weibo_tui.atomic import open_output
from weibo_tui.errors import UserInputError
from weibo_tui.locale import gettext as _
from weibo_tui.locale import join_list
from weibo_tui.progress import Progress
from weibo_tui.text.terminal import truncate

CHUNK_SIZE = 2**20

# An exported model has a few members. The limits keep a hostile archive from filling memory, disk or time.
MAX_MEMBERS = 16
MAX_OTHER_SIZE = 2**20
"""Bytes of a member that is skipped, and of the directory or headers that are read at once."""

# Weights hardly compress. Zeros compress a thousandfold, and ten gigabytes of them would fill a disk.
MAX_RATIO = 100
MIN_RATIO_SIZE = 2**24
"""Bytes that may be compressed to any size."""

MAX_QUOTE = 100
"""Characters that a message quotes from an archive."""

_EARLIEST = (1980, 1, 1, 0, 0, 0)

# Opens a member by its name and size for writing.
_OpenMember: TypeAlias = Callable[[str, int], AbstractContextManager[Any]]


def pack(out: Path, files: Mapping[str, Path | bytes], overwrite: bool = False) -> Generator[Progress, None, None]:
    """Pack `files` (name in the archive to content) in their order, by the extension of `out`.

    The archive holds no times and no owners, so the same files give the same bytes. A generator that is closed early
    leaves no file."""
    if out.suffix == ".zip":
        open_archive = _write_zip
    elif out.name.endswith((".tar.gz", ".tgz")):
        open_archive = _write_tar
    else:
        raise UserInputError(_("{out} must end in .zip or .tar.gz.").format(out=out))
    sizes = {name: len(item) if isinstance(item, bytes) else item.stat().st_size for name, item in files.items()}
    done = 0
    with open_output(out, "wb", overwrite=overwrite) as file, open_archive(file) as open_member:
        for name, item in files.items():
            source = io.BytesIO(item) if isinstance(item, bytes) else item.open("rb")
            with source, open_member(name, sizes[name]) as member:
                while chunk := source.read(CHUNK_SIZE):
                    member.write(chunk)
                    done += len(chunk)
                    yield Progress("packing", done, sum(sizes.values()))


@contextmanager
def _write_zip(file: IO[bytes]) -> Iterator[_OpenMember]:
    with zipfile.ZipFile(file, "w") as archive:

        def open_member(name: str, size: int) -> IO[bytes]:
            entry = zipfile.ZipInfo(name, _EARLIEST)
            entry.compress_type, entry.file_size = zipfile.ZIP_DEFLATED, size
            return archive.open(entry, "w")

        yield open_member


@contextmanager
def _write_tar(file: IO[bytes]) -> Iterator[_OpenMember]:
    # `TarFile.addfile` writes a whole file in one call and would block the caller.
    with gzip.GzipFile("", "wb", fileobj=file, mtime=0) as stream:

        @contextmanager
        def open_member(name: str, size: int) -> Iterator[gzip.GzipFile]:
            entry = tarfile.TarInfo(name)
            entry.size = size
            stream.write(entry.tobuf())
            yield stream
            stream.write(bytes(-size % tarfile.BLOCKSIZE))

        yield open_member
        stream.write(bytes(2 * tarfile.BLOCKSIZE))


def unpack(source: Path, limits: Mapping[str, int], folder: Path) -> Generator[Progress, None, dict[str, str]]:
    """Write the files in `limits` (name to maximum bytes) out of an archive or a folder into `folder`.

    The result is the SHA-256 of each file in hex. The files may be in one folder of the archive, with a few others,
    which are skipped. Raises UserInputError for links, paths that lead elsewhere, and files that are too large."""
    digests = {name: hashlib.sha256() for name in limits}
    for name, chunk, progress in _read_chunks(source, limits):
        with (folder / name).open("ab") as file:
            file.write(chunk)
        digests[name].update(chunk)
        yield progress
    return {name: digest.hexdigest() for name, digest in digests.items()}


def read(source: Path, limits: Mapping[str, int], name: str) -> bytes:
    """Return the content of one of the files in `limits`. Reads no further than that file; raises what `unpack`
    raises."""
    content = b""
    for member, chunk, _progress in _read_chunks(source, limits):
        if member == name:
            content += chunk
            if not chunk:
                break
    return content


def _read_chunks(source: Path, limits: Mapping[str, int]) -> Iterator[tuple[str, bytes, Progress]]:
    """Yield the files in `limits` chunk by chunk, with the progress in the source; the last chunk of each is empty."""
    missing = set(limits)
    unpacked = 0
    try:
        for name, member, raw in _open_members(source, limits):
            if name not in missing:
                raise UserInputError(
                    _("{source} was refused: it contains {name} twice.").format(source=source, name=name)
                )
            missing.remove(name)
            total, allowed = os.fstat(raw.fileno()).st_size, limits[name]
            chunk = b"-"
            while chunk:
                chunk = member.read(CHUNK_SIZE)
                allowed -= len(chunk)
                unpacked += len(chunk)
                if allowed < 0 or unpacked > max(MIN_RATIO_SIZE, MAX_RATIO * total):
                    raise _too_large(source, name)
                yield name, chunk, Progress("unpacking", raw.tell(), total)
    except UserInputError:
        raise
    except Exception as error:  # hostile bytes make the standard library raise all kinds
        reason = getattr(error, "strerror", None) or _("damaged, or not an archive")
        message = _("Cannot read {source} as an archive ({reason}). Give a .zip or .tar.gz file, or a folder.")
        raise UserInputError(message.format(source=source, reason=reason)) from error
    if missing:
        message = _(
            "{source} lacks {missing}. Give a file written by 'weibo-tui bases export' or 'weibo-tui adapters export'."
        )
        raise UserInputError(message.format(source=source, missing=join_list(sorted(missing))))


def _open_members(source: Path, limits: Mapping[str, int]) -> Iterator[tuple[str, IO[bytes], IO[bytes]]]:
    """Yield each file's name, the file to read, and the file on disk that this one reads from."""
    if source.is_dir():
        for name in limits:
            path = source / name
            if path.is_file() and not path.is_symlink():
                with path.open("rb") as raw:
                    yield name, raw, raw
        return
    if source.exists() and not source.is_file():
        raise UserInputError(_("{source} is not a regular file. Save it as a file first.").format(source=source))
    with source.open("rb") as raw:
        read_members = _read_zip if zipfile.is_zipfile(raw) else _read_tar
        raw.seek(0)
        for name, member in read_members(source, raw, limits):
            yield name, member, raw


def _read_zip(source: Path, raw: IO[bytes], limits: Mapping[str, int]) -> Iterator[tuple[str, IO[bytes]]]:
    file = _LimitedFile(raw)
    with zipfile.ZipFile(cast(IO[bytes], file)) as archive:
        file.left = os.fstat(raw.fileno()).st_size  # zipfile reads members in chunks
        for number, entry in enumerate(archive.infolist()):
            if not _is_requested(source, entry.filename, number, limits) or entry.is_dir():
                continue
            # The other methods may need gigabytes to decompress a kilobyte.
            if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                message = _("{source} was refused: {name} in it uses an unsupported zip compression.")
                raise UserInputError(message.format(source=source, name=truncate(entry.filename, MAX_QUOTE)))
            with archive.open(entry) as member:
                yield PurePosixPath(entry.filename).name, member


def _read_tar(source: Path, raw: IO[bytes], limits: Mapping[str, int]) -> Iterator[tuple[str, IO[bytes]]]:
    with gzip.open(raw) as stream:
        file = _LimitedFile(cast(IO[bytes], stream))
        with tarfile.open(fileobj=cast(IO[bytes], file), mode="r|") as archive:
            for number, entry in enumerate(archive):
                name = PurePosixPath(entry.name).name
                if not 0 <= entry.size <= limits.get(name, MAX_OTHER_SIZE):
                    raise _too_large(source, entry.name)
                if _is_requested(source, entry.name, number, limits) and not entry.isdir():
                    member = archive.extractfile(entry) if entry.isreg() and not entry.issparse() else None
                    if member is None:
                        message = _("{source} was refused: {name} in it is a link.")
                        raise UserInputError(message.format(source=source, name=truncate(name, MAX_QUOTE)))
                    file.left = entry.size + MAX_OTHER_SIZE
                    yield name, member
                file.left = 2 * MAX_OTHER_SIZE  # the rest of this member, and the next headers


class _LimitedFile:
    """A file that raises ValueError before more than `left` bytes are read.

    zipfile reads a directory, and tarfile a long header, of any size at once."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable
        self.left = MAX_OTHER_SIZE

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(self.left + 1 if size < 0 else min(size, self.left + 1))
        self.left -= len(data)
        if self.left < 0:
            raise ValueError(_("its directory is too large"))
        return data


def _is_requested(source: Path, member: str, number: int, limits: Mapping[str, int]) -> bool:
    """Return whether to read a member. Raises UserInputError for one that no exported model has."""
    parts = PurePosixPath(member).parts
    if number >= MAX_MEMBERS or ".." in parts or member.startswith("/") or len(parts) > 2:
        message = _("{source} was refused: it contains {member}, which does not belong there.")
        raise UserInputError(message.format(source=source, member=truncate(member, MAX_QUOTE)))
    return bool(parts) and parts[-1] in limits


def _too_large(source: Path, name: str) -> UserInputError:
    message = _("{source} was refused: {name} in it is too large.")
    return UserInputError(message.format(source=source, name=truncate(name, MAX_QUOTE)))
