"""Train: the runs of before and those that go on, here and elsewhere, and all that can be done with them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from weibo_tui.app.dialogs import ChoiceDialog
from weibo_tui.app.forms.path_dialog import PathDialog
from weibo_tui.app.keymap import bindings
from weibo_tui.app.services.jobs import Job, Kind
from weibo_tui.app.train.pretraining_form import PretrainingForm
from weibo_tui.app.train.run_store import MOST_LAID_OVER
from weibo_tui.app.train.runs_place import RunsScreen
from weibo_tui.app.train.training_form import TrainingForm
from weibo_tui.errors import UserInputError
from weibo_tui.locale import N_
from weibo_tui.locale import gettext as _
from weibo_tui.workbench.legacy_project import LegacyProject


class TrainScreen(RunsScreen):
    NAME = "train"
    BINDINGS = bindings("train")
    SPARE_KEYS: ClassVar[set[str]] = {"train.overlay", "train.zoom"}
    HELP_TEXT = N_(
        "Train: on the left, or above, the runs of before; beside them the monitor of the one that is chosen. n begins "
        "a training of an adapter from labelled files, p makes a base from plain text. Curves come from the journal, "
        "so a run that another program works on is seen live too."
    )

    def __init__(self) -> None:
        super().__init__()
        self.typed: dict[str, dict[str, Any]] = {"train": {}, "pretrain": {}}
        """What was typed into the forms last."""

    def _job(self) -> Job | None:
        entry = self.entry
        return None if entry is None else entry.job

    # ---- actions

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        entry = self.entry
        state = None if entry is None else entry.state
        works_here = entry is not None and entry.job is not None
        allowed = {
            "pause": works_here and state != "stopping",
            "stop": works_here and state != "stopping",
            "resume": not works_here
            and entry is not None
            and entry.run is not None
            and state in ("interrupted", "stopped", "failed"),
            "use": entry is not None and entry.kind == "train" and state == "finished",
            "overlay": entry is not None and entry.run is not None,
            "export": entry is not None and entry.run is not None,
            "delete": entry is not None,
            "zoom": entry is not None,
            "turn": self._monitor.charts.zoomed,
            "back": self._monitor.charts.zoomed or self.has_class("-inside"),
        }
        return allowed.get(action, True)

    def action_new(self) -> None:
        self.run_task(self.begin_training(), group="new", exclusive=True)

    def action_new_on_original(self) -> None:
        """Begin with the posts of the original project, which the first start offers."""
        self.run_task(self._begin_on_original(), group="new", exclusive=True)

    async def _begin_on_original(self) -> None:
        found = await self.app.records.call(lambda _bench: LegacyProject.find())
        if found.data is not None:
            self.typed["train"]["files"] = [found.data.absolute()]
        await self.begin_training()

    async def begin_training(self, base: str = "") -> None:
        """Ask for a training's plan, with `base` chosen where one is named, and follow it."""
        await self.app.refresh_catalog()
        plan = await self.app.push_screen_wait(TrainingForm(self.typed["train"], base))
        if plan is not None:
            self.follow(Job("train", plan.name, lambda bench: bench.train(plan), owner=self, base=plan.base))

    def action_pretrain(self) -> None:
        self.run_task(self.begin_pretraining(), group="new", exclusive=True)

    async def begin_pretraining(self) -> None:
        """Ask for a pretraining's plan, and follow it."""
        plan = await self.app.push_screen_wait(PretrainingForm(self.typed["pretrain"]))
        if plan is not None:
            self.follow(Job("pretrain", plan.name, lambda bench: bench.pretrain(plan), owner=self))

    def action_resume(self) -> None:
        entry = self.entry
        if entry is None or entry.run is None:
            return
        run = entry.run
        kind: Kind = "train" if run.kind == "train" else "pretrain"
        plan = run.plan.get("plan")  # of a damaged run it may be anything
        base = str(plan.get("base", "")) if isinstance(plan, Mapping) else ""
        self.follow(Job(kind, run.name, lambda bench: bench.resume(run.id), owner=self, run=run.id, base=base))

    def action_pause(self) -> None:
        if (job := self._job()) is None:
            return
        if job.pausing:
            job.resume()
            if (record := self.seen.records.get(job.run)) is not None:
                record.forget_pace()
        else:
            job.pause()
        self.app.wake_workers()
        self._show()

    def action_stop(self) -> None:
        self.run_task(self._stop(), group="stop", exclusive=True)

    async def _stop(self) -> None:
        if (job := self._job()) is None:
            return
        question = _("Stop '{name}'? What it has learnt is kept, and r goes on from there.").format(name=job.title)
        answers = [("stay", _("Let it go on")), ("stop", _("Stop"))]
        if await self.app.push_screen_wait(ChoiceDialog(question, answers)) == "stop" and job.outcome is None:
            job.stop()
            self.app.wake_workers()
            self._show()

    def action_use(self) -> None:
        if (entry := self.entry) is not None:
            self.run_task(self._use(entry.name))

    async def _use(self, name: str) -> None:
        await self.app.records.call(lambda bench: bench.use_adapter(name))
        await self.app.refresh_catalog()
        self.show_message(_("'{name}' reads posts from now on.").format(name=name), "success")

    def action_overlay(self) -> None:
        entry = self.entry
        if entry is None or entry.run is None:
            return
        if not self.seen.toggle(entry.run):
            most = _("{most} runs at most are laid over: o on one of them takes it away.")
            self.show_message(most.format(most=MOST_LAID_OVER))
        self._show()

    def action_zoom(self) -> None:
        self._monitor.zoom()

    def action_turn(self, by: int) -> None:
        self._monitor.charts.turn(by)

    def action_log_scale(self) -> None:
        self._monitor.charts.turn_log()

    def action_smoothing(self) -> None:
        self._monitor.charts.turn_smoothing()

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
        question = _("Where to? A name in .csv gives a table, one in .jsonl all that the events hold.")
        proposed = str(Path.cwd() / f"{entry.name}-{run_id}.csv")
        dialog = PathDialog(question, proposed, save=True, check=_check_journal_file)
        path = await self.app.push_screen_wait(dialog)
        if path is None:
            return
        await self.app.records.call(lambda bench: bench.export_run(run_id, path, dialog.overwrite))
        self.show_message(_("The journal is in {path}").format(path=path), "success")

    def action_delete(self) -> None:
        self.run_task(self._delete(), group="delete", exclusive=True)

    async def _delete(self) -> None:
        entry = self.entry
        if entry is None:
            return
        if entry.state in ("waiting", "running", "paused", "stopping"):
            raise UserInputError(_("'{name}' is at work: stop it first.").format(name=entry.name))
        if (run := entry.run) is not None:
            question = _("Delete the run '{name}' with its journal and its checkpoint? What it made stays.")
            if not await self._agreed(question.format(name=run.name), _("Delete")):
                return
            await self.app.records.call(lambda bench: bench.runs.remove(run.id))
        self.seen.forget(entry.key)
        self._show()
        self._look_now()

    async def _agreed(self, question: str, words: str) -> bool:
        return await self.app.push_screen_wait(ChoiceDialog(question, [("no", _("Cancel")), ("yes", words)])) == "yes"


def _check_journal_file(path: Path) -> None:
    if path.suffix.lower() not in (".csv", ".jsonl"):
        raise UserInputError(_("The name must end in .csv or .jsonl."))
    if not path.parent.is_dir():
        raise UserInputError(_("There is no folder {folder}: check the name.").format(folder=path.parent))
