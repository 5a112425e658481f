"""Tables that no memory holds, or that say what is not so, are refused with their place in a sentence."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from bounds import little_memory, sparse

from weibo_tui.datasets import corpus, dataset
from weibo_tui.datasets.parsers import MAX_COLUMNS, MAX_RECORD
from weibo_tui.datasets.reading import count, open_source, rows
from weibo_tui.errors import UserInputError
from weibo_tui.progress import drain
from weibo_tui.text import LONGEST_POST

LITTLE = 3 * 2**29
TWO, MINUS_21 = b"\x16\x04", b"\x16\x29"  # as a Parquet file writes how many rows it has


def refusal(path: Path) -> str:
    with little_memory(LITTLE), pytest.raises(UserInputError) as refused:
        for _row in rows(open_source(path)):
            pass
    said = str(refused.value)
    assert "\n" not in said
    assert len(said) < 1500
    return said


def text(content: str) -> Callable[[Path], object]:
    return lambda path: path.write_text(content, encoding="utf-8")


def in_cells(path: Path) -> None:
    """One row of many cells, each of many short lines."""
    cell = '"' + ("x" * 999 + "\n") * 1000 + '"'
    path.write_text("text,label\n" + ",".join([cell] * 20) + "\n", encoding="utf-8")


TABLES: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "columns by the million": (".csv", text("a," * 10**6 + "\n1\n"), "."),
    "columns by the ten thousand": (
        ".csv",
        text(",".join(map(str, range(20_000))) + "\n" + "," * 19_999 + "\n"),
        f"more than {MAX_COLUMNS} columns",
    ),
    "columns that cannot be told": (".csv", text(",".join(map(str, range(9000))) + "\n" + "," * 8999), "0, 1, 2, "),
    "a column of a long name": (".csv", text("x" * 10**6 + ",y\n1,2\n"), "xxx…, y"),
    "two of a long name": (".csv", text("x" * 10**6 + "," + "x" * 10**6 + "\n1,2\n"), "two columns named"),
    "two that differ by a blank": (".csv", text("text, Text\na,b\n"), "two columns named 'Text'"),
    "a cell of 100 megabytes": (".csv", text("text\na\n" + "x" * 10**8 + "\n"), "line 3"),
    "a row of many lines": (".csv", in_cells, f"more than {MAX_RECORD} characters"),
    "a quote without end": (".csv", lambda path: sparse(path, 10**9, b'text,label\n"'), "line 2"),
    "a line without end": (".csv", lambda path: sparse(path, 10**9, b"text,label\n"), "line 2"),
    "an object without end": (".jsonl", lambda path: sparse(path, 10**9, b'{"text": "'), "line 1"),
    "keys by the million": (
        ".jsonl",
        text(json.dumps({"text": "a", **dict.fromkeys(map(str, range(10**5)))})),
        f"more than {MAX_COLUMNS} columns",
    ),
    "keys of their own in each row": (
        ".jsonl",
        text("\n".join(json.dumps(dict.fromkeys(map(str, range(n * 99, n * 99 + 99)))) for n in range(500))),
        f"more than {MAX_COLUMNS} columns",
    ),
    "lists in lists": (".jsonl", text('{"text": ' + "[" * 10**6), "line 1: no JSON"),
    "lists beside lists": (".jsonl", text('{"text": [' + "[]," * 10**5), "line 1: no JSON"),
    "a number without end": (".jsonl", text('{"text": ' + "9" * 10**6 + "}"), "line 1: no JSON"),
    "half of each encoding": (
        ".csv",
        lambda path: path.write_bytes("text\n今天\n".encode() + "今天\n".encode("gb18030")),
        "--encoding",
    ),
    "half a character of UTF-16": (
        ".csv",
        lambda path: path.write_bytes("text\n今天\n".encode("utf-16") + b"\x00"),
        "line",
    ),
    "UTF-16 with half a pair": (
        ".csv",
        lambda path: path.write_bytes(b"\xff\xfe" + "text\na".encode("utf-16-le") + b"\x00\xd8" + b"\n\x00"),
        "line 2",
    ),
}


@pytest.mark.parametrize(("ending", "write", "said"), TABLES.values(), ids=TABLES)
def test_table_that_no_memory_holds_is_refused(
    tmp_path: Path, ending: str, write: Callable[[Path], object], said: str
) -> None:
    write(path := tmp_path / f"table{ending}")
    assert said in refusal(path)


def test_column_named_to_the_letter_is_taken_where_another_differs_by_case(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text,Text\na,b\n", encoding="utf-8")
    assert [row.text for row in rows(open_source(tmp_path / "a.csv", "Text"))] == ["b"]


@pytest.mark.parametrize("name", ["undefined", "idna\0", "a" * 10**5, "rot13", "\ud800"])
def test_encoding_that_is_none_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "a.csv").write_text("text\na\n", encoding="utf-8")
    with pytest.raises(UserInputError):
        list(rows(open_source(tmp_path / "a.csv", encoding=name)))


def test_places_that_have_no_end_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "zero.csv").symlink_to("/dev/zero")
    (tmp_path / "round.csv").symlink_to(tmp_path / "round.csv")
    for name in ("zero.csv", "round.csv"):
        refusal(tmp_path / name)
        with pytest.raises(UserInputError):
            next(corpus.lines(tmp_path / name))


@pytest.mark.parametrize("label", ["9" * 5000, "x" * 10**6])
def test_label_without_end_is_refused_with_its_row(tmp_path: Path, label: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"text,label\na,1\nb,{label}\n", encoding="utf-8")
    with pytest.raises(UserInputError, match="row 2: label holds a label of") as refused:
        drain(dataset.load([path]))
    assert len(str(refused.value)) < 300


def parquet(path: Path, table: pa.Table, **options: object) -> Path:
    pq.write_table(table, path, **options)
    return path


def test_parquet_of_one_giant_text_in_many_rows_goes_through_little_memory(tmp_path: Path) -> None:
    """It stands in the file once, and unpacked it is ten gigabytes."""
    giant = pa.DictionaryArray.from_arrays(pa.array([0] * 1000, pa.int32()), pa.array(["好" * (10**7 // 3)]))
    path = parquet(tmp_path / "a.parquet", pa.table({"text": giant}), store_schema=False)
    assert path.stat().st_size < 2**24
    with little_memory(LITTLE):
        source = open_source(path)
        found = [row for row, _number in zip(rows(source), range(5), strict=False)]
    assert [len(row.cells["text"]) for row in found] == [10**7 // 3] * 5
    assert [row.text for row in found] == ["好" * LONGEST_POST] * 5
    huge = pa.DictionaryArray.from_arrays(pa.array([0] * 9, pa.int32()), pa.array(["x" * (5 * MAX_RECORD)]))
    assert "a row of more than" in refusal(parquet(path, pa.table({"text": huge}), store_schema=False))


def test_parquet_with_texts_as_numbers_of_a_list_is_read_as_it_is(tmp_path: Path) -> None:
    words = pa.array(["好", None, "差", "好"]).dictionary_encode()
    table = pa.table({"text": words, "n": [[1], [], None, [2, 3]], "raw": [b"\xff", None, b"", b"a"]})
    source = open_source(parquet(tmp_path / "a.parquet", table))
    assert [row.cells for row in rows(source)] == table.to_pylist()


def test_parquet_that_does_not_hold_its_rows_is_refused(tmp_path: Path) -> None:
    """The library reads what it can of such a file, and says nothing."""
    path = parquet(tmp_path / "a.parquet", pa.table({"text": ["a", "b"]}))
    whole = path.read_bytes()
    said = []
    place = whole.find(TWO)
    while place >= 0:
        path.write_bytes(whole[:place] + MINUS_21 + whole[place + 2 :])
        try:
            source = open_source(path)
            assert drain(count(source)) == sum(1 for _row in rows(source))
        except UserInputError as error:
            said.append(str(error))
        place = whole.find(TWO, place + 1)
    assert any("does not hold the rows" in one for one in said)


@pytest.mark.slow
def test_bits_turned_in_a_parquet_file_never_end_in_anything_but_words(tmp_path: Path) -> None:
    path = parquet(tmp_path / "a.parquet", pa.table({"text": ["好", "差"] * 50, "label": [1, 0] * 50}))
    whole = path.read_bytes()
    draw = random.Random(0)
    for _time in range(3000):
        spoilt = bytearray(whole)
        for _turn in range(draw.choice([1, 2, 20])):
            spoilt[draw.randrange(len(whole))] ^= 1 << draw.randrange(8)
        path.write_bytes(bytes(spoilt))
        try:
            source = open_source(path)
            assert drain(count(source)) == sum(1 for _row in rows(source))
        except UserInputError as error:
            assert "\n" not in str(error)
