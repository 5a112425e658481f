"""The app as a program that starts a long job by itself: `python at_work.py KIND PATH`."""

from __future__ import annotations

import sys
from pathlib import Path

from weibo_tui.app import app as main
from weibo_tui.app.services.jobs import Job, Kind
from weibo_tui.engine.hyperparameters import Hyperparameters
from weibo_tui.workbench import ComputeOptions, LabelingConfig, TrainingConfig


def plan(posts: Path, epochs: int = 6) -> TrainingConfig:
    """Return the config of a training of the adapter `second`. With 900 epochs it does not end by itself."""
    hyper = Hyperparameters(epochs=epochs, batch_size=16, bottleneck=8, max_length=32)
    return TrainingConfig((posts,), "second", hyper=hyper, machine=ComputeOptions("cpu", "float32", threads=1))


def app_at_work(kind: Kind, path: Path) -> list[str]:
    """Return the command that trains on posts, labels them, or downloads a base."""
    return [sys.executable, __file__, kind, str(path)]


def launch(kind: Kind, path: Path) -> int:
    """Run the app with a job of this kind until it is quit."""
    does = {
        "train": lambda wb: wb.iter_train(plan(path, 900)),
        "label": lambda wb: wb.iter_label_file(LabelingConfig(path, path.with_name("out.csv"))),
        "fetch": lambda wb: wb.iter_download_base("lab/gpt2", "fetched"),
    }
    begin_work = main.WeiboApp._load

    def begin(app: main.WeiboApp) -> None:
        begin_work(app)
        app.start_job(Job(kind, "second", does[kind], app.screen), app.hub if kind == "fetch" else None)

    main.WeiboApp._load = begin  # type: ignore[assignment, method-assign]
    return main.launch()


if __name__ == "__main__":
    sys.exit(launch(sys.argv[1], Path(sys.argv[2])))  # type: ignore[arg-type]
