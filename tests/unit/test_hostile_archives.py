"""Archives that would fill the memory or the disk, or lead elsewhere, are refused in a sentence and leave nothing."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from bounds import little_memory, sparse
from commands import listing

from weibo_tui.errors import UserInputError
from weibo_tui.progress import drain
from weibo_tui.registry import archives

WANTED = {"card.json": 2**20, "weights": 2**33}
GIGABYTES = 10 * 2**30


def entry(name: str, size: int = 0, kind: bytes = tarfile.REGTYPE, link: str = "") -> bytes:
    """The header of a member in a tar."""
    made = tarfile.TarInfo(name)
    made.size, made.type, made.linkname = size, kind, link
    return made.tobuf(tarfile.GNU_FORMAT)


def zeros(size: int) -> bytes:
    """A gzip stream that unpacks to so many zeros."""
    step = 2**26
    return gzip.compress(bytes(step), 1) * (size // step)


def tar(*parts: bytes) -> bytes:
    return gzip.compress(b"".join(parts) + bytes(1024))


def file(name: str, content: bytes = b"{}") -> bytes:
    return entry(name, len(content)) + content + bytes(-len(content) % 512)


def zipped(*names: str, content: bytes = b"{}", squeezed: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", squeezed) as archive:
        for name in names:
            archive.writestr(name, content)
    return out.getvalue()


def squeezed_zeros() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("card.json", "{}")
        with archive.open("weights", "w") as member:
            for _time in range(256):
                member.write(bytes(2**20))
    return out.getvalue()


GOOD = file("card.json") + file("weights")
BOMBS: dict[str, Callable[[], bytes]] = {
    "a long header of gigabytes": lambda: (
        gzip.compress(entry("x", GIGABYTES // 2, tarfile.XHDTYPE)) + zeros(2**28) + tar(GOOD)
    ),
    "a long name of gigabytes": lambda: (
        gzip.compress(entry("x", GIGABYTES // 2, tarfile.GNUTYPE_LONGNAME)) + zeros(2**28) + tar(GOOD)
    ),
    "a long link of gigabytes": lambda: gzip.compress(entry("x", GIGABYTES, tarfile.GNUTYPE_LONGLINK)) + zeros(2**28),
    "long headers without end": lambda: tar(*[entry("x", 0, tarfile.XGLTYPE)] * 10_000, GOOD),
    "members by the million": lambda: tar(entry("x") * 20_000, GOOD),
    "members by the hundred thousand in a zip": lambda: zipped(*map(str, range(30_000)), "card.json", "weights"),
    "zeros in a tar": lambda: gzip.compress(file("card.json") + entry("weights", 2**28)) + zeros(2**28),
    "zeros in a zip": squeezed_zeros,
    "a hole": lambda: tar(file("card.json"), entry("weights", 2**32, tarfile.GNUTYPE_SPARSE)),
    "a hard link": lambda: tar(file("card.json"), entry("weights", 0, tarfile.LNKTYPE, "/etc/passwd")),
    "a link": lambda: tar(file("card.json"), entry("weights", 0, tarfile.SYMTYPE, "/etc/passwd")),
    "a folder of a file's name": lambda: tar(file("card.json"), entry("weights/", 0, tarfile.DIRTYPE)),
    "a negative size": lambda: tar(file("card.json"), _negative("weights")),
    "a member that breaks off": lambda: gzip.compress(file("card.json") + entry("weights", 9999) + b"a"),
    "a name with a line end": lambda: tar(file("a\nb/../card.json"), GOOD),
    "a name with an escape": lambda: tar(file("../\x1b[2J"), GOOD),
    "a name without end": lambda: zipped("x/" * 30_000 + "card.json", "card.json", "weights"),
    "squeezed by LZMA": lambda: zipped("card.json", "weights", squeezed=zipfile.ZIP_LZMA),
    "squeezed by bzip2": lambda: zipped("card.json", "weights", squeezed=zipfile.ZIP_BZIP2),
    "locked": lambda: _locked(zipped("card.json", "weights")),
    "a gzip in a gzip": lambda: gzip.compress(tar(GOOD)),
    "a lone gzip of zeros": lambda: zeros(2**28),
    "a backslash": lambda: zipped("..\\card.json", "..\\weights"),
}


def _negative(name: str) -> bytes:
    header = bytearray(entry(name))
    header[124:136] = b"\xff" * 11 + b"\x00"
    header[148:156] = b"%06o\0 " % (sum(header) - sum(header[148:156]) + 8 * 32)
    return bytes(header)


def _locked(archive: bytes) -> bytes:
    """With the flag that says that it is encrypted."""
    found = bytearray(archive)
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = found.find(mark)
        while at >= 0:
            found[at + place] |= 1
            at = found.find(mark, at + 1)
    return bytes(found)


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS)
def test_archive_that_would_run_away_is_refused_in_little_memory(tmp_path: Path, bomb: Callable[[], bytes]) -> None:
    source = tmp_path / "bomb"
    source.write_bytes(bomb())
    before = listing(tmp_path).keys()
    out = tmp_path / "out"
    out.mkdir()
    with little_memory(2**28), pytest.raises(UserInputError) as refused:
        drain(archives.unpack(source, WANTED, out))
    assert len(str(refused.value)) < 400
    assert sum(path.stat().st_size for path in out.iterdir()) <= 2**28
    assert listing(tmp_path).keys() - before <= {"out", "out/card.json", "out/weights"}


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero")], ids=["pipe", "device"])
def test_what_is_no_file_is_not_waited_for(tmp_path: Path, make: Callable[[Path], object]) -> None:
    make(tmp_path / "source")
    with pytest.raises(UserInputError, match="is not a regular file"):
        archives.read(tmp_path / "source", WANTED, "card.json")


def test_zip_whose_directory_is_gigabytes_is_refused(tmp_path: Path) -> None:
    """Its end says that all before it is the directory."""
    source = sparse(tmp_path / "a.zip", 5 * 10**9)
    with source.open("ab") as raw:
        raw.write(b"PK\5\6" + bytes(8) + (4 * 10**9).to_bytes(4, "little") + bytes(6))
    with little_memory(2**28), pytest.raises(UserInputError, match="cannot be read as an archive"):
        archives.read(source, WANTED, "card.json")


def test_archives_as_other_programs_write_them_are_read(tmp_path: Path) -> None:
    """With headers of times and owners, long names among the strangers, padding, and what macOS leaves beside."""
    for form in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT):
        source = tmp_path / f"{form}.tar.gz"
        with tarfile.open(source, "w:gz", format=form) as archive:
            for name in ("mood", "mood/._card.json", "mood/card.json", "mood/weights", "mood/" + "n" * 99):
                made = tarfile.TarInfo(name)
                made.mtime, made.uname = 1e9 + 0.5, "anna"
                made.type = tarfile.DIRTYPE if name == "mood" else tarfile.REGTYPE
                made.size = 0 if name == "mood" else 2
                archive.addfile(made, io.BytesIO(b"{}"))
        assert archives.read(source, WANTED, "card.json") == archives.read(source, WANTED, "weights") == b"{}"
    source.write_bytes(tar(GOOD) + gzip.compress(b"and more"))
    assert archives.read(source, WANTED, "weights") == b"{}"
