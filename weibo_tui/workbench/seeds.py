"""Several trainings that differ in nothing but the seed: which of them are done, and what remains of them at the end.

Each is an ordinary run with its own adapter. The one that ends last writes the figures of all into the card of the
adapter that is kept, gives that the name of the whole, and deletes the others. All of this can be repeated: a program
that is killed on the way leaves the rest to the next call.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import filelock

from weibo_tui.atomic import make_private_folder
from weibo_tui.errors import UserInputError
from weibo_tui.locale import gettext as _
from weibo_tui.registry.cards import AdapterCard
from weibo_tui.storage.runs import Run, Runs
from weibo_tui.workbench.config import SeedGroup, TrainingConfig
from weibo_tui.workbench.models import ModelLoader
from weibo_tui.workbench.runs import load_run_config

_FIGURES = ("accuracy", "macro_f1", "mcc")
"""Figures of a score card that the summary has of each seed."""

# Fields of a training that do not change what an adapter learns, or that its seeds do not share.
_OWN_FIELDS = frozenset(
    ("name", "seeds", "keep", "group", "overwrite", "machine", "checkpoint_seconds", "offline", "baselines", "probes")
)


@dataclass(frozen=True, slots=True)
class SeedTraining:
    """The training of a seed: `run` is its unfinished run, None if it has not begun."""

    config: TrainingConfig
    run: Run | None


def seed_configs(config: TrainingConfig) -> tuple[TrainingConfig, ...]:
    """Return the training of each seed: that of `config` and the following ones, all with the same split."""
    seeds = tuple(range(config.hyper.seed, config.hyper.seed + config.seeds))
    config = replace(config, split_seed=config.seed_of_split)
    group = SeedGroup(_group_id(config), config.name, seeds, config.keep)
    return tuple(
        replace(config, name=f"{config.name}-seed{seed}", seeds=1, hyper=replace(config.hyper, seed=seed), group=group)
        for seed in seeds
    )


def sibling_configs(run: Run) -> tuple[TrainingConfig, ...]:
    """Return the trainings of all seeds of the group of a run, none for a run without a group."""
    group = group_of(run)
    if group is None:
        return ()
    config = load_run_config(run, lambda values: TrainingConfig.from_json(values["plan"]))
    return tuple(
        replace(config, name=f"{group.name}-seed{seed}", hyper=replace(config.hyper, seed=seed)) for seed in group.seeds
    )


def _group_id(config: TrainingConfig) -> str:
    values = config.to_json()
    values["hyper"].pop("seed")
    shared = {name: value for name, value in values.items() if name not in _OWN_FIELDS}
    return hashlib.sha256(json.dumps([config.name, shared], sort_keys=True).encode()).hexdigest()[:16]


class SeedRuns:
    """The runs of a group by seed, and the adapters that exist of them."""

    def __init__(self, models: ModelLoader, runs: Runs, group: SeedGroup) -> None:
        self._models = models
        self._runs = runs
        self.group = group
        members = [run for run in runs.list() if (own := group_of(run)) is not None and own.id == group.id]
        cards = {card.run: card for card in models.adapters.user_models() if card.run}
        self.adapters = {run.id: cards[run.id] for run in members if run.id in cards}
        """The adapters of finished runs, by the id of the run."""
        summed_up = {seed for card in self.adapters.values() for seed in _seeds_of(card)}
        done = [run for run in members if run.state == "finished"]
        # The newest runs come first. An adapter may have been deleted once its figures were in the kept one's card.
        self.finished = {seed_of(run): run for run in reversed(done) if seed_of(run) in summed_up}
        self.finished |= {seed_of(run): run for run in reversed(done) if run.id in self.adapters}
        self.unfinished = {seed_of(run): run for run in reversed(members) if run.state != "finished"}

    @property
    def missing(self) -> tuple[int, ...]:
        """The seeds that are not trained yet."""
        return tuple(seed for seed in self.group.seeds if seed not in self.finished)

    @property
    def kept(self) -> AdapterCard | None:
        """The adapter whose card has the figures of all seeds, None until then."""
        cards = self.adapters.values()
        return next((card for card in cards if _seeds_of(card) == list(self.group.seeds)), None)

    def check_comparable(self, data: str, base: str) -> None:
        """Raise UserInputError where a seed was trained on other posts, or on another base, than these."""
        for seed, run in self.finished.items():
            if (run.plan.get("data"), run.plan.get("base")) != (data, base):
                message = _(
                    "The data or the base has changed since seed {seed} of '{name}' was trained. Choose another name."
                )
                raise UserInputError(message.format(seed=seed, name=self.group.name))

    @property
    def last_answer(self) -> int | None:
        """The last annotation that the first training knew, so that all leave out the same posts."""
        known = [run.plan.get("last_answer") for run in self.finished.values()]
        return next((answer for answer in known if isinstance(answer, int)), None)

    def complete(self, overwrite: bool) -> AdapterCard | None:
        """Sum up the seeds once all are trained, and return the card of the adapter that is kept."""
        if self.missing:
            return None
        kept = self.kept or self._sum_up()
        if any((run.id, run.name) == (kept.run, kept.name) for run in self.finished.values()):  # no user renamed it
            kept = self._rename(kept, overwrite)
        for seed in self.group.seeds:
            run = self.finished[seed]
            card = self.adapters.get(run.id)
            if card is not None and run.id != kept.run and card.name == run.name:
                self._models.remove_adapter(card.name, kept.name)
        return kept

    def _sum_up(self) -> AdapterCard:
        runs = [self.finished[seed] for seed in self.group.seeds]
        kept = self._choose(runs)
        scores = [_score_of(run) for run in runs]
        seeds: dict[str, Any] = {
            "seeds": list(self.group.seeds),
            "kept": seed_of(kept),
            "keep": self.group.keep,
            "group": self.group.id,
            **{name: [score.get(name) for score in scores] for name in _FIGURES},
            "baseline_difference": [_difference_to_linear_model(score) for score in scores],
        }
        seeds = {name: value for name, value in seeds.items() if not isinstance(value, list) or None not in value}
        card = self.adapters[kept.id]
        card = replace(card, score={**card.score, "seeds": seeds})
        self._models.adapters.update(card)
        return card

    def _choose(self, runs: Sequence[Run]) -> Run:
        """Return the run whose adapter is kept: the first, or the best on the validation posts, that still exists."""
        candidates = [run for run in runs if run.id in self.adapters]
        if self.group.keep == "first":
            return candidates[0]
        return max(candidates, key=lambda run: float((run.summary or {}).get("validation_f1") or 0.0))

    def _rename(self, card: AdapterCard, overwrite: bool) -> AdapterCard:
        name = self.group.name
        if overwrite and (self._models.adapters.folder / name).exists():
            self._models.remove_adapter(name, name)
        name = self._models.adapters.free_name(name)
        self._models.rename_adapter(card.name, name)
        return replace(card, name=name)


@contextmanager
def seed_runs(models: ModelLoader, runs: Runs, group: SeedGroup) -> Iterator[SeedRuns]:
    """Give the runs of a group during the block, in which no other program completes it."""
    make_private_folder(models.paths.data)
    with filelock.FileLock(models.paths.data / "seeds.lock", mode=0o600):
        yield SeedRuns(models, runs, group)


def pending_trainings(models: ModelLoader, runs: Runs, configs: Sequence[TrainingConfig]) -> tuple[SeedTraining, ...]:
    """Return the trainings of the seeds that are not finished yet, of all seeds of a group."""
    if not configs or configs[0].group is None:
        return ()
    state = SeedRuns(models, runs, configs[0].group)
    return tuple(
        SeedTraining(one, state.unfinished.get(one.hyper.seed)) for one in configs if one.hyper.seed in state.missing
    )


def adapter_of(run: Run, adapters: Iterable[AdapterCard]) -> AdapterCard | None:
    """Return the adapter of a finished run, or the one that was kept of its group; None where it is deleted."""
    adapters = list(adapters)
    group = group_of(run)
    kept = (card for card in adapters if group is not None and _group_of_card(card) == group.id)
    return next((card for card in adapters if card.run == run.id), None) or next(kept, None)


def is_complete(run: Run, adapters: Iterable[AdapterCard]) -> bool:
    """Return whether no seed of the group of a run is left to train."""
    group = group_of(run)
    return group is None or any(_group_of_card(card) == group.id for card in adapters)


def _group_of_card(card: AdapterCard) -> object:
    seeds = card.score.get("seeds")
    return seeds.get("group") if isinstance(seeds, dict) else None


def group_of(run: Run) -> SeedGroup | None:
    """Return the group of a run, None for a run without one, or whose plan is damaged."""
    try:
        return SeedGroup.from_json(run.plan["plan"]["group"])
    except (AttributeError, LookupError, TypeError, ValueError, UserInputError):
        return None


def seed_of(run: Run) -> int:
    """Return the seed of a run that has a group, -1 where its plan is damaged."""
    try:
        return int(run.plan["plan"]["hyper"]["seed"])
    except (AttributeError, LookupError, TypeError, ValueError):
        return -1


def _seeds_of(card: AdapterCard) -> list[int]:
    """Return the seeds whose figures the card has."""
    seeds = card.score.get("seeds")
    listed = seeds.get("seeds") if isinstance(seeds, dict) else None
    return [seed for seed in listed if isinstance(seed, int)] if isinstance(listed, list | tuple) else []


def _score_of(run: Run) -> Mapping[str, Any]:
    score = (run.summary or {}).get("score")
    return score if isinstance(score, dict) else {}


def _difference_to_linear_model(score: Mapping[str, Any]) -> float | None:
    return next((one.get("difference") for one in score.get("baselines", ()) if one.get("name") == "linear"), None)
