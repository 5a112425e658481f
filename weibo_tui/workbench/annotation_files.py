"""Export and import of answers, and their match with the rows of a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from weibo_tui.datasets.annotation_formats import AnnotationRecord
from weibo_tui.datasets.answers import CANNOT_TELL, answer_name
from weibo_tui.errors import UserInputError
from weibo_tui.locale import gettext as _
from weibo_tui.locale import join_names
from weibo_tui.storage.answers import PURPOSES, AnnotatedFile, Answers, Kind, LoggedAnswer, Purpose
from weibo_tui.storage.codec import MAX_NAME_LENGTH
from weibo_tui.text.keys import text_key
from weibo_tui.workbench.annotation import Table, annotated_file

MIN_PREFIX = 4
"""Digits of a fingerprint by which a table can be chosen."""


@dataclass(frozen=True, slots=True)
class ImportedAnnotations:
    """The last event of an import: records by what became of them.

    `added` are answers, of which `by_text` were found by their text because their row has another. `second` are answers
    of a second annotator to rows that have one. `existing` were left out because the annotator's answer exists,
    `unmatched` because no row has the text, `unlabeled` because they have no label. `demoted` are answers of the sample
    of other posts, which became corrections.
    """

    added: int = 0
    by_text: int = 0
    second: int = 0
    existing: int = 0
    unmatched: int = 0
    unlabeled: int = 0
    demoted: int = 0


def find_annotated_file(answers: Answers, file: str) -> AnnotatedFile:
    """Return the table at a path, or with posts whose fingerprint begins with `file`. Raise UserInputError without."""
    known = answers.files()
    path = Path(file).absolute()
    found = [one for one in known if one.path == path]
    if not found and len(file) >= MIN_PREFIX:
        found = [one for one in known if one.posts.startswith(file.lower())]
    if found:
        return found[0]
    if not known:
        message = _("No annotations of {file}. Open it in Files and press a to label posts.")
        raise UserInputError(message.format(file=file))
    message = _("No annotations of {file}. Annotated files: {files}.")
    raise UserInputError(message.format(file=file, files=join_names([str(one.path) for one in known], 20)))


def export_records(
    answers: Answers, file: AnnotatedFile, purposes: Collection[str] = PURPOSES
) -> list[AnnotationRecord]:
    """Return the last answer of each annotator to each row, and hidden repeats, in the order of the answers.

    A row with only a flag or a note has a record without an answer."""
    from weibo_tui.engine.sampling import seed_of

    seed = f"{seed_of(file.posts):016x}"
    states = answers.of(file.posts)
    last: dict[tuple[int, str, bool], LoggedAnswer] = {}
    for entry in answers.entries(file.posts):
        place = entry.row, entry.annotator, entry.repeat
        if entry.kind == "cleared":
            last = {known: one for known, one in last.items() if known[0] != entry.row}
        elif entry.kind in ("label", "cannot_tell"):
            last.pop(place, None)  # the last answer of a row is the one that counts
            last[place] = entry
        else:
            last.setdefault(place, entry)
    drawn = len({entry.row for entry in last.values() if entry.purpose == "sample"})
    records = []
    for entry in last.values():
        state = states.get(entry.row)
        is_answer = entry.kind in ("label", "cannot_tell")
        flagged, note = (state.flagged, state.note) if state is not None and not entry.repeat else (False, "")
        if entry.purpose in purposes and (is_answer or flagged or note):
            share = drawn / file.rows if entry.purpose == "sample" and file.rows else None
            records.append(_record(entry, seed, is_answer, flagged, note, share))
    return records


def _record(
    entry: LoggedAnswer, seed: str, is_answer: bool, flagged: bool, note: str, inclusion_probability: float | None
) -> AnnotationRecord:
    return AnnotationRecord(
        text=entry.text,
        label=entry.value or "" if entry.kind == "label" else "",
        cannot_tell=entry.kind == "cannot_tell",
        row=entry.row,
        purpose=entry.purpose if is_answer else "",
        annotator=entry.annotator,
        repeat=entry.repeat,
        rank=entry.rank,
        seed=seed,
        inclusion_probability=inclusion_probability,
        posts=entry.posts,
        flagged=flagged,
        note=note,
        predicted=entry.predicted or "",
        confidence=entry.confidence,
        adapter=entry.adapter or "",
        seconds=entry.seconds,
        created_at=entry.created_at,
    )


def import_records(
    answers: Answers,
    table: Table,
    records: Sequence[AnnotationRecord],
    annotator: str,
    purpose: Purpose = "correction",
    overwrite: bool = False,
) -> ImportedAnnotations:
    """Add records of a file to the answers of a table, all or none.

    `annotator` and `purpose` are those of records without. An answer that exists stays, unless `overwrite`; that of
    another annotator is added as a second one. A record is of the sample only where its rank is that of its row.
    """
    importer = _Importer(answers, table, {text_key(record.text) for record in records} - {0})
    entries: list[LoggedAnswer] = []
    for record in records:
        own = record if record.annotator else replace(record, annotator=annotator)
        entries += importer.entries(own, purpose, overwrite)
    answers.register(annotated_file(table, [entry.value or "" for entry in entries if entry.kind == "label"]))
    answers.add(entries)
    return ImportedAnnotations(**importer.counts)


class _Importer:
    """Makes entries of the log of records, and counts what became of the records."""

    def __init__(self, answers: Answers, table: Table, keys: Collection[int]) -> None:
        """`keys` are the hashes of the texts that may be looked for."""
        import numpy as np

        from weibo_tui.engine.sampling import sample_order

        self._table = table
        self.counts: Counter[str] = Counter()
        text_keys = table.text_keys()
        order = sample_order(table.info.posts, text_keys)
        self._ranks = np.full(len(text_keys) + 1, -1)
        self._ranks[order] = np.arange(len(order))
        self._rows: dict[int, list[int]] = {}
        for row in (np.flatnonzero(np.isin(text_keys, list(keys))) + 1).tolist():
            self._rows.setdefault(int(text_keys[row - 1]), []).append(row)
        self._labels = tuple(table.info.labels)
        self._used: set[int] = set()
        self._added: set[tuple[int, str, bool]] = set()
        self._answered = {row for row, state in answers.of(table.info.posts).items() if state.is_answered}
        self._own = {(entry.row, entry.annotator, entry.repeat) for entry in answers.entries(table.info.posts)}

    def entries(self, record: AnnotationRecord, purpose: Purpose, overwrite: bool) -> list[LoggedAnswer]:
        """Return the answer of a record, its flag and its note. `purpose` is that of a record without."""
        row = self._find(record)
        if row is None:
            self.counts["unmatched"] += 1
            return []
        record = self._named(record)
        place = row, record.annotator, record.repeat
        exists = record.is_answer and row in self._answered and not overwrite
        if record.is_answer and ((exists and place in self._own) or place in self._added):
            self.counts["existing"] += 1
            return []
        if record.is_answer:
            self._added.add(place)
        is_second = exists and not record.repeat
        self.counts["added" if record.is_answer else "unlabeled"] += 1
        self.counts["second"] += is_second
        if record.is_answer and row != record.row:
            self.counts["by_text"] += 1
        purpose = self._purpose(record, row, purpose)
        entry = LoggedAnswer(
            posts=self._table.info.posts,
            row=row,
            text_key=text_key(record.text),
            text=self._table.row(row).text,
            purpose=purpose,
            annotator=record.annotator[:MAX_NAME_LENGTH],
            kind="label",
            repeat=record.repeat or is_second,
            rank=int(self._ranks[row]) if purpose == "sample" else None,
            predicted=record.predicted[:MAX_NAME_LENGTH] or None,
            confidence=record.confidence,
            adapter=record.adapter[:MAX_NAME_LENGTH] or None,
            seconds=record.seconds,
            created_at=record.created_at[:MAX_NAME_LENGTH],
        )
        return [replace(entry, kind=kind, value=value) for kind, value in _contents(record)]

    def _find(self, record: AnnotationRecord) -> int | None:
        """Return the row with the record's number and text, otherwise one with its text, None without any."""
        rows = self._rows.get(text_key(record.text), [])
        unused = (row for row in rows if row not in self._used)
        row = record.row if record.row in rows else next(unused, rows[0] if rows else None)
        if row is not None:
            self._used.add(row)
        return row

    def _named(self, record: AnnotationRecord) -> AnnotationRecord:
        """Return a record whose label is one of the file's if it means that, and empty where it is no label."""
        if not record.label:
            return record
        name = answer_name(record.label, self._labels)
        if name is None or name == CANNOT_TELL:
            return replace(record, label="", cannot_tell=name is not None)
        return replace(record, label=name)

    def _purpose(self, record: AnnotationRecord, row: int, default: Purpose) -> Purpose:
        purpose = next((known for known in PURPOSES if known == record.purpose), default)
        if purpose == "sample" and record.purpose and record.rank != self._ranks[row]:
            self.counts["demoted"] += 1
            return "correction"
        return purpose


def _contents(record: AnnotationRecord) -> Iterator[tuple[Kind, str | None]]:
    if record.is_answer:
        yield ("label", record.label[:MAX_NAME_LENGTH]) if record.label else ("cannot_tell", None)
    if record.flagged:
        yield "flag", None
    if record.note:
        yield "note", record.note
