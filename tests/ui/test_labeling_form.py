"""Labelling a file from the prediction pane: the form, the card that shows how far it is, stopping and going on."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from made_up import posts, write_posts
from pane import Pane, play_predict
from stage import until
from textual.widgets import Static

from weibo_tui.app.predict.job_card import LabelingCard
from weibo_tui.app.predict.label_file_form import LabelingForm
from weibo_tui.storage.history import LabeledFile
from weibo_tui.workbench import Workbench


def form(pane: Pane) -> LabelingForm:
    assert isinstance(pane.app.screen, LabelingForm)
    return pane.app.screen


def labellings(pane: Pane) -> list[LabelingCard]:
    return [card for card in pane.cards if isinstance(card, LabelingCard)]


def said(pane: Pane) -> str:
    """What the newest labelling shows."""
    return pane.text(labellings(pane)[-1])


def everything(pane: Pane) -> str:
    """What is shown anywhere on the screen."""
    return "\n".join(str(line.content) for line in pane.app.screen.query(Static))


async def open_form(pane: Pane) -> LabelingForm:
    await pane.pilot.press("ctrl+o")
    await until(pane.pilot, lambda: isinstance(pane.app.screen, LabelingForm))
    return form(pane)


async def name(pane: Pane, source: Path) -> None:
    """Type the path of the file, and take it."""
    await pane.paste(str(source))
    await pane.pilot.press("enter")
    await until(pane.pilot, lambda: form(pane)._out._field.has_focus)


async def start(pane: Pane, source: Path) -> None:
    await open_form(pane)
    await name(pane, source)
    pane.type("enter")
    await pane.see(lambda: labellings(pane))


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_file_is_labelled_beside_itself_and_stays_as_a_card(furnished: Path, few: Path) -> None:
    out = few.with_name("few.labelled.csv")

    async def act(pane: Pane) -> None:
        await start(pane, few)
        card = labellings(pane)[0]
        await until(pane.pilot, lambda: "".join(said(pane).split()).startswith(f"▤{out}40rows"))
        text = "".join(said(pane).split())
        assert "▲positive" in text
        assert "▼negative" in text
        assert "mood·" in text
        await pane.pilot.press("escape", "c")
        assert pane.app.clipboard == str(out)
        assert not pane.app.jobs
        await until(pane.pilot, lambda: card.entry)

    play_predict(act)
    labelled = rows(out)
    assert [row["review"] for row in labelled] == [text for text, _label in posts(40, seed=5)]
    assert {row["predicted"] for row in labelled} == {"positive", "negative"}
    with Workbench.open(furnished) as bench:
        (entry,) = bench.history.page(10)
        assert isinstance(entry, LabeledFile)
        assert (entry.out, entry.rows) == (out, 40)


def test_what_is_in_the_file_is_shown_before(furnished: Path, tmp_path: Path) -> None:
    odd = tmp_path / "odd.csv"
    odd.write_text("id,words\n1,[doge] 真好吃\n2,真难吃\n", encoding="gb18030")

    async def act(pane: Pane) -> None:
        form = await open_form(pane)
        await pane.paste(str(odd))
        await until(pane.pilot, lambda: "odd.csv" in everything(pane))
        assert "words" in everything(pane)  # the column that is to be named
        form._fields["text_column"].text = "words"
        await until(pane.pilot, lambda: "gb18030; posts in 'words'" in everything(pane))
        await pane.pilot.press("ctrl+s")
        await pane.see(lambda: labellings(pane))
        await until(pane.pilot, lambda: not labellings(pane)[0].busy)

    play_predict(act)
    with (tmp_path / "odd.labelled.csv").open(encoding="gb18030") as file:
        assert file.readline().startswith("id,words,predicted,confidence,")


def test_the_place_can_be_another_and_one_that_is_there_is_asked_about(furnished: Path, few: Path) -> None:
    there = few.with_name("there.csv")
    there.write_text("something", encoding="utf-8")

    async def act(pane: Pane) -> None:
        form = await open_form(pane)
        await name(pane, few)
        form._out.value = str(there)
        await pane.pilot.press("enter")
        await until(pane.pilot, lambda: not isinstance(pane.app.screen, LabelingForm))
        await pane.pilot.press("enter")  # the safe answer
        await until(pane.pilot, lambda: pane.app.screen is form)
        assert there.read_text(encoding="utf-8") == "something"
        await pane.pilot.press("ctrl+s")
        await pane.asked()
        pane.type("down", "enter")
        await pane.see(lambda: labellings(pane))
        await until(pane.pilot, lambda: not labellings(pane)[0].busy)

    play_predict(act)
    assert len(rows(there)) == 40


def test_it_can_be_stopped_and_goes_on_from_there(furnished: Path, tmp_path: Path) -> None:
    large = write_posts(tmp_path / "large.csv", 15_000)
    out = tmp_path / "large.labelled.csv"

    async def act(pane: Pane) -> None:
        await start(pane, large)
        await pane.see(lambda: "labelling" in said(pane) and "left" in said(pane))
        assert " / 15,000  " in said(pane)
        await pane.see(lambda: pane.app.jobs[0].progress and pane.app.jobs[0].progress.done > 3_000)
        assert "posts/s" in said(pane)
        pane.type("escape")
        await pane.see(lambda: pane.app.focused is pane.prediction_list)
        pane.type("s")
        await pane.asked()
        pane.type("down", "enter")
        await pane.see(lambda: not labellings(pane)[0].busy)
        assert "stopped at" in said(pane)
        assert not out.exists()
        await until(pane.pilot, lambda: pane.app.screen is pane.screen)
        await pane.pilot.press("r")
        await until(pane.pilot, lambda: len(labellings(pane)) == 2 and not labellings(pane)[1].busy)
        assert "15,000 rows" in said(pane)
        assert "of them done before" in said(pane)

    play_predict(act)
    assert len(rows(out)) == 15_000


def test_posts_are_judged_meanwhile(furnished: Path, tmp_path: Path) -> None:
    large = write_posts(tmp_path / "large.csv", 15_000)

    async def act(pane: Pane) -> None:
        await start(pane, large)
        await pane.see(lambda: "labelling" in said(pane))
        pane.type("今", "天", "enter")
        await pane.see(lambda: len(pane.cards) == 2 and not pane.cards[1].busy)
        assert labellings(pane)[0].busy

    play_predict(act)


def test_an_error_stands_on_the_card_and_the_pane_goes_on(furnished: Path, few: Path) -> None:
    async def act(pane: Pane) -> None:
        await open_form(pane)
        await name(pane, few)
        few.write_text("label,review\n1,真好吃\n", encoding="utf-8")
        few.with_name("few.labelled.csv").mkdir()
        pane.type("enter")
        await until(pane.pilot, lambda: "is a folder" in everything(pane) or labellings(pane))
        assert not labellings(pane) or "✗" in said(pane)

    play_predict(act)


@pytest.mark.parametrize(("path", "said"), [("", "Name a file of posts first."), ("nowhere.csv", "There is no")])
def test_nothing_begins_without_a_file_that_can_be_read(furnished: Path, path: str, said: str) -> None:
    async def act(pane: Pane) -> None:
        await open_form(pane)
        if path:
            await pane.paste(path)
        await pane.pilot.press("ctrl+s")
        await until(pane.pilot, lambda: said in everything(pane))
        await pane.pilot.press("escape")
        await until(pane.pilot, lambda: pane.app.screen is pane.screen)
        assert not labellings(pane)

    play_predict(act, (60, 20))
