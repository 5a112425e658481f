"""Make the pictures of the README with the real program on invented posts: `python tests/screenshots.py`.

It predicts with the bundled models, makes a base and adapters in a temporary home, and types in a pseudo-terminal.
Needs the test extra and the fonts that `pictures` names. Takes some minutes.
"""

from __future__ import annotations

import re
import tempfile
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pictures
from made_up import write_posts
from terminal import Terminal

from weibo_tui.engine.hyperparameters import Hyperparameters, PretrainingHyperparameters
from weibo_tui.workbench import PretrainingConfig, TrainingConfig, Workbench

HERE = Path(__file__).parent
OUT = HERE.parent / "screenshots"
POSTS = [
    "公司楼下的火锅真好吃，第一次试的蛋糕也让人开心[哈哈]",
    "网上的外卖又贵又差，再也不来了[怒]",
    "朋友说的电影太好看了，可是房间的服务让人生气",
    "地铁两站就到，周末去看看展览",
    "推荐的耳机便宜又好，特别满意！//@老周同学: 学校旁边的手机也真不错[鼓掌]",
    "[泪]昨天的演唱会特别失望，让人生气",
]
LONG = "今天的酒店很喜欢，房间舒服极了，早上的咖啡真不错，小说也太好看了。" * 5


def main() -> None:
    """Write screenshots/*.png."""
    with tempfile.TemporaryDirectory() as folder:
        fresh, home, data = Path(folder) / "fresh", Path(folder) / "home", Path(folder) / "data"
        data.mkdir()
        posts = with_wrong_labels(write_posts(data / "posts.csv", 40_000, seed=3))
        other = with_wrong_labels(write_posts(data / "others.csv", 600, seed=4))
        with app(fresh, 104, 32) as terminal:
            shoot(terminal, "first-start", "Ready")
            predict(terminal, "predict")
        with app(fresh, 104, 32, WEIBO_TUI_THEME="weibo-light", WEIBO_TUI_LANGUAGE="zh_CN") as terminal:
            shoot(terminal, "predict-light-zh")
        with app(fresh, 60, 20) as terminal:
            shoot(terminal, "predict-narrow")
        furnish(home, posts)
        with app(home, 104, 32) as terminal:
            for post in POSTS:
                terminal.press(post, "enter")
            terminal.wait_until(lambda: terminal.text.count("ms") >= 5, "the predictions")
            train(terminal, posts)
            history(terminal)
            models(terminal, other)
            terminal.press("f2", "f1")
            shoot(terminal, "help", "Esc")


def with_wrong_labels(path: Path) -> Path:
    """Flip every ninth label, so that the figures look like real ones."""
    header, *lines = path.read_text("utf-8").splitlines()
    flipped = [("10"[int(line[0])] + line[1:] if number % 9 == 0 else line) for number, line in enumerate(lines)]
    path.write_text("\n".join([header, *flipped]) + "\n", "utf-8")
    return path


def furnish(home: Path, posts: Path) -> None:
    """Make a base and two adapters, one of them trained with emoticon dropout."""
    corpus = HERE / "data" / "corpus.txt"
    recipe = PretrainingHyperparameters(tokens=300_000, learning_rate=3e-3)
    with Workbench(home) as workbench:
        deque(workbench.iter_pretrain(PretrainingConfig(corpus, "small", 2, 64, 2, recipe=recipe)), maxlen=0)
        for name, dropout in {"mood": 0.0, "mood-words": 0.5}.items():
            hyper = Hyperparameters(2, learning_rate=3e-3, emoticon_dropout=dropout)
            plan = TrainingConfig((posts,), name, "small", hyper=hyper)
            deque(workbench.iter_train(plan), maxlen=0)
        workbench.set_default_adapter("mood-words")


@contextmanager
def app(home: Path, columns: int, rows: int, **environment: str) -> Iterator[Terminal]:
    """Start the app in a terminal and wait for its engine."""
    with Terminal(columns=columns, rows=rows, environment={"WEIBO_TUI_HOME": str(home), **environment}) as terminal:
        terminal.wait_until(lambda: "float" in terminal.text, "the device")
        terminal.listen(1)
        yield terminal
        terminal.press("ctrl+q")
        terminal.wait_for_end()


def shoot(terminal: Terminal, name: str, expected: str = "") -> None:
    """Save a picture when `expected` is on the screen and nothing moves."""
    terminal.wait_for(expected)
    terminal.listen(0.8)
    pictures.save(terminal.screen, OUT / f"{name}.png")


def predict(terminal: Terminal, name: str) -> None:
    for post in [LONG, *POSTS]:
        terminal.press(post, "enter")
    terminal.wait_until(lambda: terminal.text.count("ms") >= 5, "the predictions")
    shoot(terminal, name)


def train(terminal: Terminal, posts: Path) -> None:
    """Show the form with its preview, then the monitor of the run with another run overlaid."""
    terminal.press("f3", "n")
    terminal.wait_for("New training")
    terminal.press(str(posts), "enter")
    terminal.wait_for("dropout of 0.5")
    shoot(terminal, "training-form")
    terminal.press("ctrl+s")
    terminal.wait_for("Loss")
    terminal.press("down", "o", "up")
    middle = re.compile(r"posts/s.*training posts [4-8]\d %", re.DOTALL)
    terminal.wait_until(lambda: middle.search(terminal.text), "the middle of the run", 400)
    pictures.save(terminal.screen, OUT / "train.png")
    terminal.wait_until(lambda: "running" not in terminal.text, "the end of the run", 900)
    shoot(terminal, "train-finished", "Macro F1")


def history(terminal: Terminal) -> None:
    terminal.press("f4")
    terminal.wait_for("of")
    terminal.press("/")
    terminal.listen(0.3)
    terminal.press("特别")
    shoot(terminal, "history", "1–")
    terminal.press("escape", "escape")


def models(terminal: Terminal, data: Path) -> None:
    """Show the card of an adapter, then its confusion matrix on new posts."""
    terminal.press("f5")
    terminal.wait_for("Adapters")
    terminal.press(*["down"] * 4)  # past the bases and a bundled adapter
    shoot(terminal, "models", "Trainable")
    terminal.press("e")
    terminal.wait_for("Labelled posts")
    terminal.press(str(data), "enter")
    terminal.listen(1)
    terminal.press("ctrl+s")
    shoot(terminal, "evaluation", "Accuracy")
    terminal.press("escape")


if __name__ == "__main__":
    main()
