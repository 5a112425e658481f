"""The prediction of what is in the prompt, in its border after each pause in typing. It is never recorded."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from weibo_tui.app.base import MainScreen
from weibo_tui.app.formatting import SIGNS, safe_line
from weibo_tui.app.predict.prompt import MAX_CHARACTERS, Prompt
from weibo_tui.display_names import label_name
from weibo_tui.presentation.numbers import confidence

if TYPE_CHECKING:
    from weibo_tui.storage.entries import Analysis
    from weibo_tui.workbench.workbench import Workbench

PAUSE_SECONDS = 0.01
"""Pause after which the text is predicted. What an input method sends at once comes faster."""
LATE_SECONDS = 0.5
"""Time after which LATE takes the place of the last prediction, as during a long step of a training."""
LATE = "…"


class LivePrediction:
    """Predicts the text of the prompt, one prediction at a time. One that a key overtakes is not shown."""

    def __init__(self, screen: MainScreen, prompt: Prompt) -> None:
        self._screen = screen
        self._prompt = prompt
        self._post = ""
        """The text to predict, empty for none."""
        self._shown = ""
        self._is_changed = False
        self._is_running = False

    def update(self) -> None:
        """Predict again. Call it when the text, the adapter or a setting changes."""
        app, post = self._screen.app, self._prompt.text
        is_wanted = app.settings.live_prediction and app.catalog.adapter and post.strip()
        self._post = post if is_wanted and len(post) <= MAX_CHARACTERS else ""
        self._is_changed = bool(self._post)
        if not self._post:
            self._show("")
        elif not self._is_running:
            self._is_running = True
            self._screen.run_task(self._run())

    async def _run(self) -> None:
        """Predict after each pause, until the text no longer changes."""
        loop = asyncio.get_running_loop()
        late = loop.call_later(LATE_SECONDS, self._show_late)
        try:
            while self._is_changed:
                self._is_changed = False
                await asyncio.sleep(PAUSE_SECONDS)
                if not self._is_changed and await self._predict():
                    late.cancel()
                    late = loop.call_later(LATE_SECONDS, self._show_late)
        finally:
            late.cancel()
            self._is_running = False

    async def _predict(self) -> bool:
        """Predict, and show the prediction unless the text has changed. Return whether it is shown."""
        try:
            analysis = await self._screen.app.engine.call(self._analyze, for_app_only=True)
        except Exception:  # it is shown when the post is sent
            analysis = None
        # The prompt may have a key whose message is still on its way.
        if analysis is not None and analysis.text != self._prompt.text:
            return False
        self._show("" if analysis is None or analysis.error is not None else _describe(analysis))
        return True

    def _analyze(self, wb: Workbench) -> Analysis | None:
        """Predict the newest text, which may be another one than when the engine was called."""
        from weibo_tui.engine.hyperparameters import ComputeOptions

        if not (post := self._post):
            return None
        adapter = self._screen.app.catalog.adapter
        # One thread, so that a core is left for the keys. For a short post, several are hardly faster.
        return next(wb.iter_predict([post], adapter, source="app", machine=ComputeOptions(threads=1)))

    def _show_late(self) -> None:
        if self._post:
            self._show(LATE)

    def _show(self, text: str) -> None:
        if text != self._shown:
            self._shown = text
            self._prompt.border_subtitle = safe_line(text)


def _describe(analysis: Analysis) -> str:
    """Return label and probability. The sign identifies the label without color."""
    sign = "?" if analysis.uncertain else SIGNS.get(analysis.label, "●")
    return f"{sign} {label_name(analysis.label)} {confidence(analysis.confidence, analysis.uncertain)}"
