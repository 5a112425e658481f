"""Labeling of many files on a real Ray, on this machine only."""

from __future__ import annotations

import ipaddress
import json
import os
import shutil
import signal
import socket
import sys
import threading
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

import made_up
import models
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import ray_nodes
from commands import Command, start

from weibo_tui import ClusterLabelingConfig, ClusterLabelingResult, Workbench
from weibo_tui.errors import UserInputError, WeiboTuiError
from weibo_tui.part_folders import PLAN_NAME
from weibo_tui.progress import Progress
from weibo_tui.workbench.cluster import session
from weibo_tui.workbench.cluster.work import ClusterWork

Rows = dict[str, list[dict[str, Any]]]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Return a folder of tables of several formats."""
    folder = tmp_path / "data"
    folder.mkdir()
    posts = made_up.write_posts(folder / "a [哈哈].csv", 50)
    with posts.open("a", encoding="utf-8") as file:
        file.write("1,\n")
    objects = [{"text": f"今天的面真好吃{number}", **({"late": [1]} if number else {})} for number in range(30)]
    (folder / "b.jsonl").write_text("\n".join(map(json.dumps, objects)), encoding="utf-8")
    texts = ["太差了", "真好吃", None] * 10
    pq.write_table(pa.table({"text": texts, "n": pa.array(range(30), pa.int32())}), folder / "c.parquet")
    (folder / "empty.csv").write_text("label,review\n")
    return folder


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """Return a folder of files that are labeled long enough to kill something."""
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(12):
        made_up.write_posts(folder / f"{number:02}.csv", 3000, seed=number)
    return folder


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def config(source: Path, out: Path, **changes: Any) -> ClusterLabelingConfig:
    options: dict[str, Any] = {"adapter": "mood", "machine": models.MACHINE, "workers": 1} | changes
    return ClusterLabelingConfig((str(source),), out, **options)


def run(
    wb: Workbench, labeling: ClusterLabelingConfig, disturb: Callable[[], object] | None = None, rows: int = 4000
) -> tuple[ClusterLabelingResult, list[str]]:
    """Return the result and the notes of a labeling, and call `disturb` when a number of rows are done."""
    notes = []
    for event in wb.iter_label_on_ray(labeling):
        if isinstance(event, Progress):
            notes += [event.note] if event.note else []
            if disturb is not None and event.stage == "labeling" and event.done >= rows:
                disturb()
                disturb = None
    assert isinstance(event, ClusterLabelingResult)
    return event, notes


def rows_by_file(out: Path) -> Rows:
    """Return the rows of all parts, in order, by the name of their source."""
    rows: Rows = defaultdict(list)
    for path in sorted(out.glob("*.parquet")):
        for row in pq.read_table(path).to_pylist():
            rows[Path(row.pop("source_file")).name].append(row)
    return rows


def check_equals_one_machine(wb: Workbench, source: Path, out: Path) -> None:
    """Check that the parts have the cells that a labeling of each file gives. The column of posts may be renamed."""
    labeled = rows_by_file(out)
    for path in source.glob("*[!y].*"):
        one = out.with_name("one.parquet")
        wb.label_file(path, one, adapter="mood", machine=models.MACHINE, overwrite=True, progress=False)
        expected = pq.read_table(one).to_pylist()
        rows = labeled.pop(path.name)
        assert [row.pop("source_row") for row in rows] == list(range(1, len(expected) + 1))
        assert [list(row.values()) for row in rows] == [list(row.values()) for row in expected]
    assert not labeled


def check_is_private() -> None:
    """Check that no process below this one can be reached from another machine, nor its files by other users."""
    assert driver_folder().stat().st_mode & 0o777 == 0o700
    listening = set()
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):  # it has ended
            connections = child.net_connections("inet")
            listening |= {one.laddr.ip.removeprefix("::ffff:") for one in connections if one.status == "LISTEN"}
    assert listening
    assert all(ipaddress.ip_address(address).is_loopback for address in listening)


def test_labeling_on_ray_equals_one_machine(wb: Workbench, source: Path, out: Path) -> None:
    result, notes = run(wb, config(source, out), check_is_private, rows=0)
    assert (result.parts, result.rows, result.failed, result.continued) == (3, 111, 11, 0)
    assert sum(result.counts.values()) == 100 and not result.failed_parts
    assert notes[-2].startswith("4 files, 111 rows (without rows: ") and len(notes) == 5
    assert notes[-1] == "In the results, all posts are in text, also those in review of the files."
    check_equals_one_machine(wb, source, out)
    (entry,) = wb.history.page(10)
    assert (entry.path, entry.out, entry.rows) == (source, out, 111)  # type: ignore[union-attr]
    # The same command finds its results, without Ray.
    again, notes = run(wb, config(source, out))
    assert (again.rows, again.continued, again.counts, notes) == (111, 111, result.counts, [])
    assert wb.history.page(10) == [entry]
    # Unless parts of them are gone, or of another plan.
    part, other = out / "part-000001.parquet", out / "part-000000.parquet"
    other.replace(part)
    assert starts_ray(wb, config(source, out))


def starts_ray(wb: Workbench, labeling: ClusterLabelingConfig) -> bool:
    """Return whether a labeling has work left for Ray."""
    events = ClusterWork(wb.models, labeling, Path(), "en").run()
    return any(isinstance(event, Progress) and event.stage == "connecting" for event in islice(events, 2))


def refuse(wb: Workbench, labeling: ClusterLabelingConfig, message: str) -> None:
    """Check that a labeling is refused before Ray starts."""
    with pytest.raises(UserInputError, match=message):
        for event in ClusterWork(wb.models, labeling, Path(), "en").run():
            assert isinstance(event, Progress) and event.stage == "reading"


def test_out_among_sources_or_in_home_is_refused(wb: Workbench, source: Path, out: Path) -> None:
    refuse(wb, config(source, source / "out"), "inside the sources")
    refuse(wb, config(source, source), "inside the sources")
    refuse(wb, config(source / "b.jsonl", source.parent), "inside the sources")
    refuse(wb, config(source, wb.paths.adapters / "out"), "belongs to weibo-tui")
    refuse(wb, config(source.parent / "**" / "*.parquet", out), "inside the sources")
    refuse(wb, config(source.parent / "*", out), "inside the sources")
    out.symlink_to(source)
    refuse(wb, config(source, out), "inside the sources")
    assert not (source / PLAN_NAME).exists()


def test_out_with_other_content_is_refused(wb: Workbench, source: Path, out: Path) -> None:
    out.mkdir()
    (out / "notes.txt").write_text("mine")
    refuse(wb, config(source, out), "notes.txt")
    refuse(wb, config(source, out, overwrite=True), "notes.txt")
    refuse(wb, config(source, out / "notes.txt"), "not a folder")
    assert [path.name for path in out.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize("change", [{}, {"format": 2}, {"files": [{}]}, {"files": None}])
def test_results_of_other_work_are_refused(wb: Workbench, source: Path, out: Path, change: dict[str, Any]) -> None:
    out.mkdir()
    plan = {"program": "weibo-tui", "format": 1, "request": "", "compute": "", "part_rows": 8, "files": []}
    (out / PLAN_NAME).write_text(json.dumps(plan | change))
    refuse(wb, config(source, out), "Use --overwrite to replace them")


def test_missing_extra_is_named(wb: Workbench, source: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UserInputError, match=r"pip install 'weibo-tui\[ray\]'"):
        run(wb, config(source, out))


def test_unreachable_cluster_is_named(wb: Workbench, source: Path, out: Path) -> None:
    for address, reason in {"127.0.0.1:1": "refused", "cluster": "HOST:PORT"}.items():
        with pytest.raises(UserInputError, match=f"No Ray cluster at {address} .*{reason}"):
            run(wb, config(source, out, address=address))
    assert not out.exists()


@pytest.mark.usefixtures("local_network")
@pytest.mark.parametrize(("answer", "reason"), [(b"", "no answer within"), (b"HTTP/1.1 400", "another program")])
def test_server_that_is_no_ray_is_named(answer: bytes, reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "_ANSWER_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as server:
        connections: list[socket.socket] = []

        def serve() -> None:
            connections.append(server.accept()[0])
            connections[0].sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        address = f"127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(UserInputError, match=f"No Ray cluster at {address} .*{reason}"):
            session._connect(address)
        thread.join()
        connections[0].close()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--engine ray data", "Name it with --out."),
        ("--engine other data", "Unknown engine: other."),
        ("--workers 2 --file data", "--workers is for --engine ray."),
        ("--engine ray --explain --out out data", "--explain is not for --engine ray."),
        ("--engine ray --out out --workers -1 data", "workers is -1"),
        ("--engine ray --out out --gpus-per-worker 1.5 data", "gpus-per-worker is 1.5"),
        ("--file data --file more", "Several files are labeled on Ray only."),
    ],
)
def test_command_refuses_options(command: Command, furnished: Path, options: str, message: str) -> None:
    result = command("predict", *options.split())
    assert result.code == 2 and message in result.err


def test_command_refuses_folder_without_ray(command: Command, furnished: Path, source: Path) -> None:
    result = command("predict", "--file", str(source))
    assert result.code == 2 and "is a folder of several files. Label them with --engine ray." in result.err


# What a test leaves on Ray is killed with it, and each of them takes half a minute.


def driver_folder() -> Path:
    """Return the folder of Ray's files."""
    return Path(children("cluster.driver")[0].cwd())


def session_of(process: psutil.Process) -> set[psutil.Process]:
    """Return the living processes of the session that a process leads or led."""
    members = set()
    for one in psutil.process_iter():
        with suppress(OSError, psutil.Error):  # it has ended
            if os.getsid(one.pid) == process.pid and one.status() != psutil.STATUS_ZOMBIE:
                members.add(one)
    return members


def children(pattern: str) -> list[psutil.Process]:
    """Return the processes below this one whose command line has a text."""
    found = []
    for one in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):  # it has ended
            found += [one] if pattern in " ".join(one.cmdline()) else []
    return found


def kill(pattern: str) -> None:
    children(pattern)[0].kill()


@pytest.mark.slow
def test_labeling_continues_after_kill_of_driver(wb: Workbench, many: Path, out: Path) -> None:
    killed: list[tuple[psutil.Process, Path]] = []

    def disturb() -> None:
        killed.append((children("cluster.driver")[0], driver_folder()))
        kill("cluster.driver")

    with pytest.raises(WeiboTuiError, match="Killed"):
        run(wb, config(many, out), disturb)
    ((driver, folder),) = killed
    assert not session_of(driver) and not folder.exists()
    done = {path.name: path.stat().st_mtime_ns for path in out.glob("*.parquet")}
    result, _notes = run(wb, config(many, out))
    assert (result.rows, result.parts) == (36_000, 12) and result.continued >= 3000
    assert {name: (out / name).stat().st_mtime_ns for name in done} == done
    check_equals_one_machine(wb, many, out)


@pytest.mark.slow
def test_labeling_survives_kill_of_worker(wb: Workbench, many: Path, out: Path) -> None:
    result, _notes = run(wb, config(many, out), lambda: kill("MapWorker"))
    assert result.rows == 36_000 and not result.failed_parts
    check_equals_one_machine(wb, many, out)


@pytest.mark.slow
def test_labeling_survives_kill_of_node(
    wb: Workbench, many: Path, out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in ray_nodes.ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    with ray_nodes.ray_nodes(tmp_path / "nodes.log") as nodes:
        result, _notes = run(wb, config(many, out, address=nodes.address, workers=2), nodes.kill_one, rows=8000)
    assert result.rows == 36_000 and not result.failed_parts
    check_equals_one_machine(wb, many, out)


@pytest.mark.slow
def test_part_that_cannot_be_read_is_named(wb: Workbench, source: Path, out: Path) -> None:
    texts = [f"post {number}" for number in range(10_000)]
    whole = pa.table({"text": texts})
    damaged = source / "damaged.parquet"
    pq.write_table(whole, damaged, compression="none", use_dictionary=False, row_group_size=5000)
    content = damaged.read_bytes()
    at = content.index(b"post 9000")
    damaged.write_bytes(content[: at - 4] + b"\xff" * 4 + content[at:])
    result, _notes = run(wb, config(source, out))
    (part,) = result.failed_parts
    assert "damaged.parquet, rows 8,193–10,000: Cannot read" in part
    assert (result.rows, result.parts, result.finished_at) == (8303, 4, "")
    damaged.unlink()
    result, _notes = run(wb, config(source, out, overwrite=True))
    assert (result.rows, result.continued) == (111, 0) and result.finished_at
    check_equals_one_machine(wb, source, out)


@pytest.mark.slow
def test_removed_parts_are_labeled_again(wb: Workbench, many: Path, out: Path) -> None:
    result, _notes = run(wb, config(many, out), lambda: shutil.rmtree(out))
    assert result.failed_parts[0].endswith("00.csv, rows 1–3,000: its file was removed")
    assert result.rows < 36_000 and not result.finished_at
    result, _notes = run(wb, config(many, out))
    assert result.rows == 36_000 and result.finished_at
    check_equals_one_machine(wb, many, out)


@pytest.mark.slow
def test_nothing_of_ray_outlives_killed_program(furnished: Path, many: Path, out: Path) -> None:
    process = start("predict", "--engine", "ray", "--file", many, "--out", out, "--workers", "1", "--json")
    assert process.stderr is not None
    next(line for line in process.stderr if b"12 files" in line)
    (driver,), folder = children("cluster.driver"), driver_folder()
    process.kill()
    process.communicate()
    driver.wait(60)
    assert not session_of(driver) and not folder.exists()


@pytest.mark.slow
def test_interrupted_command_continues(furnished: Path, many: Path, out: Path) -> None:
    options = "--engine ray --workers 1 --json".split()
    arguments: list[str | Path] = ["predict", *options, "--file", many, "--out", out]
    process = start(*arguments)
    assert process.stderr is not None
    next(line for line in process.stderr if b"12 files" in line)
    (driver,), folder = children("cluster.driver"), driver_folder()
    process.send_signal(signal.SIGINT)
    messages = process.communicate()[1].decode()
    assert process.returncode == 130
    assert messages.endswith("Stopped. The same command continues from here.\n")
    assert not session_of(driver) and not folder.exists()
    output = start(*arguments).communicate()[0]
    values = json.loads(output)
    assert (values["rows"], values["failed"], values["failed_parts"]) == (36_000, 0, [])
