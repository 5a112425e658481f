"""What comes with the program stands behind a person's own bases and adapters, for reading only."""

from __future__ import annotations

import hashlib
import shutil
from functools import partial
from pathlib import Path

import pytest
from commands import Command, json_lines

from weibo_tui.errors import UserInputError
from weibo_tui.workbench import Workbench


def contents(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_a_fresh_home_judges_with_the_starter_and_is_asked_nothing(starter: Path, home: Path, command: Command) -> None:
    before = contents(starter)
    (verdict,) = json_lines(command.ok("predict", "今天太开心了", "--json", "--no-history").out)
    assert verdict["adapter"] == "weibo"
    assert verdict["label"] in ("negative", "positive")
    assert contents(starter) == before
    assert not (home / "bases").exists()


def test_own_ones_and_the_starters_are_listed_together(starter: Path, home: Path, stocked: Path) -> None:
    shutil.copytree(stocked, home, dirs_exist_ok=True)
    with Workbench.open() as bench:
        assert [card.name for card in bench.bases.list()] == ["starter", "tiny"]
        assert [card.name for card in bench.adapters.list()] == ["mood", "weibo"]
        assert [card.name for card in bench.adapters.own()] == ["mood"]


def test_starter_is_the_default_beside_own_ones_until_told(starter: Path, home: Path, stocked: Path) -> None:
    with Workbench.open() as bench:
        assert (bench.base_name(), bench.adapter_name()) == ("starter", "weibo")
        shutil.copytree(stocked / "bases", home / "bases")
        shutil.copytree(stocked / "adapters", home / "adapters")
        assert (bench.base_name(), bench.adapter_name()) == ("starter", "weibo")
        bench.use_base("tiny")
        bench.use_adapter("mood")
        assert (bench.base_name(), bench.adapter_name()) == ("tiny", "mood")


def test_default_is_an_own_adapter_of_the_starters_name(starter: Path, home: Path, stocked: Path) -> None:
    for name in ("weibo", "other"):
        shutil.copytree(stocked / "adapters" / "mood", home / "adapters" / name)
    with Workbench.open() as bench:
        assert bench.adapter_name() == "weibo"


def test_an_own_adapter_may_have_the_name_of_a_bundled_one_and_gives_way_when_it_is_removed(
    starter: Path, home: Path, stocked: Path
) -> None:
    shutil.copytree(stocked / "adapters" / "mood", home / "adapters" / "weibo")
    with Workbench.open() as bench:
        assert not bench.adapters.is_bundled("weibo")
        assert len(bench.adapters.list()) == 1
        assert bench.adapters.path("weibo") == home / "adapters" / "weibo"
        bench.remove_adapter("weibo")
        assert bench.adapters.is_bundled("weibo")
        assert bench.adapters.path("weibo") == starter / "adapters" / "weibo"


def test_what_is_bundled_cannot_be_renamed_or_removed(starter: Path) -> None:
    before = contents(starter)
    with Workbench.open() as bench:
        refused = partial(pytest.raises, UserInputError, match="comes with weibo-tui and stays as it is")
        with refused():
            bench.remove_base("starter")
        with refused():
            bench.rename_base("starter", "mine")
        with refused():
            bench.remove_adapter("weibo")
        with refused():
            bench.rename_adapter("weibo", "mine")
    assert contents(starter) == before


def test_no_own_base_may_take_the_name_of_the_bundled_one(starter: Path, stocked: Path) -> None:
    with Workbench.open() as bench, pytest.raises(UserInputError, match="'starter' comes with weibo-tui"):
        bench.add_base(stocked / "bases" / "tiny", "starter")


def test_an_adapter_trained_on_the_starter_stands_on_it(starter: Path, few: Path, command: Command) -> None:
    done = command.ok("train", few, "--name", "mine", "--epochs", "1", "--json")
    assert done.err.splitlines()[-1] == "To make it the default: weibo-tui adapters use mine"
    with Workbench.open() as bench:
        assert bench.adapters.card("mine").base == "starter"
        (analysis,) = bench.predict(["今天太开心了"])
        assert analysis.adapter == "weibo"
        bench.use_adapter("mine")
        (analysis,) = bench.predict(["今天太开心了"])
        assert analysis.adapter == "mine"


def test_base_that_is_added_leaves_the_default_as_it_is(starter: Path, stocked: Path, command: Command) -> None:
    done = command.ok("bases", "add", stocked / "bases" / "tiny", "--name", "mine")
    assert done.err.splitlines()[-1] == "To make it the default: weibo-tui bases use mine"
    with Workbench.open() as bench:
        assert bench.base_name() == "starter"
    assert "To make it" not in command.ok("bases", "use", "mine").err
    with Workbench.open() as bench:
        assert bench.base_name() == "mine"


@pytest.mark.parametrize(
    "file", ["bases/starter/model.safetensors", "bases/starter/tokenizer.json", "adapters/weibo/adapter.safetensors"]
)
def test_what_came_damaged_is_to_be_installed_again(starter: Path, command: Command, file: str) -> None:
    (starter / file).write_bytes(b"broken")
    done = command("predict", "今天太开心了")
    assert done.code == 1
    name = file.split("/")[1]
    assert f"'{name}' came with weibo-tui and is damaged" in done.err
    assert "install weibo-tui again" in done.err


def test_doctor_looks_at_the_starter_too(starter: Path, command: Command) -> None:
    assert json_lines(command.ok("doctor", "--json").out)[0]["problems"] == []
    (starter / "bases" / "starter" / "model.safetensors").write_bytes(b"broken")
    problems = json_lines(command("doctor", "--json").out)[0]["problems"]
    assert any("'starter' came with weibo-tui and is damaged" in problem for problem in problems)
