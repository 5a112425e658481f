"""Weights and configs that lie about their size are refused in a sentence: nothing is run, little memory is
taken, and nothing is left behind."""

from __future__ import annotations

import io
import json
import os
import random
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import models
import pytest
import safetensors.torch
import torch
from bounds import little_memory, sparse
from commands import listing
from torch import Tensor

from weibo_tui.engine.config import MAX_SIZES, GPT2Config
from weibo_tui.errors import CorruptFileError, UserInputError, WeiboTuiError
from weibo_tui.registry import conversion, weights
from weibo_tui.registry.adapters import Adapters
from weibo_tui.registry.bases import Bases, OpenBase


class Call:
    """Unpickled, it calls something."""

    def __init__(self, function: Callable[..., object], *arguments: object) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


def saved(values: object, old: bool = False) -> Callable[[Path], None]:
    return lambda file: torch.save(values, file, _use_new_zipfile_serialization=not old)


def rewritten(part: str, content: bytes, squeezed: int = zipfile.ZIP_STORED) -> Callable[[Path], None]:
    """A checkpoint of one tensor with another content for one of its records."""

    def write(file: Path) -> None:
        whole = io.BytesIO()
        torch.save({"a": torch.ones(4)}, whole)
        with zipfile.ZipFile(whole) as before, zipfile.ZipFile(file, "w", squeezed) as after:
            for name in before.namelist():
                after.writestr(name, content if name.endswith(part) else before.read(name))

    return write


def tar(file: Path) -> None:
    with tarfile.open(file, "w:") as archive:
        archive.addfile(tarfile.TarInfo("\x02"), io.BytesIO())


PICKLES: dict[str, tuple[Callable[[Path], object], str]] = {
    "a tensor of one number a million million times": (
        saved({"a": torch.ones(1).expand(10**6, 10**6)}),
        "unpacks to more than it is large",
    ),
    "the same in the old form": (saved({"a": torch.ones(1).expand(10**6, 10**6)}, old=True), "unpacks to more"),
    "one storage for many tensors": (
        saved({f"h.{n}": view for n, view in enumerate([torch.ones(10**5)] * 200)}),
        "unpacks to more",
    ),
    "bytes by the hundred gigabytes": (saved({"a": Call(bytearray, 10**11)}), "unpacks to more"),
    "the same in an old one": (saved({"a": Call(bytearray, 10**11)}, old=True), "unpacks to more"),
    "a storage of its own": (saved({"a": Call(torch.UntypedStorage, 10**13)}), "unpacks to more"),
    "operations without end": (rewritten("data.pkl", b"\x80\x02" + b"N0" * 10**5 + b"N."), "is damaged"),
    "meta": (saved({"a": torch.ones(4, device="meta")}), "something else than weights"),
    "sparse": (saved({"a": torch.ones(4).to_sparse()}), "something else than weights"),
    "complex": (saved({"a": torch.ones(4, dtype=torch.complex64)}), "something else than weights"),
    "a tar": (tar, "is damaged"),
    "numbers": (lambda file: file.write_bytes(random.Random(0).randbytes(999)), "is damaged"),
}


@pytest.mark.parametrize(("write", "said"), PICKLES.values(), ids=PICKLES)
def test_pickle_that_would_run_away_is_refused(tmp_path: Path, write: Callable[[Path], object], said: str) -> None:
    write(file := tmp_path / "pytorch_model.bin")
    before = listing(tmp_path)
    with little_memory(), pytest.raises(WeiboTuiError, match=said) as refused:
        conversion.own(file, conversion.read_weights(file))
    assert "\n" not in str(refused.value)
    assert listing(tmp_path) == before


def test_checkpoint_of_one_number_is_not_written_out(tmp_path: Path) -> None:
    torch.save({"a": torch.ones(1).expand(10**7)}, tmp_path / "one.pth")
    with pytest.raises(UserInputError, match="unpacks to more"):
        conversion.rewrite_weights(tmp_path / "one.pth", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def header(values: object) -> bytes:
    text = values if isinstance(values, bytes) else json.dumps(values).encode()
    return len(text).to_bytes(8, "little") + text


def one(shape: list[int], begin: int = 0, end: int = 16, kind: str = "F32") -> dict[str, object]:
    return {"dtype": kind, "shape": shape, "data_offsets": [begin, end]}


LIES: dict[str, bytes] = {
    "no header": b"",
    "a header beyond the file": (2**40).to_bytes(8, "little") + b"{}",
    "a header of 90 megabytes": header(b"{" + b" " * 90_000_000 + b"}"),
    "tensors by the hundred thousand": header({f"n{n}": one([0], 0, 0) for n in range(100_000)}),
    "more than the file has": header({"a": one([2**20], 0, 2**22)}) + bytes(16),
    "sizes beyond all numbers": header({"a": one([2**62, 8])}) + bytes(16),
    "negative": header({"a": one([-4])}) + bytes(16),
    "another size than its bytes": header({"a": one([5])}) + bytes(16),
    "one over another": header({"a": one([4]), "b": one([4], 8, 24)}) + bytes(24),
    "a hole": header({"a": one([4]), "b": one([4], 32, 48)}) + bytes(48),
    "backwards": header({"a": one([4], 16, 0)}) + bytes(16),
    "a type of no name": header({"a": one([4], kind="F33")}) + bytes(16),
    "deep": header(b"[" * 10**5) + bytes(16),
    "more behind it": header({"a": one([4])}) + bytes(99),
}


@pytest.mark.parametrize("content", LIES.values(), ids=LIES)
def test_safetensors_file_that_lies_is_damaged(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "model.safetensors"
    file.write_bytes(content)
    config = models.config_of(models.reference())
    with little_memory():
        for read in (conversion.read_weights, weights.read_tensors):
            with pytest.raises(CorruptFileError, match="model.safetensors is damaged") as refused:
                read(file)
            assert len(str(refused.value)) < 500
        with pytest.raises(ValueError), weights.backbone_on_disk(file, config):
            pass


def test_weights_of_more_than_a_base_may_have_are_not_read(tmp_path: Path) -> None:
    for name in ("model.safetensors", "pytorch_model.bin"):
        file = sparse(tmp_path / name, 10**10, header({}) if name.endswith("s") else b"PK\3\4")
        with little_memory(), pytest.raises(UserInputError, match="was refused"):
            conversion.read_weights(file)


def test_sparse_weights_beyond_the_config_are_not_read(tmp_path: Path) -> None:
    source = models.write_folder(tmp_path / "from", models.reference())
    start = header({"h.9.x": one([2**30], 0, 2**32)})
    sparse(source / "model.safetensors", len(start) + 2**32, start)
    with little_memory(), pytest.raises(UserInputError, match="holds more than config.json asks for"):
        Bases(tmp_path / "bases").add(source, "one")


NOT_A_NUMBER = [float("nan"), float("inf"), float("-inf")]


@pytest.mark.parametrize("value", NOT_A_NUMBER)
def test_base_whose_weights_are_no_numbers_is_refused(tmp_path: Path, value: float) -> None:
    source = models.write_folder(tmp_path / "from", models.reference())
    tensors = safetensors.torch.load_file(source / "model.safetensors")
    tensors["wpe.weight"][1, 2] = value
    safetensors.torch.save_file(tensors, source / "model.safetensors")
    with pytest.raises(UserInputError, match="wpe.weight holds what is no number"):
        Bases(tmp_path / "bases").add(source, "one")
    assert not (tmp_path / "bases").exists()


@pytest.mark.parametrize("value", [*NOT_A_NUMBER, 3e38])
def test_adapter_whose_weights_overflow_is_not_saved(adapters: Adapters, base: OpenBase, value: float) -> None:
    adapter, card = adapters.load("mood", base)
    with torch.no_grad():
        adapter.head.weight[0, 0] = value
    with pytest.raises(CorruptFileError, match="head.weight (holds what is no number|exceeds 1,000,000)"):
        adapters.save(adapter, card, overwrite=True)
    adapters.load("mood", base)


SIZES = ("n_layer", "n_embd", "n_head", "n_positions", "vocab_size", "n_inner")
NO_SIZES: tuple[Any, ...] = (0, -1, 2.5, "12", True, [], {})
ABSURD: dict[str, Any] = {
    **{f"{name} 10^{power}": {name: 10**power} for name in SIZES for power in (9, 12, 18, 40)},
    **{f"{name} {value!r}": {name: value} for name in SIZES for value in NO_SIZES},
    "a number of 4300 digits": {"n_embd": int("9" * 4300)},
    "a list without end": {"n_layer": [1] * 10**6},
    "a word without end": {"activation_function": "x" * 10**6},
    "a list for a word": {"activation_function": [["gelu"]] * 10**5},
    "an epsilon that is none": {"layer_norm_epsilon": float("nan")},
    "an epsilon of 4300 digits": {"layer_norm_epsilon": int("9" * 4300)},
    "heads that do not divide": {"n_head": 5},
    "another model of a long name": {"model_type": "x" * 10**6},
    "another model of no name": {"model_type": {"a": [0] * 10**5}},
}


@pytest.mark.parametrize("changes", ABSURD.values(), ids=ABSURD)
def test_config_of_no_model_is_refused_in_a_sentence(changes: dict[str, Any]) -> None:
    values = models.config_of(models.reference()).to_hugging_face() | changes
    with little_memory(2**27), pytest.raises(UserInputError) as refused:
        GPT2Config.from_hugging_face(values)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 300


def test_deep_config_is_refused_in_a_sentence() -> None:
    deep: list[Any] = []
    for _time in range(5000):
        deep = [deep]
    for name in ("model_type", "n_layer", "activation_function", "layer_norm_epsilon"):
        with pytest.raises(UserInputError):
            GPT2Config.from_hugging_face({"model_type": "gpt2", name: deep})


def test_largest_shape_takes_no_memory_before_its_weights_are_compared(tmp_path: Path) -> None:
    source = models.write_folder(tmp_path / "from", models.reference())
    sizes = {
        "n_layer": MAX_SIZES["layers"],
        "n_embd": MAX_SIZES["width"],
        "n_head": 1,
        "vocab_size": MAX_SIZES["vocabulary"],
    }
    config = json.loads((source / "config.json").read_bytes()) | sizes
    (source / "config.json").write_text(json.dumps(config), encoding="utf-8")
    with little_memory(), pytest.raises(CorruptFileError, match="The weights lack"):
        Bases(tmp_path / "bases").add(source, "one")


@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json", "model.safetensors.index.json"])
def test_json_of_gigabytes_is_not_read(tmp_path: Path, name: str) -> None:
    source = models.write_folder(tmp_path / "from", models.reference())
    if name.startswith("model"):
        (source / "model.safetensors").unlink()
    sparse(source / name, 5 * 10**9)
    with little_memory(), pytest.raises(WeiboTuiError, match=f"{name} .*too large"):
        Bases(tmp_path / "bases").add(source, "one")
    assert not (tmp_path / "bases").exists()


SHARDS: dict[str, list[str]] = {
    "climbs": ["../../other.safetensors"],
    "absolute": ["/tmp/other.safetensors"],
    "a pipe": ["pipe.safetensors"],
    "zeros without end": ["zero.safetensors"],
    "a million": [f"{number}.safetensors" for number in range(10_000)],
    "nothing": [""],
}


@pytest.mark.parametrize("shards", SHARDS.values(), ids=SHARDS)
def test_index_leads_to_files_of_its_folder_alone(tmp_path: Path, shards: list[str]) -> None:
    source = models.write_folder(tmp_path / "from", models.reference())
    (source / "model.safetensors").rename(tmp_path / "other.safetensors")
    os.mkfifo(source / "pipe.safetensors")
    (source / "zero.safetensors").symlink_to("/dev/zero")
    placed = {f"w{number}": name for number, name in enumerate(shards)}
    (source / "model.safetensors.index.json").write_text(json.dumps({"weight_map": placed}), encoding="utf-8")
    with little_memory(), pytest.raises(WeiboTuiError) as refused:
        Bases(tmp_path / "bases").add(source, "one")
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "bases").exists()


def test_shard_named_many_times_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = models.write_folder(tmp_path / "from", models.reference())
    (source / "model.safetensors").rename(source / "m.safetensors")
    placed = {f"w{number}": f"{number}/m.safetensors" for number in range(9)}
    (source / "model.safetensors.index.json").write_text(json.dumps({"weight_map": placed}), encoding="utf-8")
    read: list[Path] = []
    usual = conversion.read_weights

    def noted(file: Path) -> Any:
        read.append(file)
        return usual(file)

    monkeypatch.setattr(conversion, "read_weights", noted)
    Bases(tmp_path / "bases").add(source, "one")
    assert read == [source / "m.safetensors"]


def test_hostile_tensor_names_are_a_sentence(tmp_path: Path) -> None:
    source = models.write_folder(tmp_path / "from", models.reference())
    tensors: dict[str, Tensor] = safetensors.torch.load_file(source / "model.safetensors")
    tensors["x\n\x1b[2J" * 10**4] = torch.ones(1)
    safetensors.torch.save_file(tensors, source / "model.safetensors")
    with pytest.raises(CorruptFileError) as refused:
        Bases(tmp_path / "bases").add(source, "one")
    assert len(str(refused.value)) < 300
