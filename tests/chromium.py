"""Headless Chromium, driven by its own protocol (https://chromedevtools.github.io/devtools-protocol)."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import shutil
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pyte
from terminal import Screen
from web_page import until

OPTIONS = ["--headless=new", "--no-sandbox", "--disable-background-networking", "--remote-debugging-port=0"]
CONTROL = 2
"""Modifier of keys."""
CODES = {"Enter": 13, "Escape": 27, **{f"F{number}": 111 + number for number in range(1, 13)}}


def has_chromium() -> bool:
    return shutil.which("chromium") is not None


class Tab:
    """A page of the browser. `events` are those that it has sent."""

    def __init__(self, websocket: aiohttp.ClientWebSocketResponse) -> None:
        self.events: list[dict[str, Any]] = []
        self._websocket = websocket
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for message in self._websocket:
            data = json.loads(message.data)
            if "id" in data:
                self._answers.pop(data["id"]).set_result(data)
            else:
                self.events.append(data)

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol, and return its result."""
        number = len(self._answers) + 1 + max(self._answers, default=0)
        self._answers[number] = asyncio.get_running_loop().create_future()
        await self._websocket.send_json({"id": number, "method": method, "params": parameters})
        answer = await asyncio.wait_for(self._answers[number], 60)
        assert "error" not in answer, (method, answer)
        result: dict[str, Any] = answer["result"]
        return result

    async def evaluate(self, script: str) -> Any:
        """Return the value of a JavaScript expression."""
        answer = await self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    async def press(self, key: str, modifiers: int = 0, **options: Any) -> None:
        """Press a key: a name of CODES, or a letter."""
        code = CODES.get(key) or ord(key.upper())
        own = {"key": key, "windowsVirtualKeyCode": code, "code": key if key in CODES else f"Key{key.upper()}"}
        text = {"text": "\r" if key == "Enter" else key} if key == "Enter" or not (modifiers or key in CODES) else {}
        kind = "keyDown" if text else "rawKeyDown"
        await self.call("Input.dispatchKeyEvent", type=kind, modifiers=modifiers, **own, **text, **options)
        await self.call("Input.dispatchKeyEvent", type="keyUp", modifiers=modifiers, **own)

    async def type(self, text: str) -> None:
        """Type text as an input method does."""
        await self.call("Input.insertText", text=text)

    async def compose(self, letters: str, text: str) -> None:
        """Type `letters` into an input method, and choose `text`."""
        await self.call("Input.imeSetComposition", text=letters, selectionStart=len(letters), selectionEnd=len(letters))
        await self.type(text)

    async def click(self, x: float, y: float) -> None:
        for kind in ("mousePressed", "mouseReleased"):
            await self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    async def resize(self, width: int, height: int) -> None:
        size = {"width": width, "height": height}
        await self.call("Emulation.setDeviceMetricsOverride", deviceScaleFactor=0, mobile=False, **size)

    async def save(self, path: Path) -> None:
        """Save a picture of the page."""
        answer = await self.call("Page.captureScreenshot", format="png")
        path.write_bytes(base64.b64decode(answer["data"]))

    def of(self, kind: str) -> list[Mapping[str, Any]]:
        """Return the parameters of the events of a kind."""
        return [event["params"] for event in self.events if event["method"] == kind]

    async def wait_for(self, script: str) -> Any:
        """Wait until the value of an expression is true, and return it."""
        while not (value := await self.evaluate(script)):
            await asyncio.sleep(0.05)
        return value


class Shown:
    """The screen of the app in a tab, drawn from the messages of its websocket."""

    def __init__(self, tab: Tab) -> None:
        self._tab = tab
        self._read = 0
        self._screen = Screen(80, 24)
        self._stream = pyte.ByteStream(self._screen)

    @property
    def text(self) -> str:
        """The lines of the screen."""
        self._draw()
        return self._screen.text

    @property
    def size(self) -> tuple[int, int]:
        """Columns and rows."""
        self._draw()
        return self._screen.columns, self._screen.lines

    def _draw(self) -> None:
        for event in self._tab.events[self._read :]:
            self._read += 1
            frame = event["params"].get("response", {})
            if event["method"] == "Network.webSocketFrameSent" and frame["payloadData"].startswith('["resize"'):
                size = json.loads(frame["payloadData"])[1]
                self._screen.resize(size["height"], size["width"])
            elif event["method"] == "Network.webSocketFrameReceived" and frame["opcode"] == 2:
                self._stream.feed(base64.b64decode(frame["payloadData"]))

    async def wait_for(self, text: str) -> None:
        """Wait until the app shows `text`."""
        await until(lambda: text in self.text, lambda: f"{text!r} did not come:\n{self.text}")


@asynccontextmanager
async def open_tab(url: str, folder: Path, width: int = 1280, height: int = 800, scale: int = 1) -> AsyncIterator[Tab]:
    """Open `url` in a browser with an empty profile in `folder`."""
    words = [*OPTIONS, f"--user-data-dir={folder}", f"--force-device-scale-factor={scale}", "about:blank"]
    browser = await asyncio.create_subprocess_exec("chromium", *words, stdout=DEVNULL, stderr=PIPE)
    assert browser.stderr is not None
    try:
        while not (found := re.search(rb"ws://([^/]+)/", await browser.stderr.readline())):
            assert browser.returncode is None, "chromium has ended"
        draining = asyncio.create_task(browser.stderr.read())
        async with aiohttp.ClientSession() as client:
            answer = await client.put(f"http://{found[1].decode()}/json/new?about:blank")
            address = (await answer.json())["webSocketDebuggerUrl"]
            async with client.ws_connect(address, max_msg_size=0) as websocket:
                tab = Tab(websocket)
                for domain in ("Page", "Runtime", "Network", "Log"):
                    await tab.call(f"{domain}.enable")
                await tab.call("Emulation.setFocusEmulationEnabled", enabled=True)
                await tab.resize(width, height)
                await tab.call("Page.navigate", url=url)
                yield tab
    finally:
        if browser.returncode is None:
            browser.terminate()
        await browser.wait()
        await draining
