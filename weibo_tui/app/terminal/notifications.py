"""Window title and desktop notifications, as escape sequences for terminals that know them."""

from __future__ import annotations

from collections.abc import Mapping

from weibo_tui.text.terminal import sanitize, truncate_cells

MAX_CELLS = 80

_OSC_9 = {"iTerm.app", "WezTerm", "ghostty"}
"""Values of TERM_PROGRAM whose notifications are `OSC 9 ; text`."""


def title(text: str, environ: Mapping[str, str]) -> str:
    """Return the sequence that sets the title of the window, empty for a terminal without one."""
    return "" if _has_no_window(environ) else f"\x1b]2;{_one_line(text)}\x1b\\"


def notification(text: str, environ: Mapping[str, str]) -> str:
    """Return the sequence that shows a notification, empty where the terminal is not known to have them."""
    text, term = _one_line(text), environ.get("TERM", "")
    if "TMUX" in environ or _has_no_window(environ):
        return ""  # tmux passes on the bell only
    if environ.get("TERM_PROGRAM") in _OSC_9 or term == "xterm-ghostty":
        return f"\x1b]9;{text}\x1b\\"
    if term == "xterm-kitty":
        return f"\x1b]99;;{text}\x1b\\"
    if term.startswith(("foot", "rxvt-unicode")):
        return f"\x1b]777;notify;weibo-tui;{text.replace(';', ',')}\x1b\\"
    return ""


def _has_no_window(environ: Mapping[str, str]) -> bool:
    return environ.get("TERM", "") in ("", "linux", "dumb")


def _one_line(text: str) -> str:
    return truncate_cells(" ".join(sanitize(text).split()), MAX_CELLS)
