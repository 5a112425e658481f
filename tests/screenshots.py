"""Make the pictures of the README with the real program: `python tests/screenshots.py`.

It predicts posts with the bundled models, makes a base and adapters in a temporary home, and types in a
pseudo-terminal. Needs the test extra and the fonts that `pictures` names. Takes some minutes.
"""

from __future__ import annotations

import asyncio
import re
import tempfile
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pictures
from chromium import Shown, has_chromium, open_tab
from made_up import write_posts
from terminal import Terminal
from web_page import serving, until

from weibo_tui import PretrainingConfig, TrainingConfig, Workbench
from weibo_tui.engine.hyperparameters import Hyperparameters, PretrainingHyperparameters
from weibo_tui.web.session import app_command
from weibo_tui.workbench.models import STARTER_ADAPTER

HERE = Path(__file__).parent
OUT = HERE.parent / "screenshots"
POSTS = [
    "下班路上吃到巷口的牛肉面，汤头浓，肉给得也多，一整天的累都没了[哈哈]",
    "快递放在驿站三天没人通知，打电话过去还怪我没看短信[怒]",
    "新电影比预告片好看太多，结尾那个长镜头看得我起鸡皮疙瘩[赞]",
    "地铁十号线末班车改到十一点半了",
    "妈妈寄来一箱橙子，每个都用报纸包好，咬一口特别甜[爱你]//@小满: 有妈的孩子真幸福",
    "[泪]演出临时取消，机票酒店都退不了，特别失望",
]
LONG = (
    "国庆去了趟甘南，一路开车走走停停。草原上的牦牛慢悠悠地过马路，司机们都熄火等着，没有人按喇叭。晚上住在牧民家里，"
    "奶茶是咸的，炉子烧得很旺，窗外全是星星。孩子第一次看见银河，激动得不肯睡觉。回来以后手机里存了八百多张照片，"
    "一张都舍不得删，翻出来看一遍还是特别开心[太阳]"
)
EARLIER = [
    "楼下新开的书店有猫，坐了一下午，特别放松[心]",
    "客服说三天内回复，今天第九天，还是机器人[怒骂]",
    "室友半夜打游戏开外放，说了三次都不听",
    "高数居然过了！请全宿舍喝奶茶[鼓掌]",
    "这家酒店的隔音特别差，隔壁打呼噜听得一清二楚",
    "降温了，记得加衣服",
    "外卖小哥冒着大雨送来，汤一点没洒，谢谢你[抱抱]",
    "追了两年的漫画烂尾了，作者连个交代都没有[失望]",
    "第一次跑完半马，腿不是自己的了，但是特别值[耶]",
    "医院排队四个小时，看病三分钟",
    "同事悄悄帮我把报告改好了，感动得想哭[泪]",
    "手机刚过保修期就黑屏，维修费够买个新的了[衰]",
    "今晚的月亮好圆，江边风也舒服",
    "航班延误五个小时，连瓶水都没有",
    "爷爷学会了视频通话，每天准时打过来[爱你]",
    "演唱会抢到了内场票，特别激动，一晚上没睡着[哈哈]",
]


def main() -> None:
    """Write screenshots/*.png."""
    with tempfile.TemporaryDirectory() as folder:
        fresh, home, data = Path(folder) / "fresh", Path(folder) / "home", Path(folder) / "data"
        data.mkdir()
        posts = with_wrong_labels(write_posts(data / "posts.csv", 6_000, seed=3))
        other = with_wrong_labels(write_posts(data / "others.csv", 600, seed=4))
        with app(fresh, 104, 32) as terminal:
            shoot(terminal, "first-start", "Ready")
            predict(terminal, "predict")
        with app(fresh, 104, 32, WEIBO_TUI_THEME="weibo-light", WEIBO_TUI_LANGUAGE="zh_CN") as terminal:
            shoot(terminal, "predict-light-zh")
        with app(fresh, 60, 20) as terminal:
            shoot(terminal, "predict-narrow")
        if has_chromium():
            asyncio.run(browser(Path(folder) / "browser", Path(folder) / "profile"))
        furnish(home, posts)
        with app(home, 104, 32) as terminal:
            for post in POSTS:
                terminal.press(post, "enter")
            terminal.wait_until(lambda: terminal.text.count("ms") >= 5, "the predictions")
            train(terminal, posts)
            history(terminal)
            files(terminal, posts)
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
        workbench.predict(EARLIER, record=True)  # with the bundled adapter
        deque(workbench.iter_pretrain(PretrainingConfig(corpus, "small", 2, 64, 2, recipe=recipe)), maxlen=0)
        for name, dropout in {"mood": 0.0, "mood-words": 0.5}.items():
            hyper = Hyperparameters(2, learning_rate=3e-3, emoticon_dropout=dropout)
            plan = TrainingConfig((posts,), name, "small", hyper=hyper)
            deque(workbench.iter_train(plan), maxlen=0)
        workbench.label_file(posts, posts.with_name("posts.labeled.csv"), adapter="mood", record=False, progress=False)


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


async def browser(home: Path, profile: Path) -> None:
    """Show the app in Chromium, with an explanation."""
    command = ["env", f"WEIBO_TUI_HOME={home}", *app_command()]
    async with serving(command) as server, open_tab(server.url, profile, 1000, 640) as tab:
        shown = Shown(tab)
        await shown.wait_for("float")
        for number, post in enumerate(POSTS, 1):
            await tab.type(post)
            await shown.wait_for(post[-5:])
            await tab.press("Enter")
            await until(lambda number=number: shown.text.count(f"{STARTER_ADAPTER} ·") >= number, lambda: shown.text)  # type: ignore[misc]
        await tab.press("Escape")
        await tab.press("Enter")
        await shown.wait_for("Orange")
        await asyncio.sleep(1)
        await tab.save(OUT / "browser.png")
    pictures.shrink(OUT / "browser.png")


def train(terminal: Terminal, posts: Path) -> None:
    """Show the form with its preview, then the monitor of the run with another run overlaid."""
    terminal.press("f3", "n")
    terminal.wait_for("New training")
    terminal.press(str(posts), "enter")
    terminal.resize(124, 36)  # with the preview at the side
    terminal.wait_for("dropout of 0.5")
    shoot(terminal, "training-form")
    terminal.press("ctrl+s")
    terminal.resize(104, 32)
    terminal.wait_for("Loss")
    for key, expected in (("down", "✓ finished  mood-words"), ("o", "● mood-words"), ("up", "▶ running  posts")):
        terminal.press(key)
        terminal.wait_for(expected)
    middle = re.compile(r"[4-8]\d%  \d+:\d\d left  step")
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


def files(terminal: Terminal, path: Path) -> None:
    """Show a table with its details and a few human labels."""
    terminal.press("f7", "o")
    terminal.wait_for("Table of posts")
    terminal.press(str(path.with_name("posts.labeled.csv")), "enter")
    terminal.wait_for("1–")
    terminal.resize(124, 36)  # with the details at the side
    terminal.press("1", "2", "2")
    terminal.wait_for("human")
    shoot(terminal, "files", "Orange")  # the explanation
    terminal.resize(104, 32)
    terminal.press("escape")


def models(terminal: Terminal, data: Path) -> None:
    """Show the card of an adapter, then its confusion matrix on new posts."""
    terminal.press("f5")
    terminal.wait_for("Adapters")
    terminal.press(*["down"] * 4)  # past the bases and a bundled adapter
    shoot(terminal, "models", "Trainable")
    terminal.press("e")
    terminal.wait_for("Labeled posts")
    terminal.press(str(data), "enter")
    terminal.listen(1)
    terminal.press("ctrl+s")
    shoot(terminal, "evaluation", "Show posts")
    terminal.press("escape")


if __name__ == "__main__":
    main()
