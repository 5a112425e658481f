"""Error messages in the app name fields instead of options."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import weibo_tui
from weibo_tui.app.explanation import user_message, with_fields
from weibo_tui.atomic import file_exists
from weibo_tui.errors import UserInputError
from weibo_tui.registry.adapters import Adapters

SOURCES = Path(weibo_tui.__file__).parent
LAYERS = ("datasets", "engine", "registry", "storage", "workbench")
FILES = [path for layer in LAYERS for path in sorted((SOURCES / layer).glob("*.py"))] + [SOURCES / "atomic.py"]
"""Sources of errors that the app shows."""
COMMANDS = re.compile(r"'weibo-tui [^']*'|'--blocks all [^']*'")


def test_error_in_the_app_names_fields_instead_of_options() -> None:
    error = UserInputError("which column? Say it with --column or --label-column; there are: a--column, ~/x/--column.")
    expected = "which column? Say it with “Posts in” or “Labels in”; there are: a--column, ~/x/--column."
    assert user_message(error) == expected


def test_existing_file_in_the_app_is_replaced_by_starting_again(tmp_path: Path) -> None:
    error = file_exists(tmp_path / "out.csv")
    assert str(error) == f"File exists: {tmp_path / 'out.csv'}. Use --overwrite to replace it."
    assert (
        user_message(error)
        == f"File exists: {tmp_path / 'out.csv'}. Start again to replace it, or choose another place."
    )


def test_taken_name_in_the_app_names_no_option(tmp_path: Path) -> None:
    (tmp_path / "mood").mkdir()
    with pytest.raises(UserInputError, match="give --overwrite") as caught:
        Adapters(tmp_path).check_free("mood")
    assert user_message(caught.value) == "'mood' is there already: choose another name."


def test_each_option_in_a_message_has_a_field_or_a_substitute() -> None:
    for path in FILES:
        for function in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(function, ast.FunctionDef) and "in_app" not in ast.unparse(function):
                options = [text for text in messages(function) if re.search(r"(?<![\w-])--[a-z]", with_fields(text))]
                assert options == [], path


def messages(function: ast.FunctionDef) -> Iterator[str]:
    """Yield the messages in a function without the commands in them."""
    for call in ast.walk(function):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "_":
            for item in call.args:
                if isinstance(item, ast.Constant) and isinstance(item.value, str):
                    yield COMMANDS.sub("", item.value)
