"""The first start with the bundled models, and how the screens show them."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import pytest
from models_page import ModelsPage
from originals import write_original
from pane import POST, Pane, history_posts
from stage import app_of, drawn, play, until
from textual.pilot import Pilot
from textual.widgets import OptionList

from weibo_tui.app.forms.fields import Field
from weibo_tui.app.train.training_form import TrainingForm
from weibo_tui.workbench import Workbench
from weibo_tui.workbench.downloads import BASE

SIZES = [(60, 20), (100, 30), (160, 50)]


async def started(pilot: Pilot[None]) -> Pane:
    """The predict screen with the welcome of the first start."""
    pane = Pane(pilot)
    await until(pilot, lambda: pane.screen.welcome.display)
    return pane


def steps(pane: Pane) -> list[str]:
    return [str(option.id) for option in pane.screen.welcome.query_one(OptionList).options]


# ---- the first start


def test_first_start_explains_itself_and_answers(starter: Path, home: Path) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        pane = await started(pilot)
        assert pane.app.focused is pane.prompt
        for size in SIZES:
            await pilot.resize_terminal(*size)
            await pilot.pause()
            text = " ".join(drawn(pilot).split())
            for words in (
                "comes with weibo-tui",
                "errs more often",
                "420 MB",
                "Train an adapter",
                "Import",
                "plain text",
            ):
                assert words in text, size
        await pane.send(POST)
        await pane.wait_predicted(1)
        assert pane.posts[0].adapter == "weibo"
        assert "▲ positive" in pane.text(pane.posts[0])
        assert not pane.screen.welcome.display
        assert pane.app.focused is pane.prompt
        assert history_posts(home) == [POST]
        # It does not come back when the cards are gone.
        await pilot.press("escape", "d")
        await pane.dialog_opened()
        await pilot.press("down", "enter")
        await until(pilot, lambda: not pane.cards)
        await pane.app.refresh_catalog()
        await pilot.pause()
        assert not pane.screen.welcome.display
        assert "Verdicts will stand here" in drawn(pilot)

    play(scene)
    assert not (home / "bases").exists()
    assert not (home / "adapters").exists()


def test_welcome_keys_lead_to_steps_and_prompt(starter: Path) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        pane = await started(pilot)
        for key in ("tab", "up"):
            await pilot.press(key)
            assert pane.screen.query("OptionList:focus")
            await pilot.press("escape")
            assert pane.app.focused is pane.prompt
            await pilot.press(key, "enter")
            await until(pilot, lambda: isinstance(pane.app.screen, TrainingForm))
            await pilot.press("escape", "f2")
            await until(pilot, lambda: pane.app.screen is pane.screen)
            pane.prompt.focus()
        await pilot.click(pane.screen.welcome.query_one(OptionList), offset=(3, 0))
        await until(pilot, lambda: isinstance(pane.app.screen, TrainingForm))
        await pilot.press("escape", "f2")
        await until(pilot, lambda: pane.app.screen is pane.screen)
        # What is typed on the steps goes into the prompt, where Up stays while something is written.
        await pane.write("今天")
        await pilot.press("up")
        assert pane.app.focused is pane.prompt
        assert pane.prompt.text == "今天"
        await pilot.resize_terminal(60, 20)
        for _line in range(12):
            await pane.write("字")
            await pilot.press("ctrl+j")
        assert pane.screen.region.contains_region(pane.prompt.region)
        assert pane.prompt.region.height == 8

    play(scene)


def test_own_models_or_posts_end_the_first_start(starter: Path, home: Path, stocked: Path) -> None:
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

    async def not_welcome(pilot: Pilot[None]) -> None:
        pane = await Pane(pilot).ready()
        await until(pilot, lambda: pane.screen._ready and (pane.cards or adapter == "mood"))
        assert not pane.screen.welcome.display
        assert adapter in str(pane.prompt.border_title)

    adapter = "weibo"
    with Workbench(home) as wb:
        list(wb.iter_predict([POST], source="cli", record=True))
    play(not_welcome)
    adapter = "mood"
    shutil.copytree(stocked, home, dirs_exist_ok=True)
    play(not_welcome)


def test_welcome_offers_what_can_be_done(
    starter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    folder = tmp_path / "project"
    write_original(folder)
    offers = ["models.get", "models.import", "models.pretrain"]

    async def scene(pilot: Pilot[None]) -> None:
        pane = await started(pilot)
        assert steps(pane) == ["models.take_base", "train.new", *offers]

    async def without_models(pilot: Pilot[None]) -> None:
        pane = await started(pilot)
        assert isinstance(pane.app.focused, OptionList)
        assert "Nothing to judge posts with yet" in drawn(pilot)
        assert steps(pane) == offers

    with monkeypatch.context() as patch:
        patch.chdir(folder)
        play(scene)
    shutil.rmtree(starter)
    play(without_models)


# ---- the models


def test_bundled_models_are_marked_and_stay_as_they_are(
    starter: Path, tmp_path: Path, home: Path, stocked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    async def scene(pilot: Pilot[None]) -> None:
        for on in ({"base": "starter"}, {"adapter": "weibo"}):
            page = await ModelsPage.open(pilot, **on)
            (name,) = on.values()
            assert f"* {name}  comes with weibo-tui" in drawn(pilot)
            assert "It comes with weibo-tui, and stays as it is." in page.card
            await pilot.press("r", "d", "delete")
            assert pilot.app.screen is page.screen
        await pilot.press("x")  # an export is allowed
        await until(pilot, lambda: pilot.app.screen is not page.screen)
        await pilot.press("enter")
        await until(pilot, lambda: (tmp_path / "weibo.zip").exists() and not page.app.jobs)
        with zipfile.ZipFile(tmp_path / "weibo.zip") as archive:
            assert "card.json" in archive.namelist()
        await page.select(base="starter")
        assert "It is small" in page.card
        assert "In the list, g fetches uer's (420 MB), as 'weibo-tui bases get' does." in page.card
        assert "pretrained for weibo-tui" in page.card

        (starter / "adapters" / "weibo" / "card.json").write_text("{", "utf-8")  # a damaged one stays too
        shutil.copytree(stocked, home, dirs_exist_ok=True)
        await pilot.press("f2", "f5")
        await until(pilot, lambda: page.screen.inventory.corrupt)
        await page.select(adapter="weibo")
        await pilot.press("d")
        assert pilot.app.screen is page.screen
        await page.select(adapter="mood")  # one of the user's own
        assert "mood  comes" not in drawn(pilot)
        assert "It comes with weibo-tui" not in page.card
        await pilot.press("d")
        await until(pilot, lambda: pilot.app.screen is not page.screen)

    play(scene)


# ---- a training


def test_training_uses_the_starter_without_a_download(starter: Path, home: Path, few: Path) -> None:
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
    with Workbench(home) as wb:
        (card,) = wb.adapters.user_models()
        assert card.base == "starter"
        assert wb.adapter_name() == "weibo"
