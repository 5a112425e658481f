"""Predicted and human labels in one table: the number of rows with each pair of them, in each window."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache
from math import isfinite, nan
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from weibo_tui.datasets.columns import find_role, fold
from weibo_tui.datasets.label_map import NO_RULES, LabelMap, assign_labels, score_hint
from weibo_tui.datasets.labels import MAX_LABELS, Labels, is_number, normalize_label, sentiments
from weibo_tui.datasets.reading import PostTable, TableRow, find_exported_label, open_table, read_rows
from weibo_tui.datasets.tables import Columns, Report
from weibo_tui.datasets.windows import MAX_WINDOWS, Windows, find_windows
from weibo_tui.errors import UserInputError
from weibo_tui.locale import gettext as _
from weibo_tui.locale import join_list, join_names
from weibo_tui.progress import Progress
from weibo_tui.text.terminal import truncate

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CANNOT_TELL = "\x1e"
"""The human answer where the label could not be told."""

Counts: TypeAlias = Mapping[tuple[str, str], int]
"""Numbers of rows by predicted label and answer, which is a label, CANNOT_TELL, or empty for none."""

Observe: TypeAlias = Callable[[TableRow, str, str], None]
"""Function that gets each row with a predicted label, the word for it and the one for the answer, empty for none."""

_PREDICTED = (
    *("predicted", "prediction", "predicted_label", "pred", "pred_label", "model_label", "machine_label"),
    *("预测", "预测标签", "预测结果", "模型标签", "机器标签"),
)
_HUMAN = (
    *("human_label", "human", "gold", "gold_label", "true_label", "ground_truth", "manual_label"),
    *("人工标签", "人工标注", "真实标签"),
)
_CONFIDENCE = ("confidence", "置信度", "probability")
CANNOT_TELL_WORD = "cannot tell"
"""A word for CANNOT_TELL in a table."""
_CANNOT_TELL = frozenset(
    [
        *(CANNOT_TELL_WORD, "cannot_tell", "can't tell", "unsure", "unclear", "?", "？"),
        *("无法判断", "难以判断", "看不出", "不确定", "说不清"),
    ]
)
EXPORTED_CANNOT_TELL = "human: cannot tell"
"""The source of a label, in an export, for a row whose label could not be told."""
PURPOSES = ("sample", "teach", "correction", "file", "text")
"""Values of a column `purpose`: why a row has its human label. Only those of a `sample` were drawn at random.

The others were chosen for training, corrected by a user, labeled in a file of which other rows were drawn later, or
have the text of a row in another file."""
NOT_SAMPLED = PURPOSES[1:]
_STEP = 1000  # rows between two steps of progress


@dataclass(frozen=True, slots=True)
class AnswerColumns:
    """Which columns to read, by name or number; None is detected. See `find_windows` for `by` and the last two."""

    table: Columns = Columns()
    predicted: str | None = None
    by: str | None = None
    date: str | None = None
    collected: datetime | None = None


@dataclass(frozen=True, slots=True)
class AnsweredTable:
    """The rows of a table that have a predicted label.

    `labels` are those of the model, in order, and then those of human answers only. `windows` are the counts of each
    window; None is that of rows in no window, and the only one where none are requested. `is_answered` (rows,) and
    `confidences` (rows,) are in the order of the rows; `confidences` is empty without a column of them, and NaN where a
    cell cannot be read. `numbers` (rows,) are the places of the rows in the file, from 1. `left_out` are numbers of
    rows without a predicted label (`unpredicted`), and of answers that do not count: those of NOT_SAMPLED,
    `several labels`, and `dropped` (by the map). `labels_read_as` are the names of labels in the file that are
    others. `predictions` and `answers` have the name of each word for a predicted label and for an answer; a word that
    is missing does not count.
    """

    path: Path
    labels: tuple[str, ...]
    windows: dict[str | None, Counter[tuple[str, str]]]
    is_answered: NDArray[np.bool_]
    confidences: NDArray[np.float64]
    numbers: NDArray[np.int64]
    left_out: dict[str, int]
    labels_read_as: dict[str, str]
    predictions: Mapping[str, str]
    answers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class SampledAnswers:
    """Human labels of the rows of the file with a `fingerprint`, to use instead of the file's own column.

    `codes` (rows,) are places in `words`, which are labels or CANNOT_TELL_WORD; negative for rows that were not drawn
    at random. `left_out` counts the answers to those, as in `AnsweredTable`.
    """

    fingerprint: str
    words: Sequence[str]
    codes: NDArray[np.int16]
    left_out: Mapping[str, int]

    def word(self, number: int) -> str:
        """Return the answer to a row, numbered from 1, or an empty text."""
        code = self.codes[number - 1]
        return self.words[code] if code >= 0 else ""


@dataclass(slots=True)
class _Rows:
    """Numbers of rows by window, and by the words for the predicted label and the answer; and figures of each row."""

    counts: Counter[tuple[str | None, str, str]] = field(default_factory=Counter)
    is_answered: bytearray = field(default_factory=bytearray)
    confidences: array[float] = field(default_factory=lambda: array("d"))
    numbers: array[int] = field(default_factory=lambda: array("q"))
    left_out: Counter[str] = field(default_factory=Counter)


def read_answers(
    path: Path,
    columns: AnswerColumns = AnswerColumns(),
    label_map: LabelMap = NO_RULES,
    observe: Observe | None = None,
    sampled: SampledAnswers | None = None,
) -> Generator[Progress, None, AnsweredTable]:
    """Read a table with predicted and human labels. `observe` is called with each row that has a predicted label.

    Human labels are those of `sampled`, otherwise the table's own. They are matched with the predicted ones as those of
    a test file are with an adapter's. Raise UserInputError where `open_table` and `find_windows` do, without a
    predicted label, and for labels that are scores.
    """
    import numpy as np

    # The posts are not needed, so the column of predicted labels takes their place.
    source = open_table(path, replace(columns.table, text="1", label=None))
    predicted = _predicted_column(source, columns.predicted)
    label = find_answers(source, columns.table.label, predicted)
    source = replace(source, text_column=predicted, label_column=label, label=None, other_labels=())
    windows = None
    if columns.by is not None:
        windows = find_windows(source, columns.by, columns.date, columns.collected)
    rows = yield from _read(source, windows, observe, sampled)
    predictions = {predicted for _window, predicted, _answer in rows.counts}
    names = name_labels(source, predictions, {answer for _window, _predicted, answer in rows.counts}, label_map)
    if not names.predictions:
        message = _("{path}: column {column} has no labels. Choose another with --predicted-column.")
        in_app = _("{path}: column {column} has no labels. Choose another.")
        values = {"path": source.path, "column": source.text_column}
        raise UserInputError(message.format(**values), in_app.format(**values))
    return AnsweredTable(
        path=path,
        labels=names.labels,
        windows=_named_counts(rows, names),
        is_answered=np.frombuffer(rows.is_answered, np.bool_),
        confidences=np.frombuffer(rows.confidences, np.float64),
        numbers=np.frombuffer(rows.numbers, np.int64),
        left_out=dict(rows.left_out),
        labels_read_as=names.read_as,
        predictions=names.predictions,
        answers=names.answers,
    )


def find_predicted(columns: Sequence[str]) -> list[str]:
    """Return the columns with a usual name for predicted labels, the most usual name first."""
    by_name = {fold(name): name for name in columns}
    found = [by_name[name] for name in _PREDICTED if name in by_name]
    return found + [name for name in columns if fold(name).endswith("_predicted")]  # of `predict --prefix`


def find_confidence(columns: Sequence[str], predicted: str) -> str | None:
    """Return the column with the confidence of the labels in column `predicted`."""
    by_name = {fold(name): name for name in columns}
    prefix = fold(predicted).removesuffix(_PREDICTED[0])
    return next((by_name[name] for name in (prefix + _CONFIDENCE[0], *_CONFIDENCE) if name in by_name), None)


def find_purpose(columns: Sequence[str], label: str | None) -> str | None:
    """Return the column that says why a row has its human label, which is in column `label`."""
    suffix = fold(label or "").removeprefix("label") if label == find_exported_label(columns) else ""
    return next((name for name in columns if fold(name) == f"purpose{suffix}"), None)


def answer_reader(source: PostTable) -> Callable[[TableRow], str]:
    """Return the function from a row to the word for its human label, an empty text for none."""
    label_source = source.label_source
    if label_source is None:
        return lambda row: row.label or ""

    def read(row: TableRow) -> str:
        is_unknown = not row.label and fold(str(row.cells.get(label_source))) == EXPORTED_CANNOT_TELL
        return CANNOT_TELL_WORD if is_unknown else row.label or ""

    return read


def _predicted_column(source: PostTable, requested: str | None) -> str:
    if requested is not None:
        return source.column(requested, "--predicted-column")
    found = find_predicted(source.columns)
    if len(found) == 1 or (found and fold(found[0]) == _PREDICTED[0]):
        return found[0]
    if found:
        message = _("{path} has several columns of predicted labels: {columns}. Choose one with --predicted-column.")
        in_app = _("{path} has several columns of predicted labels: {columns}. Choose one.")
    else:
        message = _(
            "{path}: column of predicted labels not detected. Label the file first, as in 'weibo-tui predict --file', "
            "or choose the column with --predicted-column. Columns: {columns}."
        )
        in_app = _("{path}: column of predicted labels not detected. Label the file first. Columns: {columns}.")
    values = {"path": source.path, "columns": join_names(found or source.columns, 20)}
    raise UserInputError(message.format(**values), in_app.format(**values))


def find_answers(source: PostTable, requested: str | None, predicted: str | None) -> str | None:
    """Return the column of human labels, `requested` or by its name. Raise UserInputError if it does not exist."""
    if requested is not None:
        column = source.column(requested, "--label-column")
        if column == predicted:
            message = _("{path}: column {name} cannot be both predicted and human label.")
            raise UserInputError(message.format(path=source.path, name=column))
        return column
    others = [name for name in source.columns if name != predicted]
    if (exported := find_exported_label(others)) is not None:
        return exported
    by_name = {fold(name): name for name in others}
    found = [by_name[name] for name in _HUMAN if name in by_name] or find_role(others, "label")
    return found[0] if found else None


def _read(
    source: PostTable, windows: Windows | None, observe: Observe | None, sampled: SampledAnswers | None
) -> Generator[Progress, None, _Rows]:
    purpose_column = find_purpose(source.columns, source.label_column) if sampled is None else None
    confidence = find_confidence(source.columns, source.text_column)
    rows, report, read_answer = _Rows(), Report(), answer_reader(source)
    rows.left_out.update(sampled.left_out if sampled is not None else {})
    predictions: set[str] = set()
    names: set[str | None] = set()
    for row in read_rows(source, report):
        if row.number % _STEP == 0:
            _check_numbers(source, predictions, names)
            yield Progress("reading", row.number)
        predicted = label_word(row.cells.get(source.text_column))
        answer = read_answer(row) if sampled is None else sampled.word(row.number)
        if not predicted:
            rows.left_out["unpredicted"] += 1
            continue
        purpose = "" if purpose_column is None else fold(str(row.cells.get(purpose_column)))
        if answer and purpose in NOT_SAMPLED:
            rows.left_out[purpose] += 1
            answer = ""
        window = None if windows is None else windows.window(row.cells)
        predictions.add(predicted)
        names.add(window)
        rows.counts[window, predicted, answer] += 1
        rows.is_answered.append(bool(answer))
        rows.numbers.append(row.number)
        if observe is not None:
            observe(row, predicted, answer)
        if confidence is not None:
            rows.confidences.append(read_number(row.cells.get(confidence)))
    _check_numbers(source, predictions, names)
    yield Progress("reading", report.rows, report.rows, note=_summary(source, windows, report, sampled is not None))
    return rows


@lru_cache(1000)
def label_word(cell: Any) -> str:
    """Return the label in a cell, an empty text for none."""
    return normalize_label(cell)


def read_number(cell: Any) -> float:
    """Return the number in a cell, NaN for none, and for an infinite one, which no JSON can hold."""
    try:
        number = float(cell)
    except (TypeError, ValueError, OverflowError):
        return nan
    return number if isfinite(number) else nan


def _check_numbers(source: PostTable, predictions: Collection[str], windows: Collection[str | None]) -> None:
    if len(predictions) > MAX_LABELS or score_hint(predictions):
        message = _("{path}: column {column} has {number} values, not labels. Choose another with --predicted-column.")
        in_app = _("{path}: column {column} has {number} values, not labels. Choose another.")
        values = {"path": source.path, "column": source.text_column, "number": f"{len(predictions):,}"}
        raise UserInputError(message.format(**values), in_app.format(**values))
    check_windows(source.path, len(windows))


def check_windows(path: Path, number: int) -> None:
    """Raise UserInputError for more windows than MAX_WINDOWS."""
    if number > MAX_WINDOWS:
        message = _("{path} has more than {limit} windows. Choose a column with fewer values.")
        raise UserInputError(message.format(path=path, limit=f"{MAX_WINDOWS:,}"))


def _summary(source: PostTable, windows: Windows | None, report: Report, has_answers: bool) -> str:
    parts = [_("predicted labels in {column}").format(column=truncate(source.text_column.strip()))]
    if has_answers:
        parts.append(_("human labels given in Files"))
    if windows is not None:
        columns = " / ".join(truncate(name.strip()) for name in windows.columns)
        parts.append((_("dates in {columns}") if windows.by_date else _("split by {columns}")).format(columns=columns))
    return source.summary(report, join_list(parts))


@dataclass(frozen=True, slots=True)
class LabelNames:
    """The labels, those that are read as others, and the name of each word for a predicted label and for an answer.

    The labels are those of the model, in order, and then those of answers only. `dropped` are the reasons for answers
    that do not count.
    """

    labels: tuple[str, ...]
    read_as: dict[str, str]
    predictions: dict[str, str]
    answers: dict[str, str]
    dropped: dict[str, str]


def name_labels(
    source: PostTable, predictions: Collection[str], answers: Collection[str], label_map: LabelMap = NO_RULES
) -> LabelNames:
    """Return the names of the words for predicted labels and for answers. Raise UserInputError for scores."""
    model = assign_labels(predictions, None, NO_RULES)
    names = model.labels.names
    words = set(answers) - {""}
    label_map.check_used(words)
    human = assign_labels(words, model.labels, label_map)
    named = {word: names[index] for word, index in human.indices.items()} | {"": ""}
    named |= _own_labels(source, words - human.indices.keys() - human.left_out.keys(), label_map)
    own = sorted({*named.values()} - {"", CANNOT_TELL, *names})
    predicted = {word: names[index] for word, index in model.indices.items()}
    return LabelNames((*names, *own), model.read_as() | human.read_as(), predicted, named, human.left_out)


@lru_cache(1000)
def answer_name(word: str, labels: tuple[str, ...]) -> str | None:
    """Return the name of one human label, as `name_labels` does among `labels`; None if it is no label, or several.

    A new label that is a number stays one, since what numbers mean depends on the others.
    """
    found = assign_labels({word}, Labels(labels, labels), NO_RULES)
    if found.left_out:
        return None
    if word in found.indices:
        return labels[found.indices[word]]
    if word.casefold() in _CANNOT_TELL:
        return CANNOT_TELL
    return word if is_number(word) else sentiments([word]).get(word, word)


def _named_counts(rows: _Rows, names: LabelNames) -> dict[str | None, Counter[tuple[str, str]]]:
    """Return the counts by names of labels, and count the rows that do not count in `rows.left_out`."""
    counts: dict[str | None, Counter[tuple[str, str]]] = {}
    for (window, predicted, answer), number in rows.counts.items():
        if predicted not in names.predictions:
            rows.left_out["unpredicted"] += number
            continue
        if answer not in names.answers:
            rows.left_out[names.dropped[answer]] += number
        counts.setdefault(window, Counter())[names.predictions[predicted], names.answers.get(answer, "")] += number
    return counts


def _own_labels(source: PostTable, words: Collection[str], label_map: LabelMap) -> dict[str, str]:
    """Return the names of human labels that are not predicted. Raise UserInputError where they are scores."""
    values = {word: label_map.apply(word) or word for word in words}
    own = {word: value for word, value in values.items() if value.casefold() not in _CANNOT_TELL}
    if problem := score_hint(own.values()):
        raise UserInputError(_("{files}: {problem}").format(files=source.path, problem=problem))
    if len(own) > MAX_LABELS:
        message = _("{path}: column {column} has more than {limit} different labels. Is it the right column?")
        raise UserInputError(message.format(path=source.path, column=source.label_column, limit=MAX_LABELS))
    meanings = sentiments([*own.values()])
    return {word: meanings.get(own[word], own[word]) if word in own else CANNOT_TELL for word in words}
