"""Bases and adapters: their cards, and what is done with them."""

from __future__ import annotations

from collections.abc import Coroutine, Iterable
from typing import Any

from textual.containers import Horizontal
from textual.widget import Widget

from weibo_tui.app.base import FormScreen, MainScreen
from weibo_tui.app.keymap import bindings, first_key
from weibo_tui.app.models import actions as upkeep
from weibo_tui.app.models import import_export as exchange
from weibo_tui.app.models import outside
from weibo_tui.app.models.inventory import IntactModel, Inventory, Kind, ModelEntry, ModelItem
from weibo_tui.app.models.model_card import ModelCard
from weibo_tui.app.models.model_list import ModelList
from weibo_tui.app.services.jobs import Job, JobFinished
from weibo_tui.app.services.worker import WorkerThread
from weibo_tui.app.widgets.job_progress import JobLine
from weibo_tui.errors import UserInputError
from weibo_tui.locale import N_
from weibo_tui.locale import gettext as _
from weibo_tui.registry.cards import AdapterCard, BaseCard
from weibo_tui.workbench import ImportResult


class ModelsScreen(MainScreen):
    """The list at the left, the card of what is chosen at the right; where that is too narrow, behind Enter."""

    NAME = "models"
    HELP_TEXT = N_(
        "Bases are frozen GPT-2s; adapters are small, stand on one base each, and give the verdicts. Both can be taken "
        "in from files, and written into files for other machines."
    )
    BINDINGS = bindings("models")
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (80, "-wide")]  # noqa: RUF012 - as Textual declares it
    DEFAULT_CSS = """
    ModelsScreen {
        ModelList { width: 40%; min-width: 34; max-width: 60; height: 1fr; }
        ModelCard { width: 1fr; height: 1fr; border-left: vkey $panel; }
        &.-narrow ModelCard { display: none; }
        &.-narrow ModelList { width: 1fr; max-width: 100%; }
    }
    """

    def __init__(self) -> None:
        super().__init__()
        self.inventory = Inventory()
        self._at_work: dict[Job, dict[str, str]] = {}
        """Its jobs that are not over, with what is said of some outcomes."""

    def compose_body(self) -> Iterable[Widget]:
        with Horizontal():
            yield ModelList()
            yield ModelCard()
        yield JobLine()

    def on_mount(self) -> None:
        self.watch(self.app, "catalog", self._catalog_changed)

    def on_screen_resume(self) -> None:
        # Another program may have changed something, or broken it, which the stock does not tell.
        self.run_task(self.look_anew())

    async def look_anew(self) -> None:
        """Look at what there is, in the stock and in the files."""
        await self.app.refresh_catalog()
        await self._look()

    def _catalog_changed(self) -> None:
        self.run_task(self._look(), group="look", exclusive=True)

    async def _look(self) -> None:
        catalog = self.app.catalog
        found = await self.app.records.call(lambda bench: Inventory.of(bench, catalog))
        if found != self.inventory or not self.query_one(ModelList).option_count:
            self.inventory = found
            self.query_one(ModelList).show(found)
            self._show_card()

    async def changed(self, kind: Kind, name: str) -> None:
        """Look again at what there is, after a base or an adapter changed, and put the cursor on it."""
        await self.look_anew()
        self.query_one(ModelList).select(kind, name)

    @property
    def entry(self) -> ModelEntry | None:
        """What the cursor is on."""
        return self.query_one(ModelList).entry

    @property
    def whole(self) -> IntactModel:
        """The same, in actions that `check_action` allows only where it is not damaged."""
        entry = self.entry
        assert isinstance(entry, ModelItem)
        return entry

    def on_option_list_option_highlighted(self) -> None:
        self._show_card()

    def _show_card(self) -> None:
        self.query_one(ModelCard).show(self.entry, self.inventory)
        self.refresh_bindings()

    def on_option_list_option_selected(self) -> None:
        # A click; where the card is in sight already, that is all.
        if self.has_class("-narrow"):
            self.action_open_card()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        entry = self.entry if self.query(ModelList) else None
        item = entry if isinstance(entry, ModelItem) else None
        works = {
            "use": item is not None and not item.chosen,
            "evaluate": item is not None and item.kind == "adapter",
            "train": item is not None and item.kind == "base",
            "export": item is not None,
            "rename": item is not None and not item.bundled,
            "delete": entry is not None and not entry.bundled,
            "open_card": entry is not None,
            "last": self.app.has_evaluations,
            "stop": bool(self._at_work),
            "back": bool(self.query("ModelCard:focus")),
        }
        return works.get(action, True)

    # ---- what the keys do

    def action_open_card(self) -> None:
        """Show the card on a screen of its own, or go to it where it is beside the list."""
        if self.has_class("-narrow") and (entry := self.entry) is not None:
            self.app.push_screen(ModelCardScreen(entry, self.inventory))
        else:
            self.set_focus(self.query_one(ModelCard))

    def action_back(self) -> None:
        self.set_focus(self.query_one(ModelList))

    def action_use(self) -> None:
        self._change(upkeep.use(self, self.whole))

    def action_rename(self) -> None:
        self._change(upkeep.rename(self, self.whole))

    def action_delete(self) -> None:
        if (entry := self.entry) is not None:
            self._change(upkeep.delete(self, entry))

    def action_get(self) -> None:
        self._change(outside.fetch(self))

    def action_take_base(self) -> None:
        """Take in the model folder of the original project, which the first start offers."""
        self._change(outside.take_base(self))

    def action_take_checkpoint(self) -> None:
        """Take in the original project's adapter, which the first start offers."""
        self._change(outside.take_checkpoint(self))

    def action_import(self) -> None:
        self._change(exchange.take_in(self))

    def action_export(self) -> None:
        self._change(exchange.write_out(self, self.whole))

    def action_evaluate(self) -> None:
        self._change(self._evaluate(self.whole))

    def action_train(self) -> None:
        self._change(self.app.open_training_form(self.whole.name))

    def action_pretrain(self) -> None:
        self._change(self.app.open_pretraining_form())

    def action_last(self) -> None:
        self._change(self.app.open_past_evaluation())

    def _change(self, work: Coroutine[Any, Any, None]) -> None:
        self.run_task(work, group="change", exclusive=True)

    # ---- evaluations

    async def _evaluate(self, item: IntactModel) -> None:
        assert isinstance(item.card, AdapterCard)
        if self.inventory.base_of(item.card) is None:
            message = _("'{name}' cannot judge: its base '{base}' is not here, take that in first.")
            raise UserInputError(message.format(name=item.name, base=item.card.base))
        job = await self.app.open_evaluation_form(item.card, self)
        if job is not None:
            self.start_job(job)

    # ---- jobs

    def start_job(self, job: Job, thread: WorkerThread | None = None, done: str = "", stopped: str = "") -> None:
        """Begin a job of this screen's; `done` or `stopped` is said when it is that."""
        self._at_work[job] = {"done": done, "stopped": stopped}
        self.app.start_job(job, thread)
        self._tell_last()
        self.refresh_bindings()

    def action_stop(self) -> None:
        """Stop what was begun here last."""
        list(self._at_work)[-1].stop()
        self.app.wake_workers()
        self._tell_last()

    def _tell_last(self) -> None:
        """Say how far it is what the key for it would stop."""
        self.query_one(JobLine).show(next(reversed(self._at_work), None))

    def on_job_progress(self) -> None:
        self._tell_last()

    def on_job_finished(self, message: JobFinished) -> None:
        said = self._at_work.pop(message.job, {}).get(message.job.state)
        if said:
            self.show_message(said, "success" if message.job.outcome == "done" else "information")
        self._tell_last()
        self.refresh_bindings()
        if isinstance(message.result, ImportResult):
            self.run_task(self._imported(message.result.card))

    async def _imported(self, card: BaseCard | AdapterCard) -> None:
        await self.changed("base" if isinstance(card, BaseCard) else "adapter", card.name)
        said = _("'{name}' is here.").format(name=card.name)
        if isinstance(self.entry, ModelItem) and not self.entry.chosen:
            key = first_key("models.use", self.app.keymap)
            said += " " + _("Press {key} to make it the default.").format(key=key)
        self.show_message(said, "success")


class ModelCardScreen(FormScreen[None]):
    """A card on a screen of its own, where there is no room for it beside the list."""

    def __init__(self, entry: ModelEntry, inventory: Inventory) -> None:
        super().__init__()
        self._entry = entry
        self._inventory = inventory

    def compose_body(self) -> Iterable[Widget]:
        yield ModelCard()

    def on_mount(self) -> None:
        self.query_one(ModelCard).show(self._entry, self._inventory)
