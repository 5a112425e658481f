"""The app at work, with a clock that ticks in its event loop. For use in a terminal of its own; see `ui`."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Generator, Iterator, Sequence
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path

from weibo_tui.app import app as main
from weibo_tui.app.predict.job_card import LabelingCard
from weibo_tui.app.predict.screen import PredictScreen
from weibo_tui.app.services.jobs import Job
from weibo_tui.app.train.screen import TrainScreen
from weibo_tui.bench.measuring import Measured
from weibo_tui.engine.events import StepDone
from weibo_tui.engine.hyperparameters import Hyperparameters
from weibo_tui.errors import WeiboTuiError
from weibo_tui.locale import gettext as _
from weibo_tui.workbench import AuditPlan, ComputeOptions, LabelingConfig, TrainingConfig, Workbench
from weibo_tui.workbench.home import STARTER_ADAPTER, STARTER_BASE

TICK = 0.005
SETTLE = 3.0  # seconds
FIRST_STEPS = 20
"""Steps of a training before it is looked at: the first ones are slower."""
POST = "楼下的面真好吃，下次还来"
CPU = ComputeOptions("cpu")
AT = {"p50": 0.50, "p95": 0.95, "p99": 0.99, "max": 1.0}


def in_the_app(folder: str, seconds: float) -> Measured:
    """The app from its first screen on, in phases of so many seconds; `folder` holds `posts.csv`, to train on and to
    label, and `large.csv`, to audit.

    Of each phase (import, idle, training, verdicts, elsewhere, labelling, audit): `<phase> p50`, `p95`, `p99` and
    `max`, milliseconds that the event loop was late; `<phase> loop` and `<phase> process`, the CPU of its thread and
    of all, in % of a core. Then `step`, milliseconds of a training step with its monitor shown, `verdict`, of one
    asked for meanwhile, and `idle cpu`, % of a core that the app takes where nothing happens and no clock ticks."""
    app = _Directed(Path(folder), seconds)
    app.run()
    app.stop_workers()
    if app.fault is not None:
        raise app.fault
    print()  # behind what gives the terminal back
    return app.found


def without_the_app(folder: str, steps: int) -> Measured:
    """`step`, milliseconds of a step of the same training where nobody looks."""
    found: list[float] = []
    with Workbench.open() as bench, closing(_timed(_training(bench, Path(folder)), found)) as events:
        while len(found) < FIRST_STEPS + steps:
            next(events)
    return {"step": _milliseconds(found[FIRST_STEPS:], "p50")}


class _Directed(main.WeiboApp):
    CSS_PATH = str(Path(main.__file__).with_name("styles.tcss"))

    def __init__(self, folder: Path, seconds: float) -> None:
        super().__init__()
        self.found: dict[str, float] = {}
        self.fault: Exception | None = None
        self._director = _Director(self, folder, seconds)

    def _load(self) -> None:
        self.run_task(self._direct())

    async def _direct(self) -> None:
        try:
            async with self._director.phase("import"):
                await self._warm_up()
            await self._director.direct()
            self.found = self._director.found
        except Exception as error:
            self.fault = error
        self.exit()


class _Director:
    """Leads the app from phase to phase, and keeps what is found in each."""

    def __init__(self, app: main.WeiboApp, folder: Path, seconds: float) -> None:
        self.found: dict[str, float] = {}
        self._app = app
        self._folder = folder
        self._seconds = seconds
        self._steps: list[float] = []

    @asynccontextmanager
    async def phase(self, name: str) -> AsyncIterator[None]:
        """Let the clock tick for the length of the block, and keep how late it was."""
        late: list[float] = []
        wall, loop, process = time.perf_counter(), time.thread_time(), time.process_time()
        ticking = asyncio.create_task(_tick(late))
        yield
        while not late:
            await asyncio.sleep(TICK)
        ticking.cancel()
        seconds = time.perf_counter() - wall
        for figure in AT:
            self.found[f"{name} {figure}"] = _milliseconds(late, figure)
        self.found[f"{name} loop"] = 100 * (time.thread_time() - loop) / seconds
        self.found[f"{name} process"] = 100 * (time.process_time() - process) / seconds

    async def direct(self) -> None:
        await asyncio.sleep(SETTLE)
        used = time.process_time()
        await asyncio.sleep(self._seconds)
        self.found["idle cpu"] = 100 * (time.process_time() - used) / self._seconds
        async with self.phase("idle"):
            await asyncio.sleep(self._seconds)
        await self._train()
        await self._label()
        async with self.phase("audit"):
            plan = AuditPlan((self._folder / "large.csv",))
            await _end_of(self._app.start_job(Job("audit", "large", lambda bench: bench.audit(plan), self._app.screen)))

    async def _train(self) -> None:
        self._app.switch_mode("train")
        place = self._app.main_screens["train"]
        assert isinstance(place, TrainScreen)
        job = Job("train", "measured", lambda bench: _timed(_training(bench, self._folder), self._steps), place)
        await asyncio.sleep(SETTLE)
        place.follow(job)
        await self._come_to_step(FIRST_STEPS, job)
        self._steps.clear()
        async with self.phase("training"):
            await asyncio.sleep(self._seconds)
            await self._come_to_step(1, job)
        self.found["step"] = _milliseconds(self._steps, "p50")
        verdicts = []
        async with self.phase("verdicts"):
            for _second in range(max(int(self._seconds), 1)):
                asked = time.perf_counter()
                await self._app.engine.call(lambda bench: list(bench.predict([POST], source="app")))
                verdicts.append(time.perf_counter() - asked)
                await asyncio.sleep(1.0)
        self.found["verdict"] = _milliseconds(verdicts, "p50")
        self._app.switch_mode("history")
        async with self.phase("elsewhere"):
            await asyncio.sleep(self._seconds)
        job.stop()
        self._app.wake_workers()
        await _end_of(job)

    async def _come_to_step(self, number: int, job: Job) -> None:
        while len(self._steps) < number:
            await asyncio.sleep(0.1)
            if job.outcome is not None:
                raise WeiboTuiError(_("The training ended before it could be measured."))

    async def _label(self) -> None:
        self._app.switch_mode("predict")
        await asyncio.sleep(SETTLE)
        place = self._app.main_screens["predict"]
        assert isinstance(place, PredictScreen)
        # Of this round: one that is there from the last would be gone on with, or refused.
        out = self._folder / f"labelled-{os.getpid()}.csv"
        card = LabelingCard(LabelingConfig(self._folder / "posts.csv", out, STARTER_ADAPTER, machine=CPU))
        async with self.phase("labelling"):
            place.prediction_list.append(card)
            while card.job is None:
                await asyncio.sleep(0.01)
            with suppress(TimeoutError):
                await asyncio.wait_for(_end_of(card.job), self._seconds)


def _training(bench: Workbench, folder: Path) -> Iterator[object]:
    hyper = Hyperparameters(epochs=1000)
    return bench.train(TrainingConfig((folder / "posts.csv",), "measured", STARTER_BASE, hyper=hyper, machine=CPU))


def _timed(events: Iterator[object], found: list[float]) -> Generator[object, None, None]:
    """The events of a training, and in `found` the seconds of each step."""
    before = time.perf_counter()
    try:
        for event in events:
            if isinstance(event, StepDone):
                found.append(time.perf_counter() - before)
                before = time.perf_counter()
            yield event
    finally:
        events.close()  # type: ignore[attr-defined]  # all long work is a generator


async def _tick(late: list[float]) -> None:
    while True:
        before = time.perf_counter()
        await asyncio.sleep(TICK)
        late.append(time.perf_counter() - before - TICK)


async def _end_of(job: Job) -> None:
    while job.outcome is None:
        await asyncio.sleep(0.05)


def _milliseconds(seconds: Sequence[float], figure: str) -> float:
    """One of the figures of AT, in milliseconds."""
    in_order = sorted(seconds)
    return 1000 * in_order[round(AT[figure] * (len(in_order) - 1))]
