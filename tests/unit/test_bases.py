"""A base has one fingerprint in every file format, and is refused where its files are broken or hostile."""

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
from weibo_tui.registry.conversion import read_weights


def tokenizer_files(folder: Path, kind: str) -> None:
    """Write the same tokenizer in transformers' format, or as a vocabulary file only."""
    (folder / "vocab.txt").write_text("\n".join(models.TOKENS) + "\n", encoding="utf-8")
    if kind != "vocab.txt":
        tokenizer = BertTokenizer.from_pretrained(folder)
        (folder / "vocab.txt").unlink()
        tokenizer.save_pretrained(folder)
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
    """Add the buffers that transformers wrote before 4.30."""
    mask = torch.ones(1, 1, 64, 64, dtype=torch.bool).tril()
    masks = {f"h.{layer}.attn.bias": mask.clone() for layer in range(2)}
    return tensors | masks | {f"h.{layer}.attn.masked_bias": torch.tensor(-1e4) for layer in range(2)}


def one_storage(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return all tensors as views of one storage."""
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
    "bin of torch 1.5": (
        lambda folder, t: torch.save(prefixed(t), folder / "pytorch_model.bin", _use_new_zipfile_serialization=False),
        "vocab.txt",
    ),
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
    (folder / "config.json").write_text(json.dumps(model.config | {"pad_token_id": 0}), encoding="utf-8")
    pack(folder, models.weights_of(model))
    tokenizer_files(folder, kind)
    return folder


def test_fingerprint_is_the_same_in_every_format(tmp_path: Path) -> None:
    bases = Bases(tmp_path / "bases")
    stored: dict[str, tuple[str, bytes, tuple[int, ...], int]] = {}
    for number, (kind, (pack, tokenizer)) in enumerate(PACKED.items()):
        card = bases.add(write_base(tmp_path / f"from-{number}", pack, tokenizer), f"b{number}")
        weights = (bases.path(card.name) / "model.safetensors").read_bytes()
        stored[kind] = (card.fingerprint, weights, card.prefix + card.suffix, card.pad)
    assert models.same_bits(bases.open("b0").backbone.to_hf_state_dict(), models.weights_of(models.reference()))
    assert [kind for kind, value in stored.items() if value != stored["safetensors"]] == []
    assert stored["safetensors"][2:] == ((2, 3), 0)

    language = GPT2LMHeadModel(models.reference().to_transformers().config)
    language.transformer.load_state_dict(models.reference().weights)
    language.save_pretrained(tmp_path / "language")
    tokenizer_files(tmp_path / "language", "tokenizer.json")
    assert bases.add(tmp_path / "language", "language").fingerprint == stored["safetensors"][0]


def test_fingerprint_differs_by_weight_vocabulary_and_config(tmp_path: Path) -> None:
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

    edit_json(source / "config.json", n_head=2)
    prints.append(bases.add(source, "heads").fingerprint)

    settings = '{"tokenizer_class": "BertTokenizer", "do_lower_case": false}'
    (source / "tokenizer_config.json").write_text(settings, encoding="utf-8")
    prints.append(bases.add(source, "case").fingerprint)
    assert len(set(prints)) == len(prints)


def test_half_precision_weights_are_read_as_float32(tmp_path: Path) -> None:
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


def test_stored_base_is_private_complete_and_removable(tmp_path: Path) -> None:
    bases = Bases(tmp_path / "bases")
    source = write_base(tmp_path / "from")
    card = bases.add(source, "one")
    folder = bases.path("one")
    assert {path.name for path in folder.iterdir()} == {
        *("card.json", "config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")
    }
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert bases.list() == [card] == [bases.card("one")]
    assert card.parameters == sum(weight.numel() for weight in models.reference().weights.values())
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
    """Runs a command where it is unpickled without care."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.marker}",)


def edit_json(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | changes), encoding="utf-8")


def edit_weights(change: Callable[[dict[str, Tensor]], object]) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        tensors = load_file(folder / "model.safetensors")
        change(tensors)
        save_file(tensors, folder / "model.safetensors")

    return edit


def write(file: str, content: str) -> Callable[[Path], object]:
    return lambda folder: (folder / file).write_text(content, encoding="utf-8")


def save_bin(make: Callable[[Path], object]) -> Callable[[Path], object]:
    return lambda folder: torch.save(make(folder), folder / "pytorch_model.bin")


INDEX = "model.safetensors.index.json"
BROKEN: dict[str, tuple[str, Callable[[Path], object], type[WeiboTuiError], str]] = {
    "cut safetensors": (
        "safetensors",
        lambda f: models.cut(f / "model.safetensors"),
        CorruptFileError,
        "model.safetensors is damaged",
    ),
    "empty bin": ("bin", lambda f: models.cut(f / "pytorch_model.bin", 0), CorruptFileError, "_model.bin is damaged"),
    "shard missing": (
        "bin in shards",
        lambda f: (f / "pytorch_model-00002-of-00003.bin").unlink(),
        CorruptFileError,
        "00002-of-00003.bin is damaged",
    ),
    "index without map": (
        "safetensors in shards",
        write(INDEX, '{"weight_map": [1]}'),
        CorruptFileError,
        "index.json names no weight files",
    ),
    "code in a pickle": (
        "bin",
        lambda f: (f / "pytorch_model.bin").write_bytes(pickle.dumps(Bomb(f / "ran"))),
        CorruptFileError,
        "pytorch_model.bin is damaged .it holds no weights",
    ),
    "code in a checkpoint": (
        "bin",
        save_bin(lambda f: {"wte.weight": Bomb(f / "ran")}),
        UserInputError,
        "pytorch_model.bin was refused: .* might run code",
    ),
    "page as checkpoint": (
        "bin",
        write("pytorch_model.bin", "<html>Not found</html>"),
        CorruptFileError,
        "pytorch_model.bin is damaged .it holds no weights.",
    ),
    "number in a checkpoint": ("bin", save_bin(lambda _f: {"epoch": 3}), UserInputError, "something else than weights"),
    "weight missing": (
        "safetensors",
        edit_weights(lambda t: t.pop("h.1.ln_1.bias")),
        CorruptFileError,
        "lack h.1.ln_1.bias",
    ),
    "extra weight": (
        "safetensors",
        edit_weights(lambda t: t.update(extra=torch.ones(1))),
        CorruptFileError,
        "hold extra",
    ),
    "weight of another shape": (
        "safetensors",
        edit_weights(lambda t: t.update({"wpe.weight": torch.ones(3, 32)})),
        CorruptFileError,
        "wpe.weight has the shape .3, 32.",
    ),
    "no config": ("safetensors", lambda f: (f / "config.json").unlink(), UserInputError, "has no config.json"),
    "config is a list": ("safetensors", write("config.json", "[]"), CorruptFileError, "config.json is not a JSON obj"),
    "config too deep": ("safetensors", write("config.json", "[" * 10**5), CorruptFileError, "json cannot be read"),
    "another model": (
        "safetensors",
        lambda f: edit_json(f / "config.json", model_type="bert"),
        UserInputError,
        "must be a GPT-2",
    ),
    "invalid size": ("safetensors", lambda f: edit_json(f / "config.json", n_head=5), UserInputError, "heads=5"),
    "no weights": ("safetensors", lambda f: (f / "model.safetensors").unlink(), UserInputError, "holds no weights"),
    "no tokenizer": ("safetensors", lambda f: (f / "vocab.txt").unlink(), UserInputError, "holds no tokenizer"),
    "broken tokenizer": ("safetensors", write("tokenizer.json", "{"), WeiboTuiError, "tokenizer"),
    "token without embedding": (
        "safetensors",
        write("vocab.txt", "\n".join([*models.TOKENS, "囍"])),
        UserInputError,
        "gives 囍 the id",
    ),
}


@pytest.mark.parametrize(("packing", "spoil", "kind", "message"), BROKEN.values(), ids=BROKEN)
def test_broken_or_hostile_folder_is_refused(
    tmp_path: Path, packing: str, spoil: Callable[[Path], object], kind: type[WeiboTuiError], message: str
) -> None:
    source = write_base(tmp_path / "from", PACKED[packing][0])
    spoil(source)
    bases = Bases(tmp_path / "bases")
    with pytest.raises(kind, match=message) as refused:
        bases.add(source, "one")
    assert refused.value.exit_code == (1 if isinstance(refused.value, CorruptFileError) else 2)
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "bases").exists()
    assert not (source / "ran").exists()


@pytest.mark.parametrize("packing", ["bin", "bin of torch 1.5", "safetensors"])
def test_random_bytes_in_weights_give_words_or_weights(tmp_path: Path, packing: str) -> None:
    PACKED[packing][0](tmp_path, models.weights_of(models.reference()))
    (file,) = tmp_path.glob("*model.*")
    content = file.read_bytes()
    rng = random.Random(0)
    refused = 0
    for _number in range(60):
        changed = bytearray(content)
        for _ in range(rng.choice([1, 3, 30])):
            # Headers and directories are at both ends.
            changed[rng.choice([rng.randrange(3000), -1 - rng.randrange(3000)])] = rng.randrange(256)
        file.write_bytes(bytes(changed))
        try:
            read_weights(file)
        except WeiboTuiError:
            refused += 1
    assert refused >= 15


@pytest.mark.parametrize("file", ["model.safetensors", "config.json", "tokenizer.json"])
def test_changed_or_missing_file_of_a_stored_base_is_reported(tmp_path: Path, file: str) -> None:
    bases = Bases(tmp_path / "bases")
    bases.add(write_base(tmp_path / "from"), "one")
    path = bases.path("one") / file
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(CorruptFileError, match="is damaged"):
        bases.open("one")
    path.unlink()
    with pytest.raises(CorruptFileError):
        bases.open("one")
