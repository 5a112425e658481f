"""What is in the package: small, sound, and fit to judge with as soon as it is installed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from commands import Command, json_lines

from weibo_tui.paths import BUNDLED
from weibo_tui.progress import finish
from weibo_tui.registry.bases import WEIGHTS
from weibo_tui.registry.weights import fingerprint, trunk_on_disk
from weibo_tui.starter.recipe.bundle import LARGEST_FILE, LARGEST_STARTER
from weibo_tui.starter.recipe.models import TASKS, Task
from weibo_tui.starter.recipe.scoring import SURE, read_probes
from weibo_tui.workbench import Workbench
from weibo_tui.workbench.home import STARTER_ADAPTER, STARTER_BASE


@pytest.fixture(autouse=True)
def bundled(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The starter that comes with the program, behind an empty home."""
    monkeypatch.delenv("WEIBO_TUI_STARTER")


def test_it_fits_into_a_wheel() -> None:
    sizes = [path.stat().st_size for path in BUNDLED.rglob("*") if path.suffix in (".safetensors", ".json", ".md")]
    assert max(sizes) <= LARGEST_FILE
    assert sum(sizes) <= LARGEST_STARTER


def test_every_file_is_what_its_card_says_and_every_adapter_has_its_base(command: Command) -> None:
    (report,) = json_lines(command.ok("doctor", "--json").out)
    assert [base["name"] for base in report["bases"]] == [STARTER_BASE]
    assert sorted(adapter["name"] for adapter in report["adapters"]) == sorted(task.adapter for task in TASKS)
    assert all(kept["sound"] for kept in (*report["bases"], *report["adapters"]))
    with Workbench.open() as bench:
        base = bench.bases.open(STARTER_BASE)
        with trunk_on_disk(bench.bases.path(STARTER_BASE) / WEIGHTS, base.trunk.config) as read:
            assert finish(fingerprint(base.trunk.config, read, base.tokenizer)) == base.card.fingerprint
        assert {card.base_fingerprint for card in bench.adapters.list()} == {base.card.fingerprint}
        for task in TASKS:
            assert bench.adapters.card(task.adapter).labels == task.labels.names


def test_plain_posts_are_judged_rightly_and_surely(command: Command) -> None:
    posts = {"这部电影太好看了，我非常喜欢！": "positive", "服务态度差，价格贵，完全不推荐": "negative"}
    found = json_lines(command.ok("predict", *posts, "--json").out)
    assert {verdict["text"]: verdict["label"] for verdict in found} == posts
    assert all(verdict["confidence"] > 0.9 for verdict in found)


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.adapter)
def test_posts_without_a_meaning_are_judged_unsurely(task: Task) -> None:
    posts = [probe["text"] for probe in read_probes() if probe["kind"] == "nonsense"]
    with Workbench.open() as bench:
        sure = [analysis.confidence or 0 for analysis in bench.predict(posts, task.adapter, record=False)]
    assert len(sure) >= 10
    # The card says of `review` that it is surer of one of them.
    assert sum(confidence > SURE for confidence in sure) <= (task.adapter == "review")
    assert max(sure) < 0.8


def test_the_default_is_the_one_for_weibo_posts(command: Command) -> None:
    (verdict,) = json_lines(command.ok("predict", "这部电影太好看了，我很喜欢！", "--json").out)
    assert (verdict["adapter"], verdict["label"]) == (STARTER_ADAPTER, "positive")


def test_each_card_says_what_was_measured_on_posts_apart() -> None:
    card = (BUNDLED / "CARD.md").read_text(encoding="utf-8")
    for task in TASKS:
        score = json.loads((BUNDLED / "adapters" / task.adapter / "card.json").read_text(encoding="utf-8"))["score"]
        assert f"| all of them | {score['n']:,} | {score['accuracy']:.1%} |" in card
        assert score["ece"] < 0.1
