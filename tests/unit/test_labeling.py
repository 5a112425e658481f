"""Labelling a file that was stopped goes on to the same bytes, or anew where its source or adapter changed."""

from __future__ import annotations

import csv
import os
from pathlib import Path
from typing import Any

import made_up
import models
import pytest

from weibo_tui.errors import UserInputError, WeiboTuiError
from weibo_tui.progress import Progress
from weibo_tui.storage.history import LabeledFile
from weibo_tui.workbench import LabelingConfig, Workbench
from weibo_tui.workbench.labeling import LabelingResult


@pytest.fixture
def short_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Labelling that keeps its verdicts every 16 rows, so that a small file has several such stretches."""
    monkeypatch.setattr("weibo_tui.workbench.labeling.WINDOW", 16)


def labelled(wb: Workbench, source: Path, out: Path, **changes: Any) -> LabelingResult:
    fields: dict[str, Any] = {"adapter": "mood", "machine": models.MACHINE}
    plan = LabelingConfig(source, out, **(fields | changes))
    found: LabelingResult = models.until(wb.label_file(plan), LabelingResult)
    return found


def start_and_stop(wb: Workbench, source: Path, out: Path, rows: int) -> None:
    events = wb.label_file(LabelingConfig(source, out, "mood", machine=models.MACHINE))
    for event in events:
        if isinstance(event, Progress) and event.stage == "labelling" and event.done >= rows:
            break
    events.close()  # type: ignore[attr-defined]
    assert not out.exists()


def test_labelling_stopped_half_way_and_continued_gives_the_same_bytes(
    wb: Workbench, tmp_path: Path, short_windows: None
) -> None:
    source = made_up.write_posts(tmp_path / "posts.csv", 80)
    with source.open("a", encoding="utf-8") as file:
        file.write("1,\n")
    whole, out = tmp_path / "whole.csv", tmp_path / "out.csv"
    assert labelled(wb, source, whole).continued == 0
    start_and_stop(wb, source, out, rows=40)
    partial = tmp_path / "out.csv.partial"
    with partial.open("a", encoding="utf-8") as file:
        file.write('{"predicted": "posi')  # a kill in the middle of a line
    done = labelled(wb, source, out)
    assert 16 <= done.continued <= 40
    assert out.read_bytes() == whole.read_bytes()
    assert not partial.exists()
    assert (done.rows, done.failed, sum(done.counts.values())) == (81, 1, 80)
    entries = [entry for entry in wb.history.page(9) if isinstance(entry, LabeledFile)]
    assert [(entry.out, entry.rows, entry.failed, entry.counts) for entry in entries] == [
        (path, 81, 1, done.counts) for path in (out, whole)
    ]


def test_labelling_of_other_posts_refuses_to_drop_predictions(
    wb: Workbench, tmp_path: Path, short_windows: None
) -> None:
    source, out = made_up.write_posts(tmp_path / "posts.csv", 60), tmp_path / "out.csv"
    start_and_stop(wb, source, out, rows=40)
    kept = (tmp_path / "out.csv.partial").read_bytes()
    made_up.write_posts(source, 60, seed=7)
    with pytest.raises(
        UserInputError, match=r"out.csv.partial holds 32 predictions of other posts, from row 1 on. Use --ov"
    ):
        labelled(wb, source, out)
    assert (tmp_path / "out.csv.partial").read_bytes() == kept
    assert labelled(wb, source, out, overwrite=True).continued == 0
    with out.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["review"] for row in rows] == [text for text, _label in made_up.posts(60, seed=7)]


def test_labelling_by_other_adapter_refuses_to_drop_predictions(
    wb: Workbench, tmp_path: Path, short_windows: None
) -> None:
    source, out, other = made_up.write_posts(tmp_path / "posts.csv", 60), tmp_path / "out.csv", tmp_path / "other.csv"
    labelled(wb, source, out)
    start_and_stop(wb, source, other, rows=40)
    models.add_adapter(wb, wb.bases.open("small"), "second", seed=3)
    with pytest.raises(UserInputError, match=r"other.csv.partial holds 32 predictions by another adapter or"):
        labelled(wb, source, other, adapter="second")
    assert labelled(wb, source, other, adapter="second", overwrite=True).continued == 0
    before = out.read_bytes()
    assert labelled(wb, source, out, adapter="second", overwrite=True).rows == 60
    assert out.read_bytes() == other.read_bytes() != before


def test_labelling_continues_after_touch_and_with_more_rows(wb: Workbench, tmp_path: Path, short_windows: None) -> None:
    source, out = made_up.write_posts(tmp_path / "posts.csv", 40), tmp_path / "out.csv"
    start_and_stop(wb, source, out, rows=40)
    os.utime(source, (1, 1))
    with source.open("a", encoding="utf-8") as file:
        file.write("1,又来了一个\n" * 9)
    moved = source.rename(tmp_path / "moved.csv")
    done = labelled(wb, moved, out)
    assert (done.rows, done.continued) == (49, 32)
    assert labelled(wb, moved, tmp_path / "whole.csv").continued == 0
    assert out.read_bytes() == (tmp_path / "whole.csv").read_bytes()


def test_labelling_with_a_row_edited_keeps_the_other_windows(
    wb: Workbench, tmp_path: Path, short_windows: None
) -> None:
    source, out = made_up.write_posts(tmp_path / "posts.csv", 60), tmp_path / "out.csv"
    start_and_stop(wb, source, out, rows=48)
    lines = source.read_text("utf-8").splitlines(keepends=True)
    source.write_text("".join([*lines[:20], "1,变了\n", *lines[21:]]), encoding="utf-8")
    with pytest.raises(UserInputError, match="from row 17 on"):
        labelled(wb, source, out)
    assert labelled(wb, source, out, overwrite=True).continued == 16
    assert labelled(wb, source, tmp_path / "whole.csv").continued == 0
    assert out.read_bytes() == (tmp_path / "whole.csv").read_bytes()


def test_file_put_at_out_while_labelling_is_killed_stays(wb: Workbench, tmp_path: Path, short_windows: None) -> None:
    source, out = made_up.write_posts(tmp_path / "posts.csv", 60), tmp_path / "out.csv"
    start_and_stop(wb, source, out, rows=40)
    out.write_text("mine", encoding="utf-8")
    with pytest.raises(UserInputError, match="File exists: .*out.csv"):
        labelled(wb, source, out)
    assert out.read_text("utf-8") == "mine"
    out.unlink()
    events = wb.label_file(LabelingConfig(source, out, "mood", machine=models.MACHINE))
    models.until(events, Progress, 4)
    out.write_text("mine", encoding="utf-8")  # while it goes on
    with pytest.raises(UserInputError, match="File exists: .*out.csv"):
        models.until(events, LabelingResult)
    assert out.read_text("utf-8") == "mine"
    assert labelled(wb, source, out, overwrite=True).continued == 60


@pytest.mark.parametrize("where", ["row", "digest", "prediction"])
def test_partial_bit_that_turned_is_not_believed(
    where: str, wb: Workbench, tmp_path: Path, short_windows: None
) -> None:
    source, out = made_up.write_posts(tmp_path / "posts.csv", 60), tmp_path / "out.csv"
    start_and_stop(wb, source, out, rows=40)
    partial = tmp_path / "out.csv.partial"
    data = bytearray(partial.read_bytes())
    begin = data.index(b"\n") + 1
    place = {"row": 17, "digest": 40, "prediction": data.index(b"0.", begin) - begin + 3}[where]
    data[begin + place] ^= 1
    partial.write_bytes(data)
    assert labelled(wb, source, out).continued == 16
    labelled(wb, source, tmp_path / "whole.csv")
    assert out.read_bytes() == (tmp_path / "whole.csv").read_bytes()


def test_partial_with_more_lines_than_rows_is_finished(wb: Workbench, tmp_path: Path, short_windows: None) -> None:
    source, out = made_up.write_posts(tmp_path / "posts.csv", 48), tmp_path / "out.csv"
    start_and_stop(wb, source, out, rows=48)
    lines = source.read_bytes().splitlines(keepends=True)
    source.write_bytes(b"".join(lines[:17]))
    done = labelled(wb, source, out)
    assert (done.rows, done.continued) == (16, 16)


def test_partial_of_an_earlier_version_is_not_dropped(wb: Workbench, tmp_path: Path) -> None:
    source, out = made_up.write_posts(tmp_path / "posts.csv", 60), tmp_path / "out.csv"
    partial = tmp_path / "out.csv.partial"
    line = '{"predicted": "positive", "confidence": 0.9, "prob_negative": 0.1, "prob_positive": 0.9}\n'
    partial.write_text('{"weibo-tui labelling": "%s"}\n' % ("0" * 64) + line * 40, encoding="utf-8")
    with pytest.raises(UserInputError, match="out.csv.partial holds 40 predictions by another adapter or version"):
        labelled(wb, source, out)
    assert labelled(wb, source, out, overwrite=True).rows == 60


def test_pipe_in_place_of_partial_is_refused_at_once(wb: Workbench, tmp_path: Path) -> None:
    source, out = made_up.write_posts(tmp_path / "posts.csv", 8), tmp_path / "out.csv"
    os.mkfifo(tmp_path / "out.csv.partial")
    with pytest.raises(UserInputError, match="Not a regular file: .*out.csv.partial"):
        labelled(wb, source, out)


def test_source_edited_while_written_gives_no_mixed_rows(wb: Workbench, tmp_path: Path, short_windows: None) -> None:
    source, out = made_up.write_posts(tmp_path / "posts.csv", 600), tmp_path / "out.csv"
    begun, size = source.stat(), source.stat().st_size
    events = wb.label_file(LabelingConfig(source, out, "mood", machine=models.MACHINE))
    for event in events:
        if isinstance(event, Progress) and event.done == 600:  # everything is predicted
            break
    lines = source.read_bytes().splitlines(keepends=True)
    with source.open("r+b") as file:  # the same bytes in another order, in place
        file.write(b"".join([lines[0], *lines[:0:-1]]))
    os.utime(source, ns=(begun.st_atime_ns, begun.st_mtime_ns))
    assert source.stat().st_size == size
    list(events)
    with out.open(encoding="utf-8", newline="") as file:
        found = {row["review"]: row["prob_positive"] for row in csv.DictReader(file)}
    labelled(wb, source, tmp_path / "whole.csv")
    with (tmp_path / "whole.csv").open(encoding="utf-8", newline="") as file:
        expected = {row["review"]: float(row["prob_positive"]) for row in csv.DictReader(file)}
    assert {text: float(value) for text, value in found.items()} == pytest.approx(expected, rel=1e-4)


def test_labelling_refuses_what_it_cannot_write_before_it_judges_a_post(wb: Workbench, tmp_path: Path) -> None:
    source = tmp_path / "posts.csv"
    source.write_text("review,predicted\n真好,x\n", encoding="utf-8")
    with pytest.raises(UserInputError, match="columns named predicted"):
        labelled(wb, source, tmp_path / "out.csv")
    fine = made_up.write_posts(tmp_path / "fine.csv", 4)
    with pytest.raises(UserInputError, match="Output and input are the same file"):
        labelled(wb, fine, fine, overwrite=True)
    assert sorted(path.name for path in tmp_path.glob("*.partial")) == []


def test_two_programs_cannot_label_into_one_file(wb: Workbench, tmp_path: Path, short_windows: None) -> None:
    source, out = made_up.write_posts(tmp_path / "posts.csv", 60), tmp_path / "out.csv"
    first = wb.label_file(LabelingConfig(source, out, "mood", machine=models.MACHINE))
    models.until(first, Progress, 3)
    with pytest.raises(UserInputError, match="out.csv is being written by another program: wait"):
        labelled(wb, source, out)
    done = models.until(first, LabelingResult)
    assert (done.rows, done.failed) == (60, 0)
    assert sorted(path.name for path in tmp_path.glob("out.csv*")) == ["out.csv"]


def test_file_that_took_the_name_of_partial_is_kept(wb: Workbench, tmp_path: Path, short_windows: None) -> None:
    source, out = made_up.write_posts(tmp_path / "posts.csv", 60), tmp_path / "out.csv"
    partial, other = tmp_path / "out.csv.partial", tmp_path / "other.csv"
    events = wb.label_file(LabelingConfig(source, out, "mood", machine=models.MACHINE))
    models.until(events, Progress, 3)
    other.write_text("mine", encoding="utf-8")
    other.replace(partial)
    assert models.until(events, LabelingResult).rows == 60
    assert partial.read_text(encoding="utf-8") == "mine"


def test_partial_deleted_while_labeling_is_no_error(wb: Workbench, tmp_path: Path, short_windows: None) -> None:
    source, out = made_up.write_posts(tmp_path / "posts.csv", 60), tmp_path / "out.csv"
    events = wb.label_file(LabelingConfig(source, out, "mood", machine=models.MACHINE))
    models.until(events, Progress, 3)
    (tmp_path / "out.csv.partial").unlink()
    assert models.until(events, LabelingResult).rows == 60


@pytest.mark.parametrize("harm", [b"\x00" * 40 + b"\n", b'{"predicted": "posi\n', b"[]\n", b"\xff\xfe\n"])
def test_verdicts_that_the_disk_damaged_are_judged_again(
    harm: bytes, wb: Workbench, tmp_path: Path, short_windows: None
) -> None:
    source, out = made_up.write_posts(tmp_path / "posts.csv", 80), tmp_path / "out.csv"
    start_and_stop(wb, source, out, rows=40)
    partial = tmp_path / "out.csv.partial"
    lines = partial.read_bytes().splitlines(keepends=True)
    assert len(lines) == 3
    partial.write_bytes(lines[0] + harm + lines[2])
    assert labelled(wb, source, out).continued == 16
    whole = tmp_path / "whole.csv"
    labelled(wb, source, whole)
    assert out.read_bytes() == whole.read_bytes()


@pytest.mark.parametrize("moment", ["before the history has it", "behind that"])
def test_labelling_killed_behind_its_last_row_is_finished_by_the_same_command(
    moment: str, wb: Workbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, out = made_up.write_posts(tmp_path / "posts.csv", 30), tmp_path / "out.csv"

    def killed(*_given: object) -> int:
        raise KeyboardInterrupt

    unlink = Path.unlink

    def killed_at_the_end(path: Path, missing_ok: bool = False) -> None:
        if path.name == "out.csv.partial":
            raise KeyboardInterrupt
        unlink(path, missing_ok)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        if moment == "before the history has it":
            patch.setattr(wb.history, "add_file", killed)
        else:
            patch.setattr(Path, "unlink", killed_at_the_end)
        labelled(wb, source, out)
    before = out.read_bytes()
    assert labelled(wb, source, out).continued == 30
    assert out.read_bytes() == before
    assert [entry.rows for entry in wb.history.page(9) if isinstance(entry, LabeledFile)] == [30]
    with pytest.raises(UserInputError, match="File exists"):
        labelled(wb, source, out)


def test_a_result_of_before_is_not_overwritten_because_verdicts_lie_beside_it(
    wb: Workbench, tmp_path: Path, short_windows: None
) -> None:
    source, out = made_up.write_posts(tmp_path / "posts.csv", 60), tmp_path / "out.csv"
    start_and_stop(wb, source, out, rows=40)
    out.write_text("mine", encoding="utf-8")
    made_up.write_posts(source, 60, seed=7)  # so that the verdicts are of something else
    kept = (tmp_path / "out.csv.partial").read_bytes()
    with pytest.raises(UserInputError, match="File exists: .*out.csv"):
        labelled(wb, source, out)
    assert out.read_text(encoding="utf-8") == "mine"
    assert (tmp_path / "out.csv.partial").read_bytes() == kept


@pytest.mark.parametrize("kind", ["a text", "a link"])
def test_what_lies_where_verdicts_are_kept_and_is_not_ours_stays(kind: str, wb: Workbench, tmp_path: Path) -> None:
    source, out = made_up.write_posts(tmp_path / "posts.csv", 8), tmp_path / "out.csv"
    partial, theirs = tmp_path / "out.csv.partial", tmp_path / "theirs.txt"
    theirs.write_text("dear diary", encoding="utf-8")
    if kind == "a link":
        partial.symlink_to(theirs)
    else:
        theirs.rename(partial)
    with pytest.raises(WeiboTuiError, match="out.csv.partial"):
        labelled(wb, source, out)
    assert partial.read_text(encoding="utf-8") == "dear diary"
    assert not out.exists()


def test_a_source_that_changes_while_it_is_labelled_ends_in_words(
    wb: Workbench, tmp_path: Path, short_windows: None
) -> None:
    source, out = made_up.write_posts(tmp_path / "posts.csv", 60), tmp_path / "out.csv"
    events = wb.label_file(LabelingConfig(source, out, "mood", machine=models.MACHINE))
    models.until(events, Progress, 3)
    with source.open("a", encoding="utf-8") as file:
        file.write("1,又来了一个\n")
    with pytest.raises(UserInputError, match="posts.csv changed while it was labelled. Give the same command again"):
        models.until(events, LabelingResult)
    assert not out.exists()
    done = labelled(wb, source, out)
    assert (done.rows, done.continued) == (61, 61)
