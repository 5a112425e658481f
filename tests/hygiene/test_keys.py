"""The table of keys is consistent, and the README lists it."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from weibo_tui.app.keymap import KEY_GROUPS, KEYS, Key, all_keys, check_keymap, key_names, keys_of, markdown_table
from weibo_tui.errors import UserInputError

README = Path(__file__).parents[2] / "README.md"
MARKED = re.compile(r"<!-- keys -->\n(.*?)\n<!-- /keys -->", re.DOTALL)
WRITE = "python tests/hygiene/test_keys.py"

# Parts that are active together with "app": the one with the focus, and those around it.
TOGETHER = (
    ("prompt", "predict"),
    ("cards", "predict"),
    ("welcome", "predict"),
    ("train",),
    ("path", "form", "dialog"),
    ("files", "form", "dialog"),
    ("history_table", "history"),
    ("history_search", "history"),
    ("history_details", "history"),
    ("models_list", "models"),
    ("matrix", "evaluation", "dialog"),
    ("posts", "post", "dialog"),
    ("post", "dialog"),
)


def test_parts_have_titles_and_key_names_are_unique() -> None:
    assert set(KEY_GROUPS) == set(KEYS)
    names = [key.name for key in all_keys()]
    assert len(set(names)) == len(names)
    assert all(key.name.partition(".")[0] == place for place, keys in KEYS.items() for key in keys)
    assert all(key.description for key in all_keys())


def test_every_part_is_listed_here() -> None:
    assert {place for places in TOGETHER for place in places} | {"app"} == set(KEYS)


@pytest.mark.parametrize("places", TOGETHER, ids="+".join)
def test_actions_active_together_share_no_key(places: tuple[str, ...]) -> None:
    counts = Counter(name for place in ("app", *places) for key in KEYS[place] for name in key.keys.split(","))
    counts.pop("escape", None)  # it closes level by level
    assert [key for key, times in counts.items() if times > 1] == []


@pytest.mark.parametrize("place", KEYS)
def test_actions_of_a_part_share_no_key(place: str) -> None:
    used = [name for key in KEYS[place] for name in key.keys.split(",")]
    assert len(set(used)) == len(used)


def test_keys_of_the_terminal_are_not_used() -> None:
    used = {name for key in all_keys() for name in key.keys.split(",")}
    assert not used & {"ctrl+i", "ctrl+m", "ctrl+h", "ctrl+z", "ctrl+b", "ctrl+c", "ctrl+left_square_bracket"}


def test_settings_change_keys() -> None:
    key = Key("app.help", "f1", "help", "Help")
    assert keys_of(key, check_keymap({"app.help": "f9,ctrl+n"})) == "f9,ctrl+n"
    assert keys_of(key, {}) == "f1"
    assert key_names("f9, ctrl+n,question_mark") == "F9, Ctrl+N, ?"


@pytest.mark.parametrize("keymap", [{"app.helq": "f9"}, {"app.help": ""}, {"app.help": "f9,,f8"}])
def test_wrong_key_settings_are_refused_by_name(keymap: dict[str, str]) -> None:
    (name,) = keymap
    with pytest.raises(UserInputError, match=name):
        check_keymap(keymap)


def test_readme_lists_the_keys() -> None:
    table = MARKED.search(README.read_text("utf-8"))
    assert table, "README.md has no table between <!-- keys --> and <!-- /keys -->"
    assert table[1].strip() == markdown_table().strip(), f"to bring README.md up to date: {WRITE}"


if __name__ == "__main__":
    text = README.read_text("utf-8")
    README.write_text(MARKED.sub(lambda _: f"<!-- keys -->\n{markdown_table()}\n<!-- /keys -->", text), "utf-8")
