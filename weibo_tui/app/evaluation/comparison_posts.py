"""The posts on which predictions differ, surest first, and the correction of their labels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from textual import events
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from weibo_tui.app.base import FormScreen, get_app
from weibo_tui.app.evaluation.post_list import PostLines, number_of_posts, text_lines
from weibo_tui.app.evaluation.posts_screen import BAR_CELLS
from weibo_tui.app.formatting import bar, label_color, label_content, safe_line
from weibo_tui.app.keymap import bindings
from weibo_tui.app.services.explanations import ExplainedPost
from weibo_tui.app.services.jobs import Job
from weibo_tui.app.widgets.explanation_screen import ExplanationScreen
from weibo_tui.app.widgets.label_dialog import LabelDialog, correction_message
from weibo_tui.app.widgets.label_keys import LabelKeys, pressed_digit
from weibo_tui.app.widgets.responsive_text import ResponsiveText
from weibo_tui.display_names import label_name
from weibo_tui.locale import N_
from weibo_tui.locale import gettext as _
from weibo_tui.presentation.comparison import rater_name
from weibo_tui.presentation.numbers import percent
from weibo_tui.workbench.comparison_result import ComparedPost, ComparisonResult, PairComparison

_LABEL_CELLS = 10
_MIN_TEXT = 20  # cells
_WIDE = 88
"""Cells from which on a post has room next to the list."""


class ComparedPostList(PostLines[ComparedPost]):
    """The label of each rater, the human label if there is one, and the text of each post, one a line."""

    HELP_TEXT = N_("Posts with different predictions, surest first. Enter opens a post, a digit gives it a label.")

    def __init__(self, posts: Iterator[ComparedPost], labels: Sequence[str]) -> None:
        super().__init__(posts)
        self._labels = labels
        self.corrections: dict[int, str] = {}
        """Labels given here, by the row of the post."""

    def line(self, row: int, width: int) -> Content:
        post = self.posts[row]
        text = safe_line(post.text[: 4 * width])  # cut first: a post may have a megabyte
        raters = list(zip(post.predicted, post.confidences, strict=True))
        has_names = width >= len(raters) * (_LABEL_CELLS + 8) + _LABEL_CELLS + _MIN_TEXT
        cells = _LABEL_CELLS if has_names else 1
        parts = [self._label(label, cells) + f"{percent(confidence, 0):>5}  " for label, confidence in raters]
        human = self.corrections.get(post.row, post.label)
        mark = Content.assemble("= ", self._label(human, cells)) if human is not None else Content(" " * (cells + 2))
        return Content.assemble(" ", *parts, mark, "  ", text)

    def _label(self, label: str, cells: int) -> Content:
        return label_content(label, self._labels).truncate(cells, pad=True)


class ComparedPostsPane(Vertical):
    """A list of posts, with the one under the cursor next to it where there is room.

    A digit stores a human label for the row in the file, as in Files. The figures of the comparison stay as they
    are: what is corrected here was not drawn at random."""

    BINDINGS = bindings("compared_post")
    DEFAULT_CSS = """
    ComparedPostsPane {
        height: 1fr;
        .heading { height: 1; padding: 0 1; background: $panel; text-wrap: nowrap; text-overflow: ellipsis; }
        ComparedPostList { width: 1fr; height: 1fr; }
        ComparedPostDetails { width: 45%; border-left: vkey $panel; }
        &.-narrow ComparedPostDetails { display: none; }
        &.-opened ComparedPostDetails { display: block; width: 1fr; border-left: none; }
        &.-opened ComparedPostList { display: none; }
    }
    """

    def __init__(
        self, result: ComparisonResult, pair: PairComparison | None = None, cell: tuple[str, str] | None = None
    ) -> None:
        """Show the posts of a cell of a pair's table, by default all on which some raters differ."""
        super().__init__()
        self._result, self._pair, self._cell = result, pair, cell
        self._adapters = [rater.name for rater in result.raters if rater.kind == "adapter"]
        self._explained = 0
        """Place of the adapter whose prediction is explained."""

    def compose(self) -> Iterable[Widget]:
        yield Static(self._heading(), classes="heading")
        with Horizontal():
            yield ComparedPostList(self._result.posts(self._pair, self._cell), self._result.labels)
            yield ComparedPostDetails()
        yield LabelKeys()

    def _heading(self) -> Content:
        """Return the number of posts, and the names in the order of the labels in a line."""
        result = self._result
        count = result.disagreements
        if self._pair is not None and self._cell is not None:
            row, column = map(result.labels.index, self._cell)
            count = self._pair.table[row][column]
        names = " · ".join(map(rater_name, result.raters))
        text = _("{names} = human label").format(names=names) if result.has_labels else names
        return safe_line(f"{text}  ({number_of_posts(count)})")

    def on_resize(self, event: events.Resize) -> None:
        self.set_class(event.size.width < _WIDE, "-narrow")
        self._show_labels()

    @property
    def list(self) -> ComparedPostList:
        """The list of the posts."""
        return self.query_one(ComparedPostList)

    def on_line_list_moved(self) -> None:
        self._show_post()

    def _show_post(self) -> None:
        post = self.list.post
        correction = None if post is None else self.list.corrections.get(post.row)
        self.query_one(ComparedPostDetails).show(self._result, post, correction)
        self._show_labels()
        self.refresh_bindings()

    def _show_labels(self) -> None:
        self.query_one(LabelKeys).show(self._result.labels, self._is_corrected)

    @property
    def _is_corrected(self) -> bool:
        post = self.list.post
        return post is not None and post.row in self.list.corrections

    def on_line_list_opened(self) -> None:
        if self.has_class("-narrow"):
            self.add_class("-opened")
            self.query_one(ComparedPostDetails).focus()

    def go_back(self) -> bool:
        """Leave an opened post. Return False if none is open."""
        if not self.has_class("-opened"):
            return False
        self.remove_class("-opened")
        self.list.focus()
        return True

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action in ("correct", "copy", "explain", "uncorrect"):
            has_post = bool(self.query(ComparedPostList)) and self.list.post is not None
            return has_post and (action != "uncorrect" or self._is_corrected)
        return super().check_action(action, parameters)

    def action_copy(self) -> None:
        if (post := self.list.post) is not None:
            self.app.copy_to_clipboard(post.text)
            get_app(self).show_message(_("Copied the post."), "success")

    # ---- explanations

    def action_explain(self) -> None:
        """Explain the prediction of the first adapter. The next explanation is that of the next adapter."""
        if (post := self.list.post) is not None:
            self._explained = 0
            self.app.push_screen(ExplanationScreen(ExplainedPost(post.text, self._adapters[0]), self._turn))

    def _turn(self, step: int) -> ExplainedPost | None:
        """Go to the next adapter in a direction, then to the next post, among those that are loaded."""
        posts, adapters = self.list, self._adapters
        place, explained = divmod(posts.cursor * len(adapters) + self._explained + step, len(adapters))
        if not 0 <= place < len(posts.posts):
            return None
        posts.cursor, self._explained = place, explained
        return ExplainedPost(posts.posts[place].text, adapters[explained])

    # ---- corrections

    def on_key(self, event: events.Key) -> None:
        """Give the label of a digit, and go to the next post."""
        digit = pressed_digit(self.screen, event)
        if digit is not None and 0 < digit <= len(self._result.labels) and self.list.post is not None:
            self._correct(self.list.post, self._result.labels[digit - 1])
            if not self.has_class("-opened"):
                self.list.action_move(1)

    def action_uncorrect(self) -> None:
        if self.list.post is not None:
            self._correct(self.list.post, None)

    def action_correct(self) -> None:
        if self.list.post is not None:
            get_app(self).run_task(self._ask_for_label(self.list.post), node=self)

    async def _ask_for_label(self, post: ComparedPost) -> None:
        labels = self._result.labels
        human = self.list.corrections.get(post.row, post.label)
        current = labels.index(human) if human is not None else None
        without = _("none") if post.label is None else label_name(post.label)
        dialog = LabelDialog([post.text], list(map(label_name, labels)), without, current)
        answer = await self.app.push_screen_wait(dialog)
        if answer is not None:
            self._correct(post, labels[int(answer)] if answer else None)

    def _correct(self, post: ComparedPost, label: str | None) -> None:
        """Show a correction at once, and store it by a job, because a large file takes a while to open."""
        if label is None:
            self.list.corrections.pop(post.row, None)
        else:
            self.list.corrections[post.row] = label
        self.list.update_lines()
        self._show_post()
        app, result = get_app(self), self._result
        job = Job("open", result.path.name, lambda wb: wb.iter_correct_compared(result, post, label), self)
        app.start_job(job, app.records)
        app.show_message(correction_message(1, None if label is None else label_name(label)), "success")


class ComparedPostsScreen(FormScreen[None]):
    """The posts on a screen of their own."""

    HELP_TEXT = N_(
        "Posts with different predictions, surest first: the label of each, then the human label. A digit stores a "
        "human label of the row, as in Files, and moves on; 0 removes it. w explains the prediction of each adapter in "
        "turn. The figures of the comparison stay as they are, because these posts were not drawn at random."
    )

    def __init__(self, pane: ComparedPostsPane) -> None:
        super().__init__()
        self._pane = pane

    def compose_body(self) -> Iterable[Widget]:
        yield self._pane

    def action_close(self) -> None:
        if not self._pane.go_back():
            super().action_close()


class ComparedPostDetails(VerticalScroll):
    """A post with the label of each rater, and its row."""

    DEFAULT_CSS = """
    ComparedPostDetails { padding: 1 2; scrollbar-size-vertical: 1; }
    ComparedPostDetails Static { height: auto; }
    """

    def compose(self) -> Iterable[Widget]:
        yield Static()

    def show(self, result: ComparisonResult, post: ComparedPost | None, correction: str | None) -> None:
        """Show a post from its top, or nothing."""
        text = ResponsiveText(lambda width: _lines(result, post, correction, width)) if post is not None else ""
        self.query_one(Static).update(text)
        self.scroll_home(animate=False)


def _lines(result: ComparisonResult, post: ComparedPost, correction: str | None, width: int) -> Iterator[Content]:
    yield from text_lines(post.text, width)
    yield Content("")
    yield from _rater_lines(result, post, width)
    for title, human in ((_("human label"), post.label), (_("corrected"), correction)):
        if human is not None:
            yield Content.assemble((title + "  ", "$text-muted"), label_content(human, result.labels))
    yield Content("")
    place = _("{path}, row {row}").format(path=result.path, row=f"{post.row:,}")
    yield from safe_line(place, "$text-muted").wrap(width)


def _rater_lines(result: ComparisonResult, post: ComparedPost, width: int) -> Iterator[Content]:
    names = [safe_line(rater_name(rater)) for rater in result.raters]
    longest = min(max(name.cell_length for name in names), max(8, width // 3))
    for name, label, confidence in zip(names, post.predicted, post.confidences, strict=True):
        shown = name.truncate(longest, ellipsis=True, pad=True)
        line = Content.assemble(shown, "  ", label_content(label, result.labels))
        if confidence is not None:
            share = bar(confidence, BAR_CELLS, label_color(label, result.labels))
            line = Content.assemble(line, "  ", share, f" {percent(confidence)}")
        yield line
