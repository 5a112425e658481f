"""A score card with all parts that the app shows, and a finished evaluation with it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from textual.message_pump import MessagePump

from weibo_tui import EvaluationConfig, EvaluationResult
from weibo_tui.app.evaluation.screen import Evaluation
from weibo_tui.app.services.jobs import Job
from weibo_tui.datasets.dataset import Dataset
from weibo_tui.datasets.labels import Labels
from weibo_tui.engine.metrics import part_scores, score
from weibo_tui.engine.score_card import ScoreCard
from weibo_tui.workbench.evaluation import Predictions

HOSTILE_NAME = "[/哈哈][b]\x1b[31m\u202e.csv"


def full_score_card(n: int = 600) -> ScoreCard:
    """Return the score of made-up predictions of `n` posts in two files, with a baseline and three seeds."""
    random = np.random.default_rng(0)
    p = random.dirichlet([0.3, 0.3], size=n)
    truth = (random.random(n) < p[:, 1]).astype(np.int64)
    rows = (truth, p.argmax(axis=1), np.arange(n))
    return replace(
        score(truth, p, ["negative", "positive"]),
        emoticons={"with": 0.88, "without": 0.8, "only": None},
        sources=part_scores((HOSTILE_NAME, "b.csv"), np.arange(n) % 2, *rows),
        lengths=part_scores(("1–20", "21–60"), np.arange(n) // (n // 2), *rows),
        baselines=({"name": "linear", "accuracy": 0.8, "difference": 0.01, "difference_ci": (-0.01, 0.03), "p": 0.3},),
        seeds={"seeds": [0, 1, 2], "kept": 1, "accuracy": [0.8, 0.85, 0.82]},
    )


def finished_evaluation(card: ScoreCard, owner: MessagePump) -> Evaluation:
    """Return an evaluation that found `card`. It has no posts."""
    job = Job("evaluate", "mood", lambda _wb: iter(()), owner, outcome="done")
    dataset = Dataset([], [], Labels(card.labels, card.labels), (), [], [], "")
    nothing = Predictions(np.empty((0, len(card.labels))), np.empty(0, np.int64))
    result = EvaluationResult("mood", card, None, 0, dataset, nothing)
    return Evaluation(EvaluationConfig((Path("posts.csv"),), "mood"), job, result=result)
