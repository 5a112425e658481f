"""Numbers of score cards as rows for a spreadsheet: each row is some of the posts, or another model on them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from weibo_tui.presentation.numbers import figure, mapping
from weibo_tui.presentation.score_card import ScoreFigures, score_figures
from weibo_tui.presentation.score_parts import Interval, ScoreParts, Subset, score_parts

Row = dict[str, Any]


def score_numbers(name: str, score: Mapping[str, Any]) -> Iterator[Row]:
    """Yield the rows of a score card, that of all posts first. `name` is in each of them.

    `part` is all, label, confusion, bin, answering, file, length, baseline or seed, `item` which of these."""
    for row in (all_posts(score), *_parts(score_figures(score), score_parts(score), score)):
        yield {"name": name, **row}


def all_posts(score: Mapping[str, Any]) -> Row:
    """Return the figures of a score card on all posts."""
    parts = score_parts(score)
    plain = ("n", "failed", "accuracy", "macro_f1", "mcc", "ece", "brier", "augrc")
    null = parts.ece_null or (None, None)
    return {
        "part": "all",
        "item": "",
        **{one: figure(score.get(one)) for one in plain},
        **_ends("accuracy", parts.accuracy_ci),
        **_ends("macro_f1", parts.macro_f1_ci),
        **_ends("mcc", parts.mcc_ci),
        "ece_null_mean": null[0],
        "ece_null_95": null[1],
    }


def _parts(figures: ScoreFigures, parts: ScoreParts, score: Mapping[str, Any]) -> Iterator[Row]:
    for label in figures.labels:
        values = mapping(mapping(score.get("per_label")).get(label))
        shares = {one: figure(values.get(one)) for one in ("precision", "recall", "f1")}
        yield {"part": "label", "item": label, "n": figure(values.get("support")), **shares}
    for label, counts in zip(figures.labels, figures.confusion, strict=False):
        for predicted, count in zip(figures.labels, counts, strict=True):
            yield {"part": "confusion", "item": label, "predicted": predicted, "n": count}
    for number, one in enumerate(parts.reliability, 1):
        ends = _ends("accuracy", (one.low, one.high))
        yield {
            "part": "bin",
            "item": number,
            "n": one.n,
            "accuracy": one.accuracy,
            **ends,
            "confidence": one.confidence,
        }
    for each in parts.answering:
        yield {"part": "answering", "item": each.accuracy, "n": each.n, "confidence": each.threshold}
    yield from (_subset("file", one) for one in parts.sources)
    yield from (_subset("length", one) for one in parts.lengths)
    for model in parts.baselines:
        yield {
            "part": "baseline",
            "item": model.name,
            "accuracy": model.accuracy,
            **_ends("accuracy", model.accuracy_ci),
            "macro_f1": model.macro_f1,
            "difference": model.difference,
            **_ends("difference", model.difference_ci),
            "adapter_only": model.adapter_only,
            "baseline_only": model.baseline_only,
            "p": model.p,
            "mid_p": model.mid_p,
        }
    if parts.seeds is not None:
        for place, seed in enumerate(parts.seeds.seeds):
            yield {"part": "seed", "item": seed, **{one: at[place] for one, at in parts.seeds.figures.items()}}


def _subset(part: str, one: Subset) -> Row:
    ends = _ends("accuracy", one.accuracy_ci)
    return {"part": part, "item": one.name, "n": one.n, "accuracy": one.accuracy, **ends, "macro_f1": one.macro_f1}


def _ends(name: str, ends: Interval | None) -> Row:
    low, high = ends or (None, None)
    return {f"{name}_low": low, f"{name}_high": high}
