"""Bases and adapters go out into an archive and come back the same; a hostile or damaged one leaves nothing behind."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import io
import json
import random
import tarfile
import tempfile
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import models
import pytest
import safetensors.torch
import torch
from commands import listing
from torch import Tensor

from weibo_tui.errors import CorruptFileError, UserInputError, WeiboTuiError
from weibo_tui.progress import finish
from weibo_tui.registry import archives, cards
from weibo_tui.registry.adapters import Adapters
from weibo_tui.registry.bases import Bases, OpenBase

ENDINGS = [".zip", ".tar.gz", ".tgz"]
ModelStore = Adapters | Bases


@pytest.fixture
def bases(tmp_path: Path) -> Bases:
    """A folder of bases with one in it, named `mood` like the adapter that is on it."""
    found = Bases(tmp_path / "bases")
    card = found.add(models.write_folder(tmp_path / "from", models.reference()), "mood")
    measured = dataclasses.replace(card, made={"validation_loss": 0.5})
    (found.path("mood") / "card.json").write_bytes(cards.write(measured))
    return found


@pytest.fixture(params=["adapters", "bases"])
def shelf(request: pytest.FixtureRequest) -> ModelStore:
    """A folder of adapters, then one of bases, with one in it, `mood`."""
    found: ModelStore = request.getfixturevalue(request.param)
    return found


@pytest.mark.parametrize("ending", ENDINGS)
def test_exported_and_imported_and_exported_again_is_the_same_file(
    shelf: ModelStore, tmp_path: Path, ending: str
) -> None:
    out = [tmp_path / f"{number}{ending}" for number in range(3)]
    finish(shelf.export("mood", out[0]))
    finish(shelf.export("mood", out[1]))
    before = listing(shelf.path("mood"))
    card = shelf.card("mood")
    shelf.remove("mood")
    assert finish(shelf.take_in(out[0])) == card
    assert listing(shelf.path("mood")) == before
    finish(shelf.export("mood", out[2]))
    assert out[0].read_bytes() == out[1].read_bytes() == out[2].read_bytes()


def test_what_was_imported_works(adapters: Adapters, bases: Bases, base: OpenBase, tmp_path: Path) -> None:
    finish(bases.export("mood", tmp_path / "base.zip"))
    finish(adapters.export("mood", tmp_path / "adapter.tar.gz"))
    finish(bases.take_in(tmp_path / "base.zip", "again"))
    finish(adapters.take_in(tmp_path / "adapter.tar.gz", "again"))
    opened = bases.open("again")
    assert models.same_bits(opened.backbone.to_hf_state_dict(), base.backbone.to_hf_state_dict())
    assert adapters.load("again", opened)[1].base_fingerprint == opened.card.fingerprint
    with pytest.raises(UserInputError, match="adapter.tar.gz holds no card of a base"):
        finish(bases.take_in(tmp_path / "adapter.tar.gz"))
    with pytest.raises(UserInputError, match="base.zip lacks adapter.safetensors"):
        finish(adapters.take_in(tmp_path / "base.zip", "other"))


@pytest.mark.parametrize("ending", [".zip", ".tar.gz"])
def test_export_and_import_tell_how_far_they_are_and_leave_nothing_when_stopped(
    shelf: ModelStore, tmp_path: Path, ending: str
) -> None:
    out = tmp_path / f"mood{ending}"
    before = listing(tmp_path)
    stopped = shelf.export("mood", out)
    next(stopped)
    stopped.close()
    assert listing(tmp_path) == before
    told = list(shelf.export("mood", out))
    assert {event.stage for event in told} == {"packing"}
    assert told[-1].done == told[-1].total

    before = listing(tmp_path)
    stopping = shelf.take_in(out, "again")
    told = [next(stopping)]
    stopping.close()
    assert listing(tmp_path) == before
    told = list(shelf.take_in(out, "again"))
    assert told[0].stage == "unpacking"
    for one in told:
        assert one.stage == "checking" or (one.total is not None and 0 <= one.done <= one.total)


def test_archive_of_a_large_base_goes_through_little_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MOST_SQUEEZED", 10_000)  # zeros, so that the test is quick
    large = tmp_path / "large"
    with large.open("wb") as file:
        file.truncate(64 * 2**20)
    (tmp_path / "out").mkdir()
    for ending in (".zip", ".tar.gz"):
        out = tmp_path / f"large{ending}"
        tracemalloc.start()
        finish(archives.pack(out, {"card.json": b"{}", "large": large}))
        finish(archives.unpack(out, {"large": 2**30}, tmp_path / "out"))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 16 * 2**20
        assert (tmp_path / "out" / "large").stat().st_size == 64 * 2**20
        (tmp_path / "out" / "large").unlink()


def test_import_takes_a_folder_and_another_name(shelf: ModelStore, tmp_path: Path) -> None:
    card: Any = finish(shelf.take_in(shelf.path("mood"), "again"))
    assert card == dataclasses.replace(shelf.card("mood"), name="again") == shelf.card("again")
    out = tmp_path / "mood.zip"
    finish(shelf.export("mood", out))
    before = listing(tmp_path)
    with pytest.raises(UserInputError, match="named 'mood' is there already"):
        finish(shelf.take_in(out))
    with pytest.raises(UserInputError, match="cannot be used"):
        finish(shelf.take_in(out, "../out"))
    with pytest.raises(UserInputError, match="must end in .zip or .tar.gz"):
        finish(shelf.export("mood", tmp_path / "mood.rar"))
    assert listing(tmp_path) == before
    finish(shelf.take_in(out, overwrite=True))
    assert listing(tmp_path) == before


def test_export_of_what_lacks_a_file_says_so(shelf: ModelStore, tmp_path: Path) -> None:
    (weights,) = shelf.path("mood").glob("*.safetensors")
    weights.unlink()
    before = listing(tmp_path)
    with pytest.raises(CorruptFileError, match="safetensors is missing"):
        finish(shelf.export("mood", tmp_path / "mood.zip"))
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
def parts(shelf: ModelStore) -> dict[str, bytes]:
    return {name: (shelf.path("mood") / name).read_bytes() for name in ("card.json", *shelf.files)}


def weights_of(parts: dict[str, bytes]) -> str:
    """The name of the weights among the files of a base or an adapter."""
    (name,) = [name for name in parts if name.endswith(".safetensors")]
    return name


def without(parts: dict[str, bytes], name: str) -> list[Member]:
    return [(other, content) for other, content in parts.items() if other != name]


@pytest.mark.parametrize("ending", [".zip", ".tar.gz"])
@pytest.mark.parametrize("folder", ["", "./", "mood/"])
def test_members_may_stand_in_one_folder(
    shelf: ModelStore, parts: dict[str, bytes], tmp_path: Path, ending: str, folder: str
) -> None:
    members: list[Member] = [(folder + "read me.txt", b"hello"), *((folder + n, parts[n]) for n in sorted(parts))]
    source = write_archive(tmp_path / f"a{ending}", members)
    imported: Any = finish(shelf.take_in(source, "again"))
    assert imported.name == "again"


def with_card(parts: dict[str, bytes], card: bytes) -> list[Member]:
    return [*without(parts, "card.json"), ("card.json", card)]


HOSTILE: dict[str, Callable[[dict[str, bytes]], list[Member]]] = {
    "climbs": lambda parts: [*parts.items(), ("../evil", b"x")],
    "climbs by its own name": lambda parts: [("../card.json", parts["card.json"]), *parts.items()],
    "absolute": lambda parts: [("/tmp/card.json", parts["card.json"]), *parts.items()],
    "deep": lambda parts: [("a/b/card.json", parts["card.json"]), *parts.items()],
    "many": lambda parts: [*((f"n{n}", b"") for n in range(20)), *parts.items()],
    "card missing": lambda parts: without(parts, "card.json"),
    "weights missing": lambda parts: without(parts, weights_of(parts)),
    "weights twice": lambda parts: [*parts.items(), (weights_of(parts), parts[weights_of(parts)])],
    "card twice": lambda parts: [*parts.items(), ("mood/card.json", parts["card.json"])],
    "large stranger": lambda parts: [("stranger", b"\0" * (archives.LARGEST_OTHER + 1)), *without(parts, "card.json")],
    "nothing": lambda _parts: [],
    "card too large": lambda parts: with_card(parts, b" " * (cards.LARGEST_CARD + 1)),
    "card that is none": lambda parts: with_card(parts, b"[1]"),
    "card with a hostile name": lambda parts: with_card(parts, parts["card.json"].replace(b'"mood"', b'"../../mood"')),
    "card with NaN": lambda parts: with_card(parts, parts["card.json"].replace(b"0.5", b"NaN")),
    "card too deep": lambda parts: with_card(parts, parts["card.json"].replace(b"0.5", b"[" * 50_000 + b"]" * 50_000)),
    "card deep": lambda parts: with_card(parts, parts["card.json"].replace(b"0.5", b"[" * 600 + b"]" * 600)),
    "other weights": lambda parts: [
        *without(parts, weights_of(parts)),
        (weights_of(parts), parts[weights_of(parts)][:-4] + b"\0" * 4),
    ],
}
LINKS: dict[str, Callable[[dict[str, bytes]], list[Member]]] = {
    "symbolic link": lambda parts: [
        *without(parts, "card.json"),
        link("card.json", tarfile.SYMTYPE),
    ],
    "hard link": lambda parts: [*without(parts, "card.json"), link("card.json", tarfile.LNKTYPE)],
    "device": lambda parts: [*without(parts, "card.json"), link("card.json", tarfile.CHRTYPE)],
    "pipe": lambda parts: [*without(parts, weights_of(parts)), link(weights_of(parts), tarfile.FIFOTYPE)],
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
    shelf: ModelStore,
    parts: dict[str, bytes],
    tmp_path: Path,
    ending: str,
    hostile: Callable[[dict[str, bytes]], list[Member]],
) -> None:
    source = write_archive(tmp_path / f"hostile{ending}", hostile(parts))
    before = listing(tmp_path)
    with pytest.raises(WeiboTuiError) as refused:
        finish(shelf.take_in(source, overwrite=True))
    assert "\n" not in str(refused.value)
    assert "hostile" in str(refused.value) or "cannot be used" in str(refused.value)
    assert listing(tmp_path) == before


def place(folder: Path) -> Path:
    """An empty folder."""
    return Path(tempfile.mkdtemp(dir=folder))


def test_oversized_members_are_refused_without_being_read_whole(tmp_path: Path) -> None:
    for ending in (".zip", ".tar.gz"):
        source = write_archive(tmp_path / f"a{ending}", [("card.json", b"{}"), ("big", b"\0" * 1001)])
        with pytest.raises(UserInputError, match="big in it is too large"):
            finish(archives.unpack(source, {"card.json": 2, "big": 1000}, place(tmp_path)))
        assert len(archives.read(source, {"card.json": 2, "big": 1001}, "big")) == 1001
        with pytest.raises(UserInputError, match="card.json in it is too large"):
            archives.read(source, {"card.json": 1, "big": 1001}, "card.json")


def test_member_that_nobody_asked_for_cannot_hold_up_an_import(tmp_path: Path) -> None:
    """A tar is read through to its end: what unpacks to many gigabytes is refused by the size it names."""
    source = tmp_path / "bomb.tar.gz"
    entry = tarfile.TarInfo("padding")
    entry.size = 10**13
    source.write_bytes(gzip.compress(entry.tobuf(tarfile.GNU_FORMAT) + b"\0" * 2048))
    with pytest.raises(UserInputError, match="padding in it is too large"):
        archives.read(source, {"card.json": 10}, "card.json")


@pytest.mark.parametrize(
    ("ending", "squeezed"),
    [(".zip", zipfile.ZIP_DEFLATED), (".zip", zipfile.ZIP_LZMA), (".zip", zipfile.ZIP_BZIP2), (".tar.gz", 0)],
)
def test_bytes_turned_in_an_archive_never_end_in_anything_but_words(
    shelf: ModelStore, parts: dict[str, bytes], tmp_path: Path, ending: str, squeezed: int
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
            finish(shelf.take_in(source, "again", overwrite=True))
        except WeiboTuiError:
            refused += 1
    assert refused >= 30


def test_file_that_is_no_archive_is_refused(shelf: ModelStore, tmp_path: Path) -> None:
    text = tmp_path / "a.zip"
    text.write_text("no archive", encoding="utf-8")
    for source in (text, tmp_path / "missing.zip"):
        with pytest.raises(UserInputError, match="cannot be read as an archive"):
            finish(shelf.take_in(source))
    empty = tmp_path / "folder"
    empty.mkdir()
    with pytest.raises(UserInputError, match="lacks .*card.json"):
        finish(shelf.take_in(empty))


# a base that is not what its card says


def rehashed(parts: dict[str, bytes], **changes: Any) -> list[Member]:
    """The members with a card that promises the hashes they have, and says whatever else."""
    hashes = {name: hashlib.sha256(parts[name]).hexdigest() for name in parts if name != "card.json"}
    card = json.loads(parts["card.json"]) | {"sha256": hashes} | changes
    return with_card(parts, json.dumps(card).encode())


def other_weights(parts: dict[str, bytes], change: Callable[[dict[str, Tensor]], object]) -> dict[str, bytes]:
    tensors = safetensors.torch.load(parts["model.safetensors"])
    change(tensors)
    return parts | {"model.safetensors": safetensors.torch.save(tensors)}


def other_config(parts: dict[str, bytes], **changes: Any) -> dict[str, bytes]:
    return parts | {"config.json": json.dumps(json.loads(parts["config.json"]) | changes).encode()}


LIES: dict[str, tuple[Callable[[dict[str, bytes]], list[Member]], str]] = {
    "another's fingerprint": (lambda parts: rehashed(parts, fingerprint="0" * 64), "not the base that its card says"),
    "another's weights": (
        lambda parts: rehashed(other_weights(parts, lambda t: t["ln_f.bias"].add_(1))),
        "not the base that its card says",
    ),
    "another's frame": (lambda parts: rehashed(parts, prefix=[5]), "not the base that its card says"),
    "weights turned, of the same bytes": (
        lambda parts: rehashed(other_weights(parts, lambda t: t.update({"wpe.weight": t["wpe.weight"].view(32, 64)}))),
        "weights are not those that config.json asks for",
    ),
    "a weight too many": (
        lambda parts: rehashed(other_weights(parts, lambda t: t.update(more=torch.ones(1)))),
        "weights are not those that config.json asks for",
    ),
    "no weights": (lambda parts: rehashed(parts | {"model.safetensors": b"weights"}), "no base that works"),
    "another architecture": (lambda parts: rehashed(other_config(parts, n_head=2)), "not the base that its card says"),
    "a size of no model": (lambda parts: rehashed(other_config(parts, n_layer=10**9)), "layers=1000000000"),
    "another kind of model": (lambda parts: rehashed(other_config(parts, model_type="bert")), "must be a GPT-2"),
    "a config that is none": (lambda parts: rehashed(parts | {"config.json": b"[]"}), "not a JSON object"),
    "a config too deep": (lambda parts: rehashed(parts | {"config.json": b"[" * 10**5}), "no base that works"),
    "a tokenizer that is none": (lambda parts: rehashed(parts | {"tokenizer.json": b"{}"}), "no base that works"),
    "a tokenizer of no text": (lambda parts: rehashed(parts | {"tokenizer.json": b"\xff"}), "no base that works"),
    "a tokenizer that cannot encode": (
        lambda parts: rehashed(
            parts | {"tokenizer.json": parts["tokenizer.json"].replace(b'"unk_token":"[UNK]"', b'"unk_token":"none"')}
        ),
        "Missing .UNK. token",
    ),
    "a frame beyond the rows": (lambda parts: rehashed(parts, pad=10**6), "embeddings for"),
    "no hashes": (
        lambda parts: with_card(parts, json.dumps(json.loads(parts["card.json"]) | {"sha256": {}}).encode()),
        "config.json is not the one that its card names",
    ),
}


@pytest.mark.parametrize("shelf", ["bases"], indirect=True)
@pytest.mark.parametrize(("lie", "message"), LIES.values(), ids=LIES)
def test_base_that_says_it_is_another_is_refused_and_nothing_is_left(
    shelf: ModelStore,
    parts: dict[str, bytes],
    tmp_path: Path,
    lie: Callable[[dict[str, bytes]], list[Member]],
    message: str,
) -> None:
    source = write_archive(tmp_path / "lie.zip", lie(parts))
    before = listing(tmp_path)
    with pytest.raises(WeiboTuiError, match=message) as refused:
        finish(shelf.take_in(source, "again"))
    assert "lie.zip" in str(refused.value)
    assert listing(tmp_path) == before


@pytest.mark.parametrize("shelf", ["bases"], indirect=True)
def test_imported_base_keeps_nothing_that_names_code(
    shelf: ModelStore, parts: dict[str, bytes], tmp_path: Path
) -> None:
    hostile = other_config(parts, auto_map={"AutoModel": "evil.Model"})
    more: list[Member] = [("tokenizer_config.json", b'{"auto_map": {"AutoTokenizer": ["evil.Tokenizer"]}}')]
    source = write_archive(tmp_path / "hostile.zip", [*rehashed(hostile, parameters=7), *more])
    card: Any = finish(shelf.take_in(source, "again"))
    assert listing(shelf.path("again")) | {"card.json": ""} == listing(shelf.path("mood")) | {"card.json": ""}
    assert card == dataclasses.replace(shelf.card("mood"), name="again")
