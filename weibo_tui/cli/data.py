"""`audit` and `data get`: what a data set is like before anybody trains on it, and one to begin with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from weibo_tui.cli import options
from weibo_tui.cli.bases import GOES_ON, pull_whole
from weibo_tui.cli.help import Command, Group
from weibo_tui.cli.output import (
    InterruptedRunError,
    emit,
    leave_interrupted,
    percent,
    show,
    stages,
    until_stopped,
)
from weibo_tui.locale import gettext as _
from weibo_tui.progress import Progress

group = typer.Typer(name="data", cls=Group, help=_("Labelled posts to train on."), no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    app.command("audit", cls=Command, help=_("Look at a data set: labels, duplicates, lengths, emoticons."))(audit)
    app.add_typer(group)


@group.command("get", cls=Command, help=_("Fetch weibo_senti_100k from the Hugging Face Hub: 120,000 labelled posts."))
def download_data(
    out: Annotated[Path, typer.Option(metavar="FILE", help=_("CSV file to write."))] = Path("weibo_senti_100k.csv"),
    overwrite: options.Overwrite = False,
) -> None:
    pull_whole(lambda wb: wb.download_data(out, overwrite), GOES_ON)
    show(str(out))


def audit(
    data: options.Data,
    json: options.Json = False,
    column: options.TextColumn = None,
    label_column: options.LabelColumn = None,
    encoding: options.Encoding = None,
    labels: options.Labels = None,
) -> None:
    from weibo_tui.workbench import AuditConfig, AuditResult, Columns, Workbench

    plan = AuditConfig(tuple(data), Columns(column, label_column, encoding), options.names(labels))
    try:
        with Workbench.open() as wb, stages() as stage, until_stopped(wb.audit(plan)) as events:
            for event in events:
                if isinstance(event, Progress):
                    stage.progress(event)
                if isinstance(event, AuditResult):
                    found = event.audit.to_json()
    except (InterruptedRunError, KeyboardInterrupt):
        raise leave_interrupted(_("Stopped; nothing was written.")) from None
    if json:
        emit(found)
        return
    for line in _lines(found):
        show(line)


def _lines(found: dict[str, Any]) -> Iterator[str]:
    for file in found["files"]:
        yield _("{path}: {rows} rows, {format}, {encoding}; posts in '{text}', labels in '{label}'").format(
            path=file["path"],
            rows=f"{file['rows']:,}",
            format=file["format"],
            encoding=file["encoding"],
            text=file["text_column"],
            label=file["label_column"] or "–",
        )
    used = found["rows"] - found["empty"]
    yield _("Rows           {rows}, {empty} of them empty, {unlabelled} without a label").format(
        rows=f"{found['rows']:,}", empty=found["empty"], unlabelled=found["unlabelled"]
    )
    for name, number in found["labels"].items():
        yield _("Label          {name}: {number} ({share})").format(
            name=name, number=f"{number:,}", share=percent(number / used if used else None)
        )
    yield _("Duplicates     {duplicates} posts stood there before; {contradictions} texts have several labels").format(
        duplicates=f"{found['duplicates']:,}", contradictions=f"{found['contradictions']:,}"
    )
    if found["word_duplicates"]:
        yield _(
            "               {number} more equal an earlier post but for emoticons, punctuation, digits or topics; "
            "{contradictions} such texts have several labels"
        ).format(number=f"{found['word_duplicates']:,}", contradictions=f"{found['word_contradictions']:,}")
    if found["near_duplicates"]:
        yield _("               {number} more are nearly equal to an earlier post").format(
            number=f"{found['near_duplicates']:,}"
        )
    length = found["length"]
    if length["mean"] is not None:
        yield _("Length         mean {mean}, median {median}, longest {max} characters; over 126: {over}").format(
            mean=f"{length['mean']:.0f}",
            median=f"{length['median']:.0f}",
            max=f"{length['max']:,}",
            over=percent(length["over_126"]),
        )
    yield _("Reposts        {share}").format(share=percent(found["reposts"]))
    emoticons = found["emoticons"]
    yield _("Emoticons      in {share} of the posts").format(share=percent(emoticons["share_with"]))
    if emoticons["linear_accuracy"] is not None:
        yield _(
            "               alone they predict {accuracy} of the labels, where always the commonest gives {majority}"
        ).format(accuracy=percent(emoticons["linear_accuracy"]), majority=percent(emoticons["majority"]))
