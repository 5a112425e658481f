"""The fields of a form for labeling on Ray: where it runs, and the files that it labels."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Sequence
from pathlib import Path

from weibo_tui.app.forms.fields import FieldSpec, decimal_number, optional, whole_number
from weibo_tui.app.forms.path_completion import as_path
from weibo_tui.datasets.containers import SUFFIXES
from weibo_tui.locale import N_
from weibo_tui.workbench.cluster.locations import find_files

RAY = "ray"
"""The choice of the engine field."""

SEPARATOR = "|"
_MAX_WORKERS, _MAX_GPUS = 100_000, 64


def engine_field() -> FieldSpec:
    """Return the field for what computes the labels."""
    about = N_("Ray labels many files on all cores, several GPUs or a cluster.")
    return FieldSpec("engine", N_("Engine"), about, choices=(("", N_("this program")), (RAY, "Ray")))


def ray_fields() -> list[FieldSpec]:
    """Return the fields that only Ray needs."""
    about_address = N_("Address of a Ray cluster, like 10.0.0.5:6379, or auto (default: this machine alone).")
    about_workers = N_("Classifiers (default: one for each GPU, otherwise for each core).")
    about_gpus = N_("GPUs of each classifier, such as 1 or 0.5 (default: 1 if there are any).")
    number, share = whole_number(1, _MAX_WORKERS), decimal_number(0, _MAX_GPUS)
    return [
        FieldSpec("address", N_("Ray address"), about_address, parse=optional),
        FieldSpec("workers", N_("Workers"), about_workers, parse=lambda text: number(text) if text else 0),
        FieldSpec(
            "gpus_per_worker", N_("GPUs per worker"), about_gpus, parse=lambda text: share(text) if text else None
        ),
    ]


def split_sources(text: str) -> tuple[str, ...]:
    """Return the files, folders, patterns and URLs that are typed in one line."""
    return tuple(
        str(as_path(part)) if not _is_url(part) else part for part in map(str.strip, text.split(SEPARATOR)) if part
    )


def public_source(source: str) -> str:
    """Return a source without the credentials and options that a URL may have."""
    return re.sub("//[^/@]*@", "//", source.partition("?")[0]) if _is_url(source) else source


def first_file(sources: Sequence[str]) -> Path | None:
    """Return the first file on a disk that is not empty, None where all are in object stores.

    Raise UserInputError for no file."""
    local = [source for source in sources if not _is_url(source) or source.startswith("file:")]
    if not local:
        return None
    files = find_files(local[:1])
    return Path(next((file for file in files if file.size), files[0]).location.path)


def default_folder(source: str) -> str:
    """Return the path of a result folder next to a source, empty for one in an object store."""
    if not source or _is_url(source):
        return ""
    path = as_path(source)
    while glob.has_magic(path.name):
        path = path.parent
    name = path.stem if path.suffix.lower() in SUFFIXES else path.name
    return str(path.parent / f"{name}.labeled" if name else Path("labeled"))


def _is_url(source: str) -> bool:
    return "://" in source and not os.path.lexists(source)
