"""Records of JSON files: one object a line, an array, or an object that holds the list of records."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from weibo_tui.datasets.columns import find_role, fold, is_known, is_number_column
from weibo_tui.datasets.parsers import Lines, open_lines
from weibo_tui.datasets.tables import MAX_RECORD, Format, Report, Table
from weibo_tui.errors import UserInputError
from weibo_tui.locale import gettext as _
from weibo_tui.locale import join_names, with_note
from weibo_tui.text.terminal import truncate

Record: TypeAlias = tuple[int, str, dict[str, Any]]
"""The number of a record's line, its text (empty unless it is a line of JSON), and its values."""

MAX_WHOLE = 2**27
"""Characters of a JSON file that must be read whole."""

_MAX_DEPTH = 4
_NESTED = frozenset((dict, list))
_MAX_WORD = 20  # characters of a text that is no post
_POSTS = ("post", "weibo", "mblog", "status", "tweet", "note")  # names of an object with a post
_SHOWN = 30  # characters of a fault
_DECODER = json.JSONDecoder(strict=False)  # some programs write tabs as they are
_SPACE = re.compile(r"[\s,\ufeff]*")


def json_format(head: str) -> Format | None:
    """Return the format of a file that begins with these lines: JSON, JSON Lines, or None for neither."""
    start = head.lstrip("\ufeff \t\r\n")
    if start.startswith("["):
        first, _end, rest = start.partition("\n")
        if rest.lstrip().startswith("[") and _is_row(first):
            return "jsonl"
        return "json" if re.match(r'\[\s*(?:[\[{"\]]|$)', start) else None
    if not re.match(r'\{\s*(?:["}]|$)', start):  # posts begin with {%#话题#%}
        return None
    first, _end, rest = start.partition("\n")
    try:
        value, _at = _DECODER.raw_decode(first)
    except (ValueError, RecursionError):
        return "json" if re.match(r'\{\s*"[^"\n]*"\s*:\s*[\[{]?\s*$|\{\s*$', first.strip()) else "jsonl"
    return "json" if _is_page(value) or (not rest.strip() and _holds_table(value)) else "jsonl"


def _is_row(line: str) -> bool:
    """Return whether a line is a list of cells."""
    try:
        cells, _at = _DECODER.raw_decode(line)
    except (ValueError, RecursionError):
        return False
    return _NESTED.isdisjoint(map(type, cells))


def read_objects(table: Table, report: Report, text: str = "") -> Iterator[Record]:
    """Yield the records of a JSON file. A list is a row of cells, and a text in an array is a post.

    What is no record otherwise is skipped, and so are records without a value for `text`, the column of posts.
    """
    is_lines = table.format == "jsonl"
    with open_lines(table.data, table.encoding, None if is_lines else "", None if is_lines else "strict") as lines:
        if is_lines:
            items = _read_lines(lines, report)
        else:
            items = ((number, "", item) for number, item in enumerate(_read_items(table, lines), 1))
        header: list[str] = []
        for number, source, item in items:
            if isinstance(item, dict):
                record = item
            elif isinstance(item, list) and (header or not report.rows):
                if not header and (header := _header(item)) == item:
                    continue
                record = dict(zip(header, item, strict=False))
            elif isinstance(item, str) and not source:
                record = {"text": item}
            else:
                report.skip(number, _("not a JSON object"), source or str(item))
                continue
            if not _NESTED.isdisjoint(map(type, record.values())):
                record = flatten(record)
            if text and text not in record:
                message = _("{column} is missing").format(column=truncate(text))
                report.skip(number, message, source or json.dumps(item, ensure_ascii=False))
                continue
            report.rows += 1
            yield number, source if isinstance(item, dict) else "", record


def _header(first: list[Any]) -> list[str]:
    """Return the names of the columns of lists: the first list where it has a usual name, otherwise numbers."""
    return first if any(map(is_known, first)) else [str(number) for number in range(1, len(first) + 1)]


def _read_lines(lines: Lines, report: Report) -> Iterator[tuple[int, str, Any]]:
    """Yield the number, the text and the value of each line of JSON, also where objects follow without a line end."""
    scan = _DECODER.scan_once  # type: ignore[attr-defined] # faster than the method around it
    for line in lines:
        is_bad = lines.skip_undecoded(report)
        lines.begin_record()
        if is_bad or not (text := line.strip()):
            continue
        try:
            try:
                value, end = scan(text, 0)
            except StopIteration as error:
                raise json.JSONDecodeError("", text, error.value) from None
            items = [(text, value)] if end == len(text) else _split_line(text)
        except (ValueError, RecursionError) as error:
            report.skip(lines.number, _problem(text, error), text)
            continue
        for source, value in items:
            yield lines.number, source, value


def _split_line(text: str) -> list[tuple[str, Any]]:
    """Return the texts and the values of the objects in a line."""
    items = []
    at = 0
    while at < len(text):
        value, end = _DECODER.raw_decode(text, at)
        items.append((text[at:end], value))
        at = _skip(text, end)
    return items


def _read_items(table: Table, lines: Lines) -> Iterator[Any]:
    """Yield the items of an array, or the records in an object, or in several."""
    text, line = lines.read_block(), 1  # the number of its first line
    at = _skip(text, 0)
    is_array = text[at : at + 1] == "["
    if is_array:
        at = _skip(text, at + 1)
    are_pages: bool | None = None
    limit = MAX_RECORD if is_array else MAX_WHOLE
    while True:
        at = _skip(text, at)
        if is_array and text[at : at + 1] == "]":
            line += text.count("\n", 0, at)
            text, at = text[at + 1 :] + lines.read_block(), 0
            at = _skip(text, at)
            if at == len(text):
                return
            if text[at] != "[":
                raise _not_json(table, line, _("there is more after the array"))
            at += 1  # files that were put together
            continue
        try:
            value, at = _DECODER.raw_decode(text, at)
        except (ValueError, RecursionError) as error:
            block = lines.read_block()
            if not block and not is_array and at == len(text):
                return
            if not block or len(text) - at > limit:
                line += text.count("\n", 0, getattr(error, "pos", at))
                raise _not_json(table, line, _problem(text, error)) from error
            line += text.count("\n", 0, at)
            text, at = text[at:] + block, 0
            continue
        if are_pages is None:
            are_pages = not is_array or _is_page(value)
        if are_pages and isinstance(value, dict):
            yield from _records(table, value)
        else:
            yield value


def _skip(text: str, at: int) -> int:
    """Return the position of the next value."""
    match = _SPACE.match(text, at)
    return match.end() if match else at


def _problem(text: str, error: ValueError | RecursionError) -> str:
    """Return what is wrong with a text that is no JSON, with the text at the place."""
    if not isinstance(error, json.JSONDecodeError):
        return _("not JSON ({reason})").format(reason=error)
    # An open quote is closed by another, or by the end.
    if error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated"):
        return _("the JSON ends too early")
    return _("not JSON at {text}").format(text=truncate(text[error.pos :].lstrip().partition("\n")[0], _SHOWN))


def _not_json(table: Table, line: int, problem: str) -> UserInputError:
    message = _("{path}, line {line}: {problem}. Write it again, or save it as CSV.")
    return UserInputError(message.format(path=table.path, line=line, problem=problem))


def _holds_table(value: Any) -> bool:
    return isinstance(value, dict) and (any(_lists(value)) or _is_split(value) or _is_columns(value))


def _is_page(value: Any) -> bool:
    """Return whether an object is no post, but has a list of posts."""
    if not isinstance(value, dict) or _is_post(value):
        return False
    texts = [cell for cell in flatten(value).values() if isinstance(cell, str)]
    is_short = all(len(text) <= _MAX_WORD or is_number_column([text]) for text in texts)
    return is_short and any(find_role(list(flatten(items[0])), "text") for _name, items in _lists(value) if items)


def _is_post(value: Mapping[str, Any]) -> bool:
    """Return whether an object has a post itself, also next to its comments. Answers of servers have a message."""
    if any(isinstance(inner := value.get(name), dict) and _is_post(inner) for name in _POSTS):
        return True
    texts = [name for name, cell in value.items() if isinstance(cell, str) and fold(name) not in ("message", "desc")]
    return any("." not in name for name in find_role(texts, "text"))


def _is_split(value: Mapping[str, Any]) -> bool:
    return isinstance(value.get("columns"), list) and isinstance(value.get("data"), list)


def _records(table: Table, value: dict[str, Any]) -> Iterator[Any]:
    """Yield the records of an object: of pandas' orientations, of the list of posts in it, or of itself."""
    only = next(iter(value.values())) if len(value) == 1 else None
    if isinstance(only, dict) and not _is_post(only) and any(_lists(only)):
        yield from _records(table, only)
    elif _is_split(value):
        yield from (dict(zip(map(str, value["columns"]), row, strict=False)) for row in value["data"])
    elif _is_columns(value):
        inner = list(value.values())
        if isinstance(inner[0], list):
            yield from (dict(zip(value, row, strict=False)) for row in zip(*inner, strict=False))
        elif any(isinstance(cell, dict | list) for cell in inner[0].values()) or _has_records_by_key(inner):
            yield from inner
        else:  # pandas' default: a column, then its cells by the name of the row
            yield from ({name: column.get(key) for name, column in value.items()} for key in inner[0])
    elif _is_post(value) or not (lists := dict(_lists(value))):
        yield value
    else:
        yield from _list_of_posts(table, lists)


def _is_columns(value: Mapping[str, Any]) -> bool:
    inner = list(value.values())
    are_objects = all(isinstance(one, dict) and one for one in inner)
    are_lists = len({len(one) if isinstance(one, list) else -1 for one in inner}) == 1 and isinstance(inner[0], list)
    has_cells = are_lists and inner[0] and not any(isinstance(one[0], dict) for one in inner)
    return bool(inner) and (len(inner) > 1 or are_objects) and bool(are_objects or has_cells)


def _has_records_by_key(inner: list[dict[str, Any]]) -> bool:
    """Return whether these are records by key (orient="index") rather than columns, which have the keys of rows."""
    return not all(key.isdecimal() for key in inner[0]) and all(list(one) == list(inner[0]) for one in inner[:100])


def _list_of_posts(table: Table, lists: Mapping[str, list[Any]]) -> list[Any]:
    """Return the list of posts among those inside an object. Raise UserInputError where several may be posts."""
    filled = {name: items for name, items in lists.items() if items}
    with_posts = {name: items for name, items in filled.items() if find_role(list(flatten(items[0])), "text")}
    candidates = with_posts or filled
    if len(candidates) > 1:
        message = _("{path} holds several lists: {names}. Save the one with the posts as a file of its own.")
        names = [with_note(name, f"{len(items):,}") for name, items in candidates.items()]
        raise UserInputError(message.format(path=table.path, names=join_names(names)))
    return next(iter(candidates.values()), [])


def _lists(value: Mapping[str, Any], depth: int = 0) -> Iterator[tuple[str, list[Any]]]:
    """Yield the lists of objects inside an object with their names, such as `data.list`, and empty lists."""
    for name, inner in value.items():
        if isinstance(inner, list) and isinstance(next(iter(inner), {}), dict):
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
        elif name == "annotations":
            flat |= _choices(value)
        else:
            flat[name] = value
    return flat


def _choices(annotations: Any) -> dict[str, Any]:
    """Return the annotations of Label Studio by the name of their choice, such as `annotations.sentiment`.

    They are the different choices: of each annotation that was not cancelled the first.
    """
    found: dict[str, dict[str, None]] = {}
    for annotation in annotations if isinstance(annotations, list) else ():
        is_valid = isinstance(annotation, dict) and not annotation.get("was_cancelled")
        results = annotation.get("result") if is_valid else None
        seen = set()
        for result in results if isinstance(results, list) else ():
            value = result.get("value") if isinstance(result, dict) else None
            if isinstance(value, dict) and isinstance(value.get("choices"), list):
                name = f"annotations.{result['from_name']}" if result.get("from_name") else "annotations"
                if name not in seen:
                    found.setdefault(name, {}).update(dict.fromkeys(map(str, value["choices"])))
                seen.add(name)
    return {name: list(values) for name, values in found.items()} or {"annotations": annotations}


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
