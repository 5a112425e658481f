"""Tuning of the pretrained base on the training parts and on unlabeled posts of the corpus.

Each tuning starts from the pretrained base. From the second on, unlabeled posts have the labels that the tuning before
predicted: that one saw the emoticons of these posts, which this one does not see.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from weibo_tui.atomic import atomic_open
from weibo_tui.engine.device import Compute
from weibo_tui.engine.tokenizer import PostTokenizer
from weibo_tui.registry.bases import TOKENIZER, Bases
from weibo_tui.registry.conversion import Checkpoint
from weibo_tui.starter.recipe.models import MAX_LENGTH, PRETRAINED, TASKS, open_workbench
from weibo_tui.starter.recipe.sources import CRAWL, PARTS, read_part
from weibo_tui.starter.recipe.tuner import Targets, Tuner, TuningHyperparameters, TuningPosts, predict_targets
from weibo_tui.text.cleaning import clean
from weibo_tui.text.emoticons import find_emoticons, without_emoticons
from weibo_tui.workbench.models import STARTER_BASE

TUNINGS = (TuningHyperparameters(epochs=1), TuningHyperparameters(epochs=2, seed=1))
EMOTICON_HEAD = "emoticon"
NUM_EMOTICONS = 128
EMOTICON_WEIGHT = 0.3
"""Weight of a post's emoticons in the loss, where its label has 1."""
PREDICTION_WEIGHT = 0.5
"""Weight of a predicted label."""
MAX_UNLABELED = 185_000
CHECKPOINT_STEPS = 200
HEADS = ("weibo", "weibo3", "emotion")
"""The tasks whose labels the base learns. Those of `review` are in `weibo`."""


def tune(work: Path) -> None:
    """Do the tunings that are left, and save the base in int8; the adapters are trained on what it then is."""
    bundled = Bases(work / "starter" / "bases")
    if (bundled.folder / STARTER_BASE).exists():
        return
    predictions: Mapping[str, Targets] = {}
    compute = Compute.choose()
    with open_workbench(work) as wb:
        definition = (wb.bases.path(PRETRAINED) / TOKENIZER).read_text(encoding="utf-8")
        for number, hyper in enumerate(TUNINGS, start=1):
            base = wb.bases.open(PRETRAINED)
            special, mask = base.tokenizer.special_tokens, base.tokenizer.vocabulary()["[MASK]"]
            examples = Examples(work, base.tokenizer)
            tuner = Tuner(base.backbone, examples.posts(predictions), hyper, compute, special.pad, mask)
            _run_or_resume(work / f"tuning_{number}.pt", tuner)
            if number < len(TUNINGS):
                predictions = predict_targets(base.backbone, tuner.heads, examples.unlabeled, compute, special.pad)
    # The path of the corpus is private.
    plan = base.card.made["plan"] | {"name": STARTER_BASE, "corpus": base.card.made["corpus"]}
    made = base.card.made | {"plan": plan, "tunings": [asdict(hyper) for hyper in TUNINGS]}
    checkpoint = Checkpoint(base.backbone.config, base.backbone.to_hf_state_dict(), definition, special)
    bundled.create(STARTER_BASE, checkpoint, base.card.source, made, int8=True)


class Examples:
    """The posts of a tuning: the training parts with their labels, noise, and posts of the corpus."""

    def __init__(self, work: Path, tokenizer: PostTokenizer) -> None:
        self._labels: dict[str, dict[str, NDArray[np.float32]]] = {}
        self._tasks = {task.adapter: task for task in TASKS if task.adapter in HEADS}
        for name, task in self._tasks.items():
            shares = np.eye(len(task.labels.raw), dtype=np.float32)
            for dataset in task.datasets:
                for label, text in read_part(work, "train", dataset):
                    self._labels.setdefault(clean(text).text, {})[name] = shares[task.labels.raw.index(label)]
            for _label, text in read_part(work, "train", task.noise):
                self._labels.setdefault(clean(text).text, {}).setdefault(name, shares.mean(axis=0))
        self._labels.pop("", None)
        self._labeled = list(self._labels)
        known = self._labels.keys() | {clean(text).text for part in PARTS for _l, text in read_part(work, part, CRAWL)}
        self._unlabeled = _unlabeled(work, known)
        self.unlabeled = tokenizer.encode(self._unlabeled, MAX_LENGTH)
        self._emoticons = _emoticons([*self._labeled, *self._unlabeled])
        self._tokenizer = tokenizer

    def posts(self, predictions: Mapping[str, Targets]) -> TuningPosts:
        """Return all posts, the unlabeled ones with predictions, if there are any."""
        texts = [*self._labeled, *self._unlabeled]
        targets = {EMOTICON_HEAD: EMOTICON_WEIGHT * self._emoticons}
        for name, task in self._tasks.items():
            rows = np.zeros((len(texts), len(task.labels.raw)), np.float32)
            for row, text in enumerate(self._labeled):
                if name in self._labels[text]:
                    rows[row] = self._labels[text][name]
            if predictions:
                rows[len(self._labeled) :] = PREDICTION_WEIGHT * predictions[name]
            targets[name] = rows
        hidden = np.arange(len(texts)) >= len(self._labeled)
        bare = [without_emoticons(text).strip() or text for text in texts]
        encode = self._tokenizer.encode
        return TuningPosts(encode(texts, MAX_LENGTH), encode(bare, MAX_LENGTH), hidden, targets)


def _unlabeled(work: Path, known: set[str]) -> list[str]:
    """Return posts of the corpus, first those with emoticons and other words."""
    with (work / "corpus.txt").open(encoding="utf-8") as lines:
        posts = [post for post in dict.fromkeys(line.rstrip("\n") for line in lines) if post not in known]
    with_emoticons = [post for post in posts if find_emoticons(post) and without_emoticons(post).strip()]
    return list(dict.fromkeys([*with_emoticons, *posts]))[:MAX_UNLABELED]


def _emoticons(texts: Sequence[str]) -> Targets:
    """Return the shares of the most frequent emoticons in each text."""
    found = [find_emoticons(text) for text in texts]
    counts = Counter(emoticon for emoticons in found for emoticon in set(emoticons))
    columns = {emoticon: column for column, (emoticon, _count) in enumerate(counts.most_common(NUM_EMOTICONS))}
    shares = np.zeros((len(texts), NUM_EMOTICONS), np.float32)
    for row, emoticons in enumerate(found):
        for emoticon in set(emoticons) & columns.keys():
            shares[row, columns[emoticon]] = 1
    shares /= shares.sum(axis=1, keepdims=True).clip(1)
    return shares


def _run_or_resume(path: Path, tuner: Tuner) -> None:
    """Train to the end, with checkpoints."""
    if path.exists():
        tuner.restore(torch.load(path, weights_only=True))
    steps = tuner.steps_per_epoch * tuner.hyper.epochs
    for loss in tuner.losses():
        if tuner.step % 20 == 0:
            print(f"{path.name}: step {tuner.step:,} of {steps:,}, loss {loss:.3f}")
        if tuner.step % CHECKPOINT_STEPS == 0 or tuner.step == steps:
            with atomic_open(path, "wb") as file:
                torch.save(tuner.state(), file)
