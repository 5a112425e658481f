"""Actions on a base or an adapter: make it the default, rename it, delete it.

Each asks the user, makes the change, and returns what the screen is to show.
"""

from __future__ import annotations

from dataclasses import dataclass

from weibo_tui.app.base import BaseApp
from weibo_tui.app.dialogs import ChoiceDialog, InputDialog
from weibo_tui.app.models.inventory import IntactModel, Inventory, Kind, ModelEntry, ModelItem
from weibo_tui.app.services.jobs import Job
from weibo_tui.errors import UserInputError
from weibo_tui.locale import gettext as _
from weibo_tui.locale import ngettext
from weibo_tui.presentation.numbers import size
from weibo_tui.registry.cards import BaseCard, check_name
from weibo_tui.storage.runs import Run
from weibo_tui.workbench import Workbench

_MAX_NAMES = 6


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
    text = _("Adapters are trained on '{name}' now.") if item.kind == "base" else _("'{name}' reads the posts now.")
    return Change(item.kind, item.name, text.format(name=item.name))


async def rename(app: BaseApp, inventory: Inventory, item: IntactModel) -> Change | None:
    """Ask for another name, and rename a model."""
    await _check_unused(app, inventory, item)

    def check(name: str) -> None:
        if name != item.name:
            check_free(inventory, item.kind, name)

    question = _("A new name for '{name}':").format(name=item.name)
    new = await app.push_screen_wait(InputDialog(question, item.name, check))
    if new is None or new == item.name:
        return None
    rename_model = Workbench.rename_base if item.kind == "base" else Workbench.rename_adapter
    await app.engine.call(lambda wb: rename_model(wb, item.name, new))  # which may have it in memory
    return Change(item.kind, new, _("'{old}' is called '{new}' now.").format(old=item.name, new=new))


async def delete(app: BaseApp, inventory: Inventory, entry: ModelEntry) -> Change | None:
    """Ask, and delete a model."""
    await _check_unused(app, inventory, entry)
    question = "\n".join(_deletion_question(entry, inventory))
    answers = [("keep", _("Keep it")), ("delete", _("Delete it"))]
    if await app.push_screen_wait(ChoiceDialog(question, answers)) != "delete":
        return None
    remove = Workbench.remove_base if entry.kind == "base" else Workbench.remove_adapter
    await app.engine.call(lambda wb: remove(wb, entry.name))  # which may have it in memory
    return Change(entry.kind, entry.name, _("'{name}' is deleted.").format(name=entry.name))


def check_free(inventory: Inventory, kind: Kind, name: str) -> None:
    """Raise UserInputError if `name` is invalid or in use."""
    if check_name(name) in inventory.names(kind):
        raise UserInputError(_("'{name}' is there already: choose another name.").format(name=name))


def _deletion_question(entry: ModelEntry, inventory: Inventory) -> list[str]:
    text = _("Delete the base '{name}'{size}?") if entry.kind == "base" else _("Delete the adapter '{name}'{size}?")
    files = entry.files if isinstance(entry, ModelItem) else None
    lines = [text.format(name=entry.name, size="" if files is None else f" ({size(files.size)})")]
    if orphans := _orphaned_adapters(entry, inventory):
        message = ngettext(
            "{n} adapter stands on it, and cannot judge without it: {names}.",
            "{n} adapters stand on it, and cannot judge without it: {names}.",
            len(orphans),
        )
        names = ", ".join(orphans[:_MAX_NAMES]) + (", …" if len(orphans) > _MAX_NAMES else "")
        lines.append(message.format(n=len(orphans), names=names))
    if isinstance(entry, ModelItem) and entry.default:
        lines.append(_("It is the one that is used where none is named."))
    return [*lines, _("It is gone for good then.")]


def _orphaned_adapters(entry: ModelEntry, inventory: Inventory) -> list[str]:
    """Return the adapters that lose their base with `entry`: none if the same base has another name too."""
    if not isinstance(entry, ModelItem) or not isinstance(entry.card, BaseCard):
        return []
    return inventory.adapters_of(entry.card) if len(inventory.bases_like(entry.card.fingerprint)) == 1 else []


async def _check_unused(app: BaseApp, inventory: Inventory, entry: ModelEntry) -> None:
    """Raise UserInputError while a job or another program uses the model."""
    if not isinstance(entry, ModelItem):
        return
    runs = await app.records.call(lambda wb: [run for run in wb.runs.list() if run.state == "running"])
    users = [job.title for job in app.jobs if _job_uses(job, entry, inventory)]
    users += [run.name for run in runs if _run_uses(run, entry) and run.name not in users]
    if users:
        message = _("'{name}' is at work ({titles}): wait until that is done, or stop it.")
        raise UserInputError(message.format(name=entry.name, titles=", ".join(users)))


def _job_uses(job: Job, item: IntactModel, inventory: Inventory) -> bool:
    if item.kind == "adapter":
        return job.adapter == item.name
    bases = [inventory.base_of(adapter.card) for adapter in inventory.adapters if adapter.name == job.adapter]
    return job.base == item.name or any(base is not None and base.name == item.name for base in bases)


def _run_uses(run: Run, item: IntactModel) -> bool:
    # By the fingerprint: the base may have had another name when the run started.
    return isinstance(item.card, BaseCard) and run.plan.get("base") == item.card.fingerprint
