"""Base classes of the app and its screens: worker threads, jobs, messages, and the frame around each screen."""

from __future__ import annotations

import asyncio
import dataclasses
import inspect
import os
import weakref
from abc import abstractmethod
from collections.abc import Coroutine, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from textual import events, getters
from textual.app import ComposeResult
from textual.binding import ActiveBinding
from textual.containers import Vertical
from textual.dom import DOMNode
from textual.message import Message
from textual.message_pump import MessagePump
from textual.reactive import var
from textual.screen import ModalScreen, Screen
from textual.widget import Widget
from textual.worker import Worker

from weibo_tui.app.explanation import user_message
from weibo_tui.app.formatting import safe_content
from weibo_tui.app.keymap import bindings, check_keymap
from weibo_tui.app.services.catalog import Catalog
from weibo_tui.app.services.explanations import Explanations
from weibo_tui.app.services.jobs import Job, JobFinished, JobProgress, describe_job, importance, window_title
from weibo_tui.app.services.worker import WorkerThread
from weibo_tui.app.terminal.notifications import notification, title
from weibo_tui.app.terminal.textual_private import TextualApp
from weibo_tui.app.widgets.chrome import Navigation, Status, StatusBar, StatusMessage
from weibo_tui.app.widgets.footer import KeyFooter
from weibo_tui.locale import N_
from weibo_tui.locale import gettext as _
from weibo_tui.paths import Paths
from weibo_tui.settings import Settings
from weibo_tui.storage.row_filters import ALL_ROWS, RowFilter

if TYPE_CHECKING:
    from weibo_tui.registry.cards import AdapterCard

T = TypeVar("T")
ResultType = TypeVar("ResultType")

MIN_ROWS = 12
MIN_COLUMNS = 42
"""Below these only what is needed to work is shown."""


class SettingsChanged(Message, bubble=False):
    """A setting changed that is shown: the language, the keys, the confidence threshold or the live prediction."""


class BaseApp(TextualApp, inherit_bindings=False):
    """The app as its screens know it: settings, worker threads, jobs, messages, and ways to other screens."""

    # Not `reactive`, because a change of those would draw the whole screen again.
    catalog: var[Catalog] = var(Catalog())
    """The installed base models and adapters. `refresh_catalog` reads them again."""
    status: var[Status] = var(Status())
    keys_pressed = var(0)
    device = var("")
    """Device and dtype of the engine. Empty until torch is loaded."""

    def __init__(self, home: Path | None = None) -> None:
        super().__init__()
        self.paths = Paths.find(home)
        self.settings = Settings.load(self.paths)
        self.keymap = check_keymap(self.settings.keys)
        """Keys from the settings at start, by action name."""
        self.set_keymap(self.keymap)
        self.engine = WorkerThread("engine", home)
        self.records = WorkerThread("records", home)
        self.explanations = Explanations(self.engine)
        self._home = home
        self._other_threads: dict[str, WorkerThread] = {}
        self._terminal_title = ""
        self.jobs: list[Job] = []
        """Jobs that are not over."""

    # ---- worker threads

    @property
    def hub(self) -> WorkerThread:
        """The thread for downloads and conversions."""
        return self._started("hub")

    @property
    def reports(self) -> WorkerThread:
        """The thread that reads whole files for figures."""
        return self._started("reports")

    @property
    def cluster(self) -> WorkerThread:
        """The thread that waits for Ray."""
        return self._started("cluster")

    def _started(self, name: str) -> WorkerThread:
        """Return a thread, which is started when it is first needed."""
        if name not in self._other_threads:
            self._other_threads[name] = WorkerThread(name, self._home)
            self._other_threads[name].start()
        return self._other_threads[name]

    @property
    def _threads(self) -> list[WorkerThread]:
        return [self.engine, self.records, *self._other_threads.values()]

    def wake_workers(self) -> None:
        """Make the threads see at once that a job was paused, resumed or stopped."""
        for thread in self._threads:
            thread.wake()
        self.update_status()

    def stop_workers(self, wait: bool = True) -> None:
        """Stop all jobs after their current step and wait for the threads to end. Call it after the app has exited.

        Without `wait`, a thread that still loads a model for the app is left to the end of the process."""
        for thread in self._threads:
            thread.close(wait)

    # ---- tasks and messages

    def run_task(
        self,
        work: Coroutine[Any, Any, None],
        group: str = "default",
        exclusive: bool = False,
        node: DOMNode | None = None,
    ) -> None:
        """Run `work` in the background while `node` exists, and show its error if it fails.

        `exclusive` cancels the other tasks of `group`."""
        worker: Worker[None] = (node or self).run_worker(
            partial(self._show_error_of, work), group=group, exclusive=exclusive, exit_on_error=False
        )
        weakref.finalize(worker, _close_unstarted, work)

    async def _show_error_of(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception as error:
            self.show_message(user_message(error), "error")

    def show_message(self, message: str, kind: str = "information") -> None:
        """Show `message` in the message line of the topmost screen that has one.

        `kind` is information, success, notice or error."""
        for screen in reversed(self.screen_stack):
            if lines := screen.query(StatusMessage):
                lines.first().show(message, kind)
                return

    def alert(self, message: str) -> None:
        """Ring the bell, and show a notification where the terminal can."""
        self.bell()
        self.write_to_terminal(notification(message, os.environ))

    async def push_screen_wait(self, screen: Screen[ResultType] | str, *, mode: str | None = None) -> ResultType | Any:
        """Open a screen and return its result. Cancelling closes it, because nothing would get its result."""
        try:
            return await super().push_screen_wait(screen, mode=mode)
        except asyncio.CancelledError:
            if isinstance(screen, Screen) and screen.is_active and not self.exiting:
                self.pop_screen()
            raise

    async def refresh_catalog(self) -> None:
        """Read the settings, base models and adapters again."""
        self.settings = Settings.load(self.paths)
        self.catalog = await self.records.call(Catalog.load)

    # ---- jobs

    def start_job(self, job: Job, thread: WorkerThread | None = None) -> Job:
        """Start a job on the engine's thread, or on `thread`."""
        self.jobs.append(job)
        (thread or self.engine).start_job(job)
        self.update_status()
        return job

    def on_job_progress(self, message: JobProgress) -> None:  # noqa: ARG002
        self.update_status()

    def on_job_finished(self, message: JobFinished) -> None:
        self.jobs.remove(message.job)
        if message.error is not None:
            text = f"{message.job.title}: {user_message(message.error)}"
            self.show_message(text, "error")
            if message.job.is_long:
                self.alert(text)
        elif message.job.outcome == "done" and message.job.is_long:
            self.alert(_("'{name}' finished.").format(name=message.job.title))
        self.update_status()
        self.run_task(self.refresh_catalog())

    def watch_catalog(self) -> None:
        self.explanations.clear()  # an adapter may have been replaced by another one of its name
        self.update_status()

    def watch_device(self) -> None:
        self.update_status()

    def update_status(self) -> None:
        """Update the text of the status bar."""
        base, adapter = self.catalog.base, self.catalog.adapter
        details = [safe_content(self.device or _("loading …"))]
        if base:
            details.append(safe_content(_("base {name}").format(name=base)))
        details.append(safe_content(_("adapter {name}").format(name=adapter) if adapter else _("no adapter")))
        jobs = sorted(self.jobs, key=importance)
        self.status = Status(details, list(map(describe_job, jobs)))
        self._set_title(" – ".join([*map(window_title, jobs[:1]), "weibo-tui"]))

    def _set_title(self, text: str) -> None:
        if text != self._terminal_title:
            self._terminal_title = text
            self.write_to_terminal(title(text, os.environ))

    # ---- screens of other features

    @property
    @abstractmethod
    def main_screens(self) -> dict[str, MainScreen]:
        """The main screens by name."""

    async def run_screen_action(self, screen: str, action: str) -> None:
        """Switch to a main screen and run one of its actions."""
        await self.switch_mode(screen)
        await self.main_screens[screen].run_action(action)

    @abstractmethod
    async def open_setting(self, name: str) -> None:
        """Open the settings and ask for the value of one."""

    @abstractmethod
    async def change_setting(self, name: str, value: object) -> None:
        """Save a setting and apply it at once. Raises WeiboTuiError if it cannot be saved."""

    @abstractmethod
    async def update_texts(self) -> None:
        """Show all texts of the main screens by the present settings: language, keys, confidence threshold."""

    @abstractmethod
    def show_theme(self) -> None:
        """Show the theme of the settings."""

    @abstractmethod
    async def open_training_form(self, base: str = "", data: Path | None = None, preset: str = "") -> None:
        """Switch to the train screen and open its form, with what is given of base, file and preset chosen."""

    @abstractmethod
    def show_in_history(self, analysis_id: int) -> None:
        """Switch to the history and put the cursor on a prediction."""

    @abstractmethod
    async def open_file_rows(
        self, path: Path, rows: RowFilter = ALL_ROWS, number: int | None = None, message: str = ""
    ) -> None:
        """Switch to the files and open one with a filter, with the cursor on the row `number`, from 1.

        `message` is shown before the summary of the file."""

    @abstractmethod
    def edit_in_prompt(self, post: str) -> None:
        """Switch to the predict screen and put a post into the prompt."""

    @abstractmethod
    async def open_evaluation_form(self, card: AdapterCard, owner: MessagePump) -> Job | None:
        """Ask for an evaluation of an adapter and open its screen.

        Return its job, which the caller starts, or None if the form was closed. `owner` gets the job's messages."""

    @abstractmethod
    async def open_comparison_form(self, adapters: Sequence[str], data: Path | None, owner: MessagePump) -> Job | None:
        """Ask for a comparison of adapters and open its screen, as `open_evaluation_form` does."""

    @abstractmethod
    async def open_past_evaluation(self) -> None:
        """Open an evaluation or a comparison of this session again. Ask which one if there are several."""

    @property
    @abstractmethod
    def has_evaluations(self) -> bool:
        """True if there is an evaluation or a comparison to open again."""


def get_app(node: DOMNode) -> BaseApp:
    """Return the app of `node`, typed."""
    return cast("BaseApp", node.app)


class BaseScreen(Screen[T]):
    """Base class of all screens: translates key descriptions and runs tasks in the background."""

    app = getters.app(BaseApp)
    HELP_TEXT = ""
    """Text for the help screen, marked for translation."""

    def on_resize(self, event: events.Resize) -> None:
        self.set_class(event.size.height < MIN_ROWS, "-lowest")
        self.set_class(event.size.width < MIN_COLUMNS, "-slimmest")
        self.call_after_refresh(self._show_focused)

    def on_descendant_focus(self) -> None:
        self.call_after_refresh(self._show_focused)

    def _show_focused(self) -> None:
        # When a widget gets the focus, its region may not be known yet, or may still change.
        if self.focused is not None and not self.region.contains_region(self.focused.region):
            self.focused.scroll_visible(animate=False)

    def show_message(self, message: str, kind: str = "information") -> None:
        """Show `message` in the message line. `kind` is information, success, notice or error."""
        self.app.show_message(message, kind)

    def run_task(self, work: Coroutine[Any, Any, None], group: str = "default", exclusive: bool = False) -> None:
        """Run `work` in the background while the screen exists, as `BaseApp.run_task` does."""
        self.app.run_task(work, group, exclusive, node=self)

    @property
    def active_bindings(self) -> dict[str, ActiveBinding]:
        return {key: _translate(active) for key, active in super().active_bindings.items()}


N_("Dismiss menu")  # the only description of Textual's own that a footer shows


def _translate(active: ActiveBinding) -> ActiveBinding:
    binding = active.binding
    if not binding.description:
        return active
    return active._replace(binding=dataclasses.replace(binding, description=_(binding.description)))


def _close_unstarted(work: Coroutine[Any, Any, None]) -> None:
    # If a worker is cancelled before it starts, Python would warn about a coroutine that was never awaited.
    if inspect.getcoroutinestate(work) == inspect.CORO_CREATED:
        work.close()


class MainScreen(BaseScreen[None]):
    """One of the app's main screens, with navigation above its body and the status below."""

    NAME = ""

    def compose(self) -> ComposeResult:
        yield Navigation(self.NAME, self.app.keymap)
        with Vertical(classes="body"):
            yield from self.compose_body()
        yield StatusMessage()
        yield StatusBar()
        yield KeyFooter()

    @abstractmethod
    def compose_body(self) -> Iterable[Widget]:
        """Return the widgets of the body."""

    async def update_texts(self) -> None:
        """Show all texts by the present settings."""
        if self.is_mounted:
            old = self.query_one(Navigation)
            with self.app.batch_update():
                await self.mount(Navigation(self.NAME, self.app.keymap), before=old)
                await old.remove()
            for node in (self, *self.query("*")):
                node.refresh(layout=True)
                node.post_message(SettingsChanged())
            self.refresh_bindings()


class FormScreen(BaseScreen[T]):
    """A full screen on top of a main screen, to fill in or to read."""

    BINDINGS = bindings("dialog")

    def compose(self) -> ComposeResult:
        with Vertical(classes="body"):
            yield from self.compose_body()
        yield StatusMessage()
        yield KeyFooter()

    @abstractmethod
    def compose_body(self) -> Iterable[Widget]:
        """Return the widgets of the body."""

    def action_close(self) -> None:
        self.dismiss(None)


class Dialog(BaseScreen[T], ModalScreen[T]):
    """A box in the middle of the screen that asks for one thing."""

    BINDINGS = bindings("dialog")

    def action_close(self) -> None:
        self.dismiss(None)
