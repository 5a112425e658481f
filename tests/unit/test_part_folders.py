"""Folders of Parquet parts that are read as one table."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import files
import pandas as pd
import parts
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tables
from commands import Command

from weibo_tui import UserInputError, Workbench, part_folders
from weibo_tui.datasets.containers import expand
from weibo_tui.datasets.reading import open_table, preview_table, read_rows
from weibo_tui.datasets.tables import Columns, Report
from weibo_tui.storage.row_filters import RowFilter, RowOrder
from weibo_tui.workbench.config import LabelingConfig

ROWS = files.rows(200, seed=2)
POSTS = [{"text": text, "label": label} for text, label in zip(tables.POSTS, tables.LABELS, strict=True)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give a folder of 200 labeled rows in seven parts."""
    return parts.split(tmp_path / "results", ROWS, 7)


def test_parts_are_read_as_one_table(tmp_path: Path) -> None:
    folder = parts.split(tmp_path / "results", POSTS, 3)
    tables.check(folder, "results: Parquet, 3 files, posts in text, labels in label, 6 rows")
    _source, rows, _report = tables.read(folder)
    assert [row.number for row in rows] == [1, 2, 3, 4, 5, 6]


def test_parts_are_in_order_of_names(tmp_path: Path) -> None:
    folder = parts.split(tmp_path / "results", POSTS, 3)
    (folder / "part-000000.parquet").rename(folder / "part-000009.parquet")
    tables.check(folder, posts=[*tables.POSTS[2:], *tables.POSTS[:2]], labels=None)


def test_notes_and_temporary_files_are_no_parts(tmp_path: Path) -> None:
    folder = parts.split(tmp_path / "results", POSTS, 2)
    for name in ("_SUCCESS", "_metadata", "_part-9.parquet", ".part-8.parquet", ".part-0.parquet.crc", "README.md"):
        (folder / name).write_text("no part")
    tables.check(folder, "2 files")


def test_columns_of_all_parts_are_read(tmp_path: Path) -> None:
    folder = parts.write(
        tmp_path / "results", [{"text": "面好吃", "place": "北京"}], [{"likes": 3, "text": "雨"}], [{"text": "风景"}]
    )
    source, rows, _report = tables.read(folder)
    assert source.columns == ("text", "place", "likes")
    assert [row.cells["place"] for row in rows] == ["北京", None, None]
    assert [row.cells["likes"] for row in rows] == [None, 3, None]


@pytest.mark.parametrize(
    ("one", "other", "values"),
    [
        (pa.array([1], pa.int8()), pa.array([2**40]), [1, 2**40]),
        (pa.array([None], pa.null()), pa.array([5]), [None, 5]),
        (pa.array([1.5], pa.float32()), pa.array([2.5]), [1.5, 2.5]),
        (pa.array([2**60 + 1]), pa.array([0.5]), [str(2**60 + 1), "0.5"]),
        (pa.array(["a"]), pa.array([True]), ["a", "true"]),
        (pa.array(["甲"]).dictionary_encode(), pa.array(["乙"]), ["甲", "乙"]),
        (pa.array(["x"]), pa.array([["甲", "乙"]]), ["x", '["甲", "乙"]']),
    ],
)
def test_types_of_parts_are_merged(one: pa.Array, other: pa.Array, values: list[object], tmp_path: Path) -> None:
    made = [pa.table({"text": ["post"], "value": column}) for column in (one, other)]
    rows = tables.read(parts.write(tmp_path / "results", *made))[1]
    assert [row.cells["value"] for row in rows] == values


def test_empty_parts_have_no_rows(tmp_path: Path) -> None:
    schema = pa.schema({"text": pa.string(), "label": pa.string()})
    empty = schema.empty_table()
    folder = parts.write(tmp_path / "results", empty, pa.Table.from_pylist(POSTS, schema), empty)
    tables.check(folder, "3 files", "6 rows")


def test_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserInputError, match="without Parquet files"):
        open_table(tmp_path)


def test_folder_with_other_tables_is_refused(folder: Path) -> None:
    files.write(folder / "export.csv", ROWS)
    (folder / "year=2026").mkdir()
    with pytest.raises(UserInputError, match=r"not only Parquet files: export\.csv, year=2026"):
        open_table(folder)


def test_damaged_part_is_named(folder: Path) -> None:
    part = folder / "part-000003.parquet"
    part.write_bytes(part.read_bytes()[:-20])
    with pytest.raises(UserInputError, match=r"part-000003\.parquet as Parquet"):
        open_table(folder)


def test_part_that_is_removed_while_read_is_named(folder: Path) -> None:
    rows = read_rows(open_table(folder))
    next(rows)
    (folder / "part-000005.parquet").unlink()
    with pytest.raises(UserInputError, match=r"part-000005\.parquet"):
        list(rows)


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    made = [pa.table({"text": ["post"], "value": column}) for column in (pa.array(["a"]), pa.array([b"\xff\xfe"]))]
    folder = parts.write(tmp_path / "results", *made)
    with pytest.raises(UserInputError, match=r"part-000001\.parquet as Parquet"):
        list(read_rows(open_table(folder)))


def test_unfinished_folder_says_so(folder: Path) -> None:
    parts.write_plan(folder, 10)
    assert "Parquet, 7 files, unfinished (3 parts missing)" in open_table(folder).summary(Report())
    parts.write_plan(folder, 7)
    assert "unfinished" not in open_table(folder).summary(Report())
    parts.write_plan(folder, 10, finished_at="2026-01-01T00:00:00Z")
    assert "unfinished" not in open_table(folder).summary(Report())


HUGE = ['{"num_parts": 1e999}', '{"num_parts": ' + "9" * 5000 + "}", "[" * 100_000]


@pytest.mark.parametrize("plan", ["", "[]", "{}", '{"num_parts": null}', "\0", *HUGE], ids=len)
def test_plan_of_another_program_is_ignored(plan: str, folder: Path) -> None:
    (folder / part_folders.PLAN_NAME).write_text(plan)
    assert "unfinished" not in open_table(folder).summary(Report())


@pytest.mark.skipif(sys.platform != "linux", reason="names are Unicode elsewhere")
def test_parts_with_undecodable_names_are_read(tmp_path: Path) -> None:
    parts.write(tmp_path / "results", POSTS)
    path = tmp_path / "results" / "part-000000.parquet"
    path.rename(os.fsdecode(os.fsencode(path.parent) + b"/part-\xff.parquet"))
    assert len(list(read_rows(open_table(path.parent), Report()))) == len(POSTS)


def test_part_that_is_a_link_to_nothing_is_refused(folder: Path) -> None:
    (folder / "part-900000.parquet").symlink_to("elsewhere.parquet")
    with pytest.raises(UserInputError, match="part-900000.parquet"):
        open_table(folder)


def test_expand_keeps_folder_of_parts(folder: Path, tmp_path: Path) -> None:
    parts.write_plan(folder, 7)
    assert expand([folder]) == [folder]
    mixed = tmp_path / "mixed"
    mixed.mkdir()
    table = pa.Table.from_pylist(POSTS)
    pq.write_table(table, mixed / "train.parquet")
    pq.write_table(table, mixed / "test.parquet")
    assert expand([mixed]) == [mixed / "test.parquet", mixed / "train.parquet"]


def test_preview_shows_first_rows(folder: Path) -> None:
    preview = preview_table(folder, Columns(label="label"), 3)
    assert [row.text for row in preview.rows] == [row["text"] for row in ROWS[:3]]


# ---- the workbench


@pytest.fixture
def workbench(home: Path) -> Workbench:
    return Workbench(home)


def test_folder_is_opened_like_its_file(workbench: Workbench, folder: Path, tmp_path: Path) -> None:
    one = files.opened(workbench, files.write(tmp_path / "posts.csv", ROWS))
    other = files.opened(workbench, folder)
    assert other.info.rows == 200
    assert other.info.summary == "results: Parquet, 7 files, posts in text, labels in label, 200 rows"
    assert other.info.posts == one.info.posts
    criteria = RowFilter(label="positive", columns=(("place", "shang"),)), RowOrder("confidence", descending=True)
    assert files.numbers(other, *criteria) == files.numbers(one, *criteria)
    assert other.row(150).text == one.row(150).text


@pytest.mark.parametrize("change", ["changed", "added", "removed", "renamed"])
def test_change_of_any_part_is_noticed(change: str, workbench: Workbench, folder: Path) -> None:
    file, part = files.opened(workbench, folder), folder / "part-000003.parquet"
    status = part.stat()
    if change == "changed":
        os.utime(part, ns=(status.st_atime_ns, status.st_mtime_ns - 1))
    elif change == "added":
        pq.write_table(pa.Table.from_pylist(ROWS[:5]), folder / "part-000007.parquet")
    elif change == "removed":
        part.unlink()
    else:
        part.rename(folder / "part-900000.parquet")
    assert any("has changed" in warning for warning in file.info.warnings)
    expected = {"changed": 200, "added": 205, "removed": 171, "renamed": 200}[change]
    again = files.opened(workbench, folder)
    assert (again.info.rows, again.info.warnings) == (expected, ())
    assert [listed.state for listed in workbench.list_files()] == ["ready"]


def test_removed_folder_still_has_its_rows(workbench: Workbench, folder: Path) -> None:
    files.opened(workbench, folder)
    for part in folder.iterdir():
        part.unlink()
    assert [listed.state for listed in workbench.list_files()] == ["removed"]
    file = files.opened(workbench, folder)
    assert file.info.rows == 200
    assert any("was removed" in warning for warning in file.info.warnings)


def test_folder_without_parts_is_not_opened(workbench: Workbench, tmp_path: Path) -> None:
    with pytest.raises(UserInputError, match="without Parquet files"):
        files.opened(workbench, tmp_path)
    with pytest.raises(UserInputError, match="File not found"):
        files.opened(workbench, tmp_path / "none")


def test_unfinished_folder_opens_with_warning(workbench: Workbench, folder: Path) -> None:
    parts.write_plan(folder, 9)
    file = files.opened(workbench, folder)
    assert file.info.warnings == ("This folder is not finished: 2 parts are missing.",)
    with pytest.warns(UserWarning, match="2 parts are missing"):
        workbench.estimate(folder, progress=False)


def test_answers_to_rows_of_folder_count(workbench: Workbench, folder: Path) -> None:
    file = files.opened(workbench, folder)
    file.correct([150], "neutral")
    assert files.opened(workbench, folder).row(150).human == "neutral"
    assert file.row(150).human_source == "answer"


def test_estimates_and_report_equal_those_of_file(workbench: Workbench, folder: Path, tmp_path: Path) -> None:
    path = files.write(tmp_path / "posts.csv", ROWS)
    one, other = (workbench.estimate(data, progress=False).estimates for data in (path, folder))
    assert one == other
    (folder / "part-000000.parquet").rename(folder / "000000.parquet")  # of another program
    assert workbench.estimate(folder, progress=False).estimates == one
    reports = [workbench.report(data, progress=False) for data in (path, folder)]
    assert reports[0].terms == reports[1].terms
    assert reports[0].uncertain == reports[1].uncertain


def test_export_into_folder_is_refused(workbench: Workbench, folder: Path) -> None:
    with pytest.raises(UserInputError, match="Output is in the input folder"):
        workbench.export_file(folder, folder / "part-000000.parquet", overwrite=True, progress=False)
    out = folder.with_name("rows.csv")
    assert workbench.export_file(folder, out, progress=False).rows == 200
    assert len(pd.read_csv(out)) == 200


def test_folder_is_labeled_into_one_file(wb: Workbench, tmp_path: Path) -> None:
    folder = parts.split(tmp_path / "posts", POSTS, 3)
    out = tmp_path / "labeled.parquet"
    assert wb.label_file(folder, out, progress=False).rows == 6
    table = pq.read_table(out).to_pydict()
    assert table["text"] == tables.POSTS
    assert None not in table["predicted"]
    with pytest.raises(UserInputError, match="Output is in the input folder"):
        LabelingConfig(folder, folder / "labeled.parquet")


def test_commands_read_a_folder(wb: Workbench, folder: Path, command: Command) -> None:
    summary = "results: Parquet, 7 files, posts in text, labels in label, 200 rows"
    for name in ("audit", "compare"):
        assert summary in command.ok(name, str(folder)).err, name
    shown = command.ok("files", "show", str(folder), "--limit", "1")
    assert shown.out.count("\n") == 2
    assert "200 of 200 rows." in shown.err
    assert "negative" in command.ok("estimate", str(folder)).out
    parts.write_plan(folder, 8)
    assert "This folder is not finished: 1 part is missing." in command.ok("estimate", str(folder)).err
