"""The evaluations and comparisons of this session: starts them, follows their jobs, and opens their screens."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

from textual.message_pump import MessagePump

from weibo_tui.app.base import BaseApp
from weibo_tui.app.dialogs import ChoiceDialog
from weibo_tui.app.evaluation.comparison_form import ComparisonForm
from weibo_tui.app.evaluation.comparison_screen import Comparison, ComparisonScreen
from weibo_tui.app.evaluation.form import EvaluationForm
from weibo_tui.app.evaluation.screen import Evaluation, EvaluationScreen
from weibo_tui.app.explanation import user_message
from weibo_tui.app.services.jobs import Job, JobFinished, JobProgress
from weibo_tui.locale import gettext as _
from weibo_tui.registry.cards import AdapterCard

MAX_EVALUATIONS = 5
"""Evaluations and comparisons in memory, each with its posts."""

Item: TypeAlias = Evaluation | Comparison


class EvaluationSession:
    """Keeps the last evaluations while the app runs."""

    def __init__(self, app: BaseApp) -> None:
        self._app = app
        self.items: list[Item] = []
        """The last evaluations and comparisons, the newest last."""
        self._opened: Item | None = None
        self._screen: EvaluationScreen | ComparisonScreen | None = None
        """The screen of `_opened`."""
        self._form_values: dict[str, Any] = {}
        self._comparison_values: dict[str, Any] = {}
        """Texts of the forms when they were used last."""

    async def open_form(self, card: AdapterCard, owner: MessagePump) -> Job | None:
        """Ask for an evaluation and open its screen. Return its job, not started, or None if the form was closed."""
        config = await self._app.push_screen_wait(EvaluationForm(card, self._form_values))
        if config is None:
            return None
        job = Job("evaluate", config.adapter, lambda wb: wb.iter_evaluate(config), owner, adapter=config.adapter)
        self._add(Evaluation(config, job))
        return job

    async def open_comparison_form(self, adapters: Sequence[str], data: Path | None, owner: MessagePump) -> Job | None:
        """Ask for a comparison and open its screen. Return its job, not started, or None if the form was closed."""
        if data is not None:
            self._comparison_values["file"] = str(data)
        form = ComparisonForm(self._with_default(adapters), self._comparison_values)
        config = await self._app.push_screen_wait(form)
        if config is None:
            return None
        first, *others = config.adapters or ("",)
        title = config.data.name
        job = Job("compare", title, lambda wb: wb.iter_compare(config), owner, "", first, tuple(others))
        self._add(Comparison(config, job))
        return job

    def _with_default(self, adapters: Sequence[str]) -> Sequence[str]:
        """Return the adapters, and after a single one the default adapter if that is another with the same labels."""
        catalog = self._app.catalog
        cards = {name: catalog.card(name) for name in (*adapters, catalog.adapter)}
        labels = {frozenset(card.labels) if card else None for card in cards.values()}
        return tuple(cards) if len(adapters) == 1 and len(labels) == 1 and None not in labels else adapters

    def _add(self, item: Item) -> None:
        self.items = [*self.items, item][-MAX_EVALUATIONS:]
        self.open(item)

    async def open_past(self) -> None:
        """Open an evaluation or a comparison again. Ask which one if there are several."""
        newest_first = self.items[::-1]
        choice = "0"
        if len(newest_first) > 1:
            answers = [(str(index), f"{item.title}: {item.outcome}") for index, item in enumerate(newest_first)]
            choice = await self._app.push_screen_wait(ChoiceDialog(_("Choose an evaluation:"), answers)) or ""
        if choice:
            self.open(newest_first[int(choice)])

    def open(self, item: Item) -> None:
        """Open the screen of an evaluation or a comparison."""
        self._opened = item
        self._screen = EvaluationScreen(item) if isinstance(item, Evaluation) else ComparisonScreen(item)
        self._app.push_screen(self._screen)

    def update(self, message: JobProgress) -> None:
        """Process the events of a job, if it is one of these."""
        if (item := self._find(message.job)) is not None:
            item.update(message.events)
            self._refresh_screen(item)

    def finish(self, message: JobFinished) -> None:
        """Process the end of a job, if it is one of these."""
        if (item := self._find(message.job)) is not None:
            item.problem = user_message(message.error) if message.error is not None else ""
            self._refresh_screen(item)

    def _find(self, job: Job) -> Item | None:
        return next((item for item in self.items if item.job is job), None)

    def _refresh_screen(self, item: Item) -> None:
        if self._screen is not None and self._screen.is_running and self._opened is item:
            self._screen.update()
