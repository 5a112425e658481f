"""Error messages in the app name fields instead of options."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import weibo_tui
from weibo_tui import locale
from weibo_tui.app.explanation import in_app_terms, user_message
from weibo_tui.atomic import file_exists
from weibo_tui.errors import UserInputError
from weibo_tui.registry.adapters import Adapters

SOURCES = Path(weibo_tui.__file__).parent
LAYERS = ("datasets", "engine", "registry", "storage", "workbench")
FILES = [path for layer in LAYERS for path in sorted((SOURCES / layer).glob("*.py"))] + [SOURCES / "atomic.py"]
"""Sources of errors that the app shows."""
COMMANDS = {"'weibo-tui --help'", "'weibo-tui doctor'"}
"""Commands that have no place in the app."""


def test_error_in_the_app_names_fields_instead_of_options() -> None:
    error = UserInputError("which column? Say it with --column or --label-column; there are: a--column, ~/x/--column.")
    expected = "which column? Say it with “Text column” or “Label column”; there are: a--column, ~/x/--column."
    assert user_message(error) == expected


def test_error_in_the_app_names_actions_instead_of_commands() -> None:
    error = UserInputError(
        "Get it with 'weibo-tui bases get uer/x', or run 'weibo-tui doctor'. See 'weibo-tui runs list'."
    )
    expected = "Get it with “Models → Download a base”, or run 'weibo-tui doctor'. See “Train”."
    assert user_message(error) == expected
    locale.use("zh_CN")
    assert "“模型 → 下载基座”" in user_message(error)


def test_existing_file_in_the_app_is_replaced_by_starting_again(tmp_path: Path) -> None:
    error = file_exists(tmp_path / "out.csv")
    assert str(error) == f"File exists: {tmp_path / 'out.csv'}. Use --overwrite to replace it."
    assert (
        user_message(error)
        == f"File exists: {tmp_path / 'out.csv'}. Start again to replace it, or choose another file."
    )


def test_taken_name_in_the_app_names_no_option(tmp_path: Path) -> None:
    (tmp_path / "mood").mkdir()
    with pytest.raises(UserInputError, match="use --overwrite") as caught:
        Adapters(tmp_path).check_free("mood")
    assert user_message(caught.value) == "'mood' exists. Choose another name."


def test_each_option_and_command_in_a_message_has_a_substitute() -> None:
    for path in FILES:
        for function in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(function, ast.FunctionDef) and "in_app" not in ast.unparse(function):
                texts = [in_app_terms(text) for text in messages(function)]
                assert [text for text in texts if re.search(r"(?<![\w-])--[a-z]", text)] == [], path
                assert {name for text in texts for name in re.findall("'weibo-tui [^']*'", text)} <= COMMANDS, path


def messages(function: ast.FunctionDef) -> Iterator[str]:
    """Yield the messages in a function."""
    for call in ast.walk(function):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "_":
            for item in call.args:
                if isinstance(item, ast.Constant) and isinstance(item.value, str):
                    yield item.value
