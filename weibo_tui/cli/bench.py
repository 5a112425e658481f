"""`bench`: how fast this machine is, beside the plain recipe in the same run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from weibo_tui.cli import options
from weibo_tui.cli.help import Command
from weibo_tui.cli.output import echo_info, echo_json, echo_table, progress_bars
from weibo_tui.errors import UserInputError
from weibo_tui.locale import gettext as _
from weibo_tui.progress import Progress

if TYPE_CHECKING:
    from weibo_tui.bench.measuring import Comparison, Sample, Target

SUBJECTS = ("train", "predict", "start", "ui", "history")


def add_to(app: typer.Typer) -> None:
    app.command("bench", cls=Command, help=_("Measure this machine, beside the plain recipe in the same run."))(bench)


def bench(
    subjects: Annotated[
        list[str] | None,
        typer.Argument(metavar="[SUBJECT]...", help=_("Some of train, predict, start, ui, history; else all of them.")),
    ] = None,
    base: Annotated[
        str, typer.Option(metavar="NAME", help=_("Base to measure on; else 12 blocks of width 768, random weights."))
    ] = "",
    rounds: Annotated[int, typer.Option(min=0, max=1000, help=_("Rounds of each; 0 takes what fits it."))] = 0,
    json: options.Json = False,
) -> None:
    from weibo_tui.bench.measuring import BenchmarkOptions
    from weibo_tui.bench.subjects import measure
    from weibo_tui.workbench import Workbench
    from weibo_tui.workbench.hardware import look_at_computer

    unknown = [subject for subject in subjects or () if subject not in SUBJECTS]
    if unknown:
        raise UserInputError(
            _("There is nothing called {subject} to measure: name some of {subjects}.").format(
                subject=unknown[0], subjects=", ".join(SUBJECTS)
            )
        )
    with Workbench.open() as workbench:
        computer = look_at_computer(workbench.settings)
        if base:
            workbench.bases.path(base)
    if json:
        echo_json(asdict(computer))
    else:
        echo_info(
            _("{name}, {cores} cores, {threads} threads, {dtype}").format(
                name=computer.name, cores=computer.cores, threads=computer.threads, dtype=computer.dtype
            )
        )
    for subject in subjects or SUBJECTS:
        found = []
        with progress_bars(data=json) as stage:
            for event in measure(subject, BenchmarkOptions(base, rounds)):
                if isinstance(event, Progress):
                    stage.progress(event)
                else:
                    found.append(event)
        if json:
            for comparison in found:
                echo_json(comparison.to_json())
        else:
            echo_table(
                (subject, "weibo-tui", _("beside it"), _("ratio"), _("bar"), ""), ([*_row(one)] for one in found)
            )


def _row(found: Comparison) -> Iterator[str]:
    yield found.what
    yield f"{_spread(found.ours)} {found.unit}"
    yield "" if found.beside is None else f"{_spread(found.beside)} {found.unit} ({found.beside.name})"
    yield "" if found.ratio is None else f"{_spread(found.ratio)} x"
    yield "" if found.bar is None else _limit(found.bar)
    yield {None: "", True: _("met"), False: _("missed")}[found.met]


def _spread(sample: Sample) -> str:
    """The median, with the least and the greatest where there were several rounds."""
    figures = f"{sample.median:,.3g}"
    if len(sample.values) > 1:
        figures += f" ({min(sample.values):,.3g}–{max(sample.values):,.3g})"
    return figures


def _limit(bar: Target) -> str:
    return f"{'≤' if bar.at_most else '≥'} {bar.limit:g}"
