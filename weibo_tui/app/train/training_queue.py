"""The queue of trainings and pretrainings: one starts when no other is in progress, in any program."""

from __future__ import annotations

from collections.abc import Iterable

from weibo_tui.app.base import BaseApp
from weibo_tui.app.services.jobs import Job
from weibo_tui.storage.runs import Run

RUN_KINDS = ("train", "pretrain")


def is_training(jobs: Iterable[Job], runs: Iterable[Run]) -> bool:
    """Return True if one of `jobs`, those of this app, or one of `runs`, of any program, is in progress."""
    return any(job.kind in RUN_KINDS and not job.queued for job in jobs) or any(run.is_in_progress for run in runs)


async def start_next(app: BaseApp) -> None:
    """Start the first queued job of the app if no training is in progress."""
    if not any(job.queued for job in app.jobs):
        return
    runs = await app.records.call(lambda wb: wb.runs.list())
    queued = [job for job in app.jobs if job.queued and not job.stopping]
    if queued and not is_training(app.jobs, runs):
        start_now(app, queued[0])


def start_now(app: BaseApp, job: Job) -> None:
    """Start a queued job, next to others."""
    job.queued = False
    app.wake_workers()
