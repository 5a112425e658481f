"""Comments, docstrings, messages and names use plain words.

`python tests/hygiene/test_prose.py [PATH]…` prints each offence as `path:line: offence`.
"""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PARTS = sorted(path.parent.relative_to(ROOT).as_posix() for path in ROOT.glob("weibo_tui/*/__init__.py"))
MAX_TEST_NAME = 60

# Words that a docstring or comment does without, and what to write instead.
BANNED = {
    r"\banew\b": "again",
    r"\bbeside\b": "next to, compared with",
    r"\bwhoever\b": "name the caller or the user",
    r"\bwhatever\b": "any, all",
    r"\bthereby\b": "so",
    r"\bupon\b": "on",
    r"\bmeanwhile\b": "during …",
    r"\bforetell\w*\b": "predict",
    r"\bnobody\b": "no user, nothing",
    r"\bsomebody\b": "another user, another program",
    r"\bverdicts?\b": "prediction",
    r"\btrunks?\b": "backbone",
    r"\bjudg(?:e|es|ed|ing)\b": "predict, classify",
    r"\bthe person(?:'s)?\b": "the user",
    r"\bso many\b": "the number of",
    r"\bsuch an?\b": "this",
    r"\b(?-i:is none)\b": "does not exist",
    r"\bare none\b": "do not exist",
    r"\b(?:is|are) to be\b": "must be",
    r"\bno number\b": "NaN",
    r"\bgoes on\b": "continues",
    r"\bgone on with\b": "resumed",
    r"\bat hand\b": "available",
    r"\bcomes? with the program\b": "bundled",
    r"(?:[;,:]\s|^)else\b(?! ?[:\]`(])": "otherwise, default:",
}
PROSE = [(re.compile(pattern, re.IGNORECASE), instead) for pattern, instead in BANNED.items()]
OPENING = re.compile(r"(?:What|How|Whether|Of|Whatever|Whoever)\b")
# Names that mean something else in the field, or nothing.
NAMES = frozenset("anew asked bench beneath foretold judge judged shelf told trunk verdict verdicts wanted".split())
GETTEXT = frozenset({"_", "N_", "ngettext"})
CODE = re.compile(r"`[^`]*`")


def offences(path: Path) -> Iterator[str]:
    """Yield every offence of a Python file as `path:line: offence`."""
    source, name = path.read_text("utf-8"), path.relative_to(ROOT)
    found = [*_prose(source), *_names(ast.parse(source))]
    for line, offence in sorted(found):
        yield f"{name}:{line}: {offence}"


def _prose(source: str) -> Iterator[tuple[int, str]]:
    tree = ast.parse(source)
    for line, text, is_docstring in [*_docstrings(tree), *_comments(source), *_messages(tree)]:
        if is_docstring and (opening := OPENING.match(text)):
            yield line, f"docstring begins with {opening[0]}: begin with a verb or a noun"
        plain = CODE.sub(lambda code: " " * len(code[0]), text)
        for pattern, instead in PROSE:
            for match in pattern.finditer(plain):
                yield line + plain.count("\n", 0, match.end()), f"{match[0].strip(' ;,:')!r}: write {instead}"


def _docstrings(tree: ast.Module) -> Iterator[tuple[int, str, bool]]:
    """Yield line, text and True of docstrings, those of constants and attributes too."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            for position, statement in enumerate(node.body):
                if (
                    isinstance(statement, ast.Expr)
                    and isinstance(statement.value, ast.Constant)
                    and isinstance(statement.value.value, str)
                    and (position == 0 or isinstance(node.body[position - 1], (ast.Assign, ast.AnnAssign)))
                ):
                    yield statement.lineno, statement.value.value, True


def _comments(source: str) -> Iterator[tuple[int, str, bool]]:
    """Yield line, text and False of comments; successive lines are one text."""
    first, last, lines = 0, 0, list[str]()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type != tokenize.COMMENT:
            continue
        if token.start[0] != last + 1:
            if lines:
                yield first, "\n".join(lines), False
            first, lines = token.start[0], []
        last = token.start[0]
        lines.append(token.string.lstrip("# "))
    if lines:
        yield first, "\n".join(lines), False


def _messages(tree: ast.Module) -> Iterator[tuple[int, str, bool]]:
    """Yield line, text and False of messages, which gettext translates."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in GETTEXT:
            for argument in node.args:
                if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                    yield argument.lineno, argument.value, False


def _names(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        name = ""
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                name = "" if node.name == "bench" else node.name  # the command
                if name.startswith("test_") and len(name) > MAX_TEST_NAME:
                    yield node.lineno, f"test name of {len(name)} characters: {MAX_TEST_NAME} at most"
            case ast.arg():
                name = node.arg
            case ast.Name(ctx=ast.Store()):
                name = node.id
            case ast.Attribute(ctx=ast.Store()):
                name = node.attr
        if name.strip("_").casefold() in NAMES:
            yield node.lineno, f"name {name!r}: use the field's term"  # type: ignore[attr-defined]


def files(part: str) -> list[Path]:
    """List the Python files of a package, or of `weibo_tui` and `tests/…` without the packages inside."""
    folder = ROOT / part
    return sorted(folder.glob("*.py") if part == "weibo_tui" else folder.rglob("*.py"))


@pytest.mark.parametrize("part", ["weibo_tui", *PARTS, "tests"])
def test_prose_and_names_are_plain(part: str) -> None:
    assert [offence for path in files(part) for offence in offences(path)] == []


def test_each_kind_of_offence_is_found() -> None:
    lines = [
        '"""What comes; so many."""',
        "trunk = 1  # whoever reads,",
        "# else upon it",
        "_('the verdict')",
        f"def test_{'x' * 60}(): pass",
        '"""`upon`"""',
    ]
    source = "\n".join(lines)
    offending = [line for line, _offence in (*_prose(source), *_names(ast.parse(source)))]
    assert sorted(offending) == [1, 1, 2, 2, 3, 3, 4, 5]


if __name__ == "__main__":
    chosen = [Path(argument).resolve() for argument in sys.argv[1:]] or [ROOT / "weibo_tui", ROOT / "tests"]
    for each in chosen:
        for file in sorted(each.rglob("*.py")) if each.is_dir() else [each]:
            for line in offences(file):
                print(line)
