"""The history exported as CSV."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from commands import table as rows
from histories import ANALYSIS, FAILED, FILE, at
from hypothesis import given, settings
from hypothesis import strategies as st

from weibo_tui.errors import CorruptFileError
from weibo_tui.progress import Progress, drain
from weibo_tui.storage.database import Database, connect
from weibo_tui.storage.history import History, HistoryFilter
from weibo_tui.storage.history_export import EXPORT_COLUMNS
from weibo_tui.text.spreadsheet import unescape_formula


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("weibo_tui.storage.history._EXPORT_PAGE_SIZE", 20)


def test_export_has_every_analysis_with_bom(tmp_path: Path, history: History) -> None:
    [identity, _failed] = history.add([ANALYSIS, FAILED])
    history.correct(identity, "neutral")
    history.add_file(FILE)
    place = tmp_path / "out" / "history.csv"
    assert drain(history.export(place)) == 2
    assert place.read_bytes().startswith(b"\xef\xbb\xbfid,created_at,text,label,confidence,adapter,")
    row = place.read_text("utf-8").splitlines()[1]
    assert row.startswith('1,"2026-01-31T12:00:00.000Z","雨停了，去江边走走[太阳]","neutral",0.9375,"weather","false",')
    [first, second] = rows(place)
    assert list(first) == list(EXPORT_COLUMNS)
    assert first == {
        "id": "1",
        "created_at": "2026-01-31T12:00:00.000Z",
        "text": "雨停了，去江边走走[太阳]",
        "label": "neutral",
        "confidence": "0.9375",
        "adapter": "weather",
        "uncertain": "false",
        "truncated": "false",
        "characters": "13",
        "characters_read": "13",
        "milliseconds": "8.5",
        "source": "cli",
        "probabilities": '{"negative": 0.0625, "positive": 0.9375}',
        "error": "",
        "corrected": "neutral",
        "label_source": "human",
        "predicted": "positive",
    }
    assert second["label_source"] == "model"
    assert (second["label"], second["confidence"], second["corrected"]) == ("", "", "")
    assert second["error"] == "The post is empty."


def test_readable_export_has_a_column_for_each_label(small_pages: None, tmp_path: Path, history: History) -> None:
    local = f"{datetime.fromisoformat(at(1)).astimezone():%Y-%m-%d %H:%M:%S}"
    moods = {"calm": 0.123456, "=tense": 0.8765}
    other = replace(
        ANALYSIS, label="=tense", confidence=0.876543, probabilities=moods, adapter="moods", created_at=at(3)
    )
    ids = history.add([*[replace(ANALYSIS, created_at=at(1))] * 25, other, replace(FAILED, created_at=at(2))])
    history.correct(ids[-2], "calm")
    stages = [event.stage for event in history.export(tmp_path / "out.csv", readable=True)]
    assert stages == ["reading"] * 2 + ["writing"] * 2
    assert (tmp_path / "out.csv").read_bytes().startswith(b"\xef\xbb\xbf")
    result = rows(tmp_path / "out.csv")
    assert result[0] == {
        "id": "1",
        "time": local,
        "text": ANALYSIS.text,
        "label": "positive",
        "confidence": "0.9375",
        "uncertain": "false",
        "human_label": "",
        "predicted": "positive",
        "adapter": "weather",
        "source": "cli",
        "error": "",
        "prob_negative": "0.0625",
        "prob_positive": "0.9375",
        "prob_calm": "",
        "prob_=tense": "",
    }
    names = ("label", "human_label", "predicted", "confidence", "error", "prob_negative", "prob_calm", "prob_=tense")
    assert [result[-2][name] for name in names] == ["", "", "", "", "The post is empty.", "", "", ""]
    assert [result[-1][name] for name in names] == ["calm", "calm", "'=tense", "0.8765", "", "", "0.1235", "0.8765"]
    line = (tmp_path / "out.csv").read_text("utf-8").splitlines()[1]
    assert line.startswith(f'"1","{local}",')  # ids are texts

    drain(history.export(tmp_path / "none.csv", HistoryFilter(text="nothing"), readable=True))
    assert rows(tmp_path / "none.csv") == []


@pytest.mark.parametrize("readable", [False, True])
def test_export_of_chosen_ids_has_only_those(tmp_path: Path, history: History, readable: bool) -> None:
    ids = history.add([replace(ANALYSIS, text=str(second), created_at=at(second)) for second in (5, 3, 4, 1)])
    export = history.export(tmp_path / "a.csv", readable=readable, ids=[ids[0], 99, ids[3], ids[1]])
    assert drain(export) == 3
    assert [row["text"] for row in rows(tmp_path / "a.csv")] == ["1", "3", "5"]


def test_export_without_escapes_and_bom(tmp_path: Path, history: History) -> None:
    history.add([replace(ANALYSIS, text=text) for text in ("=1+1", "半个\ud83d")])
    drain(history.export(tmp_path / "guarded.csv"))
    drain(history.export(tmp_path / "plain.csv", bom=False, escape_formulas=False))
    guarded = (tmp_path / "guarded.csv").read_text(encoding="utf-8-sig")
    assert ',"\'=1+1",' in guarded
    assert ',"半个\\ud83d",' in guarded
    plain = (tmp_path / "plain.csv").read_bytes()
    assert plain.startswith(b"id,")
    assert b',"=1+1",' in plain


UTF_8 = st.characters(codec="utf-8")


@settings(max_examples=12)
@given(st.lists(st.text(UTF_8) | st.from_regex(r"[=+\-@\t\r'\n\",].*", alphabet=UTF_8)))
def test_export_reads_back_equal(tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> None:
    folder = tmp_path_factory.mktemp("export")
    database = connect(folder / "weibo-tui.db")
    history = History(database)
    history.add([replace(ANALYSIS, text=text, label=text) for text in texts])
    assert drain(history.export(folder / "history.csv")) == len(texts)
    result = rows(folder / "history.csv")
    assert [unescape_formula(row["text"]) for row in result] == texts
    assert [unescape_formula(row["label"]) for row in result] == texts
    assert not any(row["text"].startswith(tuple("=+-@\t\r")) for row in result)
    database.close()


def test_export_of_filter_is_oldest_first(tmp_path: Path, history: History) -> None:
    history.add([replace(ANALYSIS, text=f"今天 {second}", created_at=at(second)) for second in (3, 1, 2)])
    history.add([replace(ANALYSIS, text="明天")])
    history.add_file(FILE)
    assert drain(history.export(tmp_path / "a.csv", HistoryFilter(text="今天"))) == 3
    assert [row["text"] for row in rows(tmp_path / "a.csv")] == ["今天 1", "今天 2", "今天 3"]
    assert drain(history.export(tmp_path / "a.csv", HistoryFilter(source="file"), overwrite=True)) == 0
    assert rows(tmp_path / "a.csv") == []


def test_export_reports_progress(small_pages: None, tmp_path: Path, history: History) -> None:
    history.add([ANALYSIS] * 45)
    events = list(history.export(tmp_path / "history.csv"))
    assert events == [Progress("writing", done, 45) for done in (20, 40, 45)]
    assert len(rows(tmp_path / "history.csv")) == 45


def test_export_is_unaffected_by_later_writes(small_pages: None, tmp_path: Path, history: History) -> None:
    ids = history.add([replace(ANALYSIS, text=str(number), created_at=at(5)) for number in range(45)])
    other = connect(tmp_path / "weibo-tui.db")
    export = history.export(tmp_path / "history.csv")
    next(export)
    History(other).add([replace(ANALYSIS, text="by another program", created_at=at(9))])
    history.add([replace(ANALYSIS, text="by this one", created_at=at(9))])
    history.correct(ids[-1], "negative")
    history.delete([history.get(ids[0])])
    with other.transaction():
        other.execute("DELETE FROM analyses")
    assert drain(export) == 45
    texts = [row["text"] for row in rows(tmp_path / "history.csv")]
    assert texts == [str(number) for number in range(45)]
    assert rows(tmp_path / "history.csv")[-1]["label_source"] == "model"  # as it was when the export began
    other.close()


def test_export_with_damaged_time_ends(tmp_path: Path, database: Database, history: History) -> None:
    history.add([replace(ANALYSIS, text=text) for text in ("晴", "雨", "雪")])
    database.execute("UPDATE analyses SET created_at = x'01' WHERE id = 2")
    assert drain(history.export(tmp_path / "out.csv")) == 3
    assert [row["text"] for row in rows(tmp_path / "out.csv")] == ["晴", "雪", "雨"]


def test_export_that_loses_rows_keeps_the_earlier_file(
    tmp_path: Path, history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "history.csv"
    place.write_bytes(b"earlier")
    history.add([ANALYSIS] * 3)
    monkeypatch.setattr(History, "_count", lambda *_arguments: 4)
    with pytest.raises(CorruptFileError, match="Export incomplete: 3 of 4 posts"):
        drain(history.export(place, overwrite=True))
    assert place.read_bytes() == b"earlier"


def test_export_closed_early_leaves_file_unchanged(small_pages: None, tmp_path: Path, history: History) -> None:
    history.add([ANALYSIS] * 21)
    place = tmp_path / "out" / "history.csv"
    for content in (None, b"old"):
        export = history.export(place, overwrite=True)
        next(export)
        export.close()
        assert place.exists() is (content is not None)
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(b"old")
        assert list(place.parent.iterdir()) == [place]
        assert place.read_bytes() == b"old"
