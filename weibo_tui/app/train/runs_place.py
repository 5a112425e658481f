"""The runs and the monitor of the one that is chosen, kept up to date from the journal."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Iterable
from typing import ClassVar

from textual.binding import ActiveBinding, Binding
from textual.containers import Horizontal
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import OptionList, Static

from weibo_tui.app.base import MainScreen
from weibo_tui.app.explanation import explain
from weibo_tui.app.formatting import percent, safe_content
from weibo_tui.app.services.jobs import Job, JobFinished, JobProgress
from weibo_tui.app.train.monitor import Monitor
from weibo_tui.app.train.run_list import RunList, RunRow
from weibo_tui.app.train.run_metrics import READ_AT_ONCE, RunMetrics
from weibo_tui.app.train.run_store import RunEntry, RunStore, look
from weibo_tui.engine.events import RunFinished, RunStarted
from weibo_tui.locale import gettext as _

LOOK_SECONDS = 0.5
"""How often the journals of runs that go on are looked into."""
TICKS_BUSY, TICKS_IDLE = 2, 4
"""With every how many of these looks the list of runs is read too, while a run goes on, and while none does."""


class RunsScreen(MainScreen):
    """Looks only while it is on the screen: the journals of runs that go on twice a second, the list more rarely."""

    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (90, "-wide")]  # noqa: RUF012 - as Screen declares it
    DEFAULT_CSS = """
    RunsScreen {
        & RunList { scrollbar-size-vertical: 1; scrollbar-color: $panel; scrollbar-background: $background; }
        & #runs { width: 36; height: 1fr; border-right: solid $panel; }
        & #empty { width: 1fr; padding: 1 2; display: none; }
        &.-empty #empty { display: block; }
        &.-empty #runs, &.-empty Monitor { display: none; }
        &.-narrow #split { layout: vertical; }
        &.-narrow #runs { width: 1fr; height: auto; max-height: 4; border-right: none; border-bottom: solid $panel; }
        &.-narrow.-inside #runs, &.-narrow.-zoomed #runs { display: none; }
    }
    """

    SPARE_KEYS: ClassVar[set[str]] = set()
    """Names of actions that a narrow footer has no room for."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = RunStore()
        self._list = RunList()
        self._monitor = Monitor()
        self._ticks = 0
        self._clock: Timer | None = None
        self._one_look = asyncio.Lock()
        self._listed = False
        self._works: tuple[object, ...] | None = None
        """What the keys that work now depend on."""
        self._unread: set[str] = set()
        """Runs whose journals are to be read once, whether they go on or not."""

    def compose_body(self) -> Iterable[Widget]:
        self._list.id = "runs"
        with Horizontal(id="split"):
            yield self._list
            yield self._monitor
            yield Static(id="empty")

    def on_mount(self) -> None:
        self._clock = self.set_interval(LOOK_SECONDS, self._tick, pause=True)
        self.watch(self.app, "catalog", self._show, init=False)

    def on_screen_resume(self) -> None:
        assert self._clock is not None  # set when it was mounted
        self._clock.resume()
        self._look_now()

    def on_screen_suspend(self) -> None:
        if self._clock is not None:
            self._clock.pause()

    @property
    def active_bindings(self) -> dict[str, ActiveBinding]:
        """What works now; a narrow footer shows less of it."""
        return {
            key: active._replace(binding=self._told(active.binding)) for key, active in super().active_bindings.items()
        }

    def _told(self, binding: Binding) -> Binding:
        if binding.id == "train.pause" and self.entry is not None and self.entry.state == "paused":
            return dataclasses.replace(binding, description=_("Go on"))
        if binding.id in self.SPARE_KEYS and self.has_class("-narrow"):
            return dataclasses.replace(binding, show=False)
        return binding

    # ---- looking

    def _tick(self) -> None:
        self._ticks += 1
        busy = any(entry.state == "running" for entry in self.seen.entries)
        listing = self._ticks % (TICKS_BUSY if busy else TICKS_IDLE) == 0
        if not self._one_look.locked() and (listing or self._wanted()):
            self.run_task(self._look(listing))

    def _look_now(self) -> None:
        """Read the list, and what is shown, whatever the clock says."""
        self._unread |= {record.run_id for record in self._records()}
        self.run_task(self._look(listing=True), group="look now", exclusive=True)

    def _wanted(self) -> list[str]:
        going_on = {entry.key for entry in self.seen.entries if entry.state in ("running", "paused", "stopping")}
        return [record.run_id for record in self._records() if record.run_id in going_on | self._unread]

    async def _look(self, listing: bool) -> None:
        async with self._one_look:
            last = {run_id: self.seen.records[run_id].last for run_id in self._wanted()}
            found = await self.app.records.call(lambda bench: look(bench, listing, last))
            before, states = self.seen.runs, {run.id: run.state for run in self.seen.runs}
            self.seen.take(found, last)
        self._unread -= {run_id for run_id, news in found.journals.items() if len(news[1]) < READ_AT_ONCE}
        # What a run wrote between the last look and its end is still to be read.
        self._unread |= {run.id for run in self.seen.runs if states.get(run.id, run.state) != run.state}
        first, self._listed = listing and not self._listed, self._listed or listing
        if first or self.seen.runs != before or any(anew or entries for anew, entries in found.journals.values()):
            self._show()
        if self._unread & set(self._wanted()):
            self.run_task(self._look(listing=False))

    # ---- showing

    @property
    def entry(self) -> RunEntry | None:
        """The one that is chosen in the list."""
        key = self._list.key
        return self.seen.entry(key)

    def _records(self) -> list[RunMetrics]:
        entry = self.entry
        return self.seen.shown(entry.run if entry is not None else None)

    def _show(self) -> None:
        if not self.is_mounted:
            return
        renamed = {one.waiting_key: one.job.run for one in self.seen.attempts if one.job.run}
        self._list.show([self._row(entry) for entry in self.seen.entries], renamed)
        self.set_class(empty := self._listed and not self.seen.entries, "-empty")
        if empty:
            self.query_one("#empty", Static).update(safe_content(self._advice()))
        self._show_chosen()

    def _show_chosen(self) -> None:
        entry = self.entry
        if entry is not None:
            self._monitor.show(entry, self._records())
        works = None if entry is None else (entry.kind, entry.state, entry.job is None, entry.run is None)
        if works != self._works:  # the footer is made anew with each look at the keys
            self._works = works
            self.refresh_bindings()

    def _row(self, entry: RunEntry) -> RunRow:
        record = self.seen.records.get(entry.key)
        step, steps = entry.steps
        share = step / steps if steps else record.share if record is not None else None
        summary = entry.run.summary if entry.run is not None else None
        score = (summary or {}).get("score")
        accuracy = score.get("accuracy") if isinstance(score, dict) else record.best_accuracy if record else None
        colour = self.seen.colour(entry.key)
        return RunRow(entry.key, entry.name, entry.kind, entry.state, share, entry.at, accuracy, colour)

    def _advice(self) -> str:
        if not self.app.catalog.bases:
            return _(
                "There is no base to train on yet.\n"
                "F5 fetches one, or brings in one that there is; p makes one here from plain text."
            )
        return _("No training yet.\nn begins one: an adapter learns from labelled posts in a file.")

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        event.stop()
        self._unread |= {record.run_id for record in self._records() if record.last is None}
        if self._unread:
            self.run_task(self._look(listing=False), group="chosen", exclusive=True)
        self._show_chosen()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self.add_class("-inside")
        self._monitor.enter()
        self.refresh_bindings()

    def on_monitor_zoomed(self) -> None:
        zoomed = self._monitor.charts.zoomed
        self.set_class(zoomed, "-zoomed")
        if zoomed and self.has_class("-narrow"):
            self._monitor.enter()
        elif not zoomed and not self.has_class("-inside"):
            self.set_focus(self._list)
        self.refresh_bindings()

    # ---- jobs

    def follow(self, job: Job) -> None:
        """Begin a job whose owner this screen is, and show it."""
        attempt = self.seen.follow(job)
        self.app.start_job(job)
        self._show()
        self._list.select(job.run or attempt.waiting_key)
        self.set_focus(self._list)

    def on_job_progress(self, message: JobProgress) -> None:
        attempt = self.seen.attempt(message.job)
        if attempt is None:
            return
        attempt.take(message.events)
        if any(isinstance(event, RunStarted) for event in message.events):
            self._show()
            self._look_now()
        elif self.is_current and (entry := self.seen.entry(attempt.waiting_key)) is not None:
            self._list.update_row(self._row(entry))
            if entry == self.entry:
                self._monitor.show_head(entry, self.seen.records.get(entry.key))

    def on_job_finished(self, message: JobFinished) -> None:
        attempt = self.seen.attempt(message.job)
        if attempt is None:
            return
        if message.error is not None:
            attempt.error = explain(message.error)
        elif not message.job.run:
            self.seen.forget(attempt.waiting_key)  # it was stopped before it was a run
        if isinstance(message.result, RunFinished):
            self.app.bell()
            self.show_message(_finished(message.result), "success")
        self._show()
        self._look_now()


def _finished(event: RunFinished) -> str:
    accuracy = (event.score or {}).get("accuracy")
    if accuracy is None:
        return _("'{name}' is finished.").format(name=event.name)
    return _("'{name}' is finished: accuracy {accuracy}.").format(name=event.name, accuracy=percent(accuracy))
