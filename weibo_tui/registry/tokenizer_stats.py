"""Statistics of a tokenizer on everyday Weibo text, measured when a base is imported."""

from __future__ import annotations

from typing import TYPE_CHECKING

from weibo_tui.text.cleaning import clean

if TYPE_CHECKING:
    from weibo_tui.engine.tokenizer import PostTokenizer

# Predictions suffer where more of the text is unknown.
MAX_UNKNOWN_SHARE = 0.05

# A Chinese vocabulary needs about one token per character, a byte-level English one two to three.
MAX_TOKENS_PER_CHARACTER = 1.5

# Invented for this purpose: full-width punctuation, capital and small letters, digits, emoticons, emoji.
EVERYDAY = """\
今天下班路上突然下起大雨，没带伞，只好在便利店门口站了半个小时[泪]。老板人真好，还给我倒了一杯热水！
周末和同学去看了那部新电影，前面有点慢，后半段特别感人，旁边的小姑娘从头哭到尾[哈哈]推荐给大家～
刚买的手机用了不到三天就黑屏，客服说要等七个工作日，谁受得了啊？？？再也不买这个牌子了[怒]
早上六点起床跑步，空气很舒服，路边的桂花都开了。新的一周，加油😊💪
“你怎么还没睡？”“作业写不完呀……”妈妈端来一碗面，里面放了两个鸡蛋。突然觉得很幸福❤
地铁三号线又晚点了，挤得连手机都拿不出来，迟到扣五十块钱，心疼[抓狂]
求问：去云南玩七天，带多少钱合适？机票2380元，酒店一晚200～300，吃饭随便。在线等，急！
这家火锅店的味道跟以前完全不一样了，肉不新鲜，服务员爱理不理，差评👎 下次绝对不来。
想换手机，iPhone和别的到底选哪个？听说5G信号不错，就是太贵了，OK，再等等，双11看看有没有活动。
《红楼梦》读到第38回，越看越有意思；外婆说她年轻的时候，村里只有一台电视（黑白的），全村人围着看。
周五晚上KTV，唱到嗓子都哑了，好久没有这么开心，谢谢你们来陪我[心]以后每年都要聚一次，一个都不能少。
祝大家生日快乐、身体健康，考试都过！#好好学习# @班长 转发一下哈：http://t.cn/A6xYz9 [爱你][鼓掌]
"""


def measure_tokenizer(tokenizer: PostTokenizer) -> dict[str, float | bool]:
    """Return the statistics that a base card has of its tokenizer.

    `unknown_share` is the share of an everyday text's characters, without blanks, that have no token,
    `tokens_per_character` the number of tokens per character, and `lower_cases` whether case is ignored."""
    text = clean(EVERYDAY).text
    characters = sum(not character.isspace() for character in text)
    tokens = int(tokenizer.encode([text], max_length=10_000).num_content_tokens[0])
    return {
        "unknown_share": round(tokenizer.count_unknown_chars(text) / characters, 4),
        "tokens_per_character": round(tokens / characters, 3),
        "lower_cases": tokenizer.lower_cases(),
    }
