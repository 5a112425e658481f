"""The screen for labeling posts by hand: one key a post, and the next post is there."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

from textual import events
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from weibo_tui.app.base import FormScreen
from weibo_tui.app.dialogs import ChoiceDialog, InputDialog
from weibo_tui.app.files.annotation_lines import answer_line, progress_parts
from weibo_tui.app.files.guideline import GuidelineDialog
from weibo_tui.app.formatting import post_content, safe_content, safe_line, wrap_parts
from weibo_tui.app.keymap import bindings, first_key
from weibo_tui.app.widgets.figure_table import paragraph_lines
from weibo_tui.app.widgets.label_keys import LabelKeys, pressed_digit
from weibo_tui.app.widgets.responsive_text import ResponsiveText
from weibo_tui.datasets.answers import CANNOT_TELL
from weibo_tui.display_names import label_name
from weibo_tui.locale import N_
from weibo_tui.locale import gettext as _
from weibo_tui.storage.answers import RowAnswer
from weibo_tui.workbench.annotation import Annotation, Queue, Task, TeachBy
from weibo_tui.workbench.opened_file import FileInfo, OpenedFile
from weibo_tui.workbench.workbench import Workbench

_MAX_CHARACTERS = 5_000
"""Characters of a post that are shown; wrapping more takes too long."""
_OTHER = "\x00"  # the choice of a label that is not in the list


class _Post(NamedTuple):
    """A post to answer, and what is known of it: its answer, mark and note."""

    task: Task
    state: RowAnswer


class _Step(NamedTuple):
    """The post to show after a change, None at the end of the queue, and what is said of the change."""

    post: _Post | None
    said: Content


Change = Callable[[Annotation], _Step]
"""Function that changes a session, in the thread of the records."""


class AnnotateScreen(FormScreen[None]):
    """Shows one post after the other. The prediction for a post appears after its answer only.

    A key counts when the post is on the screen: those that are pressed while an answer is being stored are ignored.
    """

    HELP_TEXT = N_(
        "Label posts by hand. A digit gives its label and shows the next post. Space is for posts whose label cannot "
        "be told. Each answer is stored at once, and u undoes the last one, also after a restart. The model's "
        "prediction for a post is shown after your answer, so that it does not influence you."
    )
    BINDINGS = bindings("annotate")
    VERTICAL_BREAKPOINTS = [(0, "-low"), (20, "-high")]  # noqa: RUF012 - as Textual declares it
    DEFAULT_CSS = """
    AnnotateScreen {
        .title { height: 1; padding: 0 1; background: $panel; text-style: bold; }
        .progress { height: auto; max-height: 3; padding: 0 1; color: $text-muted; }
        #post { height: 1fr; padding: 1 2; scrollbar-size-vertical: 1; }
        #post Static { height: auto; max-width: 100; }
        .marks { color: $text-muted; }
        .said { height: 1; padding: 0 1; color: $text-muted; }
        LabelKeys { background: $surface; }
        &.-low .title { display: none; }
        &.-low .progress { max-height: 2; background: $panel; }
        &.-low #post { padding: 0 1; }
    }
    """

    def __init__(self, file: OpenedFile, info: FileInfo, queue: Queue, teach_by: TeachBy = "random") -> None:
        super().__init__()
        self._file, self._name, self._queue, self._teach_by = file, info.path.name, queue, teach_by
        self._session: Annotation | None = None
        self._post: _Post | None = None
        self._shown_at: float | None = None
        """When the post was painted. None while an answer is being stored."""
        # What is drawn, so that the next post is painted without the parts that stay.
        self._labels: tuple[str, ...] = ()
        self._marks: list[str] = []
        self._reveals = True

    def compose_body(self) -> Iterable[Widget]:
        yield Static(safe_line(self._title()), classes="title")
        yield Static(classes="progress")
        with VerticalScroll(id="post"):
            yield Static(classes="text")
            yield Static(classes="marks")
        yield Static(classes="said")
        yield LabelKeys()

    def _title(self) -> str:
        if self._queue == "sample":
            return _("Annotate {name}: random sample").format(name=self._name)
        return _("Annotate {name}: posts for training").format(name=self._name)

    def on_mount(self) -> None:
        self.query_one("#post").focus()
        self.run_task(self._begin())

    async def _begin(self) -> None:
        def begin(wb: Workbench) -> tuple[Annotation, _Step]:
            session = wb.annotate(self._file, self._queue, teach_by=self._teach_by)
            return session, _Step(_next(session), Content(""))

        self._session, step = await self.app.records.call(begin)
        self._show(step)

    # ---- the post

    def _show(self, step: _Step) -> None:
        """Show a post, or the end of the queue. The keys work once it is painted."""
        assert self._session is not None  # it gave the post
        self._post = post = step.post
        if post is None:
            content = Content.styled(_("No post is left in this queue."), "$text-muted")
        else:
            text = post.task.text
            content = post_content(text[:_MAX_CHARACTERS] + ("…" if len(text) > _MAX_CHARACTERS else ""))
        self.query_one(".text", Static).update(content)
        self.query_one("#post").scroll_home(animate=False)
        self._show_marks()
        self.query_one(".said", Static).update(step.said, layout=False)
        if self._session.labels != self._labels:
            self._labels = self._session.labels
            self._show_keys()
        self.call_after_refresh(self._painted)
        self.run_task(self._update_progress(), group="progress", exclusive=True)

    def _painted(self) -> None:
        self._shown_at = time.monotonic()
        self.refresh_bindings()

    def _show_marks(self) -> None:
        state = RowAnswer() if self._post is None else self._post.state
        marks = [_("⚑ flagged")] if state.flagged else []
        if state.note:
            marks.append(_("Note: {note}").format(note=state.note))
        if marks != self._marks:
            self._marks = marks
            self.query_one(".marks", Static).update(
                ResponsiveText(lambda width: (line for mark in marks for line in paragraph_lines(mark, width)))
            )

    async def _update_progress(self) -> None:
        session = self._session
        assert session is not None  # a post is shown
        progress = await self.app.records.call(lambda _wb: session.progress(), for_app_only=True)
        parts = [safe_content(part) for part in progress_parts(progress, self._queue)]
        self.query_one(".progress", Static).update(ResponsiveText(lambda width: wrap_parts(parts, width)))

    def on_resize(self, event: events.Resize) -> None:  # noqa: ARG002
        self._show_keys()

    def _show_keys(self) -> None:
        others = [
            Content.assemble((first_key(name, self.app.keymap), "bold"), " ", text)
            for name, text in (("annotate.cannot_tell", _("cannot tell")), ("annotate.undo", _("undo")))
        ]
        self.query_one(LabelKeys).show(self._labels, others=others)

    # ---- answers

    def on_key(self, event: events.Key) -> None:
        digit = pressed_digit(self, event, "answer")
        if digit is not None and digit <= len(self._labels):
            self._answer(self._labels[digit - 1])

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        if action in ("answer", "cannot_tell", "flag", "note"):
            return self._post is not None
        return True

    def action_answer(self) -> None:
        """Ask for a label, for labels without a digit and new ones."""
        self.run_task(self._ask_for_label(), group="ask", exclusive=True)

    async def _ask_for_label(self) -> None:
        choices = [(label, label_name(label)) for label in self._labels]
        label = await self.app.push_screen_wait(ChoiceDialog(_("Label:"), [*choices, (_OTHER, _("New label …"))]))
        if label == _OTHER:
            label = await self.app.push_screen_wait(InputDialog(_("New label:")))
        if label:
            self._answer(label)

    def action_cannot_tell(self) -> None:
        self._answer(CANNOT_TELL)

    def _answer(self, label: str) -> None:
        if self._post is None or self._shown_at is None:
            return
        task, seconds, reveals = self._post.task, time.monotonic() - self._shown_at, self._reveals

        def change(session: Annotation) -> _Step:
            reveal = session.answer(task, label, seconds)
            return _Step(_next(session), answer_line(reveal, reveals, session.labels))

        self._start(change)

    def action_undo(self) -> None:
        present = self._post

        def change(session: Annotation) -> _Step:
            task = session.undo()
            if task is None:
                return _Step(present, Content(_("Nothing to undo.")))
            return _Step(_Post(task, session.state(task)), Content(_("Undone.")))

        self._start(change)

    def action_flag(self) -> None:
        if (post := self._post) is None:
            return

        def change(session: Annotation) -> _Step:
            session.flag(post.task, not post.state.flagged)
            return _Step(_Post(post.task, session.state(post.task)), Content(""))

        self._start(change)

    def action_note(self) -> None:
        self.run_task(self._ask_for_note(), group="ask", exclusive=True)

    async def _ask_for_note(self) -> None:
        if (post := self._post) is None:
            return
        note = await self.app.push_screen_wait(InputDialog(_("Note on this post:"), post.state.note))
        if note is None:
            return

        def change(session: Annotation) -> _Step:
            session.note(post.task, note)
            return _Step(_Post(post.task, session.state(post.task)), Content(""))

        self._start(change)

    def _start(self, change: Change) -> None:
        """Start a change. Later keys are ignored until it is stored and a post is painted."""
        if self._session is not None and self._shown_at is not None:
            self._shown_at = None
            self.run_task(self._store(self._session, change))

    async def _store(self, session: Annotation, change: Change) -> None:
        try:
            step = await self.app.records.call(lambda _wb: change(session))
        except BaseException:  # the post in view has no answer, so it stays
            self._painted()
            raise
        self._show(step)

    # ---- help while labeling

    def action_reveal(self) -> None:
        self._reveals = not self._reveals
        self.query_one(".said", Static).update("")
        shown = _("Predictions are shown after your answers.")
        self.show_message(shown if self._reveals else _("Predictions are not shown."))

    def action_guideline(self) -> None:
        self.run_task(self._edit_guideline(), group="ask", exclusive=True)

    async def _edit_guideline(self) -> None:
        if (session := self._session) is None:
            return
        text = await self.app.records.call(lambda _wb: session.guideline, for_app_only=True)
        changed = await self.app.push_screen_wait(GuidelineDialog(text))
        if changed is None or changed == text:
            return

        def change(_wb: Workbench) -> None:
            session.guideline = changed

        await self.app.records.call(change)
        self.show_message(_("Guideline saved."), "success")


def _next(session: Annotation) -> _Post | None:
    task = session.next()
    return None if task is None else _Post(task, session.state(task))
