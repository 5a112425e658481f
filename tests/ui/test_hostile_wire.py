"""Hostile texts in a real terminal: no byte of them is written raw."""

from __future__ import annotations

import base64
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from histories import ANALYSIS
from hostile import fill, write_labelled
from terminal import Terminal

from weibo_tui import Workbench
from weibo_tui.text.terminal import sanitize


class Wire:
    """All bytes that reached a terminal."""

    def __init__(self, terminal: Terminal) -> None:
        self.data = b""
        self._stream: Any = terminal._stream
        terminal._stream = self  # type: ignore[assignment]

    def feed(self, data: bytes) -> None:
        self.data += data
        self._stream.feed(data)


# Sequences of a full-screen program: colors, cursor, modes and queries; copied text in base64.
OWN = re.compile(
    r"\x1b\[[\d;]*[mHJKABCD]|\x1b\[[?<>=]?[\d;]*(?:\$p|[hlucnqt])"
    r"|\x1b\]22;\w+\x07|\x1b\]52;c;[\w+/=]*\x07|[\r\n]"
)
MARK = "4242"  # in every sequence below, and in none of the app's own
SEQUENCES = (
    *(f"\x1b[{MARK}m", f"\x1b[{MARK};1H", f"\x1b[?{MARK}h", f"\x1b]0;{MARK}\x07", f"\x1b]2;{MARK}\x1b\\"),
    *(f"\x1b]8;;{MARK}\x07", f"\x1b]52;c;{MARK}\x07", f"\x1bP{MARK}\x1b\\", f"\x1b_G{MARK}\x1b\\"),
    *(f"\x1b^{MARK}\x1b\\", f"\x9b{MARK}m", f"\x9d0;{MARK}\x9c", f"\x90{MARK}\x9c", f"\x1bX{MARK}\x1b\\"),
    *("\x1bc", "\x1b#8", "\x0e\x0f\b\x07"),
    *("\u202e后\u2066前\u2069", "\u200f左\u200b空\ufeff", "\x85行\u2028段\u2029"),
)


@pytest.mark.slow
def test_hostile_texts_reach_no_terminal_raw(furnished: Path, tmp_path: Path) -> None:
    fill(furnished)
    post = "好" + "".join(SEQUENCES)
    folder = tmp_path / "data"
    write_labelled(folder, f"[b]\x1b[{MARK}m\u202e.csv")
    write_labelled(folder, "[b]x.csv")
    with Workbench(furnished) as wb:
        posts = [*(f"{sequence}好\ud83d" for sequence in SEQUENCES), post]
        latest = [replace(ANALYSIS, text=text, label=text) for text in posts]
        wb.history.add([replace(entry, created_at="2099-01-01T00:00:00.000Z") for entry in latest])
    with Terminal(columns=100, rows=30) as terminal:
        wire = Wire(terminal)
        terminal.wait_for("adapter mood")
        terminal.press("escape", "c")
        terminal.wait_for("Copied")
        for place, words in {"f3": "New", "f4": "of ", "f5": "Import"}.items():
            terminal.press(place)
            terminal.wait_for(words)
            terminal.press("down", "down", "enter", "escape")
        terminal.press("f4")
        terminal.wait_for("of ")
        for _entry in range(len(SEQUENCES)):
            terminal.press("c", "down")
        terminal.press("f3", "n")
        terminal.wait_for("Labeled posts")
        terminal.paste(f"{folder}/")
        terminal.press("down")
        terminal.wait_for("[b]x")
        terminal.press("enter")
        terminal.wait_for("Conflicting labels")
        terminal.press("ctrl+q")
        assert terminal.wait_for_end() == 0
        assert terminal.in_order
    raw = wire.data.decode()  # fails if a character is cut
    copied = [base64.b64decode(one).decode() for one in re.findall(r"\x1b\]52;c;([^\x07]*)\x07", raw)]
    assert post in copied
    assert "好?" in {text[-2:] for text in copied}  # for a lone surrogate
    for sequence in OWN.findall(raw):
        assert MARK not in sequence or sequence.startswith("\x1b]52;")
    left = OWN.sub("\n", raw)
    for line in left.split("\n"):
        assert sanitize(line) == line, repr(line)
    assert "\x1b]0;" not in raw and "\x1b]2;" not in raw  # the title does not change
