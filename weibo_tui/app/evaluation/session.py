"""The evaluations of this session: starts them, follows their jobs, and opens their screens."""

from __future__ import annotations

from typing import Any

from textual.message_pump import MessagePump

from weibo_tui.app.base import BaseApp
from weibo_tui.app.dialogs import ChoiceDialog
from weibo_tui.app.evaluation.form import EvaluationForm
from weibo_tui.app.evaluation.screen import Evaluation, EvaluationScreen
from weibo_tui.app.explanation import user_message
from weibo_tui.app.services.jobs import Job, JobFinished, JobProgress
from weibo_tui.locale import gettext as _
from weibo_tui.registry.cards import AdapterCard

MAX_EVALUATIONS = 5
"""Evaluations in memory, each with its posts."""


class EvaluationSession:
    """Keeps the last evaluations while the app runs."""

    def __init__(self, app: BaseApp) -> None:
        self._app = app
        self.items: list[Evaluation] = []
        """The last evaluations, the newest last."""
        self._screen: EvaluationScreen | None = None
        self._form_values: dict[str, Any] = {}
        """Texts of the form when it was used last."""

    async def open_form(self, card: AdapterCard, owner: MessagePump) -> Job | None:
        """Ask for an evaluation and open its screen. Return its job, not started, or None if the form was closed."""
        config = await self._app.push_screen_wait(EvaluationForm(card, self._form_values))
        if config is None:
            return None
        job = Job("evaluate", config.adapter, lambda wb: wb.iter_evaluate(config), owner, adapter=config.adapter)
        self.items = [*self.items, Evaluation(config, job)][-MAX_EVALUATIONS:]
        self.open(self.items[-1])
        return job

    async def open_past(self) -> None:
        """Open an evaluation again. Ask which one if there are several."""
        newest_first = self.items[::-1]
        choice = "0"
        if len(newest_first) > 1:
            answers = [(str(index), f"{item.title}: {item.outcome}") for index, item in enumerate(newest_first)]
            choice = await self._app.push_screen_wait(ChoiceDialog(_("Choose an evaluation:"), answers)) or ""
        if choice:
            self.open(newest_first[int(choice)])

    def open(self, evaluation: Evaluation) -> None:
        """Open the screen of an evaluation."""
        self._screen = EvaluationScreen(evaluation)
        self._app.push_screen(self._screen)

    def update(self, message: JobProgress) -> None:
        """Process the events of a job, if it is an evaluation."""
        if (evaluation := self._find(message.job)) is not None:
            evaluation.update(message.events)
            self._refresh_screen(evaluation)

    def finish(self, message: JobFinished) -> None:
        """Process the end of a job, if it is an evaluation."""
        if (evaluation := self._find(message.job)) is not None:
            evaluation.problem = user_message(message.error) if message.error is not None else ""
            self._refresh_screen(evaluation)

    def _find(self, job: Job) -> Evaluation | None:
        return next((evaluation for evaluation in self.items if evaluation.job is job), None)

    def _refresh_screen(self, evaluation: Evaluation) -> None:
        if self._screen is not None and self._screen.is_running and self._screen.evaluation is evaluation:
            self._screen.update()
