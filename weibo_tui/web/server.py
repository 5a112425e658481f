"""The server of the app: a page, and a websocket for each session.

Of textual-serve it uses the protocol and the scripts of the page. It does not use its `Server`, which has no checks of
access, no limit of sessions, and a page that loads fonts from another website.
"""

from __future__ import annotations

import asyncio
import errno
import html
import logging
import socket
import string
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import textual_serve
from aiohttp import web
from aiohttp.typedefs import Handler

from weibo_tui.errors import UserInputError
from weibo_tui.locale import gettext as _
from weibo_tui.locale import join_sentences, language_tag, ngettext, with_note
from weibo_tui.log import user_message
from weibo_tui.web.access import Access, is_loopback
from weibo_tui.web.session import Session, app_command, end

PAGE = Path(__file__).parent / "page"
SCRIPTS = Path(textual_serve.__file__).parent / "static"
MIN_TOKEN = 16
HEARTBEAT_SECONDS = 15
MAX_WAITING = 64
"""Connections that may wait before a request with access. Each one uses a file descriptor, and so does a session."""
MAX_MESSAGE_BYTES = 64 * 2**20
"""Limit of a message from the page. A paste is one message."""
HEADERS = {
    # The page loads nothing from elsewhere, and no other page shows it in a frame. xterm.js makes style elements.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "font-src 'self'; img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; "
    "form-action 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-cache",
}


class Server:
    """Serves the app on `host` and `port` (0: any free one). `log` gets lines for the user of the server."""

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 8000,
        token: str = "",
        max_sessions: int = 16,
        log: Callable[[str], None] = lambda _line: None,
        command: Sequence[str] = (),
    ) -> None:
        _check(host, token)
        self._host, self.port = "127.0.0.1" if host == "localhost" else host, port
        self._token = token
        self._access = Access(token)
        self._max_sessions = max_sessions
        self._log = log
        self._logged: set[str] = set()
        self._admitted: set[web.RequestHandler] = set()
        self._command = command or app_command()
        self._sessions: dict[Session, web.WebSocketResponse] = {}
        # aiohttp would log each malformed request with a traceback.
        silent = logging.getLogger(__name__)
        silent.disabled = True
        self._listener: asyncio.Server | None = None
        self._runner = web.AppRunner(self._application(), access_log=None, logger=silent, handle_signals=False)

    @property
    def url(self) -> str:
        """The address to open."""
        host = self._host
        if self._listener and self._listener.sockets[0].getsockname()[0] in ("0.0.0.0", "::"):
            host = socket.gethostname()
        query = f"?token={quote(self._token, safe='')}" if self._token else ""
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}/{query}"

    async def start(self) -> None:
        """Listen. Raises UserInputError if the address cannot be used."""
        await self._runner.setup()
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self._log_failure)
        try:
            self._listener = await loop.create_server(self._open_connection, self._host, self.port)
        except (OSError, OverflowError) as error:
            await self._runner.cleanup()
            raise UserInputError(self._explain(error)) from error
        self.port = self._listener.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """End all sessions, wait until they have saved their work, and stop listening."""
        self._max_sessions = 0
        if number := len(self._sessions):
            message = ngettext("Ending {number} session …", "Ending {number} sessions …", number)
            self._log(join_sentences(message.format(number=number), _("Ctrl-C again ends without waiting.")))
        await asyncio.gather(*(end(page, _("The server has ended.")) for page in self._sessions.values()))
        while self._sessions:
            await asyncio.sleep(0.05)
        if self._listener:
            self._listener.close()
        await self._runner.cleanup()

    def _explain(self, error: Exception) -> str:
        number = getattr(error, "errno", None)
        if number == errno.EADDRINUSE:
            return _("Port {port} is in use. Choose another one with --port.").format(port=self.port)
        if number == errno.EACCES:
            return _("Port {port} needs administrator rights. Choose one above 1023.").format(port=self.port)
        message = _("Cannot listen on {host} ({reason}). Give an address of this machine as --host.")
        return message.format(host=self._host, reason=getattr(error, "strerror", None) or error)

    def _log_failure(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Log an error of the event loop once. It repeats some of them many times a second, with tracebacks."""
        if context["message"] not in self._logged:
            self._logged.add(context["message"])
            self._log(user_message(context.get("exception") or RuntimeError(context["message"])))

    # ---- requests

    def _open_connection(self) -> web.RequestHandler:
        """Return the protocol of a new connection."""
        assert self._runner.server is not None
        asyncio.get_running_loop().call_soon(self._close_waiting, self._runner.server)
        return self._runner.server()

    def _close_waiting(self, server: web.Server) -> None:
        """Close the oldest connections without access, beyond MAX_WAITING.

        Otherwise other users could take all file descriptors, with connections that send nothing."""
        connections = server.connections
        self._admitted.intersection_update(connections)
        waiting = [connection for connection in connections if connection not in self._admitted]
        for connection in waiting[:-MAX_WAITING]:
            if connection.transport is not None:
                connection.transport.abort()

    def _application(self) -> web.Application:
        application = web.Application(middlewares=[self._check_access])
        application.on_response_prepare.append(_add_headers)
        application.router.add_get("/", self._show_page)
        application.router.add_get("/ws", self._open_session)
        application.router.add_static("/page", PAGE)
        application.router.add_static("/static", SCRIPTS)
        return application

    @web.middleware
    async def _check_access(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if fault := self._access.find_fault(request):
            if fault not in self._logged:  # once, so that requests cannot flood the terminal
                self._logged.add(fault)
                self._log(_(fault))
            return web.Response(status=403)
        self._admitted.add(request.protocol)
        try:
            return await handler(request)
        except web.HTTPException:
            raise
        except Exception as error:
            self._log(user_message(error))
            return web.Response(status=500)

    async def _show_page(self, request: web.Request) -> web.Response:
        template = string.Template((PAGE / "page.html").read_text("utf-8"))
        texts = {name: html.escape(text) for name, text in _texts().items()}
        response = web.Response(text=template.substitute(texts), content_type="text/html")
        self._access.remember(request, response)
        return response

    async def _open_session(self, request: web.Request) -> web.WebSocketResponse:
        websocket = web.WebSocketResponse(heartbeat=HEARTBEAT_SECONDS, max_msg_size=MAX_MESSAGE_BYTES)
        await websocket.prepare(request)
        if len(self._sessions) >= self._max_sessions:
            await end(websocket, _("All sessions of this server are in use. Close another one, then try again."))
            return websocket
        session = Session(self._command, websocket)
        self._sessions[session] = websocket
        self._log_sessions(_("Session opened: {address}").format(address=request.remote))
        try:
            await session.serve(_number(request, "width", 80), _number(request, "height", 24))
        except OSError as error:
            await end(websocket, _("Cannot start a session ({reason}).").format(reason=error.strerror or error))
        finally:
            del self._sessions[session]
            self._log_sessions(_("Session ended: {address}").format(address=request.remote))
        return websocket

    def _log_sessions(self, event: str) -> None:
        number = len(self._sessions)
        sessions = ngettext("{number} session", "{number} sessions", number).format(number=number)
        self._log(with_note(event, sessions))


def _check(host: str, token: str) -> None:
    """Raise UserInputError if other machines could open the app without a token, or with one that can be guessed."""
    if not token.isprintable():  # bytes of another encoding would all be compared as "?"
        raise UserInputError(_("The token has characters that cannot be read. Use letters and digits."))
    if token and len(token) < MIN_TOKEN:
        raise UserInputError(
            _("The token is too short. Use at least {number} random characters.").format(number=MIN_TOKEN)
        )
    if not token and not is_loopback(host):
        message = _(
            "Other machines could open the app on {host}, and with it your files. Give a --token of at least {number} "
            "random characters, or set WEIBO_TUI_TOKEN."
        )
        raise UserInputError(message.format(host=host, number=MIN_TOKEN))


def _texts() -> dict[str, str]:
    """Return the texts of the page."""
    return {
        "language": language_tag(),
        "starting": _("Starting …"),
        "ended": _("The session has ended."),
        "lost": _("The connection to the server is lost. A training in progress stops with a checkpoint."),
        "again": _("Open a new session"),
    }


def _number(request: web.Request, name: str, default: int) -> int:
    with suppress(ValueError):
        return int(request.query.get(name, default))
    return default


async def _add_headers(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(HEADERS)
    response.headers.pop("Server", None)  # it names versions
