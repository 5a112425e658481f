"""A card is read back unchanged; an invalid or absurd one, and a bad name, is refused with a sentence."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import fields, replace
from itertools import cycle
from pathlib import Path
from typing import Any

import models
import pytest
from bounds import little_memory
from commands import Command, listing
from hypothesis import given, settings
from hypothesis import strategies as st

from weibo_tui import Workbench
from weibo_tui.errors import CorruptFileError, UserInputError, WeiboTuiError
from weibo_tui.registry import cards
from weibo_tui.registry.adapters import Adapters
from weibo_tui.registry.bases import OpenBase
from weibo_tui.registry.cards import AdapterCard, BaseCard

BASE_CARD = BaseCard(
    "b", "f" * 64, {"model.safetensors": "0" * 64}, (2,), (3,), 0, 123, "/somewhere", {"plan": {"seed": 1}}
)


ADAPTER_CARD = AdapterCard(
    "a", "b", "f" * 64, ("坏", "好"), ("0", "1"), 32, (0, 1), 8, "gelu", 32, 1, 1.5, "float32", 99
)


@pytest.mark.parametrize("card", [BASE_CARD, ADAPTER_CARD, replace(ADAPTER_CARD, labels=("\ud83d", "好"))])
def test_card_is_read_back_unchanged(card: BaseCard | AdapterCard, tmp_path: Path) -> None:
    (tmp_path / "card.json").write_bytes(cards.write(card))
    card_type: type[AdapterCard] = type(card)  # type: ignore[assignment]
    assert cards.read(tmp_path / "card.json", card_type) == card


def with_values(card: BaseCard | AdapterCard, **changes: Any) -> bytes:
    return json.dumps(json.loads(cards.write(card)) | changes).encode()


def test_unknown_field_is_ignored_and_new_format_refused() -> None:
    card = ADAPTER_CARD
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
        {"preprocessing": 4},
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
        {"score": {"macro_f1_ci": [0.5, 0.6, 0.7]}},
        {"score": {"augrc": "low"}},
        {"score": {"reliability": [0.5]}},
        {"score": {"risk_coverage": [0.5]}},
        {"score": {"seeds": [0, 1]}},
        {"score": {"emoticons": ["without"]}},
        {"score": {"per_label": {"a": {"f1": "x"}}}},
    ]
    for changes in invalid:
        (tmp_path / "card.json").write_bytes(with_values(ADAPTER_CARD, **changes))
        message = f"Invalid card .*card.json .invalid field (raw_)?{next(iter(changes))}[)]"
        with pytest.raises(CorruptFileError, match=message):
            cards.read(tmp_path / "card.json", AdapterCard)


def test_missing_field_is_refused() -> None:
    values = json.loads(cards.write(ADAPTER_CARD))
    for field in fields(AdapterCard)[:14]:
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
FIELDS = st.sampled_from(sorted({field.name for card in (AdapterCard, BaseCard) for field in fields(card)}))


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
        card = cards.parse(with_values(ADAPTER_CARD, **changes), AdapterCard)
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
    written = cards.write(replace(ADAPTER_CARD, temperature=1.25))
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
    written = cards.write(replace(ADAPTER_CARD, labels=labels, raw_labels=labels, score=score, data=data))
    assert len(written) < cards.MAX_CARD_SIZE
    assert cards.parse(written, AdapterCard).labels == labels
    with pytest.raises(UserInputError, match="The 1000 labels are too long for a card"):
        cards.check_labels([label + "好" * 900 for label in labels])


INVALID = ("../x", "/etc/passwd", "a\x1b[2Jb")
CARDS: dict[str, dict[str, Any]] = {
    "many labels": {name: list(map(str, range(20_000))) for name in ("labels", "raw_labels")},
    "long label": {"labels": ["x" * 10**6, "y"]},
    "many blocks": {"blocks": [0] * 10**5},
    "large block": {"blocks": [10**40]},
    "large parameters": {"parameters": 10**4000},
    "long name": {"base": "x" * 10**6},
    "low temperature": {"temperature": 1e-300},
    "high temperature": {"temperature": 1e8},
}


def test_card_with_absurd_sizes_is_refused(adapters: Adapters) -> None:
    values = json.loads((adapters.path("mood") / "card.json").read_bytes())
    for changes in CARDS.values():
        with pytest.raises(ValueError, match="invalid field .*") as refused:
            cards.parse(json.dumps(values | changes).encode(), AdapterCard)
        assert len(str(refused.value)) < 200


@pytest.mark.parametrize("changes", [{"width": 10**9}, {"bottleneck": 10**9}, {"blocks": list(range(9000))}], ids=str)
def test_adapter_with_absurd_shape_allocates_nothing(
    adapters: Adapters, base: OpenBase, changes: dict[str, Any]
) -> None:
    path = adapters.path("mood") / "card.json"
    path.write_text(json.dumps(json.loads(path.read_bytes()) | changes), encoding="utf-8")
    with little_memory(2**28), pytest.raises(WeiboTuiError) as refused:
        adapters.load("mood", base)
    assert len(str(refused.value)) < 700


def test_invalid_name_is_refused() -> None:
    for name in ("..", ".", "a/b", "a\\b", "", "a\nb", "名", "a b", *INVALID, ".hidden", "x" * 65):
        with pytest.raises(UserInputError, match="Use 1 to 64 of the characters"):
            cards.check_name(name)


def test_invalid_name_is_refused_by_every_command(command: Command, adapters: Adapters, tmp_path: Path) -> None:
    source = models.write_folder(tmp_path / "from", models.reference())
    before = {path: digest for path, digest in listing(tmp_path).items() if not path.startswith("home")}
    commands: tuple[tuple[str | Path, ...], ...] = (
        ("bases", "add", source, "--name", "NAME"),
        ("bases", "remove", "--yes", "NAME"),
        ("bases", "export", "NAME", tmp_path / "out.zip"),
        ("bases", "import", source, "--name", "NAME"),
        ("adapters", "import", adapters.path("mood"), "--name", "NAME"),
        ("adapters", "show", "NAME"),
        ("adapters", "use", "NAME"),
        ("adapters", "remove", "--yes", "NAME"),
        ("adapters", "export", "NAME", tmp_path / "out.zip"),
        ("runs", "show", "NAME"),
        ("runs", "remove", "--yes", "NAME"),
        ("predict", "--adapter", "NAME", "好"),
    )
    for name, words in zip(cycle(INVALID), commands, strict=False):
        done = command(*(name if word == "NAME" else word for word in words))
        assert (done.code, done.err.count("\n")) == (2, 1), (words, done)
        assert {path: digest for path, digest in listing(tmp_path).items() if not path.startswith("home")} == before
