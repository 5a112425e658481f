"""Writing the rows of an opened file with the human labels that they have."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weibo_tui.atomic import open_output
from weibo_tui.datasets.answers import EXPORTED_CANNOT_TELL, PURPOSES
from weibo_tui.datasets.columns import fold
from weibo_tui.datasets.reading import LABEL_SOURCE
from weibo_tui.datasets.sinks import open_sink
from weibo_tui.datasets.writing import added_cell, check_sheet_cells, check_sheet_rows, format_of_suffix
from weibo_tui.locale import gettext as _
from weibo_tui.locale import join_names
from weibo_tui.progress import Progress
from weibo_tui.storage.answers import RowAnswer
from weibo_tui.storage.file_rows import FileRows, StoredRow
from weibo_tui.storage.row_filters import NONE, Selection
from weibo_tui.text.spreadsheet import escape_formula

if TYPE_CHECKING:
    from weibo_tui.workbench.human_labels import FileAnswers

_PAGE = 500  # rows that are read at once
_ADDED = ("label", LABEL_SOURCE, "purpose", "flagged", "note")
_NO_ANSWER = RowAnswer()


@dataclass(frozen=True, slots=True)
class ExportedFile:
    """The last event of an export: the file, its rows, the names of the added columns, and a line about these."""

    path: Path
    rows: int
    added: tuple[str, ...]
    note: str


def export_rows(
    file: FileRows, answers: FileAnswers, selection: Selection, out: Path, overwrite: bool
) -> Generator[Progress | ExportedFile, None, None]:
    """Write the selected rows with all their cells, and after these their labels: progress, then an `ExportedFile`.

    The label is the human one, or else the predicted one. In CSV and TSV formulas are escaped in posts and labels, as
    in every export with a column `label_source`, whose readers remove the escapes.
    """
    format_ = format_of_suffix(out)
    if format_ == "xlsx":
        check_sheet_rows(selection.total)
    labels = _LabelColumns(file, answers)
    added = labels.names.values()
    types: dict[str, type] = dict.fromkeys([*file.columns, *added], str)
    post = file.info["roles"]["post"]
    with open_output(out, "wb", overwrite=overwrite) as target, open_sink(format_, target, types, bom=True) as write:
        for done, (number, values) in enumerate(_rows(file, selection, labels)):
            if done % _PAGE == 0:
                yield Progress("writing", done, selection.total)
            if format_ in ("csv", "tsv"):
                values[post] = escape_formula(str(values[post]))
                values |= {name: added_cell(values[name]) for name in added}
            elif format_ == "xlsx":
                check_sheet_cells(out, number, values)
            write(values)
        yield Progress("writing", selection.total, selection.total)
    yield ExportedFile(out, selection.total, tuple(added), _note(file.columns, labels.names))


def exported_rows(file: FileRows, answers: FileAnswers, selection: Selection) -> Iterator[dict[str, Any]]:
    """Yield the cells of the selected rows, and after them their labels."""
    for _number, values in _rows(file, selection, _LabelColumns(file, answers)):
        yield values


def _rows(file: FileRows, selection: Selection, labels: _LabelColumns) -> Iterator[tuple[int, dict[str, Any]]]:
    columns, post = file.columns, file.info["roles"]["post"]
    for start in range(0, selection.total, _PAGE):
        for row in file.read(selection.numbers[start : start + _PAGE].tolist()):
            yield row.number, _cells(columns, row, post) | labels.of(row.number)


class _LabelColumns:
    """The columns that are added, with the labels as they are when this is made.

    `names` are their names by those in _ADDED. There are only those of which some row has a value.
    """

    def __init__(self, file: FileRows, answers: FileAnswers) -> None:
        self._predicted = file.array("predicted")
        self._human = answers.human.codes.copy()
        self._labels = tuple(answers.human.names)
        self._purposes = answers.exported_purposes
        self._states = dict(answers.answers)
        has_values = {
            "purpose": bool((self._purposes != NONE).any()),
            "flagged": any(state.flagged for state in self._states.values()),
            "note": any(state.note for state in self._states.values()),
        }
        self.names = _free_names(file.columns, [name for name in _ADDED if has_values.get(name, True)])

    def of(self, number: int) -> dict[str, str]:
        """Return the values of a row by the names of the columns."""
        human, predicted = int(self._human[number - 1]), int(self._predicted[number - 1])
        state = self._states.get(number, _NO_ANSWER)
        label = predicted if human == NONE else human
        source = "human" if human >= 0 else EXPORTED_CANNOT_TELL
        if human == NONE:
            source = "" if predicted == NONE else "model"
        purpose = int(self._purposes[number - 1])
        values = {
            "label": self._labels[label] if label >= 0 else "",
            LABEL_SOURCE: source,
            "purpose": "" if purpose == NONE else PURPOSES[purpose],
            "flagged": "true" if state.flagged else "",
            "note": state.note,
        }
        return {new: values[name] for name, new in self.names.items()}


def _free_names(columns: Sequence[str], names: Sequence[str]) -> dict[str, str]:
    """Return the names of the added columns, all with one number where a column has one of the names already."""
    taken = set(map(fold, columns))
    numbered = ({name: f"{name}_{number}" if number > 1 else name for name in names} for number in count(1))
    return next(candidate for candidate in numbered if taken.isdisjoint(candidate.values()))


def _note(columns: Sequence[str], added: Mapping[str, str]) -> str:
    if all(name == new for name, new in added.items()):
        return ""
    taken = [name for name in columns if fold(name) in added]
    message = _("The file has columns named {columns} already. The new ones are {added}.")
    return message.format(columns=join_names(taken), added=join_names(list(added.values())))


def _cells(columns: Sequence[str], row: StoredRow, post: str) -> dict[str, Any]:
    values = dict(zip(columns, [*row.cells, *[None] * (len(columns) - len(row.cells))], strict=True))
    if values[post] is None:  # the post is stored once
        values[post] = row.text
    return values
