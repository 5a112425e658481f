"""Annotating a table: the two queues, undo, hidden repeats, progress, and two programs at once."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest
from annotating import Table
from scipy.stats import chi2

from weibo_tui.datasets.answers import CANNOT_TELL
from weibo_tui.engine.sampling import random_numbers, sample_order
from weibo_tui.errors import UserInputError
from weibo_tui.storage.answers import Answers
from weibo_tui.storage.database import Database
from weibo_tui.workbench.annotation import Annotation, Queue, Task

POSTS = [f"第{number}天下雨，路上很滑" for number in range(60)]


@pytest.fixture
def answers(database: Database) -> Answers:
    return Answers(database)


def draw(annotation: Annotation) -> Task:
    task = annotation.next()
    assert task is not None
    return task


def answer_some(annotation: Annotation, number: int, label: str = "positive") -> list[Task]:
    tasks = []
    for _answer in range(number):
        tasks.append(draw(annotation))
        annotation.answer(tasks[-1], label, seconds=2.0)
    return tasks


def test_order_is_that_of_splitmix64() -> None:
    # The first numbers of the reference implementation with the seed 1234567.
    assert random_numbers(1234567, np.arange(3, dtype=np.uint64)).tolist() == [
        *(6457827717110365317, 3203168211198807973, 9817491932198370423)
    ]


def test_sample_draws_each_row_with_a_text_in_its_order(answers: Answers) -> None:
    table = Table([*POSTS[:7], "http://t.cn/a", "转发微博", "  \u200b"])  # a link and a repost may have predictions
    annotation = Annotation(table, answers, "sample", "ada")
    order = sample_order(table.info.posts, table.text_keys())
    assert sorted(order.tolist()) == [*range(1, 10)]
    tasks = answer_some(annotation, 9)
    assert [task.row for task in tasks] == order.tolist()
    assert [task.rank for task in tasks] == [*range(9)]
    assert annotation.next() is None
    assert [draw(Annotation(table, answers, "sample", "bob")).row, annotation.progress().left] == [order[0], 0]


def test_answer_reveals_the_prediction_afterwards(answers: Answers) -> None:
    annotation = Annotation(Table(POSTS, [0.9] * 60), answers, "sample", "ada")
    reveals = [annotation.answer(draw(annotation), label) for label in ("positive", "negative", CANNOT_TELL, "mixed")]
    assert [(reveal.predicted, reveal.confidence) for reveal in reveals] == [("positive", 0.9)] * 4
    assert [reveal.agrees for reveal in reveals] == [True, False, None, False]
    unlabeled = Annotation(Table(POSTS, [None] * 60), answers, "sample", "bob")
    assert unlabeled.answer(draw(unlabeled), "positive").agrees is None


def test_label_of_an_answer_is_offered_from_then_on(answers: Answers) -> None:
    annotation = Annotation(Table(POSTS), answers, "sample", "ada")
    annotation.answer(draw(annotation), " mixed ")
    for known in (annotation, Annotation(Table(POSTS), answers, "teach", "bob")):
        assert known.labels == ("negative", "positive", "mixed")


def test_label_without_characters_is_refused(answers: Answers) -> None:
    annotation = Annotation(Table(POSTS), answers, "sample", "ada")
    with pytest.raises(UserInputError, match="1 to 1,000 characters"):
        annotation.answer(draw(annotation), "  ")
    assert answers.of(annotation.posts) == {}


def test_undo_returns_every_post_after_a_restart(answers: Answers) -> None:
    table = Table(POSTS)
    tasks = answer_some(Annotation(table, answers, "sample", "ada"), 3)
    annotation = Annotation(table, answers, "sample", "ada")
    annotation.flag(tasks[1])
    annotation.note(tasks[1], "反话")
    state = annotation.state(tasks[1])
    assert (state.flagged, state.note) == (True, "反话")
    assert [annotation.undo() for _action in range(6)] == [tasks[1], tasks[1], *tasks[::-1], None]
    assert not annotation.state(tasks[1]).flagged
    assert draw(annotation) == tasks[0]
    assert annotation.progress().done == 0


def test_undone_answer_is_asked_again_first(answers: Answers) -> None:
    annotation = Annotation(Table(POSTS), answers, "sample", "ada")
    tasks = answer_some(annotation, 5)
    assert annotation.undo() == tasks[4]
    assert annotation.undo() == tasks[3]
    assert [task.row for task in answer_some(annotation, 2, "negative")] == [tasks[3].row, tasks[4].row]
    assert answers.of(annotation.posts)[tasks[3].row].label == "negative"


@pytest.mark.parametrize("queue", ["sample", "teach"])
def test_two_programs_share_a_queue(answers: Answers, database: Database, queue: Queue) -> None:
    table = Table(POSTS)
    one, other = (Annotation(table, Answers(database), queue, "ada") for _program in range(2))
    rows = []
    for annotation in (one, other, one, other):
        rows += [task.row for task in answer_some(annotation, 3)]
    assert len({*rows}) == 12


def test_sample_of_another_program_ends_where_teaching_begins(answers: Answers) -> None:
    table = Table(POSTS)
    sample = Annotation(table, answers, "sample", "ada")
    answer_some(sample, 40)
    held = draw(sample)
    teach = Annotation(table, answers, "teach", "bob")
    assert teach.progress().left == 20
    with pytest.raises(UserInputError, match="ends at 40 posts"):
        sample.answer(held, "positive")
    assert sample.next() is None
    answer_some(teach, 20)
    assert teach.next() is None


def test_no_text_is_in_both_queues(answers: Answers) -> None:
    table = Table([POSTS[number % 20] + "！" * (number // 20) for number in range(20)] + POSTS[:20] * 2)
    sample, teach = (Annotation(table, answers, queue, "ada") for queue in ("sample", "teach"))
    texts: dict[str, set[int]] = {"sample": set(), "teach": set()}
    for annotation in (teach, sample, teach, sample):
        while (task := annotation.next()) is not None:
            texts[annotation.queue].add(int(table.text_keys()[task.row - 1]))
            annotation.answer(task, "negative")
    assert texts["sample"]
    assert not texts["sample"] & texts["teach"]


def test_teach_begins_with_posts_of_each_label(answers: Answers) -> None:
    texts = [f"{number} 下雨" for number in range(400)]
    table = Table(texts, [0.05 if number % 20 == 0 else 0.95 for number in range(400)])
    teach = Annotation(table, answers, "teach", "ada")
    tasks = answer_some(teach, 30)
    predicted = [table.row(task.row).predicted for task in tasks]
    assert 5 <= predicted.count("negative") <= 10
    assert len({task.text for task in tasks}) == 30


@pytest.fixture
def varied() -> Table:
    chance = np.random.default_rng(3)
    return Table([f"{number} 下雨 {chance.integers(9)}" for number in range(2000)], chance.random(2000).tolist())


def test_teach_is_random_by_default(answers: Answers, varied: Table) -> None:
    teach = Annotation(varied, answers, "teach", "ada")
    answer_some(teach, 30)
    rows = [task.row for task in answer_some(teach, 100)]
    uncertain = np.sort(varied.margins())[500]
    assert sum(varied.margins()[row - 1] < uncertain for row in rows) in range(12, 38)  # 25 to expect
    assert draw(Annotation(varied, answers, "teach", "ada")).row not in rows


def test_teach_continues_with_uncertain_posts(answers: Answers, varied: Table) -> None:
    teach = Annotation(varied, answers, "teach", "ada", "uncertain")
    answer_some(teach, 30)
    rows = [task.row for task in answer_some(teach, 20)]
    uncertain = np.sort(varied.margins())[500]
    assert sum(varied.margins()[row - 1] < uncertain for row in rows) in range(10, 18)  # the other half is random
    # After a restart the rest of a batch is chosen again, from the rows that are left.
    assert draw(Annotation(varied, answers, "teach", "ada", "uncertain")).row not in rows


def test_old_answers_are_repeated_unseen(answers: Answers) -> None:
    table = Table([f"{number} 下雨" for number in range(1000)])
    annotation = Annotation(table, answers, "sample", "ada")
    tasks = answer_some(annotation, 600)
    first = {task.row: place for place, task in enumerate(tasks) if not task.is_repeat}
    repeats = [(place, task) for place, task in enumerate(tasks) if task.is_repeat]
    assert 40 <= len(repeats) <= 60
    assert len({task.row for _place, task in repeats}) == len(repeats)
    assert all(place - first[task.row] > 200 for place, task in repeats)
    assert annotation.progress().done == len(first)
    last = tasks[-1]
    assert annotation.undo() == last
    annotation.answer(last, "negative")
    stored = answers.entries(annotation.posts, "ada")
    assert sum(entry.repeat for entry in stored) == len(repeats)
    assert answers.of(annotation.posts)[repeats[0][1].row].label == "positive"


def test_progress_forecasts_answers_and_minutes(answers: Answers) -> None:
    annotation = Annotation(Table([f"{n} 下雨" for n in range(1000)], [0.9, 0.1] * 500), answers, "sample", "ada")
    begin = annotation.progress()
    assert (begin.done, begin.left, begin.seconds, begin.needed, begin.minutes) == (0, 1000, None, None, None)
    answer_some(annotation, 40)
    progress = annotation.progress()
    assert (progress.done, progress.left, progress.seconds) == (40, 960, 2.0)
    positive = progress.estimates[1]
    assert (positive.label, positive.n, positive.rows, positive.share) == ("positive", 40, 1000, 1.0)
    assert progress.needed is not None
    assert progress.needed > 0
    assert progress.minutes == progress.needed * 2.0 / 60
    annotation.answer(draw(annotation), CANNOT_TELL)
    assert [one.cannot_tell for one in annotation.progress().estimates] == [1, 1]
    for _undone in range(41):
        annotation.undo()
    assert annotation.progress() == begin


def test_answer_that_was_cleared_elsewhere_is_asked_again(answers: Answers) -> None:
    annotation = Annotation(Table(POSTS), answers, "sample", "ada")
    tasks = answer_some(annotation, 4)
    (first, *_others) = answers.entries(annotation.posts)
    answers.add([replace(first, kind="cleared", value=None, id=None)])  # as the table of rows does
    assert draw(annotation) == tasks[0]
    assert annotation.progress().done == 3
    annotation.answer(tasks[0], "negative")
    assert annotation.progress().done == 4
    assert annotation.undo() == tasks[0]
    assert annotation.progress().done == 3
    assert annotation.undo() == tasks[0]  # what cleared it
    assert annotation.progress().done == 4
    assert annotation.state(tasks[0]).label == "positive"


def test_guideline_is_kept_with_the_posts(answers: Answers) -> None:
    Annotation(Table(POSTS), answers, "sample", "ada").guideline = "只看作者自己的话"
    assert Annotation(Table(POSTS), answers, "teach", "bob").guideline == "只看作者自己的话"
    assert Annotation(Table(POSTS[1:]), answers, "teach", "bob").guideline == ""


@pytest.mark.slow
def test_queues_of_a_thousand_sessions_are_random_and_separate(answers: Answers, database: Database) -> None:
    database.execute("PRAGMA synchronous = OFF")  # no power cut must be survived here
    posts = [f"第{number % 40}天下雨{'！' * (number // 40)}" for number in range(60)]  # 20 texts occur twice
    chance = random.Random(6)
    drawn = np.zeros(60)
    for session in range(1000):
        table = Table(posts, name=f"session {session}")
        queues = [Annotation(table, answers, "sample", "ada")]
        begin = chance.randrange(15)  # of teaching, in the middle
        rows: dict[str, list[int]] = {"sample": [], "teach": []}
        while len(rows["sample"]) < 15:
            if len(rows["sample"]) == begin and len(queues) == 1 and not rows["teach"]:
                queues.append(Annotation(table, answers, "teach", "ada"))
            annotation = chance.choice(queues)
            task = annotation.next()
            if task is None:
                queues.remove(annotation)
                continue
            annotation.answer(task, "positive")
            rows[annotation.queue].append(task.row)
        texts = [{*table.text_keys()[np.array(numbers) - 1].tolist()} for numbers in rows.values() if numbers]
        assert len(set.union(*texts)) == sum(map(len, texts))
        drawn[np.array(rows["sample"]) - 1] += 1
    share = 15 / 60
    variance = 1000 * share * (1 - share) * 60 / 59  # of samples without replacement
    statistic = float(((drawn - 1000 * share) ** 2 / variance).sum())
    assert chi2.sf(statistic, df=59) > 0.01
