"""`keys`: list the keys of the app."""

from __future__ import annotations

import typer

from weibo_tui.cli import options
from weibo_tui.cli.help import Command
from weibo_tui.cli.output import echo, echo_json, echo_table
from weibo_tui.locale import gettext as _


def add_to(app: typer.Typer) -> None:
    app.command("keys", cls=Command, help=_("List the keys of the app and the names of its actions."))(list_keys)


def list_keys(json: options.Json = False) -> None:
    from weibo_tui.app.keymap import KEY_GROUPS, KEYS, check_keymap, key_names, keys_of
    from weibo_tui.settings import Settings, find_paths

    keymap = check_keymap(Settings.load(find_paths()).keys)
    if json:
        for key in (key for keys in KEYS.values() for key in keys):
            echo_json({"action": key.name, "keys": keys_of(key, keymap).split(","), "description": key.description})
        return
    for group, keys in KEYS.items():
        first, *others = [(key_names(keys_of(key, keymap)), _(key.description), key.name) for key in keys]
        echo(_(KEY_GROUPS[group]))
        echo_table(first, others)
        echo()
