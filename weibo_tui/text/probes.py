"""Probe posts: a few posts that each validation of a training predicts, to show what the model learns when."""

from __future__ import annotations

MAX_PROBES = 10
NO_PROBES = "-"
"""The text for no probe posts, where one is typed."""
DEFAULT_PROBES = (
    "楼下新开的面馆真好吃，汤也鲜，下次还来",
    "等了两个小时才上菜，还是凉的，再也不来了",
    "没有大家说的那么难看，我看完还挺喜欢",
    "真不错，刚买三天就坏了",
    "最后一集太感动了，我看哭了[泪]",
    "航班又取消了，真是谢谢你们[微笑]",
)
"""Made-up posts: plain ones of both labels, a negation, irony, and emoticons against the words."""


def parse_probes(text: str) -> tuple[str, ...] | None:
    """Return the posts of a text that separates them by `|` or line breaks.

    An empty text gives None, which stands for the default ones, and `-` gives no posts."""
    if text.strip() == NO_PROBES:
        return ()
    return tuple(post for part in text.splitlines() for piece in part.split("|") if (post := piece.strip())) or None
