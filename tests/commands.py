"""`weibo-tui` called in this process or in one of its own."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from weibo_tui.cli import main

MACHINE = "--device cpu --dtype float32 --threads 1".split()
"""Options of a command whose results must be equal to another's."""


@dataclass(frozen=True)
class CommandResult:
    """Exit code and output of a command."""

    code: int
    out: str
    err: str


class Command:
    """Runs the command line in this process. The fixture `command` is one."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch = monkeypatch
        self._capfd = capfd

    def __call__(self, *arguments: str | Path, stdin: bytes = b"") -> CommandResult:
        self._monkeypatch.setattr(sys, "argv", ["weibo-tui", *map(str, arguments)])
        reader = io.BufferedReader(io.BytesIO(stdin))
        self._monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(reader, encoding="utf-8"))
        self._capfd.readouterr()
        with pytest.raises(SystemExit) as exit_info:
            main()
        out, err = self._capfd.readouterr()
        assert isinstance(exit_info.value.code, int)
        return CommandResult(exit_info.value.code, out, err)

    def ok(self, *arguments: str | Path, stdin: bytes = b"") -> CommandResult:
        """Run a command that must succeed."""
        result = self(*arguments, stdin=stdin)
        assert result.code == 0, result.err
        return result


def start(*arguments: str | bytes | Path, **options: Any) -> subprocess.Popen[bytes]:
    """Start the command line in a process of its own."""
    words = [sys.executable, "-m", "weibo_tui", *(item if isinstance(item, bytes) else str(item) for item in arguments)]
    streams: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process: subprocess.Popen[bytes] = subprocess.Popen(words, **(streams | options))
    return process


def environment(**changes: str) -> Mapping[str, str]:
    """Return the variables of a process that uses the encoding of its locale."""
    return os.environ | {"PYTHONUTF8": "0"} | changes


def json_lines(out: str) -> list[dict[str, Any]]:
    """Return the objects that a command wrote with `--json`."""
    return [json.loads(line) for line in out.splitlines()]


def write_table(path: Path, header: str, rows: Iterable[Iterable[object]]) -> Path:
    """Write a CSV file with the columns of `header`, which commas separate."""
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header.split(","), *rows])
    return path


def table(path: Path, encoding: str = "utf-8-sig") -> list[dict[str, str]]:
    """Return the rows of a CSV file."""
    with path.open(encoding=encoding, newline="") as file:
        return list(csv.DictReader(file))


def listing(folder: Path) -> dict[str, str]:
    """Return every path in a folder with the hash of its content."""
    return dict(_entries(folder)) if folder.exists() else {}


def _entries(folder: Path) -> Iterator[tuple[str, str]]:
    yield ".", "folder"
    for path in sorted(folder.rglob("*")):
        content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"
        yield str(path.relative_to(folder)), content
