"""Bases from the Hub, and what the original project left in the folder that the program was started in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from weibo_tui.app.dialogs import InputDialog
from weibo_tui.app.forms.hyperparameter_fields import name_after
from weibo_tui.app.services.jobs import Job
from weibo_tui.errors import UserInputError
from weibo_tui.locale import gettext as _
from weibo_tui.workbench.downloads import BASE, BASE_SIZE, check_name, endpoint
from weibo_tui.workbench.legacy_project import LegacyProject

if TYPE_CHECKING:
    from weibo_tui.app.models.screen import ModelsScreen


async def fetch(screen: ModelsScreen) -> None:
    """Ask for a repository, and fetch the base in it."""

    def check(typed: str) -> None:
        check_name(repository := typed.strip())
        if (card := screen.app.catalog.base_from(repository)) is not None:
            raise UserInputError(_("It is here already, as '{name}'.").format(name=card.name))
        if any(repository in (job.title, job.base) for job in screen.app.jobs):
            raise UserInputError(_("It is being fetched already."))

    question = [
        _("Which GPT-2, by its repository on the Hub? {base} takes {size} MB.").format(
            base=BASE, size=BASE_SIZE // 10**6
        ),
        _("It is fetched once, from {address}; nothing else is sent. HF_ENDPOINT names a mirror.").format(
            address=endpoint()
        ),
    ]
    typed = await screen.app.push_screen_wait(InputDialog("\n".join(question), BASE, check))
    if typed is None:
        return
    repository = typed.strip()
    name = name_after(repository.rpartition("/")[2], "base", screen.inventory.names("base"))
    screen.start_job(
        Job("fetch", repository, lambda bench: bench.get_base(repository, name), screen),
        screen.app.hub,
        stopped=_("Stopped. What has come of {repository} is kept: the next fetch goes on there.").format(
            repository=repository
        ),
    )


async def take_base(screen: ModelsScreen) -> None:
    """Take in the model folder that the original project left."""
    folder = (await _originals(screen)).base
    if folder is None:
        raise UserInputError(_("It is not here any more."))
    take_folder(screen, folder, name_after(folder.name, "base", screen.inventory.names("base")))


def take_folder(screen: ModelsScreen, folder: Path, name: str) -> None:
    """Take in a Hugging Face folder as the base `name`. Neither verdicts nor the history are to wait for it."""
    screen.start_job(Job("import", name, lambda bench: bench.import_folder(folder, name), screen), screen.app.hub)


async def take_checkpoint(screen: ModelsScreen) -> None:
    """Take in the adapter that the original project left, on the base that it left, else on the default one."""
    found = await _originals(screen)
    checkpoint = found.checkpoint
    if checkpoint is None:
        raise UserInputError(_("It is not here any more."))
    base = screen.app.catalog.base_of(found) or screen.app.catalog.base
    name = name_after(checkpoint.stem, "adapter", screen.inventory.names("adapter"))
    job = Job("import", name, lambda bench: bench.import_original(checkpoint, name, base), screen, base=base)
    screen.start_job(job, screen.app.hub)


async def _originals(screen: ModelsScreen) -> LegacyProject:
    # The inventory, of which the names that are taken come, is perhaps not looked at yet: this place was just opened.
    await screen.look_anew()
    return await screen.app.records.call(lambda _bench: LegacyProject.find())
