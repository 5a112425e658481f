"""Archives that would fill memory or disk, or that write elsewhere, are refused with a sentence."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from bounds import little_memory, sparse
from commands import listing

from weibo_tui.errors import UserInputError
from weibo_tui.progress import drain
from weibo_tui.registry import archives

LIMITS = {"card.json": 2**20, "weights": 2**33}
GIGABYTES = 10 * 2**30


def entry(name: str, size: int = 0, kind: bytes = tarfile.REGTYPE, link: str = "") -> bytes:
    """Return the header of a member in a tar."""
    info = tarfile.TarInfo(name)
    info.size, info.type, info.linkname = size, kind, link
    return info.tobuf(tarfile.GNU_FORMAT)


@cache
def zeros(size: int) -> bytes:
    """Return a gzip stream of `size` zeros."""
    step = 2**22
    return gzip.compress(bytes(step)) * (size // step)


def tar(*parts: bytes) -> bytes:
    return gzip.compress(b"".join(parts) + bytes(1024))


def file(name: str, content: bytes = b"{}") -> bytes:
    return entry(name, len(content)) + content + bytes(-len(content) % 512)


def zipped(*names: str, content: bytes = b"{}", method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name in names:
            archive.writestr(name, content)
    return out.getvalue()


def zip_of_zeros() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("card.json", "{}")
        with archive.open("weights", "w") as member:
            for _time in range(32):
                member.write(bytes(2**20))
    return out.getvalue()


GOOD = file("card.json") + file("weights")
BOMBS: dict[str, Callable[[], bytes]] = {
    "long header": lambda: gzip.compress(entry("x", GIGABYTES // 2, tarfile.XHDTYPE)) + zeros(2**28) + tar(GOOD),
    "long name": lambda: gzip.compress(entry("x", GIGABYTES // 2, tarfile.GNUTYPE_LONGNAME)) + zeros(2**28),
    "many headers": lambda: tar(entry("x", 0, tarfile.XGLTYPE) * 10_000, GOOD),
    "many members": lambda: tar(entry("x") * 20_000, GOOD),
    "many members in a zip": lambda: zipped(*map(str, range(500)), "card.json", "weights"),
    "large other member": lambda: gzip.compress(entry("padding", 10**13) + bytes(2048)),
    "large member": lambda: zipped("card.json", "weights", content=bytes(2**20 + 1)),
    "zeros in a tar": lambda: gzip.compress(file("card.json") + entry("weights", 2**28)) + zeros(2**28),
    "zeros in a zip": zip_of_zeros,
    "sparse member": lambda: tar(file("card.json"), entry("weights", 2**32, tarfile.GNUTYPE_SPARSE)),
    "hard link": lambda: tar(file("card.json"), entry("weights", 0, tarfile.LNKTYPE, "/etc/passwd")),
    "link": lambda: tar(file("card.json"), entry("weights", 0, tarfile.SYMTYPE, "/etc/passwd")),
    "pipe": lambda: tar(file("card.json"), entry("weights", 0, tarfile.FIFOTYPE)),
    "folder": lambda: tar(file("card.json"), entry("weights/", 0, tarfile.DIRTYPE)),
    "negative size": lambda: tar(file("card.json"), _negative("weights")),
    "truncated": lambda: gzip.compress(file("card.json") + entry("weights", 9999) + b"a"),
    "member twice": lambda: tar(file("card.json"), file("mood/card.json"), GOOD),
    "path that climbs": lambda: tar(file("../\x1b[2J"), GOOD),
    "absolute path": lambda: tar(file("/tmp/card.json"), GOOD),
    "path too deep": lambda: zipped("x/" * 30_000 + "card.json", "card.json", "weights"),
    "LZMA": lambda: zipped("card.json", "weights", method=zipfile.ZIP_LZMA),
    "encrypted": lambda: _encrypted(zipped("card.json", "weights")),
    "gzip in a gzip": lambda: gzip.compress(tar(GOOD)),
    "gzip of zeros": lambda: zeros(2**28),
    "backslash": lambda: zipped("..\\card.json", "..\\weights"),
}


def _negative(name: str) -> bytes:
    header = bytearray(entry(name))
    header[124:136] = b"\xff" * 11 + b"\x00"
    header[148:156] = b"%06o\0 " % (sum(header) - sum(header[148:156]) + 8 * 32)
    return bytes(header)


def _encrypted(archive: bytes) -> bytes:
    """Set the flag of encryption."""
    data = bytearray(archive)
    for mark, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = data.find(mark)
        while at >= 0:
            data[at + flags] |= 1
            at = data.find(mark, at + 1)
    return bytes(data)


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS)
def test_archive_bomb_is_refused_in_little_memory(tmp_path: Path, bomb: Callable[[], bytes]) -> None:
    source = tmp_path / "bomb"
    source.write_bytes(bomb())
    before = listing(tmp_path).keys()
    out = tmp_path / "out"
    out.mkdir()
    with little_memory(2**28), pytest.raises(UserInputError) as refused:
        drain(archives.unpack(source, LIMITS, out))
    assert len(str(refused.value)) < 400
    assert sum(path.stat().st_size for path in out.iterdir()) <= 2**28
    assert listing(tmp_path).keys() - before <= {"out", "out/card.json", "out/weights"}


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero")], ids=["pipe", "device"])
def test_pipe_or_device_is_refused(tmp_path: Path, make: Callable[[Path], object]) -> None:
    make(tmp_path / "source")
    with pytest.raises(UserInputError, match="is not a regular file"):
        archives.read(tmp_path / "source", LIMITS, "card.json")


def test_zip_with_a_huge_directory_is_refused(tmp_path: Path) -> None:
    """Its end record says that all bytes before it are the directory."""
    source = sparse(tmp_path / "a.zip", 5 * 10**9)
    with source.open("ab") as raw:
        raw.write(b"PK\5\6" + bytes(8) + (4 * 10**9).to_bytes(4, "little") + bytes(6))
    with little_memory(2**28), pytest.raises(UserInputError, match="Cannot read .* as an archive"):
        archives.read(source, LIMITS, "card.json")


def test_archives_of_other_programs_are_read(tmp_path: Path) -> None:
    """With times and owners, long names, padding, and the files that macOS adds."""
    for form in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT):
        source = tmp_path / f"{form}.tar.gz"
        with tarfile.open(source, "w:gz", format=form) as archive:
            for name in ("mood", "mood/._card.json", "mood/card.json", "mood/weights", "mood/" + "n" * 99):
                info = tarfile.TarInfo(name)
                info.mtime, info.uname = 1e9 + 0.5, "anna"
                info.type = tarfile.DIRTYPE if name == "mood" else tarfile.REGTYPE
                info.size = 0 if name == "mood" else 2
                archive.addfile(info, io.BytesIO(b"{}"))
        assert archives.read(source, LIMITS, "card.json") == archives.read(source, LIMITS, "weights") == b"{}"
    source.write_bytes(tar(GOOD) + gzip.compress(b"and more"))
    assert archives.read(source, LIMITS, "weights") == b"{}"
    source.write_bytes(zipped("./mood/read me.txt", "mood/card.json", "mood/weights"))
    assert archives.read(source, LIMITS, "weights") == b"{}"
