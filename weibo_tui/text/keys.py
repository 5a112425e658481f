"""Hashes of 64 bits by which equal posts are found, and which keep none of their text."""

from __future__ import annotations

import hashlib

from weibo_tui.text.cleaning import normalize


def hash_text(text: str) -> int:
    """Return a hash of exactly this text, as a signed integer of 64 bits."""
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True)


def text_key(post: str) -> int:
    """Return a hash that is the same for all posts with this normalized text, and 0 for a post without text."""
    text = normalize(post)
    return hash_text(text) if text else 0
