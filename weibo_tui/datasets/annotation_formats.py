"""Annotations as files: JSON lines and CSV of this program, and the formats of doccano and Label Studio.

Sources: doccano 1.8, `backend/data_export`: a line for each example with its text, its labels as a list, and its other
fields next to them. Label Studio's guide, "Task format": a list of tasks with `data` and `annotations`, whose `result`
has choices; an annotation that was skipped has `was_cancelled`.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from math import isfinite
from pathlib import Path
from typing import IO, Any, Literal

from weibo_tui.atomic import open_output, read_bounded
from weibo_tui.datasets.answers import EXPORTED_CANNOT_TELL
from weibo_tui.datasets.labels import SEVERAL, normalize_label
from weibo_tui.datasets.reading import LABEL_SOURCE
from weibo_tui.errors import UserInputError
from weibo_tui.locale import gettext as _
from weibo_tui.text.spreadsheet import escape_formula, header_quoting, unescape_formula

AnnotationFormat = Literal["jsonl", "csv", "doccano", "label-studio"]
FORMATS: tuple[AnnotationFormat, ...] = ("jsonl", "csv", "doccano", "label-studio")

MAX_BYTES = 2**30
"""Size of a file of annotations, which is read into memory."""

_TEXT_KEYS = ("text", "data", "post")
_TRUE = (True, 1, "true", "True", "1")


@dataclass(frozen=True, slots=True)
class AnnotationRecord:
    """One answer of one annotator to one row. `label` is "" where it could not be told, or without an answer.

    `seed` gives the order of the sample, in which the row has this `rank`, and `inclusion_probability` is the share of
    the rows that were drawn. `posts` is the fingerprint of the table. Fields that a file of another program lacks have
    their defaults.
    """

    text: str
    label: str = ""
    cannot_tell: bool = False
    row: int | None = None
    purpose: str = ""
    annotator: str = ""
    repeat: bool = False
    rank: int | None = None
    seed: str = ""
    inclusion_probability: float | None = None
    posts: str = ""
    flagged: bool = False
    note: str = ""
    predicted: str = ""
    confidence: float | None = None
    adapter: str = ""
    seconds: float | None = None
    created_at: str = ""

    @property
    def is_answer(self) -> bool:
        return bool(self.label) or self.cannot_tell


def default_format(path: Path) -> AnnotationFormat:
    """Return the format that the suffix of a file stands for."""
    suffix = path.suffix.lower()
    return "csv" if suffix == ".csv" else "label-studio" if suffix == ".json" else "jsonl"


def write_annotations(
    path: Path, records: Iterable[AnnotationRecord], format_: AnnotationFormat, overwrite: bool = False
) -> None:
    """Write the records to a file, which takes its place when all are written."""
    with open_output(path, "w", encoding="utf-8", newline="", overwrite=overwrite) as file:
        if format_ == "csv":
            _write_csv(file, records)
            return
        if format_ == "label-studio":
            file.write(_json(_label_studio_tasks(records), indent=1))
            return
        for record in records:
            values = _doccano_values(record) if format_ == "doccano" else asdict(record)
            file.write(_json(values) + "\n")


def read_annotations(path: Path, format_: AnnotationFormat) -> list[AnnotationRecord]:
    """Read the records of a file. Raise UserInputError where it is no file of this format."""
    try:
        text = read_bounded(path, MAX_BYTES).decode("utf-8-sig")
        read: Callable[[str], Iterator[AnnotationRecord]] = {
            "csv": _read_csv,
            "label-studio": _read_label_studio,
        }.get(format_, _read_lines)
        return list(read(text))
    except OSError as error:
        raise UserInputError(_("Cannot read {path}: {reason}.").format(path=path, reason=error.strerror)) from error
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError, csv.Error) as error:
        message = _("{path} is no file of annotations in the format {format} ({reason}). Choose another --format.")
        in_app = _("{path} is no file of annotations in the format {format} ({reason}). Choose another format.")
        values = {"path": path, "format": format_, "reason": error}
        raise UserInputError(message.format(**values), in_app.format(**values)) from error


def _json(value: Any, indent: int | None = None) -> str:
    """Return readable JSON, or with escapes where it holds a lone surrogate, which UTF-8 cannot hold."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, indent=indent)
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(value, allow_nan=False, indent=indent)
    return text


def _write_csv(file: IO[str], records: Iterable[AnnotationRecord]) -> None:
    names = [field.name for field in fields(AnnotationRecord)]
    file.write("\ufeff")
    csv.writer(file, quoting=header_quoting(names)).writerow([*names, LABEL_SOURCE])
    writer = csv.writer(file, quoting=csv.QUOTE_ALL)
    for record in records:
        # By the last column `train` and others know that formulas are escaped.
        source = EXPORTED_CANNOT_TELL if record.cannot_tell else "human" if record.label else ""
        writer.writerow([*(_cell(value) for value in asdict(record).values()), source])


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return escape_formula(value.encode("utf-8", "replace").decode())
    return "" if value is None else str(value)


def _read_csv(text: str) -> Iterator[AnnotationRecord]:
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    if not {*_TEXT_KEYS}.intersection(reader.fieldnames or ()):
        raise LookupError(_("a column of posts is missing"))
    for row in reader:
        yield _record({name: unescape_formula(cell) for name, cell in row.items() if name and isinstance(cell, str)})


def _read_lines(text: str) -> Iterator[AnnotationRecord]:
    for line in text.split("\n"):
        if line.strip():
            yield _record(json.loads(line))


def _doccano_values(record: AnnotationRecord) -> dict[str, Any]:
    """Return a line for doccano, which keeps the fields that it does not know as metadata."""
    values = asdict(record)
    return {"text": values.pop("text")} | values | {"label": [record.label] if record.label else []}


def _label_studio_tasks(records: Iterable[AnnotationRecord]) -> list[dict[str, Any]]:
    """Return a task for each row, with the first record's values as its data and an annotation for each answer."""
    tasks: dict[tuple[int | None, str], dict[str, Any]] = {}
    for record in records:
        data = asdict(record)
        for name in ("label", "cannot_tell"):
            del data[name]
        task = tasks.setdefault((record.row, record.text), {"data": data, "annotations": []})
        choices = {"from_name": "label", "to_name": "text", "type": "choices", "value": {"choices": [record.label]}}
        annotation: dict[str, Any] = {
            "result": [choices] if record.label else [],
            "was_cancelled": record.cannot_tell,
            "lead_time": record.seconds,
            "created_at": record.created_at,
        }
        # Label Studio drops the fields that it does not know here, and keeps those of `data`.
        own = {name: data[name] for name in ("annotator", "repeat", "purpose", "rank", "predicted")}
        task["annotations"].append(annotation | {"weibo_tui": own})
    return list(tasks.values())


def _read_label_studio(text: str) -> Iterator[AnnotationRecord]:
    tasks = json.loads(text)
    if not isinstance(tasks, list):
        raise TypeError(_("it is no list of tasks"))
    for task in tasks:
        data = task["data"]
        for number, annotation in enumerate(task.get("annotations") or ()):
            first = {"annotator": data.get("annotator"), "repeat": data.get("repeat")} if number == 0 else {}
            own = annotation.get("weibo_tui") or first | {"annotator": first.get("annotator") or _user(annotation)}
            values = {"seconds": annotation.get("lead_time"), "created_at": annotation.get("created_at")}
            cancelled = annotation.get("was_cancelled", False)
            choices = [] if cancelled else _choices(annotation)  # those of a skipped task are not finished
            yield _record(data | {"repeat": False} | values | own | {"label": choices, "cannot_tell": cancelled})


def _user(annotation: Mapping[str, Any]) -> str:
    """Return the name of the user of Label Studio: an address in some exports, otherwise a number."""
    user = annotation.get("completed_by")
    if isinstance(user, Mapping):
        user = user.get("email") or user.get("id")
    return str(user) if isinstance(user, str | int) else ""


def _choices(annotation: Mapping[str, Any]) -> list[str]:
    results = [one["value"]["choices"] for one in annotation.get("result") or () if one.get("type") == "choices"]
    return [choice for choices in results for choice in choices]


def _record(values: Mapping[str, Any]) -> AnnotationRecord:
    """Return the record of an object or a row, of this program or of another."""
    text = next((values[name] for name in _TEXT_KEYS if isinstance(values.get(name), str)), None)
    if text is None:
        raise LookupError(_("a post is missing"))
    label = normalize_label(values.get("label"))
    return AnnotationRecord(
        text=text,
        label="" if SEVERAL in label else label,
        cannot_tell=values.get("cannot_tell") in _TRUE,
        repeat=values.get("repeat") in _TRUE,
        flagged=values.get("flagged") in _TRUE,
        row=_whole(values.get("row")),
        rank=_whole(values.get("rank")),
        inclusion_probability=_number(values.get("inclusion_probability")),
        confidence=_number(values.get("confidence")),
        seconds=_number(values.get("seconds")),
        **{name: _text(values.get(name)) for name in _TEXTS},
    )


_TEXTS = ("purpose", "annotator", "seed", "posts", "note", "predicted", "adapter", "created_at")


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _whole(value: Any) -> int | None:
    number = _number(value)
    return int(number) if number is not None and number == int(number) else None


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if isfinite(number) else None
