"""A few named files as one `.zip` or `.tar.gz`, and back with checks: from outside comes anything.

All of it streams, a piece at a time, so that a base of any size needs no memory, and whoever pulls can do other work.
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
from typing import IO, Any, Protocol, TypeAlias, cast

from weibo_tui.atomic import open_output
from weibo_tui.errors import UserInputError
from weibo_tui.locale import gettext as _
from weibo_tui.progress import Progress
from weibo_tui.text.terminal import truncate

# An archive of ours holds a few members; the bounds keep a hostile one from being walked for hours.
MOST_MEMBERS = 16
LARGEST_OTHER = 2**20
PIECE = 2**20
# Weights hardly squeeze; zeros do so a thousand times, and ten gigabytes of them would fill a disk.
MOST_SQUEEZED = 100
SPARED = 2**24  # bytes that may be squeezed as much as they like
LONGEST_REASON = 100  # characters of what comes from an archive, in a sentence about it
_LONGER_HEADERS = (
    *(tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE),
    *(tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK),
)
_EARLIEST = (1980, 1, 1, 0, 0, 0)

# Opens a member of a name and a size, to be written whole.
Member: TypeAlias = Callable[[str, int], AbstractContextManager[Any]]


class Readable(Protocol):
    """What gives at most so many bytes at once; none, at its end."""

    def read(self, size: int, /) -> bytes: ...


def pack(out: Path, files: Mapping[str, Path | bytes], overwrite: bool = False) -> Generator[Progress, None, None]:
    """Pack `files` (name in the archive to content), in their order, by the ending of `out`; no times or owners go
    in. Left before its end, it leaves nothing."""
    if out.suffix == ".zip":
        form = _zip
    elif out.name.endswith((".tar.gz", ".tgz")):
        form = _tar_gz
    else:
        raise UserInputError(_("{out} must end in .zip or .tar.gz.").format(out=out))
    sizes = {name: len(one) if isinstance(one, bytes) else one.stat().st_size for name, one in files.items()}
    done = 0
    with open_output(out, "wb", overwrite=overwrite) as file, form(file) as member:
        for name, one in files.items():
            source = io.BytesIO(one) if isinstance(one, bytes) else one.open("rb")
            with source, member(name, sizes[name]) as packed:
                while piece := source.read(PIECE):
                    packed.write(piece)
                    done += len(piece)
                    yield Progress("packing", done, sum(sizes.values()))


@contextmanager
def _zip(file: IO[bytes]) -> Iterator[Member]:
    with zipfile.ZipFile(file, "w") as archive:

        def member(name: str, size: int) -> IO[bytes]:
            entry = zipfile.ZipInfo(name, _EARLIEST)
            entry.compress_type, entry.file_size = zipfile.ZIP_DEFLATED, size
            return archive.open(entry, "w")

        yield member


@contextmanager
def _tar_gz(file: IO[bytes]) -> Iterator[Member]:
    # By hand: `TarFile.addfile` packs a file in one go, and nothing else could be done meanwhile.
    with gzip.GzipFile("", "wb", fileobj=file, mtime=0) as packed:

        @contextmanager
        def member(name: str, size: int) -> Iterator[gzip.GzipFile]:
            entry = tarfile.TarInfo(name)
            entry.size = size
            packed.write(entry.tobuf())
            yield packed
            packed.write(bytes(-size % tarfile.BLOCKSIZE))

        yield member
        packed.write(bytes(2 * tarfile.BLOCKSIZE))


def unpack(source: Path, wanted: Mapping[str, int], folder: Path) -> Generator[Progress, None, dict[str, str]]:
    """Write the files `wanted` (name to the most bytes it may have) out of an archive or a folder into `folder`; the
    result is the SHA-256 of each, in hex.

    They may stand in one folder of the archive, with a few others, which are passed over. Links, paths that lead
    elsewhere, and anything larger than it may be are refused with UserInputError."""
    digests = {name: hashlib.sha256() for name in wanted}
    for name, piece, progress in _pieces(source, wanted):
        with (folder / name).open("ab") as file:
            file.write(piece)
        digests[name].update(piece)
        yield progress
    return {name: digest.hexdigest() for name, digest in digests.items()}


def read(source: Path, wanted: Mapping[str, int], name: str) -> bytes:
    """One of the files `wanted`, refused as `unpack` refuses, as far as the archive is read for it."""
    found = b""
    for member, piece, _progress in _pieces(source, wanted):
        if member == name:
            found += piece
            if not piece:
                break
    return found


def _pieces(source: Path, wanted: Mapping[str, int]) -> Iterator[tuple[str, bytes, Progress]]:
    """The files `wanted` piece by piece, with how much of the source is read; the last piece of each is empty."""
    missing = set(wanted)
    came = 0
    try:
        for name, member, raw in _members(source, wanted):
            if name not in missing:
                raise UserInputError(_("{source} was refused: it holds {name} twice.").format(source=source, name=name))
            missing.remove(name)
            size, room = os.fstat(raw.fileno()).st_size, wanted[name]
            while True:
                piece = member.read(PIECE)
                room -= len(piece)
                came += len(piece)
                if room < 0 or came > max(SPARED, MOST_SQUEEZED * size):
                    raise _too_large(source, name)
                yield name, piece, Progress("unpacking", raw.tell(), size)
                if not piece:
                    break
    except UserInputError:
        raise
    except Exception as error:  # unpacking hostile bytes raises all kinds
        reason = getattr(error, "strerror", None) or str(error)[:LONGEST_REASON]
        raise UserInputError(
            _("{source} cannot be read as an archive ({reason}): name a .zip or .tar.gz, or a folder.").format(
                source=source, reason=reason
            )
        ) from error
    if missing:
        raise UserInputError(
            _(
                "{source} lacks {missing}: name what 'weibo-tui bases export' or 'weibo-tui adapters export' wrote."
            ).format(source=source, missing=", ".join(sorted(missing)))
        )


def _members(source: Path, wanted: Mapping[str, int]) -> Iterator[tuple[str, Readable, IO[bytes]]]:
    """The name of each wanted file, the file to read, and the one on the disk that this reads."""
    if source.is_dir():
        for name in wanted:
            path = source / name
            if path.is_file() and not path.is_symlink():
                with path.open("rb") as raw:
                    yield name, raw, raw
        return
    if source.exists() and not source.is_file():
        raise UserInputError(_("{source} is not a regular file: save it as one first.").format(source=source))
    with source.open("rb") as raw:
        if zipfile.is_zipfile(raw):
            yield from _of_zip(source, raw, wanted)
        else:
            raw.seek(0)
            yield from _of_tar(source, raw, wanted)


def _of_zip(source: Path, raw: IO[bytes], wanted: Mapping[str, int]) -> Iterator[tuple[str, Readable, IO[bytes]]]:
    with zipfile.ZipFile(cast(IO[bytes], _ChunkedFile(raw))) as archive:
        for number, member in enumerate(archive.infolist()):
            if not _is_wanted(member.filename, number, member.is_dir(), wanted, source):
                continue
            if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                # Others may want gigabytes to unpack a kilobyte.
                raise UserInputError(
                    _("{source} was refused: {name} in it is squeezed in another way than zip's usual one.").format(
                        source=source, name=truncate(member.filename, LONGEST_REASON)
                    )
                )
            with archive.open(member) as packed:
                yield PurePosixPath(member.filename).name, packed, raw


class _ChunkedFile:
    """A file of which nobody reads more than a piece at once: zipfile would read a directory of any size."""

    def __init__(self, raw: IO[bytes]) -> None:
        self._raw = raw
        self.seek, self.tell, self.seekable = raw.seek, raw.tell, raw.seekable

    def read(self, size: int = -1) -> bytes:
        data = self._raw.read(PIECE + 1 if size < 0 else min(size, PIECE + 1))
        if len(data) > PIECE:
            raise ValueError(_("its directory is too large"))
        return data


def _of_tar(source: Path, raw: IO[bytes], wanted: Mapping[str, int]) -> Iterator[tuple[str, Readable, IO[bytes]]]:
    """The members by their plain headers alone. What the longer headers say, of times, owners and long names, is
    passed over: tarfile reads them whole, however large they are."""
    with gzip.open(raw) as stream:
        members = headers = 0
        while block := stream.read(tarfile.BLOCKSIZE):
            if not block.strip(b"\0"):
                return
            entry = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
            name = PurePosixPath(entry.name).name
            headers += 1
            # What nobody wants is unpacked to get past it.
            if not 0 <= entry.size <= wanted.get(name, LARGEST_OTHER) or headers > 4 * MOST_MEMBERS:
                raise _too_large(source, entry.name)
            part = _LimitedReader(stream, entry.size)
            if entry.type not in _LONGER_HEADERS:
                if _is_wanted(entry.name, members, entry.isdir(), wanted, source):
                    if entry.type not in (tarfile.REGTYPE, tarfile.AREGTYPE):
                        raise UserInputError(
                            _("{source} was refused: {name} in it is a link.").format(
                                source=source, name=truncate(name, LONGEST_REASON)
                            )
                        )
                    yield name, part, raw
                members += 1
            while part.read(PIECE):
                pass
            stream.read(-entry.size % tarfile.BLOCKSIZE)


class _LimitedReader:
    """The next bytes of a stream, so many of them."""

    def __init__(self, stream: Readable, size: int) -> None:
        self._stream = stream
        self._left = size

    def read(self, size: int, /) -> bytes:
        data = self._stream.read(min(size, self._left))
        if not data and self._left:
            raise EOFError(_("it breaks off"))
        self._left -= len(data)
        return data


def _is_wanted(member: str, number: int, folder: bool, wanted: Mapping[str, int], source: Path) -> bool:
    """Whether to read a member; one that does not belong there is refused."""
    parts = PurePosixPath(member).parts
    if number >= MOST_MEMBERS or ".." in parts or member.startswith("/") or len(parts) > 2:
        raise UserInputError(
            _("{source} was refused: it holds {member}, which does not belong there.").format(
                source=source, member=truncate(member, LONGEST_REASON)
            )
        )
    return not folder and bool(parts) and parts[-1] in wanted


def _too_large(source: Path, name: str) -> UserInputError:
    return UserInputError(
        _("{source} was refused: {name} in it is too large.").format(source=source, name=truncate(name, LONGEST_REASON))
    )
