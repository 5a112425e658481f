"""The prediction pane: posts that are sent, the adapter that judges them, and the first start."""

from __future__ import annotations

import asyncio
import shutil
import threading
from pathlib import Path

import pytest
from made_up import posts
from pane import HOSTILE, OTHER, POST, Pane, add_adapter, history_entries, history_posts, play_predict, record_posts
from stage import play, until
from textual.pilot import Pilot

from weibo_tui.app.services.jobs import Job
from weibo_tui.engine.hyperparameters import Hyperparameters
from weibo_tui.errors import WeiboTuiError
from weibo_tui.storage.history import Analysis
from weibo_tui.workbench import ComputeOptions, TrainingConfig, Workbench

FLOAT32 = ComputeOptions("cpu", "float32", threads=1)


# ---- sending


def test_a_post_that_is_sent_gets_a_card_with_its_verdict_and_is_kept(furnished: Path) -> None:
    async def act(pane: Pane) -> None:
        await pane.send(POST)
        await pane.wait_predicted(1)
        (card,) = pane.posts
        text = pane.text(card)
        assert text.startswith(f"{POST}\n▲ positive")
        assert " %" in text
        assert "mood · " in text
        assert " ms · " in text
        assert pane.prompt.text == ""

    play_predict(act)
    (entry,) = history_entries(furnished)
    assert isinstance(entry, Analysis)
    assert (entry.text, entry.source, entry.adapter) == (POST, "app", "mood")


def test_its_card_is_there_before_the_verdict_and_many_are_answered_in_order(furnished: Path) -> None:
    texts = [text for text, _label in posts(6)]

    async def act(pane: Pane) -> None:
        let_go = threading.Event()
        held = asyncio.ensure_future(pane.app.engine.call(lambda _bench: let_go.wait(60)))
        await pane.send(*texts)
        assert [card.text for card in pane.posts] == texts
        assert all("…" in pane.text(card) for card in pane.posts)
        let_go.set()
        await held
        await pane.wait_predicted(len(texts))

    play_predict(act)
    assert history_posts(furnished) == texts


def test_adapter_that_another_program_renamed_is_followed(furnished: Path) -> None:
    async def act(pane: Pane) -> None:
        await pane.send(POST)
        await pane.wait_predicted(1)
        with Workbench.open() as other:
            other.rename_adapter("mood", "feeling")
        await pane.send(POST)
        await until(pane.pilot, lambda: pane.app.catalog.adapter == "feeling")
        assert "✗ There is no adapter 'mood'" in pane.text(pane.posts[1])
        await pane.send(POST)
        await until(pane.pilot, lambda: "feeling · " in pane.text(pane.posts[2]))

    play_predict(act)
    assert [entry.adapter for entry in history_entries(furnished) if isinstance(entry, Analysis)] == ["feeling", "mood"]


@pytest.mark.parametrize("key", ["ctrl+j", "alt+enter", "shift+enter"])
def test_a_post_can_have_several_lines(furnished: Path, key: str) -> None:
    async def act(pane: Pane) -> None:
        await pane.write("第一行")
        await pane.pilot.press(key)
        await pane.send("第二行")
        await pane.wait_predicted(1)
        assert pane.text(pane.cards[0]).startswith("第一行\n第二行\n")

    play_predict(act)
    assert history_posts(furnished) == ["第一行\n第二行"]


@pytest.mark.parametrize("text", ["", "   ", "　"])
def test_nothing_is_not_sent(furnished: Path, text: str) -> None:
    async def act(pane: Pane) -> None:
        await pane.send(text)
        assert not pane.cards

    play_predict(act)


def test_a_lone_q_leaves(furnished: Path) -> None:
    async def act(pane: Pane) -> None:
        await pane.send("q")
        await until(pane.pilot, lambda: pane.app.exiting)

    play_predict(act)
    assert not (furnished / "weibo-tui.db").exists() or not history_entries(furnished)


def test_a_post_that_nobody_can_read_says_so_on_its_card(furnished: Path) -> None:
    async def act(pane: Pane) -> None:
        await pane.paste("http://t.cn/abcdefg")
        await pane.pilot.press("enter")
        await pane.wait_predicted(1)
        assert "✗ nothing to read is left of the post" in pane.text(pane.cards[0])

    play_predict(act)


def test_an_error_of_the_engine_is_said_and_loses_nothing(furnished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_arguments: object, **_options: object) -> None:
        raise WeiboTuiError("The disk is on fire.")

    async def act(pane: Pane) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(Workbench, "predict", broken)
            await pane.send(POST)
            await pane.wait_predicted(1)
        assert "✗ The disk is on fire." in pane.text(pane.cards[0])
        await pane.pilot.press("up")
        assert pane.prompt.text == POST
        await pane.pilot.press("enter")
        await pane.wait_predicted(2)
        assert "▲ positive" in pane.text(pane.cards[1])

    play_predict(act)


def test_what_was_cut_and_what_is_uncertain_is_said_in_words(furnished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEIBO_TUI_UNCERTAIN_BELOW", "1")

    async def act(pane: Pane) -> None:
        await pane.paste("好" * 190)
        await pane.pilot.press("enter")
        await pane.wait_predicted(1)
        text = pane.text(pane.cards[0])
        assert "uncertain" in text
        assert "read 126 of 190 characters" in text

    play_predict(act)


def test_hostile_posts_are_shown_and_reach_model_and_history_as_they_are(furnished: Path) -> None:
    record_posts(furnished, HOSTILE)

    async def act(pane: Pane) -> None:
        await until(pane.pilot, lambda: pane.cards)
        await pane.paste(HOSTILE)
        assert pane.prompt.text == HOSTILE
        assert "\x1b" not in pane.prompt.get_line(0).plain
        await pane.pilot.press("enter")
        await pane.wait_predicted(2)
        for card in pane.cards:
            assert pane.text(card).startswith("[doge] [/哈哈] ␛[31m <U+202E> [b]x\n")

    play_predict(act)
    assert history_posts(furnished) == [HOSTILE, HOSTILE]


def test_posts_are_judged_while_a_training_runs(furnished: Path, posts_file: Path) -> None:
    async def act(pane: Pane) -> None:
        hyper = Hyperparameters(epochs=50, batch_size=16)
        plan = TrainingConfig((posts_file,), "other", hyper=hyper, machine=FLOAT32)
        job = pane.app.start_job(
            Job("train", "other", lambda bench: bench.train(plan), owner=pane.app.main_screens["train"])
        )
        await pane.see(lambda: job.run)
        pane.type("今", "天", "enter")
        await pane.see(lambda: pane.posts and not pane.posts[0].busy)
        assert job.outcome is None
        job.stop()
        pane.app.wake_workers()
        await pane.see(lambda: job.outcome)

    play_predict(act)


# ---- the adapter, and the first start


def test_the_prompt_names_the_adapter_and_its_labels_and_another_can_be_chosen(furnished: Path) -> None:
    add_adapter(furnished, "second")
    record_posts(furnished, POST)

    async def act(pane: Pane) -> None:
        assert pane.prompt.border_title == "[b]mood[/b]  ▼ negative  ▲ positive" or "mood" in str(
            pane.prompt.border_title
        )
        await pane.pilot.press("ctrl+g")
        await pane.asked()
        await pane.pilot.press("down", "enter")
        await until(pane.pilot, lambda: pane.app.catalog.adapter == "second")
        assert "second" in str(pane.prompt.border_title)
        await pane.send(OTHER)
        await pane.wait_predicted(2)
        assert pane.posts[-1].adapter == "second"

    play_predict(act)
    with Workbench.open(furnished) as bench:
        assert bench.settings.adapter == "second"


def test_where_several_adapters_are_and_none_is_chosen_one_is_asked_for(furnished: Path) -> None:
    add_adapter(furnished, "second")
    with Workbench.open(furnished) as bench:
        bench._choose(adapter="")

    async def scene(pilot: Pilot[None]) -> None:
        pane = Pane(pilot)
        await until(pilot, lambda: pane.app.catalog.adapters)
        await pane.send(POST)
        await until(pilot, lambda: pane.app.screen is not pane.screen)
        await pilot.press("down", "enter")
        await pane.wait_predicted(1)
        assert pane.posts[0].adapter == "second"

    play(scene)


def test_the_first_start_explains_itself_and_leads_on(home: Path) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        pane = Pane(pilot)
        await until(pilot, lambda: pane.screen.welcome.display)
        await pilot.press("enter")
        await until(pilot, lambda: pane.app.screen is not pane.screen)
        models = pane.app.main_screens["models"]
        assert models in pane.app.screen_stack

    play(scene, (60, 20))
    assert not (home / "weibo-tui.db").exists() or not history_entries(home)


def test_with_a_base_and_no_adapter_training_is_one_key_away(furnished: Path) -> None:
    shutil.rmtree(furnished / "adapters" / "mood")

    async def scene(pilot: Pilot[None]) -> None:
        pane = Pane(pilot)
        await until(pilot, lambda: pane.screen.welcome.display)
        await pilot.press("enter")
        await until(pilot, lambda: pane.app.screen is not pane.screen)
        assert pane.app.main_screens["train"] in pane.app.screen_stack

    play(scene)


def test_the_first_adapter_ends_the_first_start(furnished: Path) -> None:
    kept_aside = (furnished / "adapters").rename(furnished / "aside")

    async def scene(pilot: Pilot[None]) -> None:
        pane = Pane(pilot)
        await until(pilot, lambda: pane.screen.welcome.display)
        await pilot.press("escape")
        assert pane.app.focused is pane.prompt
        kept_aside.rename(furnished / "adapters")
        await pane.app.refresh_catalog()
        await until(pilot, lambda: not pane.screen.welcome.display)
        await pane.send(POST)
        await pane.wait_predicted(1)

    play(scene)


def test_a_post_without_an_adapter_stays_in_the_prompt(home: Path) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        pane = Pane(pilot)
        await until(pilot, lambda: pane.screen.welcome.display)
        await pane.write("今天")
        assert pane.screen.focused is pane.prompt
        await pilot.press("enter")
        await until(pilot, lambda: "train or import one first" in pane.news)
        assert pane.prompt.text == "今天"
        assert not pane.cards

    play(scene)


def test_the_footer_offers_what_works_now(furnished: Path) -> None:
    async def act(pane: Pane) -> None:
        def offered() -> set[str]:
            return {found.binding.description for found in pane.screen.active_bindings.values() if found.binding.show}

        await until(pane.pilot, lambda: "Label a file" in offered())
        assert {"Send", "Cards", "Adapter"} <= offered()
        await pane.send(POST)
        await pane.wait_predicted(1)
        await pane.pilot.press("escape")
        assert {"Open", "Copy", "Again", "History", "Delete"} <= offered()
        assert not {"Undo", "Stop", "Send", "Adapter"} & offered()

    play_predict(act)
