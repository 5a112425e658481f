"""The status line in words: where is computed, on what, and what is at work."""

from __future__ import annotations

from collections.abc import Iterable

from textual.content import Content

from weibo_tui.app.formatting import duration, percent, safe_content
from weibo_tui.app.services.catalog import Catalog
from weibo_tui.app.services.jobs import Job
from weibo_tui.locale import gettext as _
from weibo_tui.words import word


def format_status(device: str, catalog: Catalog, jobs: Iterable[Job]) -> Content:
    """The line; `device` is empty as long as torch is not there."""
    parts = [safe_content(device or _("loading …"))]
    if catalog.base:
        parts.append(safe_content(_("base {name}").format(name=catalog.base)))
    parts.append(safe_content(_("adapter {name}").format(name=catalog.adapter) if catalog.adapter else _("no adapter")))
    parts += map(_about, jobs)
    return Content(" │ ").join(parts)


def _about(job: Job) -> Content:
    """A job in a few words: what, how far, how long still."""
    # "label" and "train" alone are nouns: the name of a column, a part of the posts.
    kind = {"label": "labelling", "train": "training"}.get(job.kind, job.kind)
    text = word(kind)
    if job.kind != "fetch":
        text += f" {job.title}"
    if job.state != "working":
        text += f" ({word(job.state)})"
    if (progress := job.progress) is not None and progress.total:
        text += f" {percent(progress.done / progress.total, 0)}"
    if job.state == "working" and (seconds := job.seconds_left) is not None:
        text += " " + _("{time} left").format(time=duration(seconds))
    if job.kind == "fetch":
        text += f" {job.title}"  # a name so long that nothing behind it would be seen
    return safe_content(text, "$primary")
