"""Long work as one call: its events with a progress bar, Ctrl-C that saves a checkpoint, and errors of this package."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from typing import Any, TypeVar

from weibo_tui import log
from weibo_tui.display_names import display_name
from weibo_tui.engine.events import RunStarted, StepDone
from weibo_tui.errors import WeiboTuiError, is_out_of_memory
from weibo_tui.locale import gettext as _
from weibo_tui.progress import Progress

T = TypeVar("T")


def run(events: Generator[object, None, None], result: type[T], progress: bool = True) -> T:
    """Run long work to its end, and return its last event, which is of the type `result`.

    At Ctrl-C it stops after the current step, which saves a checkpoint, and raises KeyboardInterrupt; a second Ctrl-C
    stops at once."""
    run_id, last = "", None
    with translate_errors(), progress_bar(progress) as bar, _interrupts() as is_interrupted, closing(events):
        for last in events:
            bar.show(last)
            if isinstance(last, RunStarted):
                run_id = last.run
            if is_interrupted() and not isinstance(last, result):
                break
    if is_interrupted() and not isinstance(last, result):
        message = _("Stopped with a checkpoint. To continue: resume('{run}').").format(run=run_id)
        raise KeyboardInterrupt(*([message] if run_id else []))
    assert isinstance(last, result)
    return last


@contextmanager
def translate_errors() -> Iterator[None]:
    """Turn errors of the system in the block into WeiboTuiError."""
    try:
        yield
    except OSError as error:
        raise WeiboTuiError(log.disk_error(error)) from error
    except Exception as error:
        if is_out_of_memory(error):
            raise WeiboTuiError(log.user_message(error)) from error
        raise


@contextmanager
def _interrupts() -> Iterator[Callable[[], bool]]:
    """Give a function that tells whether Ctrl-C was pressed in the block. A second one raises KeyboardInterrupt.

    Only the main thread can do this, and a handler of the user's stays in place."""
    pressed: list[int] = []

    def press(number: int, frame: Any) -> None:
        if pressed:
            signal.default_int_handler(number, frame)
        pressed.append(number)

    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield lambda: False
        return
    signal.signal(signal.SIGINT, press)
    try:
        yield lambda: bool(pressed)
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


class ProgressBar:
    """A bar on stderr for each stage of the work, or nothing."""

    def __init__(self, is_shown: bool) -> None:
        self._is_shown = is_shown
        self._stage = ""
        self._bar: Any = None

    def show(self, event: object) -> None:
        """Show the progress that an event reports."""
        if not self._is_shown:
            return
        if isinstance(event, StepDone):
            self._update("training", event.step, event.steps or None, note=f"loss {event.loss:.3f}")
        elif isinstance(event, Progress) and event.stage != "step":  # a step's parts are not shown
            self._update(event.stage, event.done, event.total, event.unit)

    def close(self) -> None:
        """Remove the bar."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _update(self, stage: str, done: int, total: int | None, unit: str = "", note: str = "") -> None:
        if self._bar is None or stage != self._stage or done < self._bar.n:
            from tqdm.auto import tqdm  # type: ignore[import-untyped]

            self.close()
            self._stage = stage
            scale = {"unit": unit, "unit_scale": True} if unit else {}
            options = {"desc": display_name(stage), "total": total, "initial": done, "postfix": note or None}
            self._bar = tqdm(**options, **scale, leave=False, dynamic_ncols=True)
        self._bar.total = total
        self._bar.set_postfix_str(note, refresh=False)
        self._bar.update(done - self._bar.n)


@contextmanager
def progress_bar(progress: bool = True) -> Iterator[ProgressBar]:
    """Give a progress bar during the block. It shows nothing where stderr is neither a terminal nor of a notebook."""
    bar = ProgressBar(progress and (_is_terminal() or _is_notebook()))
    try:
        yield bar
    finally:
        bar.close()


def _is_terminal() -> bool:
    return sys.stderr is not None and sys.stderr.isatty()


def _is_notebook() -> bool:
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return shell is not None and "IPKernelApp" in shell.config
