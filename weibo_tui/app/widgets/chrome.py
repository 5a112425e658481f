"""The frame around a main screen: navigation, message line and status bar."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from rich.cells import cell_len
from textual import events
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.timer import Timer
from textual.widgets import Static

from weibo_tui.app.formatting import safe_content
from weibo_tui.app.keymap import KEYS, key_names, keys_of
from weibo_tui.locale import gettext as _

MESSAGE_SECONDS = 6.0
_SEPARATOR = Content(" │ ")


class Status(NamedTuple):
    """The parts of the status bar: `details` of the app, and `jobs` with the most important first."""

    details: Sequence[Content] = ()
    jobs: Sequence[Content] = ()

    def fitting(self, width: int) -> Content:
        """Return what fits into a line: all jobs and the last details, or the first jobs and the number of others."""
        details, jobs = list(self.details), list(self.jobs)
        while (line := _SEPARATOR.join([*details, *jobs])).cell_length > width and details:
            del details[0]
        while line.cell_length > width and len(jobs) > 1:
            del jobs[-1]
            line = _SEPARATOR.join([*jobs, Content(f"+{len(self.jobs) - len(jobs)}")])
        return line.truncate(width, ellipsis=True)


class Navigation(Horizontal):
    """The names of the main screens. The current one is marked, and a click opens one."""

    DEFAULT_CSS = """
    Navigation { height: 1; background: $panel; }
    Navigation .brand { width: auto; padding: 0 1; color: $primary; text-style: bold; }
    Navigation.-short .brand, Navigation.-shortest .brand { display: none; }
    Navigation.-shortest _Tab { display: none; }
    Navigation.-shortest _Tab.-current { display: block; }
    """

    SCREENS = ("predict", "train", "history", "models", "files")

    def __init__(self, current: str, keymap: Mapping[str, str]) -> None:
        super().__init__()
        self._current = current
        self._keymap = keymap

    def compose(self) -> ComposeResult:
        yield Static("weibo-tui", classes="brand", markup=False)
        keys = {key.name.partition(".")[2]: key for key in KEYS["app"]}
        for screen in self.SCREENS:
            first = keys_of(keys[screen], self._keymap).partition(",")[0]
            yield _Tab(screen, f"{key_names(first)} {_(keys[screen].description)}", self._current)

    def on_resize(self, event: events.Resize) -> None:
        """Hide what has no room, the current screen last."""
        names = [cell_len(str(tab.content)) + 2 for tab in self.query(Static)]
        self.set_class(sum(names[1:]) <= event.size.width < sum(names), "-short")
        self.set_class(event.size.width < sum(names[1:]), "-shortest")


class _Tab(Static):
    DEFAULT_CSS = """
    _Tab { width: auto; padding: 0 1; color: $text-muted; }
    _Tab:hover { background: $boost; }
    _Tab.-current { background: $background; color: $text; text-style: bold; }
    """

    def __init__(self, screen: str, title: str, current: str) -> None:
        super().__init__(safe_content(title), classes="-current" if screen == current else "")
        self._screen_name = screen

    async def on_click(self) -> None:
        await self.app.run_action(f"app.go('{self._screen_name}')")


class StatusMessage(Static):
    """The line for messages. Errors and notices stay until the next key, other messages for a while."""

    DEFAULT_CSS = """
    StatusMessage { height: auto; max-height: 6; padding: 0 1; display: none; background: $panel; }
    StatusMessage.-shown { display: block; }
    StatusMessage.-error { background: $error 25%; color: $text; }
    StatusMessage.-success { background: $success 20%; color: $text; }
    """

    _timer: Timer | None = None

    def show(self, message: str, kind: str = "information") -> None:
        self.update(safe_content(message))
        self.set_classes(f"-shown -{kind}")
        if self._timer is not None:
            self._timer.stop()
        self._timer = None if kind in ("error", "notice") else self.set_timer(MESSAGE_SECONDS, self.hide)

    def hide(self) -> None:
        self.remove_class("-shown")

    def on_mount(self) -> None:
        # After the key is handled, so that an error that it causes stays.
        self.watch(self.app, "keys_pressed", self._on_any_key, init=False)

    def _on_any_key(self) -> None:
        if self.has_class("-error") or self.has_class("-notice"):
            self.hide()


class StatusBar(Static):
    """Device, models and jobs, from the app's `status`. What has no room is left out, never cut."""

    DEFAULT_CSS = "StatusBar { height: 1; padding: 0 1; background: $surface; color: $text-muted; }"

    _status = Status()

    def on_mount(self) -> None:
        self.watch(self.app, "status", self._show)

    def on_resize(self) -> None:
        self._show(self._status)

    def _show(self, status: Status) -> None:
        self._status = status
        self.update(status.fitting(self.content_size.width), layout=False)
