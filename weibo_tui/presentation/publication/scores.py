"""Documents of score cards: all tables and pictures of one, or a table with a row for each of several."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from weibo_tui.locale import gettext as _
from weibo_tui.locale import join_list, with_note
from weibo_tui.presentation.numbers import NO_FIGURE, interval, number, p_value, percent, signed_points
from weibo_tui.presentation.pictures.score_card import accuracies_picture, score_pictures
from weibo_tui.presentation.publication.document import Document
from weibo_tui.presentation.publication.parts import Facts, Part, Table
from weibo_tui.presentation.publication.score_tables import score_tables
from weibo_tui.presentation.publication.spreadsheet import all_posts, score_numbers
from weibo_tui.presentation.score_card import score_figures, with_interval
from weibo_tui.presentation.score_parts import score_parts
from weibo_tui.presentation.score_sentences import score_sentences
from weibo_tui.presentation.seeds import mean_and_deviation
from weibo_tui.workbench.evaluation import EvaluationResult

Score = Mapping[str, Any]
_COMPARED = "linear"
"""The baseline that a table of several adapters compares with."""


def score_document(
    score: Score,
    title: str,
    facts: Sequence[tuple[str, str]] = (),
    note: str = "",
    value: Mapping[str, Any] | None = None,
) -> Document:
    """Return all of a score card (`ScoreCard.to_dict`), with facts about the adapter and a note on the score.

    `value` is instead of the score in JSON."""
    about = [Facts(facts)] if facts else []
    main, *details = score_tables(score)
    content: list[Part] = [
        *about,
        main,
        *([note] if note else []),
        *score_sentences(score),
        *score_pictures(score),
        *details,
    ]
    return Document(title, content, [*score_numbers(title, score)], score if value is None else value)


def evaluation_document(result: EvaluationResult, data: Sequence[Path]) -> Document:
    """Return the score card of an adapter on files, with the warning about its training data."""
    title = _("{adapter} on {files}").format(adapter=result.adapter, files=join_list(path.name for path in data))
    return score_document(result.score.to_dict(), title, note=result.warning)


def scores_document(scores: Mapping[str, Score], title: str, note: str = "") -> Document:
    """Return a table with a row for each of several score cards, by the names of the adapters."""
    rows = [(name, *score_cells(score)) for name, score in scores.items()]
    numbers = [{"name": name, **all_posts(score)} for name, score in scores.items()]
    value = [{"adapter": name, **score} for name, score in scores.items()]
    table = Table("", score_header(), rows).filled()
    content: list[Part] = [table, *([note] if note else []), *accuracies_picture(scores)]
    return Document(title, content, numbers, value)


def score_header() -> tuple[str, ...]:
    """Return the header of a table with a score card in a row."""
    return (
        *(_("adapter"), _("posts"), _("accuracy"), _("95% interval"), _("Macro F1"), _("95% interval"), "MCC"),
        *(_("ECE (calibrated)"), "Brier", _("points over the linear model"), _("McNemar's p"), _("mean of seeds")),
    )


def score_cells(score: Score) -> Iterator[str]:
    """Yield the cells of a score card in a row, after its name."""
    figures, parts = score_figures(score), score_parts(score)
    linear = next((one for one in parts.baselines if one.name == _COMPARED), None)
    yield f"{figures.posts:,}"
    yield percent(figures.accuracy)
    yield interval(parts.accuracy_ci, percent)
    yield figures.macro_f1
    yield interval(parts.macro_f1_ci, percent)
    yield figures.mcc
    yield figures.ece if parts.ece_null is None else with_note(figures.ece, number(parts.ece_null[0]))
    yield figures.brier
    if linear is None:
        yield from (NO_FIGURE, NO_FIGURE)
    else:
        yield with_interval(signed_points(linear.difference), linear.difference_ci, signed_points)
        yield p_value(linear.p)
    accuracies = parts.seeds.figures.get("accuracy", ()) if parts.seeds is not None else ()
    yield with_note(mean_and_deviation(accuracies, "accuracy"), f"{len(accuracies)}") if accuracies else NO_FIGURE
