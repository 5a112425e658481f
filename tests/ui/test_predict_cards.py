"""The cards of the predict screen, and the actions on them."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from browsing import ANALYSIS, FILE, at, keep, predictions
from pane import HOSTILE, OTHER, POST, Pane, add_adapter, history_entries, play_predict
from rich.cells import cell_len
from stage import drawn, until

from weibo_tui.app.history.screen import HistoryScreen
from weibo_tui.app.predict.card import FileCard
from weibo_tui.app.services.explanations import ExplainedPost
from weibo_tui.storage.history import Analysis
from weibo_tui.workbench.explanation import Explanation


def keep_posts(home: Path, *texts: str) -> None:
    """Add analyses of these texts to the history, the oldest first."""
    keep(home, [replace(ANALYSIS, text=text, created_at=at(minute)) for minute, text in enumerate(texts)])


def test_cursor_moves_and_older_cards_are_loaded(furnished: Path) -> None:
    entries = predictions(130)
    keep(furnished, entries)

    async def act(pane: Pane) -> None:
        await until(pane.pilot, lambda: len(pane.cards) == 50)
        await pane.press("escape")
        cards = pane.cards
        for key, index in {"k": 48, "up": 47, "j": 48, "down": 49, "home": 0, "end": 49}.items():
            await pane.press(key)
            cursor = pane.cursor
            assert cursor is cards[index], key
            if key == "home":
                await until(pane.pilot, lambda: len(pane.cards) == 100)
                assert [card.text for card in pane.posts] == [entry.text for entry in entries[-100:]]
                assert cursor is pane.cursor is pane.cards[50]
                assert pane.cards[50].region.y - pane.prediction_list.region.y < 5  # it did not jump
        await pane.press("pageup")
        assert pane.cursor is not None
        assert 30 < cards.index(pane.cursor) < 45
        await pane.press("pagedown")
        assert pane.cursor is cards[49]
        oldest = pane.cards[0]
        await pane.press("g")
        assert oldest.region.y >= pane.prediction_list.region.y
        assert oldest.has_class("-cursor")
        await until(pane.pilot, lambda: len(pane.cards) == 130)
        await pane.press("G")
        assert pane.cursor is cards[49]

    play_predict(act)


def test_card_shows_forwarded_words_apart(furnished: Path) -> None:
    repost = "好//@小王: 赞"
    keep_posts(furnished, repost, "//@小王: 赞", POST)

    async def act(pane: Pane) -> None:
        await until(pane.pilot, lambda: len(pane.cards) == 3)
        for card, expected in zip(
            pane.posts,
            ([("好", ""), ("//@小王: 赞", "$text-muted")], [("//@小王: 赞", "$text-muted")], [(POST, "")]),
            strict=True,
        ):
            lines = card.lines(50)[: len(expected)]
            assert [(line.plain, "".join(str(span.style) for span in line.spans)) for line in lines] == expected
        await pane.press("escape", "home", "c")
        assert pane.app.clipboard == repost

    play_predict(act)


def test_cards_expand_scroll_and_are_copied(furnished: Path) -> None:
    # The second is too long to be explained, which would join its lines.
    keep_posts(furnished, "好" * 400, "\n".join(map(str, range(1000))), POST, HOSTILE)
    keep(furnished, [replace(FILE, created_at=at(9))])

    async def act(pane: Pane) -> None:
        await until(pane.pilot, lambda: len(pane.cards) == 5)
        long, high, post, hostile, file = pane.cards
        assert isinstance(file, FileCard)
        text = pane.text(file)
        assert "".join(text.split()).startswith(f"▤{FILE.out}")
        assert "5 rows" in text
        await pane.press("escape", "c")
        assert pane.app.clipboard == str(FILE.out)
        assert pane.news == "Copied the path of the labeled file."
        await pane.press("h", "s", "u", "C", "l", "1")  # for which there is no use now
        assert pane.app.focused is pane.prediction_list
        assert pane.prompt.text == ""
        for key in ("c", "y"):
            pane.app.copy_to_clipboard("")
            await pane.press("G", "k", key)
            assert pane.app.clipboard == HOSTILE  # as the post was written
        assert pane.news == "Copied the post."

        await pane.pilot.click(post)
        assert pane.cursor is post
        assert not post.expanded
        await pane.pilot.click(post)
        assert post.expanded
        await pane.pilot.click(post)
        assert not post.expanded
        await pane.pilot.click(hostile, times=2)
        assert hostile.expanded

        await pane.press("g")
        folded = long.size.height
        assert "more characters" in pane.text(long)
        assert "negative" not in pane.text(long)
        await pane.press("space")
        assert long.size.height > folded
        assert "▼ negative" in pane.text(long)
        assert "▲ positive" in pane.text(long)
        assert pane.text(long).count("好") == 400
        await pane.press("enter")
        assert long.size.height == folded

        await pane.press("j", "space")
        top = pane.prediction_list.content_region.y
        await until(pane.pilot, lambda: high.size.height > 100 and high.region.y == top)
        for key, step in (("pagedown", 1), ("j", 1), ("pageup", -1), ("k", -1)):
            before = pane.prediction_list.scroll_y
            await pane.press(key)
            assert (pane.prediction_list.scroll_y - before) * step > 0
            assert pane.cursor is high
        await pane.press(*["pagedown"] * 60)
        assert pane.cursor is file

    play_predict(act, (100, 40))


def test_explanation_that_arrives_keeps_the_place_in_a_card(furnished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keep_posts(furnished, "好" * 900, POST)

    async def act(pane: Pane) -> None:
        await until(pane.pilot, lambda: len(pane.cards) == 2)
        arrives, explain = asyncio.Event(), pane.app.explanations.explain

        async def explain_later(post: ExplainedPost) -> Explanation:
            await arrives.wait()
            return await explain(post)

        monkeypatch.setattr(pane.app.explanations, "explain", explain_later)
        high = pane.posts[0]
        await pane.press("escape", "g", "space")
        cards = pane.prediction_list
        await until(pane.pilot, lambda: high.size.height > 1.5 * cards.size.height)
        await pane.press("j")
        place, height = cards.scroll_y, high.size.height
        assert 0 < place < cards.max_scroll_y
        arrives.set()
        await until(pane.pilot, lambda: high.size.height > height)
        await pane.pilot.pause()
        assert cards.scroll_y == place

    play_predict(act, (80, 24))


def test_wide_screen_shows_predictions_next_to_posts(furnished: Path) -> None:
    keep_posts(furnished, "好" * 400, POST, OTHER)

    def percents(pane: Pane) -> dict[str, int]:
        """Return the lines with a percentage, and the cells before it."""
        lines = [line for line in drawn(pane.pilot).splitlines() if "%" in line]
        return {line: cell_len(line[: line.index("%")]) for line in lines}

    async def act(pane: Pane) -> None:
        for size, room in {(120, 36): 33, (200, 50): 50}.items():
            await pane.pilot.resize_terminal(*size)
            await until(pane.pilot, lambda: len(percents(pane)) == 3)
            assert len(set(percents(pane).values())) == 1
            for text, line in zip(("好" * room, POST, OTHER), percents(pane), strict=True):
                assert line.startswith(f"  {text}    ")
        await pane.pilot.resize_terminal(60, 20)
        await until(pane.pilot, lambda: not any(POST in line for line in percents(pane)))
        assert all(
            re.fullmatch(r" +▲ positive  [━╸·]+   93.8%  +mood · 2026-03-01 \d\d:\d\d +", line)
            for line in percents(pane)
        )

    play_predict(act)


def news(pane: Pane, message: str) -> Callable[[], bool]:
    return lambda: message in pane.news


def test_prediction_is_copied_in_several_formats(furnished: Path) -> None:
    post = "# 好吃*真*[哈哈]\n1. 下次\n\n- 再来\u200b"
    keep(furnished, [replace(ANALYSIS, text=post, corrected="negative", uncertain=True)])

    async def act(pane: Pane) -> None:
        await until(pane.pilot, lambda: pane.cards)
        await pane.press("escape")
        copied = {}
        for name, steps in {"text": 0, "JSON": 1, "Markdown": 1, "post": 3}.items():
            await pane.press("C")
            await pane.dialog_opened()
            await pane.press(*["up" if name == "post" else "down"] * steps, "enter")  # it stays on the last choice
            await until(pane.pilot, news(pane, name))
            assert pane.news.startswith("Copied the ")
            copied[name] = pane.app.clipboard
        notes = "positive 93.8%, negative 6.2%, uncertain, corrected: negative, adapter mood"
        assert copied["post"] == post
        assert copied["text"] == f"{post}\n{notes}"
        assert json.loads(copied["JSON"]) == {
            "text": post,
            "label": "positive",
            "confidence": ANALYSIS.confidence,
            "probabilities": ANALYSIS.probabilities,
            "uncertain": True,
            "adapter": "mood",
            "truncated": False,
        }
        quote = "> \\# 好吃\\*真\\*\\[哈哈\\]\\\n> 1\\. 下次\n>\n> \\- 再来\u200b"
        assert copied["Markdown"] == f"{quote}\n\n**positive 93.8%**{notes.removeprefix('positive 93.8%')}"

    play_predict(act)


def test_digit_keys_correct_a_card_and_undo_takes_it_back(furnished: Path) -> None:
    keep_posts(furnished, POST, OTHER)

    async def act(pane: Pane) -> None:
        await until(pane.pilot, lambda: len(pane.cards) == 2)
        await pane.press("escape", "k", "space")
        card = pane.posts[0]
        assert "2 ▲ positive" in pane.text(card)
        assert "1 ▼ negative" in pane.text(card)
        for key, shown, message in (
            ("1", "corrected: ▼ negative", "Label saved: negative. Press u to undo."),
            ("2", "confirmed", "Label saved: positive. Press u to undo."),
            ("0", "", "Correction removed. Press u to undo."),
        ):
            await pane.press(key)
            await until(pane.pilot, news(pane, message))
            await until(pane.pilot, lambda: shown in pane.text(card))  # noqa: B023
        await pane.press("u")
        await until(pane.pilot, lambda: "confirmed" in pane.text(card))
        await pane.press("u")
        await until(pane.pilot, lambda: "corrected: ▼ negative" in pane.text(card))
        await pane.press("9")
        assert pane.news == "No label has the key 9. The keys of the labels: 1 negative, 2 positive."
        await pane.press("l")
        await pane.dialog_opened()
        await until(pane.pilot, lambda: all(one in drawn(pane.pilot) for one in ("│  1 negative ", "│  2 positive ")))
        await pane.press("2")
        await until(pane.pilot, lambda: "confirmed" in pane.text(card))
        assert [entry.corrected for entry in history_entries(furnished) if isinstance(entry, Analysis)] == [
            None,
            "positive",
        ]
        # A deleted card comes back with its correction, which can be taken back then.
        await pane.press("d")
        await pane.dialog_opened()
        await pane.press("down", "enter")
        await until(pane.pilot, lambda: len(pane.cards) == 1)
        await pane.press("u", "u")
        await until(pane.pilot, lambda: "corrected: ▼ negative" in pane.text(card))
        assert pane.cursor is card

        history = pane.app.main_screens["history"]
        assert isinstance(history, HistoryScreen)
        await pane.press("h")
        await until(pane.pilot, lambda: history.is_current and selected_post(history) == POST)
        entry = history.browser.row
        assert isinstance(entry, Analysis) and entry.corrected == "negative"

        await pane.press("f2")
        settings = furnished / "settings.toml"
        settings.write_text(settings.read_text("utf-8") + "history = false\n", "utf-8")
        await pane.send(POST)
        await pane.wait_predicted(3)
        await pane.press("escape", "1")
        assert "This prediction was not recorded" in pane.news

    play_predict(act)


def selected_post(history: HistoryScreen) -> str:
    entry = history.browser.row
    return entry.text if isinstance(entry, Analysis) else ""


def test_card_actions_change_the_history(furnished: Path) -> None:
    add_adapter(furnished, "second")
    keep_posts(furnished, POST, OTHER)

    async def act(pane: Pane) -> None:
        await until(pane.pilot, lambda: len(pane.cards) == 2)
        await pane.press("escape", "k", "delete")
        await pane.dialog_opened()
        await pane.press("enter")  # the safe answer
        assert len(pane.cards) == 2
        await pane.press("d")
        await pane.dialog_opened()
        await pane.press("down", "enter")
        await until(pane.pilot, lambda: len(pane.cards) == 1)
        (entry,) = history_entries(furnished)
        assert isinstance(entry, Analysis) and entry.text == OTHER
        assert pane.cursor is pane.cards[0]
        await pane.press("u")
        await until(pane.pilot, lambda: len(pane.cards) == 2)
        assert [card.text for card in pane.posts] == [POST, OTHER]
        assert pane.cursor is pane.cards[0]
        assert len(history_entries(furnished)) == 2

        await pane.press("r")  # by another adapter
        await pane.dialog_opened()
        await pane.press("down", "enter")
        await pane.wait_predicted(3)
        assert [card.adapter for card in pane.posts] == ["mood", "mood", "second"]
        assert pane.app.catalog.adapter == "mood"

        history = pane.app.main_screens["history"]
        assert isinstance(history, HistoryScreen)
        await pane.press("g", "h")
        await until(pane.pilot, lambda: history.is_current and selected_post(history))
        assert selected_post(history) == POST
        # What is corrected or deleted there changes here.
        again, other, post = await pane.app.records.call(lambda wb: wb.history.page(3))
        assert isinstance(again, Analysis) and (again.adapter, again.text) == ("second", POST)
        analysis_id = post.id
        assert analysis_id is not None
        await pane.app.records.call(lambda wb: wb.history.correct(analysis_id, "negative"))
        await pane.app.records.call(lambda wb: wb.history.delete([other, again]))
        await pane.press("f2")
        await until(pane.pilot, lambda: len(pane.cards) == 1)
        assert "corrected: ▼ negative" in pane.text(pane.cards[0])

    play_predict(act)


def test_typing_and_pasting_over_cards_reaches_the_prompt(furnished: Path) -> None:
    keep_posts(furnished, POST)

    async def act(pane: Pane) -> None:
        await until(pane.pilot, lambda: pane.cards)
        for key in ("escape", "i", "tab"):  # leave the cards without a letter
            await pane.press("escape", key)
            assert pane.screen.focused is pane.prompt
            assert pane.prompt.text == ""
        await pane.press("escape", *"今jk")
        assert pane.screen.focused is pane.prompt
        assert pane.prompt.text == "今jk"
        pane.prompt.text = ""
        await pane.press("escape")
        await pane.paste(OTHER)
        assert pane.screen.focused is pane.prompt
        assert pane.prompt.text == OTHER
        pane.screen.edit_post(HOSTILE)  # a post from elsewhere
        assert pane.prompt.text == HOSTILE
        await pane.press("ctrl+z")
        assert pane.prompt.text == OTHER

    play_predict(act)
