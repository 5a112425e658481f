"""Cards of running jobs: the progress, then the result in the same place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from textual.content import Content

from weibo_tui.app.base import get_app
from weibo_tui.app.explanation import user_message
from weibo_tui.app.formatting import bar, safe_content
from weibo_tui.app.keymap import first_key
from weibo_tui.app.predict.card import (
    NARROW,
    Card,
    PostCard,
    count_parts,
    details,
    failure_lines,
    flow,
    path_lines,
    rows_part,
)
from weibo_tui.app.predict.ray_fields import public_source
from weibo_tui.app.services.jobs import Job, JobFinished, JobProgress
from weibo_tui.app.services.worker import WorkerThread
from weibo_tui.display_names import display_name
from weibo_tui.locale import gettext as _
from weibo_tui.locale import join_list, join_names, ngettext
from weibo_tui.presentation.numbers import duration
from weibo_tui.progress import Progress
from weibo_tui.storage.history import FILE_SOURCE, Analysis, Entry, HistoryFilter, LabeledFile
from weibo_tui.text.terminal import wrap_cells
from weibo_tui.workbench.cluster.result import ClusterLabelingResult
from weibo_tui.workbench.config import ClusterLabelingConfig, LabelingConfig
from weibo_tui.workbench.labeling import LabelingResult
from weibo_tui.workbench.workbench import Workbench

CHUNK = 16
"""Pasted posts that are predicted together; other requests wait no longer than for these."""
_MAX_FAILED_PARTS = 3


class JobCard(Card):
    """A card that owns a job and shows its progress."""

    def __init__(self, adapter: str) -> None:
        super().__init__()
        self.adapter = adapter
        self.failure = ""

    @property
    def busy(self) -> bool:
        return self.job is None or self.job.outcome is None

    def start(self, job: Job, thread: WorkerThread | None = None) -> None:
        self.job = get_app(self).start_job(job, thread)
        self.post_message(self.ActionsChanged())

    def handle_event(self, event: object) -> None:
        """Process one event of the job, apart from its progress."""

    def on_job_progress(self, message: JobProgress) -> None:
        for event in message.events:
            self.handle_event(event)
        self.show_change()

    def on_job_finished(self, message: JobFinished) -> None:
        self.failure = "" if message.error is None else user_message(message.error)
        self.show_change()
        self.post_message(self.ActionsChanged())

    def progress_lines(self, width: int) -> list[Content]:
        """Return the lines with the bar, the counts, the rate and the time left."""
        progress = None if self.job is None else self.job.progress
        if self.job is None or progress is None or not progress.total:
            stage = "" if progress is None else display_name(progress.stage)
            return [safe_content(f"… {stage}".rstrip(), "bold $text-muted")]
        parts = [bar(progress.done / progress.total, 10 if width < NARROW else 20, "$primary")]
        if self.job.stopping:
            return flow([*parts, safe_content(_("stopping …"))], Content(""), width)
        parts.append(safe_content(f"{display_name(progress.stage)} {progress.done:,} / {progress.total:,}"))
        if (seconds := self.job.seconds_left) is not None:
            parts.append(safe_content(_("{rate} posts/s").format(rate=f"{self.job.per_second:,.0f}")))
            parts.append(safe_content(_("{time} left").format(time=duration(seconds))))
        return flow(parts, Content(""), width)


class LabelingCard(JobCard):
    """A file that is being labeled, or files that are labeled on Ray."""

    can_repeat = True

    def __init__(self, config: LabelingConfig | ClusterLabelingConfig) -> None:
        super().__init__(config.adapter)
        self.config = config
        self.result: LabelingResult | None = None
        self._entry: LabeledFile | None = None

    def on_mount(self) -> None:
        is_on_ray = isinstance(self.config, ClusterLabelingConfig)
        title = self.config.out.name if is_on_ray else Path(self._source).name
        self.start(
            Job("label", title, self._iterate, self, adapter=self.config.adapter),
            get_app(self).cluster if is_on_ray else None,
        )

    def _iterate(self, wb: Workbench) -> Iterator[object]:
        if isinstance(self.config, ClusterLabelingConfig):
            return wb.iter_label_on_ray(self.config)
        return wb.iter_label_file(self.config)

    @property
    def _source(self) -> str:
        if isinstance(self.config, ClusterLabelingConfig):
            return join_list(map(public_source, self.config.sources))
        return str(self.config.source)

    @property
    def clipboard(self) -> tuple[str, str]:
        return str(self.config.out.absolute()), _("Copied the path of the labeled file.")

    @property
    def labeled_file(self) -> Path | None:
        return self.config.out.absolute() if self.result is not None else None

    def handle_event(self, event: object) -> None:
        if isinstance(event, LabelingResult):
            self.result = event

    @property
    def entry(self) -> Entry | None:
        return self._entry

    def on_job_finished(self, message: JobFinished) -> None:
        super().on_job_finished(message)
        if self.result is not None:
            get_app(self).run_task(self._find_entry(), node=self)

    async def _find_entry(self) -> None:
        # The card can delete its entry from the history.
        files = await get_app(self).records.call(
            lambda wb: wb.history.page(10, filter=HistoryFilter(source=FILE_SOURCE))
        )
        out = self.config.out.absolute()
        self._entry = next((file for file in files if isinstance(file, LabeledFile) and file.out == out), None)

    def lines(self, width: int) -> list[Content]:
        if self.result is not None:
            return [*path_lines(str(self.config.out.absolute()), width), *self._result_lines(self.result, width)]
        lines = path_lines(f"{self._source} → {self.config.out.name}", width)
        if self.failure:
            return [*lines, *failure_lines(self.failure, width)]
        if self.job is not None and self.job.outcome == "stopped":
            done = self.job.progress.done if self.job.progress is not None else 0
            key = first_key("cards.again", get_app(self).keymap)
            message = _("stopped after {count} rows; {key} continues").format(count=f"{done:,}", key=key)
            parts = [safe_content(line) for line in wrap_cells(message, width)]
            return [*lines, *flow(parts, details(self.adapter), width)]
        return [*lines, *self.progress_lines(width)]

    def _result_lines(self, result: LabelingResult, width: int) -> list[Content]:
        labels = get_app(self).catalog.labels(self.adapter)
        parts = [rows_part(result.rows), *count_parts(result.counts, result.failed, labels)]
        if result.continued:
            resumed = _("{count} done earlier").format(count=f"{result.continued:,}")
            parts.append(safe_content(resumed, "$text-muted"))
        rate = _("{rate} posts/s").format(rate=f"{result.posts_per_second:,.0f}")
        lines = flow(parts, details(self.adapter, rate), width)
        if isinstance(result, ClusterLabelingResult) and result.failed_parts:
            lines += failure_lines(self._failed_parts(result.failed_parts), width)
        return lines

    def _failed_parts(self, failed: Sequence[str]) -> str:
        key = first_key("cards.again", get_app(self).keymap)
        message = ngettext(
            "{number:,} part is not labeled: {names}. {key} tries it again.",
            "{number:,} parts are not labeled: {names}. {key} tries them again.",
            len(failed),
        )
        return message.format(number=len(failed), names=join_names(failed, _MAX_FAILED_PARTS), key=key)


class BatchCard(JobCard):
    """Many pasted posts, counted by label. `cards` are those of the last posts."""

    def __init__(self, posts: Sequence[str], cards: Sequence[PostCard], adapter: str) -> None:
        super().__init__(adapter)
        self._posts = posts
        self._cards = cards
        self._counts: Counter[str] = Counter()
        self._failed = 0

    @property
    def _done(self) -> int:
        return self._counts.total() + self._failed

    def on_mount(self) -> None:
        title = ngettext("{count} post", "{count} posts", len(self._posts)).format(count=f"{len(self._posts):,}")
        self.start(Job("predict", title, self._predict, owner=self))

    def _predict(self, wb: Workbench) -> Iterator[object]:
        analyses = wb.iter_predict(self._posts, self.adapter, record=None, source="app", window=CHUNK)
        for done, analysis in enumerate(analyses, start=1):
            yield analysis
            yield Progress("predicting", done, len(self._posts))

    @property
    def clipboard(self) -> tuple[str, str]:
        return "\n".join(self._posts), _("Copied the posts.")

    def handle_event(self, event: object) -> None:
        if not isinstance(event, Analysis):
            return
        index = self._done - (len(self._posts) - len(self._cards))
        if event.error is None:
            self._counts[event.label] += 1
        else:
            self._failed += 1
        if index >= 0:
            self._cards[index].show(event)

    def on_job_finished(self, message: JobFinished) -> None:
        super().on_job_finished(message)
        for card in self._cards:
            if card.busy:
                card.fail(self.failure or _("stopped before it was predicted"))

    def lines(self, width: int) -> list[Content]:
        count = len(self._posts)
        title = ngettext("{count} pasted post", "{count} pasted posts", count).format(count=f"{count:,}")
        if self._done < count and not self.busy:
            title = _("{done} of {posts}").format(done=f"{self._done:,}", posts=title)
        parts = [Content.assemble(("▤ ", "$primary"), (title, "bold"))]
        parts += count_parts(self._counts, self._failed, get_app(self).catalog.labels(self.adapter))
        if len(self._cards) < count:
            above = _("the last {count} above").format(count=len(self._cards))
            parts.append(safe_content(above, "$text-muted"))
        lines = flow(parts, details(self.adapter), width)
        if self.failure:
            return [*lines, *failure_lines(self.failure, width)]
        return [*lines, *self.progress_lines(width)] if self.busy else lines
