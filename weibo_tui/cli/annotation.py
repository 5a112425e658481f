"""`annotations`: list, export and import human answers, compare annotators, and use the answers."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer

from weibo_tui.cli import options
from weibo_tui.cli.help import Command, Group
from weibo_tui.cli.output import echo, echo_info, echo_json, echo_table, open_workbench, run_with_progress
from weibo_tui.display_names import label_name
from weibo_tui.errors import UserInputError
from weibo_tui.locale import gettext as _
from weibo_tui.locale import join_list, ngettext
from weibo_tui.presentation.numbers import NO_FIGURE, percent

if TYPE_CHECKING:
    from weibo_tui.datasets.annotation_formats import AnnotationFormat
    from weibo_tui.storage.answers import AnnotatedFile, RowAnswer
    from weibo_tui.workbench.annotation_files import ImportedAnnotations
    from weibo_tui.workbench.annotation_results import AnnotatorAgreement

group = typer.Typer(
    name="annotations", cls=Group, help=_("Manage the labels that people gave to posts of files."), no_args_is_help=True
)


def add_to(app: typer.Typer) -> None:
    app.add_typer(group)


class Format(StrEnum):
    """Formats of files with annotations."""

    JSONL = "jsonl"
    CSV = "csv"
    DOCCANO = "doccano"
    LABEL_STUDIO = "label-studio"


class Purpose(StrEnum):
    """Purposes of answers."""

    SAMPLE = "sample"
    TEACH = "teach"
    CORRECTION = "correction"


AnnotatedPosts = Annotated[
    str, typer.Argument(metavar="FILE", help=_("Annotated file, or the first digits of its fingerprint."))
]
FormatOption = Annotated[
    Format | None, typer.Option("--format", help=_("Format (default: by the suffix: .csv, .json or .jsonl)."))
]


@group.command("list", cls=Command, help=_("List the annotated files."))
def list_annotations(json: options.Json = False) -> None:
    with open_workbench() as workbench:
        files = [(file, workbench.answers.of(file.posts)) for file in workbench.annotated_files()]
    if json:
        for file, answers in files:
            counts = _purposes(answers)
            labels, reserve = list(file.labels), file.reserve
            echo_json(
                {"path": file.path, "posts": file.posts, "rows": file.rows, "labels": labels, "sample_end": reserve}
                | counts
            )
        return
    header = [_("fingerprint"), _("sample"), _("for training"), _("corrections"), _("rows"), _("file")]
    echo_table(header, (_cells(file, answers) for file, answers in files))


def _cells(file: AnnotatedFile, answers: dict[int, RowAnswer]) -> list[str]:
    numbers = [f"{number:,}" for number in (*_purposes(answers).values(), file.rows)]
    return [file.posts[:12], *numbers, str(file.path)]


def _purposes(answers: dict[int, RowAnswer]) -> dict[str, int]:
    """Return the number of answered rows by purpose."""
    counts = dict.fromkeys((one.value for one in Purpose), 0)
    for answer in answers.values():
        if answer.is_answered and answer.purpose is not None:
            counts[answer.purpose] += 1
    return counts


@group.command("export", cls=Command, help=_("Write the answers to a file, also for doccano or Label Studio."))
def export_annotations(
    file: AnnotatedPosts,
    out: Annotated[Path, typer.Argument(metavar="OUT", help=_("File to write."))],
    format_: FormatOption = None,
    purposes: Annotated[
        list[Purpose] | None,
        typer.Option("--purpose", help=_("Answers to write (default: all). Give it again for another purpose.")),
    ] = None,
    overwrite: options.Overwrite = False,
) -> None:
    chosen = [one.value for one in purposes or Purpose]
    with open_workbench() as workbench:
        number = workbench.export_annotations(file, out, None if format_ is None else format_.value, chosen, overwrite)
    echo(str(out))
    echo_info(ngettext("{number:,} answer written.", "{number:,} answers written.", number).format(number=number))


@group.command("import", cls=Command, help=_("Add answers from a file, also from doccano or Label Studio."))
def import_annotations(
    file: Annotated[Path, typer.Argument(metavar="FILE", help=_("Table of posts."))],
    source: Annotated[Path, typer.Argument(metavar="IN", help=_("File with answers to these posts."))],
    format_: FormatOption = None,
    purpose: Annotated[
        Purpose,
        typer.Option("--purpose", help=_("Purpose of answers without one. Choose sample only for random rows.")),
    ] = Purpose.CORRECTION,
    annotator: Annotated[
        str, typer.Option("--annotator", metavar="NAME", help=_("Name of an annotator without one (default: you)."))
    ] = "",
    overwrite: Annotated[bool, typer.Option("--overwrite", help=_("Replace answers that exist."))] = False,
) -> None:
    from weibo_tui.workbench.annotation_files import ImportedAnnotations

    chosen: AnnotationFormat | None = None if format_ is None else format_.value
    done = run_with_progress(
        lambda workbench: workbench.iter_import_annotations(file, source, chosen, purpose.value, annotator, overwrite),
        ImportedAnnotations,
    )
    for line in _import_notes(done):
        echo_info(line)
    if not done.added and not done.existing and done.unmatched:
        message = _("No answer of {source} belongs to a post of {file}. Choose the file that was annotated.")
        raise UserInputError(message.format(source=source, file=file))


def _import_notes(done: ImportedAnnotations) -> Iterator[str]:
    yield ngettext("{number:,} answer added.", "{number:,} answers added.", done.added).format(number=done.added)
    messages = {
        _("Matched by text, because the row has another post: {number}."): done.by_text,
        _("Added as a second annotator's answer: {number}."): done.second,
        _("Left out, because an answer exists: {number}. Use --overwrite to replace it."): done.existing,
        _("Left out, because no row has the post: {number}."): done.unmatched,
        _("Without a label: {number}."): done.unlabeled,
        _("In the sample of other posts, so added as corrections: {number}."): done.demoted,
    }
    yield from (message.format(number=f"{number:,}") for message, number in messages.items() if number)


@group.command("agreement", cls=Command, help=_("Compare annotators with each other and with themselves."))
def show_agreement(file: AnnotatedPosts, json: options.Json = False) -> None:
    with open_workbench() as workbench:
        found = workbench.annotator_agreement(file)
    if not found:
        message = _("No post of {file} has two answers. Annotate 200 posts to be asked again, or add an annotator.")
        raise UserInputError(message.format(file=file))
    if json:
        for one in found:
            echo_json(one.to_dict())
        return
    header = [_("annotators"), _("posts"), _("equal"), "κ", _("95% interval"), "AC1", _("95% interval")]
    echo_table(header, map(_agreement_cells, found))


def _agreement_cells(one: AnnotatorAgreement) -> list[str]:
    found = one.agreement
    names = _("{name}, twice").format(name=one.first) if one.first == one.second else f"{one.first}, {one.second}"
    kappa = [_coefficient(found.kappa), _interval(found.kappa_ci)]
    return [names, f"{found.n:,}", percent(found.share), *kappa, _coefficient(found.ac1), _interval(found.ac1_ci)]


def _coefficient(value: float | None) -> str:
    return NO_FIGURE if value is None else f"{value:.2f}"


def _interval(limits: tuple[float, float] | None) -> str:
    return NO_FIGURE if limits is None else f"{limits[0]:.2f} – {limits[1]:.2f}"


@group.command("training-data", cls=Command, help=_("Write the answers that can be trained on as CSV."))
def write_training_data(
    file: AnnotatedPosts,
    out: Annotated[Path, typer.Argument(metavar="OUT", help=_("CSV file to write."))],
    overwrite: options.Overwrite = False,
) -> None:
    with open_workbench() as workbench:
        written = workbench.training_rows(file, out, overwrite)
    echo(str(out))
    echo_info(join_list(f"{label_name(label)} {number:,}" for label, number in written.labels.items()))
    if written.barred:
        message = ngettext(
            "{number:,} text left out, because it is in a sample.",
            "{number:,} texts left out, because they are in a sample.",
            written.barred,
        )
        echo_info(message.format(number=written.barred))
    echo_info(_("To train on it: weibo-tui train {file} --preset few").format(file=quote(str(out))))


@group.command("measure", cls=Command, help=_("Compare adapters on the sample answers to a file."))
def measure(
    file: AnnotatedPosts,
    adapters: Annotated[list[str], typer.Argument(metavar="ADAPTER", help=_("Adapters, the oldest first."))],
    json: options.Json = False,
) -> None:
    from weibo_tui.presentation.measurements import measurement_notes
    from weibo_tui.workbench.annotation_results import SampleMeasurement

    found = run_with_progress(lambda workbench: workbench.iter_measure_on_sample(file, adapters), SampleMeasurement)
    if json:
        for name, score in found.scores.items():
            echo_json({"adapter": name} | score.to_dict())
        return
    rows = ([name, percent(score.accuracy), _limits(score.accuracy_ci)] for name, score in found.scores.items())
    echo_table([_("adapter"), _("accuracy"), _("95% interval")], rows)
    for note in measurement_notes(found):
        echo_info(note)


def _limits(limits: tuple[float, float] | None) -> str:
    return NO_FIGURE if limits is None else " – ".join(map(percent, limits))
