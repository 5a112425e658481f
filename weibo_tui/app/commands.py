"""The commands of the palette: the keys of all main screens, the languages and the themes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import fields
from functools import partial

from textual.actions import parse
from textual.binding import Binding
from textual.dom import DOMNode

from weibo_tui.app.base import BaseApp, MainScreen
from weibo_tui.app.keymap import KEY_GROUPS, KEYS, SCREEN_GROUPS, Key, description, first_key
from weibo_tui.app.palette import Command
from weibo_tui.locale import N_, in_all_languages
from weibo_tui.locale import gettext as _
from weibo_tui.settings import LANGUAGES, Settings

LOADING_SECONDS = 1.0
"""Time for a screen that was just opened to load what the action needs."""
FOCUS_SECONDS = 0.1
"""Time for a pane to put its cursor on something when it gets the focus."""


def commands(app: BaseApp) -> Iterator[Command]:
    """Yield the commands: first those of the pane with the focus and of its screen.

    On top of a main screen, as in a form, only the actions that work there and the themes."""
    screen = app.screen
    if not isinstance(screen, MainScreen):
        working = {active.binding.id: active for active in screen.active_bindings.values() if active.enabled}
        for name, active in working.items():
            if name and name != "app.palette":
                run = partial(app.run_action, active.binding.action, active.node)
                yield _command(description(name), first_key(name, app.keymap), run)
    else:
        panes = [group for node in (screen.focused or screen).ancestors_with_self for group in _groups(node)]
        own = SCREEN_GROUPS[screen.NAME]
        for group in sorted(own, key=lambda group: panes.index(group) if group in panes else len(panes)):
            yield from _screen_commands(app, screen.NAME, group)
        for key in KEYS["app"]:
            if key.name != "app.palette":
                yield _command(key.description, first_key(key.name, app.keymap), partial(app.run_action, key.action))
        for name, groups in SCREEN_GROUPS.items():
            for group in groups if name != screen.NAME else ():
                yield from _screen_commands(app, name, group)
        for setting in fields(Settings):
            yield _command(setting.metadata["label"], "", partial(app.open_setting, setting.name), N_("Settings"))
        for language, title in LANGUAGES.items():
            yield _command(title, "", partial(app.change_setting, "language", language), N_("Language"))
    for theme in sorted(app.available_themes):
        yield _command(theme, "", partial(app.change_setting, "theme", theme), N_("Theme"))


def _screen_commands(app: BaseApp, screen: str, group: str) -> Iterator[Command]:
    for key in sorted(KEYS[group], key=lambda key: not key.shown):
        run = partial(_run, app, screen, group, key)
        yield _command(key.description, first_key(key.name, app.keymap), run, KEY_GROUPS[screen])


def _command(action: str, key: str, run: Callable[[], Awaitable[object]], place: str = "") -> Command:
    title, names = _(action), in_all_languages(action)
    if place:
        title = _("{place}: {action}").format(place=_(place), action=title)
        names = tuple(f"{place}: {name}" for place, name in zip(in_all_languages(place), names, strict=True))
    return Command(title, names, key, run)


def _groups(node: DOMNode) -> list[str]:
    """Return the groups of keys that a screen or widget binds."""
    ids = [binding.id for binding in node.BINDINGS if isinstance(binding, Binding) and binding.id]
    return list(dict.fromkeys(name.partition(".")[0] for name in ids))


async def _run(app: BaseApp, name: str, group: str, key: Key) -> None:
    """Go to a main screen, put the focus on the pane with the action, and run it, or say that it does not work now."""
    seconds = FOCUS_SECONDS
    if app.current_mode != name:
        await app.switch_mode(name)
        seconds = LOADING_SECONDS
    screen, place = app.main_screens[name], _(KEY_GROUPS[name])
    if app.screen is not screen:
        message = _("Another screen is open on top of {place}. Close it with Esc, then try again.")
        app.show_message(message.format(place=place), "error")
        return
    node = next(node for node in (screen, *screen.query("*")) if group in _groups(node))
    if node.focusable:
        screen.set_focus(node)
    deadline = time.monotonic() + seconds
    while not (works := _works(screen, node, key.action)) and time.monotonic() < deadline:
        await asyncio.sleep(0.02)
    if works:
        await app.run_action(key.action, node)
    else:
        message = _("There is nothing on {place} that “{action}” applies to now.")
        app.show_message(message.format(place=place, action=_(key.description)), "error")


def _works(screen: MainScreen, node: DOMNode, action: str) -> bool:
    namespace, name, parameters = parse(action)
    return bool((screen if namespace == "screen" else node).check_action(name, parameters))
