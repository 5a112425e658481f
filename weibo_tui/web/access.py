"""Check who may open the app: other users, other machines and other websites must not reach it.

The app reads and writes the files of the user who runs the server. So each request passes these checks:

- With a token, the address of the page carries it once, and a cookie afterwards.
- Without one, the browser must run on this machine as the same user, and name this machine in the address. Otherwise
  a website could point its own name at this machine (DNS rebinding).
- A websocket must come from the server's own page, because browsers let every website open one.
"""

from __future__ import annotations

import hmac
import ipaddress
import os
import re
import secrets
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from aiohttp import web

from weibo_tui.locale import N_

SOCKET_TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
"""Connections of this machine with their users. Linux has them."""
ESTABLISHED = "01"
"""State of a connection that is open at both ends. In other states, the user in the tables may be 0 for all."""


class Access:
    """The checks of one server. `token` is empty where the own user on this machine needs none."""

    def __init__(self, token: str) -> None:
        self._token = token
        self._key = secrets.token_bytes(32)

    def find_fault(self, request: web.Request) -> str:
        """Return why the request is refused, for the user of the server. Empty if it is not."""
        if self._token:
            if not self._has_token(request):
                return N_("Refused: a request without the token.")
        elif not is_loopback(_host_name(_host(request))):
            return N_("Refused: a request that names another machine. With a token, any name of this one works.")
        elif not _is_own_user(request):
            return N_("Refused: a request of another user of this machine. With a token, other users are let in.")
        if "Upgrade" in request.headers and not _is_own_page(request):
            return N_("Refused: a connection from the page of another website.")
        return ""

    def remember(self, request: web.Request, response: web.StreamResponse) -> None:
        """Set the cookie that later requests carry instead of the token."""
        if self._token:
            response.set_cookie(_cookie_name(request), self._cookie(), httponly=True, samesite="Strict", path="/")

    def _has_token(self, request: web.Request) -> bool:
        given = request.query.get("token", "").encode("utf-8", "replace")
        cookie = request.cookies.get(_cookie_name(request), "").encode("utf-8", "replace")
        is_token = hmac.compare_digest(given, self._token.encode("utf-8", "replace"))
        return hmac.compare_digest(cookie, self._cookie().encode()) or is_token

    def _cookie(self) -> str:
        # Not the token itself, because browsers send cookies to all servers of a machine.
        return hmac.digest(self._key, self._token.encode("utf-8", "replace"), "sha256").hex()


def is_loopback(host: str) -> bool:
    """Return True if only this machine itself can reach the address `host`."""
    if host == "localhost":
        return True
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return False


def _host(request: web.Request) -> str:
    """Return the host that the request names. `request.host` would look up a name where it names none."""
    return request.host if "Host" in request.headers else ""


def _is_own_page(request: web.Request) -> bool:
    """Return True if the page that sends the request is of this server, or if no page sends it."""
    origin = request.headers.get("Origin")
    try:
        return origin is None or urlsplit(origin).netloc == _host(request)
    except ValueError:  # brackets that do not match
        return False


def _host_name(host: str) -> str:
    """Return the name in a Host header, without the port: `localhost:8000`, `[::1]:8000`."""
    return re.sub(r":\d*$", "", host).strip("[]").lower()


def _cookie_name(request: web.Request) -> str:
    # Browsers have one set of cookies for all ports, and several servers may run.
    port = _host(request).rpartition(":")[2]
    return f"weibo-tui-{port}" if port.isdigit() else "weibo-tui"


def _is_own_user(request: web.Request) -> bool:
    """Return True if the program at the other end runs as the user of this one, or as root. Also where unknown."""
    if sys.platform != "linux":
        return True
    transport = request.transport
    if transport is None:  # closed already
        return False
    peer, own = transport.get_extra_info("peername")[1], transport.get_extra_info("sockname")[1]
    users = {user for path in SOCKET_TABLES for user in _users_of(path, peer, own)}
    return bool(users) and users <= {os.getuid(), 0}


def _users_of(table: Path, local_port: int, remote_port: int) -> Iterator[int]:
    """Yield the users of the connections between two ports of this machine. More than one address may match."""
    lines = table.read_text("ascii").splitlines() if table.exists() else []
    for line in lines[1:]:
        _number, local, remote, state, _queues, _timer, _retries, user, *_rest = line.split()
        ports = int(local.rpartition(":")[2], 16), int(remote.rpartition(":")[2], 16)
        if ports == (local_port, remote_port) and state == ESTABLISHED:
            yield int(user)
