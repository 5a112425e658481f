"""Folders of Parquet parts, as programs for large data write them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from weibo_tui.part_folders import PLAN_NAME


def write(folder: Path, *parts: pa.Table | Sequence[dict[str, Any]]) -> Path:
    """Write each table or list of rows as a part."""
    folder.mkdir(exist_ok=True)
    for number, rows in enumerate(parts):
        # A column of numbers has no empty texts.
        values = rows if isinstance(rows, pa.Table) else [{name: v or None for name, v in row.items()} for row in rows]
        table = values if isinstance(values, pa.Table) else pa.Table.from_pylist(values)
        pq.write_table(table, folder / f"part-{number:06}.parquet")
    return folder


def split(folder: Path, rows: Sequence[dict[str, Any]], number: int) -> Path:
    """Write rows as parts of equal size, the last one shorter."""
    size = -(-len(rows) // number)
    return write(folder, *(rows[start : start + size] for start in range(0, len(rows), size)))


def write_plan(folder: Path, number: int, finished_at: str | None = None) -> None:
    """Write the plan of labeled parts."""
    plan = {"num_parts": number, "finished_at": finished_at}
    (folder / PLAN_NAME).write_text(json.dumps(plan), "utf-8")
