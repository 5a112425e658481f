"""Labels that are probably wrong: the rule on small numbers, flipped labels, and the command."""

from __future__ import annotations

import csv
from pathlib import Path

import made_up
import numpy as np
import pytest
from commands import Command

from weibo_tui import Workbench
from weibo_tui.datasets.folds import draw_folds
from weibo_tui.datasets.linear_model import out_of_fold_probabilities
from weibo_tui.engine.label_errors import find_label_errors
from weibo_tui.progress import drain


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return [*csv.DictReader(file)]


def test_issue_is_the_most_probable_label_above_its_threshold() -> None:
    labels = np.array([0, 0, 0, 1, 1, 2])
    probabilities = np.array(
        [
            [0.9, 0.1, 0.0],
            [0.7, 0.2, 0.1],
            [0.2, 0.7, 0.1],  # 1 reaches its threshold, 0 does not: an error
            [0.1, 0.8, 0.1],
            [0.5, 0.4, 0.1],  # no label reaches its threshold: no error, though 0 is the most probable
            [0.7, 0.1, 0.2],  # 0 and 2 reach theirs: the more probable one
        ]
    )
    # The thresholds are 0.6, 0.6 and 0.2.
    found = find_label_errors(labels, probabilities)
    assert (found.posts.tolist(), found.guesses.tolist()) == ([2, 5], [1, 0])
    np.testing.assert_allclose(found.margins, [-0.5, -0.5])


def test_label_without_posts_is_never_the_guess() -> None:
    found = find_label_errors(np.array([0, 0]), np.array([[0.6, 0.4], [0.1, 0.9]]))
    assert len(found.posts) == 0


def test_flipped_labels_are_found(tmp_path: Path) -> None:
    rows = read(made_up.write_posts(tmp_path / "many.csv", 600, seed=11))
    posts, labels = [row["review"] for row in rows], np.array([int(row["label"]) for row in rows])
    flipped = np.random.default_rng(3).choice(len(labels), len(labels) // 20, replace=False)
    given = labels.copy()
    given[flipped] = 1 - given[flipped]
    folds = drain(draw_folds(posts))
    assert folds is not None
    probabilities = drain(out_of_fold_probabilities(posts, given.tolist(), 2, folds))
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    first = find_label_errors(given, probabilities).posts[: len(flipped)]
    assert np.isin(first, flipped).mean() >= 0.8


def test_audit_lists_label_errors(command: Command, few: Path, tmp_path: Path) -> None:
    rows = read(few)
    given = [1 - int(rows[0]["label"]), *(int(row["label"]) for row in rows[1:])]
    lines = [f"{label},{row['review']}\n" for label, row in zip(given, rows, strict=True)]
    few.write_text("label,review\n" + "".join(lines), "utf-8")
    out = tmp_path / "errors.csv"
    done = command.ok("audit", few, "--label-errors", out)
    assert done.err.count("few.csv: CSV") == 1  # how the file is read is said once
    listed = read(out)
    assert f"of 40 are probably wrong: {out}" in done.err or f"of 40 is probably wrong: {out}" in done.err
    assert ("1", rows[0]["review"]) in [(row["row"], row["text"]) for row in listed]
    assert all(row["label"] != row["predicted"] and float(row["margin"]) < 0.5 for row in listed)
    refused = command("audit", few, "--label-errors", out)
    assert (refused.code, "File exists" in refused.err) == (2, True)
    few.write_text("label,review\n1,好\n0,坏\n", "utf-8")
    refused = command("audit", few, "--label-errors", tmp_path / "other.csv")
    assert (refused.code, "Too few posts to look for wrong labels: 2" in refused.err) == (2, True)


@pytest.mark.slow
def test_flipped_labels_are_found_by_adapters_of_folds(command: Command, furnished: Path, tmp_path: Path) -> None:
    rows = read(made_up.write_posts(tmp_path / "many.csv", 300, seed=12))
    flipped = set(range(0, 300, 20))
    lines = [f"{int(row['label']) ^ (index in flipped)},{row['review']}\n" for index, row in enumerate(rows)]
    data, out = tmp_path / "flipped.csv", tmp_path / "errors.csv"
    data.write_text("label,review\n" + "".join(lines), "utf-8")
    command.ok("audit", data, "--label-errors", out, "--label-errors-with", "adapter")
    listed = [int(row["row"]) - 1 for row in read(out)[: len(flipped)]]
    assert len(flipped & {*listed}) >= 0.5 * len(flipped)  # by chance one


def test_adapters_of_folds_list_label_errors(command: Command, furnished: Path, tmp_path: Path) -> None:
    few, out = made_up.write_posts(tmp_path / "few.csv", 14, seed=5), tmp_path / "errors.csv"
    done = command.ok("audit", few, "--label-errors", out, "--label-errors-with", "adapter", "--base", "tiny")
    assert "of 14" in done.err
    for row in read(out):
        assert float(row["prob_negative"]) + float(row["prob_positive"]) == pytest.approx(1, abs=1e-3)
    refused = command("audit", few, "--label-errors", tmp_path / "other.csv", "--label-errors-with", "forest")
    assert (refused.code, "must be one of linear, adapter" in refused.err) == (2, True)


def test_label_errors_open_as_a_labeled_file(command: Command, few: Path, tmp_path: Path) -> None:
    rows = read(few)
    lines = [f"{int(row['label']) ^ (number < 2)},{row['review']}\n" for number, row in enumerate(rows)]
    few.write_text("label,review\n" + "".join(lines), "utf-8")
    out = tmp_path / "errors.csv"
    command.ok("audit", few, "--label-errors", out)
    listed = read(out)
    with Workbench() as wb:
        file = wb.open_file(out, progress=False)
        assert file.info.labels == ("negative", "positive")
        found = file.rows(file.select(), 0, 10)
        assert [(row.text, row.predicted, row.human) for row in found] == [
            (row["text"], row["predicted"], row["label"]) for row in listed
        ]
        first = found[0]
        assert first.human_source == "file"
        assert first.confidence == float(listed[0][f"prob_{first.predicted}"])
        assert first.probabilities.keys() == {"negative", "positive"}
        file.correct([1], first.predicted)
        file.refresh()
        corrected = file.rows(file.select(), 0, 1)[0]
        assert (corrected.human, corrected.human_source) == (first.predicted, "answer")
