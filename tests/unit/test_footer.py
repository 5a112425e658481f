"""The footer and the status bar show whole parts only, and the footer the help and the commands always."""

from __future__ import annotations

from typing import Any

from rich.cells import cell_len
from textual.binding import Binding
from textual.content import Content
from textual.message_pump import MessagePump

from weibo_tui.app.services.jobs import Job, Kind, describe_job, importance
from weibo_tui.app.widgets.chrome import Status
from weibo_tui.app.widgets.footer import FooterKey, fitting
from weibo_tui.progress import Progress

NAMES = ["train.new", "train.stop", "train.zoom", "app.help", "app.palette", "app.quit"]
KEYS = [FooterKey(Binding("x", name, name.partition(".")[2], id=name), "x") for name in NAMES]


def names(width: int) -> list[str | None]:
    return [key.binding.id for key in fitting(KEYS, width)]


def test_footer_leaves_out_quit_first_and_help_never() -> None:
    whole = sum(key.width for key in KEYS)
    assert names(whole) == NAMES
    assert names(whole - 1) == NAMES[:-1]
    assert names(whole - KEYS[-1].width - 1) == [*NAMES[:2], *NAMES[3:5]]
    assert names(KEYS[0].width + KEYS[3].width + KEYS[4].width) == ["train.new", "app.help", "app.palette"]
    assert names(1) == ["app.help", "app.palette"]


def job(kind: Kind, title: str, **changes: Any) -> Job:
    job = Job(kind, title, lambda _wb: iter(()), MessagePump(), **({"started": True} | changes))
    job.progress = Progress("training" if kind == "train" else "labeling", 1, 4)
    return job


def test_status_bar_leaves_out_details_and_then_the_last_jobs() -> None:
    jobs = [job("label", "posts.csv"), job("train", "later", queued=True), job("train", "a" * 60)]
    details = list(map(Content, ("cpu float32", "base starter", "adapter mood")))
    status = Status(details, list(map(describe_job, sorted(jobs, key=importance))))
    training, labeling, queued = map(str, status.jobs)
    assert training == f"training {'a' * 23}… 25%"
    assert queued == "training later (queued) 25%"
    assert str(status.fitting(200)) == f"cpu float32 │ base starter │ adapter mood │ {training} │ {labeling} │ {queued}"
    whole = cell_len(f"{training} │ {labeling} │ {queued}")
    assert str(status.fitting(whole + 15)) == f"adapter mood │ {training} │ {labeling} │ {queued}"
    assert str(status.fitting(whole - 1)) == f"{training} │ {labeling} │ +1"
    assert str(status.fitting(45)) == f"{training} │ +2"
