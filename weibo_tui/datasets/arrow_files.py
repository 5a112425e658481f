"""Batches of Parquet and Arrow files, in the types of the files, and of folders of Parquet parts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weibo_tui.datasets.arrow_schemas import conform, merge_schemas
from weibo_tui.datasets.containers import DataFile
from weibo_tui.datasets.tables import FORMAT_NAMES, MAX_RECORD, Table
from weibo_tui.errors import UserInputError
from weibo_tui.locale import gettext as _
from weibo_tui.part_folders import TableState, table_state
from weibo_tui.text.terminal import truncate

if TYPE_CHECKING:
    import pyarrow as pa

BATCH = 2048
MAX_BATCH = 2**24  # bytes of texts that are decoded at once
_MAX_FIXED = 2**16  # bytes of a value in a Parquet column of values of one length


def to_python(table: Table, values: pa.RecordBatch | pa.Array) -> list[Any]:
    """Return a batch or a column as Python values. Raise UserInputError for texts that do not decode."""
    try:
        result: list[Any] = values.to_pylist()
    except UnicodeDecodeError as error:
        raise _unreadable(table, error) from error
    return result


def read_batches(table: Table) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a Parquet or Arrow file, BATCH at a time, or fewer where their texts are long.

    Those of a folder are in the order of its parts, and in the types of `read_schema`."""
    if not table.parts:
        yield from _read_file(table)
        return
    schema = read_schema(table)[0]
    for part in _part_tables(table):
        for batch in _read_file(part):
            with _user_errors(part):
                conformed = conform(batch, schema)
            yield conformed


def _read_file(table: Table) -> Iterator[pa.RecordBatch]:
    if table.format == "feather":
        with open_feather(table) as reader:
            for number in range(reader.num_record_batches):
                batch = reader.get_batch(number)
                batch.validate(full=True)  # the library reads outside of memory where a damaged file says so
                for start in range(0, len(batch), BATCH):
                    yield from _decode_texts(table.path, batch.slice(start, BATCH), batch.schema)
        return
    with open_parquet(table) as file:
        schema = file.schema_arrow
        missing = file.metadata.num_rows
        # Read as dictionaries, as in the file: it may hold a large text of many rows only once.
        texts = [column.path for column in file.schema if column.physical_type == "BYTE_ARRAY"]
    with open_parquet(table, [name for name in texts if name in schema.names]) as file:
        for batch in file.iter_batches(batch_size=BATCH):
            missing -= len(batch)
            yield from _decode_texts(table.path, batch, schema)
        if missing:  # the library says nothing where the metadata are wrong
            message = _("{path} has fewer or more rows than its header says. Write it again.")
            raise UserInputError(message.format(path=table.path))


def read_schema(table: Table) -> tuple[pa.Schema, int]:
    """Return the schema of a Parquet or Arrow file, and the number of its rows; of a folder, those of all parts."""
    if not table.parts:
        return _read_file_schema(table)
    with _user_errors(table):
        states = tuple(map(table_state, table.parts))
    return _read_folder_schema(table, states)


@lru_cache(4)  # each pass needs the schema first, and a folder may have ten thousand parts
def _read_folder_schema(table: Table, _states: tuple[TableState, ...]) -> tuple[pa.Schema, int]:
    """Return the schema of all parts while they are in these states, and the number of their rows."""
    schemas: dict[pa.Schema, None] = {}
    total = 0
    for part in _part_tables(table):
        schema, rows = _read_file_schema(part)
        schemas[schema.remove_metadata()] = None
        total += rows
    return merge_schemas(schemas), total


def _part_tables(table: Table) -> Iterator[Table]:
    return (replace(table, data=DataFile(part), parts=()) for part in table.parts)


def _read_file_schema(table: Table) -> tuple[pa.Schema, int]:
    if table.format == "parquet":
        with open_parquet(table) as file:
            return file.schema_arrow, int(file.metadata.num_rows)
    with open_feather(table) as reader:
        return reader.schema, sum(reader.get_batch(number).num_rows for number in range(reader.num_record_batches))


def _decode_texts(path: Path, batch: pa.RecordBatch, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Yield a batch with texts in place of dictionary indices, in parts that fit into memory."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    total = np.zeros(len(batch), np.int64)
    for column in batch.columns:
        if pa.types.is_dictionary(column.type) and _is_text(column.type.value_type):
            lengths = pc.binary_length(column.dictionary).take(column.indices)
            total += lengths.fill_null(0).to_numpy(zero_copy_only=False)
    if total.max(initial=0) > 4 * MAX_RECORD:  # bytes
        message = _("{path}: a row has more than {limit} characters. Is it a table of posts?")
        raise UserInputError(message.format(path=path, limit=MAX_RECORD))
    part = total.cumsum() // MAX_BATCH
    starts = [0, *(np.flatnonzero(np.diff(part)) + 1).tolist(), len(batch)]
    for start, end in pairwise(starts):
        rows = batch.slice(start, end - start)
        columns = [
            column if column.type == field.type else column.cast(field.type)
            for column, field in zip(rows.columns, schema, strict=True)
        ]
        yield pa.RecordBatch.from_arrays(columns, schema=schema)


def _is_text(data_type: pa.DataType) -> bool:
    from pyarrow import types

    return any(is_kind(data_type) for is_kind in (types.is_string, types.is_large_string, types.is_binary))


@contextmanager
def open_parquet(table: Table, dictionaries: Sequence[str] = ()) -> Iterator[Any]:
    """Open a `pyarrow.parquet.ParquetFile`, with the columns `dictionaries` as such.

    Raise UserInputError for a damaged file.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    with _open(table) as file, pq.ParquetFile(file, read_dictionary=list(dictionaries)) as opened:
        if any((column.length or 0) > _MAX_FIXED for column in opened.schema):
            raise pa.ArrowInvalid(_("its values are too large"))
        yield opened


@contextmanager
def open_feather(table: Table) -> Iterator[Any]:
    """Open the reader of an Arrow file (Feather version 2). Raise UserInputError for a damaged file."""
    from pyarrow import ipc

    with _open(table) as file, ipc.open_file(file) as reader:
        yield reader


@contextmanager
def _open(table: Table) -> Iterator[Any]:
    with _user_errors(table):
        if not table.data.container and _is_unicode(table.path):
            yield table.path
            return
        with table.data.open_seekable() as file:
            yield file


def _is_unicode(path: Path) -> bool:
    """Return whether the library takes a path: others have bytes that are no UTF-8."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


@contextmanager
def _user_errors(table: Table) -> Iterator[None]:
    """Raise UserInputError in place of an error about the content of a file."""
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise _unreadable(table, error) from error


def _unreadable(table: Table, error: Exception) -> UserInputError:
    message = _("Cannot read {path} as {format} ({reason}). Write it again, or check its name.")
    reason = truncate(str(error).partition("\n")[0], 200)
    return UserInputError(message.format(path=table.path, format=FORMAT_NAMES[table.format], reason=reason))
