"""Measure versions 2 and 3 of the cleaning on data sets: `python tests/benchmarks/cleaning.py FILE… [--adapter NAME]`.

A FILE is a table of posts. For each, the posts that a rule changes are counted. With an adapter, 500 posts get the HTML
and the words of websites and crawlers, and the predictions that this changes are counted, for version 1 of the cleaning
and for version 2 with the same weights. Then they get traditional characters, for versions 2 and 3.
"""

from __future__ import annotations

import argparse
import html
import random
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from weibo_tui.engine.prediction import Classifier

POSTS, SEED = 500, 0
TAILS = (
    *(" [组图共9张]", "\xa0[组图共2张] 原图\xa0赞[0]\xa0转发[1]\xa0评论[2]\xa0收藏 10月02日 12:00\xa0来自iPhone客户端"),
    *(
        " 原图 赞[3] 转发[0] 评论[1] 收藏",
        " 来自iPhone客户端",
        " O网页链接",
        " L某某的微博视频",
        "...展开全文c",
        " 收起全文d",
    ),
    *(
        " {%网页链接%}",
        " \ue627",
        " \u200b\u200b",
        "<br />",
        '<a href="https://x"><span class="surl-text">网页链接</span></a>',
    ),
)
_SPANS = re.compile(r"(?P<emoticon>\[[^\W_]{1,8}\])|(?P<topic>#[^#<>]{1,60}#)|(?P<name>@[\w·-]{1,30})|(?P<line>\n)")
_IMAGE = '<span class="url-icon"><img alt={0} src="https://h5.sinaimg.cn/m/{0}.png" style="width:1em;" /></span>'
_MARKUP = {
    "emoticon": _IMAGE,
    "topic": '<a  href="https://m.weibo.cn/search?q={0}" data-hide=""><span class="surl-text">{0}</span></a>',
    "name": "<a href='/n/{0}'>{0}</a>",
    "line": "<br />",
}


def dress(post: str, rng: random.Random) -> str:
    """Return the post as m.weibo.cn writes it in HTML, with what a crawler leaves at its end."""
    marked = _SPANS.sub(lambda span: _MARKUP[str(span.lastgroup)].format(span[0]), html.escape(post))
    return marked + rng.choice(TAILS)


def read_posts(path: Path) -> list[str]:
    from weibo_tui.datasets.reading import open_table, read_rows

    return [row.text for row in read_rows(open_table(path))]


def count_changes(posts: Sequence[str]) -> Counter[str]:
    """Return how many posts each rule changes, how many version 2 reads differently or leaves empty, and how many
    version 3 reads differently again."""
    from weibo_tui.text import boilerplate
    from weibo_tui.text.cleaning import clean

    rules = {**boilerplate.HTML_RULES, **boilerplate.WORD_RULES, **boilerplate.EMPTY_RULES}
    patterns = {
        name: re.compile(rule, re.IGNORECASE if name in boilerplate.HTML_RULES else 0) for name, rule in rules.items()
    }
    counts: Counter[str] = Counter()
    for post in posts:
        counts.update(name for name, pattern in patterns.items() if pattern.search(post))
        before, after = clean(post, 1).text, clean(post, 2).text
        counts["read differently"] += before != after
        counts["left empty"] += bool(before) and not after
        counts["with traditional characters"] += clean(post, 3).text != after
    return +counts


def changed_predictions(classifier: Classifier, posts: Sequence[str]) -> Iterator[tuple[str, float]]:
    """Yield the shares of posts whose prediction boilerplate and traditional characters change, by version."""
    from opencc import OpenCC

    rng = random.Random(SEED)
    chosen = rng.sample(list(posts), min(POSTS, len(posts)))
    with_boilerplate = [dress(post, rng) for post in chosen]
    traditional = list(map(OpenCC("s2t").convert, chosen))
    first, second, third = (_labels(classifier, chosen, version) for version in (1, 2, 3))
    for name, expected, found in (
        ("version 1, HTML and boilerplate added", first, _labels(classifier, with_boilerplate, 1)),
        ("version 2, HTML and boilerplate added", second, _labels(classifier, with_boilerplate, 2)),
        ("version 2 in place of 1, as in the data set", first, second),
        ("version 2, in traditional characters", second, _labels(classifier, traditional, 2)),
        ("version 3, in traditional characters", third, _labels(classifier, traditional, 3)),
        ("version 3 in place of 2, as in the data set", second, third),
    ):
        yield name, sum(one != other for one, other in zip(expected, found, strict=True)) / len(chosen)


def _labels(classifier: Classifier, posts: Sequence[str], version: int) -> list[int | None]:
    classifier.preprocessing = version
    return [getattr(prediction, "label", None) for prediction in classifier.predict(posts)]


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure versions 2 and 3 of the cleaning.")
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument("--adapter", default="", help="adapter whose predictions are compared")
    options = parser.parse_args()
    for path in options.files:
        posts = read_posts(path)
        print(f"{path}: {len(posts):,} posts")
        for name, number in sorted(count_changes(posts).items()):
            print(f"  {name:20} {number:>7,}")
        if options.adapter:
            from weibo_tui import Workbench

            with Workbench() as workbench:
                for name, share in changed_predictions(workbench.classifier(options.adapter), posts):
                    print(f"  {name:43} {share:.1%} of the predictions change")


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))
    main()
