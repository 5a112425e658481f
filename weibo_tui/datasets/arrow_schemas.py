"""Schemas of Parquet files that together are one table: their union, and batches in its types."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa


def merge_schemas(schemas: Iterable[pa.Schema]) -> pa.Schema:
    """Return the columns of all schemas in the order in which they first appear. One of different types is text."""
    import pyarrow as pa

    types: dict[str, pa.DataType] = {}
    for schema in schemas:
        for name, data_type in zip(schema.names, schema.types, strict=True):
            types[name] = _merge_types(types.get(name, data_type), data_type)
    return pa.schema(list(types.items()))


def _merge_types(one: pa.DataType, other: pa.DataType) -> pa.DataType:
    """Return a type that holds the values of both."""
    import pyarrow as pa
    from pyarrow import types

    if one == other or types.is_null(other):
        return one
    if types.is_null(one):
        return other
    for is_kind in (types.is_signed_integer, types.is_unsigned_integer, types.is_floating):
        if is_kind(one) and is_kind(other):
            return max(one, other, key=lambda data_type: data_type.bit_width)
    return pa.string()


def conform(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """Return a batch with the columns of a merged schema, empty ones where it has none."""
    import pyarrow as pa

    if batch.schema.equals(schema):
        return batch
    columns = []
    for field in schema:
        places = batch.schema.get_all_field_indices(field.name)  # a file may have two columns of a name
        columns.append(_cast(batch.column(places[0]), field.type) if places else pa.nulls(len(batch), field.type))
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _cast(column: pa.Array, data_type: pa.DataType) -> pa.Array:
    import pyarrow as pa
    from pyarrow import types

    if column.type == data_type:
        return column
    if types.is_nested(column.type):  # lists and objects as in other formats
        return pa.array(map(_as_json, column.to_pylist()), data_type)
    return column.cast(data_type)


def _as_json(value: Any) -> str | None:
    return None if value is None else json.dumps(value, ensure_ascii=False, default=str)
