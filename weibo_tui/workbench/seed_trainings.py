"""A training of several seeds: one run after the other, and again from where it was interrupted."""

from __future__ import annotations

from collections.abc import Iterator

from weibo_tui.engine.events import RunFinished
from weibo_tui.progress import Progress
from weibo_tui.storage.answers import Answers
from weibo_tui.storage.runs import Runs
from weibo_tui.workbench import training
from weibo_tui.workbench.config import TrainingConfig
from weibo_tui.workbench.models import ModelLoader
from weibo_tui.workbench.runs import check_name_unreserved
from weibo_tui.workbench.seeds import pending_trainings, seed_configs, seed_runs


def train_seeds(models: ModelLoader, runs: Runs, answers: Answers, config: TrainingConfig) -> Iterator[object]:
    """Train the seeds of `config` that are not trained yet, and yield the events of their runs.

    The last event is that of the adapter that is kept, also where nothing is left to train."""
    group = seed_configs(config)[0].group
    assert group is not None
    pending = pending_trainings(models, runs, config)
    if not pending:
        with seed_runs(models, runs, group) as state:
            kept = state.complete(config.overwrite)
        assert kept is not None
        yield RunFinished(kept.run, kept.name, training.KIND, str(models.adapters.path(kept.name)), None, kept.score)
        return
    models.adapters.check_free(config.name, config.overwrite)
    check_name_unreserved(runs, training.KIND, config.name)
    # Before a run is in progress, so that the caller can wait for other trainings without waiting for this one.
    yield Progress("reading", 0)
    for one in pending:
        if one.run is not None:
            yield from training.resume(models, runs, answers, one.run)
        else:
            yield from training.train(models, runs, answers, one.config)
