"""The app as a program that starts a long job by itself: `python at_work.py KIND [PATH]`."""

from __future__ import annotations

import sys
from pathlib import Path

from weibo_tui import ComputeOptions, LabelingConfig, TrainingConfig, Workbench
from weibo_tui.app import app as main
from weibo_tui.app.services.jobs import Job, Kind
from weibo_tui.engine.hyperparameters import Hyperparameters
from weibo_tui.storage.runs import Run

LIGHT_APP = (sys.executable, __file__, "light")
"""The app that does not load torch in advance, for tests of the terminal."""


def plan(posts: Path, epochs: int = 6) -> TrainingConfig:
    """Return the config of a training of the adapter `second`. With 900 epochs it does not end by itself."""
    hyper = Hyperparameters(epochs=epochs, batch_size=16, bottleneck=8, max_length=32)
    return TrainingConfig((posts,), "second", hyper=hyper, machine=ComputeOptions("cpu", "float32", threads=1))


def started_run(home: Path) -> Run | None:
    """Return the run of `plan` once it has made a step."""
    with Workbench(home) as wb:
        return next((run for run in wb.runs.list() if run.name == "second" and run.step), None)


def check_run(home: Path, state: str) -> Run:
    """Check the state of the run of `plan`: only a stopped one has a checkpoint, and only a finished one an adapter."""
    run = started_run(home)
    assert run is not None
    assert run.state == state
    assert (home / "runs" / run.id / "checkpoint.safetensors").exists() == (state == "stopped")
    assert (home / "adapters" / "second" / "card.json").exists() == (state == "finished")
    return run


def app_at_work(kind: Kind, path: Path) -> list[str]:
    """Return the command that trains on posts, labels them, or downloads a base."""
    return [sys.executable, __file__, kind, str(path)]


def start_job(kind: Kind, path: Path) -> None:
    """Make the app start a job of this kind, which runs until the app is quit."""
    does = {
        "train": lambda wb: wb.iter_train(plan(path, 900)),
        "label": lambda wb: wb.iter_label_file(LabelingConfig(path, path.with_name("out.csv"))),
        "download": lambda wb: wb.iter_download_base("lab/gpt2", "fetched"),
    }
    begin_work = main.WeiboApp._load

    def begin(app: main.WeiboApp) -> None:
        begin_work(app)
        app.start_job(Job(kind, "second", does[kind], app.screen), app.hub if kind == "download" else None)

    main.WeiboApp._load = begin  # type: ignore[assignment, method-assign]


if __name__ == "__main__":
    if sys.argv[1] == "light":
        main.WeiboApp._warm_up = main.WeiboApp.refresh_catalog  # type: ignore[method-assign]
    else:
        start_job(sys.argv[1], Path(sys.argv[2]))  # type: ignore[arg-type]
    sys.exit(main.launch())
