"""Files, plans, parts and results of labeling on Ray, without Ray."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import made_up
import models
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from weibo_tui import Workbench
from weibo_tui.atomic import atomic_write
from weibo_tui.datasets.tables import Columns
from weibo_tui.errors import UserInputError, WeiboTuiError
from weibo_tui.part_folders import PLAN_NAME
from weibo_tui.workbench.cluster import reader
from weibo_tui.workbench.cluster.locations import FoundFile, Location, find_files, parse_location
from weibo_tui.workbench.cluster.model import Model, pack
from weibo_tui.workbench.cluster.plan import MAX_PART_ROWS, MIN_PART_ROWS, Plan, PlannedFile
from weibo_tui.workbench.cluster.result_folder import PartSummary, ResultFolder
from weibo_tui.workbench.cluster.worker import Job, Worker
from weibo_tui.workbench.cluster.workers import NodeResources, choose_workers
from weibo_tui.workbench.labeling import WINDOW

NODE = NodeResources(cpus=8, gpus=0, memory=64e9)
GPU_NODE = NodeResources(cpus=64, gpus=8, memory=256e9)


def names(*sources: Path | str) -> list[str]:
    return [file.location.name for file in find_files(map(str, sources))]


def planned(path: Path, rows: int) -> PlannedFile:
    return PlannedFile(FoundFile(Location(str(path)), 100 * rows, 1), rows, ("text",), "text")


def plan_for(path: Path, part_rows: int = 8) -> Plan:
    """Return a plan with smaller parts than those of `Plan.make`."""
    file, _summary = reader.count(find_files([str(path)])[0], Columns())
    return Plan("request", "compute", part_rows, (file,))


def read(plan: Plan, needed: Sequence[int] | None = None) -> list[reader.ReadPart]:
    parts = [part for part in plan.parts() if needed is None or part.number in needed]
    return list(reader.read(plan.files[0], parts, plan.part_rows, Columns()))


def rows_of(part: reader.ReadPart) -> list[dict[str, Any]]:
    assert part.cells is not None
    rows: list[dict[str, Any]] = part.cells.to_pylist()
    return rows


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder of small tables, with an inner folder and files that are no tables."""
    folder = tmp_path / "data"
    (folder / "inner").mkdir(parents=True)
    (folder / "_temporary").mkdir()
    for name in ("b.csv", "a [哈哈].csv", "inner/c.csv", "_temporary/d.csv", ".e.csv", "inner/~$f.csv"):
        made_up.write_posts(folder / name, 4)
    (folder / "notes.md").write_text("notes")
    return folder


def test_find_files_searches_folders(folder: Path) -> None:
    assert names(folder) == ["a [哈哈].csv", "b.csv", "c.csv"]


def test_find_files_takes_names_patterns_and_file_urls_once(folder: Path) -> None:
    assert names(folder / "a [哈哈].csv") == ["a [哈哈].csv"]
    assert names(folder / "*.csv") == ["a [哈哈].csv", "b.csv"]
    assert names(folder / "**" / "c*") == ["c.csv"]
    (folder / "link.csv").symlink_to("b.csv")
    assert names(folder / "b.csv", folder / "link.csv", f"file://{folder}/b.csv", folder / "inner") == [
        "b.csv",
        "c.csv",
    ]


@pytest.mark.parametrize("missing", ["none.csv", "*.none", "inner/inner"])
def test_find_files_refuses_missing_ones(folder: Path, missing: str) -> None:
    with pytest.raises(UserInputError):
        find_files([str(folder / missing)])


def test_location_hides_credentials_and_restores_slashes() -> None:
    location = parse_location(str(Path("s3://key:secret@bucket/posts/*.csv?region=eu-west-1")))
    assert (location.shown, location.name) == ("s3://bucket/posts/*.csv", "*.csv")
    assert location.join("a").is_in(parse_location("s3://bucket/posts"))
    assert not location.is_in(parse_location("s3://bucket/post"))


def test_location_of_unknown_scheme_is_refused() -> None:
    with pytest.raises(WeiboTuiError, match="nonsense://host"):
        parse_location("nonsense://host/a.csv")


@pytest.mark.parametrize("rows", [0, 1, MIN_PART_ROWS, MIN_PART_ROWS + 1, 10**8, 10**11])
def test_plan_covers_every_row_once(tmp_path: Path, rows: int) -> None:
    plan = Plan.make("request", "compute", [planned(tmp_path / "a", 3), planned(tmp_path / "b", rows)], WINDOW)
    assert plan.part_rows % WINDOW == 0 and MIN_PART_ROWS <= plan.part_rows <= MAX_PART_ROWS
    assert [(part.number, part.first_row, part.rows) for part in plan.parts_of(plan.files[0])] == [(0, 0, 3)]
    if rows < 10**11:
        second = list(plan.parts_of(plan.files[1]))
        assert [part.number for part in second] == list(range(1, plan.num_parts))
        assert sum(part.rows for part in second) == rows
        assert all(part.first_row == place * plan.part_rows for place, part in enumerate(second))


def test_plan_has_smaller_parts_of_long_rows(tmp_path: Path) -> None:
    file = PlannedFile(FoundFile(Location(str(tmp_path / "a")), 10**9, 1), 10_000, ("text",), "text")
    assert Plan.make("request", "compute", [file], 64).part_rows == 640


def test_plan_names_columns_of_posts_alike(tmp_path: Path) -> None:
    columns = [("text", 10), ("content", 30), ("content", 5), ("body", 20)]
    files = [
        PlannedFile(FoundFile(Location(str(tmp_path / str(number))), 1, 1), rows, ("id", name), name)
        for number, (name, rows) in enumerate(columns)
    ]
    files[3] = replace(files[3], columns=("body", "content"))  # its own column of this name is something else
    plan = Plan.make("request", "compute", files, WINDOW)
    assert [file.text_column for file in plan.files] == ["content", "content", "content", "body"]


def test_plan_is_for_unchanged_files_only(tmp_path: Path) -> None:
    plan = Plan.make("request", "compute", [planned(tmp_path / "a", 3)], WINDOW)
    again = Plan.from_json(json.loads(json.dumps(plan.to_json())))
    assert again == plan and again.id == plan.id
    file = plan.files[0].file
    assert again.is_for([file])
    assert not again.is_for([FoundFile(file.location, file.size, 2)])
    assert not again.is_for([file, file])


def test_workers_fill_cores_or_gpus() -> None:
    assert choose_workers([NODE, NODE], 0, None, 0, 10**8) == choose_workers([NODE, NODE], 16, None, 1, 10**8)
    assert choose_workers([NODE], 2, None, 0, 10**8).threads == 4
    workers = choose_workers([GPU_NODE, NODE], 0, None, 0, 10**8)
    assert (workers.number, workers.gpus, workers.threads) == (8, 1.0, 8)
    assert choose_workers([GPU_NODE], 0, 0.5, 0, 10**8).number == 16
    assert choose_workers([GPU_NODE], 0, 0, 0, 10**8).number == 64
    assert choose_workers([NodeResources(64, 0, 4e9)], 0, None, 0, 4 * 10**8).number == 1


@pytest.mark.parametrize(("number", "gpus", "message"), [(9, None, "Use --workers 8"), (1, 1.0, "1 GPUs")])
def test_workers_that_do_not_fit_are_refused(number: int, gpus: float | None, message: str) -> None:
    with pytest.raises(UserInputError, match=message):
        choose_workers([NODE], number, gpus, 0, 10**8)


def test_unreadable_rows_are_errors_in_their_place(tmp_path: Path) -> None:
    lines = [f"{number},post {number}" for number in range(60)]
    lines[6] = "6,post 6,more,cells"
    lines[7] = "7,post 7,more,cells"
    path = tmp_path / "posts.csv"
    path.write_text("id,text\n" + "\n".join(lines) + "\n")
    plan = plan_for(path)
    assert plan.rows == 60
    rows = [row for part in read(plan) for row in rows_of(part)]
    assert [row["number"] for row in rows] == [1, 2, 3, 4, 5, 6, None, None, *range(7, 59)]
    assert rows[7] == {
        "number": None,
        "error": "line 9: 4 cells, but the table has 2",
        "id": None,
        "text": "7,post 7,more,cells",
    }


def test_read_gives_needed_parts_only(few: Path) -> None:
    plan = plan_for(few)
    whole = read(plan)
    assert [len(rows_of(part)) for part in whole] == [8] * 5
    assert [rows_of(part) for part in read(plan, [1, 4])] == [rows_of(whole[1]), rows_of(whole[4])]


def test_read_of_parquet_keeps_types(tmp_path: Path) -> None:
    path = tmp_path / "posts.parquet"
    numbers = pa.array(range(5000), pa.int16())
    pq.write_table(pa.table({"text": [f"post {number}" for number in range(5000)], "n": numbers}), path)
    parts = read(plan_for(path, 4096))
    tables = [part.cells for part in parts]
    assert [len(table) for table in tables if table is not None] == [4096, 904]
    assert tables[1] is not None and tables[1].schema.field("n").type == pa.int16()
    assert tables[1].column("number").to_pylist() == list(range(4097, 5001))


def test_read_of_changed_file_gives_errors(few: Path) -> None:
    plan = plan_for(few)
    few.write_bytes(few.read_bytes() + b"1,post\n")
    parts = read(plan)
    assert [part.part.number for part in parts] == [0, 1, 2, 3, 4]
    assert all(part.cells is None and "changed while it was labeled" in part.error for part in parts)


def test_read_of_shorter_file_gives_every_part(few: Path) -> None:
    plan = plan_for(few)
    few.write_text("label,review\n1,post\n")
    assert [bool(part.error) for part in read(plan)] == [True] * 5


def test_count_leaves_out_file_without_rows(tmp_path: Path) -> None:
    for name, content in {"a.csv": "", "b.csv": "label,review\n"}.items():
        (tmp_path / name).write_text(content)
        file, _summary = reader.count(find_files([str(tmp_path / name)])[0], Columns())
        assert file.rows == 0 and list(Plan("", "", 8, (file,)).parts()) == []


@pytest.fixture
def results(tmp_path: Path) -> ResultFolder:
    return ResultFolder(Location(str(tmp_path / "results")))


def worker_for(wb: Workbench, results: ResultFolder, plan: Plan, prefix: str = "") -> Worker:
    labels = wb.adapters.card("mood").labels
    job = Job(plan.id, Model.find(wb.models, "mood"), models.MACHINE, labels, prefix, 0.75, results)
    return Worker(job, None)


def test_worker_predicts_as_labeling_of_a_file(wb: Workbench, few: Path, tmp_path: Path, results: ResultFolder) -> None:
    with few.open("a", encoding="utf-8") as file:
        file.write("1,\n")
    plan = plan_for(few, WINDOW)
    (part,) = read(plan)
    done: list[int] = []
    summary = worker_for(wb, results, plan).label(part, done.append)
    wb.label_file(few, tmp_path / "one.parquet", adapter="mood", machine=models.MACHINE, progress=False)
    written = pq.read_table(tmp_path / "results" / "part-000000.parquet")
    expected = pq.read_table(tmp_path / "one.parquet")
    assert written.select(expected.column_names).to_pylist() == expected.to_pylist()
    assert written.column_names[-2:] == ["source_file", "source_row"]
    assert written.column("source_row").to_pylist() == list(range(1, 42))
    assert (summary.rows, summary.failed, sum(summary.counts.values()), done) == (41, 1, 40, [41])
    assert results.summary(0) == summary


def test_worker_writes_posts_to_column_of_plan(wb: Workbench, few: Path, results: ResultFolder) -> None:
    plan = plan_for(few, WINDOW)
    plan = replace(plan, files=(replace(plan.files[0], text_column="content"),))
    (part,) = read(plan)
    worker_for(wb, results, plan).label(part, lambda _rows: None)
    written = pq.read_table(Path(results.shown) / "part-000000.parquet")
    assert written.column_names[:2] == ["label", "content"]
    assert written.column("content").to_pylist() == [row["review"] for row in rows_of(part)]


def test_worker_unpacks_model_on_node_without_it(
    wb: Workbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    model = Model.find(wb.models, "mood")
    files = pack(wb.models, model)
    expected = wb.classifier("mood", models.MACHINE).predict(["post"])
    elsewhere = Model(tmp_path / "no-home", tmp_path / "none", "mood", model.base, model.fingerprint, model.identity)
    for _worker in range(2):
        assert elsewhere.load(files, models.MACHINE).predict(["post"]) == expected
    (folder,) = tmp_path.glob("weibo-tui-models-*")
    assert folder.stat().st_mode & 0o77 == 0
    with pytest.raises(UserInputError, match="changed during the work"):
        elsewhere.load(None, models.MACHINE)
    folder.chmod(0o755)
    with pytest.raises(UserInputError, match="belongs to another user"):
        elsewhere.load(files, models.MACHINE)


def test_damaged_or_foreign_part_has_no_summary(tmp_path: Path, results: ResultFolder) -> None:
    results.write_part(pa.table({"a": [1]}), PartSummary("plan", 3, 1))
    assert results.summary(3) is not None
    path = tmp_path / "results" / "part-000003.parquet"
    atomic_write(path, path.read_bytes()[:-9])
    pq.write_table(pa.table({"a": [1]}), path.with_name("part-000004.parquet"))
    assert [results.summary(part) for part in (3, 4, 5)] == [None, None, None]
    for name in ("part-0000007.parquet", "part-٠٠٠٠٠٨.parquet"):  # no names of ours
        path.with_name(name).write_bytes(b"")
    assert results.parts() == {3, 4}


def test_folder_with_other_files_is_refused(tmp_path: Path, results: ResultFolder) -> None:
    results.check()  # it does not exist yet
    results.write_plan({"request": ""})
    results.write_part(pa.table({"a": [1]}), PartSummary("plan", 3, 1))
    results.check()
    (tmp_path / "results" / "more.parquet").write_bytes(b"")
    with pytest.raises(UserInputError, match="more.parquet"):
        results.check()


def test_folder_that_is_a_file_or_foreign_plan_is_refused(tmp_path: Path, results: ResultFolder) -> None:
    plan = tmp_path / "results" / PLAN_NAME
    plan.parent.mkdir()
    for content in ("[]", "[" * 100_000):
        plan.write_text(content)
        with pytest.raises(UserInputError, match="not a plan"):
            results.check()
    plan.unlink()
    plan.mkdir()  # reading a pipe would wait for ever
    with pytest.raises(UserInputError, match="not a plan"):
        results.check()
    plan.rmdir()
    plan.write_text("[]")
    with pytest.raises(UserInputError, match="not a folder"):
        ResultFolder(Location(str(tmp_path / "results" / PLAN_NAME))).check()


def test_temporary_files_of_killed_workers_are_removed(tmp_path: Path, results: ResultFolder) -> None:
    results.write_part(pa.table({"a": [1]}), PartSummary("plan", 3, 1))
    leftover = tmp_path / "results" / ".part-000003.parquet.0a1b2c3d.partial"
    leftover.write_bytes(b"")
    results.remove_partial()
    assert results.parts() == {3} and not leftover.exists()


def test_folder_is_locked_once_and_left_clean(tmp_path: Path, results: ResultFolder) -> None:
    with results.lock(), pytest.raises(UserInputError, match="being written by another program"), results.lock():
        pass
    assert not (tmp_path / "results").exists()
    with results.lock():
        results.write_plan({"request": ""})
    assert [path.name for path in (tmp_path / "results").iterdir()] == [PLAN_NAME]
