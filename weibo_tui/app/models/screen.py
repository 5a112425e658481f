"""The models screen: bases and adapters, their cards, and the actions on them."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Sequence
from functools import partial
from typing import Any, TypeAlias

from textual.containers import Horizontal
from textual.message_pump import MessagePump
from textual.widget import Widget

from weibo_tui.app.base import BaseApp, FormScreen, MainScreen
from weibo_tui.app.keymap import bindings, first_key
from weibo_tui.app.models import actions
from weibo_tui.app.models.actions import Change, JobRequest
from weibo_tui.app.models.inventory import IntactModel, Inventory, Kind, ModelEntry, ModelItem
from weibo_tui.app.models.model_card import ModelCard
from weibo_tui.app.models.model_list import ModelList
from weibo_tui.app.services.jobs import Job, JobFinished
from weibo_tui.app.widgets.job_progress import JobLine
from weibo_tui.errors import UserInputError
from weibo_tui.locale import N_, join_sentences
from weibo_tui.locale import gettext as _
from weibo_tui.presentation.faithfulness import result_sentences
from weibo_tui.registry.cards import AdapterCard, BaseCard
from weibo_tui.workbench.core import ImportResult
from weibo_tui.workbench.faithfulness import FaithfulnessResult

Result: TypeAlias = Change | JobRequest | None
Import: TypeAlias = Callable[[BaseApp, Inventory, MessagePump], Coroutine[Any, Any, JobRequest | None]]


class ModelsScreen(MainScreen):
    """The list on the left, the selected card on the right; in a narrow window Enter opens the card."""

    NAME = "models"
    HELP_TEXT = N_(
        "Bases are frozen GPT-2 models. Adapters are small; each belongs to one base and predicts labels. "
        "Both can be imported from files and exported to files."
    )
    BINDINGS = bindings("models")
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (80, "-wide")]  # noqa: RUF012 - as Textual declares it
    DEFAULT_CSS = """
    ModelsScreen {
        ModelList { width: 40%; min-width: 34; max-width: 60; height: 1fr; }
        ModelCard { width: 1fr; height: 1fr; }
        &.-narrow ModelCard { display: none; }
        &.-narrow ModelList { width: 1fr; max-width: 100%; }
    }
    """

    def __init__(self) -> None:
        super().__init__()
        self.inventory = Inventory()
        self._requests: dict[Job, JobRequest] = {}
        """The unfinished jobs of this screen, newest last."""

    def compose_body(self) -> Iterable[Widget]:
        with Horizontal():
            yield ModelList()
            yield ModelCard(classes="pane")
        yield JobLine()

    def _show_titles(self) -> None:
        self.query_one(ModelList).border_title = _("Models")
        self.query_one(ModelCard).border_title = _("Card")

    def on_mount(self) -> None:
        self._show_titles()
        self.watch(self.app, "catalog", self._catalog_changed)

    def on_screen_resume(self) -> None:
        # Another program may have changed or broken a file, which the catalog does not notice.
        self.run_task(self.refresh_models())

    async def refresh_models(self) -> None:
        """Reload the catalog and the state of the files."""
        await self.app.refresh_catalog()
        await self._load_inventory()

    def _catalog_changed(self) -> None:
        self.run_task(self._load_inventory(), group="look", exclusive=True)

    async def _load_inventory(self) -> None:
        catalog = self.app.catalog
        inventory = await self.app.records.call(lambda wb: Inventory.load(wb, catalog))
        if inventory != self.inventory or not self.query_one(ModelList).option_count:
            self.inventory = inventory
            self.query_one(ModelList).show(inventory)
            self._show_card()

    def on_settings_changed(self) -> None:
        self._show_titles()
        self.query_one(ModelList).show(self.inventory)
        self._show_card()

    async def _select(self, kind: Kind, name: str) -> None:
        await self.refresh_models()
        self.query_one(ModelList).select(kind, name)

    @property
    def entry(self) -> ModelEntry | None:
        """The entry under the cursor."""
        return self.query_one(ModelList).entry

    @property
    def selected_item(self) -> IntactModel:
        """The same, in actions that `check_action` allows for intact models only."""
        entry = self.entry
        assert isinstance(entry, ModelItem)
        return entry

    def on_option_list_option_highlighted(self) -> None:
        self._show_card()

    def _show_card(self) -> None:
        self.query_one(ModelCard).show(self.entry, self.inventory)
        self.refresh_bindings()

    def on_option_list_option_selected(self) -> None:
        # By a click; a card next to the list is shown already.
        if self.has_class("-narrow"):
            self.action_open_card()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        entry = self.entry if self.query(ModelList) else None
        item = entry if isinstance(entry, ModelItem) else None
        allowed = {
            "use": item is not None and not item.default,
            "evaluate": item is not None and item.kind == "adapter",
            "compare": bool(self._compared),
            "mark": item is not None and item.kind == "adapter",
            "faithfulness": item is not None and item.kind == "adapter",
            "train": item is not None and item.kind == "base",
            "export": item is not None,
            "rename": item is not None and not item.bundled,
            "delete": entry is not None and not entry.bundled,
            "open_card": entry is not None,
            "last": self.app.has_evaluations,
            "stop": bool(self._requests),
            "back": bool(self.query("ModelCard:focus")),
        }
        return allowed.get(action, True)

    # ---- actions

    def action_open_card(self) -> None:
        """Show the card on its own screen, or focus it where it is next to the list."""
        if self.has_class("-narrow") and (entry := self.entry) is not None:
            self.app.push_screen(ModelCardScreen(entry, self.inventory))
        else:
            self.set_focus(self.query_one(ModelCard))

    def action_back(self) -> None:
        self.set_focus(self.query_one(ModelList))

    def action_use(self) -> None:
        self._run(partial(actions.use, self.app, self.selected_item))

    def action_rename(self) -> None:
        self._run(partial(actions.rename, self.app, self.inventory, self.selected_item))

    def action_delete(self) -> None:
        if (entry := self.entry) is not None:
            self._run(partial(actions.delete, self.app, self.inventory, entry))

    def action_export(self) -> None:
        self._run(partial(actions.export_model, self.app, self.selected_item, self))

    def action_import(self) -> None:
        self._run(partial(actions.import_model, self.app, self.inventory, self))

    def action_get(self) -> None:
        self._run(partial(actions.download_base, self.app, self.inventory, self))

    def action_take_base(self) -> None:
        """Import the base of the original project, which the first start offers."""
        self._run(partial(self._import_legacy, actions.import_legacy_base))

    def action_take_checkpoint(self) -> None:
        """Import the adapter of the original project, which the first start offers."""
        self._run(partial(self._import_legacy, actions.import_legacy_adapter))

    async def _import_legacy(self, import_: Import) -> JobRequest | None:
        await self.refresh_models()  # the screen was just opened, and the names in use are not known yet
        return await import_(self.app, self.inventory, self)

    def action_train(self) -> None:
        self._run(partial(self.app.open_training_form, self.selected_item.name))

    def action_pretrain(self) -> None:
        self._run(partial(self.app.run_screen_action, "train", "pretrain"))

    def action_evaluate(self) -> None:
        self._run(partial(self._evaluate, self.selected_item))

    def action_faithfulness(self) -> None:
        self._run(partial(self._measure_faithfulness, self.selected_item))

    async def _measure_faithfulness(self, item: IntactModel) -> JobRequest | None:
        self._check_base(item)
        return await actions.measure_faithfulness(self.app, item, self)

    async def _evaluate(self, item: IntactModel) -> JobRequest | None:
        card = self._check_base(item)
        job = await self.app.open_evaluation_form(card, self)
        return None if job is None else JobRequest(job)

    def _check_base(self, item: IntactModel) -> AdapterCard:
        """Return the card of an adapter. Raises UserInputError where its base is not installed."""
        assert isinstance(item.card, AdapterCard)
        if self.inventory.base_of(item.card) is None:
            message = _(
                "Adapter '{name}' cannot be used because its base '{base}' is not installed. Add that base first."
            )
            raise UserInputError(message.format(name=item.name, base=item.card.base))
        return item.card

    @property
    def _compared(self) -> list[str]:
        """The adapters to compare: the marked ones, otherwise the selected one."""
        if not self.query(ModelList):
            return []
        entry = self.entry
        selected = [entry.name] if isinstance(entry, ModelItem) and entry.kind == "adapter" else []
        return self.query_one(ModelList).marked or selected

    def action_mark(self) -> None:
        """Mark the selected adapter to compare it, or remove its mark."""
        self.query_one(ModelList).toggle_mark()
        self.refresh_bindings()

    def action_compare(self) -> None:
        self._run(partial(self._compare, self._compared))

    async def _compare(self, adapters: Sequence[str]) -> JobRequest | None:
        job = await self.app.open_comparison_form(adapters, None, self)
        return None if job is None else JobRequest(job)

    def action_last(self) -> None:
        self._run(self.app.open_past_evaluation)

    def _run(self, action: Callable[[], Coroutine[Any, Any, Result]]) -> None:
        self.run_task(self._finish(action), group="change", exclusive=True)

    async def _finish(self, action: Callable[[], Coroutine[Any, Any, Result]]) -> None:
        result = await action()
        if isinstance(result, JobRequest):
            self._start(result)
        elif result is not None:
            await self._select(result.kind, result.name)
            self.show_message(result.message, "success")

    # ---- jobs

    def _start(self, request: JobRequest) -> None:
        self._requests[request.job] = request
        self.app.start_job(request.job, request.worker)
        self._show_job()
        self.refresh_bindings()

    def action_stop(self) -> None:
        """Stop the newest job of this screen."""
        list(self._requests)[-1].stop()
        self.app.wake_workers()
        self._show_job()

    def _show_job(self) -> None:
        # The job that the key would stop.
        self.query_one(JobLine).show(next(reversed(self._requests), None))

    def on_job_progress(self) -> None:
        self._show_job()

    def on_job_finished(self, message: JobFinished) -> None:
        request = self._requests.pop(message.job, None)
        if request is not None and message.job.outcome == "done" and request.done:
            self.show_message(request.done, "success")
        elif request is not None and message.job.outcome == "stopped" and request.stopped:
            self.show_message(request.stopped)
        elif isinstance(message.result, FaithfulnessResult):
            self._show_faithfulness(message.result)
        self._show_job()
        self.refresh_bindings()
        if isinstance(message.result, ImportResult):
            self.run_task(self._show_imported(message.result.card))

    def _show_faithfulness(self, result: FaithfulnessResult) -> None:
        self.show_message(join_sentences(*result_sentences(result)), "success")

    async def _show_imported(self, card: BaseCard | AdapterCard) -> None:
        await self._select("base" if isinstance(card, BaseCard) else "adapter", card.name)
        sentences = [_("'{name}' is ready.").format(name=card.name)]
        if isinstance(self.entry, ModelItem) and not self.entry.default:
            key = first_key("models.use", self.app.keymap)
            sentences.append(_("Press {key} to make it the default.").format(key=key))
        self.show_message(join_sentences(*sentences), "success")


class ModelCardScreen(FormScreen[None]):
    """A card on its own screen, for narrow windows."""

    def __init__(self, entry: ModelEntry, inventory: Inventory) -> None:
        super().__init__()
        self._entry = entry
        self._inventory = inventory

    def compose_body(self) -> Iterable[Widget]:
        yield ModelCard()

    def on_mount(self) -> None:
        self.query_one(ModelCard).show(self._entry, self._inventory)
