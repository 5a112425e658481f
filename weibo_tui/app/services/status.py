"""The text of the status bar: device, models and active jobs."""

from __future__ import annotations

from collections.abc import Iterable

from textual.content import Content

from weibo_tui.app.formatting import safe_content
from weibo_tui.app.services.catalog import Catalog
from weibo_tui.app.services.jobs import Job
from weibo_tui.display_names import display_name
from weibo_tui.locale import gettext as _
from weibo_tui.presentation.numbers import duration, percent


def format_status(device: str, catalog: Catalog, jobs: Iterable[Job]) -> Content:
    """Return the status line. `device` is empty until torch is loaded."""
    parts = [safe_content(device or _("loading …"))]
    if catalog.base:
        parts.append(safe_content(_("base {name}").format(name=catalog.base)))
    parts.append(safe_content(_("adapter {name}").format(name=catalog.adapter) if catalog.adapter else _("no adapter")))
    parts += map(_format_job, jobs)
    return Content(" │ ").join(parts)


def _format_job(job: Job) -> Content:
    """Return kind, progress and remaining time of a job."""
    # "label" and "train" alone are nouns in the catalog: a column, and a split.
    kind = {"label": "labelling", "train": "training"}.get(job.kind, job.kind)
    text = display_name(kind)
    if job.kind != "fetch":
        text += f" {job.title}"
    if job.state != "working":
        text += f" ({display_name(job.state)})"
    if (progress := job.progress) is not None and progress.total:
        text += f" {percent(progress.done / progress.total, 0)}"
    if job.state == "working" and (seconds := job.seconds_left) is not None:
        text += " " + _("{time} left").format(time=duration(seconds))
    if job.kind == "fetch":
        text += f" {job.title}"  # last, because a long name hides what follows it
    return safe_content(text, "$primary")
