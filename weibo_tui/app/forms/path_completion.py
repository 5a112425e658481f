"""Paths while they are typed: what a terminal pastes for a dropped file, what may follow, and what will not do."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from heapq import nsmallest
from pathlib import Path
from typing import Literal
from urllib.parse import unquote

from weibo_tui.locale import gettext as _
from weibo_tui.text import visible

MOST = 300
"""Names that are suggested at most; whoever has more goes on typing."""


@dataclass(frozen=True, slots=True)
class Completions:
    """What may stand where `head` and the beginning of a name are typed: folders, with a slash, before files, each
    in natural order.

    `more` says that there are others, and `untypeable` how many cannot stand in a line of text: their names hold
    characters that act on a terminal, or bytes that are no text.
    """

    head: str = ""
    names: tuple[str, ...] = ()
    more: bool = False
    untypeable: int = 0


Kind = Literal["file", "folder", "other", "nothing"]


@dataclass(frozen=True, slots=True)
class PathCheck:
    """A path, what is there, and why it will not do; `problem` is empty where it will."""

    path: Path
    kind: Kind
    problem: str


def as_path(text: str) -> Path:
    """The path that is typed as `text`; `~` is the home folder."""
    return Path(os.path.expanduser(text))  # noqa: PTH111 - Path.expanduser fails for users that there are not


def is_typeable(text: str) -> bool:
    """Whether a line of text can hold `text` and show it: no line break, nothing that acts on a terminal."""
    return visible(text) == text and "\n" not in text and "\t" not in text


def complete(text: str, suffixes: Collection[str] = (), stopped: Callable[[], bool] = lambda: False) -> Completions:
    """Look up what may follow `text`: all folders, and files with one of `suffixes` (of any kind where none is
    named), hidden ones when the name begins with a dot.

    Nothing is found where the folder is not there or may not be read; nor when `stopped` says so on the way.
    """
    name = os.path.basename(text)  # noqa: PTH119 - Path takes "a/" for "a"
    head = text[: len(text) - len(name)]
    if text.startswith("~") and not head and str(as_path(text)) != text:
        return Completions("", (text + os.sep,))
    untypeable = 0

    def join_fitting() -> Iterator[tuple[bool, str]]:
        nonlocal untypeable
        for is_file, found in _entries(as_path(head or os.curdir), name, suffixes, stopped):
            if is_typeable(found):
                yield is_file, found
            else:
                untypeable += 1

    try:
        first = nsmallest(MOST + 1, join_fitting(), key=lambda entry: (entry[0], _natural(entry[1])))
    except (OSError, ValueError):
        return Completions(head)
    if stopped():
        return Completions(head)
    names = tuple(found if is_file else found + os.sep for is_file, found in first[:MOST])
    return Completions(head, names, len(first) > MOST, untypeable)


def _entries(
    folder: Path, beginning: str, suffixes: Collection[str], stopped: Callable[[], bool]
) -> Iterator[tuple[bool, str]]:
    """Whether it is a file, and the name, of all that fits."""
    beginning = beginning.casefold()
    with os.scandir(folder) as entries:
        for entry in entries:
            if stopped():
                return
            name = entry.name
            if not name.casefold().startswith(beginning) or (name.startswith(".") and not beginning.startswith(".")):
                continue
            try:
                if entry.is_dir():
                    yield False, name
                elif (not suffixes or name.lower().endswith(tuple(suffixes))) and entry.is_file():
                    yield True, name
            except OSError:  # a link that leads nowhere good
                continue


def _natural(name: str) -> tuple[list[str | int], str]:
    """`2.csv` before `10.csv`, without regard to case."""
    parts = re.split(r"(\d+)", name.casefold())
    return [int(part) if number % 2 else part for number, part in enumerate(parts)], name


def dropped(text: str) -> list[str]:
    """The paths in a pasted text. Terminals paste the path of a file that is dropped on them in quotes, with its
    spaces escaped, or as a `file:` URI, often with a blank or a line end behind it."""
    return [path for line in text.splitlines() if line.strip() for path in _dropped_line(line.strip())]


def _dropped_line(line: str) -> list[str]:
    if line.startswith("file:/"):
        return [unquote(re.sub("^file:(//[^/]*)?", "", uri)) for uri in re.split(r"\s+(?=file:/)", line)]
    # A backslash parts folders on Windows; elsewhere it makes a character an ordinary one.
    if line[0] in "'\"" or (os.sep == "/" and "\\" in line):
        try:
            return shlex.split(line)
        except ValueError:  # a quote that does not close: no quoting, then
            return [line]
    return [line]


def judge(path: Path, save: bool) -> PathCheck:
    """Whether `path` is a file to read, or with `save` a place to write one to."""
    kind: Kind = "nothing"
    try:
        kind = "folder" if path.is_dir() else "file" if path.is_file() else "other" if path.exists() else "nothing"
        no_folder = kind == "nothing" and not path.parent.is_dir()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        return PathCheck(path, kind, _("{path} cannot be reached: {reason}.").format(path=path, reason=reason))
    problem = ""
    if kind == "folder":
        problem = _("{path} is a folder: name a file in it.").format(path=path)
    elif kind == "nothing" and not save:
        problem = _("There is no file {path}: check the name.").format(path=path)
    elif kind == "other" and save:
        problem = _("{path} is not a regular file: name another place.").format(path=path)
    elif kind == "other":
        message = _("{path} is not a regular file, and it is read more than once: save it as one first.")
        problem = message.format(path=path)
    elif no_folder:
        problem = _("There is no folder {path}: make it, or name another.").format(path=path.parent)
    return PathCheck(path, kind, problem)
