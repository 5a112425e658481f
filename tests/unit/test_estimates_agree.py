"""The same answers give the same estimate in the app, in Python, on the command line, and from the exported file."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from labeled_posts import posts, write

from weibo_tui import UserInputError, Workbench
from weibo_tui.datasets.answers import CANNOT_TELL
from weibo_tui.datasets.reading import open_table, read_rows
from weibo_tui.datasets.tables import Columns, Report
from weibo_tui.workbench.estimation import Estimate
from weibo_tui.workbench.opened_file import OpenedFile


def opened(wb: Workbench, path: Path) -> OpenedFile:
    return wb.open_file(path, progress=False)


def estimates(wb: Workbench, path: Path) -> tuple[Estimate, ...]:
    return wb.estimate(path, progress=False).estimates


def give(wb: Workbench, file: OpenedFile, labels: list[str], annotator: str = "ada") -> None:
    session = wb.annotate(file, annotator=annotator)
    for label in labels:
        task = session.next()
        assert task is not None
        session.answer(task, label)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write(tmp_path / "data.csv", posts(300, 0))


def exported(wb: Workbench, file: OpenedFile, out: Path) -> tuple[Estimate, ...]:
    """Return the estimates from the exported file, in a home that knows no answers."""
    wb.export_file(file, out, overwrite=True, progress=False)
    with Workbench(out.parent / "other home") as other:
        return estimates(other, out)


@pytest.mark.parametrize(
    "words",
    [
        ["正面", "消极", "neg", "Positive", "POSITIVE", "1", "0"],
        ["无法判断", "cannot tell", "?", "positive"],
        ["中性", "neutral", "Neutral", "positive"],
        ["mixed", "4", "=1+1", "[b]x[/b]"],
    ],
    ids=["words for its labels", "words for cannot tell", "words for another sentiment", "new labels"],
)
def test_words_for_labels_are_read_alike(home: Path, tmp_path: Path, path: Path, words: list[str]) -> None:
    with Workbench(home) as wb:
        file = opened(wb, path)
        give(wb, file, words * 4)
        session = wb.annotate(file, annotator="ada")
        known = file.estimate().estimates
        assert estimates(wb, path) == known == exported(wb, file, tmp_path / "out.csv")
        assert session.progress().estimates[0].share == known[0].share


def test_answers_follow_the_labels_of_another_adapter(home: Path, tmp_path: Path, path: Path) -> None:
    other = tmp_path / "other.csv"
    text = path.read_text("utf-8")
    other.write_text(text.replace("positive", "正面").replace("negative", "负面"), "utf-8")
    with Workbench(home) as wb:
        give(wb, opened(wb, path), ["positive", "negative"] * 10)
        file = opened(wb, other)
        known = file.estimate().estimates
        assert len(known) == 2 and known[0].n == 20
        assert estimates(wb, other) == known
        assert wb.annotate(file).labels == file.info.labels


def test_several_labels_at_once_are_refused(home: Path, path: Path) -> None:
    with Workbench(home) as wb:
        file = opened(wb, path)
        session = wb.annotate(file)
        task = session.next()
        assert task is not None
        for label in ("positive, negative", '["positive", "negative"]'):
            with pytest.raises(UserInputError, match="not one label"):
                session.answer(task, label)
            with pytest.raises(UserInputError, match="not one label"):
                file.correct([1], label)


def test_answers_count_after_removal_of_the_cache_touch_or_copy(home: Path, tmp_path: Path, path: Path) -> None:
    copy = tmp_path / "copy.csv"
    with Workbench(home) as wb:
        give(wb, opened(wb, path), ["positive", "negative"] * 10)
        known = estimates(wb, path)
        assert known[0].n == 20
        os.utime(path, (1, 1))
        assert estimates(wb, path) == known
        shutil.copy(path, copy)
        assert estimates(wb, copy) == known
        assert estimates(wb, path) == known
        wb.remove_file(wb.find_file(str(path)))
        assert estimates(wb, path) == known


def test_answers_to_changed_posts_are_left_out_and_counted(home: Path, tmp_path: Path, path: Path) -> None:
    with Workbench(home) as wb:
        give(wb, opened(wb, path), ["positive", "negative"] * 10)
        lines = path.read_text("utf-8").splitlines(keepends=True)
        path.write_text("".join(lines[:-1]), "utf-8")
        result = wb.estimate(path, progress=False)
        file = opened(wb, path)
        assert result.estimates == file.estimate().estimates == exported(wb, file, tmp_path / "out.csv")
        assert result.estimates[0].n == 0 and result.left_out["text"] == file.info.answers > 0


def test_labels_of_one_prediction_only_have_one_order(home: Path, tmp_path: Path) -> None:
    rows = [row | {"predicted": "positive", "confidence": "inf"} for row in posts(40, 0)]
    path = write(tmp_path / "one.csv", rows)
    with Workbench(home) as wb:
        file = opened(wb, path)
        assert file.estimate().estimates == estimates(wb, path)
        give(wb, file, ["negative", "positive"] * 5)
        known = file.estimate().estimates
        assert known == estimates(wb, path) == exported(wb, file, tmp_path / "out.csv")
        assert wb.export_annotations(path, tmp_path / "answers.jsonl") == 10


POSTS = ["@小林同学 面真好吃", "=1+1 真好吃", "-5 度，冷", "'=1 引号", "普通的一天", "", "@ada"]


def as_training_rows(wb: Workbench, path: Path, out: Path) -> None:
    wb.training_rows(path, out)


def as_annotations(wb: Workbench, path: Path, out: Path) -> None:
    wb.export_annotations(path, out)


def as_file(wb: Workbench, path: Path, out: Path) -> None:
    wb.export_file(path, out, progress=False)


@pytest.mark.parametrize("write_answers", [as_training_rows, as_annotations, as_file])
def test_written_posts_are_the_same_when_trained_on(
    write_answers: Callable[[Workbench, Path, Path], None], home: Path, tmp_path: Path
) -> None:
    rows = [{"text": text, "predicted": "positive"} for text in POSTS]
    path, out = write(tmp_path / "formulas.csv", rows), tmp_path / "answers.csv"
    with Workbench(home) as wb:
        file = opened(wb, path)
        file.correct(list(range(1, len(POSTS) + 1)), "negative")
        write_answers(wb, path, out)
    read = [row.text for row in read_rows(open_table(out, Columns()), Report())]
    # A post of nothing but a name is trained on as little as an empty one.
    assert read == (POSTS[:5] if write_answers is as_training_rows else POSTS)


def test_answer_is_shown_as_it_is_stored(home: Path, path: Path) -> None:
    with Workbench(home) as wb:
        session = wb.annotate(opened(wb, path))
        for given, stored in (("正面", "positive"), ("无法判断", CANNOT_TELL), (" mixed ", "mixed")):
            task = session.next()
            assert task is not None
            assert session.answer(task, given).label == stored
