"""The progress of a job in two lines."""

from __future__ import annotations

from collections.abc import Iterator

from rich.cells import cell_len
from textual.content import Content
from textual.widgets import Static

from weibo_tui.app.formatting import bar, join_fitting, safe_content
from weibo_tui.app.services.jobs import Job
from weibo_tui.app.widgets.responsive_text import ResponsiveText
from weibo_tui.display_names import display_name
from weibo_tui.locale import gettext as _
from weibo_tui.presentation.numbers import duration, percent, size
from weibo_tui.text.terminal import sanitize, truncate_cells

_BAR_WIDTH = 20


class JobLine(Static):
    """Progress of a job, hidden without one."""

    DEFAULT_CSS = "JobLine { height: auto; padding: 0 1; background: $surface; display: none; }"

    def show(self, job: Job | None) -> None:
        """Show the progress of a job, or nothing."""
        self.display = job is not None
        if job is not None:
            self.update(ResponsiveText(lambda width: _lines(job, width)))


def byte_progress(job: Job) -> Iterator[str]:
    """Yield size, speed and remaining time of a stage that is measured in bytes."""
    progress = job.progress
    if progress is None or progress.unit != "B" or not progress.total:
        return
    done, total = size(progress.done), size(progress.total)
    yield _("{done} of {total}").format(done=done.removesuffix(total[-3:]), total=total)  # 1.2 of 3.4 MB
    if job.state == "working" and job.per_second:
        yield f"{size(job.per_second)}/s"
        if job.seconds_left:
            yield _("{time} left").format(time=duration(job.seconds_left))


def _lines(job: Job, width: int) -> Iterator[Content]:
    progress = job.progress
    state = display_name(progress.stage if job.state == "working" and progress is not None else job.state)
    title = f"{display_name(job.kind)} {' '.join(sanitize(job.title).split())}"
    title = truncate_cells(title, max(8, width - cell_len(state) - 2))
    yield Content.assemble(title, "  ", (state, "$text-muted"))
    share = progress.done / progress.total if progress is not None and progress.total else 0.0
    parts = [bar(share, min(_BAR_WIDTH, width // 7), "$primary")]
    if progress is not None and progress.total:
        parts += [Content.styled(percent(share, 0), "bold"), *map(safe_content, byte_progress(job))]
    elif progress is not None and progress.done:
        parts.append(Content(f"{progress.done:,}"))
    yield join_fitting(parts, width)
