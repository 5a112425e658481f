"""Our CSV files in a spreadsheet: no cell becomes a formula, and every text is preserved.

The slow tests open the files in LibreOffice (`apt-get install --no-install-recommends libreoffice-calc`)."""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import models
import pytest
from commands import Command, json_lines, table
from histories import ANALYSIS
from hostile import PIECES, TEXTS

from weibo_tui import ComputeOptions, Workbench
from weibo_tui.engine.events import RunStarted, to_json
from weibo_tui.progress import drain
from weibo_tui.storage.journal import Journal
from weibo_tui.text.spreadsheet import escape_formula, unescape_formula

SIGNS = "=+-@＝＋－＠"
RISKY_INSIDE = re.compile(rf'[;\t\r\n][ \0\x0b\ufeff\u200b"]*[{re.escape(SIGNS)}]')
RISKY = re.compile(rf"[\s\0-\x20\ufeff\u200b]*[{re.escape(SIGNS)}]")
BEFORE = ["", "  ", "\r\n", *" \t\r\n\u3000\xa0\ufeff\u200b\0\x0b\x1b\x1f'"]
INNER = ["a\n=1+1", "a,=1+1", 'a";=1+1', '"=1+1"', "a\t=1+1", "a\r=1+1", "a\r\n=1+1", ";=1+1", '","=1+1', "'", "''"]
CALLS = [
    *("=cmd|'/c calc'!A1", '=HYPERLINK("http://a.cn","好")', "@SUM(1,1)", "+1+1", "-1+1", "-2+3+cmd|' /C calc'!A0"),
    *('=WEBSERVICE("http://a.cn")', "=DDE(1;2;3)", "={1}", "=1+1;", "='file:///etc/passwd'#$a.A1", "\\=1+1"),
]
STARTS = [*CALLS, *INNER, *(f"{before}{sign}1+1" for before in BEFORE for sign in SIGNS)]
OURS = [*STARTS, *PIECES, *(text[:300] for text in TEXTS.values())]
FORMULA_LABELS = ("=1+1", "@SUM(1)", "-1", "'", "\u200b=1", "＝1", "+0.5", "+1+1")
# How LibreOffice may be told to read: as it does by itself, and as it does with every convenience switched on (numbers
# of all kinds, formulas, blanks cut), in three languages.
READINGS = [
    "44,34,76,1",
    *(f"44,34,76,1,,{language},false,true,true,false,true,0,true" for language in (1033, 2052, 1041)),
]
OFFICE, TABLE, TEXT = (f"{{urn:oasis:names:tc:opendocument:xmlns:{name}:1.0}}" for name in ("office", "table", "text"))
# What LibreOffice leaves out of any cell, or makes a line's end of, and what it cannot keep apart: blanks at the ends.
VALUE = re.compile(r"[+-]?\d+(\.\d+)?(e[+-]?\d+)?|\d{4}-\d\d-\d\dT[\d:.]+Z|true|false")  # which may be read as such
LOST = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ufeff]|\\s+")


def test_escape_formula_is_reversible() -> None:
    for text in OURS:
        escaped = escape_formula(text)
        assert unescape_formula(escaped) == text
        assert not RISKY.match(escaped)
        assert not RISKY_INSIDE.search(escaped)


def test_escape_formula_leaves_other_cells() -> None:
    for text in ("", "好", "a=1", "1-1", "(=1)", "//@a: 好", "[=1", "#1", "‘=1", "好\n1=1", "好,-1", "a;b=1"):
        assert escape_formula(text) == text


# ---- the files


def history_of(home: Path, texts: Sequence[str]) -> None:
    with Workbench(home) as wb:
        wb.history.add([replace(ANALYSIS, text=text, label=text, error=text or None, adapter=text) for text in texts])


def run_of(wb: Workbench, text: str) -> str:
    run = wb.runs.create("train", text, {})
    started = RunStarted(run.id, text, "train", text, text, text, 1, 0, 4, 1, {}, 1, 1)
    with wb.runs.lock(run.id), Journal(wb.runs, run.id) as journal:
        journal.add(to_json(started) | {text or "a": text})
    return run.id


def add_formula_adapter(home: Path) -> None:
    """Add adapters of random weights whose labels are formulas, as a stranger may share them."""
    with Workbench(home) as wb:
        base = wb.open_base("tiny", wb.compute(ComputeOptions("cpu", "float32", 1)))
        for number, label in enumerate(FORMULA_LABELS):
            labels = [label, *(other for other in FORMULA_LABELS if other != label)]
            adapter = models.adapter_for(base.backbone.config, seed=number, labels=len(labels))
            adapter.head.weight.data[1:] = 0  # the first label or all alike: that one is given
            wb.adapters.save(adapter, models.card_for(adapter, base, f"formula-{number}", labels))


def written_files(command: Command, home: Path, folder: Path) -> Iterator[tuple[Path, list[list[str]]]]:
    """Write each kind of CSV file. Yield its path and its cells as they should be read."""
    history_of(home, OURS)
    path = folder / "history.csv"
    with Workbench(home) as wb:
        drain(wb.history.export(path))
    yield path, cells(path)
    with Workbench(home) as wb:
        for number, text in enumerate(STARTS[:40:4]):
            path = folder / f"run-{number}.csv"
            wb.runs.export(run_of(wb, text), path)
            yield path, cells(path)
    data = folder / "data.jsonl"
    rows = [{"review": f"第{n}天真好吃", "label": label} for n, label in enumerate(FORMULA_LABELS * 2)]
    data.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    plain = folder / "plain.csv"
    plain.write_text("review\n真好吃\n真难吃\n", "utf-8")
    for number in range(len(FORMULA_LABELS)):
        name = f"formula-{number}"
        path = folder / f"errors-{number}.csv"
        command.ok("evaluate", data, "--adapter", name, "--errors", path)
        yield path, cells(path)
        path = folder / f"labelled-{number}.csv"
        command.ok("predict", "--file", plain, "--out", path, "--adapter", name)
        yield path, cells(path)


def cells(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.reader(file))


def test_labeled_file_escapes_labels_but_not_numbers(command: Command, furnished: Path, tmp_path: Path) -> None:
    add_formula_adapter(furnished)
    (tmp_path / "posts.csv").write_text("review\n=1+1\n@好\n", "utf-8")
    result = set()
    for number in range(len(FORMULA_LABELS)):
        out = tmp_path / f"{number}.csv"
        output = command.ok(
            "predict", "--file", tmp_path / "posts.csv", "--out", out, "--adapter", f"formula-{number}", "--json"
        )
        rows = table(out, "utf-8")
        assert [row["review"] for row in rows] == ["=1+1", "@好"]  # the user's own stay
        counts = json_lines(output.out)[0]["counts"]
        assert {unescape_formula(row["predicted"]) for row in rows} == set(counts)
        result |= {row["predicted"] for row in rows}
    assert result & {"-1", "+0.5"}
    assert not {one for one in result if one[0] in "=@＝ " or one == "+1+1"}


def test_every_table_escapes_formulas(furnished: Path, tmp_path: Path) -> None:
    history_of(furnished, STARTS)
    with Workbench(furnished) as wb:
        drain(wb.history.export(tmp_path / "history.csv"))
        rows = table(tmp_path / "history.csv")
        for column in ("text", "label", "adapter", "error"):
            assert [unescape_formula(row[column]) for row in rows] == STARTS
        for text in STARTS[::12]:
            wb.runs.export(run_of(wb, text), tmp_path / "run.csv", overwrite=True)
            (row,) = table(tmp_path / "run.csv")
            assert {unescape_formula(name): unescape_formula(cell) for name, cell in row.items()}.get(
                text, text
            ) == text
    for path in tmp_path.glob("*.csv"):
        assert not [cell for row in cells(path) for cell in row if RISKY.match(cell)]


# ---- in LibreOffice


@pytest.mark.slow
@pytest.mark.parametrize("reading", READINGS)
def test_libreoffice_runs_no_escaped_formula(reading: str, command: Command, furnished: Path, tmp_path: Path) -> None:
    """Needs LibreOffice: `apt-get install --no-install-recommends libreoffice-calc`."""
    add_formula_adapter(furnished)
    files = dict(written_files(command, furnished, tmp_path))
    convert(list(files), reading, "fods", tmp_path)
    for path, rows in files.items():
        result = opened(path.with_suffix(".fods"))
        assert len(result) == len(rows)
        for row, expected in zip(result, rows, strict=True):
            for cell, text in zip(row, expected, strict=False):
                check(cell, text)


@pytest.mark.slow
def test_libreoffice_runs_unescaped_formula(furnished: Path, tmp_path: Path) -> None:
    """Without escapes, LibreOffice computes the same texts, so the test above proves something."""
    history_of(furnished, STARTS)
    path = tmp_path / "history.csv"
    with Workbench(furnished) as wb:
        drain(wb.history.export(path, escape_formulas=False))
    convert([path], READINGS[0], "fods", tmp_path)
    formulas = [cell for row in opened(path.with_suffix(".fods")) for cell in row if cell.get(TABLE + "formula")]
    assert len(formulas) > 10


@pytest.mark.slow
def test_libreoffice_saved_history_reads_back_equal(furnished: Path, tmp_path: Path) -> None:
    """Needs LibreOffice."""
    history_of(furnished, OURS)
    path = tmp_path / "history.csv"
    with Workbench(furnished) as wb:
        drain(wb.history.export(path))
    convert([path], READINGS[0], "xlsx", tmp_path)
    convert([path.with_suffix(".xlsx")], None, "csv:Text - txt - csv (StarCalc):44,34,76", tmp_path / "again")
    result = [row["text"] for row in table(tmp_path / "again" / "history.csv")]
    expected = [row["text"] for row in table(path)]
    assert len(result) == len(expected)
    for one, text in zip(result, expected, strict=True):
        assert VALUE.fullmatch(text) or LOST.sub("", one) == LOST.sub("", text)


def convert(paths: Sequence[Path], reading: str | None, ending: str, folder: Path) -> None:
    office = shutil.which("soffice")
    assert office, "this test needs LibreOffice: apt-get install --no-install-recommends libreoffice-calc"
    words = [office, "--headless", f"-env:UserInstallation=file://{folder}/profile", "--convert-to", ending]
    words += ["--outdir", str(folder), *([f"--infilter=CSV:{reading}"] if reading else []), *map(str, paths)]
    subprocess.run(words, check=True, capture_output=True, timeout=300)


def opened(path: Path) -> list[list[ElementTree.Element]]:
    """Return the cells of a flat OpenDocument sheet, with repetitions."""
    rows = []
    for row in ElementTree.parse(path).iter(TABLE + "table-row"):
        of_row: list[ElementTree.Element] = []
        for cell in row.iter(TABLE + "table-cell"):
            of_row += [cell] * min(int(cell.get(TABLE + "number-columns-repeated", "1")), 50)
        rows += [of_row] * min(int(row.get(TABLE + "number-rows-repeated", "1")), 50)
    return rows


def check(cell: ElementTree.Element, text: str) -> None:
    """Check that the cell is no formula and no error, and has a text unchanged."""
    assert cell.get(TABLE + "formula") is None, text
    kind = cell.get(OFFICE + "value-type")
    shown = "\n".join("".join(paragraph.itertext()) for paragraph in cell.iter(TEXT + "p"))
    assert not shown.startswith(("Err:", "#")) or shown == text, text
    if kind in (None, "string"):
        assert LOST.sub("", shown) == LOST.sub("", text)
    else:
        assert VALUE.fullmatch(text), (kind, text)
