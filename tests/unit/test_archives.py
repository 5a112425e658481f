"""Bases and adapters are exported to an archive and imported unchanged; a hostile or broken one leaves nothing."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import random
import shutil
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

from weibo_tui.atomic import sha256
from weibo_tui.errors import CorruptFileError, UserInputError, WeiboTuiError
from weibo_tui.progress import drain
from weibo_tui.registry import archives, cards
from weibo_tui.registry.adapters import WEIGHTS, Adapters
from weibo_tui.registry.bases import Bases, OpenBase

Store = Adapters | Bases
Member = tuple[str, bytes]


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Bases:
    """A store of bases with one in it, named `mood` like the adapter on it. Shared: do not change it."""
    folder = tmp_path_factory.mktemp("bases")
    store = Bases(folder / "bases")
    card = store.add(models.write_folder(folder / "from", models.reference()), "mood")
    measured = dataclasses.replace(card, made={"validation_loss": 0.5})
    (store.path("mood") / "card.json").write_bytes(cards.write(measured))
    return store


@pytest.fixture
def bases(original: Bases, tmp_path: Path) -> Bases:
    """A copy of `original`."""
    shutil.copytree(original.folder, tmp_path / "bases")
    return Bases(tmp_path / "bases")


@pytest.fixture(params=["adapters", "bases"])
def store(request: pytest.FixtureRequest) -> Store:
    """A store of adapters, then one of bases, each with the model `mood`."""
    value: Store = request.getfixturevalue(request.param)
    return value


@pytest.mark.parametrize("suffix", [".zip", ".tar.gz", ".tgz"])
def test_export_and_import_change_no_byte(store: Store, tmp_path: Path, suffix: str) -> None:
    first, second, third = (tmp_path / f"{number}{suffix}" for number in range(3))
    before, card = listing(store.path("mood")), store.card("mood")
    events = list(store.export("mood", first))
    assert {event.stage for event in events} == {"packing"}
    assert events[-1].done == events[-1].total
    drain(store.export("mood", second))
    store.remove("mood")
    assert drain(store.import_model(first)) == card
    assert listing(store.path("mood")) == before
    drain(store.export("mood", third))
    assert first.read_bytes() == second.read_bytes() == third.read_bytes()

    steps = list(store.import_model(first, "again"))
    assert [steps[0].stage, steps[-1].stage] == ["unpacking", "checking"]  # the latter in a child process
    for step in steps:
        assert step.stage == "checking" or (step.total is not None and 0 <= step.done <= step.total)
    again: Any = store.card("again")
    assert again == dataclasses.replace(store.card("mood"), name="again")


def test_closed_export_and_import_leave_nothing(store: Store, tmp_path: Path) -> None:
    out = tmp_path / "mood.zip"
    before = listing(tmp_path)
    stopped = store.export("mood", out)
    next(stopped)
    stopped.close()
    assert listing(tmp_path) == before
    drain(store.export("mood", out))
    before = listing(tmp_path)
    stopping = store.import_model(out, "again")
    next(stopping)
    stopping.close()
    assert listing(tmp_path) == before


def test_imported_models_work_and_other_kinds_are_refused(
    adapters: Adapters, bases: Bases, base: OpenBase, tmp_path: Path
) -> None:
    drain(bases.export("mood", tmp_path / "base.zip"))
    drain(adapters.export("mood", tmp_path / "adapter.tar.gz"))
    drain(bases.import_model(tmp_path / "base.zip", "again"))
    drain(adapters.import_model(tmp_path / "adapter.tar.gz", "again"))
    opened = bases.open("again")
    assert models.same_bits(opened.backbone.to_hf_state_dict(), base.backbone.to_hf_state_dict())
    assert adapters.load("again", opened)[1].base_fingerprint == opened.card.fingerprint
    with pytest.raises(UserInputError, match="adapter.tar.gz holds no card of a base"):
        drain(bases.import_model(tmp_path / "adapter.tar.gz"))
    with pytest.raises(UserInputError, match="base.zip lacks adapter.safetensors"):
        drain(adapters.import_model(tmp_path / "base.zip", "other"))


@pytest.mark.parametrize("suffix", [".zip", ".tar.gz"])
def test_large_archive_needs_little_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str) -> None:
    monkeypatch.setattr(archives, "MAX_RATIO", 10_000)  # zeros are quick to pack
    large, out = tmp_path / "large", tmp_path / f"large{suffix}"
    with large.open("wb") as file:
        file.truncate(2**24)
    (tmp_path / "out").mkdir()
    tracemalloc.start()
    drain(archives.pack(out, {"card.json": b"{}", "large": large}))
    drain(archives.unpack(out, {"large": 2**30}, tmp_path / "out"))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**23
    assert (tmp_path / "out" / "large").stat().st_size == 2**24


def test_import_accepts_folder_and_checks_name(adapters: Adapters, tmp_path: Path) -> None:
    card = drain(adapters.import_model(adapters.path("mood"), "again"))
    assert card == dataclasses.replace(adapters.card("mood"), name="again") == adapters.card("again")
    out = tmp_path / "mood.zip"
    drain(adapters.export("mood", out))
    before = listing(tmp_path)
    with pytest.raises(UserInputError, match="named 'mood' is there already"):
        drain(adapters.import_model(out))
    with pytest.raises(UserInputError, match="cannot be used"):
        drain(adapters.import_model(out, "../out"))
    with pytest.raises(UserInputError, match="must end in .zip or .tar.gz"):
        drain(adapters.export("mood", tmp_path / "mood.rar"))
    assert listing(tmp_path) == before
    drain(adapters.import_model(out, overwrite=True))
    assert listing(tmp_path) == before


def test_import_of_broken_weights_keeps_the_old_adapter(adapters: Adapters, base: OpenBase, tmp_path: Path) -> None:
    folder = shutil.copytree(adapters.path("mood"), tmp_path / "mood")
    tensors = safetensors.torch.load_file(folder / WEIGHTS)
    safetensors.torch.save_file(tensors | {"head.weight": torch.zeros(7, 7)}, folder / WEIGHTS)
    card = dataclasses.replace(adapters.card("mood"), weights_sha256=sha256(folder / WEIGHTS))
    (folder / "card.json").write_bytes(cards.write(card))
    before = listing(adapters.folder)
    with pytest.raises(UserInputError, match="mood is not a working adapter .*head.weight has the shape"):
        drain(adapters.import_model(folder, overwrite=True))
    assert listing(adapters.folder) == before
    adapters.load("mood", base)


def test_export_of_model_without_weights_is_refused(adapters: Adapters, tmp_path: Path) -> None:
    (adapters.path("mood") / "adapter.safetensors").unlink()
    before = listing(tmp_path)
    with pytest.raises(CorruptFileError, match="safetensors is missing"):
        drain(adapters.export("mood", tmp_path / "mood.zip"))
    assert listing(tmp_path) == before


def write_zip(path: Path, members: list[Member]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return path


def read_parts(store: Store) -> dict[str, bytes]:
    return {name: (store.path("mood") / name).read_bytes() for name in ("card.json", *store.files)}


def without(parts: dict[str, bytes], name: str) -> list[Member]:
    return [(other, content) for other, content in parts.items() if other != name]


def with_card(parts: dict[str, bytes], card: bytes) -> list[Member]:
    return [*without(parts, "card.json"), ("card.json", card)]


HOSTILE: dict[str, Callable[[dict[str, bytes]], list[Member]]] = {
    "path that climbs": lambda parts: [("../card.json", parts["card.json"]), *parts.items()],
    "card missing": lambda parts: without(parts, "card.json"),
    "weights missing": lambda parts: without(parts, WEIGHTS),
    "weights twice": lambda parts: [*parts.items(), ("mood/" + WEIGHTS, parts[WEIGHTS])],
    "card too large": lambda parts: with_card(parts, b" " * (cards.MAX_CARD_SIZE + 1)),
    "card that is a list": lambda parts: with_card(parts, b"[1]"),
    "name that climbs": lambda parts: with_card(parts, parts["card.json"].replace(b'"mood"', b'"../../mood"')),
    "card with NaN": lambda parts: with_card(parts, parts["card.json"].replace(b"0.5", b"NaN")),
    "card too deep": lambda parts: with_card(parts, parts["card.json"].replace(b"0.5", b"[" * 50_000 + b"]" * 50_000)),
    "other weights": lambda parts: [*without(parts, WEIGHTS), (WEIGHTS, parts[WEIGHTS][:-4] + b"\0" * 4)],
}


def test_hostile_archive_is_refused_and_leaves_nothing(adapters: Adapters, tmp_path: Path) -> None:
    for name, hostile in HOSTILE.items():
        source = write_zip(tmp_path / "hostile.zip", hostile(read_parts(adapters)))
        before = listing(tmp_path)
        with pytest.raises(WeiboTuiError) as refused:
            drain(adapters.import_model(source, overwrite=True))
        assert "\n" not in str(refused.value), name
        assert "hostile" in str(refused.value) or "cannot be used" in str(refused.value), name
        assert listing(tmp_path) == before, name


@pytest.mark.parametrize("suffix", [".zip", ".tar.gz"])
def test_random_bytes_in_an_archive_give_words_or_a_model(adapters: Adapters, tmp_path: Path, suffix: str) -> None:
    source = tmp_path / f"mood{suffix}"
    drain(adapters.export("mood", source))
    content = source.read_bytes()
    rng = random.Random(1)
    refused = 0
    for _ in range(40):
        changed = bytearray(content)
        for _change in range(rng.choice([1, 2, 20])):
            index = rng.choice([rng.randrange(300), -1 - rng.randrange(300), rng.randrange(len(content))])
            changed[index] = rng.randrange(256)
        source.write_bytes(bytes(changed[: rng.choice([len(content), len(content), len(content) // 2])]))
        try:
            drain(adapters.import_model(source, "again", overwrite=True))
        except WeiboTuiError:
            refused += 1
    assert refused >= 20


def test_source_that_is_no_archive_is_refused(adapters: Adapters, tmp_path: Path) -> None:
    text, empty = tmp_path / "a.zip", tmp_path / "folder"
    text.write_text("no archive", encoding="utf-8")
    empty.mkdir()
    for source in (text, tmp_path / "missing.zip"):
        with pytest.raises(UserInputError, match="cannot be read as an archive"):
            drain(adapters.import_model(source))
    with pytest.raises(UserInputError, match="lacks .*card.json"):
        drain(adapters.import_model(empty))


def rehashed(parts: dict[str, bytes], **changes: Any) -> list[Member]:
    """Return the members with a card that has their hashes, and other changes."""
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
    "other fingerprint": (lambda parts: rehashed(parts, fingerprint="0" * 64), "not the base that its card says"),
    "other weights": (
        lambda parts: rehashed(other_weights(parts, lambda t: t["ln_f.bias"].add_(1))),
        "not the base that its card says",
    ),
    "other special tokens": (lambda parts: rehashed(parts, prefix=[5]), "not the base that its card says"),
    "transposed weights": (
        lambda parts: rehashed(other_weights(parts, lambda t: t.update({"wpe.weight": t["wpe.weight"].view(32, 64)}))),
        "weights are not those that config.json asks for",
    ),
    "extra weight": (
        lambda parts: rehashed(other_weights(parts, lambda t: t.update(more=torch.ones(1)))),
        "weights are not those that config.json asks for",
    ),
    "weights that are text": (lambda parts: rehashed(parts | {"model.safetensors": b"weights"}), "no base that works"),
    "other architecture": (lambda parts: rehashed(other_config(parts, n_head=2)), "not the base that its card says"),
    "invalid size": (lambda parts: rehashed(other_config(parts, n_layer=10**9)), "layers=1000000000"),
    "another model": (lambda parts: rehashed(other_config(parts, model_type="bert")), "must be a GPT-2"),
    "config is a list": (lambda parts: rehashed(parts | {"config.json": b"[]"}), "not a JSON object"),
    "config too deep": (lambda parts: rehashed(parts | {"config.json": b"[" * 10**5}), "no base that works"),
    "empty tokenizer": (lambda parts: rehashed(parts | {"tokenizer.json": b"{}"}), "no base that works"),
    "tokenizer is not text": (lambda parts: rehashed(parts | {"tokenizer.json": b"\xff"}), "no base that works"),
    "tokenizer cannot encode": (
        lambda parts: rehashed(
            parts | {"tokenizer.json": parts["tokenizer.json"].replace(b'"unk_token":"[UNK]"', b'"unk_token":"none"')}
        ),
        "Missing .UNK. token",
    ),
    "special token without embedding": (lambda parts: rehashed(parts, pad=10**6), "embeddings for"),
    "no hashes": (
        lambda parts: with_card(parts, json.dumps(json.loads(parts["card.json"]) | {"sha256": {}}).encode()),
        "config.json is not the one that its card names",
    ),
}


@pytest.mark.parametrize(("lie", "message"), LIES.values(), ids=LIES)
def test_base_that_differs_from_its_card_is_refused(
    original: Bases, tmp_path: Path, lie: Callable[[dict[str, bytes]], list[Member]], message: str
) -> None:
    source = write_zip(tmp_path / "lie.zip", lie(read_parts(original)))
    bases = Bases(tmp_path / "bases")
    with pytest.raises(WeiboTuiError, match=message) as refused:
        drain(bases.import_model(source, "again"))
    assert "lie.zip" in str(refused.value)
    assert not bases.folder.exists()


def test_imported_base_names_no_code(bases: Bases, tmp_path: Path) -> None:
    hostile = other_config(read_parts(bases), auto_map={"AutoModel": "evil.Model"})
    more: list[Member] = [("tokenizer_config.json", b'{"auto_map": {"AutoTokenizer": ["evil.Tokenizer"]}}')]
    source = write_zip(tmp_path / "hostile.zip", [*rehashed(hostile, parameters=7), *more])
    card = drain(bases.import_model(source, "again"))
    assert listing(bases.path("again")) | {"card.json": ""} == listing(bases.path("mood")) | {"card.json": ""}
    assert card == dataclasses.replace(bases.card("mood"), name="again")
