"""The first start with the bundled models, and how the screens show them."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import pytest
from models_page import ModelsPage
from originals import write_original
from pane import POST, Pane, history_posts
from stage import drawn, play, press, until
from textual.pilot import Pilot
from textual.widgets import OptionList

from weibo_tui import Workbench
from weibo_tui.app.forms.fields import Field
from weibo_tui.app.predict.welcome import SAMPLES
from weibo_tui.app.train.training_form import TrainingForm
from weibo_tui.workbench.downloads import BASE
from weibo_tui.workbench.models import STARTER_ADAPTER

OFFERS = ["models.get", "models.import", "models.pretrain"]


async def started(pilot: Pilot[None]) -> Pane:
    """The predict screen with the welcome of the first start."""
    pane = Pane(pilot)
    await until(pilot, lambda: pane.screen.welcome.display and pane.app.focused is pane.prompt)
    return pane


def steps(pane: Pane) -> list[str]:
    return [str(option.id) for option in pane.screen.welcome.query_one(OptionList).options]


def next_steps(pane: Pane) -> list[str]:
    return [step for step in steps(pane) if not step.startswith("sample")]


async def opened_form(pane: Pane) -> TrainingForm:
    await until(pane.pilot, lambda: isinstance(pane.app.screen, TrainingForm))
    assert isinstance(pane.app.screen, TrainingForm)
    return pane.app.screen


async def leave_form(pane: Pane) -> None:
    await opened_form(pane)
    await pane.press("escape", "f2")
    await until(pane.pilot, lambda: pane.app.screen is pane.screen)
    pane.prompt.focus()


# ---- the first start


def test_first_start_explains_itself_and_answers(starter: Path, home: Path) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        pane = await started(pilot)
        for size in ((60, 20), (100, 30), (160, 50)):
            await pilot.resize_terminal(*size)
            words = ("bundled", "more errors", "420 MB", "Train an adapter", "Import", "plain text")
            await until(pilot, lambda: all(word in " ".join(drawn(pilot).split()) for word in words))  # noqa: B023

        # The keys lead to the steps and to the prompt.
        for key in ("tab", "up"):
            await pane.press(key)
            assert pane.screen.query("OptionList:focus")
            await pane.press("escape")
            assert pane.app.focused is pane.prompt
        await pane.press("tab", *["down"] * len(SAMPLES), "enter")
        await leave_form(pane)
        await pilot.click(pane.screen.welcome.query_one(OptionList), offset=(3, len(SAMPLES) + 1))
        await leave_form(pane)
        # What is typed on the steps goes into the prompt, where Up stays while something is written.
        await pane.press("今", "天", "up")
        assert pane.app.focused is pane.prompt
        assert pane.prompt.text == "今天"
        await pilot.resize_terminal(60, 20)
        pane.prompt.text = "字\n" * 12
        await pilot.pause()
        assert pane.screen.region.contains_region(pane.prompt.region)
        assert pane.prompt.region.height == 8

        pane.prompt.text = ""
        await pane.send(POST)
        await pane.wait_predicted(1)
        assert pane.posts[0].adapter == STARTER_ADAPTER
        assert "▲ positive" in pane.text(pane.posts[0])
        assert not pane.screen.welcome.display
        assert pane.app.focused is pane.prompt
        assert history_posts(home) == [POST]
        # It comes back when the cards are gone, and goes when one is restored.
        await pane.press("escape", "d")
        await pane.dialog_opened()
        await pane.press("down", "enter")
        await until(pilot, lambda: not pane.cards)
        await until(pilot, lambda: pane.screen.welcome.display and pane.app.focused is pane.prompt)
        await pane.press("shift+tab", "shift+tab", "u")
        await until(pilot, lambda: len(pane.cards) == 1 and not pane.screen.welcome.display)

    play(scene)
    assert not (home / "bases").exists()
    assert not (home / "adapters").exists()


def test_sample_posts_are_predicted_with_two_keys(starter: Path, home: Path, stocked: Path) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        pane = await started(pilot)
        shown = ("Ready", *(f"  “{post}” " for post in SAMPLES), "Pretrain a base")
        await until(pilot, lambda: all(text in drawn(pilot) for text in shown))  # nothing is cut
        footer = drawn(pilot).splitlines()[-1]
        assert "⏎ Send" in footer and "esc Cards" not in footer
        await pane.press("up")
        await until(pilot, lambda: "⏎ Choose" in drawn(pilot).splitlines()[-1])
        await pane.press("enter")
        await pane.wait_predicted(1)
        assert pane.posts[0].text == SAMPLES[0]
        await until(pilot, lambda: "esc Cards" in drawn(pilot).splitlines()[-1])
        assert not pane.screen.welcome.display
        assert pane.app.focused is pane.prompt

    play(scene, (60, 20))
    assert history_posts(home) == [SAMPLES[0]]
    with Workbench(home) as wb:
        wb.history.clear()
    shutil.copytree(stocked, home, dirs_exist_ok=True)  # an adapter of the user's own

    async def own_adapter(pilot: Pilot[None]) -> None:
        pane = await started(pilot)
        assert steps(pane) == ["sample.0", "sample.1", "sample.2"]
        await pane.press("up", "down", "down", "enter")
        await pane.wait_predicted(1)
        assert (pane.posts[0].text, pane.posts[0].adapter) == (SAMPLES[2], "mood")

    play(own_adapter)


def test_welcome_offers_what_can_be_done(
    starter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: Path, stocked: Path
) -> None:
    folder = tmp_path / "project"
    write_original(folder)
    monkeypatch.chdir(folder)

    async def scene(pilot: Pilot[None]) -> None:
        pane = await started(pilot)
        assert next_steps(pane) == ["models.take_base", "train.new", *OFFERS]
        aside = starter.rename(starter.with_name("aside"))
        await pane.app.refresh_catalog()
        await pilot.pause()
        assert "No adapter yet" in drawn(pilot)
        assert next_steps(pane) == ["models.take_base", *OFFERS]
        aside.rename(starter)
        shutil.copytree(stocked / "bases", home / "bases")  # a base of the user's own
        await pane.app.refresh_catalog()
        await until(pilot, lambda: next_steps(pane)[2:] == ["train.new", *OFFERS[1:]])
        assert pane.app.focused is pane.prompt

    play(scene)

    async def after_a_post(pilot: Pilot[None]) -> None:
        pane = await Pane(pilot).ready()
        await until(pilot, lambda: pane.screen._ready and pane.cards)
        assert not pane.screen.welcome.display
        assert STARTER_ADAPTER in str(pane.prompt.border_title)

    with Workbench(home) as wb:
        list(wb.iter_predict([POST], source="cli", record=True))
    play(after_a_post)


# ---- the models


def test_bundled_models_are_marked_and_trained_on(
    starter: Path, tmp_path: Path, home: Path, few: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    async def scene(pilot: Pilot[None]) -> None:
        pane = await started(pilot)
        await pane.press("tab", *["down"] * len(SAMPLES), "enter")
        form = await opened_form(pane)
        field = form.query_one("#field-base", Field)
        assert field.value == "starter"
        assert field.spec.choices[0] == ("starter", "starter (small)")
        assert [base for base, _label in field.spec.choices] == ["starter", BASE]
        form._files.add(few)
        form.query_one("#field-epochs", Field).text = "1"
        await pane.press("ctrl+s")
        await until(pilot, lambda: pane.app.catalog.own_adapters)
        (own,) = pane.app.catalog.own_adapters
        assert next(card.base for card in pane.app.catalog.adapters if card.name == own) == "starter"
        assert pane.app.catalog.adapter == STARTER_ADAPTER

        for on in ({"base": "starter"}, {"adapter": STARTER_ADAPTER}):
            page = await ModelsPage.open(pilot, **on)
            (name,) = on.values()
            assert f"* {name}  bundled" in drawn(pilot)
            assert "Bundled with weibo-tui; it cannot be changed." in page.card
            await press(pilot, "r", "d", "delete")
            assert pilot.app.screen is page.screen
        await press(pilot, "x")  # an export is allowed
        await until(pilot, lambda: pilot.app.screen is not page.screen)
        await press(pilot, "enter")
        await until(pilot, lambda: (tmp_path / f"{STARTER_ADAPTER}.zip").exists() and not page.app.jobs)
        with zipfile.ZipFile(tmp_path / f"{STARTER_ADAPTER}.zip") as archive:
            assert "card.json" in archive.namelist()
        await page.select(base="starter")
        assert "A small model" in page.card
        assert "Press g in the list to download uer's model (420 MB)." in page.card
        assert "pretrained for weibo-tui" in page.card

        (starter / "adapters" / STARTER_ADAPTER / "card.json").write_text("{", "utf-8")  # a damaged one stays too
        await press(pilot, "f2", "f5")
        await until(pilot, lambda: page.screen.inventory.corrupt)
        await page.select(adapter=STARTER_ADAPTER)
        await press(pilot, "d")
        assert pilot.app.screen is page.screen
        await page.select(adapter=own)  # one of the user's own
        assert f"{own}  bundled" not in drawn(pilot)
        assert "Bundled with" not in page.card
        await press(pilot, "d")
        await until(pilot, lambda: pilot.app.screen is not page.screen)

    play(scene)
