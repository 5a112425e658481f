"""Output to terminals, pipes and closed streams, and its language."""

from __future__ import annotations

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
from commands import Command, environment, json_lines, start, table

from weibo_tui import locale
from weibo_tui.cli import output

HOSTILE = "好\x1b[31m\x1b]0;t\x07\x9b2J\u202e\u200b\udcff\x7f[SEP][/哈哈][b]"
ACTING = set("\x1b\x07\x9b\u202e\u200b\udcff\x7f\r")


ADDED = ["predicted", "confidence", "prob_negative", "prob_positive", "error"]


def test_control_characters_are_shown_and_kept_in_json(command: Command, furnished: Path, tmp_path: Path) -> None:
    shown = command.ok("predict", HOSTILE, "好")
    assert not set(shown.out + shown.err) & ACTING
    assert "好␛[31m" in shown.out
    assert "[SEP][/哈哈][b]" in shown.out
    for words in (["predict", "--json", HOSTILE], ["history", "list", "--json", "--limit", "1"]):
        written = command.ok(*words)
        assert json_lines(written.out)[0]["text"] == HOSTILE
        assert not set(written.out) & ACTING
    assert not set(command.ok("history", "list").out) & ACTING
    path = tmp_path / "\x1b[2J.csv"
    made_up.write_posts(path, 20)
    for line in (f"audit {path}", f"evaluate {path} --errors {path}2", f"history export {path}3"):
        result = command.ok(*line.split(" "))
        assert not set(result.out + result.err) & ACTING


@pytest.fixture
def chinese(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("WEIBO_TUI_LANGUAGE", "zh_CN")
    locale.use("auto")
    yield
    locale.use("auto")


def test_chinese_translates_text_but_no_keys(
    chinese: None, command: Command, furnished: Path, few: Path, tmp_path: Path
) -> None:
    refused = command("predict", "好", "--adapter", "mad")
    assert re.search("[一-鿿]", refused.err)
    assert "There is no" not in refused.err
    (prediction,) = json_lines(command.ok("predict", "--json", "今天的面真好吃").out)
    assert list(prediction)[:4] == ["text", "label", "confidence", "probabilities"]
    assert prediction["label"] == "positive"
    assert re.search("[一-鿿]", command.ok("evaluate", few).out)
    (score,) = json_lines(command.ok("evaluate", few, "--json", "--errors", tmp_path / "e.csv").out)
    assert list(score)[:3] == ["n", "failed", "accuracy"]
    assert (tmp_path / "e.csv").read_text("utf-8-sig").startswith("text,label,predicted,confidence,")
    command.ok("predict", "--file", few, "--out", tmp_path / "o.csv")
    assert list(table(tmp_path / "o.csv")[0]) == ["label", "review", *ADDED]
    command.ok("history", "export", tmp_path / "h.csv")
    assert (tmp_path / "h.csv").read_text("utf-8-sig").startswith("id,created_at,text,label,confidence,")
    assert list(json_lines(command.ok("runs", "list", "--json").out)[0])[:4] == ["id", "kind", "name", "state"]
    assert json_lines(command.ok("runs", "list", "--json").out)[0]["state"] == "finished"


def run(*words: str | Path, **options: Any) -> subprocess.CompletedProcess[bytes]:
    with start(*words, **options) as process:
        out, err = process.communicate(timeout=60)
    return subprocess.CompletedProcess(words, process.returncode, out, err)


def test_help_and_version_are_printed_on_stdout(command: Command) -> None:
    assert command.ok("--version").out == "0.1.0\n"
    english = command.ok("train", "--help").out
    for title in (
        "Usage: weibo-tui train [OPTIONS] [DATA…]",
        "Arguments:",
        "Data:",
        "Training:",
        "Adapter:",
        "Machine:",
    ):
        assert title in english
    assert "--max-grad-norm" not in english  # an alias
    chinese = run("--help", env=environment(WEIBO_TUI_LANGUAGE="zh_CN", PYTHONIOENCODING="utf-8"))
    assert re.search("[一-鿿]{4}", chinese.stdout.decode())


def test_shell_completion_lists_commands_and_options(monkeypatch: pytest.MonkeyPatch) -> None:
    for line, expected in (("weibo-tui bases re", "rename"), ("weibo-tui train --warmup-r", "--warmup-ratio")):
        variables = {"COMP_WORDS": line, "COMP_CWORD": "2", "_WEIBO_TUI_COMPLETE": "complete_bash"}
        assert expected in run(env=environment(**variables)).stdout.decode().split()


def test_app_without_a_terminal_is_refused(command: Command, home: Path) -> None:
    for words in ([], ["launch"]):
        result = command(*words)
        assert (result.code, result.out) == (2, "")
        assert result.err.startswith("weibo-tui: The app needs a terminal")


def test_closed_pipe_ends_predict_quietly(furnished: Path) -> None:
    with start("predict", "-", "--json", stdin=subprocess.PIPE) as process:
        assert process.stdin and process.stdout and process.stderr
        process.stdin.write("今天的面真好吃\n".encode() * 600)
        process.stdin.close()
        assert json.loads(process.stdout.readline())["label"] == "positive"
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 1


def test_stdout_on_full_disk_is_one_error_line(furnished: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        result = run("adapters", "list", stdout=full)
    assert result.returncode == 1
    assert result.stderr.decode().startswith("weibo-tui: ")
    assert len(result.stderr.splitlines()) == 1


def test_closed_streams_are_treated_as_empty(furnished: Path) -> None:
    command = f"exec {sys.executable} -m weibo_tui adapters show mad >&- <&-"
    result = subprocess.run(["bash", "-c", command], capture_output=True, check=False)
    assert result.returncode == 2
    assert result.stderr.decode().startswith("weibo-tui: There is no adapter 'mad'")


def test_json_on_an_ascii_stream_is_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(stream, encoding="ascii", errors="backslashreplace"))
    output.echo_json({"text": "今天的面真好吃😊"})
    assert json.loads(stream.getvalue()) == {"text": "今天的面真好吃😊"}


def through_terminal(words: Sequence[str | Path], stream: str, columns: int, tmp_path: Path) -> str:
    """Return what a command writes to `stream`, which is a terminal; the other stream goes to a file."""
    master, slave = pty.openpty()
    ioctl(slave, TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    other = {"stdout": "stderr", "stderr": "stdout"}[stream]
    with (tmp_path / "other").open("wb") as file:
        process = start(*words, **{stream: slave, other: file}, env=environment(TERM="xterm"))
        os.close(slave)
    written = io.BytesIO()
    try:
        while piece := os.read(master, 65536):
            written.write(piece)
    except OSError:  # Linux says so when the last writer is gone
        pass
    os.close(master)
    assert process.wait(timeout=60) == 0, written.getvalue().decode()
    return written.getvalue().decode()


def test_training_on_a_terminal_shows_bars(furnished: Path, posts_file: Path, tmp_path: Path) -> None:
    words = ["train", str(posts_file), "--name", "bars", "--epochs", "2", "--threads", "1", "--json"]
    written = through_terminal(words, "stderr", 100, tmp_path)
    bars = re.findall(r"training[^\r\n]*", written)
    assert any(
        re.search(r"━.* \d+/50 .*loss \d\.\d+, .*\d tokens/s.* \d\d:\d\d", re.sub(r"\x1b\[[\d;]*m", "", bar))
        for bar in bars
    )
    assert "Epoch 1: validation loss" in written
    assert all(json.loads(line)["event"] for line in (tmp_path / "other").read_text("utf-8").splitlines())


def test_prediction_is_cut_to_the_terminal(command: Command, furnished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setattr("shutil.get_terminal_size", lambda: os.terminal_size((60, 24)))
    (line,) = command.ok("predict", "这家店的面真好吃，" * 8).out.splitlines()
    assert line.endswith("…")
    assert len(line.encode("gb18030")) <= 60  # two bytes, as two cells, for each Chinese character


def test_table_prints_rows_as_they_come(capsys: pytest.CaptureFixture[str]) -> None:
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
