"""What no keyboard sends: bytes that are no text, broken sequences, floods. The app takes it, and can be left."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from terminal import KEYS, Terminal

PASTE, PASTED = b"\x1b[200~", b"\x1b[201~"
CTRL_Q = b"\x11"
ANSWERS = [
    b"\x1b[48;0;0;0;0t",
    b"\x1b[48;24;80;0;0t",
    b"\x1b[48;99999999;99999999;1;1t",
    b"\x1b[?2048;2$y",
    b"\x1b[?2026;1$y",
    b"\x1b[1;1R",
    b"\x1b]11;rgb:0/0/0\x07",
    b"\x1bP1$r0m\x1b\\",
    b"\x1b[?62;c",
    b"\x1b[I",
    b"\x1b[O",
]


def numbers(chance: random.Random) -> str:
    some = [chance.choice(["", "0", "1", "7", "48", "99", "-5", "1000", "65536", "4294967296", "55296", "1114112"])]
    while chance.random() < 0.7:
        some.append(chance.choice(";:") + str(chance.choice([0, 1, 2, 3, 8, 30, 200, 2048, 99999, 10**15])))
    return "".join(some)


def bytes_at_random(chance: random.Random) -> bytes:
    return chance.randbytes(chance.randrange(1, 40))


def half_a_character(chance: random.Random) -> bytes:
    character: str = chance.choice("好😀é👨‍👩‍👧")
    return character.encode()[: chance.randrange(1, 4)] + chance.choice([b"", b"a", b"\x1b[A"])


def a_sequence(chance: random.Random) -> bytes:
    start: str = chance.choice(["\x1b[", "\x1b[?", "\x1b[<", "\x1b[>", "\x1bO", "\x1b]", "\x1bP", "\x9b", "\x1b\x1b["])
    end: str = chance.choice(["", *"uABCDHFRSmMtycnIO~z$", "$y", "\x07", "\x1b\\"])
    return (start + numbers(chance) + end).encode()


def a_mouse(chance: random.Random) -> bytes:
    def one() -> bytes:
        button, x, y = (
            chance.choice([0, 1, 2, 32, 35, 64, 65, 66, 67, 99]),
            chance.randint(-3, 120),
            chance.randint(0, 40),
        )
        return f"\x1b[<{button};{x};{y}{chance.choice('Mm')}".encode()

    old = b"\x1b[M" + chance.randbytes(3)
    return b"".join(one() for _time in range(chance.choice([1, 2, 50]))) + chance.choice([b"", old])


def a_paste(chance: random.Random) -> bytes:
    inside = chance.choice([chance.randbytes(300), "好\n".encode() * chance.randrange(300), b"\x1b[200~[/x]\x00"])
    return PASTE + inside + chance.choice([PASTED, PASTED, PASTED, b""])


def an_answer(chance: random.Random) -> bytes:
    """As of a terminal that was asked."""
    return chance.choice(ANSWERS)


def a_key(chance: random.Random) -> bytes:
    """Any but the one that leaves."""
    return KEYS[chance.choice([name for name in KEYS if name != "ctrl+q"])].encode()


KINDS: list[Callable[[random.Random], bytes]] = [
    bytes_at_random,
    half_a_character,
    a_sequence,
    a_mouse,
    a_paste,
    an_answer,
    a_key,
    a_key,
]


def garbage(seed: int, count: int) -> Iterator[bytes]:
    chance = random.Random(seed)
    for _time in range(count):
        yield chance.choice(KINDS)(chance).replace(CTRL_Q, b"")


def check_lives(terminal: Terminal, home: Path) -> None:
    """It is there, and ends as soon as it is asked to; or it was left by what happened to be the key for it."""
    if terminal.process.poll() is None:
        terminal.process.terminate()
    assert terminal.wait_for_end(20) == 0
    assert terminal.in_order
    log = home / "weibo-tui.log"
    assert not log.exists(), log.read_text("utf-8")


def throw(home: Path, seed: int, count: int) -> None:
    with Terminal() as terminal:
        terminal.wait_for("adapter mood")
        for data in garbage(seed, count):
            if terminal.process.poll() is None:
                terminal.send(data)
        check_lives(terminal, home)


# What was found once, each of which ended the input of the app, or the app itself.
FOUND = {
    "half a character": b"\xe5\xa5",
    "no text": b"\xff\xfe\x80",
    "a key beyond all characters": b"\x1b[99999999u",
    "half a pair": b"\x1b[55357u",
    "a window of nothing, and a click": b"\x1b[48;0;0;0;0t\x1b[<0;3;3M",
    "a window of a million rows": b"\x1b[48;1000000;1000000;0;0t",
    "a paste without an end": PASTE + b"abc",
}


@pytest.mark.parametrize("at_once", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_the_app_goes_on_after_what_once_ended_it(at_once: bool, furnished: Path) -> None:
    with Terminal() as terminal:
        terminal.wait_for("adapter mood")
        for data in [b"".join(FOUND.values())] if at_once else FOUND.values():
            terminal.send(data)
        terminal.listen(1.1)  # a key that comes so late belongs to no paste
        terminal.press("!")
        terminal.wait_for("abc!")
        terminal.press("ctrl+q")
        assert terminal.wait_for_end(20) == 0
        check_lives(terminal, furnished)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 22))
def test_the_app_goes_on_after_whatever_is_typed(seed: int, furnished: Path) -> None:
    throw(furnished, seed, 300)


@pytest.mark.slow
def test_a_megabyte_is_pasted(furnished: Path) -> None:
    with Terminal() as terminal:
        terminal.wait_for("adapter mood")
        terminal.send(PASTE + "今天的面真好吃".encode() * 50_000 + PASTED, seconds=120)
        terminal.wait_for("This post has 350,000 characters")
        terminal.press("ctrl+q")
        assert terminal.wait_for_end(60) == 0
        check_lives(terminal, furnished)
