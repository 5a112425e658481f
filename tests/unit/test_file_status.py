"""What the registry tells of files beside what their cards say, and what it makes of those that are handed in."""

from __future__ import annotations

import json
import zipfile
from collections import deque
from pathlib import Path

import models
import pytest

from weibo_tui.errors import UserInputError
from weibo_tui.registry.cards import AdapterCard, BaseCard
from weibo_tui.registry.detect import detect_card
from weibo_tui.registry.file_status import Shape, file_status
from weibo_tui.workbench import Workbench


def test_the_condition_of_a_base_is_its_size_and_shape(bench: Workbench) -> None:
    found = file_status(bench.bases, "small")
    files = list(bench.bases.path("small").iterdir())
    assert found.size == sum(file.stat().st_size for file in files)
    assert found.missing == ()
    assert found.shape == Shape(layers=2, width=32, heads=4, positions=64, vocabulary=len(models.TOKENS))


def test_an_adapter_has_no_shape_of_its_own(bench: Workbench) -> None:
    assert file_status(bench.adapters, "mood").shape is None


@pytest.mark.parametrize("config", [b"", b"[]", b'{"n_layer": "2"}', b"[" * 100_000, b'{"n_layer": 1e400}'])
def test_a_base_with_a_broken_config_has_no_shape(bench: Workbench, config: bytes) -> None:
    (bench.bases.path("small") / "config.json").write_bytes(config)
    assert file_status(bench.bases, "small").shape is None


def test_missing_files_are_named(bench: Workbench) -> None:
    (bench.adapters.path("mood") / "adapter.safetensors").unlink()
    assert file_status(bench.adapters, "mood").missing == ("adapter.safetensors",)


def test_what_the_list_passes_over_is_told_and_can_be_removed(bench: Workbench) -> None:
    (bench.paths.adapters / "broken").mkdir()
    (bench.paths.adapters / "broken" / "card.json").write_text("{", "utf-8")
    (bench.paths.adapters / "bare").mkdir()
    (bench.paths.adapters / ".half.partial").mkdir()
    (bench.paths.adapters / "file").write_text("no folder")
    found = dict(bench.adapters.corrupt_models())
    assert list(found) == ["bare", "broken"]
    assert all("remove its folder" in str(error) for error in found.values())
    for name in found:
        bench.remove_adapter(name)
    assert not list(bench.adapters.corrupt_models())
    assert [card.name for card in bench.adapters.list()] == ["mood"]


def test_exported_adapters_and_bases_are_told_apart_by_their_cards(bench: Workbench, tmp_path: Path) -> None:
    deque(bench.export_adapter("mood", tmp_path / "one.zip"), maxlen=0)
    deque(bench.export_base("small", tmp_path / "other.tar.gz"), maxlen=0)
    assert detect_card(tmp_path / "one.zip") == bench.adapters.card("mood")
    assert detect_card(tmp_path / "other.tar.gz") == bench.bases.card("small")
    assert isinstance(detect_card(bench.adapters.path("mood")), AdapterCard)
    assert isinstance(detect_card(bench.bases.path("small")), BaseCard)


def test_a_hugging_face_folder_has_no_card(tmp_path: Path) -> None:
    assert detect_card(models.write_folder(tmp_path / "model", models.reference())) is None


def test_anything_else_is_refused(tmp_path: Path) -> None:
    holiday = tmp_path / "holiday.zip"
    with zipfile.ZipFile(holiday, "w") as archive:
        archive.writestr("card.json", json.dumps({"name": "beach"}))
    plain = tmp_path / "plain.txt"
    plain.write_text("hello")
    reasons = {holiday: "no usable card", plain: "cannot be read", tmp_path: "neither", tmp_path / "x": "not there"}
    for path, reason in reasons.items():
        with pytest.raises(UserInputError, match=reason):
            detect_card(path)
