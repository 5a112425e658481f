"""The base and its adapters, made by the program itself. A step goes on where it was left, and does nothing twice."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from weibo_tui.atomic import atomic_write
from weibo_tui.cli.train import follow
from weibo_tui.datasets.dataset import load
from weibo_tui.datasets.labels import Labels
from weibo_tui.engine.calibration import fit_temperature
from weibo_tui.engine.hyperparameters import Hyperparameters, PretrainingHyperparameters
from weibo_tui.progress import finish
from weibo_tui.registry import cards
from weibo_tui.registry.adapters import Adapters
from weibo_tui.registry.bases import TOKENIZER, Bases
from weibo_tui.registry.cards import CARD
from weibo_tui.registry.conversion import Checkpoint
from weibo_tui.starter.recipe.sources import EMOTIONS, MOODS, SEED, part_file
from weibo_tui.workbench import PretrainingConfig, TrainingConfig, Workbench
from weibo_tui.workbench.evaluation import judge
from weibo_tui.workbench.home import STARTER_BASE

PRETRAINED = "pretrained"
"""The base in full, before it is rounded to eight bits; it stays in the home of WORK."""


@dataclass(frozen=True, slots=True)
class Task:
    """An adapter to be made: the sets that it is trained and scored on, by the names of their files in a part, its
    labels (as files write them, and as people read them), and how it is trained."""

    adapter: str
    sets: tuple[str, ...]
    labels: Labels
    nonsense: str
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


def opened(work: Path) -> AbstractContextManager[Workbench]:
    """The workbench of WORK, behind whose own folders stands the starter that is being made."""
    return Workbench.open(work / "home", starter=work / "starter")


def pretrain(work: Path, plan: PretrainingConfig) -> None:
    """Make the base, then round it to eight bits; adapters are trained on it as it is bundled."""
    with opened(work) as bench:
        if not any(card.name == PRETRAINED for card in bench.bases.list()):
            _go_on(bench, plan)
        bundled = Bases(work / "starter" / "bases")
        if not (bundled.folder / STARTER_BASE).exists():
            base = bench.bases.open(PRETRAINED)
            definition = (bench.bases.path(PRETRAINED) / TOKENIZER).read_text(encoding="utf-8")
            checkpoint = Checkpoint(
                base.backbone.config, base.backbone.to_hf_state_dict(), definition, base.tokenizer.special_tokens
            )
            # Where the corpus lay is nobody's business.
            plan_kept = base.card.made["plan"] | {"name": STARTER_BASE, "corpus": base.card.made["corpus"]}
            made = base.card.made | {"plan": plan_kept}
            bundled.create(STARTER_BASE, checkpoint, base.card.source, made, eight_bits=True)


def plan_of(work: Path, minutes: float = 0.0, tokens: int = 0, layers: int = 6, width: int = 320) -> PretrainingConfig:
    """The base's plan: what fits 25 MB, and what two cores make good use of in about an hour. With an accelerator,
    give it 1e9 tokens or more and the same shape; the adapters' recipe stays as it is."""
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
    """Train the adapter, fit its temperature on posts with a meaning, and lay it beside the base in half precision. It
    is trained for so many `epochs`, or for its task's own."""
    made = Adapters(work / "starter" / "adapters")
    with opened(work) as bench:
        if not (made.folder / task.adapter).exists():
            if not any(card.name == task.adapter for card in bench.adapters.list()):
                _go_on(bench, _plan_of(work, task, epochs))
            _calibrate(bench, task, [part_file(work, "validation", name) for name in task.sets])
            adapter, card = bench.adapters.load(task.adapter, bench.bases.open(STARTER_BASE))
            made.save(adapter.half(), card)
        if not bench.adapters.is_bundled(task.adapter):
            bench.remove_adapter(task.adapter)


def _plan_of(work: Path, task: Task, epochs: int) -> TrainingConfig:
    """The posts it is scored on stand apart: of the others little is held out, to choose the epoch by."""
    return TrainingConfig(
        tuple(part_file(work, "train", name) for name in (*task.sets, task.nonsense)),
        task.adapter,
        base=STARTER_BASE,
        labels=task.labels.names,
        validation=0.03,
        test=0.005,
        hyper=replace(task.hyper, epochs=epochs or task.hyper.epochs),
    )


def _go_on(bench: Workbench, plan: PretrainingConfig | TrainingConfig) -> None:
    """Resume the plan's run where one was left, else begin it."""
    left = [run for run in bench.runs.list() if run.name == plan.name and run.state != "finished"]
    if left:
        follow(bench, bench.resume(left[0].id), json=False)
    elif isinstance(plan, PretrainingConfig):
        follow(bench, bench.pretrain(plan), json=False)
    else:
        follow(bench, bench.train(plan), json=False)


def _calibrate(bench: Workbench, task: Task, files: list[Path]) -> None:
    """Set the card's temperature by the validation posts: those that training holds out are nonsense in part."""
    classifier = bench.classifier(task.adapter)
    classifier.temperature = 1.0
    dataset = finish(load(files, "review", "label", "utf-8", task.labels))
    judged = finish(judge(classifier, dataset.posts, len(dataset.names), "calibration"))
    logits = np.log(judged.probabilities.clip(1e-12))
    temperature = fit_temperature(logits, np.array(dataset.labels, np.int64)[judged.readable])
    card = replace(bench.adapters.card(task.adapter), temperature=temperature)
    atomic_write(bench.adapters.path(task.adapter) / CARD, cards.write(card))
