"""Run the app at its work with a clock that ticks in its event loop. Needs a terminal of its own; see `suites`."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Generator, Iterator, Sequence
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path

from benchmarks.runner import Figures
from benchmarks.scripted_app import ScriptedApp

from weibo_tui import AuditConfig, ComputeOptions, LabelingConfig, TrainingConfig, Workbench
from weibo_tui.app.app import WeiboApp
from weibo_tui.app.predict.job_card import LabelingCard
from weibo_tui.app.predict.screen import PredictScreen
from weibo_tui.app.services.jobs import Job
from weibo_tui.app.train.screen import TrainScreen
from weibo_tui.engine.events import StepDone
from weibo_tui.engine.hyperparameters import Hyperparameters
from weibo_tui.errors import WeiboTuiError

TICK = 0.005
SETTLE_SECONDS = 3.0
WARM_UP_STEPS = 20
POST = "楼下的面真好吃，下次还来"
CPU = ComputeOptions("cpu")
QUANTILES = {"p50": 0.50, "p95": 0.95, "p99": 0.99, "max": 1.0}


def run_app(folder: str, seconds: float) -> Figures:
    """Run the app from its first screen on, in phases of `seconds`; `folder` holds `posts.csv`, to train on and to
    label, and `large.csv`, to audit.

    Return for each phase (import, idle, training, predictions, elsewhere, labeling, audit): `<phase> p50`, `p95`, `p99`
    and `max`, the delay of the event loop in milliseconds; `<phase> loop` and `<phase> process`, the CPU of its thread
    and of all, in % of a core. Then `step`, milliseconds of a training step with its monitor shown, `prediction`, of
    a post during the training, and `idle cpu`, % of a core that the idle app takes without the clock."""
    return _DirectedApp(Path(folder), seconds).measure()


def train_alone(folder: str, steps: int) -> Figures:
    """Return `step`, milliseconds of a step of the same training without the app."""
    times: list[float] = []
    with Workbench() as workbench, closing(_time_steps(_train(workbench, Path(folder)), times)) as events:
        while len(times) < WARM_UP_STEPS + steps:
            next(events)
    return {"step": _milliseconds(times[WARM_UP_STEPS:], "p50")}


class _DirectedApp(ScriptedApp):
    def __init__(self, folder: Path, seconds: float) -> None:
        super().__init__()
        self._director = _Director(self, folder, seconds)

    async def script(self) -> Figures:
        async with self._director.phase("import"):
            await self._warm_up()
        await self._director.direct()
        return self._director.figures


class _Director:
    """Lead the app from phase to phase and collect the figures of each."""

    def __init__(self, app: WeiboApp, folder: Path, seconds: float) -> None:
        self.figures: dict[str, float] = {}
        self._app = app
        self._folder = folder
        self._seconds = seconds
        self._steps: list[float] = []

    @asynccontextmanager
    async def phase(self, name: str) -> AsyncIterator[None]:
        """Let the clock tick for the length of the block and record its delays."""
        late: list[float] = []
        wall, loop, process = time.perf_counter(), time.thread_time(), time.process_time()
        ticking = asyncio.create_task(_tick(late))
        yield
        while not late:
            await asyncio.sleep(TICK)
        ticking.cancel()
        seconds = time.perf_counter() - wall
        for figure in QUANTILES:
            self.figures[f"{name} {figure}"] = _milliseconds(late, figure)
        self.figures[f"{name} loop"] = 100 * (time.thread_time() - loop) / seconds
        self.figures[f"{name} process"] = 100 * (time.process_time() - process) / seconds

    async def direct(self) -> None:
        await asyncio.sleep(SETTLE_SECONDS)
        used = time.process_time()
        await asyncio.sleep(self._seconds)
        self.figures["idle cpu"] = 100 * (time.process_time() - used) / self._seconds
        async with self.phase("idle"):
            await asyncio.sleep(self._seconds)
        await self._train()
        await self._label()
        async with self.phase("audit"):
            plan = AuditConfig((self._folder / "large.csv",))
            job = Job("audit", "large", lambda workbench: workbench.iter_audit(plan), self._app.screen)
            await _wait_for(self._app.start_job(job))

    async def _train(self) -> None:
        self._app.switch_mode("train")
        screen = self._app.main_screens["train"]
        assert isinstance(screen, TrainScreen)

        def train(workbench: Workbench) -> Generator[object, None, None]:
            return _time_steps(_train(workbench, self._folder), self._steps)

        job = Job("train", "measured", train, screen)
        await asyncio.sleep(SETTLE_SECONDS)
        screen.follow(job)
        await self._wait_for_step(WARM_UP_STEPS, job)
        self._steps.clear()
        async with self.phase("training"):
            await asyncio.sleep(self._seconds)
            await self._wait_for_step(1, job)
        self.figures["step"] = _milliseconds(self._steps, "p50")
        times = []
        async with self.phase("predictions"):
            for _second in range(max(int(self._seconds), 1)):
                began = time.perf_counter()
                await self._app.engine.call(lambda workbench: list(workbench.iter_predict([POST], source="app")))
                times.append(time.perf_counter() - began)
                await asyncio.sleep(1.0)
        self.figures["prediction"] = _milliseconds(times, "p50")
        self._app.switch_mode("history")
        async with self.phase("elsewhere"):
            await asyncio.sleep(self._seconds)
        job.stop()
        self._app.wake_workers()
        await _wait_for(job)

    async def _wait_for_step(self, number: int, job: Job) -> None:
        while len(self._steps) < number:
            await asyncio.sleep(0.1)
            if job.outcome is not None:
                raise WeiboTuiError("The training ended too early.")

    async def _label(self) -> None:
        self._app.switch_mode("predict")
        await asyncio.sleep(SETTLE_SECONDS)
        screen = self._app.main_screens["predict"]
        assert isinstance(screen, PredictScreen)
        # A file of the round before would be continued or refused.
        out = self._folder / f"labeled-{os.getpid()}.csv"
        card = LabelingCard(LabelingConfig(self._folder / "posts.csv", out, machine=CPU))
        async with self.phase("labeling"):
            screen.prediction_list.append(card)
            while card.job is None:
                await asyncio.sleep(0.01)
            with suppress(TimeoutError):
                await asyncio.wait_for(_wait_for(card.job), self._seconds)


def _train(workbench: Workbench, folder: Path) -> Iterator[object]:
    hyper = Hyperparameters(epochs=1000)
    return workbench.iter_train(TrainingConfig((folder / "posts.csv",), "measured", hyper=hyper, machine=CPU))


def _time_steps(events: Iterator[object], times: list[float]) -> Generator[object, None, None]:
    """Yield the events of a training, and append the seconds of each step to `times`."""
    before = time.perf_counter()
    try:
        for event in events:
            if isinstance(event, StepDone):
                times.append(time.perf_counter() - before)
                before = time.perf_counter()
            yield event
    finally:
        events.close()  # type: ignore[attr-defined]  # all long work is a generator


async def _tick(late: list[float]) -> None:
    while True:
        before = time.perf_counter()
        await asyncio.sleep(TICK)
        late.append(time.perf_counter() - before - TICK)


async def _wait_for(job: Job) -> None:
    while job.outcome is None:
        await asyncio.sleep(0.05)


def _milliseconds(seconds: Sequence[float], figure: str) -> float:
    """Return one of the quantiles in milliseconds."""
    in_order = sorted(seconds)
    return 1000 * in_order[round(QUANTILES[figure] * (len(in_order) - 1))]
