"""The models screen: the list, the cards, and the actions on bases and adapters."""

from __future__ import annotations

import json
import shutil
import tarfile
import zipfile
from collections import deque
from pathlib import Path
from typing import Any

import models
import pytest
from models_page import ModelsPage, answer, card_text, lines, message, problem, question, screen_of
from stage import play, until
from textual.pilot import Pilot
from textual.widgets import Input

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
from weibo_tui.workbench import LabelingConfig, Workbench

HOSTILE = "[/哈哈][b]\x1b[31m\u202eevil\n[doge]"


@pytest.fixture
def two(furnished: Path) -> Path:
    """A home with the base `tiny` and on it the adapters `mood`, which is the default, and `other`."""
    shutil.copytree(furnished / "adapters" / "mood", furnished / "adapters" / "other")
    return furnished


def change_card(folder: Path, **changes: Any) -> None:
    card = folder / "card.json"
    card.write_text(json.dumps(json.loads(card.read_text("utf-8")) | changes), "utf-8")


async def open_import(pilot: Pilot[None], path: Path) -> None:
    await pilot.press("i")
    await screen_of(pilot, PathDialog)
    await answer(pilot, str(path))


async def confirm(pilot: Pilot[None]) -> None:
    """Take the second answer of a question."""
    await screen_of(pilot, ChoiceDialog)
    await pilot.press("down", "enter")


async def labels_of(page: ModelsPage, post: str, adapter: str = "") -> list[str]:
    """The label that the engine predicts."""

    def predict(wb: Workbench) -> list[str]:
        return [analysis.label for analysis in wb.iter_predict([post], adapter, record=False)]

    return await page.app.engine.call(predict)


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
            *("2 layers, 64 wide, 2 heads", "128 tokens at most", "corpus.txt", "Validation loss", "pretrained here"),
            *("2 adapters stand on it", "mood, other"),
        ):
            assert words in page.card
        await page.select(adapter="mood")
        for words in (
            f"{card.parameters:,} parameters, {share:.2f} % of base and adapter",
            "0–1 of 2, bottleneck 64, gelu",
            "posts.csv",
            card.run,
            "emoticon-dropout 0.5",
            f"{card.temperature:.3f}, float32",
        ):
            assert words in page.card
        assert f"{100 * card.score['accuracy']:.1f} %" in lines(page.screen.query_one("ScoreView"))
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

    play(scene, size=(120, 60))


def test_narrow_window_opens_the_card_on_a_screen(furnished: Path) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        page = await ModelsPage.open(pilot, base="tiny")
        assert not page.screen.query_one(ModelCard).display
        await pilot.press("enter")
        form = await screen_of(pilot, ModelCardScreen)
        await until(pilot, lambda: "2 layers" in card_text(form))
        await pilot.press("escape")
        await until(pilot, lambda: pilot.app.screen is page.screen)

    play(scene, size=(60, 20))


def test_empty_home_explains_how_to_get_models(home: Path) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        page = await ModelsPage.open(pilot)
        await until(pilot, lambda: "None yet" in page.text)
        bases, adapters = page.text.split("Adapters")
        assert "i: " in bases and "p: " in bases
        assert "F3: " in adapters and "i: " in adapters
        for key in "uetxdr":
            await pilot.press(key)
        assert pilot.app.screen is page.screen
        await pilot.press("p")
        await screen_of(pilot, PretrainingForm)
        assert page.app.current_mode == "train"

    play(scene)


def test_corrupt_models_are_explained_and_deleted(two: Path) -> None:
    (two / "adapters" / "other" / "card.json").write_text("{", "utf-8")
    (two / "bases" / "bare").mkdir()
    (two / "adapters" / "mood" / "adapter.safetensors").unlink()

    async def scene(pilot: Pilot[None]) -> None:
        page = await ModelsPage.open(pilot, adapter="mood")
        assert "files are missing" in page.entry
        assert "Missing here: adapter.safetensors." in page.card
        for on in ({"adapter": "other"}, {"base": "bare"}):
            (name,) = on.values()
            assert f"! {name}\n  damaged" in page.text
            await page.select(**on)
            await until(pilot, lambda: "remove its folder" in page.card)
            await pilot.press("u", "x", "r", "e", "t", "d")  # the others do not work on a corrupt model
            await confirm(pilot)
            await until(pilot, lambda: name not in page.text)  # noqa: B023
        assert not (two / "adapters" / "other").exists()
        assert not (two / "bases" / "bare").exists()

    play(scene)


def test_hostile_cards_are_shown_as_text(two: Path) -> None:
    labels = [HOSTILE, "[哈哈]" * 200, *(f"[label {n}]" for n in range(60))]
    change_card(
        two / "adapters" / "other",
        labels=labels,
        raw_labels=list(map(str, range(len(labels)))),
        base=HOSTILE,
        activation=HOSTILE,
        dtype=HOSTILE,
        run=HOSTILE,
        parameters=2**62,
        data={"files": [HOSTILE], "labels": {HOSTILE: 10**12}, "train": "x", "split_seed": -1},
        hyperparameters={"epochs": HOSTILE, "seed": {"a": 1}, "blocks": ["x"]},
        score={"accuracy": 1e8, "labels": [HOSTILE], "emoticons": {HOSTILE: -3.0}, "ece": None},
        created_at=HOSTILE,
    )
    change_card(two / "adapters" / "mood", base="elsewhere", base_fingerprint="ab" * 32)
    change_card(two / "bases" / "tiny", source=HOSTILE, made={"corpus": HOSTILE, "tokens": "[b]", "seconds": -1})
    (two / "bases" / "tiny" / "config.json").write_text('{"n_layer": "[b]"}', "utf-8")

    async def scene(pilot: Pilot[None]) -> None:
        page = await ModelsPage.open(pilot, adapter="other")
        text = page.card
        assert "[/哈哈][b]␛[31m<U+202E>evil [doge]" in text
        assert "\x1b" not in text and "\u202e" not in text
        assert "and 22 more" in text
        await page.select(base="tiny")
        await until(pilot, lambda: "[/哈哈][b]␛[31m" in page.card)
        await page.select(adapter="mood")  # its base is missing
        assert "elsewhere (abababababab…), which is not here" in page.card
        await pilot.press("e")
        await message(pilot, "its base 'elsewhere' is not here")

    play(scene, size=(120, 60))


# ---- use, train, rename, delete


def test_use_sets_the_default_and_train_opens_the_form(two: Path) -> None:
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
        await pilot.press("t")
        form = await screen_of(pilot, TrainingForm)
        assert page.app.current_mode == "train"
        assert form.query_one("#field-base", Field).text == "tiny"

    app = play(scene)
    settings = Settings.load(app.paths)
    assert (settings.adapter, settings.base) == ("other", "again")


def test_renamed_models_stay_default_and_connected(two: Path) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        page = await ModelsPage.open(pilot, adapter="mood")
        await pilot.press("r")
        await screen_of(pilot, InputDialog)
        await answer(pilot, "other")
        assert "'other' is there already" in problem(pilot)
        await answer(pilot, "../mood")
        assert "cannot be used" in problem(pilot)
        await answer(pilot, "feeling")
        await until(pilot, lambda: "* feeling" in page.text)
        assert page.entry.startswith("* feeling")
        assert "mood" not in page.text
        await page.select(base="tiny")
        await pilot.press("r")
        await screen_of(pilot, InputDialog)
        await answer(pilot, "small")
        await until(pilot, lambda: "* small" in page.text)
        assert "2 adapters stand on it" in page.card
        await page.select(adapter="feeling")
        await until(pilot, lambda: "small (which it knew as tiny)" in page.card)
        assert await labels_of(page, "今天的面真好吃", "feeling") == ["positive"]

    app = play(scene)
    assert Settings.load(app.paths).adapter == "feeling"
    assert (two / "adapters" / "feeling").is_dir()


def test_delete_asks_first_and_names_what_depends_on_it(two: Path) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        page = await ModelsPage.open(pilot, base="tiny")
        await pilot.press("delete")
        await screen_of(pilot, ChoiceDialog)
        assert "2 adapters stand on it" in question(pilot) and "mood, other" in question(pilot)
        assert "used where none is named" in question(pilot)
        await pilot.press("enter")  # the safe answer
        await until(pilot, lambda: pilot.app.screen is page.screen)
        await page.select(adapter="other")
        await pilot.press("d")
        await screen_of(pilot, ChoiceDialog)
        assert "Delete the adapter 'other'" in question(pilot)
        await pilot.press("down", "enter")
        await until(pilot, lambda: "other" not in page.text)
        assert not (two / "adapters" / "other").exists()
        assert page.entry.startswith("* mood")
        await page.select(base="tiny")
        await pilot.press("d")
        await confirm(pilot)
        await until(pilot, lambda: "tiny" not in page.text.split("Adapters")[0])
        await page.select(adapter="mood")
        await until(pilot, lambda: "which is not here" in page.card)

    app = play(scene)
    assert Settings.load(app.paths).base == ""


def test_models_in_use_are_not_deleted_or_renamed(furnished: Path, few: Path, tmp_path: Path) -> None:
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
            await message(pilot, "is at work (few.csv)")
        job.resume()
        page.app.wake_workers()
        await until(pilot, lambda: not page.app.jobs)
        with Workbench() as wb:  # another program trains on the base
            run = wb.runs.create("train", "theirs", {"plan": {}, "base": wb.bases.card("tiny").fingerprint})
            with wb.runs.lock(run.id):
                page.screen.query_one(StatusMessage).show("")
                await pilot.press("d")
                await message(pilot, "'tiny' is at work (theirs)")
        await page.select(adapter="mood")
        await pilot.press("d")
        await screen_of(pilot, ChoiceDialog)

    play(scene)


# ---- import and export


def test_exported_models_are_imported_elsewhere(furnished: Path, tmp_path: Path) -> None:
    async def export(pilot: Pilot[None]) -> None:
        page = await ModelsPage.open(pilot)
        for on, name in (({"adapter": "mood"}, "mood.zip"), ({"base": "tiny"}, "tiny.tar.gz")):
            await page.select(**on)
            await pilot.press("x")
            await screen_of(pilot, PathDialog)
            await answer(pilot, str(tmp_path / "model.rar"))
            await until(pilot, lambda: ".zip or .tar.gz" in problem(pilot))
            (tmp_path / name).write_text("precious")
            await answer(pilot, str(tmp_path / name))
            await until(pilot, lambda: "is there already" in problem(pilot))
            assert (tmp_path / name).read_text() == "precious"
            await pilot.press("enter")
            await message(pilot, f"{tmp_path / name} is written")

    play(export, size=(160, 40))
    shutil.rmtree(furnished / "adapters")
    shutil.rmtree(furnished / "bases")

    async def import_(pilot: Pilot[None]) -> None:
        page = await ModelsPage.open(pilot)
        await open_import(pilot, tmp_path / "mood.zip")
        await screen_of(pilot, ChoiceDialog)
        assert "The adapter 'mood'" in question(pilot) and "negative, positive" in question(pilot)
        assert "'tiny'" in question(pilot) and "which is not here" in question(pilot)
        await pilot.press("enter")
        await until(pilot, lambda: page.screen.inventory.names("adapter") == ["mood"])
        await open_import(pilot, tmp_path / "tiny.tar.gz")
        await screen_of(pilot, ChoiceDialog)
        assert "The base 'tiny'" in question(pilot)
        await pilot.press("enter")
        await until(pilot, lambda: page.screen.inventory.names("base") == ["tiny"])
        await until(pilot, lambda: "tiny" in page.entry)
        await page.select(adapter="mood")
        await until(pilot, lambda: "not here" not in page.card)
        assert await labels_of(page, "昨天的面太差了") == ["negative"]

        await open_import(pilot, furnished / "adapters" / "mood")  # under a name that is in use
        await screen_of(pilot, ChoiceDialog)
        assert "stands on the base 'tiny', which is here" in question(pilot)
        await pilot.press("enter")
        await screen_of(pilot, InputDialog)
        assert "'mood' is there already" in question(pilot)
        await answer(pilot, "mood")
        assert "'mood' is there already" in problem(pilot)
        await answer(pilot, "second")
        await until(pilot, lambda: "second" in page.text)
        await until(pilot, lambda: "second" in page.entry)

    play(import_)


def test_hugging_face_folder_is_converted(home: Path, tmp_path: Path) -> None:
    source = models.write_folder(tmp_path / "my model[b]", models.reference())

    async def scene(pilot: Pilot[None]) -> None:
        page = await ModelsPage.open(pilot)
        await open_import(pilot, source)
        await screen_of(pilot, ChoiceDialog)
        assert "Hugging Face" in question(pilot) and "my model[b]" in question(pilot)
        await pilot.press("enter")
        await screen_of(pilot, InputDialog)
        assert pilot.app.screen.query_one(Input).value == "my-model-b"
        await pilot.press("enter")
        await until(pilot, lambda: page.screen.inventory.names("base") == ["my-model-b"])
        assert "* my-model-b" in page.text
        assert str(source).replace(" ", "") in page.card.replace(" ", "")

    play(scene, size=(160, 40))


def hostile_archives(folder: Path, card: bytes) -> dict[str, Path]:
    """Archives that must be refused, each with words of the reason."""
    climbing = folder / "climbing.zip"
    with zipfile.ZipFile(climbing, "w") as archive:
        archive.writestr("../../card.json", card)
    linked = folder / "linked.tar.gz"
    with tarfile.open(linked, "w:gz") as tar:
        entry = tarfile.TarInfo("card.json")
        entry.type, entry.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(entry)
    cut = folder / "cut.zip"
    cut.write_bytes(climbing.read_bytes()[:40])
    strange = folder / "strange.zip"
    with zipfile.ZipFile(strange, "w") as archive:
        archive.writestr("card.json", b'{"base_fingerprint": 3, "name": "[/x]"}')
    return {
        "which does not belong there": climbing,
        "is a link": linked,
        "cannot be read as an archive": cut,
        "no usable card": strange,
        "holds neither an adapter nor a base": folder,
    }


def test_bad_archives_are_refused(furnished: Path, tmp_path: Path) -> None:
    refused = hostile_archives(tmp_path, (furnished / "adapters" / "mood" / "card.json").read_bytes())
    with Workbench() as wb:
        deque(wb.iter_export_adapter("mood", tmp_path / "mood.zip"), maxlen=0)
    forged = tmp_path / "forged.zip"
    with zipfile.ZipFile(tmp_path / "mood.zip") as intact, zipfile.ZipFile(forged, "w") as archive:
        card = json.loads(intact.read("card.json")) | {"name": "forged"}
        archive.writestr("card.json", json.dumps(card))
        archive.writestr("adapter.safetensors", intact.read("adapter.safetensors")[:-1] + b"\0")

    async def scene(pilot: Pilot[None]) -> None:
        page = await ModelsPage.open(pilot, adapter="mood")
        for reason, path in refused.items():
            await open_import(pilot, path)
            await message(pilot, reason)
            await until(pilot, lambda: pilot.app.screen is page.screen)
        await open_import(pilot, forged)  # whose weights are not those of its card
        await screen_of(pilot, ChoiceDialog)
        await pilot.press("enter")
        await message(pilot, "is damaged")
        assert page.screen.inventory.names("adapter") == ["mood"]

    play(scene, size=(160, 40))
