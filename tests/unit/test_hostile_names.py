"""Cards with absurd sizes, and names that leave their folder, are refused with a sentence."""

from __future__ import annotations

import json
from itertools import cycle
from pathlib import Path
from typing import Any

import models
import pytest
from bounds import little_memory
from commands import Command, listing

from weibo_tui.errors import UserInputError, WeiboTuiError
from weibo_tui.registry import cards
from weibo_tui.registry.adapters import Adapters
from weibo_tui.registry.bases import OpenBase
from weibo_tui.registry.cards import AdapterCard

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
        with pytest.raises(ValueError, match="its field .* is not what it should be") as refused:
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
        with pytest.raises(UserInputError, match="cannot be used: take 1 to 64 of the characters"):
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
