"""What is done with a base or an adapter that is here: chosen, renamed, deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from weibo_tui.app.dialogs import ChoiceDialog, InputDialog
from weibo_tui.app.formatting import size
from weibo_tui.app.models.inventory import IntactModel, Inventory, Kind, ModelEntry, ModelItem
from weibo_tui.app.services.jobs import Job
from weibo_tui.errors import UserInputError
from weibo_tui.locale import gettext as _
from weibo_tui.locale import ngettext
from weibo_tui.registry.cards import BaseCard, check_name
from weibo_tui.storage.runs import Run
from weibo_tui.workbench import Workbench

if TYPE_CHECKING:
    from weibo_tui.app.models.screen import ModelsScreen

_MOST_NAMED = 6


async def use(screen: ModelsScreen, item: IntactModel) -> None:
    """Make it the one that is used where none is named."""
    choose = Workbench.use_base if item.kind == "base" else Workbench.use_adapter
    await screen.app.records.call(lambda bench: choose(bench, item.name))
    await screen.changed(item.kind, item.name)
    said = _("Adapters are trained on '{name}' now.") if item.kind == "base" else _("'{name}' reads the posts now.")
    screen.show_message(said.format(name=item.name), "success")


async def rename(screen: ModelsScreen, item: IntactModel) -> None:
    """Ask for another name, and give it."""
    await _check_unused(screen, item)

    def check(name: str) -> None:
        if name != item.name:
            check_free(screen.inventory, item.kind, name)

    question = _("A new name for '{name}':").format(name=item.name)
    new = await screen.app.push_screen_wait(InputDialog(question, item.name, check))
    if new is None or new == item.name:
        return
    give = Workbench.rename_base if item.kind == "base" else Workbench.rename_adapter
    await screen.app.engine.call(lambda bench: give(bench, item.name, new))  # there it may be in memory
    await screen.changed(item.kind, new)
    screen.show_message(_("'{old}' is called '{new}' now.").format(old=item.name, new=new), "success")


async def delete(screen: ModelsScreen, entry: ModelEntry) -> None:
    """Ask, and delete it."""
    await _check_unused(screen, entry)
    question = "\n".join(_about_to_delete(entry, screen.inventory))
    answers = [("keep", _("Keep it")), ("delete", _("Delete it"))]
    if await screen.app.push_screen_wait(ChoiceDialog(question, answers)) != "delete":
        return
    remove = Workbench.remove_base if entry.kind == "base" else Workbench.remove_adapter
    await screen.app.engine.call(lambda bench: remove(bench, entry.name))  # there it may be in memory
    await screen.changed(entry.kind, entry.name)
    screen.show_message(_("'{name}' is deleted.").format(name=entry.name), "success")


def check_free(inventory: Inventory, kind: Kind, name: str) -> None:
    """UserInputError for what cannot be a name, or is one already."""
    if check_name(name) in inventory.names(kind):
        raise UserInputError(_("'{name}' is there already: choose another name.").format(name=name))


def _about_to_delete(entry: ModelEntry, inventory: Inventory) -> list[str]:
    kind = _("Delete the base '{name}'{size}?") if entry.kind == "base" else _("Delete the adapter '{name}'{size}?")
    condition = entry.condition if isinstance(entry, ModelItem) else None
    said = [kind.format(name=entry.name, size="" if condition is None else f" ({size(condition.size)})")]
    if standing := _falling(entry, inventory):
        message = ngettext(
            "{n} adapter stands on it, and cannot judge without it: {names}.",
            "{n} adapters stand on it, and cannot judge without it: {names}.",
            len(standing),
        )
        names = ", ".join(standing[:_MOST_NAMED]) + (", …" if len(standing) > _MOST_NAMED else "")
        said.append(message.format(n=len(standing), names=names))
    if isinstance(entry, ModelItem) and entry.chosen:
        said.append(_("It is the one that is used where none is named."))
    said.append(_("It is gone for good then."))
    return said


def _falling(entry: ModelEntry, inventory: Inventory) -> list[str]:
    """The adapters that lose their base with it: none where the same base is here under another name too."""
    if not isinstance(entry, ModelItem) or not isinstance(entry.card, BaseCard):
        return []
    same = [item for item in inventory.bases if item.card.fingerprint == entry.card.fingerprint]
    return inventory.standing_on(entry.card) if len(same) == 1 else []


async def _check_unused(screen: ModelsScreen, entry: ModelEntry) -> None:
    """UserInputError while work goes on with it, here or in another program."""
    if not isinstance(entry, ModelItem):
        return
    runs = await screen.app.records.call(lambda bench: [run for run in bench.runs.list() if run.state == "running"])
    busy = [job.title for job in screen.app.jobs if _works_with(job, entry, screen.inventory)]
    busy += [run.name for run in runs if _stands_on(run, entry) and run.name not in busy]
    if busy:
        message = _("'{name}' is at work ({titles}): wait until that is done, or stop it.")
        raise UserInputError(message.format(name=entry.name, titles=", ".join(busy)))


def _works_with(job: Job, item: IntactModel, inventory: Inventory) -> bool:
    if item.kind == "adapter":
        return job.adapter == item.name
    judging = [inventory.base_of(adapter.card) for adapter in inventory.adapters if adapter.name == job.adapter]
    return job.base == item.name or any(base is not None and base.name == item.name for base in judging)


def _stands_on(run: Run, item: IntactModel) -> bool:
    """Whether a training was begun with this base, whatever its name was then."""
    return isinstance(item.card, BaseCard) and run.plan.get("base") == item.card.fingerprint
