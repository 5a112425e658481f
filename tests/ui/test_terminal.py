"""The app as a program in a terminal, from the first training to the exported file."""

from __future__ import annotations

import csv
import os
import re
import shutil
import signal
from pathlib import Path

import made_up
import pytest
from at_work import LIGHT_APP
from terminal import Terminal

POST = "今天的面真好吃[哈哈]"
OTHER = "网上的裙子太差了[怒]"
PREDICTION = re.compile("[▲▼?] (positive|negative) +[━╸·]")
WELCOME = "No adapter yet"


def fill(terminal: Terminal, tabs: int, text: str) -> None:
    """Type into the field that is `tabs` fields further."""
    terminal.press(*["tab"] * tabs, "end", "ctrl+u", text)
    terminal.wait_for(text)


def train(terminal: Terminal, posts: str) -> None:
    """Train from the welcome screen to the score card, with a resized window."""
    terminal.wait_for("Train an adapter")
    terminal.press("enter")
    terminal.wait_for("Labeled posts")
    terminal.paste(posts)
    terminal.wait_for(posts)
    terminal.press("enter")
    terminal.wait_for("posts in review")
    fill(terminal, 4, "moods")  # past the chosen files and two columns
    fill(terminal, 3, "1")  # past base and preset: epochs
    fill(terminal, 1, "0.01")  # learning rate
    terminal.resize(60, 20)
    terminal.press("ctrl+s")
    terminal.wait_for("✓ finished")
    terminal.resize(100, 30)
    terminal.wait_for("without emoticons")


def predict(terminal: Terminal, post: str, number: int) -> str:
    """Return the label of a post, the `number`-th of the list."""
    terminal.press(post)
    terminal.wait_for(post)
    terminal.press("enter")
    terminal.wait_until(lambda: len(PREDICTION.findall(terminal.text)) == number, f"the prediction for {post}")
    return str(PREDICTION.findall(terminal.text)[-1])


def test_terminal_from_training_to_exported_prediction(
    home: Path, stocked: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(stocked / "bases", home / "bases")
    made_up.write_posts(tmp_path / "posts.csv", 200, seed=1)
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "出.csv"
    with Terminal() as terminal:
        train(terminal, "posts.csv")
        terminal.wait_for("Saved as adapter 'moods', the default.")  # the only one
        assert terminal.screen.titles[0] == "weibo-tui"
        terminal.wait_until(lambda: terminal.screen.titles[-1] == "weibo-tui", "the title without a job")
        assert any(re.match(r"\d+% moods", title) for title in terminal.screen.titles)
        terminal.press("f2")
        terminal.wait_for("adapter moods")
        label = predict(terminal, POST, 1)
        predict(terminal, OTHER, 2)
        terminal.press("f4")
        terminal.wait_for("1–2 of 2")
        terminal.press("/", "好吃")
        terminal.wait_until(lambda: POST in terminal.text and OTHER not in terminal.text, "what was searched for")
        terminal.press("enter", "e")
        terminal.wait_for("Export to a CSV file")
        terminal.press("end", "ctrl+u", str(path))
        terminal.wait_for(path.name)
        terminal.press("ctrl+s")
        terminal.wait_for("1 post written")
        terminal.press("f2")
        terminal.wait_for("Send")
        terminal.press("q")
        terminal.wait_for("│ q ")
        terminal.press("enter")
        assert terminal.wait_for_end() == 0
        assert terminal.in_order
        assert terminal.text.strip() == ""
    with path.open(encoding="utf-8-sig", newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["text"], row["label"], row["adapter"]) == (POST, label, "moods")


def click_until(terminal: Terminal, place: str, words: str) -> None:
    """Click more than once, because Textual drops a click on a screen that it is still laying out."""

    def is_open() -> bool:
        if words not in terminal.text:
            terminal.click(place)
        return words in terminal.text

    terminal.wait_until(is_open, words)


def check_suspension(terminal: Terminal) -> None:
    """After each way to suspend and resume it, the app is drawn again."""
    for stop in (signal.SIGTSTP, signal.SIGSTOP, signal.SIGCONT):
        terminal.process.send_signal(stop)
        if stop == signal.SIGTSTP:
            terminal.wait_until(lambda: terminal.in_order, "the shell's terminal")
        if stop != signal.SIGCONT:
            os.waitid(os.P_PID, terminal.process.pid, os.WSTOPPED | os.WNOWAIT)
        terminal.listen(0.05)
        terminal.screen.reset()
        terminal.process.send_signal(signal.SIGCONT)
        terminal.wait_for(WELCOME)


def test_terminal_clicks_suspension_and_tiny_size_work(home: Path) -> None:
    with Terminal(LIGHT_APP, columns=60, rows=20) as terminal:
        terminal.wait_for(WELCOME)
        for place, words in (
            ("F5", "Import"),
            ("F4", "Predictions appear"),
            ("F3", "no base yet"),
            ("F2", WELCOME),
        ):
            click_until(terminal, place, words)
        check_suspension(terminal)
        terminal.resize(20, 5)
        for key, screen in {"f3": "Train", "f4": "History", "f5": "Models", "f2": "Predict"}.items():
            terminal.press(key)
            terminal.wait_for(screen)
        terminal.press("ctrl+q")
        assert terminal.wait_for_end(20) == 0
        assert terminal.in_order
