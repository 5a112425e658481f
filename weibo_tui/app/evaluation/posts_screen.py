"""The posts of one cell of a confusion matrix, by confidence, and a single post."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from rich.cells import cell_len
from textual.containers import Horizontal
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from weibo_tui.app.base import FormScreen
from weibo_tui.app.evaluation.post_list import PostLines, number_of_posts, text_lines
from weibo_tui.app.formatting import bar, label_color, label_content, safe_content, safe_line
from weibo_tui.app.keymap import bindings
from weibo_tui.app.services.explanations import ExplainedPost
from weibo_tui.app.widgets.explanation import ExplainedPane, legend_lines, post_lines, reason_lines
from weibo_tui.app.widgets.explanation_screen import ExplanationScreen
from weibo_tui.app.widgets.responsive_text import ResponsiveText
from weibo_tui.locale import N_
from weibo_tui.locale import gettext as _
from weibo_tui.presentation.numbers import percent
from weibo_tui.text.terminal import truncate_cells
from weibo_tui.workbench.evaluation import EvaluatedPost, EvaluationResult
from weibo_tui.workbench.explanation import Explanation

BAR_CELLS = 10
MAX_LABELS = 60
"""Labels whose probabilities are shown, and always the actual one."""


class PostList(PostLines[EvaluatedPost]):
    """Confidence and text of each post, one a line."""

    HELP_TEXT = N_("Posts of one cell of the confusion matrix, most confident first. Enter opens a post.")

    def line(self, row: int, width: int) -> Content:
        post = self.posts[row]
        # Cut before the line breaks are joined: a post may have a megabyte.
        return Content.assemble((f" {percent(post.confidence):>8} ", "$text-muted"), safe_line(post.text[: 4 * width]))


class CellPostsScreen(FormScreen[None]):
    """A list of posts, with the one under the cursor next to it where there is room."""

    HELP_TEXT = N_(
        "Posts with one actual and one predicted label, most confident first. Enter opens a post, w explains it, c "
        "copies it."
    )
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

    def __init__(self, result: EvaluationResult, label: str, predicted: str) -> None:
        super().__init__()
        self._score, self._adapter = result.score, result.adapter
        self._label, self._predicted = label, predicted
        self._posts = result.posts(label, predicted)

    def compose_body(self) -> Iterable[Widget]:
        labels = self._score.labels
        count = self._score.confusion[labels.index(self._label)][labels.index(self._predicted)]
        yield Static(Content(" · ").join(cell_title(self._label, self._predicted, labels, count)), classes="title")
        with Horizontal():
            yield PostList(self._posts)
            yield PostDetails(self._adapter)

    def on_line_list_moved(self) -> None:
        self.query_one(PostDetails).show(self.query_one(PostList).post, self._score.labels)
        self.refresh_bindings()

    def on_line_list_opened(self) -> None:
        if (post := self.query_one(PostList).post) is not None:
            self.app.push_screen(PostScreen(post, self._score.labels, self._adapter))

    def action_copy(self) -> None:
        if (post := self.query_one(PostList).post) is not None:
            copy_post(self, post)

    def action_explain(self) -> None:
        if (post := self.query_one(PostList).post) is not None:
            self.app.push_screen(ExplanationScreen(ExplainedPost(post.text, self._adapter), self._turn))

    def _turn(self, step: int) -> ExplainedPost | None:
        """Go to the next post in a direction, among those that are loaded."""
        posts = self.query_one(PostList)
        place = posts.cursor + step
        if not 0 <= place < len(posts.posts):
            return None
        posts.cursor = place
        return ExplainedPost(posts.posts[place].text, self._adapter)


class PostScreen(FormScreen[None]):
    """A single post in full."""

    HELP_TEXT = N_(
        "One full post with the probability of each label. The arrow keys scroll it, w explains it, c copies it."
    )
    BINDINGS = bindings("post")

    def __init__(self, post: EvaluatedPost, labels: tuple[str, ...], adapter: str) -> None:
        super().__init__()
        self._post = post
        self._labels = labels
        self._adapter = adapter

    def compose_body(self) -> Iterable[Widget]:
        yield PostDetails(self._adapter)

    def on_mount(self) -> None:
        self.query_one(PostDetails).show(self._post, self._labels)

    def action_copy(self) -> None:
        copy_post(self, self._post)

    def action_explain(self) -> None:
        post = ExplainedPost(self._post.text, self._adapter)
        self.app.push_screen(ExplanationScreen(post, lambda _step: None))


class PostDetails(ExplainedPane):
    """A post with its explanation, its probabilities, and its file and row."""

    DEFAULT_CSS = """
    PostDetails { padding: 1 2; scrollbar-size-vertical: 1; }
    PostDetails Static { height: auto; }
    """

    def __init__(self, adapter: str) -> None:
        super().__init__()
        self._adapter = adapter
        self._post: EvaluatedPost | None = None
        self._labels: tuple[str, ...] = ()

    def compose(self) -> Iterable[Widget]:
        yield Static()

    def show(self, post: EvaluatedPost | None, labels: tuple[str, ...]) -> None:
        """Show a post from its top, or nothing."""
        self._post, self._labels = post, labels
        self.explain(None if post is None or not self.display else ExplainedPost(post.text, self._adapter))
        self.show_explanation()
        self.scroll_home(animate=False)

    def show_explanation(self) -> None:
        """Show the post in view, with its explanation if that is known."""
        post, labels, explanation = self._post, self._labels, self.explanation
        text = ResponsiveText(lambda width: _lines(post, labels, explanation, width)) if post is not None else ""
        self.query_one(Static).update(text)


def cell_title(label: str, predicted: str, labels: Sequence[str], count: int) -> list[Content]:
    """Return the parts of the title of a cell: actual label, predicted label, number of posts."""
    return [
        Content.assemble(_("actual"), " ", label_content(label, labels)),
        Content.assemble(_("predicted"), " ", label_content(predicted, labels)),
        Content(number_of_posts(count)),
    ]


def copy_post(screen: FormScreen[None], post: EvaluatedPost) -> None:
    """Copy the text of a post to the clipboard."""
    screen.app.copy_to_clipboard(post.text)
    screen.show_message(_("Copied the post."), "success")


def _lines(
    post: EvaluatedPost, labels: tuple[str, ...], explanation: Explanation | None, width: int
) -> Iterator[Content]:
    yield from text_lines(post.text, width) if explanation is None else post_lines(explanation, width)
    yield Content("")
    yield from _share_lines(post, labels, width)
    yield Content("")
    if explanation is not None:
        yield from reason_lines(explanation, width)
        yield from legend_lines(explanation, width)
        yield Content("")
    place = _("{path}, row {row}").format(path=post.path, row=f"{post.row:,}")
    yield from safe_line(place, "$text-muted").wrap(width)


def _share_lines(post: EvaluatedPost, labels: tuple[str, ...], width: int) -> Iterator[Content]:
    """Yield the probabilities, highest first, with the actual label marked."""
    mark = "  " + _("← label")
    by_share = sorted(post.probabilities, key=lambda label: -post.probabilities[label])
    shown = by_share[:MAX_LABELS] + [label for label in by_share[MAX_LABELS:] if label == post.label]
    names = {label: " ".join(label_content(label, labels).plain.split()) for label in shown}
    room = max(6, width - BAR_CELLS - 9 - cell_len(mark))
    longest = min(room, max(map(cell_len, names.values())))
    for label in shown:
        name, share = truncate_cells(names[label], longest), post.probabilities[label]
        color = label_color(label, labels)
        yield Content.assemble(
            safe_content(name + " " * (longest + 1 - cell_len(name)), color),
            bar(share, BAR_CELLS, color),
            f"{percent(share):>8}",
            (mark if label == post.label else "", "$text-muted"),
        )
