"""The folder of results: parts as Parquet files, each with its summary, and the plan that they belong to."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from weibo_tui.atomic import NO_FOLLOW, atomic_write, cannot_read, cannot_write, make_private_folder, read_bounded
from weibo_tui.errors import UserInputError
from weibo_tui.locale import gettext as _
from weibo_tui.locale import join_names
from weibo_tui.part_folders import MAX_PLAN, PLAN_NAME, is_visible
from weibo_tui.workbench.cluster.locations import Location, store_errors

if TYPE_CHECKING:
    import pyarrow as pa

LOCK = "_weibo-tui.lock"
_PART = re.compile(r"part-([0-9]{6,})\.parquet")
_PARTIAL = ".part-*.partial"  # as `atomic_write` names them
_METADATA = b"weibo-tui"
_READERS = 16  # summaries that are read at once


@dataclass(frozen=True, slots=True)
class PartSummary:
    """The account of a written part; `plan` is the id of its plan. It is in the file's metadata.

    `counts` are rows by label, `failed` those without one, `uncertain` those below the confidence threshold."""

    plan: str
    part: int
    rows: int
    failed: int = 0
    uncertain: int = 0
    counts: dict[str, int] = field(default_factory=dict)

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        return cls(**json.loads(text))


def part_name(part: int) -> str:
    """Return the file name of a part."""
    return f"part-{part:06}.parquet"


def _part_number(name: str) -> int | None:
    match = _PART.fullmatch(name)
    return int(match[1]) if match is not None and part_name(int(match[1])) == name else None


@dataclass(frozen=True, slots=True)
class ResultFolder:
    """The folder `location`, on a disk or in an object store."""

    location: Location

    @property
    def shown(self) -> str:
        return self.location.shown

    def check(self) -> None:
        """Raise UserInputError where this is no folder, or has files other than parts and their plan."""
        path = self.location.path
        if not self.location.root and os.path.lexists(path) and not os.path.isdir(path):  # noqa: PTH112
            raise UserInputError(_("{path} is not a folder. Choose another one for the results.").format(path=path))
        has_plan = self.read_plan() is not None
        others = [
            name for name in self._names() if is_visible(name) and not (has_plan and _part_number(name) is not None)
        ]
        if others:
            message = _("{path} has other files: {names}. Choose an empty or new folder for the results.")
            raise UserInputError(message.format(path=self.shown, names=join_names(sorted(others), 3)))

    def parts(self) -> set[int]:
        """Return the numbers of the parts that have a file."""
        return {number for name in self._names() if (number := _part_number(name)) is not None}

    def _names(self) -> list[str]:
        if not self.location.root:
            try:
                return [path.name for path in Path(self.location.path).iterdir()]
            except FileNotFoundError:
                return []
            except OSError as error:
                raise cannot_read(self.location.path, error) from error
        from pyarrow.fs import FileSelector

        with store_errors(self.location):
            infos = self.location.filesystem.get_file_info(FileSelector(self.location.path, allow_not_found=True))
        return [info.base_name for info in infos]

    def read_plan(self) -> dict[str, Any] | None:
        """Return the content of the plan, None without one. Raise UserInputError for another file of its name."""
        if PLAN_NAME not in self._names():
            return None
        try:
            values = json.loads(self._read(PLAN_NAME))
            if isinstance(values, dict) and values.get("program") == "weibo-tui":
                return values
        except (OSError, ValueError, RecursionError):
            pass
        message = _("{path} is not a plan of weibo-tui. Choose another folder for the results.")
        raise UserInputError(message.format(path=self.location.join(PLAN_NAME).shown))

    def write_plan(self, values: dict[str, Any]) -> None:
        """Replace the plan."""
        self._write(PLAN_NAME, json.dumps({"program": "weibo-tui", **values}, indent=1).encode())

    def write_part(self, table: pa.Table, summary: PartSummary) -> None:
        """Write a part with its summary. Other programs see the whole file or none."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        metadata = {**(table.schema.metadata or {}), _METADATA: summary.to_json().encode()}
        sink = pa.BufferOutputStream()
        pq.write_table(table.replace_schema_metadata(metadata), sink)
        self._write(part_name(summary.part), sink.getvalue())

    def summary(self, part: int) -> PartSummary | None:
        """Return the summary of a part, None where the file is missing or no whole part."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            location = self.location.join(part_name(part))
            if location.root:
                with location.filesystem.open_input_file(location.path) as file:
                    metadata = pq.read_metadata(file)
            else:
                metadata = pq.read_metadata(location.path)
            summary = PartSummary.from_json((metadata.metadata or {}).get(_METADATA, b"null"))
        except (OSError, ValueError, TypeError, pa.ArrowException):
            return None
        return summary if summary.rows == metadata.num_rows and summary.part == part else None

    def summaries(self, parts: Iterable[int]) -> Iterator[PartSummary]:
        """Yield the summaries of those parts that have one."""
        with ThreadPoolExecutor(_READERS) as readers:
            yield from (summary for summary in readers.map(self.summary, parts) if summary is not None)

    def remove_parts(self, parts: Iterable[int]) -> None:
        """Delete the files of parts."""
        for part in parts:
            location = self.location.join(part_name(part))
            if location.root:
                with store_errors(location):
                    location.filesystem.delete_file(location.path)
            else:
                try:
                    Path(location.path).unlink(missing_ok=True)
                except OSError as error:
                    raise cannot_write(Path(location.path), error) from error

    def remove_partial(self) -> None:
        """Delete the temporary files of workers that were killed."""
        if not self.location.root:
            for path in Path(self.location.path).glob(_PARTIAL):
                with suppress(OSError):
                    path.unlink()

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Create the folder, and keep other programs from writing to it during the block.

        Raise UserInputError while another program does. Object stores have no locks."""
        if self.location.root:
            yield
            return
        path = Path(self.location.path, LOCK)
        try:
            make_private_folder(path.parent)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | NO_FOLLOW, 0o600)
        except OSError as error:
            raise cannot_write(path.parent, error) from error
        try:
            _lock(descriptor, path)
            try:
                yield
            finally:
                path.unlink(missing_ok=True)
                with suppress(OSError):  # it has parts
                    path.parent.rmdir()
        finally:
            os.close(descriptor)

    def _read(self, name: str) -> bytes:
        location = self.location.join(name)
        if not location.root:
            return read_bounded(Path(location.path), MAX_PLAN)
        with store_errors(location), location.filesystem.open_input_stream(location.path) as file:
            data: bytes = file.read()
        return data

    def _write(self, name: str, data: bytes | pa.Buffer) -> None:
        location = self.location.join(name)
        if not location.root:
            atomic_write(Path(location.path), data)
            return
        # An object appears when it is complete.
        with store_errors(location), location.filesystem.open_output_stream(location.path) as file:
            file.write(data)


def _lock(descriptor: int, path: Path) -> None:
    from filelock import lock_descriptor

    is_locked = True
    with suppress(OSError):  # a file system without locks
        is_locked = lock_descriptor(descriptor, blocking=False)
    # Another program may have finished and removed the file just before it was locked.
    if not is_locked or not path.exists() or not os.path.samestat(os.fstat(descriptor), path.lstat()):
        message = _("{path} is being written by another program. Wait until it is done, or choose another --out.")
        in_app = _("{path} is being written by another program. Wait until it is done, or choose another folder.")
        raise UserInputError(message.format(path=path.parent), in_app.format(path=path.parent))
