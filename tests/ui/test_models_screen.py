"""The models screen: what there is, its cards, and all that is done with bases and adapters."""

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
from stage import play, until
from textual.pilot import Pilot
from textual.widgets import Input, Static

from weibo_tui.app.app import WeiboApp
from weibo_tui.app.dialogs import ChoiceDialog, InputDialog
from weibo_tui.app.forms.fields import Field
from weibo_tui.app.forms.path_dialog import PathDialog
from weibo_tui.app.models.model_card import ModelCard
from weibo_tui.app.models.model_list import ModelList
from weibo_tui.app.models.screen import ModelCardScreen, ModelsScreen
from weibo_tui.app.services.jobs import Job
from weibo_tui.app.train.pretraining_form import PretrainingForm
from weibo_tui.app.train.training_form import TrainingForm
from weibo_tui.app.widgets.chrome import StatusMessage
from weibo_tui.settings import Settings
from weibo_tui.workbench import LabelingConfig, Workbench

HOSTILE = "[/哈哈][b]\x1b[31m\u202eevil\n[doge]"


def the_app(pilot: Pilot[None]) -> WeiboApp:
    assert isinstance(pilot.app, WeiboApp)
    return pilot.app


def the_screen(pilot: Pilot[None]) -> ModelsScreen:
    screen = the_app(pilot).main_screens["models"]
    assert isinstance(screen, ModelsScreen)
    return screen


async def go_there(pilot: Pilot[None], base: str = "", adapter: str = "") -> ModelsScreen:
    """Open the screen, with the cursor on a base or an adapter where one is named."""
    await pilot.press("f5")
    screen = the_screen(pilot)
    await until(pilot, lambda: screen.is_mounted and screen.query_one(ModelList).option_count)
    await until(pilot, lambda: bool(screen.inventory.names("base")) or not (base or adapter))
    await put_on(pilot, base, adapter)
    return screen


async def put_on(pilot: Pilot[None], base: str = "", adapter: str = "") -> None:
    if base or adapter:
        listed = the_screen(pilot).query_one(ModelList)
        listed.select("base" if base else "adapter", base or adapter)
        await until(pilot, lambda: shown(listed).startswith(("*", " ")) and (base or adapter) in shown(listed))
        await pilot.pause()


def shown(listed: ModelList) -> str:
    """The lines of the entry under the cursor."""
    option = listed.highlighted_option
    return str(option.prompt) if option is not None else ""


def listing(screen: ModelsScreen) -> str:
    return "\n".join(str(option.prompt) for option in screen.query_one(ModelList).options)


def lines(widget: Any) -> str:
    """What a widget draws, as text."""
    return "\n".join(widget.render_line(y).text.rstrip() for y in range(widget.size.height))


def card_text(screen: Any) -> str:
    return lines(screen.query_one(ModelCard).query_one("#facts", Static))


def flash_text(pilot: Pilot[None]) -> str:
    return str(pilot.app.screen.query_one(StatusMessage).render())


async def message_line(pilot: Pilot[None], words: str) -> None:
    await until(pilot, lambda: pilot.app.screen.query(StatusMessage) and words in flash_text(pilot))


async def dialog(pilot: Pilot[None], kind: type) -> Any:
    await until(pilot, lambda: isinstance(pilot.app.screen, kind))
    await pilot.pause()
    return pilot.app.screen


async def answer(pilot: Pilot[None], text: str) -> None:
    """Type into the dialog that is open, and send it."""
    pilot.app.screen.query_one(Input).value = text
    await pilot.press("enter")


def question(pilot: Pilot[None]) -> str:
    return str(pilot.app.screen.query_one(".question", Static).render())


def problem(pilot: Pilot[None]) -> str:
    return str(pilot.app.screen.query_one(".problem", Static).render())


@pytest.fixture
def two(furnished: Path) -> Path:
    """A home with the base `tiny` and on it the adapters `mood`, which is the default, and `other`."""
    shutil.copytree(furnished / "adapters" / "mood", furnished / "adapters" / "other")
    return furnished


def change_card(folder: Path, **changes: Any) -> None:
    card = folder / "card.json"
    card.write_text(json.dumps(json.loads(card.read_text("utf-8")) | changes), "utf-8")


# ---- what is seen


def test_it_lists_bases_and_adapters_with_their_figures(two: Path) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        screen = await go_there(pilot)
        found = listing(screen)
        assert found.index("Bases") < found.index("* tiny") < found.index("Adapters") < found.index("* mood")
        assert "\n  other" in found
        assert ("parameters" in found and "MB" in found) or "kB" in found
        assert "negative, positive · on tiny" in found
        assert "% without emoticons" in found

    play(scene)


def test_the_card_of_a_base_says_its_shape_and_what_stands_on_it(two: Path) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        screen = await go_there(pilot, base="tiny")
        found = card_text(screen)
        assert "2 layers, 64 wide, 2 heads" in found
        assert "128 tokens at most" in found
        assert "corpus.txt" in found and "Validation loss" in found
        assert "pretrained here" in found
        assert "2 adapters stand on it" in found and "mood, other" in found

    play(scene, size=(120, 40))


def test_the_card_of_an_adapter_says_what_share_was_trained_and_how_good_it_is(furnished: Path) -> None:
    with Workbench.open() as bench:
        base, card = bench.bases.card("tiny"), bench.adapters.card("mood")
    share = 100 * card.parameters / (card.parameters + base.parameters)

    async def scene(pilot: Pilot[None]) -> None:
        screen = await go_there(pilot, adapter="mood")
        found = card_text(screen)
        assert f"{card.parameters:,} parameters, {share:.2f} % of base and adapter" in " ".join(found.split())
        assert "0–1 of 2, bottleneck 64, gelu" in found
        assert "posts.csv" in found and card.run in found
        assert "emoticon-dropout 0.5" in " ".join(found.split())
        assert f"{card.temperature:.3f}, float32" in found
        assert f"{100 * card.score['accuracy']:.1f} %" in lines(screen.query_one("ScoreView"))

    play(scene, size=(120, 60))


def test_in_a_narrow_window_enter_opens_the_card_and_escape_closes_it(furnished: Path) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        screen = await go_there(pilot, base="tiny")
        assert not screen.query_one(ModelCard).display
        await pilot.press("enter")
        form = await dialog(pilot, ModelCardScreen)
        await until(pilot, lambda: "2 layers" in card_text(form))
        await pilot.press("escape")
        await until(pilot, lambda: pilot.app.screen is screen)

    play(scene, size=(60, 20))


def test_in_a_wide_window_enter_goes_to_the_card(furnished: Path) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        screen = await go_there(pilot, base="tiny")
        await pilot.press("enter")
        await until(pilot, lambda: screen.query_one(ModelCard).has_focus)
        await pilot.press("escape")
        await until(pilot, lambda: screen.query_one(ModelList).has_focus)

    play(scene)


def test_an_empty_home_says_how_to_get_a_base_and_an_adapter(home: Path) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        screen = await go_there(pilot)
        await until(pilot, lambda: "None yet" in listing(screen))
        bases, adapters = listing(screen).split("Adapters")
        assert "i: " in bases and "p: " in bases
        assert "F3: " in adapters and "i: " in adapters
        for key in "uetxdr":
            await pilot.press(key)
        assert pilot.app.screen is screen

    play(scene)


def test_a_damaged_card_is_listed_with_what_to_do_and_can_be_deleted(two: Path) -> None:
    (two / "adapters" / "other" / "card.json").write_text("{", "utf-8")
    (two / "bases" / "bare").mkdir()

    async def scene(pilot: Pilot[None]) -> None:
        screen = await go_there(pilot, adapter="mood")
        assert "! other\n  damaged" in listing(screen)
        assert "! bare\n  damaged" in listing(screen)
        for kind, name in (("adapter", "other"), ("base", "bare")):
            screen.query_one(ModelList).select(kind, name)  # type: ignore[arg-type]
            await until(pilot, lambda: "remove its folder" in " ".join(card_text(screen).split()))
            await pilot.press("u", "x", "r", "e", "t")  # of no use on what is damaged
            await pilot.press("d")
            await dialog(pilot, ChoiceDialog)
            await pilot.press("down", "enter")
            await until(pilot, lambda: name not in listing(screen))  # noqa: B023
        assert not (two / "adapters" / "other").exists()
        assert not (two / "bases" / "bare").exists()

    play(scene)


def test_missing_weights_are_told(two: Path) -> None:
    (two / "adapters" / "other" / "adapter.safetensors").unlink()

    async def scene(pilot: Pilot[None]) -> None:
        screen = await go_there(pilot, adapter="other")
        assert "files are missing" in shown(screen.query_one(ModelList))
        assert "Missing here: adapter.safetensors." in " ".join(card_text(screen).split())

    play(scene)


def test_an_adapter_whose_base_is_not_here_says_so_and_is_not_measured(furnished: Path) -> None:
    change_card(furnished / "adapters" / "mood", base="elsewhere", base_fingerprint="ab" * 32)

    async def scene(pilot: Pilot[None]) -> None:
        screen = await go_there(pilot, adapter="mood")
        assert "elsewhere (abababababab…), which is not here" in " ".join(card_text(screen).split())
        await pilot.press("e")
        await message_line(pilot, "its base 'elsewhere' is not here")

    play(scene)


def test_hostile_cards_are_shown_as_they_are(two: Path) -> None:
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
    change_card(two / "bases" / "tiny", source=HOSTILE, made={"corpus": HOSTILE, "tokens": "[b]", "seconds": -1})
    (two / "bases" / "tiny" / "config.json").write_text('{"n_layer": "[b]"}', "utf-8")

    async def scene(pilot: Pilot[None]) -> None:
        screen = await go_there(pilot, adapter="other")
        found = card_text(screen)
        assert "[/哈哈][b]␛[31m<U+202E>evil [doge]" in " ".join(found.split())
        assert "\x1b" not in found and "\u202e" not in found
        assert "and 22 more" in found
        await put_on(pilot, base="tiny")
        await until(pilot, lambda: "[/哈哈][b]␛[31m" in card_text(screen))

    play(scene, size=(120, 60))


# ---- begin something elsewhere


def test_t_begins_a_training_on_the_chosen_base(two: Path) -> None:
    shutil.copytree(two / "bases" / "tiny", two / "bases" / "again")

    async def scene(pilot: Pilot[None]) -> None:
        await go_there(pilot, base="again")
        await pilot.press("t")
        form = await dialog(pilot, TrainingForm)
        assert the_app(pilot).current_mode == "train"
        assert form.query_one("#field-base", Field).text == "again"

    play(scene)


def test_p_begins_a_pretraining(home: Path) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        await go_there(pilot)
        await pilot.press("p")
        await dialog(pilot, PretrainingForm)
        assert the_app(pilot).current_mode == "train"

    play(scene)


# ---- use, rename, delete


def test_u_chooses_the_adapter_that_reads_posts(two: Path) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        screen = await go_there(pilot, adapter="other")
        await pilot.press("u")
        await until(pilot, lambda: "* other" in listing(screen))
        assert "* mood" not in listing(screen)
        assert the_app(pilot).catalog.adapter == "other"
        assert shown(screen.query_one(ModelList)).startswith("* other")
        assert await the_app(pilot).engine.call(lambda bench: bench.adapter_name()) == "other"

    app = play(scene)
    assert Settings.load(app.paths).adapter == "other"


def test_u_chooses_the_base_that_is_trained_on(two: Path) -> None:
    shutil.copytree(two / "bases" / "tiny", two / "bases" / "again")

    async def scene(pilot: Pilot[None]) -> None:
        screen = await go_there(pilot, base="again")
        await pilot.press("u")
        await until(pilot, lambda: "* again" in listing(screen))

    app = play(scene)
    assert Settings.load(app.paths).base == "again"


def test_r_renames_an_adapter_which_stays_the_default(two: Path) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        screen = await go_there(pilot, adapter="mood")
        await pilot.press("r")
        await dialog(pilot, InputDialog)
        await answer(pilot, "other")
        assert "'other' is there already" in problem(pilot)
        await answer(pilot, "../mood")
        assert "cannot be used" in problem(pilot)
        await answer(pilot, "feeling")
        await until(pilot, lambda: "* feeling" in listing(screen))
        assert shown(screen.query_one(ModelList)).startswith("* feeling")
        assert "mood" not in listing(screen)

    app = play(scene)
    assert Settings.load(app.paths).adapter == "feeling"
    assert (two / "adapters" / "feeling").is_dir()


def test_a_renamed_base_keeps_its_adapters(furnished: Path, few: Path) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        screen = await go_there(pilot, base="tiny")
        await pilot.press("r")
        await dialog(pilot, InputDialog)
        await answer(pilot, "small")
        await until(pilot, lambda: "* small" in listing(screen))
        assert "1 adapter stands on it" in card_text(screen)
        await put_on(pilot, adapter="mood")
        await until(pilot, lambda: "small (which it knew as tiny)" in card_text(screen))

        def judge(bench: Workbench) -> list[str]:
            return [analysis.label for analysis in bench.predict(["今天的面真好吃"], "mood", record=False)]

        assert await the_app(pilot).engine.call(judge) == ["positive"]

    play(scene)


def test_delete_asks_and_keeps_on_enter_alone(two: Path) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        screen = await go_there(pilot, adapter="other")
        await pilot.press("d")
        await dialog(pilot, ChoiceDialog)
        assert "Delete the adapter 'other'" in question(pilot)
        await pilot.press("enter")
        await until(pilot, lambda: pilot.app.screen is screen)
        assert (two / "adapters" / "other").is_dir()
        await pilot.press("d")
        await dialog(pilot, ChoiceDialog)
        await pilot.press("down", "enter")
        await until(pilot, lambda: "other" not in listing(screen))
        assert not (two / "adapters" / "other").exists()
        assert shown(screen.query_one(ModelList)).startswith("* mood")

    play(scene)


def test_deleting_a_base_tells_what_stands_on_it_and_what_is_the_default(two: Path) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        screen = await go_there(pilot, base="tiny")
        await pilot.press("delete")
        await dialog(pilot, ChoiceDialog)
        assert "2 adapters stand on it" in question(pilot) and "mood, other" in question(pilot)
        assert "used where none is named" in question(pilot)
        await pilot.press("down", "enter")
        await until(pilot, lambda: "tiny" not in listing(screen).split("Adapters")[0])
        await put_on(pilot, adapter="mood")
        await until(pilot, lambda: "which is not here" in " ".join(card_text(screen).split()))

    app = play(scene)
    assert Settings.load(app.paths).base == ""


def test_what_is_at_work_is_neither_deleted_nor_renamed(furnished: Path, few: Path, tmp_path: Path) -> None:
    plan = LabelingConfig(few, tmp_path / "labelled.csv", "mood")

    async def scene(pilot: Pilot[None]) -> None:
        screen = await go_there(pilot, adapter="mood")
        job = Job("label", "few.csv", lambda bench: bench.label_file(plan), screen, adapter="mood")
        job.pause()
        the_app(pilot).start_job(job)
        for key, on in (("d", {"adapter": "mood"}), ("r", {"adapter": "mood"}), ("d", {"base": "tiny"})):
            await put_on(pilot, **on)
            screen.query_one(StatusMessage).show("")
            await pilot.press(key)
            await message_line(pilot, "is at work (few.csv)")
        job.resume()
        the_app(pilot).wake_workers()
        await until(pilot, lambda: not the_app(pilot).jobs)
        await put_on(pilot, adapter="mood")
        await pilot.press("d")
        await dialog(pilot, ChoiceDialog)

    play(scene)


def test_a_base_that_another_program_trains_on_is_not_deleted(furnished: Path) -> None:
    with Workbench.open() as bench:
        run = bench.runs.create("train", "theirs", {"plan": {}, "base": bench.bases.card("tiny").fingerprint})
        with bench.runs.claim(run.id):

            async def scene(pilot: Pilot[None]) -> None:
                await go_there(pilot, base="tiny")
                await pilot.press("d")
                await message_line(pilot, "'tiny' is at work (theirs)")

            play(scene)


# ---- files


def test_an_exported_adapter_and_its_base_come_in_elsewhere(furnished: Path, tmp_path: Path) -> None:
    async def export(pilot: Pilot[None]) -> None:
        for on, out in (({"adapter": "mood"}, "mood.zip"), ({"base": "tiny"}, "tiny.tar.gz")):
            await go_there(pilot, **on)
            await pilot.press("x")
            await dialog(pilot, PathDialog)
            await answer(pilot, str(tmp_path / out))
            await message_line(pilot, f"{tmp_path / out} is written")

    play(export, size=(160, 40))
    shutil.rmtree(furnished / "adapters")
    shutil.rmtree(furnished / "bases")

    async def take_in(pilot: Pilot[None]) -> None:
        screen = await go_there(pilot)
        await pilot.press("i")
        await dialog(pilot, PathDialog)
        await answer(pilot, str(tmp_path / "mood.zip"))
        await dialog(pilot, ChoiceDialog)
        assert "The adapter 'mood'" in question(pilot) and "negative, positive" in question(pilot)
        assert "'tiny'" in question(pilot) and "which is not here" in question(pilot)
        await pilot.press("enter")
        await until(pilot, lambda: screen.inventory.names("adapter") == ["mood"])
        await pilot.press("i")
        await dialog(pilot, PathDialog)
        await answer(pilot, str(tmp_path / "tiny.tar.gz"))
        await dialog(pilot, ChoiceDialog)
        assert "The base 'tiny'" in question(pilot)
        await pilot.press("enter")
        await until(pilot, lambda: screen.inventory.names("base") == ["tiny"])
        await until(pilot, lambda: "tiny" in shown(screen.query_one(ModelList)))
        await put_on(pilot, adapter="mood")
        await until(pilot, lambda: "not here" not in card_text(screen))

        def judge(bench: Workbench) -> list[str]:
            return [analysis.label for analysis in bench.predict(["昨天的面太差了"], record=False)]

        assert await the_app(pilot).engine.call(judge) == ["negative"]

    play(take_in)


def test_what_comes_under_a_taken_name_is_asked_for_another(furnished: Path) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        screen = await go_there(pilot, adapter="mood")
        await pilot.press("i")
        await dialog(pilot, PathDialog)
        await answer(pilot, str(furnished / "adapters" / "mood"))
        await dialog(pilot, ChoiceDialog)
        assert "stands on the base 'tiny', which is here" in question(pilot)
        await pilot.press("enter")
        await dialog(pilot, InputDialog)
        assert "'mood' is there already" in question(pilot)
        await answer(pilot, "mood")
        assert "'mood' is there already" in problem(pilot)
        await answer(pilot, "second")
        await until(pilot, lambda: "second" in listing(screen))
        await until(pilot, lambda: "second" in shown(screen.query_one(ModelList)))

    play(scene)


def test_a_hugging_face_folder_is_recognised_and_converted(home: Path, tmp_path: Path) -> None:
    source = models.write_folder(tmp_path / "my model[b]", models.reference())

    async def scene(pilot: Pilot[None]) -> None:
        screen = await go_there(pilot)
        await pilot.press("i")
        await dialog(pilot, PathDialog)
        await answer(pilot, str(source))
        await dialog(pilot, ChoiceDialog)
        assert "Hugging Face" in question(pilot) and "my model[b]" in question(pilot)
        await pilot.press("enter")
        await dialog(pilot, InputDialog)
        assert pilot.app.screen.query_one(Input).value == "my-model-b"
        await pilot.press("enter")
        await until(pilot, lambda: screen.inventory.names("base") == ["my-model-b"])
        assert "* my-model-b" in listing(screen)
        assert str(source) in "".join(card_text(screen).split("\n")).replace(" ", "").replace("mymodel", "my model")

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


def test_hostile_archives_are_refused_with_a_sentence(furnished: Path, tmp_path: Path) -> None:
    card = (furnished / "adapters" / "mood" / "card.json").read_bytes()
    refused = hostile_archives(tmp_path, card)

    async def scene(pilot: Pilot[None]) -> None:
        screen = await go_there(pilot, adapter="mood")
        for reason, path in refused.items():
            await pilot.press("i")
            await dialog(pilot, PathDialog)
            await answer(pilot, str(path))
            await message_line(pilot, reason)
            await until(pilot, lambda: pilot.app.screen is screen)
        assert screen.inventory.names("adapter") == ["mood"]

    play(scene, size=(160, 40))


def test_an_adapter_whose_weights_are_not_its_own_is_refused(furnished: Path, tmp_path: Path) -> None:
    with Workbench.open() as bench:
        deque(bench.export_adapter("mood", tmp_path / "mood.zip"), maxlen=0)
    forged = tmp_path / "forged.zip"
    with zipfile.ZipFile(tmp_path / "mood.zip") as whole, zipfile.ZipFile(forged, "w") as archive:
        card = json.loads(whole.read("card.json")) | {"name": "forged"}
        archive.writestr("card.json", json.dumps(card))
        archive.writestr("adapter.safetensors", whole.read("adapter.safetensors")[:-1] + b"\0")

    async def scene(pilot: Pilot[None]) -> None:
        screen = await go_there(pilot, adapter="mood")
        await pilot.press("i")
        await dialog(pilot, PathDialog)
        await answer(pilot, str(forged))
        await dialog(pilot, ChoiceDialog)
        await pilot.press("enter")
        await message_line(pilot, "is damaged")
        assert screen.inventory.names("adapter") == ["mood"]

    play(scene, size=(160, 40))


def test_a_file_that_is_there_is_replaced_only_on_a_second_enter(furnished: Path, tmp_path: Path) -> None:
    out = tmp_path / "mood.zip"
    out.write_text("precious")

    async def scene(pilot: Pilot[None]) -> None:
        await go_there(pilot, adapter="mood")
        await pilot.press("x")
        await dialog(pilot, PathDialog)
        await answer(pilot, str(tmp_path / "mood.rar"))
        await until(pilot, lambda: ".zip or .tar.gz" in problem(pilot))
        await answer(pilot, str(out))
        await until(pilot, lambda: "is there already" in problem(pilot))
        assert out.read_text() == "precious"
        await pilot.press("enter")
        await message_line(pilot, "is written")
        assert zipfile.is_zipfile(out)

    play(scene, size=(160, 40))


def test_the_list_stays_where_it_was_when_something_changes(two: Path) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        screen = await go_there(pilot, adapter="other")
        shutil.copytree(two / "adapters" / "mood", two / "adapters" / "another")
        await pilot.press("f2", "f5")
        await until(pilot, lambda: "another" in listing(screen))
        assert shown(screen.query_one(ModelList)).lstrip().startswith("other")

    play(scene)
