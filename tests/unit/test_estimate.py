"""`estimate` and `Workbench.estimate`: shares of a labeled file, in windows, and what makes them invalid."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from commands import Command, json_lines, table
from hypothesis import given, settings
from hypothesis import strategies as st

from weibo_tui import UserInputError, Workbench, locale
from weibo_tui.datasets.answers import CANNOT_TELL
from weibo_tui.workbench.estimation import estimate_counts

KEYS = ["label", "share", "low", "high", "n", "N", "uncorrected", "half_width", "for_half_width"]
MORE_KEYS = ["with_more", "without_model", "disagreements", "cannot_tell", "bounds", "window", "differs"]
START = 4868065483040592  # the id of a post of 2023-02-11
DAY_OF_IDS = 86_400 << 22

Row = Mapping[str, object]


def write(path: Path, rows: Iterable[Row]) -> Path:
    pd.DataFrame(list(rows)).to_csv(path, index=False)
    return path


def made_up(number: int, sampled: int, *, seed: int = 1, positive: Any = lambda _day: 0.4) -> list[dict[str, object]]:
    """Return rows of 10 days with a model that is right in 85 % of them, and human labels of a random sample."""
    rng = random.Random(seed)
    sample = set(rng.sample(range(number), sampled))
    rows: list[dict[str, object]] = []
    for at in range(number):
        day = at * 10 // number
        truth = rng.random() < positive(day)
        is_right = rng.random() < 0.85
        rows.append(
            {
                "id": str(START + day * DAY_OF_IDS + at),
                "text": f"第{at}条微博",
                "created_at": f"{date(2023, 2, 11) + timedelta(day)} 10:00",
                "predicted": ("negative", "positive")[truth == is_right],
                "confidence": round(rng.uniform(0.8 if is_right else 0.5, 1), 4),
                "label": ("负面", "正面")[truth] if at in sample else "",
            }
        )
    return rows


def estimates(command: Command, *arguments: str | Path) -> list[dict[str, Any]]:
    return json_lines(command.ok("estimate", *arguments, "--json").out)


# the command from end to end


def test_labeled_file_is_estimated_in_all_forms(
    command: Command, furnished: Path, posts_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    labeled = tmp_path / "labeled.csv"
    command.ok("predict", "--file", posts_file, "--out", labeled, "--no-history")
    (negative, positive) = estimates(command, labeled)
    assert [*positive] == KEYS + MORE_KEYS
    assert (positive["label"], positive["n"], positive["N"]) == ("positive", 1000, 1000)
    assert positive["share"] == positive["low"] == positive["high"] == 0.5  # every row has its label
    assert positive["half_width"] == positive["with_more"]["50"] == 0
    assert positive["share"] + negative["share"] == 1
    shown = command.ok("estimate", labeled)
    assert "All rows have a human label, so the shares are exact." in shown.out
    assert "labeled.csv: CSV, UTF-8, predicted labels in predicted, labels in label, 1,000 rows" in shown.err
    rows = table(labeled)
    sample = set(random.Random(4).sample(range(1000), 40))
    write(labeled, [row | ({} if at in sample else {"label": ""}) for at, row in enumerate(rows)])
    (found,) = estimates(command, labeled, "--label", "positive")
    assert found["low"] < 0.5 < found["high"]
    assert found["half_width"] < 0.12
    assert found["uncorrected"] == positive["uncorrected"]
    assert found["n"] < found["for_half_width"]["3"] < found["without_model"]["3"]
    shown = command.ok("estimate", labeled, "--label", "1")
    assert re.search(rf"positive +{found['share']:.1%} +{found['low']:.1%} – {found['high']:.1%}", shown.out)
    assert f"40 of 1,000 rows have a human label, and {found['disagreements']} of these" in shown.out
    assert f"label about {found['for_half_width']['3'] - 40} more rows" in shown.out
    monkeypatch.setenv("WEIBO_TUI_LANGUAGE", "zh_CN")
    locale.use("auto")
    assert "标签" in command.ok("estimate", labeled).out.splitlines()[0]
    assert estimates(command, labeled, "--label", "正面") == [found]


def test_interval_holds_in_most_of_many_samples(wb: Workbench) -> None:
    missed = 0
    rows = made_up(500, 0)
    truth = [(row["predicted"] == "positive") ^ (at % 7 == 0) for at, row in enumerate(rows)]
    for seed in range(40):
        sample = set(random.Random(seed).sample(range(500), 60))
        human = [("negative", "positive")[truth[at]] if at in sample else None for at in range(500)]
        frame = pd.DataFrame({"predicted": [row["predicted"] for row in rows], "label": human})
        (found,) = wb.estimate(frame, "positive", progress=False).estimates
        assert found.low is not None
        assert found.high is not None
        missed += not found.low <= sum(truth) / 500 <= found.high
    assert missed <= 4


# windows


def test_windows_by_day_week_and_column_are_estimated(command: Command, tmp_path: Path) -> None:
    rows = made_up(5000, 900, positive=lambda day: 0.25 if day < 2 else 0.5)
    data = write(tmp_path / "data.csv", [row | {"place": "北京" if at % 9 else ""} for at, row in enumerate(rows)])
    whole, *days = estimates(command, data, "--by", "day", "--label", "positive")
    assert [day["window"] for day in days] == [str(date(2023, 2, 11) + timedelta(at)) for at in range(10)]
    assert (whole["window"], whole["differs"], whole["N"]) == (None, None, 5000)
    assert [day["differs"] for day in days][:2] == ["lower", "lower"]
    assert all(day["n"] >= 50 and day["low"] < day["share"] < day["high"] for day in days)
    weeks = estimates(command, data, "--by", "week", "--label", "positive")[1:]
    assert [(week["window"], week["N"]) for week in weeks] == [
        ("2023-02-06", 1000),
        ("2023-02-13", 3500),
        ("2023-02-20", 500),
    ]
    shown = command.ok("estimate", data, "--by", "Place", "--label", "positive")
    assert re.search(r"北京 +positive +\d", shown.out)
    assert "556 rows have no value, so they are in no window." in shown.out


def test_window_with_few_labels_has_no_interval(command: Command, tmp_path: Path) -> None:
    rows = made_up(2000, 300)
    for at, row in enumerate(rows):
        row["created_at"] = "昨天 10:00" if at % 2 else ""
        row["label"] = row["label"] if at >= 400 or at % 10 == 0 else ""
    data = write(tmp_path / "data.csv", rows)
    whole, *days = estimates(command, data, "--by", "day", "--label", "positive")
    assert sum(day["N"] for day in days) == 2000  # the ids tell the days
    assert min(day["n"] for day in days) < 50
    assert {day["share"] for day in days} == {None}
    assert {day["for_half_width"]["3"] for day in days} == {None}
    assert whole["share"] is not None
    out = command.ok("estimate", data, "--by", "day").out
    assert "10 windows have no interval, because they have fewer than 50 human labels each." in out
    assert "the rest of the file" not in out


def test_dates_that_cannot_be_read_are_counted(command: Command, tmp_path: Path) -> None:
    rows = [row | {"id": "4.86806548E+15"} for row in made_up(200, 100)]
    data = write(
        tmp_path / "data.csv", [row | {"created_at": "02-11" if at % 4 else "?"} for at, row in enumerate(rows)]
    )
    shown = command.ok("estimate", data, "--by", "day", "--date-column", "created_at")
    assert "200 rows have no date that can be read" in shown.out
    shown = command.ok("estimate", data, "--by", "day", "--collected", "2023-02-12 09:00")
    assert "50 rows have no date that can be read" in shown.out
    assert "2023-02-11" in shown.out
    assert "200 rows have no date" in command.ok("estimate", data, "--by", "day", "--json").err
    refused = command("estimate", data, "--by", "day", "--collected", "yesterday")
    assert refused.code == 2
    assert "must be a date such as 2026-11-22 18:00" in refused.err


def test_dates_of_typed_tables_are_read(command: Command, tmp_path: Path) -> None:
    times = pd.to_datetime(["2023-02-11 21:05:18", "2023-02-12 23:30:00"])
    frame = pd.DataFrame({"predicted": ["positive", "negative"], "date": times})
    frame.to_excel(tmp_path / "naive.xlsx", index=False)
    frame.to_parquet(tmp_path / "naive.parquet")
    frame.assign(date=times.tz_localize("America/New_York")).to_parquet(tmp_path / "zone.parquet")
    frame.assign(date=[1676120718, 1676215800000]).to_json(tmp_path / "unix.jsonl", orient="records", lines=True)
    for name, days in {
        "naive.xlsx": ["2023-02-11", "2023-02-12"],
        "naive.parquet": ["2023-02-11", "2023-02-12"],
        "zone.parquet": ["2023-02-12", "2023-02-13"],
        "unix.jsonl": ["2023-02-11", "2023-02-12"],
    }.items():
        found = estimates(command, tmp_path / name, "--by", "day", "--label", "positive")
        assert [one["window"] for one in found] == [None, *days], name


def test_equal_windows_are_rarely_said_to_differ() -> None:
    rng = np.random.default_rng(2)
    wrong = 0
    for _each in range(300):
        windows: dict[str | None, dict[tuple[str, str], int]] = {}
        for name in "abcde":
            answers = rng.multinomial(60, [0.36, 0.04, 0.06, 0.54])
            pairs = [("0", "0"), ("0", "1"), ("1", "0"), ("1", "1")]
            windows[name] = dict(zip(pairs, answers.tolist(), strict=True)) | {("0", ""): 400, ("1", ""): 600}
        found = estimate_counts(windows, ["1"], has_windows=True)
        wrong += any(one.differs for one in found)
    assert wrong <= 0.05 * 300
    windows["e"] = {("1", "1"): 60, ("1", ""): 600}
    *_others, last = estimate_counts(windows, ["1"], has_windows=True)
    assert (last.window, last.differs) == ("e", "higher")


def test_date_column_is_found_by_content(command: Command, tmp_path: Path) -> None:
    rows = [{"编号x": at, "when": f"2026年11月{1 + at % 2}日 10:00", "predicted": "1"} for at in range(20)]
    data = write(tmp_path / "data.csv", rows)
    found = estimates(command, data, "--by", "day", "--label", "positive")
    assert [(one["window"], one["N"]) for one in found] == [(None, 20), ("2026-11-01", 10), ("2026-11-02", 10)]
    data = write(tmp_path / "none.csv", [{"predicted": "1", "n": at} for at in range(20)])
    refused = command("estimate", data, "--by", "day")
    assert (refused.code, "Choose it with --date-column. Columns: predicted, n." in refused.err) == (2, True)


# answers


def test_file_without_answers_has_counts_only(command: Command, tmp_path: Path) -> None:
    data = write(tmp_path / "data.csv", [{"text": "好", "predicted": label} for label in "1110"])
    (negative, positive) = estimates(command, data)
    assert (positive["uncorrected"], positive["share"], positive["n"]) == (0.75, None, 0)
    assert negative["for_half_width"] == {"3": None}
    assert "counts of the predicted labels, not corrected" in command.ok("estimate", data).out


def test_cannot_tell_is_counted_and_bounded(command: Command, tmp_path: Path) -> None:
    rows = made_up(1000, 200)
    answered = [row for row in rows if row["label"]]
    for row in answered[::10]:
        row["label"] = "无法判断"
    data = write(tmp_path / "data.csv", rows)
    (found,) = estimates(command, data, "--label", "positive")
    assert (found["n"], found["cannot_tell"]) == (180, 20)
    assert found["bounds"][0] < found["low"] < found["high"] < found["bounds"][1]
    assert '20 further human answers (10.0% of all) are "cannot tell"' in command.ok("estimate", data).out


def test_labels_of_other_words_are_matched(command: Command, tmp_path: Path) -> None:
    words = {"0": "负面", "1": "正面"}
    rows = [{"pred": str(at % 2), "human": words[str(at % 2)] if at % 4 < 2 else "中性"} for at in range(40)]
    data = write(tmp_path / "data.csv", rows)
    found = estimates(command, data)
    assert [(one["label"], one["share"], one["uncorrected"]) for one in found] == [
        ("negative", 0.25, 0.5),
        ("positive", 0.25, 0.5),
        ("neutral", 0.5, 0.0),  # only in human labels
    ]
    found = estimates(command, data, "--map", "中性=负面")
    assert [(one["label"], one["share"]) for one in found] == [("negative", 0.75), ("positive", 0.25)]
    refused = command("estimate", data, "--label", "angry")
    assert "has no label angry. Its labels are negative, positive, neutral." in refused.err


def test_many_labels_sum_to_one(wb: Workbench) -> None:
    names = ["angry", "happy", "sad", "fear", "neutral"]
    frame = pd.DataFrame({"predicted": [names[at * at % 5] for at in range(300)]})
    frame["label"] = [names[at % 5] if at % 3 == 0 else None for at in range(300)]
    result = wb.estimate(frame)
    assert sum(one.share or 0 for one in result.estimates) == pytest.approx(1)
    assert sum(one.uncorrected for one in result.estimates) == pytest.approx(1)
    assert {*result.to_pandas()["label"]} == {*names}
    assert {one.n for one in result.of_file} == {100}


def test_labels_of_the_model_and_for_training_are_no_answers(command: Command, tmp_path: Path) -> None:
    rows = made_up(1000, 1000)
    for at, row in enumerate(rows):
        is_sampled = random.Random(at).random() < 0.2
        row |= {"label_source": "human" if is_sampled else "model", "purpose": "teach" if at % 50 == 0 else "sample"}
    data = write(tmp_path / "data.csv", rows)
    taught = sum(row["label_source"] == "human" and row["purpose"] == "teach" for row in rows)
    human = sum(row["label_source"] == "human" for row in rows)
    assert {one["n"] for one in estimates(command, data)} == {human - taught}
    assert f"{taught} human labels are not used, because their rows were chosen" in command.ok("estimate", data).err


def test_answers_that_are_no_random_sample_warn(command: Command, wb: Workbench, tmp_path: Path) -> None:
    rows = made_up(1000, 1000)

    def warnings(is_answered: Any) -> str:
        kept = [row if is_answered(at, row) else row | {"label": ""} for at, row in enumerate(rows)]
        return command.ok("estimate", write(tmp_path / "data.csv", kept)).err

    top = warnings(lambda at, _row: at < 60)
    assert "Warning: 90% of the human labels are in rows 4 to 57 of 1,000." in top
    assert "random sample" in warnings(lambda at, _row: 480 <= at < 540)
    unsure = warnings(lambda _at, row: row["confidence"] < 0.8)
    assert "Warning: 100% of the human labels are of rows below the median confidence" in unsure
    assert "in rows" not in unsure
    chosen = set(random.Random(8).sample(range(1000), 60))
    assert "Warning" not in warnings(lambda at, _row: at in chosen)
    frame = pd.DataFrame(rows)
    frame.loc[60:, "label"] = None
    with pytest.warns(UserWarning, match="in rows 4 to 57 of 1,000"):
        wb.estimate(frame)


# tables of other programs, and bad input


def test_json_lines_and_headerless_tables_are_read(command: Command, tmp_path: Path) -> None:
    lines = [{"mid": START, "pics": [], "mood_predicted": at % 2, "label": [at % 2]} for at in range(20)]
    data = tmp_path / "data.jsonl"
    data.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    assert [(one["label"], one["share"]) for one in estimates(command, data)] == [("negative", 0.5), ("positive", 0.5)]
    data = tmp_path / "bare.csv"
    data.write_text("".join(f"第{at}条微博真好,{at % 2},{at % 2 or ''}\n" for at in range(20)), "utf-8")
    found = estimates(command, data, "--no-header", "--predicted-column", "2", "--label-column", "3", "--label", "1")
    assert [(one["n"], one["share"]) for one in found] == [(10, 1.0)]


def test_hostile_labels_stay_on_one_line(command: Command, tmp_path: Path) -> None:
    rows = [{"predicted": "positive", "label": label} for label in ("good\n\x1b[1m[/x]\u202e", "?", "", "positive")]
    data = write(tmp_path / "data.csv", [{"windows\n": "[b]\x1b[2J", **row} for row in rows])
    shown = command.ok("estimate", data, "--by", "1")
    assert not {"\x1b", "\u202e"} & {*shown.out, *shown.err}
    assert sum(line.startswith(("all ", "[b]")) for line in shown.out.splitlines()) == 6
    assert len([line for line in shown.out.splitlines() if "[/x]" in line]) == 3
    assert {one["N"] for one in estimates(command, data, "--by", "1")} == {4}


def test_tables_that_cannot_be_estimated_are_refused(command: Command, home: Path, tmp_path: Path) -> None:
    def refused(rows: Iterable[Row], *words: str) -> str:
        result = command("estimate", write(tmp_path / "data.csv", rows), *words)
        assert (result.code, result.out) == (2, ""), result
        return result.err.splitlines()[-1]

    plain = [{"text": "真好吃", "label": at % 2} for at in range(9)]
    assert "as in 'weibo-tui predict --file', or choose the column with --predicted-column" in refused(plain)
    assert "cannot be both" in refused(plain, "--predicted-column", "label", "--label-column", "label")
    two = [{"pred": "1", "prediction": "0"}] * 3
    assert "several columns of predicted labels: prediction, pred. Choose one" in refused(two)
    assert "has 9 values, not labels" in refused([{"predicted": at / 9} for at in range(9)])
    assert "has no labels. Choose another" in refused([{"predicted": "", "text": "真好吃"}] * 3)
    scores = [{"predicted": at % 2, "score": at / 9} for at in range(9)]
    assert "To make classes of them, use --map" in refused(scores)
    assert "has no column nowhere. Choose one with --by" in refused(scores, "--by", "nowhere")
    assert not list(home.iterdir())


def test_config_and_missing_file_are_refused(wb: Workbench, tmp_path: Path) -> None:
    with pytest.raises(UserInputError, match="File not found"):
        wb.estimate(tmp_path / "nothing.csv")
    with pytest.raises(UserInputError, match="collected is soon"):
        wb.estimate(tmp_path / "nothing.csv", collected="soon")


# properties


@given(
    st.dictionaries(
        st.tuples(st.sampled_from("abc"), st.sampled_from(["", "a", "b", "c", "d", CANNOT_TELL])),
        st.integers(1, 300),
        min_size=1,
    )
)
@settings(max_examples=100)
def test_estimates_are_consistent(counts: dict[tuple[str, str], int]) -> None:
    found = list(estimate_counts({None: counts}, "abcd", has_windows=False))
    assert sum(one.uncorrected for one in found) == pytest.approx(1)
    assert len({(one.rows, one.n, one.disagreements, one.cannot_tell) for one in found}) == 1
    if not found[0].n:
        assert {one.share for one in found} == {None}
        return
    assert sum(one.share or 0 for one in found) == pytest.approx(1)
    for one in found:
        assert one.share is not None
        assert one.low is not None
        assert one.high is not None
        assert 0 <= one.low <= one.share <= one.high <= 1
        assert one.for_half_width is not None
        assert one.n <= one.for_half_width <= one.rows
        assert list((one.with_more or {}).values()) == sorted((one.with_more or {}).values(), reverse=True)
        json.dumps(one.to_dict(), allow_nan=False)


def test_answers_given_in_files_count_unless_a_column_is_named(command: Command, tmp_path: Path) -> None:
    path = write(tmp_path / "labeled.csv", made_up(400, 80))
    (_negative, before) = estimates(command, path)
    assert before["n"] == 80
    with Workbench() as wb:
        session = wb.annotate(wb.open_file(path), "sample")
        while session.progress().done < 60 and (task := session.next()) is not None:
            session.answer(task, "positive")
        expected = wb.open_file(path).estimate("positive").of_file[0].to_dict()
    (_negative, positive) = estimates(command, path)
    assert positive == expected
    assert (positive["n"], positive["share"]) == (60, 1)
    assert estimates(command, path, "--label-column", "label")[1] == before
    assert "human labels given in Files" in command.ok("estimate", path).err
    command.ok("report", path, "--out", tmp_path / "report.html")
    rows = table(tmp_path / "report.csv")
    (share,) = (row["share"] for row in rows if (row["section"], row["label"]) == ("file", "positive"))
    assert float(share) == 1


def test_values_of_a_column_are_windows_in_any_case(command: Command, tmp_path: Path) -> None:
    places = ["Beijing", "beijing", " BEIJING", "上海"]
    rows = [row | {"place": places[at % 4]} for at, row in enumerate(made_up(400, 100))]
    path = write(tmp_path / "labeled.csv", rows)
    found = [one for one in estimates(command, path, "--by", "place") if one["window"] is not None]
    assert {one["window"]: one["N"] for one in found} == {"Beijing": 300, "上海": 100}
    with Workbench() as wb:
        assert [one.to_dict() for one in wb.open_file(path).estimate(by="place").estimates[2:]] == found
