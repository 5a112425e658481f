"""The keys screen: all actions with their keys, which can be changed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widget import Widget
from textual.widgets import Static

from weibo_tui.app.base import Dialog, FormScreen
from weibo_tui.app.formatting import safe_content
from weibo_tui.app.keymap import KEY_GROUPS, KEYS, conflicts, description, key_names, keys_of
from weibo_tui.app.settings.setting_list import Row, SettingList
from weibo_tui.errors import UserInputError
from weibo_tui.locale import N_
from weibo_tui.locale import gettext as _


class KeysScreen(FormScreen[None]):
    """The actions of all groups with their keys."""

    HELP_TEXT = N_(
        "Enter changes the key of an action: press the new key then. r resets it to the default. Changed keys are in "
        "color, and work at once."
    )

    def compose_body(self) -> Iterable[Widget]:
        yield Static(safe_content(_("Keys")), classes="title")
        yield SettingList()

    def on_mount(self) -> None:
        self._show()

    def _show(self) -> None:
        self.query_one(SettingList).show(list(self._rows()))
        self.refresh_bindings()

    def _rows(self) -> Iterator[Row]:
        keymap = self.app.keymap
        for group, keys in KEYS.items():
            yield Row(_(KEY_GROUPS[group]))
            for key in keys:
                label, changed = f"  {_(key.description)}", key.name in keymap
                remark = _("default: {keys}").format(keys=key_names(key.keys)) if changed else ""
                yield Row(label, key.name, key_names(keys_of(key, keymap)), remark, changed)

    def on_option_list_option_selected(self) -> None:
        self.action_open()

    def action_open(self) -> None:
        self.run_task(self._change(self.query_one(SettingList).name_at_cursor))

    def action_reset(self) -> None:
        name = self.query_one(SettingList).name_at_cursor
        self.run_task(self._save({key: value for key, value in self.app.settings.keys.items() if key != name}))

    async def _change(self, name: str) -> None:
        title = _(description(name))
        pressed = await self.app.push_screen_wait(KeyDialog(title))
        if pressed is None:
            return
        if others := conflicts(name, pressed, self.app.keymap):
            message = _("{key} is the key of “{action}” ({place}). Press another key, or change that one first.")
            place = _(KEY_GROUPS[others[0].name.partition(".")[0]])
            raise UserInputError(message.format(key=key_names(pressed), action=_(others[0].description), place=place))
        await self._save({**self.app.settings.keys, name: pressed})

    async def _save(self, keymap: dict[str, str]) -> None:
        await self.app.change_setting("keys", keymap)
        self._show()


class KeyDialog(Dialog[str]):
    """Waits for a key. Returns its name, or None after Esc."""

    def __init__(self, action: str) -> None:
        super().__init__()
        self._action = action

    def compose(self) -> ComposeResult:
        with Vertical(classes="box"):
            yield Static(safe_content(_("Press the new key for “{action}”. Esc cancels.").format(action=self._action)))

    def on_key(self, event: events.Key) -> None:
        if event.key != "escape":
            event.stop()
            event.prevent_default()
            self.dismiss(event.key)
