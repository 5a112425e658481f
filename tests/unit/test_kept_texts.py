"""Texts and splits of posts stay as they were: adapters were trained on them, and runs are resumed with them."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterable

import pytest

from weibo_tui.datasets.splitting import GROUPING_VERSION, group_posts, hash_texts, split_with_progress
from weibo_tui.progress import drain
from weibo_tui.text.cleaning import SIMPLIFYING, clean, normalize, repost_parts, words_only

PIECES = (
    *(
        "今天|真好吃|好|天气|面|ABC|ａｂｃ|Ｗeibo|ß|İ|ﬁ|①|ﾊﾟ|é|e\u0301|9|_|，|！|？|：|…|。|～|（|）| |"
        "\u3000|\n|\u200b|\ufe0f|\xad|\x1b|\ud800|[哈哈]|[doge]|[|]|#早饭#|#|😂|👨\u200d👩|🇨🇳|乾淨|乾隆|開心"
    ).split("|"),
    "\u0301" * 31,
    *(
        "@小王|@|＠|//@小李:|//@小李：|／／@a|回复@b:|RT @c |http://t.cn/aB1|HTTPS://x.cn|t.cn/|www.|<br />|"
        "<a href='/n/x'>@x</a>|&amp;|&lt;|<3|网页链接|O网页链接|[组图共9张]|赞[1]|来自iPhone客户端|转发微博|"
        "分享图片|Repost|转发理由:|{%网页链接%}|...展开全文c|\ue627"
    ).split("|"),
)
DIGESTS = {
    "clean 0": "75704348f83a2db3",
    "places 0": "9381d181c573d9db",
    "normalize 0": "e124f11f779313e1",
    "words 0": "965d5a5e39445161",
    "clean 1": "cc021f23c4833d76",
    "places 1": "2472702f651b44ba",
    "normalize 1": "e124f11f779313e1",
    "words 1": "965d5a5e39445161",
    "clean 2": "df75d6eb34ba9fff",
    "places 2": "4325a255b83362ad",
    "normalize 2": "0be504eba6085333",
    "words 2": "e6921a5d20575284",
    "clean 3": "ab507fd1aef613dd",
    "places 3": "4325a255b83362ad",
    "normalize 3": "20f4f02ee9a08e40",
    "words 3": "67fe6d49b796af1d",
    "reposts": "32e6e6d086062da9",
    "groups 1": "7dbba9a9ce4771e8",
    "groups 2": "b973915482c38342",
    "groups 3": "4c2eee5b2e5b617a",
    "groups 4": "57975e621faa0ba4",
    "split 0": "aaa02eeaf014e5d6",
    "split 1": "985bedf818cad2dc",
    "split 2": "6d89ae40bb29401d",
    "hashes": "cc426c8af452fce6",
}


def made_up_posts() -> list[str]:
    rng = random.Random(0)
    posts = ["".join(rng.choices(PIECES, k=rng.randint(1, 12))) for _post in range(3000)]
    words = "的一是了我不人在他有这个上们来到时大地为子中你说生国年着就那和要她出也得里后自以会家可下而过天去能"
    long = ["".join(rng.choices(words, k=rng.randint(15, 40))) for _post in range(600)]
    changed = [post[:7] + rng.choice(words) + post[8:] for post in rng.choices(long, k=400)]
    return posts + long + changed


POSTS = made_up_posts()
LABELS = [index * 7 % 3 for index in range(len(POSTS))]


def digest(values: Iterable[object]) -> str:
    return hashlib.sha256("\n".join(map(ascii, values)).encode()).hexdigest()[:16]


def test_kept_texts_of_all_versions() -> None:
    for version in range(SIMPLIFYING + 1):
        cleaned = [clean(post, version) for post in POSTS]
        places = [[text.raw_position(place) for place in range(len(text.text) + 1)] for text in cleaned]
        texts = [normalize(post, version) for post in POSTS]
        words = list(map(words_only, texts))
        assert digest([text.text for text in cleaned]) == DIGESTS[f"clean {version}"]
        assert digest(places) == DIGESTS[f"places {version}"]
        assert digest(texts) == DIGESTS[f"normalize {version}"]
        assert digest(words) == DIGESTS[f"words {version}"]
    assert digest(map(repost_parts, POSTS)) == DIGESTS["reposts"]


@pytest.mark.parametrize("grouping", range(1, GROUPING_VERSION + 1))
def test_kept_groups_of_all_versions(grouping: int) -> None:
    assert digest(drain(group_posts(POSTS, grouping))) == DIGESTS[f"groups {grouping}"]


@pytest.mark.parametrize("seed", range(3))
def test_kept_splits_of_seeds(seed: int) -> None:
    split = drain(split_with_progress(POSTS, LABELS, 0.1, 0.2, seed))
    parts = split.train.tolist(), split.validation.tolist(), split.test.tolist()
    assert digest(parts) == DIGESTS[f"split {seed}"]


def test_kept_hashes() -> None:
    assert digest(part.tolist() for part in drain(hash_texts(POSTS))) == DIGESTS["hashes"]
