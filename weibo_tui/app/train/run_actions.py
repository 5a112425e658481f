"""Actions of the train screen on a run, also on one that another program works on."""

from __future__ import annotations

from pathlib import Path

from weibo_tui.app.base import BaseApp
from weibo_tui.app.dialogs import ChoiceDialog
from weibo_tui.app.forms.path_dialog import PathDialog
from weibo_tui.app.train.run_store import RunEntry
from weibo_tui.errors import UserInputError
from weibo_tui.locale import gettext as _
from weibo_tui.workbench.seeds import adapter_of


async def toggle_pause(app: BaseApp, entry: RunEntry) -> None:
    """Pause a run after its current step, or let it continue."""
    job, run, is_paused = entry.job, entry.run, entry.state == "paused"
    if job is not None and (run is None or is_paused):
        job.pausing = not is_paused
    if run is not None and run.is_in_progress:
        await app.records.call(lambda wb: wb.runs.unpause(run.id) if is_paused else wb.runs.pause(run.id))
    app.wake_workers()


async def stop(app: BaseApp, entry: RunEntry) -> None:
    """Ask, and stop a run."""
    if entry.state == "queued":
        question = _("Remove '{name}' from the queue?")
        answers = [("stay", _("Keep waiting")), ("stop", _("Remove"))]
    else:
        question = _("Stop '{name}'? A checkpoint is saved, and r resumes from it.")
        answers = [("stay", _("Keep running")), ("stop", _("Stop"))]
    if await app.push_screen_wait(ChoiceDialog(question.format(name=entry.name), answers)) != "stop":
        return
    job, run = entry.job, entry.run
    if job is not None:
        job.stop()
        app.wake_workers()
    elif run is not None:
        await app.records.call(lambda wb: wb.runs.stop(run.id))


async def use(app: BaseApp, entry: RunEntry) -> None:
    """Make the adapter of a finished training the default."""
    card = None if entry.run is None else adapter_of(entry.run, app.catalog.adapters)
    name = entry.name if card is None else card.name
    await app.records.call(lambda wb: wb.set_default_adapter(name))
    await app.refresh_catalog()
    app.show_message(_("'{name}' is the default adapter now.").format(name=name), "success")


async def export(app: BaseApp, entry: RunEntry) -> None:
    """Ask for a file, and write the journal of a run to it."""
    if entry.run is None:
        return
    run_id = entry.run.id
    question = _("File name: .csv for a table, .jsonl for all events.")
    proposed = str(Path.cwd() / f"{entry.name}-{run_id}.csv")
    dialog = PathDialog(question, proposed, save=True, check=_check_journal_file)
    path = await app.push_screen_wait(dialog)
    if path is None:
        return
    await app.records.call(lambda wb: wb.export_run(run_id, path, dialog.overwrite))
    app.show_message(_("Journal written: {path}").format(path=path), "success")


def _check_journal_file(path: Path) -> None:
    if path.suffix.lower() not in (".csv", ".jsonl"):
        raise UserInputError(_("The file name must end in .csv or .jsonl."))


async def delete(app: BaseApp, entry: RunEntry) -> bool:
    """Ask, and delete a run. Return False if the user cancels."""
    if entry.state == "queued":
        raise UserInputError(_("'{name}' is queued. Stop it first.").format(name=entry.name))
    if entry.is_in_progress:
        raise UserInputError(_("'{name}' is running. Stop it first.").format(name=entry.name))
    if (run := entry.run) is not None:
        question = _("Delete the run '{name}' with its journal and checkpoint? Its adapter or base is kept.")
        answers = [("no", _("Cancel")), ("yes", _("Delete"))]
        if await app.push_screen_wait(ChoiceDialog(question.format(name=run.name), answers)) != "yes":
            return False
        await app.records.call(lambda wb: wb.runs.remove(run.id))
    return True
