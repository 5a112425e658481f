"""The posts of one cell of a confusion matrix, the surest first, and one of them whole."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from weibo_tui.app.base import FormScreen
from weibo_tui.app.evaluation.post_list import PostList
from weibo_tui.app.formatting import bar, label_color, label_content, percent, safe_content, safe_line
from weibo_tui.app.keymap import bindings
from weibo_tui.app.widgets.responsive_text import ResponsiveText
from weibo_tui.locale import N_, ngettext
from weibo_tui.locale import gettext as _
from weibo_tui.text import cell_width, truncate_cells
from weibo_tui.workbench import EvaluatedPost, EvaluationResult

AT_ONCE = 200
"""Posts fetched at a time."""
NEAR = 50
"""Posts before the end of those that are here at which more are fetched."""
BAR = 10
MOST_LABELS = 60
"""Labels whose probabilities are shown, and always the one that the file gives."""
LONGEST = 20_000
"""Characters of a post that are shown; it is copied whole."""


class CellPostsScreen(FormScreen[None]):
    """A list of posts, with the one under the cursor beside it where there is room."""

    HELP_TEXT = N_("Posts with one label and one verdict, the surest first. Enter opens one whole, c copies it.")
    BINDINGS = bindings("post")
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (90, "-wide")]  # noqa: RUF012 - as Textual declares it
    DEFAULT_CSS = """
    CellPostsScreen {
        .title { height: auto; padding: 0 1; background: $panel; }
        PostList { width: 1fr; height: 1fr; }
        PostDetails { width: 45%; border-left: vkey $panel; }
        &.-narrow PostDetails { display: none; }
    }
    """

    def __init__(self, scored: EvaluationResult, label: str, judged: str) -> None:
        super().__init__()
        self._score = scored.score
        self._label, self._judged = label, judged
        self._posts: Iterator[EvaluatedPost] = scored.posts(label, judged)
        self._fetching = False

    def compose_body(self) -> Iterable[Widget]:
        labels = self._score.labels
        count = self._score.confusion[labels.index(self._label)][labels.index(self._judged)]
        title = [
            Content.assemble(_("labelled"), " ", label_content(self._label, labels)),
            Content.assemble(_("judged"), " ", label_content(self._judged, labels)),
            safe_content(ngettext("{n} post", "{n} posts", count).format(n=f"{count:,}")),
        ]
        yield Static(Content(" · ").join(title), classes="title")
        with Horizontal():
            yield PostList()
            yield PostDetails()

    def on_mount(self) -> None:
        self._fetch()

    def _fetch(self) -> None:
        # One at a time, and never given up: what the iterator gave would be lost.
        if not self._fetching:
            self._fetching = True
            self.run_task(self._more())

    async def _more(self) -> None:
        posts = await self.app.records.call(lambda _bench: list(islice(self._posts, AT_ONCE)))
        self._fetching = len(posts) < AT_ONCE  # those were the last
        self.query_one(PostList).add(posts)

    def on_post_list_moved(self) -> None:
        posts = self.query_one(PostList)
        self.query_one(PostDetails).show(posts.post, self._score.labels)
        if posts.to_come < NEAR:
            self._fetch()
        self.refresh_bindings()

    def on_post_list_opened(self) -> None:
        if (post := self.query_one(PostList).post) is not None:
            self.app.push_screen(PostScreen(post, self._score.labels))

    def action_copy(self) -> None:
        if (post := self.query_one(PostList).post) is not None:
            copy_post(self, post)


class PostScreen(FormScreen[None]):
    """One of them, as long as it is."""

    HELP_TEXT = N_("One post, whole, with the probability of each label. The arrows scroll it, c copies it.")
    BINDINGS = bindings("post")

    def __init__(self, post: EvaluatedPost, labels: tuple[str, ...]) -> None:
        super().__init__()
        self._post = post
        self._labels = labels

    def compose_body(self) -> Iterable[Widget]:
        yield PostDetails()

    def on_mount(self) -> None:
        self.query_one(PostDetails).show(self._post, self._labels)

    def action_copy(self) -> None:
        copy_post(self, self._post)


class PostDetails(VerticalScroll):
    """A post, its verdict with all probabilities, and the place it stands at."""

    DEFAULT_CSS = """
    PostDetails { padding: 1 2; scrollbar-size-vertical: 1; }
    PostDetails Static { height: auto; }
    """

    def compose(self) -> Iterable[Widget]:
        yield Static()

    def show(self, post: EvaluatedPost | None, labels: tuple[str, ...]) -> None:
        """Show another post, from its beginning."""
        self.query_one(Static).update(
            ResponsiveText(lambda width: _lines(post, labels, width)) if post is not None else ""
        )
        self.scroll_home(animate=False)


def copy_post(screen: FormScreen[None], post: EvaluatedPost) -> None:
    """Put the post's text on the clipboard, as the file has it."""
    screen.app.copy_to_clipboard(post.text)
    screen.show_message(_("The post is copied."), "success")


def _lines(post: EvaluatedPost, labels: tuple[str, ...], width: int) -> Iterator[Content]:
    yield from safe_content(post.text[:LONGEST]).wrap(width)
    if (rest := len(post.text) - LONGEST) > 0:
        more = _("… and {n} characters more: copied, it is whole.").format(n=f"{rest:,}")
        yield from Content.styled(more, "$text-muted").wrap(width)
    yield Content("")
    yield from _shares(post, labels, width)
    yield Content("")
    yield from safe_line(_("{path}, row {row}").format(path=post.path, row=f"{post.row:,}"), "$text-muted").wrap(width)


def _shares(post: EvaluatedPost, labels: tuple[str, ...], width: int) -> Iterator[Content]:
    """The probabilities, the highest first, with the label that the file gives."""
    given = "  " + _("← label")
    by_share = sorted(post.probabilities, key=lambda label: -post.probabilities[label])
    told = by_share[:MOST_LABELS] + [label for label in by_share[MOST_LABELS:] if label == post.label]
    names = {label: " ".join(label_content(label, labels).plain.split()) for label in told}
    room = max(6, width - BAR - 9 - cell_width(given))
    widest = min(room, max(map(cell_width, names.values())))
    for label in told:
        name, share = truncate_cells(names[label], widest), post.probabilities[label]
        colour = label_color(label, labels)
        yield Content.assemble(
            safe_content(name + " " * (widest + 1 - cell_width(name)), colour),
            bar(share, BAR, colour),
            f"{percent(share):>8}",
            (given if label == post.label else "", "$text-muted"),
        )
