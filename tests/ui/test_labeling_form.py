"""Labeling a file from the predict screen: the form, the card with the progress, stopping and resuming."""

from __future__ import annotations

import csv
import shutil
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import parts
import pytest
from made_up import posts, write_posts
from pane import Pane, play_predict
from stage import drawn, until
from textual.widgets import Static

from weibo_tui import ClusterLabelingConfig, ClusterLabelingResult, LabelingConfig, Workbench
from weibo_tui.app.files.screen import FilesScreen
from weibo_tui.app.predict.job_card import LabelingCard
from weibo_tui.app.predict.label_file_form import LabelingForm
from weibo_tui.app.predict.ray_fields import default_folder, public_source
from weibo_tui.progress import Progress
from weibo_tui.storage.history import LabeledFile


def form(pane: Pane) -> LabelingForm:
    assert isinstance(pane.app.screen, LabelingForm)
    return pane.app.screen


def labeling_cards(pane: Pane) -> list[LabelingCard]:
    return [card for card in pane.cards if isinstance(card, LabelingCard)]


def card_text(pane: Pane) -> str:
    """The text of the newest labeling card."""
    return pane.text(labeling_cards(pane)[-1])


def screen_text(pane: Pane) -> str:
    """All texts of the open screen."""
    return "\n".join(str(line.content) for line in pane.app.screen.query(Static))


async def open_form(pane: Pane) -> LabelingForm:
    await pane.press("ctrl+o")
    await until(pane.pilot, lambda: isinstance(pane.app.screen, LabelingForm))
    return form(pane)


async def enter_source(pane: Pane, source: Path) -> None:
    """Paste the path of the file, and press Enter."""
    await pane.paste(str(source))
    await pane.press("enter")
    await until(pane.pilot, lambda: form(pane)._out._field.has_focus)


async def start(pane: Pane, source: Path) -> LabelingCard:
    await open_form(pane)
    await enter_source(pane, source)
    count = len(labeling_cards(pane))
    await pane.press("enter")
    assert len(labeling_cards(pane)) == count  # Enter moves to the next field
    pane.type("ctrl+s")
    await pane.see(lambda: len(labeling_cards(pane)) > count)
    return labeling_cards(pane)[-1]


def rows(path: Path, encoding: str = "utf-8") -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text(encoding).splitlines()))


def test_files_are_labeled_next_to_themselves(furnished: Path, few: Path, tmp_path: Path) -> None:
    out, existing, odd = few.with_name("few.labeled.csv"), tmp_path / "existing.csv", tmp_path / "odd.csv"
    existing.write_text("something", encoding="utf-8")
    odd.write_text("id,words\n1,[doge] 真好吃\n2,真难吃\n", encoding="gb18030")

    async def act(pane: Pane) -> None:
        card = await start(pane, few)
        await until(pane.pilot, lambda: "".join(card_text(pane).split()).startswith(f"▤{out}40rows"))
        text = "".join(card_text(pane).split())
        assert "▲positive" in text
        assert "▼negative" in text
        assert "mood·" in text
        await pane.press("escape", "c")
        assert pane.app.clipboard == str(out)
        await until(pane.pilot, lambda: not pane.app.jobs)
        await until(pane.pilot, lambda: card.entry)
        assert isinstance(card.entry, LabeledFile)
        assert (card.entry.out, card.entry.rows) == (out, 40)

        # An existing output is replaced only after a question.
        form = await open_form(pane)
        await enter_source(pane, few)
        form._out.value = str(existing)
        await pane.press("ctrl+s")
        await until(pane.pilot, lambda: not isinstance(pane.app.screen, LabelingForm))
        await pane.press("enter")  # the safe answer
        await until(pane.pilot, lambda: pane.app.screen is form)
        assert existing.read_text(encoding="utf-8") == "something"
        await pane.press("ctrl+s")
        await pane.dialog_opened()
        pane.type("down", "enter")
        await pane.see(lambda: len(labeling_cards(pane)) == 2)
        await until(pane.pilot, lambda: not labeling_cards(pane)[1].busy)
        assert rows(existing) == rows(out)

        # The form shows the file and its columns.
        form = await open_form(pane)
        await pane.paste(str(odd))
        await until(pane.pilot, lambda: "odd.csv" in drawn(pane.pilot))
        form._fields["text_column"].text = "words"
        await until(pane.pilot, lambda: "GB18030, posts in words, 2 rows; also id" in drawn(pane.pilot))
        await pane.press("ctrl+s")
        await pane.see(lambda: len(labeling_cards(pane)) == 3)
        await until(pane.pilot, lambda: not labeling_cards(pane)[2].busy)

    play_predict(act)
    assert [row["review"] for row in rows(out)] == [text for text, _label in posts(40, seed=5)]
    assert {row["predicted"] for row in rows(out)} == {"positive", "negative"}
    assert [*rows(tmp_path / "odd.labeled.csv", "gb18030")[0]][:4] == ["id", "words", "predicted", "confidence"]


def test_stopped_labeling_is_resumed_and_errors_are_shown(
    furnished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("weibo_tui.workbench.labeling.WINDOW", 256)
    large = write_posts(tmp_path / "large.csv", 3_000)
    out = tmp_path / "large.labeled.csv"
    proceed, iter_label_file = threading.Event(), Workbench.iter_label_file

    def pausing(wb: Workbench, config: LabelingConfig) -> Iterator[object]:
        with closing(cast(Any, iter_label_file(wb, config))) as events:
            for event in events:
                yield event
                far = isinstance(event, Progress) and event.stage == "labeling" and event.done > 500
                while far and not proceed.wait(0.01):
                    yield "waiting"

    monkeypatch.setattr(Workbench, "iter_label_file", pausing)

    async def act(pane: Pane) -> None:
        await start(pane, large)
        await pane.see(lambda: "labeling" in card_text(pane) and "left" in card_text(pane))
        assert " / 3,000  " in card_text(pane)
        pane.type("今", "天", "enter")  # a post is predicted in the meantime
        await pane.see(lambda: len(pane.cards) == 2 and not pane.cards[1].busy)
        assert labeling_cards(pane)[0].busy
        await pane.see(lambda: pane.app.jobs[0].progress and pane.app.jobs[0].progress.done > 500)
        assert "posts/s" in card_text(pane)
        pane.type("escape", "g")
        await pane.see(lambda: pane.cursor is labeling_cards(pane)[0])
        pane.type("s")
        await pane.dialog_opened()
        pane.type("down", "enter")
        await pane.see(lambda: "stopped after" in card_text(pane))
        proceed.set()
        assert not out.exists()
        await until(pane.pilot, lambda: pane.app.screen is pane.screen)
        await pane.press("r")
        await until(pane.pilot, lambda: "3,000 rows" in card_text(pane))
        assert "done earlier" in card_text(pane)
        assert len(rows(out)) == 3_000

        await pane.pilot.resize_terminal(60, 20)
        for path, problem in (("", "Choose a file of posts first."), ("nowhere.csv", "File not found")):
            await open_form(pane)
            await pane.paste(path)
            await pane.press("ctrl+s")
            await until(pane.pilot, lambda: problem in screen_text(pane))  # noqa: B023
            await pane.press("escape")
            await until(pane.pilot, lambda: pane.app.screen is pane.screen)
        await open_form(pane)
        await enter_source(pane, large)
        out.unlink()
        out.mkdir()
        pane.type("ctrl+s")
        await until(pane.pilot, lambda: "is a folder" in screen_text(pane))
        assert len(labeling_cards(pane)) == 2

    play_predict(act)


def test_form_takes_a_folder_of_parts(furnished: Path, tmp_path: Path) -> None:
    folder = parts.split(tmp_path / "results", [{"text": text} for text, _label in posts(40, seed=5)], 3)

    async def act(pane: Pane) -> None:
        form = await open_form(pane)
        await enter_source(pane, folder)
        assert form._out.value == f"{folder}.labeled.parquet"
        await until(pane.pilot, lambda: "results: Parquet, 3 files, posts in text, 40 rows" in drawn(pane.pilot))
        form._source.value = "x" * 300 + " | y"
        await until(pane.pilot, lambda: not form.preview.readings)

    play_predict(act)


def test_form_for_ray_takes_several_files(furnished: Path, few: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    (data / "deeper").mkdir(parents=True)
    for name in ("one.csv", "deeper/two.csv"):
        shutil.copy(few, data / name)
    (data / "deeper" / "an empty one.csv").touch()

    async def act(pane: Pane) -> None:
        form = await open_form(pane)
        await pane.paste(str(data))
        await pane.press("ctrl+s")
        await until(pane.pilot, lambda: "Only Ray labels several files." in drawn(pane.pilot))
        form._source.value = ""
        form._source.focus()
        await pane.paste(f"{data}/**/*.csv")
        await pane.press("enter")
        await until(pane.pilot, lambda: "Only Ray labels several files." in drawn(pane.pilot))
        assert not form._folder.display
        form._fields["engine"].text = "ray"
        await until(pane.pilot, lambda: form._folder.display)
        assert not form._out.display
        assert "Only Ray" not in drawn(pane.pilot)
        assert form._folder.value == f"{data}.labeled"
        # The first file is previewed, and no other.
        await until(pane.pilot, lambda: [one.path.name for one in form.preview.readings] == ["two.csv"])
        assert form.plan() == ClusterLabelingConfig((f"{data}/**/*.csv",), Path(f"{data}.labeled"), "mood")

        form._source.value = f"{few} | s3://bucket/posts/*.parquet"
        form._fields["address"].text, form._fields["workers"].text = "auto", "3"
        form._fields["gpus_per_worker"].text = "0.5"
        form._folder.value = str(tmp_path / "results")
        await until(pane.pilot, lambda: [one.path for one in form.preview.readings] == [few])
        plan = form.plan()
        assert isinstance(plan, ClusterLabelingConfig)
        assert plan.sources == (str(few), "s3://bucket/posts/*.parquet")
        assert (plan.address, plan.workers, plan.gpus_per_worker) == ("auto", 3, 0.5)
        assert plan.out == tmp_path / "results"

        form._source.value = f"{data}/*.json"
        await until(pane.pilot, lambda: not form.preview.readings)
        await pane.press("ctrl+s")
        await until(pane.pilot, lambda: "contains no tables" in " ".join(drawn(pane.pilot).split()))
        form._source.value, form._folder.value = str(few), str(few)
        await until(pane.pilot, lambda: form.preview.readings)
        await pane.press("ctrl+s")
        await until(pane.pilot, lambda: f"{few} is not a folder" in " ".join(drawn(pane.pilot).split()))

    play_predict(act)


@pytest.mark.slow
def test_files_are_labeled_on_ray_and_opened(furnished: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    for number in range(2):
        write_posts(data / f"posts{number}.csv", 40, seed=number)

    async def label(pane: Pane) -> LabelingCard:
        form = await open_form(pane)
        form._fields["engine"].text = "ray"
        form._fields["workers"].text = "1"
        await pane.paste(f"{data}/*.csv")
        await pane.press("enter")
        count = len(labeling_cards(pane))
        pane.type("ctrl+s")
        await pane.see(lambda: len(labeling_cards(pane)) > count)
        card = labeling_cards(pane)[-1]
        await until(pane.pilot, lambda: not card.busy)
        assert card.result is not None, card.failure
        return card

    async def act(pane: Pane) -> None:
        card = await label(pane)
        text = card_text(pane)
        assert text.startswith(f"▤ {data}.labeled\n")
        assert "80 rows" in text
        await until(pane.pilot, lambda: card.entry)
        assert isinstance(card.entry, LabeledFile)
        assert (card.entry.out, card.entry.rows) == (Path(f"{data}.labeled"), 80)
        again = await label(pane)
        assert "80 done earlier" in card_text(pane)
        assert isinstance(again.result, ClusterLabelingResult)
        again.result = replace(again.result, failed_parts=("posts1.csv, rows 1–40: no memory",))
        assert "1 part is not labeled: posts1.csv, rows 1–40: no memory. r tries it again." in card_text(pane)
        await pane.press("escape", "enter")
        screen = pane.app.main_screens["files"]
        assert isinstance(screen, FilesScreen)
        await until(pane.pilot, lambda: screen.view.display and screen.view.browser.total == 80)
        assert "data.labeled: Parquet, 2 files, posts in review" in drawn(pane.pilot)

    play_predict(act)


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("s3://key:secret@bucket/a@b/*.csv?region=x&secret_key=y", "s3://bucket/a@b/*.csv"),
        ("gs://bucket/posts", "gs://bucket/posts"),
        ("data/what?.csv", "data/what?.csv"),
    ],
)
def test_credentials_of_source_are_not_shown(source: str, shown: str) -> None:
    assert public_source(source) == shown


@pytest.mark.parametrize(
    ("source", "folder"),
    [
        ("data/posts.csv", "data/posts.labeled"),
        ("data/*.csv", "data.labeled"),
        ("data/**/posts-*.csv", "data.labeled"),
        ("data/2026.01", "data/2026.01.labeled"),
        ("*.csv", "labeled"),
        ("s3://bucket/posts", ""),
        ("", ""),
    ],
)
def test_default_folder_is_next_to_the_source(source: str, folder: str) -> None:
    assert default_folder(source) == folder
