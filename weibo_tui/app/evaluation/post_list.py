"""A list of posts that come from an iterator, such as those of a cell of a confusion matrix."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Generic, TypeVar

from textual.content import Content

from weibo_tui.app.base import get_app
from weibo_tui.app.formatting import post_content
from weibo_tui.app.widgets.line_list import LineList
from weibo_tui.locale import gettext as _
from weibo_tui.locale import ngettext

PAGE = 200
"""Posts that are loaded at a time."""
PREFETCH = 50
"""Posts after the cursor below which more are loaded."""
MAX_CHARACTERS = 20_000
"""Characters of a post that are shown; a copy has all of them."""

Post = TypeVar("Post")


class PostLines(LineList, Generic[Post]):
    """Base class of lists of posts, one a line. They are loaded in pages, in the thread of the records."""

    def __init__(self, posts: Iterator[Post]) -> None:
        super().__init__()
        self._source = posts
        self._fetching = False
        self.posts: list[Post] = []
        """The posts that are loaded."""

    @property
    def post(self) -> Post | None:
        """The post under the cursor."""
        return self.posts[self.cursor] if self.posts else None

    @property
    def line_count(self) -> int:
        return len(self.posts)

    def on_mount(self) -> None:
        self._fetch()

    def watch_cursor(self) -> None:
        super().watch_cursor()
        if len(self.posts) - 1 - self.cursor < PREFETCH:
            self._fetch()

    def _fetch(self) -> None:
        # One at a time, and never cancelled: what the iterator returned would be lost.
        if not self._fetching:
            self._fetching = True
            get_app(self).run_task(self._load_page(), node=self)

    async def _load_page(self) -> None:
        page = await get_app(self).records.call(lambda _wb: list(islice(self._source, PAGE)))
        self._fetching = len(page) < PAGE  # those were the last
        is_first = not self.posts
        self.posts += page
        self.update_lines()
        if is_first and page:
            self.post_message(self.Moved())


def number_of_posts(count: int) -> str:
    """Return a number of posts."""
    return ngettext("{n} post", "{n} posts", count).format(n=f"{count:,}")


def text_lines(text: str, width: int) -> Iterator[Content]:
    """Yield a post in lines of `width` cells, and how much of it is not shown."""
    yield from post_content(text[:MAX_CHARACTERS]).wrap(width)
    if (rest := len(text) - MAX_CHARACTERS) > 0:
        more = _("… and {n} more characters. Copy the post to get all of it.").format(n=f"{rest:,}")
        yield from Content.styled(more, "$text-muted").wrap(width)
