from __future__ import annotations

import dataclasses
import gzip
import io
import json
import os
import pickle
import random
import stat
import tarfile
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import models
import pytest
import torch
from commands import listing
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import BertTokenizer, GPT2LMHeadModel

from weibo_tui.engine.training import Snapshot
from weibo_tui.errors import BadInput, Damaged, WeiboTuiError
from weibo_tui.registry import archives, cards
from weibo_tui.registry.adapters import Adapters
from weibo_tui.registry.bases import Bases, OpenBase
from weibo_tui.registry.cards import AdapterCard, BaseCard
from weibo_tui.registry.weights import load_snapshot, save_snapshot

# bases: one model, packed in every way


def tokenizer_files(folder: Path, kind: str) -> None:
    """The same tokenizer, as transformers writes it or as the old vocabulary file alone."""
    (folder / "vocab.txt").write_text("\n".join(models.TOKENS) + "\n", encoding="utf-8")
    if kind != "vocab.txt":
        made = BertTokenizer.from_pretrained(folder)
        (folder / "vocab.txt").unlink()
        made.save_pretrained(folder)
    if kind == "class named":
        (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "BertTokenizer"}', encoding="utf-8")


def shards(folder: Path, file: str, tensors: dict[str, Tensor]) -> None:
    stem, ending = file.split(".")
    names = sorted(tensors)
    parts = {f"{stem}-0000{i + 1}-of-00003.{ending}": names[i::3] for i in range(3)}
    for part, of_part in parts.items():
        models.write_weights(folder / part, {name: tensors[name] for name in of_part})
    placed = {name: part for part, of_part in parts.items() for name in of_part}
    (folder / f"{file}.index.json").write_text(json.dumps({"metadata": {}, "weight_map": placed}), encoding="utf-8")


def prefixed(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {"transformer." + name: tensor for name, tensor in tensors.items()}


def with_buffers(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """As transformers wrote them before 4.30."""
    mask = torch.ones(1, 1, 64, 64, dtype=torch.bool).tril()
    masks = {f"h.{layer}.attn.bias": mask.clone() for layer in range(2)}
    return tensors | masks | {f"h.{layer}.attn.masked_bias": torch.tensor(-1e4) for layer in range(2)}


def one_storage(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """All as views of one long tensor."""
    flat = torch.cat([tensor.flatten() for tensor in tensors.values()])
    parts = flat.split([tensor.numel() for tensor in tensors.values()])
    return {name: part.view(tensor.shape) for (name, tensor), part in zip(tensors.items(), parts, strict=True)}


Packing = Callable[[Path, dict[str, Tensor]], None]


def as_file(name: str, change: Callable[[dict[str, Tensor]], dict[str, Tensor]]) -> Packing:
    return lambda folder, tensors: models.write_weights(folder / name, change(tensors))


PACKED: dict[str, tuple[Packing, str]] = {
    "safetensors": (as_file("model.safetensors", dict), "tokenizer.json"),
    "bin": (as_file("pytorch_model.bin", dict), "vocab.txt"),
    "safetensors in shards": (lambda folder, t: shards(folder, "model.safetensors", prefixed(t)), "tokenizer.json"),
    "bin in shards": (lambda folder, t: shards(folder, "pytorch_model.bin", t), "vocab.txt"),
    "prefixed, head tied": (
        as_file("pytorch_model.bin", lambda t: prefixed(t) | {"lm_head.weight": t["wte.weight"]}),
        "class named",
    ),
    "prefixed, head of its own": (
        as_file("model.safetensors", lambda t: prefixed(t) | {"lm_head.weight": t["wte.weight"] * 2}),
        "tokenizer.json",
    ),
    "classifier": (
        as_file("pytorch_model.bin", lambda t: prefixed(t) | {"score.weight": torch.ones(2, 32)}),
        "vocab.txt",
    ),
    "old buffers": (as_file("pytorch_model.bin", with_buffers), "vocab.txt"),
    "prefixed, old buffers": (as_file("pytorch_model.bin", lambda t: prefixed(with_buffers(t))), "tokenizer.json"),
    "parameters": (
        as_file("pytorch_model.bin", lambda t: {name: torch.nn.Parameter(one) for name, one in t.items()}),
        "vocab.txt",
    ),
    "as of old": (lambda folder, t: old_bin(folder, prefixed(t)), "vocab.txt"),
    "one storage": (as_file("pytorch_model.bin", one_storage), "vocab.txt"),
    "not contiguous": (
        as_file(
            "pytorch_model.bin",
            lambda t: {n: one.t().contiguous().t() if one.dim() == 2 else one for n, one in t.items()},
        ),
        "vocab.txt",
    ),
}


def write_base(folder: Path, pack: Packing = PACKED["safetensors"][0], kind: str = "vocab.txt") -> Path:
    folder.mkdir(parents=True)
    model = models.reference()
    (folder / "config.json").write_text(json.dumps(model.config.to_dict() | {"pad_token_id": 0}), encoding="utf-8")
    pack(folder, models.weights_of(model))
    tokenizer_files(folder, kind)
    return folder


def test_one_model_has_one_fingerprint_however_it_is_packed(tmp_path: Path) -> None:
    bases = Bases(tmp_path / "bases")
    found: dict[str, tuple[str, bytes, tuple[int, ...], int]] = {}
    for number, (kind, (pack, tokenizer)) in enumerate(PACKED.items()):
        card = bases.add(write_base(tmp_path / f"from-{number}", pack, tokenizer), f"b{number}")
        kept = (bases.path(card.name) / "model.safetensors").read_bytes()
        found[kind] = (card.fingerprint, kept, card.prefix + card.suffix, card.pad)
        opened = bases.open(card.name)
        assert models.same_bits(opened.trunk.canonical(), models.weights_of(models.reference())), kind
    assert [kind for kind, one in found.items() if one != found["safetensors"]] == []
    assert found["safetensors"][2:] == ((2, 3), 0)

    language = GPT2LMHeadModel(models.reference().config)
    language.transformer.load_state_dict(models.reference().state_dict())
    language.save_pretrained(tmp_path / "whole")
    tokenizer_files(tmp_path / "whole", "tokenizer.json")
    assert bases.add(tmp_path / "whole", "whole").fingerprint == found["safetensors"][0]


def test_another_model_vocabulary_or_shape_has_another_fingerprint(tmp_path: Path) -> None:
    bases = Bases(tmp_path / "bases")
    source = write_base(tmp_path / "from")
    prints = [bases.add(source, "plain").fingerprint]

    tensors = load_file(source / "model.safetensors")
    tensors["ln_f.bias"][0] = torch.nextafter(tensors["ln_f.bias"][0], torch.tensor(9.0))
    save_file(tensors, source / "model.safetensors")
    prints.append(bases.add(source, "weights").fingerprint)

    swapped = [*models.TOKENS[:-2], models.TOKENS[-1], models.TOKENS[-2]]
    (source / "vocab.txt").write_text("\n".join(swapped) + "\n", encoding="utf-8")
    prints.append(bases.add(source, "words").fingerprint)

    config = json.loads((source / "config.json").read_text(encoding="utf-8"))
    (source / "config.json").write_text(json.dumps(config | {"n_head": 2}), encoding="utf-8")
    prints.append(bases.add(source, "heads").fingerprint)

    (source / "tokenizer_config.json").write_text(
        '{"tokenizer_class": "BertTokenizer", "do_lower_case": false}', encoding="utf-8"
    )
    prints.append(bases.add(source, "case").fingerprint)
    assert len(set(prints)) == len(prints)


def test_half_precision_weights_are_kept_and_read_as_what_they_are(tmp_path: Path) -> None:
    bases = Bases(tmp_path / "bases")
    halves = as_file("pytorch_model.bin", lambda t: {name: one.half() for name, one in t.items()})
    rounded = as_file("model.safetensors", lambda t: {name: one.half().float() for name, one in t.items()})
    card = bases.add(write_base(tmp_path / "half", halves), "half")
    assert card.fingerprint == bases.add(write_base(tmp_path / "rounded", rounded), "rounded").fingerprint
    half = bases.open("half").trunk
    assert all(parameter.dtype == torch.float32 for parameter in half.parameters())
    ids, lengths = models.batch(models.ragged(5, 20))
    full = models.trunk_of(models.reference())
    with torch.no_grad():
        assert torch.equal(half(ids, lengths), bases.open("rounded").trunk(ids, lengths))
        assert (half(ids, lengths) - full(ids, lengths)).abs().max() < 0.05


def test_kept_base_is_private_whole_and_only_for_its_name(tmp_path: Path) -> None:
    bases = Bases(tmp_path / "bases")
    source = write_base(tmp_path / "from")
    card = bases.add(source, "one")
    folder = bases.path("one")
    assert {path.name for path in folder.iterdir()} == {
        *("card.json", "config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")
    }
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert bases.list() == [card] == [bases.card("one")]
    assert card.parameters == sum(parameter.numel() for parameter in models.reference().parameters())
    with pytest.raises(BadInput, match="base named 'one' is there already"):
        bases.add(source, "one")
    with pytest.raises(BadInput, match="no base 'two': take one of one"):
        bases.open("two")
    (folder / "card.json").write_bytes(b"{")
    assert bases.list() == []
    with pytest.raises(Damaged, match="card.json cannot be used"):
        bases.open("one")
    bases.remove("one")
    assert listing(tmp_path / "bases") == {".": "folder"}


class Bomb:
    """Unpickled carelessly, it runs a command."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.mark}",)


def cut(path: Path, share: float = 0.6) -> None:
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])


def edit_json(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | changes), encoding="utf-8")


def edit_weights(path: Path, change: Callable[[dict[str, Tensor]], object]) -> None:
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path)


BIN = PACKED["bin"][0]
BIN_SHARDS, SAFE_SHARDS = PACKED["bin in shards"][0], PACKED["safetensors in shards"][0]
SAFE = PACKED["safetensors"][0]
BROKEN: dict[str, tuple[Packing, Callable[[Path], object], type[WeiboTuiError], str]] = {
    "cut safetensors": (SAFE, lambda f: cut(f / "model.safetensors"), Damaged, "model.safetensors is damaged"),
    "empty safetensors": (SAFE, lambda f: cut(f / "model.safetensors", 0), Damaged, "model.safetensors is damaged"),
    "cut bin": (BIN, lambda f: cut(f / "pytorch_model.bin"), Damaged, "pytorch_model.bin is damaged"),
    "empty bin": (BIN, lambda f: cut(f / "pytorch_model.bin", 0), Damaged, "pytorch_model.bin is damaged"),
    "shard missing": (
        BIN_SHARDS,
        lambda f: (f / "pytorch_model-00002-of-00003.bin").unlink(),
        Damaged,
        "00002-of-00003.bin is damaged",
    ),
    "shard cut": (SAFE_SHARDS, lambda f: cut(f / "model-00003-of-00003.safetensors"), Damaged, "00003.safetensors is"),
    "index without a map": (
        SAFE_SHARDS,
        lambda f: (f / "model.safetensors.index.json").write_text('{"weight_map": [1]}'),
        Damaged,
        "index.json names no weight files",
    ),
    "index that leaves the folder": (
        SAFE_SHARDS,
        lambda f: (f / "model.safetensors.index.json").write_text('{"weight_map": {"a": "../../etc/passwd"}}'),
        WeiboTuiError,
        "passwd is damaged",
    ),
    "code in a pickle": (
        BIN,
        lambda f: (f / "pytorch_model.bin").write_bytes(pickle.dumps(Bomb(f / "ran"))),
        BadInput,
        "pytorch_model.bin was refused: .* might run code",
    ),
    "code in a checkpoint": (
        BIN,
        lambda f: torch.save({"wte.weight": Bomb(f / "ran")}, f / "pytorch_model.bin"),
        BadInput,
        "pytorch_model.bin was refused: .* might run code",
    ),
    "class in a checkpoint": (
        BIN,
        lambda f: torch.save({"wte.weight": Path("x")}, f / "pytorch_model.bin"),
        BadInput,
        "pytorch_model.bin was refused: .* might run code",
    ),
    "page in place of a checkpoint": (
        BIN,
        lambda f: (f / "pytorch_model.bin").write_text("<html>Not found</html>"),
        Damaged,
        "pytorch_model.bin is damaged .it holds no weights.",
    ),
    "no weights in a checkpoint": (
        BIN,
        lambda f: torch.save({"epoch": 3}, f / "pytorch_model.bin"),
        BadInput,
        "something else than weights",
    ),
    "weight missing": (
        SAFE,
        lambda f: edit_weights(f / "model.safetensors", lambda t: t.pop("h.1.ln_1.bias")),
        Damaged,
        "lack h.1.ln_1.bias",
    ),
    "weight too many": (
        SAFE,
        lambda f: edit_weights(f / "model.safetensors", lambda t: t.update(extra=torch.ones(1))),
        Damaged,
        "hold extra",
    ),
    "weight misshapen": (
        SAFE,
        lambda f: edit_weights(f / "model.safetensors", lambda t: t.update({"wpe.weight": torch.ones(3, 32)})),
        Damaged,
        "wpe.weight has the shape .3, 32.",
    ),
    "no config": (SAFE, lambda f: (f / "config.json").unlink(), BadInput, "has no config.json"),
    "config cut": (SAFE, lambda f: cut(f / "config.json"), Damaged, "config.json cannot be read"),
    "config a list": (
        SAFE,
        lambda f: (f / "config.json").write_text("[]"),
        Damaged,
        "config.json is not a JSON object",
    ),
    "config too deep": (
        SAFE,
        lambda f: (f / "config.json").write_text("[" * 10**5),
        Damaged,
        "config.json cannot be read",
    ),
    "another model": (SAFE, lambda f: edit_json(f / "config.json", model_type="bert"), BadInput, "must be a GPT-2"),
    "another size": (SAFE, lambda f: edit_json(f / "config.json", n_layer=3), Damaged, "lack h.2.attn"),
    "sizes of no model": (SAFE, lambda f: edit_json(f / "config.json", n_head=5), BadInput, "heads=5"),
    "no weights": (SAFE, lambda f: (f / "model.safetensors").unlink(), BadInput, "holds no weights"),
    "no tokenizer": (SAFE, lambda f: (f / "vocab.txt").unlink(), BadInput, "holds no tokenizer"),
    "broken tokenizer": (
        SAFE,
        lambda f: (f / "tokenizer.json").write_text("{"),
        WeiboTuiError,
        "tokenizer",
    ),
    "tokenizer of more": (
        SAFE,
        lambda f: (f / "vocab.txt").write_text("\n".join([*models.TOKENS, "囍"]), encoding="utf-8"),
        BadInput,
        "gives 囍 the id",
    ),
}


@pytest.mark.parametrize(("pack", "spoil", "kind", "message"), BROKEN.values(), ids=BROKEN)
def test_folder_that_is_no_sound_model_is_refused_and_nothing_is_left(
    tmp_path: Path, pack: Packing, spoil: Callable[[Path], object], kind: type[WeiboTuiError], message: str
) -> None:
    source = write_base(tmp_path / "from", pack)
    spoil(source)
    bases = Bases(tmp_path / "bases")
    with pytest.raises(kind, match=message) as refused:
        bases.add(source, "one")
    assert refused.value.exit_code == (1 if isinstance(refused.value, Damaged) else 2)
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "bases").exists()
    assert not (source / "ran").exists()


def old_bin(folder: Path, tensors: dict[str, Tensor]) -> None:
    """As torch wrote it before 1.6: pickles one behind the other, and no checksums."""
    torch.save(tensors, folder / "pytorch_model.bin", _use_new_zipfile_serialization=False)


@pytest.mark.parametrize("pack", [BIN, old_bin, SAFE], ids=["bin", "old bin", "safetensors"])
def test_bytes_turned_in_a_weights_file_never_end_in_anything_but_words(tmp_path: Path, pack: Packing) -> None:
    source = write_base(tmp_path / "from", pack)
    (file,) = [path for path in source.iterdir() if path.name in ("model.safetensors", "pytorch_model.bin")]
    whole = file.read_bytes()
    draw = random.Random(0)
    refused = 0
    for number in range(80):
        spoilt = bytearray(whole)
        for _ in range(draw.choice([1, 3, 30])):
            # Headers and directories stand at both ends.
            spoilt[draw.choice([draw.randrange(3000), -1 - draw.randrange(3000)])] = draw.randrange(256)
        file.write_bytes(bytes(spoilt))
        try:
            Bases(tmp_path / "bases").add(source, f"b{number}")
        except WeiboTuiError:
            refused += 1
    assert refused >= 20


@pytest.mark.parametrize("file", ["model.safetensors", "config.json", "tokenizer.json"])
def test_kept_base_that_was_damaged_since_says_so(tmp_path: Path, file: str) -> None:
    bases = Bases(tmp_path / "bases")
    bases.add(write_base(tmp_path / "from"), "one")
    cut(bases.path("one") / file)
    with pytest.raises(Damaged, match="is damaged"):
        bases.open("one")
    (bases.path("one") / file).unlink()
    with pytest.raises(Damaged):
        bases.open("one")


def test_one_bit_turned_in_kept_weights_is_noticed(tmp_path: Path) -> None:
    bases = Bases(tmp_path / "bases")
    bases.add(write_base(tmp_path / "from"), "one")
    file = bases.path("one") / "model.safetensors"
    content = bytearray(file.read_bytes())
    content[-5] ^= 1
    file.write_bytes(bytes(content))
    with pytest.raises(Damaged, match="model.safetensors is damaged"):
        bases.open("one")


# adapters


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> OpenBase:
    folder = tmp_path_factory.mktemp("base")
    bases = Bases(folder / "bases")
    bases.add(write_base(folder / "from"), "small")
    return bases.open("small")


@pytest.fixture
def adapters(tmp_path: Path, base: OpenBase) -> Adapters:
    """A folder of adapters with one in it, `mood`."""
    found = Adapters(tmp_path / "adapters")
    adapter = models.adapter_for(base.trunk.config, labels=2)
    found.save(adapter, models.card_for(adapter, base, "mood", score={"accuracy": 0.5}, data={"files": ["a.csv"]}))
    return found


def test_kept_adapter_is_two_files_and_the_same_when_loaded(adapters: Adapters, base: OpenBase) -> None:
    folder = adapters.path("mood")
    assert sorted(path.name for path in folder.iterdir()) == ["adapter.safetensors", "card.json"]
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    loaded, card = adapters.load("mood", base)
    assert models.same_bits(loaded.state_dict(), models.adapter_for(base.trunk.config, labels=2).state_dict())
    assert adapters.list() == [card] == [adapters.card("mood")]

    other = models.adapter_for(base.trunk.config, seed=1, labels=2)
    with pytest.raises(BadInput, match="named 'mood' is there already"):
        adapters.save(other, models.card_for(other, base, "mood"))
    adapters.save(other, models.card_for(other, base, "mood"), overwrite=True)
    assert models.same_bits(adapters.load("mood", base)[0].state_dict(), other.state_dict())
    assert sorted(path.name for path in adapters.folder.rglob("*")) == ["adapter.safetensors", "card.json", "mood"]
    adapters.remove("mood")
    with pytest.raises(BadInput, match="no adapter 'mood' and no other yet"):
        adapters.card("mood")


@pytest.mark.parametrize("spoil", [cut, Path.unlink, lambda path: path.write_bytes(b"")])
def test_adapter_whose_weights_are_damaged_says_so(
    adapters: Adapters, base: OpenBase, spoil: Callable[[Path], object]
) -> None:
    spoil(adapters.path("mood") / "adapter.safetensors")
    with pytest.raises(Damaged, match="adapter.safetensors is (damaged|missing)"):
        adapters.load("mood", base)


def test_adapter_whose_card_is_damaged_is_passed_over_in_lists_and_named_when_asked_for(adapters: Adapters) -> None:
    cut(adapters.path("mood") / "card.json")
    assert adapters.list() == []
    with pytest.raises(Damaged, match="mood/card.json cannot be used"):
        adapters.card("mood")


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


# cards


BASE_CARD = BaseCard(
    "b", "f" * 64, {"model.safetensors": "0" * 64}, (2,), (3,), 0, 123, "/somewhere", {"plan": {"seed": 1}}
)


def adapter_card(**changes: Any) -> AdapterCard:
    fields: dict[str, Any] = {
        "name": "a",
        "base": "b",
        "base_fingerprint": "f" * 64,
        "labels": ("坏", "好"),
        "raw_labels": ("0", "1"),
        "width": 32,
        "blocks": (0, 1),
        "bottleneck": 8,
        "activation": "gelu",
        "max_length": 32,
        "preprocessing": 1,
        "temperature": 1.5,
        "dtype": "float32",
        "parameters": 99,
    }
    return AdapterCard(**(fields | changes))


@pytest.mark.parametrize("card", [BASE_CARD, adapter_card(), adapter_card(labels=("\ud83d", "好"), temperature=2)])
def test_card_is_the_same_when_read_back(card: BaseCard | AdapterCard, tmp_path: Path) -> None:
    (tmp_path / "card.json").write_bytes(cards.write(card))
    kind: type[AdapterCard] = type(card)  # type: ignore[assignment]
    assert cards.read(tmp_path / "card.json", kind) == card


def test_what_a_newer_version_added_is_passed_over_and_a_newer_format_refused() -> None:
    values = json.loads(cards.write(adapter_card()))
    assert cards.parse(json.dumps(values | {"mood": 1}).encode(), AdapterCard) == adapter_card(
        created_at=values["created_at"]
    )
    with pytest.raises(ValueError, match="newer version"):
        cards.parse(json.dumps(values | {"format": 2}).encode(), AdapterCard)


@pytest.mark.parametrize(
    "changes",
    [
        {"labels": "坏好"},
        {"labels": []},
        {"labels": ["好", "好"]},
        {"labels": ["好"]},
        {"labels": [1, 2]},
        {"blocks": [0, True]},
        {"blocks": [0.0]},
        {"width": "32"},
        {"width": True},
        {"temperature": 0},
        {"temperature": -1.0},
        {"temperature": float("nan")},
        {"temperature": float("inf")},
        {"temperature": "1"},
        {"preprocessing": 2},
        {"preprocessing": -1},
        {"data": []},
        {"score": {"accuracy": float("inf")}},
        {"name": None},
        {"base_fingerprint": 5},
    ],
    ids=str,
)
def test_card_with_a_field_that_cannot_be_is_refused(changes: dict[str, Any], tmp_path: Path) -> None:
    values = json.loads(cards.write(adapter_card())) | changes
    with pytest.raises(ValueError):
        cards.parse(json.dumps(values).encode(), AdapterCard)
    (tmp_path / "card.json").write_text(json.dumps(values), encoding="utf-8")
    with pytest.raises(Damaged, match="card.json cannot be used"):
        cards.read(tmp_path / "card.json", AdapterCard)


@pytest.mark.parametrize("name", [one.name for one in dataclasses.fields(AdapterCard)][:14])
def test_card_that_lacks_a_field_is_refused(name: str) -> None:
    values = json.loads(cards.write(adapter_card()))
    del values[name]
    with pytest.raises(ValueError, match="a field is missing"):
        cards.parse(json.dumps(values).encode(), AdapterCard)


def test_card_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "card.json"
    path.write_bytes(cards.write(BASE_CARD) + b" " * cards.LARGEST_CARD)
    with pytest.raises(Damaged, match="too large"):
        cards.read(path, BaseCard)


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
FIELDS = st.sampled_from(sorted({one.name for card in (AdapterCard, BaseCard) for one in dataclasses.fields(card)}))


@given(st.one_of(JSON.map(json.dumps).map(str.encode), st.binary(max_size=50)))
def test_any_bytes_are_a_card_or_a_value_error(data: bytes) -> None:
    with pytest.raises(ValueError):
        cards.parse(data, AdapterCard)
    with pytest.raises(ValueError):
        cards.parse(data, BaseCard)


@given(st.dictionaries(FIELDS, JSON, min_size=1, max_size=3))
def test_any_field_changed_gives_a_card_that_can_be_kept_or_a_value_error(changes: dict[str, Any]) -> None:
    data = json.dumps(json.loads(cards.write(adapter_card())) | changes).encode()
    with suppress(ValueError):
        found = cards.parse(data, AdapterCard)
        assert cards.parse(cards.write(found), AdapterCard) == found
    data = json.dumps(json.loads(cards.write(BASE_CARD)) | changes).encode()
    with suppress(ValueError):
        base = cards.parse(data, BaseCard)
        assert cards.parse(cards.write(base), BaseCard) == base


# snapshots


def snapshot() -> Snapshot:
    return Snapshot({"a.b": torch.arange(6.0).view(2, 3), "step": torch.tensor(3.0)}, {"step": 3, "best_f1": 0.1})


def test_snapshot_is_the_same_when_read_back_and_damage_is_named(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.safetensors"
    save_snapshot(path, snapshot(), {"seq": 7})
    found, extra = load_snapshot(path)
    assert models.same_bits(found.tensors, snapshot().tensors)
    assert (found.values, extra) == (snapshot().values, {"seq": 7})
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    cut(path)
    with pytest.raises(Damaged, match="checkpoint.safetensors is damaged"):
        load_snapshot(path)
    for metadata in (None, {"other": "1"}, {"weibo_tui": "{}"}, {"weibo_tui": "no JSON"}, {"weibo_tui": "[]"}):
        save_file(snapshot().tensors, path, metadata=metadata)
        with pytest.raises(Damaged, match="checkpoint .* is damaged"):
            load_snapshot(path)
    path.unlink()
    with pytest.raises(Damaged):
        load_snapshot(path)


def test_fingerprint_of_a_base_is_what_an_adapter_remembers(adapters: Adapters, base: OpenBase) -> None:
    assert adapters.card("mood").base_fingerprint == base.card.fingerprint
    assert len(bytes.fromhex(base.card.fingerprint)) == 32
