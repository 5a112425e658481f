"""Documents of comparisons: the scores of adapters on the same posts, and how each two of them differ."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from weibo_tui.display_names import label_name
from weibo_tui.locale import gettext as _
from weibo_tui.locale import join_list
from weibo_tui.presentation.comparison import comparison_notes, pair_name, pair_sentence, rater_name
from weibo_tui.presentation.numbers import interval, number, p_value, percent, signed_points
from weibo_tui.presentation.pictures.intervals import Row, interval_plot
from weibo_tui.presentation.pictures.score_card import accuracies_picture
from weibo_tui.presentation.pictures.svg import Picture
from weibo_tui.presentation.publication.document import Document
from weibo_tui.presentation.publication.parts import Part, Table
from weibo_tui.presentation.publication.scores import score_cells, score_header
from weibo_tui.presentation.publication.spreadsheet import all_posts
from weibo_tui.presentation.score_card import with_interval
from weibo_tui.workbench.comparison_result import ComparisonResult

_MAX_TABLES = 10


def comparison_document(result: ComparisonResult, title: str = "") -> Document:
    """Return the document of a comparison. Without human labels it has no figures of accuracy."""
    names = join_list(map(rater_name, result.raters))
    title = title or _("{adapters} compared on {files}").format(adapters=names, files=result.path.name)
    parts: list[Part] = [_scores(result) if result.has_labels else _counts(result)]
    parts += (pair_sentence(result, pair) for pair in result.pairs)
    parts += [*comparison_notes(result), *result.warnings]
    if result.has_labels:
        parts += [*_pictures(result), _differences(result)]
    parts.append(_agreement(result))
    parts += _label_tables(result)
    return Document(title, parts, [*_numbers(result)], result.to_dict())


def _scores(result: ComparisonResult) -> Table:
    rows = [
        (rater_name(rater), *score_cells(rater.score.to_dict())) for rater in result.raters if rater.score is not None
    ]
    return Table("", score_header(), rows).filled()


def _counts(result: ComparisonResult) -> Table:
    rows = [
        (rater_name(rater), *(f"{rater.counts.get(label, 0):,}" for label in result.labels)) for rater in result.raters
    ]
    return Table(_("Predicted labels"), ("", *map(label_name, result.labels)), rows)


def _differences(result: ComparisonResult) -> Table:
    header = (
        *("", _("difference in points"), _("95% interval")),
        *(_("only the first right"), _("only the second right"), _("McNemar's p"), _("mid-p"), _("p (Holm)")),
    )
    rows = [
        (
            *(pair_name(result, pair), signed_points(pair.difference), interval(pair.difference_ci, signed_points)),
            *(number(pair.first_only, 0), number(pair.second_only, 0)),
            *map(p_value, (pair.p, pair.mid_p, pair.p_holm)),
        )
        for pair in result.pairs
    ]
    return Table(_("Differences of accuracy"), header, rows).filled()


def _agreement(result: ComparisonResult) -> Table:
    rows = []
    for pair in result.pairs:
        found = pair.agreement
        kappa = with_interval(number(found.kappa), found.kappa_ci, number)
        ac1 = with_interval(number(found.ac1), found.ac1_ci, number)
        rows.append((pair_name(result, pair), f"{found.n:,}", percent(found.share), kappa, ac1))
    return Table(_("Agreement"), ("", _("posts"), _("same label"), "κ", "AC1"), rows)


def _label_tables(result: ComparisonResult) -> Iterator[Table]:
    """Yield how many posts have which labels of the two in a pair."""
    names = [*map(label_name, result.labels)]
    for pair in result.pairs[:_MAX_TABLES]:
        first, second = (rater_name(result.raters[place]) for place in result.members(pair))
        title = _("Labels of {first} ↓ and {second} →").format(first=first, second=second)
        rows = [(name, *(f"{count:,}" for count in counts)) for name, counts in zip(names, pair.table, strict=True)]
        yield Table(title, ("", *names), rows)


def _pictures(result: ComparisonResult) -> Iterator[Picture]:
    scores = {rater_name(rater): rater.score.to_dict() for rater in result.raters if rater.score is not None}
    yield from accuracies_picture(scores)
    rows = [
        Row(
            pair_name(result, pair),
            with_interval(signed_points(pair.difference), pair.difference_ci, signed_points),
            pair.difference,
            pair.difference_ci,
        )
        for pair in result.pairs
        if pair.difference is not None
    ]
    if rows:
        title, note = _("Differences of accuracy"), _("percentage points, 95% interval")
        yield interval_plot("differences", title, rows, [note], zero=True)


def _numbers(result: ComparisonResult) -> Iterator[dict[str, Any]]:
    """Yield a row for each adapter and each pair."""
    for rater in result.raters:
        figures = {"part": "all", "item": ""} if rater.score is None else all_posts(rater.score.to_dict())
        yield {"name": rater.name, **figures}
    for pair in result.pairs:
        low, high = pair.difference_ci or (None, None)
        yield {
            "name": pair.first,
            "part": "pair",
            "item": pair.second,
            "n": pair.agreement.n,
            "difference": pair.difference,
            "difference_low": low,
            "difference_high": high,
            **{name: getattr(pair, name) for name in ("first_only", "second_only", "p", "mid_p", "p_holm")},
            **{name: getattr(pair.agreement, name) for name in ("agreeing", "kappa", "ac1")},
        }
