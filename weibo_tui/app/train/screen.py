"""The train screen: all runs, those of other processes included, and what can be done with them."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from textual.binding import ActiveBinding, Binding
from textual.containers import Horizontal
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import OptionList, Static

from weibo_tui.app.base import BaseApp, MainScreen
from weibo_tui.app.explanation import user_message
from weibo_tui.app.formatting import safe_content
from weibo_tui.app.keymap import bindings, first_key
from weibo_tui.app.services.jobs import Job, JobFinished, JobProgress, Kind
from weibo_tui.app.train import run_actions
from weibo_tui.app.train.monitor import Monitor
from weibo_tui.app.train.pretraining_form import PretrainingForm
from weibo_tui.app.train.run_list import RunList, RunRow
from weibo_tui.app.train.run_metrics import MAX_ENTRIES_PER_READ, RunMetrics
from weibo_tui.app.train.run_store import MAX_OVERLAID, RunEntry, RunStore, poll
from weibo_tui.app.train.training_form import TrainingForm
from weibo_tui.app.train.training_queue import TrainingQueue
from weibo_tui.engine.events import RunFinished, RunStarted
from weibo_tui.locale import N_, join_sentences
from weibo_tui.locale import gettext as _
from weibo_tui.presentation.default_adapter import compare_with_default
from weibo_tui.storage.runs import Run
from weibo_tui.workbench.config import TrainingConfig
from weibo_tui.workbench.legacy_project import LegacyProject
from weibo_tui.workbench.seeds import SeedTraining, adapter_of, is_complete

POLL_SECONDS = 1.0
"""Interval at which the journals of active runs are read."""
_RESUMABLE = ("interrupted", "stopped", "failed")
QUEUE_SECONDS = 2.0
"""Interval at which a queued training looks for the end of the others."""
TICKS_BUSY, TICKS_IDLE = 1, 2
"""Number of these intervals after which the list of runs is read too, with and without an active run."""


class TrainScreen(MainScreen):
    """The list of runs and the monitor of the selected one, kept up to date from the journal.

    It reads only while it is visible: the journals of active runs twice a second, the list less often."""

    NAME = "train"
    BINDINGS = bindings("train")
    HELP_TEXT = N_(
        "Train: the list of runs, and the monitor of the selected run. n trains an adapter on labeled files, "
        "p pretrains a base on plain text. Runs of other programs are shown live too."
    )

    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (90, "-wide")]  # noqa: RUF012 - as Screen declares it
    DEFAULT_CSS = """
    TrainScreen {
        & RunList { scrollbar-size-vertical: 1; scrollbar-color: $panel; scrollbar-background: $background; }
        & #runs { width: 38; height: 1fr; }
        & #empty { width: 1fr; padding: 1 2; display: none; }
        &.-empty #empty { display: block; }
        &.-empty #runs, &.-empty Monitor { display: none; }
        &.-narrow #split { layout: vertical; }
        &.-narrow #runs { width: 1fr; height: auto; max-height: 4; }
        &.-narrow.-inside #runs, &.-narrow.-zoomed #runs { display: none; }
    }
    """

    def __init__(self) -> None:
        super().__init__()
        self.form_values: dict[str, dict[str, Any]] = {"train": {}, "pretrain": {}}
        """Texts of the forms when they were used last."""
        self.store = RunStore()
        self._list = RunList(id="runs", classes="pane")
        self._monitor = Monitor()
        self._ticks = 0
        self._timer: Timer | None = None
        self._poll_lock = asyncio.Lock()
        self._list_read = False
        self._works: tuple[object, ...] | None = None
        """The state that decides which keys work."""
        self._unread: set[str] = set()
        """Runs whose journals must be read once, active or not."""

    def compose_body(self) -> Iterable[Widget]:
        with Horizontal(id="split"):
            yield self._list
            yield self._monitor
            yield Static(id="empty")

    def on_mount(self) -> None:
        self._queue = TrainingQueue(self.app)
        self._timer = self.set_interval(POLL_SECONDS, self._tick, pause=True)
        self.set_interval(QUEUE_SECONDS, self._start_next)
        self.watch(self.app, "catalog", self._show, init=False)

    def on_unmount(self) -> None:
        self._queue.close()

    def on_screen_resume(self) -> None:
        assert self._timer is not None  # set when it was mounted
        self._timer.resume()
        self._poll_now()

    def on_screen_suspend(self) -> None:
        if self._timer is not None:
            self._timer.pause()

    def on_settings_changed(self) -> None:
        for metrics in self.store.metrics.values():
            metrics.reset()  # their logs are texts
        self._show()
        self._poll_now()

    @property
    def active_bindings(self) -> dict[str, ActiveBinding]:
        """The working keys, named for the state of the selected run."""
        return {
            key: active._replace(binding=self._with_state(active.binding))
            for key, active in super().active_bindings.items()
        }

    def _with_state(self, binding: Binding) -> Binding:
        if binding.id == "train.pause" and self.entry is not None and self.entry.state == "paused":
            return dataclasses.replace(binding, description=_("Continue"))
        return binding

    # ---- reading the journals

    def _tick(self) -> None:
        self._ticks += 1
        busy = any(entry.is_in_progress for entry in self.store.entries)
        listing = self._ticks % (TICKS_BUSY if busy else TICKS_IDLE) == 0
        if not self._poll_lock.locked() and (listing or self._runs_to_read()):
            self.run_task(self._poll(listing))

    def _poll_now(self) -> None:
        """Read the list and the visible journals at once."""
        self._unread |= {metrics.run_id for metrics in self._visible_metrics()}
        self.run_task(self._poll(listing=True), group="look now", exclusive=True)

    def _runs_to_read(self) -> list[str]:
        in_progress = {entry.key for entry in self.store.entries if entry.is_in_progress}
        return [metrics.run_id for metrics in self._visible_metrics() if metrics.run_id in in_progress | self._unread]

    async def _poll(self, listing: bool) -> None:
        async with self._poll_lock:
            last = {run_id: self.store.metrics[run_id].last for run_id in self._runs_to_read()}
            update = await self.app.records.call(lambda wb: poll(wb, listing, last))
            before, states = self.store.runs, {run.id: run.state for run in self.store.runs}
            self.store.apply(update, last)
        self._unread -= {run_id for run_id, news in update.journals.items() if len(news[1]) < MAX_ENTRIES_PER_READ}
        # A run may have written entries between the last poll and its end.
        self._unread |= {run.id for run in self.store.runs if states.get(run.id, run.state) != run.state}
        first, self._list_read = listing and not self._list_read, self._list_read or listing
        if first or self.store.runs != before or any(reset or entries for reset, entries in update.journals.values()):
            self._show()
        if self._unread & set(self._runs_to_read()):
            self.run_task(self._poll(listing=False))

    # ---- showing

    @property
    def entry(self) -> RunEntry | None:
        """The selected run."""
        return self.store.entry(self._list.key)

    def _visible_metrics(self) -> list[RunMetrics]:
        entry = self.entry
        return self.store.visible_metrics(entry.run if entry is not None else None)

    def _show(self) -> None:
        if not self.is_mounted:
            return
        renamed = {item.pending_key: item.job.run for item in self.store.local_runs if item.job.run}
        self._list.show([RunRow.of(entry, self.store) for entry in self.store.entries], renamed)
        self.set_class(empty := self._list_read and not self.store.entries, "-empty")
        if empty:
            self.query_one("#empty", Static).update(safe_content(self._advice()))
        self._show_selected()

    def _show_selected(self) -> None:
        entry = self.entry
        if entry is not None:
            self._monitor.show(entry, self._visible_metrics())
        is_default = entry is not None and self._is_default(entry)
        works = None if entry is None else (entry.kind, entry.state, entry.job is None, entry.run is None, is_default)
        if works != self._works:  # each refresh builds the footer again
            self._works = works
            self.refresh_bindings()

    def _advice(self) -> str:
        if not self.app.catalog.bases:
            return _("There is no base yet.\nPress F5 to download or import one, or p to pretrain one on plain text.")
        return _("No training yet.\nPress n to train an adapter on a file of labeled posts.")

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        event.stop()
        self._unread |= {metrics.run_id for metrics in self._visible_metrics() if metrics.last is None}
        if self._unread:
            self.run_task(self._poll(listing=False), group="chosen", exclusive=True)
        self._show_selected()

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

    def follow(self, *jobs: Job) -> None:
        """Start jobs that this screen owns, one after the other and after trainings in progress. Select the first."""
        keys = []
        for job in jobs:
            job.queued = True
            local = self.store.follow(job)
            self.app.start_job(job)
            keys.append(job.run or local.pending_key)
        if jobs:
            self._show()
            self._list.select(keys[0])
            self.set_focus(self._list)
            self.run_task(self._start_or_queue(jobs[0]))

    async def _start_or_queue(self, job: Job) -> None:
        await self._queue.start_next()
        if job.queued:
            message = _("'{name}' starts when the training before it is done. Press {key} to start it now.")
            self.show_message(message.format(name=job.title, key=first_key("train.start_now", self.app.keymap)))
        self._show()

    def _start_next(self) -> None:
        if any(job.queued for job in self.app.jobs):
            self.run_task(self._queue.start_next())

    def on_job_progress(self, message: JobProgress) -> None:
        local = self.store.local_run(message.job)
        if local is None:
            return
        local.apply(message.events)
        if any(isinstance(event, RunStarted) for event in message.events):
            self._show()
            self._poll_now()
        elif self.is_current and (entry := self.store.entry(local.pending_key)) is not None:
            self._list.update_row(RunRow.of(entry, self.store))
            if entry == self.entry:
                self._monitor.show_head(entry, self.store.metrics.get(entry.key))

    def on_job_finished(self, message: JobFinished) -> None:
        local = self.store.local_run(message.job)
        if local is None:
            return
        self._queue.release(message.job)
        if message.error is not None:
            local.error = user_message(message.error)
            if not message.job.run:
                note = _("It failed before the run began, so it is listed until you quit.")
                local.error = join_sentences(local.error, note)
        elif not message.job.run:
            self.store.remove(local.pending_key)  # stopped before it became a run
        if isinstance(message.result, RunFinished):
            self.run_task(self._announce(message.result))
        self._show()
        self._poll_now()

    async def _announce(self, event: RunFinished) -> None:
        """Say that a run is done, and offer its adapter as the default."""
        await self.app.refresh_catalog()
        sentences = [_("'{name}' finished.").format(name=event.name)]
        card, default = self.app.catalog.card(event.name), self.app.catalog.card(self.app.catalog.adapter)
        if event.kind == "train" and card is not None:
            sentences.append(compare_with_default(card, default))
            use, train = (first_key(name, self.app.keymap) for name in ("train.use", "app.train"))
            is_selected = self.is_current and self.entry is not None and self.entry.key == event.run
            if card != default and is_selected:
                sentences.append(_("Press {key} to make it the default.").format(key=use))
            elif card != default:
                message = _("To make it the default, select it in Train ({train}) and press {key}.")
                sentences.append(message.format(train=train, key=use))
        self.show_message(join_sentences(*sentences), "success")

    def _is_default(self, entry: RunEntry) -> bool:
        card = self.app.catalog.card(self.app.catalog.adapter)
        return card is not None and entry.run is not None and card == adapter_of(entry.run, self.app.catalog.adapters)

    def _has_seeds_left(self, run: Run) -> bool:
        adapters = self.app.catalog.adapters
        return run.state == "finished" and adapter_of(run, adapters) is not None and not is_complete(run, adapters)

    # ---- actions

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        entry = self.entry
        state = None if entry is None else entry.state
        job, run = (None, None) if entry is None else (entry.job, entry.run)
        in_progress = entry is not None and entry.is_in_progress
        allowed = {
            "pause": in_progress and state not in ("stopping", "queued"),
            "stop": in_progress and state != "stopping",
            "start_now": state == "queued",
            "resume": job is None and run is not None and (state in _RESUMABLE or self._has_seeds_left(run)),
            "use": entry is not None and entry.kind == "train" and state == "finished" and not self._is_default(entry),
            "overlay": run is not None,
            "export": run is not None,
            "delete": entry is not None,
            "zoom": entry is not None,
            "turn": self._monitor.charts.zoomed,
            "back": self._monitor.charts.zoomed or self.has_class("-inside"),
        }
        return allowed.get(action, True)

    def action_new(self) -> None:
        self.run_task(self.start_training(), group="new", exclusive=True)

    def action_new_on_original(self) -> None:
        """Open the form with the data of the original project, which the welcome screen offers."""
        self.run_task(self._train_on_legacy_data(), group="new", exclusive=True)

    async def _train_on_legacy_data(self) -> None:
        legacy = await self.app.records.call(lambda _wb: LegacyProject.find())
        await self.start_training(data=legacy.data)

    async def start_training(self, base: str = "", data: Path | None = None, preset: str = "") -> None:
        """Ask for a training's plan, with what is given of base, file and preset chosen, and start it."""
        values = self.form_values["train"]
        if data is not None:
            values["files"] = [data.absolute()]
            for name in ("sheet", "text_column", "label_column", "labels", "map"):  # of the files before
                values.pop(name, None)
        await self.app.refresh_catalog()
        plan = await self.app.push_screen_wait(TrainingForm(values, base, preset))
        if plan is None:
            return
        pending = () if plan.seeds == 1 else await self.app.records.call(lambda wb: wb.pending_seeds(plan))
        self.follow(*(self._seed_jobs(pending) if pending else [self._training_job(plan)]))

    def _seed_jobs(self, pending: Iterable[SeedTraining]) -> list[Job]:
        """Return jobs that train the pending seeds, except those in progress."""
        busy = {job.run or job.title for job in self.app.jobs}
        busy |= {run.id for run in self.store.runs if run.is_in_progress}
        return [
            self._training_job(one.config) if one.run is None else self._resuming_job(one.run)
            for one in pending
            if (one.config.name if one.run is None else one.run.id) not in busy
        ]

    def _training_job(self, plan: TrainingConfig) -> Job:
        return Job("train", plan.name, lambda wb: wb.iter_train(plan), owner=self, base=plan.base)

    def _resuming_job(self, run: Run) -> Job:
        kind: Kind = "train" if run.kind == "train" else "pretrain"
        plan = run.plan.get("plan")  # may be anything if the run is damaged
        base = str(plan.get("base", "")) if isinstance(plan, Mapping) else ""
        return Job(kind, run.name, lambda wb: wb.iter_resume(run.id), owner=self, run=run.id, base=base)

    def action_pretrain(self) -> None:
        self.run_task(self.start_pretraining(), group="new", exclusive=True)

    async def start_pretraining(self) -> None:
        """Ask for a pretraining's plan and start it."""
        plan = await self.app.push_screen_wait(PretrainingForm(self.form_values["pretrain"]))
        if plan is not None:
            self.follow(Job("pretrain", plan.name, lambda wb: wb.iter_pretrain(plan), owner=self))

    def action_resume(self) -> None:
        entry = self.entry
        if entry is None or entry.run is None:
            return
        if entry.state == "finished":
            self.run_task(self._train_rest(entry.run))
        else:
            self.follow(self._resuming_job(entry.run))

    async def _train_rest(self, run: Run) -> None:
        """Queue the seeds that are left of the training of several seeds that a finished run belongs to."""
        self.follow(*self._seed_jobs(await self.app.records.call(lambda wb: wb.pending_seeds(run))))

    def action_pause(self) -> None:
        if (entry := self.entry) is not None and (metrics := self.store.metrics.get(entry.key)) is not None:
            metrics.reset_eta()
        self.run_task(self._do(run_actions.toggle_pause), group="pause")

    def action_stop(self) -> None:
        self.run_task(self._do(run_actions.stop), group="stop", exclusive=True)

    def action_start_now(self) -> None:
        if (entry := self.entry) is not None and entry.job is not None:
            self._queue.start_now(entry.job)
            self._show()

    def action_use(self) -> None:
        self.run_task(self._do(run_actions.use))

    def action_export(self) -> None:
        self.run_task(self._do(run_actions.export), group="export", exclusive=True)

    def action_delete(self) -> None:
        self.run_task(self._delete(), group="delete", exclusive=True)

    async def _do(self, action: Callable[[BaseApp, RunEntry], Awaitable[object]]) -> None:
        if (entry := self.entry) is not None:
            await action(self.app, entry)
            self._show()
            self._poll_now()

    async def _delete(self) -> None:
        if (entry := self.entry) is not None and await run_actions.delete(self.app, entry):
            self.store.remove(entry.key)
            self._show()
            self._poll_now()

    def action_overlay(self) -> None:
        entry = self.entry
        if entry is None or entry.run is None:
            return
        if not self.store.toggle(entry.run):
            most = _("At most {most} runs can be overlaid. Press o on one of them to remove it.")
            self.show_message(most.format(most=MAX_OVERLAID))
        self._show()

    def action_zoom(self) -> None:
        self._monitor.zoom()

    def action_turn(self, by: int) -> None:
        self._monitor.charts.cycle(by)

    def action_log_scale(self) -> None:
        self._monitor.charts.toggle_log()

    def action_smoothing(self) -> None:
        self._monitor.charts.toggle_smoothing()

    def action_back(self) -> None:
        if self._monitor.charts.zoomed:
            self._monitor.zoom()
        else:
            self.remove_class("-inside")
            self.set_focus(self._list)
        self.refresh_bindings()
