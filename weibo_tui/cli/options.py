"""Options that several commands share, and what they mean."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

import typer

from weibo_tui.locale import gettext as _

DATA, MACHINE, TRAINING = _("Data"), _("Machine"), _("Training")

Json = Annotated[bool, typer.Option("--json", help=_("Write one JSON object a line on stdout."))]
Adapter = Annotated[str, typer.Option("--adapter", metavar="NAME", help=_("Adapter to use; else the default one."))]
TextColumn = Annotated[
    str | None,
    typer.Option("--column", metavar="NAME", rich_help_panel=DATA, help=_("Column of the posts; else found.")),
]
LabelColumn = Annotated[
    str | None,
    typer.Option("--label-column", metavar="NAME", rich_help_panel=DATA, help=_("Column of the labels; else found.")),
]
Encoding = Annotated[
    str | None,
    typer.Option(
        "--encoding",
        metavar="NAME",
        rich_help_panel=DATA,
        help=_("Encoding, as in utf-8, gb18030 or utf-16; else found."),
    ),
]
Labels = Annotated[
    str | None,
    typer.Option(
        "--labels",
        metavar="NAMES",
        rich_help_panel=DATA,
        help=_("Names for the labels in their order, as in bad,good; else negative,positive for 0 and 1."),
    ),
]
Device = Annotated[
    str, typer.Option("--device", metavar="NAME", rich_help_panel=MACHINE, help=_("auto, cuda, mps or cpu."))
]
Dtype = Annotated[
    str, typer.Option("--dtype", metavar="NAME", rich_help_panel=MACHINE, help=_("auto, float32 or bfloat16."))
]
Threads = Annotated[
    int, typer.Option("--threads", rich_help_panel=MACHINE, help=_("CPU threads; 0: as many as serve."))
]
Data = Annotated[list[Path], typer.Argument(help=_("Labelled files: CSV, TSV, JSONL or Parquet."), metavar="DATA")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help=_("Replace what is there under that name."))]
Resume = Annotated[
    str,
    typer.Option("--resume", metavar="RUN", help=_("Run to resume. Of the other options, --name and --json apply.")),
]


def of(group: str, help: str, metavar: str | None = None) -> Any:  # noqa: A002 - typer's own name for it
    """An option of a group of a help page."""
    return typer.Option(help=help, metavar=metavar, rich_help_panel=group)


def names(listed: str | None) -> tuple[str, ...] | None:
    """The labels that `--labels` lists."""
    return None if listed is None else tuple(part.strip() for part in listed.split(","))


def name_after(source: str, otherwise: str) -> str:
    """A name for what is made from the file or folder `source`, as far as names may have its letters."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", source).strip("-.")[:64] or otherwise
