"""A local Hub with the endpoints that huggingface_hub uses, and network faults."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

COMMIT = "1f" * 20
LARGE = 10_000
"""Bytes above which a file is in large-file storage: at another address, with its SHA-256."""


TOO_LONG = 2**24
"""Bytes that no list of files has."""


def git_sha1(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


@dataclass
class Hub:
    """The state of the Hub: `repositories` by kind and name ("models/uer/gpt2"), `faults` for the next requests of
    large files, one each, the `requests`, and the first byte of each in `ranges`."""

    repositories: dict[str, dict[str, bytes]] = field(default_factory=dict)
    faults: deque[Callable[[Answer, bytes], None]] = field(default_factory=deque)
    listings: deque[Callable[[Answer, bytes], None]] = field(default_factory=deque)
    """Faults for the next lists of files."""
    statuses: deque[tuple[int, dict[str, str]]] = field(default_factory=deque)
    sent: int = 0
    """Bytes that the fault `longer` sent."""
    authorized: set[str] = field(default_factory=set)
    """Hosts that received credentials."""
    requests: list[str] = field(default_factory=list)
    ranges: list[int] = field(default_factory=list)
    address: str = ""
    storage: str = ""
    commit: str = COMMIT


class Answer(BaseHTTPRequestHandler):
    """Handles one request to `hub`."""

    protocol_version = "HTTP/1.1"
    hub: Hub

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - the base class's name for it
        pass

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        self.hub.requests.append(f"{self.command} {path}")
        if "Authorization" in self.headers:
            self.hub.authorized.add(self.headers["Host"])
        if self.hub.statuses:
            status, headers = self.hub.statuses.popleft()
            self.give(status, b"{}", headers)
        elif path.startswith("/api/"):
            self._tree(path)
        elif path.startswith("/large/"):
            self._large(path.removeprefix("/large/"))
        else:
            self._resolve(path.strip("/"))

    def do_HEAD(self) -> None:
        self.do_GET()

    def _tree(self, path: str) -> None:
        name, _tree, _revision = path.removeprefix("/api/").partition("/tree/")
        files = self.hub.repositories.get(name)
        if files is None:
            self.missing("RepoNotFound")
            return
        entries: list[dict[str, Any]] = [{"type": "directory", "path": "onnx", "oid": "0" * 40, "size": 0}]
        for file, content in files.items():
            entry = {"type": "file", "path": file, "size": len(content), "oid": git_sha1(content)}
            if len(content) > LARGE:
                digest = hashlib.sha256(content).hexdigest()
                entry["lfs"] = {"oid": digest, "size": len(content), "pointerSize": 134}
            entries.append(entry)
        content = json.dumps(entries).encode()
        if self.hub.listings:
            self.hub.listings.popleft()(self, content)
        else:
            self.give(200, content, {"Content-Type": "application/json"})

    def _resolve(self, path: str) -> None:
        name, _resolve, rest = path.partition("/resolve/")
        name = name if name.startswith("datasets/") else f"models/{name}"
        _revision, _slash, file = rest.partition("/")
        files = self.hub.repositories.get(name)
        if files is None or file not in files:
            self.missing("RepoNotFound" if files is None else "EntryNotFound")
            return
        content = files[file]
        headers = {"X-Repo-Commit": self.hub.commit, "Accept-Ranges": "bytes"}
        if len(content) > LARGE:
            digest = hashlib.sha256(content).hexdigest()
            headers |= {"X-Linked-ETag": f'"{digest}"', "X-Linked-Size": str(len(content))}
            self.give(302, b"", headers | {"Location": f"{self.hub.storage}/large/{name}/{file}"})
        else:
            self.give(200, content, headers | {"ETag": f'"{git_sha1(content)}"'})

    def _large(self, path: str) -> None:
        name, _slash, file = path.rpartition("/")
        content = self.hub.repositories[name][file]
        begin = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")[0])
        self.hub.ranges.append(begin)
        if self.hub.faults:
            self.hub.faults.popleft()(self, content[begin:])
        elif begin:
            headers = {"Content-Range": f"bytes {begin}-{len(content) - 1}/{len(content)}"}
            self.give(206, content[begin:], headers)
        else:
            self.give(200, content, {})

    def missing(self, code: str) -> None:
        self.give(404, b"", {"X-Error-Code": code})

    def give(self, status: int, content: bytes, headers: dict[str, str], length: int | None = None) -> None:
        """Send a response; `length` is a wrong content length."""
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(content) if length is None else length)} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def give_part(self, content: bytes, length: int) -> None:
        """Send the first bytes of a response of the length."""
        self.give(206 if self.headers.get("Range") else 200, content, {}, length)


def cut(after: int) -> Callable[[Answer, bytes], None]:
    """Close the connection after some bytes."""

    def send(answer: Answer, content: bytes) -> None:
        answer.give_part(content[:after], len(content))
        answer.close_connection = True

    return send


def garbled(answer: Answer, content: bytes) -> None:
    """Send other bytes of the same number."""
    answer.give_part(bytes(len(content)), len(content))


def interrupting(answer: Answer, content: bytes) -> None:
    """Send a first part, and then Ctrl-C to this process."""
    answer.give_part(content[: len(content) // 2], len(content))
    os.kill(os.getpid(), signal.SIGINT)
    answer.close_connection = True


def longer(answer: Answer, content: bytes) -> None:
    """Send more than the file has, up to 64 MiB."""
    answer.give(200, content, {}, length=2**26)
    with suppress(OSError):
        for _piece in range(2**10):
            answer.wfile.write(bytes(2**16))
            answer.hub.sent += 2**16
    answer.close_connection = True


def compressed(answer: Answer, content: bytes) -> None:
    """Send a list of files that is too long, compressed to a thousandth."""
    answer.give(200, gzip.compress(content + b" " * TOO_LONG, 1), {"Content-Encoding": "gzip"})


def too_long(answer: Answer, content: bytes) -> None:
    """Send a list of files that is too long."""
    with suppress(OSError):
        answer.give(200, content + b" " * TOO_LONG, {})


def endless_pages(answer: Answer, content: bytes) -> None:
    """Send a list of files whose next page is itself."""
    answer.hub.listings.append(endless_pages)
    answer.give(200, content, {"Link": f'<{answer.hub.address}{answer.path}>; rel="next"'})


def next_page_elsewhere(answer: Answer, content: bytes) -> None:
    """Send a list of files whose second page is on another host."""
    answer.give(200, b"[]", {"Link": f'<{answer.hub.storage}{answer.path}>; rel="next"'})


def slow(gate: threading.Event, after: int) -> Callable[[Answer, bytes], None]:
    """Send some bytes, and the rest when the gate opens."""

    def send(answer: Answer, content: bytes) -> None:
        answer.give_part(content[:after], len(content))
        answer.wfile.flush()
        gate.wait(600)
        answer.wfile.write(content[after:])

    return send


class Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore clients that close the connection."""


@contextmanager
def serving(hub: Hub) -> Iterator[Hub]:
    """For the block, run the Hub at its `address`, and at another one for large files."""
    handler = type("Answer", (Answer,), {"hub": hub})
    servers = [Server((host, 0), handler) for host in ("127.0.0.1", "127.0.0.2")]
    hub.address, hub.storage = (f"http://{server.server_address[0]!s}:{server.server_port}" for server in servers)
    for server in servers:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield hub
    finally:
        for server in servers:
            server.shutdown()
            server.server_close()
