"""The bundled models are the default, are read only, and give way to a user's models."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path

import pytest
from commands import Command, json_lines, listing

from weibo_tui.errors import UserInputError
from weibo_tui.workbench import Workbench


def test_fresh_home_predicts_with_the_starter(starter: Path, home: Path, command: Command) -> None:
    before = listing(starter)
    (prediction,) = json_lines(command.ok("predict", "今天太开心了", "--json", "--no-history").out)
    assert prediction["adapter"] == "weibo"
    assert prediction["label"] in ("negative", "positive")
    assert listing(starter) == before
    assert not (home / "bases").exists()


def test_starter_is_the_default_until_another_is_chosen(starter: Path, home: Path, stocked: Path) -> None:
    with Workbench() as wb:
        assert (wb.base_name(), wb.adapter_name()) == ("starter", "weibo")
        shutil.copytree(stocked / "bases", home / "bases")
        shutil.copytree(stocked / "adapters", home / "adapters")
        assert [card.name for card in wb.bases.list()] == ["starter", "tiny"]
        assert [card.name for card in wb.adapters.list()] == ["mood", "weibo"]
        assert [card.name for card in wb.adapters.user_models()] == ["mood"]
        assert (wb.base_name(), wb.adapter_name()) == ("starter", "weibo")
        wb.set_default_base("tiny")
        wb.set_default_adapter("mood")
        assert (wb.base_name(), wb.adapter_name()) == ("tiny", "mood")


def test_user_adapter_hides_bundled_one_until_removed(starter: Path, home: Path, stocked: Path) -> None:
    for name in ("weibo", "other"):
        shutil.copytree(stocked / "adapters" / "mood", home / "adapters" / name)
    with Workbench() as wb:
        assert wb.adapter_name() == "weibo"
        assert not wb.adapters.is_bundled("weibo")
        assert len(wb.adapters.list()) == 2
        assert wb.adapters.path("weibo") == home / "adapters" / "weibo"
        wb.remove_adapter("weibo")
        assert wb.adapters.is_bundled("weibo")
        assert wb.adapters.path("weibo") == starter / "adapters" / "weibo"


def test_bundled_models_cannot_be_changed_or_hidden(starter: Path, stocked: Path) -> None:
    before = listing(starter)
    refused = partial(pytest.raises, UserInputError, match="comes with weibo-tui and stays as it is")
    with Workbench() as wb:
        with refused():
            wb.remove_base("starter")
        with refused():
            wb.rename_base("starter", "mine")
        with refused():
            wb.remove_adapter("weibo")
        with refused():
            wb.rename_adapter("weibo", "mine")
        with refused():
            wb.add_base(stocked / "bases" / "tiny", "starter")
    assert listing(starter) == before


def test_new_models_leave_the_default_unchanged(starter: Path, few: Path, stocked: Path, command: Command) -> None:
    done = command.ok("train", few, "--name", "mine", "--epochs", "1", "--json")
    assert done.err.splitlines()[-1] == "To make it the default: weibo-tui adapters use mine"
    done = command.ok("bases", "add", stocked / "bases" / "tiny", "--name", "mine")
    assert done.err.splitlines()[-1] == "To make it the default: weibo-tui bases use mine"
    with Workbench() as wb:
        assert wb.adapters.card("mine").base == "starter"
        assert (wb.base_name(), wb.adapter_name()) == ("starter", "weibo")
        wb.set_default_adapter("mine")
        (analysis,) = wb.iter_predict(["今天太开心了"])
        assert analysis.adapter == "mine"
    assert "To make it" not in command.ok("bases", "use", "mine").err
    with Workbench() as wb:
        assert wb.base_name() == "mine"


@pytest.mark.parametrize(
    "file", ["bases/starter/model.safetensors", "bases/starter/tokenizer.json", "adapters/weibo/adapter.safetensors"]
)
def test_corrupt_starter_is_to_be_installed_again(starter: Path, command: Command, file: str) -> None:
    assert json_lines(command.ok("doctor", "--json").out)[0]["problems"] == []
    (starter / file).write_bytes(b"broken")
    done = command("predict", "今天太开心了")
    assert done.code == 1
    message = f"'{file.split('/')[1]}' came with weibo-tui and is damaged"
    assert message in done.err
    assert "install weibo-tui again" in done.err
    assert any(message in problem for problem in json_lines(command("doctor", "--json").out)[0]["problems"])
