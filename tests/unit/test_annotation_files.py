"""Annotations as files: what is written, what comes back, and what does not fit."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from annotating import LABELS, Table

from weibo_tui.datasets.annotation_formats import (
    FORMATS,
    AnnotationFormat,
    AnnotationRecord,
    default_format,
    read_annotations,
    write_annotations,
)
from weibo_tui.datasets.answers import CANNOT_TELL
from weibo_tui.errors import UserInputError
from weibo_tui.storage.answers import Answers
from weibo_tui.storage.database import Database, connect
from weibo_tui.workbench.annotation import Annotation
from weibo_tui.workbench.annotation_files import (
    ImportedAnnotations,
    export_records,
    find_annotated_file,
    import_records,
)

POSTS = [f"=第{number}天，下雨\n路上“很滑”，{number}" for number in range(40)]
TABLE = Table(POSTS, [0.9] * 40)


@pytest.fixture
def answers(database: Database) -> Answers:
    """Answers of two people in both queues, with an undone one, a flag and a note."""
    answers = Answers(database)
    for annotator in ("ada", "bob"):
        sample = Annotation(TABLE, answers, "sample", annotator)
        for number in range(8):
            task = sample.next()
            assert task is not None
            sample.answer(task, CANNOT_TELL if number == 3 else LABELS[number % 2], seconds=1.5)
            if number == 7:
                sample.flag(task)
                sample.note(task, "反话；'=1")
        sample.undo()
    teach = Annotation(TABLE, answers, "teach", "ada")
    for label in ("mixed", "negative"):
        task = teach.next()
        assert task is not None
        teach.answer(task, label)
    return answers


@pytest.fixture
def empty(tmp_path: Path) -> Answers:
    return Answers(connect(tmp_path / "other.db"))


def contents(answers: Answers) -> list[str]:
    """Return all answers without their ids."""
    entries = answers.entries(TABLE.info.posts)
    plain = [replace(entry, id=None, action=None) for entry in entries if entry.kind in ("label", "cannot_tell")]
    return sorted(map(repr, plain))


@pytest.mark.parametrize("format_", FORMATS)
def test_exported_answers_are_the_same_in_another_home(
    answers: Answers, empty: Answers, tmp_path: Path, format_: AnnotationFormat
) -> None:
    (file,) = answers.files()
    write_annotations(tmp_path / "out", export_records(answers, file), format_)
    done = import_records(empty, TABLE, read_annotations(tmp_path / "out", format_), "carol")
    assert done == ImportedAnnotations(added=18)
    assert contents(empty) == contents(answers)
    states = [
        {row: replace(state, id=0) for row, state in each.of(TABLE.info.posts).items()} for each in (answers, empty)
    ]
    assert states[0] == states[1]
    assert empty.files()[0].labels == answers.files()[0].labels


def test_records_hold_how_the_sample_was_drawn(answers: Answers) -> None:
    (file,) = answers.files()
    records = export_records(answers, file, ["sample"])
    assert [record.rank for record in records if record.annotator == "ada"] == [*range(8)]
    first = records[0]
    assert (first.inclusion_probability, first.seed, first.posts) == (8 / 40, file.posts[:16], file.posts)
    assert {record.purpose for record in export_records(answers, file, ["teach"])} == {"teach"}


def test_second_import_adds_nothing(answers: Answers) -> None:
    (file,) = answers.files()
    before = contents(answers)
    records = export_records(answers, file)
    assert import_records(answers, TABLE, records, "carol") == ImportedAnnotations(existing=18)
    assert contents(answers) == before
    changed = [replace(records[0], label="mixed", cannot_tell=False)]
    row = records[0].row or 0
    import_records(answers, TABLE, changed, "carol", overwrite=True)
    assert answers.of(file.posts)[row].label == "mixed"


def test_answer_of_another_annotator_becomes_a_second_one(answers: Answers) -> None:
    (file,) = answers.files()
    record = replace(export_records(answers, file)[0], annotator="carol", label="mixed", cannot_tell=False)
    row = record.row or 0
    before = answers.of(file.posts)[row]
    assert import_records(answers, TABLE, [record], "ada") == ImportedAnnotations(added=1, second=1)
    assert answers.of(file.posts)[row] == before


def test_posts_are_found_by_text_where_rows_differ(empty: Answers) -> None:
    posts = ["雨", "雪", "雨", "风", ""]
    table = Table(posts)
    records = [
        AnnotationRecord("雨 ", "positive"),
        AnnotationRecord("雨", "negative"),
        AnnotationRecord("雪", "positive", row=4),
        AnnotationRecord("雷", "positive", row=1),
        AnnotationRecord("", "positive", row=5),
        AnnotationRecord("风", "", row=4),
    ]
    done = import_records(empty, table, records, "ada", "teach")
    assert done == ImportedAnnotations(added=3, by_text=3, unmatched=2, unlabeled=1)
    states = empty.of(table.info.posts)
    assert {row: (state.label, state.purpose) for row, state in states.items()} == {
        1: ("positive", "teach"),
        3: ("negative", "teach"),
        2: ("positive", "teach"),
    }


def test_sample_of_other_posts_becomes_corrections(answers: Answers, empty: Answers) -> None:
    (file,) = answers.files()
    records = export_records(answers, file, ["sample"])
    changed = Table([*POSTS[5:], *POSTS[:5]], [0.5] * 40)
    done = import_records(empty, changed, records, "ada")
    assert done.added == done.by_text == 16
    assert done.demoted >= 14
    purposes = [state.purpose for state in empty.of(changed.info.posts).values()]
    assert purposes.count("sample") <= 1  # whose rank is that of its row by chance


def doccano(path: Path) -> None:
    lines = [
        {"id": 7, "text": "雪", "label": ["positive"], "Comments": []},
        {"id": 8, "data": "雨", "label": ["positive", "negative"]},
        {"id": 9, "text": "风", "label": []},
    ]
    path.write_text("\n".join(json.dumps(line) for line in lines), "utf-8")


def label_studio(path: Path) -> None:
    def annotation(*choices: str, cancelled: bool = False) -> dict[str, object]:
        result = {"value": {"choices": list(choices)}, "from_name": "s", "to_name": "text", "type": "choices"}
        return {"id": 1, "result": [result] if choices else [], "was_cancelled": cancelled, "completed_by": 3}

    tasks = [
        {"id": 1, "data": {"text": "雪"}, "annotations": [annotation("positive")], "predictions": []},
        {"id": 2, "data": {"text": "雨"}, "annotations": [annotation("positive", "negative")]},
        {"id": 3, "data": {"text": "风"}, "annotations": [annotation(cancelled=True)]},
        {"id": 4, "data": {"text": "雷"}},
    ]
    path.write_text(json.dumps(tasks), "utf-8")


@pytest.mark.parametrize(
    ("write", "format_", "cannot_tell"), [(doccano, "doccano", False), (label_studio, "label-studio", True)]
)
def test_files_of_other_programs_are_read(
    tmp_path: Path, write: Callable[[Path], None], format_: AnnotationFormat, cannot_tell: bool
) -> None:
    write(tmp_path / "in")
    records = read_annotations(tmp_path / "in", format_)
    assert [(record.text, record.label, record.cannot_tell) for record in records] == [
        ("雪", "positive", False),
        ("雨", "", False),
        ("风", "", cannot_tell),
    ]


OTHERS = [b"\xff\xfe", b"[1, 2]", b'{"a": 1}', b"[" * 100_000, b'"', b"null", b"a,b\n1,2"]


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("content", OTHERS, ids=range(len(OTHERS)))
def test_other_files_are_refused(tmp_path: Path, format_: AnnotationFormat, content: bytes) -> None:
    path = tmp_path / "in"
    path.write_bytes(content)
    with pytest.raises(UserInputError, match=r"is no file of annotations in the format .*\. Choose another --format"):
        read_annotations(path, format_)


def test_missing_file_of_annotations_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserInputError, match="Cannot read .*nothing: No such file"):
        read_annotations(tmp_path / "nothing", "jsonl")


@pytest.mark.parametrize("format_", FORMATS)
def test_hostile_texts_come_back_unchanged(tmp_path: Path, format_: AnnotationFormat) -> None:
    texts = ["'=1+1", "=cmd|' /C'!A0", "\x1b[31m\x00", "a\r\nb;=1", "[/哈哈]\u202e", "<script>"]
    records = [AnnotationRecord(text, "ok", row=1, note=text) for text in texts]
    write_annotations(tmp_path / "out", records, format_)
    assert read_annotations(tmp_path / "out", format_) == records


def test_suffix_chooses_the_format() -> None:
    assert [default_format(Path(name)) for name in ("a.csv", "a.JSON", "a.jsonl", "a")] == [
        *("csv", "label-studio", "jsonl", "jsonl")
    ]


def test_annotated_file_is_found_by_path_or_fingerprint(answers: Answers) -> None:
    (file,) = answers.files()
    assert find_annotated_file(answers, "/data/rain.csv") == file
    assert find_annotated_file(answers, file.posts[:6].upper()) == file
    with pytest.raises(UserInputError, match=r"No annotations of abc\. Annotated files: /data/rain\.csv\."):
        find_annotated_file(answers, "abc")


def test_export_keeps_which_answer_is_the_last(answers: Answers, tmp_path: Path) -> None:
    table = Table([f"post {number}" for number in range(6)])
    first, second = (Annotation(table, answers, "sample", name) for name in ("ada", "bob"))
    task = first.next()
    assert task is not None
    for session, label in ((first, "negative"), (second, "positive"), (first, "mixed")):
        session.answer(task, label)
    records = export_records(answers, answers.files()[0])
    assert [(record.annotator, record.label) for record in records] == [("bob", "positive"), ("ada", "mixed")]


def test_import_reads_words_for_labels_as_those_of_the_file(answers: Answers) -> None:
    table = Table([f"post {number}" for number in range(6)])
    words = ("正面", "NEG", "无法判断", "mixed", "positive, negative")
    records = [AnnotationRecord(f"post {number}", word) for number, word in enumerate(words)]
    done = import_records(answers, table, records, "ada")
    states = answers.of(table.info.posts)
    assert [(row, state.label, state.cannot_tell) for row, state in sorted(states.items())] == [
        (1, "positive", False),
        (2, "negative", False),
        (3, None, True),
        (4, "mixed", False),
    ]
    assert (done.added, done.unlabeled) == (4, 1)


def test_second_answer_of_an_annotator_in_a_file_is_left_out(answers: Answers) -> None:
    table = Table(["a post", "other"])
    records = [AnnotationRecord("a post", label) for label in ("positive", "negative")]
    done = import_records(answers, table, records, "ada")
    assert (done.added, done.existing) == (1, 1)
    assert answers.of(table.info.posts)[1].label == "positive"


def test_label_studio_names_users_and_drops_skipped_labels(tmp_path: Path) -> None:
    def annotation(user: object, choice: str, cancelled: bool = False) -> dict[str, object]:
        choices = {"type": "choices", "value": {"choices": [choice]}}
        return {"completed_by": user, "result": [choices], "was_cancelled": cancelled}

    given = [annotation({"id": 3, "email": "a@b.c"}, "x"), annotation(7, "y"), annotation(7, "z", True)]
    path = tmp_path / "tasks.json"
    path.write_text(json.dumps([{"data": {"text": "a post"}, "annotations": given}]), "utf-8")
    records = read_annotations(path, "label-studio")
    assert [(record.annotator, record.label, record.cannot_tell) for record in records] == [
        ("a@b.c", "x", False),
        ("7", "y", False),
        ("7", "", True),
    ]
