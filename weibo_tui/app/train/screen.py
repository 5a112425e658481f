"""The train screen: all runs, those of other processes included, and what can be done with them."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from textual.binding import ActiveBinding, Binding
from textual.containers import Horizontal
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import OptionList, Static

from weibo_tui.app.base import MainScreen
from weibo_tui.app.dialogs import ChoiceDialog
from weibo_tui.app.explanation import user_message
from weibo_tui.app.formatting import safe_content
from weibo_tui.app.forms.path_dialog import PathDialog
from weibo_tui.app.keymap import bindings
from weibo_tui.app.services.jobs import Job, JobFinished, JobProgress, Kind
from weibo_tui.app.train.monitor import Monitor
from weibo_tui.app.train.pretraining_form import PretrainingForm
from weibo_tui.app.train.run_list import RunList, RunRow
from weibo_tui.app.train.run_metrics import MAX_ENTRIES_PER_READ, RunMetrics
from weibo_tui.app.train.run_store import MAX_OVERLAID, RunEntry, RunStore, poll
from weibo_tui.app.train.training_form import TrainingForm
from weibo_tui.engine.events import RunFinished, RunStarted
from weibo_tui.errors import UserInputError
from weibo_tui.locale import N_
from weibo_tui.locale import gettext as _
from weibo_tui.presentation.numbers import percent
from weibo_tui.workbench.legacy_project import LegacyProject

POLL_SECONDS = 0.5
"""Interval at which the journals of active runs are read."""
TICKS_BUSY, TICKS_IDLE = 2, 4
"""Number of these intervals after which the list of runs is read too, with and without an active run."""
_HIDDEN_WHEN_NARROW = {"train.overlay", "train.zoom"}
"""Actions that a narrow footer has no room for."""


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
        & #runs { width: 36; height: 1fr; border-right: solid $panel; }
        & #empty { width: 1fr; padding: 1 2; display: none; }
        &.-empty #empty { display: block; }
        &.-empty #runs, &.-empty Monitor { display: none; }
        &.-narrow #split { layout: vertical; }
        &.-narrow #runs { width: 1fr; height: auto; max-height: 4; border-right: none; border-bottom: solid $panel; }
        &.-narrow.-inside #runs, &.-narrow.-zoomed #runs { display: none; }
    }
    """

    def __init__(self) -> None:
        super().__init__()
        self.form_values: dict[str, dict[str, Any]] = {"train": {}, "pretrain": {}}
        """Texts of the forms when they were used last."""
        self.store = RunStore()
        self._list = RunList(id="runs")
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
        self._timer = self.set_interval(POLL_SECONDS, self._tick, pause=True)
        self.watch(self.app, "catalog", self._show, init=False)

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
        """The working keys. A narrow footer shows fewer of them."""
        return {
            key: active._replace(binding=self._with_state(active.binding))
            for key, active in super().active_bindings.items()
        }

    def _with_state(self, binding: Binding) -> Binding:
        if binding.id == "train.pause" and self.entry is not None and self.entry.state == "paused":
            return dataclasses.replace(binding, description=_("Continue"))
        if binding.id in _HIDDEN_WHEN_NARROW and self.has_class("-narrow"):
            return dataclasses.replace(binding, show=False)
        return binding

    # ---- reading the journals

    def _tick(self) -> None:
        self._ticks += 1
        busy = any(entry.state == "running" for entry in self.store.entries)
        listing = self._ticks % (TICKS_BUSY if busy else TICKS_IDLE) == 0
        if not self._poll_lock.locked() and (listing or self._runs_to_read()):
            self.run_task(self._poll(listing))

    def _poll_now(self) -> None:
        """Read the list and the visible journals at once."""
        self._unread |= {metrics.run_id for metrics in self._visible_metrics()}
        self.run_task(self._poll(listing=True), group="look now", exclusive=True)

    def _runs_to_read(self) -> list[str]:
        going_on = {entry.key for entry in self.store.entries if entry.state in ("running", "paused", "stopping")}
        return [metrics.run_id for metrics in self._visible_metrics() if metrics.run_id in going_on | self._unread]

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
        self._list.show([self._row(entry) for entry in self.store.entries], renamed)
        self.set_class(empty := self._list_read and not self.store.entries, "-empty")
        if empty:
            self.query_one("#empty", Static).update(safe_content(self._advice()))
        self._show_selected()

    def _show_selected(self) -> None:
        entry = self.entry
        if entry is not None:
            self._monitor.show(entry, self._visible_metrics())
        works = None if entry is None else (entry.kind, entry.state, entry.job is None, entry.run is None)
        if works != self._works:  # each refresh builds the footer again
            self._works = works
            self.refresh_bindings()

    def _row(self, entry: RunEntry) -> RunRow:
        metrics = self.store.metrics.get(entry.key)
        summary = entry.run.summary if entry.run is not None else None
        score = (summary or {}).get("score")
        accuracy = score.get("accuracy") if isinstance(score, dict) else metrics.best_accuracy if metrics else None
        color = self.store.color(entry.key)
        return RunRow(entry.key, entry.name, entry.kind, entry.state, entry.share(metrics), entry.at, accuracy, color)

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

    def follow(self, job: Job) -> None:
        """Start a job that this screen owns, and select it."""
        local = self.store.follow(job)
        self.app.start_job(job)
        self._show()
        self._list.select(job.run or local.pending_key)
        self.set_focus(self._list)

    def on_job_progress(self, message: JobProgress) -> None:
        local = self.store.local_run(message.job)
        if local is None:
            return
        local.apply(message.events)
        if any(isinstance(event, RunStarted) for event in message.events):
            self._show()
            self._poll_now()
        elif self.is_current and (entry := self.store.entry(local.pending_key)) is not None:
            self._list.update_row(self._row(entry))
            if entry == self.entry:
                self._monitor.show_head(entry, self.store.metrics.get(entry.key))

    def on_job_finished(self, message: JobFinished) -> None:
        local = self.store.local_run(message.job)
        if local is None:
            return
        if message.error is not None:
            local.error = user_message(message.error)
        elif not message.job.run:
            self.store.remove(local.pending_key)  # stopped before it became a run
        if isinstance(message.result, RunFinished):
            self.app.bell()
            self.show_message(_finished(message.result), "success")
        self._show()
        self._poll_now()

    # ---- actions

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        entry = self.entry
        state = None if entry is None else entry.state
        job, run = (None, None) if entry is None else (entry.job, entry.run)
        allowed = {
            "pause": job is not None and state != "stopping",
            "stop": job is not None and state != "stopping",
            "resume": job is None and run is not None and state in ("interrupted", "stopped", "failed"),
            "use": entry is not None and entry.kind == "train" and state == "finished",
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
        if legacy.data is not None:
            self.form_values["train"]["files"] = [legacy.data.absolute()]
        await self.start_training()

    async def start_training(self, base: str = "") -> None:
        """Ask for a training's plan, with `base` selected if it is given, and start it."""
        await self.app.refresh_catalog()
        plan = await self.app.push_screen_wait(TrainingForm(self.form_values["train"], base))
        if plan is not None:
            self.follow(Job("train", plan.name, lambda wb: wb.iter_train(plan), owner=self, base=plan.base))

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
        run = entry.run
        kind: Kind = "train" if run.kind == "train" else "pretrain"
        plan = run.plan.get("plan")  # may be anything if the run is damaged
        base = str(plan.get("base", "")) if isinstance(plan, Mapping) else ""
        self.follow(Job(kind, run.name, lambda wb: wb.iter_resume(run.id), owner=self, run=run.id, base=base))

    def action_pause(self) -> None:
        if (entry := self.entry) is None or (job := entry.job) is None:
            return
        if job.pausing:
            job.resume()
            if (item := self.store.metrics.get(job.run)) is not None:
                item.reset_eta()
        else:
            job.pause()
        self.app.wake_workers()
        self._show()

    def action_stop(self) -> None:
        self.run_task(self._stop(), group="stop", exclusive=True)

    async def _stop(self) -> None:
        if (entry := self.entry) is None or (job := entry.job) is None:
            return
        question = _("Stop '{name}'? A checkpoint is saved, and r resumes from it.").format(name=job.title)
        answers = [("stay", _("Keep running")), ("stop", _("Stop"))]
        if await self.app.push_screen_wait(ChoiceDialog(question, answers)) == "stop" and job.outcome is None:
            job.stop()
            self.app.wake_workers()
            self._show()

    def action_use(self) -> None:
        if (entry := self.entry) is not None:
            self.run_task(self._use(entry.name))

    async def _use(self, name: str) -> None:
        await self.app.records.call(lambda wb: wb.set_default_adapter(name))
        await self.app.refresh_catalog()
        self.show_message(_("'{name}' is the default adapter now.").format(name=name), "success")

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

    def action_export(self) -> None:
        self.run_task(self._export(), group="export", exclusive=True)

    async def _export(self) -> None:
        entry = self.entry
        if entry is None or entry.run is None:
            return
        run_id = entry.run.id
        question = _("File name: .csv for a table, .jsonl for all events.")
        proposed = str(Path.cwd() / f"{entry.name}-{run_id}.csv")
        dialog = PathDialog(question, proposed, save=True, check=_check_journal_file)
        path = await self.app.push_screen_wait(dialog)
        if path is None:
            return
        await self.app.records.call(lambda wb: wb.export_run(run_id, path, dialog.overwrite))
        self.show_message(_("Journal written: {path}").format(path=path), "success")

    def action_delete(self) -> None:
        self.run_task(self._delete(), group="delete", exclusive=True)

    async def _delete(self) -> None:
        entry = self.entry
        if entry is None:
            return
        if entry.state in ("waiting", "running", "paused", "stopping"):
            raise UserInputError(_("'{name}' is running. Stop it first.").format(name=entry.name))
        if (run := entry.run) is not None:
            question = _("Delete the run '{name}' with its journal and checkpoint? Its adapter or base is kept.")
            answers = [("no", _("Cancel")), ("yes", _("Delete"))]
            if await self.app.push_screen_wait(ChoiceDialog(question.format(name=run.name), answers)) != "yes":
                return
            await self.app.records.call(lambda wb: wb.runs.remove(run.id))
        self.store.remove(entry.key)
        self._show()
        self._poll_now()


def _finished(event: RunFinished) -> str:
    accuracy = (event.score or {}).get("accuracy")
    if accuracy is None:
        return _("'{name}' finished.").format(name=event.name)
    return _("'{name}' finished: accuracy {accuracy}.").format(name=event.name, accuracy=percent(accuracy))


def _check_journal_file(path: Path) -> None:
    if path.suffix.lower() not in (".csv", ".jsonl"):
        raise UserInputError(_("The file name must end in .csv or .jsonl."))
