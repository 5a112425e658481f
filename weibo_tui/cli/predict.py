"""`predict`: verdicts on texts, on lines of stdin, or on a file."""

from __future__ import annotations

import codecs
import io
import os
import re
import shutil
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from weibo_tui.cli import options
from weibo_tui.cli.help import Command
from weibo_tui.cli.output import (
    InterruptedRunError,
    complain,
    emit,
    leave_interrupted,
    narrate,
    one_line,
    pad,
    percent,
    show,
    stages,
    until_stopped,
)
from weibo_tui.errors import UserInputError
from weibo_tui.locale import gettext as _
from weibo_tui.progress import Progress
from weibo_tui.text import cell_width, truncate_cells

if TYPE_CHECKING:
    from weibo_tui.storage.history import Analysis
    from weibo_tui.workbench import ComputeOptions, LabelingConfig, Workbench

_UNDECODED = re.compile("[\udc80-\udcff]")
LONGEST_LINE = 2**20  # characters of a line of stdin; far fewer are looked at


def add_to(app: typer.Typer) -> None:
    app.command("predict", cls=Command, help=_("Give verdicts on posts, on lines of stdin, or on a file."))(predict)


def predict(
    text: Annotated[
        list[str] | None,
        typer.Argument(help=_("Posts, behind -- where one begins with a dash; a single - reads stdin, a post a line.")),
    ] = None,
    file: Annotated[
        Path | None, typer.Option(metavar="FILE", help=_("Label this file: CSV, TSV, JSONL or Parquet."))
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help=_("Where the labelled file goes."))] = None,
    adapter: options.Adapter = "",
    history: Annotated[
        bool, typer.Option("--history/--no-history", help=_("Whether the history keeps them; by default it does."))
    ] = True,
    overwrite: options.Overwrite = False,
    json: options.Json = False,
    column: options.TextColumn = None,
    encoding: options.Encoding = None,
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
    threads: options.Threads = 0,
) -> None:
    from weibo_tui.workbench import Columns, ComputeOptions, LabelingConfig, Workbench

    machine = ComputeOptions(device, dtype, threads)
    if (file is None) == (not text) or (file is None) != (out is None):
        raise UserInputError(
            _("Give posts, or - for stdin, or --file with --out: 'weibo-tui predict --help' says more.")
        )
    with Workbench.open() as wb:
        if file is not None and out is not None:
            columns = Columns(text=column, encoding=encoding)
            _label(wb, LabelingConfig(file, out, adapter, columns, machine, overwrite, history), json)
        else:
            texts = [_as_typed(one) for one in text or []]
            posts: Iterable[str] = _stdin_lines(encoding) if texts == ["-"] else texts
            _judge(wb, posts, adapter, machine, json, history)


def _judge(
    wb: Workbench, posts: Iterable[str], adapter: str, machine: ComputeOptions, json: bool, history: bool
) -> None:
    from_stdin = not isinstance(posts, list)
    record = None if history else False
    # Who types line by line wants each answer at once; a pipe is judged by the batch.
    window = 1 if from_stdin and sys.stdin.isatty() else 256
    found = failed = 0
    analyses = wb.predict(
        posts, adapter, record=record, source="stdin" if from_stdin else "cli", machine=machine, window=window
    )
    first: list[Analysis] = []
    for analysis in analyses:
        found += 1
        failed += analysis.error is not None
        if failed == found == 1 and window > 1:
            first.append(analysis)  # alone it is bad input, which gives no data; among others it is a row
            continue
        for one in (*first, analysis):
            emit(_to_json(one)) if json else show(_line(one))
        first.clear()
    if failed == found == 1:
        raise UserInputError(_("The post cannot be judged: nothing to read is left after cleaning; write some words."))
    if failed:
        complain(_("{failed} of {found} posts could not be read.").format(failed=failed, found=found))


def _as_typed(text: str) -> str:
    """A text of the command line. Where the locale has no encoding but ASCII, Python has read its bytes as none."""
    if codecs.lookup(sys.getfilesystemencoding()).name != "ascii":
        return text
    return os.fsencode(text).decode("utf-8", "surrogateescape")


def _stdin_lines(named: str | None) -> Iterator[str]:
    """Yield every line without its end, LONGEST_LINE characters of it at most; a blank one too, so that the output has
    as many lines as the input. `named` is the encoding, UTF-8 by default."""
    from weibo_tui.datasets.encodings import named_encoding

    encoding = named_encoding(named or "utf-8")
    # These drop a byte order mark, and heed that of UTF-16.
    codec = {"utf-8": "utf-8-sig", "utf-16-le": "utf-16"}.get(encoding.codec, encoding.codec)
    # Bytes that do not decode become lone surrogates, which cleaning takes out. UTF-16 and UTF-32 cannot hold them.
    errors = "replace" if codec.startswith(("utf-16", "utf-32")) else "surrogateescape"
    # A CR inside a line does not end it: `wc` and `paste` count line feeds too.
    stream = io.TextIOWrapper(sys.stdin.buffer, encoding=codec, errors=errors, newline="\n")
    number = 0
    is_said = False
    while line := stream.readline(LONGEST_LINE + 1):
        number += 1
        rest = line
        while len(rest) > LONGEST_LINE and not rest.endswith("\n"):
            rest = stream.readline(LONGEST_LINE + 1)
        if rest is not line:
            message = _("Line {number} is longer than {limit} characters: the rest of it was not read.")
            narrate(message.format(number=f"{number:,}", limit=f"{LONGEST_LINE:,}"))
        if not is_said and _UNDECODED.search(line):
            message = _("Line {number} is not {encoding}. Name the encoding of the input with --encoding.")
            narrate(message.format(number=f"{number:,}", encoding=encoding.name))
            is_said = True
        yield line[:LONGEST_LINE].rstrip("\r\n")


def _to_json(analysis: Analysis) -> dict[str, Any]:
    failed = analysis.error is not None
    value: dict[str, Any] = {
        "text": analysis.text,
        "label": None if failed else analysis.label,
        "confidence": analysis.confidence,
        "probabilities": analysis.probabilities,
        "uncertain": None if failed else analysis.uncertain,
        "adapter": analysis.adapter,
        "truncated": analysis.truncated,
    }
    return value | {"error": analysis.error} if failed else value


def _line(analysis: Analysis) -> str:
    """Label, confidence and the post on one line, cut to the terminal's width; or what is wrong with the post."""
    if analysis.error is not None:
        return f"{pad(_('error'), 8)}  {analysis.error}"
    mark = _("uncertain") if analysis.uncertain else ""
    if analysis.truncated:
        read = _("read {read} of {all} characters").format(read=analysis.characters_read, all=analysis.characters)
        mark = f"{mark}, {read}" if mark else read
    label = pad(one_line(analysis.label), 8)
    start = f"{label}  {percent(analysis.confidence):>7}  {f'({mark})  ' if mark else ''}"
    post = one_line(analysis.text)
    if sys.stdout.isatty():
        post = truncate_cells(post, max(10, shutil.get_terminal_size().columns - cell_width(start) - 1))
    return start + post


def _label(wb: Workbench, plan: LabelingConfig, json: bool) -> None:
    from weibo_tui.workbench.labeling import LabelingResult

    try:
        with stages() as stage, until_stopped(wb.label_file(plan)) as events:
            for event in events:
                if isinstance(event, Progress):
                    stage.progress(event)
                if isinstance(event, LabelingResult):
                    done = event
    except (InterruptedRunError, KeyboardInterrupt):
        hint = _("Stopped; the same command goes on where it stood.")
        raise leave_interrupted(hint) from None
    if json:
        emit(
            {
                "out": done.out,
                "rows": done.rows,
                "failed": done.failed,
                "counts": done.counts,
                "continued": done.continued,
                "posts_per_second": round(done.posts_per_second, 1),
            }
        )
        return
    counts = ", ".join(f"{label} {number:,}" for label, number in done.counts.items())
    show(_("{rows} rows labelled: {counts}").format(rows=f"{done.rows:,}", counts=counts))
    if done.failed:
        complain(_("{failed} rows could not be read; the column error says why.").format(failed=done.failed))
    narrate(_("Written to {out} at {rate} posts/s.").format(out=done.out, rate=f"{done.posts_per_second:,.0f}"))
