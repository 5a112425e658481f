"""Labeling a file from the predict screen: the form, the card with the progress, stopping and resuming."""

from __future__ import annotations

import csv
from pathlib import Path

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


def labeling_cards(pane: Pane) -> list[LabelingCard]:
    return [card for card in pane.cards if isinstance(card, LabelingCard)]


def card_text(pane: Pane) -> str:
    """The text of the newest labeling card."""
    return pane.text(labeling_cards(pane)[-1])


def screen_text(pane: Pane) -> str:
    """All texts of the open screen."""
    return "\n".join(str(line.content) for line in pane.app.screen.query(Static))


async def open_form(pane: Pane) -> LabelingForm:
    await pane.pilot.press("ctrl+o")
    await until(pane.pilot, lambda: isinstance(pane.app.screen, LabelingForm))
    return form(pane)


async def enter_source(pane: Pane, source: Path) -> None:
    """Type the path of the file, and press Enter."""
    await pane.paste(str(source))
    await pane.pilot.press("enter")
    await until(pane.pilot, lambda: form(pane)._out._field.has_focus)


async def start(pane: Pane, source: Path) -> None:
    await open_form(pane)
    await enter_source(pane, source)
    pane.type("enter")
    await pane.see(lambda: labeling_cards(pane))


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_file_is_labeled_next_to_itself(furnished: Path, few: Path) -> None:
    out = few.with_name("few.labelled.csv")

    async def act(pane: Pane) -> None:
        await start(pane, few)
        card = labeling_cards(pane)[0]
        await until(pane.pilot, lambda: "".join(card_text(pane).split()).startswith(f"▤{out}40rows"))
        text = "".join(card_text(pane).split())
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
    with Workbench(furnished) as wb:
        (entry,) = wb.history.page(10)
        assert isinstance(entry, LabeledFile)
        assert (entry.out, entry.rows) == (out, 40)


def test_form_shows_the_file_and_its_columns(furnished: Path, tmp_path: Path) -> None:
    odd = tmp_path / "odd.csv"
    odd.write_text("id,words\n1,[doge] 真好吃\n2,真难吃\n", encoding="gb18030")

    async def act(pane: Pane) -> None:
        form = await open_form(pane)
        await pane.paste(str(odd))
        await until(pane.pilot, lambda: "odd.csv" in screen_text(pane))
        assert "words" in screen_text(pane)  # the column that must be named
        form._fields["text_column"].text = "words"
        await until(pane.pilot, lambda: "gb18030; posts in 'words'" in screen_text(pane))
        await pane.pilot.press("ctrl+s")
        await pane.see(lambda: labeling_cards(pane))
        await until(pane.pilot, lambda: not labeling_cards(pane)[0].busy)

    play_predict(act)
    with (tmp_path / "odd.labelled.csv").open(encoding="gb18030") as file:
        assert file.readline().startswith("id,words,predicted,confidence,")


def test_existing_output_is_replaced_only_after_a_question(furnished: Path, few: Path) -> None:
    existing = few.with_name("existing.csv")
    existing.write_text("something", encoding="utf-8")

    async def act(pane: Pane) -> None:
        form = await open_form(pane)
        await enter_source(pane, few)
        form._out.value = str(existing)
        await pane.pilot.press("enter")
        await until(pane.pilot, lambda: not isinstance(pane.app.screen, LabelingForm))
        await pane.pilot.press("enter")  # the safe answer
        await until(pane.pilot, lambda: pane.app.screen is form)
        assert existing.read_text(encoding="utf-8") == "something"
        await pane.pilot.press("ctrl+s")
        await pane.dialog_opened()
        pane.type("down", "enter")
        await pane.see(lambda: labeling_cards(pane))
        await until(pane.pilot, lambda: not labeling_cards(pane)[0].busy)

    play_predict(act)
    assert len(rows(existing)) == 40


def test_stopped_labeling_is_resumed(furnished: Path, tmp_path: Path) -> None:
    large = write_posts(tmp_path / "large.csv", 8_000)
    out = tmp_path / "large.labelled.csv"

    async def act(pane: Pane) -> None:
        await start(pane, large)
        await pane.see(lambda: "labelling" in card_text(pane) and "left" in card_text(pane))
        assert " / 8,000  " in card_text(pane)
        pane.type("今", "天", "enter")  # a post is predicted in the meantime
        await pane.see(lambda: len(pane.cards) == 2 and not pane.cards[1].busy)
        assert labeling_cards(pane)[0].busy
        await pane.see(lambda: pane.app.jobs[0].progress and pane.app.jobs[0].progress.done > 2_000)
        assert "posts/s" in card_text(pane)
        pane.type("escape", "g")
        await pane.see(lambda: pane.cursor is labeling_cards(pane)[0])
        pane.type("s")
        await pane.dialog_opened()
        pane.type("down", "enter")
        await pane.see(lambda: not labeling_cards(pane)[0].busy)
        assert "stopped at" in card_text(pane)
        assert not out.exists()
        await until(pane.pilot, lambda: pane.app.screen is pane.screen)
        await pane.pilot.press("r")
        await until(pane.pilot, lambda: len(labeling_cards(pane)) == 2 and not labeling_cards(pane)[1].busy)
        assert "8,000 rows" in card_text(pane)
        assert "of them done before" in card_text(pane)

    play_predict(act)
    assert len(rows(out)) == 8_000


def test_labeling_errors_are_shown(furnished: Path, few: Path) -> None:
    async def act(pane: Pane) -> None:
        for path, problem in (("", "Name a file of posts first."), ("nowhere.csv", "There is no")):
            await open_form(pane)
            if path:
                await pane.paste(path)
            await pane.pilot.press("ctrl+s")
            await until(pane.pilot, lambda: problem in screen_text(pane))  # noqa: B023
            await pane.pilot.press("escape")
            await until(pane.pilot, lambda: pane.app.screen is pane.screen)
            assert not labeling_cards(pane)
        await open_form(pane)
        await enter_source(pane, few)
        few.write_text("label,review\n1,真好吃\n", encoding="utf-8")
        few.with_name("few.labelled.csv").mkdir()
        pane.type("enter")
        await until(pane.pilot, lambda: "is a folder" in screen_text(pane) or labeling_cards(pane))
        assert not labeling_cards(pane) or "✗" in card_text(pane)

    play_predict(act, (60, 20))
