"""The history: adding, paging, clearing, and damaged entries."""

from __future__ import annotations

import gc
import signal
import sqlite3
import subprocess
import sys
from collections import deque
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest
from histories import ANALYSIS, FAILED, FILE, at

from weibo_tui.errors import WeiboTuiError
from weibo_tui.storage.codec import MAX_NAME_LENGTH
from weibo_tui.storage.database import connect
from weibo_tui.storage.history import Analysis, History, LabeledFile


def test_history_page_is_newest_first_with_ids(history: History) -> None:
    [first, second] = history.add([ANALYSIS, replace(FAILED, created_at=at(1))])
    file = history.add_file(replace(FILE, created_at=at(2)))
    assert history.page(10) == [
        replace(FILE, created_at=at(2), id=file),
        replace(FAILED, created_at=at(1), id=second),
        replace(ANALYSIS, id=first),
    ]
    assert history.count() == 3


def test_history_add_is_all_or_nothing(history: History) -> None:
    unfit = replace(ANALYSIS, text=object())  # type: ignore[arg-type]
    with pytest.raises(sqlite3.ProgrammingError):
        history.add([ANALYSIS, unfit])
    assert history.count() == 0


HOSTILE = [
    "\ud83d lone \udcff",
    "\x00begins and ends in NUL\x00",
    "\x1b]8;;http://a\x07link\x1b[31m",
    "[/哈哈] [SEP] '); DROP TABLE analyses; --",
    "\u202ereversed\u2028\ufeff",
    "长" * 100_000,
    "",
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_history_keeps_any_text_unchanged(history: History, text: str) -> None:
    label = text[:MAX_NAME_LENGTH]
    analysis = replace(ANALYSIS, text=text, label=label, error=text, probabilities={label: 1.0})
    [identity] = history.add([analysis])
    history.add_file(file := replace(FILE, path=Path("a" + text.replace("\x00", "")), counts={label: 5}))
    assert history.page(2) == [replace(analysis, id=identity), replace(file, id=1)]


def test_history_clear_removes_posts_from_disk(tmp_path: Path, history: History) -> None:
    history.add([replace(ANALYSIS, text=f"雨停了 {number}") for number in range(500)])
    history.add_file(FILE)
    assert history.clear() == 501
    assert history.count() == 0
    assert history.page(10) == []
    for file in tmp_path.glob("weibo-tui.db*"):
        assert "雨停了".encode() not in file.read_bytes()
    assert history.clear() == 0


PROGRAM = """
import sys
from dataclasses import replace
from pathlib import Path
from weibo_tui.errors import WeiboTuiError
from weibo_tui.storage.database import connect
from weibo_tui.storage.history import Analysis, History

history = History(connect(Path(sys.argv[1])))
number = 0
while True:
    [number] = history.add([Analysis(
        text="一" * 200, label="positive", confidence=0.9, probabilities={}, uncertain=False, adapter="a",
        truncated=False, characters=1, characters_read=1, milliseconds=1.0,
        created_at="2026-01-31T12:00:00.000Z", source="cli",
    )])
    print(number, flush=True)
"""


def test_history_survives_kill_9(tmp_path: Path, history: History) -> None:
    program = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(tmp_path / "weibo-tui.db")], stdout=subprocess.PIPE, text=True
    )
    assert program.stdout is not None
    shown = [program.stdout.readline() for _ in range(40)]
    program.kill()
    shown += program.stdout.readlines()
    assert program.wait() == -signal.SIGKILL
    program.stdout.close()
    assert history.count() in (len(shown), len(shown) + 1)  # the one that it had no time to show
    assert len(shown) >= 40


def test_history_newest_keeps_one_page_in_memory(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("weibo_tui.storage.history._LIST_PAGE_SIZE", 100)
    gc.collect()
    of_other_tests = sum(type(one) is Analysis for one in gc.get_objects())
    history.add([replace(ANALYSIS, text=str(number), created_at=at(number % 60)) for number in range(250)])
    history.add_file(FILE)
    assert list(history.newest(240)) == history.page(240)
    assert list(history.newest(9999)) == history.page(9999)
    entries = history.newest(10**6)
    deque(islice(entries, 240), maxlen=0)
    assert sum(type(one) is Analysis for one in gc.get_objects()) <= of_other_tests + 200  # two pages


@pytest.mark.parametrize(
    "change",
    [
        *("confidence = NULL", "confidence = 9e999", "confidence = 'sure'", "confidence = -1", "milliseconds = 9e999"),
        *("probabilities = '{\"a\": null}'", "probabilities = '[1]'", "probabilities = 'NaN'", "probabilities = x'ff'"),
        *("probabilities = '{\"a\": NaN}'", "created_at = x'ff'", "adapter = x'ff'"),
        *(f"probabilities = '{'[' * 100_000}'", "characters = 9e999"),
        *(f"label = '{'好' * 1001}'", f"probabilities = '{{\"{'好' * 1001}\": 0.5}}'"),
    ],
)
def test_analysis_with_odd_figures_is_shown_as_damaged(history: History, change: str) -> None:
    history.add([ANALYSIS])
    history._database.execute(f"UPDATE analyses SET {change}")
    (entry,) = history.page(10)
    assert isinstance(entry, Analysis)
    assert (entry.text, entry.error, entry.confidence) == (ANALYSIS.text, "this entry is damaged", None)


@pytest.mark.parametrize(
    "change",
    [
        *("counts = '[1]'", "counts = '{\"a\": NaN}'", "rows = 'many'", "counts = x'ff'", "created_at = x'01'"),
        "rows = 9e999",
    ],
)
def test_labeled_file_with_odd_figures_is_shown_as_damaged(history: History, change: str) -> None:
    history.add_file(FILE)
    history._database.execute(f"UPDATE labelled_files SET {change}")
    (entry,) = history.page(10)
    assert isinstance(entry, LabeledFile)
    assert (entry.path, entry.adapter, entry.counts) == (FILE.path, "this entry is damaged", {})


@pytest.mark.parametrize("replaced", [False, True])
def test_database_that_was_removed_takes_no_more(tmp_path: Path, history: History, replaced: bool) -> None:
    history.add([ANALYSIS])
    (tmp_path / "weibo-tui.db").rename(tmp_path / "elsewhere.db")
    if replaced:
        connect(tmp_path / "weibo-tui.db").close()
    for keep in (lambda: history.add([ANALYSIS]), lambda: history.add_file(FILE), history.check_writable):
        with pytest.raises(WeiboTuiError, match="was removed or replaced. Start weibo-tui again"):
            keep()
