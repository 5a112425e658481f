"""The forms for a new training and a new base: fields are checked while typing, and the files are previewed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import Any, cast

import made_up
import pytest
from models_page import screen_of
from stage import app_of, drawn, play, press, until
from textual import events
from textual.pilot import Pilot
from textual.widgets import Button, Collapsible, Input, OptionList, Select, Static

from weibo_tui import ComputeOptions, TrainingConfig, Workbench
from weibo_tui.app.app import WeiboApp
from weibo_tui.app.formatting import safe_content
from weibo_tui.app.forms.base import PlanForm
from weibo_tui.app.forms.data_preview import DataPreview
from weibo_tui.app.forms.fields import Field
from weibo_tui.app.forms.file_list import FileList
from weibo_tui.app.forms.hyperparameter_fields import more_fields, name_field, parameter_fields
from weibo_tui.app.forms.path_input import PathInput
from weibo_tui.app.help_screen import Help
from weibo_tui.app.train.pretraining_form import PretrainingForm, count_parameters
from weibo_tui.app.train.screen import TrainScreen
from weibo_tui.app.train.training_form import HYPER, TrainingForm
from weibo_tui.app.widgets.chrome import StatusMessage
from weibo_tui.engine.hyperparameters import Hyperparameters
from weibo_tui.errors import UserInputError
from weibo_tui.workbench.config import UNITS
from weibo_tui.workbench.downloads import BASE

Scene = Callable[[Pilot[None], Any], Coroutine[Any, Any, None]]


def play_form(scene: Scene, key: str = "n", size: tuple[int, int] = (100, 30)) -> None:
    """Open the form from the train screen and run `scene`."""

    async def open_and_play(pilot: Pilot[None]) -> None:
        app = cast(WeiboApp, pilot.app)
        await until(pilot, lambda: app.catalog.bases)
        await pilot.press("f3")
        await pilot.press(key)
        await until(pilot, lambda: isinstance(app.screen, PlanForm))
        await pilot.pause()
        await scene(pilot, app.screen)

    play(open_and_play, size)


def field(form: PlanForm[Any], name: str) -> Field:
    return form.query_one(f"#field-{name.replace('_', '-')}", Field)


async def type_into(pilot: Pilot[None], form: PlanForm[Any], name: str, text: str) -> Field:
    entry = field(form, name)
    entry.query_one(Input).value = text
    await pilot.pause()
    return entry


async def choose(pilot: Pilot[None], form: PlanForm[Any], path: Path) -> None:
    line = form.query_one(PathInput)
    line.value = str(path)
    line.focus()
    await pilot.press("enter")
    await until(pilot, lambda: path in form.query_one(FileList).files)


async def remove_first(pilot: Pilot[None], form: PlanForm[Any]) -> None:
    """Remove the first of the chosen files."""
    form.query_one("_ChosenFiles", OptionList).focus()
    await pilot.press("home", "delete")


def write(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def shown(widget: Any) -> str:
    """Return the text of a widget and its children without line breaks."""
    parts = [*widget.query(Static), widget]
    strips = [strip for part in parts if part.display for strip in part.render_lines(part.size.region)]
    return " ".join(" ".join(strip.text for strip in strips).split())


def problem(form: PlanForm[Any]) -> str:
    line = form.query_one(".start .hint", Static)
    return str(line.render()) if line.has_class("-problem") else ""


WRONG = (
    ("epochs", "0", "a whole number from 1 to 1,000"),
    ("epochs", "1.5", "a whole number"),
    ("learning_rate", "2", "a number from 1e-07 to 1"),
    ("learning_rate", "nan", "a number from"),
    ("learning_rate", "quick", "a number from"),
    ("validation", "0.5", "a number between 0 and 0.5"),
    ("blocks", "first", "write all, last-third"),
    ("threads", "-1", "a whole number from 0"),
    ("seed", str(2**32), "a whole number"),
    ("probes", "|".join("一二三四五六七八九十百"), "at most 10 posts"),
    ("name", "my adapter", "Invalid name"),
    ("name", "mood", "this name exists already"),
)


def test_fields_refuse_wrong_values() -> None:
    fields = [*parameter_fields(Hyperparameters, main=True), *more_fields(), name_field("", {"mood"})]
    specs = {spec.name: spec for spec in fields}
    for name, wrong, words in WRONG:
        with pytest.raises(UserInputError, match=words):
            specs[name].parse(wrong)


def test_form_explains_wrong_values_and_starts_a_training(furnished: Path, few: Path) -> None:
    async def scene(pilot: Pilot[None], form: TrainingForm) -> None:
        app = cast(WeiboApp, pilot.app)
        assert field(form, "base").spec.choices == (("tiny", "tiny"), (BASE, f"{BASE} (420 MB, downloaded first)"))
        await type_into(pilot, form, "name", "fresh")
        await pilot.click(form.query_one("#start", Button))
        await until(pilot, lambda: "Choose a file to train on first" in problem(form))
        line = form.query_one(PathInput)
        assert pilot.app.focused is line.query_one(Input)
        line.value = str(few.with_name("none.csv"))
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "File not found" in problem(form))
        await type_into(pilot, form, "name", "")
        line.value = str(few)
        await pilot.press("tab")  # leaving the line adds the file
        await until(pilot, lambda: form.query_one(FileList).files == [few])
        assert set(HYPER) == set(Hyperparameters.__dataclass_fields__)
        assert form.plan() == TrainingConfig((few,), "few", "tiny", labels=None, machine=ComputeOptions())

        for name, wrong, words in WRONG[::3]:
            entered = await type_into(pilot, form, name, wrong)
            assert words in entered.problem
            assert entered.has_class("-wrong")
            form.action_start()
            await until(pilot, partial(getattr, entered.query_one(Input), "has_focus"))
            await until(pilot, lambda: words in problem(form))  # noqa: B023
            assert not any(parent.collapsed for parent in entered.ancestors if isinstance(parent, Collapsible))
            await type_into(pilot, form, name, "")
            assert not entered.has_class("-wrong")
        assert app.screen is form

        # Closing the form ends its audit and keeps the texts.
        await type_into(pilot, form, "epochs", "1")
        await type_into(pilot, form, "bottleneck", "8")
        await type_into(pilot, form, "probes", "今天的面真好吃 | 服务太差了")
        preview = form.query_one(DataPreview)
        await until(pilot, lambda: preview._thread is not None)
        thread = preview._thread
        assert thread is not None
        await pilot.press("escape")
        await until(pilot, lambda: not thread.is_alive())
        await pilot.press("n")
        form = await screen_of(pilot, TrainingForm)
        assert (form.plan().hyper.epochs, form.plan().hyper.bottleneck, form.plan().data) == (1, 8, (few,))
        assert form.plan().probes == ("今天的面真好吃", "服务太差了")
        await type_into(pilot, form, "max_length", "32")
        await type_into(pilot, form, "name", "few")
        await pilot.press("ctrl+s")
        train = cast(TrainScreen, app.main_screens["train"])
        await until(pilot, lambda: train.entry is not None and train.entry.state == "finished")
        await until(pilot, lambda: any(card.name == "few" for card in app.catalog.adapters))
        card = next(card for card in app.catalog.adapters if card.name == "few")
        assert (card.max_length, card.bottleneck, card.base) == (32, 8, "tiny")

    play_form(scene)


def test_form_start_finds_taken_names_and_unlabeled_files(furnished: Path, few: Path, tmp_path: Path) -> None:
    unlabeled = write(tmp_path / "unlabeled.csv", "review,label", "真好吃,", "难吃,", "还行,NA")

    async def scene(pilot: Pilot[None], form: TrainingForm) -> None:
        with Workbench() as wb, wb.runs.lock(wb.runs.create("train", "few", {}).id):
            # The proposed name is not one that a run in progress reserves.
            await pilot.press("escape", "n")
            form = await screen_of(pilot, TrainingForm)
            await choose(pilot, form, few)
            await until(pilot, lambda: field(form, "name").value == "few-2")
            with wb.runs.lock(wb.runs.create("train", "few-2", {}).id):
                await pilot.press("ctrl+s")
                await until(pilot, lambda: "Name 'few-2' is reserved by run" in problem(form))
                assert field(form, "name").has_class("-wrong")
                assert pilot.app.focused is field(form, "name").query_one(Input)
            await remove_first(pilot, form)
            await choose(pilot, form, unlabeled)
            await pilot.press("ctrl+s")
            await until(pilot, lambda: "no row has both a post and a label" in problem(form))
            assert pilot.app.focused is form.query_one(PathInput).query_one(Input)
            assert pilot.app.screen is form
            assert app_of(pilot).jobs == []
            # A validation file of one's own is checked too.
            own = form.query(Collapsible).first().query_one(PathInput)
            own.value = str(few)
            assert form.plan().validation_data == (few,)
            own.value = str(tmp_path / "none.csv")
            await pilot.press("ctrl+s")
            await until(pilot, lambda: "none.csv" in problem(form) and own.query_one(Input).has_focus)
            assert not form.query_one(Collapsible).collapsed

    play_form(scene)


def test_form_starts_with_a_file_that_is_typed_only(furnished: Path, few: Path) -> None:
    async def scene(pilot: Pilot[None], form: TrainingForm) -> None:
        train = cast(TrainScreen, app_of(pilot).main_screens["train"])
        form.query_one(PathInput).focus()
        pilot.app.post_message(events.Paste(str(few)))
        await until(pilot, lambda: form.query_one(PathInput).value == str(few))
        await pilot.press("ctrl+s")
        await until(pilot, lambda: [run.job.title for run in train.store.local_runs] == [few.stem])

    play_form(scene)


def test_form_starts_once_whatever_is_opened_above_it(furnished: Path, few: Path) -> None:
    async def scene(pilot: Pilot[None], form: TrainingForm) -> None:
        app, train = app_of(pilot), cast(TrainScreen, app_of(pilot).main_screens["train"])
        train.action_new()  # as the commands do while a form is open
        await until(pilot, lambda: isinstance(app.screen, TrainingForm) and app.screen is not form)
        assert app.screen_stack == [train, app.screen]
        form = cast(TrainingForm, app.screen)
        await choose(pilot, form, few)
        gate = asyncio.Event()
        checked = form.check

        async def check(plan: TrainingConfig) -> TrainingConfig:
            await gate.wait()
            return await checked(plan)

        form.check = check  # type: ignore[method-assign]
        await pilot.press("ctrl+s", "f1")
        await until(pilot, lambda: isinstance(app.screen, Help))
        gate.set()
        await until(pilot, lambda: "“New training” is checked" in str(form.query_one(StatusMessage).content))
        assert isinstance(app.screen, Help)
        assert not app.jobs
        await pilot.press("escape")
        await until(pilot, lambda: len(train.store.local_runs) == 1 and app.screen is train)

    play_form(scene)


def test_form_label_map_changes_preview_and_plan(furnished: Path, tmp_path: Path) -> None:
    stars = write(tmp_path / "stars.csv", "review,label", "真好吃,5", "难吃,1", "还行,3", "很好,4.5", "谢谢,NA")

    async def scene(pilot: Pilot[None], form: TrainingForm) -> None:
        await choose(pilot, form, stars)
        audit = form.query_one(DataPreview)
        await until(pilot, lambda: "use “Label map” '<3=negative; >=3=positive'" in shown(audit))
        form.query(Collapsible).first().collapsed = False
        entry = await type_into(pilot, form, "map", "1")
        assert "“Label map” 1 is no rule" in entry.problem
        await type_into(pilot, form, "map", "<3=negative；>3=positive; 3=")
        await until(pilot, lambda: "1 = negative, 4.5 / 5 = positive" in shown(audit))
        assert "5, 1 unlabeled, 1 dropped" in shown(audit)
        assert form.plan().map == ("<3=negative", ">3=positive", "3=")

    play_form(scene)


def test_form_preset_sets_fields_and_changes_make_it_custom(furnished: Path, few: Path) -> None:
    async def scene(pilot: Pilot[None], form: TrainingForm) -> None:
        await choose(pilot, form, few)
        preset, summary = field(form, "preset"), form.query_one(".preset", Static)
        assert preset.text == "balanced"
        preset.focus()
        await pilot.press("enter")
        choices = preset.query_one(OptionList)
        await until(pilot, lambda: choices.size and (choices.highlighted, choices.scroll_y) == (1, 0))
        await until(pilot, lambda: all(drawn(pilot).count(name) >= 1 for name in ("quick", "best", "custom")))
        await pilot.press("up", "enter")
        await until(pilot, lambda: "last third of the blocks, cached activations, 2 epochs" in shown(summary))
        assert (form.plan().hyper.blocks, form.plan().keep_states) == ("last-third", True)
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "Base 'tiny' of 2 blocks leaves no activations to cache" in problem(form))
        assert "Turn off “Cached activations”, or choose later “Blocks”." in problem(form)
        await type_into(pilot, form, "epochs", "3")
        await until(pilot, lambda: (preset.text, shown(summary)) == ("custom", "your own values"))
        assert (form.plan().hyper.blocks, form.plan().hyper.epochs) == ("last-third", 3)
        await type_into(pilot, form, "seed", "5")
        await type_into(pilot, form, "split_seed", "8")
        assert (form.plan().hyper.seed, form.plan().split_seed) == (5, 8)
        await pilot.press("escape", "n")
        form = await screen_of(pilot, TrainingForm)
        await until(pilot, lambda: field(form, "preset").text == "custom")
        assert (form.plan().hyper.epochs, form.plan().keep_states) == (3, True)
        field(form, "preset").text = "balanced"
        await until(pilot, lambda: field(form, "epochs").value == 2)
        assert not form.plan().keep_states

    play_form(scene)


def test_form_tab_goes_down_and_no_field_moves(furnished: Path, few: Path) -> None:
    def places(form: TrainingForm) -> dict[str, int]:
        """Return the line of each field in the column."""
        top = form.query_one(FileList).region.y
        return {str(entry.id): entry.region.y - top for entry in form.query(Field) if entry.region.height}

    async def scene(pilot: Pilot[None], form: TrainingForm) -> None:
        await choose(pilot, form, few)
        sides, start = form.query_one("#sides"), form.query_one("#start", Button)
        for size in ((80, 24), (60, 20), (120, 36)):
            await pilot.resize_terminal(*size)
            form.query_one(PathInput).focus()
            await pilot.pause()
            aside, fields = form.query_one("#aside").region, form.query_one("#fields").region
            assert aside.x >= fields.right if size[0] >= 120 else aside.y >= fields.bottom
            before = places(form)
            names = [str(part.id) for node in form.focus_chain for part in node.ancestors if isinstance(part, Field)]
            assert names == sorted(names, key=lambda name: before[name])
            assert form.focus_chain[-1] is start
            for name in ("bottleneck", "name"):
                line = field(form, name).query_one(Input)
                line.focus()
                line.value = "?"
                await until(pilot, lambda: problem(form))
                await press(pilot, "enter")
                top, bottom = sides.region.y, start.region.y
                await until(pilot, lambda: top <= line.region.y < bottom)  # noqa: B023
                assert places(form) == before
                line.value = ""
                await until(pilot, lambda: not problem(form))
            await press(pilot, "tab")
            assert pilot.app.focused is field(form, "base").query_one(Select)
        assert pilot.app.screen is form
        await pilot.resize_terminal(80, 24)
        for _page in range(2):
            await press(pilot, "pagedown")
        await until(pilot, lambda: "emoticons alone predict" in drawn(pilot))

    play_form(scene)


def test_form_files_can_be_removed_and_are_previewed(furnished: Path, few: Path, tmp_path: Path) -> None:
    more = made_up.write_posts(tmp_path / "more [b].csv", 20, seed=8)
    mood = made_up.write_posts(tmp_path / "mood.csv", 20, seed=8)
    posts = made_up.posts(60, seed=3)
    # Two posts are duplicates, one of them with both labels; one row is empty.
    rows = [*posts, posts[0], (posts[1][0], 1 - posts[1][1]), ("", 1)]
    known = write(tmp_path / "known.csv", "text,sentiment", *(f"{text},{label}" for text, label in rows))
    marks = ("[泪]", "[哈哈]")
    lines = (f"{number % 2},第{made_up.numeral(number)}天的早饭{marks[number % 2]}" for number in range(80))
    marked = write(tmp_path / "marked.csv", "label,review", *lines)

    async def scene(pilot: Pilot[None], form: TrainingForm) -> None:
        await choose(pilot, form, mood)
        assert field(form, "name").value == "mood-2"  # there is an adapter `mood`
        await remove_first(pilot, form)
        assert form.query_one(FileList).files == []
        for path in (few, more, few):
            await choose(pilot, form, path)
        assert form.query_one(FileList).files == [few, more]
        assert "more [b].csv" in shown(form.query_one("_ChosenFiles", OptionList))
        assert field(form, "name").value == "few"
        await type_into(pilot, form, "name", "mine")
        await remove_first(pilot, form)
        assert form.query_one(FileList).files == [more]
        assert field(form, "name").value == "mine"
        await remove_first(pilot, form)

        await choose(pilot, form, known)
        preview = form.query_one(DataPreview)
        audit = preview.query_one(".audit", Static)
        await until(pilot, lambda: "63, 1 empty" in shown(audit))
        assert "known.csv: CSV, UTF-8, posts in text, labels in sentiment" in shown(preview)
        assert posts[0][0][:6] in shown(preview)
        for figure in ("Duplicates 2", "Conflicting labels 1", "negative", "positive"):
            assert figure in shown(audit), figure
        assert field(form, "text_column").query_one(Input).placeholder == "text"
        assert field(form, "label_column").query_one(Input).placeholder == "sentiment"
        await remove_first(pilot, form)

        await choose(pilot, form, marked)
        await until(pilot, lambda: "marked.csv" in shown(preview) and "nearly predict the labels" in shown(audit))
        assert preview.has_class("-gives-away")
        await pilot.click("#set-dropout")
        assert form.plan().hyper.emoticon_dropout == 0.5
        assert not preview.has_class("-gives-away")

    play_form(scene, size=(160, 50))


def test_preview_unreadable_and_hostile_files(furnished: Path, tmp_path: Path) -> None:
    lines = (f"[red]{number % 2}\x1b,[/哈哈]第{number}条\u202e[doge]\x9b31m" for number in range(30))
    data = write(tmp_path / "[b]odd[哈哈].csv", "[/b]label,review", *lines)
    odd = write(tmp_path / "odd.csv", "a,b", "1,2")

    async def scene(pilot: Pilot[None], form: TrainingForm) -> None:
        await choose(pilot, form, odd)
        preview = form.query_one(DataPreview)
        await until(pilot, lambda: "text column not detected" in shown(preview))
        await type_into(pilot, form, "text_column", "a")
        await type_into(pilot, form, "label_column", "b")
        await until(pilot, lambda: "posts in a, labels in b" in shown(preview))
        await remove_first(pilot, form)
        await type_into(pilot, form, "text_column", "")
        await type_into(pilot, form, "label_column", "[/b]label")
        await choose(pilot, form, data)
        await until(pilot, lambda: "[red]0␛" in drawn(pilot))
        screen = drawn(pilot)
        assert "[b]odd[哈哈].csv: CSV" in screen
        assert "[/哈哈]第0条<U+202E>[doge]\\x9b31m" in screen
        assert not {"\x1b", "\x9b", "\u202e"} & set(screen)

    play_form(scene, size=(160, 50))


def test_pretraining_form_shows_size_and_refuses_odd_values(furnished: Path, corpus_file: Path) -> None:
    async def scene(pilot: Pilot[None], form: PretrainingForm) -> None:
        select = field(form, "units").query_one(Select)
        assert [label for label, _value in select._options] == list(map(safe_content, UNITS))
        assert field(form, "units").value == "characters"
        assert "Token type" in shown(field(form, "units"))
        select.focus()
        await pilot.press("enter", "down", "enter")
        await pilot.pause()
        assert field(form, "units").value == "pieces"
        size = form.query_one(".size", Static)
        assert str(size.render()) == "10.1 million parameters"
        await type_into(pilot, form, "layers", "12")
        assert str(size.render()) == "17.5 million parameters"
        await type_into(pilot, form, "heads", "7")
        assert "must be a multiple of the number of heads" in str(size.render())
        form.query_one(PathInput).value = str(corpus_file)
        await pilot.pause()
        assert field(form, "name").value == "corpus"
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "must be a multiple of the number of heads" in problem(form))
        await type_into(pilot, form, "heads", "5")
        await type_into(pilot, form, "tokens", "1000")
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "either in minutes or in tokens" in problem(form))
        await type_into(pilot, form, "tokens", "")
        await type_into(pilot, form, "positions", "64")
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "context is 128" in problem(form))
        await type_into(pilot, form, "positions", "512")
        form.query_one(PathInput).value = "/nowhere.txt"
        await pilot.pause()
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "File not found: /nowhere.txt" in problem(form))

    play_form(scene, key="p", size=(120, 40))


def test_count_parameters_equals_a_real_base(furnished: Path) -> None:
    with Workbench() as wb:
        card = wb.bases.card("tiny")
        config = wb.bases.open("tiny").backbone.config
    assert count_parameters(config.layers, config.width, config.vocabulary, config.positions) == card.parameters
