"""What reaches a screen, a pipe or a closed stream; and in which language."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import re
import struct
import subprocess
import sys
from collections.abc import Iterator, Sequence
from fcntl import ioctl
from pathlib import Path
from termios import TIOCSWINSZ
from typing import Any

import made_up
import pytest
from commands import Command, environment, objects, start, table

from weibo_tui import locale
from weibo_tui.cli import output

HOSTILE = "好\x1b[31m\x1b]0;t\x07\x9b2J\u202e\u200b\udcff\x7f[SEP][/哈哈][b]"
ACTING = set("\x1b\x07\x9b\u202e\u200b\udcff\x7f\r")


ADDED = ["predicted", "confidence", "prob_negative", "prob_positive", "error"]


def test_nothing_that_acts_reaches_the_screen_and_json_keeps_it_exactly(
    command: Command, furnished: Path, tmp_path: Path
) -> None:
    shown = command.well("predict", HOSTILE, "好")
    assert not set(shown.out + shown.err) & ACTING
    assert "好␛[31m" in shown.out
    assert "[SEP][/哈哈][b]" in shown.out
    for words in (["predict", "--json", HOSTILE], ["history", "list", "--json", "--limit", "1"]):
        written = command.well(*words)
        assert objects(written.out)[0]["text"] == HOSTILE
        assert not set(written.out) & ACTING
    assert not set(command.well("history", "list").out) & ACTING
    path = tmp_path / "\x1b[2J.csv"
    made_up.write_posts(path, 20)
    for line in (f"audit {path}", f"evaluate {path} --errors {path}2", f"history export {path}3"):
        done = command.well(*line.split(" "))
        assert not set(done.out + done.err) & ACTING


def test_hostile_labels_are_shown_harmless(command: Command, furnished: Path, tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    posts = made_up.posts(40)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["label", "review"])
        writer.writerows([["\x1b[31m怒\n", "[/乐]"][label], text] for text, label in posts)
    for words in (["audit", path], ["train", path, "--name", "h", "--epochs", "1"], ["predict", "-", "--adapter", "h"]):
        done = command.well(*words, stdin="今天的面真好吃\n太差了\n".encode())
        assert not set(done.out + done.err) & ACTING
    assert len(done.out.splitlines()) == 2
    for words in (["adapters", "show", "h"], ["adapters", "list"], ["history", "list"]):
        assert not set(command.well(*words).out) & ACTING


@pytest.fixture
def chinese(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("WEIBO_TUI_LANGUAGE", "zh_CN")
    locale.use("auto")
    yield
    locale.use("auto")


def test_words_are_chinese_and_keys_and_headers_are_not(
    chinese: None, command: Command, furnished: Path, few: Path, tmp_path: Path
) -> None:
    refused = command("predict", "好", "--adapter", "mad")
    assert re.search("[一-鿿]", refused.err)
    assert "There is no" not in refused.err
    (verdict,) = objects(command.well("predict", "--json", "今天的面真好吃").out)
    assert list(verdict)[:4] == ["text", "label", "confidence", "probabilities"]
    assert verdict["label"] == "positive"
    assert re.search("[一-鿿]", command.well("evaluate", few).out)
    (score,) = objects(command.well("evaluate", few, "--json", "--errors", tmp_path / "e.csv").out)
    assert list(score)[:3] == ["n", "failed", "accuracy"]
    assert (tmp_path / "e.csv").read_text("utf-8-sig").startswith("text,label,predicted,confidence,")
    command.well("predict", "--file", few, "--out", tmp_path / "o.csv")
    assert list(table(tmp_path / "o.csv")[0]) == ["label", "review", *ADDED]
    command.well("history", "export", tmp_path / "h.csv")
    assert (tmp_path / "h.csv").read_text("utf-8-sig").startswith("id,created_at,text,label,confidence,")
    assert list(objects(command.well("runs", "list", "--json").out)[0])[:4] == ["id", "kind", "name", "state"]
    assert objects(command.well("runs", "list", "--json").out)[0]["state"] == "finished"


def run(*words: str | Path, **options: Any) -> subprocess.CompletedProcess[bytes]:
    with start(*words, **options) as process:
        out, err = process.communicate(timeout=60)
    return subprocess.CompletedProcess(words, process.returncode, out, err)


def test_help_and_version_go_to_stdout_in_the_persons_language() -> None:
    assert run("--version").stdout == b"0.1.0\n"
    english = run("train", "--help").stdout.decode()
    for title in (
        "Usage: weibo-tui train [OPTIONS] [DATA…]",
        "Arguments:",
        "Data:",
        "Training:",
        "Adapter:",
        "Machine:",
    ):
        assert title in english
    translated = run("--help", env=environment(WEIBO_TUI_LANGUAGE="zh_CN", PYTHONIOENCODING="utf-8"))
    assert re.search("[一-鿿]{4}", translated.stdout.decode())


def test_the_app_says_that_it_needs_a_terminal() -> None:
    for bare in (run(), run("launch")):
        assert (bare.returncode, bare.stdout) == (2, b"")
        assert b"weibo-tui: The app needs a terminal" in bare.stderr


def test_a_reader_that_has_enough_ends_it_quietly(furnished: Path) -> None:
    with start("predict", "-", "--json", stdin=subprocess.PIPE) as process:
        assert process.stdin and process.stdout and process.stderr
        process.stdin.write("今天的面真好吃\n".encode() * 2000)
        process.stdin.close()
        assert json.loads(process.stdout.readline())["label"] == "positive"
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 1


def test_a_full_disk_behind_stdout_is_said_in_one_line(furnished: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        done = run("adapters", "list", stdout=full)
    assert done.returncode == 1
    assert done.stderr.decode().startswith("weibo-tui: ")
    assert len(done.stderr.splitlines()) == 1


def test_closed_streams_end_nothing(furnished: Path) -> None:
    command = f"exec {sys.executable} -m weibo_tui adapters show mad >&- <&-"
    done = subprocess.run(["bash", "-c", command], capture_output=True, check=False)
    assert done.returncode == 2
    assert done.stderr.decode().startswith("weibo-tui: There is no adapter 'mad'")


def test_an_ascii_terminal_gets_valid_json(furnished: Path) -> None:
    done = run("predict", "--json", "今天的面真好吃😊", env=environment(PYTHONIOENCODING="ascii"))
    assert json.loads(done.stdout)["text"] == "今天的面真好吃😊"


def through_terminal(words: Sequence[str | Path], stream: str, columns: int, tmp_path: Path) -> str:
    """What a command writes to `stream` where that is a terminal of so many columns; the other goes to a file."""
    master, slave = pty.openpty()
    ioctl(slave, TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    other = {"stdout": "stderr", "stderr": "stdout"}[stream]
    with (tmp_path / "other").open("wb") as file:
        process = start(*words, **{stream: slave, other: file}, env=environment(TERM="xterm"))
        os.close(slave)
    seen = io.BytesIO()
    try:
        while piece := os.read(master, 65536):
            seen.write(piece)
    except OSError:  # Linux says so when the last writer is gone
        pass
    os.close(master)
    assert process.wait(timeout=60) == 0, seen.getvalue().decode()
    return seen.getvalue().decode()


def test_long_work_shows_bars_with_rate_and_time_left_on_a_terminal(
    furnished: Path, posts_file: Path, tmp_path: Path
) -> None:
    words = ["train", str(posts_file), "--name", "bars", "--epochs", "3", "--threads", "1", "--json"]
    seen = through_terminal(words, "stderr", 100, tmp_path)
    bars = re.findall(r"training[^\r\n]*", seen)
    assert any(
        re.search(r"━.* \d+/75 .*loss \d\.\d+, .*\d tokens/s.* \d\d:\d\d", re.sub(r"\x1b\[[\d;]*m", "", bar))
        for bar in bars
    )
    assert "Epoch 1: validation loss" in seen
    assert all(json.loads(line)["event"] for line in (tmp_path / "other").read_text("utf-8").splitlines())


def test_a_verdict_fits_the_terminal(furnished: Path, tmp_path: Path) -> None:
    seen = through_terminal(["predict", "这家店的面真好吃，" * 8], "stdout", 60, tmp_path)
    (line,) = seen.splitlines()
    assert line.endswith("…")
    assert len(line.encode("gb18030")) <= 60  # two bytes, as two cells, for each Chinese character


def test_table_prints_rows_before_the_last_is_made(capsys: pytest.CaptureFixture[str]) -> None:
    def rows() -> Iterator[list[str]]:
        for number in range(1500):
            yield ["好" * (3 if number < 1400 else 5), str(number)]
        raise EOFError

    with pytest.raises(EOFError):
        output.echo_table(["label", "n"], rows())
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1501
    assert lines[:2] == ["label   n", "好好好  0"]
    assert lines[-1] == "好好好好好  1499"
