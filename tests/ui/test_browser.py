"""The app in a real browser: its page, Chinese by an input method, keys, and the end of a session."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from at_work import LIGHT_APP
from chromium import CONTROL, Shown, Tab, has_chromium, open_tab
from web_page import serving, until

from weibo_tui import Workbench
from weibo_tui.storage.history import Analysis

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("local_network", "chromium")]
POST = "今天的面真好吃，开心[哈哈]"
TOKEN = "0123456789abcdef"
ENDED = "document.body.classList.contains('-closed') && document.getElementById('reason').textContent"
WIDTH = """{
  const context = document.createElement("canvas").getContext("2d");
  context.font = "16px 'Roboto Mono'";
  context.measureText("?").width
}"""


@pytest.fixture
def chromium() -> None:
    assert has_chromium(), "These tests need chromium. Install it, or run without -m slow."


def run(scene: Coroutine[None, None, None]) -> None:
    asyncio.run(asyncio.wait_for(scene, 240))


@asynccontextmanager
async def app_in_browser(
    folder: Path, light: bool = True, token: str = "", **options: Any
) -> AsyncIterator[tuple[Tab, Shown]]:
    """Open the app in a browser."""
    command = LIGHT_APP if light else ()
    async with serving(command, token=token) as server, open_tab(server.url, folder / "profile", **options) as tab:
        yield tab, Shown(tab)


def typed(tab: Tab) -> str:
    """Return what the page has sent as typed."""
    sent = [json.loads(frame["response"]["payloadData"]) for frame in tab.of("Network.webSocketFrameSent")]
    return "".join(message[1] for message in sent if message[0] == "stdin")


def test_chinese_post_is_predicted_and_recorded(furnished: Path, tmp_path: Path) -> None:
    async def scene() -> None:
        async with app_in_browser(tmp_path, light=False, token=TOKEN) as (tab, shown):
            await shown.wait_for("adapter mood")
            await tab.compose("jintian", POST[:2])
            await shown.wait_for(POST[:2])
            await tab.type(POST[2:])
            await shown.wait_for(POST)
            await tab.press("Enter")
            await shown.wait_for("mood ·")
            await tab.press("F4")
            await shown.wait_for("1–1 of 1")
            assert POST in shown.text
            assert "token" not in await tab.evaluate("location.href")
            assert await tab.evaluate("document.cookie") == ""
            assert await tab.evaluate("document.title") == "weibo-tui"
            check_page(tab, await tab.evaluate("location.origin"))

    run(scene())
    with Workbench(furnished) as wb:
        (entry,) = wb.history.page(10)
        assert isinstance(entry, Analysis)
        assert entry.text == POST


def check_page(tab: Tab, origin: str) -> None:
    """Check that the page has no error, and has asked nothing of another server."""
    assert tab.of("Runtime.exceptionThrown") == []
    assert [entry for entry in tab.of("Log.entryAdded") if entry["entry"]["level"] == "error"] == []
    urls = [request["request"]["url"] for request in tab.of("Network.requestWillBeSent")]
    urls += [socket["url"].replace("ws:", "http:") for socket in tab.of("Network.webSocketCreated")]
    assert len(urls) > 5
    assert all(url.startswith((origin, "data:")) for url in urls), urls


def test_keys_of_the_browser_reach_the_app(furnished: Path, tmp_path: Path) -> None:
    async def scene() -> None:
        async with app_in_browser(tmp_path) as (tab, shown):
            await shown.wait_for("adapter mood")
            for key, text in (("F5", "Import"), ("F3", "finished"), ("F7", "Open another file")):
                await tab.press(key)
                await shown.wait_for(text)
            await tab.press("p", CONTROL)
            await shown.wait_for("Search for a command")
            await tab.press("Escape")
            await until(lambda: "Search for" not in shown.text, lambda: "the end of the palette")
            await tab.press("F1")
            await shown.wait_for("This is a browser")
            await tab.press("F11")
            await tab.wait_for("document.fullscreenElement !== null")
            await tab.press("F11")
            await tab.wait_for("document.fullscreenElement === null")
            assert len(tab.of("Page.frameNavigated")) == 1  # nothing has loaded the page again

    run(scene())


def test_paste_copy_mouse_and_resize_work(furnished: Path, tmp_path: Path) -> None:
    async def scene() -> None:
        async with app_in_browser(tmp_path, light=False) as (tab, shown):
            await tab.call("Browser.grantPermissions", permissions=["clipboardReadWrite", "clipboardSanitizedWrite"])
            await shown.wait_for("adapter mood")
            await tab.evaluate("navigator.clipboard.writeText('粘贴的\\n两行😀')")
            await tab.press("v", CONTROL, commands=["paste"])
            await shown.wait_for("2 lines pasted")
            assert typed(tab).endswith("\x1b[200~粘贴的\r两行😀\x1b[201~")
            await tab.press("Enter")
            await shown.wait_for("两行😀")
            await tab.press("Enter")
            await shown.wait_for("mood ·")
            await tab.press("Escape")
            await shown.wait_for("Predict again")
            await tab.press("c")
            await shown.wait_for("Copied")
            await tab.wait_for("navigator.clipboard.readText().then((text) => text === '粘贴的\\n两行😀')")
            await tab.click(340, 12)
            await shown.wait_for("1–1 of 1")
            assert shown.size[0] > 130
            await tab.resize(640, 400)
            await until(lambda: shown.size[0] < 75, lambda: "a narrow terminal")
            await shown.wait_for("F7 Files")

    run(scene())


def test_reload_asks_first_and_end_is_explained(furnished: Path, tmp_path: Path) -> None:
    async def scene() -> None:
        async with app_in_browser(tmp_path) as (tab, shown):
            await shown.wait_for("adapter mood")
            await tab.press("F2")  # browsers ask only if the page was used
            reload = asyncio.create_task(tab.call("Page.reload"))
            await until(lambda: tab.of("Page.javascriptDialogOpening"), lambda: "the question")
            await tab.call("Page.handleJavaScriptDialog", accept=False)
            await reload
            await tab.press("F5")
            await shown.wait_for("Import")
            await tab.press("q", CONTROL)
            assert await tab.wait_for(ENDED) == "The session has ended."
            await tab.press("Enter")  # on the button
            await shown.wait_for("F2 Predict")
            await until(lambda: len(tab.of("Network.webSocketCreated")) == 2, lambda: "a new session")

    run(scene())


def test_page_on_a_phone_has_enough_columns(furnished: Path, tmp_path: Path) -> None:
    async def scene() -> None:
        async with app_in_browser(tmp_path, width=390, height=760, scale=2) as (tab, shown):
            await shown.wait_for("F7 Files")
            assert shown.size[0] in range(48, 60)
            assert await tab.evaluate("document.documentElement.scrollWidth") == 390

    run(scene())


def test_chinese_letters_fill_two_cells(furnished: Path, tmp_path: Path) -> None:
    async def scene() -> None:
        async with app_in_browser(tmp_path) as (tab, shown):
            await shown.wait_for("F2 Predict")
            latin, chinese = [await tab.evaluate(WIDTH.replace("?", letter)) for letter in "W中"]
            assert 1.7 * latin < chinese <= 2 * latin

    run(scene())


def test_wrong_token_shows_nothing(furnished: Path, tmp_path: Path) -> None:
    async def scene() -> None:
        async with serving(LIGHT_APP, token=TOKEN) as server:
            address = server.url.replace(TOKEN, TOKEN[::-1])
            async with open_tab(address, tmp_path / "profile") as tab:
                await until(lambda: tab.of("Network.responseReceived"), lambda: "an answer")
                assert {answer["response"]["status"] for answer in tab.of("Network.responseReceived")} == {403}
                assert TOKEN not in str(tab.events)

    run(scene())
