"""The plan of a labeling: its files, their rows, and the numbers of the parts. It decides what each part contains."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Self

from weibo_tui.workbench.cluster.locations import FoundFile, Location

MIN_PART_ROWS, MAX_PART_ROWS = 8192, 1_048_576
MAX_PARTS = 10_000
"""The number of parts that a table of any size has about, besides one for each file."""
MAX_PART_BYTES = 2**26
"""Bytes of the rows of a part, about, because workers have whole parts in memory."""
FORMAT = 1


@dataclass(frozen=True, slots=True)
class PlannedFile:
    """A file with the number of its rows, unreadable ones too, its columns, and the number of its first part.

    `text_column` has the posts; in a plan, it is the name of that column in the results."""

    file: FoundFile
    rows: int
    columns: tuple[str, ...]
    text_column: str
    first_part: int = 0


class Part(NamedTuple):
    """A part, with its place among the rows of a file (from 0)."""

    number: int
    file: PlannedFile
    first_row: int
    rows: int


@dataclass(frozen=True, slots=True)
class Plan:
    """The plan. `request` identifies what the user asked for, `compute` the numbers that the workers compute with.

    Two plans with equal ids have equal parts."""

    request: str
    compute: str
    part_rows: int
    files: tuple[PlannedFile, ...]

    @classmethod
    def make(cls, request: str, compute: str, files: Sequence[PlannedFile], window: int) -> Self:
        """Number the parts of all files. Their rows are a multiple of `window`, as one machine predicts them.

        Where the posts of the files have different columns, all get the name of the one with the most rows, because a
        table of all parts has a single column of posts."""
        total = sum(file.rows for file in files)
        rows = min(max(-(-total // MAX_PARTS), MIN_PART_ROWS), MAX_PART_ROWS)
        size = sum(file.file.size for file in files)
        rows = min(-(-rows // window), max(1, MAX_PART_BYTES * total // max(size, 1) // window)) * window
        text = _most_common_text_column(files)
        numbered, number = [], 0
        for file in files:
            name = file.text_column if text in file.columns else text
            numbered.append(replace(file, first_part=number, text_column=name))
            number += _num_parts(file.rows, rows)
        return cls(request, compute, rows, tuple(numbered))

    @property
    def id(self) -> str:
        """SHA-256 of the plan."""
        return hashlib.sha256(json.dumps(self.to_json()).encode()).hexdigest()

    @property
    def rows(self) -> int:
        return sum(file.rows for file in self.files)

    @property
    def num_parts(self) -> int:
        return self.files[-1].first_part + _num_parts(self.files[-1].rows, self.part_rows)

    def parts(self) -> Iterator[Part]:
        """Yield all parts in order."""
        for file in self.files:
            yield from self.parts_of(file)

    def parts_of(self, file: PlannedFile) -> Iterator[Part]:
        """Yield the parts of a file."""
        for place in range(_num_parts(file.rows, self.part_rows)):
            first = place * self.part_rows
            yield Part(file.first_part + place, file, first, min(self.part_rows, file.rows - first))

    def is_for(self, files: Sequence[FoundFile]) -> bool:
        """Return whether the plan is for these files, as they are now."""
        return [_state(planned.file) for planned in self.files] == [_state(file) for file in files]

    def to_json(self) -> dict[str, Any]:
        """Return JSON values for `from_json`, without the credentials of object stores."""
        files = [
            {
                "path": planned.file.location.shown,
                "size": planned.file.size,
                "changed": planned.file.changed,
                "rows": planned.rows,
                "columns": planned.columns,
                "text_column": planned.text_column,
                "first_part": planned.first_part,
            }
            for planned in self.files
        ]
        return {
            "format": FORMAT,
            "request": self.request,
            "compute": self.compute,
            "part_rows": self.part_rows,
            "num_parts": self.num_parts,
            "files": files,
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any], found: Sequence[FoundFile] = ()) -> Self:
        """Return a plan that was written. Files of object stores get their credentials from those `found`.

        Raise ValueError, TypeError or KeyError for one that was not written by this version."""
        if values["format"] != FORMAT:
            raise ValueError
        locations = {file.location.shown: file.location for file in found}
        files = [
            PlannedFile(
                FoundFile(locations.get(file["path"], Location(file["path"])), file["size"], file["changed"]),
                file["rows"],
                tuple(file["columns"]),
                file["text_column"],
                file["first_part"],
            )
            for file in values["files"]
        ]
        return cls(values["request"], values["compute"], values["part_rows"], tuple(files))


def _most_common_text_column(files: Sequence[PlannedFile]) -> str:
    rows: Counter[str] = Counter()
    for file in files:
        rows[file.text_column] += file.rows
    return rows.most_common(1)[0][0]


def _num_parts(rows: int, part_rows: int) -> int:
    return -(-rows // part_rows)


def _state(file: FoundFile) -> tuple[str, int, int]:
    return file.location.shown, file.size, file.changed
