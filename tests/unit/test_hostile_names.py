"""Cards with absurd sizes, and names that leave their folder, are refused with a sentence."""

from __future__ import annotations

import json
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

CARDS: dict[str, dict[str, Any]] = {
    "many labels": {
        "labels": [str(n) for n in range(20_000)],
        "raw_labels": [str(n) for n in range(20_000)],
    },
    "long label": {"labels": ["x" * 10**6, "y"]},
    "many blocks": {"blocks": [0] * 10**5},
    "large block": {"blocks": [10**40]},
    "large parameters": {"parameters": 10**4000},
    "long name": {"base": "x" * 10**6},
    "low temperature": {"temperature": 1e-300},
    "high temperature": {"temperature": 1e8},
}


@pytest.mark.parametrize("changes", CARDS.values(), ids=CARDS)
def test_card_with_absurd_sizes_is_refused(adapters: Adapters, changes: dict[str, Any]) -> None:
    values = json.loads((adapters.path("mood") / "card.json").read_bytes()) | changes
    with pytest.raises(ValueError, match="its field .* is not what it should be") as refused:
        cards.parse(json.dumps(values).encode(), AdapterCard)
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


@pytest.mark.parametrize(
    "name", ["..", ".", "a/b", "a\\b", "", "a\nb", "名", "a b", "../x", "/etc/passwd", ".hidden", "x" * 65]
)
def test_invalid_name_is_refused(name: str) -> None:
    with pytest.raises(UserInputError, match="cannot be used: take 1 to 64 of the characters"):
        cards.check_name(name)


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a\x1b[2Jb"])
def test_invalid_name_is_refused_by_every_command(
    command: Command, adapters: Adapters, tmp_path: Path, name: str
) -> None:
    source = models.write_folder(tmp_path / "from", models.reference())
    before = listing(tmp_path)
    for arguments in (
        ("bases", "add", source, "--name", name),
        ("bases", "remove", "--yes", name),
        ("bases", "export", name, tmp_path / "out.zip"),
        ("bases", "import", tmp_path / "from", "--name", name),
        ("adapters", "import", tmp_path / "adapters" / "mood", "--name", name),
        ("adapters", "show", name),
        ("adapters", "use", name),
        ("adapters", "remove", "--yes", name),
        ("adapters", "export", name, tmp_path / "out.zip"),
        ("runs", "show", name),
        ("runs", "remove", "--yes", name),
        ("predict", "--adapter", name, "好"),
    ):
        done = command(*arguments)
        assert done.code == 2, (arguments, done)
        assert done.err.count("\n") == 1, done.err
        after = listing(tmp_path)
        assert {path for path in after if not path.startswith("home")} == set(before) - {"home"} or after == before
