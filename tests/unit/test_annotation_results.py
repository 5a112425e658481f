"""Uses of answers: training without the sample, agreement, and adapters measured on the sample."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import made_up
import models
import pytest
from commands import Command, json_lines

from weibo_tui import Workbench
from weibo_tui.datasets.answers import CANNOT_TELL
from weibo_tui.engine.events import RunStarted
from weibo_tui.errors import UserInputError
from weibo_tui.progress import Progress
from weibo_tui.registry import cards
from weibo_tui.workbench.annotation import Queue
from weibo_tui.workbench.opened_file import OpenedFile


def annotate(wb: Workbench, path: Path, queue: Queue, labels: Sequence[str], annotator: str = "ada") -> list[str]:
    """Answer the next posts of a file with these labels. Return the posts."""
    file = wb.open_file(path, progress=False)
    assert isinstance(file, OpenedFile)
    session = wb.annotate(file, queue, annotator)
    posts = []
    for label in labels:
        task = session.next()
        assert task is not None
        session.answer(task, label)
        posts.append(task.text)
    return posts


def started(events: Sequence[object]) -> RunStarted:
    return next(event for event in events if isinstance(event, RunStarted))


def test_training_leaves_out_posts_of_a_sample(wb: Workbench, tmp_path: Path) -> None:
    plan = models.training_plan(tmp_path, "without")
    (path,) = plan.data
    before = started(list(wb.iter_train(models.training_plan(tmp_path, "before"))))
    posts = annotate(wb, path, "sample", ["positive"] * 6)
    events = []
    training = wb.iter_train(plan)
    for event in training:
        events.append(event)
        if isinstance(event, RunStarted):
            break
    training.close()
    notes = [event.note for event in events if isinstance(event, Progress) and "sample" in event.note]
    assert notes == [f"{len(posts)} posts left out, because they are in the sample of {path.name}."]
    run = started(events)
    assert run.posts["in a sample"] == len(posts)
    parts = ("train", "validation", "test")
    assert sum(run.posts[part] for part in parts) == sum(before.posts[part] for part in parts) - len(posts)

    annotate(wb, path, "sample", ["positive"] * 2)
    resumed = started(list(wb.iter_resume(run.run)))  # leaves out the same posts
    assert resumed.posts == run.posts
    card = wb.adapters.card("without")
    known = wb.adapters.training_texts(card)
    assert known is not None
    measured = wb.measure_on_sample(path, ["mood", "without"], progress=False)
    assert measured.n + measured.seen == 8
    assert measured.seen <= 2
    assert [score.n + score.failed for score in measured.scores.values()] == [measured.n] * 2
    assert len(measured.kappas) == 1
    assert not measured.is_stable


def test_test_file_may_be_the_sample(wb: Workbench, tmp_path: Path) -> None:
    plan = models.training_plan(tmp_path, "tested", test_data=(tmp_path / "sample.csv",))
    (tmp_path / "sample.csv").write_text("text,label\n今天真不错,positive\n昨天太差了,negative\n", "utf-8")
    annotate(wb, tmp_path / "sample.csv", "sample", ["positive"] * 2)
    events = list(wb.iter_train(plan))
    assert started(events).posts["test"] == 2


def test_training_rows_are_teach_answers_and_corrections(wb: Workbench, tmp_path: Path) -> None:
    path = tmp_path / "posts.csv"
    path.write_text("text\n" + "\n".join(f"第{number}天下雨了" for number in range(40)), "utf-8")
    with pytest.raises(UserInputError, match="No annotations of"):
        wb.training_rows(path, tmp_path / "out.csv")
    sampled = annotate(wb, path, "sample", ["sunny"] * 5)
    with pytest.raises(UserInputError, match="No answers to train on"):
        wb.training_rows(path, tmp_path / "out.csv")
    taught = annotate(wb, path, "teach", ["sunny", CANNOT_TELL, "rainy"])
    written = wb.training_rows(path, tmp_path / "out.csv")
    assert (written.labels, written.barred) == ({"sunny": 1, "rainy": 1}, 0)
    with (tmp_path / "out.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = [*csv.reader(file)]
    assert rows == [["text", "label", "label_source"], [taught[0], "sunny", "human"], [taught[2], "rainy", "human"]]
    assert not {*sampled} & {row[0] for row in rows}
    # Another file whose sample has one of these texts bars it.
    other = tmp_path / "other.csv"
    other.write_text(f"text\n{taught[0]}！\n{taught[0]}\n", "utf-8")
    annotate(wb, other, "sample", ["sunny"] * 2)
    written = wb.training_rows(path, tmp_path / "out.csv", overwrite=True)
    assert (written.labels, written.barred) == ({"rainy": 1}, 1)


def test_commands_move_annotations(command: Command, furnished: Path, tmp_path: Path) -> None:
    path = tmp_path / "posts.csv"
    path.write_text("text\n" + "\n".join(f"第{number}天下雨了" for number in range(40)), "utf-8")
    with Workbench() as wb:
        annotate(wb, path, "sample", ["positive", "negative"] * 4)
        annotate(wb, path, "sample", ["positive"] * 8, annotator="bob")
        annotate(wb, path, "teach", ["positive", "negative"])
    (listed,) = json_lines(command.ok("annotations", "list", "--json").out)
    assert (listed["path"], listed["sample"], listed["teach"], listed["correction"]) == (str(path), 8, 2, 0)
    assert str(path) in command.ok("annotations", "list").out
    done = command.ok("annotations", "export", listed["posts"][:8], tmp_path / "out.jsonl", "--purpose", "sample")
    assert "16 answers written." in done.err
    refused = command("annotations", "export", path, tmp_path / "out.jsonl")
    assert (refused.code, "File exists" in refused.err) == (2, True)
    done = command.ok("annotations", "import", path, tmp_path / "out.jsonl")
    assert done.err.splitlines()[-2:] == [
        "0 answers added.",
        "Left out, because an answer exists: 16. Use --overwrite to replace it.",
    ]
    (agreement,) = json_lines(command.ok("annotations", "agreement", path, "--json").out)
    assert (agreement["first"], agreement["second"], agreement["n"], agreement["share"]) == ("ada", "bob", 8, 0.5)
    assert "ada, bob" in command.ok("annotations", "agreement", path).out
    done = command.ok("annotations", "training-data", path, tmp_path / "train.csv")
    assert done.err.splitlines()[0] == "positive 1, negative 1"
    assert "train.csv --preset few" in done.err
    (score,) = json_lines(command.ok("annotations", "measure", path, "mood", "--json").out)
    assert (score["adapter"], score["n"]) == ("mood", 8)
    assert "8 posts of the sample." in command.ok("annotations", "measure", path, "mood").err
    other = tmp_path / "other.csv"
    other.write_text("text\n别的\n", "utf-8")
    refused = command("annotations", "import", other, tmp_path / "out.jsonl")
    assert (refused.code, "belongs to a post of" in refused.err) == (2, True)
    refused = command("annotations", "agreement", "missing.csv")
    assert (refused.code, "No annotations of missing.csv" in refused.err) == (2, True)


def test_five_adapters_give_a_forecast(wb: Workbench, tmp_path: Path) -> None:
    path = tmp_path / "posts.csv"
    path.write_text("text\n" + "\n".join(f"第{number}天下雨了" for number in range(40)), "utf-8")
    annotate(wb, path, "sample", ["positive", "negative"] * 10)
    for number in range(1, 6):
        card = wb.adapters.card("mood")
        folder = wb.adapters.path("mood")
        larger = replace(card, name=f"mood{number}", data={**card.data, "train": 100 * number})
        shutil.copytree(folder, folder.with_name(larger.name))
        (folder.with_name(larger.name) / "card.json").write_bytes(cards.write(larger))
    names = [f"mood{number}" for number in range(1, 6)]
    measured = wb.measure_on_sample(path, names, progress=False)
    assert measured.forecast is not None
    assert measured.forecast.posts == 1000
    assert measured.forecast.low <= measured.forecast.accuracy <= measured.forecast.high
    assert measured.kappas == (1.0,) * 4
    assert measured.is_stable
    assert wb.measure_on_sample(path, ["mood", *names[:3]], progress=False).forecast is None


def test_progress_has_the_estimates_of_the_file(wb: Workbench, tmp_path: Path) -> None:
    posts = made_up.write_posts(tmp_path / "posts.csv", 200, seed=3)
    wb.label_file(posts, tmp_path / "labeled.csv", progress=False)
    annotate(wb, tmp_path / "labeled.csv", "sample", ["positive", "negative", CANNOT_TELL, "mixed"] * 15)
    annotate(wb, tmp_path / "labeled.csv", "teach", ["positive"] * 5)
    file = wb.open_file(tmp_path / "labeled.csv", progress=False)
    progress = wb.annotate(file, "sample", "ada").progress()
    assert progress.done == 60
    estimated = {one.label: one for one in file.estimate().of_file}
    assert {one.label: one for one in progress.estimates} == estimated
    assert estimated["mixed"].n == 45
    assert progress.needed == max(one.for_half_width or 0 for one in progress.estimates) - 45
