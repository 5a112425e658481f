"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from weibo_tui.locale import gettext as _

Json = Annotated[bool, typer.Option("--json", help=_("Write one JSON object a line on stdout."))]
Adapter = Annotated[str, typer.Option("--adapter", help=_("Adapter to use; else the chosen default."))]
TextColumn = Annotated[
    str | None, typer.Option("--column", help=_("Column that holds the posts; else found by its name."))
]
LabelColumn = Annotated[
    str | None,
    typer.Option("--label-column", help=_("Column that holds the labels; else found by its name.")),
]
Encoding = Annotated[
    str | None,
    typer.Option("--encoding", help=_("Encoding of the files (utf-8, gb18030, utf-16); else found.")),
]
Device = Annotated[str, typer.Option("--device", help=_("auto, cuda, mps or cpu."))]
Dtype = Annotated[str, typer.Option("--dtype", help=_("auto, float32 or bfloat16."))]
Threads = Annotated[int, typer.Option("--threads", help=_("CPU threads; 0 leaves it to the machine."))]
Data = Annotated[list[Path], typer.Argument(help=_("Labelled files: CSV, TSV, JSONL or Parquet."), metavar="DATA…")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help=_("Replace what has the name already."))]
