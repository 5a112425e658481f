"""The catalogues say what the source says. README.md, "Translations", has the commands that make it so."""

from __future__ import annotations

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
    """A message as Babel gives it, a text or several for one with a number, as several always."""
    return (found,) if isinstance(found, str) else tuple(found)


def entries(catalog: Catalog) -> Iterator[Message]:
    return (message for message in catalog if message.id)  # the header has none


def messages(catalog: Catalog) -> set[tuple[str, ...]]:
    return {forms(message.id) for message in entries(catalog)}


def translations(catalog: Catalog) -> dict[tuple[str, ...], tuple[str, ...]]:
    return {forms(message.id): forms(message.string) for message in entries(catalog)}


def placeholders(text: str) -> set[tuple[str, str | None]]:
    return {(name, conversion) for _, name, _, conversion in Formatter().parse(text) if name is not None}


def test_simplified_chinese_is_there() -> None:
    assert [path.parts[-3] for path in CATALOGUES] == ["zh_CN"]


def test_the_template_holds_every_message_of_the_source() -> None:
    found = {forms(message) for _, _, message, _, _ in extract_from_dir(PACKAGE)}
    assert messages(read(TEMPLATE)) == found


@each_catalogue
def test_the_catalogue_holds_every_message_of_the_template(path: Path) -> None:
    assert messages(read(path)) == messages(read(TEMPLATE))


@each_catalogue
def test_nothing_is_untranslated_or_doubtful(path: Path) -> None:
    for message in entries(read(path)):
        assert all(forms(message.string)), message.id
        assert not message.fuzzy, message.id


@each_catalogue
def test_placeholders_are_those_of_the_message(path: Path) -> None:
    for message in entries(read(path)):
        for translated in forms(message.string):
            assert placeholders(translated) == placeholders(forms(message.id)[-1])


@each_catalogue
def test_the_compiled_catalogue_is_up_to_date(path: Path) -> None:
    with path.with_suffix(".mo").open("rb") as file:
        compiled = read_mo(file)  # not as bytes, in which Babel writes its own version
    assert translations(compiled) == translations(read(path))
