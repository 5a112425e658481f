"""The model card in Markdown, generated from the measurements."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from weibo_tui.registry.adapters import Adapters
from weibo_tui.registry.bases import Bases
from weibo_tui.registry.cards import BaseCard
from weibo_tui.starter.recipe.models import TASKS, Task
from weibo_tui.starter.recipe.scoring import MAX_NOISE_CONFIDENCE, is_wrong
from weibo_tui.starter.recipe.sources import DATASETS, EMOTICON_FREE, TEST, VALIDATION
from weibo_tui.workbench.models import STARTER_BASE

MODEL_CARD = "CARD.md"
MAX_ECE = 0.03


def render(work: Path, scores: Mapping[str, Any], baselines: Mapping[str, Any]) -> str:
    """Return the card, from the results of `scoring.score_adapters` and `baselines.score_baselines`."""
    parts = {
        "base": _base(Bases(work / "starter" / "bases").card(STARTER_BASE)),
        "sets": _table(("set", "what it is"), ((f"`{dataset.name}`", dataset.description) for dataset in DATASETS)),
        "shares": f"{TEST:.0%} of each label of each set are the test part, {VALIDATION:.0%} the validation part",
        "adapters": _adapters(work),
        "scores": "\n\n".join(_scores(task, scores[task.adapter]["sets"], baselines[task.adapter]) for task in TASKS),
        "nonsense": _noise(scores),
        "failures": _failures(scores),
        "sure": f"{MAX_NOISE_CONFIDENCE:.0%}",
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
        "recipe": ", ".join(f"{name} {value}" for name, value in plan["recipe"].items() if value),
        "corpus, SHA-256": f"`{made['corpus_sha256']}`",
        "fingerprint": f"`{card.fingerprint}`",
    }
    return _table(("", ""), rows.items())


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
        rows.append(_row(name, card["n"], card["accuracy"], card["macro_f1"], card["ece"], baselines[name]))
        if name == "weibo_senti":
            baseline = baselines[EMOTICON_FREE]
            rows.append(_row(EMOTICON_FREE, baseline["n"], card["emoticons"]["without"], None, None, baseline))
    total = cards["all"]
    low, high = total["accuracy_ci"]
    interval = f"95 % interval {low:.1%} to {high:.1%}"
    figures = (f"{total['n']:,}", f"{total['accuracy']:.1%}", "", f"{total['macro_f1']:.1%}", "", f"{total['ece']:.3f}")
    rows.append(("all of them", *figures, interval))
    head = ("set", "posts", "accuracy", "floor", "macro F1", "floor", "ECE", "against the floor")
    return f"### `{task.adapter}`\n\n{_table(head, rows)}"


def _row(
    name: str, posts: int, accuracy: float, macro_f1: float | None, ece: float | None, baseline: Mapping[str, Any]
) -> tuple[str, ...]:
    gain = 100 * (accuracy - baseline["accuracy"])
    comparison = f"{gain:+.1f} points" + ("" if gain >= 0 else ", missed")
    if ece is not None and ece > MAX_ECE:
        comparison += f"; ECE above {MAX_ECE}"
    return (
        name,
        f"{posts:,}",
        f"{accuracy:.1%}",
        f"{baseline['accuracy']:.1%}",
        "" if macro_f1 is None else f"{macro_f1:.1%}",
        f"{baseline['macro_f1']:.1%}",
        "" if ece is None else f"{ece:.3f}",
        comparison,
    )


def _noise(scores: Mapping[str, Any]) -> str:
    rows = []
    for task in TASKS:
        confidences = [probe["confidence"] for probe in _probes(scores, task) if probe["kind"] == "nonsense"]
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
    table = _table(("kind", "post", "meant", "verdict", "adapter"), rows)
    return f"Of {total} verdicts on probes {len(rows)} are wrong:\n\n{table}"


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
