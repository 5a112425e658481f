"""Opening, correcting, estimating and exporting labeled files, and what may be wrong with them or with their caches."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import files
import numpy as np
import pandas as pd
import pytest

from weibo_tui import CorruptFileError, UserInputError, Workbench, locale
from weibo_tui.datasets.labeled_rows import FileOptions
from weibo_tui.datasets.tables import Columns
from weibo_tui.progress import Progress
from weibo_tui.storage.answers import AnnotatedFile, LoggedAnswer
from weibo_tui.storage.entries import LabeledFile
from weibo_tui.storage.row_filters import CANNOT_TELL_LABEL, RowFilter, RowOrder
from weibo_tui.text.keys import text_key
from weibo_tui.workbench.file_export import ExportedFile
from weibo_tui.workbench.opened_file import OpenedFile

ROWS = files.rows(200, seed=2)
FORMATS = ("csv", "tsv", "jsonl", "parquet", "xlsx")


@pytest.fixture
def workbench(home: Path) -> Workbench:
    return Workbench(home)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return files.write(tmp_path / "posts.csv", ROWS)


def caches(home: Path) -> list[Path]:
    return sorted((home / "files").glob("*.rows"))


def draw(file: OpenedFile, workbench: Workbench, labels: dict[int, str | None]) -> None:
    """Answer rows as parts of a random sample."""
    info = file.info
    workbench.answers.register(AnnotatedFile(info.posts, info.path, info.rows, info.labels))
    for rank, (number, label) in enumerate(labels.items()):
        text = file.row(number).text
        entry = LoggedAnswer(
            *(info.posts, number, text_key(text), text, "sample", "ada"),
            kind="cannot_tell" if label is None else "label",
            value=label,
            rank=rank,
        )
        workbench.answers.add([entry])


def test_file_is_read_once(workbench: Workbench, home: Path, path: Path) -> None:
    events = list(workbench.iter_open_file(path))
    first, last = events[0], events[-1]
    assert isinstance(first, OpenedFile)
    assert first is last
    stages = list(dict.fromkeys(event.stage for event in events if isinstance(event, Progress)))
    assert stages == ["reading", "indexing"]
    assert [type(event) for event in workbench.iter_open_file(path)] == [OpenedFile]
    other = Workbench(home)
    assert [type(event) for event in other.iter_open_file(path)] == [OpenedFile]
    assert len(caches(home)) == 1


def test_info_says_what_was_read_as_what(workbench: Workbench, path: Path) -> None:
    info = files.opened(workbench, path).info
    assert (info.path, info.rows, info.labels) == (path, 200, ("negative", "positive", "neutral"))
    assert info.roles["label"] == "label"
    assert info.counts["positive"] == sum(row["predicted"] == "positive" for row in ROWS)
    assert info.answers == sum(row["label"] != "" for row in ROWS)
    assert info.summary == "posts.csv: CSV, UTF-8, posts in text, labels in label, 200 rows"
    assert info.warnings == ()


def test_summary_is_in_language_of_now(home: Path, path: Path) -> None:
    try:
        locale.use("zh_CN")
        with Workbench(home) as workbench:
            assert "200 行" in files.opened(workbench, path).info.summary
    finally:
        locale.use("en")
    with Workbench(home) as workbench:
        assert files.opened(workbench, path).info.summary == "posts.csv: posts in text, 200 rows"


def test_first_rows_can_be_read_while_others_are(workbench: Workbench, tmp_path: Path) -> None:
    path = files.write(tmp_path / "posts.csv", files.rows(3000))
    events = workbench.iter_open_file(path)
    file = next(events)
    assert isinstance(file, OpenedFile)
    assert not file.info.is_ready
    read = file.info.rows
    assert 0 < read < 3000
    page = file.rows(file.select(RowFilter(text="is ignored so far")), 0, 10)
    assert [row.number for row in page] == list(range(1, 11))
    assert page[0].text == files.rows(3000)[0]["text"]
    list(events)
    assert file.info.is_ready
    assert file.select().total == 3000


def test_closed_opening_leaves_no_cache(workbench: Workbench, home: Path, tmp_path: Path) -> None:
    events = workbench.iter_open_file(files.write(tmp_path / "posts.csv", files.rows(3000)))
    next(events)
    events.close()
    assert caches(home) == []


def test_killed_opening_is_not_believed(home: Path, tmp_path: Path) -> None:
    path = files.write(tmp_path / "posts.csv", files.rows(3000))
    script = (
        "import os, signal, sys; from pathlib import Path; from weibo_tui import Workbench\n"
        "for number, _event in enumerate(Workbench().iter_open_file(Path(sys.argv[1]))):\n"
        "    if number == 2: os.kill(os.getpid(), signal.SIGKILL)"
    )
    killed = subprocess.run([sys.executable, "-c", script, str(path)], check=False, env=dict(os.environ))
    assert killed.returncode == -signal.SIGKILL
    with Workbench(home) as workbench:
        assert [file.state for file in workbench.list_files()] == ["not opened"]
        assert files.opened(workbench, path).select().total == 3000
        assert [file.state for file in workbench.list_files()] == ["ready"]


def test_second_program_waits_for_first(home: Path, tmp_path: Path) -> None:
    path = files.write(tmp_path / "posts.csv", files.rows(3000))
    first, second = Workbench(home).iter_open_file(path), Workbench(home).iter_open_file(path)
    next(first)
    assert next(second) == Progress("waiting", 0)
    assert [file.state for file in Workbench(home).list_files()] == ["indexing"]
    list(first)
    *waiting, last = second
    assert isinstance(last, OpenedFile)
    assert not any(isinstance(event, Progress) and event.stage == "reading" for event in waiting)


@pytest.mark.parametrize("fault", ["emptied", "overwritten", "cut", "no database", "another version"])
def test_damaged_cache_is_made_again(fault: str, home: Path, path: Path) -> None:
    with Workbench(home) as workbench:
        files.opened(workbench, path)
    (cache,) = caches(home)
    content = cache.read_bytes()
    damaged = {
        "emptied": b"",
        "overwritten": content[:100] + os.urandom(4096) + content[4196:],
        "cut": content[: len(content) // 2],
        "no database": b"no database",
        "another version": content.replace(b'{"path"', b'["path"'),
    }
    cache.write_bytes(damaged[fault])
    with Workbench(home) as workbench:
        for _try in range(2):
            try:
                file = files.opened(workbench, path)
                rows = file.rows(file.select(RowFilter(text="真"), RowOrder("confidence")))
            except CorruptFileError as error:
                assert str(error) == f"The kept rows of {path} are damaged. Open the file again to read it again."
            else:
                break
        assert len(rows) == sum("真" in row["text"] for row in ROWS)


def test_changed_file_is_read_again(workbench: Workbench, home: Path, path: Path) -> None:
    file = files.opened(workbench, path)
    files.write(path, [*ROWS, ROWS[0]])
    assert [listed.state for listed in workbench.list_files()] == ["changed"]
    assert file.info.warnings == ("The file has changed since. Open it again to read it again.",)
    assert files.opened(workbench, path).info.rows == 201
    assert [(listed.state, listed.rows) for listed in workbench.list_files()] == [("ready", 201)]
    assert len(caches(home)) == 1


def test_same_content_is_not_read_again(workbench: Workbench, home: Path, path: Path, tmp_path: Path) -> None:
    files.opened(workbench, path)
    os.utime(path, (1, 1))
    assert [listed.state for listed in workbench.list_files()] == ["changed"]
    assert [type(event) for event in workbench.iter_open_file(path)] == [OpenedFile]
    assert [listed.state for listed in workbench.list_files()] == ["ready"]
    copy = tmp_path / "copy.csv"
    copy.write_bytes(path.read_bytes())
    assert files.opened(workbench, copy).info.path == copy
    assert len(caches(home)) == 1


def test_removed_file_is_still_shown(workbench: Workbench, path: Path) -> None:
    file = files.opened(workbench, path)
    path.unlink()
    assert [listed.state for listed in workbench.list_files()] == ["removed"]
    assert file.info.warnings == ("The file was removed. Its rows are shown as they were.",)
    assert files.opened(workbench, path).row(1).text == ROWS[0]["text"]
    workbench.remove_file(workbench.find_file(str(path)))
    with pytest.raises(UserInputError, match=r"File not found: .*posts\.csv"):
        files.opened(workbench, path)


def test_list_has_labeled_files_of_history(workbench: Workbench, home: Path, path: Path, tmp_path: Path) -> None:
    for name, created_at in {"posts.csv": "2026-01-02", "gone.csv": "2026-01-03"}.items():
        out = tmp_path / name
        counts = {"negative": 2, "positive": 1}
        workbench.history.add_file(LabeledFile(path, out, "mood", 3, 0, counts, f"{created_at}T00:00:00.000Z"))
    listed = workbench.list_files()
    assert [(file.path.name, file.state, file.rows) for file in listed] == [
        ("gone.csv", "removed", 3),
        ("posts.csv", "not opened", 3),
    ]
    files.opened(workbench, path)
    listed = workbench.list_files()
    assert [(file.path.name, file.state, file.rows) for file in listed] == [
        ("posts.csv", "ready", 200),
        ("gone.csv", "removed", 3),
    ]


def test_opened_file_has_adapter_of_history(workbench: Workbench, home: Path, path: Path) -> None:
    counts = dict(files.opened(workbench, path).info.counts)
    for adapter, number, created_at in (("mood", 0, "2026-01-02"), ("other", 1, "2026-01-03")):
        other = {label: count + number for label, count in counts.items()}
        workbench.history.add_file(LabeledFile(path, path, adapter, 200, 0, other, f"{created_at}T00:00:00.000Z"))
    with Workbench(home) as again:
        assert files.opened(again, path).info.adapter == "mood"
        assert [file.adapter for file in again.list_files()] == ["mood"]


def test_correction_is_seen_by_other_program_and_undone(home: Path, path: Path) -> None:
    file, other = (files.opened(Workbench(home), path) for _program in range(2))
    wrong = files.numbers(file, RowFilter(text="真", predicted="negative", answered=False))
    file.correct(wrong, "positive")
    assert (
        files.numbers(other, RowFilter(text="真", human="positive", disagreeing=True, answered=True))[-1] >= wrong[-1]
    )
    row = other.row(wrong[0])
    assert (row.human, row.human_source, row.purpose, row.label) == ("positive", "answer", "correction", "positive")
    file.correct(wrong[:1], "of my own")
    assert other.row(wrong[0]).human == "of my own"
    assert other.undo() == wrong[:1]
    assert file.row(wrong[0]).human == "positive"
    assert file.undo() == wrong
    assert file.row(wrong[0]).human is None
    assert file.undo() == []


def test_answers_are_seen_after_any_change_of_log(workbench: Workbench, home: Path, path: Path) -> None:
    file, log = files.opened(workbench, path), Workbench(home).answers
    texts = {number: file.row(number).text for number in (1, 2, 3)}
    file.correct([1, 2], "of my own")
    posts = file.info.posts
    entry = LoggedAnswer(posts, 3, text_key(texts[3]), texts[3], "correction", "bea", "note", "see row 1")
    log.add([entry, replace(entry, row=2, kind="flag", value=None), replace(entry, row=1, kind="cleared", value=None)])
    assert (file.row(3).note, file.row(2).flagged, file.row(2).human) == ("see row 1", True, "of my own")
    assert files.numbers(file, RowFilter(human="of my own")) == [2]
    assert files.numbers(file, RowFilter(flagged=True)) == [2]
    log.undo(posts, "bea")
    assert (file.row(3).note, file.row(2).flagged, file.row(1).human) == ("", False, "of my own")
    log.remove(posts)
    assert files.numbers(file, RowFilter(human="of my own")) == []


def test_export_has_flags_and_notes(workbench: Workbench, path: Path, tmp_path: Path) -> None:
    file = files.opened(workbench, path)
    file.correct([1], "positive")
    entry = LoggedAnswer(file.info.posts, 2, 1, "", "correction", "bea", "note", "=why")
    workbench.answers.add([entry, replace(entry, row=3, kind="flag", value=None)])
    out = workbench.export_file(file, tmp_path / "out.csv", progress=False).path
    frame = pd.read_csv(out, keep_default_na=False)
    assert frame.note_2.tolist()[:4] == ["", "'=why", "", ""]
    assert frame.flagged_2.astype(str).str.lower().tolist()[:4] == ["", "", "true", ""]


def test_removed_answer_gives_way_to_label_of_file(workbench: Workbench, path: Path) -> None:
    file = files.opened(workbench, path)
    number = next(at for at, row in enumerate(ROWS, 1) if row["label"] == "negative")
    file.correct([number], "positive")
    assert file.row(number).human == "positive"
    file.correct([number], None)
    assert (file.row(number).human, file.row(number).human_source) == ("negative", "file")


def test_blank_label_is_refused(workbench: Workbench, path: Path) -> None:
    with pytest.raises(UserInputError, match="A label needs 1 to"):
        files.opened(workbench, path).correct([1], " \t")


def test_answers_are_kept_for_same_posts_in_another_file(workbench: Workbench, path: Path, tmp_path: Path) -> None:
    files.opened(workbench, path).correct([5], "neutral")
    frame = pd.DataFrame(ROWS).drop(columns=["label", "predicted"]).assign(predicted="positive")
    copy = tmp_path / "labeled by another.jsonl"
    frame.to_json(copy, orient="records", lines=True)
    row = files.opened(workbench, copy).row(5)
    assert (row.predicted, row.human, row.human_source) == ("positive", "neutral", "answer")


def test_answers_are_kept_by_text_where_posts_change(workbench: Workbench, path: Path) -> None:
    unique = [row | {"text": f"{row['text']} 第{number}条", "label": ""} for number, row in enumerate(ROWS, 1)]
    files.write(path, unique)
    file = files.opened(workbench, path)
    draw(file, workbench, {3: "negative", 4: "positive", 5: None})
    files.write(path, unique[3:])
    file = files.opened(workbench, path)
    assert [(row.human, row.human_source, row.purpose) for row in file.rows(file.select(), 0, 3)] == [
        ("positive", "text", "text"),
        (CANNOT_TELL_LABEL, "text", "text"),
        (None, None, None),
    ]
    assert file.info.warnings == (
        "The posts of this file have changed. 2 answers are kept by their texts, and are not used for estimates.",
    )
    assert all(one.n == 0 for one in file.estimate().estimates)


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("labels", ["of file", "drawn", "corrected", "exported before"])
def test_estimate_is_that_of_exported_file(
    labels: str, suffix: str, workbench: Workbench, path: Path, tmp_path: Path
) -> None:
    file = files.opened(workbench, path)
    own = [number for number, row in enumerate(ROWS, 1) if row["label"]]
    others = [number for number, row in enumerate(ROWS, 1) if not row["label"]]
    if labels != "of file":
        file.correct([own[0], *others[:3]], "neutral")
    if labels in ("drawn", "exported before"):
        draw(file, workbench, {number: ["positive", "negative", None][number % 3] for number in range(10, 70)})
        file.correct([12, 80], "of my own")
    if labels == "exported before":
        first = workbench.export_file(file, tmp_path / f"first.{suffix}", progress=False).path
        file = files.opened(workbench, first)
        file.correct([13], "neutral")
    out = workbench.export_file(file, tmp_path / f"out.{suffix}", progress=False).path
    for by in (None, "day", "place"):
        with pytest.warns(UserWarning) if file.estimate().warnings else _nothing():
            read = workbench.estimate(out, by=by, progress=False)
        result = file.estimate(by=by)
        assert result.estimates == read.estimates
        assert (result.labels, result.left_out) == (read.labels, read.left_out)
        assert result.warnings == read.warnings
        assert result.of_file[0].n > 0


def _nothing() -> Any:
    from contextlib import nullcontext

    return nullcontext()


@pytest.mark.parametrize("suffix", FORMATS)
def test_exported_file_opens_with_same_rows(suffix: str, workbench: Workbench, path: Path, tmp_path: Path) -> None:
    file = files.opened(workbench, path)
    file.correct([1], "positive")
    file.correct([2], CANNOT_TELL_LABEL)
    out = tmp_path / f"out.{suffix}"
    result = workbench.export_file(file, out, progress=False)
    assert isinstance(result, ExportedFile)
    assert result.added == ("label_2", "label_source_2", "purpose_2")
    assert (
        result.note == "The file has columns named label already. The new ones are label_2, label_source_2, purpose_2."
    )
    again = files.opened(workbench, out)
    assert again.info.posts == file.info.posts
    for one, other in zip(file.rows(file.select()), again.rows(again.select()), strict=True):
        assert (one.text, one.predicted, one.human) == (other.text, other.predicted, other.human)
        assert other.cells.items() >= one.cells.items()


def test_export_has_filtered_rows_in_order(workbench: Workbench, path: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    order = RowOrder("confidence", descending=True)
    workbench.export_file(path, out, RowFilter(text="真", predicted="positive"), order, progress=False)
    exported = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
    confidences = [float(row["confidence"]) for row in exported]
    assert confidences == sorted(confidences, reverse=True)
    assert len(exported) == sum("真" in row["text"] and row["predicted"] == "positive" for row in ROWS)
    assert {row["label_source_2"] for row in exported} == {"model", "human"}
    assert list(exported[0]) == [*ROWS[0], "label_2", "label_source_2"]


def test_export_of_cells_changes_none(workbench: Workbench, path: Path, tmp_path: Path) -> None:
    plain = [{name: value for name, value in row.items() if name != "label"} for row in ROWS]
    source = files.write(tmp_path / "plain.csv", plain)
    out = workbench.export_file(source, tmp_path / "out.csv", progress=False).path
    before, after = pd.read_csv(source, dtype=str), pd.read_csv(out, dtype=str)
    is_formula = before.text.str.startswith("=").fillna(False)
    assert (after.text[is_formula] == "'" + before.text[is_formula]).all()
    pd.testing.assert_frame_equal(after[before.columns].assign(text=before.text), before)
    assert (after.text[~is_formula].fillna("") == before.text[~is_formula].fillna("")).all()
    assert list(after.columns) == [*before.columns, "label", "label_source"]
    assert source.read_text("utf-8") == path.with_name("plain.csv").read_text("utf-8")


def test_export_replaces_nothing_unasked(workbench: Workbench, path: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    out.write_text("precious")
    with pytest.raises(UserInputError, match="File exists"):
        workbench.export_file(path, out, progress=False)
    with pytest.raises(UserInputError, match="same file"):
        workbench.export_file(path, path, overwrite=True, progress=False)
    with pytest.raises(UserInputError, match=r"Give it the ending"):
        workbench.export_file(path, tmp_path / "out.pdf", progress=False)
    assert out.read_text() == "precious"
    workbench.export_file(path, out, overwrite=True, progress=False)
    assert out.read_text("utf-8-sig").startswith("text,place")


def test_to_pandas_has_columns_of_export(workbench: Workbench, path: Path) -> None:
    file = files.opened(workbench, path)
    frame = file.to_pandas(RowFilter(answered=True))
    assert list(frame.columns) == [*ROWS[0], "label_2", "label_source_2"]
    assert len(frame) == file.info.answers


def test_posts_alone_can_be_opened(workbench: Workbench, tmp_path: Path) -> None:
    path = files.write(tmp_path / "plain.csv", [{"text": f"微博 {number}"} for number in range(3)])
    file = files.opened(workbench, path)
    assert (file.info.labels, file.info.rows) == ((), 3)
    assert files.numbers(file, RowFilter(label="")) == [1, 2, 3]
    for order in file.choices().orders:
        assert files.numbers(file, RowFilter(), RowOrder(order)) == [1, 2, 3]
    assert files.numbers(file, RowFilter(since=pd.Timestamp("2020-01-01").date())) == []
    file.correct([2], "positive")
    assert file.choices().labels == ("positive", "")
    assert np.isnan(file.margins()).all()
    with pytest.raises(UserInputError, match="has no predicted labels"):
        file.estimate()
    out = workbench.export_file(file, tmp_path / "out.csv", progress=False).path
    assert pd.read_csv(out).label.tolist()[1] == "positive"


def test_file_of_one_row_and_of_copies(workbench: Workbench, tmp_path: Path) -> None:
    one = files.opened(workbench, files.write(tmp_path / "one.csv", ROWS[:1]))
    assert files.numbers(one, RowFilter(distinct=True), RowOrder("text", descending=True)) == [1]
    copies = files.opened(workbench, files.write(tmp_path / "copies.csv", [ROWS[0]] * 30))
    assert files.numbers(copies, RowFilter(distinct=True)) == [1]
    assert copies.row(30).count == 30


def test_file_without_rows_is_refused(workbench: Workbench, home: Path, tmp_path: Path) -> None:
    (tmp_path / "empty.csv").write_text("text,predicted\n")
    with pytest.raises(UserInputError, match="no rows|empty"):
        files.opened(workbench, tmp_path / "empty.csv")
    assert caches(home) == []


def test_columns_that_are_no_labels_are_left_as_cells(workbench: Workbench, tmp_path: Path) -> None:
    table = [row | {"label": str(number / 7)} for number, row in enumerate(ROWS)]
    file = files.opened(workbench, files.write(tmp_path / "scores.csv", table))
    assert file.info.warnings == ("Column label is not read as human labels, because it has other values.",)
    assert file.info.answers == 0
    assert file.row(8).cells["label"] == "1.0"


def test_other_columns_are_another_cache(workbench: Workbench, home: Path, tmp_path: Path) -> None:
    table = [{"a": f"第一列 {number}", "b": f"第二列的微博 {number}"} for number in range(5)]
    path = files.write(tmp_path / "two.csv", table)
    for column, text in {"a": "第一列 0", "b": "第二列的微博 0"}.items():
        file = workbench.open_file(path, FileOptions(Columns(column)), progress=False)
        assert file.row(1).text == text
    assert len(caches(home)) == 2


def test_keys_of_later_objects_are_columns(workbench: Workbench, tmp_path: Path) -> None:
    table = [{"text": f"微博 {number}"} | ({"late": f"值{number}"} if number > 1500 else {}) for number in range(1600)]
    path = tmp_path / "late.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in table))
    file = files.opened(workbench, path)
    assert file.info.columns == ("text", "late")
    assert files.numbers(file, RowFilter(columns=(("late", "值155"),))) == list(range(1551, 1561))
    assert files.numbers(file, RowFilter(), RowOrder("late"))[0] == 1502


def test_remove_deletes_cache_and_answers_on_request(workbench: Workbench, home: Path, path: Path) -> None:
    files.opened(workbench, path).correct([1], "positive")
    (listed,) = workbench.list_files()
    workbench.remove_file(listed)
    assert (caches(home), workbench.list_files(), path.exists()) == ([], [], True)
    assert files.opened(workbench, path).row(1).human == "positive"
    workbench.remove_file(workbench.find_file(str(path)), answers=True)
    assert files.opened(workbench, path).row(1).human != "positive" or ROWS[0]["label"] == "positive"
    with pytest.raises(UserInputError, match="No file nothing"):
        workbench.find_file("nothing")


def test_cache_can_be_read_by_owner_only(workbench: Workbench, home: Path, path: Path) -> None:
    files.opened(workbench, path)
    assert (home / "files").stat().st_mode & 0o777 == 0o700
    assert all(file.stat().st_mode & 0o077 == 0 for file in (home / "files").iterdir())


def test_answers_that_another_program_removed_are_gone(workbench: Workbench, home: Path, path: Path) -> None:
    file = files.opened(workbench, path)
    session = workbench.annotate(file)
    for _number in range(3):
        task = session.next()
        assert task is not None
        session.answer(task, "neutral")
    known = files.numbers(file, RowFilter(human="neutral"))
    with Workbench(home) as other:
        other.remove_file(other.find_file(str(path)), answers=True)
        task = session.next()
        assert task is not None
        again = other.open_file(path, progress=False)
        again.correct([task.row], "neutral")
        assert set(files.numbers(file, RowFilter(human="neutral"))) < set(known) | {task.row}
        assert file.info.answers == again.info.answers
        other.remove_file(other.find_file(str(path)), answers=True)
        session.answer(task, "neutral")  # and not lost, or taken for a damaged database
        assert workbench.answers.of(file.info.posts)[task.row].label == "neutral"
        assert session.progress().done == 1


def test_annotated_file_is_not_written_over(workbench: Workbench, path: Path) -> None:
    file, content = files.opened(workbench, path), path.read_bytes()
    file.correct([1], "neutral")
    for write in (workbench.export_annotations, workbench.training_rows):
        with pytest.raises(UserInputError, match="same file"):
            write(path, path, overwrite=True)
    assert path.read_bytes() == content


def test_file_that_changes_while_it_is_read_is_not_kept(workbench: Workbench, tmp_path: Path) -> None:
    path = files.write(tmp_path / "growing.csv", files.rows(3000))
    content = path.read_bytes()
    steps = workbench.iter_open_file(path)
    next(steps)
    path.write_bytes(content + content)
    with pytest.raises(UserInputError, match="changed while it was read"):
        list(steps)
    path.write_bytes(content)
    assert files.opened(workbench, path).info.rows == 3000
