"""Hostile weights and configs are refused with a sentence: no code runs, little memory is used, nothing is left."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import models
import pytest
import safetensors.torch
import torch
from bounds import little_memory, sparse

from weibo_tui.engine.config import MAX_SIZES, GPT2Config
from weibo_tui.errors import CorruptFileError, UserInputError, WeiboTuiError
from weibo_tui.registry import conversion, weights
from weibo_tui.registry.adapters import Adapters
from weibo_tui.registry.bases import Bases, OpenBase


class Call:
    """Calls a function where it is unpickled."""

    def __init__(self, function: Callable[..., object], *arguments: object) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


PICKLES: dict[str, tuple[object, str]] = {
    "expanded tensor": (torch.ones(1).expand(10**6, 10**6), "its content is larger than the file"),
    "bytes": (Call(bytearray, 10**11), "its content is larger"),
    "storage": (Call(torch.UntypedStorage, 10**13), "its content is larger"),
    "meta": (torch.ones(4, device="meta"), "contains more than weights"),
    "sparse": (torch.ones(4).to_sparse(), "contains more than weights"),
    "complex": (torch.ones(4, dtype=torch.complex64), "contains more than weights"),
}


@pytest.mark.parametrize(("value", "message"), PICKLES.values(), ids=PICKLES)
def test_hostile_pickle_is_refused(tmp_path: Path, value: object, message: str) -> None:
    for zipped in (True, False):
        file = tmp_path / f"{zipped}.bin"
        torch.save({"a": value}, file, _use_new_zipfile_serialization=zipped)
        with little_memory(), pytest.raises(UserInputError, match=message) as refused:
            conversion.clone_tensors(file, conversion.read_weights(file))
        assert "\n" not in str(refused.value)


def test_tensors_with_one_storage_are_not_written_out(tmp_path: Path) -> None:
    file = tmp_path / "one.pth"
    torch.save({f"h.{number}": view for number, view in enumerate([torch.ones(10**5)] * 200)}, file)
    with pytest.raises(UserInputError, match="its content is larger"):
        conversion.rewrite_weights(file, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def header(values: object) -> bytes:
    text = values if isinstance(values, bytes) else json.dumps(values).encode()
    return len(text).to_bytes(8, "little") + text


def tensor(shape: list[int], begin: int = 0, end: int = 16) -> dict[str, object]:
    return {"dtype": "F32", "shape": shape, "data_offsets": [begin, end]}


LIES: dict[str, Callable[[], bytes]] = {
    "empty": bytes,
    "header beyond the file": lambda: (2**40).to_bytes(8, "little") + b"{}",
    "header of megabytes": lambda: header(b"{" + b" " * 5_000_000 + b"}"),
    "many tensors": lambda: header(dict.fromkeys(map(str, range(80_000)), tensor([0], 0, 0))),
    "more than the file": lambda: header({"a": tensor([2**20], 0, 2**22)}) + bytes(16),
    "overflow": lambda: header({"a": tensor([2**62, 8])}) + bytes(16),
    "negative": lambda: header({"a": tensor([-4])}) + bytes(16),
    "overlap": lambda: header({"a": tensor([4]), "b": tensor([4], 8, 24)}) + bytes(24),
    "deep": lambda: header(b"[" * 10**5) + bytes(16),
}


@pytest.mark.parametrize("content", LIES.values(), ids=LIES)
def test_hostile_safetensors_file_is_refused(tmp_path: Path, content: Callable[[], bytes]) -> None:
    file = tmp_path / "model.safetensors"
    file.write_bytes(content())
    config = models.config_of(models.reference())
    with little_memory():
        for read in (conversion.read_weights, weights.read_tensors):
            with pytest.raises(CorruptFileError, match="model.safetensors is damaged") as refused:
                read(file)
            assert len(str(refused.value)) < 500
        with pytest.raises(ValueError), weights.open_tensors(file, config):
            pass


@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json", "model.safetensors"])
def test_file_of_gigabytes_is_not_read(tmp_path: Path, name: str) -> None:
    source = models.write_folder(tmp_path / "from", models.reference())
    sparse(source / name, 10**10, header({}))
    with little_memory(), pytest.raises(WeiboTuiError, match=f"{name} .*(too large|was refused)"):
        Bases(tmp_path / "bases").add(source, "one")
    assert not (tmp_path / "bases").exists()


@pytest.mark.parametrize("value", [float("nan"), float("-inf")])
def test_base_with_nan_or_infinity_is_refused(tmp_path: Path, value: float) -> None:
    source = models.write_folder(tmp_path / "from", models.reference())
    edit_weights(source, lambda tensors: tensors["wpe.weight"][1, 2].fill_(value))
    with pytest.raises(UserInputError, match="wpe.weight contains NaN or infinity"):
        Bases(tmp_path / "bases").add(source, "one")
    assert not (tmp_path / "bases").exists()


def test_adapter_with_overflowing_weights_is_not_saved(adapters: Adapters, base: OpenBase) -> None:
    for value in (float("nan"), float("-inf"), 3e38):
        adapter, card = adapters.load("mood", base)
        with torch.no_grad():
            adapter.head.weight[0, 0] = value
        with pytest.raises(CorruptFileError, match="head.weight (contains NaN or infinity|exceeds 1,000,000)"):
            adapters.save(adapter, card, overwrite=True)
    adapters.load("mood", base)


def deep_list() -> list[Any]:
    deep: list[Any] = []
    for _time in range(5000):
        deep = [deep]
    return deep


def test_hostile_config_is_refused() -> None:
    valid = models.config_of(models.reference()).to_hugging_face()
    not_sizes: list[Any] = [0, -1, 2.5, "12", True, [], {}, [1] * 10**6, deep_list()]
    hostile: list[dict[str, Any]] = [
        *({name: 10**9} for name in ("n_layer", "n_embd", "n_head", "n_positions", "vocab_size", "n_inner")),
        *({"n_layer": value} for value in not_sizes),
        {"n_embd": int("9" * 4300)},
        {"activation_function": "x" * 10**6},
        {"activation_function": [["gelu"]] * 10**5},
        {"layer_norm_epsilon": float("nan")},
        {"layer_norm_epsilon": int("9" * 4300)},
        {"n_head": 5},
        {"model_type": "x" * 10**6},
        {"model_type": deep_list()},
    ]
    with little_memory(2**27):
        for changes in hostile:
            with pytest.raises(UserInputError) as refused:
                GPT2Config.from_hugging_face(valid | changes)
            assert "\n" not in str(refused.value)
            assert len(str(refused.value)) < 300


def test_largest_shape_allocates_nothing_before_weights(tmp_path: Path) -> None:
    source = models.write_folder(tmp_path / "from", models.reference())
    names = {"layers": "n_layer", "width": "n_embd", "vocabulary": "vocab_size"}
    sizes = {"n_head": 1} | {name: MAX_SIZES[ours] for ours, name in names.items()}
    config = json.loads((source / "config.json").read_bytes()) | sizes
    (source / "config.json").write_text(json.dumps(config), encoding="utf-8")
    with little_memory(), pytest.raises(CorruptFileError, match="Missing weight"):
        Bases(tmp_path / "bases").add(source, "one")


def test_index_reads_files_of_its_folder_only(tmp_path: Path) -> None:
    source = models.write_folder(tmp_path / "from", models.reference())
    (source / "model.safetensors").rename(tmp_path / "other.safetensors")
    os.mkfifo(source / "pipe.safetensors")
    (source / "zero.safetensors").symlink_to("/dev/zero")
    for shards in (
        ["../../other.safetensors"],
        ["/tmp/other.safetensors"],
        ["pipe.safetensors"],
        ["zero.safetensors"],
        [f"{number}.safetensors" for number in range(10_000)],
        [""],
    ):
        write_index(source, shards)
        with little_memory(), pytest.raises(WeiboTuiError) as refused:
            Bases(tmp_path / "bases").add(source, "one")
        assert "\n" not in str(refused.value)
        assert not (tmp_path / "bases").exists()


def write_index(source: Path, shards: list[str]) -> None:
    shard_of = {f"w{number}": name for number, name in enumerate(shards)}
    (source / "model.safetensors.index.json").write_text(json.dumps({"weight_map": shard_of}), encoding="utf-8")


def test_shard_in_several_entries_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = models.write_folder(tmp_path / "from", models.reference())
    (source / "model.safetensors").rename(source / "m.safetensors")
    write_index(source, [f"{number}/m.safetensors" for number in range(9)])
    files: list[Path] = []
    read_weights = conversion.read_weights

    def record(file: Path) -> Any:
        files.append(file)
        return read_weights(file)

    monkeypatch.setattr(conversion, "read_weights", record)
    Bases(tmp_path / "bases").add(source, "one")
    assert files == [source / "m.safetensors"]


def edit_weights(source: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    tensors = safetensors.torch.load_file(source / "model.safetensors")
    change(tensors)
    safetensors.torch.save_file(tensors, source / "model.safetensors")


def test_hostile_tensor_name_gives_a_short_sentence(tmp_path: Path) -> None:
    source = models.write_folder(tmp_path / "from", models.reference())
    edit_weights(source, lambda tensors: tensors.update({"x\n\x1b[2J" * 10**4: torch.ones(1)}))
    with pytest.raises(CorruptFileError) as refused:
        Bases(tmp_path / "bases").add(source, "one")
    assert len(str(refused.value)) < 300
