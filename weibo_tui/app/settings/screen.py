"""The settings screen: what can be chosen, with its present value."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import fields
from functools import partial
from typing import Any

from textual.widget import Widget
from textual.widgets import OptionList, Static

from weibo_tui.app.base import FormScreen
from weibo_tui.app.dialogs import ChoiceDialog, InputDialog
from weibo_tui.app.formatting import safe_content
from weibo_tui.app.settings.keys_screen import KeysScreen
from weibo_tui.app.settings.setting_list import Row, SettingList
from weibo_tui.app.widgets.responsive_text import paragraph
from weibo_tui.locale import N_, ngettext, with_note
from weibo_tui.locale import gettext as _
from weibo_tui.settings import LANGUAGES, Settings, environment_variable, parse_setting

_SETTINGS = {setting.name: setting.metadata for setting in fields(Settings)}


class SettingsScreen(FormScreen[None]):
    """The settings. Each change is saved and applied at once."""

    HELP_TEXT = N_(
        "Each change is saved in the settings file and works at once. Enter changes a setting, r resets it. "
        "Changed values are in color."
    )
    DEFAULT_CSS = """
    SettingsScreen .description { height: auto; padding: 0 1; color: $text-muted; background: $surface; }
    """

    def __init__(self, first: str = "") -> None:
        super().__init__()
        self._first = first
        """The setting whose value is asked for at once."""

    def compose_body(self) -> Iterable[Widget]:
        yield Static(classes="title")
        yield SettingList()
        yield Static(classes="description")

    def on_mount(self) -> None:
        self.watch(self.app, "device", self._show)
        self.watch(self.app, "theme", self._show, init=False)
        if self._first:
            settings = self.query_one(SettingList)
            settings.highlighted = settings.get_option_index(self._first)
            self.action_open()

    def on_screen_resume(self) -> None:
        self._show()

    def _show(self) -> None:
        title = _("Settings") + f" · {self.app.paths.settings_file}"
        self.query_one(".title", Static).update(safe_content(title))
        self.query_one(SettingList).show([self._row(name) for name in _SETTINGS])
        self._describe()
        self.refresh_bindings()

    def _row(self, name: str) -> Row:
        value = getattr(self.app.settings, name)
        changed = value != _SETTINGS[name]["default"]
        return Row(_label(name), name, self._text(name, value), environment_variable(name), changed)

    def _text(self, name: str, value: object) -> str:
        """Return a value as the user reads it."""
        if isinstance(value, bool):
            return _("On") if value else _("Off")
        if isinstance(value, float):
            return _typed(value)
        if name == "language":
            return _(LANGUAGES[str(value)])
        if name == "keys":
            count = len(self.app.settings.keys)
            return ngettext("{n} changed", "{n} changed", count).format(n=count) if count else _("Default")
        if value not in ("", "auto", 0):
            return str(value)
        device, _space, dtype = self.app.device.partition(" ")
        catalog = self.app.catalog
        current = {"base": catalog.base, "adapter": catalog.adapter, "device": device, "dtype": dtype}.get(name)
        # The current one is known only where the setting is automatic.
        automatic = _("Automatic")
        return with_note(automatic, current) if current and value == getattr(self.app.settings, name) else automatic

    def _describe(self) -> None:
        name = self.query_one(SettingList).name_at_cursor
        if not name:
            return
        text = _description(name)
        if variable := environment_variable(name):
            text += " " + _("Set by the environment variable {variable} for this start.").format(variable=variable)
        self.query_one(".description", Static).update(paragraph(text))

    def on_option_list_option_highlighted(self) -> None:
        self._describe()

    def on_option_list_option_selected(self) -> None:
        self.action_open()

    # ---- changes

    def action_open(self) -> None:
        if (name := self.query_one(SettingList).name_at_cursor) == "keys":
            self.app.push_screen(KeysScreen())
        else:
            self.run_task(self._change(name))

    def action_reset(self) -> None:
        name = self.query_one(SettingList).name_at_cursor
        self.run_task(self._save(name, _SETTINGS[name]["default"]))

    async def _change(self, name: str) -> None:
        value, label = getattr(self.app.settings, name), _label(name)
        if values := self._choices(name):
            answers = [(choice, self._text(name, _parse(name, choice))) for choice in values]
            dialog = ThemeDialog if name == "theme" else ChoiceDialog
            text = await self.app.push_screen_wait(dialog(label, answers, _typed(value)))
        else:
            question = label + "\n" + _description(name)
            text = await self.app.push_screen_wait(InputDialog(question, _typed(value), partial(_parse, name)))
        if text is not None:
            await self._save(name, _parse(name, text))
        elif name == "theme":
            self.app.show_theme()

    def _choices(self, name: str) -> Sequence[str]:
        """Return the values to choose from, none for a setting that is typed."""
        catalog = self.app.catalog
        installed = {
            "base": ["", *(card.name for card in catalog.bases)],
            "adapter": ["", *(card.name for card in catalog.adapters)],
            "theme": sorted(self.app.available_themes),
        }
        return installed.get(name) or _SETTINGS[name]["choices"]

    async def _save(self, name: str, value: object) -> None:
        try:
            await self.app.change_setting(name, value)
        finally:
            self._show()


class ThemeDialog(ChoiceDialog):
    """Asks for a theme. The one under the cursor is shown at once."""

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        self.app.theme = self._answers[event.option_index][0]


def _label(name: str) -> str:
    label: str = _SETTINGS[name]["label"]
    return _(label)


def _description(name: str) -> str:
    description: str = _SETTINGS[name]["description"]
    return _(description)


def _typed(value: object) -> str:
    """Return a value as it is typed."""
    if isinstance(value, float):
        return f"{value * 100:g}%"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _parse(name: str, text: str) -> Any:
    """Return the value of a text. A share may be a percentage. Raises UserInputError if it is invalid."""
    number = text.strip().removesuffix("%")
    with suppress(ValueError):
        if isinstance(_SETTINGS[name]["default"], float) and (number != text.strip() or float(number) > 1):
            text = str(float(number) / 100)
    return parse_setting(name, text)
