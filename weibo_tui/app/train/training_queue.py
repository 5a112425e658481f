"""The queue of trainings and pretrainings: one starts when no other is in progress, in any program."""

from __future__ import annotations

import asyncio

from weibo_tui.app.base import BaseApp
from weibo_tui.app.services.jobs import Job
from weibo_tui.workbench.runs import TrainingSlot

RUN_KINDS = ("train", "pretrain")


class TrainingQueue:
    """Starts the queued jobs of the app in order. The started job has the training slot until its end."""

    def __init__(self, app: BaseApp) -> None:
        self._app = app
        self._lock = asyncio.Lock()
        self._slots: dict[Job, TrainingSlot] = {}

    async def start_next(self) -> None:
        """Start the first queued job if no training is in progress."""
        if self._lock.locked():
            return
        async with self._lock:
            if self._next() is None:
                return
            slot = await self._app.records.call(lambda wb: wb.take_training_slot())
            if slot is None:
                return
            if (job := self._next()) is None:
                slot.release()
                return
            self._slots[job] = slot
            self.start_now(job)

    def start_now(self, job: Job) -> None:
        """Start a queued job, next to others."""
        job.queued = False
        self._app.wake_workers()

    def release(self, job: Job) -> None:
        """Let the next training start. Call it when `job` is over."""
        if (slot := self._slots.pop(job, None)) is not None:
            slot.release()

    def close(self) -> None:
        """Let trainings of other programs start, because the app exits."""
        while self._slots:
            self._slots.popitem()[1].release()

    def _next(self) -> Job | None:
        """Return the job to start, None while another one of this app is in progress."""
        jobs = [job for job in self._app.jobs if job.kind in RUN_KINDS]
        if not all(job.queued for job in jobs):
            return None
        return next((job for job in jobs if not job.stopping), None)
