"""Paths while they are typed: completion, dropped files, and checks."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from heapq import nsmallest
from pathlib import Path
from typing import Literal
from urllib.parse import unquote

from weibo_tui.locale import gettext as _
from weibo_tui.part_folders import table_exists
from weibo_tui.text.terminal import sanitize

MAX_SUGGESTIONS = 300

Kind = Literal["file", "folder", "other", "nothing"]


@dataclass(frozen=True, slots=True)
class Completions:
    """Names that may follow `head`: folders, with a slash, before files, each in natural order.

    `more` says that there are others, and `is_table` that `head` is a folder of Parquet parts, which is a table."""

    head: str = ""
    names: tuple[str, ...] = ()
    more: bool = False
    is_table: bool = False


@dataclass(frozen=True, slots=True)
class PathCheck:
    """A path, what exists there, and what is wrong with it; `problem` is empty if nothing is."""

    path: Path
    kind: Kind
    problem: str


def as_path(text: str) -> Path:
    """Return the path for a typed text; `~` is the home folder."""
    return Path(os.path.expanduser(text))  # noqa: PTH111 - Path.expanduser raises for unknown users


def is_typeable(text: str) -> bool:
    """Return True if a line of text can hold and show `text`: no line break and no control characters."""
    return sanitize(text) == text and "\n" not in text and "\t" not in text


def complete(text: str, suffixes: Collection[str] = ()) -> Completions:
    """Return what may follow `text`: folders, and files with one of `suffixes` (default: all).

    Hidden names are included if the name starts with a dot. Names that cannot be typed are left out. An unreadable
    folder gives no names."""
    name = os.path.basename(text)  # noqa: PTH119 - Path takes "a/" for "a"
    head = text[: len(text) - len(name)]
    if text.startswith("~") and not head and str(as_path(text)) != text:
        return Completions("", (text + os.sep,))
    matches = _matching_names(as_path(head or os.curdir), name, suffixes)
    try:
        first = nsmallest(MAX_SUGGESTIONS + 1, matches, key=lambda match: (match[0], _natural_key(match[1])))
    except (OSError, ValueError):
        return Completions(head)
    names = tuple(match if is_file else match + os.sep for is_file, match in first[:MAX_SUGGESTIONS])
    return Completions(head, names, len(first) > MAX_SUGGESTIONS, bool(head) and table_exists(as_path(head)))


def _matching_names(folder: Path, prefix: str, suffixes: Collection[str]) -> Iterator[tuple[bool, str]]:
    """Yield (is a file, name) of all matching entries."""
    prefix = prefix.casefold()
    with os.scandir(folder) as entries:
        for entry in entries:
            name = entry.name
            hidden = name.startswith(".") and not prefix.startswith(".")
            if hidden or not name.casefold().startswith(prefix) or not is_typeable(name):
                continue
            try:
                if entry.is_dir():
                    yield False, name
                elif (not suffixes or name.lower().endswith(tuple(suffixes))) and entry.is_file():
                    yield True, name
            except OSError:  # a broken or circular link
                continue


def _natural_key(name: str) -> tuple[list[str | int], str]:
    """Return a sort key that puts `2.csv` before `10.csv` and ignores case."""
    parts = re.split(r"(\d+)", name.casefold())
    return [int(part) if number % 2 else part for number, part in enumerate(parts)], name


def parse_dropped_paths(text: str) -> list[str]:
    """Return the paths in a pasted text.

    Terminals paste a dropped file's path in quotes, with escaped spaces, or as a `file:` URI, often followed by a
    space or a line end."""
    return [path for line in text.splitlines() if line.strip() for path in _parse_line(line.strip())]


def _parse_line(line: str) -> list[str]:
    if line.startswith("file:/"):
        return [unquote(re.sub("^file:(//[^/]*)?", "", uri)) for uri in re.split(r"\s+(?=file:/)", line)]
    # On Windows a backslash separates folders, elsewhere it escapes a character.
    if line[0] in "'\"" or (os.sep == "/" and "\\" in line):
        try:
            return shlex.split(line)
        except ValueError:  # an unclosed quote, so it is part of the name
            return [line]
    return [line]


def check_path(path: Path, save: bool) -> PathCheck:
    """Check that `path` is a table to read: a file or a folder of Parquet parts. With `save` check that it is a place
    to write a file to."""
    kind: Kind = "nothing"
    try:
        kind = "folder" if path.is_dir() else "file" if path.is_file() else "other" if path.exists() else "nothing"
        no_folder = kind == "nothing" and not path.parent.is_dir()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        return PathCheck(path, kind, _("Cannot open {path}: {reason}.").format(path=path, reason=reason))
    problem = ""
    if kind == "folder" and (save or not table_exists(path)):
        problem = _("{path} is a folder. Give a file.").format(path=path)
    elif kind == "nothing" and not save:
        problem = _("File not found: {path}. Check the name.").format(path=path)
    elif kind == "other" and save:
        problem = _("{path} is not a regular file. Choose another file.").format(path=path)
    elif kind == "other":
        message = _("{path} is not a regular file, but must be read more than once. Save it as a file first.")
        problem = message.format(path=path)
    elif no_folder:
        problem = _("Folder not found: {path}. Create it, or choose another.").format(path=path.parent)
    return PathCheck(path, kind, problem)
