"""A base is the same however it was packed, is told from every other, and is refused where it is not sound."""

from __future__ import annotations

import json
import os
import pickle
import random
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import models
import pytest
import torch
from commands import listing
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import BertTokenizer, GPT2LMHeadModel

from weibo_tui.errors import CorruptFileError, UserInputError, WeiboTuiError
from weibo_tui.registry.bases import Bases


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
        assert models.same_bits(opened.backbone.to_hf_state_dict(), models.weights_of(models.reference())), kind
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
    half = bases.open("half").backbone
    assert all(parameter.dtype == torch.float32 for parameter in half.parameters())
    ids, lengths = models.batch(models.ragged(5, 20))
    full = models.backbone_of(models.reference())
    with torch.no_grad():
        assert torch.equal(half(ids, lengths), bases.open("rounded").backbone(ids, lengths))
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
    with pytest.raises(UserInputError, match="base named 'one' is there already"):
        bases.add(source, "one")
    with pytest.raises(UserInputError, match="no base 'two': take one of one"):
        bases.open("two")
    (folder / "card.json").write_bytes(b"{")
    assert bases.list() == []
    with pytest.raises(CorruptFileError, match="card.json cannot be used"):
        bases.open("one")
    bases.remove("one")
    assert listing(tmp_path / "bases") == {".": "folder"}


class Bomb:
    """Unpickled carelessly, it runs a command."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.mark}",)


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
    "cut safetensors": (
        SAFE,
        lambda f: models.cut(f / "model.safetensors"),
        CorruptFileError,
        "model.safetensors is damaged",
    ),
    "empty safetensors": (
        SAFE,
        lambda f: models.cut(f / "model.safetensors", 0),
        CorruptFileError,
        "model.safetensors is damaged",
    ),
    "cut bin": (BIN, lambda f: models.cut(f / "pytorch_model.bin"), CorruptFileError, "pytorch_model.bin is damaged"),
    "empty bin": (
        BIN,
        lambda f: models.cut(f / "pytorch_model.bin", 0),
        CorruptFileError,
        "pytorch_model.bin is damaged",
    ),
    "shard missing": (
        BIN_SHARDS,
        lambda f: (f / "pytorch_model-00002-of-00003.bin").unlink(),
        CorruptFileError,
        "00002-of-00003.bin is damaged",
    ),
    "shard cut": (
        SAFE_SHARDS,
        lambda f: models.cut(f / "model-00003-of-00003.safetensors"),
        CorruptFileError,
        "00003.safetensors is",
    ),
    "index without a map": (
        SAFE_SHARDS,
        lambda f: (f / "model.safetensors.index.json").write_text('{"weight_map": [1]}'),
        CorruptFileError,
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
        CorruptFileError,
        "pytorch_model.bin is damaged .it holds no weights",
    ),
    "code in a checkpoint": (
        BIN,
        lambda f: torch.save({"wte.weight": Bomb(f / "ran")}, f / "pytorch_model.bin"),
        UserInputError,
        "pytorch_model.bin was refused: .* might run code",
    ),
    "class in a checkpoint": (
        BIN,
        lambda f: torch.save({"wte.weight": Path("x")}, f / "pytorch_model.bin"),
        UserInputError,
        "pytorch_model.bin was refused: .* might run code",
    ),
    "page in place of a checkpoint": (
        BIN,
        lambda f: (f / "pytorch_model.bin").write_text("<html>Not found</html>"),
        CorruptFileError,
        "pytorch_model.bin is damaged .it holds no weights.",
    ),
    "no weights in a checkpoint": (
        BIN,
        lambda f: torch.save({"epoch": 3}, f / "pytorch_model.bin"),
        UserInputError,
        "something else than weights",
    ),
    "weight missing": (
        SAFE,
        lambda f: edit_weights(f / "model.safetensors", lambda t: t.pop("h.1.ln_1.bias")),
        CorruptFileError,
        "lack h.1.ln_1.bias",
    ),
    "weight too many": (
        SAFE,
        lambda f: edit_weights(f / "model.safetensors", lambda t: t.update(extra=torch.ones(1))),
        CorruptFileError,
        "hold extra",
    ),
    "weight misshapen": (
        SAFE,
        lambda f: edit_weights(f / "model.safetensors", lambda t: t.update({"wpe.weight": torch.ones(3, 32)})),
        CorruptFileError,
        "wpe.weight has the shape .3, 32.",
    ),
    "no config": (SAFE, lambda f: (f / "config.json").unlink(), UserInputError, "has no config.json"),
    "config cut": (SAFE, lambda f: models.cut(f / "config.json"), CorruptFileError, "config.json cannot be read"),
    "config a list": (
        SAFE,
        lambda f: (f / "config.json").write_text("[]"),
        CorruptFileError,
        "config.json is not a JSON object",
    ),
    "config too deep": (
        SAFE,
        lambda f: (f / "config.json").write_text("[" * 10**5),
        CorruptFileError,
        "config.json cannot be read",
    ),
    "another model": (
        SAFE,
        lambda f: edit_json(f / "config.json", model_type="bert"),
        UserInputError,
        "must be a GPT-2",
    ),
    "another size": (SAFE, lambda f: edit_json(f / "config.json", n_layer=3), CorruptFileError, "lack h.2.attn"),
    "sizes of no model": (SAFE, lambda f: edit_json(f / "config.json", n_head=5), UserInputError, "heads=5"),
    "no weights": (SAFE, lambda f: (f / "model.safetensors").unlink(), UserInputError, "holds no weights"),
    "no tokenizer": (SAFE, lambda f: (f / "vocab.txt").unlink(), UserInputError, "holds no tokenizer"),
    "broken tokenizer": (
        SAFE,
        lambda f: (f / "tokenizer.json").write_text("{"),
        WeiboTuiError,
        "tokenizer",
    ),
    "tokenizer of more": (
        SAFE,
        lambda f: (f / "vocab.txt").write_text("\n".join([*models.TOKENS, "囍"]), encoding="utf-8"),
        UserInputError,
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
    assert refused.value.exit_code == (1 if isinstance(refused.value, CorruptFileError) else 2)
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
    models.cut(bases.path("one") / file)
    with pytest.raises(CorruptFileError, match="is damaged"):
        bases.open("one")
    (bases.path("one") / file).unlink()
    with pytest.raises(CorruptFileError):
        bases.open("one")


def test_one_bit_turned_in_kept_weights_is_noticed(tmp_path: Path) -> None:
    bases = Bases(tmp_path / "bases")
    bases.add(write_base(tmp_path / "from"), "one")
    file = bases.path("one") / "model.safetensors"
    content = bytearray(file.read_bytes())
    content[-5] ^= 1
    file.write_bytes(bytes(content))
    with pytest.raises(CorruptFileError, match="model.safetensors is damaged"):
        bases.open("one")
