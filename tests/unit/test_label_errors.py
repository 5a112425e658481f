"""Labels that are probably wrong: the rule on small numbers, flipped labels, and the command."""

from __future__ import annotations

import csv
from pathlib import Path

import made_up
import numpy as np
from commands import Command

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
    probabilities = drain(out_of_fold_probabilities(posts, given.tolist(), 2))
    assert probabilities is not None
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
    listed = read(out)
    assert f"of 40 are probably wrong: {out}" in done.err or f"of 40 is probably wrong: {out}" in done.err
    assert ("1", rows[0]["review"]) in [(row["row"], row["text"]) for row in listed]
    assert all(row["label"] != row["suggested"] and float(row["margin"]) < 0.5 for row in listed)
    refused = command("audit", few, "--label-errors", out)
    assert (refused.code, "File exists" in refused.err) == (2, True)
    few.write_text("label,review\n1,好\n0,坏\n", "utf-8")
    refused = command("audit", few, "--label-errors", tmp_path / "other.csv")
    assert (refused.code, "Too few posts to look for wrong labels: 2" in refused.err) == (2, True)
