"""The log of answers: current answers, undo, the end of the sample, and kills."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from weibo_tui.errors import UserInputError
from weibo_tui.storage.answers import AnnotatedFile, Answers, Kind, LoggedAnswer, RowAnswer
from weibo_tui.storage.database import Database, connect
from weibo_tui.text.keys import text_key

POSTS = "f" * 64
TABLE = AnnotatedFile(POSTS, Path("/data/rain.csv"), rows=1000, labels=("negative", "positive"))


def entry(row: int, label: str | None = "positive", **changes: object) -> LoggedAnswer:
    text = f"雨 {row}"
    kind: Kind = "cannot_tell" if label is None else "label"
    plain = LoggedAnswer(POSTS, row, text_key(text), text, "sample", "ada", kind, label)
    return replace(plain, **changes)  # type: ignore[arg-type]


@pytest.fixture
def answers(database: Database) -> Answers:
    answers = Answers(database)
    answers.register(TABLE)
    return answers


def test_last_answer_of_a_row_counts(answers: Answers) -> None:
    answers.add([entry(1)])
    answers.add([entry(2, None)])
    answers.add([entry(1, "negative", annotator="bob")])
    answers.add([entry(1, "positive", repeat=True)])
    current = answers.of(POSTS)
    assert {row: (answer.label, answer.cannot_tell) for row, answer in current.items()} == {
        1: ("negative", False),
        2: (None, True),
    }
    assert answers.of(POSTS, [2, 3]).keys() == {2}


def test_flags_and_notes_leave_the_answer(answers: Answers) -> None:
    answers.add([entry(1)])
    answers.add([entry(1, kind="flag", value=None)])
    answers.add([entry(1, kind="note", value="看图")])
    answer = answers.of(POSTS)[1]
    assert (answer.label, answer.flagged, answer.note) == ("positive", True, "看图")
    answers.add([entry(1, kind="unflag", value=None)])
    answers.add([entry(1, kind="cleared", value=None)])
    answer = answers.of(POSTS)[1]
    assert (answer.is_answered, answer.purpose, answer.flagged, answer.note) == (False, None, False, "看图")


def test_corrected_row_of_the_sample_stays_in_it(answers: Answers) -> None:
    answers.add([entry(1, purpose="correction")])
    assert answers.of(POSTS)[1].purpose == "correction"
    answers.add([entry(1, rank=7)])
    answers.add([entry(1, "negative", purpose="correction")])
    answer = answers.of(POSTS)[1]
    assert (answer.label, answer.purpose, answer.rank) == ("negative", "sample", 7)


def test_undo_takes_back_every_action_of_one_annotator(answers: Answers, database: Database) -> None:
    answers.add([entry(1)])
    answers.add([entry(2, annotator="bob")])
    answers.add([entry(3, purpose="correction"), entry(4, purpose="correction")])
    again = Answers(database)  # as after a restart
    assert again.undo(POSTS, "ada", "teach") == []
    assert [undone.row for undone in again.undo(POSTS, "ada")] == [3, 4]
    assert [undone.row for undone in again.undo(POSTS, "ada", "sample")] == [1]
    assert again.undo(POSTS, "ada") == []
    assert again.of(POSTS).keys() == {2}


def test_revision_differs_after_every_change(answers: Answers) -> None:
    revisions = [answers.revision(POSTS)]
    for change in (
        lambda: answers.add([entry(1)]),
        lambda: answers.undo(POSTS, "ada"),
        lambda: answers.add([entry(1)]),
        lambda: answers.remove(POSTS),
    ):
        change()
        revisions.append(answers.revision(POSTS))
    assert len({*revisions}) == 5
    assert revisions[-1] != revisions[0]  # the table must be registered again


def test_sample_ends_where_teaching_begins(answers: Answers) -> None:
    answers.add([entry(1, rank=0), entry(2, rank=1)])
    assert answers.reserve(POSTS, 1) == 2  # ranks that were drawn stay in the sample
    assert answers.reserve(POSTS, 10) == 2
    answers.add([entry(3, purpose="teach")])
    answers.add([entry(2, "negative", rank=1)])
    with pytest.raises(UserInputError, match="ends at 2 posts"):
        answers.add([entry(4, rank=2)])
    assert 4 not in answers.of(POSTS)


def test_sample_texts_stay_the_same_for_an_entry(answers: Answers) -> None:
    answers.add([entry(1, rank=0)])
    until = answers.last_id()
    answers.undo(POSTS, "ada")
    answers.add([entry(2, rank=1)])
    answers.add([entry(3, purpose="teach")])
    (earlier,), (now,) = answers.sample_texts(until), answers.sample_texts()
    assert earlier.keys.tolist() == [text_key("雨 1")]
    assert sorted(now.keys.tolist()) == sorted([text_key("雨 1"), text_key("雨 2")])
    assert earlier.path == TABLE.path


def test_answers_are_found_by_text(answers: Answers) -> None:
    other = "0" * 64
    answers.register(replace(TABLE, posts=other))
    answers.add([entry(1, "negative"), entry(2, None)])
    answers.add([entry(1, posts=other)])
    answers.add([entry(3, text_key=0)])
    found = answers.by_text([POSTS, other])
    assert {key: (answer.label, answer.cannot_tell) for key, answer in found.items()} == {
        text_key("雨 1"): ("positive", False),
        text_key("雨 2"): (None, True),
    }
    assert answers.by_text([]) == {}


def test_tables_are_listed_with_their_last_place(answers: Answers) -> None:
    answers.register(replace(TABLE, posts="0" * 64, path=Path("/data/snow.csv")))
    answers.set_guideline(POSTS, "晴天是正面")
    answers.register(replace(TABLE, path=Path("/moved.csv"), labels=("mixed",)))
    answers.add([entry(1)])
    first, second = answers.files()
    assert (first.posts, first.path, first.labels) == (POSTS, Path("/moved.csv"), ("mixed", *TABLE.labels))
    assert (first.guideline, first.rows) == ("晴天是正面", 1000)
    assert answers.files_at(Path("/data/snow.csv")) == [second]
    assert answers.file("1" * 64) is None
    assert answers.remove(POSTS) == 1
    assert answers.of(POSTS) == {}


HOSTILE = ["\ud83d lone \udcff", "\x00NUL\x00", "'); DROP TABLE answers; --", "\x1b[31m", ""]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_any_text_is_kept_unchanged(answers: Answers, text: str) -> None:
    answers.add([entry(1, text, text=text, annotator=text, predicted=text, adapter=text)])
    (stored,) = answers.entries(POSTS, text)
    assert (stored.value, stored.text, stored.annotator, stored.predicted) == (text, text, text, text)
    assert answers.of(POSTS)[1] == RowAnswer(text, purpose="sample", annotator=text, id=1)


ANNOTATES = """
import sys
from pathlib import Path
from weibo_tui.storage.answers import Answers, LoggedAnswer
from weibo_tui.storage.database import connect

answers = Answers(connect(Path(sys.argv[1])))
row = max(answers.of("f" * 64), default=0)
while True:
    row += 1
    answers.add([LoggedAnswer("f" * 64, row, row, "text", "sample", "ada", "label", "positive", rank=row)])
    print(row, flush=True)
"""


def annotate_until_killed(path: Path, lines: int) -> Iterator[int]:
    """Yield each row that a program says it has stored, until it is killed in the middle of its work."""
    words = [sys.executable, "-c", ANNOTATES, str(path)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout
        for _line in range(lines):
            yield int(program.stdout.readline())
        program.send_signal(signal.SIGKILL)
        yield from map(int, program.stdout.read().splitlines())


@pytest.mark.slow
def test_no_answer_is_lost_or_doubled_by_kills(tmp_path: Path) -> None:
    path = tmp_path / "weibo-tui.db"
    with connect(path) as database:
        Answers(database).register(TABLE)
    database.close()
    chance = random.Random(4)
    said = [row for _kill in range(50) for row in annotate_until_killed(path, chance.randrange(1, 40))]
    database = connect(path)
    stored = [entry.row for entry in Answers(database).entries(POSTS)]
    database.close()
    assert sorted(stored) == [*range(1, len(stored) + 1)]  # each once, without a gap
    assert {*said} <= {*stored}
    assert len(stored) - len(said) <= 50  # those that a kill kept from being printed
