"""A few named files as one `.zip` or `.tar.gz`, and back with checks: from outside comes anything."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import IO

from weibo_tui.errors import BadInput
from weibo_tui.files import atomic_write
from weibo_tui.locale import gettext as _

LARGEST_WEIGHTS = 2**30
# An archive of ours holds two members; the bound keeps a hostile one from being walked for hours.
MOST_MEMBERS = 16
_EARLIEST = (1980, 1, 1, 0, 0, 0)


def write(out: Path, files: Mapping[str, Path]) -> None:
    """Pack `files` (name in the archive to file) by the ending of `out`; no times or owners go in."""
    packed = io.BytesIO()
    if out.suffix == ".zip":
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, path in sorted(files.items()):
                archive.writestr(zipfile.ZipInfo(name, _EARLIEST), path.read_bytes(), zipfile.ZIP_DEFLATED)
    elif out.name.endswith((".tar.gz", ".tgz")):
        with (
            gzip.GzipFile("", "wb", fileobj=packed, mtime=0) as squeezed,
            tarfile.open(fileobj=squeezed, mode="w") as tar,
        ):
            for name, path in sorted(files.items()):
                member = tarfile.TarInfo(name)
                member.size = path.stat().st_size
                with path.open("rb") as file:
                    tar.addfile(member, file)
    else:
        raise BadInput(_("{out} must end in .zip or .tar.gz.").format(out=out))
    atomic_write(out, packed.getvalue())


def read(source: Path, wanted: Mapping[str, int]) -> dict[str, bytes]:
    """The files `wanted` (name to the most bytes it may have) out of an archive or a folder.

    They may stand in one folder of the archive, with a few others, which are passed over. Nothing is unpacked to
    disk; links, paths that lead elsewhere, and anything larger than it may be are refused with BadInput."""
    try:
        found = dict(_members(source, wanted))
    except BadInput:
        raise
    except Exception as error:  # unpacking hostile bytes raises all kinds
        raise BadInput(
            _("{source} cannot be read as an archive ({reason}): name a .zip or .tar.gz, or a folder.").format(
                source=source, reason=error
            )
        ) from error
    missing = sorted(wanted.keys() - found.keys())
    if missing:
        raise BadInput(
            _("{source} lacks {missing}: name what 'weibo-tui adapters export' wrote.").format(
                source=source, missing=", ".join(missing)
            )
        )
    return found


def _members(source: Path, wanted: Mapping[str, int]) -> Iterator[tuple[str, bytes]]:
    if source.is_dir():
        for name, most in wanted.items():
            path = source / name
            if path.is_file() and not path.is_symlink():
                with path.open("rb") as file:
                    yield name, _bounded(file, most, source, name)
    elif zipfile.is_zipfile(source):
        with zipfile.ZipFile(source) as archive:
            for number, member in enumerate(archive.infolist()):
                if _is_wanted(member.filename, number, member.is_dir(), wanted, source):
                    with archive.open(member) as packed:
                        name = PurePosixPath(member.filename).name
                        yield name, _bounded(packed, wanted[name], source, name)
    else:
        with tarfile.open(source, "r:gz") as tar:
            for number, entry in enumerate(tar):
                if entry.size > max(wanted.values()):  # also one that nobody wants is unpacked to get past it
                    raise _too_large(source, entry.name)
                if _is_wanted(entry.name, number, entry.isdir(), wanted, source):
                    unpacked = tar.extractfile(entry) if entry.isreg() else None
                    name = PurePosixPath(entry.name).name
                    if unpacked is None:
                        raise BadInput(
                            _("{source} was refused: {name} in it is a link.").format(source=source, name=name)
                        )
                    yield name, _bounded(unpacked, wanted[name], source, name)


def _is_wanted(member: str, number: int, folder: bool, wanted: Mapping[str, int], source: Path) -> bool:
    """Whether to read a member; one that does not belong there is refused."""
    parts = PurePosixPath(member).parts
    if number >= MOST_MEMBERS or ".." in parts or member.startswith("/") or len(parts) > 2:
        raise BadInput(
            _("{source} was refused: it holds {member}, which no adapter has.").format(source=source, member=member)
        )
    return not folder and parts[-1] in wanted


def _bounded(file: IO[bytes], most: int, source: Path, name: str) -> bytes:
    data = file.read(most + 1)
    if len(data) > most:
        raise _too_large(source, name)
    return data


def _too_large(source: Path, name: str) -> BadInput:
    return BadInput(_("{source} was refused: {name} in it is too large.").format(source=source, name=name))
