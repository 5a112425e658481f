"""A session: the app in a process of its own, which a browser shows."""

from __future__ import annotations

import asyncio
import json
import shlex
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence
from contextlib import suppress
from functools import partial

from aiohttp import WSMsgType, web
from textual_serve.app_service import AppService
from textual_serve.download_manager import DownloadManager

from weibo_tui.locale import gettext as _
from weibo_tui.text.terminal import sanitize

MIN_SIZE, MAX_SIZE = 1, 1000
"""Limits of the columns and rows of a browser's terminal."""
PACKETS_FOLLOW = b"__GANGLION__\n"
"""Line of Textual's web driver before its first packet."""
MAX_LAST_WORDS = 4000
"""Bytes of the app's messages that the page shows when the app has ended."""


class Session(AppService):
    """Runs the app, and passes packets between it and the page.

    textual-serve starts the app through a shell, prints its errors on the server, and leaves it alone when the page is
    closed during long work. This class differs in that."""

    def __init__(self, command: Sequence[str], websocket: web.WebSocketResponse) -> None:
        super().__init__(
            shlex.join(command),
            write_bytes=websocket.send_bytes,
            write_str=websocket.send_str,
            close=partial(end, websocket, ""),
            download_manager=DownloadManager(),
        )
        self._words = command
        self._websocket = websocket
        self._last_words = b""

    async def serve(self, columns: int, rows: int) -> None:
        """Run the app until it has ended. It ends when the page is closed, and saves its work first."""
        await self.start(_limited(columns), _limited(rows))
        assert self._task is not None
        assert self._process is not None
        page = asyncio.create_task(self._take_input())
        try:
            await asyncio.wait({page, self._task}, return_when=asyncio.FIRST_COMPLETED)
            self.stdin.close()  # for the app, the terminal is gone
            await self._task
            await end(self._websocket, self._describe_end())
        finally:
            page.cancel()
            if self._process.returncode is None:  # the server does not wait any longer
                self._process.kill()

    def _build_environment(self, width: int = 80, height: int = 24) -> dict[str, str]:
        own = super()._build_environment(width, height)
        # What the terminal of the server can do says nothing about the browser.
        for name in ("WEIBO_TUI_TOKEN", "TMUX", "NO_COLOR", "TEXTUAL"):
            own.pop(name, None)
        return own | {"TERM": "xterm-256color", "COLORTERM": "truecolor"}

    async def _open_app_process(self, width: int = 80, height: int = 24) -> Process:
        # In a session of its own, because Ctrl-C in the server's terminal is for the server.
        self._process = await asyncio.create_subprocess_exec(
            *self._words,
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            env=self._build_environment(width, height),
            start_new_session=True,
        )
        self._stdin = self._process.stdin
        return self._process

    async def run(self) -> None:
        """Send the output of the app to the page until the app has ended. `start` calls it."""
        assert self._process is not None
        stdout, stderr = self._process.stdout, self._process.stderr
        assert stdout is not None
        assert stderr is not None
        errors = asyncio.create_task(_read_end(stderr))
        while await stdout.readline() not in (PACKETS_FOLLOW, b""):
            pass
        with suppress(asyncio.IncompleteReadError):
            while True:
                header = await stdout.readexactly(5)
                payload = await stdout.readexactly(int.from_bytes(header[1:], "big"))
                if header[:1] == b"D":
                    with suppress(ConnectionError):  # the page is closed, and the app must not wait for it
                        await self.remote_write_bytes(payload)
        self._last_words = await errors
        await self._process.wait()

    def _describe_end(self) -> str:
        """Return what the app said at its end, or its exit code if that is not 0."""
        assert self._process is not None
        if text := sanitize(self._last_words.decode("utf-8", "replace")).strip():
            return text
        code = self._process.returncode
        return _("The app ended with exit code {code}. Its log may say why.").format(code=code) if code else ""

    # ---- input

    async def _take_input(self) -> None:
        """Take messages from the page until it is closed."""
        async for message in self._websocket:
            if message.type is WSMsgType.TEXT:
                with suppress(ValueError, RecursionError):  # no JSON, which the page does not send
                    await self._take(json.loads(message.data))

    async def _take(self, message: object) -> None:
        match message:
            case ["stdin", str(text)]:
                await self.send_bytes(text.encode("utf-8", "replace"))
            case ["resize", {"width": int(columns), "height": int(rows)}]:
                await self.set_terminal_size(_limited(columns), _limited(rows))
            case ["ping", str(sent)]:
                await self._websocket.send_json(["pong", sent])
            case ["focus"]:
                await self.focus()
            case ["blur"]:
                await self.blur()


async def end(websocket: web.WebSocketResponse, text: str) -> None:
    """Show `text` on the page, as the end of its session."""
    with suppress(ConnectionError):
        await websocket.send_json(["ended", text])
    await websocket.close()


async def _read_end(stream: asyncio.StreamReader) -> bytes:
    """Read a stream to its end, and return the last part of it."""
    result = b""
    while data := await stream.read(4096):
        result = (result + data)[-MAX_LAST_WORDS:]
    return result


def _limited(size: int) -> int:
    return min(max(size, MIN_SIZE), MAX_SIZE)


def app_command() -> list[str]:
    """Return the command that runs the app."""
    return [sys.executable, "-P", "-m", "weibo_tui", "launch"]
