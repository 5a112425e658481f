"""An evaluation of this session: its progress by stage, and its result."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from rich.cells import cell_len
from textual.content import Content

from weibo_tui.app.formatting import bar
from weibo_tui.app.services.jobs import Job
from weibo_tui.display_names import display_name
from weibo_tui.locale import gettext as _
from weibo_tui.presentation.numbers import duration, percent
from weibo_tui.progress import Progress
from weibo_tui.workbench import EvaluationConfig, EvaluationResult

_STAGES = ("reading", "hashing", "evaluating", "without emoticons", "only emoticons")
_PASSES = _STAGES[2:]


@dataclass(eq=False)
class Evaluation:
    """An evaluation, with the latest progress of each stage, and its result or its error message."""

    config: EvaluationConfig
    job: Job
    stages: dict[str, Progress] = field(default_factory=dict)
    result: EvaluationResult | None = None
    problem: str = ""

    def update(self, events: Sequence[object]) -> None:
        """Process events of the job."""
        for event in events:
            if isinstance(event, EvaluationResult):
                self.result = event
            elif isinstance(event, Progress) and event.stage in _STAGES:
                self.stages[event.stage] = event

    @property
    def title(self) -> str:
        """The adapter and the files."""
        return _("{adapter} on {files}").format(
            adapter=self.config.adapter, files=", ".join(path.name for path in self.config.data)
        )

    @property
    def outcome(self) -> str:
        """The result, the error or the state in a few words."""
        if self.result is not None:
            return _("{share} right").format(share=percent(self.result.score.accuracy))
        return self.problem or display_name(self.job.state)

    def lines(self, width: int) -> Iterator[Content]:
        """Yield the progress, a line for each stage."""
        column = max(cell_len(display_name(stage)) for stage in _STAGES) + 2
        for stage in _STAGES:
            yield self._line(stage, column, max(6, min(30, width - column - 34)))

    def _line(self, stage: str, column: int, cells: int) -> Content:
        name = display_name(stage) + " " * (column - cell_len(display_name(stage)))
        index, current = _STAGES.index(stage), max(map(_STAGES.index, self.stages), default=-1)
        if index > current:
            return Content.styled(f"  {name}", "$text-disabled")
        progress = self.stages.get(stage)
        if index < current or (progress is not None and progress.done == progress.total):
            return Content.assemble(("✓ ", "$text-success"), name)
        return Content.assemble(("▸ ", "$primary"), name, *(self._figures(progress, cells) if progress else ()))

    def _figures(self, progress: Progress, cells: int) -> Iterator[str | Content]:
        if not progress.total:
            yield f"{progress.done:,}"
            return
        yield bar(progress.done / progress.total, cells, "$primary")
        yield "  " + _("{done} of {total}").format(done=f"{progress.done:,}", total=f"{progress.total:,}")
        if progress.done < progress.total and self.job.outcome is None:
            if self.job.per_second:
                yield _(" · {rate} posts/s").format(rate=f"{self.job.per_second:,.0f}")
            if (left := self._seconds_left(progress)) is not None:
                yield _(" · about {time} left").format(time=duration(left))

    def _seconds_left(self, progress: Progress) -> float | None:
        """Return the seconds until the last pass ends, at the rate of this one."""
        if not self.job.per_second or not progress.total or progress.stage not in _PASSES:
            return None
        remaining_passes = len(_PASSES) - 1 - _PASSES.index(progress.stage)
        return (progress.total - progress.done + remaining_passes * progress.total) / self.job.per_second
