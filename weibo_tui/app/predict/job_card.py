"""Cards of long work in the conversation: how far it is, then what came of it, in the same place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from textual.content import Content

from weibo_tui.app.base import get_app
from weibo_tui.app.explanation import explain
from weibo_tui.app.formatting import bar, duration, safe_content
from weibo_tui.app.keymap import first_key
from weibo_tui.app.predict.card import Card, PostCard
from weibo_tui.app.predict.card_parts import NARROW, about, count_parts, flow, path_lines, rows_part
from weibo_tui.app.services.jobs import Job, JobFinished, JobProgress
from weibo_tui.locale import gettext as _
from weibo_tui.locale import ngettext
from weibo_tui.progress import Progress
from weibo_tui.storage.history import FILES, Analysis, Entry, HistoryFilter, LabeledFile
from weibo_tui.text import visible, wrap_cells
from weibo_tui.words import word
from weibo_tui.workbench import LabelingConfig, Workbench
from weibo_tui.workbench.labeling import LabelingResult

STRETCH = 16
"""Pasted posts that are judged together: whoever asks for something else waits for no more than these."""


class JobCard(Card):
    """A card that owns a job, and shows what that tells."""

    def __init__(self, adapter: str) -> None:
        super().__init__()
        self.adapter = adapter
        self.job: Job | None = None
        self.failure = ""

    @property
    def at_work(self) -> bool:
        return self.job is None or self.job.outcome is None

    def start_job(self, job: Job) -> None:
        self.job = get_app(self).start_job(job)
        self.post_message(self.ActionsChanged())

    def tell(self, event: object) -> None:
        """One event of the job, for what is shown of it beside how far it is."""

    def on_job_progress(self, message: JobProgress) -> None:
        for event in message.events:
            self.tell(event)
        self.show_change()

    def on_job_finished(self, message: JobFinished) -> None:
        self.failure = "" if message.error is None else explain(message.error)
        self.show_change()
        self.post_message(self.ActionsChanged())

    def progress_lines(self, width: int) -> list[Content]:
        """The bar, how far it is, how fast, and for how long still."""
        if self.job is None or (progress := self.job.progress) is None or not progress.total:
            return [Content.styled("…", "bold $text-muted")]
        pieces = [bar(progress.done / progress.total, 10 if width < NARROW else 20, "$primary")]
        if self.job.stopping:
            return flow([*pieces, safe_content(_("stopping …"))], Content(""), width)
        pieces.append(safe_content(f"{word(progress.stage)} {progress.done:,} / {progress.total:,}"))
        if (seconds := self.job.seconds_left) is not None:
            pieces.append(safe_content(_("{rate} posts/s").format(rate=f"{self.job.per_second:,.0f}")))
            pieces.append(safe_content(_("{time} left").format(time=duration(seconds))))
        return flow(pieces, Content(""), width)

    def failure_lines(self, width: int) -> list[Content]:
        return [safe_content(line, "$text-error") for line in wrap_cells(f"✗ {visible(self.failure)}", width)]


class LabelingCard(JobCard):
    """A file that is being labelled."""

    def __init__(self, plan: LabelingConfig) -> None:
        super().__init__(plan.adapter)
        self.plan = plan
        self.done: LabelingResult | None = None
        self._entry: LabeledFile | None = None

    def on_mount(self) -> None:
        plan = self.plan
        self.start_job(Job("label", plan.source.name, lambda bench: bench.label_file(plan), self, adapter=plan.adapter))

    @property
    def to_copy(self) -> str:
        return str(self.plan.out.absolute())

    def tell(self, event: object) -> None:
        if isinstance(event, LabelingResult):
            self.done = event

    @property
    def entry(self) -> Entry | None:
        return self._entry

    def on_job_finished(self, message: JobFinished) -> None:
        super().on_job_finished(message)
        if self.done is not None:
            get_app(self).run_task(self._find_entry(), node=self)

    async def _find_entry(self) -> None:
        """What the history has kept of it, so that it can be deleted from there."""
        newest = await get_app(self).records.call(
            lambda bench: bench.history.page(10, filter=HistoryFilter(source=FILES))
        )
        files = [entry for entry in newest if isinstance(entry, LabeledFile)]
        self._entry = next((file for file in files if file.out == self.plan.out.absolute()), None)

    def lines(self, width: int) -> list[Content]:
        if self.done is not None:
            return [*path_lines("▤ ", self.to_copy, width), *self._result_lines(self.done, width)]
        lines = path_lines("▤ ", f"{self.plan.source} → {self.plan.out.name}", width)
        if self.failure:
            return [*lines, *self.failure_lines(width)]
        if self.job is not None and self.job.outcome == "stopped":
            return [
                *lines,
                *flow([safe_content(line) for line in wrap_cells(self._stopped(), width)], about(self.adapter), width),
            ]
        return [*lines, *self.progress_lines(width)]

    def _stopped(self) -> str:
        done = f"{self.job.progress.done:,}" if self.job is not None and self.job.progress is not None else "0"
        key = first_key("cards.again", get_app(self).keymap)
        return _("stopped at {count} rows; {key} goes on").format(count=done, key=key)

    def _result_lines(self, done: LabelingResult, width: int) -> list[Content]:
        labels = get_app(self).catalog.labels(self.adapter)
        parts = [rows_part(done.rows), *count_parts(done.counts, done.failed, labels)]
        if done.continued:
            told = _("{count} of them done before").format(count=f"{done.continued:,}")
            parts.append(safe_content(told, "$text-muted"))
        rate = _("{rate} posts/s").format(rate=f"{done.posts_per_second:,.0f}")
        return flow(parts, about(self.adapter, rate), width)


class BatchCard(JobCard):
    """Many posts that were pasted: how many are judged, and what as. `cards` are those of the last ones."""

    def __init__(self, posts: Sequence[str], cards: Sequence[PostCard], adapter: str) -> None:
        super().__init__(adapter)
        self._posts = posts
        self._cards = cards
        self._counts: Counter[str] = Counter()
        self._failed = 0

    def on_mount(self) -> None:
        title = ngettext("{count} post", "{count} posts", len(self._posts)).format(count=f"{len(self._posts):,}")
        self.start_job(Job("predict", title, self._judge, owner=self))

    def _judge(self, bench: Workbench) -> Iterator[object]:
        analyses = bench.predict(self._posts, self.adapter, source="app", window=STRETCH)
        for done, analysis in enumerate(analyses, start=1):
            yield analysis
            yield Progress("judging", done, len(self._posts))

    @property
    def to_copy(self) -> str:
        return "\n".join(self._posts)

    def tell(self, event: object) -> None:
        if not isinstance(event, Analysis):
            return
        if event.error is None:
            self._counts[event.label] += 1
        else:
            self._failed += 1
        at = self._counts.total() + self._failed - 1 - (len(self._posts) - len(self._cards))
        if at >= 0:
            self._cards[at].show(event)

    def on_job_finished(self, message: JobFinished) -> None:
        super().on_job_finished(message)
        for card in self._cards:
            if card.at_work:
                card.fail(self.failure or _("stopped before it was judged"))

    def lines(self, width: int) -> list[Content]:
        count = len(self._posts)
        head = ngettext("{count} pasted post", "{count} pasted posts", count).format(count=f"{count:,}")
        judged = self._counts.total() + self._failed
        if judged < count and not self.at_work:
            head = _("{done} of {posts}").format(done=f"{judged:,}", posts=head)
        parts = [Content.assemble(("▤ ", "$primary"), (head, "bold"))]
        parts += count_parts(self._counts, self._failed, get_app(self).catalog.labels(self.adapter))
        if len(self._cards) < count:
            above = _("the last {count} above").format(count=len(self._cards))
            parts.append(safe_content(above, "$text-muted"))
        lines = flow(parts, about(self.adapter), width)
        if self.failure:
            return [*lines, *self.failure_lines(width)]
        return [*lines, *self.progress_lines(width)] if self.at_work else lines
