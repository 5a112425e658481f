"""The catalogues match the source. README.md, "Translations", has the commands that update them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from string import Formatter
from typing import Any

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import read_mo
from babel.messages.pofile import read_po

PACKAGE = Path(__file__).parents[2] / "weibo_tui"
TEMPLATE = PACKAGE / "locale" / "weibo_tui.pot"
CATALOGUES = [*PACKAGE.glob("locale/*/LC_MESSAGES/weibo_tui.po")]

each_catalogue = pytest.mark.parametrize("path", CATALOGUES, ids=lambda path: path.parts[-3])


def read(path: Path) -> Catalog:
    with path.open("rb") as file:
        return read_po(file, abort_invalid=True)


def forms(found: Any) -> tuple[str, ...]:
    """Return Babel's message, which is a text or plural forms, always as forms."""
    return (found,) if isinstance(found, str) else tuple(found)


def entries(catalog: Catalog) -> Iterator[Message]:
    return (message for message in catalog if message.id)  # the header has none


def messages(catalog: Catalog) -> set[tuple[str, ...]]:
    return {forms(message.id) for message in entries(catalog)}


def translations(catalog: Catalog) -> dict[tuple[str, ...], tuple[str, ...]]:
    return {forms(message.id): forms(message.string) for message in entries(catalog)}


def placeholders(text: str) -> set[tuple[str, str | None]]:
    return {(name, conversion) for _, name, _, conversion in Formatter().parse(text) if name is not None}


def test_simplified_chinese_exists() -> None:
    assert [path.parts[-3] for path in CATALOGUES] == ["zh_CN"]


def test_template_has_every_message_of_source() -> None:
    found = {forms(message) for _, _, message, _, _ in extract_from_dir(PACKAGE)}
    assert messages(read(TEMPLATE)) == found


@each_catalogue
def test_catalog_has_every_message_of_template(path: Path) -> None:
    assert messages(read(path)) == messages(read(TEMPLATE))


@each_catalogue
def test_every_message_is_translated(path: Path) -> None:
    for message in entries(read(path)):
        assert all(forms(message.string)), message.id
        assert not message.fuzzy, message.id


@each_catalogue
def test_placeholders_equal_those_of_message(path: Path) -> None:
    for message in entries(read(path)):
        for translated in forms(message.string):
            assert placeholders(translated) == placeholders(forms(message.id)[-1])


@each_catalogue
def test_compiled_catalog_is_current(path: Path) -> None:
    with path.with_suffix(".mo").open("rb") as file:
        compiled = read_mo(file)  # not as bytes, in which Babel writes its own version
    assert translations(compiled) == translations(read(path))


def test_no_message_is_in_an_f_string() -> None:
    """Babel does not find it there."""
    found = [
        f"{path.name}:{call.lineno}"
        for path in PACKAGE.rglob("*.py")
        for string in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(string, ast.JoinedStr)
        for call in ast.walk(string)
        if isinstance(call, ast.Call) and ast.unparse(call.func) in ("_", "N_", "ngettext")
        if isinstance(call.args[0], ast.Constant)
    ]
    assert found == []
