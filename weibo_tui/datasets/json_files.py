"""Records of JSON files: one object a line, an array, or an object that holds the list of records."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from weibo_tui.datasets.columns import find_role
from weibo_tui.datasets.parsers import Lines, open_lines
from weibo_tui.datasets.tables import MAX_RECORD, Format, Report, Table
from weibo_tui.errors import UserInputError
from weibo_tui.locale import gettext as _
from weibo_tui.locale import join_names, with_note

Record: TypeAlias = tuple[int, str, dict[str, Any]]
"""The number of a record's line, its text (empty unless it is a line of JSON), and its values."""

MAX_WHOLE = 2**27
"""Characters of a JSON file that must be read whole."""

_MAX_DEPTH = 4
_NESTED = frozenset((dict, list))
_SPACE = re.compile(r"[\s,\ufeff]*")


def json_format(head: str) -> Format | None:
    """Return the format of a file that begins with these lines: JSON, JSON Lines, or None for neither."""
    start = head.lstrip("\ufeff \t\r\n")
    if start.startswith("["):
        return "json" if re.match(r'\[\s*(?:[\[{"\]]|$)', start) else None
    if not re.match(r'\{\s*(?:["}]|$)', start):  # posts begin with {%#话题#%}
        return None
    first, _end, rest = start.partition("\n")
    try:
        value = json.loads(first)
    except (ValueError, RecursionError):
        return "json" if re.match(r'\{\s*"[^"\n]*"\s*:\s*[\[{]?\s*$|\{\s*$', first.strip()) else "jsonl"
    return "json" if not rest.strip() and _holds_table(value) else "jsonl"


def read_objects(table: Table, report: Report) -> Iterator[Record]:
    """Yield the records of a JSON file. A text in an array is a post. What is no object otherwise is skipped."""
    if table.format == "jsonl":
        with open_lines(table.data, table.encoding, None) as lines:
            yield from _read_lines(lines, report)
        return
    with open_lines(table.data, table.encoding, errors="strict") as lines:
        for number, item in enumerate(_read_items(table, lines), 1):
            record = {"text": item} if isinstance(item, str) else item
            if isinstance(record, dict):
                report.rows += 1
                yield number, "", flatten(record)
            else:
                report.skip(number, _("not a JSON object"), str(item))


def _read_lines(lines: Lines, report: Report) -> Iterator[Record]:
    for line in lines:
        is_bad = lines.skip_undecoded(report)
        lines.begin_record()
        if is_bad or not (text := line.strip()):
            continue
        try:
            value = json.loads(text)
        except (ValueError, RecursionError) as error:
            report.skip(lines.number, _("not JSON ({reason})").format(reason=error), text)
            continue
        if isinstance(value, dict):
            report.rows += 1
            yield lines.number, text, flatten(value)
        else:
            report.skip(lines.number, _("not a JSON object"), text)


def _read_items(table: Table, lines: Lines) -> Iterator[Any]:
    """Yield the items of an array, or the records in an object, or in several."""
    text = lines.read_block()
    at = _skip(text, 0)
    is_array = text[at : at + 1] == "["
    if is_array:
        at = _skip(text, at + 1)
    decoder = json.JSONDecoder()
    limit = MAX_RECORD if is_array else MAX_WHOLE
    while True:
        at = _skip(text, at)
        if is_array and text[at : at + 1] == "]":
            text, at = text[at + 1 :] + lines.read_block(), 0
            at = _skip(text, at)
            if at == len(text):
                return
            if text[at] != "[":
                raise _not_json(table, ValueError(_("there is more after the array")))
            at += 1  # files that were put together
            continue
        try:
            value, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError) as error:
            block = lines.read_block()
            if not block and not is_array and at == len(text):
                return
            if not block or len(text) - at > limit:
                raise _not_json(table, error) from error
            text, at = text[at:] + block, 0
            continue
        if is_array or not isinstance(value, dict):
            yield value
        else:
            yield from _records(table, value)


def _skip(text: str, at: int) -> int:
    """Return the position of the next value."""
    match = _SPACE.match(text, at)
    return match.end() if match else at


def _not_json(table: Table, error: Exception) -> UserInputError:
    message = _("{path}: not JSON ({reason}). Write it again, or save it as CSV.")
    return UserInputError(message.format(path=table.path, reason=error))


def _holds_table(value: Mapping[str, Any]) -> bool:
    return any(_lists(value)) or _is_split(value) or _is_columns(value)


def _is_split(value: Mapping[str, Any]) -> bool:
    return isinstance(value.get("columns"), list) and isinstance(value.get("data"), list)


def _records(table: Table, value: Any) -> Iterator[Any]:
    """Yield the records of an object: of pandas' orientations, of the list of posts in it, or of itself."""
    if _is_split(value):
        yield from (dict(zip(map(str, value["columns"]), row, strict=False)) for row in value["data"])
    elif _is_columns(value):
        inner = list(value.values())
        if isinstance(inner[0], list):
            yield from (dict(zip(value, row, strict=False)) for row in zip(*inner, strict=False))
        elif any(isinstance(cell, dict | list) for cell in inner[0].values()) or _has_records_by_key(inner):
            yield from inner
        else:  # pandas' default: a column, then its cells by the name of the row
            yield from ({name: column.get(key) for name, column in value.items()} for key in inner[0])
    else:
        yield from _list_of_posts(table, value) or [value]


def _is_columns(value: Mapping[str, Any]) -> bool:
    inner = list(value.values())
    are_objects = all(isinstance(one, dict) and one for one in inner)
    are_lists = len({len(one) if isinstance(one, list) else -1 for one in inner}) == 1 and isinstance(inner[0], list)
    has_cells = are_lists and inner[0] and not any(isinstance(one[0], dict) for one in inner)
    return bool(inner) and (len(inner) > 1 or are_objects) and bool(are_objects or has_cells)


def _has_records_by_key(inner: list[dict[str, Any]]) -> bool:
    """Return whether these are records by key (orient="index") rather than columns, which have the keys of rows."""
    return not all(key.isdecimal() for key in inner[0]) and all(list(one) == list(inner[0]) for one in inner[:100])


def _list_of_posts(table: Table, value: Mapping[str, Any]) -> list[Any]:
    """Return the list of objects inside an object, empty for none. Raise UserInputError where several may be posts."""
    lists = dict(_lists(value))
    with_posts = {name: items for name, items in lists.items() if find_role(list(flatten(items[0])), "text")}
    candidates = with_posts or lists
    if len(candidates) > 1:
        message = _("{path} holds several lists: {names}. Save the one with the posts as a file of its own.")
        names = [with_note(name, f"{len(items):,}") for name, items in candidates.items()]
        raise UserInputError(message.format(path=table.path, names=join_names(names)))
    return next(iter(candidates.values()), [])


def _lists(value: Mapping[str, Any], depth: int = 0) -> Iterator[tuple[str, list[Any]]]:
    """Yield the lists of objects inside an object with their names, such as `data.list`."""
    for name, inner in value.items():
        if isinstance(inner, list) and inner and isinstance(inner[0], dict):
            yield name, inner
        elif isinstance(inner, dict) and depth < _MAX_DEPTH:
            for below, items in _lists(inner, depth + 1):
                yield f"{name}.{below}", items


def flatten(record: dict[str, Any]) -> dict[str, Any]:
    """Return a record with the values of inner objects as `outer.inner`, and the choices of annotators as a list."""
    if _NESTED.isdisjoint(map(type, record.values())):
        return record
    flat: dict[str, Any] = {}
    for name, value in record.items():
        if isinstance(value, dict) and set(value) == {"choices"}:  # Label Studio's short form
            flat[name] = value["choices"]
        elif isinstance(value, dict):
            flat |= {f"{name}.{inner}": cell for inner, cell in flatten(value).items()}
        else:
            flat[name] = _choices(value) if name == "annotations" else value
    return flat


def _choices(annotations: Any) -> Any:
    """Return the different choices in the annotations of Label Studio, of each that was not cancelled the first."""
    found: dict[str, None] = {}
    for annotation in annotations if isinstance(annotations, list) else ():
        is_valid = isinstance(annotation, dict) and not annotation.get("was_cancelled")
        results = annotation.get("result") if is_valid else None
        for result in results if isinstance(results, list) else ():
            value = result.get("value") if isinstance(result, dict) else None
            if isinstance(value, dict) and isinstance(value.get("choices"), list):
                found |= dict.fromkeys(map(str, value["choices"]))
                break
    return list(found) or annotations


def single(value: Any) -> Any:
    """Return the only item of a list (doccano), or what the annotators answered (Argilla)."""
    if not isinstance(value, list):
        return value
    if any(isinstance(item, dict) for item in value):
        valid = [item for item in value if isinstance(item, dict) and item.get("status") != "discarded"]
        value = list(dict.fromkeys(answer for item in valid if (answer := _answer(item))))
    if len(value) == 1 and isinstance(value[0], str | int | float):
        return value[0]
    return value or None


def _answer(item: dict[str, Any]) -> str:
    values = item.get("values")
    answer = next(iter(values.values()), None) if isinstance(values, dict) else item
    return str(answer["value"]) if isinstance(answer, dict) and isinstance(answer.get("value"), str | int) else ""
