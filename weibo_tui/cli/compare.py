"""`compare`: two or more adapters, or an adapter and a column of labels, on the same posts."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from weibo_tui.cli import options, publication
from weibo_tui.cli.estimate import PredictedColumn
from weibo_tui.cli.help import Command
from weibo_tui.cli.output import echo, echo_info, echo_json, echo_table, list_bad_rows, one_line, run_with_progress
from weibo_tui.datasets.labels import split_names
from weibo_tui.datasets.tables import Columns
from weibo_tui.display_names import label_name
from weibo_tui.engine.hyperparameters import ComputeOptions
from weibo_tui.locale import gettext as _
from weibo_tui.presentation.numbers import NO_FIGURE, interval, number, p_value, percent, signed_points

if TYPE_CHECKING:
    from weibo_tui.workbench.comparison_result import ComparedPost, ComparisonResult, PairComparison
    from weibo_tui.workbench.workbench import Workbench

_SHOWN = 10
"""Posts that are printed of those on which the predictions differ."""

ComparedFile = Annotated[
    Path, typer.Argument(metavar="DATA", help=_("Table of posts, with human labels or without any."))
]


def add_to(app: typer.Typer) -> None:
    help_text = _("Compare adapters, or an adapter and a column of labels, on the same posts.")
    app.command("compare", cls=Command, help=help_text)(compare)


@options.with_hyperparameters
def compare(
    file: ComparedFile,
    adapters: Annotated[
        str, typer.Option("--adapters", metavar="NAMES", help=_("Adapters, like a,b (default: the default adapter)."))
    ] = "",
    compared_column: PredictedColumn = None,
    disagreements: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help=_("Write the posts on which they differ to this CSV file, surest first.")),
    ] = None,
    out: publication.Out = None,
    overwrite: options.Overwrite = False,
    json: options.Json = False,
    columns: Columns = Columns(),
    bad_rows: options.BadRows = None,
    label_map: options.LabelMap = None,
    machine: ComputeOptions = ComputeOptions(),
) -> None:
    from weibo_tui.presentation.comparison import comparison_notes
    from weibo_tui.presentation.publication.comparison import comparison_document
    from weibo_tui.workbench.comparison_result import ComparisonResult
    from weibo_tui.workbench.config import ComparisonConfig

    list_bad_rows([file], columns, bad_rows, overwrite, disagreements, out)
    config = ComparisonConfig(
        data=file,
        adapters=tuple(split_names(adapters)) if adapters else (),
        columns=columns,
        predicted_column=compared_column,
        machine=machine,
        disagreements=disagreements,
        overwrite=overwrite,
        map=label_map or (),
    )

    def events(workbench: Workbench) -> Iterator[object]:
        if out is not None:
            publication.check(workbench, out, overwrite, [file], disagreements)
        yield from workbench.iter_compare(config)

    result = run_with_progress(events, ComparisonResult)
    if json:
        echo_json(result.to_dict())
    else:
        _echo_result(result)
    for note in [*comparison_notes(result), *result.warnings]:
        echo_info(one_line(note))
    if result.file is not None:
        echo_info(_("Disagreements written: {path}").format(path=result.file))
    if out is not None:
        publication.write(comparison_document(result), out, overwrite)


def _echo_result(result: ComparisonResult) -> None:
    from weibo_tui.presentation.comparison import label_shares, pair_sentence, rater_figures, rater_header, rater_name

    if result.has_labels:
        rows = ([rater_name(rater), *rater_figures(rater)] for rater in result.raters)
        echo_table([_("adapter"), *rater_header()], rows)
    else:
        echo_table(
            [_("adapter"), _("predicted")], ([rater_name(rater), label_shares(rater)] for rater in result.raters)
        )
    echo()
    echo_table(_pair_header(result), (list(_pair_cells(result, pair)) for pair in result.pairs))
    echo()
    for pair in result.pairs:
        echo(one_line(pair_sentence(result, pair)))
    if result.disagreements:
        _echo_disagreements(result)


def _pair_header(result: ComparisonResult) -> list[str]:
    agreement = [_("agreement"), _("kappa"), "AC1"]
    if not result.has_labels:
        return [_("pair"), *agreement]
    adjusted = ["Holm p"] if len(result.pairs) > 1 else []
    tests = [_("only first"), _("only second"), "McNemar p", "mid-p", *adjusted]
    return [_("pair"), _("points"), _("95% interval"), *tests, *agreement]


def _pair_cells(result: ComparisonResult, pair: PairComparison) -> Iterator[str]:
    from weibo_tui.presentation.comparison import pair_name

    yield pair_name(result, pair)
    if result.has_labels:
        yield signed_points(pair.difference)
        yield interval(pair.difference_ci, signed_points)
        yield from (number(count, 0) for count in (pair.first_only, pair.second_only))
        yield from map(p_value, (pair.p, pair.mid_p))
        if pair.p_holm is not None:
            yield p_value(pair.p_holm)
    yield percent(pair.agreement.share)
    yield from (number(value, 2) for value in (pair.agreement.kappa, pair.agreement.ac1))


def _echo_disagreements(result: ComparisonResult) -> None:
    from weibo_tui.presentation.comparison import rater_name

    echo()
    message = _("{count} of {n} posts with different predictions, surest first:")
    echo(message.format(count=f"{result.disagreements:,}", n=f"{result.n:,}"))
    label = [_("label")] if result.has_labels else []
    header = [_("row"), *label, *map(rater_name, result.raters), _("post")]
    echo_table(header, (list(_post_cells(result, post)) for post in islice(result.posts(), _SHOWN)))


def _post_cells(result: ComparisonResult, post: ComparedPost) -> Iterator[str]:
    yield f"{post.row:,}"
    if result.has_labels:
        yield NO_FIGURE if post.label is None else label_name(post.label)
    for label, confidence in zip(post.predicted, post.confidences, strict=True):
        yield label_name(label) if confidence is None else f"{label_name(label)} {percent(confidence)}"
    yield post.text
