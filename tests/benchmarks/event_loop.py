"""The app at work, with a clock that ticks in its event loop: `python event_loop.py FOLDER` writes FOLDER/delays.json.

FOLDER holds `posts.csv` to train on and label, and `large.csv` to audit. For use in a terminal; see test_event_loop.py.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from weibo_tui.app import main
from weibo_tui.app.jobs import Job
from weibo_tui.app.screens.predict import PredictScreen
from weibo_tui.app.screens.train import TrainScreen
from weibo_tui.app.widgets.work_card import LabellingCard
from weibo_tui.engine.events import StepDone
from weibo_tui.engine.hyperparameters import Hyperparameters
from weibo_tui.workbench import AuditPlan, LabellingPlan, TrainingPlan, Workbench

TICK = 0.005
SETTLE, LONG, SHORT = 3.0, 20.0, 10.0  # seconds
ALONE = 150  # steps
POST = "楼下的面真好吃，下次还来"


class Director:
    """Leads the app from phase to phase, and keeps the delays of each."""

    def __init__(self, app: main.WeiboApp, folder: Path) -> None:
        self.app = app
        self.folder = folder
        self.delays: list[float] = []
        self.steps: list[float] = []
        self.found: dict[str, dict[str, Any]] = {}
        self.verdicts: list[float] = []

    async def tick(self) -> None:
        while True:
            before = time.perf_counter()
            await asyncio.sleep(TICK)
            self.delays.append(time.perf_counter() - before - TICK)

    @asynccontextmanager
    async def phase(self, name: str) -> AsyncIterator[None]:
        self.delays.clear()
        self.steps.clear()
        wall, loop, whole = time.perf_counter(), time.thread_time(), time.process_time()
        yield
        seconds = time.perf_counter() - wall
        self.found[name] = {
            "delays": list(self.delays),
            "seconds": seconds,
            "loop": (time.thread_time() - loop) / seconds,
            "cpu": (time.process_time() - whole) / seconds,
            "steps": list(self.steps),
        }

    async def direct(self) -> None:
        ticking = asyncio.create_task(self.tick())
        async with self.phase("import of torch"):
            await self.app._warm_up()
        ticking.cancel()
        await asyncio.sleep(SETTLE)
        used = time.process_time()
        await asyncio.sleep(SHORT)
        used = time.process_time() - used
        ticking = asyncio.create_task(self.tick())
        async with self.phase("idle"):
            await asyncio.sleep(SHORT)
        await self.train()
        await self.label()
        async with self.phase("audit of a large file"):
            plan = AuditPlan((self.folder / "large.csv",))
            await self.done(self.app.begin(Job("audit", "large", lambda bench: bench.audit(plan), self.app.screen)))
        ticking.cancel()
        (self.folder / "delays.json").write_text(
            json.dumps({"phases": self.found, "verdicts": self.verdicts, "idle": used})
        )
        self.app.exit()

    async def train(self) -> None:
        self.app.switch_mode("train")
        place = self.app.places["train"]
        assert isinstance(place, TrainScreen)
        job = Job("train", "measured", self.training, place)
        await asyncio.sleep(SETTLE)
        place.follow(job)
        while len(self.steps) < 20:
            await asyncio.sleep(0.1)
        async with self.phase("training, its monitor shown"):
            await asyncio.sleep(LONG)
        async with self.phase("training, a verdict a second"):
            for _second in range(int(SHORT)):
                asked = time.perf_counter()
                await self.app.engine.ask(lambda bench: list(bench.predict([POST], source="app")))
                self.verdicts.append(time.perf_counter() - asked)
                await asyncio.sleep(1.0)
        self.app.switch_mode("history")
        async with self.phase("training, another place shown"):
            await asyncio.sleep(SHORT)
        job.stop()
        self.app.nudge()
        await self.done(job)

    def training(self, bench: Workbench) -> Iterator[object]:
        training = bench.train(plan(self.folder, "measured"))
        before = time.perf_counter()
        try:
            for event in training:
                if isinstance(event, StepDone):
                    self.steps.append(time.perf_counter() - before)
                    before = time.perf_counter()
                yield event
        finally:
            training.close()  # type: ignore[attr-defined]

    async def label(self) -> None:
        self.app.switch_mode("predict")
        await asyncio.sleep(SETTLE)
        place = self.app.places["predict"]
        assert isinstance(place, PredictScreen)
        card = LabellingCard(LabellingPlan(self.folder / "posts.csv", self.folder / "labelled.csv", "mood"))
        async with self.phase("labelling a file"):
            place.conversation.append(card)
            while card.job is None:
                await asyncio.sleep(0.01)
            with suppress(TimeoutError):
                await asyncio.wait_for(self.done(card.job), LONG)

    async def done(self, job: Job) -> None:
        while job.outcome is None:
            await asyncio.sleep(0.05)


def plan(folder: Path, name: str) -> TrainingPlan:
    return TrainingPlan((folder / "posts.csv",), name, hyper=Hyperparameters(epochs=1000, max_length=64))


def train_alone(folder: Path) -> None:
    """Print how long each of the first steps of the same training takes where nobody looks."""
    with Workbench.open() as bench:
        before, left = time.perf_counter(), ALONE
        for event in bench.train(plan(folder, "alone")):
            if isinstance(event, StepDone):
                print(time.perf_counter() - before)
                before = time.perf_counter()
                left -= 1
            if not left:
                return


class Directed(main.WeiboApp):
    CSS_PATH = str(Path(main.__file__).with_name("styles.tcss"))

    def _begin_work(self) -> None:
        self.do(Director(self, Path(sys.argv[1])).direct())


if __name__ == "__main__":
    if sys.argv[2:] == ["alone"]:
        train_alone(Path(sys.argv[1]))
        sys.exit()
    main.WeiboApp = Directed  # type: ignore[misc]
    sys.exit(main.launch())
