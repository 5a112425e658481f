"""Explanations of posts for all screens: computed in small steps in the engine's thread, and kept for a while."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, cast

from weibo_tui.app.services.worker import WorkerThread
from weibo_tui.progress import Progress

if TYPE_CHECKING:
    from weibo_tui.workbench.explanation import Explanation
    from weibo_tui.workbench.workbench import Workbench

MAX_KEPT = 50


class ExplainedPost(NamedTuple):
    """A post, and the adapter whose prediction is explained."""

    text: str
    adapter: str


class Explanations:
    """Explains posts, and keeps the last explanations."""

    def __init__(self, engine: WorkerThread) -> None:
        self._engine = engine
        self._kept: dict[tuple[ExplainedPost, bool], Explanation] = {}

    def find(self, post: ExplainedPost, shapley: bool = False) -> Explanation | None:
        """Return the explanation of a post if it was explained before."""
        return self._kept.get((post, shapley))

    def clear(self) -> None:
        """Forget all explanations."""
        self._kept.clear()

    async def explain(
        self, post: ExplainedPost, shapley: bool = False, show: Callable[[Progress], None] = lambda _progress: None
    ) -> Explanation:
        """Explain a post, `shapley` with the Shapley values of its units. `show` gets the progress.

        Predictions and the steps of a training come in between. A cancelled call ends after its present step."""
        if (known := self.find(post, shapley)) is not None:
            return known
        events = await self._engine.call(partial(_start, post=post, shapley=shapley), for_app_only=True)
        while True:
            event = await self._engine.call(lambda _wb: next(events), for_app_only=True)
            if not isinstance(event, Progress):
                break
            show(event)
        explanation = cast("Explanation", event)
        self._kept = dict([*self._kept.items(), ((post, shapley), explanation)][-MAX_KEPT:])
        return explanation


def _start(wb: Workbench, post: ExplainedPost, shapley: bool) -> Iterator[object]:
    return iter(wb.iter_explain(post.text, post.adapter, shapley=shapley))
