"""The app: its screens, commands, theme and exit."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from contextvars import copy_context
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from textual import events
from textual.driver import Driver
from textual.message_pump import MessagePump

from weibo_tui.app import themes
from weibo_tui.app.base import BaseApp, MainScreen
from weibo_tui.app.dialogs import ChoiceDialog
from weibo_tui.app.explanation import user_message
from weibo_tui.app.keymap import bindings, first_key
from weibo_tui.app.predict.screen import PredictScreen
from weibo_tui.app.services.jobs import Job, JobFinished, JobProgress
from weibo_tui.app.terminal.key_queue import KeyQueue, Typed
from weibo_tui.errors import UserInputError, WeiboTuiError
from weibo_tui.locale import gettext as _
from weibo_tui.locale import join_list, join_names
from weibo_tui.log import log_exception
from weibo_tui.settings import Settings, unknown_settings
from weibo_tui.signals import handle_stop_signals
from weibo_tui.storage.row_filters import ALL_ROWS, RowFilter
from weibo_tui.text.terminal import sanitize, truncate

if TYPE_CHECKING:
    from weibo_tui.app.evaluation.session import EvaluationSession
    from weibo_tui.app.files.screen import FilesScreen
    from weibo_tui.app.history.screen import HistoryScreen
    from weibo_tui.app.models.screen import ModelsScreen
    from weibo_tui.app.palette import Palette
    from weibo_tui.app.train.screen import TrainScreen
    from weibo_tui.registry.cards import AdapterCard


class WeiboApp(BaseApp, inherit_bindings=False):
    """Opens on the predict screen at once. Torch and the models load in the engine's thread.

    The modules of other screens are imported when these are first needed, because the first paint does not wait."""

    TITLE = "weibo-tui"
    CSS_PATH = "styles.tcss"
    DEFAULT_MODE = "predict"
    BINDINGS = bindings("app")

    def __init__(self, home: Path | None = None) -> None:
        super().__init__(home)
        self._evaluations: EvaluationSession | None = None
        self._quit_dialog_open = False
        self._exit_requested = False
        self._exit_callback: Callable[[], object] = object  # does nothing until the event loop runs
        self.key_queue = KeyQueue(self)
        self._predict = PredictScreen()
        self.add_mode("predict", lambda: self._predict)
        self.add_mode("train", lambda: self._train)
        self.add_mode("history", lambda: self._history)
        self.add_mode("models", lambda: self._models)
        self.add_mode("files", lambda: self._files)
        for theme in (themes.DARK, themes.LIGHT):
            self.register_theme(theme)
        self.show_theme()

    def on_mount(self) -> None:
        self.call_after_refresh(self._start_workers)
        self.call_after_refresh(self._load)
        loop = asyncio.get_running_loop()
        self._exit_callback = partial(loop.call_soon_threadsafe, self.exit, context=copy_context())
        if self._exit_requested:
            self.exit()
        if not self.is_headless and self.console.color_system != "truecolor":
            self._use_fewer_colors()

    def _use_fewer_colors(self) -> None:
        from weibo_tui.app.terminal.low_color import LowColorFilter, PaletteFilter

        has_palette = self.console.color_system == "256"
        self.add_line_filter(PaletteFilter() if has_palette else LowColorFilter(self))

    def get_driver_class(self) -> type[Driver]:
        driver = super().get_driver_class()
        if driver.__name__ == "WebDriver":  # the environment asks for it, as textual-serve does
            from weibo_tui.app.terminal.browser_driver import BrowserDriver

            return BrowserDriver
        if sys.platform != "win32" and driver.__name__ == "LinuxDriver":
            from weibo_tui.app.terminal.driver import TerminalDriver

            return TerminalDriver
        return driver

    def request_exit(self) -> None:
        """Exit without asking, as quitting by key does. Jobs keep checkpoints. Safe in a signal handler."""
        self._exit_requested = True
        with suppress(RuntimeError):  # the event loop is closed, so the app has exited
            self._exit_callback()

    def _start_workers(self) -> None:
        """Start the threads. They import much at first, while the screen is painted already."""
        self.engine.start()
        self.records.start()

    def _load(self) -> None:
        with suppress(UserInputError):  # the file was damaged since the app started
            if warning := unknown_settings(self.paths):
                self.show_message(warning, "error")
        if self.settings.theme not in self.available_themes:
            message = _("Unknown theme in the settings: '{name}'. Press {key} to choose one.")
            self.show_message(
                message.format(name=truncate(self.settings.theme), key=first_key("app.settings", self.keymap)), "error"
            )
        self.run_task(self._warm_up())
        self.run_task(self._show_background_runs())  # alone, so that a damaged database does not stop the models

    async def _warm_up(self) -> None:
        """Load what the first prediction needs."""
        from weibo_tui.app.settings.changes import describe_machine

        await self.refresh_catalog()
        self.device = await self.engine.call(describe_machine, for_app_only=True)
        if self.catalog.adapter:
            await self.engine.call(lambda wb: wb.classifier(self.catalog.adapter), for_app_only=True)

    async def _show_background_runs(self) -> None:
        """Say which runs other processes work on, as after quitting during a training."""
        runs = await self.records.call(lambda wb: [run for run in wb.runs.list() if run.is_in_progress])
        if runs:
            message = _("In progress in the background: {names}. Press {key} to watch it.")
            names, key = join_names(run.name for run in runs), first_key("app.train", self.keymap)
            self.show_message(message.format(names=names, key=key), "notice")

    def copy_to_clipboard(self, text: str) -> None:
        # No terminal takes lone surrogates: they would end the app.
        super().copy_to_clipboard(text.encode("utf-8", "replace").decode())

    # ---- screens of other features

    @cached_property
    def _train(self) -> TrainScreen:
        from weibo_tui.app.train.screen import TrainScreen

        return TrainScreen()

    @cached_property
    def _history(self) -> HistoryScreen:
        from weibo_tui.app.history.screen import HistoryScreen

        return HistoryScreen()

    @cached_property
    def _models(self) -> ModelsScreen:
        from weibo_tui.app.models.screen import ModelsScreen

        return ModelsScreen()

    @cached_property
    def _files(self) -> FilesScreen:
        from weibo_tui.app.files.screen import FilesScreen

        return FilesScreen()

    @property
    def evaluations(self) -> EvaluationSession:
        """The evaluations of this session."""
        if self._evaluations is None:
            from weibo_tui.app.evaluation.session import EvaluationSession

            self._evaluations = EvaluationSession(self)
        return self._evaluations

    @property
    def main_screens(self) -> dict[str, MainScreen]:
        screens = (self._predict, self._train, self._history, self._models, self._files)
        return {screen.NAME: screen for screen in screens}

    async def open_training_form(self, base: str = "", data: Path | None = None, preset: str = "") -> None:
        await self.switch_mode(self._train.NAME)
        self._train.run_task(self._train.start_training(base, data, preset), group="new", exclusive=True)

    def show_in_history(self, analysis_id: int) -> None:
        self._history.show(analysis_id)

    async def open_file_rows(
        self, path: Path, rows: RowFilter = ALL_ROWS, number: int | None = None, message: str = ""
    ) -> None:
        await self.action_go(self._files.NAME)
        self._files.open(path, rows, number, message)

    def edit_in_prompt(self, post: str) -> None:
        self._predict.edit_post(post)
        self.switch_mode(self._predict.NAME)

    async def open_evaluation_form(self, card: AdapterCard, owner: MessagePump) -> Job | None:
        return await self.evaluations.open_form(card, owner)

    async def open_comparison_form(self, adapters: Sequence[str], data: Path | None, owner: MessagePump) -> Job | None:
        return await self.evaluations.open_comparison_form(adapters, data, owner)

    async def open_past_evaluation(self) -> None:
        await self.evaluations.open_past()

    @property
    def has_evaluations(self) -> bool:
        return self._evaluations is not None and bool(self._evaluations.items)

    def on_job_progress(self, message: JobProgress) -> None:
        if self._evaluations is not None:
            self._evaluations.update(message)

    def on_job_finished(self, message: JobFinished) -> None:
        if self._evaluations is not None:
            self._evaluations.finish(message)

    # ---- actions

    async def action_go(self, screen: str) -> None:
        from weibo_tui.app.settings.keys_screen import KeysScreen
        from weibo_tui.app.settings.screen import SettingsScreen

        while isinstance(self.screen, SettingsScreen | KeysScreen):
            self.pop_screen()
        self.switch_mode(screen)

    def action_help(self) -> None:
        from weibo_tui.app.help_screen import Help

        if not isinstance(self.screen, Help):
            self.push_screen(Help(self.screen))

    def action_command_palette(self) -> None:
        from weibo_tui.app.commands import commands
        from weibo_tui.app.palette import Palette

        self.run_task(self._run_command(Palette(list(commands(self)))))

    async def _run_command(self, palette: Palette) -> None:
        if (command := await self.push_screen_wait(palette)) is not None:
            await command.run()

    def action_settings(self) -> None:
        from weibo_tui.app.settings.screen import SettingsScreen

        if not any(isinstance(screen, SettingsScreen) for screen in self.screen_stack):
            self.push_screen(SettingsScreen())

    async def open_setting(self, name: str) -> None:
        from weibo_tui.app.settings.screen import SettingsScreen

        await self.push_screen(SettingsScreen(name))

    def action_toggle_theme(self) -> None:
        self.run_task(self._set_theme(themes.LIGHT.name if self.current_theme.dark else themes.DARK.name))

    async def _set_theme(self, name: str) -> None:
        try:
            await self.change_setting("theme", name)
        finally:
            self.theme = name  # until the app exits, where it cannot be saved

    def show_theme(self) -> None:
        """Show the theme of the settings."""
        self.theme = self.settings.theme if self.settings.theme in self.available_themes else themes.DARK.name

    async def update_texts(self) -> None:
        self.update_status()
        for screen in self.main_screens.values():
            await screen.update_texts()

    async def change_setting(self, name: str, value: object) -> None:
        from weibo_tui.app.settings.changes import apply_changes, check_machine

        if name in ("device", "dtype"):
            await check_machine(self, name, str(value))
        await self.records.call(lambda _wb: Settings.save(self.paths, **{name: value}))
        before = self.settings
        await self.refresh_catalog()
        await apply_changes(self, before, name)

    async def action_quit(self) -> None:
        """Exit, or ask first if jobs are running."""
        if not self.jobs:
            self.exit()
        elif not self._quit_dialog_open:
            self._quit_dialog_open = True
            self.run_task(self._ask_to_quit())

    async def _ask_to_quit(self) -> None:
        queued = [job for job in self.jobs if job.queued]
        runs = [job for job in self.jobs if job.run and not job.queued]
        answers = [("stay", _("Cancel"))]
        if runs:
            answers.append(("stop", _("Save and quit")))
            answers.append(("leave", _("Keep training in the background and quit")))
        else:
            answers.append(("stop", _("Stop and quit")))
        question = _("Running: {titles}").format(titles=join_list(job.title for job in self.jobs if not job.queued))
        if queued:
            titles = join_list(job.title for job in queued)
            question += "\n" + _("Queued, and not kept when you quit: {titles}").format(titles=titles)
        if any(job.kind == "download" for job in self.jobs):
            question += "\n" + _("The downloaded part of a base is kept, and the next download continues from it.")
        answer = await self.push_screen_wait(ChoiceDialog(question, answers))
        self._quit_dialog_open = False
        if answer in ("stop", "leave"):
            for job in runs:
                job.detached = answer == "leave"
            self.exit()

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return themes.label_colors(self.current_theme.dark)

    async def on_event(self, event: events.Event) -> None:
        if not isinstance(event, Typed) or event.is_forwarded:
            await super().on_event(event)
        elif not self.key_queue.must_wait(event):
            await super().on_event(event)
            self.key_queue.delivered(self.focused or self.screen)
            self.keys_pressed += isinstance(event, events.Key)


def _after_exit(job: Job) -> str:
    """Return how to come back to a run that continues in the background, or was stopped."""
    if job.detached and job.held:
        lines = [_("Training '{name}' stays paused in the background.")]
        lines += [_("  to continue it: weibo-tui runs resume {run}"), _("  to stop it: weibo-tui runs stop {run}")]
    elif job.detached:
        lines = [_("Training '{name}' continues in the background.")]
        lines += [_("  to watch it: weibo-tui launch"), _("  to stop it: weibo-tui runs stop {run}")]
    else:
        lines = [_("Training '{name}' stopped with a checkpoint."), _("  to resume it: weibo-tui runs resume {run}")]
    return "\n".join(lines).format(name=truncate(job.title), run=job.run)


def launch(home: Path | None = None) -> int:
    """Run the app and return the exit code.

    At exit, runs stop with a checkpoint or continue in another process. If a job fails during exit, the error goes to
    stderr and the log, and the exit code is 1."""
    app = WeiboApp(home)
    with handle_stop_signals(app.request_exit):
        try:
            app.run()
        except KeyboardInterrupt:  # a second Ctrl-C during exit
            app.restore_terminal()
            raise
        finally:
            app.stop_workers(wait=False)
    # The event loop is closed, so the app gets no message from these jobs.
    with suppress(OSError):  # the terminal may be gone
        for job in app.jobs:
            if job.run and job.error is None and not job.queued:
                print(sanitize(_after_exit(job)))
    failed = [(job.title, job.error) for job in app.jobs if job.error is not None]
    for title, error in failed:
        if isinstance(error, WeiboTuiError):  # `user_message` has logged the others
            log_exception(error)
        with suppress(OSError):  # the terminal may be gone
            print(sanitize(f"weibo-tui: {title}: {user_message(error)}"), file=sys.stderr)
    return app.return_code or int(bool(failed))
