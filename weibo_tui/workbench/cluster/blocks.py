"""Blocks of Ray Data, of one row each: a part of a file, or the answer about one."""

from __future__ import annotations

import pickle
from dataclasses import replace
from typing import TYPE_CHECKING

from weibo_tui.workbench.cluster.reader import ReadPart

if TYPE_CHECKING:
    import pyarrow as pa


def pack_part(read: ReadPart) -> pa.Table:
    """Return a block with the columns `part` and `cells`."""
    import pyarrow as pa

    # Arrow's own format copies the rows of a slice, and pickle all rows around it too.
    sink = pa.BufferOutputStream()
    cells = pa.table({}) if read.cells is None else read.cells
    with pa.ipc.new_stream(sink, cells.schema) as writer:
        writer.write_table(cells)
    return block(part=pickle.dumps(replace(read, cells=None)), cells=sink.getvalue())


def unpack_part(part: pa.Scalar, cells: pa.Scalar) -> ReadPart:
    """Return the part of a block, from its columns."""
    import pyarrow as pa

    with pa.ipc.open_stream(cells.as_buffer()) as stream:
        read: ReadPart = pickle.loads(part.as_py())
        return replace(read, cells=stream.read_all())


def block(**values: bytes | pa.Buffer) -> pa.Table:
    """Return a block of one row, without copies of buffers."""
    import pyarrow as pa

    def column(value: bytes | pa.Buffer) -> pa.Array:
        ends = pa.array([0, len(value)], pa.int64()).buffers()[1]
        return pa.Array.from_buffers(pa.large_binary(), 1, [None, ends, pa.py_buffer(value)])

    return pa.table({name: column(value) for name, value in values.items()})
