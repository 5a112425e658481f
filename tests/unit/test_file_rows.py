"""Filters, orders and pages of an opened file, compared with what a loop over its rows gives."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import files
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weibo_tui import Workbench
from weibo_tui.errors import UserInputError
from weibo_tui.storage.column_index import ColumnIndexer, ColumnValues, is_number, sort_codes
from weibo_tui.storage.row_filters import CANNOT_TELL_LABEL, RowFilter, RowOrder
from weibo_tui.storage.search import fold
from weibo_tui.text.cleaning import normalize
from weibo_tui.workbench.opened_file import OpenedFile

ROWS = files.rows(400)
ANSWERS = {1: "negative", 2: "sarcastic", 3: CANNOT_TELL_LABEL, 4: "positive"}
THRESHOLD = 0.75
DAYS = st.dates(date(2026, 1, 1), date(2026, 1, 28))
LABELS = st.sampled_from(["negative", "positive", "neutral", "sarcastic", CANNOT_TELL_LABEL, "", "no label"])


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenedFile]:
    folder = tmp_path_factory.mktemp("rows")
    with Workbench(folder / "home", starter=folder) as workbench:
        opened = files.opened(workbench, files.write(folder / "posts.csv", ROWS))
        for number, label in ANSWERS.items():
            opened.correct([number], label)
        yield opened


def human(number: int) -> str:
    return ANSWERS.get(number) or str(ROWS[number - 1]["label"])


def matches(number: int, rows: RowFilter) -> bool:
    row = ROWS[number - 1]
    answer, predicted, confidence, day = human(number), row["predicted"], row["confidence"], row["created_at"][:10]
    conditions: list[tuple[object, Any]] = [
        (rows.text or None, lambda: rows.text.casefold() in row["text"].casefold()),
        (rows.label, lambda: (answer or predicted) == rows.label),
        (rows.predicted, lambda: predicted == rows.predicted),
        (rows.human, lambda: answer == rows.human),
        (rows.confidence_from, lambda: confidence != "" and confidence >= rows.confidence_from),
        (rows.confidence_to, lambda: confidence != "" and confidence <= rows.confidence_to),
        (rows.uncertain, lambda: confidence != "" and (confidence < THRESHOLD) == rows.uncertain),
        (rows.answered, lambda: bool(answer) == rows.answered),
        (rows.disagreeing, lambda: _both(answer, predicted) and (answer != predicted) == rows.disagreeing),
        (rows.flagged, lambda: not rows.flagged),
        (rows.since, lambda: day >= str(rows.since)),
        (rows.until, lambda: "" < day <= str(rows.until)),
    ]
    cells = all(text.casefold() in str(row[column]).casefold() for column, text in rows.columns)
    return cells and all(check() for value, check in conditions if value is not None)


def _both(answer: str, predicted: str) -> bool:
    return bool(predicted) and answer not in ("", CANNOT_TELL_LABEL)


def expected(rows: RowFilter) -> list[int]:
    found = [number for number in range(1, len(ROWS) + 1) if matches(number, rows)]
    if not rows.distinct:
        return found
    first: dict[str, int] = {}
    for number in found:
        first.setdefault(normalize(ROWS[number - 1]["text"]), number)
    return sorted(first.values())


FILTERS = st.builds(
    RowFilter,
    text=st.sampled_from(["", "", "真", "rain", "[哈哈]", "[/怒]", "，再", "no such text", "=", "\u202e"]),
    label=st.none() | LABELS,
    predicted=st.none() | LABELS,
    human=st.none() | LABELS,
    confidence_from=st.none() | st.sampled_from([0.5, 0.6, 0.9]),
    confidence_to=st.none() | st.sampled_from([0.6, 0.95, 1.0]),
    uncertain=st.none() | st.booleans(),
    answered=st.none() | st.booleans(),
    disagreeing=st.none() | st.booleans(),
    flagged=st.none() | st.booleans(),
    since=st.none() | DAYS,
    until=st.none() | DAYS,
    columns=st.sampled_from(
        [(), (("place", "SHANG"),), (("place", "1"), ("text", "真")), (("confidence", "0.6"),), (("error", "post"),)]
    ),
    distinct=st.booleans(),
)


@given(rows=FILTERS)
def test_filter_selects_what_a_loop_does(rows: RowFilter, file: OpenedFile) -> None:
    assert files.numbers(file, rows) == expected(rows)


@pytest.mark.parametrize("field", [name for name in RowFilter.__slots__ if name != "columns"])
def test_each_condition_alone_selects_what_a_loop_does(field: str, file: OpenedFile) -> None:
    values: dict[str, list[Any]] = {
        "text": ["真", "一", "RAIN", "[", "！", "9"],
        "label": ["positive", "neutral", "", CANNOT_TELL_LABEL],
        "predicted": ["positive", ""],
        "human": ["sarcastic", "", "negative"],
        "confidence_from": [0.7],
        "confidence_to": [0.7],
        "since": [date(2026, 1, 20)],
        "until": [date(2026, 1, 3)],
    }
    for value in values.get(field, [True, False]):
        rows = RowFilter(**{field: value})
        assert files.numbers(file, rows) == expected(rows), rows


def place_key(number: int) -> Any:
    cell = ROWS[number - 1]["place"]
    return (1, "", cell.casefold()) if not cell.isdecimal() else (0, int(cell), "")


ORDERS: dict[str, tuple[Callable[[int], Any], Callable[[int], bool]]] = {
    "row": (lambda number: number, lambda _number: True),
    "predicted": (lambda number: ROWS[number - 1]["predicted"], lambda number: ROWS[number - 1]["predicted"] != ""),
    "confidence": (lambda number: ROWS[number - 1]["confidence"], lambda number: ROWS[number - 1]["confidence"] != ""),
    "date": (lambda number: ROWS[number - 1]["created_at"], lambda number: ROWS[number - 1]["created_at"] != ""),
    "created_at": (lambda number: ROWS[number - 1]["created_at"], lambda number: ROWS[number - 1]["created_at"] != ""),
    "text": (lambda number: ROWS[number - 1]["text"].encode(), lambda _number: True),
    "human": (lambda number: human(number).replace(CANNOT_TELL_LABEL, "~"), lambda number: human(number) != ""),
    "place": (place_key, lambda number: ROWS[number - 1]["place"] != ""),
}


@pytest.mark.parametrize("column", ORDERS)
def test_order_has_rows_without_value_last(column: str, file: OpenedFile) -> None:
    key, has_value = ORDERS[column]
    present = sorted(filter(has_value, range(1, len(ROWS) + 1)), key=key)
    absent = [number for number in range(1, len(ROWS) + 1) if not has_value(number)]
    assert files.numbers(file, RowFilter(), RowOrder(column)) == present + absent
    assert files.numbers(file, RowFilter(), RowOrder(column, descending=True)) == present[::-1] + absent


def test_order_applies_to_filtered_rows(file: OpenedFile) -> None:
    order = RowOrder("confidence", descending=True)
    rows = RowFilter(predicted="positive", distinct=True)
    selected = set(expected(rows))
    everything = files.numbers(file, RowFilter(), order)
    assert files.numbers(file, rows, order) == [number for number in everything if number in selected]


def test_order_by_count_has_most_frequent_texts_last(file: OpenedFile) -> None:
    counts = [row.count for row in file.rows(file.select(RowFilter(), RowOrder("count")))]
    assert counts == sorted(counts)
    assert counts[-1] > 1


def test_page_has_rows_of_selection_in_its_order(file: OpenedFile) -> None:
    selection = file.select(RowFilter(text="真"), RowOrder("confidence", descending=True))
    page = file.rows(selection, 10, 20)
    assert [row.number for row in page] == selection.numbers[10:20].tolist()
    assert [row.text for row in page] == [ROWS[row.number - 1]["text"] for row in page]
    assert file.position(selection, page[3].number) == 13
    assert file.position(selection, expected(RowFilter(text="服务"))[0]) is None
    assert file.rows(selection, selection.total) == []


def test_row_has_what_is_known_of_it(file: OpenedFile) -> None:
    for number, source in {1: "answer", 50: None}.items():
        row, cells = file.row(number), ROWS[number - 1]
        assert (row.text, row.predicted or "", row.error or "") == (cells["text"], cells["predicted"], cells["error"])
        assert row.human == (ANSWERS.get(number) or cells["label"] or None)
        assert row.human_source == (source or ("file" if cells["label"] else None))
        assert row.confidence == (cells["confidence"] or None)
        assert row.date == (cells["created_at"] or None)
        assert row.cells == {"place": cells["place"], "created_at": cells["created_at"], "label": cells["label"]}
    assert file.row(1).probabilities == {"negative": ROWS[0]["prob_negative"], "positive": ROWS[0]["prob_positive"]}
    with pytest.raises(UserInputError, match="has no row 401"):
        file.row(401)


def test_counts_and_choices_are_those_of_effective_labels(file: OpenedFile) -> None:
    counts = file.counts(file.select(RowFilter(text="真")))
    labels = [human(number) or ROWS[number - 1]["predicted"] for number in expected(RowFilter(text="真"))]
    assert counts == {label: labels.count(label) for label in set(labels)}
    choices = file.choices()
    assert choices.labels == ("negative", "positive", "neutral", "sarcastic", CANNOT_TELL_LABEL, "")
    assert choices.predicted == ("negative", "positive", "")
    assert choices.columns == tuple(ROWS[0])


def test_unknown_column_names_the_columns(file: OpenedFile) -> None:
    with pytest.raises(UserInputError, match="has no column nobody. Its columns are text, place, "):
        file.select(RowFilter(columns=(("nobody", "x"),)))
    with pytest.raises(UserInputError, match="has no column nobody"):
        file.select(RowFilter(), RowOrder("nobody"))


CELLS = st.text(st.characters(exclude_categories=[]), max_size=5) | st.sampled_from(["", "10", "9", "-1.5", "A", "a"])


@given(cells=st.lists(CELLS, max_size=30), needle=st.text(st.characters(exclude_categories=[]), min_size=1, max_size=2))
def test_column_index_finds_and_sorts_any_text(cells: list[str], needle: str) -> None:
    indexer = ColumnIndexer()
    for cell in cells:
        indexer.add(cell)
    index = indexer.finish()
    found = ColumnValues(index.values, index.ends).containing(needle)[index.codes]
    folded = list(map(fold, cells))
    assert found.tolist() == [fold(needle) in cell for cell in folded]
    order, empty = sort_codes(index.codes)
    assert empty == cells.count("")
    assert sorted(order.tolist()) == list(range(len(cells)))
    present = [folded[place] for place in order.tolist()[: len(cells) - empty]]
    texts = [cell for cell in present if not is_number(cell)]
    values = [float(cell) for cell in present if is_number(cell)]
    assert present == [*(cell for cell in present if is_number(cell)), *texts]
    assert (texts, values) == (sorted(texts), sorted(values))


def test_column_of_many_values_is_the_same_from_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    cells = [f"用户{number * 7 % 50}" if number % 5 else "" for number in range(300)]

    def codes() -> tuple[list[int], bytes]:
        indexer = ColumnIndexer()
        for cell in cells:
            indexer.add(cell)
        index = indexer.finish()
        return index.codes.tolist(), index.values.tobytes()

    in_memory = codes()
    monkeypatch.setattr("weibo_tui.storage.column_index._MAX_KNOWN", 10)
    assert codes() == in_memory


def test_long_cells_are_searched_to_their_ends(tmp_path: Path) -> None:
    table = [{"text": f"第{number}条微博", "page": "x" * 300 + f"end{number}"} for number in range(20)]
    with Workbench(tmp_path / "home2", starter=tmp_path) as workbench:
        opened = files.opened(workbench, files.write(tmp_path / "long.csv", table))
        assert files.numbers(opened, RowFilter(columns=(("page", "END1"),))) == [2, *range(11, 21)]


def test_frequent_character_is_found_as_others_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("weibo_tui.workbench.file_indexing._MIN_ROWS", 100)
    with Workbench(tmp_path / "home2", starter=tmp_path) as workbench:
        opened = files.opened(workbench, files.write(tmp_path / "posts.csv", ROWS))
        for text in ("真", "R", "，", "！", "9"):
            assert files.numbers(opened, RowFilter(text=text)) == [
                number for number, row in enumerate(ROWS, 1) if text in row["text"] or text.lower() in row["text"]
            ]


def test_long_search_is_compared_to_its_end(tmp_path: Path) -> None:
    start = "很长的微博" * 60
    table = [{"text": start + end} for end in ("一", "二")]
    with Workbench(tmp_path / "home2", starter=tmp_path) as workbench:
        opened = files.opened(workbench, files.write(tmp_path / "long.csv", table))
        assert files.numbers(opened, RowFilter(text=start)) == [1, 2]
        assert files.numbers(opened, RowFilter(text=start + "二")) == [2]
