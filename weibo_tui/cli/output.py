"""What a person sees: data on stdout, everything else on stderr. Text from outside is made visible first."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from itertools import chain, islice
from types import FrameType
from typing import TYPE_CHECKING, Any

import typer

from weibo_tui.display_names import display_name
from weibo_tui.errors import UserInputError
from weibo_tui.locale import gettext as _
from weibo_tui.progress import Progress, Rate
from weibo_tui.signals import handle_stop_signals
from weibo_tui.text import cell_width, truncate_cells, visible

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

# Cells of the terminal that a column of a table may take.
MOST_CELLS = 100
# Bars are redrawn by rich at most this often a second.
REFRESH = 8
MEASURED_LINES = 1001
"""Lines of a table, the header too, that its columns are fitted to."""


def complain(message: str) -> None:
    """An error, on one line of stderr."""
    print(f"weibo-tui: {one_line(message)}", file=sys.stderr)


def narrate(message: str) -> None:
    """What a person may want to know while data goes to stdout."""
    print(visible(message), file=sys.stderr)


def show(text: str = "") -> None:
    """Data for a person, on stdout."""
    print(visible(text))


def emit(value: dict[str, Any]) -> None:
    """Data for a program: one JSON object on one line of stdout. It is all ASCII where it holds what acts on a
    terminal (C1, bidi), or what the stream cannot hold (lone surrogates)."""
    line = json.dumps(value, ensure_ascii=False, allow_nan=False)
    if visible(line) != line or not _fits(line, sys.stdout.encoding):
        line = json.dumps(value, allow_nan=False)
    print(line, flush=True)


def _fits(line: str, encoding: str) -> bool:
    try:
        line.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Columns side by side, each as wide as its widest cell among the first rows; each row on one line.

    The rest of a long table passes by row by row, so that it takes no memory."""
    fitted = ([truncate_cells(one_line(cell), MOST_CELLS) for cell in row] for row in rows)
    lines = chain([list(header)], fitted)
    first = list(islice(lines, MEASURED_LINES))
    widths = [max(map(cell_width, column)) for column in zip(*first, strict=True)]
    for line in chain(first, lines):
        cells = map(pad, line, widths)
        show("  ".join(cells).rstrip())


def percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f} %"


def per_second(rate: float | None, unit: str = "") -> str:
    """A rate as the note beside a bar says it."""
    return "" if rate is None else f"{rate:,.0f}{unit}/s"


def one_line(text: str) -> str:
    """Text from outside for one line of the screen."""
    return " ".join(visible(text).split())


def pad(cell: str, width: int) -> str:
    """The cell, with blanks behind it up to `width` cells of the terminal."""
    return cell + " " * (width - cell_width(cell))


def narrate_default(group: str, name: str, choose: Callable[[], str]) -> None:
    """Say how to make `name` the default of `group` (adapters or bases), unless `choose` gives it already."""
    with suppress(UserInputError):
        if choose() == name:
            return
    narrate(_("To make it the default: weibo-tui {group} use {name}").format(group=group, name=name))


class ProgressBars:
    """Bars on stderr with rate and time left, one for each stage; nothing where stderr is no terminal."""

    def __init__(self, bars: Bars | None) -> None:
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}
        self._rate = Rate()

    def progress(self, event: Progress) -> None:
        """Show how far a stage is, and how fast it goes."""
        scale, unit = (1e6, " MB") if event.unit == "B" else (1, "")
        done, total = event.done / scale, None if event.total is None else event.total / scale
        self.update(display_name(event.stage) + unit, done, total, per_second(self._rate.update(done), unit))

    def update(self, name: str, done: float, total: float | None, note: str = "") -> None:
        """Show the stage `name`; the one shown before is taken away."""
        if self._bars is None:
            return
        if name not in self._tasks:
            for task in self._tasks.values():
                self._bars.remove_task(task)
            self._tasks = {name: self._bars.add_task(name, total=total, note="")}
        self._bars.update(self._tasks[name], completed=done, total=total, note=visible(note))

    def line(self, message: str) -> None:
        """A line of narration above the bars."""
        if self._bars is None:
            narrate(message)
        else:
            self._bars.console.print(visible(message), markup=False, highlight=False, soft_wrap=True)


@contextmanager
def stages(data: bool = False) -> Iterator[ProgressBars]:
    """Bars for the length of the block; none where its `data` goes to a terminal too and would tear them."""
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
        refresh_per_second=REFRESH,
        redirect_stdout=False,  # else rich takes what is printed to stdout and writes it to its console: to stderr
        redirect_stderr=False,
    ) as bars:
        yield ProgressBars(bars)


class InterruptedRunError(Exception):
    """The person asked to stop, and work was stopped between two events."""


@contextmanager
def until_stopped(events: Iterator[object]) -> Iterator[Iterator[object]]:
    """For the block, the events until a signal asks to stop: then Interrupted is raised at the next one. A second
    Ctrl-C does not wait. However the block ends, the work is closed with it, which saves what there is to save."""
    wanted = 0

    def pulled() -> Iterator[object]:
        for event in events:
            yield event
            if wanted:
                raise InterruptedRunError

    def ask(number: int, _frame: FrameType | None) -> None:
        nonlocal wanted
        if wanted and number == signal.SIGINT:
            raise KeyboardInterrupt
        wanted = number
        said = _("Stopping after this step …")
        # Not print: the signal may have come in the midst of one, and that would be an error.
        with suppress(OSError):
            os.write(2, f"\n{said}\n".encode())

    with handle_stop_signals(ask), closing(events):  # type: ignore[type-var]  # all long work is a generator
        yield pulled()


def leave_interrupted(hint: str) -> typer.Exit:
    """The way out after Interrupted: say how to go on, exit 130."""
    narrate(hint)
    return typer.Exit(130)
