"""Encoding of posts in threads, next to other work.

The tokenizer releases the interpreter's lock and uses all cores. So the posts of one batch are cleaned while those of
another are encoded, and a training groups its posts at the same time.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from types import TracebackType
from typing import TYPE_CHECKING

from weibo_tui.progress import Progress

if TYPE_CHECKING:
    from weibo_tui.engine.tokenizer import EncodedPosts, PostTokenizer

BATCH = 1000  # posts
THREADS = 2  # one cleans while the other encodes


class Encoding(AbstractContextManager["Encoding"]):
    """Posts that threads encode until the block ends. What is not encoded by then is dropped."""

    def __init__(self, tokenizer: PostTokenizer, posts: Sequence[str], max_length: int, preprocessing: int) -> None:
        """Start to encode posts as `PostTokenizer.encode_posts` does."""
        self._posts = posts
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="encoding")

        def encode(start: int) -> EncodedPosts:
            return tokenizer.encode_posts(posts[start : start + BATCH], max_length, preprocessing)[1]

        self._batches = [self._threads.submit(encode, start) for start in range(0, len(posts), BATCH)]

    def finish(self) -> Generator[Progress, None, EncodedPosts]:
        """Return the token ids of all posts, in their order, with an event after each batch. Raise its error."""
        from weibo_tui.engine.tokenizer import EncodedPosts

        parts = []
        for number, batch in enumerate(self._batches, 1):
            parts.append(batch.result())
            yield Progress("encoding", min(number * BATCH, len(self._posts)), len(self._posts))
        return EncodedPosts.join(parts)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._threads.shutdown(cancel_futures=True)


def encode_posts(
    tokenizer: PostTokenizer, posts: Sequence[str], max_length: int, preprocessing: int
) -> Generator[Progress, None, EncodedPosts]:
    """Return the token ids of posts, with an event after each batch."""
    with Encoding(tokenizer, posts, max_length, preprocessing) as encoding:
        return (yield from encoding.finish())
