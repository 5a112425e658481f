"""A training of several seeds: one run after the other, and again from where it was interrupted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from weibo_tui.engine.events import RunFinished
from weibo_tui.progress import Progress
from weibo_tui.storage.answers import Answers
from weibo_tui.storage.runs import Run, Runs
from weibo_tui.workbench import training
from weibo_tui.workbench.config import TrainingConfig
from weibo_tui.workbench.models import ModelLoader
from weibo_tui.workbench.runs import check_name_unreserved
from weibo_tui.workbench.seeds import SeedTraining, pending_trainings, seed_configs, seed_runs, sibling_configs


def train_seeds(models: ModelLoader, runs: Runs, answers: Answers, config: TrainingConfig) -> Iterator[object]:
    """Train the seeds of `config` that are not trained yet, and yield the events of their runs.

    The last event is that of the adapter that is kept, also where nothing is left to train."""
    configs = seed_configs(config)
    if not pending_trainings(models, runs, configs):
        yield _complete(models, runs, configs[0])
        return
    models.adapters.check_free(config.name, config.overwrite)
    check_name_unreserved(runs, training.KIND, config.name)
    yield from _train(models, runs, answers, configs)


def train_rest(models: ModelLoader, runs: Runs, answers: Answers, run: Run) -> Iterator[object]:
    """Train the seeds that are left of the group of a run, and yield the events as `train_seeds` does."""
    configs = sibling_configs(run)
    if pending_trainings(models, runs, configs):
        yield from _train(models, runs, answers, configs)
    elif configs:
        yield _complete(models, runs, configs[0])
    else:
        run.check_resumable()


def _train(models: ModelLoader, runs: Runs, answers: Answers, configs: Sequence[TrainingConfig]) -> Iterator[object]:
    # Before a run is in progress, so that the caller can wait for other trainings without waiting for this one.
    yield Progress("reading", 0)
    event: object = None
    for config in configs:
        # Asked before each of them: another program may have trained it while this one waited or trained.
        for one in pending_trainings(models, runs, configs):
            if one.config == config:
                for event in _train_seed(models, runs, answers, one):
                    yield event
    is_summed_up = isinstance(event, RunFinished) and "seeds" in (event.score or {})
    if not is_summed_up and not pending_trainings(models, runs, configs):
        yield _complete(models, runs, configs[0])


def _train_seed(models: ModelLoader, runs: Runs, answers: Answers, one: SeedTraining) -> Iterator[object]:
    if one.run is not None:
        return training.resume(models, runs, answers, one.run)
    return training.train(models, runs, answers, one.config)


def _complete(models: ModelLoader, runs: Runs, config: TrainingConfig) -> RunFinished:
    """Return the event of the adapter that is kept of the group of `config`, all of whose seeds are trained."""
    assert config.group is not None
    with seed_runs(models, runs, config.group) as state:
        kept = state.complete(config.overwrite)
    assert kept is not None
    return RunFinished(kept.run, kept.name, training.KIND, str(models.adapters.path(kept.name)), None, kept.score)
