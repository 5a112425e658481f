"""`predict`: classify texts, lines of stdin, or a file."""

from __future__ import annotations

import codecs
import io
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer
from rich.cells import cell_len

from weibo_tui.cli import on_ray, options
from weibo_tui.cli.help import Command
from weibo_tui.cli.output import (
    echo,
    echo_error,
    echo_info,
    echo_json,
    list_bad_rows,
    one_line,
    open_workbench,
    pad,
    run_with_progress,
)
from weibo_tui.datasets.containers import SUFFIXES, find_other_tables
from weibo_tui.datasets.sinks import default_output
from weibo_tui.datasets.tables import Columns
from weibo_tui.display_names import label_name
from weibo_tui.engine.hyperparameters import ComputeOptions
from weibo_tui.errors import UserInputError
from weibo_tui.locale import N_, join_list, ngettext, with_note
from weibo_tui.locale import gettext as _
from weibo_tui.presentation.explanation import (
    check_page,
    curve_lines,
    explanation_legend,
    explanation_lines,
    write_explanations,
)
from weibo_tui.presentation.numbers import confidence
from weibo_tui.presentation.prediction import to_dict
from weibo_tui.text.terminal import truncate_cells

if TYPE_CHECKING:
    from weibo_tui.storage.history import Analysis
    from weibo_tui.workbench.config import LabelingConfig
    from weibo_tui.workbench.explanation import Explanation
    from weibo_tui.workbench.labeling import LabelingResult
    from weibo_tui.workbench.workbench import Workbench

_UNDECODED = re.compile("[\udc80-\udcff]")
OUT_HELP = _("Result: .csv, .tsv, .jsonl, .parquet or .xlsx (default: next to the file); a folder with --engine ray.")
_INDENT = "    "
MAX_LINE = 2**20
"""Characters of a line of stdin; the model reads far fewer."""


def add_to(app: typer.Typer) -> None:
    app.command("predict", cls=Command, help=_("Predict the labels of posts, of lines on stdin, or of a file."))(
        predict
    )


@options.with_hyperparameters
def predict(
    text: Annotated[
        list[str] | None,
        typer.Argument(help=_("Posts, after -- if one starts with a dash. A single - reads stdin, one post per line.")),
    ] = None,
    files: Annotated[
        list[str] | None,
        typer.Option(
            "--file", metavar="FILE", help=_("Label this file: CSV, TSV, text, JSON, Excel, Parquet or Arrow.")
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", "--output", "-o", metavar="FILE", help=OUT_HELP)] = None,
    adapter: options.Adapter = "",
    history: Annotated[
        bool, typer.Option("--history/--no-history", help=_("Record predictions in the history (default: yes)."))
    ] = True,
    overwrite: options.Overwrite = False,
    json: options.Json = False,
    explain: Annotated[
        bool,
        typer.Option(
            "--explain",
            help=_(
                "Show why: the weight of each part, and the prediction after each character. A FILE.html is written."
            ),
        ),
    ] = False,
    shapley: Annotated[
        bool, typer.Option("--shapley", help=_("Weigh the parts by Shapley values, with --explain. This takes longer."))
    ] = False,
    columns: Columns = Columns(),
    bad_rows: options.BadRows = None,
    prefix: Annotated[
        str, typer.Option("--prefix", metavar="TEXT", help=_("Start of the names of the added columns, like emotion_."))
    ] = "",
    bom: Annotated[
        bool | None,
        typer.Option("--bom/--no-bom", help=_("Whether a CSV begins with a byte order mark, which Excel needs.")),
    ] = None,
    machine: ComputeOptions = ComputeOptions(),
    engine: on_ray.Engine = on_ray.LOCAL,
    address: on_ray.Address = None,
    workers: on_ray.WorkerNumber = None,
    gpus_per_worker: on_ray.GpusPerWorker = None,
) -> None:
    from weibo_tui.workbench.config import ClusterLabelingConfig, LabelingConfig

    page: Path | None = None
    if shapley and not explain:
        raise UserInputError(_("--shapley is for --explain. Give both."))
    if on_ray.is_chosen(engine, address, workers, gpus_per_worker):
        on_ray.check_options(out, explain=explain, bad_rows=bad_rows, bom=bom)
        config = ClusterLabelingConfig(
            sources=(*(files or ()), *(text or ())),
            out=out or Path(),
            adapter=adapter,
            columns=columns,
            machine=machine,
            overwrite=overwrite,
            record=history,
            prefix=prefix,
            address=address,
            workers=0 if workers is None else workers,
            gpus_per_worker=gpus_per_worker,
        )
        result = on_ray.label(config)
        _print_labeled(result, json, parts=result.parts, failed_parts=list(result.failed_parts))
        on_ray.exit_if_failed(result)
        return
    if files is not None and len(files) > 1:
        raise UserInputError(_("Several files are labeled on Ray only. Give --file once, or --engine ray."))
    file = Path(files[0]) if files else None
    if file is not None and file.is_dir() and find_other_tables(file):
        raise UserInputError(_("{path} is a folder of several files. Label them with --engine ray.").format(path=file))
    if explain:
        _check_explained(file, text)
        pages = [one for one in text or [] if Path(one).suffix.lower() == ".html" and not any(map(str.isspace, one))]
        page = Path(pages[0]) if pages else None
        text = [one for one in text or [] if one not in pages[:1]]
    elif file is None and text:
        file = _named_file(text)
        text = None if file is not None else text
    if text and file is None and out is not None:
        raise UserInputError(_("--out is for a file. Give the file with --file, or posts without --out."))
    if (file is None) == (not text):
        raise UserInputError(
            _("No posts given. Give posts, or - for stdin, or --file. See 'weibo-tui predict --help'.")
        )
    if file is not None:
        out = out or default_output(file)
        list_bad_rows([file], columns, bad_rows, overwrite, out)
        _label_file(LabelingConfig(file, out, adapter, columns, machine, overwrite, history, prefix, bom), json)
        return
    texts = [_decode_argument(one) for one in text or []]
    posts: Iterable[str] = _stdin_lines(columns.encoding) if texts == ["-"] else texts
    if page is not None:
        check_page(page, overwrite)
    with open_workbench() as workbench:
        explainer = partial(workbench.explain, machine=machine, shapley=shapley) if explain else None
        explanations = _predict_posts(workbench, posts, adapter, machine, json, history, explainer)
    if page is not None:
        write_explanations(explanations, page, overwrite)
        echo_info(_("Explanations written to {path}.").format(path=page))


def _check_explained(file: Path | None, texts: list[str] | None) -> None:
    """Raise UserInputError unless there are single posts to explain."""
    if file is not None or not texts or texts == ["-"]:
        raise UserInputError(_("Only posts are explained. Give them as arguments."))


def _named_file(texts: list[str]) -> Path | None:
    """Return the file that is given in place of posts, if there is one. Raise UserInputError for a name that is no
    post either."""
    for text in texts:
        is_name = Path(text).suffix.lower() in SUFFIXES and not any(map(str.isspace, text))
        if not is_name and not _exists(text):
            continue
        if len(texts) > 1 or Path(text).is_dir():
            raise UserInputError(_("{path} is no post. Give a single file, or posts alone.").format(path=text))
        if not _exists(text):
            message = _("File not found: {path}. Check the name. For a post with this text, use stdin.")
            raise UserInputError(message.format(path=text))
        echo_info(_("{path} is a file, which is labeled. For a post with this text, use stdin.").format(path=text))
        return Path(text)
    return None


def _exists(text: str) -> bool:
    try:
        return bool(text) and Path(text).exists()
    except (OSError, ValueError):  # a post is too long for a name
        return False


def _predict_posts(
    workbench: Workbench,
    posts: Iterable[str],
    adapter: str,
    machine: ComputeOptions,
    json: bool,
    history: bool,
    explain: Callable[[str, str], Explanation] | None,
) -> list[Explanation]:
    """Print the predictions. Return their explanations, which are printed too, where `explain` makes them from a post
    and the name of an adapter."""
    from_stdin = not isinstance(posts, list)
    record = None if history else False
    # Someone who types wants each answer at once; a pipe is read in batches.
    window = 1 if from_stdin and sys.stdin.isatty() else 256
    count = failed = 0
    analyses = workbench.iter_predict(
        posts, adapter, record=record, source="stdin" if from_stdin else "cli", machine=machine, window=window
    )
    held: list[Analysis] = []
    explanations: list[Explanation] = []
    for analysis in analyses:
        count += 1
        failed += analysis.error is not None
        if failed == count == 1 and window > 1:
            held.append(analysis)  # a single post that fails is bad input, which prints no data; of several it is a row
            continue
        for item in (*held, analysis):
            if explain is not None and item.error is None:
                explanations.append(explain(item.text, item.adapter))
                _print_explained(item, explanations[-1], json)
            else:
                echo_json(to_dict(item)) if json else echo(_line(item))
        held.clear()
    if failed == count == 1:
        raise UserInputError(_("The post contains no text after cleaning. Write some words."))
    if failed:
        echo_error(_("{failed} of {found} posts failed.").format(failed=failed, found=count))
    if not json:
        for legend in dict.fromkeys(explanation_legend(explanation, is_shaded=False) for explanation in explanations):
            echo_info(legend)
    return explanations


def _print_explained(analysis: Analysis, explanation: Explanation, json: bool) -> None:
    if json:
        echo_json(to_dict(analysis) | explanation.to_dict())
        return
    echo(_start(analysis))
    width = shutil.get_terminal_size().columns - len(_INDENT)
    curve = (text for line in curve_lines(explanation, width) for text in (line.text, line.bars) if text.strip())
    for line in (*curve, *explanation_lines(explanation)):
        echo(_INDENT + line)


def _decode_argument(text: str) -> str:
    """Return a text of the command line. In an ASCII locale Python does not decode its bytes as UTF-8; this does."""
    if codecs.lookup(sys.getfilesystemencoding()).name != "ascii":
        return text
    return os.fsencode(text).decode("utf-8", "surrogateescape")


def _stdin_lines(encoding_name: str | None) -> Iterator[str]:
    """Yield each line of stdin without its end, cut to MAX_LINE characters.

    Blank lines count too, so that the output has as many lines as the input. The encoding is detected from the first
    bytes that arrive."""
    from weibo_tui.datasets.encodings import decode_other, detect_head_encoding, named_encoding

    buffer = cast("io.BufferedReader", sys.stdin.buffer)
    encoding = named_encoding(encoding_name) if encoding_name else detect_head_encoding(buffer.peek(1))
    # These codecs skip a byte order mark; that of UTF-16 also tells the byte order.
    codec = {"utf-8": "utf-8-sig", "utf-16-le": "utf-16"}.get(encoding.codec, encoding.codec)
    if encoding.codec == "utf-16-be":
        codec = "utf-16" if encoding.mark else "utf-16-be"
    # Bytes that do not decode become lone surrogates, which cleaning takes out. UTF-16 and UTF-32 cannot hold them.
    errors = "replace" if codec.startswith(("utf-16", "utf-32")) else "surrogateescape"
    # Like `wc` and `paste`, a CR inside a line does not end it.
    stream = io.TextIOWrapper(buffer, encoding=codec, errors=errors, newline="\n")
    number = 0
    warned = set()
    while line := stream.readline(MAX_LINE + 1):
        number += 1
        rest = line
        while len(rest) > MAX_LINE and not rest.endswith("\n"):
            rest = stream.readline(MAX_LINE + 1)
        if rest is not line:
            message = _("Line {number} is longer than {limit} characters. The rest of it was ignored.")
            echo_info(message.format(number=f"{number:,}", limit=f"{MAX_LINE:,}"))
        if not line.isascii() and (decoded := decode_other(line, encoding)):
            line, other = decoded
            message = _("Line {number} is {other}, not {encoding}. Lines like it are read as {other}.")
        else:
            other = encoding
            message = _("Line {number} is not {encoding}. Name the encoding of the input with --encoding.")
        if other.codec not in warned and (other is not encoding or _UNDECODED.search(line)):
            echo_info(message.format(number=f"{number:,}", encoding=encoding.name, other=other.name))
            warned.add(other.codec)
        yield line[:MAX_LINE].rstrip("\r\n")


def _line(analysis: Analysis) -> str:
    """Return label, confidence and post, cut to the width of the terminal; or the error of the post."""
    if analysis.error is not None:
        return "{}  {}".format(pad(_("error"), 8), analysis.error)
    start = _start(analysis)
    post = one_line(analysis.text)
    if sys.stdout.isatty():
        post = truncate_cells(post, max(10, shutil.get_terminal_size().columns - cell_len(start) - 1))
    return start + post


def _start(analysis: Analysis) -> str:
    """Return label, confidence and remarks."""
    mark = _("uncertain") if analysis.uncertain else ""
    if analysis.truncated:
        read = _("read {read} of {all} characters").format(read=analysis.characters_read, all=analysis.characters)
        mark = join_list([mark, read]) if mark else read
    label = pad(one_line(label_name(analysis.label)), 8)
    start = f"{label}  {confidence(analysis.confidence, analysis.uncertain):>7}  "
    if mark:
        start += with_note("", mark).strip() + "  "
    return start


def _label_file(config: LabelingConfig, json: bool) -> None:
    from weibo_tui.workbench.labeling import LabelingResult

    stopped = N_("Stopped. The same command continues from here.")
    _print_labeled(
        run_with_progress(lambda workbench: workbench.iter_label_file(config), LabelingResult, stopped), json
    )


def _print_labeled(result: LabelingResult, json: bool, **more: object) -> None:
    """Print a result, as JSON with `more` values."""
    if json:
        names = ("out", "rows", "failed", "counts", "continued")
        values = {name: getattr(result, name) for name in names}
        values |= {"posts_per_second": round(result.posts_per_second, 1), "uncertain": result.uncertain}
        echo_json(values | more)
        return
    counts = join_list(f"{label_name(label)} {number:,}" for label, number in result.counts.items())
    message = ngettext("{rows} row labeled: {counts}", "{rows} rows labeled: {counts}", result.rows)
    echo(message.format(rows=f"{result.rows:,}", counts=counts))
    if result.uncertain:
        message = ngettext(
            "{number:,} row is below the confidence threshold.",
            "{number:,} rows are below the confidence threshold.",
            result.uncertain,
        )
        echo_info(message.format(number=result.uncertain))
    if result.failed:
        message = ngettext(
            "{failed:,} row failed. The column error gives the reason.",
            "{failed:,} rows failed. The column error gives the reasons.",
            result.failed,
        )
        echo_error(message.format(failed=result.failed))
    if result.continued:
        message = _("{rows} of the rows were labeled before.")
        echo_info(message.format(rows=f"{result.continued:,}"))
    if not result.posts_per_second:
        echo_info(_("The result is in {out}.").format(out=result.out))
        return
    rate = f"{result.posts_per_second:,.0f}"
    echo_info(_("Result written to {out} at {rate} posts/s.").format(out=result.out, rate=rate))
