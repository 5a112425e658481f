"""`serve`: who may open the app, and who gets nothing."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from collections.abc import Coroutine, Mapping
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from disks import NOBODY
from web_page import open_page, serving

from weibo_tui.web.server import MAX_WAITING

pytestmark = pytest.mark.usefixtures("local_network")
TOKEN = "0123456789&#汉字/+=?"
ROUTES = ["", "ws", "page/page.js", "static/js/textual.js", "static", "download/x", "nothing", "%2e%2e/etc/passwd"]
UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}
APP = (sys.executable, "-c", "import sys; print('no app', file=sys.stderr)")


def run(scene: Coroutine[None, None, None]) -> None:
    asyncio.run(asyncio.wait_for(scene, 120))


async def fetch(client: aiohttp.ClientSession, url: str, **options: Any) -> tuple[int, Mapping[str, str], str]:
    """Return status, headers and text of a page."""
    async with client.get(url, **options) as response:
        return response.status, response.headers, await response.text()


async def check_refused(url: str, headers: Mapping[str, str]) -> None:
    """Check that each route gives nothing but the status."""
    for route in ROUTES:
        for more in ({}, UPGRADE):
            async with (
                aiohttp.ClientSession() as client,
                client.get(url + route, headers={**headers, **more}) as response,
            ):
                assert response.status == 403, route
                assert await response.read() == b""
                assert not {"Server", "Set-Cookie", "Location"} & set(response.headers), route


@pytest.mark.parametrize(
    "headers",
    [{}, {"Cookie": f"weibo-tui=x; token={TOKEN.encode().hex()}"}, {"Authorization": "Bearer 0123456789"}],
    ids=["nothing", "cookie", "header"],
)
def test_without_token_each_route_gives_nothing(headers: Mapping[str, str]) -> None:
    async def scene() -> None:
        lines: list[str] = []
        async with serving(APP, token=TOKEN, log=lines.append) as server:
            await check_refused(server.url.partition("?")[0], headers)
        assert lines == ["Refused: a request without the token."]

    run(scene())


@pytest.mark.parametrize("wrong", ["", "x" * 16, TOKEN[:-1], TOKEN + "x", TOKEN.upper() + "é", "\udcff"])
def test_wrong_token_gives_nothing(wrong: str) -> None:
    async def scene() -> None:
        async with serving(APP, token=TOKEN) as server, aiohttp.ClientSession() as client:
            port = server.port
            for headers in ({}, {"Cookie": f"weibo-tui-{port}={'0' * 64}"}):
                query = {"token": wrong.encode("utf-8", "replace").decode()}
                for route in ROUTES:
                    url = f"http://127.0.0.1:{port}/{route}"
                    async with client.get(url, params=query, headers=headers) as response:
                        assert (response.status, await response.read()) == (403, b"")

    run(scene())


def test_token_opens_page_and_cookie_replaces_it() -> None:
    async def scene() -> None:
        jar = aiohttp.CookieJar(unsafe=True)  # for addresses too
        async with serving(APP, token=TOKEN) as server, aiohttp.ClientSession(cookie_jar=jar) as client:
            status, headers, _text = await fetch(client, server.url)
            assert status == 200
            assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(headers["Set-Cookie"].split("; "))
            assert TOKEN not in headers["Set-Cookie"]
            address = server.url.partition("?")[0]
            expected = {"": 200, "static/js/textual.js": 200, "nothing": 404, "static/../server.py": 404, "static": 403}
            for route, code in expected.items():
                assert (await fetch(client, address + route))[0] == code, route
            async with client.ws_connect(address + "ws") as websocket:
                assert await websocket.receive_json() == ["ended", "no app"]

    run(scene())


def test_cookie_of_another_server_gives_nothing() -> None:
    async def scene() -> None:
        async with serving(APP, token=TOKEN) as one, serving(APP, token=TOKEN) as other:
            async with aiohttp.ClientSession() as client:
                _status, headers, _text = await fetch(client, one.url)
            cookie = headers["Set-Cookie"].partition("=")[2].partition(";")[0]
            for port in (one.port, other.port):
                await check_refused(other.url.partition("?")[0], {"Cookie": f"weibo-tui-{port}={cookie}"})

    run(scene())


@pytest.mark.parametrize("host", ["example.org", "example.org:80", "192.0.2.1", "localhost.example.org", "0.0.0.0", ""])
def test_name_of_another_machine_gives_nothing(host: str) -> None:
    async def scene() -> None:
        async with serving(APP) as server:
            await check_refused(server.url, {"Host": host})

    run(scene())


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1:9000", "[::1]:80", "[::1]"])
def test_names_of_this_machine_open_the_page(host: str) -> None:
    async def scene() -> None:
        async with serving(APP) as server, aiohttp.ClientSession() as client:
            assert (await fetch(client, server.url, headers={"Host": host}))[0] == 200

    run(scene())


@pytest.mark.parametrize("token", ["", TOKEN])
@pytest.mark.parametrize(
    "origin", ["http://example.org", "http://localhost:1", "null", "", "file://", "http://127.0.0.1", "http://["]
)
def test_page_of_another_website_opens_no_session(origin: str, token: str) -> None:
    async def scene() -> None:
        lines: list[str] = []
        async with serving(APP, token=token, log=lines.append) as server:
            with pytest.raises(aiohttp.WSServerHandshakeError, match="403"):
                async with open_page(server.url, headers={"Origin": origin}):
                    pass
        assert lines == ["Refused: a connection from the page of another website."]

    run(scene())


def test_own_page_opens_a_session_by_any_name() -> None:
    async def scene() -> None:
        async with serving(APP) as server:
            for host in (f"127.0.0.1:{server.port}", "localhost:9000"):
                for scheme in ("http", "https"):  # of a server in between
                    headers = {"Host": host, "Origin": f"{scheme}://{host}"}
                    async with open_page(server.url, headers=headers) as page:
                        assert await page.wait_for_end() == "no app"

    run(scene())


def test_silent_connections_do_not_keep_others_out() -> None:
    async def scene() -> None:
        async with serving(APP) as server, AsyncExitStack() as stack, open_page(server.url) as page:
            assert await page.wait_for_end() == "no app"
            readers = []
            for _number in range(MAX_WAITING + 10):
                reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
                stack.callback(writer.close)
                writer.write(b"GET / HTTP/1.1\r\n")
                readers.append(reader)
            for reader in readers[:9]:  # the latest connection is counted with the next
                with suppress(ConnectionError):
                    assert await reader.read() == b""
            async with aiohttp.ClientSession() as client:
                assert (await fetch(client, server.url))[0] == 200

    run(scene())


def test_page_names_no_other_website() -> None:
    async def scene() -> None:
        async with serving(APP) as server, aiohttp.ClientSession() as client:
            for path in ("", "page/page.css", "page/page.js", "static/css/xterm.css", "static/js/textual.js"):
                status, headers, text = await fetch(client, server.url + path)
                assert status == 200, path
                assert "default-src 'none'" in headers["Content-Security-Policy"]
                assert headers["X-Frame-Options"] == "DENY"
                if "static" not in path:  # textual-serve's own, which names the sources of its code
                    assert re.findall("https?://", text) == []

    run(scene())


FETCH = """
import os, sys, urllib.error, urllib.request
"localhost".encode("idna")  # the other user cannot read this Python's modules
os.setuid(int(sys.argv[2]))
try:
    print(urllib.request.urlopen(sys.argv[1]).status)
except urllib.error.HTTPError as error:
    print(error.code, error.read())
"""
SEND_AND_LEAVE = """
import os, socket, sys
"localhost".encode("idna")
os.setuid(int(sys.argv[2]))
with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as connection:
    connection.sendall(sys.stdin.buffer.read())
"""


async def as_user(script: str, argument: str, user: int, data: bytes = b"") -> str:
    words = [sys.executable, "-c", script, argument, str(user)]
    done = await asyncio.to_thread(subprocess.run, words, input=data, capture_output=True, check=True, cwd="/")
    return done.stdout.decode().strip()


def test_other_user_of_machine_needs_the_token(is_root: None) -> None:
    async def scene() -> None:
        async with serving(APP) as server:
            assert await as_user(FETCH, server.url, 0) == "200"
            assert await as_user(FETCH, server.url, NOBODY) == "403 b''"
        async with serving(APP, token="x" * 16) as server:
            assert await as_user(FETCH, server.url, NOBODY) == "200"

    run(scene())


def test_other_user_who_does_not_wait_opens_no_session(is_root: None, tmp_path: Path) -> None:
    trace = tmp_path / "opened"
    command = (sys.executable, "-c", f"open({str(trace)!r}, 'w')")
    request = "GET /ws HTTP/1.1\r\nHost: localhost\r\n" + "".join(
        f"{key}: {value}\r\n" for key, value in UPGRADE.items()
    )

    async def scene() -> None:
        async with serving(command) as server:
            for _time in range(20):
                await as_user(SEND_AND_LEAVE, str(server.port), NOBODY, request.encode() + b"\r\n")

    run(scene())
    assert not trace.exists()


@pytest.fixture
def is_root() -> None:
    """Skip the test where it cannot become another user."""
    if sys.platform != "linux" or subprocess.run(["id", "-u"], capture_output=True, check=True).stdout != b"0\n":
        pytest.skip("needs root on Linux")
