"""Small tables of posts for tests of the readers."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path
from typing import Any

import openpyxl

from weibo_tui.datasets.reading import PostTable, TableRow, count_rows, open_table, read_rows
from weibo_tui.datasets.tables import Columns, Report
from weibo_tui.progress import drain

POSTS = [
    "今天吃到了好吃的火锅，开心[哈哈]",
    "新电影真好看，推荐大家去看",
    "外卖迟到一个小时，气死了[怒]",
    "手机又坏了，真是差劲",
    "周末爬山，风景真美",
    "客服态度太差，再也不来",
]
LABELS = ["1", "1", "0", "0", "1", "0"]
EXAMPLES = int(os.environ.get("READING_EXAMPLES", "25"))
"""Tables of the property tests; set a larger number to search longer."""


def write(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


def read(path: Path, **columns: Any) -> tuple[PostTable, list[TableRow], Report]:
    """Read a table, and check that a second pass counts the same."""
    source = open_table(path, Columns(**columns))
    report, counted = Report(), Report()
    rows = list(read_rows(source, report))
    assert drain(count_rows(source, counted)) == len(rows) == report.rows
    assert counted == report
    return source, rows, report


def check(path: Path, *parts: str, posts: list[str] = POSTS, labels: list[str] | None = LABELS, **columns: Any) -> None:
    """Check posts, labels and the parts of the summary."""
    source, rows, report = read(path, **columns)
    summary = source.summary(report)
    assert [row.text for row in rows] == posts, summary
    assert labels is None or [row.label for row in rows] == labels, summary
    assert [part for part in parts if part not in summary] == [], summary


def zipped(files: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return stream.getvalue()


def workbook(path: Path, *sheets: list[tuple[Any, ...]]) -> Path:
    book = openpyxl.Workbook()
    for number, rows in enumerate(sheets):
        sheet = book.active if number == 0 else book.create_sheet(f"第{number + 1}页")
        assert sheet is not None
        for row in rows:
            sheet.append(row)
    book.save(path)
    book.close()
    return path
