"""An adapter goes out into an archive and comes back the same; a hostile or damaged archive leaves nothing behind."""

from __future__ import annotations

import dataclasses
import gzip
import io
import random
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from commands import listing

from weibo_tui.errors import BadInput, WeiboTuiError
from weibo_tui.registry import archives, cards
from weibo_tui.registry.adapters import Adapters
from weibo_tui.registry.bases import OpenBase

ENDINGS = [".zip", ".tar.gz", ".tgz"]


@pytest.mark.parametrize("ending", ENDINGS)
def test_exported_and_imported_and_exported_again_is_the_same_file(
    adapters: Adapters, base: OpenBase, tmp_path: Path, ending: str
) -> None:
    out = [tmp_path / f"{number}{ending}" for number in range(3)]
    adapters.export("mood", out[0])
    adapters.export("mood", out[1])
    before = listing(adapters.path("mood"))
    card = adapters.card("mood")
    adapters.remove("mood")
    assert adapters.take_in(out[0], None) == card
    assert listing(adapters.path("mood")) == before
    adapters.export("mood", out[2])
    assert out[0].read_bytes() == out[1].read_bytes() == out[2].read_bytes()
    assert adapters.load("mood", base)


def test_import_takes_a_folder_and_another_name(adapters: Adapters, base: OpenBase, tmp_path: Path) -> None:
    card = adapters.take_in(adapters.path("mood"), "again")
    assert card == dataclasses.replace(adapters.card("mood"), name="again") == adapters.card("again")
    adapters.load("again", base)
    out = tmp_path / "mood.zip"
    adapters.export("mood", out)
    before = listing(tmp_path)
    with pytest.raises(BadInput, match="named 'mood' is there already"):
        adapters.take_in(out, None)
    with pytest.raises(BadInput, match="cannot be used"):
        adapters.take_in(out, "../out")
    with pytest.raises(BadInput, match="must end in .zip or .tar.gz"):
        adapters.export("mood", tmp_path / "mood.rar")
    assert listing(tmp_path) == before
    adapters.take_in(out, None, overwrite=True)
    assert listing(tmp_path) == before


Member = tuple[str, bytes | tarfile.TarInfo]


def write_archive(path: Path, members: list[Member], squeezed: int = zipfile.ZIP_DEFLATED) -> Path:
    """An archive of whatever members, in the format of its ending."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", squeezed) as archive:
            for name, content in members:
                if isinstance(content, bytes):
                    archive.writestr(name, content)
    else:
        with tarfile.open(path, "w:gz") as tar:
            for name, content in members:
                entry = content if isinstance(content, tarfile.TarInfo) else tarfile.TarInfo(name)
                entry.size = len(content) if isinstance(content, bytes) else 0
                tar.addfile(entry, io.BytesIO(content) if isinstance(content, bytes) else None)
    return path


def link(name: str, kind: bytes, target: str = "/etc/passwd") -> Member:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = kind, target
    return name, entry


@pytest.fixture
def parts(adapters: Adapters) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in adapters.path("mood").iterdir()}


@pytest.mark.parametrize("ending", [".zip", ".tar.gz"])
@pytest.mark.parametrize("folder", ["", "./", "mood/"])
def test_members_may_stand_in_one_folder(
    adapters: Adapters, parts: dict[str, bytes], tmp_path: Path, ending: str, folder: str
) -> None:
    source = write_archive(tmp_path / f"a{ending}", [(folder + name, content) for name, content in parts.items()])
    assert adapters.take_in(source, "again").name == "again"


HOSTILE: dict[str, Callable[[dict[str, bytes]], list[Member]]] = {
    "climbs": lambda parts: [*parts.items(), ("../evil", b"x")],
    "climbs by its own name": lambda parts: [("../card.json", parts["card.json"]), *parts.items()],
    "absolute": lambda parts: [("/tmp/card.json", parts["card.json"]), *parts.items()],
    "deep": lambda parts: [("a/b/card.json", parts["card.json"]), *parts.items()],
    "many": lambda parts: [*((f"n{n}", b"") for n in range(20)), *parts.items()],
    "card missing": lambda parts: [("adapter.safetensors", parts["adapter.safetensors"])],
    "weights missing": lambda parts: [("card.json", parts["card.json"])],
    "nothing": lambda _parts: [],
    "card too large": lambda parts: [*parts.items(), ("card.json", b" " * (cards.LARGEST_CARD + 1))],
    "card that is none": lambda parts: [*parts.items(), ("card.json", b"[1]")],
    "card with a hostile name": lambda parts: [
        *parts.items(),
        ("card.json", parts["card.json"].replace(b'"mood"', b'"../../mood"')),
    ],
    "card with NaN": lambda parts: [*parts.items(), ("card.json", parts["card.json"].replace(b"0.5", b"NaN"))],
    "card too deep": lambda parts: [
        *parts.items(),
        ("card.json", parts["card.json"].replace(b"0.5", b"[" * 50_000 + b"]" * 50_000)),
    ],
    "card deep": lambda parts: [
        *parts.items(),
        ("card.json", parts["card.json"].replace(b"0.5", b"[" * 600 + b"]" * 600)),
    ],
    "other weights": lambda parts: [
        *parts.items(),
        ("adapter.safetensors", parts["adapter.safetensors"][:-4] + b"\0" * 4),
    ],
}
LINKS: dict[str, Callable[[dict[str, bytes]], list[Member]]] = {
    "symbolic link": lambda parts: [
        ("adapter.safetensors", parts["adapter.safetensors"]),
        link("card.json", tarfile.SYMTYPE),
    ],
    "hard link": lambda parts: [*parts.items(), link("card.json", tarfile.LNKTYPE)],
    "device": lambda parts: [*parts.items(), link("card.json", tarfile.CHRTYPE)],
    "pipe": lambda parts: [*parts.items(), link("adapter.safetensors", tarfile.FIFOTYPE)],
}


@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")
@pytest.mark.parametrize(
    ("ending", "hostile"),
    [
        *((ending, one) for one in HOSTILE.values() for ending in (".zip", ".tar.gz")),
        *((".tar.gz", one) for one in LINKS.values()),
    ],
    ids=[*(f"{name}{ending}" for name in HOSTILE for ending in (".zip", ".tar.gz")), *LINKS],
)
def test_hostile_archive_is_refused_and_nothing_is_left(
    adapters: Adapters,
    parts: dict[str, bytes],
    tmp_path: Path,
    ending: str,
    hostile: Callable[[dict[str, bytes]], list[Member]],
) -> None:
    source = write_archive(tmp_path / f"hostile{ending}", hostile(parts))
    before = listing(tmp_path)
    with pytest.raises(WeiboTuiError) as refused:
        adapters.take_in(source, None, overwrite=True)
    assert "\n" not in str(refused.value)
    assert "hostile" in str(refused.value) or "cannot be used" in str(refused.value)
    assert listing(tmp_path) == before


def test_oversized_members_are_refused_without_being_read_whole(tmp_path: Path) -> None:
    for ending in (".zip", ".tar.gz"):
        source = write_archive(tmp_path / f"a{ending}", [("card.json", b"{}"), ("big", b"\0" * 1001)])
        with pytest.raises(BadInput, match="big in it is too large"):
            archives.read(source, {"card.json": 2, "big": 1000})
        assert len(archives.read(source, {"card.json": 2, "big": 1001})["big"]) == 1001
        with pytest.raises(BadInput, match="card.json in it is too large"):
            archives.read(source, {"card.json": 1, "big": 1001})


def test_member_that_nobody_asked_for_cannot_hold_up_an_import(tmp_path: Path) -> None:
    """A tar is read through to its end: what unpacks to many gigabytes is refused by the size it names."""
    source = tmp_path / "bomb.tar.gz"
    entry = tarfile.TarInfo("padding")
    entry.size = 10**13
    source.write_bytes(gzip.compress(entry.tobuf() + b"\0" * 2048))
    with pytest.raises(BadInput, match="padding in it is too large"):
        archives.read(source, {"card.json": 10})


@pytest.mark.parametrize(
    ("ending", "squeezed"),
    [(".zip", zipfile.ZIP_DEFLATED), (".zip", zipfile.ZIP_LZMA), (".zip", zipfile.ZIP_BZIP2), (".tar.gz", 0)],
)
def test_bytes_turned_in_an_archive_never_end_in_anything_but_words(
    adapters: Adapters, parts: dict[str, bytes], tmp_path: Path, ending: str, squeezed: int
) -> None:
    source = write_archive(tmp_path / f"mood{ending}", list(parts.items()), squeezed)
    whole = source.read_bytes()
    draw = random.Random(1)
    refused = 0
    for _ in range(60):
        spoilt = bytearray(whole)
        for _turn in range(draw.choice([1, 2, 20])):
            spoilt[draw.choice([draw.randrange(300), -1 - draw.randrange(300), draw.randrange(len(whole))])] = (
                draw.randrange(256)
            )
        source.write_bytes(bytes(spoilt[: draw.choice([len(whole), len(whole), len(whole) // 2])]))
        try:
            adapters.take_in(source, "again", overwrite=True)
        except WeiboTuiError:
            refused += 1
    assert refused >= 30


def test_file_that_is_no_archive_is_refused(adapters: Adapters, tmp_path: Path) -> None:
    text = tmp_path / "a.zip"
    text.write_text("no archive", encoding="utf-8")
    for source in (text, tmp_path / "missing.zip"):
        with pytest.raises(BadInput, match="cannot be read as an archive"):
            adapters.take_in(source, None)
    empty = tmp_path / "folder"
    empty.mkdir()
    with pytest.raises(BadInput, match="lacks adapter.safetensors, card.json"):
        adapters.take_in(empty, None)
