"""`audit` and `data get`: look at a data set, and download one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from weibo_tui.cli import options
from weibo_tui.cli.bases import CAN_RESUME
from weibo_tui.cli.help import Command, Group
from weibo_tui.cli.output import echo, echo_info, echo_json, list_bad_rows, run_with_progress
from weibo_tui.datasets.label_map import score_hint
from weibo_tui.datasets.tables import Columns
from weibo_tui.display_names import label_name
from weibo_tui.locale import gettext as _
from weibo_tui.presentation.labels import label_errors_sentence, label_notes, labels_read_as
from weibo_tui.presentation.numbers import percent

if TYPE_CHECKING:
    from weibo_tui.workbench.config import AuditConfig

group = typer.Typer(name="data", cls=Group, help=_("Labeled files to train on."), no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    app.command("inspect", cls=Command, hidden=True)(audit)
    app.command("audit", cls=Command, help=_("Audit a dataset: labels, duplicates, lengths, emoticons."))(audit)
    app.add_typer(group)


@group.command("download", cls=Command, hidden=True)
@group.command(
    "get", cls=Command, help=_("Download weibo_senti_100k from the Hugging Face Hub: 120,000 labeled posts.")
)
def download_data(
    out: Annotated[Path, typer.Option("--out", "--output", "-o", metavar="FILE", help=_("CSV file to write."))] = Path(
        "weibo_senti_100k.csv"
    ),
    overwrite: options.Overwrite = False,
) -> None:
    run_with_progress(lambda workbench: workbench.iter_download_data(out, overwrite), stopped=CAN_RESUME)
    echo(str(out))


@options.with_hyperparameters
def audit(
    data: options.Data = None,
    json: options.Json = False,
    columns: Columns = Columns(),
    bad_rows: options.BadRows = None,
    label_errors: Annotated[
        Path | None,
        typer.Option(
            "--label-errors",
            metavar="FILE",
            rich_help_panel=options.DATA,
            help=_("List posts whose label is probably wrong in this CSV file."),
        ),
    ] = None,
    label_errors_with: Annotated[
        str,
        typer.Option(
            "--label-errors-with",
            metavar="MODEL",
            rich_help_panel=options.DATA,
            help=_("Model that finds them: linear, or adapter, which trains five small adapters."),
        ),
    ] = "linear",
    base: Annotated[
        str,
        typer.Option(
            metavar="NAME", rich_help_panel=options.DATA, help=_("Base of these adapters (default: the default base).")
        ),
    ] = "",
    overwrite: options.Overwrite = False,
    labels: options.Labels = None,
    label_map: options.LabelMap = None,
) -> None:
    from weibo_tui.workbench.config import AuditConfig
    from weibo_tui.workbench.core import AuditResult

    list_bad_rows(data or (), columns, bad_rows, overwrite, label_errors)
    plan = AuditConfig(tuple(data or ()), columns, options.label_names(labels), label_map or ())
    figures = run_with_progress(lambda workbench: workbench.iter_audit(plan), AuditResult).audit.to_json()
    if json:
        echo_json(figures)
    else:
        for line in _lines(figures):
            echo(line)
    if label_errors is not None:
        _list_label_errors(plan, label_errors, overwrite, label_errors_with, base)


def _list_label_errors(plan: AuditConfig, out: Path, overwrite: bool, model: str, base: str) -> None:
    from weibo_tui.workbench.label_errors import FoundLabelErrors, LabelErrorSearch

    search = LabelErrorSearch(plan, out, overwrite, model, base)
    result = run_with_progress(lambda workbench: workbench.iter_label_errors(search), FoundLabelErrors, notes=False)
    echo_info(label_errors_sentence(result))


def _lines(figures: dict[str, Any]) -> Iterator[str]:
    from weibo_tui.datasets.auditing import MIN_LABELED, TOO_FEW_LABELED

    used = figures["rows"] - figures["empty"]
    yield _("Rows           {rows}, {empty} empty, {unlabelled} unlabeled").format(
        rows=f"{figures['rows']:,}", empty=figures["empty"], unlabelled=figures["unlabelled"]
    )
    left_out = {"several labels": figures["several_labels"], "dropped": figures["dropped"]}
    yield from label_notes({}, left_out)
    if figures["labels_read_as"]:
        yield _("Labels         {labels}").format(labels=labels_read_as(figures["labels_read_as"]))
    if hint := score_hint(figures["labels"]):
        yield _("Note: {problem}").format(problem=hint)
    for name, number in figures["labels"].items():
        yield _("Label          {name}: {number} ({share})").format(
            name=label_name(name), number=f"{number:,}", share=percent(number / used if used else None)
        )
    yield _("Duplicates     {duplicates}; texts with conflicting labels: {contradictions}").format(
        duplicates=f"{figures['duplicates']:,}", contradictions=f"{figures['contradictions']:,}"
    )
    if figures["word_duplicates"]:
        yield _(
            "               {number} more after removing emoticons, punctuation, digits and topics; "
            "texts with conflicting labels among these: {contradictions}"
        ).format(number=f"{figures['word_duplicates']:,}", contradictions=f"{figures['word_contradictions']:,}")
    if figures["near_duplicates"]:
        yield _("               {number} near-duplicates").format(number=f"{figures['near_duplicates']:,}")
    length = figures["length"]
    if length["mean"] is not None:
        yield _("Length         mean {mean}, median {median}, longest {max} characters; over 126: {over}").format(
            mean=f"{length['mean']:.0f}",
            median=f"{length['median']:.0f}",
            max=f"{length['max']:,}",
            over=percent(length["over_126"]),
        )
    yield _("Reposts        {share}").format(share=percent(figures["reposts"]))
    emoticons = figures["emoticons"]
    yield _("Emoticons      in {share} of the posts").format(share=percent(emoticons["share_with"]))
    if emoticons["linear_accuracy"] is None and 0 < sum(figures["labels"].values()) < MIN_LABELED:
        yield " " * 15 + _(TOO_FEW_LABELED)
    elif emoticons["linear_accuracy"] is not None:
        yield _(
            "               emoticons alone predict {accuracy} of the labels (majority baseline: {majority})"
        ).format(accuracy=percent(emoticons["linear_accuracy"]), majority=percent(emoticons["majority"]))
