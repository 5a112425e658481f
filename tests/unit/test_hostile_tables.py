"""Tables that do not fit into memory, or are inconsistent, are refused with their line in one sentence."""

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
from weibo_tui.datasets.reading import count_rows, open_table, read_rows
from weibo_tui.datasets.tables import MAX_COLUMNS, MAX_RECORD, Columns
from weibo_tui.errors import UserInputError
from weibo_tui.progress import drain
from weibo_tui.text.cleaning import MAX_POST_LENGTH

LITTLE = 3 * 2**29
TWO, MINUS_21 = b"\x16\x04", b"\x16\x29"  # as a Parquet file writes how many rows it has


def refusal(path: Path) -> str:
    with little_memory(LITTLE), pytest.raises(UserInputError) as refused:
        for _row in read_rows(open_table(path)):
            pass
    message = str(refused.value)
    assert "\n" not in message
    assert len(message) < 1500
    return message


def text(content: Callable[[], str]) -> Callable[[Path], object]:
    return lambda path: path.write_text(content(), encoding="utf-8")


def in_cells(path: Path) -> None:
    """One row of many cells, each of many short lines."""
    cell = '"' + ("x" * 999 + "\n") * 1000 + '"'
    path.write_text("text,label\n" + ",".join([cell] * 20) + "\n", encoding="utf-8")


TABLES: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "columns by the hundred thousand": (
        ".csv",
        text(lambda: "a," * 10**5 + "\n1\n"),
        f"more than {MAX_COLUMNS} columns",
    ),
    "columns by the ten thousand": (
        ".csv",
        text(lambda: ",".join(map(str, range(20_000))) + "\n" + "," * 19_999 + "\n"),
        f"more than {MAX_COLUMNS} columns",
    ),
    "columns that cannot be told": (
        ".csv",
        text(lambda: ",".join(map(str, range(9000))) + "\n" + "," * 8999),
        "1 (0), 2 (1), 3 (2), ",
    ),
    "a column of a long name": (".csv", text(lambda: "x" * 10**6 + ",y\n1,2\n"), "xxx…, y"),
    "two of a long name": (
        ".csv",
        text(lambda: "x" * 10**6 + "," + "x" * 10**6 + "\n1,2\n"),
        "text column not detected",
    ),
    "two that differ by a blank": (".csv", text(lambda: "text, Text\na,b\n"), "two columns named 'Text'"),
    "a cell of 100 megabytes": (".csv", text(lambda: "text\na\n" + "x" * 10**8 + "\n"), "line 3"),
    "a row of many lines": (".csv", in_cells, "rows cannot be read"),
    "a quote without end": (".csv", lambda path: sparse(path, 10**9, b'text,label\n"'), "line 2"),
    "a line without end": (".csv", lambda path: sparse(path, 10**9, b"text,label\n"), "line 2"),
    "an object without end": (".jsonl", lambda path: sparse(path, 10**9, b'{"text": "'), "line 1"),
    "keys by the million": (
        ".jsonl",
        text(lambda: json.dumps({"text": "a", **dict.fromkeys(map(str, range(10**5)))})),
        f"more than {MAX_COLUMNS} columns",
    ),
    "keys of their own in each row": (
        ".jsonl",
        text(lambda: "\n".join(json.dumps(dict.fromkeys(map(str, range(n * 99, n * 99 + 99)))) for n in range(500))),
        f"more than {MAX_COLUMNS} columns",
    ),
    "lists in lists": (".jsonl", text(lambda: '{"text": ' + "[" * 10**6), "line 1: not JSON"),
    "lists next to lists": (".jsonl", text(lambda: '{"text": [' + "[]," * 10**5), "line 1: the JSON ends too early"),
    "a huge number": (".jsonl", text(lambda: '{"text": ' + "9" * 10**6 + "}"), "line 1: not JSON"),
    "half of each encoding": (
        ".csv",
        lambda path: path.write_bytes("text\n今天\n".encode() + "今天\n".encode("gb18030")),
        "line 3: not utf-8. 1 of 2 rows",
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


@pytest.mark.parametrize(("ending", "write", "message"), TABLES.values(), ids=TABLES)
def test_table_too_large_for_memory_is_refused(
    tmp_path: Path, ending: str, write: Callable[[Path], object], message: str
) -> None:
    write(path := tmp_path / f"table{ending}")
    assert message in refusal(path)


def test_column_of_exact_name_wins_over_other_case(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text,Text\na,b\n", encoding="utf-8")
    assert [row.text for row in read_rows(open_table(tmp_path / "a.csv", Columns("Text")))] == ["b"]


@pytest.mark.parametrize("name", ["undefined", "idna\0", "a" * 10**5, "rot13", "\ud800"])
def test_table_unknown_encoding_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "a.csv").write_text("text\na\n", encoding="utf-8")
    with pytest.raises(UserInputError):
        list(read_rows(open_table(tmp_path / "a.csv", Columns(encoding=name))))


def test_endless_files_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "zero.csv").symlink_to("/dev/zero")
    (tmp_path / "round.csv").symlink_to(tmp_path / "round.csv")
    for name in ("zero.csv", "round.csv"):
        refusal(tmp_path / name)
        with pytest.raises(UserInputError):
            next(corpus.read_lines(tmp_path / name))


@pytest.mark.parametrize("label", ["9" * 5000, "x" * 10**6])
def test_too_long_label_is_refused_with_its_row(tmp_path: Path, label: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"text,label\na,1\nb,{label}\n", encoding="utf-8")
    with pytest.raises(UserInputError, match="row 2: column label has a label of") as refused:
        drain(dataset.load_dataset([path]))
    assert len(str(refused.value)) < 300


def parquet(path: Path, table: pa.Table, **options: object) -> Path:
    pq.write_table(table, path, **options)
    return path


def test_parquet_of_repeated_giant_text_needs_little_memory(tmp_path: Path) -> None:
    """The file holds the text once. Decoded in every row, it would be three gigabytes."""
    giant = pa.DictionaryArray.from_arrays(pa.array([0] * 1000, pa.int32()), pa.array(["好" * 10**6]))
    path = parquet(tmp_path / "a.parquet", pa.table({"text": giant}), store_schema=False)
    assert path.stat().st_size < 2**24
    with little_memory(LITTLE):
        source = open_table(path)
        result = [row for row, _number in zip(read_rows(source), range(5), strict=False)]
    assert [len(row.cells["text"]) for row in result] == [10**6] * 5
    assert [row.text for row in result] == ["好" * MAX_POST_LENGTH] * 5
    huge = pa.DictionaryArray.from_arrays(pa.array([0] * 9, pa.int32()), pa.array(["x" * (5 * MAX_RECORD)]))
    assert "row has more than" in refusal(parquet(path, pa.table({"text": huge}), store_schema=False))


def test_parquet_with_dictionary_texts_is_read(tmp_path: Path) -> None:
    words = pa.array(["好", None, "差", "好"]).dictionary_encode()
    table = pa.table({"text": words, "n": [[1], [], None, [2, 3]], "raw": [b"\xff", None, b"", b"a"]})
    source = open_table(parquet(tmp_path / "a.parquet", table))
    assert [row.cells for row in read_rows(source)] == table.to_pylist()


def test_parquet_with_missing_rows_is_refused(tmp_path: Path) -> None:
    """pyarrow reads this file without an error."""
    path = parquet(tmp_path / "a.parquet", pa.table({"text": ["a", "b"]}))
    complete = path.read_bytes()
    message = []
    offset = complete.find(TWO)
    while offset >= 0:
        path.write_bytes(complete[:offset] + MINUS_21 + complete[offset + 2 :])
        try:
            source = open_table(path)
            assert drain(count_rows(source)) == sum(1 for _row in read_rows(source))
        except UserInputError as error:
            message.append(str(error))
        offset = complete.find(TWO, offset + 1)
    assert any("fewer or more rows" in one for one in message)


@pytest.mark.slow
def test_parquet_with_flipped_bits_never_crashes(tmp_path: Path) -> None:
    path = parquet(tmp_path / "a.parquet", pa.table({"text": ["好", "差"] * 50, "label": [1, 0] * 50}))
    complete = path.read_bytes()
    draw = random.Random(0)
    for _time in range(3000):
        damaged = bytearray(complete)
        for _turn in range(draw.choice([1, 2, 20])):
            damaged[draw.randrange(len(complete))] ^= 1 << draw.randrange(8)
        path.write_bytes(bytes(damaged))
        try:
            source = open_table(path)
            assert drain(count_rows(source)) == sum(1 for _row in read_rows(source))
        except UserInputError as error:
            assert "\n" not in str(error)
