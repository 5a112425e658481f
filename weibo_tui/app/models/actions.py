"""Actions of the models screen: use, rename, delete, export and import bases and adapters.

Each asks the user. It then makes the change, or returns the job to start.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from textual.message_pump import MessagePump

from weibo_tui.app.base import BaseApp
from weibo_tui.app.dialogs import ChoiceDialog, InputDialog
from weibo_tui.app.explanation import user_message
from weibo_tui.app.forms.document_export import write_document
from weibo_tui.app.forms.hyperparameter_fields import name_after
from weibo_tui.app.forms.path_dialog import PathDialog
from weibo_tui.app.models.inventory import IntactModel, Inventory, Kind, ModelEntry, ModelItem
from weibo_tui.app.services.jobs import Job
from weibo_tui.app.services.worker import WorkerThread
from weibo_tui.datasets.containers import SUFFIXES as TABLE_SUFFIXES
from weibo_tui.errors import UserInputError, WeiboTuiError
from weibo_tui.locale import gettext as _
from weibo_tui.locale import join_list, ngettext, with_note
from weibo_tui.presentation.numbers import percent, size
from weibo_tui.presentation.publication.adapters import adapters_document
from weibo_tui.presentation.publication.document import SUFFIXES
from weibo_tui.registry.cards import AdapterCard, BaseCard, check_name
from weibo_tui.registry.file_status import detect_card
from weibo_tui.storage.runs import Run
from weibo_tui.workbench.downloads import BASE, BASE_SIZE, endpoint
from weibo_tui.workbench.downloads import check_name as check_repository
from weibo_tui.workbench.faithfulness import FaithfulnessConfig
from weibo_tui.workbench.legacy_project import LegacyProject
from weibo_tui.workbench.workbench import Workbench

_MAX_NAMES = 6
_MAX_NAME_LENGTH = 60
"""Characters that are shown of a name in a file."""
_MAX_LABELS = 12
_SUFFIXES: tuple[str, ...] = (".zip", ".tar.gz", ".tgz")


@dataclass(frozen=True, slots=True)
class Change:
    """A change that was made: the model to show, and the message for the user."""

    kind: Kind
    name: str
    message: str


async def use(app: BaseApp, item: IntactModel) -> Change:
    """Make a model the default."""
    set_default = Workbench.set_default_base if item.kind == "base" else Workbench.set_default_adapter
    await app.records.call(lambda wb: set_default(wb, item.name))
    text = _("'{name}' is the default base now.") if item.kind == "base" else _("'{name}' is the default adapter now.")
    return Change(item.kind, item.name, text.format(name=item.name))


async def rename(app: BaseApp, inventory: Inventory, item: IntactModel) -> Change | None:
    """Ask for another name, and rename a model."""
    await _check_unused(app, inventory, item)

    def check(name: str) -> None:
        if name != item.name:
            check_free(inventory, item.kind, name)

    question = _("New name for '{name}':").format(name=item.name)
    new = await app.push_screen_wait(InputDialog(question, item.name, check))
    if new is None or new == item.name:
        return None
    rename_model = Workbench.rename_base if item.kind == "base" else Workbench.rename_adapter
    await app.engine.call(lambda wb: rename_model(wb, item.name, new))  # which may have it in memory
    return Change(item.kind, new, _("Renamed '{old}' to '{new}'.").format(old=item.name, new=new))


async def delete(app: BaseApp, inventory: Inventory, entry: ModelEntry) -> Change | None:
    """Ask, and delete a model."""
    await _check_unused(app, inventory, entry)
    question = "\n".join(_deletion_question(entry, inventory))
    answers = [("keep", _("Keep")), ("delete", _("Delete"))]
    if await app.push_screen_wait(ChoiceDialog(question, answers)) != "delete":
        return None
    remove = Workbench.remove_base if entry.kind == "base" else Workbench.remove_adapter
    await app.engine.call(lambda wb: remove(wb, entry.name))  # which may have it in memory
    return Change(entry.kind, entry.name, _("Deleted '{name}'.").format(name=entry.name))


def check_free(inventory: Inventory, kind: Kind, name: str) -> None:
    """Raise UserInputError if `name` is invalid or in use."""
    if check_name(name) in inventory.names(kind):
        raise UserInputError(_("'{name}' exists. Choose another name.").format(name=name))


def _deletion_question(entry: ModelEntry, inventory: Inventory) -> list[str]:
    text = _("Delete the base '{name}'{size}?") if entry.kind == "base" else _("Delete the adapter '{name}'{size}?")
    files = entry.files if isinstance(entry, ModelItem) else None
    lines = [text.format(name=entry.name, size="" if files is None else with_note("", size(files.size)))]
    if orphans := _orphaned_adapters(entry, inventory):
        message = ngettext(
            "{n} adapter needs it and cannot be used without it: {names}.",
            "{n} adapters need it and cannot be used without it: {names}.",
            len(orphans),
        )
        names = join_list(orphans, _MAX_NAMES)
        lines.append(message.format(n=len(orphans), names=names))
    if isinstance(entry, ModelItem) and entry.default:
        lines.append(_("This is the default."))
    return [*lines, _("This cannot be undone.")]


def _orphaned_adapters(entry: ModelEntry, inventory: Inventory) -> list[str]:
    """Return the adapters that lose their base with `entry`: none if the same base has another name too."""
    if not isinstance(entry, ModelItem) or not isinstance(entry.card, BaseCard):
        return []
    return inventory.adapters_of(entry.card) if len(inventory.bases_like(entry.card.fingerprint)) == 1 else []


async def _check_unused(app: BaseApp, inventory: Inventory, entry: ModelEntry) -> None:
    """Raise UserInputError while a job or another program uses the model."""
    if not isinstance(entry, ModelItem):
        return
    runs = await app.records.call(lambda wb: [run for run in wb.runs.list() if run.is_in_progress])
    users = [job.title for job in app.jobs if _job_uses(job, entry, inventory)]
    users += [run.name for run in runs if _run_uses(run, entry) and run.name not in users]
    if users:
        message = _("'{name}' is in use ({titles}). Wait until that is done, or stop it.")
        raise UserInputError(message.format(name=entry.name, titles=join_list(users)))


def _job_uses(job: Job, item: IntactModel, inventory: Inventory) -> bool:
    if item.kind == "adapter":
        return item.name in (job.adapter, *job.other_adapters)
    used = (job.adapter, *job.other_adapters)
    bases = [inventory.base_of(adapter.card) for adapter in inventory.adapters if adapter.name in used]
    return job.base == item.name or any(base is not None and base.name == item.name for base in bases)


def _run_uses(run: Run, item: IntactModel) -> bool:
    # By the fingerprint: the base may have had another name when the run started.
    return isinstance(item.card, BaseCard) and run.plan.get("base") == item.card.fingerprint


# ---- import and export: from files, from the Hub, and from the original project's folder


@dataclass(frozen=True, slots=True)
class JobRequest:
    """A job to start on a worker (default: the engine), with messages for some outcomes."""

    job: Job
    worker: WorkerThread | None = None
    done: str = ""
    stopped: str = ""


async def export_model(app: BaseApp, item: IntactModel, owner: MessagePump) -> JobRequest | Change | None:
    """Ask for a file to export a base or an adapter to, or for the card of an adapter."""
    if isinstance(item.card, AdapterCard):
        suffixes = (*_SUFFIXES, *SUFFIXES)
        question = _("Export '{name}' to (.zip or .tar.gz), or its card to ({card}):")
    else:
        suffixes, question = _SUFFIXES, _("Export '{name}' to (.zip or .tar.gz):")
    question = question.format(name=item.name, card=join_list(SUFFIXES))
    dialog = PathDialog(
        question, f"{item.name}.zip", save=True, suffixes=suffixes, check=partial(_check_suffix, suffixes=suffixes)
    )
    out = await app.push_screen_wait(dialog)
    if out is None:
        return None
    name, overwrite = item.name, dialog.overwrite
    if isinstance(item.card, AdapterCard) and out.name.casefold().endswith(SUFFIXES):
        document = adapters_document([item.card])
        await app.records.call(lambda wb: write_document(wb, document, out, overwrite))
        return Change(item.kind, name, _("Written: {path}").format(path=out))
    export = Workbench.iter_export_base if item.kind == "base" else Workbench.iter_export_adapter
    base, adapter = (name, "") if item.kind == "base" else ("", name)
    job = Job("export", name, lambda wb: export(wb, name, out, overwrite), owner, base=base, adapter=adapter)
    return JobRequest(job, app.records, done=_("Written: {path}").format(path=out))


async def measure_faithfulness(app: BaseApp, item: IntactModel, owner: MessagePump) -> JobRequest | None:
    """Ask for a table of posts to test the explanations of an adapter on."""
    question = _("Posts to test the explanations of '{name}' on (a table, without labels too):")
    dialog = PathDialog(question.format(name=item.name), suffixes=TABLE_SUFFIXES)
    path = await app.push_screen_wait(dialog)
    if path is None:
        return None
    config = FaithfulnessConfig((path,), item.name)
    return JobRequest(Job("explaining", item.name, lambda wb: wb.iter_self_test(config), owner, adapter=item.name))


async def import_model(app: BaseApp, inventory: Inventory, owner: MessagePump) -> JobRequest | None:
    """Ask for a file or a folder, show what it contains, and import it."""
    question = _("Exported adapter or base (.zip, .tar.gz or its folder), or Hugging Face folder of a GPT-2:")
    source = await app.push_screen_wait(PathDialog(question, folders=True, suffixes=_SUFFIXES))
    if source is None:
        return None
    card = await app.records.call(lambda _wb: detect_card(source))
    answers = [("take", _("Import")), ("leave", _("Cancel"))]
    if await app.push_screen_wait(ChoiceDialog(_describe(card, source, inventory), answers)) != "take":
        return None
    if card is None:
        suggested = name_after(source.absolute().name, "base", inventory.names("base"))
        name = await _ask_name(app, inventory, "base", suggested)
        return None if name is None else _import_folder(app, source, name, owner)
    kind: Kind = "adapter" if isinstance(card, AdapterCard) else "base"
    name = card.name
    try:
        check_free(inventory, kind, name)
    except WeiboTuiError as error:
        name = await _ask_name(app, inventory, kind, name, user_message(error))
    if name is None:
        return None
    if kind == "adapter":
        return JobRequest(Job("import", name, lambda wb: wb.iter_import_adapter(source, name), owner), app.records)
    # On the engine: the fingerprint is computed, which needs torch.
    return JobRequest(Job("import", name, lambda wb: wb.iter_import_base(source, name), owner))


async def download_base(app: BaseApp, inventory: Inventory, owner: MessagePump) -> JobRequest | None:
    """Ask for a repository on the Hub, and download the base in it."""

    def check(text: str) -> None:
        check_repository(repository := text.strip())
        if (card := app.catalog.base_from(repository)) is not None:
            raise UserInputError(_("Already installed as '{name}'.").format(name=card.name))
        if any(repository in (job.title, job.base) for job in app.jobs):
            raise UserInputError(_("This base is being downloaded already."))

    question = [
        _("Repository of a GPT-2 on the Hub ({base}: {size} MB):").format(base=BASE, size=BASE_SIZE // 10**6),
        _("Downloaded once from {address}. To use a mirror, set HF_ENDPOINT.").format(address=endpoint()),
    ]
    text = await app.push_screen_wait(InputDialog("\n".join(question), BASE, check))
    if text is None:
        return None
    repository = text.strip()
    name = name_after(repository.rpartition("/")[2], "base", inventory.names("base"))
    stopped = _("Stopped. The downloaded part of {repository} is kept, and the next download continues from it.")
    return JobRequest(
        Job("download", repository, lambda wb: wb.iter_download_base(repository, name), owner),
        app.hub,
        stopped=stopped.format(repository=repository),
    )


async def import_legacy_base(app: BaseApp, inventory: Inventory, owner: MessagePump) -> JobRequest:
    """Import the model folder of the original project."""
    folder = (await _find_legacy(app)).base
    if folder is None:
        raise UserInputError(_("It does not exist any more."))
    return _import_folder(app, folder, name_after(folder.name, "base", inventory.names("base")), owner)


async def import_legacy_adapter(app: BaseApp, inventory: Inventory, owner: MessagePump) -> JobRequest:
    """Import the checkpoint of the original project, on its base if that was imported, otherwise on the default."""
    legacy = await _find_legacy(app)
    checkpoint = legacy.checkpoint
    if checkpoint is None:
        raise UserInputError(_("It does not exist any more."))
    base = app.catalog.base_of(legacy) or app.catalog.base
    name = name_after(checkpoint.stem, "adapter", inventory.names("adapter"))
    job = Job("import", name, lambda wb: wb.iter_import_legacy(checkpoint, name, base), owner, base=base)
    return JobRequest(job, app.hub)


async def _find_legacy(app: BaseApp) -> LegacyProject:
    return await app.records.call(lambda _wb: LegacyProject.find())


def _import_folder(app: BaseApp, folder: Path, name: str, owner: MessagePump) -> JobRequest:
    # Not on the engine or the records: predictions and the history need not wait for it.
    return JobRequest(Job("import", name, lambda wb: wb.iter_add_base(folder, name), owner), app.hub)


async def _ask_name(app: BaseApp, inventory: Inventory, kind: Kind, name: str, problem: str = "") -> str | None:
    question = problem or _("Name:")
    return await app.push_screen_wait(
        InputDialog(question, name[:64], lambda typed: check_free(inventory, kind, typed))
    )


def _describe(card: AdapterCard | BaseCard | None, source: Path, inventory: Inventory) -> str:
    """Return a few lines about the contents of a file; without a card it is a Hugging Face folder."""
    if card is None:
        return _("Hugging Face model folder; no code in it is executed: {path}").format(path=source)
    name = card.name[:_MAX_NAME_LENGTH]
    if isinstance(card, BaseCard):
        text = _("Base '{name}', {parameters} parameters.")
        lines = [text.format(name=name, parameters=f"{card.parameters:,}")]
        if same := [item.name for item in inventory.bases_like(card.fingerprint)]:
            lines.append(_("The same base is installed already: {names}.").format(names=join_list(same)))
        return "\n".join(lines)
    labels = join_list((label[:_MAX_NAME_LENGTH] for label in card.labels), _MAX_LABELS)
    lines = [_("Adapter '{name}'.").format(name=name), _("Labels: {labels}").format(labels=labels)]
    if isinstance(accuracy := card.score.get("accuracy"), float) and 0 <= accuracy <= 1:
        lines.append(_("Test accuracy: {share}").format(share=percent(accuracy)))
    if (base := inventory.base_of(card)) is not None:
        lines.append(_("It belongs to base '{base}', which is installed.").format(base=base.name))
    else:
        text = _("It belongs to base '{base}' ({fingerprint}…), which is not installed. Add that base too.")
        lines.append(text.format(base=card.base[:_MAX_NAME_LENGTH], fingerprint=card.base_fingerprint[:12]))
    return "\n".join(lines)


def _check_suffix(path: Path, suffixes: tuple[str, ...]) -> None:
    if not path.name.endswith(suffixes):
        raise UserInputError(_("{out} must end in {suffixes}.").format(out=path, suffixes=join_list(suffixes)))
