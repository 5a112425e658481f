"""Reading of a planned file on a node: each part that is needed is given once, as a table or as an error."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from weibo_tui.datasets.reading import PostTable, count_rows, open_table
from weibo_tui.datasets.tables import Columns, EmptyTableError, Report
from weibo_tui.errors import UserInputError, WeiboTuiError
from weibo_tui.locale import gettext as _
from weibo_tui.log import disk_error, user_message
from weibo_tui.progress import drain
from weibo_tui.workbench.cluster.locations import FoundFile, local_copy, state_of
from weibo_tui.workbench.cluster.parts import read_parts
from weibo_tui.workbench.cluster.plan import Part, PlannedFile

if TYPE_CHECKING:
    import pyarrow as pa

ATTEMPTS = 3
PAUSE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class ReadPart:
    """A part of a file as it was read, see `parts.read_parts`; or the error that prevented it."""

    part: Part
    source: PostTable | None = None
    cells: pa.Table | None = None
    error: str = ""


def count(file: FoundFile, columns: Columns) -> tuple[PlannedFile, str]:
    """Return a file with its rows and columns, and a line about how it is read (empty for a file without rows).

    Raise UserInputError where it cannot be read, or too many of its rows."""
    with local_copy(file.location) as path, _errors_with_url(path, file):
        try:
            source, report = open_table(path, columns), Report()
        except EmptyTableError:
            return PlannedFile(file, 0, (), ""), ""
        rows = drain(count_rows(source, report))
        names = tuple(dict.fromkeys([*source.columns, *report.keys]))
        return PlannedFile(file, rows + report.num_bad, names, source.text_column), source.summary(report)


def read(planned: PlannedFile, parts: Sequence[Part], part_rows: int, columns: Columns) -> Iterator[ReadPart]:
    """Yield each of the `parts` of a file once, in order. Those that cannot be read after a few attempts have an error.

    The number of items is always the same, because Ray reads a file again to make items that a dead node had."""
    waiting = {part.first_row // part_rows: part for part in parts}
    message = ""
    for attempt in range(ATTEMPTS):
        time.sleep(attempt * PAUSE_SECONDS)
        try:
            yield from _read(planned, waiting, part_rows, columns)
            break
        except Exception as error:  # a fault of the disk, the network or a library may be gone at the next attempt
            message = describe(error)
            if isinstance(error, UserInputError):
                break
    yield from (ReadPart(part, error=message) for part in waiting.values())


def _read(planned: PlannedFile, waiting: dict[int, Part], part_rows: int, columns: Columns) -> Iterator[ReadPart]:
    """Yield the parts `waiting`, by their places in the file, and remove them there."""
    with local_copy(planned.file.location) as path, _errors_with_url(path, planned.file):
        source = open_table(path, columns)
        for place, cells in read_parts(source, planned.columns, part_rows, set(waiting)):
            _check_unchanged(planned.file, waiting[place], cells)
            yield ReadPart(waiting.pop(place), source, cells)
    if waiting:
        raise source_changed(planned.file)


def describe(error: Exception) -> str:
    """Return a sentence about an error."""
    return disk_error(error) if isinstance(error, OSError) else user_message(error)


def _check_unchanged(file: FoundFile, part: Part, cells: pa.Table) -> None:
    # The state of an object is compared before it is copied. A file on a disk may change while it is read.
    if len(cells) != part.rows or (not file.location.root and state_of(file.location) != file):
        raise source_changed(file)


def source_changed(file: FoundFile) -> UserInputError:
    """Return the error for a file that another program changed during the labeling."""
    message = _("{path} changed while it was labeled. Label all files again.")
    return UserInputError(message.format(path=file.location.shown))


@contextmanager
def _errors_with_url(path: Path, file: FoundFile) -> Iterator[None]:
    """In errors of the block, name a file of an object store by its URL in place of the path of its copy."""
    try:
        yield
    except WeiboTuiError as error:
        if not file.location.root:
            raise
        raise type(error)(str(error).replace(str(path), file.location.shown)) from error
