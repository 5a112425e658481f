"""Report of a labeled file: a pass over it, and what is counted and chosen from its figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING

from weibo_tui.datasets.answers import AnswerColumns, AnsweredTable, Counts, SampledAnswers, read_answers
from weibo_tui.datasets.label_map import parse_rules
from weibo_tui.datasets.reading import open_table
from weibo_tui.datasets.survey import EMPTY, NO_DATE, Survey, read_posts, start_survey
from weibo_tui.datasets.terms import distinctive_terms
from weibo_tui.datasets.windows import DAY, MAX_WINDOWS, WEEK, window_name
from weibo_tui.errors import UserInputError
from weibo_tui.locale import gettext as _
from weibo_tui.locale import join_list
from weibo_tui.part_folders import table_sha256
from weibo_tui.progress import Progress
from weibo_tui.text.cleaning import normalize, words_only
from weibo_tui.workbench.config import EstimationConfig
from weibo_tui.workbench.estimation import Estimate, EstimationResult, estimate_table, estimate_window
from weibo_tui.workbench.report import (
    MAX_POSTS_AN_HOUR,
    Day,
    Report,
    ReportedPost,
    ReportedTerm,
    Sampling,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MAX_TERMS = 15
MAX_GROUPS = 15
TYPICAL, UNCERTAIN, DISAGREEING, REPEATED = 5, 10, 10, 10
_MAX_DAYS_BY_DAY = 14
_MIN_WORDS = 10  # letters of a typical post
_CANDIDATES = 10 * TYPICAL
_TOP_ACCOUNTS = 10


@dataclass(slots=True)
class _Rows:
    """The observed rows: the index of the label of each (rows,), -1 for none, and of the answer; and of its text."""

    survey: Survey
    table: AnsweredTable
    predictions: NDArray[np.int64]
    answers: NDArray[np.int64]
    keys: NDArray[np.uint64]
    hours: NDArray[np.int64]


def make_report(config: EstimationConfig, sampled: SampledAnswers | None) -> Generator[Progress, None, Report]:
    """Return the report of a labeled file, with the human labels of `sampled` instead of its own if that is given.

    Raise the errors of `read_answers`, and UserInputError without a column of posts."""
    if config.by not in (None, DAY, WEEK):
        message = _("by is {value} and must be one of {allowed}")
        raise UserInputError(message.format(value=config.by, allowed=join_list((DAY, WEEK))) + ".")
    fingerprint = table_sha256(config.data)
    if sampled is not None and sampled.fingerprint != fingerprint:
        message = _("{path} has changed since it was opened. Open it again.")
        raise UserInputError(message.format(path=config.data))
    source = open_table(config.data, replace(config.columns, label=None))
    survey = start_survey(source, source.text_column, config.date_column, config.collected_at)
    columns = AnswerColumns(config.columns, config.predicted_column)
    table = yield from read_answers(config.data, columns, parse_rules(config.map), survey.observe, sampled)
    rows = _index(survey, table)
    days = _days(rows)
    by = config.by or (DAY if len(days) <= _MAX_DAYS_BY_DAY else WEEK)
    estimation = _estimation(table, days, by if days else None)
    label = estimate_table(table, config.label, None).estimates[0].label if config.label else None
    terms = yield from _terms(rows)
    chosen = _choose(rows)
    shown = {at for part in chosen for at in part}
    texts = yield from read_posts(survey, {int(table.numbers[at]) for at in shown})
    posts = _posts(rows, shown, texts)
    uncertain, disagreeing, repeated, *typical = (tuple(posts[at] for at in part) for part in chosen)
    return Report(
        estimation=estimation,
        labels=_timeline_labels(table.labels, label),
        columns={
            kind: name for kind, name in (("hashtags", survey.topics_column), ("places", survey.place_column)) if name
        },
        days=tuple(_day(name, days[name]) for name in sorted(filter(None, days))),
        terms=terms,
        groups=_groups(rows),
        typical={label: _typical(part) for label, part in zip(table.labels, typical, strict=True) if part},
        uncertain=uncertain,
        disagreeing=disagreeing,
        repeated=repeated,
        sampling=_sampling(rows, fingerprint),
    )


def _index(survey: Survey, table: AnsweredTable) -> _Rows:
    import numpy as np

    indices = {name: index for index, name in enumerate(table.labels)}

    def of_words(names: Mapping[str, str]) -> NDArray[np.int64]:
        return np.array([indices.get(names.get(word, ""), -1) for word in survey.words], np.int64)

    return _Rows(
        survey,
        table,
        of_words(table.predictions)[np.frombuffer(survey.predictions, np.uint32)],
        of_words(table.answers)[np.frombuffer(survey.answers, np.uint32)],
        np.frombuffer(survey.keys, np.uint64),
        np.frombuffer(survey.hours, np.int32).astype(np.int64),
    )


def _days(rows: _Rows) -> dict[str | None, Counter[tuple[str, str]]]:
    """Return the counts of each day, and of rows without one. Without dates, or with too many days, return none."""
    import numpy as np

    dated = rows.hours != NO_DATE
    if not dated.any() or len(np.unique(rows.hours // 24)) > MAX_WINDOWS:
        return {}
    survey, words = rows.survey, list(rows.survey.words)
    days = np.where(dated, rows.hours // 24, 0)
    pairs = np.frombuffer(survey.predictions, np.uint32).astype(np.int64) * len(words) + np.frombuffer(
        survey.answers, np.uint32
    )
    values, numbers = np.unique(days * len(words) ** 2 + pairs, return_counts=True)
    counts: dict[str | None, Counter[tuple[str, str]]] = {}
    for value, number in zip(values.tolist(), numbers.tolist(), strict=True):
        day, pair = divmod(value, len(words) ** 2)
        name = date.fromordinal(day).isoformat() if day else None
        if names := _named(rows.table, words[pair // len(words)], words[pair % len(words)]):
            counts.setdefault(name, Counter())[names] += number
    return counts


def _named(table: AnsweredTable, predicted: str, answer: str) -> tuple[str, str] | None:
    """Return the names of words for the predicted label and the answer, None for rows that do not count."""
    return (table.predictions[predicted], table.answers.get(answer, "")) if predicted in table.predictions else None


def _estimation(
    table: AnsweredTable, days: Mapping[str | None, Counter[tuple[str, str]]], by: str | None
) -> EstimationResult:
    if by is None:
        return estimate_table(table, None, None)
    windows: dict[str | None, Counter[tuple[str, str]]] = {}
    for day, counts in days.items():
        window = None if day is None else window_name(date.fromisoformat(day), by)
        windows.setdefault(window, Counter()).update(counts)
    return estimate_table(replace(table, windows=windows), None, by)


def _day(name: str, counts: Counts) -> Day:
    rows = sum(counts.values())
    predicted: Counter[str] = Counter()
    for (label, _answer), number in counts.items():
        predicted[label] += number
    return Day(name, rows, {label: number / rows for label, number in predicted.items()})


def _timeline_labels(labels: tuple[str, ...], requested: str | None) -> tuple[str, ...]:
    """Return the requested label; of two, the positive one; or all."""
    if requested is not None:
        return (requested,)
    if len(labels) == 2:
        return ("positive",) if "positive" in labels else labels[1:]
    return labels


def _terms(rows: _Rows) -> Generator[Progress, None, dict[str, tuple[ReportedTerm, ...]]]:
    labels = rows.table.labels
    sample = [(text, int(rows.predictions[at])) for at, text in rows.survey.sample.texts.values()]
    sample = [(text, label) for text, label in sample if label >= 0]
    found = yield from distinctive_terms(
        [text for text, _label in sample], [label for _text, label in sample], len(labels), MAX_TERMS
    )
    return {
        label: tuple(ReportedTerm(term, sample[term.example][0]) for term in terms)
        for label, terms in zip(labels, found, strict=True)
        if terms
    }


def _groups(rows: _Rows) -> dict[str, tuple[Estimate, ...]]:
    """Return the estimates of the most frequent emoticons, hashtags and places."""
    table = rows.table
    counts: dict[str, dict[str | None, Counter[tuple[str, str]]]] = {}
    for (kind, name, predicted, answer), number in rows.survey.groups.items():
        if pair := _named(table, predicted, answer):
            counts.setdefault(kind, {}).setdefault(name, Counter())[pair] += number
    result = {}
    for kind in ("emoticons", "hashtags", "places"):
        by_name = counts.get(kind, {})
        names = sorted((name for name in by_name if name), key=lambda name: (-by_name[name].total(), name))
        shown = [*names[:MAX_GROUPS], *([None] if None in by_name else [])]
        if shown != [None]:
            result[kind] = tuple(
                estimate_window(label, name, by_name[name]) for name in shown for label in table.labels
            )
    return {kind: estimates for kind, estimates in result.items() if estimates}


def _choose(rows: _Rows) -> list[list[int]]:
    """Return the indices of the rows of uncertain, disagreeing and repeated posts, and candidates for each label.

    Among posts with the same figures, their keys decide.
    """
    import numpy as np

    confidences = rows.table.confidences
    if not len(confidences):
        confidences = np.full(len(rows.keys), np.nan)
    usable = (rows.predictions >= 0) & (rows.keys != EMPTY)
    known = usable & np.isfinite(confidences)
    rising = np.lexsort((rows.keys, confidences))
    falling = np.lexsort((rows.keys, np.where(np.isfinite(confidences), -confidences, 0)))
    differs = usable & (rows.answers >= 0) & (rows.answers != rows.predictions)
    repeated, first, numbers = np.unique(rows.keys, return_index=True, return_counts=True)
    most = [at for at in np.lexsort((first, -numbers)).tolist() if numbers[at] > 1 and repeated[at] != EMPTY]
    typical = [
        _distinct(rows.keys, falling[(known & (rows.predictions == label))[falling]], _CANDIDATES)
        for label in range(len(rows.table.labels))
    ]
    return [
        _distinct(rows.keys, rising[known[rising]], UNCERTAIN),
        _distinct(rows.keys, falling[differs[falling]], DISAGREEING),
        [int(first[at]) for at in most[:REPEATED]],
        *typical,
    ]


def _distinct(keys: NDArray[np.uint64], order: NDArray[np.int64], number: int) -> list[int]:
    """Return the first rows with different texts."""
    found: dict[int, int] = {}
    for at in order:
        found.setdefault(int(keys[at]), int(at))
        if len(found) == number:
            break
    return [*found.values()]


def _posts(rows: _Rows, shown: set[int], texts: Mapping[int, str]) -> dict[int, ReportedPost]:
    import numpy as np

    table = rows.table
    order = np.sort(rows.keys)

    def post(at: int) -> ReportedPost:
        key, row = rows.keys[at], int(table.numbers[at])
        confidence = float(table.confidences[at]) if len(table.confidences) else float("nan")
        return ReportedPost(
            row=row,
            text=texts.get(row, ""),
            predicted=table.labels[rows.predictions[at]] if rows.predictions[at] >= 0 else "",
            answer=table.labels[rows.answers[at]] if rows.answers[at] >= 0 else "",
            confidence=confidence if np.isfinite(confidence) else None,
            times=int(np.searchsorted(order, key, "right") - np.searchsorted(order, key)),
        )

    return {at: post(at) for at in shown}


def _typical(posts: Sequence[ReportedPost]) -> tuple[ReportedPost, ...]:
    """Return the first posts with enough words, or if there are not enough of these, the first ones."""
    with_words = [post for post in posts if len(words_only(normalize(post.text))) >= _MIN_WORDS]
    return tuple([*with_words, *(post for post in posts if post not in with_words)][:TYPICAL])


def _sampling(rows: _Rows, fingerprint: str) -> Sampling:
    import numpy as np

    survey, table = rows.survey, rows.table
    present = rows.keys[rows.keys != EMPTY]
    texts = len(np.unique(present))
    dated = rows.hours[rows.hours != NO_DATE]
    users = np.frombuffer(survey.users, np.uint64)
    accounts = np.unique(users[users != EMPTY], return_counts=True)[1]
    has_hours = bool(len(dated)) and bool((dated % 24).any())
    full = int((np.unique(dated, return_counts=True)[1] >= MAX_POSTS_AN_HOUR).sum())
    top = float(np.sort(accounts)[::-1][:_TOP_ACCOUNTS].sum() / accounts.sum()) if len(accounts) else None
    unpredicted = table.left_out.get("unpredicted", 0) - int((rows.predictions < 0).sum())
    return Sampling(
        rows=len(rows.keys) + unpredicted,
        empty=len(rows.keys) - len(present),
        duplicates=len(present) - texts,
        texts=texts,
        terms_of=len(survey.sample.texts),
        reposts=survey.reposts,
        undated=None if survey.dates is None else len(rows.hours) - len(dated),
        full_hours=full if has_hours else None,
        accounts=len(accounts) if survey.users_column else None,
        top_accounts=top,
        adapters=tuple(sorted(survey.adapters)),
        fingerprint=fingerprint,
        forgotten=survey.forgotten,
    )
