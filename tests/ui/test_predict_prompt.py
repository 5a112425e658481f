"""The prompt of the predict screen: lines, earlier posts, and pastes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from browsing import ANALYSIS, at, keep, predictions
from made_up import posts
from pane import OTHER, POST, Pane, history_entries, history_posts, play_predict
from stage import drawn, until

from weibo_tui.app.predict.job_card import BatchCard


def test_up_and_down_recall_posts_and_keep_the_draft(furnished: Path) -> None:
    latest = "很久以前\n两行"
    older = predictions(80)
    keep(furnished, [*older, replace(ANALYSIS, text=latest, created_at=at(90))])

    async def act(pane: Pane) -> None:
        await until(pane.pilot, lambda: len(pane.cards) == 50)
        await pane.send(POST, OTHER)
        await pane.write("草稿")
        recalled = []
        for key in ("up", "up", "up", "up", "down", "down", "down", "down", "down"):
            await pane.press(key)
            recalled.append(pane.prompt.text)
        assert recalled == [OTHER, POST, latest, older[-1].text, latest, POST, OTHER, "草稿", "草稿"]
        # In a text of several lines they move within the lines first.
        pane.prompt.text = ""
        await pane.press("一", "ctrl+j", "二", "up")
        assert pane.prompt.text == "一\n二"
        await pane.press("up")
        assert pane.prompt.text == OTHER
        await pane.press("down")
        assert pane.prompt.text == "一\n二"
        # Past the loaded posts older ones are loaded.
        pane.prompt.text = ""
        await pane.press(*["up"] * 53)
        await until(pane.pilot, lambda: len(pane.cards) == 83)
        assert pane.prompt.text == older[31].text
        await pane.press("up")
        assert pane.prompt.text == older[30].text
        await pane.press(*["up"] * 40)
        assert pane.prompt.text == older[0].text

    play_predict(act)


def test_pasted_lines_are_one_post_or_one_each(furnished: Path) -> None:
    texts = [text for text, _label in posts(50)]

    async def act(pane: Pane) -> None:
        await pane.press("头", "尾", "left")
        await pane.paste("中间\r\n")
        assert pane.prompt.text == "头中间尾"
        pane.prompt.text = ""
        await pane.paste("一\n\n二\n")
        await pane.dialog_opened()
        await pane.press("enter")
        await until(pane.pilot, lambda: pane.prompt.text == "一\n\n二\n")
        assert not pane.cards
        pane.prompt.text = ""
        await pane.paste("\n".join([*texts[:7], "  ", *texts[7:]]))
        await pane.dialog_opened()
        await pane.press("down", "enter")
        await until(pane.pilot, lambda: len(pane.cards) == 21)
        *cards, batch = pane.cards
        assert isinstance(batch, BatchCard)
        assert [card.text for card in pane.posts] == texts[-20:]
        await until(pane.pilot, lambda: not pane.app.jobs and not pane.posts[-1].busy)
        assert all(card.analysis and card.analysis.text == card.text for card in pane.posts)
        assert pane.text(batch).startswith("▤ 50 pasted posts")
        assert "the last 20 above" in pane.text(batch)
        assert len(cards) == 20
        assert history_posts(furnished) == texts

        # A post is predicted during a batch, which is then stopped.
        many = [f"{text}{number}" for number in range(400) for text in texts]
        await pane.paste("\n".join(many))
        await pane.dialog_opened()
        pane.type("down", "enter")
        await pane.see(lambda: len(pane.cards) == 42 and pane.cards[-1].busy)
        batch = pane.cards[-1]
        pane.type("今", "enter")
        await pane.see(lambda: pane.posts[-1].text == "今" and not pane.posts[-1].busy)
        assert batch.busy
        pane.type("escape")
        await pane.see(lambda: pane.app.focused is pane.prediction_list)
        pane.type("k")
        await pane.see(lambda: pane.cursor is batch)
        pane.type("s")
        await pane.dialog_opened()
        pane.type("down", "enter")
        await pane.see(lambda: "stopped before it was predicted" in pane.text(pane.posts[20]))
        await until(pane.pilot, lambda: not batch.busy)
        assert 51 < len(history_entries(furnished)) < len(many)

    play_predict(act)


def test_zero_width_characters_are_sent_but_not_shown(furnished: Path) -> None:
    post = "今\u200b天👩\u200d👧\u200b"

    async def act(pane: Pane) -> None:
        await pane.paste(post)
        assert pane.prompt.text == post
        screen = drawn(pane.pilot)
        assert "│ 今天👩\u200d👧 " in screen
        assert not {"\u200b", "\ufffd"} & set(screen)
        await pane.press("home", "right", "right")  # past 今 with what follows it, and past 天
        assert pane.prompt.cursor_location == (0, 3)
        await pane.press("left", "left", "delete", "end", "backspace")
        assert pane.prompt.text == "\u200b天👩\u200d"
        await pane.press("home", "x", "ctrl+u", "ctrl+k")
        await pane.paste(post)
        await pane.press("enter")
        await pane.wait_predicted(1)
        assert "今天👩\u200d👧 " in drawn(pane.pilot)
        assert "\u200b" not in drawn(pane.pilot)
        await pane.press("escape", "c")
        assert pane.app.clipboard == post

    play_predict(act)
    assert history_posts(furnished) == [post]


def test_empty_prompt_is_drawn_in_no_width(furnished: Path) -> None:
    async def act(pane: Pane) -> None:
        for width in range(1, 8):
            await pane.pilot.resize_terminal(width, 30)
            assert len(pane.prompt.render_line(0).text) <= width

    play_predict(act)
