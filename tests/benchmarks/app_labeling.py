"""Label a file in the app and on the command line. The app needs a terminal of its own; see `suites`."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path

from benchmarks.runner import Figures, run_process, temp_home
from benchmarks.scripted_app import ScriptedApp

from weibo_tui import LabelingConfig
from weibo_tui.app.predict.job_card import LabelingCard
from weibo_tui.app.predict.screen import PredictScreen
from weibo_tui.errors import WeiboTuiError

POLL_SECONDS = 0.25


def label_in_app(file: str, out: str) -> Figures:
    """Return the `rate` in posts a second at which the default adapter labels a file in the app, and the CPU time of
    its event loop, `loop`, in % of a core."""
    return _LabelingApp(LabelingConfig(Path(file), Path(out))).measure()


def label_on_command_line(file: str, out: str) -> Figures:
    """Return the `rate` of `predict --file`."""
    command = [sys.executable, "-m", "weibo_tui", "predict", "--file", file, "--out", out, "--json"]
    with temp_home() as environment:
        result = json.loads(run_process("predict --file", command, environment))
    return {"rate": result["posts_per_second"]}


class _LabelingApp(ScriptedApp):
    def __init__(self, config: LabelingConfig) -> None:
        super().__init__()
        self._config = config

    async def script(self) -> Figures:
        await self._warm_up()
        assert isinstance(self.screen, PredictScreen)
        card = LabelingCard(self._config)
        self.screen.prediction_list.append(card)
        wall, loop = time.perf_counter(), time.thread_time()
        while card.busy:
            await asyncio.sleep(POLL_SECONDS)
        share = 100 * (time.thread_time() - loop) / (time.perf_counter() - wall)
        if card.result is None:
            raise WeiboTuiError(card.failure)
        return {"rate": card.result.posts_per_second, "loop": share}
