"""Bases and adapters are exported to an archive and imported unchanged; a hostile or broken one leaves nothing."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import random
import shutil
import tracemalloc
import zipfile
from collections import deque
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
Parts = dict[str, bytes]
Change = Callable[[Parts], Parts]


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
    with pytest.raises(UserInputError, match="adapter.tar.gz has no base card"):
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


def test_import_accepts_folder_and_checks_names(adapters: Adapters, tmp_path: Path) -> None:
    card = drain(adapters.import_model(adapters.path("mood"), "again"))
    assert card == dataclasses.replace(adapters.card("mood"), name="again") == adapters.card("again")
    out = tmp_path / "mood.zip"
    drain(adapters.export("mood", out))
    before = listing(tmp_path)
    for steps, message in (
        (adapters.import_model(out), "exists: 'mood'"),
        (adapters.import_model(out, "../out"), "Invalid name: '../out'"),
        (adapters.export("mood", tmp_path / "mood.rar"), "must end in .zip or .tar.gz"),
    ):
        with pytest.raises(UserInputError, match=message):
            deque(steps, maxlen=0)
    assert listing(tmp_path) == before
    drain(adapters.import_model(out, overwrite=True))
    assert listing(tmp_path) == before
    out.unlink()
    (adapters.path("mood") / WEIGHTS).unlink()
    with pytest.raises(CorruptFileError, match="safetensors is missing"):
        drain(adapters.export("mood", out))
    assert not out.exists()


def test_import_of_broken_weights_keeps_the_old_adapter(adapters: Adapters, base: OpenBase, tmp_path: Path) -> None:
    folder = shutil.copytree(adapters.path("mood"), tmp_path / "mood")
    tensors = safetensors.torch.load_file(folder / WEIGHTS)
    safetensors.torch.save_file(tensors | {"head.weight": torch.zeros(7, 7)}, folder / WEIGHTS)
    card = dataclasses.replace(adapters.card("mood"), weights_sha256=sha256(folder / WEIGHTS))
    (folder / "card.json").write_bytes(cards.write(card))
    before = listing(adapters.folder)
    with pytest.raises(UserInputError, match="mood is not a working adapter .*head.weight has shape"):
        drain(adapters.import_model(folder, overwrite=True))
    assert listing(adapters.folder) == before
    adapters.load("mood", base)


def write_zip(path: Path, members: list[Member]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return path


def read_parts(store: Store) -> Parts:
    return {name: (store.path("mood") / name).read_bytes() for name in ("card.json", *store.files)}


def without(parts: Parts, name: str) -> list[Member]:
    return [(other, content) for other, content in parts.items() if other != name]


def with_card(parts: Parts, card: bytes) -> list[Member]:
    return [*without(parts, "card.json"), ("card.json", card)]


HOSTILE: dict[str, Callable[[Parts], list[Member]]] = {
    "card missing": lambda parts: without(parts, "card.json"),
    "weights missing": lambda parts: without(parts, WEIGHTS),
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
        assert "hostile" in str(refused.value) or "Invalid name: '../../mood'" in str(refused.value), name
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
    (tmp_path / "a.zip").write_text("no archive", encoding="utf-8")
    (tmp_path / "folder").mkdir()
    reasons = {"a.zip": "as an archive", "none.zip": "as an archive", "folder": "lacks .*card.json"}
    for name, reason in reasons.items():
        with pytest.raises(UserInputError, match=reason):
            drain(adapters.import_model(tmp_path / name))


def rehashed(parts: Parts, **changes: Any) -> list[Member]:
    """Return the members with a card that has their hashes, and other changes."""
    hashes = {name: hashlib.sha256(parts[name]).hexdigest() for name in parts if name != "card.json"}
    card = json.loads(parts["card.json"]) | {"sha256": hashes} | changes
    return with_card(parts, json.dumps(card).encode())


def weights(change: Callable[[dict[str, Tensor]], object]) -> Change:
    def edit(parts: Parts) -> Parts:
        tensors = safetensors.torch.load(parts["model.safetensors"])
        change(tensors)
        return parts | {"model.safetensors": safetensors.torch.save(tensors)}

    return edit


def config(**changes: Any) -> Change:
    return lambda parts: parts | {"config.json": json.dumps(json.loads(parts["config.json"]) | changes).encode()}


def content(name: str, data: bytes) -> Change:
    return lambda parts: parts | {name: data}


def no_unknown_token(parts: Parts) -> Parts:
    broken = parts["tokenizer.json"].replace(b'"unk_token":"[UNK]"', b'"unk_token":"none"')
    return parts | {"tokenizer.json": broken}


ANOTHER, UNFIT, BROKEN = "does not match its card", "do not match config.json", "not a working base"
# The change of the files, the change of the card, and the message.
LIES: dict[str, tuple[Change, dict[str, Any], str]] = {
    "fingerprint": (dict, {"fingerprint": "0" * 64}, ANOTHER),
    "special tokens": (dict, {"prefix": [5]}, ANOTHER),
    "special token without embedding": (dict, {"pad": 10**6}, "embeddings"),
    "no hashes": (dict, {"sha256": {}}, "config.json does not match its card"),
    "other weights": (weights(lambda t: t["ln_f.bias"].add_(1)), {}, ANOTHER),
    "transposed weights": (weights(lambda t: t.update({"wpe.weight": t["wpe.weight"].view(32, 64)})), {}, UNFIT),
    "extra weight": (weights(lambda t: t.update(more=torch.ones(1))), {}, UNFIT),
    "weights that are text": (content("model.safetensors", b"weights"), {}, BROKEN),
    "other architecture": (config(n_head=2), {}, ANOTHER),
    "invalid size": (config(n_layer=10**9), {}, "layers=1000000000"),
    "another model": (config(model_type="bert"), {}, "must be a GPT-2"),
    "config is a list": (content("config.json", b"[]"), {}, "not a JSON object"),
    "config too deep": (content("config.json", b"[" * 10**5), {}, BROKEN),
    "empty tokenizer": (content("tokenizer.json", b"{}"), {}, BROKEN),
    "tokenizer is not text": (content("tokenizer.json", b"\xff"), {}, BROKEN),
    "tokenizer cannot encode": (no_unknown_token, {}, "Missing .UNK. token"),
}


@pytest.mark.parametrize(("change", "card", "message"), LIES.values(), ids=LIES)
def test_base_that_differs_from_its_card_is_refused(
    original: Bases, tmp_path: Path, change: Change, card: dict[str, Any], message: str
) -> None:
    source = write_zip(tmp_path / "lie.zip", rehashed(change(read_parts(original)), **card))
    bases = Bases(tmp_path / "bases")
    with pytest.raises(WeiboTuiError, match=message) as refused:
        drain(bases.import_model(source, "again"))
    assert "lie.zip" in str(refused.value)
    assert not bases.folder.exists()


def test_imported_base_names_no_code(bases: Bases, tmp_path: Path) -> None:
    hostile = config(auto_map={"AutoModel": "evil.Model"})(read_parts(bases))
    more: list[Member] = [("tokenizer_config.json", b'{"auto_map": {"AutoTokenizer": ["evil.Tokenizer"]}}')]
    source = write_zip(tmp_path / "hostile.zip", [*rehashed(hostile, parameters=7), *more])
    card = drain(bases.import_model(source, "again"))
    assert listing(bases.path("again")) | {"card.json": ""} == listing(bases.path("mood")) | {"card.json": ""}
    assert card == dataclasses.replace(bases.card("mood"), name="again")
