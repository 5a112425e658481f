"""Emoticons: Weibo's bracket emoticons such as `[哈哈]`, and emoji."""

from __future__ import annotations

import re

BRACKETED = r"\[/?(?:[^\W_]|\?){1,8}\]"
"""Pattern of `[哈哈]`, `[doge]`, `[/哭笑]`. A file that went through GBK has `?` for a lost character: `[可?]`."""

ICONS = (  # characters that Unicode calls emoji and that are pictures on their own
    "\u231a\u231b\u23e9-\u23f3\u2600-\u2604\u260e\u2611\u2614\u2615\u2618\u261d\u2620\u2622\u2623\u2626\u262a"
    "\u262e\u262f\u2638-\u263a\u2640\u2642\u2648-\u2653\u265f\u2660\u2663\u2665\u2666\u2668\u267b\u267e\u267f"
    "\u2692-\u2697\u2699\u269b\u269c\u26a0\u26a1\u26a7\u26aa\u26ab\u26b0\u26b1\u26bd\u26be\u26c4\u26c5\u26c8"
    "\u26ce\u26cf\u26d1\u26d3\u26d4\u26e9\u26ea\u26f0-\u26f5\u26f7-\u26fa\u26fd\u2702\u2705\u2708-\u270d\u270f"
    "\u2712\u2714\u2716\u271d\u2721\u2728\u2733\u2734\u2744\u2747\u274c\u274e\u2753-\u2755\u2757\u2763\u2764"
    "\u2795-\u2797\u27a1\u27b0\u27bf\u2b50\u2b55"
    "\U0001f004\U0001f0cf\U0001f18e\U0001f191-\U0001f19a\U0001f1e6-\U0001f1ff\U0001f201\U0001f202\U0001f21a"
    "\U0001f22f\U0001f232-\U0001f23a\U0001f250\U0001f251\U0001f300-\U0001f64f\U0001f680-\U0001f6ff"
    "\U0001f7e0-\U0001f7f0\U0001f90c-\U0001f9ff\U0001fa70-\U0001faff"
    # The private codes that iPhones wrote before Unicode had emoji. Weibo is full of them until 2012.
    "\ue001-\ue05a\ue101-\ue15a\ue201-\ue253\ue301-\ue34d\ue401-\ue44c\ue501-\ue537"
)
SIGNS = (  # signs and letters that become a picture only before U+FE0F
    "\xa9\xae\u203c\u2049\u2122\u2139\u2194-\u2199\u21a9\u21aa\u2328\u23cf\u23f8-\u23fa\u24c2\u25aa\u25ab\u25b6"
    "\u25c0\u25fb-\u25fe\u2934\u2935\u2b05-\u2b07\u2b1b\u2b1c\u3030\u303d\u3297\u3299"
    "\U0001f170\U0001f171\U0001f17e\U0001f17f\U0001f237"
)
EMOJI = rf"(?:[{ICONS}]|[{SIGNS}]\ufe0f)[\ufe0e\ufe0f]?[\U0001f3fb-\U0001f3ff]?[\U000e0020-\U000e007f]*"
"""Pattern of one emoji with its presentation, skin tone and tags."""

EMOJI_SEQUENCE = rf"[\U0001f1e6-\U0001f1ff]{{2}}|[0-9#*]\ufe0f?\u20e3|{EMOJI}(?:\u200d{EMOJI})*"
"""Pattern of what is shown as one picture: a flag, a keycap, or emoji with joiners between them."""

_EMOTICON = re.compile(f"{BRACKETED}|{EMOJI_SEQUENCE}")
_BRACKETED = re.compile(BRACKETED)
# Most posts have none, and the search for it is fast with a single range above U+FFFF.
_BELOW_10000 = re.sub("[\U00010000-\U0010ffff]-?", "", ICONS + SIGNS)
_MAY_BE_EMOJI = re.compile(f"[\u20e3{_BELOW_10000}\U00010000-\U0010ffff]")


def find_emoticons(post: str) -> list[str]:
    """Return bracket emoticons (`[哈哈]`, `[doge]`) and emoji in order. A sequence that shows one picture is one."""
    return (_EMOTICON if _MAY_BE_EMOJI.search(post) else _BRACKETED).findall(post)


def without_emoticons(post: str, replacement: str = "") -> str:
    """Return the post with `replacement` for each of its emoticons and emoji."""
    return _EMOTICON.sub(replacement, post)


def only_emoticons(post: str) -> str:
    """Return the emoticons and emoji of the post, joined. Without any, return an empty text."""
    return "".join(find_emoticons(post))
