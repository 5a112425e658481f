"""Hashes of 64 bits by which equal posts are found, and which keep none of their text."""

from __future__ import annotations

import hashlib
import re

from weibo_tui.text.cleaning import INVISIBLE, normalize

_NOTHING = re.compile(rf"[\s{INVISIBLE}]")


def hash_text(text: str) -> int:
    """Return a hash of exactly this text, as a signed integer of 64 bits."""
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True)


def text_key(post: str) -> int:
    """Return a hash that is the same for all posts with this normalized text, and 0 for a post without characters.

    Of a post whose normalized text is empty, such as a link or a repost without own words, it is the hash of all
    characters: it may have a prediction, so it can be in a sample.
    """
    text = normalize(post) or _NOTHING.sub("", post)
    return hash_text(text) if text else 0
