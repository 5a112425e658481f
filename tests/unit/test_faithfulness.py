"""The self-test of explanations: the command, Python, the adapter's card, and cards of other programs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from commands import Command

from weibo_tui import UserInputError, Workbench
from weibo_tui.presentation.faithfulness import faithfulness_sentence
from weibo_tui.workbench.models import STARTER_ADAPTER

FIGURES = {"posts": 200, "removed": 5, "strongest": 0.412, "random": 0.08}


def test_strongest_units_matter_more_than_random_ones(command: Command, furnished: Path, few: Path) -> None:
    before = json.loads(command.ok("adapters", "show", "mood", "--json").out)
    result = json.loads(command.ok("adapters", "faithfulness", "mood", few, "--json").out)
    assert result["posts"] == 40
    assert result["strongest"] > result["random"] + 0.1
    assert result["kept"] is True
    after = json.loads(command.ok("adapters", "show", "mood", "--json").out)
    kept = after["score"].pop("faithfulness")
    assert kept == {name: result[name] for name in ("posts", "removed", "strongest", "random", "data")}
    assert kept["data"] == ["few.csv"]
    before["score"].pop("faithfulness", None)
    assert after == before  # nothing else has changed
    assert "Removing the 5 strongest units changes" in command.ok("adapters", "show", "mood").out


def test_posts_need_no_labels_and_are_drawn_at_random(furnished: Path, tmp_path: Path) -> None:
    path = tmp_path / "posts.txt"
    path.write_text("好\n" * 300 + "今天的面真好吃，朋友推荐的\n服务太差了，再也不来，太生气了\n", "utf-8")
    with Workbench() as wb:
        assert wb.self_test(path, progress=False).posts == 2
        path.write_text("好\n差\n", "utf-8")
        with pytest.raises(UserInputError, match="No post has more than 5 units"):
            wb.self_test(path, progress=False)


def test_card_of_a_bundled_adapter_is_not_changed(command: Command, starter: Path, few: Path) -> None:
    card = (starter / "adapters" / STARTER_ADAPTER / "card.json").read_bytes()
    result = command.ok("adapters", "faithfulness", STARTER_ADAPTER, few)
    assert "Removing the 5 strongest units" in result.out
    assert f"'{STARTER_ADAPTER}' is bundled" in result.err
    assert (starter / "adapters" / STARTER_ADAPTER / "card.json").read_bytes() == card


def test_sentence_has_both_figures_and_the_number_of_posts() -> None:
    assert faithfulness_sentence(FIGURES) == (
        "Removing the 5 strongest units changes the probability by 0.41, 5 random ones by 0.08 (200 posts)."
    )


@pytest.mark.parametrize(
    "values", [None, {}, [1], "x", {**FIGURES, "strongest": "high"}, {**FIGURES, "posts": 1e300}, {"posts": 200}]
)
def test_figures_of_other_programs_are_left_out(values: Any) -> None:
    assert faithfulness_sentence(values) == ""
