"""The table of keys is consistent, and `weibo-tui keys` lists it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from commands import Command, json_lines

from weibo_tui.app.keymap import (
    KEY_GROUPS,
    KEYS,
    SCREEN_GROUPS,
    Key,
    all_keys,
    check_keymap,
    conflicts,
    key_names,
    keys_of,
)
from weibo_tui.errors import UserInputError

# Parts that are active together with "app": the one with the focus, and those around it.
TOGETHER = (
    ("prompt", "predict"),
    ("cards", "predict"),
    ("welcome", "predict"),
    ("train",),
    ("path", "form", "dialog"),
    ("choices", "form", "dialog"),
    ("chosen_files", "form", "dialog"),
    ("history_table", "history"),
    ("history_search", "history"),
    ("history_details", "history"),
    ("models_list", "models"),
    ("files_list", "files"),
    ("file_table", "file", "files"),
    ("file_search", "file", "files"),
    ("file_details", "file", "files"),
    ("matrix", "evaluation", "dialog"),
    ("matrix", "comparison", "dialog"),
    ("posts", "post", "dialog"),
    ("posts", "compared_post", "dialog"),
    ("posts", "compared_post", "comparison", "dialog"),
    ("compared_post", "dialog"),
    ("post", "dialog"),
    ("annotate", "dialog"),
    ("why", "dialog"),
    ("guideline", "dialog"),
    ("posts", "report", "dialog"),
    ("posts", "estimate", "dialog"),
    ("posts", "measure", "dialog"),
    ("settings", "dialog"),
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


def test_conflicts_are_those_of_the_same_pane() -> None:
    def names(name: str, pressed: str) -> list[str]:
        return [key.name for key in conflicts(name, pressed, {"history.filter": "F"})]

    assert names("history.copy", "d") == ["history.delete"]
    assert names("history.copy", "k") == ["history_table.up"]
    assert names("history_table.up", "l") == ["history.correct"]
    assert names("history.copy", "f") == []  # was changed
    assert names("file.copy", "k") == ["file_table.up"]
    assert names("cards.up", "up") == []  # the prompt's is another pane
    assert names("app.help", "n") == ["train.new", "evaluation.next", "why.next", "annotate.note"]
    assert names("form.start", "f2") == ["app.predict"]


def test_every_group_is_of_a_screen_or_opened_there() -> None:
    listed = {group for groups in SCREEN_GROUPS.values() for group in groups}
    opened = {"form", "choices", "chosen_files", "evaluation", "matrix", "posts", "post", "path", "settings", "dialog"}
    opened |= {"annotate", "guideline", "report", "estimate", "measure", "why", "comparison", "compared_post"}
    assert listed | opened | {"app", "welcome"} == set(KEYS)
    assert all(name == groups[0] for name, groups in SCREEN_GROUPS.items())


@pytest.mark.parametrize("keymap", [{"app.helq": "f9"}, {"app.help": ""}, {"app.help": "f9,,f8"}])
def test_wrong_key_settings_are_refused_by_name(keymap: dict[str, str]) -> None:
    (name,) = keymap
    with pytest.raises(UserInputError, match=name):
        check_keymap(keymap)


def test_keys_command_lists_every_action_with_its_keys(command: Command, home: Path) -> None:
    lines = command("keys").out.splitlines()
    assert {line.split()[-1] for line in lines if "." in line.split(" ")[-1]} == {key.name for key in all_keys()}
    assert ["F1", "Help", "app.help"] in [line.split() for line in lines]
    (home / "settings.toml").write_text('[keys]\n"app.help" = "f9"\n', encoding="utf-8")
    assert json_lines(command("keys", "--json").out)[0] == {"action": "app.help", "keys": ["f9"], "description": "Help"}
