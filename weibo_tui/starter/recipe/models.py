"""Making the base and its adapters. A step resumes where it was interrupted, and does nothing twice."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from weibo_tui.atomic import atomic_write
from weibo_tui.cli.train import follow
from weibo_tui.datasets.dataset import load_dataset
from weibo_tui.datasets.labels import Labels
from weibo_tui.datasets.tables import Columns
from weibo_tui.engine.calibration import fit_temperature
from weibo_tui.engine.hyperparameters import Hyperparameters, PretrainingHyperparameters
from weibo_tui.progress import drain
from weibo_tui.registry import cards
from weibo_tui.registry.adapters import Adapters
from weibo_tui.registry.bases import TOKENIZER, Bases
from weibo_tui.registry.cards import CARD
from weibo_tui.registry.conversion import Checkpoint
from weibo_tui.starter.recipe.sources import EMOTIONS, MOODS, SEED, part_file
from weibo_tui.workbench.config import PretrainingConfig, TrainingConfig
from weibo_tui.workbench.evaluation import predict_probabilities
from weibo_tui.workbench.models import STARTER_BASE
from weibo_tui.workbench.workbench import Workbench

PRETRAINED = "pretrained"
"""The base before quantization, which stays in the home of WORK."""


@dataclass(frozen=True, slots=True)
class Task:
    """An adapter to train: its datasets, by the names of their files in a part, its labels, the file of noise posts,
    and its hyper-parameters."""

    adapter: str
    datasets: tuple[str, ...]
    labels: Labels
    noise: str
    hyper: Hyperparameters


_HYPER = Hyperparameters(batch_size=64, learning_rate=3e-3, max_length=160, seed=SEED)
_MOODS = Labels(("negative", "positive"), MOODS)
_REVIEWS = ("hotel", "takeaway", "shopping")

TASKS = (
    Task(
        "weibo",
        ("weibo_senti", "weibo2018", "campus", "usual_mood", "virus_mood", *_REVIEWS),
        _MOODS,
        "nonsense",
        replace(_HYPER, epochs=2, emoticon_dropout=0.5),
    ),
    Task(
        "emotion",
        ("usual", "virus"),
        Labels(EMOTIONS, EMOTIONS),
        "nonsense_emotion",
        replace(_HYPER, epochs=5, learning_rate=2e-3, weight_decay=0.05, dropout=0.2),
    ),
    Task("review", _REVIEWS, _MOODS, "nonsense", replace(_HYPER, epochs=3, dropout=0.1)),
)


def open_workbench(work: Path) -> AbstractContextManager[Workbench]:
    """Return the workbench of WORK, with the starter in WORK as the bundled models."""
    return Workbench(work / "home", starter=work / "starter")


def pretrain(work: Path, plan: PretrainingConfig) -> None:
    """Make the base and quantize it; the adapters are trained on the quantized base."""
    with open_workbench(work) as wb:
        if not any(card.name == PRETRAINED for card in wb.bases.list()):
            _run_or_resume(wb, plan)
        bundled = Bases(work / "starter" / "bases")
        if not (bundled.folder / STARTER_BASE).exists():
            base = wb.bases.open(PRETRAINED)
            definition = (wb.bases.path(PRETRAINED) / TOKENIZER).read_text(encoding="utf-8")
            checkpoint = Checkpoint(
                base.backbone.config, base.backbone.to_hf_state_dict(), definition, base.tokenizer.special_tokens
            )
            # The path of the corpus is private.
            plan = base.card.made["plan"] | {"name": STARTER_BASE, "corpus": base.card.made["corpus"]}
            made = base.card.made | {"plan": plan}
            bundled.create(STARTER_BASE, checkpoint, base.card.source, made, int8=True)


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
            _calibrate(wb, task, [part_file(work, "validation", name) for name in task.datasets])
            adapter, card = wb.adapters.load(task.adapter, wb.bases.open(STARTER_BASE))
            trained.save(adapter.half(), card)
        if not wb.adapters.is_bundled(task.adapter):
            wb.remove_adapter(task.adapter)


def _training_config(work: Path, task: Task, epochs: int) -> TrainingConfig:
    """Return the configuration. The test posts are in files of their own, so few posts are held out here."""
    return TrainingConfig(
        tuple(part_file(work, "train", name) for name in (*task.datasets, task.noise)),
        task.adapter,
        base=STARTER_BASE,
        labels=task.labels.names,
        validation=0.03,
        test=0.005,
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


def _calibrate(wb: Workbench, task: Task, files: list[Path]) -> None:
    """Fit the temperature on the validation posts, because those that training holds out are partly noise."""
    classifier = wb.classifier(task.adapter)
    classifier.temperature = 1.0
    dataset = drain(load_dataset(files, Columns("review", "label", "utf-8"), task.labels))
    result = drain(predict_probabilities(classifier, dataset.posts, len(dataset.names), "calibration"))
    logits = np.log(result.probabilities.clip(1e-12))
    temperature = fit_temperature(logits, np.array(dataset.labels, np.int64)[result.readable])
    card = replace(wb.adapters.card(task.adapter), temperature=temperature)
    atomic_write(wb.adapters.path(task.adapter) / CARD, cards.write(card))
