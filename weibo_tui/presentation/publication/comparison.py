"""Documents of comparisons: the scores of adapters on the same posts, and how each two of them differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from weibo_tui.display_names import label_name
from weibo_tui.locale import gettext as _
from weibo_tui.locale import join_list, with_note
from weibo_tui.presentation.numbers import interval, number, p_value, percent, signed_points
from weibo_tui.presentation.pictures.intervals import Row, interval_plot
from weibo_tui.presentation.pictures.svg import Picture
from weibo_tui.presentation.publication.document import Document
from weibo_tui.presentation.publication.parts import Part, Table
from weibo_tui.presentation.publication.scores import score_cells, score_header
from weibo_tui.presentation.publication.spreadsheet import all_posts
from weibo_tui.presentation.score_parts import score_parts

_MAX_TABLES = 10

Values = Mapping[str, Any]


def comparison_document(comparison: Values, title: str = "") -> Document:
    """Return the document of a comparison (`ComparisonResult.to_dict`)."""
    if not title:
        names = join_list(rater["name"] for rater in comparison["adapters"])
        title = _("{adapter} on {files}").format(adapter=names, files=Path(comparison["path"]).name)
    raters, pairs, labels = comparison["adapters"], comparison["pairs"], comparison["labels"]
    parts: list[Part] = []
    if comparison["has_labels"]:
        rows = [(rater["name"], *score_cells(rater["score"])) for rater in raters]
        parts.append(Table("", score_header(), rows).filled())
        parts.append(_differences(pairs))
    else:
        parts.append(_("The posts have no human labels, so only the agreement is known."))
        header = ("", *map(label_name, labels))
        counts = [(rater["name"], *(f"{rater['counts'].get(label, 0):,}" for label in labels)) for rater in raters]
        parts.append(Table(_("Predicted labels"), header, counts))
    parts.append(_agreement(pairs))
    parts += [_pair_table(pair, labels) for pair in pairs[:_MAX_TABLES]]
    if comparison["has_labels"]:
        parts += _pictures(raters, pairs)
    return Document(title, parts, [*_numbers(raters, pairs)], comparison)


def _pair_name(pair: Values) -> str:
    return f"{pair['first']} – {pair['second']}"


def _differences(pairs: Sequence[Values]) -> Table:
    header = (
        *("", _("difference in points"), _("95% interval")),
        *(_("only the first right"), _("only the second right"), _("McNemar's p"), _("mid-p"), _("p (Holm)")),
    )
    rows = [
        (
            *(_pair_name(pair), signed_points(pair["difference"]), interval(pair["difference_ci"], signed_points)),
            *(f"{pair['first_only']:,}", f"{pair['second_only']:,}"),
            *(p_value(pair["p"]), p_value(pair["mid_p"]), p_value(pair["p_holm"])),
        )
        for pair in pairs
    ]
    return Table(_("Differences of accuracy"), header, rows).filled()


def _agreement(pairs: Sequence[Values]) -> Table:
    rows = []
    for pair in pairs:
        found = pair["agreement"]
        kappa, ac1 = (_with_interval(found[name], found[f"{name}_ci"]) for name in ("kappa", "ac1"))
        rows.append((_pair_name(pair), f"{found['n']:,}", percent(found["share"]), kappa, ac1))
    return Table(_("Agreement"), ("", _("posts"), _("same label"), "κ", "AC1"), rows)


def _with_interval(value: float | None, ends: Sequence[float] | None) -> str:
    return number(value) if ends is None else with_note(number(value), interval((ends[0], ends[1]), number))


def _pair_table(pair: Values, labels: Sequence[str]) -> Table:
    title = _("Labels of {first} ↓ and {second} →").format(first=pair["first"], second=pair["second"])
    names = [*map(label_name, labels)]
    rows = [(name, *(f"{count:,}" for count in counts)) for name, counts in zip(names, pair["table"], strict=True)]
    return Table(title, ("", *names), rows)


def _pictures(raters: Sequence[Values], pairs: Sequence[Values]) -> Iterator[Picture]:
    scores = [(rater["name"], rater["score"]["accuracy"], score_parts(rater["score"])) for rater in raters]
    rows = [
        Row(name, f"{percent(accuracy)} ({interval(parts.accuracy_ci, percent)})", accuracy, parts.accuracy_ci)
        for name, accuracy, parts in scores
        if accuracy is not None
    ]
    if rows:
        yield interval_plot("accuracies", _("Accuracy"), rows, [_("95% interval")])
    rows = [
        Row(
            _pair_name(pair),
            f"{signed_points(pair['difference'])} ({interval(pair['difference_ci'], signed_points)})",
            pair["difference"],
            pair["difference_ci"],
        )
        for pair in pairs
        if pair["difference"] is not None
    ]
    if rows:
        title, note = _("Differences of accuracy"), _("percentage points, 95% interval")
        yield interval_plot("differences", title, rows, [note], zero=True)


def _numbers(raters: Sequence[Values], pairs: Sequence[Values]) -> Iterator[dict[str, Any]]:
    """Yield a row for each adapter and each pair."""
    for rater in raters:
        score = rater["score"]
        yield {"name": rater["name"], **(all_posts(score) if score else {"part": "all", "item": ""})}
    for pair in pairs:
        low, high = pair["difference_ci"] or (None, None)
        agreement = pair["agreement"]
        yield {
            "name": pair["first"],
            "part": "pair",
            "item": pair["second"],
            "n": agreement["n"],
            "difference": pair["difference"],
            "difference_low": low,
            "difference_high": high,
            **{name: pair[name] for name in ("first_only", "second_only", "p", "mid_p", "p_holm")},
            **{name: agreement[name] for name in ("agreeing", "kappa", "ac1")},
        }
