"""Making the base and its adapters. A step resumes where it was interrupted, and does nothing twice."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from weibo_tui.atomic import atomic_write
from weibo_tui.cli.train import follow
from weibo_tui.datasets.labels import Labels
from weibo_tui.engine.calibration import fit_temperature
from weibo_tui.engine.hyperparameters import Hyperparameters, PretrainingHyperparameters
from weibo_tui.progress import drain
from weibo_tui.registry import cards
from weibo_tui.registry.adapters import Adapters
from weibo_tui.registry.cards import CARD
from weibo_tui.starter.recipe.sources import EMOTIONS, MOODS, SEED, SENTIMENTS, part_file, read_part
from weibo_tui.workbench.config import PretrainingConfig, TrainingConfig
from weibo_tui.workbench.evaluation import predict_probabilities
from weibo_tui.workbench.models import STARTER_BASE
from weibo_tui.workbench.workbench import Workbench

PRETRAINED = "pretrained"
"""The base before tuning, which stays in the home of WORK."""
MAX_LENGTH = 160
"""Tokens of a post that the adapters read."""
CALIBRATION_POSTS = 400
"""Posts of each dataset that a temperature is fitted on."""


@dataclass(frozen=True, slots=True)
class Task:
    """An adapter to train: its datasets, by the names of their files in a part, its labels, the file of noise posts,
    and its hyper-parameters."""

    adapter: str
    datasets: tuple[str, ...]
    labels: Labels
    noise: str
    hyper: Hyperparameters


_HYPER = Hyperparameters(batch_size=64, learning_rate=3e-3, max_length=MAX_LENGTH, seed=SEED)
_MOODS = Labels(("negative", "positive"), MOODS)
_REVIEWS = ("hotel", "takeaway", "shopping")

TASKS = (
    Task(
        "weibo",
        ("weibo_senti", "weibo2018", "campus", "usual_mood", "virus_mood", *_REVIEWS, "crawl_mood", "written_mood"),
        _MOODS,
        "nonsense",
        replace(_HYPER, epochs=2, emoticon_dropout=0.5),
    ),
    Task(
        "weibo3",
        ("weibo2018_3", "usual_3", "virus_3", "hotel_3", "takeaway_3", "crawl_3", "written_3"),
        Labels(SENTIMENTS, SENTIMENTS),
        "nonsense_3",
        replace(_HYPER, epochs=3, emoticon_dropout=0.5, dropout=0.1),
    ),
    Task(
        "emotion",
        ("usual", "virus", "crawl_emotion"),
        Labels(EMOTIONS, EMOTIONS),
        "nonsense_emotion",
        replace(_HYPER, epochs=3, learning_rate=2e-3, weight_decay=0.05, dropout=0.2),
    ),
    Task("review", _REVIEWS, _MOODS, "nonsense", replace(_HYPER, epochs=2, dropout=0.1)),
)


def open_workbench(work: Path) -> AbstractContextManager[Workbench]:
    """Return the workbench of WORK, with the starter in WORK as the bundled models."""
    return Workbench(work / "home", starter=work / "starter")


def pretrain(work: Path, plan: PretrainingConfig) -> None:
    """Make the base that is tuned."""
    with open_workbench(work) as wb:
        if not any(card.name == PRETRAINED for card in wb.bases.list()):
            _run_or_resume(wb, plan)


def pretraining_config(
    work: Path, minutes: float = 0.0, tokens: int = 0, layers: int = 6, width: int = 320
) -> PretrainingConfig:
    """Return a configuration that fits 25 MB, and that two cores train in about an hour. With an accelerator use 1e9
    tokens or more and the same shape; the adapters' recipe stays the same."""
    return PretrainingConfig(
        work / "corpus.txt",
        PRETRAINED,
        layers=layers,
        width=width,
        heads=width // 64,
        vocabulary=16_000,
        positions=192,
        units="pieces",
        recipe=PretrainingHyperparameters(
            minutes=minutes, tokens=tokens, context=192, batch_size=20, learning_rate=2e-3, seed=SEED
        ),
    )


def train(work: Path, task: Task, epochs: int = 0) -> None:
    """Train an adapter for `epochs`, or for those of its task, fit its temperature on meaningful posts, and save it in
    half precision."""
    trained = Adapters(work / "starter" / "adapters")
    with open_workbench(work) as wb:
        if not (trained.folder / task.adapter).exists():
            if not any(card.name == task.adapter for card in wb.adapters.list()):
                _run_or_resume(wb, _training_config(work, task, epochs))
            _calibrate(wb, work, task)
            adapter, card = wb.adapters.load(task.adapter, wb.bases.open(STARTER_BASE))
            trained.save(adapter.half(), card)
        if not wb.adapters.is_bundled(task.adapter):
            wb.remove_adapter(task.adapter)


def _training_config(work: Path, task: Task, epochs: int) -> TrainingConfig:
    """Return the configuration. Epochs are compared on the validation part, because the base knows the labels of the
    training part, of which few posts are held out as a test. The test part is for `scoring`."""
    return TrainingConfig(
        tuple(part_file(work, "train", name) for name in (*task.datasets, task.noise)),
        task.adapter,
        base=STARTER_BASE,
        labels=task.labels.names,
        validation_data=tuple(part_file(work, "validation", name) for name in task.datasets),
        test=0.005,
        baselines=False,
        hyper=replace(task.hyper, epochs=epochs or task.hyper.epochs),
    )


def _run_or_resume(wb: Workbench, plan: PretrainingConfig | TrainingConfig) -> None:
    """Resume the unfinished run of the plan, or start one."""
    unfinished = [run for run in wb.runs.list() if run.name == plan.name and run.state != "finished"]
    if unfinished:
        follow(wb, wb.iter_resume(unfinished[0].id), json=False)
    elif isinstance(plan, PretrainingConfig):
        follow(wb, wb.iter_pretrain(plan), json=False)
    else:
        follow(wb, wb.iter_train(plan), json=False)


def _calibrate(wb: Workbench, work: Path, task: Task) -> None:
    """Fit the temperature on validation posts, of each dataset equally many, where it has as many: in all together, two
    thirds have an emoticon that makes them easy. Those that training holds out are partly noise."""
    random = np.random.default_rng(SEED)
    rows: list[tuple[str, str]] = []
    for name in task.datasets:
        posts = read_part(work, "validation", name)
        rows += [posts[index] for index in random.permutation(len(posts))[:CALIBRATION_POSTS]]
    classifier = wb.classifier(task.adapter)
    classifier.temperature = 1.0
    texts = [text for _label, text in rows]
    result = drain(predict_probabilities(classifier, texts, len(task.labels.names), "calibration"))
    labels = np.array([task.labels.raw.index(label) for label, _text in rows], np.int64)
    temperature = fit_temperature(np.log(result.probabilities.clip(1e-12)), labels[result.readable])
    card = replace(wb.adapters.card(task.adapter), temperature=temperature)
    atomic_write(wb.adapters.path(task.adapter) / CARD, cards.write(card))
