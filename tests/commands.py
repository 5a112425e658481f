"""`weibo-tui` called as a person calls it: in this process where that will do, else in one of its own."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from weibo_tui.cli import main


@dataclass(frozen=True)
class Done:
    """How a command ended, and what it wrote."""

    code: int
    out: str
    err: str


class Command:
    """Calls the command line in this process. Made by the fixture `command`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch = monkeypatch
        self._capfd = capfd

    def __call__(self, *arguments: str | Path, stdin: bytes = b"") -> Done:
        self._monkeypatch.setattr(sys, "argv", ["weibo-tui", *map(str, arguments)])
        self._monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8"))
        self._capfd.readouterr()
        with pytest.raises(SystemExit) as left:
            main()
        out, err = self._capfd.readouterr()
        assert isinstance(left.value.code, int)
        return Done(left.value.code, out, err)

    def well(self, *arguments: str | Path, stdin: bytes = b"") -> Done:
        """The same, of a command that is to succeed."""
        done = self(*arguments, stdin=stdin)
        assert done.code == 0, done.err
        return done


def start(*arguments: str | bytes | Path, **options: Any) -> subprocess.Popen[bytes]:
    """The command line in a process of its own, which speaks as it would beside a person's other programs."""
    words = [sys.executable, "-m", "weibo_tui", *(one if isinstance(one, bytes) else str(one) for one in arguments)]
    streams: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process: subprocess.Popen[bytes] = subprocess.Popen(words, **(streams | options))
    return process


def environment(**changes: str) -> Mapping[str, str]:
    return os.environ | {"PYTHONUTF8": "0"} | changes


def objects(out: str) -> list[dict[str, Any]]:
    """What a command wrote with `--json`."""
    return [json.loads(line) for line in out.splitlines()]


def table(path: Path, encoding: str = "utf-8-sig") -> list[dict[str, str]]:
    """The rows of a CSV file."""
    with path.open(encoding=encoding, newline="") as file:
        return list(csv.DictReader(file))


def listing(folder: Path) -> dict[str, str]:
    """All that is in a folder: each path with the hash of its content, or what it is."""
    return dict(_entries(folder)) if folder.exists() else {}


def _entries(folder: Path) -> Iterator[tuple[str, str]]:
    yield ".", "folder"
    for path in sorted(folder.rglob("*")):
        content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"
        yield str(path.relative_to(folder)), content
