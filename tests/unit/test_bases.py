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

from weibo_tui.errors import CorruptFileError, UserInputError, WeiboTuiError
from weibo_tui.registry.bases import Bases
from weibo_tui.registry.conversion import read_weights

SAFETENSORS, BIN, INDEX = "model.safetensors", "pytorch_model.bin", ".index.json"
OLD = "pytorch_model.bin of torch 1.5"
Change = Callable[[dict[str, Tensor]], dict[str, Tensor]]
Spoil = Callable[[Path], object]


def tokenizer_files(folder: Path, kind: str) -> None:
    """Write the same tokenizer in transformers' format, or as a vocabulary file only."""
    (folder / "vocab.txt").write_text("\n".join(models.TOKENS) + "\n", encoding="utf-8")
    if kind != "vocab.txt":
        from transformers import BertTokenizer

        tokenizer = BertTokenizer.from_pretrained(folder)
        (folder / "vocab.txt").unlink()
        tokenizer.save_pretrained(folder)
    if kind == "class named":
        (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "BertTokenizer"}', encoding="utf-8")


def write_weights(folder: Path, file: str, tensors: dict[str, Tensor]) -> None:
    """Write a file, or shards with their index, or a file as torch 1.5 did."""
    if file == OLD:
        torch.save(tensors, folder / BIN, _use_new_zipfile_serialization=False)
        return
    if not file.endswith(INDEX):
        models.write_weights(folder / file, tensors)
        return
    stem, ending = file.removesuffix(INDEX).split(".")
    shard_of = {name: f"{stem}-0000{number % 3 + 1}-of-00003.{ending}" for number, name in enumerate(sorted(tensors))}
    for shard in set(shard_of.values()):
        models.write_weights(folder / shard, {name: tensors[name] for name in tensors if shard_of[name] == shard})
    (folder / file).write_text(json.dumps({"metadata": {}, "weight_map": shard_of}), encoding="utf-8")


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


def parameters(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: torch.nn.Parameter(tensor) for name, tensor in tensors.items()}


def not_contiguous(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.t().contiguous().t() if tensor.dim() == 2 else tensor for name, tensor in tensors.items()}


# The file, the change of its tensors, and the kind of the tokenizer.
PACKED: dict[str, tuple[str, Change, str]] = {
    "safetensors": (SAFETENSORS, dict, "tokenizer.json"),
    "bin": (BIN, dict, "vocab.txt"),
    "safetensors in shards": (SAFETENSORS + INDEX, prefixed, "tokenizer.json"),
    "bin in shards": (BIN + INDEX, dict, "vocab.txt"),
    "head tied": (BIN, lambda t: prefixed(t) | {"lm_head.weight": t["wte.weight"]}, "class named"),
    "head": (SAFETENSORS, lambda t: prefixed(t) | {"lm_head.weight": t["wte.weight"] * 2}, "tokenizer.json"),
    "classifier": (BIN, lambda t: prefixed(t) | {"score.weight": torch.ones(2, 32)}, "vocab.txt"),
    "old buffers": (BIN, with_buffers, "vocab.txt"),
    "prefixed, old buffers": (BIN, lambda t: prefixed(with_buffers(t)), "tokenizer.json"),
    "parameters": (BIN, parameters, "vocab.txt"),
    "bin of torch 1.5": (OLD, prefixed, "vocab.txt"),
    "one storage": (BIN, one_storage, "vocab.txt"),
    "not contiguous": (BIN, not_contiguous, "vocab.txt"),
}


def write_base(folder: Path, file: str = SAFETENSORS, change: Change = dict, kind: str = "vocab.txt") -> Path:
    folder.mkdir(parents=True)
    model = models.reference()
    (folder / "config.json").write_text(json.dumps(model.config | {"pad_token_id": 0}), encoding="utf-8")
    write_weights(folder, file, change(models.weights_of(model)))
    tokenizer_files(folder, kind)
    return folder


def test_fingerprint_is_the_same_in_every_format(tmp_path: Path) -> None:
    bases = Bases(tmp_path / "bases")
    stored: dict[str, tuple[str, bytes, tuple[int, ...], int]] = {}
    for number, (kind, packing) in enumerate(PACKED.items()):
        card = bases.add(write_base(tmp_path / f"from-{number}", *packing), f"b{number}")
        weights = (bases.path(card.name) / "model.safetensors").read_bytes()
        stored[kind] = (card.fingerprint, weights, card.prefix + card.suffix, card.pad)
    assert models.same_bits(bases.open("b0").backbone.to_hf_state_dict(), models.weights_of(models.reference()))
    assert [kind for kind, value in stored.items() if value != stored["safetensors"]] == []
    assert stored["safetensors"][2:] == ((2, 3), 0)

    from transformers import GPT2LMHeadModel

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
    half = write_base(tmp_path / "half", BIN, lambda t: {name: t[name].half() for name in t})
    rounded = write_base(tmp_path / "rounded", SAFETENSORS, lambda t: {name: t[name].half().float() for name in t})
    card = bases.add(half, "half")
    assert card.fingerprint == bases.add(rounded, "rounded").fingerprint
    read = bases.open("half").backbone
    assert all(parameter.dtype == torch.float32 for parameter in read.parameters())
    ids, lengths = models.batch(models.ragged(5, 20))
    full = models.backbone_of(models.reference())
    with torch.no_grad():
        assert torch.equal(read(ids, lengths), bases.open("rounded").backbone(ids, lengths))
        assert (read(ids, lengths) - full(ids, lengths)).abs().max() < 0.05


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
    with pytest.raises(UserInputError, match="Base exists: 'one'"):
        bases.add(source, "one")
    with pytest.raises(UserInputError, match="Base not found: 'two'. Choose one of one"):
        bases.open("two")
    (folder / "card.json").write_bytes(b"{")
    assert bases.list() == []
    with pytest.raises(CorruptFileError, match="Invalid card .*card.json "):
        bases.open("one")
    bases.remove("one")
    assert listing(tmp_path / "bases") == {".": "folder"}


class Bomb:
    """Runs a command where it is unpickled without care."""

    def __init__(self, folder: Path) -> None:
        self.marker = folder / "ran"

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.marker}",)


def edit_json(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | changes), encoding="utf-8")


def weights(change: Callable[[dict[str, Tensor]], object]) -> Spoil:
    def edit(folder: Path) -> None:
        tensors = load_file(folder / SAFETENSORS)
        change(tensors)
        save_file(tensors, folder / SAFETENSORS)

    return edit


def text(file: str, content: str) -> Spoil:
    return lambda folder: (folder / file).write_text(content, encoding="utf-8")


def saved(make: Callable[[Path], object]) -> Spoil:
    return lambda folder: torch.save(make(folder), folder / BIN)


def without(file: str) -> Spoil:
    return lambda folder: (folder / file).unlink()


# The packing, the damage, the exit code, and the message.
BROKEN: dict[str, tuple[str, Spoil, int, str]] = {
    "cut": ("safetensors", lambda f: models.cut(f / SAFETENSORS), 1, "model.safetensors is damaged"),
    "empty": ("bin", text(BIN, ""), 1, "_model.bin is damaged"),
    "shard missing": ("bin in shards", without("pytorch_model-00002-of-00003.bin"), 1, "00002-of-00003.bin is damaged"),
    "no map": ("safetensors in shards", text(SAFETENSORS + INDEX, '{"weight_map": [1]}'), 1, "names no weight files"),
    "code": (
        "bin",
        lambda f: (f / BIN).write_bytes(pickle.dumps(Bomb(f))),
        1,
        "bin is damaged .it contains no weights",
    ),
    "code in a checkpoint": ("bin", saved(lambda f: {"wte.weight": Bomb(f)}), 2, "bin was refused: .* might run code"),
    "page": ("bin", text(BIN, "<html>Not found</html>"), 1, "bin is damaged .it contains no weights."),
    "number": ("bin", saved(lambda _f: {"epoch": 3}), 2, "contains more than weights"),
    "weight missing": ("safetensors", weights(lambda t: t.pop("h.1.ln_1.bias")), 1, "Missing weight: h.1.ln_1.bias"),
    "extra weight": ("safetensors", weights(lambda t: t.update(extra=torch.ones(1))), 1, "Unexpected weight extra"),
    "shape": ("safetensors", weights(lambda t: t.update({"wpe.weight": torch.ones(3)})), 1, "wpe.weight has shape"),
    "no config": ("safetensors", without("config.json"), 2, "has no config.json"),
    "config is a list": ("safetensors", text("config.json", "[]"), 1, "config.json is not a JSON obj"),
    "config too deep": ("safetensors", text("config.json", "[" * 10**5), 1, "Cannot read .*config.json "),
    "another model": ("safetensors", lambda f: edit_json(f / "config.json", model_type="bert"), 2, "must be a GPT-2"),
    "invalid size": ("safetensors", lambda f: edit_json(f / "config.json", n_head=5), 2, "heads=5"),
    "no weights": ("safetensors", without(SAFETENSORS), 2, "weights"),
    "No tokenizer": ("bin", without("vocab.txt"), 2, "No tokenizer"),
    "broken tokenizer": ("safetensors", text("tokenizer.json", "{"), 2, "tokenizer"),
    "no embedding": ("bin", text("vocab.txt", "\n".join([*models.TOKENS, "囍"])), 2, "gives 囍 the id"),
}


@pytest.mark.parametrize(("packing", "spoil", "code", "message"), BROKEN.values(), ids=BROKEN)
def test_broken_or_hostile_folder_is_refused(
    tmp_path: Path, packing: str, spoil: Spoil, code: int, message: str
) -> None:
    file, change, _kind = PACKED[packing]
    source = write_base(tmp_path / "from", file, change)
    spoil(source)
    with pytest.raises(CorruptFileError if code == 1 else UserInputError, match=message) as refused:
        Bases(tmp_path / "bases").add(source, "one")
    assert refused.value.exit_code == code
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "bases").exists()
    assert not (source / "ran").exists()


@pytest.mark.parametrize("packing", [BIN, OLD, SAFETENSORS])
def test_random_bytes_in_weights_give_words_or_weights(tmp_path: Path, packing: str) -> None:
    write_weights(tmp_path, packing, models.weights_of(models.reference()))
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


def test_changed_or_missing_file_of_a_stored_base_is_reported(tmp_path: Path) -> None:
    bases = Bases(tmp_path / "bases")
    bases.add(write_base(tmp_path / "from"), "one")
    for file in (SAFETENSORS, "config.json", "tokenizer.json"):
        path = bases.path("one") / file
        content = path.read_bytes()
        path.write_bytes(content[:-5] + bytes([content[-5] ^ 1]) + content[-4:])
        with pytest.raises(CorruptFileError, match="is damaged"):
            bases.open("one")
        path.unlink()
        with pytest.raises(CorruptFileError):
            bases.open("one")
        path.write_bytes(content)
    bases.open("one")
