"""Invented posts: labeled ones, whose words determine the label, and plain ones for a corpus.

`python tests/made_up.py` writes `tests/data/posts.csv` and `tests/data/corpus.txt`, which the README's first
command trains on.
"""

from __future__ import annotations

import csv
import random
from pathlib import Path

THINGS = "面 电影 酒店 手机 外卖 演唱会 咖啡 地铁 小说 裙子 房间 服务 蛋糕 耳机 火锅 展览".split()
GOOD = "真好吃 太好看了 很喜欢 特别满意 真不错 让人开心 值得再来 舒服极了 太惊喜了 便宜又好".split()
BAD = "真难吃 太难看了 很讨厌 特别失望 太差了 让人生气 再也不来 难受极了 太糟糕了 又贵又差".split()
GOOD_MARKS = ["[哈哈]", "[嘻嘻]", "[鼓掌]", "[爱你]", "😊", ""]
BAD_MARKS = ["[怒]", "[泪]", "[抓狂]", "[衰]", "😭", ""]
OPENINGS = "今天的 昨天的 朋友说的 刚买的 公司楼下的 学校旁边的 网上的 @小林同学 推荐的 周末的 第一次试的".split()
ENDINGS = ["。", "！", "！！", "~", "，大家怎么看？", "，就是这样。", ""]


def posts(number: int, seed: int = 0) -> list[tuple[str, int]]:
    """Return `number` different posts with their labels, 0 negative and 1 positive, shuffled."""
    draw = random.Random(seed)
    labels: dict[str, int] = {}
    while len(labels) < number:
        label = len(labels) % 2
        words = draw.choice(GOOD if label else BAD)
        mark = draw.choice(GOOD_MARKS if label else BAD_MARKS)
        more = draw.choice(
            ["", f"{draw.choice(THINGS)}也{draw.choice(GOOD if label else BAD)}", f"{draw.randint(1, 99)}块钱"]
        )
        text = f"{draw.choice(OPENINGS)}{draw.choice(THINGS)}{words}{mark}{more}{draw.choice(ENDINGS)}"
        labels.setdefault(text, label)
    shuffled = list(labels.items())
    draw.shuffle(shuffled)
    return shuffled


def numeral(number: int) -> str:
    """Return a number in Chinese numerals, which are letters: posts that differ in digits alone count as equal."""
    return str(number).translate(str.maketrans("0123456789", "零一二三四五六七八九"))


def write_posts(path: Path, number: int, seed: int = 0) -> Path:
    """Write a CSV file of posts with the header `label,review`."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["label", "review"])
        writer.writerows((label, text) for text, label in posts(number, seed))
    return path


def write_corpus(path: Path, number: int, seed: int = 0) -> Path:
    """Write a text file of posts, one a line."""
    path.write_text("".join(text + "\n" for text, _label in posts(number, seed)), encoding="utf-8")
    return path


if __name__ == "__main__":
    folder = Path(__file__).parent / "data"
    folder.mkdir(exist_ok=True)
    write_posts(folder / "posts.csv", 1000, seed=1)
    write_corpus(folder / "corpus.txt", 4000, seed=2)
