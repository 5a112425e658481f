"""Output: data on stdout, everything else on stderr. Text from outside is made safe for terminals."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from dataclasses import replace
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, TypeVar

from rich.cells import cell_len

from weibo_tui.display_names import display_name
from weibo_tui.errors import UserInputError
from weibo_tui.locale import N_, ngettext
from weibo_tui.locale import gettext as _
from weibo_tui.paths import is_same
from weibo_tui.presentation.numbers import per_second
from weibo_tui.progress import Progress, Rate
from weibo_tui.signals import handle_stop_signals
from weibo_tui.text.terminal import hide_zero_width, sanitize, truncate_cells

if TYPE_CHECKING:
    from pathlib import Path

    import typer
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

    from weibo_tui.datasets.tables import Columns
    from weibo_tui.workbench.workbench import Workbench

Result = TypeVar("Result")

INTERRUPTED = 130
"""Exit code of a command that a signal has stopped."""

MAX_COLUMN_CELLS = 100
REFRESHES_PER_SECOND = 8
MEASURED_LINES = 1001
"""Lines of a table, with the header, that set the widths of its columns."""


def open_workbench() -> AbstractContextManager[Workbench]:
    """Open the workbench; the import is here because it takes a second, which `--help` must not wait for."""
    from weibo_tui.workbench.workbench import Workbench

    return Workbench()


def echo_error(message: str) -> None:
    """Print an error on one line of stderr."""
    print(f"weibo-tui: {one_line(message)}", file=sys.stderr)


def echo_info(message: str) -> None:
    """Print a message on stderr, so that stdout holds nothing but data."""
    print(sanitize(message), file=sys.stderr)


def echo(text: str = "") -> None:
    """Print text on stdout."""
    print(sanitize(text))


def echo_json(value: dict[str, Any]) -> None:
    """Print a JSON object on one line of stdout; paths become strings.

    It is all ASCII if it holds characters that act on a terminal (C1, bidi) or that the stream cannot hold."""
    line = json.dumps(value, ensure_ascii=False, allow_nan=False, default=str)
    if sanitize(line) != hide_zero_width(line) or not _fits(line, sys.stdout.encoding):
        line = json.dumps(value, allow_nan=False, default=str)
    print(line, flush=True)


def _fits(line: str, encoding: str) -> bool:
    try:
        line.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def echo_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print columns that are as wide as their widest cell among the first rows, each row on one line.

    Later rows are printed as they come, so that a long table takes no memory."""
    cut = ([truncate_cells(one_line(cell), MAX_COLUMN_CELLS) for cell in row] for row in rows)
    lines = chain([list(header)], cut)
    first = list(islice(lines, MEASURED_LINES))
    widths = [max(map(cell_len, column)) for column in zip(*first, strict=True)]
    for line in chain(first, lines):
        echo("  ".join(map(pad, line, widths)).rstrip())


def one_line(text: str) -> str:
    """Return text from outside, safe for the terminal and on one line."""
    return " ".join(sanitize(text).split())


def pad(cell: str, width: int) -> str:
    """Return the text with blanks after it, up to `width` cells of the terminal."""
    return cell + " " * (width - cell_len(cell))


def echo_default_hint(group: str, name: str, get_default: Callable[[], str]) -> None:
    """Say how to make `name` the default of `group` (adapters or bases), unless it is."""
    with suppress(UserInputError):
        if get_default() == name:
            return
    echo_info(_("To make it the default: weibo-tui {group} use {name}").format(group=group, name=name))


class ProgressBars:
    """Bars on stderr with rate and time left, one at a time; nothing if stderr is no terminal."""

    def __init__(self, bars: Bars | None) -> None:
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}
        self._stage = ""
        self._rate = Rate()

    def progress(self, event: Progress) -> None:
        """Show the progress and the rate of a stage, and its note."""
        if event.note:
            self.line(event.note)
        if event.stage != self._stage:
            self._stage, self._rate = event.stage, Rate()
        scale, unit = (1e6, " MB") if event.unit == "B" else (1, "")
        done, total = event.done / scale, None if event.total is None else event.total / scale
        self.update(display_name(event.stage) + unit, done, total, per_second(self._rate.update(done), unit))

    def update(self, name: str, done: float, total: float | None, note: str = "") -> None:
        """Show the bar of the stage `name` and remove the one before."""
        if self._bars is None:
            return
        if name not in self._tasks:
            for task in self._tasks.values():
                self._bars.remove_task(task)
            self._tasks = {name: self._bars.add_task(name, total=total, note="")}
        self._bars.update(self._tasks[name], completed=done, total=total, note=sanitize(note))

    def line(self, message: str) -> None:
        """Print a message above the bars."""
        if self._bars is None:
            echo_info(message)
        else:
            self._bars.console.print(sanitize(message), markup=False, highlight=False, soft_wrap=True)


@contextmanager
def progress_bars(data: bool = False) -> Iterator[ProgressBars]:
    """Show bars during the block; none if it prints `data` to a terminal, because lines and bars would mix."""
    if not sys.stderr.isatty() or (data and sys.stdout.isatty()):
        yield ProgressBars(None)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn("{task.fields[note]}", markup=False),
        TimeRemainingColumn(compact=True),
    )
    with Bars(
        *columns,
        console=Console(stderr=True),
        transient=True,
        refresh_per_second=REFRESHES_PER_SECOND,
        redirect_stdout=False,  # otherwise rich prints it on its own console, which is stderr
        redirect_stderr=False,
    ) as bars:
        yield ProgressBars(bars)


class InterruptedRunError(Exception):
    """Work was stopped between two events because the user asked for it."""


@contextmanager
def interruptible(events: Iterator[object]) -> Iterator[Iterator[object]]:
    """Give the events during the block; after a stop signal, raise InterruptedRunError at the next one.

    A second Ctrl-C raises KeyboardInterrupt at once. At the end of the block the work is closed, which saves its
    checkpoint."""
    is_stopping = False

    def until_signal() -> Iterator[object]:
        for event in events:
            yield event
            if is_stopping:
                raise InterruptedRunError

    def stop() -> None:
        nonlocal is_stopping
        is_stopping = True
        message = _("Stopping after this step …")
        # Not print, which fails if the signal interrupts another print.
        with suppress(OSError):
            os.write(2, f"\n{message}\n".encode())

    with handle_stop_signals(stop), closing(events):  # type: ignore[type-var]  # all long work is a generator
        yield until_signal()


def exit_interrupted(hint: str) -> typer.Exit:
    """Say how to resume, and return the exit with the code INTERRUPTED."""
    import typer

    echo_info(hint)
    return typer.Exit(INTERRUPTED)


def list_bad_rows(
    files: Iterable[Path], columns: Columns, out: Path | None, overwrite: bool, *others: Path | None
) -> None:
    """Write the rows of the files that cannot be read to the CSV file `out`, if one is given.

    Raise UserInputError where one of the `others`, the command's outputs that are given, is the same file.
    """
    if out is None:
        return
    if any(is_same(out, other) for other in others if other is not None):
        message = _("--bad-rows and another output are the same file: {path}. Choose another file for one of them.")
        raise UserInputError(message.format(path=out))
    from weibo_tui.datasets.writing import write_bad_rows

    number = write_bad_rows(files, columns, out, overwrite)
    message = ngettext("{number:,} row that cannot be read", "{number:,} rows that cannot be read", number)
    echo_info(f"{message.format(number=number)}: {out}")


def run_with_progress(
    start: Callable[[Workbench], Iterator[object]],
    result: type[Result] | None = None,
    stopped: str = N_("Stopped. Nothing was written."),
    notes: bool = True,
) -> Result:
    """Run work of the workbench with bars, and return the event of the type `result` that it ends with.

    Without `result` there is nothing to return. `stopped` is the message for interrupted work. `notes` is False where
    the notes were printed already, because an earlier part of the command read the same files."""
    last = None
    try:
        with open_workbench() as workbench, progress_bars() as bars, interruptible(start(workbench)) as events:
            for event in events:
                if isinstance(event, Progress):
                    bars.progress(event if notes else replace(event, note=""))
                elif result is not None and isinstance(event, result):
                    last = event
    except (InterruptedRunError, KeyboardInterrupt):
        raise exit_interrupted(_(stopped)) from None
    assert (last is None) == (result is None)
    return last  # type: ignore[return-value]


def confirm(question: str) -> bool:
    """Ask on stderr; anything but a yes is a no, also the end of the input."""
    print(question, "[y/N] ", end="", file=sys.stderr, flush=True)
    answer = sys.stdin.readline()
    if not answer.endswith("\n"):
        print(file=sys.stderr)
    return answer.strip().lower() in ("y", "yes")
