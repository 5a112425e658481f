"""A labeled file keeps all its own cells."""

from __future__ import annotations

import csv
import json
from collections.abc import Generator, Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weibo_tui.datasets.reading import PostTable, open_table, read_rows
from weibo_tui.datasets.tables import Columns
from weibo_tui.datasets.writing import Added, Predict, check_added_columns, write_labeled
from weibo_tui.errors import UserInputError
from weibo_tui.text.cleaning import MAX_POST_LENGTH

ADDED: Added = {"predicted": str, "confidence": float, "prob_好": float, "error": str}
PREDICTIONS: list[dict[str, Any]] = [
    {"predicted": "好", "confidence": 0.987654321, "prob_好": 1.0, "error": None},
    {"error": "empty post"},
    {"predicted": "差", "confidence": 0.5, "prob_好": 1.25e-9},
]
RENDERED = [["好", "0.987654", "1", ""], ["", "", "", "empty post"], ["差", "0.5", "1.25e-09", ""]]


def predict_in_turn(predictions: Iterable[Mapping[str, Any]]) -> Predict[str]:
    """Return a function that predicts the next of `predictions`, and yields the posts."""
    waiting = iter(predictions)

    def predict(posts: Sequence[str]) -> Generator[str, None, list[Mapping[str, Any]]]:
        yield from posts
        return list(islice(waiting, len(posts)))

    return predict


def label(source: PostTable, out: Path, predictions: Iterable[Mapping[str, Any]] = PREDICTIONS) -> list[str]:
    return list(write_labeled(source, out, predict_in_turn(predictions), ADDED, overwrite=True))


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16", "utf-16-be"])
@pytest.mark.parametrize(("name", "delimiter"), [("f.csv", ","), ("f.tsv", "\t"), ("f.csv", ";")])
def test_labeled_table_keeps_cells_and_form(
    tmp_path: Path, name: str, delimiter: str, encoding: str, newline: str
) -> None:
    table = [["id", "text"], ["01", "=1+1, 好"], ["1.50", ""], [" 3 ", '他说"好"\n\r;\t[哈哈]😀']]
    path, out = tmp_path / name, tmp_path / "out"
    with path.open("w", encoding=encoding, newline="") as file:
        csv.writer(file, delimiter=delimiter, lineterminator=newline, quoting=csv.QUOTE_ALL).writerows(table)
    posts = label(open_table(path, Columns(encoding=None if encoding != "utf-16-be" else encoding)), out)
    assert posts == [text for _id, text in table[1:]]
    with out.open(encoding=encoding, newline="") as file:
        written = list(csv.reader(file, delimiter=delimiter))
    assert written == [[*table[0], *ADDED], *([*a, *b] for a, b in zip(table[1:], RENDERED, strict=True))]
    header = delimiter.join([*table[0], *ADDED]) + newline
    assert out.read_bytes().startswith(header.encode(encoding))
    quoted = delimiter.join(f'"{cell}"' for cell in [*table[1], *RENDERED[0]]) + newline
    assert quoted in out.read_bytes().decode(encoding)


def test_labeled_file_keeps_semicolons_inside_quotes(tmp_path: Path) -> None:
    path, out = tmp_path / "f.csv", tmp_path / "out.csv"
    path.write_text("a b,text\n1,好;=cmd|/C calc!A0;\n2,二\n3,三\n", encoding="utf-8")
    label(open_table(path), out)
    lines = out.read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith('"a b","text","predicted"')
    assert lines[1].startswith('"1","好;=cmd|/C calc!A0;",')


def test_labeled_utf_16_file_keeps_byte_order(tmp_path: Path) -> None:
    path, out = tmp_path / "f.csv", tmp_path / "out.csv"
    path.write_bytes("\ufefftext\n一\n二\n三\n".encode("utf-16-be"))
    label(open_table(path), out)
    assert out.read_bytes().startswith("\ufefftext,predicted".encode("utf-16-be"))


def test_labeled_file_reads_equal_in_pandas(tmp_path: Path) -> None:
    import pandas as pd

    path, out = tmp_path / "f.csv", tmp_path / "out.csv"
    path.write_text('id,review\n1,"a,b"\n2,\n3,"多行\n帖子"\n', encoding="utf-8")
    label(open_table(path), out)
    before, after = pd.read_csv(path), pd.read_csv(out)
    assert list(after.columns) == ["id", "review", *ADDED]
    pd.testing.assert_frame_equal(after[["id", "review"]], before)


def test_labeled_jsonl_keeps_its_text(tmp_path: Path) -> None:
    path, out = tmp_path / "f.jsonl", tmp_path / "out.jsonl"
    lines = [
        '{"text": "\\u597d 😀", "n": 1.50, "big": 12345678901234567890123}',
        '{"text": null }',
        '  {"text":"半\\ud83d","x":[1,{}] }  ',
    ]
    path.write_text("\r\n".join(lines) + "\r\n", encoding="utf-8", newline="")
    assert label(open_table(path), out) == ["好 😀", "", "半\ud83d"]
    written = out.read_bytes().decode().split("\r\n")
    assert (
        written[0] == lines[0][:-1] + ', "predicted": "好", "confidence": 0.987654321, "prob_好": 1.0, "error": null}'
    )
    for before, after, prediction in zip(lines, written, PREDICTIONS, strict=False):
        assert json.loads(after) == json.loads(before) | {name: prediction.get(name) for name in ADDED}
    assert list(json.loads(written[2])) == ["text", "x", *ADDED]


def test_labeled_jsonl_escapes_for_narrow_encoding(tmp_path: Path) -> None:
    path, out = tmp_path / "f.jsonl", tmp_path / "out.jsonl"
    path.write_text('{"text": "café"}\n' * 3, encoding="latin-1")
    label(open_table(path, Columns(encoding="latin-1")), out)
    assert json.loads(out.read_text(encoding="latin-1").splitlines()[0])["predicted"] == "好"


def test_labeled_table_in_narrow_encoding_is_refused(tmp_path: Path) -> None:
    path, out = tmp_path / "f.csv", tmp_path / "out.csv"
    path.write_text("text\ncafé\nthé\nlait\n", encoding="latin-1")
    with pytest.raises(UserInputError, match="cannot represent 好"):
        label(open_table(path, Columns(encoding="latin-1")), out)
    assert not out.exists()


def test_labeled_parquet_keeps_its_schema(tmp_path: Path) -> None:
    path, out = tmp_path / "f.parquet", tmp_path / "out.parquet"
    table = pa.table(
        {
            "text": pa.array(["一", None, "三"]).dictionary_encode(),
            "when": pa.array([1, 2, None], pa.timestamp("ms", "UTC")),
            "tags": pa.array([["a"], [], None], pa.list_(pa.string())),
        }
    ).replace_schema_metadata({"made": "by hand"})
    pq.write_table(table, path)
    assert label(open_table(path), out) == ["一", "", "三"]
    written = pq.read_table(out)
    assert written.schema.metadata[b"made"] == b"by hand"
    assert written.select(table.column_names).equals(table)
    assert written.schema.field("confidence").type == pa.float64()
    assert written.select(list(ADDED)).to_pylist() == [{name: v.get(name) for name in ADDED} for v in PREDICTIONS]


def test_long_rows_are_predicted_few_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("weibo_tui.datasets.tables.MAX_CHUNK", 100)
    path, out = tmp_path / "f.csv", tmp_path / "out.csv"
    path.write_text("text\n" + f"{'好' * 60}\n" * 3 + "好\n" * 40, encoding="utf-8")
    windows: list[int] = []

    def predict(posts: Sequence[str]) -> Generator[None, None, list[dict[str, Any]]]:
        windows.append(len(posts))
        yield
        return [{}] * len(posts)

    list(write_labeled(open_table(path), out, predict, ADDED, rows=32))
    assert windows == [2, 32, 9]


def test_long_post_is_cut_for_prediction_only(tmp_path: Path) -> None:
    path, post = tmp_path / "f", "好" * (MAX_POST_LENGTH + 5)
    for ending, content in ((".csv", f"text\n{post}\n"), (".jsonl", json.dumps({"text": post}) + "\n")):
        source, out = path.with_suffix(ending), tmp_path / f"out{ending}"
        source.write_text(content, encoding="utf-8")
        assert label(open_table(source), out, [{}]) == [post[:MAX_POST_LENGTH]]
        assert [row.cells["text"] for row in read_rows(open_table(out))] == [post]
    pq.write_table(pa.table({"text": [post]}), path.with_suffix(".parquet"))
    assert label(open_table(path.with_suffix(".parquet")), tmp_path / "out.parquet", [{}]) == [post[:MAX_POST_LENGTH]]
    assert pq.read_table(tmp_path / "out.parquet")["text"].to_pylist() == [post]


def write(path: Path) -> Path:
    path.write_text("text\n一\n二\n三\n", encoding="utf-8")
    return path


def test_added_column_that_exists_is_refused(tmp_path: Path) -> None:
    path, out = tmp_path / "f.csv", tmp_path / "out.csv"
    path.write_text("text,error,predicted\n一,,\n", encoding="utf-8")
    with pytest.raises(UserInputError, match="columns named predicted, error already"):
        label(open_table(path), out)
    lines = tmp_path / "f.jsonl"
    lines.write_text('{"text": "一"}\n' * 1500 + '{"text": "二", "error": 1}\n', encoding="utf-8")
    with pytest.raises(UserInputError, match="row 1501: these columns exist already: error"):
        label(open_table(lines), out, [{}] * 1501)
    assert not out.exists()


def test_labeling_into_source_or_folder_is_refused(tmp_path: Path) -> None:
    source = open_table(write(tmp_path / "f.csv"))
    (tmp_path / "link.csv").symlink_to(tmp_path / "f.csv")
    for name in ("f.csv", "link.csv"):
        with pytest.raises(UserInputError, match="Output and input are the same file"):
            check_added_columns(source, tmp_path / name, ADDED)
    with pytest.raises(UserInputError, match="Not a regular file"):
        check_added_columns(source, tmp_path, ADDED)


def test_labeling_closed_early_writes_nothing(tmp_path: Path) -> None:
    source = open_table(write(tmp_path / "f.csv"))
    out = tmp_path / "new" / "out.csv"
    steps = write_labeled(source, out, predict_in_turn(PREDICTIONS), ADDED)
    assert next(iter(steps)) == "一"
    del steps
    with pytest.raises(ValueError, match="zip"):
        label(source, out, PREDICTIONS[:2])
    assert not out.parent.exists()


CELLS = st.text(st.characters(codec="utf-8"), max_size=8) | st.sampled_from(['"', "\r", "\n", "\r\n", ",", "=1", "\0"])


@settings(max_examples=40)
@given(st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=8), st.sampled_from(["\n", "\r\n"]))
def test_labeled_file_keeps_any_cells(
    tmp_path_factory: pytest.TempPathFactory, table: list[tuple[str, str]], newline: str
) -> None:
    path, out = (tmp_path_factory.getbasetemp() / name for name in ("any-in.csv", "any-out.csv"))
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator=newline, quoting=csv.QUOTE_ALL).writerows([("text", "other"), *table])
    label(open_table(path, Columns("text", encoding="utf-8")), out, [{"predicted": "好"}] * len(table))
    result = [
        (row.cells["text"], row.cells["other"]) for row in read_rows(open_table(out, Columns("text", encoding="utf-8")))
    ]
    assert result == table
