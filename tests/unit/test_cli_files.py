"""`files`: list, show, export and remove."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import files
import pandas as pd
import pytest
from commands import Command, json_lines

from weibo_tui import Workbench
from weibo_tui.storage.row_filters import CANNOT_TELL_LABEL

ROWS = files.rows(60, seed=3)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return files.write(tmp_path / "posts.csv", ROWS)


def test_list_says_what_is_known_of_files(command: Command, path: Path) -> None:
    assert (
        command.ok("files", "list").out.split() == "time (UTC) state rows labels human labels adapter ID file".split()
    )
    command.ok("files", "show", path)
    (listed,) = json_lines(command.ok("files", "list", "--json").out)
    assert (listed["path"], listed["state"], listed["rows"]) == (str(path), "ready", 60)
    assert listed["answers"] == sum(row["label"] != "" for row in ROWS)
    line = command.ok("files", "list").out.splitlines()[1]
    assert listed["fingerprint"][:12] in line
    assert f"positive {listed['counts']['positive']}" in line


def test_show_has_rows_of_filter_in_order(command: Command, path: Path) -> None:
    options = [
        "--search",
        "真",
        "--label",
        "positive",
        "--where",
        "place=SHANG",
        "--sort",
        "confidence",
        "--descending",
    ]
    result = command.ok("files", "show", path, *options, "--json")
    shown = json_lines(result.out)
    expected = [
        row
        for row in ROWS
        if "真" in row["text"] and (row["label"] or row["predicted"]) == "positive" and "shang" in row["place"].lower()
    ]
    assert len(shown) == len(expected) > 1
    assert [row["confidence"] for row in shown] == sorted((row["confidence"] for row in expected), reverse=True)
    assert result.err.endswith(f"{len(expected)} of 60 rows.\n")


def test_show_has_a_line_for_each_row(command: Command, path: Path) -> None:
    with Workbench() as workbench:
        file = files.opened(workbench, path)
        file.correct([1], CANNOT_TELL_LABEL)
        file.correct([2], "negative")
        second = file.row(2)
    lines = command.ok("files", "show", path, "--limit", "3").out.splitlines()
    assert lines[0].split() == ["row", "human", "label", "predicted", "date", "post"]
    assert lines[1].startswith("1    cannot tell")
    assert [line.split()[0] for line in lines[1:]] == ["1", "2", "3"]
    assert lines[2].split()[1:4] == ["negative", second.predicted, f"{second.confidence:.1%}"]
    (row,) = json_lines(command.ok("files", "show", path, "--label", "cannot tell", "--json").out)
    assert (row["number"], row["human"]) == (1, "cannot tell")


def show(command: Command, path: Path, options: str) -> list[dict[str, Any]]:
    return json_lines(command.ok("files", "show", path, *options.split(), "--limit", "99", "--json").out)


def test_filters_of_yes_and_no_are_opposites(command: Command, path: Path) -> None:
    for yes, no in {"--answered": "--unanswered", "--uncertain": "--certain", "--flagged": "--unflagged"}.items():
        one, other = ({row["number"] for row in show(command, path, option)} for option in (yes, no))
        assert not one & other
        assert len(one | other) == 60 or yes == "--uncertain"  # rows without a prediction have no confidence
    shown = show(command, path, "--since 2026-01-10 --until 2026-01-12")
    assert {row["date"][:10] for row in shown} <= {"2026-01-10", "2026-01-11", "2026-01-12"}
    assert len(shown) == sum("2026-01-10" <= row["created_at"][:10] <= "2026-01-12" for row in ROWS)
    texts = [row["text"] for row in show(command, path, "--distinct")]
    assert len(texts) == len(set(texts))


def test_file_is_found_by_start_of_fingerprint(command: Command, path: Path) -> None:
    command.ok("files", "show", path)
    (listed,) = json_lines(command.ok("files", "list", "--json").out)
    shown = command.ok("files", "show", listed["fingerprint"][:8], "--limit", "1", "--json")
    assert json.loads(shown.out)["text"] == ROWS[0]["text"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--label", "angry"], "has no label angry. Its labels are negative, positive, neutral."),
        (["--where", "place"], "--where is place. Give a column and a text, as in place=北京."),
        (["--where", "nobody=x"], "has no column nobody."),
        (["--sort", "nobody"], "has no column nobody."),
        (["--since", "soon"], "--since is soon and must be a date such as 2026-01-31."),
        (["--column", "nobody"], "has no column nobody."),
    ],
)
def test_wrong_option_is_one_sentence(options: list[str], message: str, command: Command, path: Path) -> None:
    result = command("files", "show", path, *options)
    assert (result.code, result.out) == (2, "")
    *_summary, line = result.err.splitlines()
    assert line.startswith("weibo-tui: ")
    assert message in line


def test_unknown_file_is_named(command: Command) -> None:
    result = command("files", "show", "nowhere.csv")
    assert result.code == 2
    assert result.err == ("weibo-tui: No file nowhere.csv in the list. Show the list with 'weibo-tui files list'.\n")


def test_export_writes_labels_and_replaces_nothing(command: Command, path: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    result = command.ok("files", "export", path, out, "--label", "positive", "--sort", "confidence")
    assert result.out == f"{out}\n"
    frame = pd.read_csv(out)
    assert f"{len(frame)} rows written." in result.err
    assert "The file has columns named label already." in result.err
    assert set(frame.label_2) == {"positive"}
    assert frame.confidence.is_monotonic_increasing
    again = command("files", "export", path, out)
    assert (again.code, "--overwrite" in again.err) == (2, True)
    assert len(pd.read_csv(out)) == len(frame)
    command.ok("files", "export", path, out, "--overwrite")
    assert len(pd.read_csv(out)) == 60


def test_remove_asks_and_keeps_answers(command: Command, path: Path) -> None:
    with Workbench() as workbench:
        files.opened(workbench, path).correct([1, 2], "negative")
    refused = command("files", "remove", path, stdin=b"n\n")
    assert refused.code == 2
    assert f"Remove the kept rows of {path}? [y/N]" in refused.err
    result = command.ok("files", "remove", path, "--yes")
    assert "2 answers stay. Use --answers to delete them too." in result.err
    assert json_lines(command.ok("files", "list", "--json").out) == []
    shown = json_lines(command.ok("files", "show", path, "--limit", "1", "--json").out)
    assert (shown[0]["human"], shown[0]["human_source"]) == ("negative", "answer")
    command.ok("files", "remove", path, "--answers", "--yes")
    shown = json_lines(command.ok("files", "show", path, "--limit", "1", "--json").out)
    assert shown[0]["human_source"] != "answer"
    assert path.exists()
