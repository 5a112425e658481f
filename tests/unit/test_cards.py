"""A card is the same when read back; whatever else stands in one is refused in words."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from commands import Command
from hypothesis import given
from hypothesis import strategies as st

from weibo_tui.errors import CorruptFileError, UserInputError
from weibo_tui.registry import cards
from weibo_tui.registry.cards import AdapterCard, BaseCard

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
    with pytest.raises(CorruptFileError, match="card.json cannot be used"):
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
    with pytest.raises(CorruptFileError, match="too large"):
        cards.read(path, BaseCard)


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero"), Path.mkdir])
def test_card_that_is_no_regular_file_is_not_read(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "card.json")
    with pytest.raises(CorruptFileError, match="not a regular file"):
        cards.read(tmp_path / "card.json", BaseCard)


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


@pytest.mark.parametrize(
    "changes",
    [
        {"score": {"accuracy": "high"}},
        {"score": {"labels": 3}},
        {"score": {"labels": ["a", "b"], "confusion": [[1, 2], [3]]}},
        {"score": {"labels": ["a", "b"], "confusion": [[1, 2]]}},
        {"score": {"labels": ["a"], "confusion": [["x"]]}},
        {"score": {"accuracy_ci": [0.5]}},
        {"score": {"emoticons": ["without"]}},
        {"score": {"per_label": {"a": {"f1": "x"}}}},
        {"data": {"files": "posts.csv"}},
        {"data": {"labels": {"a": "many"}}},
    ],
)
def test_card_whose_figures_are_none_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"field {next(iter(changes))} is not what it should be"):
        cards.parse(json.dumps(json.loads(cards.write(adapter_card())) | changes).encode(), AdapterCard)


def test_score_card_may_lack_anything(command: Command, furnished: Path) -> None:
    path = furnished / "adapters" / "mood" / "card.json"
    whole = json.loads(path.read_bytes())
    scores: list[dict[str, Any]] = [{}, {"accuracy": 0.5}, {"labels": ["a", "b"]}, {"per_label": {}}, {"n": 3}]
    for score in scores:
        path.write_text(json.dumps(whole | {"score": score}), encoding="utf-8")
        assert "negative" in command.ok("adapters", "show", "mood").out
        assert "mood" in command.ok("adapters", "list").out


def test_card_in_which_a_figure_turned_is_told_from_the_one_that_was_written() -> None:
    written = cards.write(adapter_card(temperature=1.25))
    turned = written.replace(b"1.25", b"1.35")
    assert turned != written
    assert cards.is_as_written(written)
    assert cards.parse(turned, AdapterCard).temperature == 1.35
    assert not cards.is_as_written(turned)
    assert cards.is_as_written(cards.write(cards.parse(turned, AdapterCard)))


def test_card_of_before_there_were_checksums_is_as_it_was_written() -> None:
    values = json.loads(cards.write(BASE_CARD))
    del values["checksum"]
    assert cards.is_as_written(json.dumps(values).encode())


def test_base_card_of_0_1_0_opens() -> None:
    values = json.loads(cards.write(BASE_CARD))
    del values["checksum"], values["sha256"]
    found = cards.parse(json.dumps(values | {"weights_sha256": "0" * 64}).encode(), BaseCard)
    assert found == dataclasses.replace(BASE_CARD, created_at=values["created_at"])


def test_card_of_a_thousand_labels_is_read_back() -> None:
    labels = tuple(f"标签{number}" for number in range(1000))
    cards.check_labels(labels)
    figures = {label: {"precision": 1 / 3, "recall": 1 / 3, "f1": 1 / 3, "support": 9} for label in labels}
    score: dict[str, Any] = {"labels": list(labels), "per_label": figures, "confusion": []}
    data = {"labels": dict.fromkeys(labels, 9)}
    written = cards.write(adapter_card(labels=labels, raw_labels=labels, score=score, data=data))
    assert len(written) < cards.LARGEST_CARD
    assert cards.parse(written, AdapterCard).labels == labels


def test_labels_too_long_for_a_card_are_refused() -> None:
    with pytest.raises(UserInputError, match="The 1000 labels are too long for a card"):
        cards.check_labels([f"{number}" + "好" * 900 for number in range(1000)])
