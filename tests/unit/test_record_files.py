"""Records of JSON, Excel and Arrow files, as crawlers, annotation tools and pandas write them."""

from __future__ import annotations

import gzip
import json
import struct
from itertools import accumulate
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import feather
from tables import LABELS, POSTS, check, read, write

from weibo_tui.datasets.labels import SEVERAL
from weibo_tui.datasets.reading import open_table
from weibo_tui.errors import UserInputError

PAIRS = list(zip(POSTS, LABELS, strict=True))
ROWS = [{"id": n, "text": post, "label": label} for n, (post, label) in enumerate(PAIRS)]


def choices(label: str) -> list[dict[str, Any]]:
    return [{"id": 7, "result": [{"type": "choices", "from_name": "s", "value": {"choices": [label]}}]}]


EXPORTS: dict[str, list[dict[str, Any]]] = {
    "doccano": [{"id": n, "text": post, "label": [label]} for n, (post, label) in enumerate(PAIRS)],
    "doccano, old": [{"id": n, "data": post, "label": [label]} for n, (post, label) in enumerate(PAIRS)],
    "Label Studio": [{"id": 1, "data": {"text": post}, "annotations": choices(label)} for post, label in PAIRS],
    "Label Studio, short": [{"text": post, "sentiment": {"choices": [label]}} for post, label in PAIRS],
    "Argilla": [
        {"id": "x", "fields": {"text": post}, "responses": {"label": [{"value": label, "user_id": "u"}]}}
        for post, label in PAIRS
    ],
    "Argilla, old": [
        {"fields": {"text": post}, "responses": [{"status": "submitted", "values": {"label": {"value": label}}}]}
        for post, label in PAIRS
    ],
    "MediaCrawler": [{"note_id": "51", "content": post, "label": label, "liked_count": "3"} for post, label in PAIRS],
}


@pytest.mark.parametrize("name", EXPORTS)
@pytest.mark.parametrize("indent", [None, 4])
def test_json_array_of_any_export_is_read(tmp_path: Path, name: str, indent: int | None) -> None:
    text = json.dumps(EXPORTS[name], ensure_ascii=False, indent=indent)
    for file in ("posts.json", "posts.txt"):
        check(write(tmp_path / file, text), "JSON, UTF-8", "6 rows")
    check(write(tmp_path / "posts.json", text, "gb18030"), "GB18030")


def test_several_lists_of_posts_are_named(tmp_path: Path) -> None:
    path = tmp_path / "posts.json"
    write(path, json.dumps({"data": {"train": ROWS, "test": ROWS[:2]}, "tags": [{"name": "a"}]}))
    with pytest.raises(UserInputError, match=r"holds several lists: data.train \(6\), data.test \(2\)\. Save the one"):
        open_table(path)
    check(write(path, json.dumps({"data": {"list": ROWS}, "tags": [{"code": 1}] * 9})), "posts in text")


def test_arrays_that_were_put_together_are_read(tmp_path: Path) -> None:
    path = tmp_path / "posts.json"
    check(write(path, f"{json.dumps(ROWS[:2])}\n{json.dumps(ROWS[2:])}\n"), "6 rows")
    write(path, json.dumps(ROWS) + '\n{"text": "x"}')
    with pytest.raises(UserInputError, match="there is more after the array"):
        open_table(path)


def test_comments_below_a_post_are_no_posts(tmp_path: Path) -> None:
    comments = [{"text": "评论的文字也不短"}] * 3
    for records in (
        [{"post": row, "comments": comments} for row in ROWS],
        [{"mblog": row | {"comments": comments}} for row in ROWS],
        [row | {"comments": comments} for row in ROWS],
    ):
        for text in ("\n".join(map(json.dumps, records)), json.dumps(records)):
            check(write(tmp_path / "posts.json", text), "6 rows")


def test_pages_of_lists_are_put_together(tmp_path: Path) -> None:
    pages = [{"code": 0, "message": "ok", "data": {"list": rows, "total": 6}} for rows in (ROWS[:2], ROWS[2:], [])]
    for text in ("\n".join(map(json.dumps, pages)), json.dumps(pages)):
        check(write(tmp_path / "posts.json", text), "JSON, UTF-8, posts in text, labels in label, 6 rows")


@pytest.mark.parametrize("lines", [True, False])
def test_json_lists_are_rows(tmp_path: Path, lines: bool) -> None:
    for header, part in (
        ([["text", "label"]], "posts in text, labels in label, 6 rows"),
        ([], "no header, posts in column 1, labels in column 2, 6 rows"),
    ):
        rows = header + list(map(list, PAIRS))
        text = "\n".join(map(json.dumps, rows)) if lines else json.dumps(rows)
        check(write(tmp_path / "posts.json", text), part)
    check(
        write(tmp_path / "posts.json", f"{text}\n" * 2 if lines else text),
        "no header",
        posts=POSTS * (1 + lines),
        labels=None,
    )


def test_json_lines_of_any_form_are_read(tmp_path: Path) -> None:
    for end in (",\n", "", ", "):
        text = end.join(map(json.dumps, ROWS))
        check(write(tmp_path / "posts.jsonl", text), "JSON Lines, UTF-8", "6 rows")
    tabs = text.replace("\\u", "\t\\u", 1)
    assert read(write(tmp_path / "posts.jsonl", tabs))[1][0].text == f"\t{POSTS[0]}"


def test_records_without_the_post_are_bad_rows(tmp_path: Path) -> None:
    others = [{"id": 9, "content": post} for post in POSTS]
    for text in ("\n".join(map(json.dumps, ROWS * 200 + others)), json.dumps(ROWS * 200 + others)):
        path = write(tmp_path / "posts.json", text)
        _source, rows, report = read(path)
        assert (len(rows), report.num_bad) == (1200, 6)
        assert (report.bad[0].line, report.bad[0].reason) == (1201, "text is missing")
        with pytest.raises(UserInputError, match="line 1201: text is missing. 6 of 1,206 rows cannot be read"):
            read(path, max_bad_rows=0.0)


def test_several_choices_of_label_studio_are_asked_for(tmp_path: Path) -> None:
    result = [choices("美食")[0]["result"][0] | {"from_name": "topic"}]
    records = [
        {"data": {"text": post}, "annotations": [{"result": result + choices(label)[0]["result"]}]}
        for post, label in PAIRS
    ]
    path = write(tmp_path / "posts.json", json.dumps(records))
    with pytest.raises(UserInputError, match="with --label-column: annotations.topic, annotations.s"):
        open_table(path, need_label=True)
    check(path, "labels in annotations.s", label="annotations.s")
    check(path, labels=["美食"] * 6, label="annotations.topic")


def test_annotations_that_disagree_are_several_labels(tmp_path: Path) -> None:
    (yes,), (no,) = choices("pos"), choices("neg")
    label_studio = {"两人相同": [yes, yes], "两人不同": [yes, no], "作废": [no | {"was_cancelled": True}]}
    answers = {"两人不同": ["pos", "neg"], "作废": ["discarded"]}
    records: list[dict[str, Any]] = [
        {"data": {"text": text}, "annotations": annotations} for text, annotations in label_studio.items()
    ]
    path = write(tmp_path / "studio.json", json.dumps(records))
    assert [row.label for row in read(path)[1]] == ["pos", f"pos{SEVERAL}neg", ""]
    records = [
        {
            "fields": {"text": text},
            "responses": {"label": [{"value": one, "status": one if one == "discarded" else ""} for one in given]},
        }
        for text, given in answers.items()
    ]
    path = write(tmp_path / "argilla.json", json.dumps(records))
    assert [row.label for row in read(path)[1]] == [f"pos{SEVERAL}neg", ""]


@pytest.mark.parametrize("name", EXPORTS)
def test_json_lines_of_any_export_are_read(tmp_path: Path, name: str) -> None:
    text = "\n".join(json.dumps(row, ensure_ascii=False) for row in EXPORTS[name])
    check(write(tmp_path / "posts.data", text), "JSON Lines, UTF-8", "6 rows")


@pytest.mark.parametrize("indent", [None, 2])
def test_json_object_with_the_list_is_read(tmp_path: Path, indent: int | None) -> None:
    values: list[dict[str, Any]] = [
        {"user": {"id": "1", "screen_name": "甲"}, "weibo": ROWS},
        {"data": {"list": ROWS}},
        {"ok": 1, "data": {"total": 6, "list": ROWS, "hot": [{"word": "热"}]}},
        {"schema": {"fields": [{"name": "text"}]}, "data": ROWS},
    ]
    for value in values:
        check(write(tmp_path / "posts.json", json.dumps(value, ensure_ascii=False, indent=indent)), "JSON, UTF-8")
    both = "\n".join(json.dumps(row, ensure_ascii=False, indent=2) for row in ROWS)
    check(write(tmp_path / "posts.json", both), "JSON, UTF-8")


@pytest.mark.parametrize("orient", ["columns", "index", "records", "split", "table"])
def test_json_of_pandas_is_read(tmp_path: Path, orient: Any) -> None:
    path = tmp_path / "posts.json"
    pd.DataFrame(ROWS).to_json(path, orient=orient, force_ascii=False)
    check(path, "JSON, UTF-8", "posts in text", "6 rows")


def test_json_array_is_streamed_across_blocks(tmp_path: Path) -> None:
    rows = [{"text": f"第{n}条今天{'好' * 500}", "n": n} for n in range(1500)]
    _source, result, _report = read(write(tmp_path / "posts.json", json.dumps(rows)))
    assert [row.cells for row in result] == rows


def test_broken_json_is_refused(tmp_path: Path) -> None:
    text = json.dumps(ROWS, ensure_ascii=False, indent=1)
    for broken, message in (
        ("[]", "no rows"),
        ("3", "not a JSON object. 1 of 1 rows"),
        (text[:-20], "line 29: the JSON ends too early. Write it again"),
        (text.replace('"id": 3', "id: 3"), "line 18: not JSON at id: 3,. Write it again"),
        (f"{text[:-1]}," + "\n" * 300_000 + "id]", "line 300032: not JSON at id]"),
        ("\n".join(map(str, ROWS)), "line 1: not JSON at 'id': 0, 'text'.* 6 of 6 rows cannot be read. Correct them"),
        (f"var data = {text}", "not JSON at var data ="),
        ('{"data": {"list": []}}', "posts.json has no rows"),
    ):
        with pytest.raises(UserInputError, match=message):
            read(write(tmp_path / "posts.json", broken))


def test_arrow_file_is_read(tmp_path: Path) -> None:
    table = pa.table({"text": POSTS, "label": list(map(int, LABELS))})
    for compression in ("uncompressed", "lz4"):
        feather.write_feather(table, str(tmp_path / "posts.feather"), compression=compression)
        check(tmp_path / "posts.feather", "Arrow", "6 rows")
    data = (tmp_path / "posts.feather").read_bytes()
    (tmp_path / "posts.gz").write_bytes(gzip.compress(data))
    check(tmp_path / "posts.gz", "Arrow")
    feather.write_feather(table, str(tmp_path / "posts.feather"), compression="uncompressed")
    data = (tmp_path / "posts.feather").read_bytes()
    ends = list(accumulate(len(post.encode()) for post in POSTS))
    offsets, wrong = (struct.pack("<7i", 0, *ends[:4], end, ends[5]) for end in (ends[4], 2**30))
    assert offsets in data
    for damaged in (data[: len(data) // 2], data.replace(offsets, wrong)):
        (tmp_path / "posts.feather").write_bytes(damaged)
        with pytest.raises(UserInputError, match="Cannot read .* as Arrow"):
            read(tmp_path / "posts.feather")
