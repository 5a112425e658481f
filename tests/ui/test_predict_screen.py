"""The predict screen: posts and their predictions, the adapter, and the first start."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from made_up import posts
from pane import HOSTILE, OTHER, POST, Pane, add_adapter, history_entries, history_posts, play_predict, record_posts
from stage import drawn, play, until
from textual.pilot import Pilot
from textual.widgets import OptionList

from weibo_tui import ComputeOptions, TrainingConfig, Workbench
from weibo_tui.app.predict.welcome import SAMPLES
from weibo_tui.app.services.jobs import Job
from weibo_tui.engine.hyperparameters import Hyperparameters
from weibo_tui.errors import WeiboTuiError
from weibo_tui.presentation.numbers import percent
from weibo_tui.storage.history import Analysis

FLOAT32 = ComputeOptions("cpu", "float32", threads=1)


def test_sent_posts_get_cards_and_are_recorded(furnished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_arguments: object, **_options: object) -> None:
        raise WeiboTuiError("The disk is on fire.")

    lines = ["第一行\n第二行"] * 3

    async def act(pane: Pane) -> None:
        for text in ("", "   ", "　"):  # nothing to send
            await pane.send(text)
            assert not pane.cards
            pane.prompt.text = ""
        await pane.send(POST)
        await pane.wait_predicted(1)
        (card,) = pane.posts
        text = pane.text(card)
        assert text.startswith(f"{POST}\n▲ positive")
        assert "%" in text
        assert "mood · " in text
        assert re.search(r"\d m?s · ", text)
        assert pane.prompt.text == ""

        for key in ("ctrl+j", "alt+enter", "shift+enter"):  # each starts a new line
            await pane.press(*"第一行", key, *"第二行", "enter")
        await pane.paste("http://t.cn/abcdefg")
        await pane.press("enter")
        await pane.wait_predicted(5)
        assert all(pane.text(card).startswith(f"{lines[0]}\n") for card in pane.posts[1:4])
        assert "✗ no text left after cleaning" in pane.text(pane.posts[4])

        with monkeypatch.context() as patch:
            patch.setattr(Workbench, "iter_predict", broken)
            await pane.send(OTHER)
            await pane.wait_predicted(6)
        assert "✗ The disk is on fire." in pane.text(pane.posts[5])
        await pane.press("up")
        assert pane.prompt.text == OTHER
        await pane.press("enter")
        await pane.wait_predicted(7)
        assert not pane.posts[6].failure
        await pane.send("q")  # alone, it quits
        await until(pane.pilot, lambda: pane.app._exit)

    play_predict(act)
    entry = history_entries(furnished)[-1]
    assert isinstance(entry, Analysis)
    assert (entry.text, entry.source, entry.adapter) == (POST, "app", "mood")
    assert history_posts(furnished) == [POST, *lines, OTHER]


def test_cards_are_in_order_and_show_what_was_read(furnished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEIBO_TUI_UNCERTAIN_BELOW", "1")
    texts = [text for text, _label in posts(12)]

    async def act(pane: Pane) -> None:
        await pane.paste("好" * 190)
        await pane.press("enter")
        await pane.paste(HOSTILE)
        assert pane.prompt.text == HOSTILE
        assert "\x1b" not in pane.prompt.get_line(0).plain
        await pane.press("enter")
        await pane.wait_predicted(2)
        text = pane.text(pane.cards[0])
        assert "uncertain" in text
        assert "read 126 of 190 characters" in text
        assert pane.text(pane.cards[1]).startswith("[doge] [/哈哈] ␛[31m <U+202E> [b]x\n")

        # The cards are in the order of the posts, and the oldest cards are removed.
        monkeypatch.setattr("weibo_tui.app.predict.card_list.MAX_CARDS", 10)
        release = threading.Event()
        held = asyncio.ensure_future(pane.app.engine.call(lambda _wb: release.wait(60)))
        await pane.send(*texts)
        assert [card.text for card in pane.posts] == texts  # all of them are pending
        assert all("…" in pane.text(card) for card in pane.posts)
        release.set()
        await held
        await pane.wait_predicted(len(texts))

        # An adapter renamed by another program is followed.
        with Workbench() as other:
            other.rename_adapter("mood", "feeling")
        await pane.send(POST)
        await until(pane.pilot, lambda: "✗ Adapter not found: 'mood'" in pane.text(pane.posts[-1]))
        await until(pane.pilot, lambda: pane.app.catalog.adapter == "feeling")
        await pane.send(POST)
        await until(pane.pilot, lambda: "feeling · " in pane.text(pane.posts[-1]))
        assert [card.text for card in pane.posts] == [*texts[-8:], POST, POST]

    play_predict(act)
    assert history_posts(furnished) == ["好" * 190, HOSTILE, *texts, POST]
    assert history_entries(furnished)[0].adapter == "feeling"


def test_post_is_predicted_while_a_training_runs(furnished: Path, posts_file: Path) -> None:
    async def act(pane: Pane) -> None:
        hyper = Hyperparameters(epochs=900, batch_size=16)
        plan = TrainingConfig((posts_file,), "other", hyper=hyper, machine=FLOAT32)
        job = pane.app.start_job(
            Job("train", "other", lambda wb: wb.iter_train(plan), owner=pane.app.main_screens["train"])
        )
        await pane.see(lambda: job.run)
        pane.type("今", "天", "enter")
        await pane.see(lambda: pane.posts and not pane.posts[0].busy)
        assert job.outcome is None
        job.stop()
        pane.app.wake_workers()
        await pane.see(lambda: job.outcome)

    play_predict(act)


def test_prompt_names_the_adapter_and_another_is_chosen(furnished: Path) -> None:
    add_adapter(furnished, "second")
    record_posts(furnished, POST)

    async def act(pane: Pane) -> None:
        def footer() -> set[str]:
            return {
                active.binding.description for active in pane.screen.active_bindings.values() if active.binding.show
            }

        await until(pane.pilot, lambda: "Label a file" in footer())
        await until(pane.pilot, lambda: {"Send", "Cards", "Adapter"} <= footer())
        assert all(word in str(pane.prompt.border_title) for word in ("mood", "negative", "positive"))
        await pane.press("ctrl+g")
        await pane.dialog_opened()
        await pane.press("down", "enter")
        await until(pane.pilot, lambda: pane.app.catalog.adapter == "second")
        assert "second" in str(pane.prompt.border_title)
        await pane.send(OTHER)
        await pane.wait_predicted(2)
        assert pane.posts[-1].adapter == "second"
        await pane.press("escape")
        assert {"Open", "Copy", "Predict again", "History", "Delete"} <= footer()
        assert not {"Undo", "Stop", "Send", "Adapter"} & footer()
        await pane.press("escape")
        with Workbench(furnished) as wb:
            assert wb.settings.adapter == "second"
            wb._save_settings(adapter="")
        await pane.app.refresh_catalog()
        await pane.send(POST)  # without a default, the adapter is asked for
        await pane.dialog_opened()
        await pane.press("down", "enter")
        await pane.wait_predicted(3)
        assert pane.posts[-1].adapter == "second"

    play_predict(act)


def has_rows(pane: Pane, *rows: str) -> Callable[[], bool]:
    """Return a function that looks for rows on the screen, with columns of any width."""
    return lambda: all(row in " ".join(drawn(pane.pilot).split()) for row in rows)


def test_adapter_dialog_shows_labels_and_accuracies(furnished: Path) -> None:
    emotions = ("angry", "fearful", "happy", "neutral", "sad", "surprised")
    add_adapter(furnished, "emotions", labels=emotions, raw_labels=emotions)
    add_adapter(furnished, "unscored", score={})
    record_posts(furnished, POST)

    async def act(pane: Pane) -> None:
        await pane.press("ctrl+g")
        await pane.dialog_opened()
        score = percent(next(card.score["accuracy"] for card in pane.app.catalog.adapters if card.name == "mood"))
        tables = {
            100: (
                "Adapter Test accuracy Labels Base",
                f"emotions {score} {', '.join(emotions)} tiny",
                f"✓* mood {score} negative, positive tiny",
                "unscored – negative, positive tiny",
            ),
            60: (f"emotions {score} 6 labels tiny", "unscored – negative, positive tiny"),
            48: ("Adapter Test accuracy Labels", f"emotions {score} 6 labels", "unscored – 2 labels"),
        }
        for width, table in tables.items():
            await pane.pilot.resize_terminal(width, 24)
            await until(pane.pilot, has_rows(pane, *table))
        lines = [line for line in drawn(pane.pilot).splitlines() if " labels" in line]
        assert len({line.index(" labels") for line in lines}) == 1
        assert "✓ in use   * default" in drawn(pane.pilot)
        await pane.press("escape", "escape", "r")  # of the post
        await pane.dialog_opened()
        await pane.press("down", "enter")
        await pane.wait_predicted(2)
        assert pane.posts[-1].adapter == "unscored"

    play_predict(act)


def test_first_start_leads_to_models_and_training(furnished: Path, home: Path) -> None:
    bases, adapters = ((furnished / name).rename(furnished / f"{name}-aside") for name in ("bases", "adapters"))

    async def scene(pilot: Pilot[None]) -> None:
        pane = Pane(pilot)
        await until(pilot, lambda: pane.screen.welcome.display and isinstance(pane.app.focused, OptionList))
        await pane.write("今天")
        assert pane.screen.focused is pane.prompt
        await pane.press("enter")
        await until(pilot, lambda: "Train or import one first" in pane.news)
        assert pane.prompt.text == "今天"
        assert not pane.cards
        await pane.press("ctrl+u", "tab", "enter")
        await until(pilot, lambda: pane.app.screen is not pane.screen)
        assert pane.app.main_screens["models"] in pane.app.screen_stack
        await pane.press("escape", "f2")
        await until(pilot, lambda: pane.app.screen is pane.screen)

        bases.rename(furnished / "bases")
        await pane.app.refresh_catalog()
        await pane.press("enter")
        await until(pilot, lambda: pane.app.screen is not pane.screen)
        assert pane.app.main_screens["train"] in pane.app.screen_stack
        await pane.press("escape", "f2")
        await until(pilot, lambda: pane.app.screen is pane.screen)
        await pane.press("escape")
        assert pane.screen.focused is pane.prompt
        assert not (home / "weibo-tui.db").exists() or not history_entries(home)
        adapters.rename(furnished / "adapters")  # the first adapter
        await pane.app.refresh_catalog()
        await until(pilot, lambda: SAMPLES[0] in drawn(pilot))
        await pane.send(POST)
        await pane.wait_predicted(1)

    play(scene, (60, 20))
