"""A card is read back unchanged; an invalid one is refused with a sentence."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from commands import Command
from hypothesis import given, settings
from hypothesis import strategies as st

from weibo_tui.errors import CorruptFileError, UserInputError
from weibo_tui.registry import cards
from weibo_tui.registry.cards import AdapterCard, BaseCard
from weibo_tui.workbench import Workbench

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
def test_card_is_read_back_unchanged(card: BaseCard | AdapterCard, tmp_path: Path) -> None:
    (tmp_path / "card.json").write_bytes(cards.write(card))
    card_type: type[AdapterCard] = type(card)  # type: ignore[assignment]
    assert cards.read(tmp_path / "card.json", card_type) == card


def with_values(card: BaseCard | AdapterCard, **changes: Any) -> bytes:
    return json.dumps(json.loads(cards.write(card)) | changes).encode()


def test_unknown_field_is_ignored_and_new_format_refused() -> None:
    card = adapter_card()
    assert cards.parse(with_values(card, mood=1), AdapterCard) == card
    with pytest.raises(ValueError, match="newer version"):
        cards.parse(with_values(card, format=2), AdapterCard)


def test_invalid_field_is_refused(tmp_path: Path) -> None:
    invalid: list[dict[str, Any]] = [
        {"labels": "坏好"},
        {"labels": []},
        {"labels": ["好", "好"]},
        {"labels": ["好"]},
        {"labels": [1, 2]},
        {"blocks": [0, True]},
        {"blocks": [0.0]},
        {"width": "32"},
        {"temperature": 0},
        {"temperature": float("nan")},
        {"temperature": float("inf")},
        {"preprocessing": 2},
        {"preprocessing": -1},
        {"name": None},
        {"data": []},
        {"data": {"files": "posts.csv"}},
        {"data": {"labels": {"a": "many"}}},
        {"score": {"accuracy": float("inf")}},
        {"score": {"accuracy": "high"}},
        {"score": {"labels": 3}},
        {"score": {"labels": ["a", "b"], "confusion": [[1, 2], [3]]}},
        {"score": {"labels": ["a", "b"], "confusion": [[1, 2]]}},
        {"score": {"labels": ["a"], "confusion": [["x"]]}},
        {"score": {"accuracy_ci": [0.5]}},
        {"score": {"emoticons": ["without"]}},
        {"score": {"per_label": {"a": {"f1": "x"}}}},
    ]
    for changes in invalid:
        (tmp_path / "card.json").write_bytes(with_values(adapter_card(), **changes))
        message = f"card.json cannot be used .its field (raw_)?{next(iter(changes))} is not what it should be"
        with pytest.raises(CorruptFileError, match=message):
            cards.read(tmp_path / "card.json", AdapterCard)


def test_missing_field_is_refused() -> None:
    values = json.loads(cards.write(adapter_card()))
    for field in dataclasses.fields(AdapterCard)[:14]:
        with pytest.raises(ValueError, match="a field is missing"):
            cards.parse(json.dumps({name: values[name] for name in values if name != field.name}).encode(), AdapterCard)


def test_card_too_large_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "card.json"
    path.write_bytes(cards.write(BASE_CARD) + b" " * cards.MAX_CARD_SIZE)
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


@settings(max_examples=25)
@given(st.one_of(JSON.map(json.dumps).map(str.encode), st.binary(max_size=50)))
def test_any_bytes_are_a_value_error(data: bytes) -> None:
    with pytest.raises(ValueError):
        cards.parse(data, AdapterCard)
    with pytest.raises(ValueError):
        cards.parse(data, BaseCard)


@settings(max_examples=30)
@given(st.dictionaries(FIELDS, JSON, min_size=1, max_size=3))
def test_any_field_changed_gives_a_card_or_a_value_error(changes: dict[str, Any]) -> None:
    with suppress(ValueError):
        card = cards.parse(with_values(adapter_card(), **changes), AdapterCard)
        assert cards.parse(cards.write(card), AdapterCard) == card
    with suppress(ValueError):
        base = cards.parse(with_values(BASE_CARD, **changes), BaseCard)
        assert cards.parse(cards.write(base), BaseCard) == base


def test_partial_score_card_is_shown(command: Command, wb: Workbench) -> None:
    values = json.loads((wb.adapters.path("mood") / "card.json").read_bytes())
    scores: list[dict[str, Any]] = [{}, {"accuracy": 0.5}, {"labels": ["a", "b"]}, {"per_label": {}}, {"n": 3}]
    for number, score in enumerate(scores):
        shutil.copytree(wb.adapters.path("mood"), wb.adapters.folder / f"mood-{number}")
        path = wb.adapters.path(f"mood-{number}") / "card.json"
        path.write_text(json.dumps(values | {"score": score}), encoding="utf-8")
        assert "negative" in command.ok("adapters", "show", f"mood-{number}").out
    assert command.ok("adapters", "list").out.count("mood") == 1 + len(scores)


def test_checksum_shows_a_changed_figure() -> None:
    written = cards.write(adapter_card(temperature=1.25))
    changed = written.replace(b"1.25", b"1.35")
    assert changed != written
    assert cards.checksum_matches(written)
    assert cards.parse(changed, AdapterCard).temperature == 1.35
    assert not cards.checksum_matches(changed)
    assert cards.checksum_matches(cards.write(cards.parse(changed, AdapterCard)))


def test_cards_of_older_versions_open() -> None:
    values = json.loads(cards.write(BASE_CARD))
    del values["checksum"]
    assert cards.checksum_matches(json.dumps(values).encode())
    del values["sha256"]  # 0.1.0 had only the hash of the weights
    card = cards.parse(json.dumps(values | {"weights_sha256": "0" * 64}).encode(), BaseCard)
    assert card == BASE_CARD


def test_card_has_room_for_a_thousand_short_labels() -> None:
    labels = tuple(f"标签{number}" for number in range(1000))
    cards.check_labels(labels)
    figures = {label: {"precision": 1 / 3, "recall": 1 / 3, "f1": 1 / 3, "support": 9} for label in labels}
    score: dict[str, Any] = {"labels": list(labels), "per_label": figures, "confusion": []}
    data = {"labels": dict.fromkeys(labels, 9)}
    written = cards.write(adapter_card(labels=labels, raw_labels=labels, score=score, data=data))
    assert len(written) < cards.MAX_CARD_SIZE
    assert cards.parse(written, AdapterCard).labels == labels
    with pytest.raises(UserInputError, match="The 1000 labels are too long for a card"):
        cards.check_labels([label + "好" * 900 for label in labels])
