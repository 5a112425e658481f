"""Labeling of files: an interrupted labeling continues to the same bytes, and no file of the user is lost."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import made_up
import models
import pytest
from torch import Tensor

from weibo_tui import LabelingConfig, Workbench
from weibo_tui.engine import prediction
from weibo_tui.engine.adapter import Adapter
from weibo_tui.engine.batches import Indices
from weibo_tui.engine.gpt2 import GPT2
from weibo_tui.engine.tokenizer import EncodedPosts
from weibo_tui.errors import UserInputError, WeiboTuiError
from weibo_tui.progress import Progress
from weibo_tui.storage.history import LabeledFile
from weibo_tui.workbench.labeling import LabelingResult


@pytest.fixture(autouse=True)
def small_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Save predictions every 16 rows, so that a small file has several windows."""
    monkeypatch.setattr("weibo_tui.workbench.labeling.WINDOW", 16)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return made_up.write_posts(tmp_path / "posts.csv", 60)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out.csv"


@pytest.fixture
def partial(tmp_path: Path) -> Path:
    """The checkpoint of `out`."""
    return tmp_path / "out.csv.partial"


def start(wb: Workbench, source: Path, out: Path, **changes: Any) -> Iterator[object]:
    options: dict[str, Any] = {"adapter": "mood", "machine": models.MACHINE} | changes
    return wb.iter_label_file(LabelingConfig(source, out, **options))


def label(wb: Workbench, source: Path, out: Path, **changes: Any) -> LabelingResult:
    result: LabelingResult = models.until(start(wb, source, out, **changes), LabelingResult)
    return result


def start_and_stop(wb: Workbench, source: Path, out: Path, rows: int = 32, **changes: Any) -> None:
    events = start(wb, source, out, **changes)
    for event in events:
        if isinstance(event, Progress) and event.stage == "labeling" and event.done >= rows:
            break
    events.close()  # type: ignore[attr-defined]
    assert not out.exists()


def check_uninterrupted_bytes(wb: Workbench, source: Path, out: Path) -> None:
    """Check that `out` has the bytes of a labeling without interruption."""
    whole = out.with_name("whole.csv")
    assert label(wb, source, whole).continued == 0
    assert out.read_bytes() == whole.read_bytes()


def test_stopped_labeling_continues_to_same_bytes(wb: Workbench, source: Path, out: Path, partial: Path) -> None:
    with source.open("a", encoding="utf-8") as file:
        file.write("1,\n")
    start_and_stop(wb, source, out)
    with partial.open("a", encoding="utf-8") as file:
        file.write('{"predicted": "posi')  # a kill in the middle of a line
    result = label(wb, source, out)
    assert result.continued == 32
    assert (result.rows, result.failed, sum(result.counts.values())) == (61, 1, 60)
    assert not partial.exists()
    check_uninterrupted_bytes(wb, source, out)
    entries = [entry for entry in wb.history.page(9) if isinstance(entry, LabeledFile)]
    assert [(entry.out.name, entry.rows, entry.failed, entry.counts) for entry in entries] == [
        (name, 61, 1, result.counts) for name in ("whole.csv", "out.csv")
    ]


def test_labeling_stopped_in_first_window_keeps_its_batches(
    wb: Workbench, source: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("weibo_tui.workbench.labeling.WINDOW", 64)
    monkeypatch.setattr("weibo_tui.engine.device.CPU_MICRO_TOKENS", 100)
    counts: list[int] = []
    for _stop in range(2):
        start_and_stop(wb, source, out, rows=sum(counts[-1:]) + 1)
        events = start(wb, source, out)
        counts.append(next(e.done for e in events if isinstance(e, Progress) and e.stage == "labeling"))
        events.close()  # type: ignore[attr-defined]
    assert 0 < counts[0] < counts[1] < 60
    assert label(wb, source, out).continued == counts[1]
    check_uninterrupted_bytes(wb, source, out)


def test_labeling_stopped_after_an_edit_keeps_its_batches(
    wb: Workbench, source: Path, out: Path, partial: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("weibo_tui.workbench.labeling.WINDOW", 64)
    monkeypatch.setattr("weibo_tui.engine.device.CPU_MICRO_TOKENS", 100)
    start_and_stop(wb, source, out, rows=60)
    made_up.write_posts(source, 60, seed=7)
    start_and_stop(wb, source, out, rows=1, overwrite=True)
    size = partial.stat().st_size
    start_and_stop(wb, source, out, rows=1)  # it stops before a new batch
    assert partial.stat().st_size == size
    assert 0 < label(wb, source, out).continued < 60
    check_uninterrupted_bytes(wb, source, out)


def test_labeling_continues_after_a_lack_of_memory(
    wb: Workbench, source: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pooled_states = prediction.pooled_states

    def limited(backbone: GPT2, adapter: Adapter, posts: EncodedPosts, batch: Indices, *others: Any) -> Tensor:
        if len(batch) > 4:
            raise MemoryError
        return pooled_states(backbone, adapter, posts, batch, *others)

    monkeypatch.setattr(prediction, "pooled_states", limited)
    start_and_stop(wb, source, out)
    assert label(wb, source, out).continued >= 32


def test_keys_of_later_objects_become_columns(wb: Workbench, tmp_path: Path, out: Path) -> None:
    records = [{"text": f"第{number}条"} for number in range(1200)]
    records[-1]["place"] = "成都"
    source = tmp_path / "posts.jsonl"
    source.write_text("\n".join(map(json.dumps, records)), encoding="utf-8")
    label(wb, source, out)
    with out.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["text"] for row in rows] == [record["text"] for record in records]
    assert [row["place"] for row in rows] == [""] * 1199 + ["成都"]


def test_labeling_other_posts_keeps_predictions(wb: Workbench, source: Path, out: Path, partial: Path) -> None:
    start_and_stop(wb, source, out)
    before = partial.read_bytes()
    made_up.write_posts(source, 60, seed=7)
    with pytest.raises(UserInputError, match=r"csv.partial has 32 predictions of other posts, from row 1 on. Use --"):
        label(wb, source, out)
    out.write_text("mine", encoding="utf-8")  # a result is not replaced because a checkpoint exists
    with pytest.raises(UserInputError, match="File exists: .*out.csv"):
        label(wb, source, out)
    assert out.read_text(encoding="utf-8") == "mine"
    assert partial.read_bytes() == before
    assert label(wb, source, out, overwrite=True).continued == 0
    with out.open(encoding="utf-8", newline="") as file:
        assert [row["review"] for row in csv.DictReader(file)] == [text for text, _label in made_up.posts(60, seed=7)]


def test_labeling_by_other_adapter_keeps_predictions(wb: Workbench, source: Path, out: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.csv"
    label(wb, source, out)
    start_and_stop(wb, source, other)
    models.add_adapter(wb, wb.bases.open("small"), "second", seed=3)
    with pytest.raises(UserInputError, match=r"other.csv.partial has 32 predictions by another adapter or"):
        label(wb, source, other, adapter="second")
    assert label(wb, source, other, adapter="second", overwrite=True).continued == 0
    before = out.read_bytes()
    assert label(wb, source, out, adapter="second", overwrite=True).rows == 60
    assert out.read_bytes() == other.read_bytes() != before


def test_labeling_continues_with_moved_source_and_more_rows(wb: Workbench, source: Path, out: Path) -> None:
    start_and_stop(wb, source, out)
    os.utime(source, (1, 1))
    with source.open("a", encoding="utf-8") as file:
        file.write("1,又来了一个\n" * 9)
    moved = source.rename(source.with_name("moved.csv"))
    result = label(wb, moved, out)
    assert (result.rows, result.continued) == (69, 32)
    check_uninterrupted_bytes(wb, moved, out)


def test_labeling_with_edited_row_keeps_other_windows(wb: Workbench, source: Path, out: Path) -> None:
    start_and_stop(wb, source, out, rows=48)
    lines = source.read_text("utf-8").splitlines(keepends=True)
    source.write_text("".join([*lines[:20], "1,变了\n", *lines[21:]]), encoding="utf-8")
    with pytest.raises(UserInputError, match="from row 17 on"):
        label(wb, source, out)
    assert label(wb, source, out, overwrite=True).continued == 32
    check_uninterrupted_bytes(wb, source, out)


def test_labeling_with_fewer_rows_uses_checkpoint(wb: Workbench, source: Path, out: Path) -> None:
    start_and_stop(wb, source, out, rows=48)
    source.write_bytes(b"".join(source.read_bytes().splitlines(keepends=True)[:17]))
    result = label(wb, source, out)
    assert (result.rows, result.continued) == (16, 16)


def test_file_created_at_out_is_kept(wb: Workbench, source: Path, out: Path) -> None:
    start_and_stop(wb, source, out)
    events = start(wb, source, out)
    models.until(events, Progress, 4)
    out.write_text("mine", encoding="utf-8")
    with pytest.raises(UserInputError, match="File exists: .*out.csv"):
        models.until(events, LabelingResult)
    assert out.read_text("utf-8") == "mine"
    assert label(wb, source, out, overwrite=True).continued == 60


@pytest.mark.parametrize("harm", ["row", "digest", "prediction", b"\x00" * 40 + b"\n", b"[]\n", b"\xff\xfe\n"])
def test_damaged_checkpoint_line_is_predicted_again(
    harm: str | bytes, wb: Workbench, source: Path, out: Path, partial: Path
) -> None:
    start_and_stop(wb, source, out)
    header, first, second = partial.read_bytes().splitlines(keepends=True)
    if isinstance(harm, str):
        bad = bytearray(first)
        bad[{"row": 17, "digest": 40, "prediction": first.index(b"0.") + 3}[harm]] ^= 1
        harm = bytes(bad)
    partial.write_bytes(header + harm + second)
    assert label(wb, source, out).continued == 16
    check_uninterrupted_bytes(wb, source, out)


def test_checkpoint_of_earlier_version_is_kept(wb: Workbench, source: Path, out: Path, partial: Path) -> None:
    line = '{"predicted": "positive", "confidence": 0.9, "prob_negative": 0.1, "prob_positive": 0.9}\n'
    partial.write_text('{"weibo-tui labelling": "%s"}\n' % ("0" * 64) + line * 40, encoding="utf-8")
    with pytest.raises(UserInputError, match="out.csv.partial has 40 predictions by another adapter or version"):
        label(wb, source, out)
    assert label(wb, source, out, overwrite=True).rows == 60


@pytest.mark.parametrize("kind", ["text", "link", "pipe"])
def test_other_file_at_checkpoint_path_is_kept(
    kind: str, wb: Workbench, source: Path, out: Path, partial: Path
) -> None:
    match kind:
        case "text":
            partial.write_text("dear diary", encoding="utf-8")
        case "link":
            (other := partial.with_name("theirs.txt")).write_text("dear diary", encoding="utf-8")
            partial.symlink_to(other)
        case _:
            os.mkfifo(partial)
    with pytest.raises(WeiboTuiError, match="out.csv.partial"):
        label(wb, source, out)
    assert partial.is_fifo() if kind == "pipe" else partial.read_text(encoding="utf-8") == "dear diary"
    assert not out.exists()


def test_source_edited_while_written_gives_no_mixed_rows(wb: Workbench, source: Path, out: Path) -> None:
    made_up.write_posts(source, 600)
    begun, size = source.stat(), source.stat().st_size
    events = start(wb, source, out)
    for event in events:
        if isinstance(event, Progress) and event.done == 600:  # everything is predicted
            break
    lines = source.read_bytes().splitlines(keepends=True)
    with source.open("r+b") as file:  # the same bytes in another order, in place
        file.write(b"".join([lines[0], *lines[:0:-1]]))
    os.utime(source, ns=(begun.st_atime_ns, begun.st_mtime_ns))
    assert source.stat().st_size == size
    list(events)
    label(wb, source, out.with_name("whole.csv"))
    tables = []
    for path in (out, out.with_name("whole.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            tables.append({row["review"]: float(row["prob_positive"]) for row in csv.DictReader(file)})
    assert tables[0] == pytest.approx(tables[1], rel=1e-4)


def test_source_changed_while_labeled_is_refused(wb: Workbench, source: Path, out: Path) -> None:
    events = start(wb, source, out)
    models.until(events, Progress, 3)
    with source.open("a", encoding="utf-8") as file:
        file.write("1,又来了一个\n")
    with pytest.raises(UserInputError, match="posts.csv changed while it was labeled. Run the same command again"):
        models.until(events, LabelingResult)
    assert not out.exists()
    result = label(wb, source, out)
    assert (result.rows, result.continued) == (61, 61)


def test_invalid_output_is_refused_before_prediction(wb: Workbench, source: Path, out: Path, partial: Path) -> None:
    bad = source.with_name("bad.csv")
    bad.write_text("review,predicted\n真好,x\n", encoding="utf-8")
    with pytest.raises(UserInputError, match="columns named predicted"):
        label(wb, bad, out)
    with pytest.raises(UserInputError, match="Output and input are the same file"):
        label(wb, source, source, overwrite=True)
    assert not partial.exists()


def test_second_labeling_of_same_output_is_refused(wb: Workbench, source: Path, out: Path) -> None:
    first = start(wb, source, out)
    models.until(first, Progress, 3)
    with pytest.raises(UserInputError, match=r"out.csv is being written by another program\. Wait"):
        label(wb, source, out)
    result = models.until(first, LabelingResult)
    assert (result.rows, result.failed) == (60, 0)
    assert [path.name for path in out.parent.glob("out.csv*")] == ["out.csv"]


@pytest.mark.parametrize("is_replaced", [True, False])
def test_checkpoint_replaced_or_deleted_is_no_error(
    is_replaced: bool, wb: Workbench, source: Path, out: Path, partial: Path
) -> None:
    events = start(wb, source, out)
    models.until(events, Progress, 3)
    if is_replaced:
        (other := partial.with_name("other.csv")).write_text("mine", encoding="utf-8")
        other.replace(partial)
    else:
        partial.unlink()
    assert models.until(events, LabelingResult).rows == 60
    assert not is_replaced or partial.read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize("moment", ["before the history entry", "after it"])
def test_labeling_killed_after_last_row_is_finished(
    moment: str, wb: Workbench, source: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def kill(*_arguments: object) -> int:
        raise KeyboardInterrupt

    unlink = Path.unlink

    def kill_at_removal(path: Path, missing_ok: bool = False) -> None:
        if path.name == "out.csv.partial":
            raise KeyboardInterrupt
        unlink(path, missing_ok)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        if moment == "before the history entry":
            patch.setattr(wb.history, "add_file", kill)
        else:
            patch.setattr(Path, "unlink", kill_at_removal)
        label(wb, source, out)
    before = out.read_bytes()
    assert label(wb, source, out).continued == 60
    assert out.read_bytes() == before
    assert [entry.rows for entry in wb.history.page(9) if isinstance(entry, LabeledFile)] == [60]
    with pytest.raises(UserInputError, match="File exists"):
        label(wb, source, out)
