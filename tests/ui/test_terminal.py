"""The app as a program in a terminal, from the first training to the exported file."""

from __future__ import annotations

import csv
import re
import shutil
from pathlib import Path

import pytest
from terminal import Terminal

POST = "今天的面真好吃[哈哈]"
OTHER = "网上的裙子太差了[怒]"
PREDICTION = re.compile("[▲▼?] (positive|negative) +[━╸·]")


@pytest.fixture
def with_base(home: Path, stocked: Path) -> Path:
    """A home with the base `tiny` and nothing else."""
    shutil.copytree(stocked / "bases", home / "bases")
    return home


def fill(terminal: Terminal, tabs: int, text: str) -> None:
    """Type into the field that is `tabs` fields further."""
    terminal.press(*["tab"] * tabs, "end", "ctrl+u", text)
    terminal.wait_for(text)


def train(terminal: Terminal, posts: Path) -> None:
    """Train from the welcome screen to the score card, with a resized window."""
    terminal.wait_for("Train an adapter")
    terminal.press("enter")
    terminal.wait_for("Labelled posts")
    terminal.paste(str(posts))
    terminal.wait_for(posts.name)
    terminal.press("enter")
    terminal.wait_for("Contradictions")
    fill(terminal, 5, "moods")  # past the list of files, two columns and the list of those that were chosen
    fill(terminal, 2, "8")  # epochs
    fill(terminal, 1, "0.01")  # learning rate
    terminal.resize(60, 20)
    terminal.press("ctrl+s")
    terminal.wait_until(lambda: "of 200" in terminal.text or "✓ finished" in terminal.text, "the monitor")
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


def export(terminal: Terminal, path: Path) -> None:
    terminal.press("e")
    terminal.wait_for("Export to a CSV file")
    terminal.press("end", "ctrl+u", str(path))
    terminal.wait_for(path.name)
    terminal.press("enter")
    terminal.wait_for("1 post written")


def test_terminal_from_training_to_exported_prediction(with_base: Path, posts_file: Path, tmp_path: Path) -> None:
    path = tmp_path / "出.csv"
    with Terminal(columns=100, rows=30) as terminal:
        train(terminal, posts_file)
        terminal.press("u")
        terminal.wait_for("'moods' reads posts from now on")
        terminal.press("f2")
        terminal.wait_for("adapter moods")
        label = predict(terminal, POST, 1)
        predict(terminal, OTHER, 2)
        terminal.press("f4")
        terminal.wait_for("1–2 of 2")
        terminal.press("/", "好吃")
        terminal.wait_until(lambda: POST in terminal.text and OTHER not in terminal.text, "what was searched for")
        terminal.press("enter")
        export(terminal, path)
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


def test_terminal_click_opens_a_screen(home: Path) -> None:
    with Terminal(columns=60, rows=20) as terminal:
        terminal.wait_for("Nothing to judge posts with yet")
        for place, words in {"F5": "Import", "F4": "Every verdict", "F3": "New", "F2": "Nothing to judge"}.items():
            terminal.click(place)
            terminal.wait_for(words)
        terminal.press("ctrl+q")
        assert terminal.wait_for_end() == 0
