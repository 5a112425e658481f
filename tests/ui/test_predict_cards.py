"""The cards of the predict screen, and the actions on them."""

from __future__ import annotations

from pathlib import Path

import pytest
from made_up import posts
from pane import HOSTILE, OTHER, POST, Pane, add_adapter, history_entries, history_posts, play_predict, record_posts
from stage import until

from weibo_tui.app.history.screen import HistoryScreen
from weibo_tui.app.predict.card import FileCard
from weibo_tui.storage.history import Analysis
from weibo_tui.workbench import LabelingConfig, Workbench


def test_cursor_moves_over_the_cards(furnished: Path) -> None:
    texts = [text for text, _label in posts(30)]
    record_posts(furnished, *texts)

    async def act(pane: Pane) -> None:
        await until(pane.pilot, lambda: pane.cards)
        await pane.pilot.press("escape")
        cards = pane.cards
        for keys, at in {"": 29, "k": 28, "up": 27, "j": 28, "down": 29, "g": 0, "home": 0, "G": 29, "end": 29}.items():
            await pane.pilot.press(*([keys] if keys else []))
            assert pane.cursor is cards[at], keys
        await pane.pilot.press("pageup")
        assert pane.cursor is not None
        assert 10 < cards.index(pane.cursor) < 25
        await pane.pilot.press("pagedown")
        assert pane.cursor is cards[29]
        await pane.pilot.press("g")
        await pane.pilot.pause()
        assert cards[0].region.y >= pane.prediction_list.region.y
        assert cards[0].has_class("-cursor")

    play_predict(act)


def test_older_cards_are_loaded_at_the_top(furnished: Path) -> None:
    texts = [text for text, _label in posts(130)]
    record_posts(furnished, *texts)

    async def act(pane: Pane) -> None:
        await until(pane.pilot, lambda: len(pane.cards) == 50)
        await pane.pilot.press("escape", "g")
        at = pane.cursor
        await until(pane.pilot, lambda: len(pane.cards) == 100)
        assert [card.text for card in pane.posts] == texts[-100:]
        assert pane.cursor is at is pane.cards[50]
        await pane.pilot.pause()
        assert pane.cards[50].region.y - pane.prediction_list.region.y < 5  # it did not jump
        pane.prediction_list.scroll_to(y=0, animate=False)
        await until(pane.pilot, lambda: len(pane.cards) == 130)

    play_predict(act)


def test_oldest_cards_are_removed(furnished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("weibo_tui.app.predict.card_list.MAX_CARDS", 10)
    texts = [text for text, _label in posts(15)]

    async def act(pane: Pane) -> None:
        await pane.send(*texts)
        await pane.wait_predicted(10)
        assert [card.text for card in pane.posts] == texts[-10:]

    play_predict(act)
    assert len(history_entries(furnished)) == 15


def test_card_expands_and_is_copied(furnished: Path) -> None:
    record_posts(furnished, "好" * 400, HOSTILE)

    async def act(pane: Pane) -> None:
        await until(pane.pilot, lambda: pane.cards)
        card, _hostile = pane.cards
        await pane.pilot.press("escape")
        for key in ("c", "y"):
            pane.app.copy_to_clipboard("")
            await pane.pilot.press(key)
            assert pane.app.clipboard == HOSTILE  # as the post was written
        await until(pane.pilot, lambda: "Copied." in pane.news)
        folded = card.size.height
        assert "more characters" in pane.text(card)
        assert "negative" not in pane.text(card) or "positive" not in pane.text(card)
        await pane.pilot.press("k", "space")
        await pane.pilot.pause()
        assert card.size.height > folded
        assert "▼ negative" in pane.text(card)
        assert "▲ positive" in pane.text(card)
        assert pane.text(card).count("好") == 400
        await pane.pilot.press("enter")
        await pane.pilot.pause()
        assert card.size.height == folded

    play_predict(act)


def test_keys_scroll_a_high_card(furnished: Path) -> None:
    record_posts(furnished, POST, "\n".join(map(str, range(100))), OTHER)

    async def act(pane: Pane) -> None:
        await until(pane.pilot, lambda: len(pane.cards) == 3)
        await pane.pilot.press("escape", "k", "space")
        card = pane.cards[1]
        await until(pane.pilot, lambda: card.size.height > 100)
        await pane.pilot.pause()
        assert card.region.y == pane.prediction_list.content_region.y
        for key, step in (("pagedown", 1), ("j", 1), ("pageup", -1), ("k", -1)):
            before = pane.prediction_list.scroll_y
            await pane.pilot.press(key)
            assert (pane.prediction_list.scroll_y - before) * step > 0
            assert pane.cursor is card
        for _page in range(20):
            await pane.pilot.press("pagedown")
        assert pane.cursor is pane.cards[2]

    play_predict(act)


def test_post_is_predicted_again_by_another_adapter(furnished: Path) -> None:
    add_adapter(furnished, "second")
    record_posts(furnished, POST)

    async def act(pane: Pane) -> None:
        await until(pane.pilot, lambda: pane.cards)
        await pane.pilot.press("escape", "r")
        await pane.dialog_opened()
        await pane.pilot.press("down", "enter")
        await pane.wait_predicted(2)
        assert [card.adapter for card in pane.posts] == ["mood", "second"]
        assert pane.app.catalog.adapter == "mood"

    play_predict(act)
    assert [(entry.adapter, entry.text) for entry in history_entries(furnished) if isinstance(entry, Analysis)] == [
        ("second", POST),
        ("mood", POST),
    ]


def selected_post(history: HistoryScreen) -> str:
    entry = history.browser.entry
    return entry.text if isinstance(entry, Analysis) else ""


def test_card_opens_in_the_history(furnished: Path) -> None:
    record_posts(furnished, POST, OTHER)

    async def act(pane: Pane) -> None:
        history = pane.app.main_screens["history"]
        assert isinstance(history, HistoryScreen)
        await until(pane.pilot, lambda: pane.cards)
        await pane.pilot.press("escape", "k", "h")
        await until(pane.pilot, lambda: history.is_current and selected_post(history))
        assert selected_post(history) == POST
        # What is corrected or deleted there changes here.
        other, post = await pane.app.records.call(lambda wb: wb.history.page(2))
        analysis_id = post.id
        assert analysis_id is not None
        await pane.app.records.call(lambda wb: wb.history.correct(analysis_id, "negative"))
        await pane.app.records.call(lambda wb: wb.history.delete([other]))
        await pane.pilot.press("f2")
        await until(pane.pilot, lambda: len(pane.cards) == 1)
        assert "corrected: ▼ negative" in pane.text(pane.cards[0])

    play_predict(act)


def test_deleted_card_comes_back(furnished: Path) -> None:
    record_posts(furnished, POST, OTHER)

    async def act(pane: Pane) -> None:
        await until(pane.pilot, lambda: pane.cards)
        await pane.pilot.press("escape", "k", "delete")
        await pane.dialog_opened()
        await pane.pilot.press("enter")  # the safe answer
        await pane.pilot.pause()
        assert len(pane.cards) == 2
        await pane.pilot.press("d")
        await pane.dialog_opened()
        await pane.pilot.press("down", "enter")
        await until(pane.pilot, lambda: len(pane.cards) == 1)
        assert history_posts(furnished) == [OTHER]
        assert pane.cursor is pane.cards[0]
        await pane.pilot.press("u")
        await until(pane.pilot, lambda: len(pane.cards) == 2)
        assert [card.text for card in pane.posts] == [POST, OTHER]
        assert pane.cursor is pane.cards[0]

    play_predict(act)
    assert len(history_entries(furnished)) == 2


def test_typing_and_pasting_over_cards_reaches_the_prompt(furnished: Path) -> None:
    record_posts(furnished, POST)

    async def act(pane: Pane) -> None:
        await until(pane.pilot, lambda: pane.cards)
        for key in ("escape", "i", "tab"):  # leave the cards without a letter
            await pane.pilot.press("escape", key)
            assert pane.screen.focused is pane.prompt
            assert pane.prompt.text == ""
        await pane.pilot.press("escape")
        await pane.write("今jk")
        assert pane.screen.focused is pane.prompt
        assert pane.prompt.text == "今jk"
        pane.prompt.text = ""
        await pane.pilot.press("escape")
        await pane.paste(OTHER)
        assert pane.screen.focused is pane.prompt
        assert pane.prompt.text == OTHER
        pane.screen.edit_post(HOSTILE)  # a post from elsewhere
        assert pane.prompt.text == HOSTILE
        await pane.pilot.press("ctrl+z")
        assert pane.prompt.text == OTHER

    play_predict(act)


def test_click_selects_a_card_and_another_expands_it(furnished: Path) -> None:
    record_posts(furnished, POST, OTHER)

    async def act(pane: Pane) -> None:
        await until(pane.pilot, lambda: len(pane.cards) == 2)
        card = pane.cards[0]
        await pane.pilot.click(card)
        assert pane.cursor is card
        assert not card.expanded
        await pane.pilot.click(card)
        assert card.expanded
        await pane.pilot.click(card)
        assert not card.expanded
        await pane.pilot.click(pane.cards[1], times=2)
        assert pane.cards[1].expanded

    play_predict(act)


def test_labeled_file_is_a_card(furnished: Path, few: Path, tmp_path: Path) -> None:
    out = tmp_path / "few.labelled.csv"
    with Workbench(furnished) as wb:
        list(wb.iter_label_file(LabelingConfig(few, out)))

    async def act(pane: Pane) -> None:
        await until(pane.pilot, lambda: pane.cards)
        (card,) = pane.cards
        assert isinstance(card, FileCard)
        text = pane.text(card)
        assert "".join(text.split()).startswith(f"▤{out}")
        assert "40 rows" in text
        await pane.pilot.press("escape", "c")
        assert pane.app.clipboard == str(out)
        await pane.pilot.press("space", "h", "s", "u")  # for which there is no use now
        assert pane.app.focused is pane.prediction_list
        assert pane.prompt.text == ""

    play_predict(act)
