"""The models screen: the list, the cards, and the actions on bases and adapters."""

from __future__ import annotations

import json
import shutil
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import models
import pytest
from models_page import ModelsPage, answer, card_text, lines, message, problem, question, screen_of
from stage import play, until
from textual.pilot import Pilot
from textual.widgets import Input, Static

from weibo_tui import LabelingConfig, Workbench
from weibo_tui.app.dialogs import ChoiceDialog, InputDialog
from weibo_tui.app.forms.fields import Field
from weibo_tui.app.forms.path_dialog import PathDialog
from weibo_tui.app.models.model_card import ModelCard
from weibo_tui.app.models.screen import ModelCardScreen
from weibo_tui.app.services.jobs import Job
from weibo_tui.app.train.pretraining_form import PretrainingForm
from weibo_tui.app.train.training_form import TrainingForm
from weibo_tui.app.widgets.chrome import StatusMessage
from weibo_tui.settings import Settings

HOSTILE = "[/哈哈][b]\x1b[31m\u202eevil\n[doge]"


@pytest.fixture
def two(furnished: Path) -> Path:
    """A home with the base `tiny` and on it the adapters `mood`, which is the default, and `other`."""
    shutil.copytree(furnished / "adapters" / "mood", furnished / "adapters" / "other")
    return furnished


def change_card(folder: Path, **changes: Any) -> None:
    card = folder / "card.json"
    card.write_text(json.dumps(json.loads(card.read_text("utf-8")) | changes), "utf-8")


async def press_for(pilot: Pilot[None], key: str, kind: type) -> Any:
    """Press a key that opens a screen of this type."""
    await pilot.press(key)
    return await screen_of(pilot, kind)


async def open_import(pilot: Pilot[None], path: Path, *words: str) -> None:
    """Choose a file to import. With `words`, the question about it must have them, and is answered with yes."""
    await press_for(pilot, "i", PathDialog)
    await answer(pilot, str(path))
    if words:
        await screen_of(pilot, ChoiceDialog)
        assert all(word in question(pilot) for word in words), question(pilot)
        await pilot.press("enter")


async def label_of(page: ModelsPage, post: str, adapter: str = "") -> str:
    """The label that the engine predicts."""
    (analysis,) = await page.app.engine.call(lambda wb: list(wb.iter_predict([post], adapter, record=False)))
    return analysis.label


# ---- the list and the cards


def test_list_and_cards_show_figures(two: Path) -> None:
    with Workbench() as wb:
        base, card = wb.bases.card("tiny"), wb.adapters.card("mood")
    share = 100 * card.parameters / (card.parameters + base.parameters)

    async def scene(pilot: Pilot[None]) -> None:
        page = await ModelsPage.open(pilot, base="tiny")
        text = page.text
        assert text.index("Bases") < text.index("* tiny") < text.index("Adapters") < text.index("* mood")
        assert "\n  other" in text
        assert "parameters" in text and ("MB" in text or "kB" in text)
        assert "negative, positive · on tiny" in text
        assert "% without emoticons" in text
        for words in (
            *("2 layers, 64 wide, 2 heads", "at most 128 tokens", "corpus.txt", "Validation loss", "pretrained here"),
            *("2 adapters", "mood, other"),
        ):
            assert words in page.card
        await page.select(adapter="mood")
        for words in (
            f"{card.parameters:,} parameters, {share:.2f}% of base and adapter",
            "0–1 of 2, bottleneck 64, gelu",
            "posts.csv",
            card.run,
            "Emoticon dropout 0.5",
            f"{card.temperature:.3f}, float32",
        ):
            assert words in page.card
        assert f"{100 * card.score['accuracy']:.1f}%" in lines(page.screen.query_one("ScoreView"))
        await pilot.press("enter")
        await until(pilot, lambda: page.screen.query_one(ModelCard).has_focus)
        await pilot.press("escape")
        await until(pilot, lambda: page.list.has_focus)

        # The cursor stays on its entry when something changes.
        await page.select(adapter="other")
        shutil.copytree(two / "adapters" / "mood", two / "adapters" / "another")
        await pilot.press("f2", "f5")
        await until(pilot, lambda: "another" in page.text)
        assert page.entry.lstrip().startswith("other")

        # In a narrow window the card has its own screen.
        await page.select(base="tiny")
        await pilot.resize_terminal(60, 20)
        await until(pilot, lambda: not page.screen.query_one(ModelCard).display)
        form = await press_for(pilot, "enter", ModelCardScreen)
        await until(pilot, lambda: "2 layers" in card_text(form))
        await pilot.press("escape")
        await until(pilot, lambda: pilot.app.screen is page.screen)

    play(scene, size=(120, 60))


def test_empty_home_explains_itself_and_converts_a_folder(home: Path, tmp_path: Path) -> None:
    source = models.write_folder(tmp_path / "my model[b]", models.reference())

    async def scene(pilot: Pilot[None]) -> None:
        page = await ModelsPage.open(pilot)
        await until(pilot, lambda: "No adapters yet" in page.text)
        bases, adapters = page.text.split("Adapters")
        assert "i: " in bases and "p: " in bases
        assert "F3: " in adapters and "i: " in adapters
        await pilot.press(*"uetxdr")
        assert pilot.app.screen is page.screen
        await press_for(pilot, "p", PretrainingForm)
        assert page.app.current_mode == "train"
        await pilot.press("escape", "f5")
        await open_import(pilot, source, "Hugging Face", "my model[b]")
        await screen_of(pilot, InputDialog)
        assert pilot.app.screen.query_one(Input).value == "my-model-b"
        await pilot.press("enter")
        await until(pilot, lambda: page.names("base") == ["my-model-b"])
        await until(pilot, lambda: "* my-model-b" in page.text)
        assert str(source).replace(" ", "") in page.card.replace(" ", "")

    play(scene, size=(160, 40))


def test_hostile_and_damaged_models_are_shown_and_deleted(two: Path) -> None:
    labels = [HOSTILE, "[哈哈]" * 200, *(f"[label {n}]" for n in range(60))]
    change_card(
        two / "adapters" / "other",
        labels=labels,
        raw_labels=list(map(str, range(len(labels)))),
        **dict.fromkeys(("base", "activation", "dtype", "run", "created_at"), HOSTILE),
        parameters=2**62,
        data={"files": [HOSTILE], "labels": {HOSTILE: 10**12}, "train": "x", "split_seed": -1},
        hyperparameters={"epochs": HOSTILE, "seed": {"a": 1}, "blocks": ["x"]},
        score={"accuracy": 1e8, "labels": [HOSTILE], "emoticons": {HOSTILE: -3.0}, "ece": None},
    )
    change_card(two / "adapters" / "mood", base="elsewhere", base_fingerprint="ab" * 32)
    (two / "adapters" / "mood" / "adapter.safetensors").unlink()
    change_card(two / "bases" / "tiny", source=HOSTILE, made={"corpus": HOSTILE, "tokens": "[b]", "seconds": -1})
    (two / "bases" / "tiny" / "config.json").write_text('{"n_layer": "[b]"}', "utf-8")
    corrupt = two / "adapters" / "corrupt"
    corrupt.mkdir()
    (corrupt / "card.json").write_text("{", "utf-8")
    (two / "bases" / "bare").mkdir()

    async def scene(pilot: Pilot[None]) -> None:
        page = await ModelsPage.open(pilot, adapter="other")
        text = page.card
        assert "[/哈哈][b]␛[31m<U+202E>evil [doge]" in text
        assert "\x1b" not in text and "\u202e" not in text
        assert "and 22 more" in text
        await page.select(base="tiny")
        await until(pilot, lambda: "[/哈哈][b]␛[31m" in page.card)
        await page.select(adapter="mood")
        assert "files are missing" in page.entry
        assert "Files are missing: adapter.safetensors." in page.card
        assert "elsewhere (abababababab…), not installed: add it" in page.card
        await pilot.press("e")
        await message(pilot, "its base 'elsewhere' is not installed. Add that base")
        for on in ({"adapter": "corrupt"}, {"base": "bare"}):
            (name,) = on.values()
            assert f"! {name}\n  damaged" in page.text
            await page.select(**on)
            await until(pilot, lambda: "Remove its folder" in page.card)
            await pilot.press(*"uxret")  # the keys of intact models
            await press_for(pilot, "d", ChoiceDialog)
            await pilot.press("down", "enter")
            await until(pilot, lambda: name not in page.text)  # noqa: B023
        assert not corrupt.exists()
        assert not (two / "bases" / "bare").exists()

    play(scene, size=(120, 60))


# ---- use, train, rename, delete


def test_models_are_made_default_trained_on_and_renamed(two: Path) -> None:
    shutil.copytree(two / "bases" / "tiny", two / "bases" / "again")

    async def scene(pilot: Pilot[None]) -> None:
        page = await ModelsPage.open(pilot, adapter="other")
        await pilot.press("u")
        await until(pilot, lambda: "* other" in page.text)
        assert "* mood" not in page.text
        assert page.app.catalog.adapter == "other"
        assert page.entry.startswith("* other")
        assert await page.app.engine.call(lambda wb: wb.adapter_name()) == "other"
        await page.select(base="again")
        await pilot.press("u")
        await until(pilot, lambda: "* again" in page.text)
        await page.select(base="tiny")
        await pilot.press("u")
        await until(pilot, lambda: "* tiny" in page.text)
        form = await press_for(pilot, "t", TrainingForm)
        assert page.app.current_mode == "train"
        assert form.query_one("#field-base", Field).text == "tiny"
        await pilot.press("escape", "f5")

        await page.select(adapter="other")
        await press_for(pilot, "r", InputDialog)
        await answer(pilot, "mood")
        assert "'mood' exists" in problem(pilot)
        await answer(pilot, "../mood")
        assert "Invalid name: '../mood'" in problem(pilot)
        await answer(pilot, "feeling")
        await until(pilot, lambda: "* feeling" in page.text)
        assert page.entry.startswith("* feeling")
        assert "other" not in page.text
        shutil.rmtree(two / "bases" / "again")
        await page.select(base="tiny")
        await press_for(pilot, "r", InputDialog)
        await answer(pilot, "small")
        await until(pilot, lambda: "* small" in page.text)
        assert "2 adapters" in page.card
        await page.select(adapter="feeling")
        await until(pilot, lambda: "small (called tiny when it was trained)" in page.card)
        assert await label_of(page, "今天的面真好吃", "feeling") == "positive"

    app = play(scene)
    settings = Settings.load(app.paths)
    assert (settings.adapter, settings.base) == ("feeling", "small")
    assert (two / "adapters" / "feeling").is_dir()


def test_delete_asks_first_and_refuses_models_in_use(two: Path, few: Path, tmp_path: Path) -> None:
    config = LabelingConfig(few, tmp_path / "labelled.csv", "mood")

    async def scene(pilot: Pilot[None]) -> None:
        page = await ModelsPage.open(pilot, adapter="mood")
        job = Job("label", "few.csv", lambda wb: wb.iter_label_file(config), page.screen, adapter="mood")
        job.pause()
        page.app.start_job(job)
        for key, on in (("d", {"adapter": "mood"}), ("r", {"adapter": "mood"}), ("d", {"base": "tiny"})):
            await page.select(**on)
            page.screen.query_one(StatusMessage).show("")
            await pilot.press(key)
            await message(pilot, "is in use (few.csv)")
        job.resume()
        page.app.wake_workers()
        await until(pilot, lambda: not page.app.jobs)
        with Workbench() as wb:  # another program trains on the base
            run = wb.runs.create("train", "theirs", {"plan": {}, "base": wb.bases.card("tiny").fingerprint})
            with wb.runs.lock(run.id):
                page.screen.query_one(StatusMessage).show("")
                await pilot.press("d")
                await message(pilot, "'tiny' is in use (theirs)")

        await press_for(pilot, "delete", ChoiceDialog)
        assert "2 adapters" in question(pilot) and "mood, other" in question(pilot)
        assert "is the default" in question(pilot)
        await pilot.press("enter")  # the safe answer
        await until(pilot, lambda: pilot.app.screen is page.screen)
        await page.select(adapter="other")
        await press_for(pilot, "d", ChoiceDialog)
        assert "Delete the adapter 'other'" in question(pilot)
        await pilot.press("down", "enter")
        await until(pilot, lambda: "other" not in page.text)
        assert not (two / "adapters" / "other").exists()
        assert page.entry.startswith("* mood")
        await page.select(base="tiny")
        await press_for(pilot, "d", ChoiceDialog)
        await pilot.press("down", "enter")
        await until(pilot, lambda: "tiny" not in page.text.split("Adapters")[0])
        await page.select(adapter="mood")
        await until(pilot, lambda: "not installed: add it" in page.card)

    app = play(scene)
    assert Settings.load(app.paths).base == ""


# ---- import and export


def test_exported_models_are_imported_elsewhere(furnished: Path, tmp_path: Path) -> None:
    async def export(pilot: Pilot[None]) -> None:
        page = await ModelsPage.open(pilot)
        for on, name in (({"adapter": "mood"}, "mood.zip"), ({"base": "tiny"}, "tiny.tar.gz")):
            path = tmp_path / name
            path.write_text("precious")
            await page.select(**on)
            await press_for(pilot, "x", PathDialog)
            await answer(pilot, str(tmp_path / "model.rar"))
            await until(pilot, lambda: "must end in .zip, .tar.gz" in problem(pilot))
            await answer(pilot, str(path))
            await until(pilot, lambda: "exists" in problem(pilot))
            assert path.read_text() == "precious"
            await pilot.press("enter")
            await message(pilot, f"Written: {path}")
        await page.select(adapter="mood")
        await press_for(pilot, "x", PathDialog)
        await answer(pilot, str(tmp_path / "mood.md"))
        await message(pilot, "mood.md")
        assert (tmp_path / "mood.md").read_text("utf-8").startswith("# Adapter mood")

        for reason, path in bad_archives(tmp_path).items():
            await open_import(pilot, path)
            await message(pilot, reason)
            await until(pilot, lambda: pilot.app.screen is page.screen)
        await open_import(pilot, forged_archive(tmp_path), "forged")
        await message(pilot, "is damaged")
        assert page.names("adapter") == ["mood"]

    play(export, size=(160, 40))
    shutil.rmtree(furnished / "adapters")
    shutil.rmtree(furnished / "bases")

    async def import_(pilot: Pilot[None]) -> None:
        page = await ModelsPage.open(pilot)
        words = ("Adapter 'mood'", "negative, positive", "'tiny'", "which is not installed")
        await open_import(pilot, tmp_path / "mood.zip", *words)
        await until(pilot, lambda: page.names("adapter") == ["mood"])
        await open_import(pilot, tmp_path / "tiny.tar.gz", "Base 'tiny'")
        await until(pilot, lambda: page.names("base") == ["tiny"])
        await until(pilot, lambda: "tiny" in page.entry)
        await page.select(adapter="mood")
        await until(pilot, lambda: "not installed" not in page.card)
        assert await label_of(page, "昨天的面太差了") == "negative"

        # A name that is in use must be replaced.
        await open_import(pilot, furnished / "adapters" / "mood", "belongs to base 'tiny', which is installed")
        await screen_of(pilot, InputDialog)
        assert "'mood' exists" in question(pilot)
        await answer(pilot, "mood")
        assert "'mood' exists" in problem(pilot)
        await answer(pilot, "second")
        await until(pilot, lambda: "second" in page.text)
        await until(pilot, lambda: "second" in page.entry)

    play(import_)


def bad_archives(folder: Path) -> dict[str, Path]:
    """Archives that must be refused, each with words of the reason."""
    climbing, linked, cut, strange = (folder / name for name in ("a.zip", "b.tar.gz", "c.zip", "d.zip"))
    with zipfile.ZipFile(climbing, "w") as archive:
        archive.writestr("../../card.json", b"{}")
    with tarfile.open(linked, "w:gz") as tar:
        entry = tarfile.TarInfo("card.json")
        entry.type, entry.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(entry)
    cut.write_bytes(climbing.read_bytes()[:40])
    with zipfile.ZipFile(strange, "w") as archive:
        archive.writestr("card.json", b'{"base_fingerprint": 3, "name": "[/x]"}')
    return {
        "which does not belong there": climbing,
        "is a link": linked,
        "as an archive": cut,
        "Invalid card": strange,
        "contains neither an adapter nor a base": folder,
    }


def forged_archive(folder: Path) -> Path:
    """Copy `mood.zip` with weights that are not those of its card."""
    forged = folder / "forged.zip"
    with zipfile.ZipFile(folder / "mood.zip") as intact, zipfile.ZipFile(forged, "w") as archive:
        archive.writestr("card.json", json.dumps(json.loads(intact.read("card.json")) | {"name": "forged"}))
        archive.writestr("adapter.safetensors", intact.read("adapter.safetensors")[:-1] + b"\0")
    return forged


def test_explanations_are_tested_and_kept_in_the_card(furnished: Path, few: Path) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        page = await ModelsPage.open(pilot, adapter="mood")
        await press_for(pilot, "f", PathDialog)
        await answer(pilot, str(few))
        await message(pilot, "Removing the 5 strongest units changes the probability by")
        explanations = page.screen.query_one("#explanations", Static)
        await until(pilot, lambda: "Removing the 5 strongest units" in lines(explanations))

    play(scene)
