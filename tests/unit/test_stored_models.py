"""Adapters, bases and snapshots are read back with the same bits; corrupt, missing and foreign files are reported."""

from __future__ import annotations

import json
import stat
import zipfile
from collections import deque
from collections.abc import Callable
from pathlib import Path

import models
import pytest
import torch
from safetensors.torch import save_file

from weibo_tui import Workbench
from weibo_tui.engine.training import Snapshot
from weibo_tui.errors import CorruptFileError, UserInputError
from weibo_tui.registry.adapters import Adapters
from weibo_tui.registry.bases import OpenBase
from weibo_tui.registry.file_status import Shape, detect_card, file_status
from weibo_tui.registry.weights import load_snapshot, save_snapshot


def test_saved_adapter_has_two_files_and_the_same_bits(adapters: Adapters, base: OpenBase) -> None:
    folder = adapters.path("mood")
    assert sorted(path.name for path in folder.iterdir()) == ["adapter.safetensors", "card.json"]
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    loaded, card = adapters.load("mood", base)
    assert models.same_bits(loaded.state_dict(), models.adapter_for(base.backbone.config, labels=2).state_dict())
    assert card.base_fingerprint == base.card.fingerprint
    assert adapters.list() == [card] == [adapters.card("mood")]

    other = models.adapter_for(base.backbone.config, seed=1, labels=2)
    with pytest.raises(UserInputError, match="exists: 'mood'"):
        adapters.save(other, models.card_for(other, base, "mood"))
    adapters.save(other, models.card_for(other, base, "mood"), overwrite=True)
    assert models.same_bits(adapters.load("mood", base)[0].state_dict(), other.state_dict())
    assert sorted(path.name for path in adapters.folder.rglob("*")) == ["adapter.safetensors", "card.json", "mood"]
    adapters.remove("mood")
    with pytest.raises(UserInputError, match=r"Adapter not found: 'mood'\. Train one with"):
        adapters.card("mood")


@pytest.mark.parametrize("spoil", [models.cut, Path.unlink, lambda path: path.write_bytes(b"")])
def test_corrupt_or_missing_weights_are_reported(
    adapters: Adapters, base: OpenBase, spoil: Callable[[Path], object]
) -> None:
    spoil(adapters.path("mood") / "adapter.safetensors")
    with pytest.raises(CorruptFileError, match="adapter.safetensors is (damaged|missing)"):
        adapters.load("mood", base)


def test_corrupt_card_is_left_out_of_lists_and_reported(adapters: Adapters) -> None:
    models.cut(adapters.path("mood") / "card.json")
    assert adapters.list() == []
    with pytest.raises(CorruptFileError, match="Invalid card .*mood/card.json"):
        adapters.card("mood")


def snapshot() -> Snapshot:
    return Snapshot({"a.b": torch.arange(6.0).view(2, 3), "step": torch.tensor(3.0)}, {"step": 3, "best_f1": 0.1})


def test_snapshot_is_read_back_and_corruption_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.safetensors"
    save_snapshot(path, snapshot(), {"seq": 7})
    loaded, extra = load_snapshot(path)
    assert models.same_bits(loaded.tensors, snapshot().tensors)
    assert (loaded.values, extra) == (snapshot().values, {"seq": 7})
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    models.cut(path)
    with pytest.raises(CorruptFileError, match="checkpoint.safetensors is damaged"):
        load_snapshot(path)
    for metadata in (None, {"other": "1"}, {"weibo_tui": "{}"}, {"weibo_tui": "no JSON"}, {"weibo_tui": "[]"}):
        save_file(snapshot().tensors, path, metadata=metadata)
        with pytest.raises(CorruptFileError, match="checkpoint.safetensors is damaged"):
            load_snapshot(path)
    path.unlink()
    with pytest.raises(CorruptFileError):
        load_snapshot(path)


def test_snapshot_without_hash_is_read(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.safetensors"
    values = json.dumps({"values": snapshot().values, "extra": {"seq": 7}})
    save_file(snapshot().tensors, path, metadata={"weibo_tui": values})
    assert load_snapshot(path)[0].values == snapshot().values


def test_file_status_has_size_shape_and_missing_files(wb: Workbench) -> None:
    status = file_status(wb.bases, "small")
    assert status.size == sum(file.stat().st_size for file in wb.bases.path("small").iterdir())
    assert status.missing == ()
    assert status.shape == Shape(layers=2, width=32, heads=4, positions=64, vocabulary=len(models.TOKENS))
    (wb.adapters.path("mood") / "adapter.safetensors").unlink()
    status = file_status(wb.adapters, "mood")
    assert (status.shape, status.missing) == (None, ("adapter.safetensors",))
    for config in (b"", b"[]", b'{"n_layer": "2"}', b"[" * 100_000, b'{"n_layer": 1e400}'):
        (wb.bases.path("small") / "config.json").write_bytes(config)
        assert file_status(wb.bases, "small").shape is None


def test_corrupt_models_are_reported_and_removable(wb: Workbench) -> None:
    folder = wb.paths.adapters
    for name in ("broken", "bare", ".half.partial"):
        (folder / name).mkdir()
    (folder / "broken" / "card.json").write_text("{", "utf-8")
    (folder / "file").write_text("no folder")
    corrupt = dict(wb.adapters.corrupt_models())
    assert list(corrupt) == ["bare", "broken"]
    assert all("Remove its folder" in str(error) for error in corrupt.values())
    for name in corrupt:
        wb.remove_adapter(name)
    assert not list(wb.adapters.corrupt_models())
    assert [card.name for card in wb.adapters.list()] == ["mood"]


def test_detect_card_tells_adapter_base_and_folder_apart(wb: Workbench, tmp_path: Path) -> None:
    deque(wb.iter_export_adapter("mood", tmp_path / "one.zip"), maxlen=0)
    deque(wb.iter_export_base("small", tmp_path / "other.tar.gz"), maxlen=0)
    for source in (tmp_path / "one.zip", wb.adapters.path("mood")):
        assert detect_card(source) == wb.adapters.card("mood")
    for source in (tmp_path / "other.tar.gz", wb.bases.path("small")):
        assert detect_card(source) == wb.bases.card("small")
    assert detect_card(models.write_folder(tmp_path / "model", models.reference())) is None


def test_detect_card_refuses_anything_else(tmp_path: Path) -> None:
    holiday, plain = tmp_path / "holiday.zip", tmp_path / "plain.txt"
    with zipfile.ZipFile(holiday, "w") as archive:
        archive.writestr("card.json", json.dumps({"name": "beach"}))
    plain.write_text("hello")
    reasons = {holiday: "Invalid card", plain: "Cannot read", tmp_path: "neither", tmp_path / "x": "File not found"}
    for path, reason in reasons.items():
        with pytest.raises(UserInputError, match=reason):
            detect_card(path)
