"""Cards of absurd sizes, and names that climb out of their folder, are refused in a sentence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import models
import pytest
from bounds import little_memory
from commands import Command, listing

from weibo_tui.errors import WeiboTuiError
from weibo_tui.registry import cards
from weibo_tui.registry.adapters import Adapters
from weibo_tui.registry.bases import OpenBase
from weibo_tui.registry.cards import AdapterCard

CARDS: dict[str, dict[str, Any]] = {
    "labels by the ten thousand": {
        "labels": [str(n) for n in range(20_000)],
        "raw_labels": [str(n) for n in range(20_000)],
    },
    "a label of a megabyte": {"labels": ["x" * 10**6, "y"]},
    "blocks without end": {"blocks": [0] * 10**5},
    "a block beyond all numbers": {"blocks": [10**40]},
    "a width beyond all numbers": {"width": 10**400},
    "parameters beyond all numbers": {"parameters": 10**4000},
    "a name of a megabyte": {"base": "x" * 10**6},
    "a temperature that makes all certain": {"temperature": 1e-300},
    "a temperature that makes nothing of all": {"temperature": 1e8},
}


@pytest.mark.parametrize("changes", CARDS.values(), ids=CARDS)
def test_card_of_absurd_sizes_is_refused(adapters: Adapters, changes: dict[str, Any]) -> None:
    values = json.loads((adapters.path("mood") / "card.json").read_bytes()) | changes
    with pytest.raises(ValueError, match="its field .* is not what it should be") as refused:
        cards.parse(json.dumps(values).encode(), AdapterCard)
    assert len(str(refused.value)) < 200


@pytest.mark.parametrize("changes", [{"width": 10**9}, {"bottleneck": 10**9}, {"blocks": list(range(9000))}], ids=str)
def test_adapter_of_an_absurd_shape_takes_no_memory(
    adapters: Adapters, base: OpenBase, changes: dict[str, Any]
) -> None:
    path = adapters.path("mood") / "card.json"
    path.write_text(json.dumps(json.loads(path.read_bytes()) | changes), encoding="utf-8")
    with little_memory(2**28), pytest.raises(WeiboTuiError) as refused:
        adapters.load("mood", base)
    assert len(str(refused.value)) < 700


CLIMBING = ("../x", "..", ".", "/etc/passwd", "a/b", "a\\b", ".hidden", "", "x" * 65, "a\nb", "a\x1b[2Jb", "名", "a b")


@pytest.mark.parametrize("name", CLIMBING)
def test_name_that_climbs_out_is_refused_by_every_command(
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
        if name == "" and "--name" in arguments:
            continue  # the same as none
        done = command(*arguments)
        assert done.code == 2, (arguments, done)
        assert done.err.count("\n") == 1, done.err
        after = listing(tmp_path)
        assert {path for path in after if not path.startswith("home")} == set(before) - {"home"} or after == before
