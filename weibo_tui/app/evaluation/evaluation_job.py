"""Evaluations while the app lives: how far each is, and what came of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from textual.content import Content

from weibo_tui.app.formatting import bar
from weibo_tui.app.services.jobs import Job
from weibo_tui.locale import gettext as _
from weibo_tui.presentation.numbers import duration, percent
from weibo_tui.progress import Progress
from weibo_tui.text import cell_width
from weibo_tui.words import word
from weibo_tui.workbench import EvaluationConfig, EvaluationResult

KEPT = 5
"""So many stay: each holds its posts."""

_STAGES = ("reading", "hashing", "evaluating", "without emoticons", "only emoticons")
_PASSES = _STAGES[2:]


@dataclass(eq=False)
class Evaluation:
    """One of them: its plan and job, the latest progress of each stage, and its result or what failed it."""

    plan: EvaluationConfig
    job: Job
    stages: dict[str, Progress] = field(default_factory=dict)
    scored: EvaluationResult | None = None
    problem: str = ""

    def told(self, events: Sequence[object]) -> None:
        """Take in what its job tells."""
        for event in events:
            if isinstance(event, EvaluationResult):
                self.scored = event
            elif isinstance(event, Progress) and event.stage in _STAGES:
                self.stages[event.stage] = event

    @property
    def title(self) -> str:
        """The adapter and the files."""
        return _("{adapter} on {files}").format(
            adapter=self.plan.adapter, files=", ".join(path.name for path in self.plan.data)
        )

    @property
    def outcome(self) -> str:
        """How it stands, in a few words."""
        if self.scored is not None:
            return _("{share} right").format(share=percent(self.scored.score.accuracy))
        return self.problem or word(self.job.state)

    def lines(self, width: int) -> Iterator[Content]:
        """How far it is: a line a stage."""
        names = max(cell_width(word(stage)) for stage in _STAGES) + 2
        for stage in _STAGES:
            yield self._line(stage, names, max(6, min(30, width - names - 34)))

    def _line(self, stage: str, names: int, cells: int) -> Content:
        name = word(stage) + " " * (names - cell_width(word(stage)))
        place, begun = _STAGES.index(stage), max(map(_STAGES.index, self.stages), default=-1)
        if place > begun:
            return Content.styled(f"  {name}", "$text-disabled")
        progress = self.stages.get(stage)
        if place < begun or (progress is not None and progress.done == progress.total):
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
        """Of all passes together, taking those to come for as slow as this one."""
        if not self.job.per_second or not progress.total or progress.stage not in _PASSES:
            return None
        passes_to_come = len(_PASSES) - 1 - _PASSES.index(progress.stage)
        return (progress.total - progress.done + passes_to_come * progress.total) / self.job.per_second
