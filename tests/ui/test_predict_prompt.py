"""The prompt of the predict screen: lines, earlier posts, and pastes."""

from __future__ import annotations

from pathlib import Path

from made_up import posts
from pane import OTHER, POST, Pane, history_entries, history_posts, play_predict, record_posts
from stage import until

from weibo_tui.app.predict.job_card import BatchCard


def test_up_and_down_recall_posts_and_keep_the_draft(furnished: Path) -> None:
    record_posts(furnished, "很久以前\n两行")

    async def act(pane: Pane) -> None:
        await until(pane.pilot, lambda: pane.cards)
        await pane.send(POST, OTHER)
        await pane.write("草稿")
        seen = []
        for key in ("up", "up", "up", "up", "down", "down", "down", "down"):
            await pane.pilot.press(key)
            seen.append(pane.prompt.text)
        oldest = "很久以前\n两行"
        assert seen == [OTHER, POST, oldest, oldest, POST, OTHER, "草稿", "草稿"]
        # In a text of several lines they move within the lines first.
        pane.prompt.text = ""
        await pane.write("一")
        await pane.pilot.press("ctrl+j")
        await pane.write("二")
        await pane.pilot.press("up")
        assert pane.prompt.text == "一\n二"
        await pane.pilot.press("up")
        assert pane.prompt.text == OTHER
        await pane.pilot.press("down")
        assert pane.prompt.text == "一\n二"

    play_predict(act)


def test_recall_past_the_loaded_posts_loads_older_ones(furnished: Path) -> None:
    texts = [text for text, _label in posts(120)]
    record_posts(furnished, *texts)

    async def act(pane: Pane) -> None:
        await until(pane.pilot, lambda: len(pane.cards) == 50)
        assert [card.text for card in pane.posts] == texts[-50:]
        for _post in texts[-50:]:
            await pane.pilot.press("up")
        await pane.pilot.press("up")
        await until(pane.pilot, lambda: len(pane.cards) == 100)
        await pane.pilot.press("up")
        assert pane.prompt.text == texts[-51]

    play_predict(act)


def test_pasted_lines_are_one_post_or_one_each(furnished: Path) -> None:
    texts = [text for text, _label in posts(50)]

    async def act(pane: Pane) -> None:
        await pane.write("头尾")
        await pane.pilot.press("left")
        await pane.paste("中间\r\n")
        assert pane.prompt.text == "头中间尾"
        pane.prompt.text = ""
        await pane.paste("一\n\n二\n")
        await pane.dialog_opened()
        await pane.pilot.press("enter")
        await until(pane.pilot, lambda: pane.prompt.text == "一\n\n二\n")
        assert not pane.cards
        await pane.paste("\n".join([*texts[:7], "  ", *texts[7:]]))
        await pane.dialog_opened()
        await pane.pilot.press("down", "enter")
        await until(pane.pilot, lambda: pane.cards)
        *cards, batch = pane.cards
        assert isinstance(batch, BatchCard)
        assert [card.text for card in pane.posts] == texts[-20:]
        await until(pane.pilot, lambda: not batch.busy and not pane.posts[-1].busy)
        assert all(card.analysis and card.analysis.text == card.text for card in pane.posts)
        assert pane.text(batch).startswith("▤ 50 pasted posts")
        assert "the last 20 above" in pane.text(batch)
        assert len(cards) == 20

    play_predict(act)
    assert history_posts(furnished) == texts


def test_post_is_predicted_during_a_batch_that_is_stopped(furnished: Path) -> None:
    texts = [f"{text}{number}" for number in range(100) for text, _label in posts(200)]

    async def act(pane: Pane) -> None:
        await pane.paste("\n".join(texts))
        await pane.see(lambda: pane.app.screen is not pane.screen)
        await pane.pilot.press("down")
        pane.type("enter")
        await pane.see(lambda: pane.cards and pane.cards[-1].busy)
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
        await pane.see(lambda: "stopped before it was judged" in pane.text(pane.posts[0]))
        assert not batch.busy

    play_predict(act)
    assert 1 < len(history_entries(furnished)) < len(texts)
