"""The first start with what comes with the program, and how the places show that it does."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import pytest
from originals import write_original
from pane import POST, Pane, history_posts
from stage import app_of, drawn, play, until
from textual.pilot import Pilot
from textual.widgets import OptionList, Static

from weibo_tui.app.forms.fields import Field
from weibo_tui.app.models.model_card import ModelCard
from weibo_tui.app.models.model_list import ModelList
from weibo_tui.app.models.screen import ModelsScreen
from weibo_tui.app.train.training_form import TrainingForm
from weibo_tui.workbench import Workbench
from weibo_tui.workbench.downloads import BASE

SIZES = [(60, 20), (100, 30), (160, 50)]


async def started(pilot: Pilot[None]) -> Pane:
    """The prediction pane, when it says what is there at the first start."""
    pane = Pane(pilot)
    await until(pilot, lambda: pane.screen.welcome.display)
    return pane


def ways(pane: Pane) -> list[str]:
    return [str(option.id) for option in pane.screen.welcome.query_one(OptionList).options]


async def models(pilot: Pilot[None], kind: str, name: str) -> ModelsScreen:
    """The models, with the cursor on one of them."""
    await pilot.press("f5")
    screen = app_of(pilot).main_screens["models"]
    assert isinstance(screen, ModelsScreen)
    await until(pilot, lambda: screen.is_mounted and screen.inventory.bases)
    screen.query_one(ModelList).select("base" if kind == "base" else "adapter", name)
    await until(pilot, lambda: screen.entry is not None and (screen.entry.kind, screen.entry.name) == (kind, name))
    return screen


def card_of(screen: ModelsScreen) -> str:
    """The card as it is drawn, its lines as one."""
    facts = screen.query_one(ModelCard).query_one("#facts", Static)
    return " ".join(" ".join(facts.render_line(y).text for y in range(facts.size.height)).split())


# ---- the first start


@pytest.mark.parametrize("size", SIZES)
def test_at_the_first_start_one_writes_and_is_answered(starter: Path, home: Path, size: tuple[int, int]) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        pane = await started(pilot)
        assert pane.app.focused is pane.prompt
        text = " ".join(drawn(pilot).split())
        for said in ("comes with weibo-tui", "errs more often", "420 MB", "Train an adapter", "Import", "plain text"):
            assert said in text
        await pane.send(POST)
        await pane.wait_predicted(1)
        assert pane.posts[0].adapter == "weibo"
        assert "▲ positive" in pane.text(pane.posts[0])
        assert not pane.screen.welcome.display
        assert pane.app.focused is pane.prompt

    play(scene, size)
    assert history_posts(home) == [POST]
    assert not (home / "bases").exists()
    assert not (home / "adapters").exists()


@pytest.mark.parametrize("key", ["tab", "up"])
def test_keys_lead_to_the_ways_on_and_back(starter: Path, key: str) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        pane = await started(pilot)
        await pilot.press(key)
        assert pane.screen.query("OptionList:focus")
        await pilot.press("escape")
        assert pane.app.focused is pane.prompt
        await pilot.press(key, "enter")
        await until(pilot, lambda: isinstance(pane.app.screen, TrainingForm))

    play(scene)


def test_a_click_goes_one_of_the_ways(starter: Path) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        pane = await started(pilot)
        await pilot.click(pane.screen.welcome.query_one(OptionList), offset=(3, 0))
        await until(pilot, lambda: isinstance(pane.app.screen, TrainingForm))

    play(scene)


def test_up_stays_in_the_prompt_where_something_is_written(starter: Path) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        pane = await started(pilot)
        await pane.write("今天")
        await pilot.press("up")
        assert pane.app.focused is pane.prompt
        assert pane.prompt.text == "今天"

    play(scene)


def test_what_is_typed_on_the_ways_goes_into_the_prompt(starter: Path) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        pane = await started(pilot)
        await pilot.press("tab")
        await pane.write("今天")
        assert pane.app.focused is pane.prompt
        assert pane.prompt.text == "今天"

    play(scene)


def test_a_long_draft_leaves_the_prompt_in_sight(starter: Path) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        pane = await started(pilot)
        for _line in range(12):
            await pane.write("字")
            await pilot.press("ctrl+j")
        assert pane.screen.region.contains_region(pane.prompt.region)
        assert pane.prompt.region.height == 8

    play(scene, (60, 20))


def test_the_note_does_not_come_back_when_the_cards_are_gone(starter: Path) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        pane = await started(pilot)
        await pane.send(POST)
        await pane.wait_predicted(1)
        await pilot.press("escape", "d")
        await pane.asked()
        await pilot.press("down", "enter")
        await until(pilot, lambda: not pane.cards)
        await pane.app.refresh_catalog()
        await pilot.pause()
        assert not pane.screen.welcome.display
        assert "Verdicts will stand here" in drawn(pilot)

    play(scene)


def test_who_has_judged_posts_before_is_not_welcomed_anew(starter: Path, home: Path) -> None:
    with Workbench.open(home) as bench:
        list(bench.predict([POST], source="cli", record=True))

    async def scene(pilot: Pilot[None]) -> None:
        pane = await Pane(pilot).ready()
        await until(pilot, lambda: pane.cards and pane.screen._ready)
        assert not pane.screen.welcome.display

    play(scene)


def test_a_base_of_ones_own_ends_the_first_start(starter: Path, home: Path, stocked: Path) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        pane = await started(pilot)
        await pilot.press("tab")
        shutil.copytree(stocked / "bases", home / "bases")
        await pane.app.refresh_catalog()
        await until(pilot, lambda: not pane.screen.welcome.display)
        assert pane.app.focused is pane.prompt
        shutil.rmtree(home / "bases")
        await pane.app.refresh_catalog()
        await pilot.pause()
        assert not pane.screen.welcome.display

    play(scene)


def test_who_has_something_of_ones_own_is_not_told_of_the_starter(starter: Path, home: Path, stocked: Path) -> None:
    shutil.copytree(stocked, home, dirs_exist_ok=True)

    async def scene(pilot: Pilot[None]) -> None:
        pane = await Pane(pilot).ready()
        await until(pilot, lambda: pane.screen._ready)
        assert not pane.screen.welcome.display
        assert "mood" in str(pane.prompt.border_title)

    play(scene)


def test_what_the_original_project_left_is_offered_as_far_as_it_can_be_taken(
    starter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "project"
    write_original(folder)
    monkeypatch.chdir(folder)

    async def scene(pilot: Pilot[None]) -> None:
        pane = await started(pilot)
        assert ways(pane) == ["models.take_base", "train.new", "models.get", "models.import", "models.pretrain"]

    play(scene)


def test_an_empty_starter_leaves_the_first_start_as_it_is_without_one(home: Path) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        pane = await started(pilot)
        assert isinstance(pane.app.focused, OptionList)
        assert "Nothing to judge posts with yet" in drawn(pilot)
        assert ways(pane) == ["models.get", "models.import", "models.pretrain"]

    play(scene)


# ---- the models


def test_what_comes_with_the_program_is_marked_and_cannot_be_renamed_or_deleted(starter: Path) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        for kind, name in (("base", "starter"), ("adapter", "weibo")):
            screen = await models(pilot, kind, name)
            assert f"* {name}  comes with weibo-tui" in drawn(pilot)
            assert "It comes with weibo-tui, and stays as it is." in card_of(screen)
            await pilot.press("r", "d", "delete")
            assert app_of(pilot).screen is screen

    play(scene)


def test_ones_own_beside_it_are_not_marked_and_can_be_deleted(starter: Path, home: Path, stocked: Path) -> None:
    shutil.copytree(stocked, home, dirs_exist_ok=True)

    async def scene(pilot: Pilot[None]) -> None:
        screen = await models(pilot, "adapter", "mood")
        assert "mood  comes" not in drawn(pilot)
        assert "It comes with weibo-tui" not in card_of(screen)
        await pilot.press("d")
        await until(pilot, lambda: app_of(pilot).screen is not screen)

    play(scene)


def test_the_starters_card_says_that_it_is_small_and_how_to_get_the_full_base(starter: Path) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        card = card_of(await models(pilot, "base", "starter"))
        assert "It is small" in card
        assert "In the list, g fetches uer's (420 MB), as 'weibo-tui bases get' does." in card
        assert "pretrained for weibo-tui" in card

    play(scene)


def test_a_damaged_one_that_comes_with_the_program_cannot_be_deleted(starter: Path) -> None:
    (starter / "adapters" / "weibo" / "card.json").write_text("{", "utf-8")

    async def scene(pilot: Pilot[None]) -> None:
        screen = await models(pilot, "adapter", "weibo")
        await pilot.press("d")
        assert app_of(pilot).screen is screen

    play(scene)


def test_what_comes_with_the_program_can_be_exported(
    starter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    async def scene(pilot: Pilot[None]) -> None:
        screen = await models(pilot, "adapter", "weibo")
        await pilot.press("x")
        await until(pilot, lambda: app_of(pilot).screen is not screen)
        await pilot.press("enter")
        await until(pilot, lambda: (tmp_path / "weibo.zip").exists() and not app_of(pilot).jobs)

    play(scene)
    with zipfile.ZipFile(tmp_path / "weibo.zip") as archive:
        assert "card.json" in archive.namelist()


# ---- a training


def test_the_starter_is_trained_on_where_no_other_base_is_named_and_nothing_is_fetched(
    starter: Path, home: Path, few: Path
) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        await started(pilot)
        await pilot.press("tab", "enter")
        await until(pilot, lambda: isinstance(app_of(pilot).screen, TrainingForm))
        form = app_of(pilot).screen
        assert isinstance(form, TrainingForm)
        field = form.query_one("#field-base", Field)
        assert field.value == "starter"
        words = dict(field.spec.choices)
        assert list(words) == ["starter", BASE]
        assert words["starter"] == "starter (small)"
        form._files.add(few)
        form.query_one("#field-epochs", Field).text = "1"
        await pilot.press("ctrl+s")
        await until(pilot, lambda: app_of(pilot).catalog.own_adapters)

    play(scene)
    with Workbench.open(home) as bench:
        (card,) = bench.adapters.own()
        assert card.base == "starter"
        assert bench.adapter_name() == "weibo"
