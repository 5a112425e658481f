"""Options of `predict` for labeling on Ray."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from weibo_tui.cli.output import echo_error, run_with_progress
from weibo_tui.errors import UserInputError
from weibo_tui.locale import N_
from weibo_tui.locale import gettext as _

if TYPE_CHECKING:
    from weibo_tui.workbench.cluster.result import ClusterLabelingResult
    from weibo_tui.workbench.config import ClusterLabelingConfig

LOCAL, RAY = "local", "ray"
_PANEL = _("Many files")

Engine = Annotated[
    str,
    typer.Option(
        "--engine",
        metavar="NAME",
        show_default=False,
        rich_help_panel=_PANEL,
        help=_(
            "ray: label files, folders, patterns and URLs on all cores or GPUs, and write Parquet files to the folder "
            "--out (default: local)."
        ),
    ),
]
Address = Annotated[
    str | None,
    typer.Option(
        "--address",
        metavar="HOST:PORT",
        rich_help_panel=_PANEL,
        help=_("Ray cluster, or auto for the one that this machine belongs to (default: this machine alone)."),
    ),
]
WorkerNumber = Annotated[
    int | None,
    typer.Option(
        "--workers",
        metavar="N",
        rich_help_panel=_PANEL,
        help=_("Classifiers (default: one for each GPU, otherwise for each core)."),
    ),
]
GpusPerWorker = Annotated[
    float | None,
    typer.Option(
        "--gpus-per-worker",
        metavar="N",
        rich_help_panel=_PANEL,
        help=_("GPUs of each classifier, such as 1 or 0.5 (default: 1 if there are any)."),
    ),
]


def is_chosen(engine: str, address: str | None, workers: int | None, gpus_per_worker: float | None) -> bool:
    """Return whether files are labeled on Ray. Raise UserInputError for another engine, or its options without it."""
    if engine not in (LOCAL, RAY):
        message = _("Unknown engine: {engine}. Choose local or ray.")
        raise UserInputError(message.format(engine=engine))
    given = {"--address": address, "--workers": workers, "--gpus-per-worker": gpus_per_worker}
    if engine == LOCAL and (name := next((name for name, value in given.items() if value is not None), "")):
        raise UserInputError(_("{option} is for --engine ray. Give both.").format(option=name))
    return engine == RAY


def check_options(out: Path | None, *, explain: bool, bad_rows: Path | None, bom: bool | None) -> None:
    """Raise UserInputError for options that do not apply, and without a folder for the results."""
    given = {"--explain": explain or None, "--bad-rows": bad_rows, "--bom": bom}
    if name := next((name for name, value in given.items() if value is not None), ""):
        raise UserInputError(_("{option} is not for --engine ray. Leave it out.").format(option=name))
    if out is None:
        raise UserInputError(_("No folder for the results. Name it with --out."))


def label(config: ClusterLabelingConfig) -> ClusterLabelingResult:
    """Label the files of a config, with progress bars."""
    from weibo_tui.workbench.cluster.result import ClusterLabelingResult

    stopped = N_("Stopped. The same command continues from here.")
    return run_with_progress(lambda workbench: workbench.iter_label_on_ray(config), ClusterLabelingResult, stopped)


def exit_if_failed(result: ClusterLabelingResult) -> None:
    """Name the parts that failed, and exit with code 1."""
    for part in result.failed_parts:
        echo_error(part)
    if result.failed_parts:
        echo_error(_("Some parts failed. The same command tries them again."))
        raise typer.Exit(1)
