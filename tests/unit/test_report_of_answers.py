"""A report of an opened file uses the answers to it, as its estimates do."""

from __future__ import annotations

from pathlib import Path

import pytest
from labeled_posts import posts, write

from weibo_tui import EstimationConfig, UserInputError, Workbench
from weibo_tui.datasets.answers import CANNOT_TELL
from weibo_tui.workbench.opened_file import OpenedFile
from weibo_tui.workbench.report import Report


def report_of(wb: Workbench, file: OpenedFile) -> Report:
    *_progress, report = wb.iter_report(EstimationConfig(file.info.path), file.sampled_answers())
    assert isinstance(report, Report)
    return report


def answer(wb: Workbench, file: OpenedFile, queue: str, labels: list[str]) -> None:
    session = wb.annotate(file, queue)  # type: ignore[arg-type]
    for label in labels:
        task = session.next()
        assert task is not None
        session.answer(task, label)


def test_report_counts_sample_answers_as_estimate_does(home: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "data.csv", posts(600, 30))
    with Workbench(home) as wb:
        file = wb.open_file(path, progress=False)
        assert report_of(wb, file).estimation.of_file == file.estimate().of_file  # the file's own labels
        answer(wb, file, "sample", ["positive", "negative"] * 40 + [CANNOT_TELL] * 5 + ["mixed"])
        answer(wb, file, "teach", ["positive"] * 10)
        file.correct([1, 2], "negative")
        report, known = report_of(wb, file), file.estimate()
        assert report.estimation.of_file == known.of_file
        assert report.estimation.labels == known.labels == ("negative", "positive", "mixed")
        assert report.estimation.of_file[0].n == 81 and report.estimation.of_file[0].cannot_tell == 5
        assert report.estimation.left_out == known.left_out
        assert {post.answer for post in report.disagreeing} <= {"negative", "positive", "mixed"}


def test_report_of_file_that_changed_is_refused(home: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "data.csv", posts(60, 30))
    with Workbench(home) as wb:
        file = wb.open_file(path, progress=False)
        sampled = file.sampled_answers()
        write(path, posts(60, 30, seed=2))
        with pytest.raises(UserInputError, match="changed since"):
            list(wb.iter_report(EstimationConfig(path), sampled))
