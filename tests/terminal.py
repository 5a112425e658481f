"""A terminal for tests and screenshots: a program in a pseudo-terminal, and its screen."""

from __future__ import annotations

import codecs
import copy
import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

import pyte

KEYS = {
    "enter": "\r",
    "escape": "\x1b[27u",  # as kitty sends it: a single \x1b may be read together with the next key
    "tab": "\t",
    "backspace": "\x7f",
    "up": "\x1b[A",
    "down": "\x1b[B",
    "right": "\x1b[C",
    "left": "\x1b[D",
    "home": "\x1b[H",
    "end": "\x1b[F",
    "pageup": "\x1b[5~",
    "pagedown": "\x1b[6~",
    "delete": "\x1b[3~",
    "space": " ",
    "f1": "\x1bOP",
    "f2": "\x1bOQ",
    "f3": "\x1bOR",
    "f4": "\x1bOS",
    "f5": "\x1b[15~",
    "f6": "\x1b[17~",
    "f7": "\x1b[18~",
    **{f"ctrl+{letter}": chr(ord(letter) - 96) for letter in "abcdefghijklmnopqrstuvwxyz"},
}
APP = (sys.executable, "-m", "weibo_tui", "launch")


class Screen(pyte.Screen):
    """pyte's screen, with the alternate screen of full-screen programs."""

    alternate = False

    def __init__(self, columns: int, lines: int) -> None:
        self.titles: list[str] = []
        super().__init__(columns, lines)

    @property
    def text(self) -> str:
        """All lines. No cell follows a wide character, as on a screen."""
        # Not pyte's own `display`, which fails if half of a wide character was overwritten.
        return "\n".join("".join(self.buffer[y][x].data for x in range(self.columns)) for y in range(self.lines))

    def set_title(self, param: str) -> None:
        if not param.startswith(";"):  # OSC 22, the shape of the pointer, which pyte takes for OSC 2
            self.titles.append(param)

    def set_mode(self, *modes: int, **options: Any) -> None:
        super().set_mode(*modes, **options)
        if 1049 in modes and options.get("private") and not self.alternate:
            self.alternate = True
            self.save_cursor()
            self._own = copy.deepcopy(self.buffer)
            self.erase_in_display(2)

    def reset_mode(self, *modes: int, **options: Any) -> None:
        super().reset_mode(*modes, **options)
        if 1049 in modes and options.get("private") and self.alternate:
            self.alternate = False
            self.buffer = self._own
            self.restore_cursor()


class Terminal:
    """Runs `command` in a pseudo-terminal of `columns` × `rows` until the end of the block.

    A value of None in `environment` removes a variable. The terminal's own variables are those of a capable terminal.
    A terminal that `controls` the program sends it signals."""

    def __init__(
        self,
        command: Sequence[str] = APP,
        columns: int = 100,
        rows: int = 30,
        environment: Mapping[str, str | None] | None = None,
        controls: bool = True,
    ) -> None:
        self.screen = Screen(columns, rows)
        self._stream = pyte.ByteStream(self.screen)
        self._text: codecs.IncrementalDecoder | None = None
        self.process, self._master = _spawn(command, columns, rows, environment or {}, controls)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        if self._master >= 0:
            os.close(self._master)

    @property
    def text(self) -> str:
        """The lines of the screen."""
        return self.screen.text

    @property
    def in_order(self) -> bool:
        """True if the terminal is as a shell leaves it: echo, line mode, visible cursor and main screen."""
        local = termios.tcgetattr(self._master)[3]
        echoes = bool(local & termios.ECHO and local & termios.ICANON)
        return echoes and not self.screen.cursor.hidden and not self.screen.alternate

    def position(self, text: str) -> tuple[int, int]:
        """Return column and row of the first cell of `text`."""
        for row in range(self.screen.lines):
            cells = [self.screen.buffer[row][column].data for column in range(self.screen.columns)]
            index = "".join(cells).find(text)
            if index >= 0:
                return next(column for column in range(len(cells)) if len("".join(cells[:column])) >= index), row
        raise AssertionError(f"{text!r} is not on the screen:\n{self.text}")

    def click(self, text: str) -> None:
        """Click on the first cell of `text`."""
        column, row = self.position(text)
        for end in "Mm":
            os.write(self._master, f"\x1b[<0;{column + 1};{row + 1}{end}".encode())
        self.listen(0.05)

    def set_encoding(self, encoding: str) -> None:
        """Decode the output from another encoding than UTF-8."""
        self._text = codecs.getincrementaldecoder(encoding)("replace")

    def hang_up(self) -> None:
        """Close the terminal, as a closed window or a lost connection does."""
        os.close(self._master)
        self._master = -1

    def press(self, *keys: str) -> None:
        """Send keys by name, and other text unchanged."""
        for key in keys:
            os.write(self._master, KEYS.get(key, key).encode())
            self.listen(0.03)

    def send(self, data: bytes, seconds: float = 30.0) -> None:
        """Send bytes as fast as the program reads them, and draw its output."""
        deadline = time.monotonic() + seconds
        while data:
            assert time.monotonic() < deadline, f"the program takes no input:\n{self.text}"
            _, ready, _ = select.select([], [self._master], [], 0.01)
            if ready:
                # Non-blocking, so that a full buffer returns the rest instead of blocking.
                os.set_blocking(self._master, False)
                with suppress(BlockingIOError):
                    data = data[os.write(self._master, data[:2048]) :]
                os.set_blocking(self._master, True)
            self.listen(0.001)

    def paste(self, text: str) -> None:
        """Send text as a bracketed paste."""
        os.write(self._master, b"\x1b[200~" + text.encode() + b"\x1b[201~")
        self.listen(0.05)

    def listen(self, seconds: float) -> bool:
        """Draw the program's output for `seconds`. Return False if it has ended."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            ready, _, _ = select.select([self._master], [], [], left)
            if not ready:
                return True
            try:
                data = os.read(self._master, 65536)
            except OSError:  # on Linux, the other side is closed
                return False
            if not data:
                return False
            self._stream.feed(data if self._text is None else self._text.decode(data).encode())
        return True

    def wait_for(self, text: str, seconds: float = 120.0) -> str:
        """Draw until `text` is on the screen. Return the screen."""
        return self.wait_until(lambda: text in self.text, text, seconds)

    def wait_until(self, happened: Callable[[], object], what: str, seconds: float = 120.0) -> str:
        """Draw until `happened` is true. Fail with the screen after `seconds`."""
        deadline = time.monotonic() + seconds
        while not happened():
            alive = self.listen(0.05)
            assert alive or happened(), f"the program ended before {what!r}:\n{self.text}"
            assert time.monotonic() < deadline, f"{what!r} did not come:\n{self.text}"
        return self.text

    def wait_for_end(self, seconds: float = 120.0) -> int:
        """Draw until the program ends. Return its exit code."""
        deadline = time.monotonic() + seconds
        while self.process.poll() is None:
            self.listen(0.05)
            assert time.monotonic() < deadline, f"the program did not end:\n{self.text}"
        while select.select([self._master], [], [], 0)[0] and self.listen(0.05):  # what is left to draw
            pass
        return int(self.process.returncode)

    def resize(self, columns: int, rows: int) -> None:
        """Resize the window."""
        self.screen.resize(rows, columns)
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def _spawn(
    command: Sequence[str], columns: int, rows: int, environment: Mapping[str, str | None], controls: bool
) -> tuple[subprocess.Popen[bytes], int]:
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    own = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES", "NO_COLOR")}
    variables = {**own, "TERM": "xterm-256color", "COLORTERM": "truecolor", "LANG": "C.UTF-8", **environment}
    result = {name: value for name, value in variables.items() if value is not None}
    # As controlling terminal, so that a resize and the end of the terminal send signals.
    words = ["setsid", "--ctty", *command] if controls else command
    process = subprocess.Popen(
        words, stdin=slave, stdout=slave, stderr=slave, env=result, start_new_session=not controls
    )
    os.close(slave)
    return process, master
