"""Bases and adapters from files and into files: asked for, recognised, and done as jobs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from weibo_tui.app.dialogs import ChoiceDialog, InputDialog
from weibo_tui.app.explanation import explain
from weibo_tui.app.formatting import percent
from weibo_tui.app.forms.hyperparameter_fields import name_after
from weibo_tui.app.forms.path_dialog import PathDialog
from weibo_tui.app.models.actions import check_free
from weibo_tui.app.models.inventory import IntactModel, Inventory, Kind
from weibo_tui.app.models.outside import take_folder
from weibo_tui.app.services.jobs import Job
from weibo_tui.errors import UserInputError, WeiboTuiError
from weibo_tui.locale import gettext as _
from weibo_tui.registry.cards import AdapterCard, BaseCard
from weibo_tui.workbench import Workbench
from weibo_tui.workbench.recognition import recognise

if TYPE_CHECKING:
    from weibo_tui.app.models.screen import ModelsScreen

_LONGEST = 60
"""Characters of a name from outside that a question tells."""
_MOST_LABELS = 12
_ENDINGS = (".zip", ".tar.gz", ".tgz")


async def write_out(screen: ModelsScreen, item: IntactModel) -> None:
    """Ask for a file, and write a base or an adapter into it."""
    question = _("Where to write '{name}' (.zip or .tar.gz):").format(name=item.name)
    dialog = PathDialog(question, f"{item.name}.zip", save=True, suffixes=_ENDINGS, check=_check_ending)
    out = await screen.app.push_screen_wait(dialog)
    if out is None:
        return
    export = Workbench.export_base if item.kind == "base" else Workbench.export_adapter
    job = Job(
        "export",
        item.name,
        lambda bench: export(bench, item.name, out, dialog.overwrite),
        screen,
        base=item.name if item.kind == "base" else "",
        adapter=item.name if item.kind == "adapter" else "",
    )
    screen.start_job(job, screen.app.records, done=_("{path} is written.").format(path=out))


async def take_in(screen: ModelsScreen) -> None:
    """Ask for a file or a folder, show what it is, and take it in."""
    question = _("An exported adapter or base (.zip, .tar.gz or its folder), or a Hugging Face folder of a GPT-2:")
    source = await screen.app.push_screen_wait(PathDialog(question, folders=True, suffixes=_ENDINGS))
    if source is None:
        return
    card = await screen.app.records.call(lambda _bench: recognise(source))
    answers = [("take", _("Take it in")), ("leave", _("Leave it"))]
    if await screen.app.push_screen_wait(ChoiceDialog(_about(card, source, screen.inventory), answers)) != "take":
        return
    kind: Kind = "adapter" if isinstance(card, AdapterCard) else "base"
    suggested = (
        card.name if card is not None else name_after(source.absolute().name, "base", screen.inventory.names("base"))
    )
    name = await _name(screen, kind, suggested, ask=card is None)
    if name is None:
        return
    if isinstance(card, AdapterCard):
        job = Job("import", name, lambda bench: bench.import_adapter(source, name), screen)
        screen.start_job(job, screen.app.records)
    elif card is not None:
        # Its fingerprint is made anew, which needs torch.
        screen.start_job(Job("import", name, lambda bench: bench.import_base(source, name), screen))
    else:
        take_folder(screen, source, name)


async def _name(screen: ModelsScreen, kind: Kind, name: str, ask: bool) -> str | None:
    """The name it is to have: its own, unless that is taken, or cannot be one."""
    problem = ""
    try:
        check_free(screen.inventory, kind, name)
    except WeiboTuiError as error:
        problem = explain(error)
    if not problem and not ask:
        return name
    question = problem or _("A name for it:")
    return await screen.app.push_screen_wait(
        InputDialog(question, name[:64], lambda typed: check_free(screen.inventory, kind, typed))
    )


def _about(card: AdapterCard | BaseCard | None, source: Path, inventory: Inventory) -> str:
    """What was found, in a few lines."""
    if card is None:
        said = [_("A model of Hugging Face's layout; nothing in it is executed: {path}").format(path=source)]
    elif isinstance(card, BaseCard):
        said = [
            _("The base '{name}', {parameters} parameters.").format(
                name=card.name[:_LONGEST], parameters=f"{card.parameters:,}"
            )
        ]
        if same := [item.name for item in inventory.bases if item.card.fingerprint == card.fingerprint]:
            said.append(_("The same base is here already: {names}.").format(names=", ".join(same)))
    else:
        said = [_("The adapter '{name}'.").format(name=card.name[:_LONGEST])]
        labels = ", ".join(label[:_LONGEST] for label in card.labels[:_MOST_LABELS])
        said.append(_("Labels: {labels}").format(labels=labels + (", …" if len(card.labels) > _MOST_LABELS else "")))
        if isinstance(accuracy := card.score.get("accuracy"), float) and 0 <= accuracy <= 1:
            said.append(_("Accuracy by its card: {share}").format(share=percent(accuracy)))
        base = inventory.base_of(card)
        if base is not None:
            said.append(_("It stands on the base '{base}', which is here.").format(base=base.name))
        else:
            message = _("It stands on the base '{base}' ({fingerprint}…), which is not here: take that in too.")
            said.append(message.format(base=card.base[:_LONGEST], fingerprint=card.base_fingerprint[:12]))
    return "\n".join(said)


def _check_ending(path: Path) -> None:
    if not path.name.endswith(_ENDINGS):
        raise UserInputError(_("{out} must end in .zip or .tar.gz.").format(out=path))
