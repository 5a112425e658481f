"""Estimates of an opened file, from its arrays and the human labels as they are now."""

from __future__ import annotations

from collections import Counter
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from weibo_tui.datasets.answers import (
    CANNOT_TELL_WORD,
    NOT_SAMPLED,
    PURPOSES,
    AnsweredTable,
    SampledAnswers,
    check_windows,
)
from weibo_tui.datasets.label_map import NO_RULES, assign_labels
from weibo_tui.datasets.windows import DAY, WEEK, Spellings, no_dates, window_name
from weibo_tui.errors import UserInputError
from weibo_tui.locale import gettext as _
from weibo_tui.storage.file_rows import FileRows, cell_text
from weibo_tui.storage.row_filters import CANNOT_TELL, MINUTES_OF_DAY, NO_DATE, NONE
from weibo_tui.workbench.estimation import EstimationResult, estimate_table
from weibo_tui.workbench.human_labels import FileAnswers

if TYPE_CHECKING:
    from numpy.typing import NDArray


def estimate_file(file: FileRows, answers: FileAnswers, label: str | None, by: str | None) -> EstimationResult:
    """Return what `weibo-tui estimate` computes from the exported file. Raise UserInputError where that does."""
    return estimate_table(_table(file, answers, by), label, by)


def sampled_answers(file: FileRows, answers: FileAnswers) -> SampledAnswers:
    """Return the human labels that `estimate_file` counts."""
    words = (*answers.human.names, CANNOT_TELL_WORD)
    codes = np.where(answers.is_sampled, answers.human.codes, NONE)
    left_out = _left_out(answers, file.array("predicted") != NONE)
    left_out.pop("unpredicted", None)  # they are counted again
    return SampledAnswers(
        fingerprint=file.info["fingerprint"],
        words=words,
        codes=np.where(codes == CANNOT_TELL, len(words) - 1, codes).astype(np.int16),
        left_out=left_out,
    )


def _table(file: FileRows, answers: FileAnswers, by: str | None) -> AnsweredTable:
    path = Path(file.info["path"])
    predicted = file.array("predicted")
    is_predicted = predicted != NONE
    if not is_predicted.any():
        raise UserInputError(_("{path} has no predicted labels. Label the file first.").format(path=path))
    is_sampled = answers.is_sampled & is_predicted
    codes = np.where(is_sampled, answers.human.codes, NONE)
    names, windows = _windows(file, by)
    check_windows(path, len(set(names)))
    present = [name for code, name in enumerate(answers.human.names) if (predicted == code).any()]
    model = assign_labels(present, None, NO_RULES).labels.names  # as `name_labels` has them
    own = {answers.human.names[code] for code in np.unique(codes[codes >= 0]).tolist()}.difference(model)
    return AnsweredTable(
        path=path,
        labels=(*model, *sorted(own)),
        windows=_count(names, windows[is_predicted], predicted[is_predicted], codes[is_predicted], answers),
        is_answered=is_sampled[is_predicted],
        confidences=file.array("confidence")[is_predicted].astype(np.float64),
        numbers=np.flatnonzero(is_predicted) + 1,
        left_out=_left_out(answers, is_predicted),
        labels_read_as={},
        predictions={},
        answers={},
    )


def _windows(file: FileRows, by: str | None) -> tuple[list[str | None], NDArray[np.int64]]:
    """Return the names of the windows, None for that of rows in none, and the place of each row's (rows,)."""
    if by is None:
        return [None], np.zeros(file.rows, np.int64)
    if by in (DAY, WEEK):
        dates = file.array("date")
        if not (dates != NO_DATE).any():
            raise no_dates(Path(file.info["path"]), file.columns)
        days, windows = np.unique(np.where(dates == NO_DATE, 0, dates // MINUTES_OF_DAY), return_inverse=True)
        return [window_name(date.fromordinal(day), by) if day else None for day in days.tolist()], windows
    codes, first, windows = np.unique(file.codes(by), return_index=True, return_inverse=True)
    check_windows(Path(file.info["path"]), len(codes))
    place = file.columns.index(by)
    cells = {row.number: cell_text(row.cells[place]) for row in file.read((first + 1).tolist())}
    spellings = Spellings()
    numbers = sorted((first + 1).tolist())
    names = {number: spellings.name(cells[number].strip()) or None for number in numbers}
    return [names[number] for number in (first + 1).tolist()], windows


def _count(
    names: list[str | None],
    windows: NDArray[np.int64],
    predicted: NDArray[np.int16],
    codes: NDArray[np.int16],
    answers: FileAnswers,
) -> dict[str | None, Counter[tuple[str, str]]]:
    """Return the numbers of rows by window, predicted label and answer."""
    labels = len(answers.human.names)
    answered = codes.astype(np.int64) - CANNOT_TELL  # from 0
    keys = (windows * labels + predicted) * (labels - CANNOT_TELL) + answered
    counts: dict[str | None, Counter[tuple[str, str]]] = {}
    for key, number in zip(*(part.tolist() for part in np.unique(keys, return_counts=True)), strict=True):
        rest, answer = divmod(key, labels - CANNOT_TELL)
        window, label = divmod(rest, labels)
        pair = answers.human.names[label], answers.name(answer + CANNOT_TELL) or ""
        counts.setdefault(names[window], Counter())[pair] += number
    return counts


def _left_out(answers: FileAnswers, is_predicted: NDArray[np.bool_]) -> dict[str, int]:
    """Return the numbers of rows without a predicted label, and of answers that were not drawn at random."""
    numbers = {"unpredicted": int((~is_predicted).sum())}
    for purpose in NOT_SAMPLED:
        has_purpose = answers.exported_purposes == PURPOSES.index(purpose)
        numbers[purpose] = int((has_purpose & answers.is_answered & is_predicted).sum())
    return {name: number for name, number in numbers.items() if number}
