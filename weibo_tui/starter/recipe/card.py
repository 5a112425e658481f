"""The model card: everything that was measured, in one Markdown file, written by the recipe alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from weibo_tui.registry.adapters import Adapters
from weibo_tui.registry.bases import Bases
from weibo_tui.registry.cards import BaseCard
from weibo_tui.starter.recipe.models import TASKS, Task
from weibo_tui.starter.recipe.scoring import SURE, is_wrong
from weibo_tui.starter.recipe.sources import BLIND, SETS, TEST, VALIDATION
from weibo_tui.workbench.models import STARTER_BASE

MODEL_CARD = "CARD.md"
HIGHEST_ECE = 0.03


def render(work: Path, scores: Mapping[str, Any], floors: Mapping[str, Any]) -> str:
    """The card, from what `scoring.scores` and `floors.floors` found."""
    parts = {
        "base": _base(Bases(work / "starter" / "bases").card(STARTER_BASE)),
        "sets": _table(("set", "what it is"), ((f"`{one.name}`", one.about) for one in SETS)),
        "shares": f"{TEST:.0%} of each label of each set are the test part, {VALIDATION:.0%} the validation part",
        "adapters": _adapters(work),
        "scores": "\n\n".join(_scores(task, scores[task.adapter]["sets"], floors[task.adapter]) for task in TASKS),
        "nonsense": _nonsense(scores),
        "failures": _failures(scores),
        "sure": f"{SURE:.0%}",
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
    found = {card.name: card for card in Adapters(work / "starter" / "adapters").list()}
    rows = []
    for task in TASKS:
        card = found[task.adapter]
        size = (work / "starter" / "adapters" / card.name / "adapter.safetensors").stat().st_size
        hyper = ", ".join(
            f"{name.replace('_', ' ')} {card.hyperparameters[name]}"
            for name in ("epochs", "batch_size", "learning_rate", "max_length", "emoticon_dropout", "dropout", "seed")
        )
        labels = ", ".join(card.labels)
        rows.append((f"`{card.name}`", labels, f"{card.data['train']:,}", f"{size / 1e3:,.0f} kB", hyper))
    return _table(("adapter", "labels", "posts trained on", "size", "trained with"), rows)


def _scores(task: Task, cards: Mapping[str, Any], floors: Mapping[str, Any]) -> str:
    rows = []
    for name in task.sets:
        card = cards[name]
        rows.append(_row(name, card["n"], card["accuracy"], card["macro_f1"], card["ece"], floors[name]))
        if name == "weibo_senti":
            rows.append(_row(BLIND, floors[BLIND]["n"], card["emoticons"]["without"], None, None, floors[BLIND]))
    whole = cards["all"]
    low, high = whole["accuracy_ci"]
    interval = f"95 % interval {low:.1%} to {high:.1%}"
    figures = (f"{whole['n']:,}", f"{whole['accuracy']:.1%}", "", f"{whole['macro_f1']:.1%}", "", f"{whole['ece']:.3f}")
    rows.append(("all of them", *figures, interval))
    head = ("set", "posts", "accuracy", "floor", "macro F1", "floor", "ECE", "against the floor")
    return f"### `{task.adapter}`\n\n{_table(head, rows)}"


def _row(
    name: str, posts: int, accuracy: float, macro_f1: float | None, ece: float | None, floor: Mapping[str, Any]
) -> tuple[str, ...]:
    gain = 100 * (accuracy - floor["accuracy"])
    verdict = f"{gain:+.1f} points" + ("" if gain >= 0 else ", missed")
    if ece is not None and ece > HIGHEST_ECE:
        verdict += f"; ECE above {HIGHEST_ECE}"
    return (
        name,
        f"{posts:,}",
        f"{accuracy:.1%}",
        f"{floor['accuracy']:.1%}",
        "" if macro_f1 is None else f"{macro_f1:.1%}",
        f"{floor['macro_f1']:.1%}",
        "" if ece is None else f"{ece:.3f}",
        verdict,
    )


def _nonsense(scores: Mapping[str, Any]) -> str:
    rows = []
    for task in TASKS:
        sure = [probe["confidence"] for probe in _probes(scores, task) if probe["kind"] == "nonsense"]
        rows.append((f"`{task.adapter}`", str(len(sure)), f"{max(sure):.2f}", str(sum(value > SURE for value in sure))))
    return _table(("adapter", "probes", "highest confidence", f"above {SURE}"), rows)


def _failures(scores: Mapping[str, Any]) -> str:
    rows = []
    for task in TASKS:
        for probe in _probes(scores, task):
            if is_wrong(probe):
                meant = probe["expected"] or f"at most {SURE}"
                said = f"{probe['label']} {probe['confidence']:.2f}"
                rows.append((probe["kind"], probe["text"], meant, said, f"`{task.adapter}`"))
    total = sum(len(_probes(scores, task)) for task in TASKS)
    table = _table(("kind", "post", "meant", "verdict", "adapter"), rows)
    return f"Of {total} verdicts on probes {len(rows)} are wrong:\n\n{table}"


def _probes(scores: Mapping[str, Any], task: Task) -> Sequence[Mapping[str, Any]]:
    found: Sequence[Mapping[str, Any]] = scores[task.adapter]["probes"]
    return found


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    def lines() -> Iterator[str]:
        yield "| " + " | ".join(head) + " |"
        yield "|" + "---|" * len(head)
        for row in rows:
            yield "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |"

    return "\n".join(lines())
