"""The model card in Markdown, generated from the measurements."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from weibo_tui.registry.adapters import Adapters
from weibo_tui.registry.bases import Bases
from weibo_tui.registry.cards import BaseCard
from weibo_tui.starter.recipe.models import TASKS, Task
from weibo_tui.starter.recipe.scoring import MAX_NOISE_CONFIDENCE, is_wrong, noise_confidence
from weibo_tui.starter.recipe.sources import DATASETS, EMOTICON_FREE, TEST, VALIDATION
from weibo_tui.workbench.models import STARTER_BASE

MODEL_CARD = "CARD.md"
MAX_ECE_EXCESS = 0.02
OTHER_PROGRAMS = "other_programs.json"


def render(work: Path, scores: Mapping[str, Any], baselines: Mapping[str, Any]) -> str:
    """Return the card, from the results of `scoring.score_adapters` and `baselines.score_baselines`."""
    base = Bases(work / "starter" / "bases").card(STARTER_BASE)
    parts = {
        "base": _base(base),
        "tunings": _tunings(base),
        "sets": _table(("set", "what it is"), ((f"`{dataset.name}`", dataset.description) for dataset in DATASETS)),
        "shares": f"{TEST:.0%} of each label of each set are the test part, {VALIDATION:.0%} the validation part",
        "adapters": _adapters(work),
        "scores": "\n\n".join(_scores(task, scores[task.adapter]["sets"], baselines[task.adapter]) for task in TASKS),
        "others": _other_programs(work),
        "probes": _probes_by_kind(scores),
        "nonsense": _noise(scores),
        "failures": _failures(scores),
        "limit": str(MAX_NOISE_CONFIDENCE),
    }
    template = resources.files(__package__).joinpath("card.md").read_text(encoding="utf-8")
    return template.format(**parts)


def _base(card: BaseCard) -> str:
    made, plan = card.made, card.made["plan"]
    rows = {
        "parameters": f"{card.parameters:,}: {plan['layers']} blocks of width {plan['width']}, {plan['heads']} heads, "
        f"{plan['vocabulary']:,} tokens (pieces of up to three characters), {plan['positions']} positions",
        "file": "int8 with one scale a row; norms, biases in float32",
        "tokens seen": f"{made['tokens']:,}, in {made['seconds'] / 60:.0f} minutes of computing ({made['dtype']})",
        "loss on held-out posts": f"{made['validation_loss']:.3f} nats a token",
        "pretrained with": ", ".join(f"{name} {value}" for name, value in plan["recipe"].items() if value),
        "corpus, SHA-256": f"`{made['corpus_sha256']}`",
        "fingerprint": f"`{card.fingerprint}`",
    }
    return _table(("", ""), rows.items())


def _tunings(card: BaseCard) -> str:
    rows = [
        (str(number), *(str(value) for value in tuning.values()))
        for number, tuning in enumerate(card.made["tunings"], 1)
    ]
    return _table(("tuning", *(name.replace("_", " ") for name in card.made["tunings"][0])), rows)


def _adapters(work: Path) -> str:
    stored = {card.name: card for card in Adapters(work / "starter" / "adapters").list()}
    rows = []
    for task in TASKS:
        card = stored[task.adapter]
        size = (work / "starter" / "adapters" / card.name / "adapter.safetensors").stat().st_size
        hyper = ", ".join(
            f"{name.replace('_', ' ')} {card.hyperparameters[name]}"
            for name in ("epochs", "batch_size", "learning_rate", "max_length", "emoticon_dropout", "dropout", "seed")
        )
        labels = ", ".join(card.labels)
        rows.append((f"`{card.name}`", labels, f"{card.data['train']:,}", f"{size / 1e3:,.0f} kB", hyper))
    return _table(("adapter", "labels", "posts trained on", "size", "trained with"), rows)


def _scores(task: Task, cards: Mapping[str, Any], baselines: Mapping[str, Any]) -> str:
    rows = []
    for name in task.datasets:
        card = cards[name]
        rows.append(_row(name, card, card["accuracy"], baselines[name]))
        if name == "weibo_senti":
            rows.append(_row(EMOTICON_FREE, {}, card["emoticons"]["without"], baselines[EMOTICON_FREE]))
    total = cards["all"]
    rows.append(
        ("all of them", f"{total['n']:,}", f"{total['accuracy']:.1%}", _interval(total), "", "", *_figures(total), "")
    )
    head = (
        "set",
        "posts",
        "accuracy",
        "95 % interval",
        "linear",
        "NBSVM",
        "macro F1",
        "ECE",
        "ECE if calibrated",
        "note",
    )
    return f"### `{task.adapter}`\n\n{_table(head, rows)}"


def _row(name: str, card: Mapping[str, Any], accuracy: float, baselines: Mapping[str, Any]) -> tuple[str, ...]:
    gain = 100 * (accuracy - baselines["linear"]["accuracy"])
    notes = [f"{gain:+.1f} points to linear"]
    if card and card["ece"] - card["ece_null"][0] > MAX_ECE_EXCESS:
        notes.append(f"ECE more than {MAX_ECE_EXCESS} above chance")
    return (
        name,
        f"{baselines['linear']['n']:,}",
        f"{accuracy:.1%}",
        _interval(card),
        *(f"{baselines[model]['accuracy']:.1%}" for model in ("linear", "nbsvm")),
        *_figures(card),
        "; ".join(notes),
    )


def _interval(card: Mapping[str, Any]) -> str:
    return "{:.1%} to {:.1%}".format(*card["accuracy_ci"]) if card else ""


def _figures(card: Mapping[str, Any]) -> tuple[str, str, str]:
    """Return macro F1, ECE, and the mean ECE of a perfectly calibrated model."""
    return (f"{card['macro_f1']:.1%}", f"{card['ece']:.3f}", f"{card['ece_null'][0]:.3f}") if card else ("", "", "")


def _other_programs(work: Path) -> str:
    """Return the result of `python tests/benchmarks classifiers --json`."""
    results = json.loads((work / OTHER_PROGRAMS).read_text(encoding="utf-8"))
    programs = list(next(iter(results.values())))
    rows = [
        (f"`{name}`", *(f"{accuracies[program]:.1%}" for program in programs)) for name, accuracies in results.items()
    ]
    return _table(("set", *programs), rows)


def _probes_by_kind(scores: Mapping[str, Any]) -> str:
    tasks = [task for task in TASKS if task.adapter in ("weibo", "weibo3")]
    kinds = dict.fromkeys(probe["kind"] for task in tasks for probe in _probes(scores, task) if probe["expected"])
    rows = []
    for kind in (*kinds, "all of them"):
        cells = []
        for task in tasks:
            right = [
                not is_wrong(probe)
                for probe in _probes(scores, task)
                if probe["expected"] and kind in (probe["kind"], "all of them")
            ]
            cells.append(f"{sum(right)} of {len(right)}" if right else "")
        rows.append((kind, *cells))
    return _table(("kind", *(f"`{task.adapter}`" for task in tasks)), rows)


def _noise(scores: Mapping[str, Any]) -> str:
    rows = []
    for task in TASKS:
        noise = [probe for probe in _probes(scores, task) if not probe["expected"]]
        confidences = [noise_confidence(probe["label"], probe["confidence"]) for probe in noise]
        too_high = sum(confidence > MAX_NOISE_CONFIDENCE for confidence in confidences)
        rows.append((f"`{task.adapter}`", str(len(confidences)), f"{max(confidences):.2f}", str(too_high)))
    return _table(("adapter", "probes", "highest confidence", f"above {MAX_NOISE_CONFIDENCE}"), rows)


def _failures(scores: Mapping[str, Any]) -> str:
    rows = []
    for task in TASKS:
        for probe in _probes(scores, task):
            if is_wrong(probe):
                expected = probe["expected"] or f"at most {MAX_NOISE_CONFIDENCE}"
                actual = f"{probe['label']} {probe['confidence']:.2f}"
                rows.append((probe["kind"], probe["text"], expected, actual, f"`{task.adapter}`"))
    total = sum(len(_probes(scores, task)) for task in TASKS)
    table = _table(("kind", "post", "expected", "prediction", "adapter"), rows)
    return f"Of {total} predictions for probes, {len(rows)} are wrong:\n\n{table}"


def _probes(scores: Mapping[str, Any], task: Task) -> Sequence[Mapping[str, Any]]:
    probes: Sequence[Mapping[str, Any]] = scores[task.adapter]["probes"]
    return probes


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    def lines() -> Iterator[str]:
        yield "| " + " | ".join(head) + " |"
        yield "|" + "---|" * len(head)
        for row in rows:
            yield "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |"

    return "\n".join(lines())
