"""Output to terminals, pipes and closed streams, and its language."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import made_up
import pytest
from commands import Command, environment, json_lines, start, table
from histories import ANALYSIS

from weibo_tui import Workbench, locale
from weibo_tui.cli import output

HOSTILE = "好\x1b[31m\x1b]0;t\x07\x9b2J\u202e\u200b\udcff\x7f[SEP][/哈哈][b]"
ACTING = set("\x1b\x07\x9b\u202e\u200b\udcff\x7f\r")


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
    assert "not found" not in refused.err
    (prediction,) = json_lines(command.ok("predict", "--json", "今天的面真好吃").out)
    assert list(prediction)[:4] == ["text", "label", "confidence", "probabilities"]
    assert prediction["label"] == "positive"
    assert re.search("[一-鿿]", command.ok("evaluate", few).out)
    (score,) = json_lines(command.ok("evaluate", few, "--json", "--errors", tmp_path / "e.csv").out)
    assert list(score)[:3] == ["n", "failed", "accuracy"]
    assert (tmp_path / "e.csv").read_text("utf-8-sig").startswith("text,label,predicted,confidence,")
    command.ok("predict", "--file", few, "--out", tmp_path / "o.csv")
    assert list(table(tmp_path / "o.csv")[0]) == [
        *("label", "review", "predicted", "confidence", "prob_negative", "prob_positive", "error")
    ]
    command.ok("history", "export", tmp_path / "h.csv")
    assert (tmp_path / "h.csv").read_text("utf-8-sig").startswith("id,created_at,text,label,confidence,")
    assert list(json_lines(command.ok("runs", "list", "--json").out)[0])[:4] == ["id", "kind", "name", "state"]
    assert json_lines(command.ok("runs", "list", "--json").out)[0]["state"] == "finished"


def run(*words: str | Path, **options: Any) -> subprocess.CompletedProcess[bytes]:
    """Run the command line in a process of its own."""
    with start(*words, **options) as process:
        out, err = process.communicate(timeout=120)
    return subprocess.CompletedProcess(words, process.returncode, out, err)


def test_help_and_version_are_printed_on_stdout(command: Command) -> None:
    assert command.ok("--version").out == "0.1.0\n"
    english = command.ok("train", "--help").out
    assert "Usage: weibo-tui train [OPTIONS] [DATA…]" in english
    assert set("Arguments: Data: Training: Adapter: Machine:".split()) <= set(english.split())
    assert "--max-grad-norm" not in english  # an alias
    chinese = run("--help", env=environment(WEIBO_TUI_LANGUAGE="zh_CN", PYTHONIOENCODING="utf-8"))
    assert re.search("[一-鿿]{4}", chinese.stdout.decode())


@pytest.mark.parametrize(
    ("line", "expected"), [("weibo-tui bases re", "rename"), ("weibo-tui train --warmup-r", "--warmup-ratio")]
)
def test_shell_completion_lists_commands_and_options(
    line: str, expected: str, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"COMP_WORDS": line, "COMP_CWORD": "2", "_WEIBO_TUI_COMPLETE": "complete_bash"}.items():
        monkeypatch.setenv(name, value)
    assert expected in command.ok().out.split()


def test_app_without_a_terminal_is_refused(command: Command, home: Path) -> None:
    for words in ([], ["launch"]):
        result = command(*words)
        assert (result.code, result.out) == (2, "")
        assert result.err.startswith("weibo-tui: The app needs a terminal")


def test_closed_pipe_ends_a_command_quietly(home: Path) -> None:
    with Workbench() as wb:
        wb.history.add([ANALYSIS] * 2000)
    with start("history", "list", "--json", "--limit", "2000") as process:
        assert process.stdout and process.stderr
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
    assert result.stderr.decode().startswith("weibo-tui: Adapter not found: 'mad'")


def test_json_with_zero_width_characters_is_readable(capsys: pytest.CaptureFixture[str]) -> None:
    output.echo_json({"text": "今天的面真好吃\u200b"})
    assert capsys.readouterr().out == '{"text": "今天的面真好吃\u200b"}\n'


def test_json_on_an_ascii_stream_is_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(stream, encoding="ascii", errors="backslashreplace"))
    output.echo_json({"text": "今天的面真好吃😊"})
    assert json.loads(stream.getvalue()) == {"text": "今天的面真好吃😊"}


def test_training_on_a_terminal_shows_bars(
    command: Command, furnished: Path, posts_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    result = command.ok("train", posts_file, "--name", "bars", "--epochs", "1", "--threads", "1", "--json")
    bars = re.findall(r"training[^\r\n]*", re.sub(r"\x1b\[[\d;]*m", "", result.err))
    assert any(re.search(r"━.* \d+/25 .*loss \d\.\d+, .*\d tokens/s.* \d\d:\d\d", bar) for bar in bars)
    assert "Epoch 1: validation loss" in result.err
    assert all(event["event"] for event in json_lines(result.out))


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
