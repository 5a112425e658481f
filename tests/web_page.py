"""A page of `weibo-tui serve` without a browser: its websocket, and the screen that it would draw."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pyte
from terminal import KEYS, Screen

from weibo_tui.web.server import Server


class WebPage:
    """Draws what the app sends. `ended` is the text of the end of the session, None before that."""

    def __init__(self, websocket: aiohttp.ClientWebSocketResponse, columns: int, rows: int) -> None:
        self.screen = Screen(columns, rows)
        self.ended: str | None = None
        self.websocket = websocket
        self._stream = pyte.ByteStream(self.screen)

    @property
    def text(self) -> str:
        """The lines of the screen."""
        return self.screen.text

    async def send(self, *message: Any) -> None:
        await self.websocket.send_str(json.dumps(message))

    async def press(self, *keys: str) -> None:
        """Send keys by name, and other text unchanged."""
        for key in keys:
            await self.send("stdin", KEYS.get(key, key))

    async def resize(self, columns: int, rows: int) -> None:
        self.screen.resize(rows, columns)
        await self.send("resize", {"width": columns, "height": rows})

    def drop(self) -> None:
        """Break the connection without a word, as a machine that is switched off."""
        self.websocket.get_extra_info("socket").shutdown(socket.SHUT_RDWR)

    async def wait_for(self, *texts: str) -> None:
        """Draw until all `texts` are on the screen."""
        await self.wait_until(lambda: all(text in self.text for text in texts), " and ".join(texts))

    async def wait_until(self, happened: Callable[[], object], what: str, seconds: float = 120.0) -> None:
        """Draw until `happened` is true. Fail with the screen after `seconds`."""
        deadline = time.monotonic() + seconds
        while not happened():
            assert time.monotonic() < deadline, f"{what!r} did not come:\n{self.text}"
            try:
                message = await self.websocket.receive(timeout=0.05)
            except TimeoutError:
                continue
            if message.type is aiohttp.WSMsgType.BINARY:
                self._stream.feed(message.data)
            elif message.type is aiohttp.WSMsgType.TEXT:
                kind, self.ended = json.loads(message.data)
                assert kind == "ended"
            else:
                assert happened(), f"the session ended before {what!r}: {self.ended}\n{self.text}"

    async def wait_for_end(self) -> str:
        """Draw until the session has ended, and return what the page says."""
        await self.wait_until(lambda: self.websocket.closed, "the end")
        assert self.ended is not None, self.text
        return self.ended


@asynccontextmanager
async def serving(command: Sequence[str] = (), **options: Any) -> AsyncIterator[Server]:
    """Serve on a free port of this machine, sessions of `command` or of the app."""
    server = Server(port=0, command=command, **options)
    await server.start()
    try:
        yield server
    finally:
        await server.close()


@asynccontextmanager
async def open_page(url: str, columns: int = 100, rows: int = 30, **options: Any) -> AsyncIterator[WebPage]:
    """Open a session, as the page at `url` does."""
    address, _sign, query = url.partition("?")
    async with (
        aiohttp.ClientSession() as client,
        client.ws_connect(f"{address}ws?width={columns}&height={rows}&{query}", **options) as websocket,
    ):
        yield WebPage(websocket, columns, rows)


async def until(happened: Callable[[], object], what: Callable[[], str], seconds: float = 120.0) -> None:
    """Wait until `happened` is true. Fail with `what` after `seconds`."""
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, what()
        await asyncio.sleep(0.05)
