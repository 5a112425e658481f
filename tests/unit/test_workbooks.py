"""Excel files in and out: layouts of people, damage, and every text back as it was."""

from __future__ import annotations

import gzip
import io
import json
import re
import zipfile
from datetime import datetime
from pathlib import Path

import openpyxl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from openpyxl.chart import BarChart
from tables import EXAMPLES, LABELS, POSTS, check, read, workbook, write, zipped

from weibo_tui.datasets import sheet_xml
from weibo_tui.datasets.reading import open_table
from weibo_tui.datasets.sinks import MAX_SHEET_CELL, open_sink
from weibo_tui.datasets.tables import Columns
from weibo_tui.datasets.writing import check_sheet
from weibo_tui.errors import UserInputError

PAIRS = list(zip(POSTS, LABELS, strict=True))
WORDS = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), min_size=1, max_size=12)
ANY = st.text(st.one_of(st.characters(), st.sampled_from("_x0041\r\n\0 &<\ud83d")), max_size=20)


def test_excel_of_any_layout_is_read(tmp_path: Path) -> None:
    rows = [(n, post, int(label)) for n, (post, label) in enumerate(PAIRS)]
    header = ("序号", "微博正文", "情感倾向")
    path = workbook(tmp_path / "posts.xlsx", [header, *rows], [("某事件数据",), (), header, *rows[:2]], rows)
    check(path, "Excel, sheet Sheet", "posts in 微博正文", "6 rows")
    check(path, "sheet 第2页", "1 line above the header", posts=POSTS[:2], labels=LABELS[:2], sheet="2")
    check(path, "no header, posts in column 2", "6 rows", sheet="第3页", label="3")
    with pytest.raises(UserInputError, match="no sheet 4. Choose one with --sheet. Sheets: Sheet, 第2页, 第3页"):
        open_table(path, Columns(sheet="4"))
    check(path.rename(tmp_path / "posts.csv"), "Excel")
    (tmp_path / "posts.xlsx.gz").write_bytes(gzip.compress((tmp_path / "posts.csv").read_bytes()))
    check(tmp_path / "posts.xlsx.gz", "Excel")
    (tmp_path / "posts.zip").write_bytes(zipped({"posts.xlsx": (tmp_path / "posts.csv").read_bytes()}))
    check(tmp_path / "posts.zip", "Excel")


def test_hostile_excel_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = workbook(tmp_path / "posts.xlsx", [("text",), ("好的呀",)])
    complete = path.read_bytes()
    entities = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(complete)) as old, zipfile.ZipFile(entities, "w") as new:
        for name in old.namelist():
            start = b'<!DOCTYPE x [<!ENTITY a "aaaa">]>' if "sheet1" in name else b""
            new.writestr(name, start + old.read(name))
    for data, message in (
        (complete[:-40], "Cannot read .*posts.xlsx"),
        (complete.replace(b"xl/worksheets/sheet1.xml", b"xl/worksheets/sheet9.xml"), "posts.xlsx has no rows"),
        (entities.getvalue(), "defines XML entities"),
    ):
        path.write_bytes(data)
        with pytest.raises(UserInputError, match=message):
            read(path)
    path.write_bytes(complete)
    merges = '<mergeCell ref="A1:A2"/>' * 2001
    edit(path, "</sheetData>", f"</sheetData><mergeCells>{merges}</mergeCells>")
    monkeypatch.setattr(sheet_xml, "MAX_SHEET_ROWS", 2000)
    with pytest.raises(UserInputError, match="it is too large"):
        read(path)
    path.write_bytes(complete)
    monkeypatch.setattr(sheet_xml, "MAX_RECORD", 3)
    with pytest.raises(UserInputError, match="a cell has more than 3 characters|row 1 is too large"):
        read(path)
    monkeypatch.setattr("weibo_tui.datasets.workbooks.MAX_STRINGS", 100)
    with pytest.raises(UserInputError, match="too large for an Excel file. Export it as CSV"):
        read(path)


def edit(path: Path, old: str, new: str, name: str = "xl/worksheets/sheet1.xml") -> Path:
    """Replace a pattern in a file of a workbook."""
    with zipfile.ZipFile(path) as archive:
        files = {member: archive.read(member) for member in archive.namelist()}
    changed = re.sub(old, new, files[name].decode(), flags=re.DOTALL)
    assert changed != files[name].decode()
    path.write_bytes(zipped(files | {name: changed.encode()}))
    return path


def test_merged_labels_are_filled_down(tmp_path: Path) -> None:
    header = ("text", "label")
    rows = [(post, label if number % 3 == 0 else None) for number, (post, label) in enumerate(PAIRS)]
    path = workbook(tmp_path / "posts.xlsx", [header, *rows])
    labels = ["1", "", "", "0", "", ""]
    check(path, "6 rows", labels=labels)  # empty is unlabeled
    book = openpyxl.load_workbook(path)
    book["Sheet"].merge_cells("B2:B4")
    book["Sheet"].merge_cells("B5:B7")
    book.save(path)
    check(path, "merged cells filled down: 4", labels=["1", "1", "1", "0", "0", "0"])


def test_header_of_two_rows_is_read(tmp_path: Path) -> None:
    groups = ("序号", "微博信息", None, "标注")
    names = (None, "正文", "时间", "情感倾向")
    rows = [(n, post, "2026-01-02", int(label)) for n, (post, label) in enumerate(PAIRS)]
    path = workbook(tmp_path / "posts.xlsx", [groups, names, *rows])
    check(path, "posts in 正文, labels in 情感倾向, 1 line above the header, 6 rows")
    book = openpyxl.load_workbook(path)
    book["Sheet"].merge_cells("A1:A2")
    book["Sheet"].merge_cells("B1:C1")
    book.save(path)
    check(path, "posts in 正文, labels in 情感倾向")
    assert open_table(path).columns == ("序号", "正文", "时间", "情感倾向")


def test_formula_without_value_is_said(tmp_path: Path) -> None:
    path = workbook(tmp_path / "posts.xlsx", [("text", "label"), *((post, "=1+0") for post in POSTS)])
    check(path, "formulas without a value: 6 (open it in Excel and save it)", labels=[""] * 6)
    edit(path, "<v ?/>|<v></v>", "<v>1</v>")
    check(path, "6 rows", labels=["1"] * 6)
    edit(path, 'r="B3"><f>', 'r="B3" t="e"><f>')
    check(path, "cells with an error such as #NAME?: 1", labels=["1"] * 6)
    workbook(path, [("=1+0",)] * 3)
    with pytest.raises(UserInputError, match="formulas of sheet Sheet have no values. Open it in Excel, and save"):
        read(path)


def test_chart_sheet_is_skipped(tmp_path: Path) -> None:
    path = workbook(tmp_path / "posts.xlsx", [("text", "label"), *PAIRS])
    book = openpyxl.load_workbook(path)
    book.create_chartsheet("图", 0).add_chart(BarChart())
    book.save(path)
    check(path, "Excel, sheet Sheet, posts in text, labels in label, 6 rows")


@pytest.mark.parametrize("cell", ["XFD1", "XFD5", "XFD900000"])
def test_cell_far_right_is_left_out(tmp_path: Path, cell: str) -> None:
    path = workbook(tmp_path / "posts.xlsx", [("text", "label"), *PAIRS])
    book = openpyxl.load_workbook(path)
    book["Sheet"][cell] = "x"
    book.save(path)
    check(path, "6 rows, cells far right of the table left out: 1")
    assert open_table(path).columns == ("text", "label")


def test_millions_of_empty_rows_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheet_xml, "MAX_SHEET_ROWS", 10_000)
    path = workbook(tmp_path / "posts.xlsx", [("text", "label"), *PAIRS])
    edit(path, "</sheetData>", f"{'<row/>' * 5_000}<row><c t='n'/></row></sheetData>")
    check(path, "6 rows")
    edit(path, "</sheetData>", f"{'<row/>' * 100_000}<damage></sheetData>")
    check(path, "6 rows")  # it did not come to the damage


def test_cells_of_any_type_are_read_as_shown(tmp_path: Path) -> None:
    row = ("好的呀", 7, 7.0, 0.5, 10**20, True, datetime(2026, 1, 2, 3, 4, 5))
    path = workbook(tmp_path / "posts.xlsx", [("text", *"abcdef"), row])
    shown = ["好的呀", "7", "7", "0.5", "1e+20", "True", "2026-01-02 03:04:05"]
    assert list(read(path)[1][0].cells.values()) == shown
    edit(path, "<(/?)(worksheet|sheetData|row|c|v|is|t)(?=[ />])", r"<\1x:\2")
    edit(path, "xmlns=", "xmlns:x=")
    assert list(read(path)[1][0].cells.values()) == shown


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("EncryptedPackage", "an Office file with a password. Open it, and save it without the password"),
        ("Workbook", r"an old spreadsheet \(.xls or .et\). Open it, and save the table as .xlsx or CSV"),
        ("WordDocument", "an old Office file"),
    ],
)
def test_file_of_old_office_is_named(tmp_path: Path, entry: str, message: str) -> None:
    header = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(22) + b"\x09" + bytes(17) + b"\1" + bytes(463)
    names = "".join(name.ljust(64, "\0") for name in ("Root Entry", entry)).encode("utf-16-le")
    path = tmp_path / "posts.xlsx"
    path.write_bytes(header + bytes(512) + names)
    with pytest.raises(UserInputError, match=message):
        open_table(path)


@settings(max_examples=EXAMPLES, deadline=None)
@given(rows=st.lists(st.tuples(WORDS, st.integers(-9, 9)), min_size=1, max_size=20))
def test_table_of_openpyxl_comes_back_equal(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, int]]
) -> None:
    rows = [(f"文{text}", number) for text, number in rows]  # a formula has no value before Excel computes it
    path = workbook(tmp_path_factory.getbasetemp() / "any.xlsx", [("text", "label"), *rows])
    _source, result, _report = read(path, text="text")
    assert [(row.cells["text"], row.cells["label"]) for row in result] == [(a, str(b)) for a, b in rows]


@settings(max_examples=EXAMPLES, deadline=None)
@given(texts=st.lists(ANY, min_size=1, max_size=20))
@example(["_x0041_x0042_", "_x0041\x01", "__x005F_", "a\r\nb\rc", " \n x", "=1+1", "\ufffe"])
def test_workbook_holds_any_text(tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> None:
    path = tmp_path_factory.getbasetemp() / "written.xlsx"
    with path.open("wb") as file, open_sink("xlsx", file, {"text": str, "n": float}, bom=False) as write_row:
        for number, text in enumerate(texts):
            write_row({"text": f"文{text}", "n": number / 4})
    _source, result, _report = read(path, text="text")
    assert [row.cells["text"] for row in result] == [f"文{text}" for text in texts]
    assert [float(row.cells["n"]) for row in result] == [number / 4 for number in range(len(texts))]
    sheet = openpyxl.load_workbook(path)["posts"]
    assert sheet["B2"].value == 0
    others = [(cell.value, f"文{text}") for (cell,), text in zip(sheet.iter_rows(2, max_col=1), texts, strict=True)]
    assert all(value == text for value, text in others if "_x" not in str(value))  # openpyxl does not read escapes


def test_text_too_long_for_cell_is_refused(tmp_path: Path) -> None:
    fits = {"text": "好" * MAX_SHEET_CELL, "n": float("nan")}
    path = write(tmp_path / "posts.jsonl", json.dumps(fits))
    list(check_sheet(open_table(path), 1))
    for long in ("好" * (MAX_SHEET_CELL + 1), "😀" * (MAX_SHEET_CELL // 2 + 1)):
        write(path, f"{json.dumps(fits)}\n{json.dumps({'text': 'a', 'note': long})}\n")
        with pytest.raises(UserInputError, match=r"row 2: column note has [\d,]+ characters, .* holds 32,767. Write a"):
            list(check_sheet(open_table(path), 2))
    with pytest.raises(UserInputError, match="An Excel file holds 1,048,575 rows, and there are 1,048,576"):
        list(check_sheet(open_table(path), 2**20))
