"""The help screen (F1): help for the current screen, and all keys."""

from __future__ import annotations

from collections.abc import Iterator

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.binding import ActiveBinding
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Static

from weibo_tui.app.base import Dialog
from weibo_tui.app.formatting import safe_content
from weibo_tui.app.keymap import KEY_GROUPS, KEYS, first_key, key_names, keys_of
from weibo_tui.app.widgets.responsive_text import paragraph
from weibo_tui.locale import N_
from weibo_tui.locale import gettext as _

BROWSER_HELP = N_(
    "This is a browser, which may take Ctrl+T, Ctrl+N and Ctrl+W for itself. Press {key} for all commands. F11 opens a "
    "full screen, where Chrome and Edge leave the app all keys. Closing or reloading the page ends the session. A "
    "training then stops with a checkpoint."
)


class Help(Dialog[None]):
    """Help for the screen below and its focused widget."""

    DEFAULT_CSS = """
    Help VerticalScroll { height: 1fr; }
    Help Static { height: auto; }
    Help .about { margin-bottom: 1; }
    """

    def __init__(self, below: Screen[object]) -> None:
        super().__init__()
        self._texts = [
            _(text) for text in (getattr(below.focused, "HELP_TEXT", ""), getattr(below, "HELP_TEXT", "")) if text
        ]
        self._active = dict(below.active_bindings)

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="box"):
            for text in self._texts:
                yield Static(paragraph(text), classes="about")
            if self.app.is_web:
                key = first_key("app.palette", self.app.keymap)
                yield Static(paragraph(_(BROWSER_HELP).format(key=key)), classes="about")
            yield Static(Content("\n").join(self._lines()))

    def _lines(self) -> Iterator[Content]:
        yield Content.styled(_("Keys that work now"), "bold $primary")
        yield from _table(_active_actions(self._active))
        for group, keys in KEYS.items():
            yield Content("")
            yield Content.styled(_(KEY_GROUPS[group]), "bold $primary")
            yield from _table((key_names(keys_of(key, self.app.keymap)), _(key.description), key.name) for key in keys)
        yield Content("")
        note = _("To change keys, press {key}. The names on the right are those in the settings file, under [keys].")
        yield safe_content(note.format(key=first_key("app.settings", self.app.keymap)))


def _active_actions(active: dict[str, ActiveBinding]) -> Iterator[tuple[str, str, str]]:
    """Yield each action once, with all its keys."""
    keys: dict[tuple[str, str], list[str]] = {}
    for key, item in active.items():
        if item.enabled and item.binding.id:
            keys.setdefault((item.binding.description, item.binding.id), []).append(key)
    for (description, name), pressed in keys.items():
        yield key_names(",".join(pressed)), description, name


def _table(rows: Iterator[tuple[str, str, str]]) -> Iterator[Content]:
    table = list(rows)
    widths = [max((cell_len(row[column]) for row in table), default=0) for column in (0, 1)]
    for keys, description, name in table:
        yield Content.assemble(
            "  ",
            (keys, "bold"),
            " " * (widths[0] - cell_len(keys) + 2),
            description,
            " " * (widths[1] - cell_len(description) + 2),
            (name, "$text-muted"),
        )
