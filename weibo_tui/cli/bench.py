"""`bench`: how fast this machine trains on a base model and predicts with it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.cells import cell_len

from weibo_tui.cli import options
from weibo_tui.cli.help import Command
from weibo_tui.cli.output import echo, echo_info, echo_json, pad, progress_bars
from weibo_tui.datasets.tables import Columns
from weibo_tui.engine.hyperparameters import ComputeOptions
from weibo_tui.errors import UserInputError
from weibo_tui.locale import gettext as _
from weibo_tui.locale import join_list
from weibo_tui.progress import Progress

if TYPE_CHECKING:
    from weibo_tui.workbench.benchmark import BenchmarkResult

ROWS = 100_000


def add_to(app: typer.Typer) -> None:
    app.command("bench", cls=Command, help=_("Measure how fast this machine trains and predicts."))(bench)


@options.with_hyperparameters
def bench(
    base: Annotated[
        str, typer.Option("--base", metavar="NAME", help=_("Base to measure (default: the default base)."))
    ] = "",
    file: Annotated[
        Path | None, typer.Option("--file", metavar="FILE", help=_("Estimate how long labeling this file takes."))
    ] = None,
    rows: Annotated[
        int | None, typer.Option("--rows", min=1, help=_("Estimate for a file of this many posts (default: 100,000)."))
    ] = None,
    json: options.Json = False,
    columns: Columns = Columns(),
    machine: ComputeOptions = ComputeOptions(),
) -> None:
    from weibo_tui.workbench.benchmark import benchmark
    from weibo_tui.workbench.workbench import Workbench

    if file is not None and rows is not None:
        raise UserInputError(_("--file and --rows cannot be used together. Use one of them."))
    # Each figure is printed when it is measured, so a terminal that shows them has no bars.
    with progress_bars(data=True) as stage, Workbench() as workbench:
        workbench.base_name(base)
        if file is not None:
            rows = _count_rows(file, columns)
        printed = 0
        for event in benchmark(workbench, base, rows or ROWS, machine):
            if isinstance(event, Progress):
                stage.progress(event)
                continue
            if not json:
                printed = _print_new_lines(event, printed)
            result = event
    if json:
        echo_json(asdict(result))


def _print_new_lines(result: BenchmarkResult, printed: int) -> int:
    """Print the lines after the first `printed` ones, and return the number of all."""
    if not printed:
        line = _("{base} on {device}, {dtype}, {threads} threads")
        values = {"device": result.device, "dtype": result.dtype, "threads": result.threads}
        echo_info(line.format(base=result.base, **values))
    rows = [(_("Task"), _("Speed")), *_rows(result)]
    width = max(map(cell_len, _tasks(result)))
    for task, speed in rows[printed:]:
        echo(f"{pad(task, width)}  {speed}")
    return len(rows)


def _count_rows(file: Path, columns: Columns) -> int:
    from weibo_tui.datasets.reading import count_rows, open_table
    from weibo_tui.progress import drain

    return drain(count_rows(open_table(file, columns)))


def _tasks(result: BenchmarkResult) -> tuple[str, ...]:
    return (
        _("Training"),
        _("Labeling a file"),
        _("A file of {rows} posts").format(rows=f"{result.rows:,}"),
        _("One post"),
    )


def _rows(result: BenchmarkResult) -> Iterator[tuple[str, str]]:
    """Yield the tasks that are measured, in the order of `_tasks`, with their speed."""
    training, labeling, file, post = _tasks(result)
    if result.steps_per_second is not None and result.training_posts_per_second is not None:
        steps, posts = _figure(result.steps_per_second), _figure(result.training_posts_per_second)
        speed = _("{steps} steps/s, {posts} posts/s").format(steps=steps, posts=posts)
        is_native = result.training_dtype == result.dtype
        yield training, speed if is_native else join_list([speed, result.training_dtype])
    if result.labeling_posts_per_second is not None and result.labeling_seconds is not None:
        yield labeling, _("{posts} posts/s").format(posts=_figure(result.labeling_posts_per_second))
        yield file, _("about {duration}").format(duration=_duration(result.labeling_seconds))
    if result.milliseconds_per_post is not None:
        yield post, _("{milliseconds} ms").format(milliseconds=_figure(result.milliseconds_per_post))


def _figure(value: float) -> str:
    """Write a number with three significant digits."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _duration(seconds: float) -> str:
    """Write a duration in its two largest units, as in 2 h 5 min."""
    minutes, rest = divmod(max(round(seconds), 1), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return _("{hours} h {minutes} min").format(hours=hours, minutes=minutes)
    if minutes:
        return _("{minutes} min {seconds} s").format(minutes=minutes, seconds=rest)
    return _("{seconds} s").format(seconds=rest)
