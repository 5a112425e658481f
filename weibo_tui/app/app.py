"""The app: its threads, its places, and the way out of it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine, Iterable
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from rich.text import Text
from textual import events
from textual.app import App, SystemCommand
from textual.command import CommandPalette
from textual.content import Content
from textual.css.query import NoMatches
from textual.dom import DOMNode
from textual.driver import Driver
from textual.reactive import reactive
from textual.screen import Screen
from textual.theme import ThemeProvider
from textual.worker import Worker

from weibo_tui.app import themes
from weibo_tui.app.base import MainScreen
from weibo_tui.app.dialogs import ChoiceDialog
from weibo_tui.app.explanation import user_message
from weibo_tui.app.help_screen import Help
from weibo_tui.app.history.screen import HistoryScreen
from weibo_tui.app.keymap import bindings, check_keymap, key_names
from weibo_tui.app.models.screen import ModelsScreen
from weibo_tui.app.predict.screen import PredictScreen
from weibo_tui.app.services.catalog import Catalog
from weibo_tui.app.services.jobs import Job, JobFinished
from weibo_tui.app.services.status import status
from weibo_tui.app.services.worker import WorkerThread
from weibo_tui.app.terminal.key_queue import KeyQueue, Typed
from weibo_tui.app.terminal.low_color import LowColorFilter
from weibo_tui.app.terminal.signals import signals_heeded
from weibo_tui.app.train.screen import TrainScreen
from weibo_tui.app.widgets.chrome import StatusMessage
from weibo_tui.errors import UserInputError, WeiboTuiError
from weibo_tui.locale import gettext as _
from weibo_tui.log import log_exception
from weibo_tui.paths import Paths
from weibo_tui.settings import Settings, unknown_settings
from weibo_tui.text import short, visible
from weibo_tui.workbench import ComputeOptions, Workbench


class WeiboApp(App[None], inherit_bindings=False):
    """Opens on the predict screen at once; torch and the models load behind it, in the engine's thread."""

    TITLE = "weibo-tui"
    CSS_PATH = "styles.tcss"
    DEFAULT_MODE = "predict"
    BINDINGS = bindings("app")
    PLACES: ClassVar[tuple[type[MainScreen], ...]] = (PredictScreen, TrainScreen, HistoryScreen, ModelsScreen)

    stock: reactive[Catalog] = reactive(Catalog())
    """The bases and adapters there are; `restock` looks again."""
    status: reactive[Content] = reactive(Content(""))
    keys_pressed = reactive(0)
    device = reactive("")
    """Where and in what the engine computes, once torch is there."""

    def __init__(self, home: Path | None = None) -> None:
        super().__init__()
        self.paths = Paths.find(home)
        self.settings = Settings.load(self.paths)
        self.keymap = check_keymap(self.settings.keys)
        """The keys that the settings asked for when the app began, by names of actions."""
        self.set_keymap(self.keymap)
        self.engine = WorkerThread("engine", home)
        self.records = WorkerThread("records", home)
        self._home = home
        self._hub: WorkerThread | None = None
        self.jobs: list[Job] = []
        """Those that are not over."""
        self._leaving = False
        self._must_leave = False
        self._way_out: Callable[[], object] = object  # nothing, until it runs
        self.typed_ahead = KeyQueue(self)
        self.places = {place.NAME: place() for place in self.PLACES}
        for name in self.places:
            self.add_mode(name, partial(self.places.__getitem__, name))
        for theme in (themes.DARK, themes.LIGHT):
            self.register_theme(theme)
        self.theme = self.settings.theme if self.settings.theme in self.available_themes else themes.DARK.name

    def on_mount(self) -> None:
        self.theme_changed_signal.subscribe(self, lambda theme: self._keep_theme(theme.name))
        self.engine.start()
        self.records.start()
        self.call_after_refresh(self._begin_work)
        self._way_out = partial(asyncio.get_running_loop().call_soon_threadsafe, self.exit, context=copy_context())
        if self._must_leave:
            self.exit()
        if not self.is_headless and self.console.color_system in (None, "standard", "windows"):
            self._filters.insert(0, LowColorFilter(self))

    def get_driver_class(self) -> type[Driver]:
        found = super().get_driver_class()
        if sys.platform != "win32" and found.__name__ == "LinuxDriver":
            from weibo_tui.app.terminal.driver import TerminalDriver

            return TerminalDriver
        return found

    @property
    def hub(self) -> WorkerThread:
        """The thread for bases from outside, fetched or converted, which nothing else is to wait for: begun when it is
        first needed."""
        if self._hub is None:
            self._hub = WorkerThread("hub", self._home)
            self._hub.start()
        return self._hub

    @property
    def _threads(self) -> list[WorkerThread]:
        return [thread for thread in (self.engine, self.records, self._hub) if thread is not None]

    def end_threads(self) -> None:
        """Stop what is at work, each behind its step, and wait for that; for use when the app is left."""
        for thread in self._threads:
            thread.close()

    def leave_at_once(self) -> None:
        """Leave as by key, with checkpoints, where somebody wants us gone; for use in a signal handler too."""
        self._must_leave = True
        with suppress(RuntimeError):  # its loop is closed: it is left
            self._way_out()

    def restore_terminal(self) -> None:
        """Leave the terminal as a shell needs it; for use where `run` was broken off before it did that."""
        if self._driver is not None:
            self._driver.stop_application_mode()
            self._driver.close()

    def _begin_work(self) -> None:
        with suppress(UserInputError):  # of a file that broke since the app began
            if warning := unknown_settings(self.paths):
                self.flash(warning, "error")
        if self.settings.theme not in self.available_themes:
            message = _("The settings name a theme that there is not, '{name}': Theme, among all actions, lists them.")
            self.flash(message.format(name=short(self.settings.theme)), "error")
        self.do(self._warm_up())

    async def _warm_up(self) -> None:
        """What the first verdict needs, before anybody asks for it."""
        await self.restock()
        self.device = await self.engine.ask(_describe_machine)
        if self.stock.adapter:
            await self.engine.ask(lambda wb: wb.classifier(self.stock.adapter))

    async def restock(self) -> None:
        """Look again at the bases, the adapters and the settings, after any of them changed."""
        self.settings = Settings.load(self.paths)
        self.stock = await self.records.ask(Catalog.of)

    def flash(self, message: str, kind: str = "information") -> None:
        """Say `message` on the line for news of the open screen, or of the one below a dialog; `kind` is information,
        success or error."""
        for screen in reversed(self.screen_stack):
            if lines := screen.query(StatusMessage):
                lines.first().show(message, kind)
                return

    def do(
        self,
        work: Coroutine[Any, Any, None],
        group: str = "default",
        latest: bool = False,
        node: DOMNode | None = None,
    ) -> None:
        """Let `work` go on beside everything else, as long as `node` is there; what fails it is said. `latest` ends
        what went on in `group`."""
        worker: Worker[None] = (node or self).run_worker(
            partial(self._guarded, work), group=group, exclusive=latest, exit_on_error=False
        )
        if worker._task is not None:
            # Cancelled before it began, it would be a coroutine that nobody awaited, of which Python complains.
            worker._task.add_done_callback(lambda _task: work.close())

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception as error:
            self.flash(user_message(error), "error")

    # ---- jobs

    def begin(self, job: Job, thread: WorkerThread | None = None) -> Job:
        """Take on long work, on the engine's thread unless another is named."""
        self.jobs.append(job)
        (thread or self.engine).begin(job)
        self._tell_status()
        return job

    def nudge(self) -> None:
        """Let the threads see at once what was asked of a job."""
        for thread in self._threads:
            thread.nudge()
        self._tell_status()

    def on_job_progress(self) -> None:
        self._tell_status()

    def on_job_finished(self, message: JobFinished) -> None:
        self.jobs.remove(message.job)
        if message.error is not None:
            self.flash(f"{message.job.title}: {user_message(message.error)}", "error")
        self._tell_status()
        self.do(self.restock())

    def watch_stock(self) -> None:
        self._tell_status()

    def watch_device(self) -> None:
        self._tell_status()

    def _tell_status(self) -> None:
        self.status = status(self.device, self.stock, self.jobs)

    def copy_to_clipboard(self, text: str) -> None:
        # Lone surrogates, which no terminal takes, would end the app.
        super().copy_to_clipboard(text.encode("utf-8", "replace").decode())

    # ---- actions

    async def action_go(self, place: str) -> None:
        self.switch_mode(place)

    def action_help(self) -> None:
        if not isinstance(self.screen, Help):
            self.push_screen(Help(self.screen))

    def action_command_palette(self) -> None:
        # Textual's own, but for the language that it speaks.
        if not isinstance(self.screen, CommandPalette):
            self.push_screen(CommandPalette(id="--command-palette", placeholder=_("Search for an action")))

    def search_themes(self) -> None:
        self.push_screen(CommandPalette([ThemeProvider], placeholder=_("Search for a theme")))

    def action_turn_theme(self) -> None:
        self.theme = themes.LIGHT.name if self.current_theme.dark else themes.DARK.name

    def _keep_theme(self, name: str) -> None:
        if name != self.settings.theme:
            self.do(self._save(theme=name))

    async def _save(self, **changes: object) -> None:
        Settings.save(self.paths, **changes)
        self.settings = Settings.load(self.paths)

    async def action_quit(self) -> None:
        """Leave at once, or ask first what becomes of the runs that are going on."""
        if not self.jobs:
            self.exit()
        elif not self._leaving:
            self._leaving = True
            self.do(self._ask_and_leave())

    async def _ask_and_leave(self) -> None:
        runs = [job for job in self.jobs if job.run]
        answers = [("stay", _("Stay here"))]
        if runs:
            answers.append(("stop", _("Stop, with a checkpoint, and leave")))
            answers.append(("leave", _("Leave, and let it go on in a process of its own")))
        else:
            answers.append(("stop", _("Stop and leave")))
        question = _("At work: {titles}").format(titles=", ".join(job.title for job in self.jobs))
        if any(job.kind == "fetch" for job in self.jobs):
            question += "\n" + _("What has come of a base is kept, and the next fetch goes on there.")
        answer = await self.push_screen_wait(ChoiceDialog(question, answers))
        self._leaving = False
        if answer in ("stop", "leave"):
            for job in runs:
                job.detached = answer == "leave"
            self.exit()

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """All actions that work now, under the names that the help gives them, and all themes."""
        listed = {"app.palette"}
        for key, active in screen.active_bindings.items():
            binding = active.binding
            if active.enabled and binding.id and binding.id not in listed:
                listed.add(binding.id)
                action = partial(self.run_action, binding.action, active.node)
                yield SystemCommand(binding.description, key_names(key), action)
        yield SystemCommand(_("Theme"), _("Choose among all colour themes"), self.action_change_theme)

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return themes.label_colours(self.current_theme.dark)

    async def on_event(self, event: events.Event) -> None:
        if not isinstance(event, Typed) or event.is_forwarded:  # it is, once it was handed on
            await super().on_event(event)
        elif not self.typed_ahead.must_wait(event):
            await super().on_event(event)
            self.typed_ahead.went_to(self.focused or self.screen)
            self.keys_pressed += isinstance(event, events.Key)

    def _handle_exception(self, error: Exception) -> None:
        if not self._exit:
            super()._handle_exception(error)
        elif not isinstance(error, NoMatches):  # of a place that was not built yet when the person left
            log_exception(error)

    def _fatal_error(self) -> None:
        # Textual prints a traceback, with the texts that stood in variables; a person gets a sentence, and one only.
        if not self._exit_renderables and isinstance(self._exception, Exception):
            self.panic(Text(visible(user_message(self._exception))))


def _describe_machine(wb: Workbench) -> str:
    compute = wb.compute(ComputeOptions())
    return f"{compute.device.type} {compute.dtype_name}"


def launch(home: Path | None = None) -> int:
    """Run the app until it is left; the exit code. Runs at work are stopped with a checkpoint, or left running. A job
    that fails while the app is left is reported on stderr and in the log, and the exit code is 1."""
    app = WeiboApp(home)
    with signals_heeded(app.leave_at_once):
        try:
            app.run()
        except KeyboardInterrupt:  # a second Ctrl-C, in the midst of leaving
            app.restore_terminal()
            raise
        finally:
            app.end_threads()
    # The event loop is closed, so the app does not hear of their ends.
    failed = [(job.title, job.error) for job in app.jobs if job.error is not None]
    for title, error in failed:
        if isinstance(error, WeiboTuiError):  # the others are recorded as they are explained
            log_exception(error)
        with suppress(OSError):  # the terminal may be gone
            print(visible(f"weibo-tui: {title}: {user_message(error)}"), file=sys.stderr)
    return app.return_code or int(bool(failed))
