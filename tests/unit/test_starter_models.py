"""The bundled models predict at once, are the default, are read only, and give way to a user's models."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from commands import Command, json_lines, listing

from weibo_tui import Workbench
from weibo_tui.errors import UserInputError
from weibo_tui.paths import BUNDLED
from weibo_tui.progress import drain
from weibo_tui.registry.bases import WEIGHTS
from weibo_tui.registry.weights import fingerprint, open_tensors
from weibo_tui.starter.recipe.models import TASKS
from weibo_tui.starter.recipe.scoring import MAX_NOISE_CONFIDENCE, noise_confidence, read_probes
from weibo_tui.workbench.models import STARTER_ADAPTER, STARTER_BASE


@pytest.fixture(autouse=True)
def bundled(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Use the starter of the package, unless a test has the fixture `starter`, and an empty home."""
    monkeypatch.delenv("WEIBO_TUI_STARTER")


def test_starter_fits_into_a_wheel() -> None:
    sizes = [path.stat().st_size for path in BUNDLED.rglob("*") if path.suffix in (".safetensors", ".json", ".md")]
    assert max(sizes) <= 15_000_000
    assert sum(sizes) <= 25_000_000


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


def test_noise_posts_get_low_confidence() -> None:
    posts = [probe["text"] for probe in read_probes() if not probe["expected"]]
    assert len(posts) >= 20
    with Workbench() as wb:
        for task in TASKS:
            predictions = list(wb.iter_predict(posts, task.adapter, record=False))
            confidences = [noise_confidence(one.label or "", one.confidence or 0) for one in predictions]
            # Three in all are above, as the card says.
            above = sum(confidence > MAX_NOISE_CONFIDENCE for confidence in confidences)
            assert above <= {"weibo": 2, "review": 1}.get(task.adapter, 0), task.adapter
            assert max(confidences) < 0.8, task.adapter


def test_model_card_has_the_scores_of_the_cards() -> None:
    card = (BUNDLED / "CARD.md").read_text(encoding="utf-8")
    for task in TASKS:
        score = json.loads((BUNDLED / "adapters" / task.adapter / "card.json").read_text(encoding="utf-8"))["score"]
        assert f"| all of them | {score['n']:,} | {score['accuracy']:.1%} |" in card
        assert score["ece"] - score["ece_null"][0] < 0.02


def test_fresh_home_predicts_with_the_starter(starter: Path, home: Path, command: Command) -> None:
    before = listing(starter)
    (prediction,) = json_lines(command.ok("predict", "今天太开心了", "--json", "--no-history").out)
    assert prediction["adapter"] == STARTER_ADAPTER
    assert prediction["label"] in ("negative", "positive")
    assert listing(starter) == before
    assert not (home / "bases").exists()


def test_starter_is_the_default_until_another_is_chosen(starter: Path, home: Path, stocked: Path) -> None:
    with Workbench() as wb:
        assert (wb.base_name(), wb.adapter_name()) == ("starter", STARTER_ADAPTER)
        shutil.copytree(stocked / "bases", home / "bases")
        shutil.copytree(stocked / "adapters", home / "adapters")
        assert [card.name for card in wb.bases.list()] == ["starter", "tiny"]
        assert [card.name for card in wb.adapters.list()] == ["mood", STARTER_ADAPTER]
        assert [card.name for card in wb.adapters.user_models()] == ["mood"]
        assert (wb.base_name(), wb.adapter_name()) == ("starter", STARTER_ADAPTER)
        wb.set_default_base("tiny")
        wb.set_default_adapter("mood")
        assert (wb.base_name(), wb.adapter_name()) == ("tiny", "mood")


def test_adapter_of_another_starter_says_how_to_get_its_base(starter: Path, home: Path) -> None:
    """The bundled base changes with the program, and with it the fingerprint that an adapter needs."""
    shutil.copytree(starter / "adapters" / STARTER_ADAPTER, home / "adapters" / "mine")
    card = home / "adapters" / "mine" / "card.json"
    values = json.loads(card.read_text(encoding="utf-8"))
    changes = {"name": "mine", "base": STARTER_BASE, "base_fingerprint": "0" * 64}
    card.write_text(json.dumps(values | changes), encoding="utf-8")
    with Workbench() as wb:
        with pytest.raises(UserInputError, match="'mine' was trained on the base 'starter' of another version"):
            wb.predict("今天太开心了", adapter="mine")
        # As the message says, the base may come back under any name.
        shutil.copytree(starter / "bases" / "starter", home / "bases" / "earlier")
        base = home / "bases" / "earlier" / "card.json"
        earlier = json.loads(base.read_text(encoding="utf-8"))
        base.write_text(json.dumps(earlier | {"name": "earlier", "fingerprint": "0" * 64}), encoding="utf-8")
        assert wb.predict("今天太开心了", adapter="mine").label in ("negative", "positive")


def test_user_adapter_hides_bundled_one_until_removed(starter: Path, home: Path, stocked: Path) -> None:
    for name in (STARTER_ADAPTER, "other"):
        shutil.copytree(stocked / "adapters" / "mood", home / "adapters" / name)
    with Workbench() as wb:
        assert wb.adapter_name() == STARTER_ADAPTER
        assert not wb.adapters.is_bundled(STARTER_ADAPTER)
        assert len(wb.adapters.list()) == 2
        assert wb.adapters.path(STARTER_ADAPTER) == home / "adapters" / STARTER_ADAPTER
        wb.remove_adapter(STARTER_ADAPTER)
        assert wb.adapters.is_bundled(STARTER_ADAPTER)
        assert wb.adapters.path(STARTER_ADAPTER) == starter / "adapters" / STARTER_ADAPTER


def test_bundled_models_cannot_be_changed_or_hidden(starter: Path, stocked: Path) -> None:
    before = listing(starter)
    with Workbench() as wb:
        for change in (
            lambda: wb.remove_base("starter"),
            lambda: wb.rename_base("starter", "mine"),
            lambda: wb.remove_adapter(STARTER_ADAPTER),
            lambda: wb.rename_adapter(STARTER_ADAPTER, "mine"),
            lambda: wb.add_base(stocked / "bases" / "tiny", "starter"),
        ):
            with pytest.raises(UserInputError, match="is bundled with weibo-tui and cannot be changed"):
                change()
    assert listing(starter) == before


def test_new_models_leave_the_default_unchanged(starter: Path, few: Path, stocked: Path, command: Command) -> None:
    done = command.ok("train", few, "--name", "mine", "--epochs", "1", "--json")
    assert done.err.splitlines()[-1] == "To make it the default: weibo-tui adapters use mine"
    done = command.ok("bases", "add", stocked / "bases" / "tiny", "--name", "mine")
    assert done.err.splitlines()[-1] == "To make it the default: weibo-tui bases use mine"
    with Workbench() as wb:
        assert wb.adapters.card("mine").base == "starter"
        assert (wb.base_name(), wb.adapter_name()) == ("starter", STARTER_ADAPTER)
        wb.set_default_adapter("mine")
        (analysis,) = wb.iter_predict(["今天太开心了"])
        assert analysis.adapter == "mine"
    assert "To make it" not in command.ok("bases", "use", "mine").err
    with Workbench() as wb:
        assert wb.base_name() == "mine"


def test_corrupt_starter_is_to_be_installed_again(starter: Path, command: Command) -> None:
    assert json_lines(command.ok("doctor", "--json").out)[0]["problems"] == []
    for file in (
        "bases/starter/model.safetensors",
        "bases/starter/tokenizer.json",
        f"adapters/{STARTER_ADAPTER}/adapter.safetensors",
    ):
        content = (starter / file).read_bytes()
        (starter / file).write_bytes(b"broken")
        done = command("predict", "今天太开心了")
        message = f"The bundled model '{file.split('/')[1]}' is damaged"
        assert (done.code, message in done.err, "Install weibo-tui again" in done.err) == (1, True, True)
        assert any(message in problem for problem in json_lines(command("doctor", "--json").out)[0]["problems"])
        (starter / file).write_bytes(content)


def test_list_marks_bundled_models_and_the_default(starter: Path, home: Path, stocked: Path, command: Command) -> None:
    def rows(kind: str) -> dict[str, tuple[bool, bool]]:
        lines = json_lines(command.ok(kind, "list", "--json").out)
        return {row["name"]: (row["bundled"], row["default"]) for row in lines}

    for kind, bundled, mine in (("bases", "starter", "tiny"), ("adapters", STARTER_ADAPTER, "mood")):
        assert rows(kind) == {bundled: (True, True)}
        shutil.copytree(stocked / kind, home / kind)
        assert rows(kind) == {bundled: (True, True), mine: (False, False)}
        lines = command.ok(kind, "list").out.splitlines()
        assert [line.split()[:2] for line in lines if "bundled" in line] == [["*", bundled]]
        command.ok(kind, "use", mine)
        assert rows(kind) == {bundled: (True, False), mine: (False, True)}
    shutil.rmtree(starter)
    assert [rows("bases"), rows("adapters")] == [{"tiny": (False, True)}, {"mood": (False, True)}]
    assert "bundled" not in command.ok("adapters", "list").out + command.ok("bases", "list").out
