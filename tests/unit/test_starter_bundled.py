"""The bundled models are small and intact, and predict plain posts right after the installation."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from commands import Command, json_lines

from weibo_tui.paths import BUNDLED
from weibo_tui.progress import drain
from weibo_tui.registry.bases import WEIGHTS
from weibo_tui.registry.weights import fingerprint, open_tensors
from weibo_tui.starter.recipe.bundle import MAX_FILE_SIZE, MAX_STARTER_SIZE
from weibo_tui.starter.recipe.models import TASKS, Task
from weibo_tui.starter.recipe.scoring import MAX_NOISE_CONFIDENCE, read_probes
from weibo_tui.workbench import Workbench
from weibo_tui.workbench.models import STARTER_ADAPTER, STARTER_BASE


@pytest.fixture(autouse=True)
def bundled(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Use the starter of the package with an empty home."""
    monkeypatch.delenv("WEIBO_TUI_STARTER")


def test_starter_fits_into_a_wheel() -> None:
    sizes = [path.stat().st_size for path in BUNDLED.rglob("*") if path.suffix in (".safetensors", ".json", ".md")]
    assert max(sizes) <= MAX_FILE_SIZE
    assert sum(sizes) <= MAX_STARTER_SIZE


def test_bundled_files_match_their_cards(command: Command) -> None:
    (report,) = json_lines(command.ok("doctor", "--json").out)
    assert [base["name"] for base in report["bases"]] == [STARTER_BASE]
    assert sorted(adapter["name"] for adapter in report["adapters"]) == sorted(task.adapter for task in TASKS)
    assert all(model["sound"] for model in (*report["bases"], *report["adapters"]))
    with Workbench() as wb:
        base = wb.bases.open(STARTER_BASE)
        with open_tensors(wb.bases.path(STARTER_BASE) / WEIGHTS, base.backbone.config) as read:
            assert drain(fingerprint(base.backbone.config, read, base.tokenizer)) == base.card.fingerprint
        assert {card.base_fingerprint for card in wb.adapters.list()} == {base.card.fingerprint}
        for task in TASKS:
            assert wb.adapters.card(task.adapter).labels == task.labels.names


def test_default_adapter_is_right_about_plain_posts(command: Command) -> None:
    posts = {"这部电影太好看了，我非常喜欢！": "positive", "服务态度差，价格贵，完全不推荐": "negative"}
    predictions = json_lines(command.ok("predict", *posts, "--json").out)
    assert {prediction["text"]: prediction["label"] for prediction in predictions} == posts
    assert all(prediction["confidence"] > 0.9 for prediction in predictions)
    assert {prediction["adapter"] for prediction in predictions} == {STARTER_ADAPTER}


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.adapter)
def test_noise_posts_get_low_confidence(task: Task) -> None:
    posts = [probe["text"] for probe in read_probes() if probe["kind"] == "nonsense"]
    with Workbench() as wb:
        confidences = [analysis.confidence or 0 for analysis in wb.iter_predict(posts, task.adapter, record=False)]
    assert len(confidences) >= 10
    # `review` is more confident for one of them, as its card says.
    assert sum(confidence > MAX_NOISE_CONFIDENCE for confidence in confidences) <= (task.adapter == "review")
    assert max(confidences) < 0.8


def test_model_card_has_the_scores_of_the_cards() -> None:
    card = (BUNDLED / "CARD.md").read_text(encoding="utf-8")
    for task in TASKS:
        score = json.loads((BUNDLED / "adapters" / task.adapter / "card.json").read_text(encoding="utf-8"))["score"]
        assert f"| all of them | {score['n']:,} | {score['accuracy']:.1%} |" in card
        assert score["ece"] < 0.1
