"""The registry reports the size, shape and missing files of models, and detects what an import holds."""

from __future__ import annotations

import json
import zipfile
from collections import deque
from pathlib import Path

import models
import pytest

from weibo_tui.errors import UserInputError
from weibo_tui.registry.detect import detect_card
from weibo_tui.registry.file_status import Shape, file_status
from weibo_tui.workbench import Workbench


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
    assert all("remove its folder" in str(error) for error in corrupt.values())
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
    reasons = {holiday: "no usable card", plain: "cannot be read", tmp_path: "neither", tmp_path / "x": "not there"}
    for path, reason in reasons.items():
        with pytest.raises(UserInputError, match=reason):
            detect_card(path)
