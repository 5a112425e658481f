"""Input that no keyboard sends: invalid bytes, broken sequences, floods. The app survives it and can quit."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from at_work import LIGHT_APP
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
        button = chance.choice([0, 1, 2, 32, 35, 64, 65, 66, 67, 99])
        return f"\x1b[<{button};{chance.randint(-3, 120)};{chance.randint(0, 40)}{chance.choice('Mm')}".encode()

    old = b"\x1b[M" + chance.randbytes(3)
    return b"".join(one() for _time in range(chance.choice([1, 2, 50]))) + chance.choice([b"", old])


def a_paste(chance: random.Random) -> bytes:
    inside = chance.choice([chance.randbytes(300), "好\n".encode() * chance.randrange(300), b"\x1b[200~[/x]\x00"])
    return PASTE + inside + PASTED


def an_answer(chance: random.Random) -> bytes:
    """A reply of a terminal."""
    return chance.choice(ANSWERS)


def a_key(chance: random.Random) -> bytes:
    """Any key but the one to quit."""
    return KEYS[chance.choice([name for name in KEYS if name != "ctrl+q"])].encode()


KINDS = (bytes_at_random, half_a_character, a_sequence, a_mouse, a_paste, an_answer, a_key, a_key)


def check_lives(terminal: Terminal, home: Path) -> None:
    """The app runs and ends when it is asked to, or the garbage contained the key to quit."""
    if terminal.process.poll() is None:
        terminal.process.terminate()
    assert terminal.wait_for_end(20) == 0
    assert terminal.in_order
    log = home / "weibo-tui.log"
    assert not log.exists(), log.read_text("utf-8")


# Each of these once ended the input of the app, or the app itself.
ONCE_FATAL = {
    "half a character": b"\xe5\xa5",
    "no text": b"\xff\xfe\x80",
    "a key beyond all characters": b"\x1b[99999999u",
    "half a pair": b"\x1b[55357u",
    "a window of nothing, and a click": b"\x1b[48;0;0;0;0t\x1b[<0;3;3M",
    "a window of a million rows": b"\x1b[48;1000000;1000000;0;0t",
}


@pytest.mark.parametrize("at_once", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_garbage_that_once_ended_the_app_is_survived(at_once: bool, furnished: Path) -> None:
    with Terminal(LIGHT_APP) as terminal:
        terminal.wait_for("adapter mood")
        for data in [b"".join(ONCE_FATAL.values())] if at_once else ONCE_FATAL.values():
            terminal.send(data)
        terminal.press("abc!")
        terminal.wait_for("abc!")
        terminal.press("ctrl+q")
        assert terminal.wait_for_end(20) == 0
        check_lives(terminal, furnished)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 22))
def test_random_garbage_is_survived(seed: int, furnished: Path) -> None:
    chance = random.Random(seed)
    with Terminal() as terminal:
        terminal.wait_for("adapter mood")
        for _time in range(300):
            if terminal.process.poll() is None:
                terminal.send(chance.choice(KINDS)(chance).replace(CTRL_Q, b""))
        check_lives(terminal, furnished)


@pytest.mark.slow
def test_paste_of_a_megabyte_asks_first(furnished: Path) -> None:
    with Terminal() as terminal:
        terminal.wait_for("adapter mood")
        terminal.send(PASTE + "今天的面真好吃".encode() * 50_000 + PASTED, seconds=120)
        terminal.wait_for("This post has 350,000 characters")
        terminal.press("ctrl+q")
        assert terminal.wait_for_end(60) == 0
        check_lives(terminal, furnished)
